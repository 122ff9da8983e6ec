//! `lastfd kunit`.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use lastfd::kunit::{
    Filter, FilterAction, Glob, Junit, Ktap, Pretty, Reporter, Runner, Suite, list,
};
use lastfd::suites;

use crate::args::{KunitArgs, KunitFormat};
use crate::failure::Failure;

pub(crate) fn kunit(args: &KunitArgs) -> Result<ExitCode, Failure> {
    let filter = Filter {
        globs: args.filter.iter().map(|glob| Glob::new(glob)).collect(),
        attributes: match args.slow {
            true => Vec::new(),
            false => Filter::parse_attributes(&args.attributes)?,
        },
        action: match args.skip_others {
            true => FilterAction::Skip,
            false => FilterAction::default(),
        },
    };
    let chosen = filter.apply(&suites::all());
    if chosen.is_empty() {
        return Err(none_chosen(args, &filter));
    }
    if args.list || args.list_attributes {
        return told(list(&chosen, args.list_attributes, io::stdout().lock()));
    }
    let mut out = anstream::stdout().lock();
    let format = args.format.unwrap_or(if io::stdout().is_terminal() {
        KunitFormat::Pretty
    } else {
        KunitFormat::Ktap
    });
    let mut runner = Runner::new()
        .rules(args.rules)
        .timeout(args.timeout)
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

/// Whether it was the names that fit nothing, or the conditions.
fn none_chosen(args: &KunitArgs, filter: &Filter) -> Failure {
    let named = Filter {
        globs: filter.globs.clone(),
        ..Filter::default()
    };
    match named.apply(&suites::all()).is_empty() {
        true => Failure::NoCase(args.filter.join("', '")),
        false => Failure::NoCaseWith(args.attributes.clone()),
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
