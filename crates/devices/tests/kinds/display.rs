//! `display`: unplugged as hardware that can go, or unregistered as vkms.

use core::time::Duration;

use lastfd_abi::drm::*;
use lastfd_chrdev::{MapRequest, Mapping, OpenFile, OpenFlags, PollMask, open};
use lastfd_devices::SourceFault;
use lastfd_model::{Errno, Result};
use lastfd_sync::Clock;

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

/// The number of the next vblank, and how many frames it took.
fn vblank(file: &OpenFile, clock: &Clock) -> (u32, u128) {
    let mut wait = DrmWaitVblankReply {
        type_: _DRM_VBLANK_RELATIVE,
        sequence: 1,
        ..DrmWaitVblankReply::default()
    };
    let before = clock.now().since_start();
    ioctl(file, DRM_IOCTL_WAIT_VBLANK, &mut wait).unwrap();
    let took = clock.now().since_start() - before;
    (
        wait.sequence,
        (took.as_nanos() * 60 + 500_000_000) / 1_000_000_000,
    )
}

#[test]
fn vblanks_are_lost_late_told_twice_and_stop() {
    let (system, clock) = world();
    let display = plug(&system, "display");
    let file = open_node(&system, PATH);
    let (first, _) = vblank(&file, &clock);
    assert_eq!(vblank(&file, &clock), (first + 1, 1));
    // The core counts by the time what it was not told of.
    display.fault(SourceFault::Drop(3)).unwrap();
    assert_eq!(vblank(&file, &clock), (first + 5, 4));
    display
        .fault(SourceFault::Delay(Duration::from_secs(1)))
        .unwrap();
    let (late, frames) = vblank(&file, &clock);
    assert_eq!((late, frames), (first + 5 + 61, 61));
    display.fault(SourceFault::Repeat(1)).unwrap();
    let told = system.record();
    assert_eq!(vblank(&file, &clock), (late + 1, 1));
    // The second one comes before the next does.
    assert_eq!(vblank(&file, &clock), (late + 2, 1));
    let twice = format!("vblank 0 number {}", late + 1);
    let told = told.events();
    let lines = told.iter().map(|event| event.kind.to_string());
    let lines: Vec<_> = lines.filter(|line| line.contains("vblank")).collect();
    let told = lines.iter().filter(|line| line.ends_with(&twice)).count();
    assert_eq!(told, 2, "{lines:?}");
    display.fault(SourceFault::Stop).unwrap();
    assert_eq!(next_vblank(&file), Err(Errno::EBUSY));
    display.fault(SourceFault::Start).unwrap();
    let (again, _) = vblank(&file, &clock);
    assert_eq!(vblank(&file, &clock), (again + 1, 1));
    assert_eq!(display.fault(SourceFault::Wrap), Err(Errno::EOPNOTSUPP));
    drop((file, display));
    assert_eq!(leaks(system), [""; 0]);
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
