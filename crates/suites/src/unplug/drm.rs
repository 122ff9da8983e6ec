//! DRM: nobody is woken by the removal itself; what the driver's remove
//! switches off ends waits for it.

use core::time::Duration;

use lastfd_abi::drm::*;
use lastfd_chrdev::{MapRequest, OpenFile, OpenFlags, PollFd, PollMask, Process, poll};
use lastfd_drm::raw::*;
use lastfd_kunit::{
    Param, Test, kunit_assert_not_null, kunit_expect_eq, kunit_expect_false, kunit_expect_true,
    kunit_suite,
};
use lastfd_model::{Errno, Result};
use lastfd_rigs::drm::{Card, FRAME, Removal, display_driver, dumb, end, ioctl, wait_request};
use lastfd_sync::{Arc, Cancel};
use zerocopy::IntoBytes;

use super::asleep::{Asleep, REMOVAL, WATCHED};
use super::held::{self, Held, Ioctls, ioctl_with, said};
use super::{answers_as_recorded, calls, until_the_end};

const IOCTLS: Ioctls = Ioctls {
    known: DRM_IOCTL_VERSION,
    // Not in the record under this name: the next two are.
    unknown: NO_CORE,
    // VIDIOC_QUERYCAP
    foreign: 0x8068_5600,
};
/// A number of the core's that nobody has, and one of the driver's.
const NO_CORE: u32 = 0xc008_64ff;
const NO_DRIVER: u32 = 0xc008_647f;

fn removals() -> Vec<Param> {
    Param::each([Removal::Unplug, Removal::Unregister], |removal| {
        format!("{removal:?}").to_lowercase()
    })
}

fn of_param(test: &Test) -> Removal {
    *kunit_assert_not_null!(test, test.param::<Removal>())
}

/// A display with a CRTC that is on.
fn plugged(test: &Test, removal: Removal) -> Result<Arc<Card>> {
    let card = Card::on(test.system(), display_driver(), removal)?;
    let card = until_the_end(test, card, |card| card.end())?;
    card.made().ok_or(Errno::ENODEV)?;
    Ok(card)
}

fn opened(test: &Test, removal: Removal) -> Result<(Arc<Card>, OpenFile)> {
    let card = plugged(test, removal)?;
    let file = card.open_with(OpenFlags::RDWR)?;
    Ok((card, file))
}

/// Calls that only a display has.
fn own_call(file: &OpenFile, handle: u32, operation: &str) -> Option<String> {
    let wait = |ahead| {
        let mut wait = wait_request(_DRM_VBLANK_RELATIVE, ahead);
        said(ioctl(file, DRM_IOCTL_WAIT_VBLANK, &mut wait))
    };
    let bare = |cmd| said(held::ioctl(file, cmd));
    Some(match operation {
        "ioctl unknown core nr" => bare(NO_CORE),
        "ioctl unknown driver nr" => bare(NO_DRIVER),
        "GET_CAP" => {
            let mut cap = DrmGetCap {
                capability: DRM_CAP_DUMB_BUFFER,
                value: 0,
            };
            said(ioctl(file, DRM_IOCTL_GET_CAP, &mut cap))
        }
        "CREATE_DUMB" => said(dumb(file).map(|_| 0)),
        "MAP_DUMB" => {
            let mut map = DrmModeMapDumb {
                handle,
                ..DrmModeMapDumb::default()
            };
            said(ioctl(file, DRM_IOCTL_MODE_MAP_DUMB, &mut map))
        }
        "PRIME_HANDLE_TO_FD" => {
            let mut bytes = [0; 12];
            bytes[..4].copy_from_slice(&handle.to_ne_bytes());
            said(ioctl_with(file, DRM_IOCTL_PRIME_HANDLE_TO_FD, &bytes))
        }
        "WAIT_VBLANK +1" => wait(1),
        "WAIT_VBLANK query" => wait(0),
        "DROP_MASTER" => {
            let dropped = bare(DRM_IOCTL_DROP_MASTER);
            // Taken back, so that it can be dropped again.
            bare(DRM_IOCTL_SET_MASTER);
            dropped
        }
        "SET_MASTER" => bare(DRM_IOCTL_SET_MASTER),
        _ => return None,
    })
}

fn row(test: &Test, removal: Removal) -> Result {
    let card = plugged(test, removal)?;
    let flags = OpenFlags::RDWR | OpenFlags::LARGEFILE;
    let held = Held::new(&card.kdev(), card.path(), flags, "dev", IOCTLS)?;
    let (handle, offset, size) = dumb(&held.file)?;
    let held = held.mapped(MapRequest::shared(offset, size))?;
    answers_as_recorded(
        test,
        &held,
        |operation| own_call(&held.file, handle, operation),
        || {
            card.remove();
            Ok(())
        },
    )?;
    let mapping = held.close();
    // The mapping keeps the file open.
    kunit_expect_false!(test, card.dev().is_released());
    kunit_expect_eq!(test, card.dev().open_count(), 1);
    drop(mapping);
    kunit_expect_true!(test, card.dev().is_released());
    kunit_expect_true!(test, crate::released(&card.hardware));
    Ok(())
}

fn a_call_after_an_unplug(test: &Test) -> Result {
    row(test, Removal::Unplug)
}

fn a_call_after_an_unregister_alone(test: &Test) -> Result {
    row(test, Removal::Unregister)
}

fn a_live_card_has_nothing_to_read_and_refuses_writes(test: &Test) -> Result {
    let card = plugged(test, Removal::Unplug)?;
    let held = Held::new(&card.kdev(), card.path(), OpenFlags::RDWR, "dev", IOCTLS)?;
    for (call, given) in [
        ("read nonblock", "EAGAIN"),
        ("read blocking", "blocks"),
        ("read 0 bytes", "blocks"),
        ("write", "EINVAL"),
    ] {
        let said = held.call(test, call);
        kunit_expect_eq!(test, said.as_deref(), Some(given), "{call}");
    }
    Ok(())
}

fn a_blocking_read(test: &Test, file: &OpenFile) -> Result<Asleep<Result<usize>>> {
    let file = file.clone();
    Asleep::new(test, move |signal| file.read_with(&mut [0; 64], signal))
}

fn a_blocking_poll(
    test: &Test,
    file: &OpenFile,
    events: PollMask,
) -> Result<Asleep<Result<usize>>> {
    let file = file.clone();
    Asleep::new(test, move |signal| {
        poll(&mut [PollFd::new(&file, events)], None, Some(signal))
    })
}

/// Waits for a vblank that many on; gives the number it was told, too.
fn wait_for_vblank(file: &OpenFile, ahead: u32, signal: &Cancel) -> (Result<i32>, u32) {
    let mut program = Process::new();
    let wait = wait_request(_DRM_VBLANK_RELATIVE, ahead);
    let arg = program.map(wait.as_bytes().to_vec());
    let result = file.ioctl_with(DRM_IOCTL_WAIT_VBLANK, arg, &mut program, signal);
    let mut sequence = [0; 4];
    sequence.copy_from_slice(&program.bytes(arg)[4..8]);
    (result, u32::from_ne_bytes(sequence))
}

type Vblank = (Result<i32>, u32);

fn a_blocking_vblank(test: &Test, file: &OpenFile, ahead: u32) -> Result<Asleep<Vblank>> {
    let file = file.clone();
    Asleep::new(test, move |signal| wait_for_vblank(&file, ahead, signal))
}

fn read_poll_and_select_are_not_woken(test: &Test) -> Result {
    let (card, file) = opened(test, of_param(test))?;
    let select = PollMask::SELECT_READ | PollMask::SELECT_WRITE | PollMask::SELECT_EXCEPT;
    let sleepers = [
        a_blocking_read(test, &file)?,
        a_blocking_poll(test, &file, PollMask::IN | PollMask::PRI)?,
        a_blocking_poll(test, &file, select)?,
    ];
    card.remove();
    for sleeper in sleepers {
        kunit_expect_eq!(test, sleeper.not_woken(test)?, Err(Errno::EINTR));
    }
    Ok(())
}

fn a_wait_for_a_vblank_ends_at_once_with_the_current_number(test: &Test) -> Result {
    let (card, file) = opened(test, of_param(test))?;
    let waiting = a_blocking_vblank(test, &file, 150)?;
    card.clock.advance(FRAME * 10 - REMOVAL);
    card.remove();
    // The number it is at, not the one that was asked for.
    let at = 1 + 10;
    kunit_expect_eq!(test, waiting.woken(test)?, (Ok(0), at));
    Ok(())
}

fn an_unplug_alone_ends_no_wait_for_a_vblank(test: &Test) -> Result {
    // It is the driver's switching off of the CRTC that ends it.
    let (card, file) = opened(test, Removal::Unplug)?;
    let soon = a_blocking_vblank(test, &file, 10)?;
    let late = a_blocking_vblank(test, &file, 1000)?;
    let begun = card.clock.now();
    drm_dev_unplug(&card.dev());
    kunit_expect_eq!(test, soon.ended()?.0, (Ok(0), 11));
    let ((result, _), when) = late.ended()?;
    kunit_expect_eq!(test, result, Err(Errno::EBUSY));
    kunit_expect_eq!(test, when, begun.after(Duration::from_secs(3) - REMOVAL));
    drm_atomic_helper_shutdown(&card.dev());
    Ok(())
}

/// A vblank's event, as a page flip has one, is still to come when the CRTC
/// goes off.
fn a_pending_event_arrives_when_the_crtc_goes_off(test: &Test) -> Result {
    let (card, file) = opened(test, of_param(test))?;
    let mut wait = wait_request(_DRM_VBLANK_RELATIVE | _DRM_VBLANK_EVENT, 150);
    ioctl(&file, DRM_IOCTL_WAIT_VBLANK, &mut wait)?;
    let reader = a_blocking_read(test, &file)?;
    card.remove();
    kunit_expect_eq!(test, reader.woken(test)?, Ok(32));
    // Once more, and nobody will ever come.
    let reader = a_blocking_read(test, &file)?;
    kunit_expect_eq!(test, reader.not_woken(test)?, Err(Errno::EINTR));
    Ok(())
}

fn queued_events_survive(test: &Test) -> Result {
    let (card, file) = opened(test, of_param(test))?;
    let mut wait = wait_request(_DRM_VBLANK_RELATIVE | _DRM_VBLANK_EVENT, 1);
    ioctl(&file, DRM_IOCTL_WAIT_VBLANK, &mut wait)?;
    card.clock.advance(FRAME * 2);
    card.remove();
    let readiness = || file.poll(PollMask::IN, Some(Duration::ZERO));
    kunit_expect_eq!(test, readiness(), PollMask::IN);
    kunit_expect_eq!(test, file.read(&mut [0; 64]), Ok(32));
    kunit_expect_eq!(test, readiness(), PollMask::NONE);
    let reader = a_blocking_read(test, &file)?;
    kunit_expect_eq!(test, reader.not_woken(test)?, Err(Errno::EINTR));
    Ok(())
}

fn a_second_card_gets_the_next_number_while_the_old_file_is_open(test: &Test) -> Result {
    let (card, file) = opened(test, Removal::Unplug)?;
    kunit_expect_eq!(test, card.path(), "/dev/dri/card0");
    card.remove();
    let path_of_another = || -> Result<String> {
        let another = plugged(test, Removal::Unplug);
        let path = another.as_ref().map(|card| card.path());
        let path = path.map_err(|errno| *errno);
        if let Ok(card) = another {
            card.end();
        }
        path
    };
    card.end();
    kunit_expect_eq!(test, path_of_another()?, "/dev/dri/card1");
    drop(file);
    kunit_expect_eq!(test, path_of_another()?, "/dev/dri/card0");
    Ok(())
}

fn the_remover_waits_for_those_inside_and_for_no_open_file(test: &Test) -> Result {
    let (card, file) = opened(test, Removal::Unplug)?;
    let dev = card.dev();
    let reader = a_blocking_read(test, &file)?;
    let section = kunit_assert_not_null!(test, drm_dev_enter(&dev));
    let remover = {
        let dev = dev.clone();
        Asleep::new(test, move |_| end(&dev, Removal::Unplug))?
    };
    card.clock.advance(WATCHED);
    kunit_expect_true!(test, remover.sleeps());
    // From outside nobody gets in already.
    kunit_expect_true!(test, drm_dev_enter(&dev).is_none());
    kunit_expect_true!(test, card.kdev().has_directory());
    drm_dev_exit(section);
    remover.ended()?;
    kunit_expect_false!(test, card.kdev().has_directory());
    kunit_expect_eq!(test, reader.not_woken(test)?, Err(Errno::EINTR));
    Ok(())
}

kunit_suite! {
    /// What an open file sees when its DRM device goes.
    pub suite unplug_drm = "unplug-drm" {
        a_call_after_an_unplug.params(calls("drm-unplug")),
        a_call_after_an_unregister_alone.params(calls("drm-unregister")),
        a_live_card_has_nothing_to_read_and_refuses_writes,
        read_poll_and_select_are_not_woken.params(removals()),
        a_wait_for_a_vblank_ends_at_once_with_the_current_number.params(removals()),
        an_unplug_alone_ends_no_wait_for_a_vblank,
        a_pending_event_arrives_when_the_crtc_goes_off.params(removals()),
        queued_events_survive.params(removals()),
        a_second_card_gets_the_next_number_while_the_old_file_is_open,
        the_remover_waits_for_those_inside_and_for_no_open_file,
    }
}
