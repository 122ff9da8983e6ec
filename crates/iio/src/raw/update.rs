//! Enabling and disabling buffers, and the scan that results.
//!
//! Follows `iio_verify_update`, `iio_enable_buffers`, `iio_disable_buffers` and
//! `__iio_update_buffers` of `drivers/iio/industrialio-buffer.c`. Everything
//! here runs with the mode lock held.

use lastfd_model::{Errno, Result};

use super::buffer::{Direction, IioBuffer};
use super::device::IioDev;
use super::pollfunc::{iio_trigger_attach_poll_func, iio_trigger_detach_poll_func};
use crate::event::{IioEventKind, emit};
use crate::layout::{ScanMask, compute_scan_bytes, demux};
use crate::types::Modes;

/// What the device is to do next (`struct iio_device_config`).
#[derive(Default)]
struct Config {
    mode: Modes,
    watermark: u32,
    scan_mask: ScanMask,
    scan_bytes: usize,
    scan_timestamp: bool,
}

/// The first of the hardware's scans that has all that is asked for, or, with
/// `strict`, exactly that. Nothing fits an empty question.
// industrialio-buffer.c: iio_scan_mask_match
pub(crate) fn match_scan_mask<'a>(
    available: &'a [ScanMask],
    wanted: &ScanMask,
    strict: bool,
) -> Option<&'a ScanMask> {
    if wanted.is_empty() {
        return None;
    }
    available
        .iter()
        .take_while(|mask| !mask.is_empty())
        .find(|mask| {
            if strict {
                *mask == wanted
            } else {
                wanted.is_subset(mask)
            }
        })
}

fn verify(iio: &IioDev, insert: Option<&IioBuffer>, remove: Option<&IioBuffer>) -> Result<Config> {
    if insert.is_some_and(|buffer| buffer.scan_mask().is_empty()) {
        return Err(Errno::EINVAL);
    }
    let (active, has_trigger) = {
        let state = iio.state();
        (state.active.clone(), state.trig.is_some())
    };
    if remove.is_some() && insert.is_none() && active.len() == 1 {
        return Ok(Config::default());
    }
    let stay = || active.iter().filter(|buffer| Some(*buffer) != remove);
    let next = || stay().chain(insert);
    let mut modes = iio.modes();
    let mut watermark = u32::MAX;
    for buffer in next() {
        modes = modes & buffer.access().modes();
        watermark = watermark.min(buffer.watermark());
    }
    let (mode, strict) = if modes.intersects(Modes::BUFFER_TRIGGERED) && has_trigger {
        (Modes::BUFFER_TRIGGERED, false)
    } else if modes.intersects(Modes::BUFFER_HARDWARE) {
        if insert.is_some() && !active.is_empty() {
            return Err(Errno::EINVAL);
        }
        (Modes::BUFFER_HARDWARE, true)
    } else if modes.intersects(Modes::BUFFER_SOFTWARE) {
        (Modes::BUFFER_SOFTWARE, false)
    } else {
        return Err(Errno::EINVAL);
    };
    iio.system().allocation()?;
    let mut scan_mask = ScanMask::new();
    let mut scan_timestamp = false;
    for buffer in next() {
        let state = buffer.state();
        scan_mask.union_with(&state.scan_mask);
        scan_timestamp |= state.scan_timestamp;
    }
    let available = iio.available_scan_masks();
    if !available.is_empty() {
        scan_mask = match_scan_mask(&available, &scan_mask, strict)
            .ok_or(Errno::EINVAL)?
            .clone();
    }
    Ok(Config {
        mode,
        watermark,
        scan_bytes: compute_scan_bytes(&iio.channels(), &scan_mask, scan_timestamp)?,
        scan_mask,
        scan_timestamp,
    })
}

fn request_update(iio: &IioDev, buffer: &IioBuffer) -> Result {
    let (mask, timestamp) = {
        let state = buffer.state();
        (state.scan_mask.clone(), state.scan_timestamp)
    };
    buffer.set_bytes_per_datum(compute_scan_bytes(&iio.channels(), &mask, timestamp)?);
    iio.system().allocation()?;
    buffer.request_update()
}

fn update_demux(iio: &IioDev) -> Result {
    let channels = iio.channels();
    let state = iio.state();
    let Some(mask) = &state.active_scan_mask else {
        return Ok(());
    };
    for buffer in &state.active {
        let mut buffer = buffer.state();
        buffer.demux = demux(&channels, mask, &buffer.scan_mask, buffer.scan_timestamp)?;
    }
    Ok(())
}

/// Runs the steps that start a scan, and takes them back from where one failed.
// industrialio-buffer.c: iio_enable_buffers
fn enable_buffers(iio: &IioDev, config: Config) -> Result {
    {
        let mut state = iio.state();
        state.active_scan_mask = Some(config.scan_mask.clone());
        state.scan_timestamp = config.scan_timestamp;
        state.scan_bytes = config.scan_bytes;
        state.current_mode = config.mode;
    }
    // A failure leaves the buffers without their cuts, as in the kernel.
    let _ = update_demux(iio);
    let ops = iio.setup_ops();
    let undo_config = |errno| {
        let mut state = iio.state();
        state.current_mode = Modes::DIRECT;
        state.active_scan_mask = None;
        errno
    };
    let run_postdisable = |errno| {
        if let Some(postdisable) = &ops.postdisable {
            let _ = postdisable(iio);
        }
        undo_config(errno)
    };
    if let Some(preenable) = &ops.preenable {
        preenable(iio).map_err(undo_config)?;
    }
    if let Some(info) = iio.info() {
        if let Some(update_scan_mode) = &info.update_scan_mode {
            update_scan_mode(iio, &config.scan_mask).map_err(run_postdisable)?;
        }
        if let Some(set_watermark) = &info.hwfifo_set_watermark {
            // What it returns is not looked at.
            let _ = set_watermark(iio, config.watermark);
        }
    }
    if config.mode == Modes::BUFFER_TRIGGERED {
        attach(iio).map_err(run_postdisable)?;
    }
    if let Some(postenable) = &ops.postenable {
        postenable(iio).map_err(|errno| {
            if config.mode == Modes::BUFFER_TRIGGERED {
                detach(iio);
            }
            run_postdisable(errno)
        })?;
    }
    Ok(())
}

fn attach(iio: &IioDev) -> Result {
    let (trigger, pollfunc) = {
        let state = iio.state();
        (state.trig.clone(), state.pollfunc.clone())
    };
    match (trigger, pollfunc) {
        (Some(trigger), Some(pollfunc)) => iio_trigger_attach_poll_func(&trigger, &pollfunc),
        // Triggered mode without a poll function is a null pointer there.
        _ => Err(Errno::EINVAL),
    }
}

fn detach(iio: &IioDev) {
    let (trigger, pollfunc) = {
        let state = iio.state();
        (state.trig.clone(), state.pollfunc.clone())
    };
    if let (Some(trigger), Some(pollfunc)) = (trigger, pollfunc) {
        // What it returns is not looked at.
        let _ = iio_trigger_detach_poll_func(&trigger, &pollfunc);
    }
}

/// Stops the scan, whatever the driver says to it; gives its first error.
// industrialio-buffer.c: iio_disable_buffers
fn disable_buffers(iio: &IioDev) -> Result {
    if iio.state().active.is_empty() {
        return Ok(());
    }
    let ops = iio.setup_ops();
    let before = ops.predisable.as_ref().map_or(Ok(()), |f| f(iio));
    if iio.current_mode() == Modes::BUFFER_TRIGGERED {
        detach(iio);
    }
    let after = ops.postdisable.as_ref().map_or(Ok(()), |f| f(iio));
    let mut state = iio.state();
    state.active_scan_mask = None;
    state.current_mode = Modes::DIRECT;
    before.and(after)
}

fn activate(iio: &IioDev, buffer: &IioBuffer) {
    buffer.state().active = true;
    iio.state().active.insert(0, buffer.clone());
}

// industrialio-buffer.c: iio_buffer_deactivate
fn deactivate(iio: &IioDev, buffer: &IioBuffer) {
    iio.state().active.retain(|other| other != buffer);
    buffer.state().active = false;
    buffer.pollq().wake_all();
}

fn deactivate_all(iio: &IioDev) {
    let active = iio.state().active.clone();
    for buffer in &active {
        deactivate(iio, buffer);
        tell_disabled(iio, buffer);
    }
}

fn number(iio: &IioDev, buffer: &IioBuffer) -> usize {
    let state = iio.state();
    let attached = state.attached.iter();
    attached.take_while(|other| *other != buffer).count()
}

fn tell_disabled(iio: &IioDev, buffer: &IioBuffer) {
    emit(iio.dev(), || IioEventKind::BufferDisabled {
        buffer: number(iio, buffer),
    });
}

/// Enables `insert` and disables `remove`.
// industrialio-buffer.c: __iio_update_buffers
pub(crate) fn update_buffers(
    iio: &IioDev,
    insert: Option<&IioBuffer>,
    remove: Option<&IioBuffer>,
) -> Result {
    let config = verify(iio, insert, remove)?;
    if let Some(insert) = insert {
        request_update(iio, insert)?;
    }
    disable_buffers(iio).inspect_err(|_| deactivate_all(iio))?;
    if let Some(remove) = remove {
        deactivate(iio, remove);
        tell_disabled(iio, remove);
    }
    if let Some(insert) = insert {
        activate(iio, insert);
    }
    if iio.state().active.is_empty() {
        return Ok(());
    }
    enable_buffers(iio, config).inspect_err(|_| deactivate_all(iio))?;
    if let Some(insert) = insert {
        emit(iio.dev(), || IioEventKind::BufferEnabled {
            buffer: number(iio, insert),
            bytes: insert.bytes_per_datum(),
        });
    }
    Ok(())
}

/// Stops the scan for good: at unregister.
// industrialio-buffer.c: iio_disable_all_buffers
pub(crate) fn disable_all_buffers(iio: &IioDev) {
    let _mode = iio.lock_mode();
    let _ = disable_buffers(iio);
    deactivate_all(iio);
}

/// Enables one buffer and disables another, for users inside the kernel
/// (`iio_update_buffers`).
///
/// `ENODEV` once the device is unregistered, `EINVAL` for an output buffer.
pub fn iio_update_buffers(
    iio: &IioDev,
    insert: Option<&IioBuffer>,
    remove: Option<&IioBuffer>,
) -> Result {
    if insert == remove {
        return Ok(());
    }
    if insert.is_some_and(|buffer| buffer.direction() == Direction::Out) {
        return Err(Errno::EINVAL);
    }
    let _exists = iio.lock_info();
    let _mode = iio.lock_mode();
    let insert = insert.filter(|buffer| !buffer.is_active());
    let remove = remove.filter(|buffer| buffer.is_active());
    if insert.is_none() && remove.is_none() {
        return Ok(());
    }
    if !iio.has_info() {
        return Err(Errno::ENODEV);
    }
    update_buffers(iio, insert, remove)
}
