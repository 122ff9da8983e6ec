//! The `lastfd` command: a thin layer over the crate `lastfd`.
//!
//! It parses the command line, prints the live log and the verdict, and turns errors into
//! one line and an exit status. It depends on `lastfd` alone; all that a test could want
//! too is there.
#![forbid(unsafe_code)]

mod args;
mod bench;
mod ctl;
mod device_arg;
mod devices;
mod doctor;
mod explore;
mod fail_nth;
mod failure;
mod fault_arg;
mod iiod;
mod kunit;
mod log;
mod pages;
mod removal_arg;
mod replay;
mod report_file;
mod run;
mod signals;
mod sweep;
mod usage;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use args::{Cli, Command};
use failure::{Failure, USAGE};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    let result = match cli.command {
        Command::Run(args) => run::run(&args),
        Command::Sweep(args) => sweep::sweep(&args),
        Command::Bench(args) => bench::bench(&args),
        Command::Iiod(args) => iiod::iiod(args),
        Command::Ctl(args) => ctl::ctl(args),
        Command::Kunit(args) => kunit::kunit(&args),
        Command::Replay(args) => replay::replay(args),
        Command::Explore(args) => explore::explore(&args),
        Command::Devices => devices::devices(),
        Command::Doctor(args) => doctor::doctor(&args),
        Command::Client { uses } => lastfd::run_as_client(&uses)
            .map(|()| ExitCode::SUCCESS)
            .map_err(Failure::from),
        Command::Completions { shell } => Ok(pages::completions(shell)),
        Command::Man(args) => pages::man(&args),
    };
    result.unwrap_or_else(|failure| {
        say(&failure);
        ExitCode::from(failure.exit_status())
    })
}

fn say(failure: &Failure) {
    let style = log::BAD;
    // Without a standard error there is nobody to tell; the exit status does.
    let _ = writeln!(anstream::stderr(), "{style}error:{style:#} {failure}");
}

/// Help and version are answers; anything else is wrong usage.
fn refuse(error: &clap::Error) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let _ = error.print();
            return ExitCode::SUCCESS;
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
        }
        _ => {
            let style = log::BAD;
            let _ = writeln!(
                anstream::stderr(),
                "{style}error:{style:#} {} (lastfd --help)",
                usage::line(error)
            );
        }
    }
    ExitCode::from(USAGE)
}
