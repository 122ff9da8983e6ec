//! `struct iio_dev`: what it holds, its allocation, its release.
//!
//! Follows `drivers/iio/industrialio-core.c`.

use core::any::Any;
use core::fmt;
use core::sync::atomic::Ordering;

use lastfd_chrdev::Cdev;
use lastfd_model::raw::{
    Action, AttributeGroup, DevMem, Device, DeviceSpec, DeviceType, KernelGuard, KernelMutex,
    device_initialize, device_is_registered, devm_add_action_or_reset, get_device_for, put_device,
    put_device_for,
};
use lastfd_model::{Errno, Result, System, Variant};
use lastfd_sync::atomic::AtomicBool;
use lastfd_sync::{Arc, Mutex, MutexGuard, OnceLock, RwLock, Weak};

use super::attributes;
use super::buffer::IioBuffer;
use super::core::IioCore;
use super::debugfs;
use super::events::EventInterface;
use super::files::IioHandler;
use super::info::{IioBufferSetupOps, IioInfo};
use super::pollfunc::IioPollFunc;
use super::trigger::{IioTrigger, iio_trigger_put};
use crate::channel::ChannelSpec;
use crate::layout::ScanMask;
use crate::types::Modes;

/// For whom the framework holds references on its devices.
pub(crate) const HOLDER: &str = "iio_device_get";

/// A handle on a `struct iio_dev`.
///
/// Cloning it does not count: references are taken and dropped with
/// [`iio_device_get`] and [`iio_device_put`]. The memory is kept while a handle
/// is left; what the device held goes when the last reference does.
#[derive(Clone)]
pub struct IioDev(Arc<IioDevInner>);

pub(crate) struct IioDevInner {
    dev: Device,
    id: u32,
    /// The fields a driver fills in.
    driver: Mutex<DriverFields>,
    /// indio_dev->info. Read without a lock by read and poll, as in the kernel.
    info: RwLock<Option<Arc<IioInfo>>>,
    /// Held while info may not go away: ioctls, in-kernel users, unregister.
    info_exist_lock: KernelMutex,
    /// Mode and buffer state; held over the driver's setup callbacks.
    mlock: KernelMutex,
    state: Mutex<DevState>,
    /// IIO_BUSY_BIT_POS of the character device.
    pub(crate) busy: AtomicBool,
    private: OnceLock<Arc<dyn Any + Send + Sync>>,
}

/// The `[DRIVER]` fields of `struct iio_dev`.
#[derive(Clone)]
struct DriverFields {
    name: Option<Arc<str>>,
    label: Option<Arc<str>>,
    modes: Modes,
    channels: Arc<[ChannelSpec]>,
    setup_ops: IioBufferSetupOps,
    available_scan_masks: Arc<[ScanMask]>,
}

/// The `[INTERN]` fields and `struct iio_dev_opaque`.
#[derive(Default)]
pub(crate) struct DevState {
    pub(crate) current_mode: Modes,
    pub(crate) active_scan_mask: Option<ScanMask>,
    pub(crate) scan_timestamp: bool,
    pub(crate) scan_bytes: usize,
    /// indio_dev->buffer_list: the enabled ones, latest first.
    pub(crate) active: Vec<IioBuffer>,
    pub(crate) attached: Vec<IioBuffer>,
    pub(crate) event_interface: Option<Arc<EventInterface>>,
    pub(crate) ioctl_handlers: Vec<IioHandler>,
    pub(crate) trig: Option<IioTrigger>,
    pub(crate) trig_readonly: bool,
    pub(crate) pollfunc: Option<IioPollFunc>,
    /// The clock's place in the kernel's table.
    pub(crate) clock: usize,
    pub(crate) cached_reg_addr: u32,
    /// What unaligned pushes go through, and its size.
    pub(crate) bounce: Option<(DevMem, usize)>,
    pub(crate) debugfs: Option<debugfs::Directory>,
    pub(crate) groups: Vec<AttributeGroup>,
    pub(crate) cdev: Option<Cdev>,
}

impl fmt::Debug for IioDev {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IioDev({})", self.0.dev.name())
    }
}

impl PartialEq for IioDev {
    fn eq(&self, other: &IioDev) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for IioDev {}

/// A way back to a device from a callback that its own attributes hold.
#[derive(Clone)]
pub(crate) struct WeakIioDev(Weak<IioDevInner>);

impl WeakIioDev {
    /// The device, or `ENODEV` once nothing of it is left.
    pub(crate) fn upgrade(&self) -> Result<IioDev> {
        self.0.upgrade().map(IioDev).ok_or(Errno::ENODEV)
    }

    /// Whether it leads to this device.
    pub(crate) fn is(&self, iio: &IioDev) -> bool {
        core::ptr::eq(self.0.as_ptr(), Arc::as_ptr(&iio.0))
    }
}

impl IioDev {
    /// Its `struct device` (`&indio_dev->dev`).
    pub fn dev(&self) -> &Device {
        &self.0.dev
    }

    /// The System it lives in.
    pub fn system(&self) -> System {
        self.0.dev.system()
    }

    /// Its number (`iio_device_id`): that of `iio:deviceN`.
    pub fn id(&self) -> u32 {
        self.0.id
    }

    pub(crate) fn downgrade(&self) -> WeakIioDev {
        WeakIioDev(Arc::downgrade(&self.0))
    }

    pub(crate) fn busy(&self) -> &AtomicBool {
        &self.0.busy
    }

    /// What the driver calls it.
    pub fn name(&self) -> Option<Arc<str>> {
        self.0.driver.lock().name.clone()
    }

    /// Sets `indio_dev->name`.
    pub fn set_name(&self, name: &str) {
        self.0.driver.lock().name = Some(Arc::from(name));
    }

    /// The label it is told apart by.
    pub fn label(&self) -> Option<Arc<str>> {
        self.0.driver.lock().label.clone()
    }

    /// Sets `indio_dev->label`.
    pub fn set_label(&self, label: &str) {
        self.0.driver.lock().label = Some(Arc::from(label));
    }

    /// What it can do.
    pub fn modes(&self) -> Modes {
        self.0.driver.lock().modes
    }

    /// Sets `indio_dev->modes`.
    pub fn set_modes(&self, modes: Modes) {
        self.0.driver.lock().modes = modes;
    }

    /// `indio_dev->modes |= modes`.
    pub fn add_modes(&self, modes: Modes) {
        self.0.driver.lock().modes |= modes;
    }

    /// Its channels.
    pub fn channels(&self) -> Arc<[ChannelSpec]> {
        self.0.driver.lock().channels.clone()
    }

    /// Sets `indio_dev->channels`.
    pub fn set_channels(&self, channels: impl Into<Arc<[ChannelSpec]>>) {
        self.0.driver.lock().channels = channels.into();
    }

    /// The callbacks, None before they are set and after unregister.
    pub fn info(&self) -> Option<Arc<IioInfo>> {
        self.0.info.read().clone()
    }

    /// Whether there are callbacks; what an open file tests.
    pub fn has_info(&self) -> bool {
        self.0.info.read().is_some()
    }

    /// How an open file looks whether there are callbacks, before it uses them. In
    /// Linux that is all; in the locked variant nobody takes them away while the look
    /// is held.
    pub(crate) fn look(&self) -> Option<Look<'_>> {
        let locked = self.system().variant() == Variant::Locked;
        let look = Look {
            _exists: locked.then(|| self.lock_info()),
        };
        self.has_info().then_some(look)
    }

    /// Sets `indio_dev->info`.
    pub fn set_info(&self, info: IioInfo) {
        *self.0.info.write() = Some(Arc::new(info));
    }

    /// The callbacks around the enabling of buffers.
    pub fn setup_ops(&self) -> IioBufferSetupOps {
        self.0.driver.lock().setup_ops.clone()
    }

    /// Sets `indio_dev->setup_ops`.
    pub fn set_setup_ops(&self, ops: IioBufferSetupOps) {
        self.0.driver.lock().setup_ops = ops;
    }

    /// The scans the hardware can do, best first; empty if any.
    pub fn available_scan_masks(&self) -> Arc<[ScanMask]> {
        self.0.driver.lock().available_scan_masks.clone()
    }

    /// Sets `indio_dev->available_scan_masks`.
    pub fn set_available_scan_masks(&self, masks: impl Into<Arc<[ScanMask]>>) {
        self.0.driver.lock().available_scan_masks = masks.into();
    }

    /// The driver's own data (`iio_priv`).
    pub fn private<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        Arc::clone(self.0.private.get()?).downcast().ok()
    }

    /// Sets the driver's own data, once. It lives as long as a handle.
    pub fn set_private<T: Any + Send + Sync>(&self, data: Arc<T>) {
        // A second time is a mistake of the caller's, of no consequence.
        let _ = self.0.private.set(data);
    }

    /// The elements of the scan being taken (`active_scan_mask`).
    pub fn active_scan_mask(&self) -> Option<ScanMask> {
        self.state().active_scan_mask.clone()
    }

    /// Whether a buffer wants time stamps (`scan_timestamp`).
    pub fn scan_timestamp(&self) -> bool {
        self.state().scan_timestamp
    }

    /// Bytes of one scan (`scan_bytes`).
    pub fn scan_bytes(&self) -> usize {
        self.state().scan_bytes
    }

    /// The trigger it listens to (`indio_dev->trig`).
    pub fn trigger(&self) -> Option<IioTrigger> {
        self.state().trig.clone()
    }

    /// The buffer with this number.
    pub fn buffer(&self, index: usize) -> Option<IioBuffer> {
        self.state().attached.get(index).cloned()
    }

    /// The mode it is in now (`iio_device_get_current_mode`).
    pub fn current_mode(&self) -> Modes {
        self.state().current_mode
    }

    /// Takes the callbacks away: `indio_dev->info = NULL`.
    pub(crate) fn take_info(&self) -> Option<Arc<IioInfo>> {
        self.0.info.write().take()
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, DevState> {
        self.0.state.lock()
    }

    #[track_caller]
    fn lock<'a>(&'a self, mutex: &'a KernelMutex, name: &'static str) -> KernelGuard<'a> {
        mutex.lock(&self.system(), || Some(self.0.dev.device_ref()), name)
    }

    #[track_caller]
    pub(crate) fn lock_mode(&self) -> KernelGuard<'_> {
        self.lock(&self.0.mlock, "mlock")
    }

    #[track_caller]
    pub(crate) fn lock_info(&self) -> KernelGuard<'_> {
        self.lock(&self.0.info_exist_lock, "info_exist_lock")
    }

    pub(crate) fn add_group(&self, group: AttributeGroup) -> Result {
        self.system().allocation()?;
        self.state().groups.push(group);
        Ok(())
    }
}

/// See [`IioDev::look`].
pub(crate) struct Look<'a> {
    _exists: Option<KernelGuard<'a>>,
}

/// Whether a buffer is enabled (`iio_buffer_enabled`).
pub fn iio_buffer_enabled(iio: &IioDev) -> bool {
    iio.current_mode().intersects(Modes::ALL_BUFFER)
}

/// Allocates a device below `parent` (`iio_device_alloc`), with one reference.
///
/// `ENOMEM` where the kernel gives a null pointer.
#[track_caller]
pub fn iio_device_alloc(parent: &Device) -> Result<IioDev> {
    let system = parent.system();
    let core = IioCore::of(&system);
    let (bus, _) = core.start(&system)?;
    system.allocation()?;
    let id = core.device_ids.alloc();
    // The release closure keeps the whole struct, as the reference count does
    // in the kernel. The model drops the closure once it ran.
    let kept: Arc<OnceLock<IioDev>> = Arc::new(OnceLock::new());
    let released = Arc::clone(&kept);
    let dev = device_initialize(
        &system,
        DeviceSpec {
            name: Some(format!("iio:device{id}")),
            parent: Some(parent.clone()),
            bus: Some(bus),
            type_: Some(DeviceType {
                name: "iio_device".into(),
                ..DeviceType::default()
            }),
            release: Some(Arc::new(move |_| {
                if let Some(iio) = released.get() {
                    release(iio);
                }
            })),
            ..DeviceSpec::default()
        },
    );
    let iio = IioDev(Arc::new(IioDevInner {
        dev,
        id,
        driver: Mutex::new(DriverFields {
            name: None,
            label: None,
            modes: Modes::NONE,
            channels: Arc::from([]),
            setup_ops: IioBufferSetupOps::default(),
            available_scan_masks: Arc::from([]),
        }),
        info: RwLock::new(None),
        info_exist_lock: KernelMutex::default(),
        mlock: KernelMutex::default(),
        state: Mutex::new(DevState::default()),
        busy: AtomicBool::new(false),
        private: OnceLock::new(),
    }));
    // A fresh cell takes its value.
    let _ = kept.set(iio.clone());
    Ok(iio)
}

/// The last reference is gone.
// industrialio-core.c: iio_dev_release
fn release(iio: &IioDev) {
    let core = IioCore::of(&iio.system());
    let old = core::mem::take(&mut *iio.state());
    if iio.modes().intersects(Modes::ALL_TRIGGERED)
        && let Some(trigger) = &old.trig
    {
        // iio_device_unregister_trigger_consumer
        iio_trigger_put(trigger);
    }
    // Event set, attributes and buffers go with `old`.
    drop(old);
    core.device_ids.free(iio.id());
    // What the driver gave may hold the device; it is not needed any more.
    let info = iio.take_info();
    let setup_ops = core::mem::take(&mut iio.0.driver.lock().setup_ops);
    let channels = core::mem::replace(&mut iio.0.driver.lock().channels, Arc::from([]));
    drop((info, setup_ops, channels));
}

/// Drops the creator's reference (`iio_device_free`).
#[track_caller]
pub fn iio_device_free(iio: &IioDev) {
    put_device(iio.dev());
}

/// Takes a reference (`iio_device_get`).
#[track_caller]
pub fn iio_device_get(iio: &IioDev) -> IioDev {
    get_device_for(iio.dev(), HOLDER);
    iio.clone()
}

/// Drops a reference (`iio_device_put`).
#[track_caller]
pub fn iio_device_put(iio: &IioDev) {
    put_device_for(iio.dev(), HOLDER);
}

/// [`iio_device_alloc`], freed when the parent's driver is unbound.
#[track_caller]
pub fn devm_iio_device_alloc(parent: &Device) -> Result<IioDev> {
    let iio = iio_device_alloc(parent)?;
    let owned = iio.clone();
    devm_add_action_or_reset(
        parent,
        Action::new(move || iio_device_free(&owned)).named("iio_device_free"),
    )?;
    Ok(iio)
}

/// The time for samples and events, in nanoseconds, on the clock chosen in
/// `current_timestamp_clock` (`iio_get_time_ns`).
pub fn iio_get_time_ns(iio: &IioDev) -> i64 {
    let clock = iio.state().clock;
    let system = iio.system();
    match attributes::CLOCKS[clock] {
        "realtime" | "realtime_coarse" | "tai" => system.clock().realtime() as i64,
        _ => system.clock().now().0 as i64,
    }
}

/// Whether the device is registered (`device_is_registered(&indio_dev->dev)`).
pub fn iio_device_is_registered(iio: &IioDev) -> bool {
    device_is_registered(iio.dev())
}

impl IioDev {
    /// Takes the node's busy bit; false if it was taken.
    pub(crate) fn take_busy(&self) -> bool {
        !self.busy().swap(true, Ordering::AcqRel)
    }

    pub(crate) fn clear_busy(&self) {
        self.busy().store(false, Ordering::Release);
    }
}
