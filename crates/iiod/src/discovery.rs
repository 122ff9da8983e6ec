//! Channels are found from the names of a device's attribute files.
//!
//! The kernel has no list of channels; libiio makes one from file names. The rules here
//! are those of libiio 0.24's `local.c` and `channel.c`, since clients see the outcome.

use crate::channel::{Channel, ChannelAttribute, Format};
use std::ops::Range;

/// The files of a device, as far as discovery needs them.
pub(crate) trait Files {
    /// The names in the device's directory itself, sorted.
    fn own(&self) -> &[String];
    /// The names in `scan_elements`, sorted.
    fn scan_elements(&self) -> &[String];
    /// The text of a file, without the line end.
    fn read(&self, path: &str) -> Option<String>;
}

/// Sorts the files of a device into channels and into names that belong to no channel.
pub(crate) fn discover(files: &dyn Files) -> (Vec<Channel>, Vec<String>) {
    let mut channels: Vec<Found> = Vec::new();
    let mut plain: Vec<String> = Vec::new();
    // local.c: add_attr_or_channel_helper
    for name in files.own() {
        if names_channel(name, true) {
            add(&mut channels, name, name.clone(), false);
        } else {
            plain.push(name.clone());
        }
    }
    for name in files.scan_elements() {
        add(&mut channels, name, format!("scan_elements/{name}"), true);
    }
    for channel in &mut channels {
        channel.find_name();
        channel.read_scan_element(files);
    }
    // local.c: detect_and_move_global_attrs
    let mut left = Vec::new();
    for name in plain {
        let shared = |level: Shared| -> Vec<usize> {
            let matches =
                |(at, channel): (usize, &Found)| (channel.shares(&name) == level).then_some(at);
            channels.iter().enumerate().filter_map(matches).collect()
        };
        let mut takers = shared(Shared::ByName);
        if takers.is_empty() {
            takers = shared(Shared::ByType);
        }
        for &at in &takers {
            channels[at].add_attribute(&name, name.clone(), false);
        }
        if takers.is_empty() {
            left.push(name);
        }
    }
    let mut plain = Vec::new();
    for name in left {
        if names_channel(&name, false) {
            add(&mut channels, &name, name.clone(), false);
        } else {
            plain.push(name);
        }
    }
    // context.c: reorder_channels
    channels.sort_by_key(|found| match &found.channel.scan {
        Some(scan) if scan.index >= 0 => (false, scan.index, scan.format.shift),
        _ => (true, 0, 0),
    });
    let channels = channels.into_iter().map(|found| found.finish(files));
    (channels.collect(), plain)
}

/// How an attribute of the whole device belongs to a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shared {
    Not,
    /// With all channels of the type.
    ByType,
    /// With those of the type that have the name.
    ByName,
}

struct Found {
    channel: Channel,
    /// The files of `scan_elements`.
    scan_files: Vec<ChannelAttribute>,
}

/// local.c: add_channel
fn add(channels: &mut Vec<Found>, name: &str, file: String, scan: bool) {
    let Some((output, id)) = direction(name).zip(channel_id(name)) else {
        return;
    };
    let same = |found: &Found| found.channel.id == id && found.channel.output == output;
    let at = channels.iter().position(same).unwrap_or_else(|| {
        channels.push(Found {
            channel: Channel {
                id: id.to_owned(),
                name: None,
                output,
                scan: None,
                scale: None,
                attributes: Vec::new(),
            },
            scan_files: Vec::new(),
        });
        channels.len() - 1
    });
    channels[at].add_attribute(name, file, scan);
}

impl Found {
    fn add_attribute(&mut self, long_name: &str, file: String, scan: bool) {
        let Some(mut name) = short_name(long_name) else {
            return;
        };
        if let Some(own) = &self.channel.name {
            let tail = name.strip_prefix(own.as_str());
            name = tail.and_then(|tail| tail.strip_prefix('_')).unwrap_or(name);
        }
        let attribute = ChannelAttribute {
            name: name.to_owned(),
            file,
        };
        if scan {
            self.scan_files.push(attribute);
            self.channel.scan.get_or_insert_default();
        } else {
            self.channel.attributes.push(attribute);
        }
    }

    /// local.c: set_channel_name. What all names of a channel with several begin with, up
    /// to an underscore, is the channel's name.
    fn find_name(&mut self) {
        let names = || self.channel.attributes.iter().chain(&self.scan_files);
        if names().count() < 2 {
            return;
        }
        let Some(first) = names().next() else { return };
        let mut length = 0;
        for (at, _) in first.name.match_indices('_') {
            let prefix = &first.name[..=at];
            if !names().all(|other| other.name.starts_with(prefix)) {
                break;
            }
            length = at + 1;
        }
        if length == 0 {
            return;
        }
        self.channel.name = Some(first.name[..length - 1].to_owned());
        let attributes = self.channel.attributes.iter_mut();
        for attribute in attributes.chain(&mut self.scan_files) {
            attribute.name.drain(..length);
        }
    }

    /// local.c: handle_protected_scan_element_attr
    fn read_scan_element(&mut self, files: &dyn Files) {
        let Some(scan) = &mut self.channel.scan else {
            return;
        };
        // ENOENT, as libiio leaves it.
        scan.index = -2;
        for file in &self.scan_files {
            match file.name.as_str() {
                "index" => {
                    let text = files.read(&file.file);
                    let index = text.and_then(|text| text.parse().ok());
                    scan.index = index.filter(|&i: &i64| i >= 0).unwrap_or(scan.index);
                }
                "type" => {
                    let format = files.read(&file.file).map(|text| Format::parse(&text));
                    scan.format = format.unwrap_or_default();
                }
                "en" => scan.enable = Some(file.file.clone()),
                _ => {}
            }
        }
    }

    /// local.c: is_global_attr
    fn shares(&self, attribute: &str) -> Shared {
        let prefix = if self.channel.output { "out_" } else { "in_" };
        let Some(attribute) = attribute.strip_prefix(prefix) else {
            return Shared::Not;
        };
        let Some((kind, tail)) = attribute.split_once('_') else {
            return Shared::Not;
        };
        let id = self.channel.id.as_str();
        if shares_differential(id, kind) {
            return Shared::ByType;
        }
        let Some(after) = id.strip_prefix(kind) else {
            return Shared::Not;
        };
        if after.starts_with(|c: char| c.is_ascii_digit()) {
            let own = self.channel.name.as_deref();
            let named = own.and_then(|own| tail.strip_prefix(own));
            return match named {
                Some(rest) if rest.starts_with('_') => Shared::ByName,
                _ => Shared::ByType,
            };
        }
        match after.strip_prefix('_') {
            Some(modifier) if leading_modifier(modifier).is_some() => Shared::ByType,
            _ => Shared::Not,
        }
    }

    fn finish(self, files: &dyn Files) -> Channel {
        let mut channel = self.channel;
        channel.attributes.sort_by(|a, b| a.name.cmp(&b.name));
        // local.c: init_data_scale. A channel without the attribute reads the device's.
        let own = channel.attributes.iter().find(|a| a.name == "scale");
        let file = own.map_or("scale", |attribute| attribute.file.as_str());
        channel.scale = files.read(file).and_then(|text| leading_float(&text));
        channel
    }
}

/// `voltage-voltage` is shared by `voltage0-voltage1`.
fn shares_differential(id: &str, kind: &str) -> bool {
    let digit = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    let (Some((positive, negative)), Some((first, second))) =
        (kind.split_once('-'), id.split_once('-'))
    else {
        return false;
    };
    !positive.is_empty()
        && first.strip_prefix(positive).is_some_and(digit)
        && second.strip_prefix(negative).is_some_and(digit)
}

fn direction(name: &str) -> Option<bool> {
    if name.starts_with("out_") {
        Some(true)
    } else {
        name.starts_with("in_").then_some(false)
    }
}

/// Where the channel's part of an attribute name lies: `in_` **voltage0** `_raw`.
fn kind(name: &str) -> Option<Range<usize>> {
    let start = name.find('_')? + 1;
    let end = start + name[start..].find('_')?;
    Some(start..end)
}

/// local.c: is_channel. `strict`: the name tells which channel of its type.
fn names_channel(name: &str, strict: bool) -> bool {
    if name.starts_with("in_timestamp_") {
        return true;
    }
    let Some(kind) = direction(name).and_then(|_| kind(name)) else {
        return false;
    };
    !strict
        || name[..kind.end].ends_with(|c: char| c.is_ascii_digit())
        || leading_modifier(&name[kind.end + 1..]).is_some()
}

/// local.c: get_channel_id
fn channel_id(name: &str) -> Option<&str> {
    let kind = kind(name)?;
    let modifier = leading_modifier(&name[kind.end + 1..]);
    let end = kind.end + modifier.map_or(0, |modifier| modifier.len() + 1);
    Some(&name[kind.start..end])
}

/// local.c: get_short_attr_name
fn short_name(name: &str) -> Option<&str> {
    let tail = &name[kind(name)?.end + 1..];
    let Some(modifier) = leading_modifier(tail) else {
        return Some(tail);
    };
    let rest = &tail[modifier.len()..];
    Some(rest.strip_prefix('_').unwrap_or(rest))
}

/// channel.c: find_channel_modifier
fn leading_modifier(text: &str) -> Option<&'static str> {
    MODIFIERS.iter().copied().find(|modifier| {
        let rest = text.strip_prefix(modifier);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
    })
}

/// channel.c: modifier_names
const MODIFIERS: &[&str] = &[
    "x",
    "y",
    "z",
    "x&y",
    "x&z",
    "y&z",
    "x&y&z",
    "x|y",
    "x|z",
    "y|z",
    "x|y|z",
    "sqrt(x^2+y^2)",
    "x^2+y^2+z^2",
    "both",
    "ir",
    "clear",
    "red",
    "green",
    "blue",
    "uv",
    "duv",
    "quaternion",
    "ambient",
    "object",
    "from_north_magnetic",
    "from_north_true",
    "from_north_magnetic_tilt_comp",
    "from_north_true_tilt_comp",
    "running",
    "jogging",
    "walking",
    "still",
    "sqrt(x^2+y^2+z^2)",
    "i",
    "q",
    "co2",
    "ethanol",
    "h2",
    "o2",
    "voc",
    "pm1",
    "pm2p5",
    "pm4",
    "pm10",
];

/// `strtof`, without its names for the infinite and for no number; what is out of its range
/// is none either.
fn leading_float(text: &str) -> Option<f32> {
    let text = text.trim_start();
    let part_of_number = |c: char| matches!(c, '0'..='9' | '.' | '+' | '-' | 'e' | 'E');
    let end = text.find(|c| !part_of_number(c)).unwrap_or(text.len());
    let text = &text[..end];
    // The longest beginning that is a number.
    let number = (1..=end).rev().find_map(|end| text[..end].parse().ok());
    let digits = text.split(['e', 'E']).next().unwrap_or_default();
    let is_zero = !digits.contains(|c: char| matches!(c, '1'..='9'));
    number.filter(|value: &f32| value.is_normal() || is_zero)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    struct Tree {
        own: Vec<String>,
        scan_elements: Vec<String>,
        values: BTreeMap<String, String>,
    }

    impl Tree {
        fn new(files: &[(&str, &str)]) -> Tree {
            let names = |folder: &str| {
                let all = files
                    .iter()
                    .filter_map(|(path, _)| path.strip_prefix(folder));
                let mut names: Vec<_> = all
                    .filter(|name| !name.contains('/'))
                    .map(str::to_owned)
                    .collect();
                names.sort();
                names
            };
            Tree {
                own: names(""),
                scan_elements: names("scan_elements/"),
                values: files
                    .iter()
                    .map(|&(path, value)| (path.to_owned(), value.to_owned()))
                    .collect(),
            }
        }
    }

    impl Files for Tree {
        fn own(&self) -> &[String] {
            &self.own
        }
        fn scan_elements(&self) -> &[String] {
            &self.scan_elements
        }
        fn read(&self, path: &str) -> Option<String> {
            self.values.get(path).cloned()
        }
    }

    /// `id name: attribute=file ...` of each channel, then what is left.
    fn described(files: &[(&str, &str)]) -> Vec<String> {
        let (channels, plain) = discover(&Tree::new(files));
        let mut lines: Vec<String> = channels
            .iter()
            .map(|channel| {
                let mut line = channel.id.clone();
                if let Some(name) = &channel.name {
                    line += &format!(" {name}");
                }
                line += ":";
                for attribute in &channel.attributes {
                    line += &format!(" {}={}", attribute.name, attribute.file);
                }
                line
            })
            .collect();
        lines.push(plain.join(" "));
        lines
    }

    #[test]
    fn shared_attributes_go_to_every_channel_of_their_type() {
        assert_eq!(
            described(&[
                ("in_voltage0_raw", ""),
                ("in_voltage1_raw", ""),
                ("in_voltage_scale", "0.5"),
                ("in_temp_scale", "1"),
                ("out_voltage_scale", "2"),
                ("sampling_frequency", "10"),
            ]),
            [
                "voltage0: raw=in_voltage0_raw scale=in_voltage_scale",
                "voltage1: raw=in_voltage1_raw scale=in_voltage_scale",
                "temp: scale=in_temp_scale",
                "voltage: scale=out_voltage_scale",
                "sampling_frequency",
            ]
        );
    }

    #[test]
    fn modified_and_differential_channels_have_their_own_names() {
        assert_eq!(
            described(&[
                ("in_accel_scale", "1"),
                ("in_accel_x_raw", ""),
                ("in_accel_y_raw", ""),
                ("in_voltage-voltage_scale", "1"),
                ("in_voltage0-voltage1_raw", ""),
            ]),
            [
                "accel_x: raw=in_accel_x_raw scale=in_accel_scale",
                "accel_y: raw=in_accel_y_raw scale=in_accel_scale",
                "voltage0-voltage1: raw=in_voltage0-voltage1_raw scale=in_voltage-voltage_scale",
                "",
            ]
        );
    }

    #[test]
    fn what_all_names_of_a_channel_begin_with_is_its_name() {
        assert_eq!(
            described(&[
                ("in_voltage0_vin_offset", ""),
                ("in_voltage0_vin_raw", ""),
                ("in_voltage1_raw", ""),
                ("in_voltage_vin_scale", "1"),
            ]),
            [
                "voltage0 vin: offset=in_voltage0_vin_offset raw=in_voltage0_vin_raw \
                 scale=in_voltage_vin_scale",
                "voltage1: raw=in_voltage1_raw",
                "",
            ]
        );
    }

    #[test]
    fn buffered_channels_come_first_by_index() {
        let (channels, _) = discover(&Tree::new(&[
            ("in_angl0_raw", ""),
            ("in_voltage0_raw", ""),
            ("scan_elements/in_timestamp_en", "0"),
            ("scan_elements/in_timestamp_index", "0"),
            ("scan_elements/in_timestamp_type", "le:s64/64>>0"),
            ("scan_elements/in_voltage0_en", "0"),
            ("scan_elements/in_voltage0_index", "1"),
            ("scan_elements/in_voltage0_type", "be:u12/16X2>>4"),
        ]));
        let ids: Vec<_> = channels.iter().map(|c| c.id.as_str()).collect();
        assert_eq!(ids, ["timestamp", "voltage0", "angl0"]);
        let scan = channels[1].scan.as_ref();
        assert_eq!(
            scan.map(|scan| &scan.format),
            Some(&Format {
                big_endian: true,
                signed: false,
                fully_defined: false,
                bits: 12,
                length: 16,
                repeat: 2,
                shift: 4
            })
        );
        let enable = scan.and_then(|scan| scan.enable.as_deref());
        assert_eq!(enable, Some("scan_elements/in_voltage0_en"));
        assert_eq!(channels[2].scan, None);
    }

    #[test]
    fn a_channel_without_type_or_index_is_kept() {
        let (channels, _) = discover(&Tree::new(&[("scan_elements/in_voltage0_en", "0")]));
        let scan = channels[0].scan.as_ref();
        assert_eq!(scan.map(|scan| scan.index), Some(-2));
        assert_eq!(scan.map(|scan| scan.format.bytes()), Some(0));
    }

    #[test]
    fn odd_names_and_types_are_no_fault() {
        for name in [
            "in_",
            "in__",
            "out_",
            "_",
            "in_x",
            "in_\u{e4}_",
            "in_timestamp_",
        ] {
            let path = format!("scan_elements/{name}");
            discover(&Tree::new(&[(name, "x"), (&path, "y")]));
        }
        for text in [
            "",
            "le",
            "le:s",
            "le:s/",
            "le:s99999999999/1",
            "X",
            "le:s1/1Xq",
            "\u{e4}e:s",
        ] {
            Format::parse(text);
        }
        assert_eq!(leading_float("0.5 V"), Some(0.5));
        assert_eq!(leading_float("1e"), Some(1.0));
        assert_eq!(leading_float("1e99"), None);
        assert_eq!(leading_float("1e-50"), None);
        assert_eq!(leading_float("0.0e5"), Some(0.0));
        assert_eq!(leading_float("0 of 5"), Some(0.0));
        assert_eq!(leading_float("inf"), None);
        assert_eq!(leading_float("\u{e4}"), None);
    }
}
