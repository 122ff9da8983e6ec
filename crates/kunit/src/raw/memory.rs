//! Test-managed memory.
//!
//! Follows `kunit_kmalloc_array` and `kunit_kfree` of `lib/kunit/test.c`: an
//! allocation is an action that frees it.

use core::fmt;
use core::ops::Range;
use core::panic::Location;

use lastfd_model::event::SplatKind;
use lastfd_model::{EventKind, Place, Result, System};
use lastfd_sync::{Arc, Mutex};

use super::action::{TestAction, kunit_add_action_or_reset, release};
use super::resource::Kind;
use crate::test::Test;

/// Memory that goes with the test (`kunit_kmalloc`).
///
/// A handle may be kept past the memory's end, as a pointer can. Reading or
/// writing it then is a splat and gives zeros; it is never undefined.
#[derive(Clone)]
pub struct TestMem(Arc<Inner>);

struct Inner {
    system: System,
    id: u64,
    allocated_at: Place,
    /// None once freed.
    bytes: Mutex<Option<Box<[u8]>>>,
}

impl PartialEq for TestMem {
    fn eq(&self, other: &TestMem) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for TestMem {}

impl fmt::Debug for TestMem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestMem")
            .field("id", &self.0.id)
            .field("len", &self.len())
            .finish()
    }
}

impl TestMem {
    /// Its size in bytes; None once it is freed.
    pub fn len(&self) -> Option<usize> {
        self.0.bytes.lock().as_ref().map(|bytes| bytes.len())
    }

    /// Whether it has no bytes, freed or not.
    pub fn is_empty(&self) -> bool {
        self.len().unwrap_or(0) == 0
    }

    /// Whether it was freed.
    pub fn is_freed(&self) -> bool {
        self.len().is_none()
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
    fn access(&self, what: &str, range: Range<usize>, with: impl FnOnce(&mut [u8])) {
        let kind = match self.0.bytes.lock().as_deref_mut() {
            None => SplatKind::UseAfterFree,
            Some(bytes) => match bytes.get_mut(range.clone()) {
                Some(place) => return with(place),
                None => SplatKind::Bug,
            },
        };
        let place = self.0.allocated_at;
        self.0.system.emit(|| EventKind::Splat {
            kind,
            device: None,
            text: format!("{what} of test-managed memory at {range:?} (allocated at {place})")
                .into(),
        });
    }

    fn free(&self) {
        let gone = self.0.bytes.lock().take();
        drop(gone);
    }
}

/// Memory that goes with the test (`kunit_kmalloc`). It is zeroed all the
/// same: there is nothing to be had from stale bytes.
#[track_caller]
pub fn kunit_kmalloc(test: &Test, size: usize) -> Result<TestMem> {
    kunit_kzalloc(test, size)
}

/// Zeroed memory that goes with the test (`kunit_kzalloc`). `ENOMEM` if told
/// to fail, in either of its two allocations.
///
/// ```
/// use lastfd_kunit::{Test, raw::*};
/// use lastfd_model::System;
///
/// let test = Test::new(&System::new(), "my_case");
/// let memory = kunit_kzalloc(&test, 8).unwrap();
/// memory.write(0, b"hello");
/// assert_eq!(memory.read(0..5), b"hello");
/// kunit_kfree(&test, &memory);
/// assert!(memory.is_freed());
/// ```
#[track_caller]
pub fn kunit_kzalloc(test: &Test, size: usize) -> Result<TestMem> {
    let system = test.system();
    system.allocation()?;
    let memory = TestMem(Arc::new(Inner {
        system: system.unowned(),
        id: system.unique(),
        allocated_at: Location::caller(),
        bytes: Mutex::new(Some(vec![0; size].into_boxed_slice())),
    }));
    let freed = memory.clone();
    let kind = Kind::Memory(memory.0.id);
    kunit_add_action_or_reset(test, TestAction::of(kind, move || freed.free()))?;
    Ok(memory)
}

/// A copy of a string that goes with the test (`kunit_kstrdup`), with its
/// terminating zero.
#[track_caller]
pub fn kunit_kstrdup(test: &Test, text: &str) -> Result<TestMem> {
    let memory = kunit_kzalloc(test, text.len() + 1)?;
    memory.write(0, text.as_bytes());
    Ok(memory)
}

/// Frees memory early (`kunit_kfree`). Nothing happens if it is not this
/// test's, as it is no longer after it was freed.
#[track_caller]
pub fn kunit_kfree(test: &Test, memory: &TestMem) {
    release(test, Kind::Memory(memory.0.id));
}
