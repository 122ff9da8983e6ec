//! The attributes of a device's channels, as they are collected before the
//! device is added.

use lastfd_model::raw::Attribute;
use lastfd_model::{Errno, Result};
use lastfd_sync::Arc;

use super::device::IioDev;
use crate::channel::ChannelSpec;
use crate::event::message;
use crate::naming::write_attribute_name;
use crate::types::SharedBy;

/// Attributes by name, none twice (`channel_attr_list` and its like).
#[derive(Default)]
pub(crate) struct AttrList {
    attributes: Vec<Attribute>,
    /// Where a name is put together.
    name: String,
}

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
        attribute: impl FnOnce(Arc<str>) -> Attribute,
    ) -> Result<Added> {
        iio.system().allocation()?;
        self.name.clear();
        write_attribute_name(&mut self.name, channel, shared, postfix)?;
        let name = &*self.name;
        if self.attributes.iter().any(|there| there.name() == name) {
            if shared != SharedBy::Separate {
                return Ok(Added::Before);
            }
            message(iio.dev(), format!("tried to double register : {name}"));
            return Err(Errno::EBUSY);
        }
        self.attributes.push(attribute(Arc::from(name)));
        Ok(Added::Now)
    }

    /// The attributes, in the order they were added.
    pub(crate) fn into_attributes(self) -> Vec<Attribute> {
        self.attributes
    }
}
