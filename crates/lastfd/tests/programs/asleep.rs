//! Every call of the unplug table that sleeps while the device goes, made by a program.
//!
//! The removal is done by this process, which goes on once it is over: that it waits for
//! nobody shows in each case.

use core::time::Duration;
use std::path::{Path, PathBuf};

use lastfd::cec::abi::{CEC_MODE_FOLLOWER, CEC_MODE_INITIATOR, CEC_MSG_GIVE_DEVICE_POWER_STATUS};
use lastfd::cec::raw::cec_s_log_addrs;
use lastfd::chrdev::OpenFile;
use lastfd::sync::Arc;
use lastfd::{Bench, Trigger};
use lastfd_rigs::cec;
use lastfd_rigs::drm::Removal as CardRemoval;
use lastfd_rigs::v4l2::Removal;

use crate::compile;
use crate::rows::{Device, Play, ROWS, adapter, camera, camera_of, camera_rig, card, converter};
use crate::talk::{SOON, WATCHED};

/// A call that sleeps while the device goes, and what it then gives; without that,
/// only a signal ends it.
struct Sleep {
    /// Its row in the list.
    row: &'static str,
    begin: &'static str,
    call: &'static str,
    /// What the events call it; the kernel's own waits have none.
    blocked: Option<&'static str>,
    gives: Option<&'static str>,
    /// What it gives where a kernel's poll, without a lock, meets the removal.
    raced: Option<&'static str>,
}

impl Sleep {
    const fn or(mut self, raced: &'static str) -> Sleep {
        self.raced = Some(raced);
        self
    }
}

const fn sleep(
    row: &'static str,
    begin: &'static str,
    call: &'static str,
    blocked: &'static str,
    gives: Option<&'static str>,
) -> Sleep {
    Sleep {
        row,
        begin,
        call,
        blocked: Some(blocked),
        gives,
        raced: None,
    }
}

/// In epoll_wait.
const fn waits(row: &'static str, begin: &'static str, gives: Option<&'static str>) -> Sleep {
    Sleep {
        row,
        begin,
        call: "sleep in epoll ET",
        blocked: None,
        gives,
        raced: None,
    }
}

const NOTHING: &str = "";
const FULL: &str = "begin a stream";
const DRY: &str = "begin a dry stream";
const HUNG_UP: Option<&str> = Some("PRI/ERR/HUP");
const BOTH_SETS: Option<&str> = Some("readable+exceptional");
const DQBUF: &str = "DQBUF, nothing queued";
const POLL: &str = "poll, select";

const UNBOUND: [Sleep; 5] = [
    sleep(DQBUF, DRY, "sleep in DQBUF", "VIDIOC_DQBUF", Some("EINVAL")),
    sleep(POLL, FULL, "sleep in poll", "poll", HUNG_UP),
    sleep(POLL, FULL, "sleep in select", "select", BOTH_SETS),
    waits("epoll ET", FULL, HUNG_UP),
    sleep("DQEVENT", DRY, "sleep in DQEVENT", "VIDIOC_DQEVENT", None),
];

const DISCONNECTED: [Sleep; 5] = [
    sleep(DQBUF, DRY, "sleep in DQBUF", "VIDIOC_DQBUF", None),
    sleep(POLL, FULL, "sleep in poll", "poll", HUNG_UP),
    sleep(POLL, FULL, "sleep in select", "select", BOTH_SETS),
    waits("epoll ET", FULL, HUNG_UP),
    sleep("DQEVENT", DRY, "sleep in DQEVENT", "VIDIOC_DQEVENT", None),
];

/// Programs that take frames, five a second.
const fn loops(of_buffers: &'static str, of_reads: &'static str) -> [Sleep; 2] {
    [
        sleep(
            "DQBUF/QBUF loop",
            FULL,
            "loop of DQBUF and QBUF",
            "VIDIOC_DQBUF",
            Some(of_buffers),
        ),
        sleep(
            "read() loop",
            NOTHING,
            "loop of read()",
            "read",
            Some(of_reads),
        ),
    ]
}

const UNBOUND_LOOPS: [Sleep; 2] = loops("EINVAL from DQBUF", "EINVAL");
const DISCONNECTED_LOOPS: [Sleep; 2] = loops("ENODEV from QBUF", "ENODEV");

const POLLS_OF_CEC: &str = "poll, epoll ET, select";

const OF_CEC: [Sleep; 5] = [
    sleep(
        "RECEIVE, no timeout",
        NOTHING,
        "sleep in RECEIVE",
        "CEC_RECEIVE",
        None,
    ),
    sleep(
        "DQEVENT",
        NOTHING,
        "sleep in DQEVENT",
        "CEC_DQEVENT",
        Some("STATE_CHANGE of ffff, 0000"),
    ),
    sleep(POLLS_OF_CEC, NOTHING, "sleep in poll", "poll", HUNG_UP),
    waits(POLLS_OF_CEC, NOTHING, HUNG_UP),
    sleep(
        POLLS_OF_CEC,
        NOTHING,
        "sleep in select",
        "select",
        BOTH_SETS,
    ),
];

const BEING_SENT: Sleep = sleep(
    "TRANSMIT still being sent",
    NOTHING,
    "sleep in TRANSMIT",
    "CEC_TRANSMIT",
    Some("0 with tx_status 60 rx_status 00"),
);

const UNANSWERED: Sleep = sleep(
    "TRANSMIT waiting for a reply",
    NOTHING,
    "sleep in TRANSMIT",
    "CEC_TRANSMIT",
    Some("0 with tx_status 01 rx_status 08"),
);

const OF_DRM: [Sleep; 4] = [
    sleep("read()", NOTHING, "sleep in read", "read", None),
    sleep("poll", NOTHING, "sleep in poll", "poll", None),
    sleep("select", NOTHING, "sleep in select", "select", None),
    sleep(
        "WAIT_VBLANK +150",
        NOTHING,
        "sleep in WAIT_VBLANK",
        "DRM_IOCTL_WAIT_VBLANK",
        Some("0"),
    ),
];

/// `iio_buffer_poll` finds the callbacks; unregister, whose disable has woken it, takes
/// them away; `iio_buffer_ready` finds them gone, which counts as data.
const OF_IIO: [Sleep; 4] = [
    sleep("read()", NOTHING, "sleep in read", "read", Some("ENODEV")),
    sleep("poll", NOTHING, "sleep in poll", "poll", None).or("IN"),
    sleep("select", NOTHING, "sleep in select", "select", None).or("readable"),
    waits("epoll ET", NOTHING, None).or("IN"),
];

/// The program that sleeps, dynamic and static.
fn programs() -> impl Iterator<Item = PathBuf> {
    let builds: [(&str, &[&str]); 2] = [("rows", &[]), ("rows-static", &["-static"])];
    let build = |(name, flags)| compile::c_rows(name, flags);
    builds.into_iter().filter_map(build)
}

/// Has a program sleep in this call while the device goes.
fn one(
    program: &Path,
    bench: Bench,
    device: Device,
    row: &Sleep,
    (begun, asleep): (impl FnOnce(), impl FnOnce()),
    after: &[(&str, &str)],
) {
    let mut play = Play::new(bench.command(program), device);
    if row.begin != NOTHING {
        play.asks(&[(row.begin, "0")]);
    }
    begun();
    play.program.tell(row.call);
    match row.blocked {
        Some(blocked) => {
            let seen = bench.wait_for(Trigger::Blocked(blocked.into()), SOON);
            assert!(seen.is_ok(), "{} does not sleep: {seen:?}", row.call);
        }
        None => play.program.is_silent(),
    }
    asleep();
    play.remove();
    match row.gives {
        Some(gives) => assert_eq!(play.program.line(), gives, "{}", row.call),
        None => match play.program.line_within(WATCHED) {
            None => {
                play.program.interrupt();
                assert_eq!(play.program.line(), "EINTR", "{}", row.call);
            }
            said => assert_eq!(said.as_deref(), row.raced, "{}", row.call),
        },
    }
    play.asks(after);
    play.end();
    let report = bench.finish();
    // Who sleeps on as in Linux is found, whose fault it may be.
    let is_known = |text: &str| row.gives.is_none() && text.contains("G12 sleeper not woken");
    let findings = report.verdict().findings.iter().map(|f| f.to_string());
    let wrong: Vec<_> = findings.filter(|text| !is_known(text)).collect();
    assert_eq!(wrong, [""; 0], "{}", row.call);
}

fn sleeps(device: impl Fn(&Bench) -> Device, table: &[Sleep]) {
    for program in programs() {
        for row in table {
            let bench = Bench::new();
            let device = device(&bench);
            one(&program, bench, device, row, (|| (), || ()), &[]);
        }
    }
}

fn five_a_second(bench: &Bench, how: Removal) -> Device {
    camera_of(&camera_rig(bench, Some(Duration::from_millis(200))), how)
}

#[test]
fn who_sleeps_on_a_camera_is_told_of_an_unbind_as_recorded() {
    sleeps(|bench| camera(bench, Removal::Unbind), &UNBOUND);
    sleeps(
        |bench| five_a_second(bench, Removal::Unbind),
        &UNBOUND_LOOPS,
    );
}

#[test]
fn who_sleeps_on_a_camera_is_told_of_a_disconnect_as_recorded() {
    let how = Removal::Disconnect;
    sleeps(|bench| camera(bench, how), &DISCONNECTED);
    sleeps(|bench| five_a_second(bench, how), &DISCONNECTED_LOOPS);
}

#[test]
fn who_sleeps_on_an_adapter_is_told_as_recorded() {
    sleeps(adapter, &OF_CEC);
}

const DEAD: &[(&str, &str)] = &[("TRANSMIT", "ENODEV"), ("DQEVENT", "ENODEV")];

/// A television whose program keeps what it hears to itself, and a player.
pub(crate) fn player(bench: &Bench) -> (Arc<cec::Rig>, OpenFile, Device) {
    let rig = Arc::new(cec::Rig::on(bench.system(), cec::CAPS).unwrap());
    cec_s_log_addrs(&rig.adap(cec::TV), Some(&cec::television()), true).unwrap();
    let follower = rig.try_open_quiet(cec::TV).unwrap();
    cec::set_mode(&follower, CEC_MODE_INITIATOR | CEC_MODE_FOLLOWER).unwrap();
    let (removed, ended, open) = (rig.clone(), rig.clone(), follower.clone());
    let device = Device {
        kind: "cec",
        program: "cec",
        path: rig.path(cec::PLAYER),
        attribute: "/sys/bus/cec/devices/cec1/uevent".into(),
        remove: Box::new(move || removed.unplug()),
        end: Box::new(move || {
            drop(open);
            ended.end();
        }),
    };
    (rig, follower, device)
}

#[test]
fn a_message_that_is_being_sent_comes_back_aborted() {
    for program in programs() {
        let bench = Bench::new();
        let (rig, _, device) = player(&bench);
        let stuck = (move || rig.get_stuck(), || ());
        one(&program, bench, device, &BEING_SENT, stuck, DEAD);
    }
}

#[test]
fn a_message_whose_reply_is_waited_for_comes_back_with_the_wait_aborted() {
    for program in programs() {
        let bench = Bench::new();
        let (_, follower, device) = player(&bench);
        let was_heard = move || {
            // The player has told of itself before.
            let next = || cec::receive(&follower, SOON.as_millis() as u32).unwrap();
            while next().opcode() != Some(CEC_MSG_GIVE_DEVICE_POWER_STATUS) {}
        };
        one(
            &program,
            bench,
            device,
            &UNANSWERED,
            (|| (), was_heard),
            DEAD,
        );
    }
}

#[test]
fn who_sleeps_on_a_card_is_told_nothing_but_of_a_vblank() {
    for how in [CardRemoval::Unplug, CardRemoval::Unregister] {
        sleeps(|bench| card(bench, how), &OF_DRM);
    }
}

#[test]
fn who_sleeps_on_a_converter_is_told_in_read_and_not_in_poll() {
    for kind in ["iio-chrdev", "iio-buffer", "iio-event"] {
        sleeps(|bench| converter(bench, kind), &OF_IIO);
    }
}

#[test]
fn every_call_of_the_list_that_sleeps_is_made() {
    let of_cec: Vec<_> = OF_CEC.iter().chain([&BEING_SENT, &UNANSWERED]).collect();
    let made = |kind: &str, row: &str| {
        let is = |sleep: &&Sleep| sleep.row == row;
        match kind {
            "v4l2-unbind" => UNBOUND.iter().chain(&UNBOUND_LOOPS).any(|s| is(&s)),
            "v4l2-disconnect" => DISCONNECTED
                .iter()
                .chain(&DISCONNECTED_LOOPS)
                .any(|s| is(&s)),
            "cec" => of_cec.iter().any(is),
            "drm-unplug" | "drm-unregister" => OF_DRM.iter().any(|s| is(&s)),
            _ => OF_IIO.iter().any(|s| is(&s)),
        }
    };
    let mut rows = 0;
    for line in ROWS.lines() {
        let [part, operation, kind, _, _, status, _] = line.split('\t').collect::<Vec<_>>()[..]
        else {
            panic!("not a row: {line}");
        };
        if part == "blocked" && status == "done" && !operation.starts_with("the remover") {
            assert!(made(kind, operation), "no program sleeps in: {line}");
            rows += 1;
        }
    }
    assert!(rows > 25, "only {rows} rows");
}
