//! `lastfd run`.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anstream::AutoStream;
use lastfd::devices::Spec;
use lastfd::report::Format;
use lastfd::sync::{Arc, Cancel};
use lastfd::{
    Bench, Broken, Builder, Ending, Keep, Manner, ProgramError, Report, Verdict, find_program,
};

use crate::args::RunArgs;
use crate::device_arg::{DEFAULT, names, plug_all};
use crate::fail_nth;
use crate::failure::{DRIVER, Failure, PROGRAM};
use crate::fault_arg::FaultArg;
use crate::log::{BAD, GOOD, LiveLog, Out};
use crate::removal_arg::RemovalArg;
use crate::report_file;
use crate::signals::Signals;

/// How long clients may take to close what an ended program left open.
const CLOSING: Duration = Duration::from_secs(5);

pub(crate) fn run(args: &RunArgs) -> Result<ExitCode, Failure> {
    // What cannot work is refused before anything is plugged in.
    if let Some(path) = &args.report {
        Format::of(path)?;
        report_file::probe(path)?;
    }
    if let Some(program) = args.program.first() {
        find_program(program)?;
    }
    let signals = Signals::catch()?;
    let with_program = !args.program.is_empty();
    if let Some(which) = args.debug.fail_nth {
        let status = fail_nth::run(args, which, &signals, &mut out(with_program))?;
        return Ok(ExitCode::from(status));
    }
    let log = Arc::new(LiveLog::new(out(with_program), args.verbose));
    let builder = Bench::builder().listener(log);
    let status = conduct(args, builder, &signals, &mut out(with_program))?;
    Ok(ExitCode::from(status))
}

/// Plugs in, has it used, and prints the verdict; gives the exit status.
fn conduct(
    args: &RunArgs,
    builder: Builder,
    signals: &Signals,
    out: &mut Out,
) -> Result<u8, Failure> {
    let plan = Plan::of(args)?;
    let bench = set_up(args, builder.debug(args.debug.options()));
    plan.begin(&bench)?;
    let (ending, broken) = use_them(&bench, args, signals)?;
    let report = bench.finish();
    print(out, report.verdict());
    if let Some(broken) = &broken {
        // Nobody may be reading; the exit status says it too.
        let _ = writeln!(out, "{BAD}expected: {broken}{BAD:#}");
    }
    if let Some(path) = &args.report {
        report.save(path)?;
    }
    let with_program = !args.program.is_empty();
    let status = status(&report, &ending, with_program, signals);
    Ok(match broken {
        Some(_) if status != DRIVER => PROGRAM,
        _ => status,
    })
}

/// What is plugged in, and when it goes.
pub(crate) struct Plan {
    devices: Vec<Spec>,
    removals: Vec<(RemovalArg, Manner)>,
    faults: Vec<FaultArg>,
}

impl Plan {
    /// As asked for, if that can be.
    pub(crate) fn of(args: &RunArgs) -> Result<Plan, Failure> {
        let mut devices = args.devices.clone();
        if devices.is_empty() {
            devices.extend(DEFAULT.parse::<Spec>());
        }
        let removals = planned(&args.unplug, &args.unbind);
        let names = names(&devices);
        for (removal, manner) in &removals {
            check_name(&removal.name, &manner.to_string(), &names)?;
        }
        let faults = args.fault.clone();
        for fault in &faults {
            check_name(&fault.name, fault.fault.verb(), &names)?;
        }
        Ok(Plan {
            devices,
            removals,
            faults,
        })
    }

    /// Plugs in, and starts the tasks that take away.
    pub(crate) fn begin(&self, bench: &Bench) -> Result<(), Failure> {
        plug_all(bench, &self.devices)?;
        for (removal, manner) in &self.removals {
            if let Some(target) = bench.find(&removal.name) {
                bench
                    .remove_when(&target, *manner, removal.when.clone())
                    .map_err(|source| Failure::System {
                        doing: "start the task that unplugs",
                        source,
                    })?;
            }
        }
        for FaultArg { name, fault, when } in &self.faults {
            let Some(target) = bench.find(name) else {
                continue;
            };
            target.can(fault)?;
            bench
                .fault_when(&target, fault.clone(), when.clone())
                .map_err(|source| Failure::System {
                    doing: "start the task of the faults",
                    source,
                })?;
        }
        Ok(())
    }
}

/// The bench, with what is said of it on the command line.
pub(crate) fn set_up(args: &RunArgs, builder: Builder) -> Bench {
    builder
        .rules(args.rules)
        .iiod_unplug(args.iiod_unplug)
        .trap_all(args.trap_all)
        .accelerate(!args.no_accel)
        .restrict(args.restrict.unwrap_or_default())
        .sanitizer(!args.no_sanitizer)
        .keep(match args.report {
            Some(_) => Keep::All,
            None => Keep::Verdict,
        })
        .build()
}

/// By the program, or by the built-in client.
pub(crate) fn use_them(
    bench: &Bench,
    args: &RunArgs,
    signals: &Signals,
) -> Result<(Ending, Option<Broken>), Failure> {
    let Some((program, arguments)) = args.program.split_first() else {
        return Ok((use_by_client(bench, args, signals)?, None));
    };
    let program = bench.command(program).args(arguments);
    let program = program.iiod_only(args.iiod_only).spawn()?;
    signals.pass_to(program.signaller());
    let broken = args
        .expect
        .and_then(|expected| expected.watch(&program).err());
    let ending = match broken {
        // Nobody waits for one that hangs.
        Some(_) => program.kill(),
        None => program.wait(),
    };
    signals.end_us();
    bench.wait_for_clients(CLOSING);
    Ok((ending, broken))
}

/// By the built-in client: a process that is shown the devices, where this machine lets one
/// be and time is real.
fn use_by_client(bench: &Bench, args: &RunArgs, signals: &Signals) -> Result<Ending, Failure> {
    let fault = |source| Failure::System {
        doing: "start the built-in client",
        source,
    };
    if !args.iiod_only && !bench.system().clock().is_simulated() {
        let lastfd = std::env::current_exe().map_err(fault)?;
        match bench.spawn_client(lastfd) {
            Ok(client) => {
                signals.pass_to(client.signaller());
                let ending = client.wait();
                signals.end_us();
                bench.wait_for_clients(CLOSING);
                return Ok(ending);
            }
            Err(ProgramError::Show { source, .. }) => {
                // Nobody may be reading; the report names no process, and shows it too.
                let _ = writeln!(
                    anstream::stderr(),
                    "the built-in client runs inside lastfd: {source}"
                );
            }
            Err(error) => return Err(error.into()),
        }
    }
    let cancel = Cancel::new();
    signals.cancel(cancel.clone());
    bench.run_client(&cancel).map_err(fault)
}

fn planned(unplug: &[RemovalArg], unbind: &[RemovalArg]) -> Vec<(RemovalArg, Manner)> {
    let with = |removals: &[RemovalArg], manner| -> Vec<_> {
        removals.iter().map(|r| (r.clone(), manner)).collect()
    };
    let mut planned = with(unplug, Manner::Unplug);
    planned.extend(with(unbind, Manner::Unbind));
    planned
}

fn check_name(name: &str, verb: &str, names: &[String]) -> Result<(), Failure> {
    if names.iter().any(|known| known == name) {
        return Ok(());
    }
    Err(Failure::UnknownName {
        name: name.to_owned(),
        verb: verb.to_owned(),
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

pub(crate) fn print(out: &mut Out, verdict: &Verdict) {
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

#[cfg(test)]
mod tests {
    use std::io;

    use anstream::StripStream;
    use clap::Parser as _;
    use lastfd::sync::{Clock, Mutex};

    use super::*;
    use crate::args::{Cli, Command};

    /// What was written, shared with who reads it.
    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Written {
        fn out(&self) -> Out {
            let inner: Box<dyn Write + Send> = Box::new(self.clone());
            Box::new(StripStream::new(inner))
        }

        fn text(&self) -> String {
            String::from_utf8_lossy(&self.0.lock()).into_owned()
        }
    }

    /// Runs it in simulated time: the log, with the lines of each subject together, as two
    /// tasks write it; the verdict; the exit status.
    fn simulated(words: &str) -> (String, String, u8) {
        let words = ["lastfd", "run"]
            .into_iter()
            .chain(words.split(' ').filter(|w| !w.is_empty()));
        let Ok(Cli {
            command: Command::Run(args),
        }) = Cli::try_parse_from(words)
        else {
            unreachable!("these words are right");
        };
        let (log, verdict) = (Written::default(), Written::default());
        let builder = Bench::builder()
            .clock(Clock::simulated())
            .listener(Arc::new(LiveLog::new(log.out(), args.verbose)));
        let signals = Signals::catch().unwrap();
        let status = conduct(&args, builder, &signals, &mut verdict.out()).unwrap();
        let text = log.text();
        let mut lines: Vec<&str> = text.lines().collect();
        lines.sort_by_key(|line| line.get(13..33));
        (lines.join("\n"), verdict.text(), status)
    }

    fn settings() -> insta::Settings {
        let mut settings = insta::Settings::clone_current();
        settings.add_filter(r"#\d+", "#N");
        settings.add_filter(r"\(file \d+\)", "(file N)");
        // Whether the client is back in poll already when the unplug comes.
        settings.add_filter(r" +waiter poll on .*\n", "");
        settings.add_filter(r".* 1 woken\n", "");
        settings
    }

    /// A run in which the client sleeps on in poll. Seldom it looks at the device while
    /// that goes: `iio_buffer_poll` sees `info`, `iio_buffer_ready` no more, and poll gives 1.
    fn usual() -> (String, String, u8) {
        let slept_on = |run: &(String, String, u8)| run.0.contains("51.000  /dev/iio:device0 #");
        (0..20)
            .map(|_| simulated(""))
            .find(slept_on)
            .expect("the client sleeps on in nearly every run")
    }

    #[test]
    fn the_log_of_the_built_in_run_tells_each_life_in_order() {
        let (log, _, status) = usual();
        settings().bind(|| insta::assert_snapshot!("built_in_log", log));
        assert_eq!(status, 0);
    }

    #[test]
    fn its_verdict_says_who_held_what_and_what_went_when() {
        let (_, verdict, status) = usual();
        settings().bind(|| insta::assert_snapshot!("built_in_verdict", verdict));
        assert_eq!(status, 0);
    }

    #[test]
    fn a_removal_that_never_comes_is_no_clean_run() {
        let (_, verdict, status) = simulated("--unplug iio-adc@ioctl:VIDIOC_DQBUF:3");
        assert!(
            verdict.ends_with("verdict: no unplug of iio-adc: ioctl:VIDIOC_DQBUF:3 never came\n"),
            "{verdict}"
        );
        assert_eq!(status, 1);
    }

    #[test]
    fn each_event_of_the_client_can_be_the_one() {
        for event in [
            "open",
            "close",
            "read:5",
            "poll:2",
            "blocked:read",
            "blocked:poll",
            "ioctl",
            "show",
            "store:buffer/enable",
            "buffer-enable",
            "buffer-disable",
            "25ms",
        ] {
            let (_, verdict, status) = simulated(&format!("--unplug iio-adc@{event}"));
            let comes = !matches!(event, "ioctl" | "show");
            assert_eq!(status, u8::from(!comes), "{event}: {verdict}");
            assert_eq!(
                verdict.contains("verdict: clean"),
                comes,
                "{event}: {verdict}"
            );
        }
    }

    #[test]
    fn an_unbind_leaves_the_hardware_and_takes_the_node() {
        let (log, verdict, status) = simulated("--unbind iio-adc@read:1");
        assert!(verdict.contains("unbind    iio-adc at"), "{verdict}");
        assert!(verdict.contains("unplug    iio-adc at"), "{verdict}");
        assert!(verdict.contains("the run is over"), "{verdict}");
        assert!(log.contains("read = -ENODEV"), "{log}");
        assert_eq!(status, 0);
    }

    #[test]
    fn one_device_goes_and_the_other_is_unharmed() {
        let words = "--device iio-adc --device iio-adc:rate=100 --unplug iio-adc@read:1";
        let (log, verdict, status) = simulated(words);
        assert!(verdict.ends_with("verdict: clean\n"), "{verdict}");
        let reads = |line: &&str| line.contains("/dev/iio:device1") && line.contains("read = ");
        assert!(
            log.lines()
                .filter(reads)
                .all(|line| !line.contains("ENODEV")),
            "{log}"
        );
        assert_eq!(status, 0);
    }
}
