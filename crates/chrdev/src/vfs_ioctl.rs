//! Ioctls that the kernel answers before the driver sees them.
//!
//! Follows `fs/ioctl.c: do_vfs_ioctl` for what is no regular file.

use lastfd_model::{Errno, Result};

use crate::file::File;
use crate::flags::OpenFlags;
use crate::memory::Caller;

// include/uapi/asm-generic/ioctls.h
const FIONCLEX: u32 = 0x5450;
const FIOCLEX: u32 = 0x5451;
const FIONBIO: u32 = 0x5421;
const FIOASYNC: u32 = 0x5452;
const FIOQSIZE: u32 = 0x5460;
// include/uapi/linux/fs.h
const FIGETBSZ: u32 = 2;
const FIFREEZE: u32 = 0xc004_5877;
const FITHAW: u32 = 0xc004_5878;
const FICLONE: u32 = 0x4004_9409;
const FICLONERANGE: u32 = 0x4020_940d;
const FIDEDUPERANGE: u32 = 0xc018_9436;
const FS_IOC_FIEMAP: u32 = 0xc020_660b;

/// The block size that devtmpfs and anonymous inodes have.
const BLOCK_SIZE: i32 = 4096;

/// `EXDEV`: the two files are on different file systems.
const EXDEV: i32 = 18;

/// The answer, or `None` if it is the driver's (`-ENOIOCTLCMD`). `FIONREAD` is:
/// only regular files have it answered here.
pub(crate) fn do_vfs_ioctl(
    file: &File,
    cmd: u32,
    arg: u64,
    caller: &mut dyn Caller,
) -> Option<Result<i32>> {
    Some(match cmd {
        // Whoever keeps the descriptors marks them; a dup has its own mark.
        FIOCLEX | FIONCLEX => Ok(0),
        FIONBIO => get_int(caller, arg).map(|on| {
            file.change_flags(|flags| match on {
                0 => flags & !OpenFlags::NONBLOCK,
                _ => flags | OpenFlags::NONBLOCK,
            });
            0
        }),
        FIOASYNC => get_int(caller, arg).and_then(|on| fioasync(file, on != 0)),
        FIOQSIZE => Err(Errno::ENOTTY),
        FIFREEZE | FITHAW | FS_IOC_FIEMAP => Err(Errno::EOPNOTSUPP),
        FIGETBSZ => put(caller, arg, &BLOCK_SIZE.to_ne_bytes()),
        FICLONE => Err(Errno::from_code(EXDEV)),
        FICLONERANGE => get::<32>(caller, arg).and(Err(Errno::from_code(EXDEV))),
        FIDEDUPERANGE => get::<2>(caller, arg.wrapping_add(16)).and(Err(Errno::EINVAL)),
        _ => return None,
    })
}

/// fs/ioctl.c: ioctl_fioasync.
fn fioasync(file: &File, on: bool) -> Result<i32> {
    if file.flags().contains(OpenFlags::ASYNC) == on {
        return Ok(0);
    }
    if !file.op_set().fasync {
        return Err(Errno::ENOTTY);
    }
    file.change_flags(|flags| match on {
        true => flags | OpenFlags::ASYNC,
        false => flags & !OpenFlags::ASYNC,
    });
    Ok(0)
}

fn get<const N: usize>(caller: &mut dyn Caller, addr: u64) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    if !caller.access_ok(addr, N as u64) {
        return Err(Errno::EFAULT);
    }
    caller.read_at(addr, &mut bytes)?;
    Ok(bytes)
}

fn get_int(caller: &mut dyn Caller, addr: u64) -> Result<i32> {
    get(caller, addr).map(i32::from_ne_bytes)
}

fn put(caller: &mut dyn Caller, addr: u64, bytes: &[u8]) -> Result<i32> {
    if !caller.access_ok(addr, bytes.len() as u64) {
        return Err(Errno::EFAULT);
    }
    caller.write_at(addr, bytes)?;
    Ok(0)
}
