//! `struct video_device`: one node.
//!
//! Follows `drivers/media/v4l2-core/v4l2-dev.c`; registration is in
//! `register.rs`.

use core::any::Any;
use core::fmt;
use core::sync::atomic::Ordering;

use lastfd_abi::ioc_nr;
use lastfd_abi::v4l2::BASE_VIDIOC_PRIVATE;
use lastfd_chrdev::{Cdev, File};
use lastfd_model::raw::Device;
use lastfd_model::{DeviceRef, Errno, Result, System, Variant};
use lastfd_sync::atomic::AtomicU32;
use lastfd_sync::{Arc, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};

use super::core::{Place, V4l2Core, VIDEO_MAJOR};
use super::ctrls::CtrlHandler;
use super::fh::V4l2Fh;
use super::fops::V4l2FileOperations;
use super::ioctl_ops::V4l2IoctlOps;
use super::lock::VideoLock;
use super::prio::V4l2Prio;
use super::v4l2_device::V4l2Device;
use super::vb2::Vb2Queue;
use crate::event::{V4l2EventKind, emit};

/// What a driver does when the last user of a video device goes.
pub(crate) type Release = Arc<dyn Fn(&VideoDevice) + Send + Sync>;

/// What kind of node (`enum vfl_devnode_type`).
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum VflType {
    /// `videoN`.
    #[default]
    Video,
    /// `vbiN`.
    Vbi,
    /// `radioN`.
    Radio,
    /// `v4l-subdevN`.
    Subdev,
    /// `swradioN`.
    Sdr,
    /// `v4l-touchN`.
    Touch,
}

impl VflType {
    /// What its nodes' names begin with.
    pub fn name_base(self) -> &'static str {
        match self {
            VflType::Video => "video",
            VflType::Vbi => "vbi",
            VflType::Radio => "radio",
            VflType::Subdev => "v4l-subdev",
            VflType::Sdr => "swradio",
            VflType::Touch => "v4l-touch",
        }
    }
}

/// Which way pictures go (`enum vfl_devnode_direction`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VflDir {
    /// To programs.
    #[default]
    Rx,
    /// From programs.
    Tx,
}

/// Flags of a video device (`enum v4l2_video_device_flags`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VideoFlag {
    /// Calls get through to the driver.
    Registered,
    /// Its files have a [`V4l2Fh`].
    UsesV4l2Fh,
}

impl VideoFlag {
    fn bit(self) -> u32 {
        match self {
            VideoFlag::Registered => 1,
            VideoFlag::UsesV4l2Fh => 2,
        }
    }
}

/// The numbers of ioctls that a device answers (`vdev->valid_ioctls`).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct IoctlSet([u64; 3]);

impl IoctlSet {
    pub(crate) fn set(&mut self, cmd: u32) {
        let nr = ioc_nr(cmd);
        if nr < BASE_VIDIOC_PRIVATE {
            self.0[usize::from(nr / 64)] |= 1 << (nr % 64);
        }
    }

    pub(crate) fn has(&self, cmd: u32) -> bool {
        let nr = ioc_nr(cmd);
        nr < BASE_VIDIOC_PRIVATE && self.0[usize::from(nr / 64)] & 1 << (nr % 64) != 0
    }

    /// Those of this set that are not in the other.
    pub(crate) fn and_not(self, other: IoctlSet) -> IoctlSet {
        let mut bits = self.0;
        for (bits, other) in bits.iter_mut().zip(other.0) {
            *bits &= !other;
        }
        IoctlSet(bits)
    }
}

/// A handle on a `struct video_device`.
///
/// Cloning it does not count: what counts are the references on its
/// [`dev`](VideoDevice::dev). The memory is kept while a handle is left; once
/// released it lets go of everything the driver gave it.
#[derive(Clone)]
pub struct VideoDevice(Arc<Inner>);

struct Inner {
    system: System,
    flags: AtomicU32,
    fields: Mutex<Fields>,
    /// vdev->fh_list, latest first.
    fhs: Mutex<Vec<V4l2Fh>>,
    /// Read by calls, in the locked variant, and written by unregister.
    calls: RwLock<()>,
}

/// See [`VideoDevice::look`].
pub(crate) struct Look<'a>(#[expect(dead_code, reason = "held")] Option<RwLockReadGuard<'a, ()>>);

#[derive(Default)]
pub(crate) struct Fields {
    // What a driver fills in.
    pub(crate) name: String,
    pub(crate) v4l2_dev: Option<V4l2Device>,
    pub(crate) fops: V4l2FileOperations,
    pub(crate) ioctl_ops: Option<Arc<V4l2IoctlOps>>,
    pub(crate) release: Option<Release>,
    pub(crate) device_caps: u32,
    pub(crate) vfl_dir: VflDir,
    pub(crate) lock: Option<VideoLock>,
    pub(crate) queue: Option<Vb2Queue>,
    pub(crate) ctrl_handler: Option<CtrlHandler>,
    pub(crate) prio: Option<V4l2Prio>,
    pub(crate) dev_parent: Option<Device>,
    pub(crate) drvdata: Option<Arc<dyn Any + Send + Sync>>,
    // What registration fills in.
    pub(crate) vfl_type: VflType,
    pub(crate) place: Option<Place>,
    pub(crate) dev: Option<Device>,
    pub(crate) cdev: Option<Cdev>,
    pub(crate) valid_ioctls: IoctlSet,
    pub(crate) dev_debug: u16,
}

/// A way back from a callback that the device's own parts hold.
#[derive(Clone)]
pub(crate) struct WeakVideoDevice(Weak<Inner>);

impl WeakVideoDevice {
    pub(crate) fn upgrade(&self) -> Option<VideoDevice> {
        self.0.upgrade().map(VideoDevice)
    }
}

impl PartialEq for VideoDevice {
    fn eq(&self, other: &VideoDevice) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for VideoDevice {}

impl fmt::Debug for VideoDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let node = self.dev().map(|dev| dev.name());
        f.debug_struct("VideoDevice")
            .field("node", &node)
            .field("registered", &self.has_flag(VideoFlag::Registered))
            .finish_non_exhaustive()
    }
}

macro_rules! fields {
    ($($(#[$doc:meta])* $get:ident, $set:ident: $type:ty;)*) => {$(
        #[doc = concat!("`vdev->", stringify!($get), "`.")]
        pub fn $get(&self) -> Option<$type> {
            self.fields().$get.clone()
        }

        #[doc = concat!("Sets `vdev->", stringify!($get), "`, before it is registered.")]
        $(#[$doc])*
        pub fn $set(&self, value: &$type) {
            let old = self.fields().$get.replace(value.clone());
            drop(old);
        }
    )*};
}

impl VideoDevice {
    fields! {
        v4l2_dev, set_v4l2_dev: V4l2Device;
        /// Ioctls run under it, and so do read, poll and release where the
        /// queue has none of its own.
        lock, set_lock: VideoLock;
        queue, set_queue: Vb2Queue;
        /// That of the `v4l2_device` if there is none.
        ctrl_handler, set_ctrl_handler: CtrlHandler;
        /// That of the `v4l2_device` if there is none.
        prio, set_prio: V4l2Prio;
        /// That of the `v4l2_device` if there is none.
        dev_parent, set_dev_parent: Device;
    }

    pub(crate) fn fields(&self) -> MutexGuard<'_, Fields> {
        self.0.fields.lock()
    }

    pub(crate) fn fhs(&self) -> MutexGuard<'_, Vec<V4l2Fh>> {
        self.0.fhs.lock()
    }

    pub(crate) fn downgrade(&self) -> WeakVideoDevice {
        WeakVideoDevice(Arc::downgrade(&self.0))
    }

    /// The System it lives in.
    pub fn system(&self) -> &System {
        &self.0.system
    }

    /// How a call looks whether the device is registered. In Linux it looks when it
    /// begins, and that is all; in the locked variant it looks at each attempt, and
    /// nobody unregisters the device while the look is held.
    pub(crate) fn look(&self, begins: bool) -> Result<Look<'_>> {
        let locked = self.0.system.variant() == Variant::Locked;
        let look = Look(locked.then(|| self.0.calls.read()));
        if (begins || locked) && !self.has_flag(VideoFlag::Registered) {
            return Err(Errno::ENODEV);
        }
        Ok(look)
    }

    /// Waits for the calls inside, in the locked variant, and keeps others out.
    pub(crate) fn no_calls(&self) -> Option<RwLockWriteGuard<'_, ()>> {
        (self.0.system.variant() == Variant::Locked).then(|| self.0.calls.write())
    }

    /// Its `struct device` (`&vdev->dev`); none before it was registered.
    pub fn dev(&self) -> Option<Device> {
        self.fields().dev.clone()
    }

    /// Its name, that of the attribute `name`.
    pub fn name(&self) -> String {
        self.fields().name.clone()
    }

    /// Sets its name.
    pub fn set_name(&self, name: &str) {
        self.fields().name = name.to_owned();
    }

    /// Sets what its files do.
    pub fn set_fops(&self, fops: V4l2FileOperations) {
        let old = core::mem::replace(&mut self.fields().fops, fops);
        drop(old);
    }

    /// Sets what its ioctls do.
    pub fn set_ioctl_ops(&self, ops: V4l2IoctlOps) {
        let old = self.fields().ioctl_ops.replace(Arc::new(ops));
        drop(old);
    }

    /// Sets what is done when its last user goes: mandatory.
    pub fn set_release(&self, release: impl Fn(&VideoDevice) + Send + Sync + 'static) {
        let old = self.fields().release.replace(Arc::new(release));
        drop(old);
    }

    /// What it can do, of `V4L2_CAP_*`.
    pub fn device_caps(&self) -> u32 {
        self.fields().device_caps
    }

    /// Sets what it can do: mandatory but for subdevices.
    pub fn set_device_caps(&self, caps: u32) {
        self.fields().device_caps = caps;
    }

    /// Sets which way pictures go.
    pub fn set_vfl_dir(&self, dir: VflDir) {
        self.fields().vfl_dir = dir;
    }

    /// What kind of node it is.
    pub fn vfl_type(&self) -> VflType {
        self.fields().vfl_type
    }

    /// Marks an ioctl as not there, though its function is
    /// (`v4l2_disable_ioctl`). To be called before it is registered.
    pub fn disable_ioctl(&self, cmd: u32) {
        self.fields().valid_ioctls.set(cmd);
    }

    /// The driver's own data (`video_get_drvdata`).
    pub fn drvdata<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        self.fields().drvdata.clone()?.downcast().ok()
    }

    /// Sets the driver's own data (`video_set_drvdata`).
    pub fn set_drvdata(&self, data: Arc<dyn Any + Send + Sync>) {
        let old = self.fields().drvdata.replace(data);
        drop(old);
    }

    /// Its minor; none if it is not in the table.
    pub fn minor(&self) -> Option<u32> {
        self.fields().place.map(|place| place.minor)
    }

    /// Its node's number: that of `videoN`.
    pub fn num(&self) -> Option<u32> {
        self.fields().place.map(|place| place.num)
    }

    /// Its number among the nodes of its `v4l2_device`.
    pub fn index(&self) -> u32 {
        self.fields().place.map_or(0, |place| place.index)
    }

    /// What the attribute `dev_debug` says.
    pub fn dev_debug(&self) -> u16 {
        self.fields().dev_debug
    }

    pub(crate) fn set_dev_debug(&self, value: u16) {
        self.fields().dev_debug = value;
    }

    /// Whether the flag is set (`test_bit(flag, &vdev->flags)`).
    pub fn has_flag(&self, flag: VideoFlag) -> bool {
        self.0.flags.load(Ordering::SeqCst) & flag.bit() != 0
    }

    /// Sets or clears a flag (`set_bit`, `clear_bit`). A driver that clears
    /// [`VideoFlag::Registered`] itself makes every call on the node fail while
    /// the node stays, as vivid's control "Disconnect" does; it then calls
    /// [`v4l2_event_wake_all`](super::v4l2_event_wake_all).
    #[track_caller]
    pub fn set_flag(&self, flag: VideoFlag, on: bool) {
        let before = if on {
            self.0.flags.fetch_or(flag.bit(), Ordering::SeqCst)
        } else {
            self.0.flags.fetch_and(!flag.bit(), Ordering::SeqCst)
        };
        if flag == VideoFlag::Registered && before & flag.bit() != 0 && !on {
            self.emit(|| V4l2EventKind::FlagCleared);
        }
    }

    pub(crate) fn device_ref(&self) -> Option<DeviceRef> {
        self.dev().map(|dev| dev.device_ref())
    }

    #[track_caller]
    pub(crate) fn emit(&self, kind: impl FnOnce() -> V4l2EventKind) {
        emit(&self.0.system, || self.device_ref(), kind);
    }

    /// Runs driver code, unwinding it if it panics.
    pub(crate) fn guard<T>(&self, what: &str, run: impl FnOnce() -> T) -> Option<T> {
        let device = self.device_ref();
        self.0.system.guard(device.as_ref(), what, run)
    }

    /// Lets go of what the driver gave, so that nothing is kept by a handle
    /// that outlives it.
    pub(crate) fn dissolve(&self) {
        let gone = {
            let mut fields = self.fields();
            let dev = fields.dev.clone();
            let name = fields.name.clone();
            core::mem::replace(
                &mut *fields,
                Fields {
                    name,
                    dev,
                    ..Fields::default()
                },
            )
        };
        drop(gone);
    }
}

/// Makes a video device, all zero (`video_device_alloc`).
///
/// # Errors
/// `ENOMEM`, where the kernel gives `NULL`.
pub fn video_device_alloc(system: &System) -> Result<VideoDevice> {
    system.allocation()?;
    Ok(VideoDevice(Arc::new(Inner {
        system: system.unowned(),
        flags: AtomicU32::new(0),
        fields: Mutex::new(Fields::default()),
        fhs: Mutex::new(Vec::new()),
        calls: RwLock::new(()),
    })))
}

/// Frees a video device (`video_device_release`): the usual release callback,
/// and what a driver calls if it was not registered.
pub fn video_device_release(vdev: &VideoDevice) {
    vdev.dissolve();
}

/// A release callback that frees nothing (`video_device_release_empty`).
pub fn video_device_release_empty(vdev: &VideoDevice) {
    let _ = vdev;
}

/// The video device that a file was opened on (`video_devdata`); none if it was
/// released though the file is open, by a reference put too much.
pub fn video_devdata(file: &File) -> Option<VideoDevice> {
    V4l2Core::of(file.system()).device(file.devt()?.minor)
}

/// The video device whose `struct device` this is (`to_video_device`); none if it is not
/// one, or not in the table any more.
pub fn to_video_device(device: &Device) -> Option<VideoDevice> {
    let devt = device.devt().filter(|devt| devt.major == VIDEO_MAJOR)?;
    let vdev = V4l2Core::of(&device.system()).device(devt.minor)?;
    (vdev.dev().as_ref() == Some(device)).then_some(vdev)
}
