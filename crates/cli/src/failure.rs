//! What can go wrong, and with which exit status.

use std::io;
use std::path::PathBuf;

use lastfd::iiod::StartError;
use lastfd::report::{SaveError, UnknownFormat};
use lastfd::{ClientFailure, ProgramError};

/// Wrong usage (sysexits.h: EX_USAGE).
pub(crate) const USAGE: u8 = 64;
/// A driver broke a lifetime rule.
pub(crate) const DRIVER: u8 = 70;
/// A program did not do what was expected of it when its device went.
pub(crate) const PROGRAM: u8 = 71;

/// Why a command came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(
        "there is no device '{name}' to {verb}: on this bench {are} {known}; the second of a kind has a 2 after it"
    )]
    UnknownName {
        name: String,
        verb: String,
        are: &'static str,
        known: String,
    },
    #[error(transparent)]
    Fault(#[from] lastfd::FaultError),
    #[error("failed to plug in {spec}: {errno}")]
    Plug { spec: String, errno: lastfd::Errno },
    #[error(transparent)]
    Report(#[from] UnknownFormat),
    #[error(transparent)]
    Save(#[from] SaveError),
    #[error(transparent)]
    Program(#[from] ProgramError),
    #[error(transparent)]
    Client(#[from] ClientFailure),
    #[error(transparent)]
    Serve(#[from] StartError),
    #[error(
        "failed to find the scenario '{}': there is no such file, and no oracle/scenarios/{}.scenario here",
        .0.display(), .0.display()
    )]
    NoScenario(PathBuf),
    #[error("failed to read the scenario '{}': {source}", path.display())]
    ReadScenario { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Scenario(#[from] lastfd::scenario::ParseError),
    #[error("give one scenario: a C case is a file of its own")]
    EmitOne,
    #[error("failed to emit the scenario '{name}' as a C case: {source}")]
    Emit {
        name: String,
        source: lastfd::scenario::NoCase,
    },
    #[error("there is no case '{0}'; `lastfd kunit --list` names them, SUITE or SUITE.CASE")]
    NoCase(String),
    #[error("no case fits '{0}'; `lastfd kunit --slow --list-attributes` shows what each has")]
    NoCaseWith(String),
    #[error(
        "there is no exploration '{name}'; near it are {known}; `lastfd explore --list` has all"
    )]
    NoExploration { name: String, known: String },
    #[error("{name} has no variant '{variant}'; it has {known}")]
    NoVariant {
        name: String,
        variant: String,
        known: String,
    },
    #[error("{name} {refusal}")]
    Refused {
        name: String,
        refusal: lastfd::explore::Refusal,
    },
    #[error(
        "failed to choose a format for the report '{}': of an exploration there is a picture, so its name must end in .svg",
        .0.display()
    )]
    Picture(PathBuf),
    #[error(transparent)]
    NoReport(SaveError),
    #[error(transparent)]
    Filter(#[from] lastfd::kunit::FilterError),
    #[error(transparent)]
    Ctl(#[from] lastfd::host::control::ClientError),
    #[error("'{0}' is no time to wait for: write seconds, such as 2.5")]
    Within(f64),
    #[error("there is no command '{name}' to have a page; there are {known}")]
    NoPage { name: String, known: String },
    #[error("failed to write the pages into '{}': {source}", directory.display())]
    WritePages {
        directory: PathBuf,
        source: io::Error,
    },
    #[error(
        "there is no program to sweep: write it after --, such as `lastfd sweep -- cat /dev/iio:device0`"
    )]
    NoProgram,
    #[error("failed to sweep: {0}")]
    Sweep(#[from] lastfd::sweep::SweepError),
    #[error("failed to {doing}: {source}")]
    System {
        doing: &'static str,
        source: io::Error,
    },
}

impl Failure {
    pub(crate) fn exit_status(&self) -> u8 {
        match self {
            Failure::UnknownName { .. }
            | Failure::Fault(_)
            | Failure::NoProgram
            | Failure::Client(ClientFailure::Argument(_))
            | Failure::Report(_)
            | Failure::NoScenario(_)
            | Failure::EmitOne
            | Failure::Emit { .. }
            | Failure::NoCase(_)
            | Failure::NoCaseWith(_)
            | Failure::Within(_)
            | Failure::NoPage { .. }
            | Failure::NoExploration { .. }
            | Failure::NoVariant { .. }
            | Failure::Picture(_)
            | Failure::NoReport(_)
            | Failure::Filter(_)
            | Failure::ReadScenario { .. }
            | Failure::Scenario(_)
            | Failure::Serve(StartError::Listen { .. }) => USAGE,
            // As shells do.
            Failure::Program(ProgramError::NotFound(_)) => 127,
            Failure::Program(ProgramError::NotExecutable { .. }) => 126,
            Failure::Plug { .. }
            | Failure::Refused { .. }
            | Failure::Save(_)
            | Failure::WritePages { .. }
            | Failure::Program(_)
            | Failure::Client(_)
            | Failure::Serve(_)
            | Failure::Ctl(_)
            | Failure::Sweep(_)
            | Failure::System { .. } => 1,
        }
    }
}
