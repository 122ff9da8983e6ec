//! One command under a deadline, its output passed through and looked at.

use std::fmt;
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use signal_hook::consts::{SIGINT, SIGTERM};
use xshell::Cmd;

use crate::counts::Runner;

/// How long a command told to end may take before it is killed. nextest uses it
/// to end its tests, each of which has a process group of its own.
const GRACE: Duration = Duration::from_secs(12);

/// When something began.
#[derive(Clone, Copy)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts to count.
    #[expect(clippy::disallowed_methods, reason = "real commands take real time")]
    pub(crate) fn start() -> Stopwatch {
        Stopwatch(Instant::now())
    }

    /// The time since the start.
    #[expect(clippy::disallowed_methods, reason = "real commands take real time")]
    pub(crate) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// A stopwatch with an end.
#[derive(Clone, Copy)]
pub(crate) struct Deadline {
    since: Stopwatch,
    after: Duration,
}

impl Deadline {
    /// Ends `after` from now.
    pub(crate) fn after(after: Duration) -> Deadline {
        Deadline {
            since: Stopwatch::start(),
            after,
        }
    }

    /// What is left; zero once over.
    pub(crate) fn left(&self) -> Duration {
        self.after.saturating_sub(self.since.elapsed())
    }
}

/// The user's wish to stop, as a descriptor that becomes readable.
pub(crate) struct Interrupts(UnixStream);

/// The error of a run that the user stopped.
#[derive(Debug)]
pub(crate) struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

impl Interrupts {
    /// Catches SIGINT and SIGTERM from now on.
    pub(crate) fn catch() -> Result<Interrupts> {
        let (reader, writer) = UnixStream::pair()?;
        for signal in [SIGINT, SIGTERM] {
            signal_hook::low_level::pipe::register(signal, writer.try_clone()?)
                .context("failed to watch for Ctrl-C")?;
        }
        Ok(Interrupts(reader))
    }
}

/// A command with its environment and what its output means.
pub(crate) struct Step<'a> {
    cmd: Cmd<'a>,
    env: Vec<(&'static str, String)>,
    pub(crate) runner: Runner,
}

impl<'a> Step<'a> {
    /// A command whose output holds no test results.
    pub(crate) fn new(cmd: Cmd<'a>) -> Step<'a> {
        Step {
            cmd,
            env: Vec::new(),
            runner: Runner::Silent,
        }
    }

    /// A command that prints test results as `runner` does.
    pub(crate) fn tests(cmd: Cmd<'a>, runner: Runner) -> Step<'a> {
        Step {
            cmd,
            env: Vec::new(),
            runner,
        }
    }

    /// Sets a variable for the command.
    pub(crate) fn env(mut self, name: &'static str, value: impl Into<String>) -> Step<'a> {
        self.env.push((name, value.into()));
        self
    }

    /// The command without its variables, for messages.
    pub(crate) fn command(&self) -> String {
        self.cmd.to_string()
    }
}

/// As one would type it.
impl fmt::Display for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.env {
            if value.contains(' ') {
                write!(f, "{name}=\"{value}\" ")?;
            } else {
                write!(f, "{name}={value} ")?;
            }
        }
        write!(f, "{}", self.cmd)
    }
}

/// How a command ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    Exited(ExitStatus),
    OverTime,
    Interrupted,
}

/// Runs `step` in a process group of its own with an empty stdin, copies what it
/// prints to our stdout, and shows each line to `look`, free of colour.
///
/// Whatever the step left running is killed when it ends.
pub(crate) fn run(
    step: Step<'_>,
    deadline: Deadline,
    interrupts: &Interrupts,
    mut look: impl FnMut(&str),
) -> Result<End> {
    let shown = step.to_string();
    let (output, writer) = io::pipe()?;
    let mut command = Command::from(step.cmd);
    command
        .envs(step.env)
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .process_group(0);
    if io::stdout().is_terminal() {
        // cargo and nextest see our pipe, and would leave colour out.
        command.env("CARGO_TERM_COLOR", "always");
    }
    let mut child = command
        .spawn()
        .with_context(|| format!("failed to start `{shown}`"))?;
    // It holds our copies of the pipe's writing end.
    drop(command);
    let end = follow(&mut child, output, deadline, interrupts, &mut look);
    if !matches!(end, Ok(End::Exited(_))) {
        end_group(&mut child)?;
    }
    // Usually there is nobody left to be killed.
    let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
    end
}

/// Copies output until the command ends or must be ended.
fn follow(
    child: &mut Child,
    mut output: io::PipeReader,
    deadline: Deadline,
    interrupts: &Interrupts,
    look: &mut impl FnMut(&str),
) -> Result<End> {
    let exit = pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
    let mut lines = Lines::default();
    let mut chunk = vec![0; 1 << 16];
    let mut closed = false;
    loop {
        let left = deadline.left();
        if left.is_zero() {
            return Ok(End::OverTime);
        }
        let mut fds = vec![
            PollFd::from_borrowed_fd(exit.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(interrupts.0.as_fd(), PollFlags::IN),
        ];
        if !closed {
            fds.push(PollFd::from_borrowed_fd(output.as_fd(), PollFlags::IN));
        }
        match poll(&mut fds, Some(&Timespec::try_from(left)?)) {
            Err(rustix::io::Errno::INTR) => continue,
            result => result?,
        };
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        drop(fds);
        if ready[1] {
            return Ok(End::Interrupted);
        }
        if ready.get(2) == Some(&true) {
            let count = output.read(&mut chunk)?;
            closed = count == 0;
            io::stdout().write_all(&chunk[..count])?;
            io::stdout().flush()?;
            lines.push(&chunk[..count], look);
        } else if ready[0] {
            lines.finish(look);
            return Ok(End::Exited(child.wait()?));
        }
    }
}

/// Asks the command and its children to end, then makes them.
fn end_group(child: &mut Child) -> Result<()> {
    let pid = Pid::from_child(child);
    let exit = pidfd_open(pid, PidfdFlags::empty())?;
    let _ = kill_process_group(pid, Signal::TERM);
    let mut fds = [PollFd::from_borrowed_fd(exit.as_fd(), PollFlags::IN)];
    let _ = poll(&mut fds, Some(&Timespec::try_from(GRACE)?));
    let _ = kill_process_group(pid, Signal::KILL);
    child.wait()?;
    Ok(())
}

/// Cuts a stream of bytes into lines.
#[derive(Default)]
struct Lines {
    partial: Vec<u8>,
}

impl Lines {
    fn push(&mut self, bytes: &[u8], look: &mut impl FnMut(&str)) {
        self.partial.extend_from_slice(bytes);
        while let Some(end) = self.partial.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.partial.drain(..=end).collect();
            show(&line[..end], look);
        }
    }

    fn finish(&mut self, look: &mut impl FnMut(&str)) {
        if !self.partial.is_empty() {
            show(&std::mem::take(&mut self.partial), look);
        }
    }
}

fn show(line: &[u8], look: &mut impl FnMut(&str)) {
    let line = String::from_utf8_lossy(line);
    look(&anstream::adapter::strip_str(&line).to_string());
}

#[cfg(test)]
mod tests {
    use xshell::{Shell, cmd};

    use super::*;

    /// The end of `script` and the lines it printed.
    fn run_script(script: &str, budget: Duration) -> (End, Vec<String>) {
        let sh = Shell::new().unwrap();
        let (_wake, quiet) = UnixStream::pair().unwrap();
        let mut lines = Vec::new();
        let end = run(
            Step::new(cmd!(sh, "sh -c {script}")).env("GREETING", "good day"),
            Deadline::after(budget),
            &Interrupts(quiet),
            |line| lines.push(line.to_owned()),
        );
        (end.unwrap(), lines)
    }

    const AMPLE: Duration = Duration::from_secs(60);

    #[test]
    fn lines_of_both_outputs_are_seen_without_colour() {
        let (end, lines) = run_script(
            "printf '\\033[1m%s\\033[0m\\n' \"$GREETING\"; printf bye >&2",
            AMPLE,
        );
        assert!(matches!(end, End::Exited(status) if status.success()));
        assert_eq!(lines, ["good day", "bye"]);
    }

    #[test]
    fn a_status_is_passed_on() {
        let (end, _) = run_script("exit 3", AMPLE);
        assert!(matches!(end, End::Exited(status) if status.code() == Some(3)));
    }

    #[test]
    fn a_command_past_its_deadline_is_ended() {
        let (end, _) = run_script("exec tail -f /dev/null", Duration::from_millis(50));
        assert_eq!(end, End::OverTime);
    }

    #[test]
    fn a_command_that_closes_its_outputs_is_still_waited_for() {
        let (end, _) = run_script("exec >&- 2>&-; exit 4", AMPLE);
        assert!(matches!(end, End::Exited(status) if status.code() == Some(4)));
    }

    #[test]
    fn a_process_left_behind_is_killed_and_does_not_hold_up_the_run() {
        let (end, lines) = run_script("tail -f /dev/null & echo $!", AMPLE);
        assert!(matches!(end, End::Exited(status) if status.success()));
        let left = Pid::from_raw(lines[0].parse().unwrap()).unwrap();
        // It is gone, or on its way.
        if let Ok(exit) = pidfd_open(left, PidfdFlags::empty()) {
            let mut fds = [PollFd::from_borrowed_fd(exit.as_fd(), PollFlags::IN)];
            assert_eq!(
                poll(&mut fds, Some(&Timespec::try_from(AMPLE).unwrap())),
                Ok(1)
            );
        }
    }

    #[test]
    fn the_interrupted_command_is_ended() {
        let sh = Shell::new().unwrap();
        let (mut wake, quiet) = UnixStream::pair().unwrap();
        wake.write_all(b"x").unwrap();
        let step = Step::new(cmd!(sh, "tail -f /dev/null"));
        let end = run(step, Deadline::after(AMPLE), &Interrupts(quiet), |_| ()).unwrap();
        assert_eq!(end, End::Interrupted);
    }

    #[test]
    fn a_step_reads_as_one_would_type_it() {
        let sh = Shell::new().unwrap();
        let step = Step::new(cmd!(sh, "cargo doc --no-deps")).env("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(
            step.to_string(),
            "RUSTDOCFLAGS=\"-D warnings\" cargo doc --no-deps"
        );
    }
}
