//! Which command leads where, who may call it, and what goes back.

use lastfd_abi::drm::*;
use lastfd_abi::{IOC_IN, IOC_OUT, ioc, iowr};
use lastfd_chrdev::{OpenFile, OpenFlags, Process, UserMemory, open};
use lastfd_drm::raw::*;
use lastfd_model::{Errno, Result};

use lastfd_rigs::drm::{Card, Removal, display_driver, ioctl, path_of};
use lastfd_rigs::new_system;

/// A driver's own ioctl: doubles what it is given.
const DOUBLE: u32 = iowr::<u64>(b'd', DRM_COMMAND_BASE);

fn doubling(name: &'static str, nr: u8, flags: IoctlFlags) -> DrmIoctlDesc {
    DrmIoctlDesc::new(name, iowr::<u64>(b'd', nr), flags, |_, _, data| {
        let value = u64::from_ne_bytes(data[..8].try_into().unwrap());
        data[..8].copy_from_slice(&(value * 2).to_ne_bytes());
        match value {
            13 => Err(Errno::EDOM),
            _ => Ok(()),
        }
    })
}

fn render_driver() -> DrmDriver {
    let flags = [
        IoctlFlags::NONE,
        IoctlFlags::AUTH,
        IoctlFlags::MASTER,
        IoctlFlags::RENDER_ALLOW,
        IoctlFlags::AUTH | IoctlFlags::RENDER_ALLOW,
        IoctlFlags::ROOT_ONLY | IoctlFlags::RENDER_ALLOW,
    ];
    let ioctls = flags
        .into_iter()
        .enumerate()
        .map(|(at, flags)| doubling("DOUBLE", DRM_COMMAND_BASE + at as u8, flags));
    DrmDriver {
        features: Features::GEM | Features::RENDER,
        ioctls: ioctls.collect(),
        ..display_driver()
    }
}

fn double(file: &OpenFile, cmd: u32, value: u64) -> (Result<i32>, u64) {
    let mut bytes = value.to_ne_bytes();
    let result = file.ioctl_bytes(cmd, &mut bytes);
    (result, u64::from_ne_bytes(bytes))
}

fn finish(card: Card) {
    card.remove();
    card.finish();
}

#[test]
fn a_drivers_own_ioctl_works_until_the_unplug() {
    let card = Card::of(new_system(), render_driver(), Removal::Unplug);
    let file = card.open();
    assert_eq!(double(&file, DOUBLE, 21), (Ok(0), 42));
    // The argument goes back with an error too.
    assert_eq!(double(&file, DOUBLE, 13), (Err(Errno::EDOM), 26));
    card.remove();
    assert_eq!(double(&file, DOUBLE, 21), (Err(Errno::ENODEV), 21));
    drop(file);
    card.finish();
}

#[test]
fn size_and_direction_are_those_that_both_sides_know() {
    let card = Card::of(new_system(), render_driver(), Removal::Unplug);
    let file = card.open();
    // A program's smaller struct: the rest is zero, and does not come back.
    let small = ioc(IOC_IN | IOC_OUT, b'd', DRM_COMMAND_BASE, 4);
    let mut bytes = 5u32.to_ne_bytes();
    assert_eq!(file.ioctl_bytes(small, &mut bytes), Ok(0));
    assert_eq!(u32::from_ne_bytes(bytes), 10);
    // A larger one: more than the kernel knows goes back as it came.
    let large = ioc(IOC_IN | IOC_OUT, b'd', DRM_COMMAND_BASE, 12);
    let mut bytes = [5, 0, 0, 0, 0, 0, 0, 0, 9, 9, 9, 9];
    assert_eq!(file.ioctl_bytes(large, &mut bytes), Ok(0));
    assert_eq!(bytes, [10, 0, 0, 0, 0, 0, 0, 0, 9, 9, 9, 9]);
    // Only in: nothing comes back.
    let only_in = ioc(IOC_IN, b'd', DRM_COMMAND_BASE, 8);
    assert_eq!(double(&file, only_in, 5), (Ok(0), 5));
    // Only out: what the program had is not looked at.
    let only_out = ioc(IOC_OUT, b'd', DRM_COMMAND_BASE, 8);
    assert_eq!(double(&file, only_out, 5), (Ok(0), 0));
    // Nowhere.
    let nowhere = file.ioctl(DOUBLE, 8, &mut Process::new());
    assert_eq!(nowhere, Err(Errno::EFAULT));
    drop(file);
    finish(card);
}

#[test]
fn each_flag_lets_in_whom_the_kernel_lets_in() {
    let system = new_system();
    let card = Card::of(system.clone(), render_driver(), Removal::Unplug);
    let master = card.open();
    drm_set_privileged(&system, false);
    let other = card.open();
    let render_path = path_of(&system, card.dev().render().unwrap().kdev()).unwrap();
    let render = open(&system, &render_path, OpenFlags::RDWR).unwrap();
    // Flags: none, AUTH, MASTER, RENDER_ALLOW, AUTH + RENDER, ROOT + RENDER.
    let allowed = |file: &OpenFile| {
        let of = |at: u8| double(file, iowr::<u64>(b'd', DRM_COMMAND_BASE + at), 1).0;
        [0, 1, 2, 3, 4, 5].map(|at| match of(at) {
            Ok(_) => true,
            Err(errno) => {
                assert_eq!(errno, Errno::EACCES);
                false
            }
        })
    };
    assert_eq!(allowed(&master), [true, true, true, true, true, false]);
    assert_eq!(allowed(&other), [true, false, false, true, false, false]);
    assert_eq!(allowed(&render), [false, false, false, true, true, false]);
    drm_set_privileged(&system, true);
    assert_eq!(allowed(&master), [true; 6]);
    drop((master, other, render));
    finish(card);
}

#[test]
fn mode_setting_gives_what_a_device_without_it_gives_to_whom_it_may() {
    let card = Card::display(Removal::Unplug);
    let (master, other) = (card.open(), card.open());
    let bare = |file: &OpenFile, cmd: u32| {
        let mut bytes = vec![0; lastfd_abi::ioc_size(cmd)];
        file.ioctl_bytes(cmd, &mut bytes)
    };
    let unsupported = Err(Errno::EOPNOTSUPP);
    assert_eq!(bare(&master, DRM_IOCTL_MODE_GETRESOURCES), unsupported);
    assert_eq!(bare(&master, DRM_IOCTL_MODE_SETCRTC), unsupported);
    assert_eq!(bare(&other, DRM_IOCTL_MODE_SETCRTC), Err(Errno::EACCES));
    assert_eq!(bare(&master, DRM_IOCTL_MODE_ATTACHMODE), Ok(0));
    assert_eq!(bare(&master, DRM_IOCTL_SYNCOBJ_CREATE), unsupported);
    assert_eq!(bare(&master, DRM_IOCTL_SET_UNIQUE), Err(Errno::EINVAL));
    assert_eq!(bare(&master, DRM_IOCTL_GET_STATS), Ok(0));
    drop((master, other));
    finish(card);
}

#[test]
fn version_fills_what_fits_and_tells_how_long_it_is() {
    let card = Card::display(Removal::Unplug);
    let file = card.open();
    let mut program = Process::new();
    let (name, desc) = (program.map(vec![0; 2]), program.map(vec![0; 64]));
    let version = DrmVersion {
        name_len: 2,
        name,
        desc_len: 64,
        desc,
        ..DrmVersion::default()
    };
    let arg = program.map(zerocopy::IntoBytes::as_bytes(&version).to_vec());
    file.ioctl(DRM_IOCTL_VERSION, arg, &mut program).unwrap();
    let answer: DrmVersion = zerocopy::FromBytes::read_from_bytes(program.bytes(arg)).unwrap();
    assert_eq!((answer.version_major, answer.version_minor), (1, 0));
    assert_eq!(
        (answer.name_len, answer.date_len, answer.desc_len),
        (4, 1, 27)
    );
    assert_eq!(program.bytes(name), b"vk");
    assert_eq!(&program.bytes(desc)[..27], b"Virtual Kernel Mode Setting");
    // A pointer to nowhere.
    let version = DrmVersion { name: 8, ..version };
    program
        .write_at(arg, zerocopy::IntoBytes::as_bytes(&version))
        .unwrap();
    let fault = file.ioctl(DRM_IOCTL_VERSION, arg, &mut program);
    assert_eq!(fault, Err(Errno::EFAULT));
    drop(file);
    finish(card);
}

#[test]
fn the_unique_name_is_there_once_a_version_was_set() {
    let card = Card::display(Removal::Unplug);
    let file = card.open();
    let unique = |file: &OpenFile| {
        let mut program = Process::new();
        let text = program.map(vec![0; 32]);
        let unique = DrmUnique {
            unique_len: 32,
            unique: text,
        };
        let arg = program.map(zerocopy::IntoBytes::as_bytes(&unique).to_vec());
        file.ioctl(DRM_IOCTL_GET_UNIQUE, arg, &mut program).unwrap();
        let unique: DrmUnique = zerocopy::FromBytes::read_from_bytes(program.bytes(arg)).unwrap();
        let text = program.bytes(text)[..unique.unique_len as usize].to_vec();
        String::from_utf8(text).unwrap()
    };
    assert_eq!(unique(&file), "");
    let mut version = DrmSetVersion {
        drm_di_major: 1,
        drm_di_minor: 4,
        drm_dd_major: -1,
        drm_dd_minor: 0,
    };
    assert_eq!(ioctl(&file, DRM_IOCTL_SET_VERSION, &mut version), Ok(0));
    assert_eq!(version.drm_dd_major, 1);
    assert_eq!(unique(&file), &*card.hardware.name());
    version.drm_di_minor = 5;
    let newer = ioctl(&file, DRM_IOCTL_SET_VERSION, &mut version);
    assert_eq!(newer, Err(Errno::EINVAL));
    assert_eq!(version.drm_di_minor, 4, "the answer goes back all the same");
    drop(file);
    finish(card);
}

#[test]
fn capabilities_are_those_of_the_driver() {
    let cap = |file: &OpenFile, capability| {
        let mut cap = DrmGetCap {
            capability,
            value: 99,
        };
        ioctl(file, DRM_IOCTL_GET_CAP, &mut cap).map(|_| cap.value)
    };
    let set = |file: &OpenFile, capability, value| {
        let mut cap = DrmSetClientCap { capability, value };
        ioctl(file, DRM_IOCTL_SET_CLIENT_CAP, &mut cap)
    };
    let card = Card::display(Removal::Unplug);
    let file = card.open();
    assert_eq!(cap(&file, DRM_CAP_DUMB_BUFFER), Ok(1));
    assert_eq!(cap(&file, DRM_CAP_TIMESTAMP_MONOTONIC), Ok(1));
    assert_eq!(cap(&file, DRM_CAP_PRIME), Ok(3));
    assert_eq!(cap(&file, DRM_CAP_SYNCOBJ), Ok(0));
    assert_eq!(cap(&file, 0x7777), Err(Errno::EINVAL));
    let writeback = DRM_CLIENT_CAP_WRITEBACK_CONNECTORS;
    assert_eq!(set(&file, writeback, 1), Err(Errno::EINVAL));
    assert_eq!(set(&file, DRM_CLIENT_CAP_ATOMIC, 3), Err(Errno::EINVAL));
    assert_eq!(set(&file, DRM_CLIENT_CAP_ATOMIC, 1), Ok(0));
    assert_eq!(set(&file, writeback, 1), Ok(0));
    let hotspot = DRM_CLIENT_CAP_CURSOR_PLANE_HOTSPOT;
    assert_eq!(set(&file, hotspot, 1), Err(Errno::EOPNOTSUPP));
    drop(file);
    finish(card);
    let card = Card::of(new_system(), render_driver(), Removal::Unplug);
    let file = card.open();
    assert_eq!(cap(&file, DRM_CAP_DUMB_BUFFER), Err(Errno::EOPNOTSUPP));
    let atomic = set(&file, DRM_CLIENT_CAP_ATOMIC, 1);
    assert_eq!(atomic, Err(Errno::EOPNOTSUPP));
    drop(file);
    finish(card);
}
