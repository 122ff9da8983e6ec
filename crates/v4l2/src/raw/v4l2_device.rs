//! `struct v4l2_device`: what the nodes of one piece of hardware share.
//!
//! Follows `drivers/media/v4l2-core/v4l2-device.c`.

use core::fmt;
use core::panic::Location;
use core::sync::atomic::Ordering;

use lastfd_model::event::SplatKind;
use lastfd_model::raw::{Device, dev_get_drvdata, dev_set_drvdata, get_device_for, put_device_for};
use lastfd_model::{DeviceRef, Errno, Holding, LedgerLine, Place, Result, System};
use lastfd_sync::atomic::AtomicU32;
use lastfd_sync::{Arc, Mutex};

use super::ctrls::CtrlHandler;
use super::prio::V4l2Prio;
use super::warn::{splat, warn};
use crate::event::{V4l2EventKind, emit};

/// For whom the hardware's device is held.
const HOLDER: &str = "v4l2_device";

/// What a driver does when the last reference goes.
type Release = Arc<dyn Fn(&V4l2Device) + Send + Sync>;

/// A handle on a `struct v4l2_device`.
///
/// Cloning it does not count: references are taken and dropped with
/// [`v4l2_device_get`] and [`v4l2_device_put`]. Each registered video device
/// holds one. The memory is kept while a handle is left.
#[derive(Clone)]
pub struct V4l2Device(Arc<Inner>);

struct Inner {
    system: System,
    kref: AtomicU32,
    prio: V4l2Prio,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    dev: Option<Device>,
    /// Stays for events when `dev` is forgotten.
    device_ref: Option<DeviceRef>,
    name: String,
    release: Option<Release>,
    ctrl_handler: Option<CtrlHandler>,
    /// References: by whom and where they were taken, latest last.
    held: Vec<(&'static str, Place)>,
}

impl Drop for Inner {
    /// The last handle goes while there are references: those were forgotten, where
    /// somebody waits for the last of them.
    fn drop(&mut self) {
        if self.kref.load(Ordering::SeqCst) == 0 || !self.system.ledger_is_on() {
            return;
        }
        let state = core::mem::take(&mut *self.state.lock());
        if state.release.is_none() {
            return;
        }
        for (holder, place) in &state.held {
            let line = LedgerLine {
                holding: Holding::Reference,
                device: state.device_ref.clone(),
                what: format!("{holder} (on the v4l2_device)").into(),
                place: Some(place),
            };
            self.system.ledger_open(line).keep();
        }
    }
}

impl PartialEq for V4l2Device {
    fn eq(&self, other: &V4l2Device) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for V4l2Device {}

impl fmt::Debug for V4l2Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("V4l2Device")
            .field("name", &self.name())
            .field("kref", &self.kref())
            .finish_non_exhaustive()
    }
}

impl V4l2Device {
    /// The struct, all zero, before [`v4l2_device_register`].
    pub fn new(system: &System) -> V4l2Device {
        V4l2Device(Arc::new(Inner {
            system: system.unowned(),
            kref: AtomicU32::new(0),
            prio: V4l2Prio::new(),
            state: Mutex::new(State::default()),
        }))
    }

    /// The count of references; 0 before it is registered and once released.
    pub fn kref(&self) -> u32 {
        self.0.kref.load(Ordering::SeqCst)
    }

    /// The hardware's device; none once disconnected.
    pub fn dev(&self) -> Option<Device> {
        self.0.state.lock().dev.clone()
    }

    /// Its name; empty once unregistered.
    pub fn name(&self) -> String {
        self.0.state.lock().name.clone()
    }

    /// Sets its name, before it is registered.
    pub fn set_name(&self, name: &str) {
        self.0.state.lock().name = name.to_owned();
    }

    /// Sets what is done when the last reference goes (`v4l2_dev->release`).
    pub fn set_release(&self, release: impl Fn(&V4l2Device) + Send + Sync + 'static) {
        let old = self.0.state.lock().release.replace(Arc::new(release));
        drop(old);
    }

    /// Whether there is a release callback.
    pub fn has_release(&self) -> bool {
        self.0.state.lock().release.is_some()
    }

    /// The controls of all nodes that have none of their own.
    pub fn ctrl_handler(&self) -> Option<CtrlHandler> {
        self.0.state.lock().ctrl_handler.clone()
    }

    /// Sets `v4l2_dev->ctrl_handler`.
    pub fn set_ctrl_handler(&self, handler: &CtrlHandler) {
        let old = self.0.state.lock().ctrl_handler.replace(handler.clone());
        drop(old);
    }

    /// The priorities of all nodes that have none of their own.
    pub fn prio(&self) -> &V4l2Prio {
        &self.0.prio
    }

    /// The System it lives in.
    pub fn system(&self) -> &System {
        &self.0.system
    }

    /// Holders of references, by the names they have in the ledger.
    const BY_GET: &'static str = "v4l2_device_get";
    const BY_CREATOR: &'static str = "its creator";
    pub(crate) const BY_NODE: &'static str = "a video device";

    #[track_caller]
    fn note_taken(&self, holder: &'static str) {
        let place = Location::caller();
        self.0.state.lock().held.push((holder, place));
    }

    /// Whose a put is nobody says. Once the hardware is let go of, it is taken for the
    /// creator's.
    fn note_dropped(&self, holder: &'static str) {
        let mut state = self.0.state.lock();
        let order = match state.dev {
            None => [Self::BY_CREATOR, Self::BY_GET],
            Some(_) => [Self::BY_GET, Self::BY_CREATOR],
        };
        let by = |wanted| state.held.iter().rposition(|(holder, _)| *holder == wanted);
        let own = (holder == Self::BY_NODE).then(|| by(holder)).flatten();
        if let Some(at) = own.or_else(|| order.into_iter().find_map(by)) {
            state.held.remove(at);
        }
    }

    fn device_ref(&self) -> Option<DeviceRef> {
        self.0.state.lock().device_ref.clone()
    }

    #[track_caller]
    fn emit(&self, kind: impl FnOnce() -> V4l2EventKind) {
        emit(&self.0.system, || self.device_ref(), kind);
    }
}

/// Registers it for the hardware's device (`v4l2_device_register`): one
/// reference, and one on the device, whose driver data it becomes if there is
/// none. Without a device it must have a name.
///
/// # Errors
/// `EINVAL` with neither device nor name. A device that no driver is bound to
/// has no driver's name to take: a kernel oopses there; here it is a splat and
/// `EFAULT`.
#[track_caller]
pub fn v4l2_device_register(dev: Option<&Device>, v4l2_dev: &V4l2Device) -> Result {
    v4l2_dev.0.prio.reset();
    v4l2_dev.0.kref.store(1, Ordering::SeqCst);
    if let Some(dev) = dev {
        get_device_for(dev, HOLDER);
    }
    let named = {
        let mut state = v4l2_dev.0.state.lock();
        state.dev = dev.cloned();
        state.device_ref = dev.map(Device::device_ref);
        !state.name.is_empty()
    };
    let Some(dev) = dev else {
        if !named {
            let text = "v4l2_device_register: neither a device nor a name";
            warn(&v4l2_dev.0.system, None, text);
            return Err(Errno::EINVAL);
        }
        v4l2_dev.note_taken(V4l2Device::BY_CREATOR);
        return Ok(());
    };
    if !named {
        let Some(driver) = dev.driver() else {
            splat(
                &v4l2_dev.0.system,
                SplatKind::Bug,
                Some(dev.device_ref()),
                "v4l2_device_register: no name, and the device has no driver to take one of \
                 (a null pointer in a kernel)",
            );
            return Err(Errno::EFAULT);
        };
        v4l2_dev.set_name(&format!("{} {}", driver.name(), dev.name()));
    }
    if dev_get_drvdata(dev).is_none() {
        dev_set_drvdata(dev, Some(Arc::new(v4l2_dev.clone())));
    }
    v4l2_dev.note_taken(V4l2Device::BY_CREATOR);
    v4l2_dev.emit(|| V4l2EventKind::V4l2DeviceCount { count: 1 });
    Ok(())
}

/// Names it after a driver, with a running number (`v4l2_device_set_name`).
/// Gives the number.
pub fn v4l2_device_set_name(v4l2_dev: &V4l2Device, basename: &str, instance: &AtomicU32) -> u32 {
    let num = instance.fetch_add(1, Ordering::Relaxed);
    let dash = if basename.ends_with(|last: char| last.is_ascii_digit()) {
        "-"
    } else {
        ""
    };
    v4l2_dev.set_name(&format!("{basename}{dash}{num}"));
    num
}

/// Takes a reference (`v4l2_device_get`).
#[track_caller]
pub fn v4l2_device_get(v4l2_dev: &V4l2Device) {
    get_for(v4l2_dev, V4l2Device::BY_GET);
}

#[track_caller]
pub(crate) fn get_for(v4l2_dev: &V4l2Device, holder: &'static str) {
    let taken = v4l2_dev
        .0
        .kref
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |count| {
            (count > 0).then(|| count + 1)
        });
    match taken {
        Ok(before) => {
            v4l2_dev.note_taken(holder);
            v4l2_dev.emit(|| V4l2EventKind::V4l2DeviceCount { count: before + 1 });
        }
        Err(_) => splat(
            &v4l2_dev.0.system,
            SplatKind::Refcount,
            v4l2_dev.device_ref(),
            "v4l2_device: addition on 0; it is used after its release",
        ),
    }
}

/// Drops a reference; the last one calls the release callback, if there is one
/// (`v4l2_device_put`). Gives whether it was the last.
#[track_caller]
pub fn v4l2_device_put(v4l2_dev: &V4l2Device) -> bool {
    put_for(v4l2_dev, V4l2Device::BY_GET)
}

#[track_caller]
pub(crate) fn put_for(v4l2_dev: &V4l2Device, holder: &'static str) -> bool {
    let dropped = v4l2_dev
        .0
        .kref
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |count| {
            count.checked_sub(1)
        });
    if dropped.is_ok() {
        v4l2_dev.note_dropped(holder);
    }
    match dropped {
        Ok(1) => {
            v4l2_dev.emit(|| V4l2EventKind::V4l2DeviceReleased);
            let release = v4l2_dev.0.state.lock().release.clone();
            if let Some(release) = release {
                let device = v4l2_dev.device_ref();
                let system = &v4l2_dev.0.system;
                system.guard(device.as_ref(), "v4l2_device.release", || release(v4l2_dev));
            }
            // What the driver gave may hold what it is part of.
            let gone = {
                let mut state = v4l2_dev.0.state.lock();
                (state.release.take(), state.ctrl_handler.take())
            };
            drop(gone);
            true
        }
        Ok(before) => {
            v4l2_dev.emit(|| V4l2EventKind::V4l2DeviceCount { count: before - 1 });
            false
        }
        Err(_) => {
            splat(
                &v4l2_dev.0.system,
                SplatKind::Refcount,
                v4l2_dev.device_ref(),
                "v4l2_device: underflow; a reference was put that nobody held",
            );
            false
        }
    }
}

/// Forgets the hardware's device, which is going (`v4l2_device_disconnect`): a
/// second time it does nothing.
#[track_caller]
pub fn v4l2_device_disconnect(v4l2_dev: &V4l2Device) {
    let Some(dev) = v4l2_dev.0.state.lock().dev.take() else {
        return;
    };
    let ours = dev_get_drvdata(&dev)
        .and_then(|data| data.downcast::<V4l2Device>().ok())
        .is_some_and(|data| *data == *v4l2_dev);
    if ours {
        dev_set_drvdata(&dev, None);
    }
    v4l2_dev.emit(|| V4l2EventKind::V4l2DeviceDisconnected);
    put_device_for(&dev, HOLDER);
}

/// Disconnects it and marks it unregistered by taking its name
/// (`v4l2_device_unregister`): a second time it does nothing.
#[track_caller]
pub fn v4l2_device_unregister(v4l2_dev: &V4l2Device) {
    if v4l2_dev.0.state.lock().name.is_empty() {
        return;
    }
    v4l2_device_disconnect(v4l2_dev);
    v4l2_dev.0.state.lock().name.clear();
    v4l2_dev.emit(|| V4l2EventKind::V4l2DeviceUnregistered);
}
