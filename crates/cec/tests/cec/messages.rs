//! Sending, replies, what the core answers by itself, and full queues.

use core::time::Duration;

use lastfd_cec::abi::*;
use lastfd_cec::raw::*;
use lastfd_chrdev::{OpenFlags, PollMask, open};
use lastfd_model::Errno;
use lastfd_sync::Cancel;

use lastfd_rigs::cec::*;

#[test]
fn a_message_takes_its_time_and_tells_how_it_went() {
    let rig = Rig::configured();
    let file = rig.open(PLAYER);
    let start = rig.clock.now();
    let msg = send(&file, ask(CEC_MSG_STANDBY, 0)).unwrap();
    assert_eq!(rig.clock.now(), start.after(duration(2)));
    assert_eq!(msg.tx_ts, rig.clock.now().0);
    assert_eq!((msg.tx_status, msg.rx_status), (CEC_TX_STATUS_OK, 0));
    assert_ne!(msg.sequence, 0);
    assert!(msg.status_is_ok());
    let again = send(&file, ask(CEC_MSG_STANDBY, 0)).unwrap();
    assert!(again.sequence > msg.sequence);
}

#[test]
fn nobody_there_is_four_tries_and_a_nack() {
    let rig = Rig::configured();
    let file = rig.open(PLAYER);
    let msg = send(&file, CecMsg::new(&[0x45, CEC_MSG_STANDBY])).unwrap();
    assert_eq!(
        msg.tx_status,
        CEC_TX_STATUS_NACK | CEC_TX_STATUS_MAX_RETRIES
    );
    assert_eq!(msg.tx_nack_cnt, 4);
    // A poll is tried twice.
    let poll = send(&file, CecMsg::new(&[0x45])).unwrap();
    assert_eq!(poll.tx_nack_cnt, 2);
    let found = send(&file, CecMsg::new(&[0x40])).unwrap();
    assert_eq!(found.tx_status, CEC_TX_STATUS_OK);
}

#[test]
fn polling_oneself_finds_nobody_and_sends_nothing() {
    let rig = Rig::configured();
    let file = rig.open(PLAYER);
    rig.told.lock().clear();
    let msg = send(&file, CecMsg::new(&[0x44])).unwrap();
    assert_eq!(
        msg.tx_status,
        CEC_TX_STATUS_NACK | CEC_TX_STATUS_MAX_RETRIES
    );
    assert_eq!(msg.tx_nack_cnt, 1);
    assert_eq!(*rig.told.lock(), [""; 0]);
}

#[test]
fn a_message_that_cannot_be_sent_is_refused() {
    let rig = Rig::configured();
    let file = rig.open(PLAYER);
    let raw = CecMsg {
        flags: CEC_MSG_FL_RAW,
        ..ask(CEC_MSG_STANDBY, 0)
    };
    let long = CecMsg {
        len: 17,
        ..ask(CEC_MSG_STANDBY, 0)
    };
    let vendor = CecMsg {
        flags: CEC_MSG_FL_REPLY_VENDOR_ID,
        ..CecMsg::new(&[0x40, CEC_MSG_VENDOR_COMMAND_WITH_ID, 0, 0x0c, 3])
    };
    for (why, msg, errno) in [
        ("empty", CecMsg::default(), Errno::EINVAL),
        ("too long", long, Errno::EINVAL),
        (
            "a reply to a poll",
            CecMsg {
                timeout: 1,
                ..CecMsg::new(&[0x40])
            },
            Errno::EINVAL,
        ),
        ("a poll of everybody", CecMsg::new(&[0x4f]), Errno::EINVAL),
        (
            "to itself",
            CecMsg::new(&[0x44, CEC_MSG_STANDBY]),
            Errno::EINVAL,
        ),
        (
            "from another",
            CecMsg::new(&[0x50, CEC_MSG_STANDBY]),
            Errno::EINVAL,
        ),
        ("a vendor's reply to nothing", vendor, Errno::EINVAL),
        ("raw", raw, Errno::EPERM),
    ] {
        assert_eq!(send(&file, msg), Err(errno), "{why}");
    }
    set_capable(&rig.system, Capability::SysRawio, true);
    assert!(send(&file, raw).is_ok());
}

#[test]
fn without_addresses_a_television_can_be_found_and_woken_and_nothing_else() {
    let rig = Rig::new();
    let file = rig.open(PLAYER);
    assert_eq!(send(&file, ask(CEC_MSG_STANDBY, 0)), Err(Errno::EPERM));
    let adap = rig.adap(PLAYER);
    cec_s_phys_addr(&adap, CEC_PHYS_ADDR_INVALID, false);
    cec_s_log_addrs(&adap, Some(&player()), false).unwrap();
    assert_eq!(send(&file, ask(CEC_MSG_STANDBY, 0)), Err(Errno::ENONET));
    assert!(send(&file, ask(CEC_MSG_IMAGE_VIEW_ON, 0)).is_ok());
    assert!(send(&file, CecMsg::new(&[0x40])).is_ok());
    assert_eq!(
        send(&file, ask(CEC_MSG_IMAGE_VIEW_ON, CEC_MSG_STANDBY)),
        Err(Errno::EINVAL)
    );
    let rig = Rig::with_caps(CEC_CAP_LOG_ADDRS);
    let file = rig.open(PLAYER);
    assert_eq!(send(&file, ask(CEC_MSG_STANDBY, 0)), Err(Errno::ENOTTY));
}

/// What the television answers to a question.
fn answer(question: CecMsg) -> (Vec<u8>, u8) {
    let rig = Rig::configured();
    let file = rig.open(PLAYER);
    let msg = send(&file, question).unwrap();
    (msg.bytes().to_vec(), msg.rx_status)
}

#[test]
fn the_core_answers_what_every_device_must() {
    let ok = CEC_RX_STATUS_OK;
    for (question, reply, expected) in [
        (
            CEC_MSG_GIVE_PHYSICAL_ADDR,
            CEC_MSG_REPORT_PHYSICAL_ADDR,
            &[0x0f, CEC_MSG_REPORT_PHYSICAL_ADDR, 0, 0, 0][..],
        ),
        (
            CEC_MSG_GET_CEC_VERSION,
            CEC_MSG_CEC_VERSION,
            &[0x04, CEC_MSG_CEC_VERSION, CEC_OP_CEC_VERSION_2_0],
        ),
        (
            CEC_MSG_GIVE_OSD_NAME,
            CEC_MSG_SET_OSD_NAME,
            &[0x04, CEC_MSG_SET_OSD_NAME, b'T', b'V'],
        ),
        (
            CEC_MSG_GIVE_DEVICE_VENDOR_ID,
            CEC_MSG_DEVICE_VENDOR_ID,
            &[0x0f, CEC_MSG_DEVICE_VENDOR_ID, 0, 0x0c, 0x03],
        ),
        (
            CEC_MSG_GIVE_FEATURES,
            CEC_MSG_REPORT_FEATURES,
            &[0x0f, CEC_MSG_REPORT_FEATURES, 6, 0, 0, 0],
        ),
    ] {
        let found = answer(ask(question, reply));
        assert_eq!(found, (expected.to_vec(), ok), "{question:#04x}");
    }
}

#[test]
fn what_nobody_knows_is_aborted() {
    let aborted = CEC_RX_STATUS_OK | CEC_RX_STATUS_FEATURE_ABORT;
    for (question, reply, reason) in [
        (CEC_MSG_ABORT, 0x33, CEC_OP_ABORT_REFUSED),
        (
            CEC_MSG_GIVE_AUDIO_STATUS,
            CEC_MSG_REPORT_AUDIO_STATUS,
            CEC_OP_ABORT_UNRECOGNIZED_OP,
        ),
    ] {
        let expected = vec![0x04, CEC_MSG_FEATURE_ABORT, question, reason];
        assert_eq!(answer(ask(question, reply)), (expected, aborted));
    }
}

#[test]
fn a_message_with_the_wrong_address_or_length_is_ignored() {
    let rig = Rig::configured();
    let file = rig.open(TV);
    set_mode(&file, CEC_MODE_INITIATOR | CEC_MODE_FOLLOWER).unwrap();
    for wrong in [
        &[0x4f, CEC_MSG_GIVE_AUDIO_STATUS][..],
        &[0x40, CEC_MSG_ACTIVE_SOURCE, 0x10, 0x00],
        &[0x4f, CEC_MSG_ACTIVE_SOURCE, 0x10],
        &[0x40, CEC_MSG_RECORD_ON, CEC_OP_RECORD_SRC_DIGITAL],
        &[0x45, CEC_MSG_STANDBY],
    ] {
        cec_received_msg(&rig.adap(TV), &CecMsg::new(wrong));
        assert_eq!(receive(&file, 1), Err(Errno::ETIMEDOUT), "{wrong:x?}");
    }
    let right = [0x4f, CEC_MSG_ACTIVE_SOURCE, 0x10, 0x00];
    cec_received_msg(&rig.adap(TV), &CecMsg::new(&right));
    assert_eq!(receive(&file, 1).unwrap().bytes(), right);
    cec_received_msg(&rig.adap(TV), &CecMsg::default());
    assert_eq!(rig.splats().len(), 1, "an empty message is a mistake");
}

#[test]
fn a_reply_that_does_not_come_is_a_timeout() {
    let rig = Rig::configured();
    let follower = rig.open(TV);
    set_mode(&follower, CEC_MODE_INITIATOR | CEC_MODE_FOLLOWER).unwrap();
    let file = rig.open(PLAYER);
    let start = rig.clock.now();
    let question = ask(CEC_MSG_GIVE_AUDIO_STATUS, CEC_MSG_REPORT_AUDIO_STATUS);
    let msg = send(&file, question).unwrap();
    assert_eq!(
        (msg.tx_status, msg.rx_status),
        (CEC_TX_STATUS_OK, CEC_RX_STATUS_TIMEOUT)
    );
    assert_eq!(msg.timeout, 1000, "a second, if none is given");
    let end = start.after(duration(2)).after(Duration::from_secs(1));
    assert_eq!(rig.clock.now(), end);
    let quick = CecMsg {
        timeout: 50,
        ..question
    };
    send(&file, quick).unwrap();
    let end = end.after(duration(2)).after(Duration::from_millis(50));
    assert_eq!(rig.clock.now(), end);
    // Nothing of the waits is left, once the worker is done.
    rig.settle();
    let left = rig.system.ledger();
    assert!(
        !left
            .iter()
            .any(|line| line.what.contains("cec_wait_timeout"))
    );
}

#[test]
fn hardware_that_never_ends_is_given_up_after_two_seconds() {
    let rig = Rig::configured();
    let file = rig.open(PLAYER);
    rig.get_stuck();
    let start = rig.clock.now();
    let msg = send(&file, ask(CEC_MSG_STANDBY, 0)).unwrap();
    assert_eq!(
        msg.tx_status,
        CEC_TX_STATUS_TIMEOUT | CEC_TX_STATUS_MAX_RETRIES
    );
    assert_eq!(rig.clock.now(), start.after(Duration::from_millis(2100)));
}

#[test]
fn a_call_that_must_not_sleep_gets_the_result_as_a_message() {
    let rig = Rig::configured();
    let flags = OpenFlags::RDWR | OpenFlags::NONBLOCK;
    let file = open(&rig.system, &rig.path(PLAYER), flags).unwrap();
    assert_eq!(receive(&file, 0), Err(Errno::EAGAIN));
    let sent = send(&file, ask(CEC_MSG_STANDBY, 0)).unwrap();
    assert_eq!(sent.tx_status, 0, "not known yet");
    assert_eq!(receive(&file, 0), Err(Errno::EAGAIN));
    rig.settle();
    let result = receive(&file, 0).unwrap();
    assert_eq!(
        (result.sequence, result.tx_status),
        (sent.sequence, CEC_TX_STATUS_OK)
    );
    dqevent(&file).unwrap();
    assert_eq!(dqevent(&file), Err(Errno::EAGAIN));
}

#[test]
fn the_queue_holds_eighteen() {
    let rig = Rig::configured();
    let flags = OpenFlags::RDWR | OpenFlags::NONBLOCK;
    let file = open(&rig.system, &rig.path(PLAYER), flags).unwrap();
    dqevent(&file).unwrap();
    rig.get_stuck();
    send(&file, ask(CEC_MSG_STANDBY, 0)).unwrap();
    // The first is with the hardware by then.
    rig.clock.advance(Duration::from_millis(1));
    for _ in 0..CEC_MAX_MSG_TX_QUEUE_SZ {
        assert!(
            file.poll(PollMask::OUT, Some(Duration::ZERO))
                .contains(PollMask::OUT)
        );
        send(&file, ask(CEC_MSG_STANDBY, 0)).unwrap();
    }
    assert_eq!(send(&file, ask(CEC_MSG_STANDBY, 0)), Err(Errno::EBUSY));
    let mask = file.poll(PollMask::OUT, Some(Duration::ZERO));
    assert!(mask.is_empty(), "{mask}");
    // Its close takes nothing back, but nobody is told.
    drop(file);
    rig.unplug();
    assert_eq!(rig.splats(), [""; 0]);
}

#[test]
fn a_file_that_does_not_read_loses_its_oldest_messages_and_is_told() {
    let rig = Rig::configured();
    let file = rig.open_quiet(TV);
    set_mode(&file, CEC_MODE_INITIATOR | CEC_MODE_FOLLOWER).unwrap();
    for count in 0..60_u8 {
        let msg = CecMsg::new(&[0x4f, CEC_MSG_ACTIVE_SOURCE, 0x10, count]);
        cec_received_msg(&rig.adap(TV), &msg);
    }
    let event = dqevent(&file).unwrap();
    assert_eq!(event.event, CEC_EVENT_LOST_MSGS);
    assert_eq!(event.lost_msgs(), 6);
    let mut left = Vec::new();
    while let Ok(msg) = receive(&file, 1) {
        left.push(msg.msg[3]);
    }
    assert_eq!(left, (6..60).collect::<Vec<u8>>());
    assert_eq!(left.len(), CEC_MAX_MSG_RX_QUEUE_SZ);
}

#[test]
fn a_newer_state_takes_the_place_of_an_older_one() {
    let rig = Rig::new();
    let file = rig.open(PLAYER);
    cec_s_phys_addr(&rig.adap(PLAYER), 0x2000, false);
    let event = dqevent(&file).unwrap();
    assert_eq!(event.state_change().phys_addr, 0x2000);
    assert_eq!(event.flags, CEC_EVENT_FL_DROPPED_EVENTS);
}

#[test]
fn a_vendors_reply_is_known_by_its_vendor() {
    let rig = Rig::configured();
    let follower = rig.open(TV);
    set_mode(&follower, CEC_MODE_INITIATOR | CEC_MODE_FOLLOWER).unwrap();
    let file = rig.open(PLAYER);
    let vendor = [CEC_MSG_VENDOR_COMMAND_WITH_ID, 0, 0x0c, 0x03];
    let question = CecMsg {
        flags: CEC_MSG_FL_REPLY_VENDOR_ID,
        reply: 0x42,
        ..CecMsg::new(&[&[0x40], &vendor[..], &[0x41]].concat())
    };
    let task = rig
        .clock
        .spawn("program", move || send(&file, question))
        .unwrap();
    rig.clock.advance(duration(6));
    for reply in [0x43, 0x42] {
        let bytes = [&[0x04], &vendor[..], &[reply]].concat();
        cec_received_msg(&rig.adap(PLAYER), &CecMsg::new(&bytes));
    }
    let msg = task.join().unwrap().unwrap();
    assert_eq!(msg.msg[5], 0x42);
    assert_eq!(msg.flags, CEC_MSG_FL_REPLY_VENDOR_ID);
}

#[test]
fn a_killed_program_gives_its_transmit_up() {
    let rig = Rig::configured();
    let file = rig.open(PLAYER);
    rig.get_stuck();
    let signal = Cancel::new();
    let cancel = signal.clone();
    let task = rig
        .clock
        .spawn("program", move || {
            ioctl_until(&file, CEC_TRANSMIT, ask(CEC_MSG_STANDBY, 0), &cancel)
        })
        .unwrap();
    rig.clock.advance(Duration::from_millis(10));
    signal.cancel();
    let msg = task.join().unwrap().unwrap();
    assert_eq!(
        msg.tx_status,
        CEC_TX_STATUS_ABORTED | CEC_TX_STATUS_MAX_RETRIES
    );
}
