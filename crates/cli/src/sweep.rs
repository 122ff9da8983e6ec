//! `lastfd sweep`.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use lastfd::devices::Spec;
use lastfd::sweep::{Progress, Repeats, Sweep, SweepError, Swept};
use lastfd::sync::Cancel;
use lastfd::{Patience, find_program};

use crate::args::{SweepArgs, SweepFormat};
use crate::device_arg::DEFAULT;
use crate::failure::{Failure, PROGRAM};
use crate::log::{BAD, GOOD};
use crate::signals::Signals;

pub(crate) fn sweep(args: &SweepArgs) -> Result<ExitCode, Failure> {
    let Some((program, arguments)) = args.program.split_first() else {
        return Err(Failure::NoProgram);
    };
    find_program(program)?;
    let signals = Signals::catch()?;
    let cancel = Cancel::new();
    signals.cancel(cancel.clone());
    let mut sweep = Sweep::new(program, arguments)
        .rules(args.rules)
        .accelerate(!args.no_accel)
        .patience(Patience {
            timeout: args.timeout,
            spin: args.spin,
            limit: args.limit,
            ends: None,
        })
        .repeats(match (args.every, args.once) {
            (true, _) => Repeats::Every,
            (_, true) => Repeats::Once,
            _ => Repeats::Sample(args.sample),
        })
        .seed(args.seed)
        .cancel(cancel);
    if let Some(jobs) = args.jobs {
        sweep = sweep.jobs(jobs.get().into());
    }
    let mut devices = args.devices.clone();
    if devices.is_empty() {
        devices.extend(DEFAULT.parse::<Spec>());
    }
    for device in devices {
        sweep = sweep.device(device);
    }
    // A line that is written over, for whoever watches.
    let watched = io::stderr().is_terminal();
    let swept = sweep.run_telling(move |progress| {
        if watched {
            show(&progress);
        }
    });
    if watched {
        let _ = write!(io::stderr(), "\r\x1b[K");
    }
    let swept = match swept {
        Err(SweepError::Program(error)) => return Err(error.into()),
        swept => swept?,
    };
    tell(&swept, args.format)?;
    Ok(match signals.seen() {
        Some(signal) => ExitCode::from(128 + signal),
        None if swept.is_good() => ExitCode::SUCCESS,
        None => ExitCode::from(PROGRAM),
    })
}

fn show(progress: &Progress<'_>) {
    let Progress { run, done, all } = progress;
    let mut line = format!("{done} of {all} points");
    if let Some(run) = run {
        line += &format!(", {}: {}", run.point, run.outcome.word());
    }
    // Nobody may be watching any more.
    let _ = write!(io::stderr(), "\r\x1b[K{line}");
    let _ = io::stderr().flush();
}

fn tell(swept: &Swept, format: SweepFormat) -> Result<(), Failure> {
    let text = match format {
        SweepFormat::Json => swept.to_json() + "\n",
        SweepFormat::Junit => swept.to_junit().map_err(|error| Failure::System {
            doing: "write JUnit XML",
            source: io::Error::other(error),
        })?,
        SweepFormat::Pretty => pretty(swept),
    };
    let mut out = anstream::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    match written {
        // A reader that went, as with `| head`, is no failure.
        Err(source) if source.kind() != io::ErrorKind::BrokenPipe => Err(Failure::System {
            doing: "write what came of the sweep",
            source,
        }),
        _ => Ok(()),
    }
}

/// With the verdict in colour, and what is bad.
fn pretty(swept: &Swept) -> String {
    let text = swept.to_string();
    let bad: Vec<String> = swept
        .runs
        .iter()
        .filter(|run| !run.outcome.is_good())
        .map(ToString::to_string)
        .collect();
    let mut lines = String::new();
    for line in text.lines() {
        let style = match line.starts_with("verdict:") {
            true if swept.is_good() => Some(GOOD),
            true => Some(BAD),
            false => bad.iter().any(|bad| bad == line).then_some(BAD),
        };
        match style {
            Some(style) => lines += &format!("{style}{line}{style:#}\n"),
            None => lines += &format!("{line}\n"),
        }
    }
    lines
}
