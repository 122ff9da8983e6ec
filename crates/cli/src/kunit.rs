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
    let all = suites::all();
    // Each name has to be somebody's: a mistyped one would go unnoticed among others.
    let fits = |glob: &&String| {
        let named = Filter {
            globs: vec![Glob::new(glob)],
            ..Filter::default()
        };
        !named.apply(&all).is_empty()
    };
    if let Some(nobodys) = args.filter.iter().find(|glob| !fits(glob)) {
        return Err(Failure::NoCase(nobodys.clone()));
    }
    let chosen = filter.apply(&all);
    if chosen.is_empty() {
        return Err(Failure::NoCaseWith(args.attributes.clone()));
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
