//! What programs find in the trees.

use std::fmt::Write as _;
use std::path::Path;

use lastfd_chrdev::OpenFlags;
use lastfd_devices::{Plugged, Spec};
use lastfd_host::{Entry, Host, Kind, Opened, Options, Reach, Resolved};
use lastfd_model::{Errno, System};

struct World {
    plugged: Vec<Plugged>,
    host: Host,
    system: System,
    _base: tempfile::TempDir,
}

fn world(kinds: &[&str]) -> World {
    let system = System::new();
    let plug = |kind: &&str| kind.parse::<Spec>().unwrap().plug(&system).unwrap();
    let plugged = kinds.iter().map(plug).collect();
    let base = tempfile::tempdir().unwrap();
    let options = Options {
        base: Some(base.path().join("runs")),
    };
    let host = Host::new(&system, options).unwrap();
    World {
        system,
        host,
        plugged,
        _base: base,
    }
}

impl World {
    fn entry(&self, path: &str) -> Entry {
        match self.host.resolve(path.as_bytes(), true) {
            Resolved::Here(entry) => entry,
            other => panic!("{path}: {other:?}"),
        }
    }

    fn errno(&self, path: &str) -> Errno {
        match self.host.resolve(path.as_bytes(), true) {
            Resolved::Absent(absent) => absent.errno,
            other => panic!("{path}: {other:?}"),
        }
    }

    fn read(&self, path: &str) -> String {
        let opened = self
            .host
            .open(&self.entry(path), OpenFlags::RDONLY)
            .unwrap();
        let Opened::Attribute(file) = opened else {
            panic!("{path}: {opened:?}")
        };
        let mut bytes = [0; 4096];
        let count = file.read_at(0, &mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..count]).into_owned()
    }

    /// All of ours below a path, as the mirror's directories show it.
    fn listing(&self, path: &str) -> String {
        let mut text = String::new();
        self.list(path, &mut text);
        text
    }

    fn list(&self, path: &str, text: &mut String) {
        let opened = self
            .host
            .open(&self.entry(path), OpenFlags::DIRECTORY)
            .unwrap();
        let Opened::Directory(real) = opened else {
            panic!("{path}")
        };
        let mut names: Vec<String> = std::fs::read_dir(real)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        for name in names {
            let path = format!("{path}/{name}");
            let Resolved::Here(entry) = self.host.resolve(path.as_bytes(), false) else {
                continue;
            };
            match entry.kind() {
                Kind::Directory => {
                    writeln!(text, "{path}/").unwrap();
                    self.list(&path, text);
                }
                Kind::Symlink(target) => writeln!(text, "{path} -> {target}").unwrap(),
                Kind::Node(devt) => {
                    writeln!(text, "{path} char {devt} {:o}", entry.stat().mode & 0o777).unwrap();
                }
                Kind::Attribute => {
                    writeln!(text, "{path} {:o}", entry.stat().mode & 0o777).unwrap();
                }
                Kind::Data => writeln!(text, "{path} data").unwrap(),
            }
        }
    }
}

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
