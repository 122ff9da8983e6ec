//! KUnit's own calls under the kernel's names: what a case manages, and the
//! devices it makes.
//!
//! Every call may be made in any state; misuse gives the kernel's errno or a
//! [`Splat`](lastfd_model::EventKind::Splat) event. Cases use these calls as
//! they are; a program that runs a case by hand makes a [`Test`](crate::Test)
//! and ends it with [`kunit_cleanup`]:
//!
//! ```
//! use lastfd_kunit::{Test, raw::*};
//! use lastfd_model::{System, raw::*};
//!
//! let system = System::new();
//! let test = Test::new(&system, "my_case");
//! let device = kunit_device_register(&test, "dev").unwrap();
//! assert_eq!(dev_name(&device), "my_case.dev");
//! assert_eq!(device.driver().unwrap().name().as_ref(), "dev");
//! kunit_cleanup(&test);
//! assert!(device.is_released());
//! ```

mod action;
mod device;
mod memory;
mod platform;
mod resource;

pub use action::{
    TestAction, kunit_add_action, kunit_add_action_or_reset, kunit_release_action,
    kunit_remove_action,
};
pub use device::{
    kunit_bus, kunit_device_register, kunit_device_register_with_driver, kunit_device_unregister,
    kunit_driver_create,
};
pub use memory::{
    TestMem, kunit_kcalloc, kunit_kfree, kunit_kmalloc, kunit_kmalloc_array, kunit_kstrdup,
    kunit_kzalloc,
};
pub use platform::{
    kunit_platform_device_add, kunit_platform_device_alloc, kunit_platform_driver_register,
    kunit_root_device_register, kunit_unbound_platform_device_register,
    test_kunit_helper_alloc_device, test_kunit_helper_free_device,
};
pub use resource::{
    Resource, ResourceFree, ResourceInit, kunit_add_named_resource, kunit_add_resource,
    kunit_alloc_resource, kunit_cleanup, kunit_destroy_named_resource, kunit_destroy_resource,
    kunit_find_named_resource, kunit_find_resource, kunit_get_resource, kunit_put_resource,
    kunit_remove_resource,
};
