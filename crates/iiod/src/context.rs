//! The devices as clients know them.
//!
//! As in `iiod`, a device is looked at once, when it is first seen: the description, the
//! channels and the scales do not change after that.

use crate::channel::{self, Channel};
use crate::tree::{self, Place};
use lastfd_model::System;
use lastfd_model::raw::Device;
use lastfd_sync::{Arc, Mutex};

/// What the description says of the machine.
#[derive(Clone, Debug)]
pub(crate) struct Description {
    pub(crate) text: String,
    pub(crate) kernel: String,
}

/// One entry of `/sys/bus/iio/devices`.
#[derive(Debug)]
pub(crate) struct ContextDevice {
    pub(crate) id: String,
    pub(crate) name: Option<String>,
    pub(crate) label: Option<String>,
    pub(crate) channels: Vec<Channel>,
    pub(crate) attributes: Vec<String>,
    pub(crate) buffer_attributes: Vec<String>,
    pub(crate) debug_attributes: Vec<String>,
    device: Device,
}

impl ContextDevice {
    /// local.c: create_device, add_debug
    fn scan(id: String, device: Device) -> ContextDevice {
        let files = DeviceFiles {
            own: tree::names_in(&device, ""),
            scan_elements: tree::names_in(&device, "scan_elements"),
            id: &id,
            device: &device,
        };
        let (channels, mut attributes) = channel::discover(&files);
        // local.c: device_attrs_blacklist, add_attr_to_device
        attributes.retain(|name| !matches!(name.as_str(), "dev" | "uevent" | "name" | "label"));
        let mut buffer_attributes = tree::names_in(&device, "buffer");
        // local.c: buffer_attrs_reserved
        buffer_attributes
            .retain(|name| !matches!(name.as_str(), "length" | "enable" | "watermark"));
        ContextDevice {
            name: channel::Files::read(&files, "name"),
            label: channel::Files::read(&files, "label"),
            channels,
            attributes,
            buffer_attributes,
            debug_attributes: tree::debug_names(&device, &id),
            id,
            device,
        }
    }

    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    pub(crate) fn is_gone(&self) -> bool {
        tree::is_gone(&self.device)
    }

    /// Whether this is a trigger: device.c: iio_device_is_trigger
    pub(crate) fn is_trigger(&self) -> bool {
        self.name.is_some() && self.channels.is_empty() && self.id.starts_with("trigger")
    }

    /// device.c: iio_device_find_channel
    pub(crate) fn channel(&self, name: &str, output: bool) -> Option<&Channel> {
        self.channels.iter().find(|channel| {
            channel.output == output
                && (channel.id == name || channel.name.as_deref() == Some(name))
        })
    }
}

struct DeviceFiles<'a> {
    own: Vec<String>,
    scan_elements: Vec<String>,
    id: &'a str,
    device: &'a Device,
}

impl channel::Files for DeviceFiles<'_> {
    fn own(&self) -> &[String] {
        &self.own
    }

    fn scan_elements(&self) -> &[String] {
        &self.scan_elements
    }

    fn read(&self, path: &str) -> Option<String> {
        let mut value = Vec::new();
        tree::read(self.device, self.id, Place::Own, path, &mut value).ok()?;
        // libiio takes the last byte for the line end, whatever it is.
        value.pop()?;
        String::from_utf8(value).ok()
    }
}

/// The devices that one connection talks about, sorted by id.
#[derive(Clone, Debug, Default)]
pub(crate) struct Context {
    devices: Vec<Arc<ContextDevice>>,
}

impl Context {
    pub(crate) fn devices(&self) -> impl Iterator<Item = &ContextDevice> {
        self.devices.iter().map(|device| &**device)
    }

    /// context.c: iio_context_find_device
    pub(crate) fn find(&self, name: &str) -> Option<&Arc<ContextDevice>> {
        self.devices.iter().find(|device| {
            device.id == name
                || device.label.as_deref() == Some(name)
                || device.name.as_deref() == Some(name)
        })
    }
}

/// Every device seen so far, shared by the connections.
#[derive(Debug)]
pub(crate) struct Catalogue {
    system: System,
    /// Devices that have gone stay in the description, as in a running `iiod`.
    keep_gone: bool,
    seen: Mutex<Context>,
}

impl Catalogue {
    pub(crate) fn new(system: System, keep_gone: bool) -> Catalogue {
        let catalogue = Catalogue {
            system,
            keep_gone,
            seen: Mutex::default(),
        };
        catalogue.current();
        catalogue
    }

    pub(crate) fn system(&self) -> &System {
        &self.system
    }

    /// The devices of now, and, if those are kept, those of before.
    pub(crate) fn current(&self) -> Context {
        let mut known = self.seen.lock().clone();
        let mut devices: Vec<_> = tree::devices(&self.system)
            .into_iter()
            .map(|(id, device)| {
                let same = |seen: &Arc<ContextDevice>| seen.device == device;
                match known.devices.iter().find(|seen| same(seen)) {
                    Some(seen) => Arc::clone(seen),
                    // Reads attributes, so not under the lock.
                    None => Arc::new(ContextDevice::scan(id, device)),
                }
            })
            .collect();
        if self.keep_gone {
            known
                .devices
                .retain(|seen| seen.is_gone() && devices.iter().all(|new| new.id != seen.id));
            devices.append(&mut known.devices);
            devices.sort_by(|a, b| a.id.cmp(&b.id));
        }
        let context = Context { devices };
        *self.seen.lock() = context.clone();
        context
    }
}
