//! `display`: unplugged as hardware that can go, or unregistered as vkms.

use core::time::Duration;

use lastfd_abi::drm::*;
use lastfd_chrdev::{MapRequest, Mapping, OpenFile, OpenFlags, PollMask, open};
use lastfd_model::{Errno, Result};

use crate::{
    every_allocation_that_fails_is_unwound, ioctl, leaks, nothing_is_left_however_it_ends,
    open_node, plug, refused, world,
};

const PATH: &str = "/dev/dri/card0";

fn version(file: &OpenFile) -> Result<i32> {
    ioctl(file, DRM_IOCTL_VERSION, &mut DrmVersion::default())
}

fn map_buffer(file: &OpenFile) -> Mapping {
    let mut create = DrmModeCreateDumb {
        width: 64,
        height: 64,
        bpp: 32,
        ..DrmModeCreateDumb::default()
    };
    ioctl(file, DRM_IOCTL_MODE_CREATE_DUMB, &mut create).unwrap();
    let mut map = DrmModeMapDumb {
        handle: create.handle,
        ..DrmModeMapDumb::default()
    };
    ioctl(file, DRM_IOCTL_MODE_MAP_DUMB, &mut map).unwrap();
    file.mmap(MapRequest::shared(map.offset, create.size))
        .unwrap()
}

fn next_vblank(file: &OpenFile) -> Result<i32> {
    let mut wait = DrmWaitVblankReply {
        type_: _DRM_VBLANK_RELATIVE,
        sequence: 1,
        ..DrmWaitVblankReply::default()
    };
    ioctl(file, DRM_IOCTL_WAIT_VBLANK, &mut wait)
}

#[test]
fn an_unplugged_display_gives_enodev_and_keeps_its_mappings() {
    let (system, clock) = world();
    let display = plug(&system, "display");
    let file = open_node(&system, PATH);
    assert_eq!(version(&file), Ok(0));
    let begin = clock.now();
    assert_eq!(next_vblank(&file), Ok(0));
    assert_eq!(next_vblank(&file), Ok(0));
    let frames = clock.now().since_start() - begin.since_start();
    let two = Duration::from_secs(2) / 60;
    assert!(frames <= two && frames > two / 2, "{frames:?}");
    let buffer = map_buffer(&file);
    let card = system.dev_node("dri/card0").unwrap().device;

    display.unplug();
    assert_eq!(version(&file), Err(Errno::ENODEV));
    assert_eq!(next_vblank(&file), Err(Errno::ENODEV));
    let events = PollMask::IN | PollMask::PRI | PollMask::OUT;
    assert_eq!(file.poll(events, Some(Duration::ZERO)), PollMask::NONE);
    buffer.write(0, b"still there").unwrap();
    let again = open(&system, PATH, OpenFlags::RDWR);
    assert_eq!(again.err(), Some(Errno::ENOENT));
    drop(file);
    assert!(!card.is_released(), "the mapping holds the file");
    drop(buffer);
    assert!(card.is_released());
    drop((display, card));
    assert_eq!(leaks(system), [""; 0]);
}

#[test]
fn an_unregistered_display_goes_on_working_on_open_files() {
    let (system, _clock) = world();
    let display = plug(&system, "display:removal=unregister");
    let file = open_node(&system, PATH);
    let card = system.dev_node("dri/card0").unwrap().device;
    display.unplug();
    assert_eq!(version(&file), Ok(0));
    let buffer = map_buffer(&file);
    buffer.write(0, b"as good as new").unwrap();
    // Its CRTC was switched off.
    assert_eq!(next_vblank(&file), Err(Errno::EINVAL));
    let again = open(&system, PATH, OpenFlags::RDWR);
    assert_eq!(again.err(), Some(Errno::ENOENT));
    drop((buffer, file));
    assert!(card.is_released());
    drop((display, card));
    assert_eq!(leaks(system), [""; 0]);
}

#[test]
fn a_display_leaves_nothing_behind() {
    for words in ["display", "display:removal=unregister"] {
        nothing_is_left_however_it_ends(words, PATH, |file, _| {
            map_buffer(file);
            next_vblank(file).unwrap();
        });
        every_allocation_that_fails_is_unwound(words, 10);
    }
}

#[test]
fn each_display_has_a_card_and_its_key_is_checked() {
    let (system, _clock) = world();
    let displays = [
        plug(&system, "display"),
        plug(&system, "display:removal=unplug"),
    ];
    assert_eq!(displays[1].name(), "display2");
    assert!(system.dev_node("dri/card1").is_some());
    drop(displays);
    assert_eq!(
        refused("display:removal=never"),
        "display: `removal=never` will not do; removal is unplug or unregister"
    );
}
