//! `/sys` and `/dev` as `iiod` finds them: everything the server knows of a device, it
//! knows through the attributes and the node here.

use lastfd_model::raw::{
    Device, attr_read, attr_write, attributes, debugfs_list, debugfs_read, debugfs_write, dev_name,
};
use lastfd_model::{Errno, Result, System};

/// Where an attribute lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// `/sys/bus/iio/devices/ID/`
    Own,
    /// `/sys/bus/iio/devices/ID/buffer/`
    Buffer,
    /// `/sys/kernel/debug/iio/ID/`
    Debug,
}

/// The largest piece of a value that reaches an attribute in one store.
///
/// fs/kernfs/file.c: kernfs_fop_write_iter
const PAGE_SIZE: usize = 4096;

/// The entries of `/sys/bus/iio/devices`, sorted by name.
pub(crate) fn devices(system: &System) -> Vec<(String, Device)> {
    let bus = system.find_bus("iio");
    let devices = bus.map(|bus| bus.devices()).unwrap_or_default();
    let mut devices: Vec<_> = devices
        .into_iter()
        .map(|device| (dev_name(&device), device))
        .collect();
    devices.sort_by(|a, b| a.0.cmp(&b.0));
    devices
}

/// Whether the device's directory has gone.
pub(crate) fn is_gone(device: &Device) -> bool {
    !device.is_registered()
}

/// Whether the device's directory has gone or is being emptied: every device has `uevent`,
/// and it goes with the first.
pub(crate) fn is_going(device: &Device) -> bool {
    is_gone(device)
        || attributes(device)
            .iter()
            .all(|file| &*file.path != "uevent")
}

/// The names of the files directly in a folder of the device; `""` is its own. Sorted.
pub(crate) fn names_in(device: &Device, folder: &str) -> Vec<String> {
    let paths = attributes(device).into_iter();
    paths
        .filter_map(|file| {
            let path: &str = &file.path;
            let name = match folder {
                "" => path,
                folder => path.strip_prefix(folder)?.strip_prefix('/')?,
            };
            (!name.contains('/')).then(|| name.to_owned())
        })
        .collect()
}

/// The names of the device's debug files, sorted.
pub(crate) fn debug_names(device: &Device, id: &str) -> Vec<String> {
    let names = debugfs_list(&device.system(), &format!("iio/{id}"));
    names.iter().map(|name| name.to_string()).collect()
}

/// Appends what the file gives when read from start to end.
pub(crate) fn read(
    device: &Device,
    id: &str,
    place: Place,
    name: &str,
    out: &mut Vec<u8>,
) -> Result {
    let value = match place {
        Place::Own => attr_read(device, name),
        Place::Buffer => attr_read(device, &format!("buffer/{name}")),
        Place::Debug => debugfs_read(&device.system(), &format!("iio/{id}/{name}")),
    };
    out.extend_from_slice(&value?);
    Ok(())
}

/// Stores a value, in as many pieces as the device takes it. An empty one is `EIO`, as it
/// is in libiio.
pub(crate) fn write(
    device: &Device,
    id: &str,
    place: Place,
    name: &str,
    mut value: &[u8],
) -> Result {
    loop {
        let piece = &value[..value.len().min(PAGE_SIZE)];
        let taken = match place {
            Place::Own => attr_write(device, name, piece),
            Place::Buffer => attr_write(device, &format!("buffer/{name}"), piece),
            Place::Debug => debugfs_write(&device.system(), &format!("iio/{id}/{name}"), piece),
        };
        let taken = match taken {
            // libiio opens with O_CREAT, which a directory of sysfs refuses.
            // fs/namei.c: lookup_open
            Err(Errno::ENOENT) if has_directory(device, id, place, name) => {
                return Err(Errno::EACCES);
            }
            taken => taken?,
        };
        if taken == 0 {
            return Err(Errno::EIO);
        }
        value = value.get(taken..).unwrap_or_default();
        if value.is_empty() {
            return Ok(());
        }
    }
}

fn has_directory(device: &Device, id: &str, place: Place, name: &str) -> bool {
    let folder = match (place, name.rsplit_once('/')) {
        (Place::Own, None) => return !is_gone(device),
        (Place::Own, Some((folder, _))) => folder,
        (Place::Buffer, _) => "buffer",
        (Place::Debug, _) => return !debug_names(device, id).is_empty(),
    };
    !names_in(device, folder).is_empty()
}
