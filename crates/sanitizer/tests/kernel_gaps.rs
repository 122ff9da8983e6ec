//! Where Linux itself breaks a rule, the sanitizer says so, names the function, and blames
//! nobody.

use core::time::Duration;

use lastfd_abi::cec::{CEC_DQEVENT, CEC_PHYS_ADDR_INVALID, CEC_RECEIVE};
use lastfd_abi::v4l2::VIDIOC_DQEVENT;
use lastfd_cec::raw::cec_s_phys_addr;
use lastfd_chrdev::{Attempt, Call, OpenFile, OpenFlags, PollMask, Process};
use lastfd_iio::raw::iio_push_to_buffers_with_ts_unaligned;
use lastfd_model::raw::device_release_driver;
use lastfd_model::{Errno, System};
use lastfd_rigs::drm::{Card, Removal, display_driver};
use lastfd_rigs::{cec, iio, v4l2};
use lastfd_sanitizer::{GAPS, Owner, Sanitizer};
use lastfd_sync::{Cancel, Clock};

/// A System that is watched from its start.
fn watched() -> (System, Sanitizer) {
    let system = System::builder()
        .clock(Clock::simulated())
        .ledger(true)
        .build();
    let sanitizer = Sanitizer::watch(&system);
    (system, sanitizer)
}

/// The one finding is a gap: its rule and its function.
#[track_caller]
fn gap(sanitizer: &Sanitizer) -> (u8, String) {
    let found = sanitizer.findings();
    let reports: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), 1, "{}", reports.join("\n\n"));
    sanitizer.assert_clean();
    match &found[0].owner {
        Owner::KernelGap { function, .. } => (found[0].rule.number, function.to_string()),
        owner => panic!("{owner} is blamed:\n{}", reports[0]),
    }
}

/// The call sleeps while the device goes; then a signal ends it.
fn sleeps_through(mut call: Call, program: &mut Process, goes: impl FnOnce()) {
    assert!(matches!(call.attempt(program), Attempt::Wait(_)));
    call.blocked();
    goes();
    assert!(matches!(call.interrupt(program), Attempt::Done(Err(_))));
}

/// The poll sleeps while the device goes; then a signal ends it.
fn polls_through(system: &System, file: OpenFile, goes: impl FnOnce()) {
    let signal = Cancel::new();
    let cancel = signal.clone();
    let poll = move || file.poll_with(PollMask::IN, None, &cancel);
    let program = system.clock().spawn("program", poll).unwrap();
    system.clock().advance(Duration::from_millis(100));
    goes();
    system.clock().advance(Duration::from_secs(100));
    assert!(!program.is_finished());
    signal.cancel();
    assert_eq!(program.join().unwrap(), Err(Errno::EINTR));
}

#[test]
fn drm_read_sleeps_on_after_unplug() {
    let (system, sanitizer) = watched();
    let card = Card::of(system, display_driver(), Removal::Unplug);
    let (file, mut program) = (card.open(), Process::new());
    let buffer = program.map(vec![0; 64]);
    let call = file.begin_read(buffer, 64);
    sleeps_through(call, &mut program, || card.remove());
    assert_eq!(gap(&sanitizer), (12, "drm_read".to_owned()));
}

#[test]
fn v4l2_dqevent_sleeps_on_after_unbind() {
    let (system, sanitizer) = watched();
    let rig = v4l2::Rig::on(&system, |device| {
        lastfd_rigs::v4l2::Camera::probe(device, None)
    });
    let rig = rig.unwrap();
    let (file, mut program) = (rig.file(), Process::new());
    let event = program.map(vec![0; 256]);
    let call = file.begin_ioctl(VIDIOC_DQEVENT, event);
    sleeps_through(call, &mut program, || rig.remove(v4l2::Removal::Unbind));
    drop((file, rig));
    assert_eq!(gap(&sanitizer), (12, "v4l2_event_dequeue".to_owned()));
}

#[test]
fn cec_receive_sleeps_on_after_unbind() {
    let (system, sanitizer) = watched();
    let rig = cec::Rig::on(&system, cec::CAPS).unwrap();
    rig.configure().unwrap();
    let (file, mut program) = (rig.open_quiet(0), Process::new());
    let message = program.map(vec![0; 256]);
    let call = file.begin_ioctl(CEC_RECEIVE, message);
    sleeps_through(call, &mut program, || device_release_driver(&rig.hardware));
    drop(file);
    assert_eq!(gap(&sanitizer), (12, "cec_receive_msg".to_owned()));
}

#[test]
fn cec_dqevent_sleeps_on_after_unbind() {
    let (system, sanitizer) = watched();
    let rig = cec::Rig::on(&system, cec::CAPS).unwrap();
    // One with an address would tell that it loses it.
    cec_s_phys_addr(&rig.adap(0), CEC_PHYS_ADDR_INVALID, false);
    let (file, mut program) = (rig.open_quiet(0), Process::new());
    let event = program.map(vec![0; 256]);
    let call = file.begin_ioctl(CEC_DQEVENT, event);
    sleeps_through(call, &mut program, || device_release_driver(&rig.hardware));
    drop(file);
    assert_eq!(gap(&sanitizer), (12, "cec_dqevent".to_owned()));
}

#[test]
fn drm_poll_sleeps_on_after_unplug() {
    let (system, sanitizer) = watched();
    let card = Card::of(system.clone(), display_driver(), Removal::Unplug);
    polls_through(&system, card.open(), || card.remove());
    assert_eq!(gap(&sanitizer), (12, "drm_poll".to_owned()));
}

#[test]
fn iio_buffer_poll_sleeps_on_after_unbind() {
    let (system, sanitizer) = watched();
    let rig = iio::Rig::on(&system, lastfd_rigs::iio::dummy).unwrap();
    rig.enable_buffer().unwrap();
    let file = rig.open(OpenFlags::RDONLY).unwrap();
    polls_through(&system, file, || device_release_driver(&rig.hardware));
    assert_eq!(gap(&sanitizer), (12, "iio_buffer_poll".to_owned()));
}

#[test]
fn each_gap_that_is_known_is_met_by_a_test() {
    let tests = [
        include_str!("kernel_gaps.rs"),
        include_str!("unlocked_checks.rs"),
    ];
    for gap in GAPS {
        let name = format!("\"{}\"", gap.function);
        assert!(tests.iter().any(|tests| tests.contains(&name)), "{name}");
    }
}

#[test]
fn iio_manages_its_bounce_buffer_on_its_own_device() {
    let (system, sanitizer) = watched();
    let rig = iio::Rig::on(&system, lastfd_rigs::iio::dummy).unwrap();
    rig.enable_buffer().unwrap();
    iio_push_to_buffers_with_ts_unaligned(&rig.iio(), &[0; 2], 0).unwrap();
    let function = "iio_push_to_buffers_with_ts_unaligned";
    assert_eq!(gap(&sanitizer), (2, function.to_owned()));
    drop(rig.open(OpenFlags::RDONLY).unwrap());
}
