//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::Styles;
use clap::builder::styling::AnsiColor;
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use lastfd::devices::Spec;
use lastfd::iiod::UnplugAnswers;
use lastfd::model::{DebugOptions, FailNth};
use lastfd::supervisor::Restrictions;
use lastfd::{Expectations, Fault, IIOD_PORT, Rules, When};

use crate::doctor::DoctorArgs;
use crate::fault_arg::FaultArg;
use crate::removal_arg::RemovalArg;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

const EXAMPLES: &str = "\
Examples:
  lastfd run                     plug an ADC in, use it, pull it out while it is held
  lastfd run --unplug iio-adc@blocked:read
                                 pull it out while a read of it sleeps
  lastfd run --device camera --unplug camera@open -- v4l2-ctl --stream-mmap
                                 pull it out under a program
  lastfd devices                 what can be plugged in
  lastfd doctor                  what this machine allows
  lastfd kunit                   the built-in suites";

const RUN_EXAMPLES: &str = "\
NAME is the kind, with a number from the second of a kind on: iio-adc, iio-adc2.

WHEN is a time since the start (300ms, 1.5s, 20us) or an event of the device:
  open, close            a node or a file made from one is opened, closed for the last time
  read, write, poll, pread, pwrite, ioctl, ioctl:NAME
                         a call came back without an error
  blocked:CALL           a call (read, poll, an ioctl's name) went to sleep
  show:ATTRIBUTE, store:ATTRIBUTE
                         an attribute was read, written
  before:CALL, after:CALL
                         a program is about to make a call, has made it, whatever comes of it:
                         open, read, write, pread, pwrite, poll, select, mmap, ioctl, ioctl:NAME,
                         and after:close; it stands still until the device has gone
  buffer-enable, buffer-disable, streamon
                         streaming begins, ends
A number after it is how often it has to happen: read:5.

FAULT is one of:
  unplug, unbind, rebind, disconnect
                         disconnect: the hardware goes and the node stays (camera)
  fail:CALL[:N[:ERRNO]]  the next N calls fail, with EIO unless told, before the driver is asked:
                         open, read, write, pread, pwrite, mmap, ioctl, an ioctl's name,
                         show[:ATTRIBUTE], store[:ATTRIBUTE]
  delay:TIME             the next frame, sample or message comes that much later
  drop[:N], repeat[:N]   the next N are lost, or are the one before once more
  wrap                   counters are put to shortly before they wrap
  stop, start            no more data; data again
  set:KEY=VALUE          what it measures, as `lastfd devices` lists
A kind that cannot do one says which it can.

A program sees the devices in /dev and /sys, whatever it is written in, and everything it starts
does; nothing of it reaches this machine's own. Needs Linux 5.14.

Without a program, a built-in client opens every node, uses it, holds it through the removal
and closes it; each device is unplugged on the first read if nothing is to be done to any. The log goes
to standard output then, and to standard error with a program, whose output is its own.

With --expect the run ends as soon as something expected is not met, with a line that says which
process has what open, and what it called last. A program that ends before the device went did
not meet it either.

Exit status: the program's, or 128 and its signal's number; 70 if a driver broke a lifetime
rule; 71 if an expectation was not met; 64 for wrong usage; 126 and 127 if the program cannot be
run or is not there. Without a program 1 if the client or the schedule did not come to its end.

With --fail-nth nothing is logged, and what the client makes of the failure does not count: what
counts is that no driver breaks a rule and nothing is left behind. Without a program time is
simulated then.

Examples:
  lastfd run
  lastfd run --unplug iio-adc@blocked:read --report run.svg
  lastfd run --device display --fail-nth all
  lastfd run --device iio-adc:rate=100 --device iio-adc --unplug iio-adc2@read:5
  lastfd run --device camera --unplug camera@ioctl:VIDIOC_DQBUF:30 -- v4l2-ctl --stream-mmap
  lastfd run --device camera --fault camera:fail:VIDIOC_QBUF:2:EIO@streamon -- v4l2-ctl --stream-mmap
  lastfd run --device iio-adc --unplug iio-adc@300ms -- iio_readdev -u {uri} -b 16 lastfd-adc";

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

const BENCH_EXAMPLES: &str = "\
A request is a line on standard input, its answer a line on standard output, by its id:
  {\"id\":1,\"do\":\"plug\",\"device\":\"camera\"}
  {\"id\":1,\"ok\":{\"name\":\"camera\"}}
What can be asked: plug, unplug, bind, unbind, fault, devices, files, wait, iiod, spawn, programs,
wait-program, signal, kill, expect, finish. docs/bench-protocol.md has each with its answers. The
log goes to standard error, as does what programs write that have no files of their own.

It ends with finish, with its input, with the process that started it, or by SIGINT or SIGTERM,
and kills then what is left of its programs.

Python has it as the package lastfd, with fixtures for pytest; Rust has lastfd::Bench.

Exit status: 0; 70 if a driver broke a lifetime rule; 64 for wrong usage.

Examples:
  lastfd bench
  lastfd bench --quiet --rules linux-pre-6.6";

const IIOD_EXAMPLES: &str = "\
Examples:
  lastfd iiod --device iio-adc
  lastfd iiod --device iio-adc --bind 127.0.0.1:0        any free port";

const CTL_EXAMPLES: &str = "\
NAME is that of `lastfd ctl devices`: the kind, with a number from the second of a kind on.
EVENT is one of those after the @ of `lastfd run --unplug`: open, close, read:5, blocked:DQBUF.

Exit status: 0 if it was done, 1 if the run refused or there is no such run, 64 for wrong usage.

Examples:
  lastfd ctl plug camera
  lastfd ctl wait open && lastfd ctl unplug camera
  lastfd ctl fault camera drop:3
  lastfd ctl set light lux=12
  lastfd ctl --run 4711.0 files";

const KUNIT_EXAMPLES: &str = "\
A condition is an attribute, one of < <= > >= = !=, and a value, as a kernel's kunit.filter has it:
  speed                  very_slow, slow, normal, in this order
  module=NAME            the crate that a suite is of; = and != only
  is_init                true or false

With --fail-nth a case may fail its expectations and has passed all the same: what counts is
that it neither panics, hangs nor leaves something behind, and that a kernel would not have
warned.

Exit status: 0 if every case passed or was skipped, 1 if one failed, 64 if there is no such case.

Examples:
  lastfd kunit
  lastfd kunit --filter 'matrix*' --filter kunit-device.kunit_device_*
  lastfd kunit --attributes 'module=lastfd_suites,speed>=slow' --list-attributes
  lastfd kunit --fail-nth all
  lastfd kunit --format ktap | ./tools/testing/kunit/kunit.py parse";

const MAN_EXAMPLES: &str = "\
Examples:
  lastfd man run | man -l -
  lastfd man ctl wait | man -l -
  lastfd man --dir ~/.local/share/man/man1";

const EXPLORE_EXAMPLES: &str = "\
Without NAME all are explored, 300 schedules each (a race until it is found), and told in a
table.

A bounded search runs all schedules with few preemptions, fewest first: a preemption takes a
task off that could have gone on. It says up to which number it ran all of them. What it finds
is printed as the events of the schedule, a column for each task, with what replays it.

Exit status: 0 if nothing was found, 70 if something was. Without NAME, 0 if the races were
found and nothing else, 1 if one was not. 64 for wrong usage, 1 if a body cannot be explored.

Examples:
  lastfd explore iio-remove-race                    as Linux has it
  lastfd explore iio-remove-race --variant locked   repaired
  lastfd explore v4l2-read --strategy random --schedules 20000
  lastfd explore iio-remove-race --report race.svg  a picture of what was found";

const REPLAY_EXAMPLES: &str = "\
A SCENARIO is a file, or the name of one under oracle/scenarios of the directory it runs in.
With several, a line `== NAME` stands before each trace.

Examples:
  lastfd replay l3
  lastfd replay --rules linux-pre-6.6 my.scenario
  lastfd replay --emit kunit-c b1 > b1_test.c       a test for a kernel's own tree";

/// Linux devices that are plugged in, held open, and pulled out, in user space
#[derive(Debug, Parser)]
#[command(name = "lastfd", version, styles = STYLES, after_help = EXAMPLES)]
#[command(disable_help_subcommand = true, subcommand_required = true)]
#[command(arg_required_else_help = true, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Plug devices in, have them used, pull them out, and judge
    Run(RunArgs),
    /// Pull a device out at every point of a program's work, and say what becomes of it
    Sweep(SweepArgs),
    /// Be a bench that a test in another language drives, by lines of JSON
    Bench(BenchArgs),
    /// Serve devices to clients of libiio until interrupted
    Iiod(IiodArgs),
    /// Ask a run that is going on, from another terminal
    Ctl(CtlArgs),
    /// Run the built-in KUnit suites: what is claimed of lifetimes, shown
    Kunit(KunitArgs),
    /// Print the trace of a scenario
    Replay(ReplayArgs),
    /// Try unplug against use under many schedules
    Explore(ExploreArgs),
    /// List what can be plugged in
    Devices,
    /// Say what this machine allows, and what will not work here
    Doctor(DoctorArgs),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print a manual page
    Man(ManArgs),
}

#[derive(Debug, Args)]
#[command(after_help = RUN_EXAMPLES)]
pub(crate) struct RunArgs {
    /// Plug this in [default: iio-adc]; `lastfd devices` lists kinds and keys
    #[arg(long = "device", value_name = "KIND[:KEY=VALUE,...]")]
    pub(crate) devices: Vec<Spec>,

    /// The kernel whose rules to follow
    #[arg(long, value_name = "RULES", default_value_t, value_parser = parse_rules)]
    pub(crate) rules: Rules,

    /// Unplug the hardware then
    #[arg(long, value_name = "NAME@WHEN")]
    pub(crate) unplug: Vec<RemovalArg>,

    /// Unbind its driver then; the hardware stays
    #[arg(long, value_name = "NAME@WHEN")]
    pub(crate) unbind: Vec<RemovalArg>,

    /// Do this to the device then: FAULT is below
    #[arg(long, value_name = "NAME:FAULT@WHEN")]
    pub(crate) fault: Vec<FaultArg>,

    /// Write a report: .json has all events, .svg is a picture
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,

    /// What the iiod says of a device that has gone: at once ENODEV, or what iiod 0.24 over
    /// a real kernel says
    #[arg(long, value_name = "enodev|linux", default_value_t, value_parser = parse_answers)]
    pub(crate) iiod_unplug: UnplugAnswers,

    /// Do not watch for broken lifetime rules
    #[arg(long)]
    pub(crate) no_sanitizer: bool,

    /// Log every event, also references, matches and each of many calls
    #[arg(long, short)]
    pub(crate) verbose: bool,

    /// What is expected of the program once a device went: ends=TIME, closes=TIME, no-spin,
    /// no-spin=CALLS, no-crash
    #[arg(long, value_name = "WHAT,...", requires = "program")]
    #[arg(conflicts_with_all = ["iiod_only", "fail_nth"])]
    pub(crate) expect: Option<Expectations>,

    /// Show the program no nodes: it reaches IIO devices through the iiod alone
    #[arg(long)]
    pub(crate) iiod_only: bool,

    /// See the program's reads of a device in low descriptors, too, as a shell's `<` makes them;
    /// its reads of every file are slower
    #[arg(long, conflicts_with = "iiod_only")]
    pub(crate) trap_all: bool,

    /// Do not have the program preload the library that makes its calls which are not about a
    /// device as fast as without lastfd
    #[arg(long, conflicts_with = "iiod_only")]
    pub(crate) no_accel: bool,

    /// Do without what this machine would allow, as elsewhere. Places: docker, podman, linux-5.14,
    /// linux-5.15, linux-6.1. Things: no-listener, no-pidfd-getfd, no-process-vm, yama1, yama2,
    /// no-wait-killable, no-sync-wake-up, no-receive-end, no-urgent, nofile=N
    #[arg(long, value_name = "LIST", conflicts_with = "iiod_only")]
    pub(crate) restrict: Option<Restrictions>,

    #[command(flatten)]
    pub(crate) debug: DebugArgs,

    /// A program that uses the devices; {uri} in its arguments is the iiod's address
    #[arg(last = true, value_name = "PROGRAM")]
    pub(crate) program: Vec<std::ffi::OsString>,
}

#[derive(Debug, Args)]
#[command(after_help = SWEEP_EXAMPLES)]
pub(crate) struct SweepArgs {
    /// Plug this in [default: iio-adc]; `lastfd devices` lists kinds and keys
    #[arg(long = "device", value_name = "KIND[:KEY=VALUE,...]")]
    pub(crate) devices: Vec<Spec>,

    /// The kernel whose rules to follow
    #[arg(long, value_name = "RULES", default_value_t, value_parser = parse_rules)]
    pub(crate) rules: Rules,

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

#[derive(Debug, Args)]
#[command(after_help = BENCH_EXAMPLES)]
pub(crate) struct BenchArgs {
    /// The kernel whose rules to follow
    #[arg(long, value_name = "RULES", default_value_t, value_parser = parse_rules)]
    pub(crate) rules: Rules,

    /// Do not watch for broken lifetime rules
    #[arg(long)]
    pub(crate) no_sanitizer: bool,

    /// Log every event, also references, matches and each of many calls
    #[arg(long, short)]
    pub(crate) verbose: bool,

    /// Log nothing
    #[arg(long, short, conflicts_with = "verbose")]
    pub(crate) quiet: bool,

    /// See programs' reads of a device in low descriptors, too, as a shell's `<` makes them;
    /// their reads of every file are slower
    #[arg(long)]
    pub(crate) trap_all: bool,

    /// Do without what this machine would allow, as elsewhere: see `lastfd run --help`
    #[arg(long, value_name = "LIST")]
    pub(crate) restrict: Option<Restrictions>,
}

#[derive(Debug, Args)]
#[command(after_help = IIOD_EXAMPLES)]
pub(crate) struct IiodArgs {
    /// Plug this in; `lastfd devices` lists kinds and keys
    #[arg(long = "device", value_name = "KIND[:KEY=VALUE,...]", required = true)]
    pub(crate) devices: Vec<Spec>,

    /// Listen here; port 0 is any free one
    #[arg(long, value_name = "ADDR", value_parser = parse_address)]
    #[arg(default_value_t = SocketAddr::from(([127, 0, 0, 1], IIOD_PORT)))]
    pub(crate) bind: SocketAddr,

    /// The kernel whose rules to follow
    #[arg(long, value_name = "RULES", default_value_t, value_parser = parse_rules)]
    pub(crate) rules: Rules,

    /// What is said of a device that has gone
    #[arg(long, value_name = "enodev|linux", default_value_t, value_parser = parse_answers)]
    pub(crate) iiod_unplug: UnplugAnswers,
}

#[derive(Debug, Args)]
#[command(after_help = CTL_EXAMPLES, subcommand_required = true, arg_required_else_help = true)]
#[command(disable_help_subcommand = true)]
pub(crate) struct CtlArgs {
    /// The run to ask, where there are several; `lastfd ctl runs` names them
    #[arg(long, value_name = "ID", global = true)]
    pub(crate) run: Option<String>,

    /// Print the answer as it came, a line of JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) ask: Ask,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Ask {
    /// Plug hardware in; prints its name
    Plug {
        /// What; `lastfd devices` lists kinds and keys
        #[arg(value_name = "KIND[:KEY=VALUE,...]")]
        device: Spec,
    },
    /// Pull hardware out
    Unplug {
        /// The hardware
        name: String,
    },
    /// Have a driver bind to hardware that has none
    Bind {
        /// The hardware
        name: String,
    },
    /// Unbind the driver from hardware, which stays
    Unbind {
        /// The hardware
        name: String,
    },
    /// Have hardware vanish while its nodes stay, where its kind can
    Disconnect {
        /// The hardware
        name: String,
    },
    /// Set a key of hardware that is plugged in, such as what a sensor measures
    Set {
        /// The hardware
        name: String,
        /// `lastfd devices` lists keys
        #[arg(value_name = "KEY=VALUE")]
        setting: String,
    },
    /// Have hardware do something wrong: see FAULT of `lastfd run --help`
    Fault {
        /// The hardware
        name: String,
        /// What
        fault: Fault,
    },
    /// List what is plugged in, or was
    Devices,
    /// List the open files, and who holds them by which descriptors and mappings
    Files,
    /// Wait until an event comes; prints it
    Wait {
        /// The event
        event: String,
        /// Give up after this many seconds
        #[arg(long, value_name = "SECONDS")]
        within: Option<f64>,
    },
    /// List the runs that can be asked
    Runs,
}

#[derive(Debug, Args)]
#[command(after_help = KUNIT_EXAMPLES)]
pub(crate) struct KunitArgs {
    /// Only these: SUITE or SUITE.CASE, each a glob; may be given more than once
    #[arg(long, value_name = "GLOB")]
    pub(crate) filter: Vec<String>,

    /// Only those for which all these conditions hold, separated by commas
    #[arg(long, value_name = "CONDITIONS", default_value = "speed>slow")]
    pub(crate) attributes: String,

    /// Show what --attributes leaves out as skipped
    #[arg(long)]
    pub(crate) skip_others: bool,

    /// Run slow cases, too: the same as no conditions
    #[arg(long, conflicts_with = "attributes")]
    pub(crate) slow: bool,

    /// How to tell [default: pretty on a terminal, else ktap]
    #[arg(long, value_enum)]
    pub(crate) format: Option<KunitFormat>,

    /// List the cases instead of running them
    #[arg(long)]
    pub(crate) list: bool,

    /// List them with their attributes
    #[arg(long)]
    pub(crate) list_attributes: bool,

    /// The kernel whose rules to follow, where a suite does not say
    #[arg(long, value_name = "RULES", default_value_t, value_parser = parse_rules)]
    pub(crate) rules: Rules,

    /// Longest time for each half of a case, where it does not say: its init and body, its exit
    /// and cleanup
    #[arg(long, value_name = "TIME", default_value = "300s", value_parser = parse_time)]
    pub(crate) timeout: Duration,

    /// Do not watch for broken lifetime rules
    #[arg(long)]
    pub(crate) no_sanitizer: bool,

    #[command(flatten)]
    pub(crate) debug: DebugArgs,
}

/// Debug modes, as a kernel's configuration has them.
#[derive(Clone, Copy, Debug, Default, Args)]
#[command(next_help_heading = "Debug modes")]
pub(crate) struct DebugArgs {
    /// Release each device one to four seconds after its last put, as with
    /// CONFIG_DEBUG_KOBJECT_RELEASE
    #[arg(long)]
    pub(crate) debug_kobject_release: bool,

    /// Unbind and bind again each device that a driver takes, as with
    /// CONFIG_DEBUG_TEST_DRIVER_REMOVE
    #[arg(long)]
    pub(crate) debug_test_driver_remove: bool,

    /// Make an allocation fail with ENOMEM, as each step of a registration makes one: this
    /// one, or each in a run of its own
    #[arg(long, value_name = "N|all")]
    pub(crate) fail_nth: Option<FailNth>,
}

impl DebugArgs {
    /// Those of a System, but for the failing allocation.
    pub(crate) fn options(self) -> DebugOptions {
        DebugOptions {
            kobject_release: self.debug_kobject_release,
            test_driver_remove: self.debug_test_driver_remove,
            fail_nth: 0,
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = MAN_EXAMPLES)]
pub(crate) struct ManArgs {
    /// The command whose page it is [default: that of lastfd]
    #[arg(value_name = "COMMAND")]
    pub(crate) command: Vec<String>,

    /// Write every page into this directory, as NAME.1
    #[arg(long, value_name = "DIRECTORY", conflicts_with = "command")]
    pub(crate) dir: Option<PathBuf>,
}

/// How `lastfd kunit` tells what came of the cases.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum KunitFormat {
    /// KTAP version 1, as the kernel prints it
    Ktap,
    /// JUnit XML
    Junit,
    /// A line for each case
    Pretty,
}

#[derive(Debug, Args)]
#[command(after_help = EXPLORE_EXAMPLES)]
pub(crate) struct ExploreArgs {
    /// What is explored; --list has the names
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,

    /// A variant of it [default: the first that --list shows]
    #[arg(long, value_name = "VARIANT", requires = "name")]
    pub(crate) variant: Option<String>,

    /// The most schedules to run [default: 10000, or 300 of each]
    #[arg(long, value_name = "N", value_parser = parse_schedules)]
    pub(crate) schedules: Option<usize>,

    /// What random choices depend on
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub(crate) seed: u64,

    /// How schedules are chosen
    #[arg(long, value_enum, default_value_t = Search::Bounded)]
    pub(crate) strategy: Search,

    /// The most preemptions of a bounded search
    #[arg(long, value_name = "B", default_value_t = 2)]
    pub(crate) bound: usize,

    /// How many orders of steps pct expects a fault to need
    #[arg(long, value_name = "D", default_value_t = 3)]
    pub(crate) depth: usize,

    /// Run this one schedule, as it was printed
    #[arg(long, value_name = "RECIPE", requires = "name")]
    #[arg(conflicts_with_all = ["strategy", "schedules", "seed", "bound", "depth"])]
    pub(crate) replay: Option<lastfd::explore::Recipe>,

    /// Draw what was found: a picture, .svg
    #[arg(long, value_name = "FILE", requires = "name")]
    pub(crate) report: Option<PathBuf>,

    /// List the names instead
    #[arg(long, exclusive = true)]
    pub(crate) list: bool,
}

/// How `lastfd explore` chooses schedules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Search {
    /// All with few preemptions
    Bounded,
    /// Any task at each step
    Random,
    /// Few random changes of priority
    Pct,
}

#[derive(Debug, Args)]
#[command(after_help = REPLAY_EXAMPLES)]
pub(crate) struct ReplayArgs {
    /// The kernel whose rules to follow
    #[arg(long, value_name = "RULES", default_value_t, value_parser = parse_rules)]
    pub(crate) rules: Rules,

    /// Instead of the trace, print the scenario as this
    #[arg(long, value_name = "LANGUAGE")]
    pub(crate) emit: Option<Emit>,

    /// Files, or names under oracle/scenarios
    #[arg(value_name = "SCENARIO", required = true)]
    pub(crate) scenarios: Vec<PathBuf>,
}

/// What `lastfd replay --emit` makes of a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Emit {
    /// A KUnit case in C that expects what lastfd does
    KunitC,
}

fn parse_schedules(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("write how many schedules to run, 1 at least".to_owned()),
        Ok(count) => Ok(count),
    }
}

fn parse_time(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(When::At(time)) if !time.is_zero() => Ok(time),
        _ => Err("write a number with a unit, such as 300ms or 2s".to_owned()),
    }
}

fn parse_rules(text: &str) -> Result<Rules, String> {
    text.parse()
        .map_err(|error: lastfd::model::UnknownRules| error.to_string())
}

fn parse_answers(text: &str) -> Result<UnplugAnswers, String> {
    text.parse().map_err(|_| {
        format!("there are no answers '{text}'; they are enodev (at once) and linux (as iiod 0.24 over a real kernel)")
    })
}

/// An address with or without a port.
fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let text = match text.strip_prefix("localhost") {
        Some(port) => &format!("127.0.0.1{port}"),
        None => text,
    };
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    if let Ok(ip) = bare.parse() {
        return Ok(SocketAddr::new(ip, IIOD_PORT));
    }
    if let Some(port) = text.strip_prefix(':').and_then(|port| port.parse().ok()) {
        return Ok(SocketAddr::from(([127, 0, 0, 1], port)));
    }
    Err(format!(
        "'{text}' is no address: write an IP address with or without a port, such as 127.0.0.1:30431, [::1]:30431 or 0.0.0.0"
    ))
}
