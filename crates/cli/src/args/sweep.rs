//! `lastfd sweep`.

use std::time::Duration;

use clap::Args;
use lastfd::Rules;
use lastfd::devices::Spec;

use super::{parse_rules, parse_time};

const SWEEP_EXAMPLES: &str = "\
A first run, in which the devices stay, numbers the program's operations on their nodes: open,
each ioctl by its name, read, write, poll, select, mmap, close. It ends with the program, or when
a second has shown nothing new. Then a run for each point: the device goes before the operation,
while the program sleeps in it, after it. The program stands still meanwhile, so that a point is
the same in each run. Of what repeats, the first three are tried and --sample more.

What becomes of the program:
  ended        by itself, whatever its status; good
  let go       it runs on, and has closed the device; good
  crashed      a signal ended it
  hung         it sleeps in a call on the device that never ends, --timeout after; or, if it ends
               by itself undisturbed, it does not. Where a kernel wakes nobody either, it says so
  spun         it makes more than --spin calls a second on a dead descriptor
  kept         it still has a descriptor or a mapping, --timeout after
  not reached  the device never went: the program took another way

Each line ends with the `lastfd run` that repeats the run. The program's input is empty, and what
it prints is nowhere; repeat a run to see it. What is left of it is killed after each run.

Exit status: 0 if no point is crashed, hung, spun or kept; 71 if one is; 64 for wrong usage; 1 if
the program never touches a device; 126 and 127 if it cannot be run or is not there.

Examples:
  lastfd sweep -- cat /dev/iio:device0
  lastfd sweep --device camera -- v4l2-ctl --stream-mmap --stream-count=10
  lastfd sweep --device camera --format junit -- ./my-camera-app > sweep.xml";

#[derive(Debug, Args)]
#[command(after_help = SWEEP_EXAMPLES)]
pub(crate) struct SweepArgs {
    /// Plug this in [default: iio-adc]; `lastfd devices` lists kinds and keys
    #[arg(long = "device", value_name = "KIND[:KEY=VALUE,...]")]
    pub(crate) devices: Vec<Spec>,

    /// The kernel whose rules to follow
    #[arg(long, value_name = "RULES", default_value_t, value_parser = parse_rules)]
    pub(crate) rules: Rules,

    /// Do not have the program preload the library that makes its calls which are not about a
    /// device as fast as without lastfd
    #[arg(long)]
    pub(crate) no_accel: bool,

    /// Make so many runs at a time [default: the processors]
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<std::num::NonZeroU16>,

    /// How to tell
    #[arg(long, value_enum, default_value_t = SweepFormat::Pretty)]
    pub(crate) format: SweepFormat,

    /// How long the program may take for what it has to do once its device went
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_time)]
    pub(crate) timeout: Duration,

    /// So many calls a second on a dead descriptor are too many
    #[arg(long, value_name = "CALLS", default_value_t = 1000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) spin: u64,

    /// How long it may take to come to a point, and to its first operation
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_time)]
    pub(crate) limit: Duration,

    /// Of repeats of an operation past the third, try so many
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with = "every")]
    pub(crate) sample: u32,

    /// Try all repeats
    #[arg(long)]
    pub(crate) every: bool,

    /// Try the first of each operation alone: the fewest points
    #[arg(long, conflicts_with_all = ["every", "sample"])]
    pub(crate) once: bool,

    /// What the choice of repeats depends on
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub(crate) seed: u64,

    /// The program; {uri} in its arguments is the address of an iiod
    #[arg(last = true, value_name = "PROGRAM")]
    pub(crate) program: Vec<std::ffi::OsString>,
}

/// How `lastfd sweep` tells what came of it.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum SweepFormat {
    /// A line for each point, a table and a verdict
    Pretty,
    /// JUnit XML, a case for each point
    Junit,
    /// JSON
    Json,
}
