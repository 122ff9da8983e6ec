//! `lastfd iiod`.

use std::io::Write;
use std::process::ExitCode;

use lastfd::{Bench, Keep};

use crate::args::IiodArgs;
use crate::device_arg::plug_all;
use crate::failure::Failure;
use crate::signals::Signals;

pub(crate) fn iiod(args: IiodArgs) -> Result<ExitCode, Failure> {
    let signals = Signals::catch()?;
    let bench = Bench::builder()
        .rules(args.rules)
        .iiod_unplug(args.iiod_unplug)
        .keep(Keep::Nothing)
        .build();
    plug_all(&bench, &args.devices)?;
    let uri = bench.iiod_at(args.bind)?;
    let mut out = anstream::stdout();
    // Who started it may have gone; clients may come all the same.
    let _ = writeln!(out, "{uri}");
    let _ = out.flush();
    signals.wait();
    signals.end_us();
    bench.finish();
    Ok(ExitCode::SUCCESS)
}
