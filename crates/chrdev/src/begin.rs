//! How calls on an open file begin.

use lastfd_model::{Errno, Result};

use crate::call::{Call, Op};
use crate::file::fmode;
use crate::handle::OpenFile;

/// Which way a transfer moves bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the file to the caller.
    Read,
    /// From the caller to the file.
    Write,
}

impl OpenFile {
    /// Whether bytes may be moved at all, to or from a position of the call's own or the
    /// file's: what is asked before anything is known of the caller's memory.
    ///
    /// # Errors
    /// `EINVAL` if the position is negative or there is no such operation, `ESPIPE` if
    /// the file has no positions, `EBADF` if it was not opened for this.
    // fs/read_write.c: do_preadv, vfs_readv and their twins
    pub fn may_transfer(&self, direction: Direction, at: Option<i64>) -> Result {
        let file = self.file();
        let (access, positioned) = match direction {
            Direction::Read => (fmode::READ, fmode::PREAD),
            Direction::Write => (fmode::WRITE, fmode::PWRITE),
        };
        match at {
            Some(at) if at < 0 => return Err(Errno::EINVAL),
            Some(_) if !file.has_mode(positioned) => return Err(Errno::ESPIPE),
            _ => {}
        }
        if !file.has_mode(access) {
            return Err(Errno::EBADF);
        }
        let ops = file.op_set();
        let can = match direction {
            Direction::Read => ops.read,
            Direction::Write => ops.write,
        };
        if can { Ok(()) } else { Err(Errno::EINVAL) }
    }

    /// Begins a read of `count` bytes to `addr` in the caller's memory.
    #[track_caller]
    pub fn begin_read(&self, addr: u64, count: u64) -> Call {
        let pos = self.call_pos();
        Call::begin(
            self,
            Op::Read {
                addr,
                count,
                at: None,
            },
            pos,
        )
    }

    /// Begins a pread.
    #[track_caller]
    pub fn begin_pread(&self, addr: u64, count: u64, at: i64) -> Call {
        let pos = u64::try_from(at).ok();
        Call::begin(
            self,
            Op::Read {
                addr,
                count,
                at: Some(at),
            },
            pos,
        )
    }

    /// Begins a write of `count` bytes from `addr` in the caller's memory.
    #[track_caller]
    pub fn begin_write(&self, addr: u64, count: u64) -> Call {
        let pos = self.call_pos();
        Call::begin(
            self,
            Op::Write {
                addr,
                count,
                at: None,
            },
            pos,
        )
    }

    /// Begins a pwrite.
    #[track_caller]
    pub fn begin_pwrite(&self, addr: u64, count: u64, at: i64) -> Call {
        let pos = u64::try_from(at).ok();
        Call::begin(
            self,
            Op::Write {
                addr,
                count,
                at: Some(at),
            },
            pos,
        )
    }

    /// Begins an ioctl.
    #[track_caller]
    pub fn begin_ioctl(&self, cmd: u32, arg: u64) -> Call {
        Call::begin(self, Op::Ioctl { cmd, arg }, None)
    }

    /// fs/read_write.c: file_ppos.
    fn call_pos(&self) -> Option<u64> {
        let file = self.file();
        (!file.has_mode(fmode::STREAM)).then(|| file.pos())
    }
}
