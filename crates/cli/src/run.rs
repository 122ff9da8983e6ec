//! `lastfd run`.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anstream::AutoStream;
use lastfd::devices::Spec;
use lastfd::report::Format;
use lastfd::sync::{Arc, Cancel};
use lastfd::{Bench, Ending, Keep, Manner, Report, Verdict, find_program};

use crate::args::RunArgs;
use crate::device_arg::{DEFAULT, names, plug_all};
use crate::failure::{DRIVER, Failure};
use crate::log::{BAD, GOOD, LiveLog, Out};
use crate::removal_arg::RemovalArg;
use crate::signals::Signals;

/// How long clients may take to close what an ended program left open.
const CLOSING: Duration = Duration::from_secs(5);

pub(crate) fn run(args: RunArgs) -> Result<ExitCode, Failure> {
    if let Some(path) = &args.report {
        Format::of(path)?;
    }
    if let Some(program) = args.program.first() {
        find_program(program)?;
    }
    let mut devices = args.devices;
    if devices.is_empty() {
        devices.extend(DEFAULT.parse::<Spec>());
    }
    let removals = planned(&args.unplug, &args.unbind);
    let names = names(&devices);
    for (removal, manner) in &removals {
        check_name(removal, *manner, &names)?;
    }
    let signals = Signals::catch()?;
    let with_program = !args.program.is_empty();
    let log = Arc::new(LiveLog::new(out(with_program), args.verbose));
    let bench = Bench::builder()
        .rules(args.rules)
        .iiod_unplug(args.iiod_unplug)
        .keep(match args.report {
            Some(_) => Keep::All,
            None => Keep::Verdict,
        })
        .listener(log)
        .build();
    plug_all(&bench, &devices)?;
    for (removal, manner) in removals {
        if let Some(target) = bench.find(&removal.name) {
            bench
                .remove_when(&target, manner, removal.when)
                .map_err(|source| Failure::System {
                    doing: "start the task that unplugs",
                    source,
                })?;
        }
    }
    let ending = match args.program.split_first() {
        Some((program, arguments)) => {
            let program = bench.command(program).args(arguments).spawn()?;
            signals.pass_to(program.signaller());
            let ending = program.wait();
            signals.end_us();
            bench.wait_for_clients(CLOSING);
            ending
        }
        None => {
            let cancel = Cancel::new();
            signals.cancel(cancel.clone());
            bench
                .run_client(&cancel)
                .map_err(|source| Failure::System {
                    doing: "start the built-in client",
                    source,
                })?
        }
    };
    let report = bench.finish();
    print(&mut out(with_program), report.verdict());
    if let Some(path) = &args.report {
        report.save(path)?;
    }
    Ok(ExitCode::from(status(
        &report,
        &ending,
        with_program,
        &signals,
    )))
}

fn planned(unplug: &[RemovalArg], unbind: &[RemovalArg]) -> Vec<(RemovalArg, Manner)> {
    let with = |removals: &[RemovalArg], manner| -> Vec<_> {
        removals.iter().map(|r| (r.clone(), manner)).collect()
    };
    let mut planned = with(unplug, Manner::Unplug);
    planned.extend(with(unbind, Manner::Unbind));
    planned
}

fn check_name(removal: &RemovalArg, manner: Manner, names: &[String]) -> Result<(), Failure> {
    if names.contains(&removal.name) {
        return Ok(());
    }
    Err(Failure::UnknownName {
        name: removal.name.clone(),
        manner,
        are: if names.len() == 1 { "is" } else { "are" },
        known: names.join(", "),
    })
}

/// A program's output is its own, so the log makes room for it.
fn out(with_program: bool) -> Out {
    if with_program {
        Box::new(AutoStream::auto(std::io::stderr()))
    } else {
        Box::new(AutoStream::auto(std::io::stdout()))
    }
}

fn print(out: &mut Out, verdict: &Verdict) {
    let text = verdict.to_string();
    let mut lines = vec![String::new()];
    for line in text.lines() {
        let style = match line.split([' ', ':']).next() {
            Some("verdict") if verdict.is_clean() => Some(GOOD),
            Some("verdict" | "finding" | "missed") => Some(BAD),
            _ => None,
        };
        lines.push(match style {
            Some(style) => format!("{style}{line}{style:#}"),
            None => line.to_owned(),
        });
    }
    // Nobody may be reading; the exit status says it too.
    let _ = writeln!(out, "{}", lines.join("\n"));
    let _ = out.flush();
}

fn status(report: &Report, ending: &Ending, with_program: bool, signals: &Signals) -> u8 {
    let verdict = report.verdict();
    if verdict.blames_a_driver() {
        return DRIVER;
    }
    match ending {
        Ending::Exited(status) if with_program => *status,
        Ending::Killed(signal) => 128u8.saturating_add(*signal as u8),
        Ending::Failed(_) => 1,
        Ending::Exited(_) => match signals.seen() {
            Some(signal) => 128 + signal,
            None => u8::from(!verdict.is_clean()),
        },
    }
}
