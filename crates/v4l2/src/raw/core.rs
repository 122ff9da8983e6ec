//! What V4L2 keeps for one System: its class, its minors and its node numbers.
//!
//! Follows the file-level state of `drivers/media/v4l2-core/v4l2-dev.c`.

use std::collections::{BTreeMap, BTreeSet};

use lastfd_model::raw::{Attribute, AttributeGroup, Class, ClassSpec, Device, class_register};
use lastfd_model::{Errno, Result, System};
use lastfd_sync::{Arc, Mutex};

use super::video_device::{VflType, VideoDevice};
use lastfd_model::raw::KernelMutex;

/// The major number of all nodes.
pub const VIDEO_MAJOR: u32 = 81;
/// Video devices there can be.
pub const VIDEO_NUM_DEVICES: u32 = 256;
/// The class's name.
const VIDEO_NAME: &str = "video4linux";

/// The core of one System.
#[derive(Default)]
pub(crate) struct V4l2Core {
    /// Made when the first device is: `videodev_init`.
    class: Mutex<Option<Class>>,
    /// `videodev_lock`: registration, open and the end of a device.
    pub(crate) videodev_lock: KernelMutex,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    /// `video_devices[]`, by minor.
    devices: BTreeMap<u32, VideoDevice>,
    /// `devnode_nums[]`.
    numbers: BTreeMap<VflType, BTreeSet<u32>>,
}

/// What a video device was given: minor, node number, index.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) minor: u32,
    pub(crate) num: u32,
    pub(crate) index: u32,
}

impl V4l2Core {
    pub(crate) fn of(system: &System) -> Arc<V4l2Core> {
        system.extension()
    }

    /// The class (`videodev_init`).
    pub(crate) fn start(&self, system: &System) -> Result<Class> {
        let mut class = self.class.lock();
        if let Some(class) = &*class {
            return Ok(class.clone());
        }
        let spec = ClassSpec {
            name: VIDEO_NAME.into(),
            dev_groups: vec![attributes()],
            ..ClassSpec::default()
        };
        let made = system.at_boot(|| class_register(system, spec))?;
        *class = Some(made.clone());
        Ok(made)
    }

    /// The device with this minor (`video_devdata`).
    pub(crate) fn device(&self, minor: u32) -> Option<VideoDevice> {
        self.table.lock().devices.get(&minor).cloned()
    }

    /// Takes a node number and a minor. `ENFILE` if there is none.
    // v4l2-dev.c: __video_register_device, part 2
    pub(crate) fn take(
        &self,
        vdev: &VideoDevice,
        type_: VflType,
        wanted: Option<u32>,
    ) -> Result<Place> {
        let mut table = self.table.lock();
        let taken = table.numbers.entry(type_).or_default();
        let free = |from: u32| (from..VIDEO_NUM_DEVICES).find(|nr| !taken.contains(nr));
        let num = free(wanted.unwrap_or(0))
            .or_else(|| free(0))
            .ok_or(Errno::ENFILE)?;
        let minor = (0..VIDEO_NUM_DEVICES)
            .find(|minor| !table.devices.contains_key(minor))
            .ok_or(Errno::ENFILE)?;
        // get_index.
        let v4l2_dev = vdev.v4l2_dev();
        let used: BTreeSet<u32> = table
            .devices
            .values()
            .filter(|other| other.v4l2_dev() == v4l2_dev)
            .map(VideoDevice::index)
            .collect();
        let index = (0..).find(|index| !used.contains(index)).unwrap_or(0);
        table.numbers.entry(type_).or_default().insert(num);
        table.devices.insert(minor, vdev.clone());
        Ok(Place { minor, num, index })
    }

    /// Gives both back, and tells whether the minor was this device's.
    pub(crate) fn give_back(&self, vdev: &VideoDevice, type_: VflType, place: Place) -> bool {
        let gone = {
            let mut table = self.table.lock();
            if table.devices.get(&place.minor) != Some(vdev) {
                return false;
            }
            if let Some(numbers) = table.numbers.get_mut(&type_) {
                numbers.remove(&place.num);
            }
            table.devices.remove(&place.minor)
        };
        drop(gone);
        true
    }
}

/// The device that an attribute is read of.
fn video_device_of(device: &Device) -> Result<VideoDevice> {
    let minor = device.devt().ok_or(Errno::ENODEV)?.minor;
    let core = V4l2Core::of(&device.system());
    core.device(minor).ok_or(Errno::ENODEV)
}

/// video_device_attrs.
fn attributes() -> AttributeGroup {
    let name = Attribute::new("name", 0o444)
        .show(|device| Ok(format!("{}\n", video_device_of(device)?.name())));
    let dev_debug = Attribute::new("dev_debug", 0o644)
        .show(|device| Ok(format!("{}\n", video_device_of(device)?.dev_debug())))
        .store(|device, bytes| {
            let value = kstrtou16(bytes)?;
            video_device_of(device)?.set_dev_debug(value);
            Ok(bytes.len())
        });
    let index = Attribute::new("index", 0o444)
        .show(|device| Ok(format!("{}\n", video_device_of(device)?.index())));
    AttributeGroup::new(vec![name, dev_debug, index])
}

/// lib/kstrtox.c: kstrtou16 with base 0.
fn kstrtou16(bytes: &[u8]) -> Result<u16> {
    let text = core::str::from_utf8(bytes).map_err(|_| Errno::EINVAL)?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_prefix('+').unwrap_or(text);
    let (digits, base) = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (&text[2..], 16),
        [b'0', _, ..] => (&text[1..], 8),
        _ => (text, 10),
    };
    if digits.is_empty() || digits.starts_with(['+', '-']) {
        return Err(Errno::EINVAL);
    }
    if !digits.chars().all(|digit| digit.is_digit(base)) {
        return Err(Errno::EINVAL);
    }
    u16::from_str_radix(digits, base).map_err(|_| Errno::ERANGE)
}
