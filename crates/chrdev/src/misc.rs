//! Miscellaneous devices: one major number, shared.
//!
//! Follows `drivers/char/misc.c`. Nothing here holds the owner of a
//! [`Miscdevice`]: its callbacks are called on files that were open, long after
//! [`misc_deregister`], and whatever they touch must still be there then. A
//! driver that keeps it in managed memory of a device that goes touches it after
//! it was freed. That is how the kernel has it, and what this module is for.

use core::fmt;
use core::sync::atomic::Ordering;
use std::collections::BTreeSet;

use lastfd_model::event::SplatKind;
use lastfd_model::raw::{
    Class, DevT, Device, DeviceSpec, class_create, device_add, device_initialize,
    device_unregister, no_release, put_device,
};
use lastfd_model::{Errno, EventKind, Result, System};
use lastfd_sync::atomic::AtomicU64;
use lastfd_sync::{Arc, Mutex, MutexGuard, thread};

use crate::cdev::{Cdev, cdev_add};
use crate::file::File;
use crate::fops::FileOps;

/// The major number of all of them.
pub const MISC_MAJOR: u32 = 10;
/// Asks for any free minor number.
pub const MISC_DYNAMIC_MINOR: u32 = 255;

/// Minor numbers given out by the kernel first, from the highest down.
const DYNAMIC_MINORS: u32 = 128;
/// The last minor number.
const MINOR_MASK: u32 = (1 << 20) - 1;

/// A miscellaneous device (`struct miscdevice`). A clone is another handle on
/// the same one, not a reference; there are none.
#[derive(Clone)]
pub struct Miscdevice(Arc<Inner>);

struct Inner {
    name: Arc<str>,
    fops: Arc<dyn FileOps>,
    parent: Option<Device>,
    state: Mutex<State>,
}

struct State {
    minor: u32,
    /// Registered, and as what.
    this_device: Option<Device>,
}

/// What the module keeps in each System.
#[derive(Default)]
struct Misc {
    /// `misc_mtx`: held over the open callback of every one of them.
    mutex: Mutex<()>,
    /// The holder's task number; 0 is nobody.
    owner: AtomicU64,
    /// Latest first.
    list: Mutex<Vec<Miscdevice>>,
    minors: Mutex<BTreeSet<u32>>,
    /// The class and the character device, made with the first.
    started: Mutex<Option<Class>>,
}

/// The held `misc_mtx`.
struct Held<'a>(Option<MutexGuard<'a, ()>>, &'a AtomicU64);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if self.0.is_some() {
            self.1.store(0, Ordering::Relaxed);
        }
    }
}

impl Misc {
    /// A task that takes it twice would hang in a kernel; here it gets a splat,
    /// and goes on.
    #[track_caller]
    fn lock(&self, system: &System) -> Held<'_> {
        let me = thread::current().0;
        if self.owner.load(Ordering::Relaxed) == me {
            splat(
                system,
                SplatKind::Deadlock,
                "misc_mtx is taken by the task that holds it",
            );
            return Held(None, &self.owner);
        }
        let guard = self.mutex.lock();
        self.owner.store(me, Ordering::Relaxed);
        Held(Some(guard), &self.owner)
    }

    /// `misc_init`.
    fn start(&self, system: &System) -> Result<Class> {
        let mut started = self.started.lock();
        if let Some(class) = &*started {
            return Ok(class.clone());
        }
        let first = DevT {
            major: MISC_MAJOR,
            minor: 0,
        };
        let cdev = Cdev::new(system, Arc::new(MiscFops));
        let made = system.at_boot(|| -> Result<Class> {
            let class = class_create(system, "misc")?;
            cdev_add(&cdev, first, MINOR_MASK + 1)?;
            Ok(class)
        });
        let class = made?;
        *started = Some(class.clone());
        Ok(class)
    }

    // drivers/char/misc.c: misc_minor_alloc
    fn take_minor(&self, wanted: u32) -> Result<u32> {
        let mut minors = self.minors.lock();
        let minor = if wanted == MISC_DYNAMIC_MINOR {
            let free = |minor: &u32| !minors.contains(minor);
            (0..DYNAMIC_MINORS)
                .rev()
                .find(free)
                .or_else(|| (MISC_DYNAMIC_MINOR + 1..=MINOR_MASK).find(free))
                .ok_or(Errno::EBUSY)?
        } else {
            wanted
        };
        if !minors.insert(minor) {
            return Err(Errno::EBUSY);
        }
        Ok(minor)
    }

    fn find(&self, minor: u32) -> Option<Miscdevice> {
        let list = self.list.lock();
        list.iter().find(|misc| misc.minor() == minor).cloned()
    }
}

#[track_caller]
fn splat(system: &System, kind: SplatKind, text: &str) {
    system.emit(|| EventKind::Splat {
        kind,
        device: None,
        text: text.into(),
    });
}

impl Miscdevice {
    /// One with a name, a minor number or [`MISC_DYNAMIC_MINOR`], callbacks, and
    /// perhaps a parent.
    pub fn new(
        name: &str,
        minor: u32,
        fops: Arc<dyn FileOps>,
        parent: Option<&Device>,
    ) -> Miscdevice {
        Miscdevice(Arc::new(Inner {
            name: name.into(),
            fops,
            parent: parent.cloned(),
            state: Mutex::new(State {
                minor,
                this_device: None,
            }),
        }))
    }

    /// Its minor number; [`MISC_DYNAMIC_MINOR`] if it has none yet.
    pub fn minor(&self) -> u32 {
        self.0.state.lock().minor
    }

    /// Its device, while it is registered (`this_device`).
    pub fn this_device(&self) -> Option<Device> {
        self.0.state.lock().this_device.clone()
    }

    /// Whether both handles are on one.
    pub fn same(&self, other: &Miscdevice) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Miscdevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Miscdevice({}, {})", self.0.name, self.minor())
    }
}

/// Registers it (`misc_register`): its device and its node appear, and calls
/// reach its callbacks. No reference is taken on anything of its owner's, only,
/// by its device, on the parent.
///
/// ```
/// use lastfd_chrdev::{FileOps, MISC_DYNAMIC_MINOR, Miscdevice, OpenFlags, misc_deregister,
///     misc_register, open};
/// use lastfd_model::{Errno, System};
/// use lastfd_sync::Arc;
///
/// struct Nothing;
/// impl FileOps for Nothing {}
///
/// let system = System::new();
/// let misc = Miscdevice::new("nothing", MISC_DYNAMIC_MINOR, Arc::new(Nothing), None);
/// misc_register(&system, &misc)?;
/// assert_eq!(misc.minor(), 127);
/// let file = open(&system, "/dev/nothing", OpenFlags::RDWR)?;
/// misc_deregister(&system, &misc);
/// assert_eq!(open(&system, "/dev/nothing", OpenFlags::RDWR).err(), Some(Errno::ENOENT));
/// # drop(file);
/// # Ok::<(), Errno>(())
/// ```
///
/// # Errors
/// `EBUSY` if the minor number is taken, or there is none left; `EEXIST` for a
/// name that exists; `ENOMEM`. Registering twice is a splat and `EBUSY`.
#[track_caller]
pub fn misc_register(system: &System, misc: &Miscdevice) -> Result {
    let core = system.extension::<Misc>();
    let _held = core.lock(system);
    let class = core.start(system)?;
    if misc.this_device().is_some() {
        // The kernel corrupts its list.
        splat(
            system,
            SplatKind::Bug,
            &format!(
                "misc_register of {}, which is registered already",
                misc.0.name
            ),
        );
        return Err(Errno::EBUSY);
    }
    let wanted = misc.minor();
    let minor = core.take_minor(wanted)?;
    misc.0.state.lock().minor = minor;
    let device = device_initialize(
        system,
        DeviceSpec {
            name: Some(misc.0.name.to_string()),
            parent: misc.0.parent.clone(),
            class: Some(class),
            devt: Some(DevT {
                major: MISC_MAJOR,
                minor,
            }),
            // device_create_release
            release: Some(no_release()),
            ..DeviceSpec::default()
        },
    );
    if let Err(errno) = device_add(&device) {
        put_device(&device);
        core.minors.lock().remove(&minor);
        misc.0.state.lock().minor = wanted;
        return Err(errno);
    }
    misc.0.state.lock().this_device = Some(device);
    core.list.lock().insert(0, misc.clone());
    Ok(())
}

/// Takes it out (`misc_deregister`). It can no longer be opened; files that are
/// open stay, and their callbacks are called. Of what is not registered it is a
/// splat.
#[track_caller]
pub fn misc_deregister(system: &System, misc: &Miscdevice) {
    let Some(device) = misc.this_device() else {
        splat(
            system,
            SplatKind::Warn,
            "misc_deregister of what is not registered",
        );
        return;
    };
    let core = system.extension::<Misc>();
    let _held = core.lock(system);
    core.list.lock().retain(|other| !other.same(misc));
    device_unregister(&device);
    let mut state = misc.0.state.lock();
    state.this_device = None;
    core.minors.lock().remove(&state.minor);
    if state.minor > MISC_DYNAMIC_MINOR {
        state.minor = MISC_DYNAMIC_MINOR;
    }
}

/// `misc_fops`: what is opened first, and gives way to the callbacks meant.
struct MiscFops;

impl FileOps for MiscFops {
    /// The device's own open runs with `misc_mtx` held: meanwhile none can be
    /// opened, registered or deregistered.
    // drivers/char/misc.c: misc_open
    fn open(&self, file: &File) -> Result {
        let system = file.system().clone();
        let core = system.extension::<Misc>();
        let _held = core.lock(&system);
        let minor = file.devt().ok_or(Errno::ENODEV)?.minor;
        // The kernel asks for a module in between.
        let misc = core.find(minor).ok_or(Errno::ENODEV)?;
        let fops = Arc::clone(&misc.0.fops);
        if let Some(device) = misc.this_device() {
            file.set_device(device.device_ref());
        }
        file.set_private(Arc::new(misc));
        file.replace_ops(Arc::clone(&fops));
        fops.open(file)
    }
}
