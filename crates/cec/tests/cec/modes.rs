//! Who may send, who gets what comes in.

use lastfd_cec::abi::*;
use lastfd_cec::raw::*;
use lastfd_model::Errno;

use lastfd_rigs::cec::*;

const FOLLOW: u32 = CEC_MODE_INITIATOR | CEC_MODE_FOLLOWER;

#[test]
fn a_mode_that_makes_no_sense_is_refused() {
    let rig = Rig::configured();
    let file = rig.open(PLAYER);
    for (mode, why) in [
        (0x100, "an unknown bit"),
        (3, "an unknown initiator"),
        (CEC_MODE_FOLLOWER, "a follower that cannot send"),
        (CEC_MODE_EXCL_FOLLOWER_PASSTHRU, "likewise"),
        (
            CEC_MODE_INITIATOR | CEC_MODE_MONITOR,
            "a monitor that sends",
        ),
        (CEC_MODE_MONITOR_PIN, "a pin that cannot be monitored"),
    ] {
        let refused = set_mode(&file, mode);
        assert_eq!(refused, Err(Errno::EINVAL), "{mode:#x}: {why}");
    }
    assert_eq!(ioctl(&file, CEC_G_MODE, 0_u32), Ok(CEC_MODE_INITIATOR));
}

#[test]
fn only_a_privileged_program_monitors() {
    let rig = Rig::configured();
    let file = rig.open(PLAYER);
    for mode in [CEC_MODE_MONITOR, CEC_MODE_MONITOR_ALL] {
        assert_eq!(set_mode(&file, mode), Err(Errno::EPERM));
    }
    set_capable(&rig.system, Capability::NetAdmin, true);
    set_mode(&file, CEC_MODE_MONITOR).unwrap();
    assert_eq!(ioctl(&file, CEC_G_MODE, 0_u32), Ok(CEC_MODE_MONITOR));
}

#[test]
fn one_file_can_have_the_adapter_to_itself() {
    let rig = Rig::configured();
    let (one, other) = (rig.open(PLAYER), rig.open(PLAYER));
    let question = ask(CEC_MSG_STANDBY, 0);
    for mode in [
        CEC_MODE_EXCL_INITIATOR,
        CEC_MODE_INITIATOR | CEC_MODE_EXCL_FOLLOWER,
    ] {
        set_mode(&one, mode).unwrap();
        assert_eq!(set_mode(&other, mode), Err(Errno::EBUSY));
        set_mode(&one, mode).unwrap();
        set_mode(&one, CEC_MODE_INITIATOR).unwrap();
        set_mode(&other, mode).unwrap();
        set_mode(&other, CEC_MODE_INITIATOR).unwrap();
    }
    set_mode(&one, CEC_MODE_EXCL_INITIATOR).unwrap();
    assert_eq!(send(&other, question), Err(Errno::EBUSY));
    assert!(send(&one, question).is_ok());
    drop(one);
    assert!(send(&other, question).is_ok(), "its close ends it");
    set_mode(&other, CEC_MODE_NO_INITIATOR).unwrap();
    assert_eq!(send(&other, question), Err(Errno::EBUSY));
}

#[test]
fn followers_get_what_the_core_does_not_answer() {
    let rig = Rig::configured();
    let (one, other, none) = (rig.open(TV), rig.open(TV), rig.open(TV));
    set_mode(&one, FOLLOW).unwrap();
    set_mode(&other, FOLLOW).unwrap();
    let player = rig.open(PLAYER);
    send(&player, ask(CEC_MSG_TEXT_VIEW_ON, 0)).unwrap();
    rig.settle();
    for file in [&one, &other] {
        let msg = receive(file, 1).unwrap();
        assert_eq!(msg.bytes(), [0x40, CEC_MSG_TEXT_VIEW_ON]);
        assert_eq!(msg.rx_status, CEC_RX_STATUS_OK);
        assert_eq!(receive(file, 1), Err(Errno::ETIMEDOUT));
    }
    assert_eq!(receive(&none, 1), Err(Errno::ETIMEDOUT));
    // An exclusive follower takes it from them.
    set_mode(&none, CEC_MODE_INITIATOR | CEC_MODE_EXCL_FOLLOWER).unwrap();
    send(&player, ask(CEC_MSG_TEXT_VIEW_ON, 0)).unwrap();
    rig.settle();
    assert!(receive(&none, 1).is_ok());
    assert_eq!(receive(&one, 1), Err(Errno::ETIMEDOUT));
}

#[test]
fn with_passthrough_the_program_answers_in_place_of_the_core() {
    let rig = Rig::configured();
    let tv = rig.open(TV);
    let passthru = CEC_MODE_INITIATOR | CEC_MODE_EXCL_FOLLOWER_PASSTHRU;
    set_mode(&tv, passthru).unwrap();
    let player = rig.open(PLAYER);
    send(&player, ask(CEC_MSG_GIVE_OSD_NAME, 0)).unwrap();
    rig.settle();
    assert_eq!(
        receive(&tv, 1).unwrap().opcode(),
        Some(CEC_MSG_GIVE_OSD_NAME)
    );
    drop(tv);
    let reply = send(&player, ask(CEC_MSG_GIVE_OSD_NAME, CEC_MSG_SET_OSD_NAME)).unwrap();
    assert_eq!(reply.bytes(), [0x04, CEC_MSG_SET_OSD_NAME, b'T', b'V']);
}

#[test]
fn a_monitor_sees_both_directions() {
    let rig = Rig::configured();
    set_capable(&rig.system, Capability::NetAdmin, true);
    let monitor = rig.open(TV);
    set_mode(&monitor, CEC_MODE_MONITOR).unwrap();
    let player = rig.open(PLAYER);
    send(&player, ask(CEC_MSG_GET_CEC_VERSION, CEC_MSG_CEC_VERSION)).unwrap();
    let seen: Vec<Option<u8>> = (0..2)
        .map(|_| receive(&monitor, 1).unwrap().opcode())
        .collect();
    assert_eq!(
        seen,
        [Some(CEC_MSG_GET_CEC_VERSION), Some(CEC_MSG_CEC_VERSION)]
    );
}

#[test]
fn the_driver_is_told_of_monitoring_only_with_being_enabled() {
    let rig = Rig::new();
    set_capable(&rig.system, Capability::NetAdmin, true);
    let file = rig.open(PLAYER);
    set_mode(&file, CEC_MODE_MONITOR_ALL).unwrap();
    drop(file);
    assert_eq!(
        *rig.told.lock(),
        [
            "player: enable true",
            "player: monitor_all true",
            "player: monitor_all false",
            "player: enable false"
        ]
    );
    // A gap of the kernel's: an adapter that is on already is not told.
    let rig = Rig::configured();
    set_capable(&rig.system, Capability::NetAdmin, true);
    let file = rig.open(PLAYER);
    rig.told.lock().clear();
    set_mode(&file, CEC_MODE_MONITOR_ALL).unwrap();
    assert_eq!(*rig.told.lock(), [""; 0]);
}

#[test]
fn a_monitor_of_the_pin_gets_its_level_first() {
    let rig = Rig::with_caps(CAPS | CEC_CAP_MONITOR_PIN);
    set_capable(&rig.system, Capability::NetAdmin, true);
    let file = rig.open_quiet(PLAYER);
    let adap = rig.adap(PLAYER);
    cec_queue_pin_cec_event(&adap, false, false, 1);
    set_mode(&file, CEC_MODE_MONITOR_PIN).unwrap();
    cec_queue_pin_cec_event(&adap, false, true, 2_000);
    cec_queue_pin_hpd_event(&adap, true, 3_000);
    cec_queue_pin_5v_event(&adap, false, 4_000);
    let mut seen: Vec<(u32, u32)> = (0..4)
        .map(|_| {
            dqevent(&file)
                .map(|event| (event.event, event.flags))
                .unwrap()
        })
        .collect();
    seen.sort_unstable();
    assert_eq!(
        seen,
        [
            (CEC_EVENT_PIN_CEC_LOW, CEC_EVENT_FL_DROPPED_EVENTS),
            (CEC_EVENT_PIN_CEC_HIGH, CEC_EVENT_FL_INITIAL_STATE),
            (CEC_EVENT_PIN_HPD_HIGH, 0),
            (CEC_EVENT_PIN_5V_LOW, 0),
        ]
    );
}
