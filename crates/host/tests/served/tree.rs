//! What programs find in the trees.

use std::path::Path;

use lastfd_chrdev::OpenFlags;
use lastfd_host::{Opened, Reach, Resolved};
use lastfd_model::Errno;

use crate::world::world;

#[test]
fn the_trees_of_a_camera() {
    let world = world(&["camera"]);
    insta::assert_snapshot!(world.listing("/sys"));
    insta::assert_snapshot!(world.listing("/dev"));
}

#[test]
fn the_trees_of_an_adc() {
    let world = world(&["iio-adc"]);
    insta::assert_snapshot!(world.listing("/sys"));
    insta::assert_snapshot!(world.listing("/dev"));
}

#[test]
fn the_trees_of_a_display() {
    let world = world(&["display"]);
    insta::assert_snapshot!(world.listing("/sys"));
    insta::assert_snapshot!(world.listing("/dev"));
}

#[test]
fn the_trees_of_a_cec_adapter() {
    let world = world(&["cec"]);
    insta::assert_snapshot!(world.listing("/sys"));
    insta::assert_snapshot!(world.listing("/dev"));
}

#[test]
fn attributes_are_live_and_gone_with_their_device() {
    let world = world(&["iio-adc"]);
    let path = "/sys/bus/iio/devices/iio:device0/sampling_frequency";
    let before = world.read(path);
    let entry = world.entry(path);
    let Ok(Opened::Attribute(file)) = world.host.open(&entry, OpenFlags::RDWR) else {
        panic!()
    };
    assert_eq!(file.write(b"nonsense"), Err(Errno::EINVAL));
    assert_eq!(file.write(b"100\n"), Ok(4));
    assert_ne!(world.read(path), before);
    let mut byte = [0];
    assert_eq!(file.read_at(0, &mut byte), Ok(1));
    world.plugged[0].unplug();
    // What was shown before stays to be read.
    assert_eq!(file.read_at(1, &mut byte), Ok(1));
    assert_eq!(file.read_at(0, &mut byte), Err(Errno::ENODEV));
    assert_eq!(file.write(b"100\n"), Err(Errno::ENODEV));
    assert_eq!(world.errno(path), Errno::ENOENT);
    assert_eq!(
        world.host.open(&entry, OpenFlags::RDONLY).err(),
        Some(Errno::ENOENT)
    );
}

#[test]
fn nothing_of_the_emulated_classes_falls_through() {
    let world = world(&[]);
    for path in [
        "/dev/video0",
        "/dev/dri/card0",
        "/dev/cec0",
        "/dev/iio:device0",
        "/dev/media0",
        "/dev/sda",
        "/dev/kmsg",
        "/dev/mem",
        "/dev/v4l",
        "/dev/char/1:3",
        "/sys/class/net",
        "/sys/bus/pci",
        "/sys/dev/block/8:0",
        "/sys/block/sda",
        "/sys/devices/pci0000:00",
        "/sys/kernel/debug/dri",
        "/sys/module/snd",
    ] {
        assert_eq!(world.errno(path), Errno::ENOENT, "{path}");
    }
}

#[test]
fn the_rest_of_the_machine_is_reached_as_far_as_it_may_be() {
    let world = world(&["camera"]);
    for (path, real, reach, native) in [
        ("/etc/passwd", "/etc/passwd", Reach::Any, true),
        ("/dev/null", "/dev/null", Reach::Nodes, true),
        ("/dev/shm/x", "/dev/shm/x", Reach::Any, true),
        ("/dev/../etc/passwd", "/etc/passwd", Reach::Any, true),
        (
            "/sys/kernel/mm/x",
            "/sys/kernel/mm/x",
            Reach::ReadOnly,
            true,
        ),
        ("/sys/fs/cgroup/", "/sys/fs/cgroup/", Reach::ReadOnly, true),
        (
            "/sys/class/video4linux/video0/../../../../../../../proc/self",
            "/proc/self",
            Reach::Any,
            false,
        ),
    ] {
        match world.host.resolve(path.as_bytes(), true) {
            Resolved::Foreign(foreign) => {
                assert_eq!(foreign.path, real.as_bytes(), "{path}");
                assert_eq!((foreign.reach, foreign.native), (reach, native), "{path}");
            }
            other => panic!("{path}: {other:?}"),
        }
    }
}

#[test]
fn the_mirror_tells_the_way_back() {
    let world = world(&["camera"]);
    let entry = world.entry("/sys/class/video4linux/video0");
    assert_eq!(
        entry.path(),
        "/sys/devices/platform/camera/video4linux/video0"
    );
    let Ok(Opened::Directory(real)) = world.host.open(&entry, OpenFlags::DIRECTORY) else {
        panic!()
    };
    assert_eq!(world.host.virtual_of(&real).as_deref(), Some(entry.path()));
    assert_eq!(world.host.virtual_of(Path::new("/etc")), None);
    world.plugged[0].unplug();
    assert!(!real.exists());
    assert!(world.system.dev_nodes().is_empty());
}

#[test]
fn writing_to_a_drivers_unbind_and_bind_takes_the_node_and_brings_it_back() {
    let world = world(&["camera"]);
    let write = |path: &str, text: &str| {
        let opened = world.host.open(&world.entry(path), OpenFlags::WRONLY);
        let Ok(Opened::Attribute(file)) = opened else {
            panic!("{opened:?}")
        };
        file.write(text.as_bytes())
    };
    let driver = "/sys/bus/platform/devices/camera/driver";
    assert_eq!(
        write(&format!("{driver}/unbind"), "nobody"),
        Err(Errno::ENODEV)
    );
    let node = world.host.directory().join("tree/dev/video0");
    assert!(node.symlink_metadata().is_ok());
    assert_eq!(write(&format!("{driver}/unbind"), "camera"), Ok(6));
    assert_eq!(world.errno("/dev/video0"), Errno::ENOENT);
    assert!(node.symlink_metadata().is_err());
    assert_eq!(world.errno(driver), Errno::ENOENT);
    assert_eq!(
        write("/sys/bus/platform/drivers/camera/bind", "camera\n"),
        Ok(7)
    );
    assert_eq!(
        world.entry("/dev/video0").stat().mode & 0o170_000,
        0o020_000
    );
    assert!(node.symlink_metadata().is_ok());
}
