//! A scenario as read: names resolved, every operand of the kind its statement wants.

use lastfd_sync::Arc;

use crate::language::{Kind, Op, Property};

/// A name of a scenario: an index into its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NameId(pub(crate) u32);

impl NameId {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// A named thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// As written; a device prints as this tag.
    pub text: String,
    /// What it stands for.
    pub kind: Kind,
}

/// How a statement's result is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `call`: nothing is printed.
    Quiet,
    /// `> call`: a step that prints what the call returned.
    Step,
    /// `do call`: a step that prints `done` whatever the call returned.
    Do,
    /// `try call`: quiet, and an error ends the body with it.
    Try,
}

/// An action's function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActionFn {
    /// Prints `devm-action WORD`.
    Act,
    /// Prints `devm-action(b) WORD`.
    ActB,
    /// Prints a device's state.
    ActState,
    /// Puts a device.
    ActPut,
    /// Unregisters a device.
    ActUnregister,
    /// Prints `kunit-action WORD`.
    Kact,
    /// Prints `drmm-action WORD`.
    Dact,
    /// Runs an action body.
    Body(NameId),
}

impl ActionFn {
    /// Whether the function is called with a device.
    pub fn wants_device(self) -> bool {
        matches!(
            self,
            ActionFn::ActState | ActionFn::ActPut | ActionFn::ActUnregister
        )
    }
}

/// The release function of a devres.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReleaseFn {
    /// Prints `devres-release WORD`.
    Release,
    /// Prints `devres-release2 WORD`.
    Release2,
}

/// One piece of a string with placeholders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Text as it stands.
    Text(String),
    /// `{NAME}`: a number.
    Number(NameId),
    /// `{NAME.property}` or `{self.property}` (no name).
    Property(Option<NameId>, Property),
    /// `{fail_nth}`: how far the failing allocation is away.
    FailNth,
}

/// An operand.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Arg {
    /// A named thing.
    Name(NameId),
    /// The device a body was called for.
    SelfDevice,
    /// A free word.
    Word(String),
    /// A string.
    Text(Vec<Piece>),
    /// A number.
    Number(i64),
    /// `NULL`, `none`.
    Null,
    /// `any`, `auto`.
    Any,
    /// An action's function.
    Action(ActionFn),
    /// A devres's release function.
    Release(ReleaseFn),
    /// Open flags, as the numbers of Linux on x86, or a link's flags.
    Flags(u32),
}

/// One statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its line in the text, from 1.
    pub line: usize,
    /// How its result is shown.
    pub form: Form,
    /// What it does.
    pub op: Op,
    /// The name before `=`.
    pub result: Option<NameId>,
    /// Its operands, in the order of the table.
    pub args: Vec<Arg>,
    /// Its keyword operands, in the order of the table.
    pub keywords: Vec<Option<Arg>>,
    /// The statement as a C call might read, for the trace.
    pub text: String,
}

/// What runs the scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Runner {
    /// A plain thread, from `BEGIN` to `END`.
    Plain,
    /// A KUnit case of this name, between the suite's init and exit.
    KunitCase(String),
}

/// A scenario: what happens, in order, and the bodies that callbacks run.
///
/// Made by [`parse`](crate::parse), run by [`Scenario::run`]. A clone is the same
/// scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario(Arc<Read>);

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) name: String,
    pub(crate) runner: Runner,
    pub(crate) names: Vec<Name>,
    pub(crate) lines: Vec<Line>,
    /// Indexed by the name of the body.
    pub(crate) bodies: Vec<Option<Vec<Line>>>,
}

impl Scenario {
    pub(crate) fn new(read: Read) -> Scenario {
        Scenario(Arc::new(read))
    }

    /// The word after `scenario`.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// What runs it.
    pub fn runner(&self) -> &Runner {
        &self.0.runner
    }

    /// The statements outside bodies, in order.
    pub fn lines(&self) -> &[Line] {
        &self.0.lines
    }

    /// Every name, in the order of [`NameId`]s.
    pub fn names(&self) -> &[Name] {
        &self.0.names
    }

    /// What a name stands for.
    pub fn name_of(&self, id: NameId) -> &Name {
        &self.0.names[id.0 as usize]
    }

    /// The statements of a body.
    pub fn body(&self, id: NameId) -> Option<&[Line]> {
        self.0.bodies.get(id.0 as usize)?.as_deref()
    }
}
