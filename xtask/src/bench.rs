//! `cargo xtask bench`: criterion's medians with their floors beside them.
//!
//! A floor is what the machine gives without us: an atomic increment, a bare
//! ping-pong, Debian's own iiod. A bench whose function name begins with `floor`
//! is the floor of the others of its group; with a parameter (`floor_atomic/2`),
//! of those with the same one. A bench may also print `figure: ` lines, for what
//! is no time: bytes, ratios, rates.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use xshell::cmd;

use crate::checkout::{Checkout, on_path};
use crate::evidence;
use crate::packages::{self, CLIENTS};
use crate::plan::{Done, Job, Stage};
use crate::step::Step;

/// Installed first, run last.
pub(crate) const STAGES: &[Stage] = &[
    Stage {
        name: "packages",
        does: "install libiio's stock clients if they are missing",
        budget: |_| 180,
        part_of: None,
        body: |job| packages::install(job, &[CLIENTS]),
    },
    Stage {
        name: "iiod",
        does: "find Debian's iiod, or unpack it into the target folder",
        budget: |_| 120,
        part_of: None,
        body: |job| match iiod(job)? {
            Some(_) => Ok(Done::Passed),
            None => Ok(Done::Skipped(
                "no iiod and no apt-get; its floor is left out".to_owned(),
            )),
        },
    },
    Stage {
        name: "benches",
        does: "run every bench but those of programs, and write docs/evidence/bench.md",
        budget: |_| 3600,
        part_of: None,
        body: benches,
    },
    Stage {
        name: "programs",
        does: "what it costs a program to be served; writes docs/evidence/bench-programs.md",
        budget: |_| 1800,
        part_of: None,
        body: programs,
    },
];

/// The benches of served programs, which print figures only.
const PROGRAMS: [(&str, &str); 2] = [("lastfd-supervisor", "served"), ("lastfd-cli", "programs")];

fn programs(job: &mut Job<'_>) -> Result<Done> {
    let checkout = job.checkout;
    for (package, bench) in PROGRAMS {
        let run = cmd!(checkout.sh, "cargo bench -p {package} --bench {bench}");
        job.run(Step::new(run))?;
    }
    ensure!(!job.figures.is_empty(), "the benches printed no figure");
    let mut text =
        "# What it costs a program to be served\n\nWritten by `cargo xtask bench --only \
                    programs`; both sides of a ratio come from one run.\n\n"
            .to_owned();
    text += &evidence::machine(checkout)?;
    figures(&mut text, &job.figures)?;
    write(checkout, "bench-programs", &text)
}

/// A table of them.
fn figures(text: &mut String, figures: &[String]) -> Result<()> {
    text.push_str("| figures |\n|---|\n");
    for figure in figures {
        writeln!(text, "| {figure} |")?;
    }
    Ok(())
}

fn write(checkout: &Checkout, name: &str, text: &str) -> Result<Done> {
    let path = format!("{}/{name}.md", evidence::FOLDER);
    checkout.sh.write_file(&path, text)?;
    println!("wrote {path}");
    Ok(Done::Passed)
}

/// Debian's iiod. Its package would start a service, so it is only unpacked.
fn iiod(job: &mut Job<'_>) -> Result<Option<PathBuf>> {
    if let Some(installed) = installed_iiod() {
        return Ok(Some(installed));
    }
    let folder = job.checkout.target.join("iiod");
    let unpacked = folder.join("usr/sbin/iiod");
    if unpacked.is_file() {
        return Ok(Some(unpacked));
    }
    if !on_path("apt-get") {
        return Ok(None);
    }
    let sh = &job.checkout.sh;
    sh.create_dir(&folder)?;
    let script = "cd \"$0\" && apt-get download iiod && dpkg-deb -x iiod_*.deb .";
    job.run(Step::new(cmd!(sh, "sh -c {script} {folder}")))?;
    Ok(Some(unpacked))
}

fn installed_iiod() -> Option<PathBuf> {
    ["/usr/sbin/iiod", "/usr/bin/iiod"]
        .map(PathBuf::from)
        .into_iter()
        .find(|path| path.is_file())
}

fn benches(job: &mut Job<'_>) -> Result<Done> {
    let checkout = job.checkout;
    let results = checkout.target.join("criterion");
    // What an earlier run measured must not end up in this table.
    checkout.sh.remove_path(&results)?;
    let iiod = iiod(job)?;
    for (package, bench) in checkout.sources("benches", "")? {
        if PROGRAMS.contains(&(&*package, &*bench)) {
            continue;
        }
        let run = cmd!(checkout.sh, "cargo bench -p {package} --bench {bench}");
        let step = Step::new(run);
        job.run(match &iiod {
            Some(path) => step.env("LASTFD_BENCH_IIOD", path.display().to_string()),
            None => step,
        })?;
    }
    let mut measured = Vec::new();
    collect(checkout, &results, &mut measured)?;
    ensure!(
        !measured.is_empty(),
        "criterion left no result in {}",
        results.display()
    );
    measured.sort_by(|a, b| a.id.cmp(&b.id));

    let mut text =
        "# Benches\n\nWritten by `cargo xtask bench`. Medians; a floor is what the machine \
         gives without lastfd.\n\n"
            .to_owned();
    text += &evidence::machine(checkout)?;
    text += &table(&measured);
    if !job.figures.is_empty() {
        text.push('\n');
        figures(&mut text, &job.figures)?;
    }
    write(checkout, "bench", &text)
}

/// One bench as criterion left it.
struct Measured {
    id: String,
    group: String,
    function: String,
    parameter: Option<String>,
    /// Nanoseconds.
    median: f64,
}

impl Measured {
    fn is_floor(&self) -> bool {
        self.function.starts_with("floor")
    }

    /// Whether this is a floor of `other`.
    fn is_under(&self, other: &Measured) -> bool {
        self.is_floor()
            && self.group == other.group
            && (self.parameter.is_none() || self.parameter == other.parameter)
    }
}

/// Reads every `new/` folder below `folder`.
fn collect(checkout: &Checkout, folder: &Path, into: &mut Vec<Measured>) -> Result<()> {
    if folder.ends_with("new") && folder.join("estimates.json").is_file() {
        let about = json(checkout, &folder.join("benchmark.json"))?;
        let estimates = json(checkout, &folder.join("estimates.json"))?;
        into.push(measured(&about, &estimates).with_context(|| {
            format!("failed to read what criterion left in {}", folder.display())
        })?);
        return Ok(());
    }
    for path in checkout.sh.read_dir(folder)? {
        if path.is_dir() {
            collect(checkout, &path, into)?;
        }
    }
    Ok(())
}

fn json(checkout: &Checkout, path: &Path) -> Result<Value> {
    let text = checkout.sh.read_file(path)?;
    serde_json::from_str(&text).with_context(|| format!("failed to read {}", path.display()))
}

fn measured(about: &Value, estimates: &Value) -> Option<Measured> {
    let text = |name: &str| about[name].as_str().map(str::to_owned);
    Some(Measured {
        id: text("full_id")?,
        group: text("group_id")?,
        function: text("function_id").unwrap_or_default(),
        parameter: text("value_str"),
        median: estimates["median"]["point_estimate"].as_f64()?,
    })
}

/// One line per bench: its median, then each floor with how many times it costs.
fn table(measured: &[Measured]) -> String {
    let mut floors: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for bench in measured.iter().filter(|bench| !bench.is_floor()) {
        let beside = measured
            .iter()
            .filter(|floor| floor.is_under(bench))
            .map(|floor| {
                let name = floor
                    .function
                    .trim_start_matches("floor")
                    .trim_start_matches(['_', ' ']);
                format!(
                    "{name} {} (x{:.2})",
                    time(floor.median),
                    bench.median / floor.median
                )
            });
        floors.entry(&bench.id).or_default().extend(beside);
    }
    let mut text = "| bench | median | floors (times the floor) |\n|---|---:|---|\n".to_owned();
    for bench in measured.iter().filter(|bench| !bench.is_floor()) {
        let beside = floors[bench.id.as_str()].join(", ");
        text += &format!("| {} | {} | {beside} |\n", bench.id, time(bench.median));
    }
    text
}

/// Nanoseconds with a unit that reads well.
fn time(nanoseconds: f64) -> String {
    match nanoseconds {
        ns if ns < 1e3 => format!("{ns:.1} ns"),
        ns if ns < 1e6 => format!("{:.2} µs", ns / 1e3),
        ns if ns < 1e9 => format!("{:.2} ms", ns / 1e6),
        ns => format!("{:.2} s", ns / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn bench(function: &str, parameter: Option<&str>, median: f64) -> Measured {
        let id = match parameter {
            Some(parameter) => format!("gate/{function}/{parameter}"),
            None => format!("gate/{function}"),
        };
        let about = json!({
            "full_id": id, "group_id": "gate", "function_id": function, "value_str": parameter,
        });
        measured(&about, &json!({ "median": { "point_estimate": median } })).unwrap()
    }

    #[test]
    fn a_bench_stands_beside_the_floors_of_its_own_parameter() {
        let all = [
            bench("enter", Some("1"), 3.0),
            bench("enter", Some("2"), 3.3),
            bench("floor_atomic", Some("1"), 6.0),
            bench("floor_atomic", Some("2"), 30.0),
            bench("floor_nothing", None, 0.5),
        ];
        assert_eq!(
            table(&all),
            "| bench | median | floors (times the floor) |\n\
             |---|---:|---|\n\
             | gate/enter/1 | 3.0 ns | atomic 6.0 ns (x0.50), nothing 0.5 ns (x6.00) |\n\
             | gate/enter/2 | 3.3 ns | atomic 30.0 ns (x0.11), nothing 0.5 ns (x6.60) |\n"
        );
    }

    #[test]
    fn a_bench_without_a_floor_stands_alone() {
        let text = table(&[bench("close", None, 2_500_000.0)]);
        assert!(text.ends_with("| gate/close | 2.50 ms |  |\n"), "{text}");
    }

    #[test]
    fn results_of_another_shape_are_not_read() {
        assert!(measured(&json!({}), &json!({})).is_none());
    }
}
