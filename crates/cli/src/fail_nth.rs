//! `lastfd run --fail-nth`: the run again and again, with one allocation failing
//! in each.

use std::io::Write;

use lastfd::model::FailNth;
use lastfd::sync::Clock;
use lastfd::{Bench, Errno};

use crate::args::RunArgs;
use crate::failure::{DRIVER, Failure};
use crate::log::Out;
use crate::run::{Plan, print, set_up, use_them};
use crate::signals::Signals;

/// Gives the exit status: whether a driver broke a rule in any of the runs.
pub(crate) fn run(
    args: &RunArgs,
    which: FailNth,
    signals: &Signals,
    out: &mut Out,
) -> Result<u8, Failure> {
    let plan = Plan::of(args)?;
    for (failed, nth) in which.numbers().enumerate() {
        let mut debug = args.debug.options();
        debug.fail_nth = nth;
        let mut builder = Bench::builder().debug(debug);
        if args.program.is_empty() {
            builder = builder.clock(Clock::simulated());
        }
        let bench = set_up(args, builder);
        let said = match plan.begin(&bench) {
            Ok(()) => use_them(&bench, args, signals).map(|(ending, _)| format!("{ending:?}")),
            Err(
                failure @ Failure::Plug {
                    errno: Errno::ENOMEM,
                    ..
                },
            ) => Ok(failure.to_string()),
            // Its driver would not have it.
            Err(
                failure @ Failure::Plug {
                    errno: Errno::EBUSY,
                    ..
                },
            ) => Ok(failure.to_string()),
            Err(failure) => Err(failure),
        };
        let injected = bench.system().fail_nth_left() == 0;
        let report = bench.finish();
        let said = said?;
        let verdict = report.verdict();
        let blamed = verdict.blames_a_driver();
        if blamed || which == FailNth::Nth(nth) {
            let what = if injected { "failed" } else { "was never made" };
            tell(out, &format!("fail-nth: allocation {nth} {what}: {said}"));
            print(out, verdict);
            if let Some(path) = &args.report {
                report.save(path)?;
            }
            return Ok(if blamed { DRIVER } else { 0 });
        }
        if let Some(signal) = signals.seen() {
            return Ok(128 + signal);
        }
        if !injected {
            tell(
                out,
                &format!("fail-nth: {failed} allocations failed, one in a run; none did harm"),
            );
            return Ok(0);
        }
    }
    unreachable!("a run makes fewer allocations than a number can tell")
}

/// Nobody may be reading; the exit status says it too.
fn tell(out: &mut Out, line: &str) {
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}
