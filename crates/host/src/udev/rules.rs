//! What udev's rules say of the devices that are emulated.
//!
//! Follows the rules that systemd and iio-sensor-proxy install: `50-udev-default`,
//! `60-drm`, `60-persistent-v4l`, `70-camera`, `70-uaccess`, `71-seat`,
//! `80-iio-sensor-proxy`; and `udev-builtin-path_id.c`.

use std::collections::BTreeSet;

use lastfd_model::raw::{Device, attributes};

/// What the rules say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Properties for the database.
    pub(crate) properties: Vec<(String, String)>,
    /// Links below `/dev`.
    pub(crate) links: Vec<String>,
    pub(crate) tags: BTreeSet<&'static str>,
    /// Permission bits of the node, where a rule has a word on them.
    pub(crate) mode: Option<u16>,
}

/// Files of an IIO device that tell what sensor it is (`80-iio-sensor-proxy.rules`): all
/// have to be there.
const SENSORS: &[(&[&str], &str)] = &[
    (
        &["in_accel_x_raw", "in_accel_y_raw", "in_accel_z_raw"],
        "iio-poll-accel",
    ),
    (
        &[
            "scan_elements/in_accel_x_en",
            "scan_elements/in_accel_y_en",
            "scan_elements/in_accel_z_en",
        ],
        "iio-buffer-accel",
    ),
    (
        &["scan_elements/in_rot_from_north_magnetic_tilt_comp_en"],
        "iio-buffer-compass",
    ),
    (&["in_illuminance_input"], "iio-poll-als"),
    (&["in_illuminance0_input"], "iio-poll-als"),
    (&["in_illuminance_raw"], "iio-poll-als"),
    (&["scan_elements/in_intensity_both_en"], "iio-buffer-als"),
    (&["in_proximity_raw"], "iio-poll-proximity"),
];

/// Asks the rules. `told` is what whoever serves the System knows beside
/// ([`crate::Options::properties`]); what begins with a dot is for the rules alone.
pub(crate) fn ask(device: &Device, subsystem: &str, told: &[(String, String)]) -> Verdict {
    let mut verdict = Verdict::default();
    let name = device.name();
    match subsystem {
        "video4linux" => {
            verdict.mode = Some(0o660);
            verdict.add("ID_BUS", "usb");
            verdict.take(told);
            path_id(device, &mut verdict);
            verdict.tags.extend(["uaccess", "seat"]);
            camera_links(&name, told, &mut verdict);
        }
        "drm" if device.devt().is_some() => {
            verdict.mode = Some(0o660);
            verdict.take(told);
            path_id(device, &mut verdict);
            verdict.tags.extend(["uaccess", "seat"]);
            let sort = if name.starts_with("renderD") {
                "render"
            } else {
                "card"
            };
            if sort == "card" {
                verdict.tags.insert("master-of-seat");
            }
            if let Some(path) = verdict.get("ID_PATH") {
                let link = format!("dri/by-path/{path}-{sort}");
                verdict.links.push(link);
            }
        }
        "cec" => {
            verdict.mode = Some(0o660);
            verdict.take(told);
        }
        "iio" => {
            verdict.take(told);
            sensor(device, &mut verdict);
        }
        "platform" => {
            verdict.take(told);
            path_id(device, &mut verdict);
        }
        _ => verdict.take(told),
    }
    let path_tag = verdict.get("ID_PATH_TAG");
    if let Some(tag) = path_tag.filter(|_| verdict.tags.contains("seat")) {
        verdict.add("ID_FOR_SEAT", &format!("{subsystem}-{tag}"));
    }
    verdict
}

impl Verdict {
    fn add(&mut self, key: &str, value: &str) {
        match self.properties.iter_mut().find(|(there, _)| there == key) {
            Some((_, there)) => value.clone_into(there),
            None => self.properties.push((key.to_owned(), value.to_owned())),
        }
    }

    fn get(&self, key: &str) -> Option<String> {
        let found = self.properties.iter().find(|(there, _)| there == key);
        found.map(|(_, value)| value.clone())
    }

    fn take(&mut self, told: &[(String, String)]) {
        for (key, value) in told.iter().filter(|(key, _)| !key.starts_with('.')) {
            self.add(key, value);
        }
    }
}

/// udev-builtin-path_id.c, for what is on the platform bus.
fn path_id(device: &Device, verdict: &mut Verdict) {
    let mut at = Some(device.clone());
    let mut path = String::new();
    while let Some(here) = at {
        if here.bus().is_some_and(|bus| &*bus.name() == "platform") {
            path = match path.as_str() {
                "" => format!("platform-{}", here.name()),
                _ => format!("platform-{}-{path}", here.name()),
            };
            // skip_subsystem.
            at = here.parent();
            while at
                .as_ref()
                .and_then(Device::bus)
                .is_some_and(|bus| &*bus.name() == "platform")
            {
                at = at.and_then(|skipped| skipped.parent());
            }
            continue;
        }
        at = here.parent();
    }
    if path.is_empty() {
        return;
    }
    // A tag has letters, digits and dashes; a '_' for each run of others.
    let mut tag = String::new();
    for letter in path.chars() {
        if letter.is_ascii_alphanumeric() || letter == '-' {
            tag.push(letter);
        } else if !tag.is_empty() && !tag.ends_with('_') {
            tag.push('_');
        }
    }
    verdict.add("ID_PATH", &path);
    verdict.add("ID_PATH_TAG", tag.trim_end_matches('_'));
}

fn camera_links(name: &str, told: &[(String, String)], verdict: &mut Verdict) {
    let index = told.iter().find(|(key, _)| key == ".INDEX");
    let Some((_, index)) = index else { return };
    let serial = verdict
        .get("ID_SERIAL")
        .filter(|_| name.starts_with("video"));
    if let (Some(bus), Some(serial)) = (verdict.get("ID_BUS"), serial) {
        let link = format!("v4l/by-id/{bus}-{serial}-video-index{index}");
        verdict.links.push(link);
    }
    let by_path = name.starts_with("video") || name.starts_with("vbi");
    if let Some(path) = verdict.get("ID_PATH").filter(|_| by_path) {
        let link = format!("v4l/by-path/{path}-video-index{index}");
        verdict.links.push(link);
    }
}

fn sensor(device: &Device, verdict: &mut Verdict) {
    let files = attributes(device);
    let there = |name: &&str| files.iter().any(|info| *info.path == **name);
    let sensors = SENSORS.iter().filter(|(names, _)| names.iter().all(there));
    let mut sorts: Vec<&str> = Vec::new();
    for (_, sort) in sensors {
        if !sorts.contains(sort) {
            sorts.push(sort);
        }
    }
    if sorts.is_empty() {
        return;
    }
    verdict.add("IIO_SENSOR_PROXY_TYPE", &sorts.join(" "));
    verdict.add("SYSTEMD_WANTS", "iio-sensor-proxy.service");
    verdict.tags.insert("systemd");
}
