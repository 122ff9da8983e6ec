//! Programs that a session starts, and what is sent to them.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Stdio;

use rustix::fs::{CWD, Mode, OFlags, fcntl_setfl, openat};
use rustix::process::Signal;

use super::answer::{Kind, Refusal};
use super::request::{SignalName, Spawn};
use crate::bench::Bench;
use crate::find::find_program;
use crate::program::Program;

/// Starts a program.
pub(super) fn spawn(bench: &Bench, asked: Spawn) -> Result<Program<'_>, Refusal> {
    let Some((name, args)) = asked.argv.split_first() else {
        return Err(Refusal::of(
            Kind::BadRequest,
            "'argv' is empty: its first is the program's name or path",
        ));
    };
    let nul = |text: &String| text.contains('\0');
    if asked.argv.iter().any(nul) || asked.env.iter().any(|(k, v)| nul(k) || v.iter().any(nul)) {
        return Err(Refusal::of(
            Kind::BadRequest,
            "an argument or a variable has a zero byte in it, which no program can be given",
        ));
    }
    if let Some(wrong) = asked
        .env
        .keys()
        .find(|key| key.is_empty() || key.contains('='))
    {
        return Err(Refusal::of(
            Kind::BadRequest,
            format!("'{wrong}' is no name of a variable"),
        ));
    }
    let refused = |error: String| Refusal::of(Kind::Refused, error);
    if let Some(directory) = asked.cwd.as_ref().filter(|path| !path.is_dir()) {
        let directory = directory.display();
        return Err(refused(format!("'cwd' is no directory: {directory}")));
    }
    // A path is looked up where the program begins.
    let path = match asked.cwd.as_ref().map(std::path::absolute) {
        Some(Ok(directory)) if name.contains('/') => directory.join(name),
        _ => name.into(),
    };
    if !asked.env.contains_key("PATH") {
        find_program(&path).map_err(|error| refused(error.to_string()))?;
    }
    // The session's input and output are its own.
    let errors = || io::stderr().into();
    let open = |what, path: &Option<std::path::PathBuf>, usual: &dyn Fn() -> Stdio| match path {
        Some(path) => open(what, path).map(Stdio::from),
        None => Ok(usual()),
    };
    let mut command = bench
        .command(&path)
        .args(args)
        .iiod_only(asked.iiod_only)
        .always_iiod(false)
        .stdin(open("stdin", &asked.stdin, &Stdio::null)?)
        .stdout(open("stdout", &asked.stdout, &errors)?)
        .stderr(open("stderr", &asked.stderr, &errors)?);
    for (name, value) in asked.env {
        command = match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    if let Some(directory) = asked.cwd {
        command = command.current_dir(directory);
    }
    command.spawn().map_err(|error| refused(error.to_string()))
}

/// A file that a program reads or writes. One that nobody holds the other end of does not
/// keep the session waiting.
fn open(what: &str, path: &Path) -> Result<OwnedFd, Refusal> {
    let access = match what {
        "stdin" => OFlags::RDONLY,
        _ => OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND,
    };
    let flags = access | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
    let opened = openat(CWD, path, flags, Mode::from_raw_mode(0o666));
    let opened = opened.and_then(|fd| fcntl_setfl(&fd, access).map(|()| fd));
    opened.map_err(|errno| {
        let (path, why) = (path.display(), io::Error::from(errno));
        let hint = match errno {
            rustix::io::Errno::NXIO => "; nobody reads the other end",
            _ => "",
        };
        Refusal::of(
            Kind::Refused,
            format!("failed to open '{path}' as {what}: {why}{hint}"),
        )
    })
}

/// Signals by name.
const SIGNALS: [(&str, Signal); 14] = [
    ("HUP", Signal::HUP),
    ("INT", Signal::INT),
    ("QUIT", Signal::QUIT),
    ("ABRT", Signal::ABORT),
    ("KILL", Signal::KILL),
    ("USR1", Signal::USR1),
    ("USR2", Signal::USR2),
    ("PIPE", Signal::PIPE),
    ("ALRM", Signal::ALARM),
    ("TERM", Signal::TERM),
    ("CHLD", Signal::CHILD),
    ("CONT", Signal::CONT),
    ("STOP", Signal::STOP),
    ("WINCH", Signal::WINCH),
];

/// The number of a signal.
pub(super) fn signal(signal: &SignalName) -> Result<i32, Refusal> {
    let known = match signal {
        SignalName::Number(number) => Signal::from_named_raw(*number),
        SignalName::Name(name) => {
            let short = name.strip_prefix("SIG").unwrap_or(name);
            let known = SIGNALS.into_iter().find(|(name, _)| *name == short);
            known.map(|(_, signal)| signal)
        }
    };
    known.map(Signal::as_raw).ok_or_else(|| {
        let names = SIGNALS.map(|(name, _)| name).join(", ");
        let said = match signal {
            SignalName::Number(number) => number.to_string(),
            SignalName::Name(name) => format!("'{name}'"),
        };
        Refusal::of(
            Kind::BadRequest,
            format!("there is no signal {said}: write its number, or one of {names}"),
        )
    })
}
