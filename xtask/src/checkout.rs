//! The working copy and the settings of this run.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use xshell::{Shell, cmd};

use crate::oracle::Ask;

/// Where things are and how this run was asked for.
pub(crate) struct Checkout {
    /// Commands run from the root of the repository.
    pub(crate) sh: Shell,
    /// The root of the repository.
    pub(crate) root: PathBuf,
    /// Cargo's target directory; builds with other flags have a folder below it,
    /// so that they do not throw the ordinary build away.
    pub(crate) target: PathBuf,
    /// `CI=true`: what is missing is an error, lock files must be up to date.
    pub(crate) ci: bool,
    /// Whether cargo-nextest is there.
    pub(crate) nextest: bool,
    /// Minutes of the long stages.
    pub(crate) minutes: u64,
    /// Cycles of the long soak.
    pub(crate) cycles: u64,
    /// What the oracle is asked.
    pub(crate) oracle: Ask,
}

impl Checkout {
    /// Finds the repository this tool was built from.
    pub(crate) fn find() -> Result<Checkout> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("xtask has no folder above it")?
            .to_path_buf();
        ensure!(
            root.join("Cargo.toml").is_file(),
            "{} is not the repository any more: run `cargo clean -p xtask`",
            root.display()
        );
        let sh = Shell::new()?;
        sh.change_dir(&root);
        let target = match std::env::var_os("CARGO_TARGET_DIR") {
            Some(dir) => std::path::absolute(dir)?,
            None => root.join("target"),
        };
        let nextest = cmd!(sh, "cargo nextest --version")
            .quiet()
            .ignore_stderr()
            .read()
            .is_ok();
        let ci = std::env::var("CI").is_ok_and(|value| value == "true" || value == "1");
        Ok(Checkout {
            sh,
            root,
            target,
            ci,
            nextest,
            minutes: 0,
            cycles: 0,
            oracle: Ask::default(),
        })
    }

    /// The triple of this machine, as rustc names it.
    pub(crate) fn host(&self) -> Result<String> {
        let version = cmd!(self.sh, "rustc -vV").quiet().read()?;
        let host = version.lines().find_map(|line| line.strip_prefix("host: "));
        Ok(host.context("`rustc -vV` names no host")?.to_owned())
    }

    /// Files `crates/*/FOLDER/PREFIX*.rs` as (package, file stem), in order.
    ///
    /// Errors when there is none: a check whose subject was moved away must not
    /// pass by doing nothing.
    pub(crate) fn sources(&self, folder: &str, prefix: &str) -> Result<Vec<(String, String)>> {
        let mut found = Vec::new();
        for krate in self.sh.read_dir("crates")? {
            let folder = krate.join(folder);
            if !folder.is_dir() {
                continue;
            }
            for stem in stems(&self.sh.read_dir(folder)?) {
                if stem.starts_with(prefix) {
                    found.push((package(&krate), stem));
                }
            }
        }
        ensure!(
            !found.is_empty(),
            "there is no crates/*/{folder}/{prefix}*.rs to run"
        );
        Ok(found)
    }
}

/// The names of the Rust files among `paths`, without their ending.
pub(crate) fn stems(paths: &[PathBuf]) -> Vec<String> {
    paths
        .iter()
        .filter(|path| path.extension() == Some(OsStr::new("rs")))
        .filter_map(|path| path.file_stem()?.to_str().map(str::to_owned))
        .collect()
}

/// The package in `crates/FOLDER`.
fn package(folder: &Path) -> String {
    match folder.file_name().and_then(OsStr::to_str) {
        None | Some("lastfd") => "lastfd".to_owned(),
        Some(name) => format!("lastfd-{name}"),
    }
}

/// Whether a program of this name can be started.
pub(crate) fn on_path(program: &str) -> bool {
    // A user's PATH often leaves out the folder of the system's daemons.
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .any(|folder| folder.join(program).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_named_for_its_folder() {
        assert_eq!(package(Path::new("crates/sync")), "lastfd-sync");
        assert_eq!(package(Path::new("/somewhere/crates/lastfd")), "lastfd");
    }

    #[test]
    fn only_rust_files_are_targets() {
        let paths = [
            "fuzz_targets/iiod.rs",
            "fuzz_targets/README.md",
            "fuzz_targets/more",
        ];
        assert_eq!(stems(&paths.map(PathBuf::from)), ["iiod"]);
    }
}
