//! How an attribute of a channel is called.

use lastfd_model::{Errno, Result};

use crate::channel::ChannelSpec;
use crate::types::{EventDirection, EventType, SharedBy};

/// The full name of a channel's attribute whose last part is `postfix`.
///
/// The name is direction, type, index, modifier, extend name and postfix, less
/// what sharing takes away: an attribute shared by type has no index, one shared
/// by direction no type, one shared by all only its postfix.
///
/// A differential channel that is not indexed cannot have an attribute of its
/// own: `EINVAL`.
///
/// ```
/// use lastfd_iio::{attribute_name, ChannelSpec, SharedBy};
/// let channel = ChannelSpec { indexed: true, channel: 3, ..ChannelSpec::default() };
/// assert_eq!(attribute_name(&channel, SharedBy::Separate, "raw").unwrap(), "in_voltage3_raw");
/// assert_eq!(attribute_name(&channel, SharedBy::Type, "scale").unwrap(), "in_voltage_scale");
/// ```
// industrialio-core.c: __iio_device_attr_init
pub fn attribute_name(channel: &ChannelSpec, shared: SharedBy, postfix: &str) -> Result<String> {
    let mut name = String::new();
    write_attribute_name(&mut name, channel, shared, postfix)?;
    Ok(name)
}

/// [`attribute_name`], put at the end of `name`.
pub(crate) fn write_attribute_name(
    name: &mut String,
    channel: &ChannelSpec,
    shared: SharedBy,
    postfix: &str,
) -> Result {
    let separate = shared == SharedBy::Separate;
    if separate && channel.differential && !channel.indexed {
        return Err(Errno::EINVAL);
    }
    if shared != SharedBy::All {
        push_part(name, channel.direction());
    }
    if matches!(shared, SharedBy::Separate | SharedBy::Type) {
        push_type(name, channel, separate);
    }
    if separate {
        if channel.modified {
            push_part(name, channel.modifier.name());
        }
        if let Some(extend) = &channel.extend_name {
            push_part(name, extend);
        }
    }
    name.push_str(postfix);
    Ok(())
}

fn push_part(name: &mut String, part: &str) {
    name.push_str(part);
    name.push('_');
}

/// The type, both of a differential channel, each with its number if `numbered`.
fn push_type(name: &mut String, channel: &ChannelSpec, numbered: bool) {
    let type_ = channel.type_.name();
    let numbered = numbered && channel.indexed;
    let mut push = |number: i32, end: char| {
        name.push_str(type_);
        if numbered {
            push_number(name, number);
        }
        name.push(end);
    };
    if channel.differential {
        push(channel.channel, '-');
        push(channel.channel2, '_');
    } else {
        push(channel.channel, '_');
    }
}

fn push_number(name: &mut String, number: i32) {
    match u32::try_from(number)
        .ok()
        .and_then(|n| char::from_digit(n, 10))
    {
        Some(digit) => name.push(digit),
        None => name.push_str(&number.to_string()),
    }
}

/// The last part of an event attribute's name: type, direction (if it has one)
/// and element.
// industrialio-event.c: iio_device_add_event
pub(crate) fn event_postfix(type_: EventType, dir: EventDirection, element: &str) -> String {
    match dir {
        EventDirection::None => format!("{}_{element}", type_.name()),
        dir => format!("{}_{}_{element}", type_.name(), dir.name()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{ChanType, Modifier};

    fn voltage(channel: i32) -> ChannelSpec {
        ChannelSpec {
            indexed: true,
            channel,
            ..ChannelSpec::default()
        }
    }

    #[test]
    fn every_name_is_the_one_the_kernel_makes() {
        let plain = voltage(0);
        let output = ChannelSpec {
            output: true,
            ..voltage(1)
        };
        let diff = ChannelSpec {
            differential: true,
            channel2: 2,
            ..voltage(1)
        };
        let accel = ChannelSpec {
            type_: ChanType::Accel,
            modified: true,
            modifier: Modifier::X,
            ..ChannelSpec::default()
        };
        let extended = ChannelSpec {
            extend_name: Some("supply".into()),
            ..voltage(7)
        };
        let both = ChannelSpec {
            extend_name: Some("low".into()),
            type_: ChanType::Intensity,
            indexed: true,
            ..accel.clone()
        };
        let timestamp = ChannelSpec::soft_timestamp(2);
        let unnamed = ChannelSpec {
            modifier: Modifier::NoMod,
            ..accel.clone()
        };
        use SharedBy::{All, Dir, Separate, Type};
        let table: &[(&ChannelSpec, SharedBy, &str, &str)] = &[
            (&plain, Separate, "raw", "in_voltage0_raw"),
            (&plain, Type, "scale", "in_voltage_scale"),
            (&plain, Dir, "sampling_frequency", "in_sampling_frequency"),
            (&plain, All, "sampling_frequency", "sampling_frequency"),
            (&output, Separate, "raw", "out_voltage1_raw"),
            (&output, Dir, "frequency", "out_frequency"),
            (&diff, Separate, "raw", "in_voltage1-voltage2_raw"),
            (&diff, Type, "scale", "in_voltage-voltage_scale"),
            (&diff, Dir, "scale", "in_scale"),
            (&accel, Separate, "raw", "in_accel_x_raw"),
            (&accel, Type, "scale", "in_accel_scale"),
            (&extended, Separate, "raw", "in_voltage7_supply_raw"),
            (&extended, Type, "raw", "in_voltage_raw"),
            (&both, Separate, "raw", "in_intensity0_x_low_raw"),
            (&timestamp, Separate, "en", "in_timestamp_en"),
            (&unnamed, Separate, "raw", "in_accel_(null)_raw"),
        ];
        for (channel, shared, postfix, expected) in table {
            assert_eq!(
                attribute_name(channel, *shared, postfix).unwrap(),
                *expected
            );
        }
    }

    #[test]
    fn a_differential_channel_must_be_indexed() {
        let channel = ChannelSpec {
            differential: true,
            ..ChannelSpec::default()
        };
        let refused = attribute_name(&channel, SharedBy::Separate, "raw");
        assert_eq!(refused, Err(Errno::EINVAL));
        assert!(attribute_name(&channel, SharedBy::Type, "raw").is_ok());
    }

    #[test]
    fn an_event_without_direction_names_none() {
        let rising = event_postfix(EventType::Thresh, EventDirection::Rising, "en");
        assert_eq!(rising, "thresh_rising_en");
        let change = event_postfix(EventType::Change, EventDirection::None, "value");
        assert_eq!(change, "change_value");
    }
}
