//! `lastfd bench`.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::process::ExitCode;

use anstream::AutoStream;
use lastfd::sync::{Arc, Cancel};
use lastfd::{Bench, session};

use crate::args::BenchArgs;
use crate::failure::{DRIVER, Failure};
use crate::log::LiveLog;
use crate::signals::Signals;

pub(crate) fn bench(args: &BenchArgs) -> Result<ExitCode, Failure> {
    let signals = Signals::catch()?;
    let stop = Cancel::new();
    signals.cancel(stop.clone());
    let mut builder = Bench::builder()
        .rules(args.rules)
        .trap_all(args.trap_all)
        .restrict(args.restrict.unwrap_or_default())
        .sanitizer(!args.no_sanitizer);
    if !args.quiet {
        let out = Box::new(AutoStream::auto(io::stderr()));
        builder = builder.listener(Arc::new(LiveLog::new(out, args.verbose)));
    }
    // Not the handle that reads ahead.
    let input = io::stdin().as_fd().try_clone_to_owned();
    let input = input.map(File::from).map_err(failed)?;
    let give_up = || std::process::exit(1);
    let report = session::serve(builder.build(), input, &mut io::stdout(), &stop, give_up);
    let report = report.map_err(failed)?;
    Ok(match report.verdict().blames_a_driver() {
        true => ExitCode::from(DRIVER),
        false => ExitCode::SUCCESS,
    })
}

fn failed(source: io::Error) -> Failure {
    Failure::System {
        doing: "read requests from standard input",
        source,
    }
}
