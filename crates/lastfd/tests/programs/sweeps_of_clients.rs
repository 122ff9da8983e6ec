//! Stock clients, swept: what each becomes on each side of each operation.

use core::time::Duration;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use lastfd::Outcome;
use lastfd::Patience;
use lastfd::sweep::{Repeats, Side, Sweep, Swept};

use crate::compile;

/// A long one is swept at the first of each operation, unless `cargo xtask soak` asks
/// for more.
fn swept(device: &str, command: &[&str], repeats: Repeats) -> Option<Swept> {
    let (program, arguments) = command.split_first().unwrap();
    if !compile::has(program) {
        return None;
    }
    let sweep = Sweep::new(*program, arguments.iter().copied())
        .device(device.parse().unwrap())
        .repeats(repeats)
        .jobs(8)
        .patience(Patience {
            timeout: Duration::from_secs(2),
            ..Patience::default()
        });
    Some(sweep.run().unwrap())
}

/// What came of the runs at each operation, without what is a matter of time: how many
/// there were, who slept, numbers of processes.
fn story(swept: &Swept) -> String {
    let mut order = Vec::new();
    let mut came: BTreeMap<(String, Side), Vec<String>> = BTreeMap::new();
    for run in &swept.runs {
        let name = run.point.step.to_string();
        if !order.contains(&name) {
            order.push(name.clone());
        }
        let outcomes = came.entry((name, run.point.side)).or_default();
        let word = match &run.outcome {
            Outcome::NotReached { .. } => continue,
            Outcome::Hung(asleep) => {
                let call = asleep.call.as_ref().map_or("", |(op, _)| op);
                match asleep.was_not_woken() {
                    true => format!("hung in {call}, as with a real device"),
                    false => format!("hung in {call} begun later, as with a real device"),
                }
            }
            Outcome::Ended { status, .. } => format!("ended {status}"),
            outcome => outcome.word().to_owned(),
        };
        if !outcomes.contains(&word) {
            outcomes.push(word);
        }
    }
    let mut story = String::new();
    for name in order {
        for side in [Side::Before, Side::Blocked, Side::After] {
            let Some(outcomes) = came.get_mut(&(name.clone(), side)) else {
                continue;
            };
            outcomes.sort();
            let _ = writeln!(story, "{side:<7} {name}: {}", outcomes.join(", "));
        }
    }
    story
}

/// The snapshot of a client's sweep, if the client is there.
macro_rules! swept {
    ($name:ident, $device:literal, $command:expr) => {
        swept!($name, $device, $command, Repeats::Sample(1));
    };
    ($name:ident, $device:literal, $command:expr, $repeats:expr) => {
        #[test]
        fn $name() {
            if let Some(swept) = swept($device, &$command, $repeats) {
                insta::assert_snapshot!(stringify!($name), story(&swept));
            }
        }
    };
}

swept!(
    v4l2_ctl_streams,
    "camera:size=64x48,fps=100",
    ["v4l2-ctl", "--stream-mmap"]
);
swept!(
    v4l2_ctl_streams_and_polls,
    "camera:size=64x48,fps=100",
    ["v4l2-ctl", "--stream-mmap", "--stream-poll"]
);
swept!(
    v4l2_ctl_waits_for_an_event,
    "camera:size=64x48,fps=100",
    ["v4l2-ctl", "--wait-for-event=ctrl=brightness"]
);
swept!(
    iio_readdev_reads,
    "iio-adc:rate=1000",
    ["iio_readdev", "-u", "local:", "-b", "16", "lastfd-adc"]
);
swept!(
    cec_ctl_monitors,
    "cec:rights=net-admin",
    ["cec-ctl", "--monitor"]
);
swept!(
    cec_ctl_waits_for_messages,
    "cec",
    ["cec-ctl", "--tv", "--wait-for-msgs"]
);
swept!(
    ffmpeg_takes_frames,
    "camera:size=64x48,fps=100",
    FFMPEG,
    Repeats::Once
);
swept!(
    gstreamer_takes_frames,
    "camera:size=64x48,fps=100",
    ["gst-launch-1.0", "v4l2src", "!", "fakesink"],
    Repeats::Once
);

const FFMPEG: [&str; 9] = [
    "ffmpeg",
    "-nostdin",
    "-f",
    "v4l2",
    "-i",
    "/dev/video0",
    "-f",
    "null",
    "-",
];
