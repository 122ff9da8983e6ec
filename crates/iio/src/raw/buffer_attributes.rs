//! The attributes of a buffer: `buffer/` and `scan_elements/` for the first, and
//! `bufferN/` with both for each.
//!
//! Follows `__iio_buffer_alloc_sysfs_and_mask` of
//! `drivers/iio/industrialio-buffer.c`.

use lastfd_model::raw::{Attribute, AttributeGroup};
use lastfd_model::{Errno, Result};
use lastfd_sync::Arc;

use super::attr_list::AttrList;
use super::attributes::ChannelAt;
use super::buffer::{Direction, IioBuffer};
use super::device::IioDev;
use super::update;
use crate::text::{kstrtobool, kstrtouint};
use crate::types::{ChanType, SharedBy};

pub(crate) fn register(iio: &IioDev, buffer: &IioBuffer, index: usize) -> Result {
    let scan_elements = scan_elements(iio, buffer)?;
    let mut own = standard_attributes(iio, buffer);
    own.extend_from_slice(buffer.attrs());
    iio.system().allocation()?;
    let both = [&*own, &*scan_elements].concat();
    iio.add_group(AttributeGroup::named(format!("buffer{index}"), both))?;
    if index == 0 {
        iio.add_group(AttributeGroup::named("buffer", own))?;
        iio.add_group(AttributeGroup::named("scan_elements", scan_elements))?;
    }
    Ok(())
}

// industrialio-buffer.c: iio_buffer_add_channel_sysfs
fn scan_elements(iio: &IioDev, buffer: &IioBuffer) -> Result<Vec<Attribute>> {
    let channels = iio.channels();
    let mut list = AttrList::default();
    for at in 0..channels.len() {
        let channel = ChannelAt::new(&channels, at);
        let spec = channel.spec();
        let Ok(bit) = usize::try_from(spec.scan_index) else {
            continue;
        };
        list.add(iio, spec, SharedBy::Separate, "index", |name| {
            Attribute::new(name, 0o444).show(move |_| Ok(format!("{bit}\n")))
        })?;
        list.add(iio, spec, SharedBy::Separate, "type", |name| {
            let channel = channel.clone();
            let type_ = move || channel.spec().scan_type.describe() + "\n";
            Attribute::new(name, 0o444).show(move |_| Ok(type_()))
        })?;
        let timestamp = spec.type_ == ChanType::Timestamp;
        list.add(iio, spec, SharedBy::Separate, "en", |name| {
            enable_element(iio, buffer, name, (!timestamp).then_some(bit))
        })?;
    }
    Ok(list.into_attributes())
}

fn flag(on: bool) -> Result<String> {
    Ok(format!("{}\n", u8::from(on)))
}

/// Whether an element is scanned: one of the mask, or the time stamp.
fn enable_element(
    iio: &IioDev,
    buffer: &IioBuffer,
    name: Arc<str>,
    bit: Option<usize>,
) -> Attribute {
    let (weak, shown, stored) = (iio.downgrade(), buffer.clone(), buffer.clone());
    Attribute::new(name, 0o644)
        .show(move |_| {
            let state = shown.state();
            flag(match bit {
                Some(bit) => state.scan_mask.contains(bit),
                None => state.scan_timestamp,
            })
        })
        .store(move |_, text| {
            let iio = weak.upgrade()?;
            let on = kstrtobool(text)?;
            let _mode = iio.lock_mode();
            if stored.is_active() {
                return Err(Errno::EBUSY);
            }
            match bit {
                Some(bit) => set_element(&iio, &stored, bit, on)?,
                None => stored.state().scan_timestamp = on,
            }
            Ok(text.len())
        })
}

// industrialio-buffer.c: iio_scan_mask_set, iio_scan_mask_clear
fn set_element(iio: &IioDev, buffer: &IioBuffer, bit: usize, on: bool) -> Result {
    let mut trial = buffer.scan_mask();
    if on && !trial.contains(bit) {
        trial.set(bit, true);
        if let Some(validate) = &iio.setup_ops().validate_scan_mask
            && !validate(iio, &trial)
        {
            return Err(Errno::EINVAL);
        }
        let available = iio.available_scan_masks();
        if !available.is_empty() && update::match_scan_mask(&available, &trial, false).is_none() {
            return Err(Errno::EINVAL);
        }
    }
    trial.set(bit, on);
    buffer.state().scan_mask = trial;
    Ok(())
}

fn standard_attributes(iio: &IioDev, buffer: &IioBuffer) -> Vec<Attribute> {
    let mut attrs = vec![
        length(iio, buffer),
        enable(iio, buffer),
        watermark(iio, buffer),
    ];
    if buffer.standard().data_available {
        let buffer = buffer.clone();
        attrs.push(
            Attribute::new("data_available", 0o444)
                .show(move |_| Ok(format!("{}\n", buffer.data_available()))),
        );
    }
    if buffer.standard().direction {
        let direction = match buffer.direction() {
            Direction::In => "in\n",
            Direction::Out => "out\n",
        };
        attrs.push(Attribute::new("direction", 0o444).show(move |_| Ok(direction.to_owned())));
    }
    attrs
}

// industrialio-buffer.c: length_store
fn length(iio: &IioDev, buffer: &IioBuffer) -> Attribute {
    let (weak, shown, stored) = (iio.downgrade(), buffer.clone(), buffer.clone());
    Attribute::new("length", 0o644)
        .show(move |_| Ok(format!("{}\n", shown.state().length)))
        .store(move |_, text| {
            let iio = weak.upgrade()?;
            let length = kstrtouint(text, 10)?;
            if length == stored.state().length {
                return Ok(text.len());
            }
            let _mode = iio.lock_mode();
            let mut state = stored.state();
            if state.active {
                return Err(Errno::EBUSY);
            }
            IioBuffer::set_length(&mut state, length);
            state.watermark = state.watermark.min(state.length);
            Ok(text.len())
        })
}

// industrialio-buffer.c: enable_store
fn enable(iio: &IioDev, buffer: &IioBuffer) -> Attribute {
    let (weak, shown, stored) = (iio.downgrade(), buffer.clone(), buffer.clone());
    Attribute::new("enable", 0o644)
        .show(move |_| flag(shown.is_active()))
        .store(move |_, text| {
            let iio = weak.upgrade()?;
            let wanted = kstrtobool(text)?;
            let _mode = iio.lock_mode();
            if stored.is_active() != wanted {
                let (insert, remove) = if wanted {
                    (Some(&stored), None)
                } else {
                    (None, Some(&stored))
                };
                update::update_buffers(&iio, insert, remove)?;
            }
            Ok(text.len())
        })
}

// industrialio-buffer.c: watermark_store
fn watermark(iio: &IioDev, buffer: &IioBuffer) -> Attribute {
    let (weak, shown, stored) = (iio.downgrade(), buffer.clone(), buffer.clone());
    Attribute::new("watermark", 0o644)
        .show(move |_| Ok(format!("{}\n", shown.state().watermark)))
        .store(move |_, text| {
            let iio = weak.upgrade()?;
            let watermark = kstrtouint(text, 10)?;
            if watermark == 0 {
                return Err(Errno::EINVAL);
            }
            let _mode = iio.lock_mode();
            let mut state = stored.state();
            if watermark > state.length {
                return Err(Errno::EINVAL);
            }
            if state.active {
                return Err(Errno::EBUSY);
            }
            state.watermark = watermark;
            Ok(text.len())
        })
}
