//! Samples on their way from a driver to the buffers.
//!
//! Follows `iio_push_to_buffers` of `drivers/iio/industrialio-buffer.c` and
//! `iio_push_to_buffers_with_timestamp` of `include/linux/iio/buffer.h`.

use lastfd_model::event::SplatKind;
use lastfd_model::raw::{devm_krealloc, devm_kzalloc};
use lastfd_model::{Errno, EventKind, Result};

use super::device::IioDev;
use crate::event::{IioEventKind, emit};

/// A push that would have touched memory behind `data` in a kernel.
fn out_of_bounds(iio: &IioDev, what: &str, needed: usize, given: usize) -> Errno {
    let device = iio.dev().device_ref();
    iio.system().emit(|| EventKind::Splat {
        kind: SplatKind::Bug,
        device: Some(device),
        text: format!("{what}: a scan has {needed} bytes, the driver gave {given}").into(),
    });
    Errno::EINVAL
}

/// Gives one full scan to every enabled buffer (`iio_push_to_buffers`): the
/// elements of `active_scan_mask`, laid out as [`compute_scan_bytes`] counts.
///
/// With no buffer enabled nothing happens. `EBUSY` if a buffer is full: the
/// sample is lost for it and for the buffers behind it. Fewer bytes than a scan
/// has are a splat and `EINVAL`.
///
/// [`compute_scan_bytes`]: crate::compute_scan_bytes
pub fn iio_push_to_buffers(iio: &IioDev, data: &[u8]) -> Result {
    let (active, scan_bytes) = {
        let state = iio.state();
        if state.active.is_empty() {
            return Ok(());
        }
        (state.active.clone(), state.scan_bytes)
    };
    if data.len() < scan_bytes {
        return Err(out_of_bounds(
            iio,
            "iio_push_to_buffers",
            scan_bytes,
            data.len(),
        ));
    }
    for buffer in &active {
        buffer.push(&data[..scan_bytes]).inspect_err(|_| {
            emit(iio.dev(), || IioEventKind::SampleDropped {
                buffer: iio
                    .state()
                    .attached
                    .iter()
                    .take_while(|other| *other != buffer)
                    .count(),
            });
        })?;
    }
    Ok(())
}

/// As [`iio_push_to_buffers`]; if a buffer asked for time stamps, `timestamp`
/// (nanoseconds) is first written into `data`, as the last whole 8 bytes of the
/// scan.
pub fn iio_push_to_buffers_with_timestamp(iio: &IioDev, data: &mut [u8], timestamp: i64) -> Result {
    let (wanted, scan_bytes) = {
        let state = iio.state();
        (state.scan_timestamp, state.scan_bytes)
    };
    if wanted {
        let given = data.len();
        let place = (scan_bytes / 8)
            .checked_sub(1)
            .and_then(|slot| data.get_mut(slot * 8..slot * 8 + 8));
        match place {
            Some(place) => place.copy_from_slice(&timestamp.to_ne_bytes()),
            None => {
                let what = "iio_push_to_buffers_with_timestamp";
                return Err(out_of_bounds(iio, what, scan_bytes, given));
            }
        }
    }
    iio_push_to_buffers(iio, data)
}

/// As [`iio_push_to_buffers_with_timestamp`] for data without room for the time
/// stamp (`iio_push_to_buffers_with_ts_unaligned`).
///
/// It goes through memory that the core manages *on the IIO device itself*, and
/// which `device_del` frees before the buffers are stopped: a push in between is
/// a use after free, here a splat. The fault is the kernel's own.
pub fn iio_push_to_buffers_with_ts_unaligned(iio: &IioDev, data: &[u8], timestamp: i64) -> Result {
    let scan_bytes = iio.scan_bytes();
    let bounce = iio.state().bounce.clone();
    let bounce = match bounce {
        Some((memory, size)) if size == scan_bytes => memory,
        Some((memory, _)) => devm_krealloc(iio.dev(), &memory, scan_bytes)?.ok_or(Errno::ENOMEM)?,
        None => {
            emit(iio.dev(), || IioEventKind::KernelGap {
                class: 2,
                function: "iio_push_to_buffers_with_ts_unaligned",
                what: "the bounce buffer is managed on the IIO device itself, which frees it \
                       before the buffers are stopped",
            });
            devm_kzalloc(iio.dev(), scan_bytes)?
        }
    };
    iio.state().bounce = Some((bounce.clone(), scan_bytes));
    let taken = data.len().min(scan_bytes);
    bounce.write(0, &data[..taken]);
    let mut scan = bounce.read(0..scan_bytes);
    iio_push_to_buffers_with_timestamp(iio, &mut scan, timestamp)
}
