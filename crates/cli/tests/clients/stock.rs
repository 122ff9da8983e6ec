//! Clients that look, say what they found, and end.

use crate::user::{User, is_there, text};

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
    if !is_there(command[0]) {
        return;
    }
    let output = User::new().run(devices, command).output().unwrap();
    let said = text(&output);
    assert!(output.status.success(), "{command:?}: {said}");
    let mut rest = &*said;
    for words in says.iter().chain(&["verdict: clean"]) {
        let at = rest.find(words);
        let at = at.unwrap_or_else(|| panic!("{command:?}: no `{words}` in its place:\n{said}"));
        rest = &rest[at + words.len()..];
    }
}

#[test]
fn who_runs_all_this_is_an_ordinary_user() {
    run(&Client {
        devices: &["camera"],
        command: &[
            "sh",
            "-c",
            "test $(id -u) -ne 0 && test -c /dev/video0 && echo ordinary",
        ],
        says: &["ordinary"],
    });
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
    if !is_there("iio_readdev") {
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
