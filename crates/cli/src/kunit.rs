//! `lastfd kunit`.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use lastfd::kunit::{Filter, Glob, Junit, Ktap, Pretty, Reporter, Runner, Speed, Suite, list};
use lastfd::suites;

use crate::args::{KunitArgs, KunitFormat};
use crate::failure::Failure;

pub(crate) fn kunit(args: &KunitArgs) -> Result<ExitCode, Failure> {
    let mut filter = Filter {
        globs: args.filter.iter().map(|glob| Glob::new(glob)).collect(),
        ..Filter::default()
    };
    if !args.slow {
        filter.attributes = Filter::parse_attributes(&format!("speed>{}", Speed::Slow))?;
    }
    let chosen = filter.apply(&suites::all());
    if chosen.is_empty() {
        return Err(Failure::NoCase(args.filter.join("', '")));
    }
    if args.list {
        return told(list(&chosen, false, io::stdout().lock()));
    }
    let mut out = anstream::stdout().lock();
    let format = args.format.unwrap_or(if io::stdout().is_terminal() {
        KunitFormat::Pretty
    } else {
        KunitFormat::Ktap
    });
    let mut runner = Runner::new()
        .sanitizer(!args.no_sanitizer)
        .debug(args.debug.options());
    if let Some(which) = args.debug.fail_nth {
        runner = runner.fail_nth(which);
    }
    match format {
        KunitFormat::Ktap => run(&runner, &chosen, &mut Ktap::new(&mut out)),
        KunitFormat::Junit => run(&runner, &chosen, &mut Junit::new(&mut out)),
        KunitFormat::Pretty => run(&runner, &chosen, &mut Pretty::new(&mut out)),
    }
}

fn run(
    runner: &Runner,
    suites: &[Suite],
    reporter: &mut dyn Reporter,
) -> Result<ExitCode, Failure> {
    match runner.run(suites, reporter) {
        Ok(stats) if stats.is_success() => Ok(ExitCode::SUCCESS),
        Ok(_) => Ok(ExitCode::FAILURE),
        Err(error) => told(Err(error)),
    }
}

/// A reader that went, as with `| head`, is no failure.
fn told(result: io::Result<()>) -> Result<ExitCode, Failure> {
    let flushed = result.and_then(|()| io::stdout().flush());
    match flushed {
        Err(source) if source.kind() != io::ErrorKind::BrokenPipe => Err(Failure::System {
            doing: "write what came of the cases",
            source,
        }),
        _ => Ok(ExitCode::SUCCESS),
    }
}
