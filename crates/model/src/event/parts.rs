//! What events are made of: devices, files and steps, as they are named in one.

use core::any::Any;
use core::fmt;

use lastfd_sync::Arc;

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
