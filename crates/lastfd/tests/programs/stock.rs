//! Programs of stock packages, as they are.

use lastfd::{Bench, Ending};

use crate::compile;

/// A program, what is plugged in for it, and what it says among other things.
struct Client<'a> {
    devices: &'a [&'a str],
    command: &'a [&'a str],
    says: &'a [&'a str],
}

fn run(client: &Client<'_>) {
    let Client {
        devices,
        command,
        says,
    } = client;
    let (program, arguments) = command.split_first().unwrap();
    if !compile::has(program) {
        return;
    }
    let bench = Bench::new();
    for spec in *devices {
        bench.plug_spec(&spec.parse().unwrap()).unwrap();
    }
    let output = bench.command(program).args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let said = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.ending, Ending::Exited(0), "{command:?}: {said}");
    let mut rest = &*said;
    for words in *says {
        let at = rest.find(words);
        let at = at.unwrap_or_else(|| panic!("{command:?}: no `{words}` in its place:\n{said}"));
        rest = &rest[at + words.len()..];
    }
    bench.finish().assert_clean();
}

#[test]
fn v4l2_ctl_finds_a_camera_and_tells_what_it_is() {
    let devices = &["camera"];
    run(&Client {
        devices,
        command: &["v4l2-ctl", "--list-devices"],
        says: &["lastfd-camera (platform:camera):", "/dev/video0"],
    });
    run(&Client {
        devices,
        command: &["v4l2-ctl", "-d", "/dev/video0", "--info"],
        says: &[
            "Driver Info:",
            "Card type        : lastfd-camera",
            "Bus info         : platform:camera",
            "Device Caps",
            "Video Capture",
        ],
    });
    run(&Client {
        devices,
        command: &["v4l2-ctl", "-w", "-d", "/dev/video0", "--info"],
        says: &[
            "Driver Info (using libv4l2):",
            "Card type        : lastfd-camera",
        ],
    });
    run(&Client {
        devices,
        command: &["v4l2-ctl", "-d", "/dev/video0", "--list-formats-ext"],
        says: &[
            "[0]: 'YUYV' (YUYV 4:2:2)",
            "Size: Discrete 640x480",
            "Interval: Discrete 0.033s (30.000 fps)",
            "Size: Discrete 1920x1080",
        ],
    });
    run(&Client {
        devices,
        command: &["v4l2-ctl", "-d", "/dev/video0", "--list-ctrls-menus"],
        says: &[
            "brightness 0x00980900 (int)    : min=0 max=255 step=1 default=128 value=128",
            "power_line_frequency 0x00980918 (menu)",
            "3: Auto",
        ],
    });
}

/// Streams so many frames, of which each is a mark, and each second a figure.
fn streams(arguments: &[&str], frames: usize) {
    if !compile::has("v4l2-ctl") {
        return;
    }
    let bench = Bench::new();
    let camera = "camera:fps=1000".parse().unwrap();
    bench.plug_spec(&camera).unwrap();
    let count = format!("--stream-count={frames}");
    let command = bench.command("v4l2-ctl").args(["-d", "/dev/video0"]);
    let command = command.args(arguments).args(["--stream-mmap", &count]);
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&said);
    assert_eq!(output.ending, Ending::Exited(0), "{arguments:?}: {text}");
    let marks = said.iter().filter(|byte| **byte == b'<').count();
    assert_eq!(marks, frames, "{arguments:?}: {text}");
    bench.finish().assert_clean();
}

#[test]
fn v4l2_ctl_streams_from_a_camera() {
    streams(&[], 30);
    // Through libv4l2, which converts to a format that the camera has not.
    streams(&["-w", "--set-fmt-video=pixelformat=RGB3"], 5);
}

#[test]
fn cec_ctl_tells_what_an_adapter_is() {
    run(&Client {
        devices: &["cec"],
        command: &["cec-ctl", "-d", "/dev/cec0"],
        says: &[
            "Driver Info:",
            "Adapter Name               : lastfd-cec",
            "Logical Addresses",
            "Transmit",
            "Physical Address           : 1.0.0.0",
        ],
    });
}

#[test]
fn drmdevice_finds_a_display() {
    run(&Client {
        devices: &["display"],
        command: &["drmdevice"],
        says: &["Devices reported 1", "/dev/dri/card0", "platform"],
    });
}

#[test]
fn the_tools_of_libiio_find_devices_in_sysfs() {
    let devices = &["iio-adc", "accel", "light", "proximity"];
    run(&Client {
        devices,
        command: &["iio_info", "-u", "local:"],
        says: &[
            "Backend description string:",
            "IIO context has",
            "iio:device0: lastfd-adc",
            "voltage0:  (input, index: 0, format: le:S16/16>>0)",
            "iio:device1: lastfd-accel (label: accel-display)",
            "accel_x:",
            "attr  0: mount_matrix value: 1, 0, 0; 0, 1, 0; 0, 0, 1",
            "iio:device2: lastfd-light",
            "iio:device3: lastfd-proximity",
        ],
    });
    run(&Client {
        devices,
        command: &[
            "iio_attr",
            "-u",
            "local:",
            "-c",
            "lastfd-adc",
            "voltage0",
            "raw",
        ],
        says: &["100"],
    });
    run(&Client {
        devices,
        command: &[
            "iio_attr",
            "-u",
            "local:",
            "-c",
            "lastfd-light",
            "illuminance",
            "raw",
        ],
        says: &["2500"],
    });
    // What is written is read again.
    let set = "iio_attr -u local: -c lastfd-adc voltage0 offset 7 && \
               iio_attr -u local: -c lastfd-adc voltage0 offset";
    run(&Client {
        devices,
        command: &["sh", "-c", set],
        says: &["7"],
    });
}

#[test]
fn iio_readdev_reads_samples_from_the_node() {
    let read = "iio_readdev -u local: -b 16 -s 32 lastfd-adc | od -An -v -td2 -w16 | tail -n 1";
    if !compile::has("iio_readdev") {
        return;
    }
    run(&Client {
        devices: &["iio-adc:rate=10000"],
        command: &["sh", "-c", read],
        // The last of 32 samples, from 0: 31 and -31.
        says: &["31", "-31"],
    });
}

#[test]
fn udevadm_finds_what_udev_knows_of_each_kind() {
    for (device, node, says) in [
        ("camera", "/dev/video0", "E: SUBSYSTEM=video4linux"),
        ("cec", "/dev/cec0", "E: SUBSYSTEM=cec"),
        ("display", "/dev/dri/card0", "E: SUBSYSTEM=drm"),
        ("accel", "/dev/iio:device0", "E: SUBSYSTEM=iio"),
    ] {
        run(&Client {
            devices: &[device],
            command: &["udevadm", "info", node],
            says: &["P: /devices/platform/", says],
        });
    }
}

#[test]
fn what_a_shell_redirects_into_an_attribute_is_stored() {
    run(&Client {
        devices: &["iio-adc"],
        command: &[
            "sh",
            "-c",
            "a=/sys/bus/iio/devices/iio:device0/in_voltage0_offset; \
             echo 77 > $a && cat $a && cat < $a && \
             echo iio-adc > /sys/bus/platform/drivers/iio-adc/unbind && \
             { cat $a || echo gone; }",
        ],
        says: &["77", "77", "gone"],
    });
}
