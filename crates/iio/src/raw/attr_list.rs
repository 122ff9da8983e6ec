//! The attributes of a device's channels, as they are collected before the
//! device is added.

use lastfd_model::raw::Attribute;
use lastfd_model::{Errno, Result};

use super::device::IioDev;
use crate::channel::ChannelSpec;
use crate::event::message;
use crate::naming::attribute_name;
use crate::types::SharedBy;

/// Attributes by name, none twice (`channel_attr_list` and its like).
#[derive(Default)]
pub(crate) struct AttrList(Vec<(String, Attribute)>);

/// What became of an attribute that was to be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Added {
    /// It is on the list.
    Now,
    /// It is shared, and a channel before had it made already.
    Before,
}

impl AttrList {
    /// Adds an attribute of a channel; `attribute` makes it out of its name.
    ///
    /// A name that is there already is fine for a shared attribute and `EBUSY`
    /// for one of a channel alone.
    // industrialio-core.c: __iio_add_chan_devattr
    pub(crate) fn add(
        &mut self,
        iio: &IioDev,
        channel: &ChannelSpec,
        shared: SharedBy,
        postfix: &str,
        attribute: impl FnOnce(&str) -> Attribute,
    ) -> Result<Added> {
        iio.system().allocation()?;
        let name = attribute_name(channel, shared, postfix)?;
        if self.0.iter().any(|(there, _)| *there == name) {
            if shared != SharedBy::Separate {
                return Ok(Added::Before);
            }
            message(iio.dev(), format!("tried to double register : {name}"));
            return Err(Errno::EBUSY);
        }
        let attribute = attribute(&name);
        self.0.push((name, attribute));
        Ok(Added::Now)
    }

    /// The attributes, in the order they were added.
    pub(crate) fn into_attributes(self) -> Vec<Attribute> {
        self.0.into_iter().map(|(_, attribute)| attribute).collect()
    }
}
