//! Programs that use a bench's devices.

use core::time::Duration;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{self, ChildStderr, ExitStatus, Stdio};

use lastfd_report::{Ending, RunEvent};
use lastfd_supervisor::{Sleeper, SpawnError};
use lastfd_sync::atomic::{AtomicBool, Ordering};
use lastfd_sync::{Arc, Ktime, WaitQueue, thread};

use crate::bench::Bench;
use crate::process::{Process, Signaller};

/// What in a program's arguments stands for the iiod's address.
const URI: &str = "{uri}";

/// A program could not be run.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// There is none of this name.
    #[error(
        "failed to run '{0}': there is no such program; give its path, or the name of one in PATH"
    )]
    NotFound(String),
    /// It is no program, or may not be executed.
    #[error("failed to run '{program}': {source}; is it an executable file?")]
    NotExecutable {
        /// Its name.
        program: String,
        /// What the system says.
        source: io::Error,
    },
    /// It cannot be served.
    #[error("failed to serve devices to '{program}': {source}")]
    Serve {
        /// Its name.
        program: String,
        /// Why.
        source: lastfd_iiod::StartError,
    },
    /// This machine does not let it see devices.
    #[error(
        "failed to show devices to '{program}': {source}; with --iiod-only it runs without, and reaches IIO devices through the iiod"
    )]
    Show {
        /// Its name.
        program: String,
        /// Why.
        source: lastfd_supervisor::StartError,
    },
    /// The system gives no process.
    #[error("failed to start '{program}': {source}")]
    Start {
        /// Its name.
        program: String,
        /// What the system says.
        source: io::Error,
    },
}

/// A program to be run; made by [`Bench::command`].
#[derive(Debug)]
pub struct Command<'a> {
    bench: &'a Bench,
    program: String,
    inner: process::Command,
    /// Not yet in `inner`: where the iiod is, is known when it is started.
    args: Vec<OsString>,
    iiod_only: bool,
    /// Also where no argument asks for its address.
    always_iiod: bool,
}

impl Bench {
    /// A program that uses the bench's devices: it sees their nodes in `/dev`, their
    /// directories in `/sys`, and their uevents, whatever it is written in. In its
    /// arguments `{uri}` becomes the address of the bench's iiod, which is started with
    /// it.
    ///
    /// ```
    /// use lastfd::Bench;
    ///
    /// let bench = Bench::new();
    /// let echo = bench.command("echo").arg("{uri}").spawn().unwrap();
    /// assert!(echo.wait().is_success());
    /// bench.finish().assert_clean();
    /// ```
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command<'_> {
        let program = program.as_ref();
        Command {
            bench: self,
            program: program.to_string_lossy().into_owned(),
            inner: process::Command::new(program),
            args: Vec::new(),
            iiod_only: false,
            always_iiod: true,
        }
    }
}

impl<'a> Command<'a> {
    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        let args = args.into_iter().map(|arg| arg.as_ref().to_owned());
        self.args.extend(args);
        self
    }

    /// Sets a variable of its environment, which is ours unless told.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.inner.env(name, value);
        self
    }

    /// Takes a variable out of its environment.
    #[must_use]
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.inner.env_remove(name);
        self
    }

    /// The directory it begins in; ours unless told.
    #[must_use]
    pub fn current_dir(mut self, directory: impl AsRef<Path>) -> Self {
        self.inner.current_dir(directory);
        self
    }

    /// Where its input comes from; inherited unless told.
    #[must_use]
    pub fn stdin(mut self, stdin: impl Into<Stdio>) -> Self {
        self.inner.stdin(stdin);
        self
    }

    /// Where its output goes; inherited unless told.
    #[must_use]
    pub fn stdout(mut self, stdout: impl Into<Stdio>) -> Self {
        self.inner.stdout(stdout);
        self
    }

    /// Where its errors go; inherited unless told.
    #[must_use]
    pub fn stderr(mut self, stderr: impl Into<Stdio>) -> Self {
        self.inner.stderr(stderr);
        self
    }

    /// It sees no nodes, and reaches devices through the iiod alone: for a machine that
    /// allows no more, or a program that needs rights that a served one cannot get.
    #[must_use]
    pub fn iiod_only(mut self, iiod_only: bool) -> Self {
        self.iiod_only = iiod_only;
        self
    }

    /// Whether the bench's iiod is started with it where no argument asks for its address,
    /// too, for clients that look for one by themselves. It is unless told.
    #[must_use]
    pub fn always_iiod(mut self, always_iiod: bool) -> Self {
        self.always_iiod = always_iiod;
        self
    }

    /// Starts it.
    ///
    /// # Errors
    /// There is no such program, it cannot be executed, the machine does not let it see
    /// devices, or the system gives no process, address or thread.
    pub fn spawn(self) -> Result<Program<'a>, ProgramError> {
        self.start()
    }

    /// Starts it as a part of lastfd: reports have this name for it, and what it writes to
    /// its errors is why it failed.
    #[cfg(feature = "iio")]
    pub(crate) fn spawn_as(mut self, name: &str) -> Result<Program<'a>, ProgramError> {
        self.program = name.to_owned();
        let mut program = self.stderr(Stdio::piped()).start()?;
        program.complaints = program.process.pipes().1;
        Ok(program)
    }

    fn start(mut self) -> Result<Program<'a>, ProgramError> {
        let asks = |arg: &OsString| arg.to_str().is_some_and(|text| text.contains(URI));
        let uri = match self.always_iiod || self.args.iter().any(asks) {
            true => self.bench.iiod(),
            false => Ok(String::new()),
        };
        let uri = match uri {
            Ok(uri) => uri,
            Err(source) => {
                let program = self.program;
                return Err(ProgramError::Serve { program, source });
            }
        };
        for arg in &self.args {
            self.inner.arg(with_uri(arg, &uri));
        }
        let started = self.bench.system().clock().now();
        let process = if self.iiod_only {
            self.inner.spawn().map(Process::bare)
        } else {
            match self.bench.supervisor() {
                Ok(supervisor) => match supervisor.spawn(self.inner) {
                    Ok(child) => Ok(Process::Served(child)),
                    Err(SpawnError::System(source)) => Err(source),
                    Err(SpawnError::Refused(refusal)) => {
                        return Err(ProgramError::Show {
                            program: self.program,
                            source: refusal.into(),
                        });
                    }
                },
                Err(source) => {
                    let program = self.program;
                    return Err(ProgramError::Show { program, source });
                }
            }
        };
        let process = match process {
            Ok(process) => process,
            Err(source) => return Err(failed_start(self.program, source)),
        };
        let program = Program {
            name: self.program.as_str().into(),
            started,
            bench: self.bench,
            process,
            complaints: None,
            told: AtomicBool::new(false),
            is_over: false,
        };
        self.bench.tell(RunEvent::ProgramStarted {
            program: Arc::clone(&program.name),
        });
        Ok(program)
    }

    /// Runs it, and collects what it writes.
    ///
    /// # Errors
    /// As [`Command::spawn`], and reading what it writes.
    pub fn output(self) -> Result<Output, ProgramError> {
        let command = self.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn()?.output()
    }
}

fn failed_start(program: String, source: io::Error) -> ProgramError {
    // execve(2): what is no executable file, or none that this machine runs.
    const ENOEXEC: i32 = 8;
    match source.kind() {
        io::ErrorKind::NotFound => ProgramError::NotFound(program),
        io::ErrorKind::PermissionDenied | io::ErrorKind::IsADirectory => {
            ProgramError::NotExecutable { program, source }
        }
        _ if source.raw_os_error() == Some(ENOEXEC) => {
            ProgramError::NotExecutable { program, source }
        }
        _ => ProgramError::Start { program, source },
    }
}

fn with_uri(arg: &OsStr, uri: &str) -> OsString {
    match arg.to_str() {
        Some(text) => text.replace(URI, uri).into(),
        None => arg.to_owned(),
    }
}

/// What a program wrote, and how it ended.
#[derive(Clone, Debug)]
pub struct Output {
    /// How it ended.
    pub ending: Ending,
    /// What it wrote to its output.
    pub stdout: Vec<u8>,
    /// What it wrote to its errors.
    pub stderr: Vec<u8>,
}

/// A program that runs. Dropping it kills the program.
#[derive(Debug)]
pub struct Program<'a> {
    name: Arc<str>,
    started: Ktime,
    bench: &'a Bench,
    process: Process,
    /// The other end of its errors, if they are why it failed.
    complaints: Option<ChildStderr>,
    /// That it ended is an event by now.
    told: AtomicBool,
    /// Nobody is left to be waited for.
    is_over: bool,
}

/// A program that did not end in time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{program} (process {}) did not end within {within:?}", .pid.unwrap_or_default())]
pub struct StillRunning {
    program: String,
    pid: Option<u32>,
    within: Duration,
}

impl Program<'_> {
    /// Sends signals to it.
    pub fn signaller(&self) -> Signaller {
        self.process.signaller()
    }

    /// Its process.
    pub fn pid(&self) -> Option<u32> {
        self.process.pid()
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Ending {
        self.reap()
    }

    /// Waits for its end, no longer than this. It may be waited for again.
    ///
    /// ```
    /// use lastfd::{Bench, Ending};
    /// use std::time::Duration;
    ///
    /// let bench = Bench::new();
    /// let sleep = bench.command("sleep").arg("600").spawn().unwrap();
    /// let error = sleep.wait_within(Duration::from_millis(10)).unwrap_err();
    /// assert!(error.to_string().ends_with("did not end within 10ms"));
    /// sleep.signaller().send(15);
    /// let ending = sleep.wait_within(Duration::from_secs(10));
    /// assert_eq!(ending, Ok(Ending::Killed(15)));
    /// ```
    ///
    /// # Errors
    /// [`StillRunning`]; it is left alone.
    pub fn wait_within(&self, within: Duration) -> Result<Ending, StillRunning> {
        match self.process.wait_within(within) {
            Some(status) => Ok(self.tell(ending(status))),
            None => Err(self.still_running(within)),
        }
    }

    pub(crate) fn still_running(&self, within: Duration) -> StillRunning {
        StillRunning {
            program: self.name().to_owned(),
            pid: self.pid(),
            within,
        }
    }

    /// How it ended, if it did.
    pub fn ending(&self) -> Option<Ending> {
        self.process
            .try_wait()
            .map(|status| self.tell(ending(status)))
    }

    /// Whether nobody is left of it and all that it started; of one that is not served,
    /// whether it ended.
    pub fn is_deserted(&self) -> bool {
        self.process.is_deserted()
    }

    /// The processes of it that used a device and that a signal ended, it or others that it
    /// started, as far as that is known: of those others Linux 6.15 tells it.
    pub fn killed(&self) -> Vec<lastfd_supervisor::Killed> {
        self.process.killed()
    }

    /// Ends it with SIGKILL, and all that it started, and waits until they are gone.
    pub fn kill(mut self) -> Ending {
        self.process.kill();
        self.reap()
    }

    /// Its name, as it was asked for.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is shown devices.
    #[cfg(feature = "devices")]
    pub(crate) fn is_served(&self) -> bool {
        matches!(self.process, Process::Served(_))
    }

    pub(crate) fn bench(&self) -> &Bench {
        self.bench
    }

    /// When a device went last that it may have used.
    pub(crate) fn gone_since(&self) -> Option<Ktime> {
        let gone = self.bench.witness().gone_since();
        gone.filter(|gone| *gone >= self.started)
    }

    /// Woken when it ends.
    pub(crate) fn changed(&self) -> Option<&WaitQueue> {
        self.process.changed()
    }

    /// Its calls that sleep, and those of all that it started.
    pub(crate) fn sleepers(&self) -> Vec<Sleeper> {
        let supervisor = match self.process {
            Process::Served(_) => self.bench.supervisor().ok(),
            Process::Bare { .. } => None,
        };
        supervisor.map_or_else(Vec::new, |supervisor| supervisor.sleepers())
    }

    fn reap(&mut self) -> Ending {
        let ending = match self.process.wait() {
            Ok(status) => ending(status),
            Err(error) => Ending::Failed(format!("failed to wait for it: {error}").into()),
        };
        let ending = match (ending, self.complaints.take()) {
            (Ending::Exited(status @ 1..), Some(complaints)) => {
                Ending::Failed(failure(complaints, status))
            }
            (ending, _) => ending,
        };
        self.is_over = true;
        self.tell(ending)
    }

    /// That it ended is an event, once.
    fn tell(&self, ending: Ending) -> Ending {
        if !self.told.swap(true, Ordering::SeqCst) {
            self.bench.tell(RunEvent::ProgramEnded {
                program: Arc::clone(&self.name),
                ending: ending.clone(),
            });
        }
        ending
    }

    /// Waits for its end, reading what it writes to the pipes it was given.
    ///
    /// # Errors
    /// Reading failed.
    pub fn output(mut self) -> Result<Output, ProgramError> {
        let fault = |program: &str, source| ProgramError::Start {
            program: program.to_owned(),
            source,
        };
        let name = Arc::clone(&self.name);
        let (stdout, stderr) = self.process.pipes();
        let errors = thread::spawn("stderr", move || read_all(stderr))
            .map_err(|source| fault(&name, source))?;
        let stdout = thread::wait_outside(|| read_all(stdout));
        let stderr = errors.join().unwrap_or_else(|_| Ok(Vec::new()));
        Ok(Output {
            ending: self.wait(),
            stdout: stdout.map_err(|source| fault(&name, source))?,
            stderr: stderr.map_err(|source| fault(&name, source))?,
        })
    }
}

fn ending(status: ExitStatus) -> Ending {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ending::Exited(code as u8),
        (None, Some(signal)) => Ending::Killed(signal),
        (None, None) => Ending::Failed(status.to_string().into()),
    }
}

/// What a program that has ended said of its failure.
fn failure(complaints: ChildStderr, status: u8) -> Arc<str> {
    let said = read_all(Some(complaints)).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    match said.trim() {
        "" => format!("exit status {status}").into(),
        said => said.trim_start_matches("error: ").into(),
    }
}

fn read_all(from: Option<impl io::Read>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(mut from) = from {
        from.read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

impl Drop for Program<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            const SIGKILL: i32 = 9;
            self.signaller().send(SIGKILL);
            self.reap();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_uri_in_an_argument_is_replaced() {
        let arg = with_uri(OsStr::new("a={uri},b={uri}"), "ip:127.0.0.1");
        assert_eq!(arg, "a=ip:127.0.0.1,b=ip:127.0.0.1");
    }
}
