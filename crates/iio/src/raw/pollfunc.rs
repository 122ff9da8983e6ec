//! What a device does when its trigger fires: `struct iio_poll_func`.
//!
//! Follows the consumer half of `drivers/iio/industrialio-trigger.c`.

use core::fmt;
use core::sync::atomic::Ordering;

use lastfd_model::event::SplatKind;
use lastfd_model::{EventKind, Result};
use lastfd_sync::Arc;
use lastfd_sync::atomic::{AtomicI64, AtomicUsize};

use super::device::{IioDev, WeakIioDev, iio_get_time_ns};
use super::trigger::{IioTrigger, iio_validate_own_trigger};

/// What an interrupt handler says (`irqreturn_t`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IrqReturn {
    /// It was not for this handler.
    None,
    /// It is dealt with.
    Handled,
    /// The second handler is to run.
    WakeThread,
}

/// A handler of a trigger's interrupt.
pub type PollHandler = Arc<dyn Fn(&IioDev, &IioPollFunc) -> IrqReturn + Send + Sync>;

/// The handlers a device attaches to its trigger. A clone is the same one.
#[derive(Clone)]
pub struct IioPollFunc(Arc<PollFuncInner>);

struct PollFuncInner {
    name: String,
    iio: WeakIioDev,
    top: Option<PollHandler>,
    thread: Option<PollHandler>,
    timestamp: AtomicI64,
    /// One more than the interrupt line it has at its trigger; 0 is none.
    line: AtomicUsize,
}

impl fmt::Debug for IioPollFunc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("IioPollFunc").field(&self.0.name).finish()
    }
}

impl PartialEq for IioPollFunc {
    fn eq(&self, other: &IioPollFunc) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl IioPollFunc {
    /// Handlers for a device (`iio_alloc_pollfunc`).
    pub fn new(
        iio: &IioDev,
        name: String,
        top: Option<PollHandler>,
        thread: Option<PollHandler>,
    ) -> IioPollFunc {
        IioPollFunc(Arc::new(PollFuncInner {
            name,
            iio: iio.downgrade(),
            top,
            thread,
            timestamp: AtomicI64::new(0),
            line: AtomicUsize::new(0),
        }))
    }

    /// Its name, that of the interrupt's handler.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// When the trigger fired, if the first handler was
    /// [`iio_pollfunc_store_time`].
    pub fn timestamp(&self) -> i64 {
        self.0.timestamp.load(Ordering::Relaxed)
    }

    /// Runs the handlers, the second after the first and not beside it. False
    /// if they did not come to their end.
    pub(crate) fn run(&self) -> bool {
        let Ok(iio) = self.0.iio.upgrade() else {
            return false;
        };
        let device = iio.dev().device_ref();
        // Driver code: a panic ends here.
        let ran = iio.system().guard(Some(&device), "a poll function", || {
            let answer = match &self.0.top {
                Some(top) => top(&iio, self),
                // request_threaded_irq: a default that wakes the thread.
                None => IrqReturn::WakeThread,
            };
            if let (IrqReturn::WakeThread, Some(thread)) = (answer, &self.0.thread) {
                thread(&iio, self);
            }
        });
        ran.is_some()
    }
}

/// A first handler that notes the time for the second
/// (`iio_pollfunc_store_time`).
pub fn iio_pollfunc_store_time(iio: &IioDev, pollfunc: &IioPollFunc) -> IrqReturn {
    let now = iio_get_time_ns(iio);
    pollfunc.0.timestamp.store(now, Ordering::Relaxed);
    IrqReturn::WakeThread
}

/// Connects a device to its trigger (`iio_trigger_attach_poll_func`); the first
/// consumer switches the trigger on.
///
/// A trigger has two lines. With both taken the kernel says in its log that
/// there is none left, and returns success: the device waits for a trigger that
/// never comes. So does this.
pub fn iio_trigger_attach_poll_func(trigger: &IioTrigger, pollfunc: &IioPollFunc) -> Result {
    let unused = trigger.consumers() == 0;
    let Some(line) = trigger.take_line(pollfunc) else {
        trigger.complain_no_line();
        return Ok(());
    };
    pollfunc.0.line.store(line + 1, Ordering::Release);
    if unused && let Err(errno) = trigger.set_state(true) {
        trigger.put_line(line);
        return Err(errno);
    }
    if let Ok(iio) = pollfunc.0.iio.upgrade()
        && iio_validate_own_trigger(&iio, trigger).is_ok()
    {
        trigger.set_attached_own_device(true);
    }
    Ok(())
}

/// Takes a device off its trigger (`iio_trigger_detach_poll_func`); the last
/// consumer switches the trigger off. Returns when no handler runs any more.
///
/// Detaching what got no line is a splat: the kernel frees an interrupt that was
/// not requested.
pub fn iio_trigger_detach_poll_func(trigger: &IioTrigger, pollfunc: &IioPollFunc) -> Result {
    let line = pollfunc.0.line.load(Ordering::Acquire);
    if trigger.consumers() == 1 {
        trigger.set_state(false)?;
    }
    if let Ok(iio) = pollfunc.0.iio.upgrade()
        && iio.dev().parent() == trigger.dev().parent()
    {
        trigger.set_attached_own_device(false);
    }
    match line.checked_sub(1) {
        Some(line) => trigger.put_line(line),
        None => trigger.dev().system().emit(|| EventKind::Splat {
            kind: SplatKind::Warn,
            device: Some(trigger.dev().device_ref()),
            text: "Trying to free an interrupt that is free: the poll function had no line".into(),
        }),
    }
    pollfunc.0.line.store(0, Ordering::Release);
    Ok(())
}
