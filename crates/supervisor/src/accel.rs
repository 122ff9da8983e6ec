//! The library that dynamic programs preload, as far as it is ours to hand out, and what its
//! calls ask for.
//!
//! `LD_PRELOAD` names a path where nothing is. Who opens it is a dynamic loader, whose open
//! is trapped like any other and answered with the library: in a container of the program's
//! own, too, and where the machine lets nothing be run from temporary directories. Static
//! programs never ask for it; programs whose environment was cleared go without.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use lastfd_accel::key::{Answered, Asks, PATH};
use lastfd_model::Errno;
use object::read::elf::{Dyn, FileHeader, ProgramHeader};
use object::{Endianness, ReadCache, ReadRef, elf};

use crate::door::Door;
use crate::filter::Settings;
use crate::memfd;
use crate::objects::Key;
use crate::task::{Answer, Task};

/// Descriptors that are asked for and not there yet, at most.
const UNSENT: usize = 64;
/// What a loader adds to what is preloaded.
const LD_PRELOAD: &str = "LD_PRELOAD";
/// Runtimes that must come before all others, by the beginnings of their names.
const FIRST: [&[u8]; 5] = [
    b"libasan.",
    b"libtsan.",
    b"liblsan.",
    b"libhwasan.",
    b"libclang_rt.",
];
/// Where a loader looks beside what it is told.
const FOLDERS: [&str; 8] = [
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/lib64",
    "/usr/lib64",
    "/lib",
    "/usr/lib",
    "/usr/local/lib64",
    "/usr/local/lib",
];

/// The library for the programs of one session.
#[derive(Debug)]
pub(crate) struct Accel {
    file: OwnedFd,
    waits: bool,
}

impl Accel {
    /// Makes its file. None where there is no room for it: programs go without.
    pub(crate) fn new(settings: &Settings, mirror: &Path, waits: bool) -> Option<Accel> {
        let mirror = mirror.as_os_str().as_bytes();
        let file = lastfd_accel::image(settings.low, settings.high, mirror, waits)?;
        let file = memfd::sealed("lastfd-accel", &file).ok()?;
        Some(Accel { file, waits })
    }

    /// Whether callers that know how to wait are given what to wait by.
    pub(crate) fn waits(&self) -> bool {
        self.waits
    }

    /// Has a program's loader ask for it, after what is preloaded anyway.
    pub(crate) fn preload(command: &mut Command) {
        let given = command.get_envs().find(|(name, _)| *name == LD_PRELOAD);
        let before = match given {
            Some((_, value)) => value.map(OsStr::to_owned),
            None => std::env::var_os(LD_PRELOAD),
        };
        let mut all = before.unwrap_or_default();
        if !all.is_empty() {
            all.push(":");
        }
        all.push(PATH);
        command.env(LD_PRELOAD, all);
    }

    /// Answers the open of a loader. A program whose own runtime must come first gets that.
    pub(crate) fn open(&self, task: &Task, path: &[u8], cloexec: bool) -> Option<Answer> {
        if path != PATH.as_bytes() {
            return None;
        }
        let process = format!("/proc/{}", task.tid());
        // Opened for each, who reads it from its beginning.
        let file = match first_of(Path::new(&process)) {
            None => File::open(format!("/proc/self/fd/{}", crate::sys::number(&self.file))).ok(),
            Some(runtime) => runtime.and_then(|path| File::open(path).ok()),
        };
        Some(match file {
            Some(file) => task.give_anywhere(file.as_fd(), cloexec),
            None => Answer::Error(Errno::ENOENT),
        })
    }
}

impl Task {
    /// What the call asks for, of one that the accelerator makes because its caller knows how
    /// to wait.
    pub(crate) fn asks(&self) -> Option<Asks> {
        let nr = u32::try_from(self.note.nr).ok()?;
        let waits = self.session.accel.as_ref()?.waits();
        Asks::of(nr, &self.note.args).filter(|_| waits)
    }

    /// The number of the wait that the caller sleeps for in this call.
    pub(crate) fn sleeps(&self) -> Option<u64> {
        match self.asks() {
            Some(Asks::Sleep(number)) => Some(number.into()),
            _ => None,
        }
    }

    /// Which file its first argument is of, as a caller says who has looked. Who says what is
    /// not so has nobody to blame but itself.
    pub(crate) fn hint(&self) -> Option<Key> {
        let has_room = matches!(self.note.nr, libc::SYS_ioctl | libc::SYS_read);
        let says = has_room && self.arg(4) != 0 && self.asks() == Some(Asks::Wait);
        says.then(|| (self.arg(3), self.arg(4)))
    }

    /// Where its descriptors cannot be copied: asks a caller that knows how for a copy of the
    /// one that is the call's first argument. None if there is no need, or it does not.
    pub(crate) fn ask_for_copy(&self) -> Option<Answer> {
        if self.session.machine.copies_descriptors || self.asks() != Some(Asks::Wait) {
            return None;
        }
        let door = Door::open(self)?;
        let number = u32::try_from(self.session.shared.reactor.number()).ok()?;
        let asked = Answered::Send {
            door: door.number(),
            number,
        };
        let mut sent = self.session.sent.lock();
        if sent.len() >= UNSENT {
            // Of somebody who was killed before it was sent.
            sent.pop_first();
        }
        sent.insert(number.into(), door);
        Some(Answer::Value(asked.value()))
    }
}

/// The library that has to be the first of a process, and where it is, if it is found.
fn first_of(process: &Path) -> Option<Option<PathBuf>> {
    let file = File::open(process.join("exe")).ok()?;
    let needs = needed(&ReadCache::new(file))?;
    let is_first = |name: &&Vec<u8>| FIRST.iter().any(|first| name.starts_with(first));
    let name = needs.names.iter().find(is_first)?;
    let name = OsStr::from_bytes(name);
    let environment = std::fs::read(process.join("environ")).unwrap_or_default();
    let library_path = environment
        .split(|byte| *byte == 0)
        .find_map(|variable| variable.strip_prefix(b"LD_LIBRARY_PATH="));
    let told = [library_path.unwrap_or_default(), &needs.folders].concat();
    let told = OsString::from(OsStr::from_bytes(&told));
    let folders = std::env::split_paths(&told).chain(FOLDERS.iter().map(PathBuf::from));
    let mut places = folders.map(|folder| folder.join(name));
    Some(places.find(|place| place.is_absolute() && place.is_file()))
}

/// What a program says that it needs.
#[derive(Debug, Default)]
struct Needs {
    names: Vec<Vec<u8>>,
    /// Where to look for it, as in a `PATH`, after a `:`.
    folders: Vec<u8>,
}

/// None of what is no dynamic ELF file of 64 bits.
fn needed<'a, R: ReadRef<'a>>(file: R) -> Option<Needs> {
    let header = elf::FileHeader64::<Endianness>::parse(file).ok()?;
    let endian = header.endian().ok()?;
    let segments = header.program_headers(endian, file).ok()?;
    let dynamic = segments
        .iter()
        .find_map(|segment| segment.dynamic(endian, file).ok()?)?;
    let strings = dynamic
        .iter()
        .find(|entry| entry.d_tag(endian) == elf::DT_STRTAB)?
        .d_val(endian);
    let string = |entry: &elf::Dyn64<Endianness>| -> Option<&'a [u8]> {
        let at = strings.checked_add(entry.d_val(endian))?;
        let inside = segments.iter().find_map(|segment| {
            let (start, size) = (segment.p_vaddr(endian), segment.p_filesz(endian));
            let within = segment.p_type(endian) == elf::PT_LOAD && at.checked_sub(start)? < size;
            within.then(|| at - start + segment.p_offset(endian))
        })?;
        file.read_bytes_at_until(inside..inside + 4096, 0).ok()
    };
    let mut needs = Needs::default();
    for entry in dynamic {
        match entry.d_tag(endian) {
            elf::DT_NEEDED => needs.names.extend(string(entry).map(<[u8]>::to_vec)),
            elf::DT_RUNPATH | elf::DT_RPATH => {
                needs.folders.push(b':');
                needs.folders.extend(string(entry).unwrap_or_default());
            }
            _ => {}
        }
    }
    Some(needs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_preloaded_already_comes_before() {
        let mut command = Command::new("true");
        command.env(LD_PRELOAD, "libasan.so");
        Accel::preload(&mut command);
        let told: Vec<_> = command.get_envs().collect();
        let both = "libasan.so:/run/lastfd/accel-or-libasan.so";
        assert_eq!(told, [(OsStr::new(LD_PRELOAD), Some(OsStr::new(both)))]);
        let mut command = Command::new("true");
        command.env_remove(LD_PRELOAD);
        Accel::preload(&mut command);
        assert_eq!(command.get_envs().next().unwrap().1, Some(OsStr::new(PATH)));
    }

    #[test]
    fn what_a_program_needs_is_read_from_its_file() {
        let own = File::open("/proc/self/exe").unwrap();
        let needs = needed(&ReadCache::new(own)).unwrap();
        assert!(needs.names.iter().any(|name| name.starts_with(b"libc.so")));
        let text = File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).unwrap();
        assert!(needed(&ReadCache::new(text)).is_none());
        assert!(first_of(Path::new("/proc/self")).is_none());
    }
}
