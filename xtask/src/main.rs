//! `cargo xtask`: the checks of this repository.
//!
//! Depends on no crate of the workspace: it runs them, as cargo commands, and
//! promises that a run ends. Every command has a deadline, nothing it started is
//! left behind, and what could not be checked is named at the end.
//!
//! - [`step`] runs one command under a deadline, passing its output through;
//! - [`plan`] runs stages made of steps and prints the table;
//! - [`checks`], [`soak`], [`mod@bench`], [`dist`] and [`oracle`] are the stages of the commands.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "a command line tool talks to its user")]

mod bench;
mod checkout;
mod checks;
mod counts;
mod dist;
mod dist_ci;
mod dist_first;
mod evidence;
mod fuzz;
mod kernel_cases;
mod kernel_tree;
mod kunit;
mod oracle;
mod packages;
mod plan;
mod sanitizer;
mod soak;
mod step;
mod wheel;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::checkout::Checkout;
use crate::plan::Stage;

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "The checks of lastfd."
)]
struct Arguments {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run every check a change must pass; what the CI runs.
    Test(Selection),
    /// Run the long figures and leave their logs in docs/evidence/.
    Soak {
        /// Minutes for all fuzz targets together, and again for the loom tests.
        #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=1440))]
        minutes: u64,
        /// Cycles of plug, open, unplug, close.
        #[arg(long, default_value_t = 100_000)]
        cycles: u64,
        #[command(flatten)]
        selection: Selection,
    },
    /// Run the benches and write docs/evidence/bench.md.
    Bench(Selection),
    /// Make the archive, and try it where nothing of ours is installed.
    ///
    /// It is left in target/dist.
    Dist(Selection),
    /// Have a real kernel run the scenarios, and compare with what lastfd prints.
    ///
    /// Builds a User Mode Linux 6.12 with the module of oracle/kernel, in
    /// $XDG_CACHE_HOME/lastfd/oracle, and boots it.
    Oracle(oracle::Ask),
}

#[derive(clap::Args, Default)]
struct Selection {
    /// Run this stage only; may be given several times.
    #[arg(long, value_name = "STAGE")]
    only: Vec<String>,
    /// Print the stages and what they do, and run nothing.
    #[arg(long)]
    list: bool,
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) if error.is::<step::Interrupted>() => {
            println!("\ninterrupted; what was running has been ended");
            ExitCode::from(130)
        }
        Err(error) => {
            println!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every selected stage passed.
fn run(task: Task) -> Result<bool> {
    let mut whole = u64::MAX;
    let (stages, selection, checkout) = match task {
        Task::Test(selection) => {
            whole = checks::WHOLE;
            (checks::STAGES, selection, Checkout::find()?)
        }
        Task::Soak {
            minutes,
            cycles,
            selection,
        } => (
            soak::STAGES,
            selection,
            Checkout {
                minutes,
                cycles,
                ..Checkout::find()?
            },
        ),
        Task::Bench(selection) => (bench::STAGES, selection, Checkout::find()?),
        Task::Dist(selection) => (dist::STAGES, selection, Checkout::find()?),
        Task::Oracle(oracle) => (
            oracle::STAGES,
            Selection::default(),
            Checkout {
                oracle,
                ..Checkout::find()?
            },
        ),
    };
    if selection.list {
        print!("{}", plan::list(stages));
        return Ok(true);
    }
    let chosen: Vec<&Stage> = plan::select(stages, &selection.only)?;
    let report = plan::run(&checkout, &chosen, whole)?;
    print!("\n{report}");
    Ok(report.passed())
}
