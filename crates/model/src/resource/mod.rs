//! What drivers hold that can act by itself or be touched: timers, delayed
//! work, kernel threads, interrupt lines, register blocks.
//!
//! Each tells, in the System's events, when it is created, fires, is accessed,
//! cancelled and freed, so that one that outlives its device can be seen. As in
//! the kernel, nothing is stopped by itself: a timer that nobody cancelled
//! fires after its driver is gone, and that is a splat. [`Owned`] stops and
//! frees what it holds when it is dropped; drivers of the typed face use that.

mod irq;
mod kthread;
mod regs;
mod timer;
mod work;

pub use irq::{Irq, IrqLine, IrqReturn, free_irq, request_irq};
pub use kthread::{Kthread, KthreadControl};
pub use regs::{RegisterBlock, RegisterModel, Regs};
pub use timer::{Next, Timer};
pub use work::DelayedWork;
pub(crate) use work::queue_release;

use core::fmt;
use core::ops::Deref;
use core::panic::Location;
use core::sync::atomic::Ordering;

use lastfd_sync::atomic::AtomicU8;
use lastfd_sync::{Arc, Mutex};

use crate::event::{DeviceRef, EventKind, ResourceKind, ResourceStep, SplatKind};
use crate::ledger::{Holding, LedgerEntry, LedgerLine};
use crate::raw::Device;
use crate::system::{Core, System};

/// Something that can be stopped and freed.
pub trait Resource {
    /// Stops it and waits until it does nothing any more.
    #[track_caller]
    fn stop(&self);
    /// Ends it. Whatever it still does, and every later use, is a splat.
    #[track_caller]
    fn free(&self);
    /// The kernel's name of stopping and freeing it.
    fn release_name(&self) -> &'static str;
}

/// Owns a resource: dropping it stops and frees it.
#[derive(Debug)]
pub struct Owned<R: Resource>(R);

impl<R: Resource> Owned<R> {
    /// Takes the resource over.
    pub fn new(resource: R) -> Owned<R> {
        Owned(resource)
    }
}

impl<R: Resource> Deref for Owned<R> {
    type Target = R;

    fn deref(&self) -> &R {
        &self.0
    }
}

impl<R: Resource> Drop for Owned<R> {
    fn drop(&mut self) {
        self.0.stop();
        self.0.free();
    }
}

const LIVE: u8 = 0;
const GOING: u8 = 1;
const FREED: u8 = 2;

/// What all resources share: who they are, and telling of it.
struct Tracker {
    core: Arc<Core>,
    /// Asked for its name when something is told: it may get one later.
    device: Option<Device>,
    kind: ResourceKind,
    name: Arc<str>,
    id: u64,
    /// Of `LIVE`, `GOING` and `FREED`: that it is freed is told before it is so, and
    /// whoever meets it freed is told later.
    state: AtomicU8,
    entry: Mutex<LedgerEntry>,
}

impl Tracker {
    #[track_caller]
    fn new(system: &System, device: Option<&Device>, kind: ResourceKind, name: &str) -> Tracker {
        let core = Arc::clone(&system.core);
        let device = device.cloned();
        let id = core.unique();
        let entry = core.books.open(LedgerLine {
            holding: Holding::Resource,
            device: device.as_ref().map(Device::device_ref),
            what: Arc::from(format!("{kind} {name}")),
            place: Some(Location::caller()),
        });
        let tracker = Tracker {
            core,
            device,
            kind,
            name: Arc::from(name),
            id,
            state: AtomicU8::new(LIVE),
            entry: Mutex::new(entry),
        };
        tracker.tell(ResourceStep::Created);
        tracker
    }

    #[track_caller]
    fn tell(&self, step: ResourceStep) {
        self.core.emit(|| EventKind::Resource {
            device: self.device_ref(),
            kind: self.kind,
            name: Arc::clone(&self.name),
            id: self.id,
            step,
        });
    }

    fn is_freed(&self) -> bool {
        self.state.load(Ordering::Acquire) == FREED
    }

    /// Tells of a use, and says so if it comes too late.
    #[track_caller]
    fn used(&self, step: ResourceStep) {
        let late = self.is_freed();
        self.tell(step);
        if late {
            self.splat(
                SplatKind::UseAfterFree,
                &format!("{step} after it was freed"),
            );
        }
    }

    #[track_caller]
    fn splat(&self, kind: SplatKind, what: &str) {
        let text = format!("{} {}: {what}", self.kind, self.name);
        self.core.splat(kind, self.device_ref(), text);
    }

    /// False, and a splat, if it was freed already.
    #[track_caller]
    fn free(&self) -> bool {
        let (old, new) = (LIVE, GOING);
        let going = self
            .state
            .compare_exchange(old, new, Ordering::AcqRel, Ordering::Acquire);
        if going.is_err() {
            self.splat(SplatKind::UseAfterFree, "freed twice");
            return false;
        }
        self.tell(ResourceStep::Freed);
        self.state.store(FREED, Ordering::Release);
        let entry = core::mem::take(&mut *self.entry.lock());
        drop(entry);
        true
    }

    /// Runs the driver's callback; a panic is unwound and reported.
    fn guard<T>(&self, run: impl FnOnce() -> T) -> Option<T> {
        let what = format!("{} {}", self.kind, self.name);
        self.core.guard(|| self.device_ref(), &what, run)
    }

    fn device_ref(&self) -> Option<DeviceRef> {
        self.device.as_ref().map(Device::device_ref)
    }

    fn system(&self) -> System {
        System::from_core(&self.core)
    }
}

impl fmt::Debug for Tracker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} of {:?}", self.kind, self.name, self.device)
    }
}
