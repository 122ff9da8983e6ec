//! Logs and tables in `docs/evidence/`, each with what made it.

use std::fmt::Write as _;

use anyhow::Result;
use xshell::cmd;

use crate::checkout::Checkout;
use crate::kernel_tree;
use crate::plan::{Done, Job};

/// The folder, from the root.
pub(crate) const FOLDER: &str = "docs/evidence";

/// Writes the commands of a long stage and the last lines they printed.
pub(crate) fn log(job: &Job<'_>, name: &str, done: &Result<Done>) -> Result<()> {
    let checkout = job.checkout;
    let mut text = machine(checkout)?;
    for command in &job.commands {
        writeln!(text, "$ {command}")?;
    }
    for line in job.tail.iter().filter(|line| !is_build_line(line)) {
        writeln!(text, "{line}")?;
    }
    match done {
        Ok(Done::Passed) => writeln!(text, "passed")?,
        Ok(Done::Skipped(reason)) => writeln!(text, "skipped: {reason}")?,
        Err(error) => writeln!(text, "failed: {error:#}")?,
    }
    let path = format!("{FOLDER}/{name}.log");
    checkout
        .sh
        .write_file(&path, without_places(checkout, &text))?;
    println!("wrote {path}");
    Ok(())
}

/// Where and when the figures were taken.
pub(crate) fn machine(checkout: &Checkout) -> Result<String> {
    let sh = &checkout.sh;
    let day = cmd!(sh, "date -u +%F").quiet().read()?;
    let commit = cmd!(sh, "git rev-parse --short HEAD").quiet().read()?;
    let changes = cmd!(sh, "git status --porcelain --untracked-files=no")
        .quiet()
        .read()?;
    let dirty = if changes.is_empty() {
        ""
    } else {
        " with local changes"
    };
    let kernel = cmd!(sh, "uname -sr").quiet().read()?;
    let rustc = cmd!(sh, "rustc --version").quiet().read()?;
    let load = sh.read_file("/proc/loadavg")?;
    let load = load.split(' ').next().unwrap_or_default();
    let cores = std::thread::available_parallelism()?;
    let cpu = cpu_model(&sh.read_file("/proc/cpuinfo")?);
    Ok(format!(
        "{day}, commit {commit}{dirty}\n{cores} cores of {cpu}, {kernel}, {rustc}, load {load}\n\n"
    ))
}

fn cpu_model(cpuinfo: &str) -> String {
    cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("an unknown processor", |rest| {
            rest.trim_start_matches([' ', '\t', ':'])
        })
        .to_owned()
}

/// What cargo says of its building tells nothing of the result.
fn is_build_line(line: &str) -> bool {
    let verbs = [
        "Compiling",
        "Downloading",
        "Downloaded",
        "Locking",
        "Updating",
        "Blocking",
    ];
    let first = line.split_whitespace().next().unwrap_or_default();
    // A kernel's: `  HOSTCC  scripts/dtc/dtc.o`, `make[1]: Entering directory ...`.
    let kbuild = first.len() > 1 && first.chars().all(|c| c.is_ascii_uppercase());
    line.starts_with("  ") && (verbs.contains(&first) || kbuild) || line.starts_with("make[")
}

/// Paths are those of whoever ran it: name them from the root.
fn without_places(checkout: &Checkout, text: &str) -> String {
    let target = checkout.target.display().to_string();
    let root = checkout.root.display().to_string();
    let text = text
        .replace(&target, "target")
        .replace(&format!("{root}/"), "")
        .replace(&root, ".");
    let text = match kernel_tree::cache() {
        Ok(cache) => text.replace(&cache.display().to_string(), "CACHE"),
        Err(_) => text,
    };
    match std::env::var("HOME") {
        Ok(home) if home.len() > 1 => text.replace(&home, "~"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_build_are_no_evidence() {
        assert!(is_build_line(
            "   Compiling lastfd-sync v0.1.0 (crates/sync)"
        ));
        assert!(is_build_line("  HOSTCC  scripts/dtc/dtc.o"));
        assert!(is_build_line("make[1]: Entering directory '/a'"));
        assert!(!is_build_line("     Running tests/loom_gate.rs"));
        assert!(!is_build_line("Compiling is what this line is about"));
    }

    #[test]
    fn the_processor_is_named_where_the_kernel_names_it() {
        assert_eq!(
            cpu_model("processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\n"),
            "Some CPU @ 2 GHz"
        );
        assert_eq!(cpu_model("processor\t: 0\n"), "an unknown processor");
    }
}
