//! Time: the machine's, or simulated.

mod simulated;
mod timers;

pub(crate) use timers::Core;
pub use timers::{InsideCallback, TimerHandle};

use crate::explore::{self, Home};
use crate::task::{Membership, Task, Token};
use crate::thread::{self, JoinHandle};
use crate::wait::{Cancel, WaitError, wait_event};
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Nanoseconds since the clock's start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ktime(pub u64);

impl Ktime {
    /// This much later, or the end of time.
    #[must_use]
    pub fn after(self, by: Duration) -> Ktime {
        Ktime(
            self.0
                .saturating_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)),
        )
    }

    /// How long after the clock's start.
    pub const fn since_start(self) -> Duration {
        Duration::from_nanos(self.0)
    }
}

/// The time of a System. Clones are one clock.
///
/// **Simulated time** moves only when every participant waits, and then to the next
/// deadline, or by [`Clock::advance`], which is one. Participants are the task that
/// made the clock, the tasks started with [`Clock::spawn`], and any task for as long as
/// it waits for a time of this clock. Waiting is: in [`wait_event`], in
/// [`Clock::sleep`], for a lock, a gate or the end of a task, and in
/// [`thread::wait_outside`]. A participant that is woken holds time up from the wake on,
/// not from when it is scheduled. What falls due at one instant happens one after the
/// other, in the order of creation; the next only when everybody waits again. So a test
/// without races is the same each time, and no test sleeps.
///
/// ```
/// use lastfd_sync::{Clock, Ktime};
/// use std::time::Duration;
///
/// let clock = Clock::simulated();
/// let other = {
///     let clock = clock.clone();
///     clock.clone().spawn("sleeper", move || {
///         clock.sleep(Duration::from_secs(3600), None).unwrap();
///         clock.now()
///     })
/// };
/// assert_eq!(other.unwrap().join().unwrap(), Ktime(3_600_000_000_000));
/// ```
///
/// **Callbacks** run one at a time on a task of the clock's own, which starts with the
/// first and ends when the last handle of the clock is dropped; those still scheduled
/// then never run.
#[derive(Clone)]
pub struct Clock {
    handle: Arc<Handle>,
}

/// What the timer task does not hold, so that it knows when nobody else does.
struct Handle {
    core: Arc<Core>,
    home: Home,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.core.shut();
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_simulated() {
            "simulated"
        } else {
            "real"
        };
        f.debug_struct("Clock")
            .field("kind", &kind)
            .field("now", &self.now())
            .finish()
    }
}

impl Clock {
    /// The machine's monotonic time. For an explored task a simulated clock, since a
    /// schedule has no other time.
    pub fn real() -> Clock {
        if explore::explored() {
            return Clock::simulated();
        }
        Clock {
            handle: Arc::new(Handle {
                core: Core::real(),
                home: Home::here(),
            }),
        }
    }

    /// Simulated time, which starts at 0, or 2024-01-01 UTC by [`Clock::realtime`].
    pub fn simulated() -> Clock {
        let core = Core::simulated();
        join(&core);
        Clock {
            handle: Arc::new(Handle {
                core,
                home: Home::here(),
            }),
        }
    }

    /// Whether the time is simulated.
    pub fn is_simulated(&self) -> bool {
        self.handle.core.is_simulated()
    }

    /// The time since the clock's start.
    pub fn now(&self) -> Ktime {
        self.used_by("Clock::now");
        self.handle.core.now()
    }

    /// Nanoseconds since 1970, UTC.
    pub fn realtime(&self) -> u64 {
        self.used_by("Clock::realtime");
        self.handle.core.realtime()
    }

    /// Waits this long.
    ///
    /// # Errors
    /// [`WaitError::Cancelled`], nothing else.
    pub fn sleep(&self, time: Duration, cancel: Option<&Cancel>) -> Result<(), WaitError> {
        let deadline = self.now().after(time);
        match wait_event(&[], self, Some(deadline), cancel, || None::<()>) {
            Ok(()) | Err(WaitError::TimedOut) => Ok(()),
            Err(WaitError::Cancelled) => Err(WaitError::Cancelled),
        }
    }

    /// Runs `f` at `at`, or as soon as possible if that is past. Callbacks run in the
    /// order of their times, and of their creation where those are equal. A callback
    /// that blocks delays the others; one that panics ends alone. A callback that holds
    /// the clock keeps it alive until it has run or is cancelled.
    pub fn schedule(&self, at: Ktime, f: impl FnOnce() + Send + 'static) -> TimerHandle {
        self.used_by("Clock::schedule");
        self.handle.core.schedule(at, Box::new(f))
    }

    /// Waits until the time is `by` later and all that falls due until then has
    /// happened, what that causes included. On a real clock, a sleep.
    pub fn advance(&self, by: Duration) {
        let target = self.now().after(by);
        if self.is_simulated() {
            self.while_joined(|| self.handle.core.pass_to(target));
        } else {
            while let Err(WaitError::Cancelled) = self.sleep(by, None) {}
        }
    }

    /// Simulated: lets time pass until no callback is scheduled and no participant waits
    /// for a time. Does not return while timers keep being set. On a real clock it does
    /// nothing.
    pub fn run_until_idle(&self) {
        if self.is_simulated() {
            self.while_joined(|| self.handle.core.pass_to_idle());
        }
    }

    /// Starts a task that participates in the simulated time, from now on. On a real
    /// clock, [`thread::spawn`].
    ///
    /// # Errors
    /// The system has no more threads to give.
    pub fn spawn<T: Send + 'static>(
        &self,
        name: &str,
        f: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<JoinHandle<T>> {
        let counted = self.is_simulated().then_some((&self.handle.core, true));
        thread::spawn_counted(name, counted, f)
    }

    /// An exploration knows no clock but those its body makes.
    #[inline]
    fn used_by(&self, call: &str) {
        self.handle.home.check(|| match self.is_simulated() {
            true => format!("{call} of a simulated clock"),
            false => format!("{call} of a real clock, which tells the machine's time"),
        });
    }

    /// Waits until the token is fired, or the deadline.
    pub(crate) fn wait(&self, token: &Arc<Token>, deadline: Option<Ktime>) {
        match deadline {
            None => token.wait(),
            Some(at) if self.is_simulated() => {
                self.while_joined(|| self.handle.core.wait_simulated(token, at));
            }
            Some(at) => match self.handle.core.instant(at) {
                Some(at) => token.wait_until(at),
                None => token.wait(),
            },
        }
    }

    /// A task that waits for a time of the clock is a participant meanwhile.
    fn while_joined(&self, f: impl FnOnce()) {
        let core = &self.handle.core;
        let task = Task::current();
        if task.participates(core) {
            f();
        } else {
            join(core);
            f();
            task.leave(core);
        }
    }
}

fn join(core: &Arc<Core>) {
    core.join(true);
    let membership = Membership {
        core: Arc::downgrade(core),
        participant: true,
    };
    Task::current().add_membership(membership);
}
