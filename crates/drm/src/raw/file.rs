//! `struct drm_file`: what an open file is to DRM.
//!
//! Follows `drivers/gpu/drm/drm_file.c`.

use core::any::Any;
use core::fmt;

use lastfd_model::{Errno, Result};
use lastfd_sync::{Arc, Mutex, MutexGuard, Weak};

use super::auth::{self, Master};
use super::device::DrmDevice;
use super::driver::Features;
use super::events::EventQueue;
use super::gem::{self, Handles};
use super::minor::MinorType;

/// A handle on a `struct drm_file`. Handles compare by identity.
#[derive(Clone)]
pub struct DrmFile(Arc<Inner>);

struct Inner {
    id: u64,
    dev: DrmDevice,
    minor: MinorType,
    events: EventQueue,
    handles: Handles,
    state: Mutex<State>,
}

/// The fields of `struct drm_file` that change.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) authenticated: bool,
    pub(crate) is_master: bool,
    pub(crate) was_master: bool,
    pub(crate) master: Option<Arc<Master>>,
    pub(crate) magic: u32,
    pub(crate) atomic: u64,
    driver_priv: Option<Arc<dyn Any + Send + Sync>>,
}

/// A way back to a file that keeps nothing.
#[derive(Clone)]
pub(crate) struct WeakDrmFile(Weak<Inner>);

impl WeakDrmFile {
    pub(crate) fn upgrade(&self) -> Option<DrmFile> {
        self.0.upgrade().map(DrmFile)
    }
}

impl PartialEq for DrmFile {
    fn eq(&self, other: &DrmFile) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for DrmFile {}

impl fmt::Debug for DrmFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DrmFile({} of {:?})", self.0.id, self.0.dev)
    }
}

impl DrmFile {
    /// Its number, unique in the System (`client_id`).
    pub fn id(&self) -> u64 {
        self.0.id
    }

    /// Its device.
    pub fn dev(&self) -> &DrmDevice {
        &self.0.dev
    }

    /// Through which sort of node it was opened.
    pub fn minor_type(&self) -> MinorType {
        self.0.minor
    }

    /// Whether it may call what asks for `DRM_AUTH`.
    pub fn is_authenticated(&self) -> bool {
        self.state().authenticated
    }

    /// The driver's own data, if it is a `T` (`driver_priv`).
    pub fn driver_priv<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        let data = self.state().driver_priv.clone()?;
        data.downcast().ok()
    }

    /// Sets the driver's own data, usually in its `open`.
    pub fn set_driver_priv<T: Any + Send + Sync>(&self, data: Arc<T>) {
        let old = self.state().driver_priv.replace(data);
        drop(old);
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock()
    }

    pub(crate) fn events(&self) -> &EventQueue {
        &self.0.events
    }

    pub(crate) fn handles(&self) -> &Handles {
        &self.0.handles
    }

    pub(crate) fn downgrade(&self) -> WeakDrmFile {
        WeakDrmFile(Arc::downgrade(&self.0))
    }
}

/// drm_file_alloc.
#[track_caller]
pub(crate) fn drm_file_alloc(dev: &DrmDevice, minor: MinorType) -> Result<DrmFile> {
    dev.system().allocation()?;
    let file = DrmFile(Arc::new(Inner {
        id: dev.system().unique(),
        dev: dev.clone(),
        minor,
        events: EventQueue::default(),
        handles: Handles::default(),
        state: Mutex::new(State {
            authenticated: dev.core().is_privileged(),
            ..State::default()
        }),
    }));
    if let Some(open) = dev.driver().open.clone() {
        let opened = dev.guard("drm_driver.open", || open(dev, &file));
        if let Err(errno) = opened.unwrap_or(Err(Errno::EIO)) {
            gem::drm_gem_release(&file);
            return Err(errno);
        }
    }
    Ok(file)
}

/// drm_file_free: events first, then buffers, then the master, then the
/// driver's `postclose`.
#[track_caller]
pub(crate) fn drm_file_free(file: &DrmFile) {
    let dev = file.dev();
    file.events().release();
    if dev.has(Features::GEM) {
        gem::drm_gem_release(file);
    }
    if file.minor_type() == MinorType::Primary {
        auth::drm_master_release(file);
    }
    if let Some(postclose) = dev.driver().postclose.clone() {
        dev.guard("drm_driver.postclose", || postclose(dev, file));
    }
    let data = file.state().driver_priv.take();
    drop(data);
}
