//! Calls of programs that are to fail, whatever the driver would say: faults on purpose.

use core::fmt;

use lastfd_sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use lastfd_sync::{Arc, Mutex};

use crate::errno::Errno;
use crate::system::System;

/// Which calls, by their names in events.
type Which = Box<dyn Fn(&str) -> bool + Send + Sync>;

/// The calls of a System that are to fail.
#[derive(Default)]
pub(crate) struct CallFaults {
    /// How many entries there are: nobody who has none looks further.
    armed: AtomicUsize,
    entries: Mutex<Vec<Arc<CallFault>>>,
}

struct CallFault {
    devices: Vec<u64>,
    which: Which,
    left: AtomicU32,
    errno: Errno,
}

impl CallFault {
    /// One call of those that are to fail, if one is left: how many there were until now.
    fn take(&self) -> Option<u32> {
        let one_less = |left: u32| left.checked_sub(1);
        let had = self
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less);
        had.ok()
    }
}

impl fmt::Debug for CallFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CallFaults({})", self.armed.load(Ordering::Relaxed))
    }
}

impl System {
    /// Has the next calls on these devices, on their files and attributes, fail before
    /// their drivers are asked: so many of those that `which` takes by their name, which
    /// is `open`, `mmap`, `show NAME`, `store NAME`, or as events of open files have it
    /// (`read`, `ioctl VIDIOC_QBUF`).
    ///
    /// ```
    /// use lastfd_model::{Errno, System, raw::*};
    /// let system = System::new();
    /// let root = root_device_register(&system, "board").unwrap();
    /// device_create_file(&root, &Attribute::new("hello", 0o444).show(|_| Ok("world\n".into()))).unwrap();
    /// system.fail_calls(vec![root.id()], |call| call == "show hello", 1, Errno::EIO);
    /// assert_eq!(attr_read(&root, "hello"), Err(Errno::EIO));
    /// assert_eq!(attr_read(&root, "hello").unwrap(), b"world\n");
    /// root_device_unregister(&root);
    /// ```
    pub fn fail_calls(
        &self,
        devices: Vec<u64>,
        which: impl Fn(&str) -> bool + Send + Sync + 'static,
        times: u32,
        errno: Errno,
    ) {
        if times == 0 {
            return;
        }
        let faults = self.call_faults();
        let mut entries = faults.entries.lock();
        entries.push(Arc::new(CallFault {
            devices,
            which: Box::new(which),
            left: AtomicU32::new(times),
            errno,
        }));
        faults.armed.store(entries.len(), Ordering::SeqCst);
    }

    /// Whether a call on this device is to fail now, and with what. For whoever carries
    /// calls out, once for each.
    pub fn call_fails<N: AsRef<str>>(
        &self,
        device: Option<u64>,
        name: impl FnOnce() -> N,
    ) -> Option<Errno> {
        let faults = self.call_faults();
        if faults.armed.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let (device, name) = (device?, name());
        let concerned: Vec<Arc<CallFault>> = {
            let entries = faults.entries.lock();
            let ours = entries.iter().filter(|e| e.devices.contains(&device));
            ours.cloned().collect()
        };
        let mut taken = concerned
            .iter()
            .filter(|entry| (entry.which)(name.as_ref()));
        let (entry, left) = taken.find_map(|entry| Some((entry, entry.take()?)))?;
        if left == 1 {
            // `concerned` keeps it until the lock is let go.
            let mut entries = faults.entries.lock();
            entries.retain(|other| !Arc::ptr_eq(other, entry));
            faults.armed.store(entries.len(), Ordering::SeqCst);
        }
        Some(entry.errno)
    }
}
