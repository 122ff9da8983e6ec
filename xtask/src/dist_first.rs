//! From nothing to the first verdict, timed: what somebody types who has just found the
//! project, in the order of `README.md`.

use anyhow::{Result, bail, ensure};
use xshell::cmd;

use crate::dist::Dist;
use crate::evidence;
use crate::packages::{self, VIDEO_CLIENTS};
use crate::plan::{Done, Job};
use crate::step::{Step, Stopwatch};

/// Seconds from the first command to the verdict.
const LONGEST: f64 = 60.0;

/// Takes the archive from where it was left, as a job of a CI machine does, and sweeps a
/// program with it. The network is not in the time, nor is making the archive.
pub(crate) fn first_verdict(job: &mut Job<'_>) -> Result<Done> {
    let dist = Dist::made(job.checkout)?;
    if let Done::Skipped(why) = packages::install(job, &[VIDEO_CLIENTS])? {
        return Ok(Done::Skipped(why));
    }
    let done = timed(job, &dist);
    evidence::log(job, "first-verdict", &done)?;
    done
}

fn timed(job: &mut Job<'_>, dist: &Dist) -> Result<Done> {
    let sh = &job.checkout.sh;
    let folder = sh.create_temp_dir()?;
    let into = folder.path().join("lastfd");
    let lastfd = into.join("bin/lastfd");
    let base = dist.folder.display().to_string();
    let whole = Stopwatch::start();
    let mut steps: Vec<(&str, f64)> = Vec::new();
    let mut step = |job: &mut Job<'_>, name, step| {
        let watch = Stopwatch::start();
        let result = job.run(step);
        steps.push((name, watch.elapsed().as_secs_f64()));
        result
    };
    let install = Step::new(cmd!(sh, "sh ci/install.sh {into}"))
        .env("LASTFD_VERSION", dist.version.clone())
        .env("LASTFD_BASE_URL", base);
    step(job, "install", install)?;
    step(job, "doctor", Step::new(cmd!(sh, "{lastfd} doctor")))?;
    let camera = "camera:size=64x48,fps=100";
    let good = ["v4l2-ctl", "--stream-mmap", "--stream-count=10"];
    let sweep = cmd!(sh, "{lastfd} sweep --device {camera} -- {good...}");
    step(job, "a program that survives", Step::new(sweep))?;
    let until = whole.elapsed().as_secs_f64();
    // One that does not says so by its status.
    let bad = ["cec-ctl", "--tv", "--wait-for-msgs"];
    let sweep = cmd!(sh, "{lastfd} sweep --once --device cec -- {bad...}");
    match step(job, "a program that does not", Step::new(sweep)) {
        Err(error) if format!("{error:#}").contains("exit status: 71") => {}
        Err(error) => return Err(error),
        Ok(()) => bail!("cec-ctl survives: a newer one than Debian 12's? name another here"),
    }
    for (name, seconds) in &steps {
        job.say(format!("{name}: {seconds:.1} s"));
    }
    job.say(format!("from nothing to the first verdict: {until:.1} s"));
    ensure!(until < LONGEST, "{until:.1} s are more than {LONGEST} s");
    Ok(Done::Passed)
}
