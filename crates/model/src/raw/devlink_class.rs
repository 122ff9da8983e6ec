//! The class of device links: what a link shows in sysfs, and its end.
//!
//! Follows `devlink_class` of `drivers/base/core.c`.

use lastfd_sync::Arc;

use super::class::{ClassSpec, class_register};
use super::device::Device;
use super::device_fields::dev_get_platdata;
use super::device_link::{DeviceLink, HOLDER};
use super::link_flags::LinkFlags;
use super::sysfs::Attribute;
use super::sysfs_group::AttributeGroup;
use crate::errno::Errno;
use crate::ledger::Holder;
use crate::system::System;

/// devlink_class_init, when the System is made.
pub(crate) fn devlink_class_init(system: &System) {
    let spec = ClassSpec {
        name: "devlink".to_owned(),
        dev_release: Some(Arc::new(devlink_dev_release)),
        dev_groups: vec![AttributeGroup::new(devlink_attributes())],
        ..ClassSpec::default()
    };
    let class = class_register(system, spec).expect("a new System has no class");
    system.core.links.set_class(class);
}

fn devlink_attributes() -> Vec<Attribute> {
    fn attribute(name: &str, show: fn(&DeviceLink) -> String) -> Attribute {
        Attribute::new(name, 0o444).show(move |device| {
            let link = to_devlink(device).ok_or(Errno::ENODEV)?;
            Ok(show(&link) + "\n")
        })
    }
    fn flag(link: &DeviceLink, flag: LinkFlags) -> String {
        u8::from(link.flags().has(flag)).to_string()
    }
    vec![
        attribute("status", |link| link.state().shown().to_owned()),
        attribute("auto_remove_on", |link| {
            let flags = link.flags();
            let when = if flags.has(LinkFlags::AUTOREMOVE_SUPPLIER) {
                "supplier unbind"
            } else if flags.has(LinkFlags::AUTOREMOVE_CONSUMER) {
                "consumer unbind"
            } else {
                "never"
            };
            when.to_owned()
        }),
        attribute("runtime_pm", |link| flag(link, LinkFlags::PM_RUNTIME)),
        attribute("sync_state_only", |link| {
            flag(link, LinkFlags::SYNC_STATE_ONLY)
        }),
    ]
}

/// to_devlink.
fn to_devlink(device: &Device) -> Option<DeviceLink> {
    let data = dev_get_platdata(device)?;
    data.downcast_ref::<DeviceLink>().cloned()
}

/// devlink_dev_release: the ends are put by work, not here, where locks are held.
fn devlink_dev_release(device: &Device) {
    let Some(link) = to_devlink(device) else {
        return;
    };
    link.forget_device();
    let system = device.system();
    // device_link_release_fn.
    let put = move || {
        link.consumer().put_for(Holder::Other(HOLDER));
        link.supplier().put_for(Holder::Other(HOLDER));
    };
    system.core.work.push(&system, Box::new(put));
}
