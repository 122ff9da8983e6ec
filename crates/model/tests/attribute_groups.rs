//! Groups of attributes: what a name refuses, what goes with what, and random ones
//! against a slow and obvious model.

use std::collections::BTreeMap;

use lastfd_model::raw::*;
use lastfd_model::{Errno, Result, System};
use proptest::prelude::*;

fn attribute(name: &str, text: &str) -> Attribute {
    let text = text.to_owned();
    Attribute::new(name, 0o444).show(move |_| Ok(text.clone()))
}

fn group(name: Option<&str>, attrs: &[&str], text: &str) -> AttributeGroup {
    let attrs = attrs.iter().map(|name| attribute(name, text)).collect();
    match name {
        None => AttributeGroup::new(attrs),
        Some(name) => AttributeGroup::named(name, attrs),
    }
}

fn paths(device: &Device) -> Vec<String> {
    let infos = attributes(device);
    let own = infos.iter().filter(|info| &*info.path != "uevent");
    own.map(|info| info.path.to_string()).collect()
}

#[test]
fn a_group_whose_name_or_file_is_taken_is_refused_as_a_whole() {
    let system = System::new();
    let board = root_device_register(&system, "board").unwrap();
    sysfs_create_group(&board, &group(Some("power"), &["level"], "")).unwrap();
    sysfs_create_group(&board, &group(None, &["model", "state"], "")).unwrap();
    let refused = [
        // Its directory is there, though none of its files is.
        group(Some("power"), &["limit"], ""),
        // A file has its name.
        group(Some("state"), &["now"], ""),
        // A directory has a file's name.
        group(None, &["new", "power"], ""),
        group(None, &["new", "model"], ""),
        group(Some("twice"), &["one", "two", "one"], ""),
    ];
    for group in &refused {
        assert_eq!(
            sysfs_create_group(&board, group),
            Err(Errno::EEXIST),
            "{group:?}"
        );
        assert_eq!(paths(&board), ["model", "power/level", "state"]);
    }
    root_device_unregister(&board);
}

#[test]
fn an_open_file_ends_with_its_group_and_with_its_own_removal() {
    let system = System::new();
    let board = root_device_register(&system, "board").unwrap();
    let power = group(Some("power"), &["level", "limit", "state"], "on\n");
    sysfs_create_group(&board, &power).unwrap();
    assert_eq!(attr_open(&board, "power").unwrap_err(), Errno::EISDIR);
    let [level, limit] = ["power/level", "power/limit"].map(|path| attr_open(&board, path));
    let (level, limit) = (level.unwrap(), limit.unwrap());

    device_remove_file(&board, "power/level");
    assert_eq!(level.read(), Err(Errno::ENODEV));
    assert_eq!(attr_open(&board, "power/level").unwrap_err(), Errno::ENOENT);
    assert_eq!(limit.read().unwrap(), b"on\n");
    assert_eq!(paths(&board), ["power/limit", "power/state"]);

    sysfs_remove_group(&board, &power);
    assert_eq!(limit.read(), Err(Errno::ENODEV));
    assert!(paths(&board).is_empty());
    sysfs_create_group(&board, &power).unwrap();
    assert_eq!(limit.read(), Err(Errno::ENODEV), "a new file, not that one");
    assert_eq!(attr_read(&board, "power/level").unwrap(), b"on\n");
    root_device_unregister(&board);
}

#[test]
fn a_group_that_is_not_there_takes_the_files_of_its_names_away() {
    let system = System::new();
    let board = root_device_register(&system, "board").unwrap();
    sysfs_create_group(&board, &group(None, &["model", "serial", "state"], "")).unwrap();
    let held = attr_open(&board, "serial").unwrap();
    sysfs_remove_group(&board, &group(None, &["serial", "state", "nothing"], ""));
    assert_eq!(held.read(), Err(Errno::ENODEV));
    assert_eq!(paths(&board), ["model"]);
    root_device_unregister(&board);
}

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

#[derive(Clone, Debug)]
enum Step {
    Add(Option<usize>, Vec<usize>),
    /// The group that was added at this position, wherever it is now.
    RemoveGroup(usize),
    RemoveFile(Option<usize>, usize),
    Read(Option<usize>, usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let directory = proptest::option::of(0..NAMES.len());
    let name = 0..NAMES.len();
    let names = proptest::collection::vec(0..NAMES.len(), 0..4);
    let step = prop_oneof![
        (directory.clone(), names).prop_map(|(group, names)| Step::Add(group, names)),
        (0..8_usize).prop_map(Step::RemoveGroup),
        (directory.clone(), name.clone()).prop_map(|(group, name)| Step::RemoveFile(group, name)),
        (directory, name).prop_map(|(group, name)| Step::Read(group, name)),
    ];
    proptest::collection::vec(step, 1..24)
}

fn path(directory: Option<usize>, name: usize) -> String {
    match directory {
        None => NAMES[name].to_owned(),
        Some(directory) => format!("{}/{}", NAMES[directory], NAMES[name]),
    }
}

/// What is there, slow and obvious: the files with their text, and the directories.
#[derive(Default)]
struct Slow {
    files: BTreeMap<String, String>,
    directories: Vec<usize>,
}

impl Slow {
    fn add(&mut self, directory: Option<usize>, names: &[usize], text: &str) -> Result {
        let taken = match directory {
            Some(at) => self.directories.contains(&at) || self.files.contains_key(NAMES[at]),
            None => names.iter().any(|at| self.directories.contains(at)),
        };
        let mut files = self.files.clone();
        for name in names {
            if files
                .insert(path(directory, *name), text.to_owned())
                .is_some()
            {
                return Err(Errno::EEXIST);
            }
        }
        if taken {
            return Err(Errno::EEXIST);
        }
        self.directories.extend(directory);
        self.files = files;
        Ok(())
    }

    fn remove_group(&mut self, directory: Option<usize>, names: &[usize]) {
        match directory {
            Some(at) => {
                let inside = format!("{}/", NAMES[at]);
                self.files.retain(|path, _| !path.starts_with(&inside));
                self.directories.retain(|there| *there != at);
            }
            None => names.iter().for_each(|name| {
                self.files.remove(NAMES[*name]);
            }),
        }
    }

    fn read(&self, directory: Option<usize>, name: usize) -> Result<Vec<u8>> {
        if directory.is_none() && self.directories.contains(&name) {
            return Err(Errno::EISDIR);
        }
        let text = self.files.get(&path(directory, name));
        text.map(|text| text.clone().into_bytes())
            .ok_or(Errno::ENOENT)
    }
}

proptest! {
    #[test]
    fn random_groups_are_as_the_slow_model_has_them(steps in steps()) {
        let system = System::new();
        let board = root_device_register(&system, "board").unwrap();
        let mut slow = Slow::default();
        let mut added: Vec<(Option<usize>, Vec<usize>, AttributeGroup)> = Vec::new();
        for (at, step) in steps.into_iter().enumerate() {
            match step {
                Step::Add(directory, names) => {
                    let text = format!("{at}\n");
                    let attrs: Vec<&str> = names.iter().map(|at| NAMES[*at]).collect();
                    let group = group(directory.map(|at| NAMES[at]), &attrs, &text);
                    let result = sysfs_create_group(&board, &group);
                    prop_assert_eq!(result, slow.add(directory, &names, &text));
                    if result.is_ok() {
                        added.push((directory, names, group));
                    }
                }
                Step::RemoveGroup(at) if at < added.len() => {
                    let (directory, names, group) = added.remove(at);
                    sysfs_remove_group(&board, &group);
                    slow.remove_group(directory, &names);
                }
                Step::RemoveGroup(_) => {}
                Step::RemoveFile(directory, name) => {
                    device_remove_file(&board, &path(directory, name));
                    slow.files.remove(&path(directory, name));
                }
                Step::Read(directory, name) => {
                    let read = attr_read(&board, &path(directory, name));
                    prop_assert_eq!(read, slow.read(directory, name));
                }
            }
            let expected: Vec<String> = slow.files.keys().cloned().collect();
            prop_assert_eq!(paths(&board), expected);
        }
        root_device_unregister(&board);
    }
}
