//! The one stream of events: everything that happens, once, in order.

use core::any::Any;
use core::fmt;
use core::panic::Location;
use core::sync::atomic::Ordering;

use lastfd_sync::atomic::{AtomicBool, AtomicU64};
use lastfd_sync::thread::{self, TaskId};
use lastfd_sync::{Arc, Ktime, Mutex};

use crate::errno::Errno;
use crate::ledger::Holder;
use crate::raw::{BusNotify, UeventAction};

/// A device as events name it: usable after the device is gone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceRef {
    /// The device's number, unique in its System for ever.
    pub id: u64,
    /// Its name when the event happened.
    pub name: Arc<str>,
}

impl fmt::Display for DeviceRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl fmt::Debug for DeviceRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.name, self.id)
    }
}

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

/// An event of a framework (IIO, DRM, …), which the model does not look into.
pub trait FrameworkEvent: fmt::Display + fmt::Debug + Send + Sync {
    /// The framework's name, such as `"iio"`.
    fn framework(&self) -> &'static str;
    /// The device concerned, if there is one.
    fn device(&self) -> Option<&DeviceRef>;
    /// What of the framework's own went for good, if that is what happened: an object
    /// that is not the device itself, such as `"DRM device"`.
    fn freed(&self) -> Option<&'static str> {
        None
    }
    /// What it means for who may enter the driver through the device.
    fn interface(&self) -> Option<InterfaceStep> {
        None
    }
    /// Where Linux itself goes wrong, if that is what happened.
    fn kernel_gap(&self) -> Option<KernelGap> {
        None
    }
    /// The event itself, for those who know its type.
    fn as_any(&self) -> &dyn Any;
}

/// What happened to the way into a driver that a framework keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InterfaceStep {
    /// Programs can get in from now on.
    Registered,
    /// From now on the framework refuses whoever comes, through files that are
    /// open as well. Those inside may still be there.
    Revoked,
}

/// A place where Linux itself breaks a rule of lifetimes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelGap {
    /// The class of mistake, as numbered in `docs/gremlins.md`.
    pub class: u8,
    /// The kernel's function.
    pub function: &'static str,
    /// What it does.
    pub what: &'static str,
}

/// What a task is in that the end of something waits for: a held
/// [`KernelMutex`](crate::raw::KernelMutex), `drm_dev_enter`, the access to a
/// [`Devres`](crate::typed::Devres).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// The device it is of, if it is of one.
    pub device: Option<DeviceRef>,
    /// What it is: the mutex's name, or the call that enters.
    pub name: &'static str,
    /// Tells sections of one name and device apart.
    pub id: u64,
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// What happened to [memory](crate::raw::Memory).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MemoryStep {
    /// It was allocated.
    Allocated,
    /// It was read or written.
    Accessed,
    /// It was freed.
    Freed,
}

impl fmt::Display for MemoryStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MemoryStep::Allocated => "allocated",
            MemoryStep::Accessed => "accessed",
            MemoryStep::Freed => "freed",
        })
    }
}

/// What a driver holds that can act by itself or be touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResourceKind {
    /// A timer (`struct hrtimer`).
    Timer,
    /// Delayed work (`struct delayed_work`).
    Work,
    /// A kernel thread.
    Kthread,
    /// An interrupt line.
    Irq,
    /// A block of registers.
    Regs,
}

impl fmt::Display for ResourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ResourceKind::Timer => "timer",
            ResourceKind::Work => "work",
            ResourceKind::Kthread => "kthread",
            ResourceKind::Irq => "irq",
            ResourceKind::Regs => "regs",
        })
    }
}

/// What happened to a [resource](ResourceKind).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResourceStep {
    /// It came to be.
    Created,
    /// It will run: the timer was started, the work queued.
    Started,
    /// It ran by itself: the timer expired, the work ran, the interrupt came.
    Fired,
    /// Its callback returned.
    Returned,
    /// A driver touched it.
    Accessed,
    /// It was taken off its queue, without waiting for a run under way
    /// (`cancel_delayed_work`).
    Dequeued,
    /// It was stopped, and does not run any more.
    Cancelled,
    /// It is gone.
    Freed,
}

impl fmt::Display for ResourceStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ResourceStep::Created => "created",
            ResourceStep::Started => "started",
            ResourceStep::Fired => "fired",
            ResourceStep::Returned => "returned",
            ResourceStep::Accessed => "accessed",
            ResourceStep::Dequeued => "taken off its queue",
            ResourceStep::Cancelled => "cancelled",
            ResourceStep::Freed => "freed",
        })
    }
}

/// What a kernel would have printed a stack trace for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SplatKind {
    /// `WARN_ON`.
    Warn,
    /// `BUG_ON`.
    Bug,
    /// A reference count that went below zero or came back from it
    /// (`lib/refcount.c`).
    Refcount,
    /// Memory or an object used after it was freed.
    UseAfterFree,
    /// A task waiting for itself.
    Deadlock,
    /// Driver code that panicked; the operation was unwound.
    Panic,
}

impl fmt::Display for SplatKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SplatKind::Warn => "WARNING",
            SplatKind::Bug => "BUG",
            SplatKind::Refcount => "refcount",
            SplatKind::UseAfterFree => "use after free",
            SplatKind::Deadlock => "deadlock",
            SplatKind::Panic => "driver panicked",
        })
    }
}

/// An open file as events name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRef {
    /// The open file's number, unique in its System.
    pub id: u64,
    /// The node's path (`/dev/iio:device0`) or `anon_inode:NAME`.
    pub path: Arc<str>,
}

impl fmt::Display for FileRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (file {})", self.path, self.id)
    }
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
        /// The environment, `KEY`, `value`, in the kernel's order.
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
        /// The environment, `KEY`, `value`, in the kernel's order.
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

struct Outcome<'a, T>(&'a Result<T, Errno>);

impl<T: fmt::Display> fmt::Display for Outcome<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Ok(value) => value.fmt(f),
            Err(errno) => write!(f, "-{errno}"),
        }
    }
}

/// `device: `, or nothing where there is no device.
struct Subject<'a>(Option<&'a DeviceRef>);

impl fmt::Display for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(device) => write!(f, "{device}: "),
            None => Ok(()),
        }
    }
}

impl fmt::Display for EventKind {
    /// One line without a time, as the live log prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use EventKind::*;
        match self {
            DeviceInitialized { device, .. } => write!(f, "{device}: initialized"),
            DeviceAdded { device, .. } => write!(f, "{device}: added"),
            DeviceMoved { device, parent } => match parent {
                Some(parent) => write!(f, "{device}: moved below {parent}"),
                None => write!(f, "{device}: moved to the top"),
            },
            DeviceRemoved { device } => write!(f, "{device}: removed"),
            Released { device } => write!(f, "{device}: RELEASE"),
            Notify { device, what } => write!(f, "{device}: notify {what}"),
            Uevent { device, action, .. } => write!(f, "{device}: uevent {action}"),
            Match {
                device,
                driver,
                result,
            } => write!(f, "{device}: match with {driver} -> {}", Outcome(result)),
            ProbeBegin { device, driver } => write!(f, "{device}: probe by {driver}"),
            ProbeEnd { device, result, .. } => match result {
                Ok(()) => write!(f, "{device}: probe returned 0"),
                Err(errno) => write!(f, "{device}: probe returned -{errno}"),
            },
            RemoveBegin { device, driver } => write!(f, "{device}: remove by {driver}"),
            RemoveEnd { device, .. } => write!(f, "{device}: remove returned"),
            DevresAdded {
                device, res, node, ..
            } => write!(f, "{device}: devres {res} #{node} added"),
            DevresRun { device, res, node } => write!(f, "{device}: devres {res} #{node} released"),
            DevresRemoved { device, res, node } => {
                write!(f, "{device}: devres {res} #{node} taken off")
            }
            RefTaken {
                device,
                count,
                holder,
            } => write!(f, "{device}: reference taken for {holder}, now {count}"),
            RefDropped {
                device,
                count,
                holder,
            } => write!(f, "{device}: reference dropped by {holder}, now {count}"),
            Resource {
                device,
                kind,
                name,
                step,
                ..
            } => match device {
                Some(device) => write!(f, "{device}: {kind} {name} {step}"),
                None => write!(f, "{kind} {name} {step}"),
            },
            Memory {
                device, what, step, ..
            } => {
                let of = Subject(device.as_ref());
                write!(f, "{of}{what} {step}")
            }
            Embedded { device, object, .. } => {
                let of = Subject(device.as_ref());
                write!(f, "{of}{object} lies in its memory")
            }
            SectionBegin { section } => {
                let of = Subject(section.device.as_ref());
                write!(f, "{of}entered {section}")
            }
            SectionEnd { section } => {
                let of = Subject(section.device.as_ref());
                write!(f, "{of}left {section}")
            }
            LivenessTested { device, alive } => {
                let answer = if *alive { "yes" } else { "no" };
                write!(f, "{device}: still registered? {answer}")
            }
            DriverDataRead { device, there } => {
                let answer = if *there { "" } else { ": there is none" };
                write!(f, "{device}: driver data read{answer}")
            }
            AttributeShown {
                device,
                attribute,
                result,
            } => write!(f, "{device}: show {attribute} = {}", Outcome(result)),
            AttributeStored {
                device,
                attribute,
                result,
            } => write!(f, "{device}: store {attribute} = {}", Outcome(result)),
            FileShown {
                kobject,
                attribute,
                result,
            } => write!(f, "{kobject}: show {attribute} = {}", Outcome(result)),
            FileStored {
                kobject,
                attribute,
                result,
            } => write!(f, "{kobject}: store {attribute} = {}", Outcome(result)),
            KobjectUevent {
                kobject, action, ..
            } => write!(f, "{kobject}: uevent {action}"),
            NodeCreated { node, .. } => write!(f, "/dev/{node} created"),
            NodeRemoved { node, .. } => write!(f, "/dev/{node} removed"),
            OpenBegin { path, .. } => write!(f, "{path}: open …"),
            FileOpened { file, .. } => write!(f, "{file}: opened"),
            OperationBegin { file, op } => write!(f, "{file}: {op} …"),
            OperationEnd { file, op, result } => {
                write!(f, "{file}: {op} = {}", Outcome(result))
            }
            Blocked { file, op } => write!(f, "{file}: {op} blocked"),
            Woken { file, op } => write!(f, "{file}: {op} woken"),
            FileClosed { file, .. } => write!(f, "{file}: last close"),
            GateClosed { device } => write!(f, "{device}: gate closed"),
            Message { device, text } => match device {
                Some(device) => write!(f, "{device}: {text}"),
                None => f.write_str(text),
            },
            Splat { kind, device, text } => match device {
                Some(device) => write!(f, "{device}: {kind}: {text}"),
                None => write!(f, "{kind}: {text}"),
            },
            Leak { text, .. } => write!(f, "leak: {text}"),
            Framework(event) => fmt::Display::fmt(event, f),
        }
    }
}

/// What there was when a listener began to listen.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Every device that is not released, oldest first.
    pub devices: Vec<DeviceState>,
}

/// A device in a [`Snapshot`].
#[derive(Clone, Debug)]
pub struct DeviceState {
    /// The device.
    pub device: DeviceRef,
    /// Whether it is in sysfs.
    pub registered: bool,
    /// The bound driver's name.
    pub driver: Option<Arc<str>>,
    /// Its reference count.
    pub count: u32,
}

/// Receives the stream.
///
/// A listener is called on the task that caused the event, with none of the
/// System's internal locks held (Linux's own, such as the device lock, may
/// be). It must not call the model.
pub trait Listener: Send + Sync {
    /// Called once, before the first event.
    fn start(&self, snapshot: &Snapshot) {
        let _ = snapshot;
    }
    /// Called for each event.
    fn event(&self, event: &Event);
}

impl<F: Fn(&Event) + Send + Sync> Listener for F {
    fn event(&self, event: &Event) {
        self(event);
    }
}

type Listeners = Arc<[(u64, Arc<dyn Listener>)]>;

/// The fan-out of one System's events.
#[derive(Default)]
pub(crate) struct Hub {
    on: AtomicBool,
    seq: AtomicU64,
    next_listener: AtomicU64,
    listeners: Mutex<Listeners>,
}

impl Hub {
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, listener: Arc<dyn Listener>) -> u64 {
        let id = self.next_listener.fetch_add(1, Ordering::Relaxed);
        let mut listeners = self.listeners.lock();
        *listeners = listeners.iter().cloned().chain([(id, listener)]).collect();
        self.on.store(true, Ordering::Relaxed);
        id
    }

    pub(crate) fn remove(&self, id: u64) {
        let mut listeners = self.listeners.lock();
        *listeners = listeners
            .iter()
            .filter(|(i, _)| *i != id)
            .cloned()
            .collect();
        self.on.store(!listeners.is_empty(), Ordering::Relaxed);
    }

    #[cold]
    pub(crate) fn deliver(
        &self,
        time: Ktime,
        kind: EventKind,
        place: Option<&'static Location<'static>>,
    ) {
        let listeners = Listeners::clone(&self.listeners.lock());
        let event = Event {
            seq: self.seq.fetch_add(1, Ordering::Relaxed),
            time,
            task: thread::current(),
            kind,
            place,
        };
        for (_, listener) in listeners.iter() {
            listener.event(&event);
        }
    }
}

/// The events of a System since [`record`](crate::System::record) was called.
#[derive(Default)]
pub(crate) struct Recorder(pub(crate) Mutex<Vec<Event>>);

impl Listener for Recorder {
    fn event(&self, event: &Event) {
        self.0.lock().push(event.clone());
    }
}
