//! A small library that dynamic programs preload, to shorten their way to the supervisor.
//!
//! It depends on nothing, not even on the rest of the project: the supervisor takes the
//! library from here ([`image`]) and knows its calls by their keys ([`key`]). It is built by
//! `build.rs` from the same sources as `preload`, asks the C library for `errno`'s place
//! and no more, and so serves programs of glibc and musl alike.
//!
//! It promises:
//!
//! - **a short cut, never a second truth**: a call that surely is not about a device goes to
//!   the kernel at once, by the rule that the supervisor has for it; whatever is in doubt is
//!   trapped and answered as without it;
//! - **no state**: nothing is allocated, opened or remembered, so there is nothing that a
//!   fork, a thread, a handler or a program that closes every descriptor could break;
//! - programs that do not load it miss nothing but speed.
//!
//! `unsafe` is in the module that is the library, and nowhere else.
#![deny(unsafe_code)]

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
compile_error!("lastfd-accel is for programs of x86-64 Linux");

pub mod key;
mod preload;

use core::mem::offset_of;

use key::{MARK, Settings};

/// The library as it was built.
static BUILT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/accel.so"));

/// Whether the library makes a call on this absolute path natively.
///
/// ```
/// use lastfd_accel::is_foreign;
///
/// assert!(is_foreign(b"/usr/lib/../lib64/libc.so"));
/// assert!(!is_foreign(b"/usr/../dev/video0"));
/// ```
pub fn is_foreign(path: &[u8]) -> bool {
    path.first() == Some(&b'/') && preload::is_foreign(path)
}

/// The library's file for programs whose reserved descriptors are from `low` up to `high`,
/// and whose trees are mirrored in the directory `mirror`. `waits` says whether whoever
/// answers hands out descriptors to wait by. None if the directory's path is too long.
///
/// ```
/// let file = lastfd_accel::image(768, 1024, b"/tmp/lastfd-0/1/tree", true).unwrap();
/// assert_eq!(&file[..4], b"\x7fELF");
/// assert!(lastfd_accel::image(768, 1024, &[b'x'; 500], true).is_none());
/// ```
pub fn image(low: u32, high: u32, mirror: &[u8], waits: bool) -> Option<Vec<u8>> {
    let mut file = BUILT.to_vec();
    let at = file.windows(MARK.len()).position(|bytes| bytes == MARK)?;
    let settings = file.get_mut(at..at + size_of::<Settings>())?;
    let mut put = |offset: usize, bytes: &[u8]| -> Option<()> {
        settings
            .get_mut(offset..offset + bytes.len())?
            .copy_from_slice(bytes);
        Some(())
    };
    put(offset_of!(Settings, low), &low.to_ne_bytes())?;
    put(offset_of!(Settings, high), &high.to_ne_bytes())?;
    put(offset_of!(Settings, waits), &u32::from(waits).to_ne_bytes())?;
    put(
        offset_of!(Settings, length),
        &u32::try_from(mirror.len()).ok()?.to_ne_bytes(),
    )?;
    put(offset_of!(Settings, mirror), mirror)?;
    Some(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_are_in_the_file_once() {
        let marks = BUILT.windows(MARK.len()).filter(|bytes| *bytes == MARK);
        assert_eq!(marks.count(), 1);
    }

    /// What the library wants of others would keep it from loading somewhere.
    #[test]
    fn the_library_asks_for_no_other_and_for_one_function() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("accel.so");
        std::fs::write(&path, BUILT).unwrap();
        let run = |tool: &str, option: &str| {
            let output = std::process::Command::new(tool)
                .arg(option)
                .arg(&path)
                .output();
            String::from_utf8(output.expect("binutils come with the linker").stdout).unwrap()
        };
        let undefined = run("nm", "-Du");
        let mut names: Vec<_> = undefined
            .split_whitespace()
            .filter(|word| word.len() > 1)
            .collect();
        names.sort_unstable();
        let weak = ["__chk_fail", "pthread_setcanceltype"];
        assert_eq!(names, [weak[0], "__errno_location", weak[1]]);
        for name in weak {
            assert!(undefined.contains(&format!(" w {name}\n")), "{undefined}");
        }
        assert!(!run("readelf", "-d").contains("NEEDED"));
        let defined = run("nm", "-D");
        for name in [
            "open", "openat64", "stat", "__lxstat", "statx", "poll", "ppoll",
        ] {
            assert!(
                defined.contains(&format!(" T {name}\n")),
                "{name} in {defined}"
            );
        }
        for name in ["memcpy", "memset", "rust"] {
            assert!(!defined.contains(name), "{name} in {defined}");
        }
    }
}
