//! What shows the rules: `lastfd kunit`, `explore`, `replay`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use lastfd::Rules;

use super::{DebugArgs, parse_rules, parse_time};

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
