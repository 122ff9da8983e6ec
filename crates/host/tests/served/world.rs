//! A System with hardware plugged in, served to nobody yet.

use std::fmt::Write as _;

use lastfd_chrdev::OpenFlags;
use lastfd_devices::{Plugged, Spec};
use lastfd_host::{Entry, Host, Kind, Opened, Options, Resolved};
use lastfd_model::{Errno, System};
use lastfd_sync::Clock;

pub(crate) struct World {
    pub(crate) plugged: Vec<Plugged>,
    pub(crate) host: Host,
    pub(crate) system: System,
    _base: tempfile::TempDir,
}

pub(crate) fn world(kinds: &[&str]) -> World {
    let system = System::builder().clock(Clock::simulated()).build();
    let plug = |kind: &&str| kind.parse::<Spec>().unwrap().plug(&system).unwrap();
    let plugged = kinds.iter().map(plug).collect();
    let base = tempfile::tempdir().unwrap();
    let options = Options {
        base: Some(base.path().join("runs")),
        ..Options::default()
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
    pub(crate) fn entry(&self, path: &str) -> Entry {
        match self.host.resolve(path.as_bytes(), true) {
            Resolved::Here(entry) => entry,
            other => panic!("{path}: {other:?}"),
        }
    }

    pub(crate) fn errno(&self, path: &str) -> Errno {
        match self.host.resolve(path.as_bytes(), true) {
            Resolved::Absent(absent) => absent.errno,
            other => panic!("{path}: {other:?}"),
        }
    }

    pub(crate) fn read(&self, path: &str) -> String {
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

    /// Plugs one more in.
    pub(crate) fn plug(&mut self, kind: &str) {
        let spec: Spec = kind.parse().unwrap();
        self.plugged.push(spec.plug(&self.system).unwrap());
    }

    /// All of ours below a path, as the mirror's directories show it.
    pub(crate) fn listing(&self, path: &str) -> String {
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
