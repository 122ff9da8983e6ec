//! Whether a path surely is none of ours.
//!
//! The supervisor's own rule, for the paths where letters decide it
//! (`host::resolve::is_surely_foreign`): what cannot be told from them is trapped. A link
//! outside the trees that leads into them is not looked at, there or here.

use core::slice;

use super::settings;
use super::sys::{self, nr};

/// The longest path, with the byte that ends it.
const PATH_MAX: usize = 4096;
const PAGE: usize = 4096;
/// Room for a directory's path; one that is longer is not looked at.
const ROOM: usize = 1024;
pub(crate) const FDCWD: i32 = -100;

/// Whether an absolute path, made of these parts one after the other, has nothing to do
/// with the trees of `/dev`, `/sys` and `/run/udev`, nor with another's descriptors.
pub(crate) fn is_foreign(parts: [&[u8]; 2]) -> bool {
    let is_top = |name: &[u8]| matches!(name, b"dev" | b"sys" | b"run" | b"var");
    let (mut first, mut in_proc, mut goes_up, mut has_top) = (true, false, false, false);
    for part in parts {
        for name in part.split(|byte| *byte == b'/') {
            if name.is_empty() || name == b"." {
                continue;
            }
            match name {
                b".." => goes_up = true,
                b"proc" => in_proc = true,
                b"fd" if in_proc => return false,
                name if is_top(name) => {
                    if first {
                        return false;
                    }
                    has_top = true;
                }
                _ => {}
            }
            first = false;
        }
    }
    // From wherever `..` leads to, a tree may be the next name.
    !(goes_up && has_top)
}

/// The bytes of a path in the program's memory; none if they cannot be read, or are too
/// many.
///
/// # Safety
/// Nobody changes them meanwhile who is not to blame for it himself.
unsafe fn text<'a>(path: *const u8) -> Option<&'a [u8]> {
    let (start, mut length) = (path.addr(), 0);
    while length < PATH_MAX {
        let at = start.checked_add(length)?;
        if !sys::is_readable(at) {
            return None;
        }
        let until = length + (PAGE - at % PAGE);
        while length < until {
            // SAFETY: its page can be read.
            if unsafe { path.add(length).read() } == 0 {
                // SAFETY: up to here it has been read.
                return (length < PATH_MAX).then(|| unsafe { slice::from_raw_parts(path, length) });
            }
            length += 1;
        }
    }
    None
}

/// Whether a path that a call names is surely none of ours, seen from a directory.
///
/// # Safety
/// As of [`text`].
pub(crate) unsafe fn names_foreign(directory: i32, path: *const u8) -> bool {
    if sys::is_valgrind() {
        return false;
    }
    // SAFETY: as the caller promises.
    let Some(path) = (unsafe { text(path) }) else {
        return false;
    };
    match path.first() {
        None => false,
        Some(b'/') => is_foreign([path, b""]),
        Some(_) => is_foreign_from(directory, path),
    }
}

// Not a part of its caller, whose frame would be as large on small stacks of signals.
#[inline(never)]
fn is_foreign_from(directory: i32, path: &[u8]) -> bool {
    let mut room = [0u8; ROOM];
    let given = match directory {
        // SAFETY: room for so many bytes.
        FDCWD => unsafe { sys::call(nr::GETCWD, [room.as_mut_ptr().addr(), ROOM, 0, 0, 0]) },
        fd if fd < 0 || settings::is_reserved(fd) => return false,
        fd => read_link_of(fd, &mut room),
    };
    // getcwd counts the byte that ends it.
    let there = usize::try_from(given).ok().and_then(|n| room.get(..n));
    let there = there.map(|there| there.strip_suffix(b"\0").unwrap_or(there));
    match there {
        Some(base) if base.first() == Some(&b'/') && base.len() < ROOM - 1 => {
            !settings::is_in_mirror(base) && is_foreign_joined(base, path)
        }
        _ => false,
    }
}

/// The directory's path is one without links: `..` at its end leads where it says.
fn is_foreign_joined(base: &[u8], path: &[u8]) -> bool {
    // As one path: a base of `/` makes the next name the first.
    is_foreign([base, path])
}

/// What a link of `/proc/thread-self/fd` leads to.
fn read_link_of(fd: i32, room: &mut [u8; ROOM]) -> isize {
    let mut name = *b"/proc/thread-self/fd/\0\0\0\0\0\0\0\0\0\0\0";
    let (mut digits, mut left, mut count) = ([0u8; 10], fd as u32, 0);
    loop {
        if let Some(digit) = digits.get_mut(count) {
            *digit = b'0' + (left % 10) as u8;
        }
        count += 1;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    for (into, digit) in name
        .iter_mut()
        .skip(21)
        .zip(digits.iter().take(count).rev())
    {
        *into = *digit;
    }
    let args = [name.as_ptr().addr(), room.as_mut_ptr().addr(), ROOM, 0, 0];
    // SAFETY: a path that is ended, and room for so many bytes.
    unsafe { sys::native(nr::READLINK, args) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn foreign(path: &str) -> bool {
        is_foreign([path.as_bytes(), b""])
    }

    #[test]
    fn a_path_is_foreign_if_its_letters_alone_say_so() {
        for path in [
            "/",
            "/etc/passwd",
            "//usr/./lib",
            "/home/me/dev/x",
            "/home/sys",
            "/proc/self/maps",
            "/usr/lib/gcc/12/../../x",
            "/a/fd/b",
            "/devices",
            "/..",
        ] {
            assert!(foreign(path), "{path}");
        }
        for path in [
            "/dev",
            "/dev/video0",
            "//.//dev/null",
            "/sys/class",
            "/run/udev/data",
            "/var/x",
            "/proc/self/fd/3",
            "/proc/12/fd/4",
            "/usr/../dev/video0",
            "/a/../../sys",
            "/../dev/null",
            "/home/x/../../run/udev",
            "/etc/../proc/self/fd/9",
        ] {
            assert!(!foreign(path), "{path}");
        }
    }

    #[test]
    fn a_relative_path_is_seen_from_its_directory() {
        assert!(is_foreign_joined(b"/home/me", b"dev/x"));
        assert!(!is_foreign_joined(b"/", b"dev/x"));
        assert!(!is_foreign_joined(b"/home/me", b"../../dev/x"));
        assert!(!is_foreign_joined(b"/dev", b"video0"));
        assert!(!is_foreign_joined(b"/proc/self", b"fd/3"));
        assert!(is_foreign_joined(b"/usr/lib", b"../bin"));
    }

    #[test]
    fn a_path_is_read_to_its_end_and_no_further_than_memory_goes() {
        // SAFETY: paths that live through the calls, or addresses where nothing is.
        unsafe {
            assert_eq!(
                text(c"/etc/passwd".as_ptr().cast()),
                Some(&b"/etc/passwd"[..])
            );
            assert_eq!(text(c"".as_ptr().cast()), Some(&b""[..]));
            assert_eq!(text(core::ptr::null()), None);
            assert_eq!(text(core::ptr::without_provenance(0x10)), None);
            let long = [b'a'; 5000];
            assert_eq!(text(long.as_ptr()), None);
        }
    }
}
