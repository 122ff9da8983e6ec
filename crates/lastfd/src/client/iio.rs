//! An IIO device: its buffer is switched on and its samples are read.

use core::time::Duration;

use lastfd_chrdev::PollMask;
use lastfd_iio::raw::IIO_GET_EVENT_FD_IOCTL;
use lastfd_model::Errno;
use lastfd_model::raw::{Device, attr_read, attr_write, attributes};

use super::other::Looks;
use super::{Node, Use, User, failed};
use crate::bench::DeviceError;
use crate::plugged::collect;
use crate::when::Trigger;

/// Removal wakes no sleeping poll of an IIO device, so it must not sleep for long.
const POLL: Duration = Duration::from_millis(50);

const ENABLE: &str = "buffer/enable";

/// A read, of a device that has samples.
pub(super) fn first_use(device: &Device) -> Option<Trigger> {
    (!inputs(device).is_empty()).then_some(Trigger::Call("read"))
}

/// The attributes that enable the elements of its input buffer.
fn inputs(device: &Device) -> Vec<String> {
    let attributes = attributes(device).into_iter();
    attributes
        .map(|attribute| attribute.path.to_string())
        .filter(|path| path.starts_with("scan_elements/in_") && path.ends_with("_en"))
        .collect()
}

/// Reads samples; of a device without an input buffer, an attribute.
pub(super) struct Samples {
    /// None if it has no such buffer.
    elements: Vec<String>,
}

impl Samples {
    pub(super) fn of(device: &Device) -> Samples {
        Samples {
            elements: inputs(device),
        }
    }

    /// Switches the buffer on; with the hardware's own trigger, if it needs one.
    fn enable(&self, device: &Device, user: &User) -> Result<(), DeviceError> {
        match attr_write(device, ENABLE, b"1") {
            Err(Errno::EINVAL) => {}
            Err(errno) => {
                return Err(failed(|| format!("enable the buffer of {}", device.name()))(errno));
            }
            Ok(_) => return Ok(()),
        }
        let mut triggers = Vec::new();
        collect(user.target.device(), &mut |device| {
            if device.name().starts_with("trigger") {
                triggers.push(device.clone());
            }
        });
        if let Some(trigger) = triggers.first() {
            let name = attr_read(trigger, "name")
                .map_err(failed(|| format!("read the name of {}", trigger.name())))?;
            let name = String::from_utf8_lossy(&name);
            write(device, "trigger/current_trigger", name.trim())?;
        }
        write(device, ENABLE, "1")
    }
}

impl Use for Samples {
    fn begin(&mut self, node: &Node, user: &User) -> Result<(), DeviceError> {
        for element in &self.elements {
            write(&node.device, element, "1")?;
        }
        match self.elements.is_empty() {
            true => Ok(()),
            false => self.enable(&node.device, user),
        }
    }

    /// Every second time only when poll says that there are samples.
    fn round(&mut self, node: &Node, user: &User, number: u32) -> Result<(), Errno> {
        if self.elements.is_empty() {
            return Looks.round(node, user, number);
        }
        if number % 2 == 1 {
            node.file.poll(PollMask::IN, Some(POLL));
        }
        let mut samples = [0; 4096];
        node.file.read_with(&mut samples, &user.cancel).map(drop)
    }

    fn end(&mut self, node: &Node) {
        if !self.elements.is_empty() {
            // A removal that comes this moment takes the attribute away.
            let _ = attr_write(&node.device, ENABLE, b"0");
        }
    }

    fn after_removal(&mut self, node: &Node) -> Result<(), DeviceError> {
        node.file.poll(PollMask::IN, Some(Duration::ZERO));
        let ioctl = node.file.ioctl_bytes(IIO_GET_EVENT_FD_IOCTL, &mut [0; 4]);
        node.gone("ioctl on", ioctl.map(drop), Errno::ENODEV)
    }
}

fn write(device: &Device, path: &str, value: &str) -> Result<(), DeviceError> {
    let written = attr_write(device, path, value.as_bytes());
    written.map(drop).map_err(failed(|| {
        format!("write '{value}' to {path} of {}", device.name())
    }))
}
