//! What is queued, what a live device gives, and whose number it is: the other parts of
//! the unplug table, as a program sees them that holds its device.

use core::time::Duration;

use lastfd::cec::abi::{CEC_MSG_STANDBY, CecMsg};
use lastfd::cec::raw::cec_transmit_msg;
use lastfd::iio::raw::iio_push_event;
use lastfd::model::Holding;
use lastfd::{Bench, Ending};
use lastfd_rigs::cec;
use lastfd_rigs::drm::Removal as CardRemoval;
use lastfd_rigs::v4l2::Removal;

use crate::asleep::player;
use crate::compile;
use crate::rows::{
    Device, Play, adapter, camera_of, camera_rig, card, converter_of, converter_rig,
};
use crate::talk::SOON;

/// A program that holds this device; what it says before and after the removal.
fn holds(
    bench: Bench,
    device: Device,
    before: &[(&str, &str)],
    meanwhile: impl FnOnce(),
    queued: &[(&str, &str)],
    after: &[(&str, &str)],
) {
    let Some(program) = compile::c_rows("rows", &[]) else {
        return;
    };
    let mut play = Play::new(bench.command(&program), device);
    play.asks(before);
    meanwhile();
    play.asks(queued);
    play.remove();
    play.asks(after);
    play.end();
    bench.finish().assert_clean();
}

const ALL: &str = "poll IN/PRI/OUT";
const IN: &[(&str, &str)] = &[(ALL, "IN")];
/// Until there is something.
const READY: &[(&str, &str)] = &[("sleep in poll", "IN"), (ALL, "IN")];

#[test]
fn samples_and_events_that_are_queued_are_lost_with_their_device() {
    for kind in ["iio-chrdev", "iio-buffer", "iio-event"] {
        let bench = Bench::new();
        let rig = converter_rig(&bench);
        let device = converter_of(&rig, kind);
        let queue = move || {
            rig.fire();
            iio_push_event(&rig.iio(), 1, 2).unwrap();
        };
        let lost = [(ALL, "0"), ("read blocking", "ENODEV")];
        holds(bench, device, &[], queue, IN, &lost);
    }
}

#[test]
fn messages_that_are_queued_are_lost_with_their_adapter() {
    let bench = Bench::new();
    let (rig, _, device) = player(&bench);
    let standby = move || {
        let mut message = CecMsg::new(&[0x04, CEC_MSG_STANDBY]);
        cec_transmit_msg(&rig.adap(cec::TV), &mut message, true).unwrap();
    };
    let heard = [("sleep in poll", "IN"), (ALL, "IN/OUT")];
    let lost = [
        (ALL, "PRI/ERR/HUP"),
        ("RECEIVE 100ms", "ENODEV"),
        ("DQEVENT", "ENODEV"),
    ];
    holds(bench, device, &[("follow", "0")], standby, &heard, &lost);
}

#[test]
fn frames_and_events_that_are_queued_are_lost_with_their_camera() {
    for how in [Removal::Unbind, Removal::Disconnect] {
        let bench = Bench::new();
        let rig = camera_rig(&bench, None);
        let device = camera_of(&rig, how);
        let before = [("begin a stream", "0"), ("bring an event about", "0")];
        let lost = [
            (ALL, "PRI/ERR/HUP"),
            ("DQBUF", "ENODEV"),
            ("DQEVENT", "ENODEV"),
        ];
        let frame = move || rig.camera().frames.produce();
        holds(bench, device, &before, frame, &[(ALL, "IN/PRI")], &lost);
    }
}

#[test]
fn events_that_are_queued_survive_their_card() {
    for how in [CardRemoval::Unplug, CardRemoval::Unregister] {
        let bench = Bench::new();
        let device = card(&bench, how);
        let left = [
            (ALL, "IN"),
            ("read blocking", "32"),
            (ALL, "0"),
            ("read blocking", "blocks"),
        ];
        let before = [("bring an event about", "0")];
        holds(bench, device, &before, || (), READY, &left);
    }
}

#[test]
fn a_live_converter_gives_what_there_is_and_with_its_buffer_off_goes_as_with_it() {
    let bench = Bench::new();
    let rig = converter_rig(&bench);
    let device = converter_of(&rig, "iio-chrdev");
    let before = [
        ("write", "EPERM"),
        ("read 0 bytes", "EINVAL"),
        ("read nonblock", "EAGAIN"),
    ];
    let sample = {
        let rig = rig.clone();
        move || rig.fire()
    };
    // One of two bytes, where 64 were asked for.
    let part = [("read blocking", "2")];
    holds(bench, device, &before, sample, &part, &[]);
    let bench = Bench::new();
    let rig = converter_rig(&bench);
    let device = converter_of(&rig, "iio-chrdev");
    let disable = move || {
        rig.write("buffer/enable", "0").unwrap();
    };
    let after = [(ALL, "0"), ("read blocking", "ENODEV")];
    holds(bench, device, &[], disable, &[], &after);
}

#[test]
fn a_live_adapter_and_a_live_card_have_nothing_to_read_or_write() {
    let bench = Bench::new();
    let device = adapter(&bench);
    let refused = [("read blocking", "EINVAL"), ("write", "EINVAL")];
    holds(bench, device, &refused, || (), &[], &[]);
    let bench = Bench::new();
    let device = card(&bench, CardRemoval::Unplug);
    let empty = [
        ("read blocking", "blocks"),
        ("read 0 bytes", "blocks"),
        ("write", "EINVAL"),
    ];
    holds(bench, device, &empty, || (), &[], &[]);
}

#[test]
fn a_live_camera_without_a_stream_can_be_read() {
    let bench = Bench::new();
    let rig = camera_rig(&bench, Some(Duration::from_millis(20)));
    let device = camera_of(&rig, Removal::Unbind);
    let reads = [
        ("read a frame", "4096"),
        ("read 0 bytes", "0"),
        ("write", "EINVAL"),
    ];
    holds(bench, device, &reads, || (), &[], &[]);
}

/// Whether a program finds this.
fn is_there(bench: &Bench, path: &str) -> bool {
    let ls = bench.command("ls").args(["-d", path]);
    ls.output().unwrap().ending == Ending::Exited(0)
}

#[test]
fn a_number_is_free_again_only_when_the_held_file_is_closed() {
    for (spec, kind, nodes, attribute) in [
        (
            "iio-adc",
            "iio-chrdev",
            ["/dev/iio:device0", "/dev/iio:device1"],
            "/sys/bus/iio/devices/iio:device0/in_voltage0_raw",
        ),
        (
            "display",
            "drm",
            ["/dev/dri/card0", "/dev/dri/card1"],
            "/sys/class/drm/card0/dev",
        ),
        (
            "cec",
            "cec",
            ["/dev/cec0", "/dev/cec1"],
            "/sys/bus/cec/devices/cec0/uevent",
        ),
        (
            "camera",
            "v4l2",
            ["/dev/video0", "/dev/video1"],
            "/sys/class/video4linux/video0/name",
        ),
    ] {
        let Some(program) = compile::c_rows("rows", &[]) else {
            return;
        };
        let bench = Bench::new();
        let plug = || bench.plug_spec(&spec.parse().unwrap()).unwrap();
        let there = || nodes.map(|node| is_there(&bench, node));
        let first = plug();
        let device = Device {
            kind,
            program: kind,
            path: nodes[0].into(),
            attribute: attribute.into(),
            remove: Box::new(move || first.unplug()),
            end: Box::new(|| ()),
        };
        let mut play = Play::new(bench.command(&program), device);
        play.remove();
        let second = plug();
        assert_eq!(there(), [false, true], "{spec}, held");
        play.asks(&[("ioctl known", "ENODEV"), ("fresh open(path)", "ENOENT")]);
        second.unplug();
        play.end();
        assert!(bench.wait_for_clients(SOON), "{spec} is still open");
        let third = plug();
        assert_eq!(there(), [true, false], "{spec}, closed");
        third.unplug();
        bench.finish().assert_clean();
    }
}

#[test]
fn the_last_close_after_a_disconnect_brings_the_camera_back() {
    let Some(program) = compile::c_rows("rows", &[]) else {
        return;
    };
    let bench = Bench::new();
    let rig = camera_rig(&bench, None);
    let mut play = Play::new(
        bench.command(&program),
        camera_of(&rig, Removal::Disconnect),
    );
    play.remove();
    play.asks(&[("fresh open(path)", "ENODEV")]);
    play.leave();
    assert!(bench.wait_for_clients(SOON), "it is still open");
    let device = camera_of(&rig, Removal::Unbind);
    holds(bench, device, &[("ioctl known", "0")], || (), &[], &[]);
}

#[test]
fn what_a_program_unmapped_is_not_held_at_the_removal() {
    let Some(program) = compile::c_rows("rows", &[]) else {
        return;
    };
    for (unmaps, mapped) in [(false, 1), (true, 0)] {
        let bench = Bench::new();
        let camera = bench.plug_spec(&"camera:fps=1".parse().unwrap()).unwrap();
        let device = Device {
            kind: "v4l2",
            program: "v4l2",
            path: "/dev/video0".into(),
            attribute: "/sys/class/video4linux/video0/name".into(),
            remove: Box::new(move || camera.unplug()),
            end: Box::new(|| ()),
        };
        let mut play = Play::new(bench.command(&program), device);
        play.asks(&[("begin a dry stream", "0")]);
        if unmaps {
            play.asks(&[("unmap", "0")]);
        }
        play.asks(&[("ioctl known", "0")]);
        play.remove();
        play.end();
        let report = bench.finish();
        let verdict = report.verdict();
        let held = verdict.removals[0].held.iter();
        let held = held.filter(|line| line.holding == Holding::Mapping).count();
        assert_eq!(held, mapped, "{verdict}");
    }
}
