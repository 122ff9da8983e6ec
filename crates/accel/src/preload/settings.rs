//! What the supervisor wrote into the file before it gave it to the program.

use crate::key::Settings;

/// In the file behind its mark.
#[used]
static SETTINGS: Settings = Settings::UNSET;

macro_rules! setting {
    ($member:ident) => {
        // SAFETY: a member of a static that nobody writes to. The compiler knows another
        // value than the file has by now, so it must not look there.
        unsafe { (&raw const SETTINGS.$member).read_volatile() }
    };
}

/// Whether a descriptor is in the reserved range.
pub(crate) fn is_reserved(fd: i32) -> bool {
    fd >= 0 && (setting!(low)..setting!(high)).contains(&(fd as u32))
}

/// The first reserved descriptor.
pub(crate) fn first_reserved() -> i32 {
    i32::try_from(setting!(low)).unwrap_or(i32::MAX)
}

/// Whether whoever answers hands out descriptors to wait by.
pub(crate) fn can_wait() -> bool {
    setting!(waits) != 0
}

/// Whether a directory of the machine is one that the trees are mirrored in.
pub(crate) fn is_in_mirror(path: &[u8]) -> bool {
    let length = setting!(length) as usize;
    let mirror = setting!(mirror);
    mirror
        .get(..length)
        .is_none_or(|mirror| path.starts_with(mirror))
}
