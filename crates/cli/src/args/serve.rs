//! What serves devices to others: `lastfd bench`, `iiod`, and `ctl`, which asks a run.

use std::net::SocketAddr;

use clap::{Args, Subcommand};
use lastfd::devices::Spec;
use lastfd::iiod::UnplugAnswers;
use lastfd::supervisor::Restrictions;
use lastfd::{Fault, IIOD_PORT, Rules};

use super::{parse_answers, parse_rules};

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
