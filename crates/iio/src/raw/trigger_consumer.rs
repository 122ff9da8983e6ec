//! The choice of a trigger: `trigger/current_trigger`.
//!
//! Follows `current_trigger_store` of `drivers/iio/industrialio-trigger.c`.

use lastfd_model::raw::{Attribute, AttributeGroup};
use lastfd_model::{Errno, Result};

use super::attributes::callbacks;
use super::device::IioDev;
use super::trigger::{IioTrigger, acquire_by_name, iio_trigger_get, iio_trigger_put};
use crate::types::Modes;

pub(crate) fn group(iio: &IioDev) -> AttributeGroup {
    let (reader, writer) = (iio.downgrade(), iio.downgrade());
    AttributeGroup::named(
        "trigger",
        vec![
            Attribute::new("current_trigger", 0o644)
                .show(move |_| {
                    let trigger = reader.upgrade()?.trigger();
                    Ok(trigger.map_or_else(String::new, |t| format!("{}\n", t.name())))
                })
                .store(move |_, name| {
                    choose(&writer.upgrade()?, name)?;
                    Ok(name.len())
                }),
        ],
    )
}

/// Chooses the trigger of this name; one that nobody registered, and so the empty
/// name, chooses none.
fn choose(iio: &IioDev, name: &[u8]) -> Result {
    {
        let _mode = iio.lock_mode();
        if iio.current_mode() == Modes::BUFFER_TRIGGERED {
            return Err(Errno::EBUSY);
        }
        if iio.state().trig_readonly {
            return Err(Errno::EPERM);
        }
    }
    let old = iio.trigger();
    let new = acquire_by_name(&iio.system(), name);
    let allowed = if old == new {
        Some(Ok(()))
    } else {
        new.as_ref()
            .and_then(|new| validate(iio, new).err())
            .map(Err)
    };
    if let Some(result) = allowed {
        if let Some(new) = &new {
            iio_trigger_put(new);
        }
        return result;
    }
    iio.state().trig = new;
    if let Some(old) = old {
        iio_trigger_put(&old);
    }
    Ok(())
}

fn validate(iio: &IioDev, trigger: &IioTrigger) -> Result {
    if let Some(validate) = &callbacks(iio)?.validate_trigger {
        validate(iio, trigger)?;
    }
    match trigger.validate_device() {
        Some(validate) => validate(trigger, iio),
        None => Ok(()),
    }
}

/// Gives the device a trigger that user space cannot change
/// (`iio_trigger_set_immutable`).
pub fn iio_trigger_set_immutable(iio: &IioDev, trigger: &IioTrigger) -> Result {
    let _mode = iio.lock_mode();
    let mut state = iio.state();
    state.trig = Some(iio_trigger_get(trigger));
    state.trig_readonly = true;
    Ok(())
}
