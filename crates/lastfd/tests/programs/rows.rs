//! Every call of the unplug table, made by programs on descriptors that they hold.
//!
//! What is expected is the checked-in list of what was recorded of Linux, and the
//! devices are those that the in-process tests of the list use. The programs answer
//! operations by their names in the list.

use core::time::Duration;
use std::path::Path;

use lastfd::sync::Arc;
use lastfd::{Bench, Command, Ending};
use lastfd_rigs::drm::{Card, Removal as CardRemoval, display_driver};
use lastfd_rigs::v4l2::{Camera, Removal};
use lastfd_rigs::{iio, v4l2};

use crate::talk::Talk;
use crate::{compile, ordinary};

pub(crate) const ROWS: &str = include_str!("../../../../docs/unplug-rows.tsv");

/// A node of one's own, and what Linux gives who has no `CAP_MKNOD`, as no served program
/// has. What the list has is root's, which the in-process tests show.
const WITHOUT_RIGHTS: (&str, &str) = ("mknod same rdev + open", "EPERM");

struct Row {
    operation: &'static str,
    before: Option<&'static str>,
    after: &'static str,
}

/// The calls that are done, on this kind of descriptor.
fn calls(kind: &str) -> Vec<Row> {
    let rows = ROWS.lines().filter_map(|line| {
        let [part, operation, of, before, after, status, _] =
            line.split('\t').collect::<Vec<_>>().try_into().ok()?;
        let shown = part == "call" && of == kind && status == "done";
        let given = |answer| match operation == WITHOUT_RIGHTS.0 {
            true => WITHOUT_RIGHTS.1,
            false => answer,
        };
        shown.then_some(Row {
            operation,
            before: (before != "-").then_some(given(before)),
            after: given(after),
        })
    });
    rows.collect()
}

/// A device of a kind in the list, which can be taken away.
pub(crate) struct Device {
    /// Its name in the list.
    pub(crate) kind: &'static str,
    /// The name that programs know for it.
    pub(crate) program: &'static str,
    pub(crate) path: String,
    pub(crate) attribute: String,
    pub(crate) remove: Box<dyn FnOnce()>,
    /// What holds the hardware, dropped before the bench.
    pub(crate) end: Box<dyn FnOnce()>,
}

/// A camera without frames.
pub(crate) fn camera(bench: &Bench, how: Removal) -> Device {
    camera_of(&camera_rig(bench, None), how)
}

/// The hardware of a camera, with frames if there is a time between them.
pub(crate) fn camera_rig(bench: &Bench, period: Option<Duration>) -> Arc<v4l2::Rig> {
    let probe = move |device: &_| Camera::probe(device, period);
    Arc::new(v4l2::Rig::on(bench.system(), probe).unwrap())
}

pub(crate) fn camera_of(rig: &Arc<v4l2::Rig>, how: Removal) -> Device {
    let (rig, removed) = (rig.clone(), rig.clone());
    Device {
        kind: match how {
            Removal::Unbind => "v4l2-unbind",
            Removal::Disconnect => "v4l2-disconnect",
        },
        program: "v4l2",
        path: "/dev/video0".into(),
        attribute: "/sys/class/video4linux/video0/name".into(),
        remove: Box::new(move || removed.remove(how)),
        end: Box::new(move || rig.end()),
    }
}

pub(crate) fn card(bench: &Bench, how: CardRemoval) -> Device {
    let card = Arc::new(Card::on(bench.system(), display_driver(), how).unwrap());
    let removed = card.clone();
    Device {
        kind: match how {
            CardRemoval::Unplug => "drm-unplug",
            _ => "drm-unregister",
        },
        program: "drm",
        path: card.path(),
        attribute: "/sys/class/drm/card0/dev".into(),
        remove: Box::new(move || removed.remove()),
        end: Box::new(move || card.end()),
    }
}

/// A converter whose buffer is enabled, with a trigger that is silent.
pub(crate) fn converter(bench: &Bench, kind: &'static str) -> Device {
    converter_of(&converter_rig(bench), kind)
}

pub(crate) fn converter_rig(bench: &Bench) -> Arc<iio::Rig> {
    let rig = Arc::new(iio::Rig::on(bench.system(), iio::dummy).unwrap());
    rig.enable_buffer().unwrap();
    rig
}

pub(crate) fn converter_of(rig: &Arc<iio::Rig>, kind: &'static str) -> Device {
    let (rig, removed) = (rig.clone(), rig.clone());
    Device {
        kind,
        program: kind,
        path: rig.path(),
        attribute: "/sys/bus/iio/devices/iio:device0/in_voltage0_raw".into(),
        remove: Box::new(move || removed.unplug()),
        end: Box::new(move || rig.end()),
    }
}

pub(crate) fn adapter(bench: &Bench) -> Device {
    let adapter = bench.plug_spec(&"cec".parse().unwrap()).unwrap();
    Device {
        kind: "cec",
        program: "cec",
        path: "/dev/cec0".into(),
        attribute: "/sys/bus/cec/devices/cec0/uevent".into(),
        remove: Box::new(move || adapter.unplug()),
        end: Box::new(|| ()),
    }
}

/// A program that holds a device.
pub(crate) struct Play<'a> {
    pub(crate) program: Talk<'a>,
    kind: &'static str,
    remove: Option<Box<dyn FnOnce()>>,
    end: Box<dyn FnOnce()>,
}

impl<'a> Play<'a> {
    pub(crate) fn new(command: Command<'a>, device: Device) -> Play<'a> {
        let arguments = [device.program, &device.path, &device.attribute];
        Play {
            program: Talk::start(command.args(arguments), "ready"),
            kind: device.kind,
            remove: Some(device.remove),
            end: device.end,
        }
    }

    pub(crate) fn remove(&mut self) {
        let remove = self.remove.take().unwrap();
        remove();
    }

    /// Makes every call of the list before and after the removal.
    fn through(mut self) {
        let rows = calls(self.kind);
        assert!(rows.len() > 25, "only {} rows of {}", rows.len(), self.kind);
        let mut wrong = Vec::new();
        let mut make = |program: &mut Talk<'_>, when, operation, expected| {
            let said = program.ask(operation);
            if said != expected {
                wrong.push(format!("{when} {operation}: {said}, not {expected}"));
            }
        };
        for row in &rows {
            if let Some(before) = row.before {
                make(&mut self.program, "before:", row.operation, before);
            }
        }
        self.remove();
        for row in &rows {
            make(&mut self.program, "after:", row.operation, row.after);
        }
        assert_eq!(wrong, [""; 0], "{}", self.kind);
        self.end();
    }

    /// Asks for these operations, in order.
    pub(crate) fn asks(&mut self, answers: &[(&str, &str)]) {
        for (operation, expected) in answers {
            let said = self.program.ask(operation);
            assert_eq!(said, *expected, "{operation} on {}", self.kind);
        }
    }

    /// Ends the program; the hardware stays.
    pub(crate) fn leave(self) {
        assert_eq!(self.program.end(), (Vec::new(), Ending::Exited(0)));
    }

    pub(crate) fn end(self) {
        let end = self.end;
        assert_eq!(self.program.end(), (Vec::new(), Ending::Exited(0)));
        end();
    }
}

/// The C program of the rows, if there is a compiler.
fn c_plays(device: impl FnOnce(&Bench) -> Device, begin: Option<&str>) {
    let Some(program) = compile::c_rows("rows", &[]) else {
        return;
    };
    plays(&program, &[], device, begin);
}

fn plays(
    program: &Path,
    arguments: &[&Path],
    device: impl FnOnce(&Bench) -> Device,
    begin: Option<&str>,
) {
    plays_on(Bench::new(), program, arguments, device, begin);
}

fn plays_on(
    bench: Bench,
    program: &Path,
    arguments: &[&Path],
    device: impl FnOnce(&Bench) -> Device,
    begin: Option<&str>,
) {
    let device = device(&bench);
    let command = bench.command(program).args(arguments);
    let mut play = Play::new(command, device);
    if let Some(begin) = begin {
        assert_eq!(play.program.ask(begin), "0");
    }
    play.through();
    bench.finish().assert_clean();
}

const STREAM: Option<&str> = Some("begin a stream");

#[test]
fn every_call_on_a_camera_answers_as_recorded_around_an_unbind() {
    c_plays(|bench| camera(bench, Removal::Unbind), STREAM);
}

#[test]
fn every_call_on_a_camera_answers_as_recorded_around_a_disconnect() {
    c_plays(|bench| camera(bench, Removal::Disconnect), STREAM);
}

#[test]
fn every_call_on_an_adapter_answers_as_recorded() {
    c_plays(adapter, None);
}

#[test]
fn every_call_on_a_card_answers_as_recorded_around_an_unplug() {
    c_plays(|bench| card(bench, CardRemoval::Unplug), None);
}

#[test]
fn every_call_on_a_card_answers_as_recorded_around_an_unregister() {
    c_plays(|bench| card(bench, CardRemoval::Unregister), None);
}

#[test]
fn every_call_on_a_converter_answers_as_recorded() {
    c_plays(|bench| converter(bench, "iio-chrdev"), None);
}

#[test]
fn every_call_on_a_converters_buffer_answers_as_recorded() {
    c_plays(|bench| converter(bench, "iio-buffer"), None);
}

#[test]
fn every_call_on_a_converters_events_answers_as_recorded() {
    c_plays(|bench| converter(bench, "iio-event"), None);
}

/// What does in the place of what a machine refuses gives the same answers.
#[test]
fn on_machines_that_refuse_something_a_program_is_answered_the_same() {
    let Some(program) = compile::c_rows("rows", &[]) else {
        return;
    };
    for machine in ["no-process-vm,yama1", "linux-5.15", "nofile=128"] {
        let bench = || Bench::builder().restrict(machine.parse().unwrap()).build();
        let camera = |bench: &Bench| camera(bench, Removal::Unbind);
        plays_on(bench(), &program, &[], camera, STREAM);
        let converter = |bench: &Bench| converter(bench, "iio-buffer");
        plays_on(bench(), &program, &[], converter, None);
    }
}

/// The rows of V4L2 and of IIO, by another program.
fn plays_v4l2_and_iio(program: &Path, arguments: &[&Path]) {
    for how in [Removal::Unbind, Removal::Disconnect] {
        let camera = |bench: &Bench| camera(bench, how);
        plays(program, arguments, camera, STREAM);
    }
    for kind in ["iio-chrdev", "iio-buffer", "iio-event"] {
        let converter = |bench: &Bench| converter(bench, kind);
        plays(program, arguments, converter, None);
    }
}

#[test]
fn a_static_program_is_answered_the_same() {
    let Some(program) = compile::c_rows("rows-static", &["-static"]) else {
        return;
    };
    plays_v4l2_and_iio(&program, &[]);
    plays(&program, &[], adapter, None);
    for how in [CardRemoval::Unplug, CardRemoval::Unregister] {
        plays(&program, &[], |bench| card(bench, how), None);
    }
}

#[test]
fn a_go_program_is_answered_the_same() {
    let Some(program) = compile::go_rows() else {
        return;
    };
    plays_v4l2_and_iio(&program, &[]);
}

#[test]
fn a_python_program_is_answered_the_same() {
    if !compile::has("python3") {
        return;
    }
    plays_v4l2_and_iio(Path::new("python3"), &[&compile::python_rows()]);
}

#[test]
fn an_ordinary_user_sees_every_row_as_recorded() {
    let programs = [
        compile::c_rows("rows", &[]),
        compile::c_rows("rows-static", &["-static"]),
        compile::c("watch"),
    ];
    let [Some(rows), Some(linked), Some(watch)] = &programs else {
        return;
    };
    // For an ordinary user the others are this already.
    let tests = ["rows::every_call", "asleep::", "held::", "trees::"];
    ordinary::user(&tests, &[rows, linked, watch]);
}
