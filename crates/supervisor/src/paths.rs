//! What a path in a trapped call names.

use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use lastfd_host::{Absent, Entry, Foreign, Reach, Resolved};
use lastfd_model::Errno;
use lastfd_sync::Arc;
use rustix::fs::{Mode, OFlags};

use crate::notice::What;
use crate::objects::Object;
use crate::task::{Answer, Task};

/// What a path names.
pub(crate) enum Named {
    /// Nothing that we have to do with.
    Foreign(Foreign),
    /// A place in a tree, with nothing there.
    Absent(Absent),
    /// Something in a tree.
    Here(Entry),
    /// By `/proc/self/fd` or its like, an open file of ours.
    Open(Arc<Object>),
    /// The same, a directory of ours.
    OpenDirectory(String),
    /// The call is answered.
    Answered(Answer),
}

/// The working directory, as a descriptor.
pub(crate) const FDCWD: i32 = libc::AT_FDCWD;

impl Task {
    /// What the path at this address names, relative to a directory.
    pub(crate) fn named(&self, directory: i32, addr: u64, follow: bool) -> Named {
        match self.string(addr) {
            Ok(path) => self.names(directory, &path, follow),
            Err(Errno::EPERM) => {
                self.session.notice(self, What::Unreadable);
                Named::Answered(Answer::Error(Errno::EPERM))
            }
            // The kernel finds the same.
            Err(_) => Named::Answered(Answer::Continue),
        }
    }

    /// The same for a call that changes what it names: where a link outside the trees leads
    /// into them, what it leads to.
    pub(crate) fn named_to_change(&self, directory: i32, addr: u64, follow: bool) -> Named {
        match self.named(directory, addr, follow) {
            Named::Foreign(foreign) if foreign.native && foreign.reach == Reach::Any => {
                match self.behind(&foreign.path, follow) {
                    Some(Resolved::Foreign(foreign)) => Named::Foreign(foreign),
                    Some(Resolved::Absent(absent)) => Named::Absent(absent),
                    Some(Resolved::Here(entry)) => Named::Here(entry),
                    None => Named::Foreign(foreign),
                }
            }
            named => named,
        }
    }

    /// What is behind the machine's own links, if that is in a tree.
    fn behind(&self, path: &[u8], follow: bool) -> Option<Resolved> {
        let own = |rest: &[u8]| [format!("/proc/{}", self.tid()).as_bytes(), rest].concat();
        let path = match path.strip_prefix(b"/proc/") {
            Some(rest) if rest.starts_with(b"self/") => own(&rest[4..]),
            Some(rest) if rest.starts_with(b"thread-self/") => own(&rest[11..]),
            _ => [format!("/proc/{}/root", self.tid()).as_bytes(), path].concat(),
        };
        let link = if follow {
            OFlags::empty()
        } else {
            OFlags::NOFOLLOW
        };
        let real = real_path(&path, link).or_else(|| {
            // What is to be made has a directory at least.
            let at = path.iter().rposition(|byte| *byte == b'/')?;
            let (parent, name) = path.split_at(at);
            Some([&real_path(parent, OFlags::DIRECTORY)?, name].concat())
        })?;
        let within = |top: &[u8]| {
            let rest = real.strip_prefix(top);
            rest.is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
        };
        let in_a_tree = within(b"/sys") || within(b"/dev");
        in_a_tree.then(|| self.session.shared.host.resolve(&real, follow))
    }

    /// What a path names, relative to a directory.
    pub(crate) fn names(&self, directory: i32, path: &[u8], follow: bool) -> Named {
        let host = &self.session.shared.host;
        if path.is_empty() {
            return Named::Answered(Answer::Continue);
        }
        let absolute;
        let path = if path[0] == b'/' {
            path
        } else {
            let Some(base) = self.directory(directory) else {
                // The kernel says what is wrong with it.
                return Named::Answered(Answer::Continue);
            };
            absolute = [base.as_slice(), b"/", path].concat();
            &absolute
        };
        if let Some(fd) = fd_link(path) {
            return self.open_file(&fd, path);
        }
        match host.resolve(path, follow) {
            Resolved::Foreign(foreign) => Named::Foreign(foreign),
            Resolved::Absent(absent) => Named::Absent(absent),
            Resolved::Here(entry) => Named::Here(entry),
        }
    }

    /// Where a directory of the caller's is, as a program sees it.
    fn directory(&self, fd: i32) -> Option<Vec<u8>> {
        let link = match fd {
            FDCWD => format!("/proc/{}/cwd", self.tid()),
            fd => {
                // A stand-in for one opened with O_PATH.
                if let Some(path) = self.object(fd).and_then(|object| object.path()) {
                    return Some(path.into_bytes());
                }
                self.fd_path(fd)
            }
        };
        let real = std::fs::read_link(link).ok()?;
        match self.session.shared.host.virtual_of(&real) {
            Some(path) => Some(path.into_bytes()),
            None => Some(real.into_os_string().into_vec()),
        }
    }

    /// What a link of /proc/PID/fd leads to.
    fn open_file(&self, fd: &FdLink, path: &[u8]) -> Named {
        let foreign = || {
            Named::Foreign(Foreign {
                path: path.to_vec(),
                reach: lastfd_host::Reach::Any,
                native: true,
            })
        };
        let objects = &self.session.shared.objects;
        let link = match fd.pid {
            Some(pid) => format!("/proc/{pid}/fd/{}", fd.number),
            None => self.fd_path(fd.number),
        };
        if !objects.is_empty()
            && let Ok(there) = rustix::fs::stat(&link)
            && let Some(object) = objects.find((there.st_dev, there.st_ino))
        {
            return Named::Open(object);
        }
        let real = std::fs::read_link(&link).unwrap_or_default();
        match self.session.shared.host.virtual_of(&real) {
            Some(path) => Named::OpenDirectory(path),
            None => foreign(),
        }
    }

    /// What a descriptor of the caller's names, if it is a directory of ours.
    pub(crate) fn directory_of_ours(&self, fd: i32) -> Option<String> {
        let real = std::fs::read_link(self.fd_path(fd)).ok()?;
        self.session.shared.host.virtual_of(&real)
    }
}

/// A link of /proc/PID/fd.
#[derive(Debug, PartialEq, Eq)]
struct FdLink {
    /// Another's than the caller's.
    pid: Option<u32>,
    number: i32,
}

/// Whether a path is one, by its letters.
fn fd_link(path: &[u8]) -> Option<FdLink> {
    let mut names = path
        .split(|byte| *byte == b'/')
        .filter(|name| !name.is_empty() && *name != b".");
    let number = |name: Option<&[u8]>| -> Option<i32> {
        let name = core::str::from_utf8(name?).ok()?;
        if name.bytes().all(|b| b.is_ascii_digit()) {
            name.parse().ok()
        } else {
            None
        }
    };
    let link = match names.next()? {
        b"proc" => {
            let pid = match names.next()? {
                b"self" | b"thread-self" => None,
                pid => Some(number(Some(pid))? as u32),
            };
            if names.next()? != b"fd" {
                return None;
            }
            FdLink {
                pid,
                number: number(names.next())?,
            }
        }
        b"dev" => {
            let number = match names.next()? {
                b"fd" => number(names.next())?,
                b"stdin" => 0,
                b"stdout" => 1,
                b"stderr" => 2,
                _ => return None,
            };
            FdLink { pid: None, number }
        }
        _ => return None,
    };
    names.next().is_none().then_some(link)
}

/// Where a path leads to, links and all.
fn real_path(path: &[u8], flags: OFlags) -> Option<Vec<u8>> {
    let flags = flags | OFlags::PATH | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty()).ok()?;
    let link = format!("/proc/self/fd/{}", crate::sys::number(&file));
    Some(std::fs::read_link(link).ok()?.into_os_string().into_vec())
}

/// A path of the machine.
pub(crate) fn as_path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use lastfd_host::{Host, Options};
    use lastfd_model::System;
    use proptest::prelude::*;

    use super::*;

    /// Names that paths are made of, so that many lead into a tree.
    fn name() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec![
            "dev",
            "sys",
            "run",
            "var",
            "udev",
            "proc",
            "self",
            "thread-self",
            "1",
            "fd",
            "3",
            "..",
            "..",
            "..",
            ".",
            "",
            "etc",
            "usr",
            "lib",
            "null",
            "class",
            "video0",
            "data",
            "devices",
            "tmp",
        ])
    }

    proptest! {
        /// What the accelerator lets by is what would be told to go on here.
        #[test]
        fn what_the_accelerator_takes_for_foreign_is_foreign(
            names in prop::collection::vec(name(), 0..7), follow: bool,
        ) {
            let host = Host::new(&System::new(), Options::default()).unwrap();
            let path = format!("/{}", names.join("/"));
            if lastfd_accel::is_foreign(path.as_bytes()) {
                prop_assert_eq!(fd_link(path.as_bytes()), None, "{}", path);
                // Of a way up that is not there the kernel says the same.
                match host.resolve(path.as_bytes(), follow) {
                    Resolved::Foreign(foreign) => {
                        prop_assert!(foreign.native && foreign.reach == Reach::Any, "{}", path);
                    }
                    Resolved::Absent(absent) => {
                        let file = rustix::fs::stat(path.as_str()).map(drop);
                        let errno = file.map_err(|error| Errno::from_code(error.raw_os_error()));
                        prop_assert_eq!(errno, Err(absent.errno), "{}", path);
                    }
                    Resolved::Here(entry) => prop_assert!(false, "{} is {:?}", path, entry),
                }
            }
        }
    }

    #[test]
    fn links_of_proc_are_known_by_their_letters() {
        let own = |number| Some(FdLink { pid: None, number });
        assert_eq!(fd_link(b"/proc/self/fd/7"), own(7));
        assert_eq!(fd_link(b"//proc/./thread-self//fd/800"), own(800));
        assert_eq!(fd_link(b"/dev/fd/3"), own(3));
        assert_eq!(fd_link(b"/dev/stdin"), own(0));
        let other = Some(FdLink {
            pid: Some(12),
            number: 4,
        });
        assert_eq!(fd_link(b"/proc/12/fd/4"), other);
        for path in [
            &b"/proc/self/fd"[..],
            b"/proc/self/fd/",
            b"/proc/self/fd/x",
            b"/proc/self/fd/1/2",
            b"/proc/self/fdinfo/1",
            b"/dev/video0",
            b"/",
        ] {
            assert_eq!(fd_link(path), None, "{}", String::from_utf8_lossy(path));
        }
    }
}
