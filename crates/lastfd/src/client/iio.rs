//! An IIO device: its buffer is switched on and its samples are read.

use core::time::Duration;

use lastfd_chrdev::PollMask;
use lastfd_iio::raw::IIO_GET_EVENT_FD_IOCTL;
use lastfd_model::Errno;
use lastfd_model::raw::{Device, attributes};

use super::other::Looks;
use super::user::{Node, Use, User};
use crate::bench::DeviceError;
use crate::when::Trigger;

/// Removal wakes no sleeping poll of an IIO device, so it must not sleep for long.
const POLL: Duration = Duration::from_millis(50);

const ENABLE: &str = "buffer/enable";

/// A read, of a device that has samples.
pub(super) fn first_use(device: &Device) -> Option<Trigger> {
    (!inputs(device).is_empty()).then_some(Trigger::Call("read"))
}

/// The attributes that enable the elements of its input buffer.
pub(super) fn inputs(device: &Device) -> Vec<String> {
    let attributes = attributes(device).into_iter();
    attributes
        .map(|attribute| attribute.path.to_string())
        .filter(|path| path.starts_with("scan_elements/in_") && path.ends_with("_en"))
        .collect()
}

/// Reads samples; of a device without an input buffer, an attribute.
#[derive(Default)]
pub(super) struct Samples {
    /// None if it has no such buffer.
    elements: Vec<String>,
}

impl Use for Samples {
    /// Switches the buffer on; with the hardware's own trigger, if it needs one.
    fn begin(&mut self, node: &Node) -> Result<(), DeviceError> {
        self.elements = node.calls.scan_elements();
        if self.elements.is_empty() {
            return Ok(());
        }
        for element in &self.elements {
            write(node, element, "1")?;
        }
        match node.calls.write_attribute(ENABLE, "1") {
            Err(Errno::EINVAL) => {}
            enabled => return enabled.map_err(node.failed("enable the buffer")),
        }
        let trigger = node.calls.trigger();
        if let Some(name) = trigger.map_err(node.failed("find the hardware's trigger"))? {
            write(node, "trigger/current_trigger", &name)?;
        }
        write(node, ENABLE, "1")
    }

    /// Every second time only when poll says that there are samples.
    fn round(&mut self, node: &Node, user: &User, number: u32) -> Result<(), Errno> {
        if self.elements.is_empty() {
            return Looks.round(node, user, number);
        }
        if number % 2 == 1 {
            node.calls.poll(PollMask::IN, POLL)?;
        }
        let mut samples = [0; 4096];
        node.calls.read(&mut samples).map(drop)
    }

    fn end(&mut self, node: &Node) {
        if !self.elements.is_empty() {
            // A removal that comes this moment takes the attribute away.
            let _ = node.calls.write_attribute(ENABLE, "0");
        }
    }

    fn after_removal(&mut self, node: &Node) -> Result<(), DeviceError> {
        // Linux tells nothing there.
        let _ = node.calls.poll(PollMask::IN, Duration::ZERO);
        let ioctl = node.calls.ioctl(IIO_GET_EVENT_FD_IOCTL, &mut [0; 4]);
        node.gone("ioctl on", ioctl, Errno::ENODEV)
    }
}

fn write(node: &Node, path: &str, value: &str) -> Result<(), DeviceError> {
    let written = node.calls.write_attribute(path, value);
    written.map_err(node.failed(&format!("write '{value}' to {path}")))
}
