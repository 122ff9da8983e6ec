//! What programs have mapped of a device's memory.
//!
//! mmap is seen, munmap is not: it is the kernel's. What is mapped still, `/proc` tells
//! whoever asks.

use core::ops::Range;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lastfd_chrdev::Mapping;
use lastfd_sync::Mutex;

use crate::objects::{Key, Object};
use crate::task;

/// So many of a file, and each doubling of it, have an mmap look for those that are gone,
/// lest they pile up.
const MANY: usize = 32;

/// The mappings of an open file. They are dropped with it: the kernel keeps the inode,
/// and with it this, until the last of them is unmapped.
#[derive(Default)]
pub(crate) struct Mappings(Mutex<Vec<Laid>>);

/// A mapping that a program was allowed.
struct Laid {
    mapping: Mapping,
    /// Where its memory lies in the file, in bytes.
    range: Range<u64>,
    /// Whose call it is, as long as the kernel may still be about to carry it out.
    caller: Option<u32>,
}

impl Laid {
    /// Whether the call that made it is over.
    fn is_settled(&self) -> bool {
        let is_gone = |tid: u32| !Path::new(&format!("/proc/{tid}")).exists();
        self.caller.is_none_or(is_gone)
    }
}

impl Mappings {
    /// One more, which this thread asked for. True if it is time to look for those that
    /// are gone.
    pub(crate) fn add(&self, mapping: Mapping, from: u64, caller: u32) -> bool {
        self.settle(caller);
        let range = from..from + mapping.len() as u64;
        let mut all = self.0.lock();
        all.push(Laid {
            mapping,
            range,
            caller: Some(caller),
        });
        all.len() >= MANY && all.len().is_power_of_two()
    }

    /// This thread makes another call: what it asked for is mapped, or failed.
    pub(crate) fn settle(&self, caller: u32) {
        for laid in self.0.lock().iter_mut() {
            if laid.caller == Some(caller) {
                laid.caller = None;
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }

    /// Drops those of which nothing is mapped.
    fn keep(&self, there: &[Range<u64>]) {
        let is_there = |range: &Range<u64>| {
            let overlaps = |other: &Range<u64>| range.start < other.end && other.start < range.end;
            there.iter().any(overlaps)
        };
        let gone = {
            let mut all = self.0.lock();
            let (kept, gone) = core::mem::take(&mut *all)
                .into_iter()
                .partition(|laid| is_there(&laid.range) || !laid.is_settled());
            *all = kept;
            gone
        };
        // A driver's callback may run here.
        let gone: Vec<Laid> = gone;
        gone.into_iter().for_each(|laid| drop(laid.mapping));
    }
}

/// Drops the mappings of these files that no program has any more.
pub(crate) fn see_unmaps<'a>(objects: impl IntoIterator<Item = &'a Object>) {
    let has = |object: &&Object| object.device().is_some_and(|d| !d.mappings.is_empty());
    let objects: Vec<&Object> = objects.into_iter().filter(has).collect();
    if objects.is_empty() {
        return;
    }
    let Some(there) = mapped(Path::new("/proc")) else {
        return;
    };
    for object in objects {
        if let Some(device) = object.device() {
            let ranges = there.get(&object.key).map_or(&[][..], Vec::as_slice);
            device.mappings.keep(ranges);
        }
    }
}

/// What processes have mapped of files, by inode. None if one that is ours cannot be
/// looked into.
fn mapped(proc: &Path) -> Option<BTreeMap<Key, Vec<Range<u64>>>> {
    let own = std::process::id();
    let mut found: BTreeMap<Key, Vec<Range<u64>>> = BTreeMap::new();
    for (pid, folder) in processes(proc) {
        if pid == own {
            continue;
        }
        match std::fs::read_to_string(folder.join("maps")) {
            Ok(maps) => {
                for (key, range) in maps.lines().filter_map(line) {
                    found.entry(key).or_default().push(range);
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                if task::descends(pid, &[own]) {
                    return None;
                }
            }
            // It is gone.
            Err(_) => {}
        }
    }
    Some(found)
}

fn processes(proc: &Path) -> impl Iterator<Item = (u32, PathBuf)> {
    let entries = std::fs::read_dir(proc).into_iter().flatten().flatten();
    entries.filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())))
}

/// A line of `/proc/PID/maps`: `from-to rwxp offset major:minor inode path`.
fn line(line: &str) -> Option<(Key, Range<u64>)> {
    let hex = |word| u64::from_str_radix(word, 16).ok();
    let mut words = line.split_ascii_whitespace();
    let (from, to) = words.next()?.split_once('-')?;
    let offset = hex(words.nth(1)?)?;
    let (major, minor) = words.next()?.split_once(':')?;
    let device = rustix::fs::makedev(hex(major)? as u32, hex(minor)? as u32);
    let inode: u64 = words.next()?.parse().ok()?;
    let end = offset.checked_add(hex(to)?.checked_sub(hex(from)?)?)?;
    (inode != 0).then_some(((device, inode), offset..end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_maps_tells_inode_and_what_of_it_is_mapped() {
        let text = "7f3a1c000000-7f3a1c021000 rw-s 00004000 00:1d 4242    /memfd:x (deleted)";
        let key = (rustix::fs::makedev(0, 0x1d), 4242);
        assert_eq!(line(text), Some((key, 0x4000..0x25000)));
        let stack = "7ffd0000-7ffd1000 rw-p 00000000 00:00 0  [stack]";
        assert_eq!((line(stack), line("nonsense")), (None, None));
        let backwards = "7ffd1000-7ffd0000 rw-s 00000000 00:1d 4242";
        assert_eq!(line(backwards), None);
    }
}
