//! The words of the language: how a statement is made up.
//!
//! The parser, the error messages, the manual's test and whatever interprets or
//! generates scenarios elsewhere read [`STATEMENTS`], one table, so that a statement
//! is described once.

pub use crate::kind::{Kind, Property};
pub use crate::statements::{Op, STATEMENTS};

/// What an operand may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Param {
    /// A name that this statement defines.
    New(Kind),
    /// A name of exactly this kind.
    Named(Kind),
    /// A name of any kind of device, or `self`.
    AnyDevice,
    /// The same, or `NULL`.
    DeviceOrNull,
    /// What has a reference count: any kind of device, or what a framework counts.
    Counted,
    /// A driver of the scenario or of KUnit.
    AnyDriver,
    /// A free word: what the text says it is.
    Word(&'static str),
    /// One of a few words.
    OneOf(&'static str, &'static [&'static str]),
    /// A quoted string; placeholders are filled in when the statement runs.
    Text(&'static str),
    /// A number, decimal or `0x`.
    Number(&'static str),
    /// A devm or kunit action: one built in or an `action` body.
    Action,
    /// What the action before is called with: a word, `NULL`, or a device.
    ActionData,
    /// `dr_rel` or `dr_rel2`.
    Release,
    /// The word a devres carries, or `any`.
    Match,
    /// A word, a group's name, or `NULL`.
    GroupId,
    /// `O_RDONLY|O_NONBLOCK` and so on.
    OpenFlags,
    /// `0`, or `DL_FLAG_STATELESS|DL_FLAG_PM_RUNTIME` and so on.
    LinkFlags,
    /// An ioctl's number, or the name of one.
    IoctlNumber,
    /// A platform device's number, `none` or `auto`.
    PlatformId,
    /// `0`, a number, `-ENAME`, or a number's name.
    Value,
}

impl Param {
    /// How a message calls what is expected here.
    pub fn expects(self) -> String {
        match self {
            Param::New(kind) => format!("a new name for {kind}"),
            Param::Named(kind) => format!("the name of {kind}"),
            Param::AnyDevice => "the name of a device".to_owned(),
            Param::DeviceOrNull => "the name of a device, or `NULL`".to_owned(),
            Param::Counted => "the name of a device".to_owned(),
            Param::AnyDriver => "the name of a driver".to_owned(),
            Param::Word(what) => format!("a word: {what}"),
            Param::OneOf(what, words) => format!("{what}: {}", listed(words)),
            Param::Text(what) => format!("a quoted string: {what}"),
            Param::Number(what) => format!("a number: {what}"),
            Param::Action => {
                "an action: `act`, `act_b`, `act_state`, `act_put`, `act_unregister`, `dact`, \
                 `kact` or the name of an action body"
                    .to_owned()
            }
            Param::ActionData => "what the action is called with: a word or `NULL`".to_owned(),
            Param::Release => "a release function: `dr_rel` or `dr_rel2`".to_owned(),
            Param::Match => "the word the devres carries, or `any`".to_owned(),
            Param::GroupId => "a group: a word, the name of one, or `NULL`".to_owned(),
            Param::OpenFlags => "open flags, as in `O_RDONLY|O_NONBLOCK`".to_owned(),
            Param::LinkFlags => {
                "a link's flags: `0`, or some as in `DL_FLAG_STATELESS|DL_FLAG_PM_RUNTIME`"
                    .to_owned()
            }
            Param::IoctlNumber => {
                "an ioctl: a number or a name such as `VIDIOC_LOG_STATUS`".to_owned()
            }
            Param::PlatformId => "a platform device's number, `none` or `auto`".to_owned(),
            Param::Value => "`0`, a number, `-ENAME` or the name of a number".to_owned(),
        }
    }
}

impl Param {
    /// How the manual writes an operand.
    fn written(self) -> String {
        match self {
            Param::New(_) => "NAME",
            Param::AnyDevice => "DEVICE",
            Param::DeviceOrNull => "DEVICE|NULL",
            Param::Counted => "COUNTED",
            Param::AnyDriver => "DRIVER",
            Param::Word(_) => "WORD",
            Param::OneOf(_, words) => return words.join("|"),
            Param::Text(_) => "\"TEXT\"",
            Param::Number(_) => "N",
            Param::Action => "ACTION",
            Param::ActionData => "DATA",
            Param::Release => "RELEASE",
            Param::Match => "MATCH",
            Param::GroupId => "GROUP",
            Param::OpenFlags => "FLAGS",
            Param::LinkFlags => "LINKFLAGS",
            Param::IoctlNumber => "CMD",
            Param::PlatformId => "ID",
            Param::Value => "VALUE",
            Param::Named(kind) => match kind {
                Kind::Bus => "BUS",
                Kind::Class => "CLASS",
                Kind::Devt => "DEVT",
                Kind::DeviceLink => "LINK",
                Kind::Cdev => "CDEV",
                Kind::FileOperations => "FOPS",
                Kind::IioSetupOps => "OPS",
                Kind::File => "FILE",
                Kind::Thread => "THREAD",
                Kind::Memory => "MEMORY",
                Kind::Devres => "DEVRES",
                Kind::Probe => "PROBE",
                Kind::Remove => "REMOVE",
                Kind::Each => "EACH",
                Kind::Hook => "HOOK",
                Kind::Iio => "IIO",
                Kind::IioChannel => "CHANNEL",
                Kind::Drm => "DRM",
                Kind::DrmDriver => "DRMDRIVER",
                Kind::DrmBridge => "BRIDGE",
                Kind::DrmEncoder => "ENCODER",
                Kind::V4l2Device => "V4L2",
                Kind::Video => "VIDEO",
                Kind::Cec => "CEC",
                Kind::CecOps => "CECOPS",
                kind if kind.is_device() => "DEVICE",
                kind if kind.is_driver() => "DRIVER",
                _ => "NAME",
            },
        }
        .to_owned()
    }
}

/// `a`, `b` or `c`.
pub(crate) fn listed(words: &[&str]) -> String {
    let mut text = String::new();
    for (i, word) in words.iter().enumerate() {
        if i > 0 {
            text.push_str(if i + 1 == words.len() { " or " } else { ", " });
        }
        text.push('`');
        text.push_str(word);
        text.push('`');
    }
    text
}

/// An operand of the form `key=value`, which may be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keyword {
    /// The word before `=`.
    pub key: &'static str,
    /// What may follow.
    pub value: Param,
    /// Whether the statement needs it.
    pub required: bool,
}

/// What a call returns, and so what its step prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returns {
    /// Not a call of the kernel: no step.
    NoStep,
    /// Nothing: `< done`.
    Nothing,
    /// An int: `< rc=N -ENAME`.
    Int,
    /// A pointer: `< ok`, `< NULL` or `< err N -ENAME`. With a kind, `NAME = call`
    /// names it.
    Pointer(Option<Kind>),
}

/// One statement of the language.
#[derive(Clone, Copy, Debug)]
pub struct Statement {
    /// Which one.
    pub op: Op,
    /// Its word.
    pub word: &'static str,
    /// Its operands, in order.
    pub params: &'static [Param],
    /// Its keyword operands.
    pub keywords: &'static [Keyword],
    /// What it returns.
    pub returns: Returns,
}

impl Statement {
    /// How it is written: `device NAME [name="TEXT"] [parent=DEVICE] …`.
    pub fn usage(&self) -> String {
        let mut text = self.word.to_owned();
        for param in self.params {
            text.push(' ');
            text.push_str(&param.written());
        }
        for keyword in self.keywords {
            let written = format!("{}={}", keyword.key, keyword.value.written());
            if keyword.required {
                text.push_str(&format!(" {written}"));
            } else {
                text.push_str(&format!(" [{written}]"));
            }
        }
        text
    }

    /// The statement that does this.
    pub fn of(op: Op) -> &'static Statement {
        // The table has one for each, in the order of `Op`.
        &STATEMENTS[op as usize]
    }

    /// The statement with this word.
    pub fn find(word: &str) -> Option<&'static Statement> {
        STATEMENTS.iter().find(|s| s.word == word)
    }
}

#[cfg(test)]
mod tests {
    use super::{Param, STATEMENTS, Statement};

    #[test]
    fn no_word_stands_for_two_statements() {
        for (i, statement) in STATEMENTS.iter().enumerate() {
            assert!(
                STATEMENTS[..i].iter().all(|s| s.word != statement.word),
                "{} is there twice",
                statement.word
            );
        }
    }

    #[test]
    fn each_operation_finds_its_statement() {
        for statement in STATEMENTS {
            assert_eq!(Statement::of(statement.op).op, statement.op);
        }
    }

    #[test]
    fn action_data_always_follows_an_action() {
        for statement in STATEMENTS {
            for (i, param) in statement.params.iter().enumerate() {
                if *param == Param::ActionData {
                    assert_eq!(statement.params[i - 1], Param::Action, "{}", statement.word);
                }
            }
        }
    }
}
