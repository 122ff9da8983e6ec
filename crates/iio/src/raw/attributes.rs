//! The device's own attributes: its name, its clock, and the information of its
//! channels.
//!
//! Follows `iio_device_register_sysfs` of `drivers/iio/industrialio-core.c`.

use lastfd_model::raw::{Attribute, AttributeGroup};
use lastfd_model::{Errno, Result};
use lastfd_sync::Arc;

use super::attr_list::AttrList;
use super::device::{IioDev, iio_buffer_enabled};
use super::events;
use super::info::IioInfo;
use crate::channel::ChannelSpec;
use crate::text::sysfs_streq;
use crate::types::{ChanType, Info, SharedBy};
use crate::value::{Format, Value, parse_written};

/// The clocks of the kernel, by number, as `current_timestamp_clock` calls them.
pub(crate) const CLOCKS: [&str; 12] = [
    "realtime",
    "monotonic",
    "process_cputime_id",
    "thread_cputime_id",
    "monotonic_raw",
    "realtime_coarse",
    "monotonic_coarse",
    "boottime",
    "realtime_alarm",
    "boottime_alarm",
    "sgi_cycle",
    "tai",
];

/// Those of [`CLOCKS`] that samples may be stamped with.
const USABLE_CLOCKS: [&str; 7] = [
    "realtime",
    "monotonic",
    "monotonic_raw",
    "realtime_coarse",
    "monotonic_coarse",
    "boottime",
    "tai",
];

/// A channel, held by the callbacks of its attributes.
#[derive(Clone)]
pub(crate) struct ChannelAt {
    channels: Arc<[ChannelSpec]>,
    at: usize,
}

impl ChannelAt {
    pub(crate) fn new(channels: &Arc<[ChannelSpec]>, at: usize) -> ChannelAt {
        ChannelAt {
            channels: Arc::clone(channels),
            at,
        }
    }

    pub(crate) fn spec(&self) -> &ChannelSpec {
        &self.channels[self.at]
    }
}

pub(crate) fn register_sysfs(iio: &IioDev, info: &IioInfo) -> Result {
    let channels = iio.channels();
    let mut list = AttrList::default();
    for at in 0..channels.len() {
        add_channel(iio, info, &ChannelAt::new(&channels, at), &mut list)?;
    }
    let mut attrs = info.attrs.clone();
    attrs.extend(list.into_attributes());
    if iio.name().is_some() {
        attrs.push(text_attribute(iio, "name", |iio| iio.name()));
    }
    if iio.label().is_some() {
        attrs.push(text_attribute(iio, "label", |iio| iio.label()));
    }
    // The kernel also wants the clock shown with events, but looks for them
    // before it has made them: only a time stamp channel counts.
    if channels
        .iter()
        .any(|channel| channel.type_ == ChanType::Timestamp)
    {
        attrs.push(clock_attribute(iio));
    }
    iio.add_group(AttributeGroup::new(attrs))
}

fn text_attribute(
    iio: &IioDev,
    name: &str,
    text: impl Fn(&IioDev) -> Option<Arc<str>> + Send + Sync + 'static,
) -> Attribute {
    let weak = iio.downgrade();
    Attribute::new(name, 0o444).show(move |_| {
        let text = text(&weak.upgrade()?);
        Ok(format!("{}\n", text.as_deref().unwrap_or_default()))
    })
}

// industrialio-core.c: iio_device_add_channel_sysfs
fn add_channel(iio: &IioDev, info: &IioInfo, channel: &ChannelAt, list: &mut AttrList) -> Result {
    let spec = channel.spec();
    if spec.channel < 0 {
        return Ok(());
    }
    for (shared, mask, available) in spec.info_masks() {
        for what in mask.iter() {
            list.add(iio, spec, shared, what.name(), |name| {
                info_attribute(iio, channel, what, name)
            })?;
        }
        for what in available.iter() {
            let postfix = format!("{}_available", what.name());
            list.add(iio, spec, shared, &postfix, |name| {
                available_attribute(iio, channel, what, name)
            })?;
        }
    }
    if info.read_label.is_some() || spec.extend_name.is_some() {
        list.add(iio, spec, SharedBy::Separate, "label", |name| {
            label_attribute(iio, channel, name)
        })?;
    }
    for position in 0..spec.ext_info.len() {
        let ext = &spec.ext_info[position];
        list.add(iio, spec, ext.shared, &ext.name, |name| {
            ext_attribute(iio, channel, position, name)
        })?;
    }
    Ok(())
}

/// The callbacks, which are there while attributes are: unregister removes
/// these, and waits for those in use, before it takes the callbacks away.
pub(crate) fn callbacks(iio: &IioDev) -> Result<Arc<IioInfo>> {
    iio.info().ok_or(Errno::ENODEV)
}

fn info_attribute(iio: &IioDev, channel: &ChannelAt, what: Info, name: Arc<str>) -> Attribute {
    let (reader, writer) = (iio.downgrade(), iio.downgrade());
    let (shown, stored) = (channel.clone(), channel.clone());
    Attribute::new(name, 0o644)
        .show(move |_| {
            let iio = reader.upgrade()?;
            let info = callbacks(&iio)?;
            let read = info.read_raw.as_ref().ok_or(Errno::EINVAL)?;
            line(&read(&iio, shown.spec(), what)?)
        })
        .store(move |_, text| {
            let iio = writer.upgrade()?;
            write_info(&iio, stored.spec(), what, text)?;
            Ok(text.len())
        })
}

/// A value and its newline.
// industrialio-core.c: iio_format_value
pub(crate) fn line(value: &Value) -> Result<String> {
    let mut text = value.format()?;
    text.push('\n');
    Ok(text)
}

// industrialio-core.c: iio_write_channel_info
fn write_info(iio: &IioDev, channel: &ChannelSpec, what: Info, text: &[u8]) -> Result {
    let info = callbacks(iio)?;
    let write = info.write_raw.as_ref().ok_or(Errno::EINVAL)?;
    let format = match &info.write_raw_get_fmt {
        Some(format) => format(iio, channel, what),
        None => Format::default(),
    };
    let (whole, fract) = parse_written(text, format)?;
    write(iio, channel, whole, fract, what)
}

fn available_attribute(iio: &IioDev, channel: &ChannelAt, what: Info, name: Arc<str>) -> Attribute {
    let (weak, channel) = (iio.downgrade(), channel.clone());
    Attribute::new(name, 0o444).show(move |_| {
        let iio = weak.upgrade()?;
        let info = callbacks(&iio)?;
        let read = info.read_avail.as_ref().ok_or(Errno::EINVAL)?;
        read(&iio, channel.spec(), what)?.format()
    })
}

// industrialio-core.c: do_iio_read_channel_label
fn label_attribute(iio: &IioDev, channel: &ChannelAt, name: Arc<str>) -> Attribute {
    let (weak, channel) = (iio.downgrade(), channel.clone());
    Attribute::new(name, 0o444).show(move |_| {
        let iio = weak.upgrade()?;
        match (&callbacks(&iio)?.read_label, &channel.spec().extend_name) {
            (Some(read), _) => read(&iio, channel.spec()),
            (None, Some(name)) => Ok(format!("{name}\n")),
            (None, None) => Err(Errno::EINVAL),
        }
    })
}

fn ext_attribute(iio: &IioDev, channel: &ChannelAt, position: usize, name: Arc<str>) -> Attribute {
    let ext = &channel.spec().ext_info[position];
    let mode = if ext.read.is_some() { 0o444 } else { 0 };
    let mode = mode | if ext.write.is_some() { 0o200 } else { 0 };
    let mut attribute = Attribute::new(name, mode);
    if let Some(read) = ext.read.clone() {
        let (weak, channel) = (iio.downgrade(), channel.clone());
        attribute = attribute.show(move |_| read(&weak.upgrade()?, channel.spec()));
    }
    if let Some(write) = ext.write.clone() {
        let (weak, channel) = (iio.downgrade(), channel.clone());
        attribute = attribute.store(move |_, text| write(&weak.upgrade()?, channel.spec(), text));
    }
    attribute
}

fn clock_attribute(iio: &IioDev) -> Attribute {
    let (reader, writer) = (iio.downgrade(), iio.downgrade());
    Attribute::new("current_timestamp_clock", 0o644)
        .show(move |_| {
            let iio = reader.upgrade()?;
            let clock = iio.state().clock;
            Ok(format!("{}\n", CLOCKS[clock]))
        })
        .store(move |_, text| {
            let iio = writer.upgrade()?;
            let clock = CLOCKS
                .iter()
                .position(|name| sysfs_streq(name, text))
                .filter(|&clock| USABLE_CLOCKS.contains(&CLOCKS[clock]))
                .ok_or(Errno::EINVAL)?;
            set_clock(&iio, clock)?;
            Ok(text.len())
        })
}

// industrialio-core.c: iio_device_set_clock
fn set_clock(iio: &IioDev, clock: usize) -> Result {
    let _mode = iio.lock_mode();
    if events::are_listened_to(iio) || iio_buffer_enabled(iio) {
        return Err(Errno::EBUSY);
    }
    iio.state().clock = clock;
    Ok(())
}
