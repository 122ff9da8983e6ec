//! Keeping a device in its mode for a while.
//!
//! Follows `iio_device_claim_direct_mode` of `drivers/iio/industrialio-core.c`.

use lastfd_model::raw::KernelGuard;
use lastfd_model::{Errno, Result};

use super::device::{IioDev, iio_buffer_enabled};

/// The device is in direct mode and stays in it.
#[must_use = "dropping the claim lets the device leave direct mode"]
pub struct DirectMode<'a>(#[expect(dead_code, reason = "held, not looked at")] KernelGuard<'a>);

/// Keeps the device in direct mode until the claim is dropped
/// (`iio_device_claim_direct_mode`). `EBUSY` while a buffer is enabled.
#[track_caller]
pub fn iio_device_claim_direct_mode(iio: &IioDev) -> Result<DirectMode<'_>> {
    let held = iio.lock_mode();
    if iio_buffer_enabled(iio) {
        return Err(Errno::EBUSY);
    }
    Ok(DirectMode(held))
}

/// Gives the claim back (`iio_device_release_direct_mode`).
pub fn iio_device_release_direct_mode(claim: DirectMode<'_>) {
    drop(claim);
}

/// The device is in a buffer mode and stays in it.
#[must_use = "dropping the claim lets the device leave its buffer mode"]
pub struct BufferMode<'a>(#[expect(dead_code, reason = "held, not looked at")] KernelGuard<'a>);

/// Keeps a buffer enabled until the claim is dropped
/// (`iio_device_claim_buffer_mode`). `EBUSY` in direct mode.
#[track_caller]
pub fn iio_device_claim_buffer_mode(iio: &IioDev) -> Result<BufferMode<'_>> {
    let held = iio.lock_mode();
    if !iio_buffer_enabled(iio) {
        return Err(Errno::EBUSY);
    }
    Ok(BufferMode(held))
}
