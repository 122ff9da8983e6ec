//! What READ and WRITE are about, and a value as it travels.

use crate::command::Target;
use crate::context::ContextDevice;
use crate::tree::{self, Place};
use lastfd_model::{Errno, Result};

/// The most that a read value may have: ops.c: read_dev_attr, read_chn_attr
const VALUE_MAX: usize = 0xffff;
const CHANNEL_VALUE_MAX: usize = 1023;

/// The files that a READ or WRITE is about.
pub(crate) enum Files<'a> {
    One(Place, &'a str),
    All(Place, Vec<&'a str>),
}

impl<'a> Files<'a> {
    /// The files, and how long a value read from them may be.
    pub(crate) fn of(
        device: &'a ContextDevice,
        target: Target<'_>,
        attribute: Option<&'a str>,
    ) -> Result<(Files<'a>, usize)> {
        let (place, listed) = match target {
            Target::Device(_) => (Place::Own, &device.attributes),
            Target::Buffer(_) => (Place::Buffer, &device.buffer_attributes),
            Target::Debug(_) => (Place::Debug, &device.debug_attributes),
            Target::Channel {
                channel, output, ..
            } => {
                let channel = device.channel(channel, output).ok_or(Errno::ENXIO)?;
                let attributes = &channel.attributes;
                let files = match attribute {
                    None => {
                        let all = attributes.iter().map(|attribute| attribute.file.as_str());
                        Files::All(Place::Own, all.collect())
                    }
                    Some(name) => {
                        let known = attributes.iter().find(|attribute| attribute.name == name);
                        Files::One(Place::Own, known.map_or(name, |known| &known.file))
                    }
                };
                return Ok((files, CHANNEL_VALUE_MAX));
            }
        };
        let files = match attribute {
            None => Files::All(place, listed.iter().map(String::as_str).collect()),
            Some(name) => Files::One(place, name),
        };
        Ok((files, VALUE_MAX))
    }
}

/// local.c: local_read_dev_attr. The last byte, whatever it is, gives way to a NUL.
pub(crate) fn read_value(
    device: &ContextDevice,
    place: Place,
    name: &str,
    limit: usize,
) -> Result<Vec<u8>> {
    let mut value = Vec::new();
    tree::read(device.device(), &device.id, place, name, &mut value)?;
    if value.len() >= limit {
        return Err(Errno::EFBIG);
    }
    *value.last_mut().ok_or(Errno::EIO)? = 0;
    Ok(value)
}
