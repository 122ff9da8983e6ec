//! A display's second device: bridges, which have drivers and lives of their
//! own.
//!
//! Follows `drivers/gpu/drm/drm_bridge.c` and `drm_encoder_cleanup` of
//! `drm_encoder.c`, without mode setting. **Nobody pins anybody**: the card
//! holds no reference on the bridge's device, and unbinding that takes the
//! bridge off the list of bridges but off no chain. So a card whose files are
//! open still reaches a bridge whose driver is gone.
//!
//! What it reaches depends on where the bridge's memory is. Up to Linux 6.15 it
//! is the bridge driver's own devres ([`devm_kzalloc_bridge`]): freed memory.
//! Since 6.16 bridges are counted ([`devm_drm_bridge_alloc`]): chain and list
//! hold it, the memory stays, and the callbacks find a device without driver.

use core::fmt;
use core::sync::atomic::Ordering;

use lastfd_model::event::SplatKind;
use lastfd_model::raw::{Action, Device, devm_add_action_or_reset};
use lastfd_model::{Errno, EventKind, Result, System};
use lastfd_sync::atomic::{AtomicBool, AtomicU32};
use lastfd_sync::{Arc, Mutex};

use super::device::{DrmDevice, WeakDrmDevice};
use super::managed::{DrmmAction, drmm_add_action_or_reset};

/// A callback of a bridge, with the bridge.
pub type OnBridge = Arc<dyn Fn(&DrmBridge) + Send + Sync>;
/// A callback of a bridge that may fail.
pub type TryOnBridge = Arc<dyn Fn(&DrmBridge) -> Result + Send + Sync>;

/// A callback that looks what is connected behind a bridge.
pub type DetectOnBridge = Arc<dyn Fn(&DrmBridge) -> ConnectorStatus + Send + Sync>;

/// What is connected (`enum drm_connector_status`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum ConnectorStatus {
    /// Something is.
    Connected = 1,
    /// Nothing is.
    Disconnected = 2,
    /// It can not be told.
    Unknown = 3,
}

/// A bridge driver's callbacks (`struct drm_bridge_funcs`).
#[derive(Clone, Default)]
pub struct DrmBridgeFuncs {
    /// It becomes part of a card's chain.
    pub attach: Option<TryOnBridge>,
    /// It is taken out of it.
    pub detach: Option<OnBridge>,
    /// The picture comes.
    pub enable: Option<OnBridge>,
    /// The picture goes.
    pub disable: Option<OnBridge>,
    /// Whether something is connected behind it.
    pub detect: Option<DetectOnBridge>,
    /// The memory is freed (`destroy`).
    pub destroy: Option<OnBridge>,
}

impl fmt::Debug for DrmBridgeFuncs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DrmBridgeFuncs").finish_non_exhaustive()
    }
}

/// A handle on a `struct drm_bridge`. Cloning it does not count; it may be
/// kept past the memory's end, as a pointer can.
#[derive(Clone)]
pub struct DrmBridge(Arc<Inner>);

struct Inner {
    parent: Device,
    funcs: DrmBridgeFuncs,
    /// References; `None` of them where the memory is the driver's devres.
    counted: bool,
    kref: AtomicU32,
    freed: AtomicBool,
    encoder: Mutex<Option<DrmEncoder>>,
}

/// The bridges that cards can find (`bridge_list`).
#[derive(Default)]
struct Bridges(Mutex<Vec<DrmBridge>>);

impl PartialEq for DrmBridge {
    fn eq(&self, other: &DrmBridge) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for DrmBridge {}

impl fmt::Debug for DrmBridge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DrmBridge({})", self.0.parent.name())
    }
}

impl DrmBridge {
    /// The bridge's own device, which it does not pin.
    pub fn parent(&self) -> &Device {
        &self.0.parent
    }

    /// The references on it; 0 once it is freed, and always for one that is not
    /// counted.
    pub fn kref(&self) -> u32 {
        self.0.kref.load(Ordering::SeqCst)
    }

    /// Whether its memory was freed.
    pub fn is_freed(&self) -> bool {
        self.0.freed.load(Ordering::SeqCst)
    }

    /// The card it is part of.
    pub fn dev(&self) -> Option<DrmDevice> {
        self.0.encoder.lock().as_ref()?.dev()
    }

    fn make(parent: &Device, funcs: DrmBridgeFuncs, counted: bool) -> DrmBridge {
        DrmBridge(Arc::new(Inner {
            parent: parent.clone(),
            funcs,
            counted,
            kref: AtomicU32::new(counted.into()),
            freed: AtomicBool::new(false),
            encoder: Mutex::new(None),
        }))
    }

    #[track_caller]
    fn splat(&self, kind: SplatKind, text: &str) {
        self.0.parent.system().emit(|| EventKind::Splat {
            kind,
            device: Some(self.0.parent.device_ref()),
            text: text.into(),
        });
    }

    /// Whether the bridge can be touched; if not, that is told.
    #[track_caller]
    fn touch(&self, what: &str) -> bool {
        if self.is_freed() {
            let text = format!("{what} reaches a bridge whose memory went with its driver");
            self.splat(SplatKind::UseAfterFree, &text);
            return false;
        }
        true
    }

    #[track_caller]
    fn call(&self, what: &str, callback: Option<&OnBridge>) {
        if let Some(callback) = callback {
            let device = self.0.parent.device_ref();
            let system = self.0.parent.system();
            system.guard(Some(&device), what, || callback(self));
        }
    }

    #[track_caller]
    fn free(&self) {
        self.call("drm_bridge_funcs.destroy", self.0.funcs.destroy.as_ref());
        self.0.freed.store(true, Ordering::SeqCst);
    }

    #[track_caller]
    fn get(&self) {
        if self.0.counted && self.0.kref.fetch_add(1, Ordering::SeqCst) == 0 {
            self.splat(SplatKind::Refcount, "drm_bridge_get: addition on 0");
        }
    }

    #[track_caller]
    fn put(&self) {
        if !self.0.counted {
            return;
        }
        let down = |count: u32| count.checked_sub(1);
        let before = self
            .0
            .kref
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, down);
        match before {
            Ok(1) => self.free(),
            Ok(_) => {}
            Err(_) => self.splat(SplatKind::Refcount, "drm_bridge_put: underflow"),
        }
    }
}

/// A bridge in memory that is the bridge device's own devres, as drivers have
/// it up to Linux 6.15: freed when the driver is unbound, whoever uses it.
///
/// # Errors
/// `ENOMEM`.
#[track_caller]
pub fn devm_kzalloc_bridge(parent: &Device, funcs: DrmBridgeFuncs) -> Result<DrmBridge> {
    let bridge = DrmBridge::make(parent, funcs, false);
    let freed = bridge.clone();
    devm_add_action_or_reset(parent, Action::new(move || freed.free()))?;
    Ok(bridge)
}

/// A bridge in memory that nobody frees, such as a driver's static one: it can
/// be called, and called too late, without harm to anybody but its hardware.
pub fn static_bridge(parent: &Device, funcs: DrmBridgeFuncs) -> DrmBridge {
    DrmBridge::make(parent, funcs, false)
}

/// A counted bridge, whose first reference goes when the bridge's driver is
/// unbound (`devm_drm_bridge_alloc`, since Linux 6.16).
///
/// # Errors
/// `ENOMEM`.
#[track_caller]
pub fn devm_drm_bridge_alloc(parent: &Device, funcs: DrmBridgeFuncs) -> Result<DrmBridge> {
    let bridge = DrmBridge::make(parent, funcs, true);
    let put = bridge.clone();
    devm_add_action_or_reset(parent, Action::new(move || put.put()))?;
    Ok(bridge)
}

/// Takes a reference (`drm_bridge_get`).
#[track_caller]
pub fn drm_bridge_get(bridge: &DrmBridge) -> DrmBridge {
    bridge.get();
    bridge.clone()
}

/// Drops a reference (`drm_bridge_put`); the last one frees the bridge.
#[track_caller]
pub fn drm_bridge_put(bridge: &DrmBridge) {
    bridge.put();
}

fn bridges(system: &System) -> Arc<Bridges> {
    system.extension()
}

/// Lets cards find the bridge (`drm_bridge_add`). The list holds a reference on
/// a counted one.
#[track_caller]
pub fn drm_bridge_add(bridge: &DrmBridge) {
    bridge.get();
    let list = bridges(&bridge.parent().system());
    list.0.lock().push(bridge.clone());
}

/// Lets cards find it no longer (`drm_bridge_remove`). **It stays in the chain
/// of the card it is part of.**
#[track_caller]
pub fn drm_bridge_remove(bridge: &DrmBridge) {
    let list = bridges(&bridge.parent().system());
    let found = {
        let mut list = list.0.lock();
        let at = list.iter().position(|other| other == bridge);
        at.map(|at| list.remove(at))
    };
    if found.is_some() {
        bridge.put();
    }
}

/// As [`drm_bridge_add`], until the bridge's driver is unbound
/// (`devm_drm_bridge_add`).
///
/// # Errors
/// `ENOMEM`.
#[track_caller]
pub fn devm_drm_bridge_add(parent: &Device, bridge: &DrmBridge) -> Result {
    drm_bridge_add(bridge);
    let removed = bridge.clone();
    devm_add_action_or_reset(parent, Action::new(move || drm_bridge_remove(&removed)))
}

/// The bridge of this device (`of_drm_find_bridge`, by device). No reference is
/// taken, as in Linux 6.12.
pub fn drm_find_bridge(parent: &Device) -> Option<DrmBridge> {
    let list = bridges(&parent.system());
    let list = list.0.lock();
    list.iter()
        .find(|bridge| bridge.parent() == parent)
        .cloned()
}

/// Where a card's picture leaves it, and a chain of bridges begins
/// (`struct drm_encoder`). A clone is another handle.
#[derive(Clone)]
pub struct DrmEncoder(Arc<Encoder>);

struct Encoder {
    dev: WeakDrmDevice,
    chain: Mutex<Vec<DrmBridge>>,
}

impl fmt::Debug for DrmEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DrmEncoder")
            .field("chain", &self.0.chain.lock())
            .finish()
    }
}

impl DrmEncoder {
    /// Its card; `None` once no handle on that is left.
    pub fn dev(&self) -> Option<DrmDevice> {
        self.0.dev.upgrade()
    }

    /// The bridges, nearest first (`bridge_chain`).
    pub fn chain(&self) -> Vec<DrmBridge> {
        self.0.chain.lock().clone()
    }
}

/// Adds an encoder, which goes with the last reference on the card and takes
/// its bridges out then (`drmm_encoder_init`).
///
/// # Errors
/// `ENOMEM`.
#[track_caller]
pub fn drmm_encoder_init(dev: &DrmDevice) -> Result<DrmEncoder> {
    let encoder = DrmEncoder(Arc::new(Encoder {
        dev: dev.downgrade(),
        chain: Mutex::new(Vec::new()),
    }));
    let gone = encoder.clone();
    drmm_add_action_or_reset(
        dev,
        // drm_encoder.c: drm_encoder_cleanup
        DrmmAction::new("drm_encoder_cleanup", move |_: &DrmDevice| {
            for bridge in gone.chain() {
                drm_bridge_detach(&bridge);
            }
            gone.0.chain.lock().clear();
        }),
    )?;
    Ok(encoder)
}

/// Makes the bridge part of the card's chain, behind `previous` or first of all
/// (`drm_bridge_attach`). The chain holds a reference on a counted one.
///
/// # Errors
/// `EBUSY` if it is part of one, `EINVAL` if `previous` is not of this chain,
/// and what its `attach` gives.
#[track_caller]
pub fn drm_bridge_attach(
    encoder: &DrmEncoder,
    bridge: &DrmBridge,
    previous: Option<&DrmBridge>,
) -> Result {
    if !bridge.touch("drm_bridge_attach") {
        return Err(Errno::EINVAL);
    }
    let at = match previous {
        Some(previous) => {
            let chain = encoder.0.chain.lock();
            let at = chain.iter().position(|other| other == previous);
            at.ok_or(Errno::EINVAL)? + 1
        }
        None => 0,
    };
    {
        let mut own = bridge.0.encoder.lock();
        if own.is_some() {
            return Err(Errno::EBUSY);
        }
        *own = Some(encoder.clone());
    }
    bridge.get();
    encoder.0.chain.lock().insert(at, bridge.clone());
    let attached = match bridge.0.funcs.attach.clone() {
        Some(attach) => {
            let device = bridge.parent().device_ref();
            let system = bridge.parent().system();
            system
                .guard(Some(&device), "drm_bridge_funcs.attach", || attach(bridge))
                .unwrap_or(Err(Errno::EIO))
        }
        None => Ok(()),
    };
    if attached.is_err() {
        take_out(bridge);
    }
    attached
}

/// drm_bridge_detach.
#[track_caller]
fn drm_bridge_detach(bridge: &DrmBridge) {
    if bridge.touch("drm_bridge_detach") {
        bridge.call("drm_bridge_funcs.detach", bridge.0.funcs.detach.as_ref());
    }
    take_out(bridge);
}

#[track_caller]
fn take_out(bridge: &DrmBridge) {
    let encoder = bridge.0.encoder.lock().take();
    if let Some(encoder) = encoder {
        encoder.0.chain.lock().retain(|other| other != bridge);
        bridge.put();
    }
}

/// Asks the bridge what is connected (`drm_bridge_detect`); unknown without a
/// callback, or where there is no bridge any more.
#[track_caller]
pub fn drm_bridge_detect(bridge: &DrmBridge) -> ConnectorStatus {
    let detect = bridge.0.funcs.detect.clone();
    let Some(detect) = detect.filter(|_| bridge.touch("drm_bridge_detect")) else {
        return ConnectorStatus::Unknown;
    };
    let system = bridge.parent().system();
    let device = bridge.parent().device_ref();
    system
        .guard(Some(&device), "drm_bridge_funcs.detect", || detect(bridge))
        .unwrap_or(ConnectorStatus::Unknown)
}

/// Switches the bridges of the chain on, nearest first
/// (`drm_atomic_bridge_chain_enable`).
#[track_caller]
pub fn drm_bridge_chain_enable(encoder: &DrmEncoder) {
    for bridge in encoder.chain() {
        if bridge.touch("drm_atomic_bridge_chain_enable") {
            bridge.call("drm_bridge_funcs.enable", bridge.0.funcs.enable.as_ref());
        }
    }
}

/// Switches them off, farthest first (`drm_atomic_bridge_chain_disable`).
#[track_caller]
pub fn drm_bridge_chain_disable(encoder: &DrmEncoder) {
    for bridge in encoder.chain().iter().rev() {
        if bridge.touch("drm_atomic_bridge_chain_disable") {
            bridge.call("drm_bridge_funcs.disable", bridge.0.funcs.disable.as_ref());
        }
    }
}
