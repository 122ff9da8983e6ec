//! A program that makes the system calls it is told, and the words it is told them in.

use std::io::{Error, Read, Write};
use std::os::fd::FromRawFd;

/// Where its memory is, and how much.
pub const ARENA: u64 = 0x2000_0000;
/// Bytes there.
pub const ARENA_LENGTH: usize = 1 << 16;

/// Where it hears and answers: numbers of which no call is trapped.
const HEARS: i32 = 10;
const ANSWERS: i32 = 11;
/// The first of what it has open from the start.
const OPEN: i32 = 20;

/// What it is told.
#[derive(Debug)]
pub enum Request<'a> {
    /// A system call.
    Call(i64, [u64; 6]),
    /// Bytes to this place of its memory.
    Write(u32, &'a [u8]),
    /// Close a descriptor.
    Close(u32),
    /// Close all from this number on.
    CloseFrom(u32),
}

impl Request<'_> {
    /// Eight words, then bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let (words, bytes) = match self {
            Request::Call(number, a) => {
                let words = [0, *number as u64, a[0], a[1], a[2], a[3], a[4], a[5]];
                (words, &[][..])
            }
            Request::Write(place, bytes) => {
                let length = bytes.len() as u64;
                ([1, u64::from(*place), length, 0, 0, 0, 0, 0], *bytes)
            }
            Request::Close(fd) => ([2, u64::from(*fd), 0, 0, 0, 0, 0, 0], &[][..]),
            Request::CloseFrom(fd) => ([3, u64::from(*fd), 0, 0, 0, 0, 0, 0], &[][..]),
        };
        let mut all: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        all.extend(bytes);
        all
    }
}

extern "C" fn handled(_: i32) {}

/// Does what it is told until nobody tells it anything.
pub fn caller() -> ! {
    // SAFETY: memory and descriptors that nobody else knows of.
    let (mut hears, mut answers) = unsafe {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
        let prot = libc::PROT_READ | libc::PROT_WRITE;
        let arena = libc::mmap(ARENA as *mut _, ARENA_LENGTH, prot, flags, -1, 0);
        assert_eq!(arena as u64, ARENA);
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handled as *const () as usize;
        libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut());
        libc::dup2(0, HEARS);
        libc::dup2(1, ANSWERS);
        let mut pair = [0; 2];
        libc::socketpair(libc::AF_UNIX, libc::SOCK_STREAM, 0, pair.as_mut_ptr());
        let made = [
            libc::epoll_create1(0),
            libc::eventfd(1, 0),
            libc::inotify_init1(libc::IN_NONBLOCK),
            pair[0],
            pair[1],
            libc::timerfd_create(libc::CLOCK_MONOTONIC, 0),
        ];
        for (fd, number) in made.into_iter().zip(OPEN..) {
            libc::dup2(fd, number);
        }
        libc::close_range(0, 2, 0);
        libc::close_range(12, OPEN as u32 - 1, 0);
        (
            std::fs::File::from_raw_fd(HEARS),
            std::fs::File::from_raw_fd(ANSWERS),
        )
    };
    answers.write_all(&0i64.to_ne_bytes()).unwrap();
    let mut message = [0; 64];
    let mut bytes = vec![0; ARENA_LENGTH];
    loop {
        if !read_all(&mut hears, &mut message) {
            // SAFETY: ends this process, without what is done at an exit.
            unsafe { libc::_exit(0) };
        }
        let word = |at: usize| {
            let bytes: [u8; 8] = message[at * 8..][..8].try_into().unwrap();
            u64::from_ne_bytes(bytes)
        };
        let result = match word(0) {
            // SAFETY: whatever it does is done to this process alone: the supervisor
            // lets no call go on to the kernel.
            0 => unsafe {
                let done = libc::syscall(
                    word(1) as i64,
                    word(2),
                    word(3),
                    word(4),
                    word(5),
                    word(6),
                    word(7),
                );
                match done {
                    -1 => -i64::from(Error::last_os_error().raw_os_error().unwrap_or(0)),
                    done => done,
                }
            },
            1 => {
                let bytes = &mut bytes[..word(2) as usize];
                read_all(&mut hears, bytes);
                // SAFETY: within the memory that was mapped for this.
                unsafe {
                    let to = (ARENA + word(1)) as *mut u8;
                    std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len());
                }
                0
            }
            // SAFETY: descriptors that nobody here uses.
            2 => unsafe { libc::close(word(1) as i32).into() },
            // SAFETY: as above.
            _ => unsafe { libc::close_range(word(1) as u32, u32::MAX, 0).into() },
        };
        answers.write_all(&result.to_ne_bytes()).unwrap();
    }
}

/// Reads, whatever signals come. False at the end.
fn read_all(from: &mut std::fs::File, into: &mut [u8]) -> bool {
    from.read_exact(into).is_ok()
}
