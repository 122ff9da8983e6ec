//! Paths lead where the kernel's own walk through the mirror leads.

use std::path::{Path, PathBuf};

use lastfd_host::{Kind, Resolved};
use lastfd_model::Errno;
use lastfd_sync::OnceLock;
use proptest::prelude::*;

use crate::world::{World, world};

/// One of each kind, with every directory of the mirror filled.
fn full() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let world = world(&["camera", "iio-adc", "display", "cec", "camera"]);
        for top in ["/sys", "/dev", "/run/udev"] {
            world.listing(top);
        }
        world
    })
}

/// What is below a directory of the mirror, by path.
fn below(real: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(real).unwrap() {
        let path = entry.unwrap().path();
        found.push(path.clone());
        if path.symlink_metadata().unwrap().is_dir() {
            below(&path, found);
        }
    }
}

/// A path made of another's names, with detours.
fn detours() -> impl Strategy<Value = String> {
    let mut all = Vec::new();
    let tree = full().host.directory().join("tree");
    below(&tree, &mut all);
    let names: Vec<String> = all
        .iter()
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    let paths: Vec<String> = all
        .iter()
        .map(|path| format!("/{}", path.strip_prefix(&tree).unwrap().to_str().unwrap()))
        .collect();
    let step = prop_oneof![
        4 => prop::sample::select(names),
        2 => Just("..".to_owned()),
        1 => Just(".".to_owned()),
        1 => Just(String::new()),
        1 => Just("device".to_owned()),
        1 => Just("subsystem".to_owned()),
        1 => Just("nothing here".to_owned()),
    ];
    let steps = prop::collection::vec(step, 0..6);
    (prop::sample::select(paths), steps, any::<bool>()).prop_map(|(path, steps, slash)| {
        let mut path = path;
        for step in steps {
            path.push('/');
            path.push_str(&step);
        }
        if slash {
            path.push('/');
        }
        path
    })
}

/// Where the kernel gets to from the mirror's top.
fn by_the_kernel(path: &str) -> Result<PathBuf, i32> {
    let tree = full().host.directory().join("tree");
    let real = format!("{}{path}", tree.display());
    match std::fs::canonicalize(real) {
        Ok(there) => Ok(Path::new("/").join(there.strip_prefix(&tree).map_err(|_| 0)?)),
        Err(error) => Err(error.raw_os_error().unwrap()),
    }
}

proptest! {
    #[test]
    fn every_path_leads_where_the_kernel_gets_to(path in detours()) {
        match full().host.resolve(path.as_bytes(), true) {
            Resolved::Here(entry) => {
                let there = by_the_kernel(&path);
                prop_assert_eq!(there.as_deref(), Ok(Path::new(entry.path())));
            }
            Resolved::Absent(absent) => {
                prop_assert_eq!(by_the_kernel(&path), Err(absent.errno.code()));
            }
            // It led out of the trees, or to what passes of the machine's.
            Resolved::Foreign(foreign) => {
                prop_assert!(foreign.path.starts_with(b"/"));
            }
        }
    }

    #[test]
    fn a_link_at_the_end_is_followed_only_if_asked(path in detours()) {
        let host = &full().host;
        if let Resolved::Here(entry) = host.resolve(path.as_bytes(), false)
            && let Kind::Symlink(target) = entry.kind()
        {
            let real = host.directory().join("tree").join(&entry.path()[1..]);
            let there = std::fs::read_link(real).unwrap();
            prop_assert_eq!(there.to_str(), Some(target.as_str()));
            prop_assert!(!path.ends_with('/'));
        }
    }

    #[test]
    fn no_bytes_make_it_fall_over_or_leave_our_trees(
        top in prop::sample::select(vec!["/sys/class/", "/dev/", "/run/udev/", "//dev/./", "/sys/devices/"]),
        rest in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut path = top.as_bytes().to_vec();
        path.extend(rest);
        if let Resolved::Foreign(foreign) = full().host.resolve(&path, true) {
            let ours = [&b"/sys/class"[..], b"/sys/bus", b"/sys/dev", b"/dev/video", b"/run/udev"];
            let system = foreign.path.starts_with(b"/sys/devices/system");
            prop_assert!(system || !ours.iter().any(|top| foreign.path.starts_with(top)));
        }
    }
}

#[test]
fn paths_that_are_too_long_or_not_text_are_refused_as_by_the_kernel() {
    let errno = |path: &[u8]| match full().host.resolve(path, true) {
        Resolved::Absent(absent) => absent.errno,
        other => panic!("{other:?}"),
    };
    let long = [b"/dev/".to_vec(), vec![b'x'; 256]].concat();
    assert_eq!(errno(&long), Errno::ENAMETOOLONG);
    let longer = b"/dev/.".repeat(700);
    assert_eq!(errno(&longer), Errno::ENAMETOOLONG);
    assert_eq!(errno(b"/dev/video0\xff"), Errno::ENOENT);
    assert_eq!(errno(b"/dev/video0/"), Errno::ENOTDIR);
    assert_eq!(errno(b"/dev/video0/.."), Errno::ENOTDIR);
    assert_eq!(errno(b""), Errno::ENOENT);
    assert_eq!(errno(b"dev/video0"), Errno::ENOENT);
}

#[test]
fn creating_is_refused_in_a_directory_and_impossible_without_one() {
    let create = |path: &str| match full().host.resolve(path.as_bytes(), true) {
        Resolved::Absent(absent) => absent.create,
        other => panic!("{other:?}"),
    };
    assert_eq!(create("/dev/new"), Errno::EACCES);
    assert_eq!(create("/sys/class/new"), Errno::EACCES);
    assert_eq!(create("/sys/class/new/newer"), Errno::ENOENT);
    assert_eq!(create("/dev/video0/new"), Errno::ENOTDIR);
}
