//! The mirror is as the tree, whatever came and went.

use std::collections::BTreeSet;
use std::path::Path;

use lastfd_host::{Kind, Resolved};
use proptest::prelude::*;

use crate::world::{World, world};

/// What is below a directory of the mirror that is ours, by path, with what it is.
fn mirrored(world: &World, path: &str, found: &mut BTreeSet<String>) {
    let real = world.host.directory().join("tree").join(&path[1..]);
    for entry in std::fs::read_dir(real).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{path}/{}", entry.file_name().to_str().unwrap());
        let Resolved::Here(ours) = world.host.resolve(path.as_bytes(), false) else {
            // What passes of the machine's.
            assert!(
                matches!(
                    world.host.resolve(path.as_bytes(), false),
                    Resolved::Foreign(_)
                ),
                "{path} is in the mirror and nowhere else"
            );
            continue;
        };
        let type_ = entry.file_type().unwrap();
        let same = match ours.kind() {
            Kind::Directory => type_.is_dir(),
            Kind::Symlink(target) => {
                std::fs::read_link(entry.path()).is_ok_and(|there| there == Path::new(&target))
            }
            _ => !type_.is_dir() && !type_.is_symlink(),
        };
        assert!(
            same,
            "{path} is {:?} and mirrored as {type_:?}",
            ours.kind()
        );
        if type_.is_dir() {
            mirrored(world, &path, found);
        }
        found.insert(path);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Plug(&'static str),
    Unplug(usize),
    Look(&'static str),
}

fn step() -> impl Strategy<Value = Step> {
    let kind = prop::sample::select(vec!["camera", "iio-adc", "iio-dac", "display", "cec"]);
    let top = prop::sample::select(vec![
        "/sys",
        "/dev",
        "/sys/class",
        "/sys/bus",
        "/run/udev",
        "/sys/devices/platform",
    ]);
    prop_oneof![
        kind.prop_map(Step::Plug),
        (0_usize..4).prop_map(Step::Unplug),
        top.prop_map(Step::Look),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn it_is_as_the_tree_after_any_plugging_and_unplugging(
        steps in prop::collection::vec(step(), 1..12)
    ) {
        let mut world = world(&[]);
        for step in steps {
            match step {
                Step::Plug(kind) => world.plug(kind),
                Step::Unplug(at) if at < world.plugged.len() => {
                    world.plugged.remove(at).unplug();
                }
                Step::Unplug(_) => {}
                Step::Look(path) => {
                    // /sys/devices/platform is there once there was a platform device.
                    if matches!(world.host.resolve(path.as_bytes(), true), Resolved::Here(_)) {
                        world.listing(path);
                    }
                }
            }
        }
        world.host.settle();
        // /dev is so at every moment.
        let mut dev = BTreeSet::new();
        mirrored(&world, "/dev", &mut dev);
        for node in world.system.dev_nodes() {
            prop_assert!(dev.contains(&format!("/dev/{}", node.name)), "{}", node.name);
        }
        // A directory of /sys is so once it was opened.
        for top in ["/sys", "/run/udev"] {
            let listed = world.listing(top).lines().count();
            let mut found = BTreeSet::new();
            mirrored(&world, top, &mut found);
            prop_assert_eq!(found.len(), listed);
        }
    }
}

#[test]
fn a_run_that_was_killed_is_swept_away_by_the_next() {
    let base = tempfile::tempdir().unwrap();
    let runs = base.path().join("runs");
    // As one leaves it that was killed: nobody has the lock on it.
    let left = runs.join("1.0");
    std::fs::create_dir_all(left.join("tree/dev")).unwrap();
    std::fs::write(left.join("tree/dev/video0"), "").unwrap();
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&runs, std::fs::Permissions::from_mode(0o700)).unwrap();
    let system = lastfd_model::System::new();
    let options = || lastfd_host::Options {
        base: Some(runs.clone()),
        ..lastfd_host::Options::default()
    };
    let first = lastfd_host::Host::new(&system, options()).unwrap();
    assert!(!left.exists());
    // One that lives is left alone.
    let second = lastfd_host::Host::new(&system, options()).unwrap();
    assert!(first.directory().exists() && second.directory().exists());
    drop((first, second));
    assert_eq!(std::fs::read_dir(&runs).unwrap().count(), 0);
}

#[test]
fn a_directory_that_others_can_write_to_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let base = tempfile::tempdir().unwrap();
    std::fs::set_permissions(base.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let system = lastfd_model::System::new();
    let options = lastfd_host::Options {
        base: Some(base.path().to_owned()),
        ..lastfd_host::Options::default()
    };
    let error = lastfd_host::Host::new(&system, options).unwrap_err();
    assert!(
        error.to_string().contains("only this user can write to"),
        "{error}"
    );
}
