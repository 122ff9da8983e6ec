//! `lastfd explore`.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use lastfd::explore::ready::{self, Ready, Variant};
use lastfd::explore::{Blame, Exploration, Explorer, Found, Strategy, to_svg};
use lastfd::report::{Format, SaveError};

use crate::args::{ExploreArgs, Search};
use crate::failure::{DRIVER, Failure};
use crate::log::{BAD, DIM, GOOD, HEAD};
use crate::report_file;

/// Of one that is named, and of a race, which ends when it is found.
const SCHEDULES: usize = 10_000;
/// Of each other, where all are explored.
const SCHEDULES_OF_ALL: usize = 300;

pub(crate) fn explore(args: &ExploreArgs) -> Result<ExitCode, Failure> {
    if args.list {
        return Ok(list());
    }
    match &args.name {
        Some(name) => one(name, args),
        None => all(args),
    }
}

fn explorer(args: &ExploreArgs, schedules: usize) -> Explorer {
    let explorer = Explorer::new()
        .schedules(args.schedules.unwrap_or(schedules))
        .seed(args.seed);
    if let Some(recipe) = &args.replay {
        return explorer.strategy(Strategy::Replay(recipe.clone()));
    }
    explorer.strategy(match args.strategy {
        Search::Bounded => Strategy::Bounded { bound: args.bound },
        Search::Random => Strategy::Random,
        Search::Pct => Strategy::Pct { depth: args.depth },
    })
}

fn one(name: &str, args: &ExploreArgs) -> Result<ExitCode, Failure> {
    let ready = ready::find(name).ok_or_else(|| Failure::NoExploration {
        name: name.to_owned(),
        known: similar(name),
    })?;
    let variant = match &args.variant {
        None => ready.variants[0],
        Some(wanted) => ready.variant(wanted).ok_or_else(|| Failure::NoVariant {
            name: ready.name.clone(),
            variant: wanted.clone(),
            known: names(ready.variants),
        })?,
    };
    let report = args.report.as_deref().map(Picture::open).transpose()?;
    let exploration = ready.explore(&explorer(args, SCHEDULES), variant);
    if !matches!(exploration.found, Some(Err(_))) {
        let text = told(&ready, variant, &exploration);
        // Nobody may be reading; the exit status says it too.
        let _ = anstream::stdout().write_all(text.as_bytes());
    }
    match exploration.found {
        None => {
            if report.is_some() {
                let said = "nothing was found, so there is no picture\n";
                let _ = anstream::stdout().write_all(said.as_bytes());
            }
            Ok(ExitCode::SUCCESS)
        }
        Some(Ok(found)) => {
            if let Some(report) = report {
                report.save(&to_svg(&ready.name, &found))?;
            }
            Ok(ExitCode::from(DRIVER))
        }
        Some(Err(refusal)) => Err(Failure::Refused {
            name: ready.name,
            refusal,
        }),
    }
}

/// Where a picture is to be.
struct Picture<'a>(&'a Path);

impl<'a> Picture<'a> {
    fn open(path: &'a Path) -> Result<Picture<'a>, Failure> {
        if Format::of(path)? != Format::Svg {
            return Err(Failure::Picture(path.to_owned()));
        }
        report_file::probe(path)?;
        Ok(Picture(path))
    }

    fn save(self, svg: &str) -> Result<(), SaveError> {
        fs::write(self.0, svg).map_err(|source| SaveError::Write {
            path: self.0.to_owned(),
            source,
        })
    }
}

fn told(ready: &Ready, variant: Variant, exploration: &Exploration) -> String {
    let mut text = format!(
        "{HEAD}{}{HEAD:#}, {}: {}\n",
        ready.name, variant.name, ready.summary
    );
    text += &format!(
        "schedules {}, {} steps; {}\n",
        grouped(exploration.schedules as u64),
        grouped(exploration.steps),
        exploration.coverage()
    );
    match &exploration.found {
        None => text += &format!("verdict   {GOOD}nothing found{GOOD:#}\n"),
        Some(Ok(found)) => {
            let class = ready
                .class
                .map_or_else(String::new, |class| format!(", {class}"));
            let blame = if variant.fails {
                ready.blame()
            } else {
                found.fault.blame
            };
            text += &format!("verdict   {BAD}found{BAD:#} ({blame}{class}): {found}\n");
            if matches!(exploration.strategy, Strategy::Replay(_)) {
                return text;
            }
            text = text.trim_end().to_owned();
            let at = text.rfind("replay    ").unwrap_or(text.len());
            let of = match variant == ready.variants[0] {
                true => String::new(),
                false => format!(" --variant {}", variant.name),
            };
            text.truncate(at);
            text += &format!(
                "replay    lastfd explore {}{of} --replay {}\n",
                ready.name, found.recipe
            );
        }
        // It is said as an error.
        Some(Err(_)) => {}
    }
    text
}

fn all(args: &ExploreArgs) -> Result<ExitCode, Failure> {
    let mut out = anstream::stdout().lock();
    let mut status = 0;
    let width = ready::all().iter().map(|ready| ready.name.len()).max();
    let width = width.unwrap_or_default();
    let _ = writeln!(
        out,
        "{HEAD}{:width$}  {:10}  {:>9}  {:>9}  {:42}  verdict{HEAD:#}",
        "exploration", "variant", "schedules", "steps", "covered"
    );
    for ready in ready::all() {
        for variant in ready.variants {
            let schedules = match variant.fails {
                true => SCHEDULES,
                false => SCHEDULES_OF_ALL,
            };
            let exploration = ready.explore(&explorer(args, schedules), *variant);
            let (verdict, wrong) = verdict(&ready, *variant, &exploration);
            status = status.max(wrong);
            let style = if wrong == 0 { GOOD } else { BAD };
            let line = writeln!(
                out,
                "{:width$}  {:10}  {:>9}  {:>9}  {DIM}{:42}{DIM:#}  {style}{verdict}{style:#}",
                ready.name,
                variant.name,
                grouped(exploration.schedules as u64),
                grouped(exploration.steps),
                exploration.coverage(),
            );
            let _ = out.flush();
            if line.is_err() {
                // Nobody reads on, as with `| head`.
                return Ok(ExitCode::SUCCESS);
            }
        }
    }
    Ok(ExitCode::from(status))
}

/// In a few words, and the exit status it makes.
fn verdict(ready: &Ready, variant: Variant, exploration: &Exploration) -> (String, u8) {
    let class = ready.class.unwrap_or_default();
    match &exploration.found {
        None if variant.fails => (format!("{class} not found in so few schedules"), 1),
        None => ("nothing found".to_owned(), 0),
        Some(Ok(Found { number, .. })) if variant.fails => {
            let what = match ready.blame() {
                Blame::Kernel => "a kernel gap",
                Blame::Driver => "planted",
            };
            (format!("{class} found in schedule {number} ({what})"), 0)
        }
        Some(Ok(found)) => (format!("found: {}", found.fault), DRIVER),
        Some(Err(refusal)) => (refusal.to_string(), 1),
    }
}

fn list() -> ExitCode {
    let all = ready::all();
    let width = all.iter().map(|ready| ready.name.len()).max();
    let width = width.unwrap_or_default();
    let mut text = String::new();
    for ready in &all {
        let class = ready.class.unwrap_or_default();
        text += &format!(
            "{HEAD}{:width$}{HEAD:#}  {class:3}  {}  {DIM}[{}]{DIM:#}\n",
            ready.name,
            ready.summary,
            names(ready.variants)
        );
    }
    // Nobody reads on, as with `| head`.
    let _ = anstream::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

fn names(variants: &[Variant]) -> String {
    let names: Vec<&str> = variants.iter().map(|variant| variant.name).collect();
    names.join(", ")
}

/// The names that begin alike, or those of the races.
fn similar(name: &str) -> String {
    let begin = name.split('-').next().unwrap_or(name);
    let all = ready::all();
    let like = |ready: &&Ready| ready.name.split('-').next() == Some(begin);
    let mut names: Vec<&str> = all.iter().filter(like).map(|r| r.name.as_str()).collect();
    if names.is_empty() {
        names = all
            .iter()
            .filter(|r| r.class.is_some())
            .map(|r| r.name.as_str())
            .collect();
    }
    names.join(", ")
}

/// 1234567 as 1,234,567.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
