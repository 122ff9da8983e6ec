//! Events of an open file: room, order, whole events, and what survives.

use lastfd_abi::drm::*;
use lastfd_chrdev::{Attempt, OpenFile, Process};
use lastfd_drm::raw::*;
use lastfd_model::Errno;
use zerocopy::{FromBytes, IntoBytes};

use lastfd_rigs::drm::{Card, FRAME, Removal, ioctl, wait_request};

/// Bytes of a vblank's event.
const EVENT: usize = size_of::<DrmEventVblank>();

fn only_file(card: &Card) -> DrmFile {
    card.dev().files().pop().expect("a file is open")
}

fn event(user_data: u64) -> DrmEventVblank {
    DrmEventVblank {
        base: DrmEventHeader {
            type_: DRM_EVENT_VBLANK,
            length: EVENT as u32,
        },
        user_data,
        ..DrmEventVblank::default()
    }
}

fn send(card: &Card, user_data: u64) {
    let (dev, file) = (card.dev(), only_file(card));
    let pending = drm_event_reserve_init(&dev, &file, event(user_data).as_bytes()).unwrap();
    drm_send_event(&dev, pending);
}

fn read(file: &OpenFile, count: usize) -> Vec<u64> {
    let mut buffer = vec![0; count];
    let length = file.read(&mut buffer).unwrap();
    assert_eq!(length % EVENT, 0);
    buffer[..length]
        .chunks(EVENT)
        .map(|bytes| DrmEventVblank::read_from_bytes(bytes).unwrap().user_data)
        .collect()
}

#[test]
fn a_read_gives_whole_events_in_order_and_nothing_if_the_first_does_not_fit() {
    let card = Card::display(Removal::Unplug);
    let file = card.open();
    for user_data in 1..=3 {
        send(&card, user_data);
    }
    assert_eq!(read(&file, EVENT - 1), [] as [u64; 0]);
    assert_eq!(read(&file, 0), [] as [u64; 0]);
    assert_eq!(read(&file, 2 * EVENT + 5), [1, 2]);
    assert_eq!(read(&file, 4096), [3]);
    drop(file);
    card.remove();
    card.finish();
}

#[test]
fn a_file_has_room_for_4096_bytes_of_events_pending_ones_included() {
    let card = Card::display(Removal::Unplug);
    let file = card.open();
    let (dev, drm_file) = (card.dev(), only_file(&card));
    let reserve = || drm_event_reserve_init(&dev, &drm_file, event(0).as_bytes());
    let mut pending: Vec<_> = (0..4096 / EVENT).map(|_| reserve().unwrap()).collect();
    assert_eq!(reserve().err(), Some(Errno::ENOMEM));
    // A cancelled one gives its room back, one that is sent not before it is read.
    drm_event_cancel_free(&dev, pending.pop().unwrap());
    drm_send_event(&dev, pending.pop().unwrap());
    let again = reserve().unwrap();
    assert_eq!(reserve().err(), Some(Errno::ENOMEM));
    read(&file, EVENT);
    pending.push(reserve().unwrap());
    pending.push(again);
    // Through the ioctl it is the same.
    let mut wait = wait_request(_DRM_VBLANK_RELATIVE | _DRM_VBLANK_EVENT, 1);
    let full = ioctl(&file, DRM_IOCTL_WAIT_VBLANK, &mut wait);
    assert_eq!(full, Err(Errno::ENOMEM));
    drop(file);
    // Their file is gone: they are dropped without a word.
    for event in pending {
        drm_send_event(&dev, event);
    }
    drop((drm_file, dev));
    card.remove();
    card.finish();
}

#[test]
fn a_reply_that_nobody_took_leaves_the_events_where_they_were() {
    let card = Card::display(Removal::Unplug);
    let file = card.open();
    send(&card, 1);
    send(&card, 2);
    let mut program = Process::new();
    let buffer = program.map(vec![0; 64]);
    let mut call = file.begin_read(buffer, EVENT as u64);
    let Attempt::Ready(reply) = call.attempt(&mut program) else {
        panic!("there are events");
    };
    // Another reader waits for this one, as for the kernel's mutex.
    let mut other = file.begin_read(buffer, 64);
    let mut other_program = Process::new();
    other_program.map(vec![0; 64]);
    assert!(matches!(
        other.attempt(&mut other_program),
        Attempt::Wait(_)
    ));
    reply.roll_back();
    drop(call);
    assert_eq!(read(&file, 64), [1, 2]);
    drop(other);
    drop(file);
    card.remove();
    card.finish();
}

#[test]
fn a_fault_loses_no_event() {
    let card = Card::display(Removal::Unplug);
    let file = card.open();
    send(&card, 1);
    send(&card, 2);
    let mut program = Process::new();
    // Room for one event and a half, and the kernel is told of more.
    let buffer = program.map(vec![0; EVENT + EVENT / 2]);
    let mut read_at = |addr, count| file.begin_read(addr, count).run(&mut program, None);
    assert_eq!(read_at(buffer, 4 * EVENT as u64), Ok(EVENT as i64));
    assert_eq!(read_at(0x10, 64), Err(Errno::EFAULT));
    assert_eq!(read(&file, 64), [2]);
    drop(file);
    card.remove();
    card.finish();
}

#[test]
fn a_vblank_event_tells_number_time_and_what_was_asked_back() {
    let card = Card::display(Removal::Unplug);
    let file = card.open();
    let mut bytes = DrmWaitVblankRequest {
        type_: _DRM_VBLANK_RELATIVE | _DRM_VBLANK_EVENT,
        sequence: 2,
        signal: 0xabcd,
    }
    .as_bytes()
    .to_vec();
    bytes.resize(size_of::<DrmWaitVblankReply>(), 0);
    file.ioctl_bytes(DRM_IOCTL_WAIT_VBLANK, &mut bytes).unwrap();
    let mut buffer = [0; 64];
    assert_eq!(file.read(&mut buffer), Ok(EVENT));
    let (event, _) = DrmEventVblank::read_from_prefix(&buffer).unwrap();
    let at = FRAME * 2;
    assert_eq!(
        event,
        DrmEventVblank {
            base: DrmEventHeader {
                type_: DRM_EVENT_VBLANK,
                length: 32
            },
            user_data: 0xabcd,
            tv_sec: 0,
            tv_usec: at.subsec_micros(),
            sequence: 3,
            crtc_id: 1,
        }
    );
    drop(file);
    card.remove();
    card.finish();
}
