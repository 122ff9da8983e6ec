//! Memory that may be used after it was freed, and says so.
//!
//! Follows `mm/kasan` in what it tells: the use, where the memory came from and
//! where it was freed.

use core::fmt;
use core::ops::Range;
use core::panic::Location;

use lastfd_sync::{Arc, Mutex};

use crate::errno::{Errno, Result};
use crate::event::{DeviceRef, EventKind, MemoryStep, SplatKind};
use crate::ledger::Place;
use crate::system::{Core, System};

/// The most that one allocation gives, in bytes (`KMALLOC_MAX_SIZE` on x86-64).
pub const KMALLOC_MAX_SIZE: usize = 4 << 20;

/// Allocated memory. Clones are one allocation.
///
/// A handle may be kept past the memory's end, as a pointer can. Reading or
/// writing it then is a splat and gives zeros; it is never undefined.
#[derive(Clone)]
pub struct Memory(Arc<Inner>);

struct Inner {
    core: Arc<Core>,
    id: u64,
    what: &'static str,
    device: Option<DeviceRef>,
    allocated_at: Place,
    state: Mutex<State>,
}

struct State {
    /// None once freed.
    bytes: Option<Box<[u8]>>,
    freed_at: Option<Place>,
}

impl PartialEq for Memory {
    fn eq(&self, other: &Memory) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Memory {}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory")
            .field("what", &self.0.what)
            .field("device", &self.0.device)
            .field("len", &self.len())
            .finish()
    }
}

impl Memory {
    /// Allocates. `what` names the sort of memory in splats, such as
    /// `"managed memory"`; the device is the one it belongs to. It does not
    /// count for [`System::fail_nth`]: the caller does.
    #[track_caller]
    pub fn new(
        system: &System,
        what: &'static str,
        device: Option<DeviceRef>,
        bytes: impl Into<Box<[u8]>>,
    ) -> Memory {
        let memory = Memory(Arc::new(Inner {
            core: Arc::clone(&system.core),
            id: system.unique(),
            what,
            device,
            allocated_at: Location::caller(),
            state: Mutex::new(State {
                bytes: Some(bytes.into()),
                freed_at: None,
            }),
        }));
        memory.tell(MemoryStep::Allocated);
        memory
    }

    /// Zeroed memory, as `kzalloc` gives it; the rest as [`new`](Memory::new).
    ///
    /// # Errors
    /// `ENOMEM` and a splat for more than [`KMALLOC_MAX_SIZE`]
    /// (`mm/page_alloc.c: __alloc_pages_noprof`).
    #[track_caller]
    pub fn zeroed(
        system: &System,
        what: &'static str,
        device: Option<DeviceRef>,
        size: usize,
    ) -> Result<Memory> {
        Memory::check_size(system, what, device.as_ref(), size)?;
        Ok(Memory::new(system, what, device, vec![0; size]))
    }

    /// Whether an allocation may be that large.
    #[track_caller]
    pub(crate) fn check_size(
        system: &System,
        what: &'static str,
        device: Option<&DeviceRef>,
        size: usize,
    ) -> Result {
        if size <= KMALLOC_MAX_SIZE {
            return Ok(());
        }
        let text = format!("{size} bytes of {what}: one allocation has {KMALLOC_MAX_SIZE} at most");
        system.core.splat(SplatKind::Warn, device.cloned(), text);
        Err(Errno::ENOMEM)
    }

    /// Says that a reference-counted object is a member of what is allocated
    /// here: `container_of` leads from it to this memory, which therefore must
    /// live until the object's last reference goes. `what` is its type,
    /// `"struct video_device"`.
    #[track_caller]
    pub fn embeds(&self, what: &str, name: &str) {
        self.0.core.emit(|| EventKind::Embedded {
            device: self.0.device.clone(),
            memory: self.0.id,
            object: format!("{what} {name}").into(),
        });
    }

    #[track_caller]
    fn tell(&self, step: MemoryStep) {
        self.0.core.emit(|| EventKind::Memory {
            device: self.0.device.clone(),
            what: self.0.what,
            id: self.0.id,
            step,
        });
    }

    /// Its number, unique in its System.
    pub fn id(&self) -> u64 {
        self.0.id
    }

    /// Its size in bytes; None once it is freed.
    pub fn len(&self) -> Option<usize> {
        self.0.state.lock().bytes.as_ref().map(|bytes| bytes.len())
    }

    /// Whether it has no bytes, freed or not.
    pub fn is_empty(&self) -> bool {
        self.len().unwrap_or(0) == 0
    }

    /// Whether it was freed.
    pub fn is_freed(&self) -> bool {
        self.0.state.lock().bytes.is_none()
    }

    /// All its bytes; None once it is freed.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        self.0
            .state
            .lock()
            .bytes
            .as_ref()
            .map(|bytes| bytes.to_vec())
    }

    /// The bytes of the range. After the free, or out of bounds, a splat, and
    /// zeros.
    #[track_caller]
    pub fn read(&self, range: Range<usize>) -> Vec<u8> {
        let mut out = vec![0; range.len()];
        self.access("read", range, |place| out.copy_from_slice(place));
        out
    }

    /// Writes bytes at an offset. After the free, or out of bounds, a splat,
    /// and nothing is written.
    #[track_caller]
    pub fn write(&self, offset: usize, data: &[u8]) {
        let range = offset..offset.saturating_add(data.len());
        self.access("write", range, |place| place.copy_from_slice(data));
    }

    #[track_caller]
    fn access(&self, how: &str, range: Range<usize>, with: impl FnOnce(&mut [u8])) {
        let wrong = {
            let mut state = self.0.state.lock();
            match state.bytes.as_deref_mut() {
                None => Some((SplatKind::UseAfterFree, state.freed_at)),
                Some(bytes) => match bytes.get_mut(range.clone()) {
                    Some(place) => {
                        with(place);
                        None
                    }
                    None => Some((SplatKind::Bug, None)),
                },
            }
        };
        self.tell(MemoryStep::Accessed);
        let Some((kind, freed_at)) = wrong else {
            return;
        };
        let (what, allocated_at) = (self.0.what, self.0.allocated_at);
        let freed = freed_at.map_or_else(String::new, |place| format!(", freed at {place}"));
        self.0.core.splat(
            kind,
            self.0.device.clone(),
            format!("{how} of {what} at {range:?} (allocated at {allocated_at}{freed})"),
        );
    }

    /// Frees it. A second time nothing happens.
    #[track_caller]
    pub fn free(&self) {
        {
            let mut state = self.0.state.lock();
            if state.freed_at.is_some() {
                return;
            }
            state.freed_at = Some(Location::caller());
        }
        // Told before it is so: whoever meets it freed is told later.
        self.tell(MemoryStep::Freed);
        let gone = self.0.state.lock().bytes.take();
        drop(gone);
    }
}
