//! Starting programs, and what is left of them.

use core::fmt;
use core::time::Duration;
use std::io;
use std::process::{self, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus};

use lastfd_host::Host;
use lastfd_sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use lastfd_sync::thread::{self, JoinHandle};
use lastfd_sync::{Arc, Clock, Mutex, OnceLock, WaitQueue, wait_event};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use crate::Shared;
use crate::accel::Accel;
use crate::deferred::Sleeper;
use crate::filter::generate;
use crate::machine::{Machine, Refusal};
use crate::mappings::see_unmaps;
use crate::notice::Notice;
use crate::objects::Objects;
use crate::reactor::Reactor;
use crate::restrict::Restrictions;
use crate::session::{Expected, Life};
use crate::sys;
use crate::sys::guard::Plan;
use crate::users::Killed;
use crate::workers::Workers;

/// How long those that were killed may take to be gone.
const DYING: Duration = Duration::from_secs(10);

/// How long answers that were given may take to be over.
const SETTLING: Duration = Duration::from_millis(500);

/// The supervisor could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// This machine does not allow it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The system gives no descriptors or threads.
    #[error("failed to start the supervisor: {0}")]
    System(#[from] io::Error),
}

/// A program could not be started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// This machine does not allow it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// As of a program that is started without us.
    #[error(transparent)]
    System(#[from] io::Error),
}

/// Serves the devices of a [`Host`] to the programs it starts. Dropping it ends them.
pub struct Supervisor {
    shared: Arc<Shared>,
    machine: Machine,
    trap_all: bool,
    accelerated: bool,
    nofile: Option<u64>,
    thread: Option<JoinHandle<()>>,
    started: Mutex<Vec<Started>>,
}

/// A program's guard, and the thread that answers.
struct Started {
    guard: process::Child,
    life: Arc<Life>,
    control: Arc<std::os::fd::OwnedFd>,
    thread: JoinHandle<()>,
}

impl Supervisor {
    /// Serves a host's devices. `tell` is called with what a program was refused and
    /// should not miss; it must not block.
    ///
    /// # Errors
    /// The machine does not allow it, or has no descriptors or threads to give.
    pub fn new(
        host: Arc<Host>,
        tell: impl Fn(&Notice) + Send + Sync + 'static,
    ) -> Result<Supervisor, StartError> {
        let machine = Machine::look();
        machine.settings(false)?;
        let objects = Objects::new().map_err(io::Error::from)?;
        let reactor = Arc::new(Reactor::new(objects.watches()).map_err(io::Error::from)?);
        let shared = Arc::new(Shared {
            host,
            objects,
            reactor: Arc::clone(&reactor),
            commits: Mutex::new(()),
            workers: Workers::default(),
            answering: AtomicUsize::new(0),
            lets_through: AtomicBool::new(true),
            tell: Box::new(tell),
            checkpoint: OnceLock::new(),
        });
        let weak = Arc::downgrade(&shared);
        let thread = thread::spawn("supervisor", move || reactor.run(&weak))?;
        Ok(Supervisor {
            shared,
            machine,
            trap_all: false,
            accelerated: true,
            nofile: None,
            thread: Some(thread),
            started: Mutex::default(),
        })
    }

    /// Also sees reads, stats and mappings of descriptors below the reserved range, as a
    /// program gets them by `dup2` or a shell's `<`; every read of every file is slower
    /// then. For programs started from here on.
    pub fn trap_all(&mut self, on: bool) {
        self.trap_all = on;
    }

    /// Whether dynamic programs preload a small library that makes calls which are not about
    /// a device as fast as the kernel is; so it is, unless told. Programs that cannot load
    /// it miss nothing else. For programs started from here on.
    pub fn accelerate(&mut self, on: bool) {
        self.accelerated = on;
    }

    /// Does without what the machine would allow, for programs started from here on: to
    /// see how they fare elsewhere.
    pub fn restrict(&mut self, restrictions: &Restrictions) {
        self.machine = Machine::look().restricted(restrictions);
        self.nofile = restrictions.nofile;
    }

    /// Whether trapped calls that are not ours to answer go on to the kernel, as they
    /// should; if not, they fail with `EPERM`. For programs that call anything at all and
    /// are to change nothing of the machine, as fuzzers' do. A program cannot be started
    /// then.
    pub fn lets_through(&self, yes: bool) {
        self.shared.lets_through.store(yes, Ordering::Relaxed);
    }

    /// Calls this wherever a program is stopped with something of ours: before a trapped
    /// call is looked at, after one on an open file has been told as begun, and after it
    /// went to sleep. The call goes on when it returns, so that what an event of a program
    /// causes is done before the program's next step. The first to ask has it.
    pub fn checkpoint(&self, checkpoint: impl Fn() + Send + Sync + 'static) {
        let _ = self.shared.checkpoint.set(Box::new(checkpoint));
    }

    /// The calls of programs that sleep now, in the order they went to sleep.
    pub fn sleepers(&self) -> Vec<Sleeper> {
        self.shared.reactor.sleepers()
    }

    /// What the machine allows, less what it is [restricted](Supervisor::restrict) by.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Waits until the events have been told of all that programs were answered by now, and
    /// of what they closed; if others keep calling, for half a second at most.
    pub fn settle(&self) {
        let clock = Clock::real();
        let deadline = clock.now().after(SETTLING);
        while self.shared.answering.load(Ordering::SeqCst) != 0 && clock.now() < deadline {
            // The last effect of an answer comes without a wake.
            let _ = clock.sleep(Duration::from_millis(1), None);
        }
        self.shared.objects.see_all_closes();
    }

    /// How many files programs have open, devices and others of ours.
    pub fn open_files(&self) -> usize {
        self.shared.objects.see_closes();
        self.shared.objects.all().len()
    }

    /// Looks for memory of devices that programs had mapped and have no more: munmap is
    /// the kernel's, so nobody tells.
    pub fn see_unmaps(&self) {
        let objects = self.shared.objects.all();
        see_unmaps(objects.iter().map(|object| &**object));
    }

    /// Starts a program.
    ///
    /// # Errors
    /// As [`Command::spawn`], and if the machine does not allow it after all.
    pub fn spawn(&self, mut command: Command) -> Result<Child, SpawnError> {
        self.reap();
        let settings = self.machine.settings(self.trap_all)?;
        let flags = SocketFlags::CLOEXEC;
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)
            .map_err(io::Error::from)?;
        let control = Arc::new(ours.try_clone()?);
        let life = Arc::new(Life::default());
        let program = command.get_program().to_string_lossy().into();
        let mirror = self.shared.host.directory();
        let accel = match self.accelerated {
            // Without WAIT_KILLABLE_RECV an answer may get lost: nobody could tell of a wait.
            true => Accel::new(&settings, mirror, self.machine.killable),
            false => None,
        };
        if accel.is_some() {
            Accel::preload(&mut command);
        }
        sys::run_before_exec(
            &mut command,
            Plan {
                control: theirs,
                filter: generate(&settings),
                flags: match self.machine.killable {
                    true => libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
                    false => 0,
                },
                nofile: self.nofile,
                last: settings.high as i32 - 1,
                supervisor: process::id() as i32,
            },
        );
        let expected = Expected {
            shared: Arc::clone(&self.shared),
            program,
            machine: self.machine,
            settings,
            accel,
            life: Arc::clone(&life),
        };
        // Its exec is trapped: somebody must answer before the spawn is over.
        let thread = thread::spawn("answers", move || expected.run(ours))?;
        let spawned = thread::wait_outside(|| command.spawn());
        // Our copy of the guard's end goes with it.
        drop(command);
        let mut guard = match spawned {
            Ok(guard) => guard,
            Err(error) => {
                // It ends with the guard, which has nobody to wait for.
                let _ = thread::wait_outside(|| thread.join());
                return Err(match error.raw_os_error() {
                    Some(libc::EBUSY) => Refusal::Nested.into(),
                    _ => error.into(),
                });
            }
        };
        let child = Child {
            stdin: guard.stdin.take(),
            stdout: guard.stdout.take(),
            stderr: guard.stderr.take(),
            life: Arc::clone(&life),
            control: Arc::clone(&control),
        };
        self.started.lock().push(Started {
            guard,
            life,
            control,
            thread,
        });
        Ok(child)
    }

    /// Takes what is left of programs that ended with all they started.
    fn reap(&self) {
        let over: Vec<Started> = {
            let mut started = self.started.lock();
            let (over, rest) = core::mem::take(&mut *started)
                .into_iter()
                .partition(|started| started.life.is_empty());
            *started = rest;
            over
        };
        for started in over {
            started.take();
        }
    }

    /// Waits until no program has a file of ours open. False if that took longer.
    pub fn wait_closed(&self, timeout: Duration) -> bool {
        let clock = Clock::real();
        let deadline = clock.now().after(timeout);
        while self.open_files() != 0 {
            if clock.now() >= deadline {
                return false;
            }
            // A close comes without a wake that could be waited for here.
            let _ = clock.sleep(Duration::from_millis(1), None);
        }
        true
    }
}

impl Started {
    /// The guard and the thread have nothing left to wait for.
    fn take(mut self) {
        thread::wait_outside(|| {
            // It has no status of interest.
            let _ = self.guard.wait();
        });
        if self.life.is_orphaned() && !self.thread.is_finished() {
            // Somebody its guard could not end any more is left, and ends at its next
            // trapped call; the thread is there for that.
            return;
        }
        thread::wait_outside(|| {
            let _ = self.thread.join();
        });
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        let started = core::mem::take(&mut *self.started.lock());
        for started in &started {
            end(&started.control);
        }
        for started in started {
            if wait_for(&started.life, DYING, Life::is_empty) {
                started.take();
            }
        }
        // What the dead had open is closed before the one who sees it ends.
        self.wait_closed(DYING);
        self.shared.reactor.stop();
        if let Some(thread) = self.thread.take() {
            // It has not panicked: what it calls is guarded.
            let _ = thread::wait_outside(|| thread.join());
        }
        // Nobody is left: what was waited for and held goes.
        self.shared.workers.stop();
        self.shared.reactor.give_up();
        self.shared.objects.clear();
    }
}

/// Tells a guard that all are to be killed.
fn end(control: &std::os::fd::OwnedFd) {
    // It may be gone.
    let _ = rustix::net::shutdown(control, rustix::net::Shutdown::Write);
}

fn wait_for(life: &Life, within: Duration, what: impl Fn(&Life) -> bool) -> bool {
    let clock = Clock::real();
    let deadline = clock.now().after(within);
    let queue = life.changed();
    let seen = wait_event(&[queue], &clock, Some(deadline), None, || {
        what(life).then_some(())
    });
    seen.is_ok()
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervisor")
            .field("machine", &self.machine)
            .finish_non_exhaustive()
    }
}

/// A program that was started. Dropping it leaves the program running, until the
/// supervisor goes.
pub struct Child {
    /// The end of the pipe to its input, if it was to have one.
    pub stdin: Option<ChildStdin>,
    /// The end of the pipe of its output, if it was to have one.
    pub stdout: Option<ChildStdout>,
    /// The end of the pipe of its errors, if it was to have one.
    pub stderr: Option<ChildStderr>,
    life: Arc<Life>,
    control: Arc<std::os::fd::OwnedFd>,
}

impl Child {
    /// Its process; none if it was never one.
    pub fn pid(&self) -> Option<u32> {
        self.life.pid()
    }

    /// How it ended, if it did.
    pub fn try_wait(&self) -> Option<ExitStatus> {
        self.life.status()
    }

    /// Waits for its end. What it started may go on.
    pub fn wait(&self) -> ExitStatus {
        let clock = Clock::real();
        let life = &self.life;
        let status = wait_event(&[life.changed()], &clock, None, None, || life.status());
        // Neither a deadline nor a cancellation was given.
        status.unwrap_or_default()
    }

    /// Waits for its end, no longer than this.
    pub fn wait_timeout(&self, within: Duration) -> Option<ExitStatus> {
        wait_for(&self.life, within, |life| life.status().is_some());
        self.life.status()
    }

    /// Whether nobody is left of it and all that it started.
    pub fn is_empty(&self) -> bool {
        self.life.is_empty()
    }

    /// The processes of it that used a device and that a signal ended, as far as the kernel
    /// tells of those that it started: Linux 6.15 does, once they have been waited for.
    pub fn killed(&self) -> Vec<Killed> {
        self.life.users().killed()
    }

    /// Woken when it ends, and when nobody is left of all that it started.
    pub fn changed(&self) -> &WaitQueue {
        self.life.changed()
    }

    /// Kills it and all that it started, and waits until they are gone.
    pub fn kill(&self) {
        end(&self.control);
        wait_for(&self.life, DYING, Life::is_empty);
    }

    /// Sends signals to it.
    pub fn signaller(&self) -> Signaller {
        Signaller {
            life: Arc::clone(&self.life),
        }
    }
}

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child").field("life", &self.life).finish()
    }
}

/// Sends signals to a program for as long as it is there. Clones are for one program.
#[derive(Clone, Debug)]
pub struct Signaller {
    life: Arc<Life>,
}

impl Signaller {
    /// Sends the signal with this number; nothing happens if the program has ended or
    /// there is no such signal.
    pub fn send(&self, signal: i32) {
        self.life.signal(signal);
    }
}
