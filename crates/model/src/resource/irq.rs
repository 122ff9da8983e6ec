//! Interrupt lines.
//!
//! Follows `kernel/irq/manage.c`. The hardware's end of the line is an
//! [`IrqLine`]; a driver's handler on it is an [`Irq`].

use core::fmt;
use core::sync::atomic::Ordering;

use lastfd_sync::atomic::AtomicU64;
use lastfd_sync::{Arc, Mutex};

use super::{Resource, Tracker};
use crate::active::Active;
use crate::errno::{Errno, Result};
use crate::event::{ResourceKind, ResourceStep, SplatKind};
use crate::raw::Device;
use crate::system::System;

/// What a handler says of an interrupt (`irqreturn_t`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IrqReturn {
    /// It was not from this device.
    None,
    /// It was dealt with.
    Handled,
}

type Handler = dyn Fn() -> IrqReturn + Send + Sync;

/// The line as the simulated hardware has it. Clones are one line.
#[derive(Clone)]
pub struct IrqLine(Arc<Line>);

struct Line {
    system: System,
    name: Arc<str>,
    irqs: Mutex<Arc<[Irq]>>,
    shared: Mutex<bool>,
    spurious: AtomicU64,
}

/// A driver's handler on a line. Clones are one handler.
#[derive(Clone)]
pub struct Irq(Arc<Inner>);

struct Inner {
    tracker: Tracker,
    line: IrqLine,
    handler: Box<Handler>,
    active: Active,
}

impl fmt::Debug for IrqLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("IrqLine").field(&self.0.name).finish()
    }
}

impl fmt::Debug for Irq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Irq").field(&self.0.tracker).finish()
    }
}

impl IrqLine {
    /// A line with no handler.
    pub fn new(system: &System, name: &str) -> IrqLine {
        IrqLine(Arc::new(Line {
            system: System::from_core(&system.core),
            name: Arc::from(name),
            irqs: Mutex::new(Arc::from([])),
            shared: Mutex::new(false),
            spurious: AtomicU64::new(0),
        }))
    }

    /// Raises the interrupt: the handlers run on the calling task, in what
    /// stands for interrupt context. Gives whether one dealt with it.
    pub fn raise(&self) -> bool {
        let irqs = Arc::clone(&self.0.irqs.lock());
        let mut handled = false;
        for irq in irqs.iter() {
            let Some(_inside) = irq.0.active.enter() else {
                continue;
            };
            irq.0.tracker.used(ResourceStep::Fired);
            handled |= irq.0.tracker.guard(|| (irq.0.handler)()) == Some(IrqReturn::Handled);
            irq.0.tracker.tell(ResourceStep::Returned);
        }
        if !handled {
            self.0.spurious.fetch_add(1, Ordering::Relaxed);
        }
        handled
    }

    /// How often it was raised and nobody cared.
    pub fn spurious(&self) -> u64 {
        self.0.spurious.load(Ordering::Relaxed)
    }
}

/// Puts a handler on a line (`request_irq`). `EBUSY` if there is one and not
/// both are `shared` (IRQF_SHARED).
#[track_caller]
pub fn request_irq(
    line: &IrqLine,
    device: Option<&Device>,
    name: &str,
    shared: bool,
    handler: impl Fn() -> IrqReturn + Send + Sync + 'static,
) -> Result<Irq> {
    line.0.system.allocation()?;
    {
        let irqs = line.0.irqs.lock();
        let mut line_shared = line.0.shared.lock();
        let may_share = shared && *line_shared;
        if !(irqs.is_empty() || may_share) {
            return Err(Errno::EBUSY);
        }
        *line_shared = shared;
    }
    let irq = Irq(Arc::new(Inner {
        tracker: Tracker::new(&line.0.system, device, ResourceKind::Irq, name),
        line: line.clone(),
        handler: Box::new(handler),
        active: Active::default(),
    }));
    let mut irqs = line.0.irqs.lock();
    *irqs = irqs.iter().cloned().chain([irq.clone()]).collect();
    Ok(irq)
}

/// Takes the handler off its line and waits for those that run (`free_irq`). A
/// second time it is a splat; from the handler itself a kernel would hang, and
/// it is one too.
#[track_caller]
pub fn free_irq(irq: &Irq) {
    irq.stop();
    irq.free();
}

impl Resource for Irq {
    fn stop(&self) {
        {
            let mut irqs = self.0.line.0.irqs.lock();
            *irqs = irqs
                .iter()
                .filter(|other| !Arc::ptr_eq(&other.0, &self.0))
                .cloned()
                .collect();
        }
        if self
            .0
            .active
            .shut_and_drain(&self.0.tracker.core.clock)
            .is_err()
        {
            self.0
                .tracker
                .splat(SplatKind::Deadlock, "freed from inside its own handler");
        }
        self.0.tracker.tell(ResourceStep::Cancelled);
    }

    fn free(&self) {
        self.0.tracker.free();
    }

    fn release_name(&self) -> &'static str {
        "free_irq"
    }
}
