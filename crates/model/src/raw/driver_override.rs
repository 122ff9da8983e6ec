//! A device that may be bound to the driver of one name only.
//!
//! Follows `__device_set_driver_override` of `drivers/base/dd.c` and
//! `driver_override_show` of `drivers/base/bus.c`.

use lastfd_sync::Arc;

use super::device::Device;
use super::driver::Driver;
use super::sysfs::Attribute;
use crate::errno::{Errno, Result};

/// The longest name is this, less one for the newline and one for the zero.
const PAGE_SIZE: usize = 4096;

/// Sets the only driver that may be bound from now on, or clears that with an
/// empty text or one that begins with a newline (`device_set_driver_override`). What
/// is bound stays bound.
///
/// # Errors
/// `EINVAL` for a text that does not fit a page, `ENOMEM` if told to fail.
pub fn device_set_driver_override(device: &Device, text: &[u8]) -> Result {
    if text.len() >= PAGE_SIZE - 1 {
        return Err(Errno::EINVAL);
    }
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    let name = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if !text.is_empty() {
        device.core().allocation()?;
    }
    let name = (!name.is_empty()).then(|| Arc::from(String::from_utf8_lossy(name)));
    device.state().driver_override = name;
    Ok(())
}

/// The only driver that may be bound to the device, if there is such a rule.
pub fn driver_override(device: &Device) -> Option<Arc<str>> {
    device.state().driver_override.clone()
}

/// Whether the driver is the one that overrides all others, or None if there is no
/// such rule (`device_match_driver_override`). For the match callbacks of buses.
pub fn device_match_driver_override(device: &Device, driver: &Driver) -> Option<bool> {
    let name = device.state().driver_override.clone()?;
    Some(name == driver.name())
}

pub(crate) fn driver_override_attribute() -> Attribute {
    Attribute::new("driver_override", 0o644)
        .show(|device| {
            let name = driver_override(device);
            // As the kernel's printf shows a pointer to nothing.
            Ok(format!("{}\n", name.as_deref().unwrap_or("(null)")))
        })
        .store(|device, data| {
            device_set_driver_override(device, data)?;
            Ok(data.len())
        })
}
