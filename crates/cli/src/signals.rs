//! SIGINT and SIGTERM: they end what runs, and the verdict still comes.

use std::sync::Arc;

use lastfd::Signaller;
use lastfd::sync::atomic::{AtomicU8, Ordering};
use lastfd::sync::thread::{self, JoinHandle};
use lastfd::sync::{Cancel, Mutex};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals as Caught};

use crate::failure::Failure;

/// What a signal does.
enum Effect {
    /// It is remembered for what comes.
    Nothing,
    Send(Signaller),
    Cancel(Cancel),
    /// What ran is over; whoever asks again does not want to wait for the rest.
    End,
}

/// Catches signals until it is dropped.
pub(crate) struct Signals {
    shared: Arc<Shared>,
    handle: Handle,
    task: Option<JoinHandle<()>>,
}

struct Shared {
    effect: Mutex<Effect>,
    /// The first signal's number, or 0.
    seen: AtomicU8,
}

impl Signals {
    pub(crate) fn catch() -> Result<Signals, Failure> {
        let fault = |source| Failure::System {
            doing: "catch signals",
            source,
        };
        let mut caught = Caught::new([SIGINT, SIGTERM]).map_err(fault)?;
        let handle = caught.handle();
        let shared = Arc::new(Shared {
            effect: Mutex::new(Effect::Nothing),
            seen: AtomicU8::new(0),
        });
        let task = thread::spawn("signals", {
            let shared = Arc::clone(&shared);
            move || {
                for signal in caught.forever() {
                    shared.take(signal);
                }
            }
        });
        Ok(Signals {
            shared,
            handle,
            task: Some(task.map_err(fault)?),
        })
    }

    /// The first signal that came.
    pub(crate) fn seen(&self) -> Option<u8> {
        match self.shared.seen.load(Ordering::SeqCst) {
            0 => None,
            signal => Some(signal),
        }
    }

    /// From now on signals go to this program.
    pub(crate) fn pass_to(&self, program: Signaller) {
        self.set(Effect::Send(program));
    }

    /// From now on signals cancel this.
    pub(crate) fn cancel(&self, cancel: Cancel) {
        self.set(Effect::Cancel(cancel));
    }

    /// From now on a signal ends this process.
    pub(crate) fn end_us(&self) {
        *self.shared.effect.lock() = Effect::End;
    }

    fn set(&self, effect: Effect) {
        *self.shared.effect.lock() = effect;
        if let Some(signal) = self.seen() {
            self.shared.act(signal.into());
        }
    }

    /// Waits for a signal.
    pub(crate) fn wait(&self) {
        let cancel = Cancel::new();
        self.cancel(cancel.clone());
        let clock = lastfd::sync::Clock::real();
        // Only cancelling ends it.
        let _ = lastfd::sync::wait_event(&[], &clock, None, Some(&cancel), || None::<()>);
    }
}

impl Shared {
    fn take(&self, signal: i32) {
        let number = u8::try_from(signal).unwrap_or(u8::MAX);
        // A second signal does not change which was the first.
        let _ = self
            .seen
            .compare_exchange(0, number, Ordering::SeqCst, Ordering::SeqCst);
        self.act(signal);
    }

    fn act(&self, signal: i32) {
        match &*self.effect.lock() {
            Effect::Nothing => {}
            Effect::Send(program) => program.send(signal),
            Effect::Cancel(cancel) => cancel.cancel(),
            Effect::End => std::process::exit(128 + signal),
        }
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(task) = self.task.take() {
            // It cannot have panicked in a way that matters now.
            let _ = task.join();
        }
    }
}
