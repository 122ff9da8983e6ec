//! The raw face: the kernel's calls under the kernel's names.
//!
//! Every call may be made in any state. Misuse gives the kernel's errno or a
//! [`Splat`](crate::EventKind::Splat) event where a kernel would warn, oops or
//! corrupt memory; it is never undefined behaviour here. Scenarios, traces and
//! the wrong drivers of the tests use this face; drivers are written against
//! [`typed`](crate::typed).

mod auxiliary;
mod bus;
mod bus_files;
mod class;
mod core;
mod dd;
mod debugfs;
mod deferred;
mod delayed_release;
mod dependence;
mod device;
mod device_fields;
mod device_link;
mod devlink_class;
mod devres;
mod devres_group;
mod devres_memory;
mod devtmpfs;
mod driver;
mod driver_override;
mod klist;
mod kobject;
mod link_flags;
mod link_states;
mod memory;
mod mutex;
mod platform;
mod registry;
mod root;
mod sysfs;
mod sysfs_file;
mod sysfs_group;
mod sysfs_path;
mod uevent;

pub use self::core::{
    device_add, device_del, device_find_child_by_name, device_for_each_child,
    device_for_each_child_reverse, device_move, device_register, device_rename, device_unregister,
};
pub use auxiliary::{
    AuxiliaryDevice, AuxiliarySpec, auxiliary_bus, auxiliary_device_add, auxiliary_device_delete,
    auxiliary_device_init, auxiliary_device_uninit, auxiliary_driver, auxiliary_driver_register,
    auxiliary_driver_unregister,
};
pub use bus::{
    Bus, BusMatch, BusNotify, BusType, Notifier, NotifierId, bus_for_each_dev, bus_register,
    bus_register_notifier, bus_rescan_devices, bus_unregister, bus_unregister_notifier,
};
pub use bus_files::{bus_create_file, bus_remove_file, driver_create_file, driver_remove_file};
pub use class::{
    Class, ClassInterface, ClassSpec, InterfaceHook, InterfaceId, class_create, class_destroy,
    class_interface_register, class_interface_unregister, class_register,
};
pub use dd::{
    device_attach, device_driver_attach, device_release_driver, device_reprobe, driver_attach,
};
pub use debugfs::{
    DebugfsHandle, debugfs_create_file, debugfs_list, debugfs_open, debugfs_paths, debugfs_read,
    debugfs_remove, debugfs_write,
};
pub(crate) use deferred::DeferredProbe;
pub(crate) use deferred::end as end_deferred_probes;
pub use deferred::{
    device_block_probing, device_unblock_probing, devices_deferred, wait_for_device_probe,
};
pub(crate) use delayed_release::DelayedReleases;
pub use device::{
    DevT, Device, DeviceSpec, DeviceType, Directory, DriverData, Release, device_initialize,
    device_lock, get_device, get_device_for, kref_read, no_release, put_device, put_device_for,
};
pub use device_fields::{
    dev_get_drvdata, dev_get_platdata, dev_name, dev_set_devt, dev_set_drvdata, dev_set_groups,
    dev_set_name, dev_set_parent, dev_set_platdata, dev_set_release, dev_set_type,
    device_is_registered,
};
pub(crate) use device_link::DeviceLinks;
pub use device_link::{
    DeviceLink, device_link_add, device_link_del, device_link_remove, device_link_wait_removal,
    links_to_consumers, links_to_suppliers,
};
pub(crate) use devlink_class::devlink_class_init;
pub use devres::{
    Action, ActionKey, Devres, ReleaseId, devm_add_action, devm_add_action_or_reset,
    devm_is_action_added, devm_release_action, devm_remove_action, devres_add, devres_alloc,
    devres_destroy, devres_find, devres_free, devres_get, devres_release, devres_release_all,
    devres_remove,
};
pub use devres_group::{
    GroupId, devres_close_group, devres_open_group, devres_release_group, devres_remove_group,
};
pub use devres_memory::{
    DevMem, devm_kfree, devm_kmalloc, devm_krealloc, devm_kstrdup, devm_kzalloc,
};
pub use devtmpfs::{DevNode, DevnodeHook, alloc_chrdev_region, unregister_chrdev_region};
pub use driver::{Driver, Probe, Remove, driver_register, driver_unregister};
pub use driver_override::{
    device_match_driver_override, device_set_driver_override, driver_override,
};
pub use link_flags::{LinkFlags, LinkState};
pub use memory::{KMALLOC_MAX_SIZE, Memory};
pub use mutex::{KernelGuard, KernelMutex};
pub(crate) use platform::platform_bus_init;
pub use platform::{
    PlatformId, platform_bus, platform_device_add, platform_device_alloc, platform_device_del,
    platform_device_put, platform_device_register, platform_device_unregister, platform_driver,
};
pub(crate) use registry::Registry;
pub use registry::mark_infrastructure;
pub use root::{root_device_register, root_device_unregister};
pub use sysfs::{
    Attribute, BusAttribute, DriverAttribute, FileAttribute, device_create_file,
    device_remove_file, device_remove_file_self, sysfs_create_group, sysfs_remove_group,
};
pub use sysfs_file::{
    AttrFile, AttrInfo, HasAttributes, attr_open, attr_read, attr_write, attributes,
};
pub use sysfs_group::{AttributeGroup, FileGroup};
pub use sysfs_path::sysfs_open;
pub use uevent::{
    UeventAction, UeventEnv, UeventHook, kobject_synth_uevent, kobject_uevent, uevent_environment,
};
