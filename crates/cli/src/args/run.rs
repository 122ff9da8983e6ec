//! `lastfd run`.

use std::path::PathBuf;

use clap::Args;
use lastfd::devices::Spec;
use lastfd::iiod::UnplugAnswers;
use lastfd::supervisor::Restrictions;
use lastfd::{Expectations, Rules};

use super::{DebugArgs, parse_answers, parse_rules};
use crate::fault_arg::FaultArg;
use crate::removal_arg::RemovalArg;

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
and closes it; each device is unplugged on the first read if nothing is to be done to any. It is
a process of its own, served as every program; where this machine lets none see devices, with
--iiod-only and with --fail-nth it is a part of this one. The log goes to standard output then,
and to standard error with a program, whose output is its own.

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
