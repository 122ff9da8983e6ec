//! Debian packages the checks lean on: stock clients, a C++ compiler, C headers, a parser.

use std::path::Path;

use anyhow::{Result, ensure};
use xshell::cmd;

use crate::checkout::{Checkout, on_path};
use crate::plan::{Done, Job};
use crate::step::{Interrupted, Step};

/// A package and how to see that it is there.
pub(crate) struct Package {
    name: &'static str,
    sign: Sign,
}

/// What is there where a package is.
enum Sign {
    /// All of these in PATH.
    Programs(&'static [&'static str]),
    /// One of these.
    Files(&'static [&'static str]),
    /// A module that the system's python3 imports.
    Module(&'static str),
}

impl Sign {
    fn is_seen(&self, checkout: &Checkout) -> bool {
        match self {
            Sign::Programs(programs) => programs.iter().all(|program| on_path(program)),
            Sign::Files(files) => files.iter().any(|file| Path::new(file).exists()),
            Sign::Module(module) => {
                let import = format!("import {module}");
                cmd!(checkout.sh, "/usr/bin/python3 -c {import}")
                    .quiet()
                    .ignore_stderr()
                    .run()
                    .is_ok()
            }
        }
    }
}

const fn package(name: &'static str, sign: Sign) -> Package {
    Package { name, sign }
}

/// libiio's command line clients.
pub(crate) const CLIENTS: Package = package("libiio-utils", Sign::Programs(&["iio_readdev"]));

/// libiio's Python binding; it is the system's python3 that has it.
pub(crate) const PYTHON: Package = package("python3-libiio", Sign::Module("iio"));

/// What makes a virtual environment with pip in it.
pub(crate) const PYTHON_VENV: Package = package("python3-venv", Sign::Module("ensurepip"));

/// What libFuzzer's runtime is compiled with.
pub(crate) const COMPILER: Package = package("g++", Sign::Programs(&["c++"]));

/// The kernel's headers of V4L2 and CEC, which our structs are held against.
pub(crate) const KERNEL_HEADERS: Package =
    package("linux-libc-dev", Sign::Files(&["/usr/include/linux/cec.h"]));

/// DRM's headers, which Debian leaves out of the kernel's.
pub(crate) const DRM_HEADERS: Package = package(
    "libdrm-dev",
    Sign::Files(&["/usr/include/drm/drm.h", "/usr/include/libdrm/drm.h"]),
);

/// Stock clients of V4L2 and CEC.
pub(crate) const VIDEO_CLIENTS: Package =
    package("v4l-utils", Sign::Programs(&["v4l2-ctl", "cec-ctl"]));

/// Stock clients of libdrm.
pub(crate) const DRM_CLIENTS: Package = package("libdrm-tests", Sign::Programs(&["drmdevice"]));

/// udev's client.
pub(crate) const UDEV_CLIENT: Package = package("udev", Sign::Programs(&["udevadm"]));

/// Where desktops have their sensors from, and its client.
pub(crate) const SENSOR_PROXY: Package =
    package("iio-sensor-proxy", Sign::Programs(&["monitor-sensor"]));

/// A bus for those.
pub(crate) const BUS: Package = package("dbus-daemon", Sign::Programs(&["dbus-run-session"]));

/// A player that streams from cameras.
pub(crate) const FFMPEG: Package = package("ffmpeg", Sign::Programs(&["ffmpeg"]));

/// GStreamer's command line.
pub(crate) const GSTREAMER: Package =
    package("gstreamer1.0-tools", Sign::Programs(&["gst-launch-1.0"]));

/// Its source of cameras.
pub(crate) const GSTREAMER_CAMERAS: Package = package(
    "gstreamer1.0-plugins-good",
    Sign::Files(&["/usr/lib/x86_64-linux-gnu/gstreamer-1.0/libgstvideo4linux2.so"]),
);

/// What a C program that listens to udev is compiled with.
pub(crate) const UDEV_HEADERS: Package =
    package("libudev-dev", Sign::Files(&["/usr/include/libudev.h"]));

/// What the C programs of the tests are compiled with, static ones too.
pub(crate) const C_COMPILER: Package = package("gcc", Sign::Programs(&["gcc"]));

/// Another, with its sanitizers' runtimes.
pub(crate) const CLANG: Package = package("clang", Sign::Programs(&["clang"]));

/// Those runtimes, of the versions that Debian 12, Ubuntu 24.04 and Debian 13 have.
pub(crate) const CLANG_RUNTIME: Package = package(
    "libclang-rt-dev",
    Sign::Files(&[
        "/usr/lib/llvm-14/lib/clang/14.0.6/lib/linux/libclang_rt.asan-x86_64.so",
        "/usr/lib/llvm-18/lib/clang/18/lib/linux/libclang_rt.asan-x86_64.so",
        "/usr/lib/llvm-19/lib/clang/19/lib/linux/libclang_rt.asan-x86_64.so",
    ]),
);

/// What programs are looked into with.
pub(crate) const GDB: Package = package("gdb", Sign::Programs(&["gdb"]));

/// What finds their mistakes with memory.
pub(crate) const VALGRIND: Package = package("valgrind", Sign::Programs(&["valgrind"]));

/// What the Go programs of the tests are compiled with.
pub(crate) const GO_COMPILER: Package = package("golang-go", Sign::Programs(&["go"]));

/// A shell and its tools in one static file, for a root with nothing else.
pub(crate) const BUSYBOX: Package = package("busybox-static", Sign::Files(&["/bin/busybox"]));

/// The C library of Alpine.
pub(crate) const MUSL: Package = package("musl", Sign::Files(&["/lib/ld-musl-x86_64.so.1"]));

/// What compiles for it.
pub(crate) const MUSL_COMPILER: Package = package("musl-tools", Sign::Programs(&["musl-gcc"]));

/// The kernel's source, of which the parser of KTAP is used.
pub(crate) const KERNEL_SOURCE: Package =
    package("linux-source-6.12", Sign::Files(&[KERNEL_SOURCE_ARCHIVE]));

/// What that package brings.
pub(crate) const KERNEL_SOURCE_ARCHIVE: &str = "/usr/src/linux-source-6.12.tar.xz";

/// Brings in what is missing of `packages` where that is allowed.
pub(crate) fn install(job: &mut Job<'_>, packages: &[Package]) -> Result<Done> {
    let missing = missing(job.checkout, packages);
    if missing.is_empty() {
        return Ok(Done::Passed);
    }
    let refused = match installer() {
        Err(reason) => reason,
        Ok(()) => match apt_get(job, &missing) {
            Err(error) if error.is::<Interrupted>() => return Err(error),
            Err(error) => format!("{error:#}"),
            Ok(()) => "apt-get installed them, yet they cannot be used".to_owned(),
        },
    };
    let names = self::missing(job.checkout, packages).join(" ");
    if names.is_empty() {
        return Ok(Done::Passed);
    }
    ensure!(!job.checkout.ci, "missing: {names} ({refused})");
    Ok(Done::Skipped(format!(
        "missing: {names} ({refused}); what needs them is not tested, \
         `sudo apt-get install {names}` brings them"
    )))
}

fn missing(checkout: &Checkout, packages: &[Package]) -> Vec<&'static str> {
    packages
        .iter()
        .filter(|one| !one.sign.is_seen(checkout))
        .map(|one| one.name)
        .collect()
}

fn apt_get(job: &mut Job<'_>, names: &[&str]) -> Result<()> {
    let sh = &job.checkout.sh;
    job.run(Step::new(cmd!(sh, "apt-get update -q")))?;
    let install = cmd!(
        sh,
        "apt-get install -y -q --no-install-recommends {names...}"
    );
    job.run(Step::new(install).env("DEBIAN_FRONTEND", "noninteractive"))
}

/// Whether packages may be installed here, or why not.
fn installer() -> Result<(), String> {
    if !on_path("apt-get") {
        Err("no apt-get here".to_owned())
    } else if !rustix::process::geteuid().is_root() {
        Err("not root".to_owned())
    } else {
        Ok(())
    }
}
