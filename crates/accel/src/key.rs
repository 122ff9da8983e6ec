//! What a system call of the library's own has in its sixth argument, which none of them
//! uses: by it the filter knows a call that is to be the kernel's, and the supervisor one
//! whose caller knows how to wait.
//!
//! The key is bound to the call and its first two arguments. A handler of a signal starts
//! with the registers of what was interrupted: what is left of a key there opens nothing
//! for a call of the handler's.

/// What a call with a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    /// The kernel is to carry it out: the library has seen that it is not about a device.
    Native,
    /// If it would have to wait, the library waits, by a descriptor that it is given.
    Wait,
    /// The same for a poll that stands for a select.
    WaitInSelect,
    /// The descriptor that was asked for has been sent: see [`Answered::Send`].
    Sent,
    /// This call waits by what [`Answered::Waits`] gave, for the call that waits with this
    /// number: that is tried again, and if it still has to wait this one is the kernel's.
    Sleep(u32),
}

/// What a key's lower half is made from.
pub const LOW: u32 = 0x7a1c_94e3;
/// The same of a call that sleeps, whose upper half is its number.
const LOW_ASLEEP: u32 = 0x3fd8_05c6;

impl Asks {
    /// The upper half of the key of a call with this number.
    pub const fn high(self, nr: u32) -> u32 {
        let base: u32 = match self {
            Asks::Native => 0xb5d0_4b1e,
            Asks::Wait => 0x91e6_c3d7,
            Asks::WaitInSelect => 0xd83a_2f69,
            Asks::Sent => 0x6e07_58b1,
            Asks::Sleep(number) => number,
        };
        base ^ nr
    }

    /// The key of a call.
    pub const fn key(self, nr: u32, first: u64, second: u64) -> u64 {
        let base = match self {
            Asks::Sleep(_) => LOW_ASLEEP,
            _ => LOW,
        };
        let low = base ^ first as u32 ^ second as u32;
        ((self.high(nr) as u64) << 32) | low as u64
    }

    /// What a trapped call asks for, by its sixth argument.
    pub fn of(nr: u32, args: &[u64; 6]) -> Option<Asks> {
        let asleep = Asks::Sleep((args[5] >> 32) as u32 ^ nr);
        let all = [
            Asks::Native,
            Asks::Wait,
            Asks::WaitInSelect,
            Asks::Sent,
            asleep,
        ];
        all.into_iter()
            .find(|asks| asks.key(nr, args[0], args[1]) == args[5])
    }
}

/// What the library asks of whoever answers, beside its calls: an ioctl on no descriptor,
/// with the key of one that waits. Its third argument is the number of the wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A signal came: the call ends.
    Interrupted,
    /// A poll's time is over, or another file is ready: it ends with what there is.
    Finish,
}

impl Asked {
    /// The request of the ioctl. Its type is one of those that are trapped; on no descriptor
    /// the kernel knows none.
    pub const fn request(self) -> u32 {
        0x4c66_56f0 | self as u32
    }

    /// What a request on no descriptor asks.
    pub fn of(request: u32) -> Option<Asked> {
        [Asked::Interrupted, Asked::Finish]
            .into_iter()
            .find(|asked| asked.request() == request)
    }
}

/// What a call with the key of one that waits is answered, beside its own values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// It would have to wait. The descriptor is the program's to close; a byte comes to it
    /// when the call is to be tried again. It sleeps in calls that ask for [`Asks::Sleep`].
    Waits {
        /// The descriptor.
        door: i32,
        /// The number of the wait.
        number: u32,
    },
    /// A copy of the descriptor that is the call's first argument is needed, and nobody may
    /// take one here. It is to be sent through this one, and the call made again with
    /// [`Asks::Sent`] and the number as its fifth argument.
    Send {
        /// The descriptor to send through, the program's to close.
        door: i32,
        /// The number of the call.
        number: u32,
    },
    /// To a call that sleeps: the one that it sleeps for is over with this, a value or an
    /// error as a negative number.
    Over(i32),
    /// `EINTR`, from the driver or because it was asked for: not because nobody heard the
    /// call yet.
    Interrupted,
}

impl Answered {
    const SPECIAL: i64 = 1 << 62;
    const SEND: i64 = 1 << 61;
    const OVER: i64 = 1 << 60;
    /// Bits of a descriptor's number.
    const BITS: u32 = 12;

    /// As the value of a call.
    pub const fn value(self) -> i64 {
        match self {
            Answered::Interrupted => Answered::SPECIAL,
            Answered::Over(given) => Answered::SPECIAL | Answered::OVER | given as u32 as i64,
            Answered::Waits { door, number } => {
                Answered::SPECIAL | (number as i64) << Answered::BITS | door as i64
            }
            Answered::Send { door, number } => {
                Answered::SEND | Answered::Waits { door, number }.value()
            }
        }
    }

    /// What a value means; none if it is the call's own.
    pub const fn of(value: i64) -> Option<Answered> {
        if value < Answered::SPECIAL {
            return None;
        }
        if value & Answered::OVER != 0 {
            return Some(Answered::Over(value as u32 as i32));
        }
        let door = (value & ((1 << Answered::BITS) - 1)) as i32;
        let number = (value >> Answered::BITS) as u32;
        Some(if value == Answered::SPECIAL {
            Answered::Interrupted
        } else if value & Answered::SEND == 0 {
            Answered::Waits { door, number }
        } else {
            Answered::Send { door, number }
        })
    }
}

/// What marks an entry of a poll as one of ours, in the mask that it is answered.
pub const OURS: u16 = 0x8000;

/// The calls that the library makes natively. The filter lets them go on if they have the
/// key.
pub const NATIVE: [i64; 13] = [
    0,   // read
    4,   // stat
    5,   // fstat
    7,   // poll
    8,   // lseek
    21,  // access
    89,  // readlink
    257, // openat
    262, // newfstatat
    267, // readlinkat
    269, // faccessat
    271, // ppoll
    332, // statx
];

/// Where the library is to be found, by the dynamic loader of a served program alone.
///
/// AddressSanitizer's runtime wants to be the first library, and knows itself by its name. A
/// program that needs it gets it in place of this one, by this name.
pub const PATH: &str = "/run/lastfd/accel-or-libasan.so";

/// What precedes the settings in the library's file.
pub const MARK: [u8; 16] = *b"lastfd-settings:";

/// The settings of a library, in its file behind the mark.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Settings {
    /// The mark.
    pub mark: [u8; 16],
    /// The first descriptor number that is reserved for files of ours.
    pub low: u32,
    /// The first number behind them.
    pub high: u32,
    /// Whether whoever answers hands out descriptors to wait by.
    pub waits: u32,
    /// Bytes of the directory's path that are there.
    pub length: u32,
    /// The real directory that the trees are mirrored in.
    pub mirror: [u8; Settings::ROOM],
}

impl Settings {
    /// Room for the directory's path.
    pub const ROOM: usize = 224;

    /// Those before a supervisor has set them: no path is foreign, no descriptor is not
    /// ours.
    pub const UNSET: Settings = Settings {
        mark: MARK,
        low: 0,
        high: u32::MAX,
        waits: 0,
        length: 0,
        mirror: [0; Settings::ROOM],
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_good_for_its_call_and_its_arguments_and_answers_are_told_from_values() {
        let key = Asks::Native.key(257, 0xffff_ffff_ffff_ff9c, 0x7ffe_0000_1000);
        let mut args = [0xffff_ffff_ffff_ff9c, 0x7ffe_0000_1000, 1, 2, 3, key];
        assert_eq!(Asks::of(257, &args), Some(Asks::Native));
        assert_eq!(Asks::of(262, &args), None);
        args[1] += 8;
        assert_eq!(Asks::of(257, &args), None);
        for answered in [
            Answered::Interrupted,
            Answered::Waits {
                door: 1023,
                number: u32::MAX,
            },
            Answered::Send {
                door: 768,
                number: 1,
            },
        ] {
            assert_eq!(Answered::of(answered.value()), Some(answered));
        }
        for value in [-4, 0, 42, i64::from(u32::MAX)] {
            assert_eq!(Answered::of(value), None);
        }
        assert_eq!(Asked::of(Asked::Finish.request()), Some(Asked::Finish));
        assert_eq!(Asked::of(0x5600), None);
        args[5] = Asks::WaitInSelect.key(257, args[0], args[1]);
        assert_eq!(Asks::of(257, &args), Some(Asks::WaitInSelect));
        args[5] = Asks::Sleep(77).key(257, args[0], args[1]);
        assert_eq!(Asks::of(257, &args), Some(Asks::Sleep(77)));
    }
}
