//! The stock clients again, in each kind of place that `--restrict` plays: what fails
//! there is what `docs/environments.md` says, no more and no less.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::monitors;
use crate::sensors;
use crate::user::{User, is_there, text};

/// A program, what is plugged in for it, and what it says if it works.
struct Client {
    name: &'static str,
    /// What has to be there for it.
    needs: &'static [&'static str],
    devices: &'static [&'static str],
    command: &'static [&'static str],
    says: &'static [&'static str],
}

/// In the order in which the page names them.
const CLIENTS: &[Client] = &[
    Client {
        name: "v4l2-ctl --info",
        needs: &["v4l2-ctl"],
        devices: &["camera"],
        command: &["v4l2-ctl", "-d", "/dev/video0", "--info"],
        says: &["Card type        : lastfd-camera"],
    },
    Client {
        name: "v4l2-ctl --stream-mmap",
        needs: &["v4l2-ctl"],
        devices: &["camera:fps=1000"],
        command: &[
            "sh",
            "-c",
            "v4l2-ctl --stream-mmap --stream-count=10 2>&1 | tr -cd '<' && echo '=10'",
        ],
        says: &["<<<<<<<<<<=10"],
    },
    Client {
        name: "v4l2-ctl --stream-mmap --stream-poll",
        needs: &["v4l2-ctl"],
        devices: &["camera:fps=1000"],
        command: &[
            "sh",
            "-c",
            "v4l2-ctl --stream-mmap --stream-poll --stream-count=10 2>&1 | tr -cd '<' && echo '=10'",
        ],
        says: &["<<<<<<<<<<=10"],
    },
    Client {
        name: "v4l2-compliance",
        needs: &["v4l2-compliance"],
        devices: &["camera:fps=1000"],
        command: &["v4l2-compliance", "-d", "/dev/video0", "-s", "5"],
        says: &[
            "test MMAP (no poll): OK",
            "test MMAP (select): OK",
            "test MMAP (epoll): OK",
        ],
    },
    Client {
        name: "cec-ctl",
        needs: &["cec-ctl"],
        devices: &["cec"],
        command: &["cec-ctl", "-d", "/dev/cec0"],
        says: &["Adapter Name               : lastfd-cec"],
    },
    Client {
        name: "ffmpeg",
        needs: &["ffmpeg"],
        devices: &["camera:fps=1000"],
        command: &[
            "ffmpeg",
            "-hide_banner",
            "-nostdin",
            "-f",
            "v4l2",
            "-i",
            "/dev/video0",
            "-frames:v",
            "10",
            "-f",
            "null",
            "-",
        ],
        says: &["frame=   10"],
    },
    Client {
        name: "gst-launch-1.0 v4l2src",
        needs: &["gst-launch-1.0"],
        devices: &["camera:fps=1000"],
        command: &[
            "gst-launch-1.0",
            "v4l2src",
            "num-buffers=10",
            "!",
            "fakesink",
        ],
        says: &["Got EOS from element"],
    },
    Client {
        name: "drmdevice",
        needs: &["drmdevice"],
        devices: &["display"],
        command: &["drmdevice"],
        says: &["Devices reported 1", "/dev/dri/card0"],
    },
    Client {
        name: "iio_info",
        needs: &["iio_info"],
        devices: &["iio-adc", "accel"],
        command: &["iio_info", "-u", "local:"],
        says: &["iio:device0: lastfd-adc", "iio:device1: lastfd-accel"],
    },
    Client {
        name: "iio_readdev",
        needs: &["iio_readdev"],
        devices: &["iio-adc:rate=10000"],
        command: &[
            "sh",
            "-c",
            "iio_readdev -u local: -b 16 -s 32 lastfd-adc | od -An -v -td2 -w16 | tail -n 1",
        ],
        says: &["31    -31"],
    },
    Client {
        name: "iio_readdev -u ip:",
        needs: &["iio_readdev"],
        devices: &["iio-adc:rate=10000"],
        command: &[
            "sh",
            "-c",
            "iio_readdev -u $0 -b 16 -s 32 lastfd-adc | od -An -v -td2 -w16 | tail -n 1",
            "{uri}",
        ],
        says: &["31    -31"],
    },
    Client {
        name: "udevadm info",
        needs: &["udevadm"],
        devices: &["camera"],
        command: &["udevadm", "info", "/dev/video0"],
        says: &["P: /devices/platform/", "E: SUBSYSTEM=video4linux"],
    },
    Client {
        name: "udevadm monitor",
        needs: &["udevadm"],
        devices: &["camera"],
        command: &["sh", "-c", monitors::HEARS_ONE],
        says: &["heard of it"],
    },
    Client {
        name: "iio-sensor-proxy",
        needs: &["iio-sensor-proxy", "monitor-sensor", "dbus-run-session"],
        devices: sensors::DEVICES,
        command: &[
            "dbus-run-session",
            "--config-file=bus.conf",
            "--",
            "sh",
            "-c",
            sensors::SESSION,
        ],
        says: &["Light changed: 250.000000 (lux)"],
    },
];

/// What a program was refused, as the log has it, and what the page calls it.
const REFUSED: [(&str, &str); 3] = [
    ("watches a device with epoll", "epoll"),
    (
        "waits for a device and for other files at once",
        "a poll of the device with other files",
    ),
    (
        "watches a directory of the devices' trees with inotify",
        "inotify",
    ),
];

impl Client {
    fn is_there(&self) -> bool {
        self.needs.iter().all(|program| is_there(program))
    }

    fn run(&self, place: &Place<'_>) -> Output {
        let mut run = place.lastfd();
        run.arg("run").args(place.restrict);
        for device in self.devices {
            run.args(["--device", device]);
        }
        run.arg("--").args(self.command).output().unwrap()
    }

    fn works(&self, output: &Output) -> bool {
        let said = text(output);
        self.says.iter().all(|words| said.contains(words))
    }

    /// None if it works; otherwise what it was refused.
    fn fails(&self, output: &Output) -> Option<String> {
        if self.works(output) {
            return None;
        }
        let said = text(output);
        let refused = REFUSED.iter().filter(|(words, _)| said.contains(words));
        let refused: Vec<&str> = refused.map(|(_, name)| *name).collect();
        assert!(!refused.is_empty(), "{}: {said}", self.name);
        Some(refused.join(", "))
    }
}

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/environments.md")
}

/// Where clients are run.
struct Place<'a> {
    user: User,
    /// What starts `lastfd` there.
    within: &'a [&'a str],
    /// What it is told to do without.
    restrict: &'a [&'a str],
}

impl Place<'_> {
    fn lastfd(&self) -> Command {
        self.user.lastfd_within(self.within)
    }

    /// The page's cell: each client that fails.
    fn failing(&self) -> String {
        self.user.file("bus.conf", sensors::BUS);
        let failed = CLIENTS.iter().filter_map(|client| {
            // On a busy machine some give up: what fails does twice.
            if client.works(&client.run(self)) {
                return None;
            }
            let why = client.fails(&client.run(self))?;
            Some(format!("`{}` ({why})", client.name))
        });
        match &*failed.collect::<Vec<_>>() {
            [] => "nothing".to_owned(),
            failed => failed.join(", "),
        }
    }
}

/// The page's row of a place, and what it starts with.
fn row(page: &str, place: &str) -> (String, String) {
    let start = format!("| `{place}` | ");
    let row = page.lines().find(|line| line.starts_with(&start));
    let row = row.unwrap_or_else(|| panic!("no row `{start}` in docs/environments.md"));
    (row.to_owned(), start)
}

/// Runs every client in a place that is played, and holds the page's row against what
/// failed. With `LASTFD_DOCS=overwrite` it is the row that is changed. What follows the
/// restrictions are other options of `lastfd run`.
fn is_as_the_page_says(restrict: &str) {
    if !CLIENTS.iter().all(Client::is_there) {
        return;
    }
    let options: Vec<&str> = ["--restrict"]
        .into_iter()
        .chain(restrict.split(' '))
        .collect();
    let place = Place {
        user: User::new(),
        within: &[],
        restrict: &options,
    };
    let failing = place.failing();
    let text = std::fs::read_to_string(page()).unwrap();
    let (old, start) = row(&text, restrict);
    let new = format!("{start}{failing} |");
    if std::env::var_os("LASTFD_DOCS").is_some_and(|how| how == "overwrite") {
        std::fs::write(page(), text.replace(&old, &new)).unwrap();
        return;
    }
    assert_eq!(
        old, new,
        "LASTFD_DOCS=overwrite cargo test -p lastfd-cli --test clients environments -- --test-threads 1"
    );
}

/// Under a filter of the kernel's that forbids what a container does, the doctor finds
/// what it finds where that is played, and what fails is what the page's row says.
fn is_what_a_filter_gives(container: &str) {
    if !is_there("gcc") || !CLIENTS.iter().all(Client::is_there) {
        return;
    }
    let user = User::new();
    let confine = user.home().join("confine");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/confine.c");
    let mut gcc = Command::new("gcc");
    gcc.args(["-Wall", "-Wextra", "-Werror", source, "-o"]);
    let built = gcc.arg(&confine).output().unwrap();
    assert!(built.status.success(), "{}", text(&built));
    let confine = confine.to_str().unwrap().to_owned();
    let place = Place {
        user,
        within: &[&confine, container],
        restrict: &[],
    };
    let doctor = ["doctor", "--format", "json"];
    let real = place.lastfd().args(doctor).output().unwrap();
    let restrict = ["--restrict", container];
    let mut played = place.user.lastfd();
    let played = played.args(doctor).args(restrict).output().unwrap();
    assert_eq!(real.status.code(), Some(0), "{}", text(&real));
    assert_eq!(text(&real), text(&played));
    let text = std::fs::read_to_string(page()).unwrap();
    let (row, start) = row(&text, container);
    assert_eq!(row, format!("{start}{} |", place.failing()));
}

#[test]
fn under_docker_fails_what_the_page_says() {
    is_as_the_page_says("docker");
}

/// What the supervisor does alone.
#[test]
fn under_docker_without_the_library_fails_what_the_page_says() {
    is_as_the_page_says("docker --no-accel");
}

#[test]
fn under_podman_fails_what_the_page_says() {
    is_as_the_page_says("podman");
}

#[test]
fn under_yama_fails_what_the_page_says() {
    is_as_the_page_says("yama1");
}

#[test]
fn on_an_older_kernel_fails_what_the_page_says() {
    is_as_the_page_says("linux-5.15");
}

#[test]
fn on_the_oldest_kernel_without_most_fails_what_the_page_says() {
    is_as_the_page_says("docker,podman,linux-5.14");
}

#[test]
fn with_few_descriptors_fails_what_the_page_says() {
    is_as_the_page_says("nofile=256");
}

#[test]
fn the_page_names_every_client_that_is_tried_there() {
    let page = std::fs::read_to_string(page()).unwrap();
    for client in CLIENTS {
        let name = format!("`{}`", client.name);
        assert!(page.contains(&name), "{name} is not on the page");
    }
}

#[test]
fn what_is_played_of_docker_is_what_a_filter_of_the_kernels_gives() {
    is_what_a_filter_gives("docker");
}

#[test]
fn what_is_played_of_podman_is_what_a_filter_of_the_kernels_gives() {
    is_what_a_filter_gives("podman");
}
