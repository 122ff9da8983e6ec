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
    present: fn(&Checkout) -> bool,
}

/// libiio's command line clients.
pub(crate) const CLIENTS: Package = Package {
    name: "libiio-utils",
    present: |_| on_path("iio_readdev"),
};

/// libiio's Python binding; it is the system's python3 that has it.
pub(crate) const PYTHON: Package = Package {
    name: "python3-libiio",
    present: |checkout| {
        cmd!(checkout.sh, "/usr/bin/python3 -c 'import iio'")
            .quiet()
            .ignore_stderr()
            .run()
            .is_ok()
    },
};

/// What libFuzzer's runtime is compiled with.
pub(crate) const COMPILER: Package = Package {
    name: "g++",
    present: |_| on_path("c++"),
};

/// The kernel's headers of V4L2 and CEC, which our structs are held against.
pub(crate) const KERNEL_HEADERS: Package = Package {
    name: "linux-libc-dev",
    present: |_| Path::new("/usr/include/linux/cec.h").exists(),
};

/// DRM's headers, which Debian leaves out of the kernel's.
pub(crate) const DRM_HEADERS: Package = Package {
    name: "libdrm-dev",
    present: |_| {
        ["/usr/include/drm/drm.h", "/usr/include/libdrm/drm.h"]
            .iter()
            .any(|header| Path::new(header).exists())
    },
};

/// Stock clients of V4L2 and CEC.
pub(crate) const VIDEO_CLIENTS: Package = Package {
    name: "v4l-utils",
    present: |_| on_path("v4l2-ctl") && on_path("cec-ctl"),
};

/// Stock clients of libdrm.
pub(crate) const DRM_CLIENTS: Package = Package {
    name: "libdrm-tests",
    present: |_| on_path("drmdevice"),
};

/// udev's client.
pub(crate) const UDEV_CLIENT: Package = Package {
    name: "udev",
    present: |_| on_path("udevadm"),
};

/// Where desktops have their sensors from, and its client.
pub(crate) const SENSOR_PROXY: Package = Package {
    name: "iio-sensor-proxy",
    present: |_| on_path("monitor-sensor"),
};

/// A bus for those.
pub(crate) const BUS: Package = Package {
    name: "dbus-daemon",
    present: |_| on_path("dbus-run-session"),
};

/// A player that streams from cameras.
pub(crate) const FFMPEG: Package = Package {
    name: "ffmpeg",
    present: |_| on_path("ffmpeg"),
};

/// GStreamer's command line.
pub(crate) const GSTREAMER: Package = Package {
    name: "gstreamer1.0-tools",
    present: |_| on_path("gst-launch-1.0"),
};

/// Its source of cameras.
pub(crate) const GSTREAMER_CAMERAS: Package = Package {
    name: "gstreamer1.0-plugins-good",
    present: |_| {
        let plugin = "/usr/lib/x86_64-linux-gnu/gstreamer-1.0/libgstvideo4linux2.so";
        Path::new(plugin).exists()
    },
};

/// What a C program that listens to udev is compiled with.
pub(crate) const UDEV_HEADERS: Package = Package {
    name: "libudev-dev",
    present: |_| Path::new("/usr/include/libudev.h").exists(),
};

/// What the C programs of the tests are compiled with, static ones too.
pub(crate) const C_COMPILER: Package = Package {
    name: "gcc",
    present: |_| on_path("gcc"),
};

/// What the Go programs of the tests are compiled with.
pub(crate) const GO_COMPILER: Package = Package {
    name: "golang-go",
    present: |_| on_path("go"),
};

/// A shell and its tools in one static file, for a root with nothing else.
pub(crate) const BUSYBOX: Package = Package {
    name: "busybox-static",
    present: |_| Path::new("/bin/busybox").exists(),
};

/// The C library of Alpine.
pub(crate) const MUSL: Package = Package {
    name: "musl",
    present: |_| Path::new("/lib/ld-musl-x86_64.so.1").exists(),
};

/// What compiles for it.
pub(crate) const MUSL_COMPILER: Package = Package {
    name: "musl-tools",
    present: |_| on_path("musl-gcc"),
};

/// The kernel's source, of which the parser of KTAP is used.
pub(crate) const KERNEL_SOURCE: Package = Package {
    name: "linux-source-6.12",
    present: |_| Path::new(KERNEL_SOURCE_ARCHIVE).exists(),
};

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
        .filter(|one| !(one.present)(checkout))
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
