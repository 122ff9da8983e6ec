//! CEC: pollers and transmits are told, a receive is not.

use core::time::Duration;

use lastfd_cec::abi::*;
use lastfd_chrdev::{OpenFile, OpenFlags, PollMask};
use lastfd_kunit::{
    Test, kunit_assert_not_err_or_null, kunit_expect_eq, kunit_expect_false, kunit_expect_true,
    kunit_suite,
};
use lastfd_model::{Errno, Result};
use lastfd_rigs::cec::*;
use lastfd_sync::{Arc, Ktime};

use super::asleep::{Asleep, REMOVAL};
use super::edge;
use super::held::{self, Held, Ioctls, mask, said};
use super::{answers_as_recorded, calls, until_the_end};

const IOCTLS: Ioctls = Ioctls {
    known: CEC_ADAP_G_CAPS,
    // _IO('a', 0xff)
    unknown: 0x61ff,
    // VIDIOC_QUERYCAP
    foreign: 0x8068_5600,
};

/// A television and a player that have no logical address yet.
fn plugged(test: &Test) -> Result<Arc<Rig>> {
    let rig = until_the_end(test, Rig::on(test.system(), CAPS)?, |rig| rig.end())?;
    rig.made().ok_or(Errno::ENODEV)?;
    Ok(rig)
}

/// A television and a player with their addresses.
fn configured(test: &Test) -> Result<Arc<Rig>> {
    let rig = plugged(test)?;
    rig.configure()?;
    Ok(rig)
}

/// And the player's node is open.
fn opened(test: &Test) -> Result<(Arc<Rig>, OpenFile)> {
    let rig = configured(test)?;
    let file = rig.try_open_quiet(PLAYER)?;
    Ok((rig, file))
}

fn a_call_on_the_node(test: &Test) -> Result {
    let rig = configured(test)?;
    let device = rig.device(PLAYER);
    let flags = OpenFlags::RDWR | OpenFlags::LARGEFILE;
    let held = Held::new(&device, rig.path(PLAYER), flags, "uevent", IOCTLS)?;
    // The first event is not of the removal.
    dqevent(&held.file)?;
    let file = &held.file;
    let own = |operation: &str| {
        Some(match operation {
            "G_PHYS_ADDR" => said(held::ioctl(file, CEC_ADAP_G_PHYS_ADDR)),
            "G_LOG_ADDRS" => said(held::ioctl(file, CEC_ADAP_G_LOG_ADDRS)),
            "G_MODE" => said(held::ioctl(file, CEC_G_MODE)),
            "S_MODE" => said(set_mode(file, CEC_MODE_INITIATOR).map(|_| 0)),
            "TRANSMIT" => {
                let msg = CecMsg::new(&[0x40, CEC_MSG_IMAGE_VIEW_ON]);
                said(send(file, msg).map(|_| 0))
            }
            "RECEIVE 100ms" => said(receive(file, 100).map(|_| 0)),
            "DQEVENT" | "DQEVENT 2" => said(dqevent(file).map(|_| 0)),
            _ => return None,
        })
    };
    answers_as_recorded(test, &held, own, || {
        rig.unplug();
        Ok(())
    })?;
    kunit_expect_true!(test, crate::released(&rig.hardware));
    kunit_expect_false!(test, crate::released(&device));
    held.close();
    kunit_expect_true!(test, crate::released(&device));
    Ok(())
}

fn a_live_adapter_cannot_be_read_or_written(test: &Test) -> Result {
    let (_rig, file) = opened(test)?;
    kunit_expect_eq!(test, file.read(&mut [0; 64]), Err(Errno::EINVAL));
    kunit_expect_eq!(test, file.read(&mut []), Err(Errno::EINVAL));
    kunit_expect_eq!(test, file.write(&[0; 16]), Err(Errno::EINVAL));
    Ok(())
}

fn what_was_queued_is_lost_with_the_adapter(test: &Test) -> Result {
    let (rig, file) = opened(test)?;
    set_mode(&file, CEC_MODE_INITIATOR | CEC_MODE_FOLLOWER)?;
    let mut standby = CecMsg::new(&[0x04, CEC_MSG_STANDBY]);
    lastfd_cec::raw::cec_transmit_msg(&rig.adap(TV), &mut standby, true)?;
    rig.settle();
    let ready = file.poll(PollMask::IN, Some(Duration::ZERO));
    kunit_expect_eq!(test, ready, PollMask::IN);
    rig.unplug();
    kunit_expect_eq!(test, receive(&file, 100).err(), Some(Errno::ENODEV));
    kunit_expect_eq!(test, dqevent(&file).err(), Some(Errno::ENODEV));
    Ok(())
}

fn the_number_of_a_held_adapter_is_free_only_at_the_last_close(test: &Test) -> Result {
    let rig = configured(test)?;
    let file = rig.try_open_quiet(TV)?;
    let first = [rig.path(TV), rig.path(PLAYER)];
    rig.unplug();
    let paths_of_others = |id| -> Result<[String; 2]> {
        test.system().wait_for_releases();
        let another = rig.plug_another(id)?;
        let paths = rig.made().map(|_| [rig.path(TV), rig.path(PLAYER)]);
        lastfd_model::raw::platform_device_unregister(&another);
        paths.ok_or(Errno::ENODEV)
    };
    kunit_expect_false!(test, paths_of_others(1)?.contains(&first[TV]));
    let mode = ioctl(&file, CEC_G_MODE, 0_u32);
    kunit_expect_eq!(test, mode, Err(Errno::ENODEV), "the old file stays dead");
    drop(file);
    kunit_expect_eq!(test, paths_of_others(2)?, first);
    Ok(())
}

fn removal_sends_one_uevent_an_adapter(test: &Test) -> Result {
    let rig = configured(test)?;
    rig.record.take();
    let of = |index| format!("{}: uevent remove", rig.device(index).name());
    let all = [of(TV), of(PLAYER)];
    rig.unplug();
    let mut uevents = rig.uevents();
    uevents.retain(|line| !line.starts_with("hdmi"));
    kunit_expect_eq!(test, uevents, all);
    Ok(())
}

/// A call of the player's program that sleeps.
fn asleep<T: Send + 'static>(
    test: &Test,
    file: &OpenFile,
    call: impl FnOnce(&OpenFile) -> T + Send + 'static,
) -> Result<Asleep<T>> {
    let file = file.clone();
    Asleep::new(test, move |_| call(&file))
}

fn a_receive_without_a_timeout_is_never_woken(test: &Test) -> Result {
    let (rig, file) = opened(test)?;
    let reader = file.clone();
    let receiver = Asleep::new(test, move |signal| {
        ioctl_until(&reader, CEC_RECEIVE, CecMsg::default(), signal)
    })?;
    rig.unplug();
    kunit_expect_eq!(test, receiver.not_woken(test)?.err(), Some(Errno::EINTR));
    let next = receive(&file, 0).err();
    kunit_expect_eq!(test, next, Some(Errno::ENODEV), "the next one is told");
    Ok(())
}

fn a_receive_with_a_timeout_sleeps_its_time(test: &Test) -> Result {
    let (rig, file) = opened(test)?;
    let begun = rig.clock.now();
    let receiver = asleep(test, &file, |file| receive(file, 2000))?;
    rig.unplug();
    let (received, ended) = receiver.ended()?;
    kunit_expect_eq!(test, received.err(), Some(Errno::ETIMEDOUT));
    kunit_expect_eq!(test, ended, begun.after(Duration::from_secs(2)));
    Ok(())
}

fn a_dequeue_gets_one_state_change_and_then_enodev(test: &Test) -> Result {
    let (rig, file) = opened(test)?;
    let dequeue = asleep(test, &file, dqevent)?;
    rig.unplug();
    let event = dequeue.woken(test)?;
    let event = kunit_assert_not_err_or_null!(test, event);
    kunit_expect_eq!(test, event.event, CEC_EVENT_STATE_CHANGE);
    let state = event.state_change();
    kunit_expect_eq!(test, state.phys_addr, CEC_PHYS_ADDR_INVALID);
    // __cec_s_phys_addr posts before cec_adap_unconfigure takes the addresses away and
    // after it; the second replaces the first where no reader was that quick.
    let mask = state.log_addr_mask;
    kunit_expect_true!(test, mask == 0 || mask == 1 << CEC_LOG_ADDR_PLAYBACK_1);
    kunit_expect_eq!(test, dqevent(&file).err(), Some(Errno::ENODEV));
    Ok(())
}

fn a_dequeue_on_an_adapter_without_an_address_is_never_woken(test: &Test) -> Result {
    // The state does not change, so no event is posted.
    let rig = plugged(test)?;
    lastfd_cec::raw::cec_s_phys_addr(&rig.adap(PLAYER), CEC_PHYS_ADDR_INVALID, false);
    let file = rig.try_open_quiet(PLAYER)?;
    let dequeue = Asleep::new(test, move |signal| {
        ioctl_until(&file, CEC_DQEVENT, CecEvent::default(), signal)
    })?;
    rig.unplug();
    kunit_expect_eq!(test, dequeue.not_woken(test)?.err(), Some(Errno::EINTR));
    Ok(())
}

fn a_transmit_that_waits_for_a_reply_returns_with_the_wait_aborted(test: &Test) -> Result {
    let (rig, file) = opened(test)?;
    // The television's program keeps the question to itself.
    let follower = rig.try_open_quiet(TV)?;
    set_mode(&follower, CEC_MODE_INITIATOR | CEC_MODE_FOLLOWER)?;
    let sender = asleep(test, &file, |file| {
        send(
            file,
            ask(CEC_MSG_GIVE_AUDIO_STATUS, CEC_MSG_REPORT_AUDIO_STATUS),
        )
    })?;
    // The question is on the wire for longer than a program needs to sleep.
    rig.clock.advance(REMOVAL);
    rig.unplug();
    let msg = sender.woken(test)?;
    let msg = kunit_assert_not_err_or_null!(test, msg);
    kunit_expect_eq!(test, msg.tx_status, 0x01);
    kunit_expect_eq!(test, msg.rx_status, 0x08);
    let next = send(&file, ask(CEC_MSG_GIVE_AUDIO_STATUS, 0)).err();
    kunit_expect_eq!(test, next, Some(Errno::ENODEV));
    Ok(())
}

fn a_transmit_that_is_being_sent_returns_aborted(test: &Test) -> Result {
    let (rig, file) = opened(test)?;
    rig.get_stuck();
    let sender = asleep(test, &file, |file| send(file, ask(CEC_MSG_STANDBY, 0)))?;
    rig.unplug();
    let msg = sender.woken(test)?;
    let msg = kunit_assert_not_err_or_null!(test, msg);
    kunit_expect_eq!(test, msg.tx_status, 0x60);
    kunit_expect_eq!(test, msg.rx_status, 0);
    let next = send(&file, ask(CEC_MSG_STANDBY, 0)).err();
    kunit_expect_eq!(test, next, Some(Errno::ENODEV));
    Ok(())
}

fn a_transmit_in_the_queue_behind_another_returns_aborted(test: &Test) -> Result {
    let (rig, first) = opened(test)?;
    let second = rig.try_open_quiet(PLAYER)?;
    rig.get_stuck();
    let sent = asleep(test, &first, |file| send(file, ask(CEC_MSG_STANDBY, 0)))?;
    let queued = asleep(test, &second, |file| send(file, ask(CEC_MSG_STANDBY, 0)))?;
    rig.unplug();
    for sender in [queued, sent] {
        let msg = sender.woken(test)?;
        let msg = kunit_assert_not_err_or_null!(test, msg);
        kunit_expect_eq!(test, msg.tx_status, 0x60);
    }
    Ok(())
}

fn a_poll_is_woken_at_once(test: &Test) -> Result {
    let (rig, file) = opened(test)?;
    let poller = asleep(test, &file, |file| {
        file.poll(PollMask::IN | PollMask::PRI, None)
    })?;
    rig.unplug();
    let found = poller.woken(test)?;
    kunit_expect_eq!(test, mask(found), "PRI/ERR/HUP");
    // select: readable and exceptional.
    kunit_expect_true!(test, found.intersects(PollMask::SELECT_READ));
    kunit_expect_true!(test, found.intersects(PollMask::SELECT_EXCEPT));
    Ok(())
}

fn an_edge_triggered_epoll_is_woken_and_finds_the_hang_up(test: &Test) -> Result {
    let (rig, file) = opened(test)?;
    edge::is_woken_and_finds_the_hang_up(test, &file, || {
        rig.unplug();
        Ok(())
    })
}

fn a_claim_of_addresses_is_given_up(test: &Test) -> Result {
    let rig = plugged(test)?;
    let file = rig.try_open_quiet(PLAYER)?;
    rig.get_stuck();
    let claim = asleep(test, &file, |file| {
        ioctl(file, CEC_ADAP_S_LOG_ADDRS, player())
    })?;
    rig.unplug();
    let (claimed, _) = claim.ended()?;
    let las = kunit_assert_not_err_or_null!(test, claimed);
    kunit_expect_eq!(test, las.log_addr_mask, 0);
    Ok(())
}

fn removal_does_not_wait_for_who_holds_a_file(test: &Test) -> Result {
    let (rig, file) = opened(test)?;
    let device = rig.device(PLAYER);
    let before: Ktime = rig.clock.now();
    rig.unplug();
    kunit_expect_eq!(test, rig.clock.now(), before);
    kunit_expect_true!(test, crate::released(&rig.hardware));
    kunit_expect_false!(test, crate::released(&device));
    drop(file);
    kunit_expect_true!(test, crate::released(&device));
    Ok(())
}

kunit_suite! {
    /// What an open file sees when its CEC adapter goes.
    pub suite unplug_cec = "unplug-cec" {
        a_call_on_the_node.params(calls("cec")),
        a_live_adapter_cannot_be_read_or_written,
        what_was_queued_is_lost_with_the_adapter,
        the_number_of_a_held_adapter_is_free_only_at_the_last_close,
        removal_sends_one_uevent_an_adapter,
        a_receive_without_a_timeout_is_never_woken,
        a_receive_with_a_timeout_sleeps_its_time,
        a_dequeue_gets_one_state_change_and_then_enodev,
        a_dequeue_on_an_adapter_without_an_address_is_never_woken,
        a_transmit_that_waits_for_a_reply_returns_with_the_wait_aborted,
        a_transmit_that_is_being_sent_returns_aborted,
        a_transmit_in_the_queue_behind_another_returns_aborted,
        a_poll_is_woken_at_once,
        an_edge_triggered_epoll_is_woken_and_finds_the_hang_up,
        a_claim_of_addresses_is_given_up,
        removal_does_not_wait_for_who_holds_a_file,
    }
}
