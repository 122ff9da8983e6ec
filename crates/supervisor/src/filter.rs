//! The seccomp filter, generated from the table: what is trapped goes to the listener,
//! everything else to the kernel. Calls are found by a binary search, so that one that
//! is never trapped costs nothing on kernels that remember it (Linux 5.11) and a few
//! instructions else.

use libc::{BPF_ABS, BPF_ALU, BPF_AND, BPF_JA, BPF_JEQ, BPF_JGE, BPF_JGT, BPF_JMP, BPF_JSET};
use libc::{BPF_K, BPF_LD, BPF_MISC, BPF_RET, BPF_TAX, BPF_W, BPF_X, BPF_XOR, sock_filter};
use libc::{SECCOMP_RET_ALLOW, SECCOMP_RET_USER_NOTIF};

use lastfd_accel::key::{self, Asks};

use crate::table::{Row, TABLE, When};

/// `AUDIT_ARCH_X86_64`.
pub(crate) const ARCH: u32 = 0xc000_003e;
/// The bit that calls of x32 programs have.
const X32: u32 = 0x4000_0000;
/// `AT_EMPTY_PATH`, `AT_FDCWD`.
const EMPTY_PATH: u32 = 0x1000;
const FDCWD: u32 = -100i32 as u32;
/// Types of ioctls that we serve: V4L2, DRM, CEC, IIO, media.
pub(crate) const IOCTL_TYPES: [u8; 5] = *b"Vdai|";
/// Commands of fcntl that are not the kernel's alone.
const FCNTL: [u32; 4] = [
    libc::F_DUPFD as u32,
    libc::F_DUPFD_CLOEXEC as u32,
    libc::F_GETFL as u32,
    libc::F_SETFL as u32,
];
/// The last of the standard descriptors.
const STANDARD: u32 = libc::STDERR_FILENO as u32;
const AF_NETLINK: u32 = libc::AF_NETLINK as u32;
const NETLINK_KOBJECT_UEVENT: u32 = 15;

/// What a filter is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The first reserved descriptor number.
    pub low: u32,
    /// The first number behind the reserved ones.
    pub high: u32,
    /// Calls on descriptors below the range are trapped, too.
    pub trap_all: bool,
}

/// The filter's program.
pub fn generate(settings: &Settings) -> Vec<sock_filter> {
    let mut rows: Vec<&Row> = TABLE.iter().collect();
    rows.sort_by_key(|row| row.nr);
    let mut program = vec![
        load(4),
        jump(BPF_JEQ, ARCH, 1, 0),
        // Another architecture: whoever answers says why it cannot go on.
        ret(SECCOMP_RET_USER_NOTIF),
        load(0),
        jump(BPF_JGE, X32, 0, 1),
        ret(SECCOMP_RET_USER_NOTIF),
    ];
    search(&rows, settings, &mut program);
    program
}

fn search(rows: &[&Row], settings: &Settings, program: &mut Vec<sock_filter>) {
    match rows {
        [] => program.push(ret(SECCOMP_RET_ALLOW)),
        [row] => {
            program.push(jump(BPF_JEQ, row.nr as u32, 1, 0));
            program.push(ret(SECCOMP_RET_ALLOW));
            if key::NATIVE.contains(&row.nr) {
                program.extend(unless_native(row));
            }
            program.extend(body(row.when, settings));
        }
        rows => {
            let (left, right) = rows.split_at(rows.len() / 2);
            let mut below = Vec::new();
            search(left, settings, &mut below);
            // Conditional jumps reach 255 instructions, this one all.
            program.push(jump(BPF_JGE, right[0].nr as u32, 0, 1));
            program.push(op(BPF_JMP | BPF_JA, below.len() as u32));
            program.extend(below);
            search(right, settings, program);
        }
    }
}

/// Lets a call go on that has the accelerator's key. Looked for here, not before the
/// search: what the kernel remembers of calls that are never trapped stays so.
fn unless_native(row: &Row) -> [sock_filter; 11] {
    let xor = || op(BPF_ALU | BPF_XOR | BPF_X, 0);
    let keep = || op(BPF_MISC | BPF_TAX, 0);
    [
        load(16 + 8 * 5 + 4),
        jump(BPF_JEQ, Asks::Native.high(row.nr as u32), 0, 9),
        argument(5),
        keep(),
        argument(0),
        xor(),
        keep(),
        // The lower half, less what the arguments made of it.
        argument(1),
        xor(),
        jump(BPF_JEQ, key::LOW, 0, 1),
        ret(SECCOMP_RET_ALLOW),
    ]
}

/// What decides one call, by its arguments.
fn body(when: When, settings: &Settings) -> Vec<sock_filter> {
    let trap = ret(SECCOMP_RET_USER_NOTIF);
    let pass = ret(SECCOMP_RET_ALLOW);
    let Settings { low, high, .. } = *settings;
    match when {
        When::RangeOrAll(_) | When::PathOrRange(_) if settings.trap_all => vec![trap],
        When::Always => vec![trap],
        When::Range(arg) => vec![
            argument(arg),
            jump(BPF_JGE, low, 0, 2),
            jump(BPF_JGE, high, 1, 0),
            trap,
            pass,
        ],
        When::RangeOrAll(arg) => vec![
            argument(arg),
            jump(BPF_JGT, STANDARD, 0, 2),
            jump(BPF_JGE, low, 0, 2),
            jump(BPF_JGE, high, 1, 0),
            trap,
            pass,
        ],
        When::EitherRange(one, other) => vec![
            argument(one),
            jump(BPF_JGE, low, 0, 2),
            jump(BPF_JGE, high, 1, 0),
            trap,
            argument(other),
            jump(BPF_JGE, low, 0, 2),
            jump(BPF_JGE, high, 1, 0),
            trap,
            pass,
        ],
        When::Ioctl => {
            let mut body = vec![
                argument(0),
                jump(BPF_JGE, low, 0, 2),
                jump(BPF_JGE, high, 1, 0),
                trap,
                argument(1),
                op(BPF_ALU | BPF_AND | BPF_K, 0xff00),
            ];
            one_of(&IOCTL_TYPES.map(|t| u32::from(t) << 8), &mut body);
            body
        }
        When::Fcntl => {
            let mut body = match settings.trap_all {
                true => vec![],
                false => vec![
                    argument(0),
                    jump(BPF_JGE, low, 1, 0),
                    pass,
                    jump(BPF_JGE, high, 0, 1),
                    pass,
                ],
            };
            body.push(argument(1));
            one_of(&FCNTL, &mut body);
            body
        }
        When::PathOrRange(flags) => vec![
            argument(flags),
            jump(BPF_JSET, EMPTY_PATH, 1, 0),
            trap,
            argument(0),
            jump(BPF_JEQ, FDCWD, 3, 0),
            jump(BPF_JGE, low, 0, 1),
            jump(BPF_JGE, high, 0, 1),
            pass,
            trap,
        ],
        When::Poll => vec![argument(1), jump(BPF_JEQ, 0, 0, 1), pass, trap],
        When::Select => {
            // With trap_all a descriptor may be of ours anywhere.
            let from = if settings.trap_all { 0 } else { low };
            vec![argument(0), jump(BPF_JGT, from, 0, 1), trap, pass]
        }
        When::UeventSocket => vec![
            argument(0),
            jump(BPF_JEQ, AF_NETLINK, 0, 3),
            argument(2),
            jump(BPF_JEQ, NETLINK_KOBJECT_UEVENT, 0, 1),
            trap,
            pass,
        ],
    }
}

/// Traps if what is loaded is one of these.
fn one_of(values: &[u32], body: &mut Vec<sock_filter>) {
    for (index, value) in values.iter().enumerate() {
        let left = (values.len() - index) as u8;
        body.push(jump(BPF_JEQ, *value, left, 0));
    }
    body.push(ret(SECCOMP_RET_ALLOW));
    body.push(ret(SECCOMP_RET_USER_NOTIF));
}

fn op(code: u32, k: u32) -> sock_filter {
    jump_with(code, k, 0, 0)
}

fn jump(code: u32, k: u32, yes: u8, no: u8) -> sock_filter {
    jump_with(BPF_JMP | code | BPF_K, k, yes, no)
}

fn jump_with(code: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    }
}

fn ret(action: u32) -> sock_filter {
    op(BPF_RET | BPF_K, action)
}

/// Loads a word of `struct seccomp_data`.
fn load(offset: u32) -> sock_filter {
    op(BPF_LD | BPF_W | BPF_ABS, offset)
}

/// Loads the lower half of an argument: descriptors, flags and commands have no more.
fn argument(index: u8) -> sock_filter {
    load(16 + 8 * u32::from(index))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: Settings = Settings {
        low: 768,
        high: 1024,
        trap_all: false,
    };

    /// A classic BPF machine, as far as filters go.
    fn run(program: &[sock_filter], arch: u32, nr: u32, args: [u64; 6]) -> u32 {
        let mut data = Vec::new();
        data.extend(nr.to_le_bytes());
        data.extend(arch.to_le_bytes());
        data.extend(0u64.to_le_bytes());
        for arg in args {
            data.extend(arg.to_le_bytes());
        }
        let (mut pc, mut a, mut x) = (0usize, 0u32, 0u32);
        loop {
            let i = program[pc];
            let code = u32::from(i.code);
            pc += 1;
            let mut branch = |yes: bool| pc += usize::from(if yes { i.jt } else { i.jf });
            if code == BPF_LD | BPF_W | BPF_ABS {
                let at = i.k as usize;
                a = u32::from_le_bytes(data[at..at + 4].try_into().unwrap());
            } else if code == BPF_RET | BPF_K {
                return i.k;
            } else if code == BPF_ALU | BPF_AND | BPF_K {
                a &= i.k;
            } else if code == BPF_ALU | BPF_XOR | BPF_X {
                a ^= x;
            } else if code == BPF_MISC | BPF_TAX {
                x = a;
            } else if code == BPF_JMP | BPF_JA {
                pc += i.k as usize;
            } else if code == BPF_JMP | BPF_JEQ | BPF_K {
                branch(a == i.k);
            } else if code == BPF_JMP | BPF_JGE | BPF_K {
                branch(a >= i.k);
            } else if code == BPF_JMP | BPF_JGT | BPF_K {
                branch(a > i.k);
            } else if code == BPF_JMP | BPF_JSET | BPF_K {
                branch(a & i.k != 0);
            } else {
                panic!("instruction {code:#x} is not known to filters");
            }
        }
    }

    /// What the table says of a call, in plain words.
    fn expected(when: When, settings: &Settings, args: [u64; 6]) -> bool {
        let number = |arg: u8| args[usize::from(arg)] as u32;
        let ours = |arg: u8| (settings.low..settings.high).contains(&number(arg));
        match when {
            When::Always => true,
            When::Range(arg) => ours(arg),
            When::EitherRange(one, other) => ours(one) || ours(other),
            When::RangeOrAll(arg) => ours(arg) || number(arg) <= 2 || settings.trap_all,
            When::Ioctl => ours(0) || IOCTL_TYPES.contains(&((number(1) >> 8) as u8)),
            When::PathOrRange(flags) => {
                settings.trap_all
                    || number(flags) & EMPTY_PATH == 0
                    || number(0) == FDCWD
                    || ours(0)
            }
            When::Fcntl => (ours(0) || settings.trap_all) && FCNTL.contains(&number(1)),
            When::Poll => number(1) != 0,
            When::Select => number(0) > if settings.trap_all { 0 } else { settings.low },
            When::UeventSocket => number(0) == AF_NETLINK && number(2) == 15,
        }
    }

    #[test]
    fn the_filter_traps_what_the_table_says_for_every_call_and_sample_arguments() {
        let samples = [
            0u64,
            1,
            15,
            16,
            767,
            2,
            3,
            768,
            1023,
            1024,
            0x1000,
            0x1100,
            0x4008_5600,
            0xc010_6400,
            0x5401,
            0x6900,
            0xffff_ffff,
            0xffff_ff9c,
            0x1_0000_0300,
            1030,
            4,
        ];
        for trap_all in [false, true] {
            let settings = Settings {
                trap_all,
                ..SETTINGS
            };
            let program = generate(&settings);
            for row in TABLE {
                let check = |args: [u64; 6]| {
                    let said = run(&program, ARCH, row.nr as u32, args);
                    let trapped = said == SECCOMP_RET_USER_NOTIF;
                    let wanted = expected(row.when, &settings, args);
                    assert_eq!(trapped, wanted, "{} {args:#x?} {trap_all}", row.name);
                };
                for a in samples {
                    for b in samples {
                        check([a, b, 0, b, 0, 0]);
                        check([a, 0, b, 0, b, 0]);
                        check([b, a, a, 0, a, 0]);
                    }
                }
            }
        }
    }

    #[test]
    fn a_call_with_the_accelerators_key_goes_on_and_one_with_anothers_does_not() {
        let program = generate(&SETTINGS);
        let ours = [800, 0x7fff_0000_1000, 0x7fff_0000_2000, 0, 800];
        for row in TABLE {
            let nr = row.nr as u32;
            let with = |key: u64| {
                let args = [ours[0], ours[1], ours[2], ours[3], ours[4], key];
                run(&program, ARCH, nr, args)
            };
            let plain = with(0);
            let native = Asks::Native.key(nr, ours[0], ours[1]);
            match key::NATIVE.contains(&row.nr) {
                true => assert_eq!(with(native), SECCOMP_RET_ALLOW, "{}", row.name),
                false => assert_eq!(with(native), plain, "{}", row.name),
            }
            for other in [
                Asks::Native.key(nr + 1, ours[0], ours[1]),
                Asks::Native.key(nr, ours[0] + 1, ours[1]),
                Asks::Native.key(nr, ours[0], ours[1] + 8),
                Asks::Wait.key(nr, ours[0], ours[1]),
                native ^ 1,
                native ^ 1 << 63,
            ] {
                assert_eq!(with(other), plain, "{} {other:#x}", row.name);
            }
        }
        assert!(
            key::NATIVE
                .iter()
                .all(|nr| crate::table::row(*nr).is_some())
        );
    }

    #[test]
    fn a_call_that_is_not_in_the_table_is_the_kernels() {
        let program = generate(&SETTINGS);
        for nr in 0..600 {
            if TABLE.iter().all(|row| row.nr != nr) {
                let said = run(&program, ARCH, nr as u32, [800; 6]);
                assert_eq!(said, SECCOMP_RET_ALLOW, "{nr}");
            }
        }
    }

    #[test]
    fn other_architectures_and_x32_come_to_us() {
        let program = generate(&SETTINGS);
        let i386 = 0x4000_0003;
        assert_eq!(run(&program, i386, 1, [0; 6]), SECCOMP_RET_USER_NOTIF);
        assert_eq!(run(&program, ARCH, X32 | 1, [0; 6]), SECCOMP_RET_USER_NOTIF);
    }

    #[test]
    fn no_call_is_twice_in_the_table_and_the_kernel_takes_the_program() {
        for (index, row) in TABLE.iter().enumerate() {
            assert!(
                TABLE[..index].iter().all(|other| other.nr != row.nr),
                "{}",
                row.name
            );
        }
        let program = generate(&SETTINGS);
        assert!(program.len() < 4096, "{} instructions", program.len());
        for (at, i) in program.iter().enumerate() {
            let code = u32::from(i.code);
            if code & 7 == BPF_JMP {
                let far = if code & 0xf0 == BPF_JA {
                    i.k as usize
                } else {
                    i.jt.max(i.jf).into()
                };
                assert!(
                    at + 1 + far < program.len(),
                    "jump out of the program at {at}"
                );
            }
        }
    }
}
