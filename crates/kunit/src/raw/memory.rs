//! Test-managed memory.
//!
//! Follows `kunit_kmalloc_array` and `kunit_kfree` of `lib/kunit/test.c`: an
//! allocation is an action that frees it.

use lastfd_model::raw::Memory;
use lastfd_model::{Errno, Result};

use super::action::{TestAction, kunit_add_action_or_reset, release};
use super::resource::Kind;
use crate::test::Test;

/// Memory that goes with the test (`kunit_kmalloc`).
pub type TestMem = Memory;

/// Memory that goes with the test (`kunit_kmalloc`). It is zeroed all the
/// same: there is nothing to be had from stale bytes.
#[track_caller]
pub fn kunit_kmalloc(test: &Test, size: usize) -> Result<TestMem> {
    kunit_kzalloc(test, size)
}

/// Memory for `count` elements of `size` bytes that goes with the test
/// (`kunit_kmalloc_array`). As [`kunit_kzalloc`], and `ENOMEM` if there is no
/// number for as many bytes.
#[track_caller]
pub fn kunit_kmalloc_array(test: &Test, count: usize, size: usize) -> Result<TestMem> {
    let size = count.checked_mul(size).ok_or(Errno::ENOMEM)?;
    kunit_kzalloc(test, size)
}

/// As [`kunit_kmalloc_array`], which zeroes it, too (`kunit_kcalloc`).
///
/// ```
/// use lastfd_kunit::{Test, raw::*};
/// use lastfd_model::{Errno, System};
///
/// let test = Test::new(&System::new(), "my_case");
/// let table = kunit_kcalloc(&test, 3, 8).unwrap();
/// assert_eq!(table.read(0..24), [0; 24]);
/// assert_eq!(kunit_kcalloc(&test, usize::MAX, 8).err(), Some(Errno::ENOMEM));
/// kunit_cleanup(&test);
/// ```
#[track_caller]
pub fn kunit_kcalloc(test: &Test, count: usize, size: usize) -> Result<TestMem> {
    kunit_kmalloc_array(test, count, size)
}

/// Zeroed memory that goes with the test (`kunit_kzalloc`). `ENOMEM` if told
/// to fail, in either of its two allocations, and, with a splat, for more than
/// [`KMALLOC_MAX_SIZE`](lastfd_model::raw::KMALLOC_MAX_SIZE).
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
    let memory = Memory::zeroed(system, "test-managed memory", None, size)?;
    let freed = memory.clone();
    let kind = Kind::Memory(memory.id());
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
    release(test, Kind::Memory(memory.id()));
}
