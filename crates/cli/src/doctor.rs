//! `lastfd doctor`: what this machine allows, said before anything is run.

use std::io::{self, Read, Write};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use clap::Args;
use lastfd::devices::Spec;
use lastfd::model::event::Listener;
use lastfd::report::RunEvent;
use lastfd::supervisor::{Capability, Has, Machine, Restrictions};
use lastfd::sync::{Arc, Mutex};
use lastfd::{Bench, Ending, Event, Keep, Outcome, Patience};
use serde_json::{Value, json};

use crate::device_arg::DEFAULT;
use crate::failure::Failure;
use crate::log::{BAD, DIM, GOOD, WARN};

/// No program can be served here (sysexits.h: EX_UNAVAILABLE).
const UNAVAILABLE: u8 = 69;
/// What the trial may take; it takes milliseconds.
const TRIAL: Duration = Duration::from_secs(10);
const NODE: &str = "/dev/iio:device0";

const EXAMPLES: &str = "\
Each thing that a run needs or is better with has a line; where it is missing, what does not work
then, and what brings it. The last line is a trial: a program is run, and has to see a device.

Nothing of the machine is changed. docs/environments.md has what stock programs make of the kinds
of places that --restrict plays.

Exit status: 0 if programs can be served, though some may get less; 69 if none can; 64 for wrong
usage.

Examples:
  lastfd doctor
  lastfd doctor --format json | jq '.checks[] | select(.has != \"all\")'
  lastfd doctor --restrict docker                what a container would lack";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DoctorArgs {
    /// How to tell
    #[arg(long, value_enum, default_value_t = Format::Pretty)]
    format: Format,

    /// Look as if less were allowed, as elsewhere: a place or a list of things, as for `lastfd run`
    #[arg(long, value_name = "LIST")]
    restrict: Option<Restrictions>,

    /// Be the program of the trial: see whether this is a device
    #[arg(long, value_name = "NODE", hide = true, exclusive = true)]
    see: Option<PathBuf>,
}

/// How `lastfd doctor` tells what it found.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Format {
    /// A line for each thing, and a verdict
    Pretty,
    /// JSON
    Json,
}

/// All that was found.
struct Found {
    lines: Vec<Capability>,
    /// Why a program could not be served; none if one was.
    trial: Option<String>,
}

pub(crate) fn doctor(args: &DoctorArgs) -> Result<ExitCode, Failure> {
    if let Some(node) = &args.see {
        return see(node);
    }
    let restrictions = args.restrict.unwrap_or_default();
    let found = Found {
        lines: Machine::look().restricted(&restrictions).capabilities(),
        trial: trial(&restrictions).err(),
    };
    let text = match args.format {
        Format::Pretty => found.to_text(),
        Format::Json => format!("{:#}\n", found.to_json()),
    };
    let mut out = anstream::stdout().lock();
    // Nobody reads on, as with `| head`.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    Ok(match found.can_run() {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(UNAVAILABLE),
    })
}

/// The program of the trial.
fn see(node: &Path) -> Result<ExitCode, Failure> {
    let doing = "see the device of the trial";
    let system = |source| Failure::System { doing, source };
    let file = std::fs::File::open(node).map_err(system)?;
    let is_device = file.metadata().map_err(system)?.file_type();
    match is_device.is_char_device() {
        true => Ok(ExitCode::SUCCESS),
        false => Err(system(io::Error::other("it is no character device"))),
    }
}

/// Keeps what a program was refused.
#[derive(Default)]
struct Refused(Mutex<Vec<String>>);

impl Listener for Refused {
    fn event(&self, event: &Event) {
        if let Some(RunEvent::Refused { text, .. }) = RunEvent::of(event) {
            self.0.lock().push(text.to_string());
        }
    }
}

/// Runs a program, which is this one, and has it see a device.
fn trial(restrictions: &Restrictions) -> Result<(), String> {
    let own = std::env::current_exe()
        .map_err(|error| format!("failed to find lastfd's own file: {error}"))?;
    let refused = Arc::new(Refused::default());
    let listener: Arc<dyn Listener> = refused.clone();
    let bench = Bench::builder()
        .keep(Keep::Nothing)
        .listener(listener)
        .restrict(*restrictions)
        .build();
    let spec = DEFAULT.parse::<Spec>().map_err(|error| error.to_string())?;
    bench
        .plug_spec(&spec)
        .map_err(|errno| format!("failed to plug in {spec}: {errno}"))?;
    let (mut from, to) =
        io::pipe().map_err(|error| format!("failed to listen to a program: {error}"))?;
    let program = bench
        .command(own)
        .args(["doctor", "--see", NODE])
        .always_iiod(false)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(to)
        .spawn()
        .map_err(|error| error.to_string())?;
    let outcome = program.judge(&Patience {
        limit: TRIAL,
        ..Patience::default()
    });
    drop(bench.finish());
    let ending = match outcome {
        Outcome::NotReached {
            ending: Some(Ending::Exited(0)),
            ..
        } => return Ok(()),
        Outcome::NotReached {
            ending: Some(ending),
            ..
        } => ending.to_string(),
        other => format!("no end of it ({other})"),
    };
    let mut said = String::new();
    // What it wrote last is all that is missing if this fails.
    let _ = from.read_to_string(&mut said);
    let mut why = format!("a program could be started, and did not see {NODE}: {ending}");
    let refused = refused.0.lock();
    for line in said.lines().chain(refused.iter().map(String::as_str)) {
        why += &format!("; {line}");
    }
    Err(why)
}

impl Found {
    fn can_run(&self) -> bool {
        self.trial.is_none() && self.with(Has::Nothing).is_empty()
    }

    fn with(&self, has: Has) -> Vec<&str> {
        let lines = self.lines.iter().filter(|line| line.has == has);
        lines.map(|line| line.name).collect()
    }

    fn to_text(&self) -> String {
        let mut text = String::new();
        for line in &self.lines {
            text += &self::line(line);
        }
        text += &match &self.trial {
            None => row(GOOD, "ok", "trial", "a program saw a device"),
            Some(why) => row(BAD, "no", "trial", why),
        };
        let less = self.with(Has::Less);
        let (style, verdict) = match (self.can_run(), &*less) {
            (false, _) => (BAD, "no program can be served here".to_owned()),
            (true, []) => (GOOD, "programs can be served here".to_owned()),
            (true, less) => (
                GOOD,
                format!("programs can be served here, without {}", less.join(", ")),
            ),
        };
        text += &format!("\n{style}verdict: {verdict}{style:#}\n");
        text
    }

    fn to_json(&self) -> Value {
        let check = |line: &Capability| {
            json!({
                "name": line.name,
                "has": line.has.word(),
                "found": line.found,
                "without": line.without,
                "remedy": line.remedy,
            })
        };
        json!({
            "can_run": self.can_run(),
            "trial": match &self.trial {
                None => json!({ "passed": true }),
                Some(why) => json!({ "passed": false, "why": why }),
            },
            "checks": self.lines.iter().map(check).collect::<Vec<_>>(),
        })
    }
}

fn line(line: &Capability) -> String {
    let (style, word) = match line.has {
        Has::All => (GOOD, "ok"),
        Has::Less => (WARN, "less"),
        Has::Nothing => (BAD, "no"),
    };
    let mut text = row(style, word, line.name, &line.found);
    if line.has != Has::All {
        text += &format!("        {DIM}as it is{DIM:#}  {}\n", line.without);
        text += &format!("        {DIM}mend it{DIM:#}   {}\n", line.remedy);
    }
    text
}

fn row(style: anstyle::Style, word: &str, name: &str, found: &str) -> String {
    format!("{style}{word:<4}{style:#}  {name:<21} {found}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of a machine that allows all, and is restricted so.
    fn said(restrict: &str, trial: Option<&str>) -> String {
        let mut machine = Machine::with_all();
        if !restrict.is_empty() {
            machine = machine.restricted(&restrict.parse().unwrap());
        }
        let found = Found {
            lines: machine.capabilities(),
            trial: trial.map(str::to_owned),
        };
        anstream::adapter::strip_str(&found.to_text()).to_string()
    }

    #[test]
    fn a_machine_that_allows_all_is_told_line_by_line() {
        insta::assert_snapshot!("doctor_all", said("", None));
    }

    /// The lines of each restriction that are not `ok`, and the verdict.
    #[test]
    fn what_each_restriction_takes_is_told_with_what_brings_it() {
        let words = [
            "docker",
            "podman",
            "yama1",
            "linux-5.14",
            "linux-5.15",
            "linux-6.1",
            "nofile=256",
            "no-pidfd-getfd",
            "no-process-vm",
            "no-wait-killable",
            "no-sync-wake-up",
            "no-receive-end",
            "no-urgent",
        ];
        let mut all = String::new();
        for word in words {
            let text = said(word, None);
            let lines = text.lines().filter(|line| !line.starts_with("ok"));
            let lines = lines.filter(|line| !line.is_empty());
            all += &format!("== {word}\n{}\n", lines.collect::<Vec<_>>().join("\n"));
        }
        insta::assert_snapshot!("doctor_restricted", all);
    }

    #[test]
    fn a_machine_on_which_nobody_can_be_served_is_told_so() {
        let why = Some("failed to show devices to 'lastfd'");
        insta::assert_snapshot!("doctor_nothing", said("no-listener,yama2", why));
    }
}
