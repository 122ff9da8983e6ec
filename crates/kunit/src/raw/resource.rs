//! Test-managed resources.
//!
//! Follows `lib/kunit/resource.c` and `include/kunit/resource.h`.

use core::any::Any;
use core::fmt;
use core::panic::Location;
use core::sync::atomic::Ordering;

use lastfd_model::event::SplatKind;
use lastfd_model::{Errno, EventKind, Place, Result, System};
use lastfd_sync::atomic::AtomicU32;
use lastfd_sync::{Arc, Mutex};

use crate::test::Test;

/// Prepares a resource before it is added (`kunit_resource_init_t`). An error
/// keeps it from being added.
pub type ResourceInit<'a> = &'a dyn Fn(&Resource) -> Result;

/// Runs when the last reference on a resource goes (`kunit_resource_free_t`).
pub type ResourceFree = Box<dyn FnOnce(&Resource) + Send>;

/// A handle on a `struct kunit_resource`. Handles compare by identity; a clone
/// is not a reference in the kernel's sense ([`kunit_get_resource`]).
#[derive(Clone)]
pub struct Resource(Arc<Inner>);

struct Inner {
    system: System,
    refcount: AtomicU32,
    name: Option<String>,
    data: Arc<dyn Any + Send + Sync>,
    /// What tells this resource's free function from others.
    kind: Kind,
    free: Mutex<Option<ResourceFree>>,
    /// Where the references beside the test's were taken, latest last.
    taken: Mutex<Vec<Place>>,
}

/// The kernel tells resources apart by the address of their free function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A test's own.
    Plain,
    /// An action, with the key it was added under.
    Action(Option<lastfd_model::raw::ActionKey>),
    /// `kfree` of the memory with this number.
    Memory(u64),
    /// `device_unregister` of the device with this number.
    UnregisterDevice(u64),
    /// `driver_unregister` of the driver with this number.
    UnregisterDriver(u64),
    /// `platform_device_put` of the device with this number.
    PutPlatform(u64),
}

impl PartialEq for Resource {
    fn eq(&self, other: &Resource) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Resource {}

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resource")
            .field("kind", &self.0.kind)
            .field("name", &self.0.name)
            .field("refcount", &self.0.refcount.load(Ordering::Relaxed))
            .finish()
    }
}

impl Resource {
    pub(crate) fn new(
        system: &System,
        kind: Kind,
        name: Option<&str>,
        data: Arc<dyn Any + Send + Sync>,
        free: Option<ResourceFree>,
    ) -> Resource {
        Resource(Arc::new(Inner {
            system: system.unowned(),
            refcount: AtomicU32::new(1),
            name: name.map(str::to_owned),
            data,
            kind,
            free: Mutex::new(free),
            taken: Mutex::new(Vec::new()),
        }))
    }

    /// Its name, if it was added under one.
    pub fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }

    /// Its data.
    pub fn data(&self) -> &Arc<dyn Any + Send + Sync> {
        &self.0.data
    }

    /// Its reference count; 0 once it is freed.
    pub fn refcount(&self) -> u32 {
        self.0.refcount.load(Ordering::Acquire)
    }

    /// Whoever still holds it, in words; None once it is freed.
    pub(crate) fn held(&self) -> Option<String> {
        (self.refcount() > 0).then(|| {
            let name = self.name().map(|name| format!(" {name}"));
            let place = self.0.taken.lock().last().copied();
            let place = place.map(|place| format!(" (taken at {place})"));
            let (name, place) = (name.unwrap_or_default(), place.unwrap_or_default());
            format!("kunit resource{name}: reference kunit_get_resource{place}")
        })
    }

    pub(crate) fn kind(&self) -> Kind {
        self.0.kind
    }

    /// Replaces what runs at the last put, and gives back what would have.
    pub(crate) fn set_free(&self, free: Option<ResourceFree>) -> Option<ResourceFree> {
        core::mem::replace(&mut *self.0.free.lock(), free)
    }
}

/// Adds a resource to a test (`kunit_add_resource`). It is freed by
/// [`kunit_cleanup`], latest first, or when it is removed.
///
/// `init`'s error if it has one; then nothing is added and `free` does not run.
///
/// ```
/// use lastfd_kunit::{Test, raw::*};
/// use lastfd_model::System;
/// use lastfd_sync::{Arc, Mutex};
///
/// let test = Test::new(&System::new(), "my_case");
/// let order = Arc::new(Mutex::new(Vec::new()));
/// for name in ["first", "second"] {
///     let order = order.clone();
///     let free: ResourceFree = Box::new(move |_| order.lock().push(name));
///     kunit_add_resource(&test, None, Some(free), Arc::new(())).unwrap();
/// }
/// kunit_cleanup(&test);
/// assert_eq!(*order.lock(), ["second", "first"]);
/// ```
pub fn kunit_add_resource(
    test: &Test,
    init: Option<ResourceInit<'_>>,
    free: Option<ResourceFree>,
    data: Arc<dyn Any + Send + Sync>,
) -> Result<Resource> {
    let resource = Resource::new(test.system(), Kind::Plain, None, data, free);
    add(test, init, resource)
}

/// As [`kunit_add_resource`], to be found by name
/// (`kunit_add_named_resource`). `EINVAL` for an empty name, `EEXIST` if the
/// test has a resource of that name.
pub fn kunit_add_named_resource(
    test: &Test,
    init: Option<ResourceInit<'_>>,
    free: Option<ResourceFree>,
    name: &str,
    data: Arc<dyn Any + Send + Sync>,
) -> Result<Resource> {
    if name.is_empty() {
        return Err(Errno::EINVAL);
    }
    if let Some(existing) = kunit_find_named_resource(test, name) {
        kunit_put_resource(&existing);
        return Err(Errno::EEXIST);
    }
    let resource = Resource::new(test.system(), Kind::Plain, Some(name), data, free);
    add(test, init, resource)
}

/// As [`kunit_add_resource`], for a resource that has to be allocated
/// (`kunit_alloc_resource`). `ENOMEM` if told to fail.
pub fn kunit_alloc_resource(
    test: &Test,
    init: Option<ResourceInit<'_>>,
    free: Option<ResourceFree>,
    data: Arc<dyn Any + Send + Sync>,
) -> Result<Resource> {
    test.system().allocation()?;
    kunit_add_resource(test, init, free, data)
}

/// __kunit_add_resource.
pub(crate) fn add(
    test: &Test,
    init: Option<ResourceInit<'_>>,
    resource: Resource,
) -> Result<Resource> {
    if let Some(init) = init {
        init(&resource)?;
    }
    test.resources().lock().push(resource.clone());
    Ok(resource)
}

/// The latest resource that fits, with a reference taken on it
/// (`kunit_find_resource`).
#[track_caller]
pub fn kunit_find_resource(
    test: &Test,
    matches: &dyn Fn(&Test, &Resource) -> bool,
) -> Option<Resource> {
    // The kernel matches under test->lock; here a match may call what it likes.
    let resources = test.resources().lock().clone();
    let found = resources.iter().rev().find(|r| matches(test, r))?;
    kunit_get_resource(found);
    Some(found.clone())
}

/// The latest resource of this name, with a reference taken on it
/// (`kunit_find_named_resource`).
#[track_caller]
pub fn kunit_find_named_resource(test: &Test, name: &str) -> Option<Resource> {
    kunit_find_resource(test, &|_, resource| resource.name() == Some(name))
}

/// Takes a reference (`kunit_get_resource`).
#[track_caller]
pub fn kunit_get_resource(resource: &Resource) {
    resource.0.taken.lock().push(Location::caller());
    resource.0.refcount.fetch_add(1, Ordering::AcqRel);
}

/// Drops a reference; the last one frees the resource (`kunit_put_resource`).
/// One too many is a splat.
#[track_caller]
pub fn kunit_put_resource(resource: &Resource) {
    put(resource, false);
}

#[track_caller]
fn put(resource: &Resource, dropped_by_test: bool) {
    let count = &resource.0.refcount;
    let before = count.fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| n.checked_sub(1));
    match before {
        Ok(1) => {
            // kunit_release_resource.
            let free = resource.set_free(None);
            if let Some(free) = free {
                free(resource);
            }
        }
        Ok(_) => {
            // The test's own is dropped by its removal, whoever holds it beside.
            if !dropped_by_test {
                resource.0.taken.lock().pop();
            }
        }
        Err(_) => resource.0.system.emit(|| EventKind::Splat {
            kind: SplatKind::Refcount,
            device: None,
            text: "underflow; a kunit resource was put that nobody held".into(),
        }),
    }
}

/// Takes a resource off its test and drops the test's reference
/// (`kunit_remove_resource`). Nothing happens if it was off already.
#[track_caller]
pub fn kunit_remove_resource(test: &Test, resource: &Resource) {
    let removed = {
        let mut resources = test.resources().lock();
        let at = resources.iter().rposition(|r| r == resource);
        at.map(|at| resources.remove(at))
    };
    if let Some(resource) = removed {
        put(&resource, true);
    }
}

/// Takes the latest resource that fits off and frees it
/// (`kunit_destroy_resource`). `ENOENT` if there is none.
#[track_caller]
pub fn kunit_destroy_resource(test: &Test, matches: &dyn Fn(&Test, &Resource) -> bool) -> Result {
    let resource = kunit_find_resource(test, matches).ok_or(Errno::ENOENT)?;
    kunit_remove_resource(test, &resource);
    kunit_put_resource(&resource);
    Ok(())
}

/// Takes the resource of this name off and frees it
/// (`kunit_destroy_named_resource`). `ENOENT` if there is none.
#[track_caller]
pub fn kunit_destroy_named_resource(test: &Test, name: &str) -> Result {
    kunit_destroy_resource(test, &|_, resource| resource.name() == Some(name))
}

/// Frees all that a test still manages, latest first (`kunit_cleanup`).
///
/// The list is not locked meanwhile: what is freed may remove other resources,
/// and may add some, which are freed next.
#[track_caller]
pub fn kunit_cleanup(test: &Test) {
    loop {
        let last = test.resources().lock().last().cloned();
        let Some(resource) = last else {
            return;
        };
        kunit_remove_resource(test, &resource);
        if resource.refcount() > 0 {
            test.outlived_by(resource);
        }
    }
}
