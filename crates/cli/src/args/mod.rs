//! The command line: the one definition that help, completions and manual pages are
//! made of.

mod run;
mod serve;
mod shown;
mod sweep;

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::Styles;
use clap::builder::styling::AnsiColor;
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use lastfd::iiod::UnplugAnswers;
use lastfd::model::{DebugOptions, FailNth};
use lastfd::{Rules, When};

use crate::doctor::DoctorArgs;

pub(crate) use run::RunArgs;
pub(crate) use serve::{Ask, BenchArgs, CtlArgs, IiodArgs};
pub(crate) use shown::{Emit, ExploreArgs, KunitArgs, KunitFormat, ReplayArgs, Search};
pub(crate) use sweep::{SweepArgs, SweepFormat};

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

const MAN_EXAMPLES: &str = "\
Examples:
  lastfd man run | man -l -
  lastfd man ctl wait | man -l -
  lastfd man --dir ~/.local/share/man/man1";

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
    /// The built-in client of `run`, as a process of its own
    #[command(hide = true)]
    Client {
        /// What is done with each device
        #[arg(value_name = "USE")]
        uses: Vec<String>,
    },
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print a manual page
    Man(ManArgs),
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
