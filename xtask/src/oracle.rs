//! `cargo xtask oracle`: a real kernel runs the scenarios, and lastfd is held to it.
//!
//! The kernel is built from Debian's sources, or the user's own, outside the
//! repository; what runs in it is `oracle/kernel/lastfd`, and what talks to it is the
//! program of `crates/referee`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::geteuid;
use xshell::cmd;

use crate::checkout::{Checkout, on_path};
use crate::evidence;
use crate::kernel_cases;
use crate::kernel_tree::{self, Can};
use crate::plan::{Done, Job, Stage};
use crate::step::{Interrupted, Step};

/// What is asked of the oracle.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct Ask {
    /// Scenarios: names under oracle/scenarios, or files; all of oracle/scenarios if
    /// there is none.
    #[arg(value_name = "SCENARIO")]
    scenarios: Vec<String>,
    /// Make up this many scenarios and run them instead.
    #[arg(long, value_name = "N", conflicts_with = "scenarios")]
    fuzz: Option<u64>,
    /// What the scenarios are made up from; the same seed makes the same ones.
    #[arg(long, value_name = "S", default_value_t = 1, requires = "fuzz")]
    seed: u64,
    /// A Linux tree of yours, instead of Debian's 6.12. It is copied, not changed.
    #[arg(long, value_name = "PATH")]
    tree: Option<PathBuf>,
    /// Another Linux tree: the two are compared with each other.
    #[arg(long, value_name = "PATH", requires = "tree")]
    against: Option<PathBuf>,
    /// One set of rules, linux-6.12 or linux-pre-6.6; both if it is left out.
    #[arg(long, value_name = "RULES")]
    rules: Option<String>,
    /// Print the kernel's traces and compare nothing.
    #[arg(long, conflicts_with_all = ["fuzz", "against"])]
    print: bool,
    /// Build the scenarios into the kernel as KUnit cases in C, and run those.
    #[arg(long, requires = "scenarios", conflicts_with_all = ["against", "print"])]
    kunit_c: bool,
}

/// One after the other: none of them means anything without the one before.
pub(crate) const STAGES: &[Stage] = &[Stage {
    name: "oracle",
    does: "a kernel with the module of oracle/kernel, and what it prints beside what lastfd prints",
    budget: |_| 8 * 3600,
    part_of: None,
    body: |job| {
        source(job)?;
        for place in places(&job.checkout.oracle)? {
            build(job, &place)?;
        }
        compare(job)
    },
}];

const PACKAGE: &str = "linux-source-6.12";
const TARBALL: &str = "/usr/src/linux-source-6.12.tar.xz";
/// Programs that the build calls, and the packages that have them.
const TOOLS: &[(&str, &str)] = &[
    ("make", "make"),
    ("gcc", "gcc"),
    ("flex", "flex"),
    ("bison", "bison"),
    ("bc", "bc"),
];
const LIBRARIES: &[&str] = &["libelf-dev", "libssl-dev"];

/// Where a tree is built: a copy of its sources, and the objects beside it.
struct Place {
    /// What the copy is of; the copy itself where nobody else has it.
    original: PathBuf,
    source: PathBuf,
    out: PathBuf,
}

impl Place {
    fn debian() -> Result<Place> {
        let cache = kernel_tree::cache()?;
        let source = cache.join(PACKAGE);
        Ok(Place {
            original: source.clone(),
            out: cache.join(format!("{PACKAGE}.out")),
            source,
        })
    }

    /// The place of a user's tree: its path is its name.
    fn of(tree: &Path) -> Result<Place> {
        let tree = tree
            .canonicalize()
            .with_context(|| format!("failed to find {}", tree.display()))?;
        let name: String = tree
            .to_string_lossy()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
            .collect();
        let folder = kernel_tree::cache()?.join("trees").join(name);
        Ok(Place {
            original: tree,
            source: folder.join("source"),
            out: folder.join("out"),
        })
    }

    fn program(&self) -> PathBuf {
        self.out.join("linux")
    }
}

fn places(ask: &Ask) -> Result<Vec<Place>> {
    match &ask.tree {
        None => Ok(vec![Place::debian()?]),
        Some(tree) => [Some(tree), ask.against.as_ref()]
            .into_iter()
            .flatten()
            .map(|tree| Place::of(tree))
            .collect(),
    }
}

/// The sources, and what building them takes.
fn source(job: &mut Job<'_>) -> Result<()> {
    let checkout = job.checkout;
    let ask = &checkout.oracle;
    if let Some(tree) = &ask.tree {
        for tree in [Some(tree), ask.against.as_ref()].into_iter().flatten() {
            kernel_tree::look_at(tree)?;
        }
    }
    install(job)?;
    for place in places(ask)? {
        match ask.tree {
            None => unpack(job, &place)?,
            Some(_) => copy(job, &place)?,
        }
    }
    Ok(())
}

/// Installs what is missing, or says how.
fn install(job: &mut Job<'_>) -> Result<()> {
    let sh = &job.checkout.sh;
    let mut packages: Vec<&str> = TOOLS
        .iter()
        .filter(|(program, _)| !on_path(program))
        .map(|(_, package)| *package)
        .collect();
    if job.checkout.oracle.tree.is_none() && !Path::new(TARBALL).is_file() {
        packages.push(PACKAGE);
    }
    if packages.is_empty() {
        return Ok(());
    }
    packages.extend(LIBRARIES);
    let line = format!("apt-get install {}", packages.join(" "));
    ensure!(
        on_path("apt-get"),
        "this needs {}. Where there is no apt-get, install them and give a Linux tree with --tree",
        packages.join(", ")
    );
    ensure!(geteuid().is_root(), "run as root: `{line}`");
    job.run(
        Step::new(cmd!(
            sh,
            "apt-get install -y --no-install-recommends {packages...}"
        ))
        .env("DEBIAN_FRONTEND", "noninteractive"),
    )
}

fn unpack(job: &mut Job<'_>, place: &Place) -> Result<()> {
    if place.source.join("Makefile").is_file() {
        return kernel_tree::look_at(&place.source);
    }
    let sh = &job.checkout.sh;
    let parent = place.source.parent().context("the cache has a parent")?;
    // What is unpacked only in part must not look like a tree.
    let part = parent.join("unpacking");
    if part.exists() {
        fs::remove_dir_all(&part)?;
    }
    fs::create_dir_all(&part)?;
    let every = "--checkpoint=20000";
    job.run(Step::new(cmd!(sh, "tar -C {part} {every} -xf {TARBALL}")))?;
    let unpacked = part.join(PACKAGE);
    kernel_tree::look_at(&unpacked)?;
    fs::rename(&unpacked, &place.source)?;
    fs::remove_dir_all(&part)?;
    Ok(())
}

/// Copies a user's tree: links to its files, where that is possible.
fn copy(job: &mut Job<'_>, place: &Place) -> Result<()> {
    let sh = &job.checkout.sh;
    let parent = place.source.parent().context("the cache has a parent")?;
    fs::create_dir_all(parent)?;
    if place.source.exists() {
        fs::remove_dir_all(&place.source)?;
    }
    let (from, to) = (&place.original, &place.source);
    if job.run(Step::new(cmd!(sh, "cp -al {from} {to}"))).is_err() {
        if to.exists() {
            fs::remove_dir_all(to)?;
        }
        job.run(Step::new(cmd!(sh, "cp -a {from} {to}")))?;
    }
    // What was built in the tree itself would stand in the way.
    job.run(Step::new(cmd!(sh, "make -s -C {to} ARCH=um mrproper")))
}

/// Builds a User Mode Linux with the module; what is built already stays.
fn build(job: &mut Job<'_>, place: &Place) -> Result<()> {
    let checkout = job.checkout;
    let sh = &checkout.sh;
    let module = checkout.root.join("oracle/kernel/lastfd");
    let (source, out) = (&place.source, &place.out);
    let can = kernel_tree::change(source, &place.original)?;
    println!(
        "Linux {} in {}",
        kernel_tree::version(source)?,
        source.display()
    );
    let drivers = source.join("drivers");
    job.run(Step::new(cmd!(sh, "cp -a {module} {drivers}")))?;
    let cases = match checkout.oracle.kunit_c {
        true => scenarios(checkout, &checkout.oracle.scenarios)?,
        false => Vec::new(),
    };
    kernel_cases::write(job, &drivers.join("lastfd"), &cases)?;

    let wanted = fs::read_to_string(checkout.root.join("oracle/kernel/config"))?;
    fs::create_dir_all(out)?;
    let (config, asked) = (out.join(".config"), out.join("config.asked"));
    if fs::read_to_string(&asked).ok().as_deref() != Some(&wanted) || !config.is_file() {
        fs::write(&config, kernel_tree::asked_of_kconfig(&wanted))?;
        job.run(Step::new(cmd!(
            sh,
            "make -s -C {source} ARCH=um O={out} olddefconfig"
        )))?;
        let missing = kernel_tree::missing_options(&wanted, &fs::read_to_string(&config)?);
        ensure!(
            missing.is_empty(),
            "this tree cannot be configured with {}",
            missing.join(", ")
        );
        fs::write(&asked, &wanted)?;
    }
    let jobs = std::thread::available_parallelism()?;
    let jobs = format!("-j{jobs}");
    job.run(Step::new(cmd!(
        sh,
        "make -C {source} ARCH=um O={out} {jobs} linux"
    )))
    .context("the kernel was not built")?;
    ensure!(
        place.program().is_file(),
        "the build made no {}",
        place.program().display()
    );
    // The comparison asks which rules there are.
    fs::write(out.join("rules"), rules_of(can))?;
    Ok(())
}

fn rules_of(can: Can) -> &'static str {
    match can {
        Can::Both => "both",
        Can::OnlyPre66 => "linux-pre-6.6",
    }
}

fn compare(job: &mut Job<'_>) -> Result<Done> {
    let ask = job.checkout.oracle.clone();
    let done = asked(job, &ask);
    let told = match (&ask.tree, ask.fuzz, ask.print) {
        _ if ask.kunit_c => Some("oracle-kunit-c".to_owned()),
        (None, Some(_), _) => Some(format!("oracle-fuzz-{}", ask.seed)),
        (None, None, false) if ask.scenarios.is_empty() => Some("oracle".to_owned()),
        _ => None,
    };
    if let Some(name) = told
        && !matches!(&done, Err(error) if error.is::<Interrupted>())
    {
        evidence::log(job, &name, &done)?;
    }
    done
}

fn asked(job: &mut Job<'_>, ask: &Ask) -> Result<Done> {
    let checkout = job.checkout;
    if ask.kunit_c {
        let place = places(ask)?.remove(0);
        return kernel_cases::run(job, &place.source, &place.out, ask.scenarios.len());
    }
    let mut arguments: Vec<String> = Vec::new();
    let mut rules = ask.rules.clone();
    for (place, option) in places(ask)?.iter().zip(["--kernel", "--against"]) {
        arguments.extend([option.to_owned(), place.program().display().to_string()]);
        let can = fs::read_to_string(place.out.join("rules"))?;
        if can != "both" {
            ensure!(
                rules.is_none() || rules.as_deref() == Some(&can),
                "{} has the rules {can} only",
                place.original.display()
            );
            println!("{} has the rules {can} only", place.original.display());
            rules = Some(can);
        }
    }
    if let Some(rules) = rules {
        arguments.extend(["--rules".to_owned(), rules]);
    }
    match ask.fuzz {
        Some(count) => {
            arguments.extend(["--fuzz".to_owned(), count.to_string()]);
            arguments.extend(["--seed".to_owned(), ask.seed.to_string()]);
        }
        None => arguments.extend(scenarios(checkout, &ask.scenarios)?),
    }
    if ask.print {
        arguments.push("--print".to_owned());
    }
    let sh = &checkout.sh;
    // Figures and many scenarios want the faster build.
    let profile = ask.fuzz.map(|_| "--release");
    job.run(Step::new(cmd!(
        sh,
        "cargo run -q {profile...} -p lastfd-referee -- {arguments...}"
    )))?;
    Ok(Done::Passed)
}

/// The files of scenarios that are asked for.
fn scenarios(checkout: &Checkout, names: &[String]) -> Result<Vec<String>> {
    let folder = "oracle/scenarios";
    let mut files = Vec::new();
    if names.is_empty() {
        for path in checkout.sh.read_dir(folder)? {
            files.push(path.display().to_string());
        }
        files.retain(|file| file.ends_with(".scenario"));
    }
    for name in names {
        let named = format!("{folder}/{name}.scenario");
        if Path::new(name).is_file() {
            files.push(std::path::absolute(name)?.display().to_string());
        } else if checkout.sh.path_exists(&named) {
            files.push(named);
        } else {
            bail!("there is no scenario `{name}`, neither a file nor in {folder}");
        }
    }
    Ok(files)
}
