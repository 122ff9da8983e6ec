//! `cargo xtask soak`: the figures that take long, with their logs as evidence.

use anyhow::{Result, ensure};
use xshell::cmd;

use crate::counts::Runner;
use crate::plan::{Done, Job, Stage};
use crate::sanitizer;
use crate::step::{Interrupted, Step};
use crate::{evidence, fuzz, kunit};

/// Crates with `unsafe` that tests can run.
const UNSAFE_CRATES: [(&str, &[&str]); 2] = [
    (
        "lastfd-sync",
        &[
            "--lib",
            "--test",
            "clock",
            "--test",
            "gate",
            "--test",
            "locks",
            "--test",
            "observer",
            "--test",
            "wait_queue",
        ],
    ),
    ("lastfd-chrdev", &["--lib", "--tests"]),
];

/// Each leaves `docs/evidence/soak-NAME.log`.
pub(crate) const STAGES: &[Stage] = &[
    Stage {
        name: "loom",
        does: "the gate and the wait queue under loom, every schedule time allows",
        budget: |checkout| checkout.minutes * 60 + 600,
        part_of: None,
        body: |job| kept(job, "loom", every_schedule),
    },
    Stage {
        name: "asan",
        does: "the tests of the crates with unsafe under AddressSanitizer and LeakSanitizer",
        budget: |_| 1800,
        part_of: None,
        body: |job| kept(job, "asan", asan),
    },
    Stage {
        name: "properties",
        does: "all tests, with many new cases for those of properties",
        budget: |_| 3600,
        part_of: None,
        body: |job| kept(job, "properties", properties),
    },
    Stage {
        name: "kunit",
        does: "our KTAP before the kernel's own parser, its totals beside ours",
        budget: |_| 900,
        part_of: None,
        body: |job| kept(job, "kunit", kunit::parse),
    },
    Stage {
        name: "cycles",
        does: "plug, open, unplug, close, many times: heap, threads and descriptors stay level",
        budget: |_| 7200,
        part_of: None,
        body: |job| kept(job, "cycles", |job| cycles(job, Some(job.checkout.cycles))),
    },
    Stage {
        name: "programs",
        does: "unmodified programs: 20000 calls in a storm of signals, and a crowd for a minute",
        budget: |_| 1800,
        part_of: None,
        body: |job| kept(job, "programs", programs),
    },
    Stage {
        name: "sweeps",
        does: "stock clients, swept at every point that `lastfd sweep` tries unasked",
        budget: |_| 1800,
        part_of: None,
        body: |job| kept(job, "sweeps", sweeps),
    },
    Stage {
        name: "fuzz",
        does: "every fuzz target, for its share of the minutes",
        budget: |checkout| checkout.minutes * 60 + 900,
        part_of: None,
        body: |job| kept(job, "fuzz", |job| fuzz::run(job, job.checkout.minutes * 60)),
    },
];

/// Runs `body` and writes its log, if it failed too, but not if it was stopped.
fn kept(job: &mut Job<'_>, name: &str, body: fn(&mut Job<'_>) -> Result<Done>) -> Result<Done> {
    let done = body(job);
    if !matches!(&done, Err(error) if error.is::<Interrupted>()) {
        evidence::log(job, &format!("soak-{name}"), &done)?;
    }
    done
}

/// The loom tests of the sync crate, under the given bounds.
pub(crate) fn loom(job: &mut Job<'_>, bounds: &[(&'static str, String)]) -> Result<Done> {
    let checkout = job.checkout;
    let target = checkout.target.join("loom");
    let sources = checkout.sources("tests", "loom")?;
    ensure!(
        sources.iter().all(|(package, _)| package == "lastfd-sync"),
        "only lastfd-sync is built for loom, found loom tests in {sources:?}"
    );
    let tests = cmd!(
        checkout.sh,
        "cargo test -p lastfd-sync --release --target-dir {target}"
    )
    .args(["--test", "loom*", "--", "--nocapture"]);
    let mut step = Step::tests(tests, Runner::Libtest).env("RUSTFLAGS", "--cfg loom");
    for (name, value) in bounds {
        step = step.env(name, value.as_str());
    }
    job.run(step)?;
    Ok(Done::Passed)
}

/// Without a bound on preemptions; a test that time ends says nothing, one that
/// saw every schedule prints `Completed in N iterations`.
fn every_schedule(job: &mut Job<'_>) -> Result<Done> {
    let checkout = job.checkout;
    // libtest runs the tests side by side, so each may have all the time.
    let seconds = (checkout.minutes * 60).to_string();
    loom(job, &[("LOOM_MAX_DURATION", seconds)])
}

fn properties(job: &mut Job<'_>) -> Result<Done> {
    let tests = cmd!(
        job.checkout.sh,
        "cargo test --workspace --tests --release --no-fail-fast"
    );
    job.run(Step::tests(tests, Runner::Libtest).env("PROPTEST_CASES", "5000"))?;
    Ok(Done::Passed)
}

/// The counting test of cycles in the release build; `None` leaves it its own
/// number of cycles.
pub(crate) fn cycles(job: &mut Job<'_>, cycles: Option<u64>) -> Result<Done> {
    let test = cmd!(
        job.checkout.sh,
        "cargo test -p lastfd --test soak --release"
    );
    let mut step = Step::tests(test.args(["--", "--nocapture"]), Runner::Libtest);
    if let Some(cycles) = cycles {
        step = step.env("LASTFD_SOAK_CYCLES", cycles.to_string());
    }
    job.run(step)?;
    Ok(Done::Passed)
}

/// The tests of served programs in their long form.
fn programs(job: &mut Job<'_>) -> Result<Done> {
    let tests = cmd!(
        job.checkout.sh,
        "cargo test -p lastfd --release --test programs --test crowd -- --nocapture"
    );
    let step = Step::tests(tests, Runner::Libtest)
        .env("LASTFD_STORM_CALLS", "20000")
        .env("LASTFD_CROWD_SECONDS", "60");
    job.run(step)?;
    Ok(Done::Passed)
}

/// A device, and the program that is swept with it.
const SWEPT: [(&str, &str); 9] = [
    (CAMERA, "v4l2-ctl --stream-mmap"),
    (CAMERA, "v4l2-ctl --stream-mmap --stream-poll"),
    (CAMERA, "v4l2-ctl --wait-for-event=ctrl=brightness"),
    (CAMERA, "ffmpeg -nostdin -f v4l2 -i /dev/video0 -f null -"),
    (CAMERA, "gst-launch-1.0 v4l2src ! fakesink"),
    (
        "iio-adc:rate=1000",
        "iio_readdev -u local: -b 16 lastfd-adc",
    ),
    ("cec:rights=net-admin", "cec-ctl --monitor"),
    ("cec", "cec-ctl --tv --wait-for-msgs"),
    ("display", "drmdevice"),
];
const CAMERA: &str = "camera:size=64x48,fps=100";

/// What is bad at a point is a fault of the client's, and is what the log is for.
fn sweeps(job: &mut Job<'_>) -> Result<Done> {
    let sh = &job.checkout.sh;
    let build = cmd!(sh, "cargo build --release --package lastfd-cli");
    job.run(Step::new(build))?;
    let lastfd = job.checkout.target.join("release/lastfd");
    for (device, program) in SWEPT {
        let script = format!(
            "\"$0\" sweep --device {device} --timeout 2s -- {program} > \"$1\"; \
             status=$?; grep -v ': *[0-9]* *ended (status' \"$1\"; test $status = 0 -o $status = 71"
        );
        let out = job.checkout.target.join("sweep.out");
        job.run(Step::new(cmd!(sh, "sh -c {script} {lastfd} {out}")))?;
    }
    Ok(Done::Passed)
}

fn asan(job: &mut Job<'_>) -> Result<Done> {
    let checkout = job.checkout;
    let host = checkout.host()?;
    let target = checkout.target.join("asan");
    for (package, targets) in UNSAFE_CRATES {
        // Explored tests are left out: an execution that the explorer gives up
        // leaves the stacks of its tasks behind, which LeakSanitizer tells.
        let cargo = sanitizer::cargo(checkout, "test", &target, &host)
            .args(["-p", package])
            .args(targets)
            .args(["--", "--skip", "explored"]);
        job.run(sanitizer::instrument(
            Step::tests(cargo, Runner::Libtest),
            "",
        ))?;
    }
    Ok(Done::Passed)
}
