//! Programs that listen for devices, while another terminal plugs them in and out.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::user::{User, is_there};

/// Has udevadm listen to udev, and itself unplug the camera once it does: asks for its
/// removal by an unbind in sysfs.
pub(crate) const HEARS_ONE: &str = r#"
touch heard
stdbuf -oL udevadm monitor --udev > heard & monitor=$!
tail -f --pid=$monitor heard | while read -r line; do
    case "$line" in
    "UDEV - the event"*) echo camera > /sys/bus/platform/drivers/camera/unbind;;
    *remove*video0*) echo heard of it; kill $monitor; break;;
    esac
done
wait
"#;

/// Hardware, and the device with a node that it makes.
struct Kind {
    hardware: &'static str,
    path: &'static str,
    subsystem: &'static str,
    node: &'static str,
}

const KINDS: [Kind; 4] = [
    Kind {
        hardware: "camera",
        path: "/devices/platform/camera/video4linux/video0",
        subsystem: "video4linux",
        node: "/dev/video0",
    },
    Kind {
        hardware: "cec",
        path: "/devices/platform/cec/cec0",
        subsystem: "cec",
        node: "/dev/cec0",
    },
    Kind {
        hardware: "display",
        path: "/devices/platform/display/drm/card0",
        subsystem: "drm",
        node: "/dev/dri/card0",
    },
    // The first of its kind is there from the start.
    Kind {
        hardware: "accel",
        path: "/devices/platform/accel/iio:device1",
        subsystem: "iio",
        node: "/dev/iio:device1",
    },
];

/// Runs a listener, plugs each kind in and out once it listens, and finds the add and
/// the remove of each in what it says, in this order. Gives its status at the end.
fn hears(
    user: &User,
    command: &[&str],
    listens: &str,
    said_of: impl Fn(&str, &Kind) -> String,
) -> Option<i32> {
    let mut run = user.run(&["iio-adc"], command);
    let mut listener = run
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(listener.stdout.take().unwrap()).lines();
    let mut heard = Vec::new();
    let mut until = |heard: &mut Vec<String>, what: &dyn Fn(&str) -> bool| {
        for line in &mut lines {
            let line = line.unwrap();
            let found = what(&line);
            heard.push(line);
            if found {
                return;
            }
        }
        panic!("it ended, or said too little: {heard:#?}");
    };
    until(&mut heard, &|line| line == listens);
    for kind in &KINDS {
        assert_eq!(
            user.ctl(&["plug", kind.hardware]),
            format!("{}\n", kind.hardware)
        );
        user.ctl(&["unplug", kind.hardware]);
    }
    for kind in &KINDS {
        for action in ["add", "remove"] {
            let wanted = said_of(action, kind);
            until(&mut heard, &|line| without_time(line) == wanted);
        }
    }
    let end = Command::new("kill").arg(listener.id().to_string()).status();
    assert!(end.unwrap().success());
    listener.wait().unwrap().code()
}

/// Without what stands in brackets, in single spaces.
fn without_time(line: &str) -> String {
    let time = line.find('[').zip(line.find(']'));
    let parts = time.map_or([line, ""], |(from, to)| [&line[..from], &line[to + 1..]]);
    let words = parts.iter().flat_map(|part| part.split_whitespace());
    words.collect::<Vec<_>>().join(" ")
}

fn udevadm_hears(source: &str, name: &str) {
    if !is_there("udevadm") {
        return;
    }
    let command = ["stdbuf", "-oL", "udevadm", "monitor", source];
    let status = hears(&User::new(), &command, "", |action, kind| {
        format!("{name} {action} {} ({})", kind.path, kind.subsystem)
    });
    assert_eq!(status, Some(0));
}

#[test]
fn udevadm_hears_from_udev_of_every_kind_that_comes_and_goes() {
    udevadm_hears("--udev", "UDEV");
}

#[test]
fn udevadm_hears_from_the_kernel_of_every_kind_that_comes_and_goes() {
    udevadm_hears("--kernel", "KERNEL");
}

#[test]
fn a_program_on_libudev_hears_of_every_kind_that_comes_and_goes() {
    if !is_there("gcc") || !is_there("/usr/include/libudev.h") {
        return;
    }
    let user = User::new();
    let program = user.home().join("listen");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/listen.c");
    let mut gcc = Command::new("gcc");
    gcc.args(["-Wall", "-Wextra", "-Werror", "-o"])
        .arg(&program);
    let built = gcc.args([source, "-ludev"]).output().unwrap();
    assert!(
        built.status.success(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );
    let program = program.to_str().unwrap();
    let status = hears(&user, &[program], "listening", |action, kind| {
        format!("{action} {} {}", kind.subsystem, kind.node)
    });
    // It does not handle the signal.
    assert_eq!(status, Some(128 + 15));
}
