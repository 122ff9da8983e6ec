//! Triggers: what makes devices take a sample.
//!
//! Follows the producer half of `drivers/iio/industrialio-trigger.c`.

use core::any::Any;
use core::fmt;
use core::sync::atomic::Ordering;

use lastfd_model::raw::{
    Action, Attribute, AttributeGroup, Device, DeviceSpec, DeviceType, KernelGuard, KernelMutex,
    dev_set_groups, dev_set_name, device_add, device_del, device_initialize,
    devm_add_action_or_reset, get_device_for, put_device, put_device_for,
};
use lastfd_model::{Errno, Result, System};
use lastfd_sync::atomic::{AtomicBool, AtomicU32};
use lastfd_sync::{Arc, Mutex, OnceLock, Weak};

use super::core::IioCore;
use super::device::IioDev;
use super::info::{IioTriggerOps, ValidateDevice};
use super::pollfunc::IioPollFunc;
use crate::event::{IioEventKind, emit, message};
use crate::text::sysfs_streq;

/// `CONFIG_IIO_CONSUMERS_PER_TRIGGER`: lines a trigger has.
const CONSUMERS_PER_TRIGGER: usize = 2;

const HOLDER: &str = "iio_trigger_get";

/// A handle on a `struct iio_trigger`. Cloning it does not count.
#[derive(Clone)]
pub struct IioTrigger(Arc<TriggerInner>);

struct TriggerInner {
    dev: Device,
    name: Arc<str>,
    ops: Mutex<IioTriggerOps>,
    id: Mutex<Option<u32>>,
    use_count: AtomicU32,
    lines: [Line; CONSUMERS_PER_TRIGGER],
    attached_own_device: AtomicBool,
    private: OnceLock<Arc<dyn Any + Send + Sync>>,
}

/// An interrupt line of a trigger, for one consumer.
#[derive(Default)]
struct Line {
    consumer: Mutex<Option<IioPollFunc>>,
    /// Held while its handlers run: whoever frees the line waits for them.
    running: KernelMutex,
}

impl PartialEq for IioTrigger {
    fn eq(&self, other: &IioTrigger) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for IioTrigger {}

impl fmt::Debug for IioTrigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("IioTrigger").field(&self.0.name).finish()
    }
}

/// A way back to a trigger from a callback that it holds itself.
pub(crate) struct WeakIioTrigger(Weak<TriggerInner>);

impl WeakIioTrigger {
    pub(crate) fn upgrade(&self) -> Option<IioTrigger> {
        self.0.upgrade().map(IioTrigger)
    }
}

impl IioTrigger {
    pub(crate) fn downgrade(&self) -> WeakIioTrigger {
        WeakIioTrigger(Arc::downgrade(&self.0))
    }

    /// Its `struct device`.
    pub fn dev(&self) -> &Device {
        &self.0.dev
    }

    /// Its name, by which devices choose it.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Sets `trig->ops`.
    pub fn set_ops(&self, ops: IioTriggerOps) {
        *self.0.ops.lock() = ops;
    }

    /// Sets `trig->dev.groups`: attributes beside its name. To be called before
    /// [`iio_trigger_register`].
    pub fn set_groups(&self, groups: Vec<AttributeGroup>) {
        dev_set_groups(&self.0.dev, groups);
    }

    /// The driver's own data (`iio_trigger_get_drvdata`).
    pub fn private<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        Arc::clone(self.0.private.get()?).downcast().ok()
    }

    /// Sets the driver's own data, once (`iio_trigger_set_drvdata`).
    pub fn set_private<T: Any + Send + Sync>(&self, data: Arc<T>) {
        // A second time is a mistake of the caller's, of no consequence.
        let _ = self.0.private.set(data);
    }

    /// How many devices listen to it.
    pub fn consumers(&self) -> usize {
        let lines = self.0.lines.iter();
        lines.filter(|line| line.consumer.lock().is_some()).count()
    }

    pub(crate) fn take_line(&self, pollfunc: &IioPollFunc) -> Option<usize> {
        self.0.lines.iter().position(|line| {
            let mut consumer = line.consumer.lock();
            let free = consumer.is_none();
            if free {
                *consumer = Some(pollfunc.clone());
            }
            free
        })
    }

    /// Frees a line once its handlers are done (`free_irq`).
    pub(crate) fn put_line(&self, line: usize) {
        let line = &self.0.lines[line];
        let gone = line.consumer.lock().take();
        drop(self.wait_for(line));
        drop(gone);
    }

    /// Waits for the handlers of a line, and keeps them from running.
    fn wait_for<'a>(&self, line: &'a Line) -> KernelGuard<'a> {
        let device = || Some(self.0.dev.device_ref());
        let system = self.0.dev.system();
        line.running
            .lock(&system, device, "the trigger's interrupt")
    }

    pub(crate) fn set_state(&self, on: bool) -> Result {
        let set = self.0.ops.lock().set_trigger_state.clone();
        set.map_or(Ok(()), |set| set(self, on))
    }

    pub(crate) fn validate_device(&self) -> Option<Arc<ValidateDevice>> {
        self.0.ops.lock().validate_device.clone()
    }

    pub(crate) fn complain_no_line(&self) {
        message(
            &self.0.dev,
            format!(
                "Could not find an available irq for trigger {}",
                self.0.name
            ),
        );
    }

    pub(crate) fn set_attached_own_device(&self, attached: bool) {
        self.0
            .attached_own_device
            .store(attached, Ordering::Relaxed);
    }
}

/// Allocates a trigger (`iio_trigger_alloc`), with one reference. `ENOMEM` where
/// the kernel gives a null pointer.
#[track_caller]
pub fn iio_trigger_alloc(
    system: &System,
    parent: Option<&Device>,
    name: &str,
) -> Result<IioTrigger> {
    let core = IioCore::of(system);
    let (bus, _) = core.start(system)?;
    // The struct, its interrupt lines, its name.
    for _ in 0..3 {
        system.allocation()?;
    }
    let name: Arc<str> = Arc::from(name);
    let shown = format!("{name}\n");
    let kept: Arc<OnceLock<IioTrigger>> = Arc::new(OnceLock::new());
    let released = Arc::clone(&kept);
    let dev = device_initialize(
        system,
        DeviceSpec {
            parent: parent.cloned(),
            bus: Some(bus),
            type_: Some(DeviceType {
                groups: vec![AttributeGroup::new(vec![
                    Attribute::new("name", 0o444).show(move |_| Ok(shown.clone())),
                ])],
                ..DeviceType::default()
            }),
            release: Some(Arc::new(move |_| {
                if let Some(trigger) = released.get() {
                    // What the owner gave may hold the trigger.
                    drop(core::mem::take(&mut *trigger.0.ops.lock()));
                }
            })),
            ..DeviceSpec::default()
        },
    );
    let trigger = IioTrigger(Arc::new(TriggerInner {
        dev,
        name,
        ops: Mutex::new(IioTriggerOps::default()),
        id: Mutex::new(None),
        use_count: AtomicU32::new(0),
        lines: Default::default(),
        attached_own_device: AtomicBool::new(false),
        private: OnceLock::new(),
    }));
    // A fresh cell takes its value.
    let _ = kept.set(trigger.clone());
    Ok(trigger)
}

/// Drops the creator's reference (`iio_trigger_free`).
#[track_caller]
pub fn iio_trigger_free(trigger: &IioTrigger) {
    put_device(trigger.dev());
}

/// Takes a reference (`iio_trigger_get`).
#[track_caller]
pub fn iio_trigger_get(trigger: &IioTrigger) -> IioTrigger {
    get_device_for(trigger.dev(), HOLDER);
    trigger.clone()
}

/// Drops a reference (`iio_trigger_put`).
#[track_caller]
pub fn iio_trigger_put(trigger: &IioTrigger) {
    put_device_for(trigger.dev(), HOLDER);
}

/// [`iio_trigger_alloc`], freed when the driver of `parent` is unbound.
#[track_caller]
pub fn devm_iio_trigger_alloc(parent: &Device, name: &str) -> Result<IioTrigger> {
    let trigger = iio_trigger_alloc(&parent.system(), Some(parent), name)?;
    let owned = trigger.clone();
    devm_add_action_or_reset(
        parent,
        Action::new(move || iio_trigger_free(&owned)).named("iio_trigger_free"),
    )?;
    Ok(trigger)
}

/// Registers a trigger (`iio_trigger_register`): from now on devices can choose
/// it. `EEXIST` if the name is taken. On an error the caller still has to free
/// it.
#[track_caller]
pub fn iio_trigger_register(trigger: &IioTrigger) -> Result {
    let core = IioCore::of(&trigger.dev().system());
    let id = core.trigger_ids.alloc();
    let added = dev_set_name(trigger.dev(), format!("trigger{id}"))
        .and_then(|()| device_add(trigger.dev()));
    if let Err(errno) = added {
        core.trigger_ids.free(id);
        return Err(errno);
    }
    let listed = {
        let mut triggers = core.triggers.lock();
        let new = triggers.iter().all(|other| other.name() != trigger.name());
        if new {
            triggers.push(trigger.clone());
        }
        new
    };
    if !listed {
        message(
            trigger.dev(),
            format!("Duplicate trigger name '{}'", trigger.name()),
        );
        device_del(trigger.dev());
        core.trigger_ids.free(id);
        return Err(Errno::EEXIST);
    }
    *trigger.0.id.lock() = Some(id);
    Ok(())
}

/// Takes a trigger out (`iio_trigger_unregister`). Devices that chose it keep it,
/// and their reference.
#[track_caller]
pub fn iio_trigger_unregister(trigger: &IioTrigger) {
    let core = IioCore::of(&trigger.dev().system());
    core.triggers.lock().retain(|other| other != trigger);
    if let Some(id) = trigger.0.id.lock().take() {
        core.trigger_ids.free(id);
    }
    device_del(trigger.dev());
}

/// Registers a trigger and unregisters it when the driver of `dev` is unbound
/// (`devm_iio_trigger_register`).
#[track_caller]
pub fn devm_iio_trigger_register(dev: &Device, trigger: &IioTrigger) -> Result {
    iio_trigger_register(trigger)?;
    let registered = trigger.clone();
    devm_add_action_or_reset(
        dev,
        Action::new(move || iio_trigger_unregister(&registered)).named("iio_trigger_unregister"),
    )
}

/// The trigger of this name, with a reference on it; a newline after the name is
/// fine.
// industrialio-trigger.c: iio_trigger_acquire_by_name
pub(crate) fn acquire_by_name(system: &System, name: &[u8]) -> Option<IioTrigger> {
    let core = IioCore::of(system);
    let triggers = core.triggers.lock();
    triggers
        .iter()
        .find(|trigger| sysfs_streq(trigger.name(), name))
        .map(iio_trigger_get)
}

/// The trigger fired (`iio_trigger_poll`): every consumer's handlers run, here
/// and now. While a consumer is not done with the time before, nothing happens.
pub fn iio_trigger_poll(trigger: &IioTrigger) {
    let inner = &trigger.0;
    if inner.use_count.load(Ordering::Acquire) != 0 {
        return;
    }
    inner
        .use_count
        .store(CONSUMERS_PER_TRIGGER as u32, Ordering::Release);
    emit(&inner.dev, || IioEventKind::TriggerFired {
        consumers: trigger.consumers(),
    });
    for line in &inner.lines {
        let running = trigger.wait_for(line);
        let consumer = line.consumer.lock().clone();
        let finished = consumer.is_some_and(|consumer| consumer.run());
        drop(running);
        if !finished {
            // Nobody is there to say that it is done.
            iio_trigger_notify_done(trigger);
        }
    }
}

/// As [`iio_trigger_poll`], from a thread (`iio_trigger_poll_nested`). Here the
/// two do the same.
pub fn iio_trigger_poll_nested(trigger: &IioTrigger) {
    iio_trigger_poll(trigger);
}

/// A consumer is done (`iio_trigger_notify_done`); to be said once in every
/// handler. When all are, the trigger may fire again.
pub fn iio_trigger_notify_done(trigger: &IioTrigger) {
    let before = trigger
        .0
        .use_count
        .fetch_update(Ordering::AcqRel, Ordering::Acquire, |count| {
            count.checked_sub(1)
        });
    if before != Ok(1) {
        return;
    }
    let reenable = trigger.0.ops.lock().reenable.clone();
    if let Some(reenable) = reenable {
        // Off this call's stack, as the kernel's work item: the trigger may
        // fire again at once.
        let clock = trigger.dev().system().clock().clone();
        let trigger = trigger.clone();
        clock.schedule(clock.now(), move || reenable(&trigger));
    }
}

/// Whether the device listens to the trigger of its own parent
/// (`iio_trigger_using_own`).
pub fn iio_trigger_using_own(iio: &IioDev) -> bool {
    iio.trigger()
        .is_some_and(|trigger| trigger.0.attached_own_device.load(Ordering::Relaxed))
}

/// A `validate_trigger` for devices that can only use the trigger of their own
/// parent (`iio_validate_own_trigger`): `EINVAL` for any other.
pub fn iio_validate_own_trigger(iio: &IioDev, trigger: &IioTrigger) -> Result {
    if iio.dev().parent() == trigger.dev().parent() {
        Ok(())
    } else {
        Err(Errno::EINVAL)
    }
}

/// The same for triggers that serve only the device of their own parent
/// (`iio_trigger_validate_own_device`).
pub fn iio_trigger_validate_own_device(trigger: &IioTrigger, iio: &IioDev) -> Result {
    iio_validate_own_trigger(iio, trigger)
}
