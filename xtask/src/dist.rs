//! `cargo xtask dist`: the archive that a CI machine takes, the wheel that pip takes, and
//! whether they work where nothing of ours is installed.
//!
//! The binary is linked with glibc statically, so that one file runs on Debian 12 and on
//! a machine with no glibc at all, such as Alpine; that needs no other target than the
//! host's. Everything is left in `target/dist`.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use rustix::process::geteuid;
use xshell::cmd;

use crate::checkout::{Checkout, on_path};
use crate::packages::{self, BUSYBOX, KERNEL_HEADERS, MUSL, MUSL_COMPILER};
use crate::plan::{Done, Job, Stage};
use crate::step::Step;
use crate::{dist_ci, dist_first, wheel};

pub(crate) const STAGES: &[Stage] = &[
    Stage {
        name: "archive",
        does: "build the static binary, its pages and completions, and pack them",
        budget: |_| 1800,
        part_of: None,
        body: archive,
    },
    Stage {
        name: "wheel",
        does: "the Python package with that binary, tested in a fresh virtual environment",
        budget: |_| 180,
        part_of: None,
        body: python_wheel,
    },
    Stage {
        name: "install-script",
        does: "ci/install.sh brings the archive into an empty folder, and refuses a wrong one",
        budget: |_| 60,
        part_of: None,
        body: dist_ci::install_script,
    },
    Stage {
        name: "ci-templates",
        does: "the steps of the GitHub action and of the GitLab template, with that archive",
        budget: |_| 60,
        part_of: None,
        body: dist_ci::templates,
    },
    Stage {
        name: "bare-root",
        does: "the archive at work in a root with busybox and musl, and no glibc",
        budget: |_| 300,
        part_of: None,
        body: bare_root,
    },
    Stage {
        name: "first-verdict",
        does: "from an empty folder to the first verdict on a program, in under a minute",
        budget: |_| 120,
        part_of: None,
        body: dist_first::first_verdict,
    },
    Stage {
        name: "cargo-install",
        does: "cargo install puts a working lastfd into an empty folder",
        budget: |_| 1800,
        part_of: None,
        body: cargo_install,
    },
];

/// Names and places of what is made.
pub(crate) struct Dist {
    /// `target/dist`
    pub(crate) folder: PathBuf,
    /// `lastfd-0.1.0-x86_64-linux`
    pub(crate) name: String,
    pub(crate) version: String,
    /// The static binary.
    binary: PathBuf,
}

impl Dist {
    fn of(checkout: &Checkout) -> Result<Dist> {
        let manifest = checkout.sh.read_file("Cargo.toml")?;
        let version = manifest
            .lines()
            .skip_while(|line| *line != "[workspace.package]")
            .find_map(|line| line.strip_prefix("version = "))
            .context("Cargo.toml has no version of the workspace")?
            .trim_matches('"')
            .to_owned();
        let host = checkout.host()?;
        let arch = host.split('-').next().unwrap_or(&host);
        ensure!(
            host.ends_with("-linux-gnu"),
            "an archive is made on Linux with glibc; this is {host}"
        );
        Ok(Dist {
            folder: checkout.target.join("dist"),
            name: format!("lastfd-{version}-{arch}-linux"),
            binary: checkout
                .target
                .join("static")
                .join(&host)
                .join("release/lastfd"),
            version,
        })
    }

    pub(crate) fn archive(&self) -> PathBuf {
        self.folder.join(format!("{}.tar.gz", self.name))
    }

    /// The archive, which an earlier stage or run has made.
    pub(crate) fn made(checkout: &Checkout) -> Result<Dist> {
        let dist = Dist::of(checkout)?;
        ensure!(
            dist.archive().is_file(),
            "there is no {}: run `cargo xtask dist --only archive` first",
            dist.archive().display()
        );
        Ok(dist)
    }
}

fn archive(job: &mut Job<'_>) -> Result<Done> {
    let dist = Dist::of(job.checkout)?;
    let (sh, host) = (&job.checkout.sh, job.checkout.host()?);
    // A folder of its own: other flags would throw the ordinary build away.
    let target = job.checkout.target.join("static");
    let build = cmd!(
        sh,
        "cargo build --release --package lastfd-cli --target {host} --target-dir {target}"
    );
    job.run(Step::new(build).env(
        "RUSTFLAGS",
        "-C target-feature=+crt-static -C strip=symbols",
    ))?;

    let root = dist.folder.join(&dist.name);
    sh.remove_path(&root)?;
    let (bin, man) = (root.join("bin"), root.join("share/man/man1"));
    let completions = root.join("share/completions");
    for folder in [&bin, &man, &completions] {
        sh.create_dir(folder)?;
    }
    sh.copy_file(&dist.binary, &bin)?;
    for file in ["README.md", "LICENSE-MIT", "LICENSE-APACHE"] {
        sh.copy_file(file, &root)?;
    }
    let binary = &dist.binary;
    job.run(Step::new(cmd!(sh, "{binary} man --dir {man}")))?;
    for (shell, file) in [
        ("bash", "lastfd.bash"),
        ("zsh", "_lastfd"),
        ("fish", "lastfd.fish"),
    ] {
        let script = cmd!(sh, "{binary} completions {shell}").quiet().read()?;
        sh.write_file(completions.join(file), script)?;
    }

    let (folder, name, archive) = (&dist.folder, &dist.name, dist.archive());
    // The same sources give the same archive.
    let gzip = "gzip -9n";
    let pack = cmd!(
        sh,
        "tar --create --use-compress-program {gzip} --file {archive} --directory {folder} --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner {name}"
    );
    job.run(Step::new(pack))?;
    let in_folder = sh.push_dir(folder);
    let file = format!("{name}.tar.gz");
    let sum = cmd!(sh, "sha256sum {file}").quiet().read()?;
    sh.write_file(format!("{file}.sha256"), format!("{sum}\n"))?;
    drop(in_folder);
    // What fetches it lies beside it, so that one place is all that a CI has to know.
    sh.copy_file("ci/install.sh", folder)?;
    let bytes = std::fs::metadata(&archive)?.len();
    println!("{}: {:.1} MB", archive.display(), bytes as f64 / 1e6);
    Ok(Done::Passed)
}

fn python_wheel(job: &mut Job<'_>) -> Result<Done> {
    let dist = Dist::made(job.checkout)?;
    wheel::build_and_test(job, &dist.binary, &dist.folder)
}

/// A program of musl's, in a root where only busybox, musl and the archive are.
fn bare_root(job: &mut Job<'_>) -> Result<Done> {
    let dist = Dist::made(job.checkout)?;
    if let Done::Skipped(why) =
        packages::install(job, &[BUSYBOX, MUSL, MUSL_COMPILER, KERNEL_HEADERS])?
    {
        return Ok(Done::Skipped(why));
    }
    if !on_path("unshare") {
        return Ok(Done::Skipped("there is no unshare(1) here".to_owned()));
    }
    let sh = &job.checkout.sh;
    let folder = sh.create_temp_dir()?;
    let root = folder.path().join("root");
    for inside in ["bin", "lib", "opt", "proc", "dev", "tmp", "sys", "run"] {
        sh.create_dir(root.join(inside))?;
    }
    sh.copy_file("/bin/busybox", root.join("bin"))?;
    let loader = "/lib/ld-musl-x86_64.so.1";
    sh.copy_file(
        std::fs::canonicalize(loader)?,
        root.join("lib/ld-musl-x86_64.so.1"),
    )?;
    let (archive, opt) = (dist.archive(), root.join("opt"));
    let unpack = cmd!(
        sh,
        "tar --extract --gzip --file {archive} --directory {opt} --strip-components=1"
    );
    job.run(Step::new(unpack))?;
    let program = root.join("bin/frame");
    let source = "xtask/programs/frame.c";
    // The kernel's headers are those of the machine; musl's own come first.
    let headers = ["/usr/include", "/usr/include/x86_64-linux-gnu"];
    let compile = cmd!(sh, "musl-gcc -O2 -o {program} {source}")
        .args(headers.iter().flat_map(|folder| ["-idirafter", folder]));
    job.run(Step::new(compile))?;

    let inside = "mount -t proc proc \"$0/proc\" && exec chroot \"$0\" /bin/busybox sh -ec '\
        /opt/bin/lastfd --version; \
        test ! -e /lib64; \
        /opt/bin/lastfd run --device camera --unplug camera@ioctl:VIDIOC_DQBUF:3 -- /bin/frame /dev/video0 3'";
    let user: &[&str] = match geteuid().is_root() {
        true => &[],
        false => &["--map-root-user"],
    };
    job.run(Step::new(cmd!(
        sh,
        "unshare {user...} --mount --pid --fork --kill-child sh -c {inside} {root}"
    )))?;
    Ok(Done::Passed)
}

fn cargo_install(job: &mut Job<'_>) -> Result<Done> {
    let sh = &job.checkout.sh;
    let folder = sh.create_temp_dir()?;
    let (root, target) = (folder.path(), &job.checkout.target);
    job.run(Step::new(cmd!(
        sh,
        "cargo install --locked --path crates/cli --root {root} --target-dir {target}"
    )))?;
    let installed = root.join("bin/lastfd");
    job.run(Step::new(cmd!(sh, "{installed} run")))?;
    Ok(Done::Passed)
}
