//! `lastfd-referee`: what `cargo xtask oracle` runs once there is a kernel.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anstream::println;
use clap::Parser;
use lastfd_model::Rules;
use lastfd_referee::clock::Stopwatch;
use lastfd_referee::fuzz::{self, Case, Tally};
use lastfd_referee::kernel::{BootError, Lost, State};
use lastfd_referee::{Boot, Judge, Verdict};
use lastfd_scenario::{ParseError, Scenario, compare_texts, parse};
use rayon::prelude::*;

/// Has a kernel and lastfd run scenarios, and compares what they print.
#[derive(Parser)]
struct Arguments {
    /// The User Mode Linux with lastfd's module.
    #[arg(long)]
    kernel: PathBuf,
    /// Another one, to compare it with instead of with lastfd.
    #[arg(long)]
    against: Option<PathBuf>,
    /// One set of rules; without it, all.
    #[arg(long)]
    rules: Option<Rules>,
    /// Seconds that a boot or a scenario may take.
    #[arg(long, default_value_t = 20)]
    patience: u64,
    /// Print the kernel's trace of each scenario, and compare nothing.
    #[arg(long)]
    print: bool,
    /// Make up this many scenarios.
    #[arg(long, conflicts_with_all = ["scenarios", "print"])]
    fuzz: Option<u64>,
    /// What they are made up from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print the scenario of this number that the seed makes, and run nothing.
    #[arg(long, value_name = "NUMBER")]
    show: Option<u64>,
    /// Scenario files.
    scenarios: Vec<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("failed to read {path}: {source}")]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error(transparent)]
    Parse(#[from] ParseError),
    #[error("a scenario that was made up cannot be read: {0}")]
    MadeUp(String),
    #[error(transparent)]
    Boot(#[from] BootError),
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            println!("error: {failure}");
            ExitCode::from(2)
        }
    }
}

/// Whether no difference was found.
fn run(arguments: &Arguments) -> Result<bool, Failure> {
    if let Some(number) = arguments.show {
        println!("{}", fuzz::made_up(arguments.seed, number).0);
        return Ok(true);
    }
    let mut scenarios = Vec::new();
    for path in &arguments.scenarios {
        let text = std::fs::read_to_string(path).map_err(|source| Failure::Read {
            path: path.clone(),
            source,
        })?;
        scenarios.push(parse(&path.display().to_string(), &text)?);
    }
    let rules: Vec<Rules> = match arguments.rules {
        Some(rules) => vec![rules],
        None => Rules::ALL.to_vec(),
    };
    let mut same = true;
    for rules in rules {
        let boot = |program: &PathBuf| {
            Judge::new(Boot {
                program: program.clone(),
                rules,
                patience: Duration::from_secs(arguments.patience),
            })
        };
        let mut judge = boot(&arguments.kernel);
        same &= match (&arguments.against, arguments.fuzz) {
            (Some(other), _) => two_kernels(&mut judge, &mut boot(other), arguments, &scenarios)?,
            (None, Some(count)) => made_up(&mut judge, arguments.seed, count)?,
            (None, None) if arguments.print => print_all(&mut judge, &scenarios)?,
            (None, None) => all(&mut judge, &scenarios)?,
        };
    }
    Ok(same)
}

/// The kernel's own traces.
fn print_all(judge: &mut Judge, scenarios: &[Scenario]) -> Result<bool, Failure> {
    for scenario in scenarios {
        let rules = judge.rules();
        match judge.ask(scenario)? {
            Ok(answer) if answer.state == State::Clean => {
                println!("== {} {rules}\n{}", scenario.name(), answer.trace);
            }
            Ok(answer) => println!(
                "== {} {rules} ({})\n{}",
                scenario.name(),
                answer.state,
                answer.trace
            ),
            Err(lost) => println!("== {} {rules}\n{lost}", scenario.name()),
        }
    }
    Ok(true)
}

/// The kernel and lastfd.
fn all(judge: &mut Judge, scenarios: &[Scenario]) -> Result<bool, Failure> {
    let began = Stopwatch::start();
    let (mut differ, mut refused) = (0, 0);
    for (scenario, verdict) in scenarios.iter().zip(judge.judge_all(scenarios)?) {
        if verdict != Verdict::Same {
            println!("{} {}: {verdict}", scenario.name(), judge.rules());
        }
        differ += u64::from(verdict.is_difference());
        refused += u64::from(matches!(verdict, Verdict::Refused(_)));
    }
    println!(
        "{}: {} scenarios, {differ} differ, {refused} not run; {} boots, {:.1} s",
        judge.rules(),
        scenarios.len(),
        judge.boots(),
        began.elapsed().as_secs_f64()
    );
    Ok(differ == 0)
}

/// One kernel's trace as a text, or how it was lost; or why it did not run it.
fn told(judge: &mut Judge, scenario: &Scenario) -> Result<Result<String, String>, Failure> {
    Ok(match judge.ask(scenario)? {
        Ok(answer) => match answer.state {
            State::Clean | State::Left(_) => Ok(answer.trace),
            state => Err(state.to_string()),
        },
        Err(Lost::Died { trace, .. }) => Ok(format!("{trace}the kernel died\n")),
        Err(Lost::Hung { .. }) => Ok("the kernel hung\n".to_owned()),
    })
}

/// Two kernels: each line in which the second differs from the first.
fn two_kernels(
    first: &mut Judge,
    second: &mut Judge,
    arguments: &Arguments,
    scenarios: &[Scenario],
) -> Result<bool, Failure> {
    let (mut differ, mut refused) = (0, 0);
    let mut made_up = Vec::new();
    for number in 0..arguments.fuzz.unwrap_or(0) {
        let (_, scenario) = fuzz::made_up(arguments.seed, number);
        let scenario = scenario.map_err(Failure::MadeUp)?;
        if !fuzz::would_crash(&scenario.run_like_a_kernel(first.rules()).0) {
            made_up.push(scenario);
        }
    }
    let all = scenarios.len() + made_up.len();
    for scenario in scenarios.iter().chain(&made_up) {
        let (name, rules) = (scenario.name(), first.rules());
        match (told(first, scenario)?, told(second, scenario)?) {
            (Ok(one), Ok(other)) => {
                if let Err(mismatch) = compare_texts(&one, &other) {
                    differ += 1;
                    println!("{name} {rules}: {mismatch}");
                }
            }
            (one, other) => {
                refused += 1;
                let (which, why) = match (one, other) {
                    (Err(why), _) => ("first", why),
                    (_, other) => ("second", other.err().unwrap_or_default()),
                };
                println!("{name} {rules}: not run by the {which}: {why}");
            }
        }
    }
    println!(
        "{}: {all} scenarios, {differ} differ, {refused} not run",
        first.rules()
    );
    Ok(differ == 0)
}

/// More differences than this are counted, but not shown.
const SHOWN: u64 = 10;

/// So many scenarios are made up at a time.
const AT_A_TIME: u64 = 256;

/// Scenarios that are made up.
fn made_up(judge: &mut Judge, seed: u64, count: u64) -> Result<bool, Failure> {
    let began = Stopwatch::start();
    let mut told = began;
    let mut tally = Tally::default();
    let mut next = 0;
    while next < count {
        let numbers = next..count.min(next + AT_A_TIME);
        next = numbers.end;
        let scenarios = fuzz::all_made_up(seed, numbers.clone()).map_err(Failure::MadeUp)?;
        for (number, (case, ran)) in numbers.zip(fuzz::cases(judge, &scenarios)?) {
            tally.count(&case, &ran);
            if let Case::Judged(verdict) = &case
                && verdict.is_difference()
                && tally.differ <= SHOWN
            {
                show(judge, seed, number)?;
            }
        }
        if told.elapsed() >= Duration::from_secs(2) {
            told = Stopwatch::start();
            println!(
                "{}: {next} of {count}, {} differ",
                judge.rules(),
                tally.differ
            );
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{}, seed {seed}: {count} scenarios, {} run on both sides, {} differ; \
         {} would crash a kernel, {} not run; \
         {} boots, {seconds:.1} s, {:.0} a second",
        judge.rules(),
        tally.judged(),
        tally.differ,
        tally.would_crash,
        tally.refused,
        judge.boots(),
        count as f64 / seconds.max(0.001),
    );
    println!("share of them that reach each statement, in percent:");
    for (word, reached) in &tally.reached {
        let share = 100.0 * *reached as f64 / tally.judged().max(1) as f64;
        println!("  {share:5.1} {word}");
    }
    speed(judge, seed, count.min(2000))?;
    Ok(tally.differ == 0)
}

/// A difference, and the shortest scenario with one that was found from there.
fn show(judge: &mut Judge, seed: u64, number: u64) -> Result<(), Failure> {
    println!(
        "number {number} of seed {seed}, {}: a difference; making it short",
        judge.rules()
    );
    let short = fuzz::shortest(judge, &fuzz::made_up(seed, number).0)?;
    println!("{short}");
    if let Ok(scenario) = parse("short.scenario", &short) {
        println!("{}", judge.judge(&scenario)?);
    }
    Ok(())
}

/// How long each side takes for the same scenarios, alone. A kernel of User Mode Linux
/// has one processor; ours has been given one, and all.
fn speed(judge: &mut Judge, seed: u64, count: u64) -> Result<(), Failure> {
    let rules = judge.rules();
    let mut scenarios = fuzz::all_made_up(seed, 0..count).map_err(Failure::MadeUp)?;
    scenarios.retain(|scenario| !fuzz::would_crash(&scenario.run_like_a_kernel(rules).0));
    let rate = |watch: Stopwatch| scenarios.len() as f64 / watch.elapsed().as_secs_f64().max(1e-6);
    let watch = Stopwatch::start();
    for scenario in &scenarios {
        scenario.run(rules);
    }
    let on_one = rate(watch);
    let watch = Stopwatch::start();
    scenarios.par_iter().for_each(|scenario| {
        scenario.run(rules);
    });
    let on_all = rate(watch);
    let boots = judge.boots();
    let watch = Stopwatch::start();
    // What it answers was looked at before.
    judge.ask_all(&scenarios.iter().collect::<Vec<_>>())?;
    println!(
        "{} scenarios: lastfd {on_one:.0} a second on one processor, {on_all:.0} on {}; \
         the kernel {:.0}, with {} boots",
        scenarios.len(),
        rayon::current_num_threads(),
        rate(watch),
        judge.boots() - boots
    );
    Ok(())
}
