//! Statements about device links: `drivers/base/core.c`.

use lastfd_model::raw::{
    DeviceLink, LinkFlags, LinkState, device_link_add, device_link_del, device_link_remove,
};

use super::core::done;
use super::{Call, Got};
use crate::ast::{Arg, NameId};
use crate::language::{Op, Property};
use crate::value::{Outcome, Value};

impl Call<'_> {
    pub(super) fn link_call(&self) -> Got<Outcome> {
        Ok(match self.line.op {
            Op::DeviceLinkAdd => {
                let (consumer, supplier) = (self.device(0)?, self.device(1)?);
                let flags = match self.line.args.get(2) {
                    Some(Arg::Flags(flags)) => LinkFlags(*flags),
                    _ => LinkFlags::default(),
                };
                match device_link_add(&consumer, &supplier, flags) {
                    Some(link) => Outcome::Ok(Value::DeviceLink(link)),
                    None => Outcome::Null,
                }
            }
            Op::DeviceLinkDel => {
                let link = self.link(self.name(0))?;
                done(|| device_link_del(&link))
            }
            _ => {
                let (consumer, supplier) = (self.device(0)?, self.device(1)?);
                done(|| device_link_remove(&consumer, &supplier))
            }
        })
    }

    fn link(&self, id: NameId) -> Got<DeviceLink> {
        self.run.with(id, |value| value.link())
    }

    pub(super) fn link_property(&self, id: NameId, property: Property) -> Got<String> {
        let link = self.link(id)?;
        let gone = link.is_deleted();
        Ok(match property {
            Property::Flags => format!("{:#x}", link.flags().0),
            Property::Kref => link.kref().to_string(),
            Property::There if gone => "gone".to_owned(),
            Property::There => "present".to_owned(),
            Property::Same => u8::from(self.run.has_other(id, &link)).to_string(),
            _ if gone => "gone".to_owned(),
            _ => state(link.state()).to_owned(),
        })
    }
}

/// The state's name behind its `DL_STATE_`.
fn state(state: LinkState) -> &'static str {
    match state {
        LinkState::None => "NONE",
        LinkState::Dormant => "DORMANT",
        LinkState::Available => "AVAILABLE",
        LinkState::ConsumerProbe => "CONSUMER_PROBE",
        LinkState::Active => "ACTIVE",
        LinkState::SupplierUnbind => "SUPPLIER_UNBIND",
    }
}

impl Value {
    pub(crate) fn link(&self) -> Option<DeviceLink> {
        match self {
            Value::DeviceLink(link) => Some(link.clone()),
            _ => None,
        }
    }
}
