//! Calls that sleep while the adapter is removed, as recorded from Linux 6.12:
//! pollers and transmits are told, a receive is not.

use core::time::Duration;

use lastfd_cec::abi::*;
use lastfd_chrdev::{OpenFile, PollMask};
use lastfd_model::Errno;
use lastfd_sync::Cancel;
use lastfd_sync::thread::JoinHandle;

use lastfd_rigs::cec::*;

const REMOVAL: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(3);

/// Begins a call on another task, and lets it fall asleep.
fn asleep<T: Send + 'static>(
    rig: &Rig,
    file: &OpenFile,
    call: impl FnOnce(&OpenFile) -> T + Send + 'static,
) -> JoinHandle<T> {
    let file = file.clone();
    let task = rig.clock.spawn("program", move || call(&file)).unwrap();
    rig.clock.advance(REMOVAL);
    assert!(!task.is_finished(), "it sleeps");
    task
}

#[test]
fn a_receive_without_a_timeout_is_never_woken() {
    let rig = Rig::configured();
    let file = rig.open_quiet(PLAYER);
    let signal = Cancel::new();
    let cancel = signal.clone();
    let task = asleep(&rig, &file, move |file| {
        ioctl_until(file, CEC_RECEIVE, CecMsg::default(), &cancel)
    });
    rig.unplug();
    rig.clock.advance(LONG);
    assert!(!task.is_finished(), "removal woke it");
    signal.cancel();
    assert_eq!(task.join().unwrap(), Err(Errno::EINTR));
    assert_eq!(
        receive(&file, 0),
        Err(Errno::ENODEV),
        "the next one is told"
    );
}

#[test]
fn a_receive_with_a_timeout_sleeps_its_time() {
    let rig = Rig::configured();
    let file = rig.open_quiet(PLAYER);
    let start = rig.clock.now();
    let clock = rig.clock.clone();
    let task = asleep(&rig, &file, move |file| (receive(file, 2000), clock.now()));
    rig.unplug();
    let (received, ended) = task.join().unwrap();
    assert_eq!(received, Err(Errno::ETIMEDOUT));
    assert_eq!(ended, start.after(Duration::from_secs(2)));
}

#[test]
fn a_dequeue_gets_one_state_change_and_then_enodev() {
    let rig = Rig::configured();
    let file = rig.open_quiet(PLAYER);
    let task = asleep(&rig, &file, dqevent);
    let before = rig.clock.now();
    rig.unplug();
    let event = task.join().unwrap().unwrap();
    assert_eq!(rig.clock.now(), before, "woken by the removal");
    assert_eq!(event.event, CEC_EVENT_STATE_CHANGE);
    let state = event.state_change();
    assert_eq!(
        (state.phys_addr, state.log_addr_mask),
        (CEC_PHYS_ADDR_INVALID, 0)
    );
    assert_eq!(dqevent(&file), Err(Errno::ENODEV));
}

#[test]
fn a_dequeue_on_an_adapter_without_an_address_is_never_woken() {
    // The state does not change, so no event is posted.
    let rig = Rig::new();
    lastfd_cec::raw::cec_s_phys_addr(&rig.adap(PLAYER), CEC_PHYS_ADDR_INVALID, false);
    let file = rig.open_quiet(PLAYER);
    let signal = Cancel::new();
    let cancel = signal.clone();
    let task = asleep(&rig, &file, move |file| {
        ioctl_until(file, CEC_DQEVENT, CecEvent::default(), &cancel)
    });
    rig.unplug();
    rig.clock.advance(LONG);
    assert!(!task.is_finished(), "removal woke it");
    signal.cancel();
    assert_eq!(task.join().unwrap(), Err(Errno::EINTR));
}

#[test]
fn a_transmit_that_waits_for_a_reply_returns_with_the_wait_aborted() {
    let rig = Rig::configured();
    let file = rig.open_quiet(PLAYER);
    // The television's program keeps the question to itself.
    let follower = rig.open_quiet(TV);
    set_mode(&follower, CEC_MODE_INITIATOR | CEC_MODE_FOLLOWER).unwrap();
    let task = asleep(&rig, &file, |file| {
        send(
            file,
            ask(CEC_MSG_GIVE_AUDIO_STATUS, CEC_MSG_REPORT_AUDIO_STATUS),
        )
    });
    let before = rig.clock.now();
    rig.unplug();
    let msg = task.join().unwrap().unwrap();
    assert_eq!(rig.clock.now(), before, "woken by the removal");
    assert_eq!((msg.tx_status, msg.rx_status), (0x01, 0x08));
    assert_eq!(
        send(&file, ask(CEC_MSG_GIVE_AUDIO_STATUS, 0)),
        Err(Errno::ENODEV)
    );
    assert_eq!(rig.splats(), [""; 0]);
}

#[test]
fn a_transmit_that_is_being_sent_returns_aborted() {
    let rig = Rig::configured();
    let file = rig.open_quiet(PLAYER);
    rig.get_stuck();
    let task = asleep(&rig, &file, |file| send(file, ask(CEC_MSG_STANDBY, 0)));
    rig.unplug();
    let msg = task.join().unwrap().unwrap();
    assert_eq!((msg.tx_status, msg.rx_status), (0x60, 0));
    assert_eq!(send(&file, ask(CEC_MSG_STANDBY, 0)), Err(Errno::ENODEV));
}

#[test]
fn a_transmit_in_the_queue_behind_another_returns_aborted() {
    let rig = Rig::configured();
    let (first, second) = (rig.open_quiet(PLAYER), rig.open_quiet(PLAYER));
    rig.get_stuck();
    let sent = asleep(&rig, &first, |file| send(file, ask(CEC_MSG_STANDBY, 0)));
    let queued = asleep(&rig, &second, |file| send(file, ask(CEC_MSG_STANDBY, 0)));
    rig.unplug();
    assert_eq!(queued.join().unwrap().unwrap().tx_status, 0x60);
    assert_eq!(sent.join().unwrap().unwrap().tx_status, 0x60);
}

#[test]
fn a_poll_is_woken_at_once() {
    let rig = Rig::configured();
    let file = rig.open_quiet(PLAYER);
    let task = asleep(&rig, &file, |file| {
        file.poll(PollMask::IN | PollMask::PRI, None)
    });
    let before = rig.clock.now();
    rig.unplug();
    let mask = task.join().unwrap();
    assert_eq!(mask, PollMask::PRI | PollMask::ERR | PollMask::HUP);
    assert_eq!(rig.clock.now(), before, "woken by the removal");
    // select: readable and exceptional.
    assert!(mask.intersects(PollMask::SELECT_READ));
    assert!(mask.intersects(PollMask::SELECT_EXCEPT));
}

#[test]
fn a_claim_of_addresses_is_given_up() {
    let rig = Rig::new();
    let file = rig.open_quiet(PLAYER);
    rig.get_stuck();
    let task = asleep(&rig, &file, |file| {
        ioctl(file, CEC_ADAP_S_LOG_ADDRS, player())
    });
    rig.unplug();
    let las = task.join().unwrap().unwrap();
    assert_eq!(las.log_addr_mask, 0);
    assert_eq!(rig.splats(), [""; 0]);
}

#[test]
fn removal_does_not_wait_for_who_holds_a_file() {
    let rig = Rig::configured();
    let file = rig.open_quiet(PLAYER);
    let device = rig.device(PLAYER);
    let before = rig.clock.now();
    rig.unplug();
    assert_eq!(rig.clock.now(), before);
    assert!(rig.hardware.is_released());
    assert!(!device.is_released());
    drop(file);
    assert!(device.is_released());
}
