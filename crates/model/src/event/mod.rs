//! The one stream of events: everything that happens, once, in order.
//!
//! Here are the kinds of event; `parts` is what they are made of, `text` how the live
//! log prints them, `stream` who is told.

mod parts;
mod stream;
mod text;

use core::panic::Location;

use lastfd_sync::thread::TaskId;
use lastfd_sync::{Arc, Ktime};

use crate::errno::Errno;
use crate::ledger::Holder;
use crate::raw::{BusNotify, UeventAction};

pub use parts::{
    DeviceRef, FileRef, FrameworkEvent, InterfaceStep, KernelGap, MemoryStep, ResourceKind,
    ResourceStep, Section, SplatKind,
};
pub use stream::{Detail, DeviceState, Listener, Snapshot};
pub(crate) use stream::{Hub, Recorder};

/// One thing that happened.
#[derive(Clone, Debug)]
pub struct Event {
    /// Position in the System's stream, from 0.
    pub seq: u64,
    /// When, on the System's clock.
    pub time: Ktime,
    /// The task that did it.
    pub task: TaskId,
    /// What it was.
    pub kind: EventKind,
    /// The caller's place in the code, where there is one and the ledger is on.
    pub place: Option<&'static Location<'static>>,
}

/// The kinds of event.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub enum EventKind {
    /// `device_initialize` made a device with one reference.
    DeviceInitialized {
        /// The device.
        device: DeviceRef,
        /// Its class or, without one, its bus, if it has one by now.
        subsystem: Option<Arc<str>>,
    },
    /// `device_add` put the device into sysfs.
    DeviceAdded {
        /// The device.
        device: DeviceRef,
        /// Its parent.
        parent: Option<DeviceRef>,
        /// Its class or, without one, its bus.
        subsystem: Option<Arc<str>>,
    },
    /// `device_move` gave the device another parent.
    DeviceMoved {
        /// The device.
        device: DeviceRef,
        /// Its parent now.
        parent: Option<DeviceRef>,
    },
    /// `device_del` took the device out of sysfs.
    DeviceRemoved {
        /// The device.
        device: DeviceRef,
    },
    /// The last reference went; the release callback runs next.
    Released {
        /// The device.
        device: DeviceRef,
    },
    /// A bus notifier event.
    Notify {
        /// The device.
        device: DeviceRef,
        /// Which one.
        what: BusNotify,
    },
    /// A uevent as user space would receive it.
    Uevent {
        /// The device.
        device: DeviceRef,
        /// The action.
        action: UeventAction,
        /// The environment, `KEY`, `value`, in the kernel's order. Empty if no listener
        /// asks for details.
        env: Arc<[(String, String)]>,
    },
    /// A bus was asked whether a driver fits a device.
    Match {
        /// The device.
        device: DeviceRef,
        /// The driver's name.
        driver: Arc<str>,
        /// The answer.
        result: Result<bool, Errno>,
    },
    /// A driver's probe starts.
    ProbeBegin {
        /// The device.
        device: DeviceRef,
        /// The driver's name.
        driver: Arc<str>,
    },
    /// A driver's probe returned.
    ProbeEnd {
        /// The device.
        device: DeviceRef,
        /// The driver's name.
        driver: Arc<str>,
        /// What it returned.
        result: Result<(), Errno>,
    },
    /// A driver's remove starts.
    RemoveBegin {
        /// The device.
        device: DeviceRef,
        /// The driver's name.
        driver: Arc<str>,
    },
    /// A driver's remove returned.
    RemoveEnd {
        /// The device.
        device: DeviceRef,
        /// The driver's name.
        driver: Arc<str>,
    },
    /// A managed resource was added.
    DevresAdded {
        /// The device.
        device: DeviceRef,
        /// What it is: `"action"` or its name, `"memory"`, `"resource"`.
        res: &'static str,
        /// Its number, unique in the System.
        node: u64,
        /// The device that it keeps a reference on until it is released.
        holds: Option<DeviceRef>,
    },
    /// A managed resource's release starts.
    DevresRun {
        /// The device.
        device: DeviceRef,
        /// What it is.
        res: &'static str,
        /// Its number.
        node: u64,
    },
    /// A managed resource was taken off its device without being released.
    DevresRemoved {
        /// The device.
        device: DeviceRef,
        /// What it is.
        res: &'static str,
        /// Its number.
        node: u64,
    },
    /// A reference was taken.
    RefTaken {
        /// The device.
        device: DeviceRef,
        /// The count after it.
        count: u32,
        /// For whom.
        holder: Holder,
    },
    /// A reference was dropped.
    RefDropped {
        /// The device.
        device: DeviceRef,
        /// The count after it.
        count: u32,
        /// By whom.
        holder: Holder,
    },
    /// Something happened to a resource a driver holds.
    Resource {
        /// The device, if it has one.
        device: Option<DeviceRef>,
        /// The resource's kind.
        kind: ResourceKind,
        /// Its name.
        name: Arc<str>,
        /// Its number, unique in the System.
        id: u64,
        /// What happened.
        step: ResourceStep,
    },
    /// Something happened to memory that tells of its use.
    Memory {
        /// The device it belongs to, if it belongs to one.
        device: Option<DeviceRef>,
        /// What sort of memory.
        what: &'static str,
        /// Its number, unique in the System.
        id: u64,
        /// What happened.
        step: MemoryStep,
    },
    /// A reference-counted object was said to lie in memory.
    Embedded {
        /// The device the memory belongs to, if it belongs to one.
        device: Option<DeviceRef>,
        /// The memory's number.
        memory: u64,
        /// The object: `struct video_device video0`.
        object: Arc<str>,
    },
    /// A task entered a section that the end of something waits for.
    SectionBegin {
        /// Which.
        section: Section,
    },
    /// The task left it.
    SectionEnd {
        /// Which.
        section: Section,
    },
    /// Somebody asked whether a device is still registered
    /// (`device_is_registered`, `video_is_registered`).
    LivenessTested {
        /// The device.
        device: DeviceRef,
        /// The answer.
        alive: bool,
    },
    /// Driver data was asked for (`dev_get_drvdata`).
    DriverDataRead {
        /// The device.
        device: DeviceRef,
        /// Whether there was some; a kernel gives a null pointer where not.
        there: bool,
    },
    /// An attribute's show callback ran.
    AttributeShown {
        /// The device.
        device: DeviceRef,
        /// The attribute's path below the device.
        attribute: Arc<str>,
        /// Bytes shown, or the error.
        result: Result<usize, Errno>,
    },
    /// An attribute's store callback ran.
    AttributeStored {
        /// The device.
        device: DeviceRef,
        /// The attribute's path below the device.
        attribute: Arc<str>,
        /// Bytes taken, or the error.
        result: Result<usize, Errno>,
    },
    /// A show callback of a bus's or a driver's attribute ran.
    FileShown {
        /// The path of the bus or driver below `/sys`.
        kobject: Arc<str>,
        /// The attribute's name.
        attribute: Arc<str>,
        /// Bytes shown, or the error.
        result: Result<usize, Errno>,
    },
    /// A store callback of a bus's or a driver's attribute ran.
    FileStored {
        /// The path of the bus or driver below `/sys`.
        kobject: Arc<str>,
        /// The attribute's name.
        attribute: Arc<str>,
        /// Bytes taken, or the error.
        result: Result<usize, Errno>,
    },
    /// A uevent of a bus or a driver, which are no devices.
    KobjectUevent {
        /// Its path below `/sys`.
        kobject: Arc<str>,
        /// The action.
        action: UeventAction,
        /// The environment, as a device's.
        env: Arc<[(String, String)]>,
    },
    /// A device node appeared.
    NodeCreated {
        /// The device.
        device: DeviceRef,
        /// Its path below `/dev`.
        node: Arc<str>,
    },
    /// A device node went.
    NodeRemoved {
        /// The device.
        device: DeviceRef,
        /// Its path below `/dev`.
        node: Arc<str>,
    },
    /// A program asked to open a node, and nothing has come of it yet. Told by front ends
    /// that stop a program there.
    OpenBegin {
        /// The device whose node it is.
        device: DeviceRef,
        /// The node's path.
        path: Arc<str>,
    },
    /// A file was opened.
    FileOpened {
        /// The open file.
        file: FileRef,
        /// The device behind it, if there is one.
        device: Option<DeviceRef>,
    },
    /// An operation on an open file starts.
    OperationBegin {
        /// The open file.
        file: FileRef,
        /// The operation, such as `"read"` or `"ioctl 0x80044690"`.
        op: Arc<str>,
    },
    /// An operation on an open file ended.
    OperationEnd {
        /// The open file.
        file: FileRef,
        /// The operation.
        op: Arc<str>,
        /// Its result.
        result: Result<i64, Errno>,
    },
    /// An operation went to sleep.
    Blocked {
        /// The open file.
        file: FileRef,
        /// The operation.
        op: Arc<str>,
    },
    /// A sleeping operation was woken.
    Woken {
        /// The open file.
        file: FileRef,
        /// The operation.
        op: Arc<str>,
    },
    /// The last descriptor of an open file was closed and its release ran.
    FileClosed {
        /// The open file.
        file: FileRef,
        /// The device behind it, if there is one.
        device: Option<DeviceRef>,
    },
    /// A gate closed: nobody is inside any more, nobody gets in.
    GateClosed {
        /// The device whose gate it is.
        device: DeviceRef,
    },
    /// The kernel would have logged this line (`dev_err`, `dev_crit`).
    Message {
        /// The device, if there is one.
        device: Option<DeviceRef>,
        /// The line.
        text: Arc<str>,
    },
    /// The kernel would have printed a stack trace.
    Splat {
        /// What sort.
        kind: SplatKind,
        /// The device, if there is one.
        device: Option<DeviceRef>,
        /// What went wrong.
        text: Arc<str>,
    },
    /// Something outlived its System.
    Leak {
        /// The device, if it is one or belongs to one.
        device: Option<DeviceRef>,
        /// What it is and who holds it.
        text: Arc<str>,
    },
    /// An event of a framework.
    Framework(Arc<dyn FrameworkEvent>),
}

impl EventKind {
    /// The device the event is about, if it is about one.
    pub fn device(&self) -> Option<&DeviceRef> {
        use EventKind::*;
        match self {
            DeviceInitialized { device, .. }
            | DeviceAdded { device, .. }
            | DeviceMoved { device, .. }
            | DeviceRemoved { device }
            | Released { device }
            | Notify { device, .. }
            | Uevent { device, .. }
            | Match { device, .. }
            | ProbeBegin { device, .. }
            | ProbeEnd { device, .. }
            | RemoveBegin { device, .. }
            | RemoveEnd { device, .. }
            | DevresAdded { device, .. }
            | DevresRun { device, .. }
            | DevresRemoved { device, .. }
            | RefTaken { device, .. }
            | RefDropped { device, .. }
            | AttributeShown { device, .. }
            | AttributeStored { device, .. }
            | NodeCreated { device, .. }
            | NodeRemoved { device, .. }
            | OpenBegin { device, .. }
            | LivenessTested { device, .. }
            | DriverDataRead { device, .. }
            | GateClosed { device } => Some(device),
            Resource { device, .. }
            | Memory { device, .. }
            | Embedded { device, .. }
            | FileOpened { device, .. }
            | FileClosed { device, .. }
            | Message { device, .. }
            | Splat { device, .. }
            | Leak { device, .. } => device.as_ref(),
            FileShown { .. } | FileStored { .. } | KobjectUevent { .. } => None,
            OperationBegin { .. } | OperationEnd { .. } | Blocked { .. } | Woken { .. } => None,
            SectionBegin { section } | SectionEnd { section } => section.device.as_ref(),
            Framework(event) => event.device(),
        }
    }
}
