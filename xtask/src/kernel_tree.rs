//! A Linux tree that scenarios are to run in: what is looked at, copied and changed
//! before it is built. A user's own tree is never written to.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

/// Which of the rules a tree can follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Can {
    /// Both, by a parameter.
    Both,
    /// Only those before 6.6: its `device_del()` never released managed resources.
    OnlyPre66,
}

/// Errors unless a folder holds Linux sources with User Mode Linux.
pub(crate) fn look_at(tree: &Path) -> Result<()> {
    ensure!(tree.is_dir(), "{} is not a folder", tree.display());
    for needed in ["Makefile", "Kconfig", CORE, DRIVERS, FAILSLAB] {
        ensure!(
            tree.join(needed).is_file(),
            "{} is not a Linux tree: it has no {needed}",
            tree.display()
        );
    }
    ensure!(
        tree.join("arch/um/Makefile").is_file(),
        "{} has no User Mode Linux: there is no arch/um",
        tree.display()
    );
    Ok(())
}

const CORE: &str = "drivers/base/core.c";
const DRIVERS: &str = "drivers/Makefile";
const FAILSLAB: &str = "mm/failslab.c";

/// Changes a copy so that it is built with the module.
///
/// `original` is what it is a copy of: a file that is changed keeps the original's
/// time, so that the next build does again only what has to be done again.
pub(crate) fn change(copy: &Path, original: &Path) -> Result<Can> {
    let edit = |file: &str, edit: &dyn Fn(&str) -> Result<String>| -> Result<String> {
        let from = original.join(file);
        let text = fs::read_to_string(&from)
            .with_context(|| format!("failed to read {}", from.display()))?;
        let text = edit(&text).with_context(|| format!("in {}", from.display()))?;
        replace(&copy.join(file), &text, &from)?;
        Ok(text)
    };
    edit(DRIVERS, &|text| Ok(with_module(text)))?;
    edit(FAILSLAB, &with_failures)?;
    let core = edit(CORE, &|text| with_both_rules(text).map(|(text, _)| text))?;
    match core.contains(SWITCH) {
        true => Ok(Can::Both),
        false => Ok(Can::OnlyPre66),
    }
}

/// Puts a new file in the place of the old, which may be one file with the original's:
/// it is not written to.
fn replace(path: &Path, text: &str, time_of: &Path) -> Result<()> {
    let new = path.with_extension("lastfd-new");
    let written = || -> std::io::Result<()> {
        fs::write(&new, text)?;
        let time = fs::metadata(time_of)?.modified()?;
        fs::File::options()
            .write(true)
            .open(&new)?
            .set_modified(time)?;
        fs::rename(&new, path)
    };
    written().with_context(|| format!("failed to write {}", path.display()))
}

fn with_module(makefile: &str) -> String {
    let line = "obj-y += lastfd/";
    if makefile.lines().any(|l| l == line) {
        return makefile.to_owned();
    }
    format!("{makefile}\n{line}\n")
}

/// Lets an injected failure hit an allocation that may sleep.
fn with_failures(failslab: &str) -> Result<String> {
    let (off, on) = (".ignore_gfp_reclaim = true", ".ignore_gfp_reclaim = false");
    ensure!(
        failslab.contains(off) || failslab.contains(on),
        "found no `{off}`"
    );
    Ok(failslab.replace(off, on))
}

const SWITCH: &str = "\tif (!lastfd_pre66)\n\t\tdevres_release_all(dev);";
const DEVICE_DEL: &str = "void device_del(struct device *dev)\n{";
const RELEASE: &str = "\n\tdevres_release_all(dev);";

/// Lets a parameter decide whether `device_del()` releases managed resources.
fn with_both_rules(core: &str) -> Result<(String, Can)> {
    if core.contains(SWITCH) {
        return Ok((core.to_owned(), Can::Both));
    }
    let start = core
        .find(DEVICE_DEL)
        .context("found no `void device_del(struct device *dev)`")?;
    let body = &core[start..];
    let end = body.find("\n}\n").context("device_del() has no end")?;
    let Some(at) = body[..end].find(RELEASE) else {
        return Ok((core.to_owned(), Can::OnlyPre66));
    };
    let (before, after) = core.split_at(start + at + 1);
    let (declared, device_del) = before.split_at(start);
    let rest = after.strip_prefix(&RELEASE[1..]).unwrap_or(after);
    let text = format!("{declared}extern bool lastfd_pre66;\n{device_del}{SWITCH}{rest}");
    Ok((text, Can::Both))
}

/// The version that a tree's Makefile names: `6.12.117`.
pub(crate) fn version(tree: &Path) -> Result<String> {
    let path = tree.join("Makefile");
    let text =
        fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))?;
    version_in(&text).with_context(|| format!("{} is not a Linux tree's", path.display()))
}

fn version_in(makefile: &str) -> Option<String> {
    let field = |name: &str| {
        let line = makefile.lines().find_map(|l| l.strip_prefix(name))?;
        Some(line.trim_start().strip_prefix('=')?.trim().to_owned())
    };
    let numbers = [field("VERSION")?, field("PATCHLEVEL")?, field("SUBLEVEL")?];
    let all_numbers = numbers.iter().all(|n| n.parse::<u32>().is_ok());
    all_numbers.then(|| numbers.join("."))
}

/// What stands before an option that kernels of another age have in the place of the
/// one before it.
const OR: &str = "# or ";

/// A configuration to begin with: all that `wanted` names. What a tree does not know
/// goes.
pub(crate) fn asked_of_kconfig(wanted: &str) -> String {
    wanted.replace(OR, "")
}

/// Options of `wanted` that a configuration lacks.
pub(crate) fn missing_options(wanted: &str, config: &str) -> Vec<String> {
    let has: Vec<&str> = config.lines().map(str::trim).collect();
    let mut groups: Vec<Vec<&str>> = Vec::new();
    for line in wanted.lines().map(str::trim) {
        match (line.strip_prefix(OR), groups.last_mut()) {
            (Some(option), Some(group)) => group.push(option),
            _ if line.is_empty() || line.starts_with('#') => {}
            _ => groups.push(vec![line]),
        }
    }
    groups.retain(|group| !group.iter().any(|option| has.contains(option)));
    groups.iter().map(|group| group.join(" or ")).collect()
}

/// Where kernels are built and kept.
pub(crate) fn cache() -> Result<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty());
    let base = match (folder("XDG_CACHE_HOME"), folder("HOME")) {
        (Some(cache), _) => PathBuf::from(cache),
        (None, Some(home)) => Path::new(&home).join(".cache"),
        (None, None) => bail!("neither XDG_CACHE_HOME nor HOME is set: where to build kernels?"),
    };
    Ok(std::path::absolute(base.join("lastfd/oracle"))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: &str = "int x;\n/**\n * device_del - x\n */\nvoid device_del(struct device *dev)\n{\n\
        \tfoo();\n\tdevres_release_all(dev);\n\tbar();\n}\nvoid other(void)\n{\n}\n";

    #[test]
    fn a_parameter_decides_in_device_del_alone() {
        let (text, can) = with_both_rules(NEW).unwrap();
        assert_eq!(can, Can::Both);
        assert_eq!(
            text,
            "int x;\n/**\n * device_del - x\n */\nextern bool lastfd_pre66;\n\
             void device_del(struct device *dev)\n{\n\tfoo();\n\tif (!lastfd_pre66)\n\
             \t\tdevres_release_all(dev);\n\tbar();\n}\nvoid other(void)\n{\n}\n"
        );
        assert_eq!(with_both_rules(&text).unwrap(), (text.clone(), Can::Both));
    }

    #[test]
    fn a_tree_from_before_has_only_the_older_rules() {
        let old = NEW.replace("\tdevres_release_all(dev);\n", "");
        let old = format!("{old}void later(void)\n{{\n\tdevres_release_all(dev);\n}}\n");
        assert_eq!(
            with_both_rules(&old).unwrap(),
            (old.clone(), Can::OnlyPre66)
        );
        assert!(with_both_rules("int x;\n").is_err());
    }

    #[test]
    fn the_other_changes_are_made_once() {
        let once = with_module("obj-y += base/\n");
        assert_eq!(once, "obj-y += base/\n\nobj-y += lastfd/\n");
        assert_eq!(with_module(&once), once);
        let failing = with_failures("\t.ignore_gfp_reclaim = true,\n").unwrap();
        assert_eq!(failing, "\t.ignore_gfp_reclaim = false,\n");
        assert_eq!(with_failures(&failing).unwrap(), failing);
        assert!(with_failures("").is_err());
    }

    #[test]
    fn a_version_is_three_numbers() {
        let text = "# SPDX\nVERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 117\nEXTRAVERSION =\n";
        assert_eq!(version_in(text).as_deref(), Some("6.12.117"));
        assert_eq!(
            version_in("VERSION = one\nPATCHLEVEL = 2\nSUBLEVEL = 3\n"),
            None
        );
        assert_eq!(version_in("all:\n\tcc x.c\n"), None);
    }

    #[test]
    fn options_that_did_not_come_out_are_named() {
        let wanted = "# why\nCONFIG_A=y\nCONFIG_B=5\n";
        assert_eq!(missing_options(wanted, "CONFIG_A=y\nCONFIG_B=5\n"), [""; 0]);
        assert_eq!(
            missing_options(wanted, "# CONFIG_A is not set\nCONFIG_B=5\n"),
            ["CONFIG_A=y"]
        );
        let wanted = "CONFIG_NEW=y\n# or CONFIG_OLD=y\nCONFIG_B=5\n";
        for age in ["CONFIG_NEW=y\n", "CONFIG_OLD=y\n"] {
            let config = format!("{age}CONFIG_B=5\n");
            assert_eq!(missing_options(wanted, &config), [""; 0]);
        }
        assert_eq!(
            missing_options(wanted, "CONFIG_B=5\n"),
            ["CONFIG_NEW=y or CONFIG_OLD=y"]
        );
        assert_eq!(
            asked_of_kconfig(wanted),
            "CONFIG_NEW=y\nCONFIG_OLD=y\nCONFIG_B=5\n"
        );
    }

    #[test]
    fn what_is_no_tree_is_told() {
        let error = look_at(Path::new("/nowhere/at/all")).unwrap_err();
        assert_eq!(error.to_string(), "/nowhere/at/all is not a folder");
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let error = look_at(here).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("is not a Linux tree: it has no Makefile")
        );
    }
}
