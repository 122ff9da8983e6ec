//! The devices as clients know them.
//!
//! As in `iiod`, a device is looked at once, when it is first seen: the description, the
//! channels and the scales do not change after that.

use crate::channel::Channel;
use crate::discovery::{self, Files};
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
        let (channels, mut attributes) = discovery::discover(&files);
        // local.c: device_attrs_blacklist, add_attr_to_device
        attributes.retain(|name| !matches!(name.as_str(), "dev" | "uevent" | "name" | "label"));
        let mut buffer_attributes = tree::names_in(&device, "buffer");
        // local.c: buffer_attrs_reserved
        buffer_attributes
            .retain(|name| !matches!(name.as_str(), "length" | "enable" | "watermark"));
        ContextDevice {
            name: files.read("name"),
            label: files.read("label"),
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

    /// context.c: iio_context_find_device
    pub(crate) fn is_called(&self, name: &str) -> bool {
        self.id == name || self.label.as_deref() == Some(name) || self.name.as_deref() == Some(name)
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

impl Files for DeviceFiles<'_> {
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

    pub(crate) fn find(&self, name: &str) -> Option<&Arc<ContextDevice>> {
        self.devices.iter().find(|device| device.is_called(name))
    }

    fn same(&self, device: &Device) -> Option<Arc<ContextDevice>> {
        let same = self.devices.iter().find(|seen| seen.device == *device);
        same.cloned()
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
        let known = self.seen.lock().clone();
        // Looking at a device reads its attributes, so not under the lock.
        let scanned = tree::devices(&self.system).into_iter().map(|(id, device)| {
            let seen = known.same(&device);
            seen.unwrap_or_else(|| Arc::new(ContextDevice::scan(id, device)))
        });
        let mut devices: Vec<_> = scanned.collect();
        let mut seen = self.seen.lock();
        for device in &mut devices {
            // Another connection may have been faster.
            if let Some(first) = seen.same(&device.device) {
                *device = first;
            }
        }
        if self.keep_gone {
            let gone = seen.devices.iter().filter(|seen| seen.is_gone());
            let gone: Vec<_> = gone
                .filter(|gone| devices.iter().all(|new| new.id != gone.id))
                .cloned()
                .collect();
            devices.extend(gone);
            devices.sort_by(|a, b| a.id.cmp(&b.id));
        }
        let context = Context { devices };
        *seen = context.clone();
        context
    }
}
