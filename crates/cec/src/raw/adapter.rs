//! `struct cec_adapter`: allocate, delete, and what it holds.
//!
//! Follows `drivers/media/cec/core/cec-core.c`.

use core::any::Any;
use core::fmt;
use core::sync::atomic::Ordering;
use std::collections::VecDeque;

use lastfd_chrdev::Cdev;
use lastfd_model::event::SplatKind;
use lastfd_model::raw::{Device, dev_set_release, no_release, put_device};
use lastfd_model::resource::{Kthread, Resource};
use lastfd_model::{DeviceRef, Errno, EventKind, Result, System, Variant};
use lastfd_sync::atomic::AtomicBool;
use lastfd_sync::{
    Arc, Mutex, MutexGuard, OnceLock, RwLock, RwLockReadGuard, RwLockWriteGuard, WaitQueue, Weak,
};

use super::handle::CecFh;
use super::ops::CecAdapOps;
use super::thread;
use super::transmit::Transmit;
use crate::abi::*;
use crate::event::{CecEventKind, CecFrameworkEvent};
use lastfd_model::raw::KernelMutex;

/// How long the hardware may take for a message, milliseconds
/// (`CEC_XFER_TIMEOUT_MS`): five tries of 400 and a margin.
pub(crate) const XFER_TIMEOUT_MS: u64 = 5 * 400 + 100;

/// A handle on a `struct cec_adapter`.
///
/// Cloning it does not count: references are those of its device, once it is
/// registered. The memory is kept while a handle is left; after
/// [`cec_delete_adapter`], or the last put, a use is a splat.
#[derive(Clone)]
pub struct CecAdapter(Arc<AdapterInner>);

pub(crate) struct AdapterInner {
    /// Keeps no System from ending.
    system: System,
    name: Arc<str>,
    /// Taken away when it is freed: what the driver gave may hold the adapter.
    ops: RwLock<Arc<CecAdapOps>>,
    private: Mutex<Option<Arc<dyn Any + Send + Sync>>>,
    capabilities: u32,
    available_log_addrs: u8,
    lock: KernelMutex,
    state: Mutex<State>,
    devnode: Mutex<Devnode>,
    /// devnode.unregistered; read without a lock, as in the kernel.
    unregistered: AtomicBool,
    /// Read by calls, in the locked variant, and written by unregister.
    calls: RwLock<()>,
    freed: AtomicBool,
    kthread: OnceLock<Kthread>,
    /// Where the adapter's thread waits.
    pub(crate) kthread_waitq: Arc<WaitQueue>,
    /// Woken when a claim of addresses is over (config_completion).
    pub(crate) config_done: Arc<WaitQueue>,
}

/// See [`CecAdapter::look`].
pub(crate) struct Look<'a>(#[expect(dead_code, reason = "held")] Option<RwLockReadGuard<'a, ()>>);

/// What `adap->lock` protects.
pub(crate) struct State {
    pub(crate) phys_addr: u16,
    pub(crate) log_addrs: CecLogAddrs,
    pub(crate) conn_info: CecConnectorInfo,
    pub(crate) is_enabled: bool,
    pub(crate) is_configuring: bool,
    pub(crate) must_reconfigure: bool,
    pub(crate) is_configured: bool,
    pub(crate) cec_pin_is_high: bool,
    pub(crate) last_initiator: u8,
    pub(crate) monitor_all_cnt: u32,
    pub(crate) monitor_pin_cnt: u32,
    pub(crate) follower_cnt: u32,
    /// The exclusive follower's file.
    pub(crate) follower: Option<u64>,
    /// The exclusive initiator's file.
    pub(crate) initiator: Option<u64>,
    pub(crate) passthrough: bool,
    pub(crate) sequence: u32,
    pub(crate) transmit_queue: VecDeque<Transmit>,
    /// Sent, waiting for a reply.
    pub(crate) wait_queue: Vec<Transmit>,
    pub(crate) transmitting: Option<Transmit>,
    pub(crate) transmit_in_progress: bool,
    pub(crate) transmit_in_progress_aborted: bool,
    pub(crate) tx_timeout_cnt: u32,
    /// How many claims of addresses began, and how many are over.
    pub(crate) claims_begun: u64,
    pub(crate) claims_over: u64,
    pub(crate) kthread_config: Option<Kthread>,
    /// Threads that claimed addresses, to be waited for.
    pub(crate) config_ended: Vec<Kthread>,
}

/// `struct cec_devnode`.
#[derive(Default)]
pub(crate) struct Devnode {
    pub(crate) device: Option<Device>,
    pub(crate) cdev: Option<Cdev>,
    pub(crate) registered: bool,
    /// Open files, latest first.
    pub(crate) fhs: Vec<Arc<CecFh>>,
    /// The device was made, but could not be added.
    pub(crate) failed: bool,
}

impl fmt::Debug for CecAdapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CecAdapter({})", self.0.name)
    }
}

impl PartialEq for CecAdapter {
    fn eq(&self, other: &CecAdapter) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for CecAdapter {}

/// A way back to an adapter that keeps nothing.
#[derive(Clone)]
pub(crate) struct WeakAdapter(Weak<AdapterInner>);

impl WeakAdapter {
    pub(crate) fn upgrade(&self) -> Option<CecAdapter> {
        self.0.upgrade().map(CecAdapter)
    }
}

impl CecAdapter {
    /// The System it lives in.
    pub fn system(&self) -> &System {
        &self.0.system
    }

    /// What the driver calls it.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Its device (`&adap->devnode.dev`), once it is registered.
    pub fn device(&self) -> Option<Device> {
        self.0.devnode.lock().device.clone()
    }

    /// What it can do, `CEC_CAP_*`.
    pub fn capabilities(&self) -> u32 {
        self.0.capabilities
    }

    /// Logical addresses it can have.
    pub fn available_log_addrs(&self) -> u8 {
        self.0.available_log_addrs
    }

    /// The driver's own data (`cec_get_drvdata`).
    pub fn private<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        self.0.private.lock().clone()?.downcast().ok()
    }

    /// The physical address, 0xffff if there is none.
    pub fn phys_addr(&self) -> u16 {
        self.state().phys_addr
    }

    /// The logical addresses and what was asked for.
    pub fn log_addrs(&self) -> CecLogAddrs {
        self.state().log_addrs
    }

    /// Whether it has claimed its logical addresses.
    pub fn is_configured(&self) -> bool {
        self.state().is_configured
    }

    /// Whether the logical address is one of its own (`cec_has_log_addr`).
    pub fn has_log_addr(&self, log_addr: u8) -> bool {
        self.state().has_log_addr(log_addr)
    }

    /// Whether it is registered (`cec_is_registered`).
    pub fn is_registered(&self) -> bool {
        self.0.devnode.lock().registered
    }

    /// How a call looks whether the adapter is registered. In Linux it looks when it
    /// begins, and that is all; in the locked variant it looks at each attempt, and
    /// nobody unregisters the adapter while the look is held.
    pub(crate) fn look(&self, begins: bool) -> Result<Look<'_>> {
        let locked = self.0.system.variant() == Variant::Locked;
        let look = Look(locked.then(|| self.0.calls.read()));
        if (begins || locked) && !self.is_registered() {
            return Err(Errno::ENODEV);
        }
        Ok(look)
    }

    /// Waits for the calls inside, in the locked variant, and keeps others out.
    pub(crate) fn no_calls(&self) -> Option<RwLockWriteGuard<'_, ()>> {
        (self.0.system.variant() == Variant::Locked).then(|| self.0.calls.write())
    }

    pub(crate) fn downgrade(&self) -> WeakAdapter {
        WeakAdapter(Arc::downgrade(&self.0))
    }

    pub(crate) fn raw_lock(&self) -> &KernelMutex {
        &self.0.lock
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock()
    }

    pub(crate) fn devnode(&self) -> MutexGuard<'_, Devnode> {
        self.0.devnode.lock()
    }

    pub(crate) fn fhs(&self) -> Vec<Arc<CecFh>> {
        self.0.devnode.lock().fhs.clone()
    }

    pub(crate) fn is_unregistered(&self) -> bool {
        self.0.unregistered.load(Ordering::Acquire)
    }

    pub(crate) fn set_unregistered(&self) {
        self.0.unregistered.store(true, Ordering::Release);
    }

    pub(crate) fn can(&self, capability: u32) -> bool {
        self.0.capabilities & capability != 0
    }

    pub(crate) fn needs_hpd(&self) -> bool {
        self.can(CEC_CAP_NEEDS_HPD)
    }

    pub(crate) fn kthread(&self) -> Option<&Kthread> {
        self.0.kthread.get()
    }

    pub(crate) fn kthread_waitq(&self) -> &Arc<WaitQueue> {
        &self.0.kthread_waitq
    }

    pub(crate) fn config_done(&self) -> &Arc<WaitQueue> {
        &self.0.config_done
    }

    /// `ktime_get_ns`.
    pub(crate) fn now(&self) -> u64 {
        self.0.system.clock().now().0
    }

    /// What its files, events and splats name.
    pub(crate) fn device_ref(&self) -> Option<DeviceRef> {
        self.device().map(|device| device.device_ref())
    }

    /// The callbacks, whether or not they may still be called.
    pub(crate) fn ops(&self) -> Arc<CecAdapOps> {
        Arc::clone(&self.0.ops.read())
    }

    /// Runs a callback of the driver's (`call_op`): it answers well if there is
    /// none, or once unregister began. A panic is unwound, and is an error.
    pub(crate) fn call_op<F: ?Sized>(
        &self,
        what: &str,
        op: &Option<Arc<F>>,
        run: impl FnOnce(&F) -> Result,
    ) -> Result {
        if self.is_unregistered() {
            return Ok(());
        }
        self.call_op_always(what, op, run)
    }

    /// [`call_op`](CecAdapter::call_op), after unregister began as well.
    pub(crate) fn call_op_always<F: ?Sized>(
        &self,
        what: &str,
        op: &Option<Arc<F>>,
        run: impl FnOnce(&F) -> Result,
    ) -> Result {
        let Some(op) = op else {
            return Ok(());
        };
        let device = self.device_ref();
        let answer = self.0.system.guard(device.as_ref(), what, || run(op));
        answer.unwrap_or(Err(Errno::EIO))
    }

    /// `WARN_ON(err)`.
    #[track_caller]
    pub(crate) fn warn_on(&self, what: &str, result: Result) {
        if let Err(errno) = result {
            self.splat(SplatKind::Warn, &format!("{what} failed with {errno}"));
        }
    }

    #[track_caller]
    pub(crate) fn splat(&self, kind: SplatKind, text: &str) {
        let device = self.device_ref();
        self.0.system.emit(|| EventKind::Splat {
            kind,
            device,
            text: format!("cec-{}: {text}", self.0.name).into(),
        });
    }

    /// What `pr_warn` would print.
    pub(crate) fn message(&self, text: &str) {
        let device = self.device_ref();
        self.0.system.emit(|| EventKind::Message {
            device,
            text: format!("cec-{}: {text}", self.0.name).into(),
        });
    }

    #[track_caller]
    pub(crate) fn tell(&self, kind: impl FnOnce() -> CecEventKind) {
        self.0.system.emit(|| {
            EventKind::Framework(Arc::new(CecFrameworkEvent {
                adapter: Arc::clone(&self.0.name),
                device: self.device_ref(),
                kind: kind(),
            }))
        });
    }

    /// False, and a splat, if the adapter was freed already.
    #[track_caller]
    pub(crate) fn is_there(&self, call: &str) -> bool {
        let freed = self.0.freed.load(Ordering::Acquire);
        if freed {
            self.splat(
                SplatKind::UseAfterFree,
                &format!("{call} after it was freed"),
            );
        }
        !freed
    }
}

impl State {
    pub(crate) fn has_log_addr(&self, log_addr: u8) -> bool {
        log_addr < 16 && self.log_addrs.log_addr_mask & 1 << log_addr != 0
    }

    /// `adap->log_addrs` as of an adapter that wants none.
    pub(crate) fn forget_log_addrs(&mut self) {
        self.log_addrs.num_log_addrs = 0;
        self.log_addrs.log_addr = [CEC_LOG_ADDR_INVALID; CEC_MAX_LOG_ADDRS];
        self.log_addrs.osd_name[0] = 0;
        self.log_addrs.vendor_id = CEC_VENDOR_ID_NONE;
        self.log_addrs.cec_version = CEC_OP_CEC_VERSION_2_0;
    }

    /// The number of the next message; never 0.
    pub(crate) fn next_sequence(&mut self) -> u32 {
        self.sequence = self.sequence.wrapping_add(1);
        if self.sequence == 0 {
            self.sequence = 1;
        }
        self.sequence
    }
}

impl Drop for AdapterInner {
    fn drop(&mut self) {
        // Nobody deleted it: its thread sees that it is gone, and ends.
        self.kthread_waitq.wake_all();
    }
}

/// Allocates an adapter (`cec_allocate_adapter`) with its thread, `cec-NAME`, which
/// runs as soon as there is something to do. It has no device before it is registered.
///
/// The name is cut to 31 bytes. `CEC_CAP_RC` is taken away, as by a kernel
/// without remote-control support; `CEC_CAP_REPLY_VENDOR_ID` is added.
///
/// # Errors
/// `EINVAL` and a splat without capabilities, or for no or more than 4 logical
/// addresses; `ENOMEM`; `EAGAIN` if there is no thread to be had.
#[track_caller]
pub fn cec_allocate_adapter(
    system: &System,
    ops: CecAdapOps,
    private: Option<Arc<dyn Any + Send + Sync>>,
    name: &str,
    caps: u32,
    available_las: u8,
) -> Result<CecAdapter> {
    let caps = caps & !CEC_CAP_RC;
    let refused = if caps == 0 {
        Some("no capabilities")
    } else if available_las == 0 || usize::from(available_las) > CEC_MAX_LOG_ADDRS {
        Some("bad number of logical addresses")
    } else {
        None
    };
    if let Some(refused) = refused {
        system.emit(|| EventKind::Splat {
            kind: SplatKind::Warn,
            device: None,
            text: format!("cec_allocate_adapter: {refused}").into(),
        });
        return Err(Errno::EINVAL);
    }
    system.allocation()?;
    let mut state = State {
        phys_addr: CEC_PHYS_ADDR_INVALID,
        log_addrs: CecLogAddrs::default(),
        conn_info: CecConnectorInfo::default(),
        is_enabled: false,
        is_configuring: false,
        must_reconfigure: false,
        is_configured: false,
        cec_pin_is_high: true,
        last_initiator: 0,
        monitor_all_cnt: 0,
        monitor_pin_cnt: 0,
        follower_cnt: 0,
        follower: None,
        initiator: None,
        passthrough: false,
        sequence: 0,
        transmit_queue: VecDeque::new(),
        wait_queue: Vec::new(),
        transmitting: None,
        transmit_in_progress: false,
        transmit_in_progress_aborted: false,
        tx_timeout_cnt: 0,
        claims_begun: 0,
        claims_over: 0,
        kthread_config: None,
        config_ended: Vec::new(),
    };
    state.log_addrs.cec_version = CEC_OP_CEC_VERSION_2_0;
    state.log_addrs.vendor_id = CEC_VENDOR_ID_NONE;
    let name: String = {
        let mut end = name.len().min(31);
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        name[..end].into()
    };
    let adap = CecAdapter(Arc::new(AdapterInner {
        system: system.unowned(),
        name: Arc::from(name.as_str()),
        ops: RwLock::new(Arc::new(ops)),
        private: Mutex::new(private),
        capabilities: caps | CEC_CAP_REPLY_VENDOR_ID,
        available_log_addrs: available_las,
        lock: KernelMutex::default(),
        state: Mutex::new(state),
        devnode: Mutex::new(Devnode::default()),
        unregistered: AtomicBool::new(false),
        calls: RwLock::new(()),
        freed: AtomicBool::new(false),
        kthread: OnceLock::new(),
        kthread_waitq: Arc::new(WaitQueue::new()),
        config_done: Arc::new(WaitQueue::new()),
    }));
    let kthread = thread::create(&adap)?;
    // A fresh cell takes its value.
    let _ = adap.0.kthread.set(kthread);
    adap.tell(|| CecEventKind::Allocated);
    Ok(adap)
}

/// Frees an adapter that was never registered, or whose registering failed
/// (`cec_delete_adapter`): its threads stop, `adap_free` is called.
///
/// After a successful register the last put of its device does this; calling it
/// is a splat.
#[track_caller]
pub fn cec_delete_adapter(adap: &CecAdapter) {
    if !adap.is_there("cec_delete_adapter") {
        return;
    }
    let (device, failed) = {
        let devnode = adap.devnode();
        (devnode.device.clone(), devnode.failed)
    };
    match device {
        // The device was never added. The kernel leaves its count at one and
        // frees the memory under it.
        Some(device) if failed => {
            free(adap);
            adap.devnode().device = None;
            dev_set_release(&device, no_release());
            put_device(&device);
        }
        Some(_) => {
            adap.splat(
                SplatKind::UseAfterFree,
                "freed by cec_delete_adapter while its device has references",
            );
            free(adap);
        }
        None => free(adap),
    }
}

/// `cec_delete_adapter`, for a device whose last reference is gone.
pub(crate) fn free(adap: &CecAdapter) {
    if adap.0.freed.load(Ordering::Acquire) {
        return;
    }
    let config = adap.state().kthread_config.take();
    if let Some(config) = config {
        config.stop();
        config.free();
    }
    if let Some(kthread) = adap.kthread() {
        kthread.stop();
        kthread.free();
    }
    thread::reap(adap);
    adap.warn_on(
        "adap_free",
        adap.call_op_always("adap_free", &adap.ops().adap_free, |op| {
            op(adap);
            Ok(())
        }),
    );
    adap.tell(|| CecEventKind::Freed);
    adap.0.freed.store(true, Ordering::Release);
    let ops = core::mem::take(&mut *adap.0.ops.write());
    let private = adap.0.private.lock().take();
    drop((ops, private));
}

/// Says which connector the adapter belongs to (`cec_s_conn_info`), and tells
/// the open files. Without `CEC_CAP_CONNECTOR_INFO` nothing happens.
#[track_caller]
pub fn cec_s_conn_info(adap: &CecAdapter, conn_info: Option<&CecConnectorInfo>) {
    if !adap.is_there("cec_s_conn_info") || !adap.can(CEC_CAP_CONNECTOR_INFO) {
        return;
    }
    let locked = adap.lock();
    locked.state().conn_info = conn_info.copied().unwrap_or_default();
    locked.post_state_event();
}
