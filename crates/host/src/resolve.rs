//! From a path to what it leads to.
//!
//! Follows `fs/namei.c` (`link_path_walk`, `handle_dots`, `step_into`).

use lastfd_model::Errno;
use rustix::fs::{AtFlags, CWD, FileType, statat};

use crate::entry::{Absent, Foreign, Reach};
use crate::place::{Item, Look, Place};

/// The longest path, with the byte that ends it in C (`PATH_MAX`).
const PATH_MAX: usize = 4096;
/// The longest name (`NAME_MAX`).
const NAME_MAX: usize = 255;
/// Links on one way (`MAXSYMLINKS`).
const MAXSYMLINKS: u32 = 40;

/// Where a walk ended.
#[derive(Debug)]
pub(crate) enum Walked {
    Foreign(Foreign),
    Absent(Absent),
    Here { path: String, item: Item },
}

/// Names of the machine's `/dev` that programs see: what every program may need and
/// what holds no device of an emulated class.
const PASSING_NODES: &[&str] = &[
    "dma_heap",
    "fd",
    "full",
    "fuse",
    "hugepages",
    "log",
    "mqueue",
    "null",
    "ptmx",
    "pts",
    "random",
    "shm",
    "stderr",
    "stdin",
    "stdout",
    "tty",
    "udmabuf",
    "urandom",
    "zero",
];
/// Those of them that are file systems where programs make files.
const PASSING_FILESYSTEMS: &[&str] = &["hugepages", "mqueue", "pts", "shm"];
/// Names of the machine's `/sys` that programs may read.
const PASSING_SYS: &[&str] = &["firmware", "fs", "hypervisor", "power"];

/// The names of the machine's `/dev` that pass.
pub(crate) fn passing_nodes() -> &'static [&'static str] {
    PASSING_NODES
}

/// The names of the machine's `/sys` that pass.
pub(crate) fn passing_sys() -> &'static [&'static str] {
    PASSING_SYS
}

/// Whether the path surely has nothing to do with us, seen from its letters alone.
fn is_surely_foreign(path: &[u8]) -> bool {
    let mut names = path
        .split(|&byte| byte == b'/')
        .filter(|name| !name.is_empty() && *name != b".");
    let first = names.next().unwrap_or(b"");
    // /var/run is a link to /run where there is one.
    !matches!(first, b"dev" | b"sys" | b"run" | b"var" | b"..") && names.all(|name| name != b"..")
}

/// How far a program may go at this path of the machine.
fn reach(path: &[u8]) -> Reach {
    let mut names = path
        .split(|&byte| byte == b'/')
        .filter(|name| !name.is_empty());
    match names.next() {
        Some(b"sys") => Reach::ReadOnly,
        Some(b"dev") => match names.next() {
            Some(name) if PASSING_FILESYSTEMS.iter().any(|fs| fs.as_bytes() == name) => Reach::Any,
            _ => Reach::Nodes,
        },
        _ => Reach::Any,
    }
}

/// Walks an absolute path.
pub(crate) fn walk(look: &Look<'_>, path: &[u8], follow_last: bool) -> Walked {
    if path.len() >= PATH_MAX {
        return absent(Errno::ENAMETOOLONG);
    }
    if path.first() != Some(&b'/') {
        return absent(Errno::ENOENT);
    }
    if is_surely_foreign(path) {
        return Walked::Foreign(Foreign {
            path: path.to_vec(),
            reach: Reach::Any,
            native: true,
        });
    }
    Walk {
        look,
        at: vec![Step {
            name: Vec::new(),
            place: None,
        }],
        links: 0,
        native: true,
    }
    .run(path, follow_last)
}

fn absent(errno: Errno) -> Walked {
    Walked::Absent(Absent {
        errno,
        create: errno,
    })
}

struct Walk<'a> {
    look: &'a Look<'a>,
    /// The directories from the root to where the walk is.
    at: Vec<Step>,
    links: u32,
    native: bool,
}

struct Step {
    name: Vec<u8>,
    /// None is a directory of the machine.
    place: Option<Place>,
}

/// What a name in the directory where the walk is leads to.
enum Next {
    Ours(Item),
    Foreign,
    /// A link of the machine.
    ForeignLink(Vec<u8>),
    Nothing,
}

/// Why the walk does not go on.
enum Stop {
    Absent(Errno),
    /// What is there is another for each program.
    Native,
}

impl Walk<'_> {
    fn run(mut self, path: &[u8], follow_last: bool) -> Walked {
        // What is left to walk, the next name last.
        let mut todo: Vec<Vec<u8>> = Vec::new();
        let must_be_directory = push_names(&mut todo, path);
        let follow_last = follow_last || must_be_directory;
        while let Some(name) = todo.pop() {
            match name.as_slice() {
                b"." => continue,
                b".." => match self.up() {
                    Ok(()) => continue,
                    Err(Stop::Absent(errno)) => return absent(errno),
                    Err(Stop::Native) => {
                        todo.push(name);
                        return self.native_rest(&todo);
                    }
                },
                _ => {}
            }
            if name.len() > NAME_MAX && self.place().is_some() {
                return absent(Errno::ENAMETOOLONG);
            }
            let last = todo.is_empty();
            if self.is_left_alone() {
                self.at.push(Step { name, place: None });
                continue;
            }
            match self.next(&name, !last || follow_last) {
                Next::Nothing => {
                    let create = if last { Errno::EACCES } else { Errno::ENOENT };
                    return Walked::Absent(Absent {
                        errno: Errno::ENOENT,
                        create,
                    });
                }
                Next::Foreign => self.at.push(Step { name, place: None }),
                Next::Ours(Item::Directory(place)) => {
                    self.at.push(Step {
                        name,
                        place: Some(place),
                    });
                }
                Next::Ours(Item::Link(target)) if !last || follow_last => {
                    self.native = false;
                    if let Err(errno) = self.follow(&mut todo, target.as_bytes()) {
                        return absent(errno);
                    }
                }
                Next::ForeignLink(target) => {
                    if let Err(errno) = self.follow(&mut todo, &target) {
                        return absent(errno);
                    }
                }
                Next::Ours(item) => {
                    if !last || (must_be_directory && !matches!(item, Item::Link(_))) {
                        return absent(Errno::ENOTDIR);
                    }
                    let mut path = self.path();
                    path.push(b'/');
                    path.extend(name);
                    // Names of ours are text.
                    let path = String::from_utf8_lossy(&path).into_owned();
                    return Walked::Here { path, item };
                }
            }
        }
        self.end(must_be_directory)
    }

    /// handle_dotdot. Out of a directory of the machine only if it is one.
    fn up(&mut self) -> Result<(), Stop> {
        if self.at.len() > 1 && self.place().is_none() {
            if self.at[1].name == b"proc" {
                return Err(Stop::Native);
            }
            // A link on the way, as /dev/stdout, may be another for each program.
            let mut path = Vec::new();
            let mut type_ = FileType::Directory;
            for step in &self.at[1..] {
                path.push(b'/');
                path.extend(&step.name);
                let there = statat(CWD, path.as_slice(), AtFlags::SYMLINK_NOFOLLOW)
                    .map_err(|errno| Stop::Absent(Errno::from_code(errno.raw_os_error())))?;
                type_ = FileType::from_raw_mode(there.st_mode);
                if type_ == FileType::Symlink {
                    return Err(Stop::Native);
                }
            }
            if type_ != FileType::Directory {
                return Err(Stop::Absent(Errno::ENOTDIR));
            }
        }
        if self.at.len() > 1 {
            self.at.pop();
        }
        Ok(())
    }

    /// The rest of the way is the machine's to walk.
    fn native_rest(&self, todo: &[Vec<u8>]) -> Walked {
        let mut path = self.path();
        for name in todo.iter().rev() {
            path.push(b'/');
            path.extend(name);
        }
        Walked::Foreign(Foreign {
            reach: reach(&path),
            path,
            native: self.native,
        })
    }

    fn end(self, must_be_directory: bool) -> Walked {
        let path = self.path();
        let last = self.at.into_iter().next_back().and_then(|step| step.place);
        match last {
            Some(place) => Walked::Here {
                path: String::from_utf8_lossy(&path).into_owned(),
                item: Item::Directory(place),
            },
            None => {
                let mut path = if path.is_empty() { b"/".to_vec() } else { path };
                let reach = reach(&path);
                if must_be_directory && path.last() != Some(&b'/') {
                    path.push(b'/');
                }
                Walked::Foreign(Foreign {
                    path,
                    reach,
                    native: self.native,
                })
            }
        }
    }

    fn place(&self) -> Option<&Place> {
        self.at.last().and_then(|step| step.place.as_ref())
    }

    fn path(&self) -> Vec<u8> {
        let mut path = Vec::new();
        for step in &self.at[1..] {
            path.push(b'/');
            path.extend(&step.name);
        }
        path
    }

    /// Whether the walk is in a part of the machine whose links are not looked at:
    /// `/proc/self` is another for each program, and what passes of `/dev` and `/sys`
    /// is used as it is.
    fn is_left_alone(&self) -> bool {
        let in_machine = self.place().is_none();
        let top = self.at.get(1).map(|step| step.name.as_slice());
        in_machine && matches!(top, Some(b"proc" | b"dev" | b"sys"))
    }

    fn next(&mut self, name: &[u8], follow: bool) -> Next {
        match self.place().cloned() {
            None => {
                let at = self.path();
                let place = match (at.as_slice(), name) {
                    (b"", b"dev") => Place::Dev("".into()),
                    (b"", b"sys") => Place::Sys,
                    (b"/run", b"udev") => Place::Run("".into()),
                    _ => return foreign(at, name, follow),
                };
                Next::Ours(Item::Directory(place))
            }
            Some(place) => {
                let Ok(name) = core::str::from_utf8(name) else {
                    return Next::Nothing;
                };
                if let Some(item) = self.look.find(&place, name) {
                    return Next::Ours(item);
                }
                match passes(&place, name) {
                    true => Next::Foreign,
                    false => Next::Nothing,
                }
            }
        }
    }

    fn follow(&mut self, todo: &mut Vec<Vec<u8>>, target: &[u8]) -> Result<(), Errno> {
        self.links += 1;
        if self.links > MAXSYMLINKS {
            return Err(Errno::ELOOP);
        }
        if target.is_empty() {
            return Err(Errno::ENOENT);
        }
        if target.first() == Some(&b'/') {
            self.at.truncate(1);
        }
        push_names(todo, target);
        Ok(())
    }
}

/// Puts the names of a path before what is left to walk; tells whether the path ends as
/// a directory's does.
fn push_names(todo: &mut Vec<Vec<u8>>, path: &[u8]) -> bool {
    let names = path
        .split(|&byte| byte == b'/')
        .filter(|name| !name.is_empty());
    let at = todo.len();
    todo.extend(names.map(<[u8]>::to_vec));
    let ends = path.last() == Some(&b'/')
        || todo[at..]
            .last()
            .is_some_and(|name| matches!(name.as_slice(), b"." | b".."));
    todo[at..].reverse();
    ends
}

/// Whether a name that is not ours in this place is the machine's.
fn passes(place: &Place, name: &str) -> bool {
    match place {
        Place::Sys => PASSING_SYS.contains(&name),
        // CPUs, memory and nodes: what programs size themselves by.
        Place::Devices => name == "system",
        Place::Kernel => true,
        Place::Dev(at) => at.is_empty() && PASSING_NODES.contains(&name),
        _ => false,
    }
}

/// A name in a directory of the machine.
fn foreign(mut at: Vec<u8>, name: &[u8], follow: bool) -> Next {
    if !follow {
        return Next::Foreign;
    }
    at.push(b'/');
    at.extend(name);
    match rustix::fs::readlink(&at, Vec::new()) {
        Ok(target) => Next::ForeignLink(target.into_bytes()),
        Err(_) => Next::Foreign,
    }
}
