//! `cargo xtask test`: the stages every change must pass.

use anyhow::Result;
use xshell::cmd;

use crate::counts::Runner;
use crate::packages::{
    self, BUS, C_COMPILER, CLANG, CLANG_RUNTIME, CLIENTS, COMPILER, DRM_CLIENTS, DRM_HEADERS,
    FFMPEG, GDB, GO_COMPILER, GSTREAMER, GSTREAMER_CAMERAS, KERNEL_HEADERS, PYTHON, PYTHON_VENV,
    SENSOR_PROXY, UDEV_CLIENT, UDEV_HEADERS, VALGRIND, VIDEO_CLIENTS,
};
use crate::plan::{Done, Job, Stage};
use crate::step::Step;
use crate::{fuzz, soak, wheel};

/// Workspaces with a lock file of their own.
const WORKSPACES: [&str; 3] = [".", "fuzz", "examples/out-of-tree"];

/// Seconds for all stages together: twenty minutes from a cold checkout on two
/// cores, less one to build this tool.
pub(crate) const WHOLE: u64 = 19 * 60;

/// In an order that tells the common mistakes first.
pub(crate) const STAGES: &[Stage] = &[
    Stage {
        name: "packages",
        does: "install stock clients, compilers and C headers if they are missing",
        budget: |_| 180,
        part_of: None,
        body: |job| {
            let packages = [
                CLIENTS,
                PYTHON,
                PYTHON_VENV,
                VIDEO_CLIENTS,
                DRM_CLIENTS,
                UDEV_CLIENT,
                UDEV_HEADERS,
                SENSOR_PROXY,
                BUS,
                FFMPEG,
                GSTREAMER,
                GSTREAMER_CAMERAS,
                COMPILER,
                C_COMPILER,
                CLANG,
                CLANG_RUNTIME,
                GDB,
                VALGRIND,
                GO_COMPILER,
                KERNEL_HEADERS,
                DRM_HEADERS,
            ];
            packages::install(job, &packages)
        },
    },
    Stage {
        name: "fetch",
        does: "download the dependencies",
        budget: |_| 120,
        part_of: None,
        body: fetch,
    },
    Stage {
        name: "format",
        does: "rustfmt",
        budget: |_| 30,
        part_of: None,
        body: format,
    },
    Stage {
        name: "lints",
        does: "clippy on every target, warnings denied",
        budget: |_| 300,
        part_of: None,
        body: lints,
    },
    Stage {
        name: "tests",
        does: "all unit and integration tests",
        budget: |_| 600,
        part_of: None,
        body: tests,
    },
    Stage {
        name: "python",
        does: "the Python package's tests, from a wheel in a fresh virtual environment",
        budget: |_| 180,
        part_of: None,
        body: python,
    },
    Stage {
        name: "doc-tests",
        does: "the examples in the documentation",
        budget: |_| 240,
        part_of: None,
        body: doc_tests,
    },
    Stage {
        name: "docs",
        does: "the documentation builds without a warning",
        budget: |_| 180,
        part_of: None,
        body: docs,
    },
    Stage {
        name: "goldens",
        does: "the scenarios' traces equal a booted kernel's",
        budget: |_| 120,
        part_of: Some("tests"),
        body: goldens,
    },
    Stage {
        name: "compile-fail",
        does: "mistakes the typed face forbids do not compile",
        budget: |_| 180,
        part_of: Some("tests"),
        body: compile_fail,
    },
    Stage {
        name: "out-of-tree",
        does: "a crate outside the workspace defines a driver and tests it",
        budget: |_| 300,
        part_of: None,
        body: out_of_tree,
    },
    Stage {
        name: "loom",
        does: "the gate and the wait queue under loom, two preemptions at most",
        budget: |_| 240,
        part_of: None,
        body: |job| soak::loom(job, &[("LOOM_MAX_PREEMPTIONS", "2".to_owned())]),
    },
    Stage {
        name: "fuzz",
        does: "every fuzz target, half a minute together",
        budget: |_| 420,
        part_of: None,
        body: |job| fuzz::run(job, 30),
    },
];

fn fetch(job: &mut Job<'_>) -> Result<Done> {
    let checkout = job.checkout;
    let locked = checkout.ci.then_some("--locked");
    for workspace in WORKSPACES {
        let manifest = format!("{workspace}/Cargo.toml");
        let fetch = cmd!(
            checkout.sh,
            "cargo fetch {locked...} --manifest-path {manifest}"
        );
        job.run(Step::new(fetch))?;
    }
    Ok(Done::Passed)
}

fn format(job: &mut Job<'_>) -> Result<Done> {
    let sh = &job.checkout.sh;
    for workspace in WORKSPACES {
        let manifest = format!("{workspace}/Cargo.toml");
        // `--all` takes in path dependencies, which the root has already shown.
        let all = (workspace == ".").then_some("--all");
        let fmt = cmd!(sh, "cargo fmt {all...} --check --manifest-path {manifest}");
        job.run(Step::new(fmt))?;
    }
    Ok(Done::Passed)
}

fn lints(job: &mut Job<'_>) -> Result<Done> {
    let clippy = cmd!(
        job.checkout.sh,
        "cargo clippy --workspace --all-targets -- -D warnings"
    );
    job.run(Step::new(clippy))?;
    Ok(Done::Passed)
}

fn tests(job: &mut Job<'_>) -> Result<Done> {
    let checkout = job.checkout;
    let sh = &checkout.sh;
    let step = if checkout.nextest {
        Step::tests(
            cmd!(sh, "cargo nextest run --workspace --no-fail-fast"),
            Runner::Nextest,
        )
    } else {
        Step::tests(
            cmd!(sh, "cargo test --workspace --tests --no-fail-fast"),
            Runner::Libtest,
        )
    };
    // The gate is the same for the same commit; `soak` draws new cases.
    let step = step.env("PROPTEST_RNG_SEED", "1");
    // A test of a stock client that is missing skips itself, except in CI.
    job.run(if checkout.ci {
        step.env("LASTFD_REQUIRE_CLIENTS", "1")
    } else {
        step
    })?;
    Ok(Done::Passed)
}

fn python(job: &mut Job<'_>) -> Result<Done> {
    let checkout = job.checkout;
    let sh = &checkout.sh;
    // With a test beside it, so that it is the one that the tests have built.
    let build = cmd!(sh, "cargo build --workspace --bin lastfd --test help");
    job.run(Step::new(build))?;
    let (binary, into) = (
        checkout.target.join("debug/lastfd"),
        checkout.target.join("wheel"),
    );
    wheel::build_and_test(job, &binary, &into)
}

fn doc_tests(job: &mut Job<'_>) -> Result<Done> {
    let test = cmd!(
        job.checkout.sh,
        "cargo test --workspace --doc --no-fail-fast"
    );
    job.run(Step::tests(test, Runner::Libtest))?;
    Ok(Done::Passed)
}

fn docs(job: &mut Job<'_>) -> Result<Done> {
    let doc = cmd!(job.checkout.sh, "cargo doc --workspace --no-deps");
    job.run(Step::new(doc).env("RUSTDOCFLAGS", "-D warnings"))?;
    Ok(Done::Passed)
}

fn goldens(job: &mut Job<'_>) -> Result<Done> {
    let test = cmd!(
        job.checkout.sh,
        "cargo test -p lastfd-scenario --test goldens"
    );
    job.run(Step::tests(test, Runner::Libtest))?;
    Ok(Done::Passed)
}

fn compile_fail(job: &mut Job<'_>) -> Result<Done> {
    let checkout = job.checkout;
    for (package, test) in checkout.sources("tests", "compile_fail")? {
        let test = cmd!(checkout.sh, "cargo test -p {package} --test {test}");
        job.run(Step::tests(test, Runner::Libtest))?;
    }
    Ok(Done::Passed)
}

fn out_of_tree(job: &mut Job<'_>) -> Result<Done> {
    let checkout = job.checkout;
    let target = &checkout.target;
    let place = [
        "--manifest-path",
        "examples/out-of-tree/Cargo.toml",
        "--target-dir",
    ];
    let sh = &checkout.sh;
    let clippy = cmd!(sh, "cargo clippy {place...} {target} --all-targets");
    job.run(Step::new(clippy.args(["--", "-D", "warnings"])))?;
    let test = cmd!(sh, "cargo test {place...} {target}");
    job.run(Step::tests(test, Runner::Libtest))?;
    Ok(Done::Passed)
}
