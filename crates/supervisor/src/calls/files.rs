//! Calls on open files.

use lastfd_accel::key::Asked;
use lastfd_chrdev::{Direction, MapRequest, Mapping, UserMemory, Whence};
use lastfd_model::{Errno, Result};
use lastfd_sync::Arc;

use super::device::{self, Parts};
use crate::deferred::Blocked;
use crate::mappings::see_unmaps;
use crate::objects::{AttributeFile, Content, DeviceFile, Object};
use crate::task::{Answer, Task};

/// Bytes of a page, which is what a read or write of an attribute moves at most.
const PAGE: usize = 4096;
/// Parts of a scattered read or write at most (`UIO_MAXIOV`).
const MAX_PARTS: u64 = 1024;
/// Bytes that they hold together at most (`MAX_RW_COUNT`).
const MAX_BYTES: u64 = 0x7fff_f000;

const RWF_HIPRI: u32 = 0x1;
/// What a file that is written at once has already: `RWF_DSYNC`, `RWF_SYNC`, `RWF_APPEND`.
const RWF_OF_ATTRIBUTES: u32 = RWF_HIPRI | 0x2 | 0x4 | 0x10;

const FIONBIO: u32 = 0x5421;
const FIOCLEX: u32 = 0x5451;
const FIONCLEX: u32 = 0x5450;

fn object(task: &Task) -> Option<Arc<Object>> {
    let object = task.object(task.int(0))?;
    // What other descriptors' closes did is to be seen by this call.
    task.session.shared.objects.see_closes();
    Some(object)
}

/// Tells the host's books who calls, and by which descriptor.
fn calls(task: &Task, device: &DeviceFile) {
    device.mappings.settle(task.tid());
    let holders = task.session.shared.host.holders();
    holders.calls(device.file.file().name().id, task.tid(), task.int(0));
}

/// read(fd, buffer, count) and pread64.
pub(super) fn read(task: &Task, at: Option<i64>) -> Answer {
    one_part(task, Direction::Read, at)
}

/// write(fd, buffer, count) and pwrite64.
pub(super) fn write(task: &Task, at: Option<i64>) -> Answer {
    one_part(task, Direction::Write, at)
}

/// readv(fd, parts, count), preadv and preadv2.
pub(super) fn readv(task: &Task, at: Option<i64>) -> Answer {
    scattered(task, Direction::Read, at)
}

/// writev(fd, parts, count), pwritev and pwritev2.
pub(super) fn writev(task: &Task, at: Option<i64>) -> Answer {
    scattered(task, Direction::Write, at)
}

fn one_part(task: &Task, direction: Direction, at: Option<i64>) -> Answer {
    match object(task) {
        None => Answer::Continue,
        Some(object) => transfer(
            task,
            &object,
            direction,
            vec![(task.arg(1), task.arg(2))],
            at,
        ),
    }
}

fn scattered(task: &Task, direction: Direction, mut at: Option<i64>) -> Answer {
    let Some(object) = object(task) else {
        return Answer::Continue;
    };
    let mut flags = 0;
    if matches!(task.note.nr, libc::SYS_preadv2 | libc::SYS_pwritev2) {
        flags = task.arg(5) as u32;
        // Their sign for the file's own position.
        at = at.filter(|at| *at != -1);
    }
    let known = match &object.content {
        Content::Device(device) => {
            if device.file.may_transfer(direction, at).is_err() {
                // Said before the parts are looked at.
                return transfer(task, &object, direction, vec![(0, 0)], at);
            }
            RWF_HIPRI
        }
        _ => RWF_OF_ATTRIBUTES,
    };
    match parts(task) {
        Err(errno) => Answer::Error(errno),
        // fs/read_write.c: vfs_readv
        Ok(parts) if parts.iter().all(|(_, len)| *len == 0) => Answer::Value(0),
        // fs/read_write.c: do_loop_readv_writev
        Ok(_) if flags & !known != 0 => Answer::Error(Errno::EOPNOTSUPP),
        Ok(parts) => transfer(task, &object, direction, parts, at),
    }
}

/// lib/iov_iter.c: __import_iovec.
fn parts(task: &Task) -> Result<Vec<(u64, u64)>> {
    let (mut at, count) = (task.arg(1), task.arg(2));
    if count > MAX_PARTS {
        return Err(Errno::EINVAL);
    }
    let mut parts = Vec::new();
    let mut room = MAX_BYTES;
    for _ in 0..count {
        let (addr, len) = (task.word(at)?, task.word(at + 8)?);
        if len > i64::MAX as u64 {
            return Err(Errno::EINVAL);
        }
        if !task.access_ok(addr, len) {
            return Err(Errno::EFAULT);
        }
        let len = len.min(room);
        room -= len;
        parts.push((addr, len));
        at += 16;
    }
    Ok(parts)
}

fn transfer(
    task: &Task,
    object: &Arc<Object>,
    direction: Direction,
    parts: Vec<(u64, u64)>,
    at: Option<i64>,
) -> Answer {
    match &object.content {
        Content::Device(device) => {
            calls(task, device);
            let parts = Parts::new(direction, at, parts);
            device::transfer(task, object, &device.file, parts)
        }
        Content::Attribute(_) => {
            let call = match direction {
                Direction::Read => read_attribute,
                Direction::Write => write_attribute,
            };
            attribute_call(task, object, parts, at, call)
        }
        Content::Path(_) => Answer::Error(Errno::EBADF),
        Content::Uevents(_) => Answer::Continue,
    }
}

type AttributeCall = fn(&Task, &AttributeFile, &[(u64, u64)], Option<i64>) -> Result<i64>;

/// Carries a call on an attribute out where it may sleep.
fn attribute_call(
    task: &Task,
    object: &Arc<Object>,
    parts: Vec<(u64, u64)>,
    at: Option<i64>,
    call: AttributeCall,
) -> Answer {
    let (object, caller) = (Arc::clone(object), task.clone());
    task.session.shared.workers.run(move || {
        let system = caller.session.shared.host.system();
        let result = system.guard(None, "attribute", || match &object.content {
            Content::Attribute(file) => call(&caller, file, &parts, at),
            _ => Err(Errno::EBADF),
        });
        caller.answer(result.unwrap_or(Err(Errno::EIO)).into());
    });
    Answer::Given
}

fn read_attribute(
    task: &Task,
    file: &AttributeFile,
    parts: &[(u64, u64)],
    at: Option<i64>,
) -> Result<i64> {
    let from = match at {
        Some(at) => u64::try_from(at).map_err(|_| Errno::EINVAL)?,
        None => *file.position.lock(),
    };
    let mut total = 0u64;
    for (addr, len) in parts {
        let mut room = vec![0; (*len as usize).min(PAGE)];
        if room.is_empty() {
            continue;
        }
        let n = match file.attribute.read_at(from + total, &mut room) {
            Ok(n) => n,
            // What was read counts.
            Err(_) if total > 0 => break,
            Err(errno) => return Err(errno),
        };
        task.write(*addr, &room[..n])?;
        total += n as u64;
        if n < room.len() {
            break;
        }
    }
    if at.is_none() {
        *file.position.lock() = from + total;
    }
    Ok(total as i64)
}

fn write_attribute(
    task: &Task,
    file: &AttributeFile,
    parts: &[(u64, u64)],
    at: Option<i64>,
) -> Result<i64> {
    // fs/kernfs/file.c: kernfs_fop_write_iter takes a page at most, of all parts together.
    let mut bytes = Vec::new();
    for (addr, len) in parts {
        let mut part = vec![0; (*len as usize).min(PAGE - bytes.len())];
        task.read(*addr, &mut part)?;
        bytes.extend(part);
    }
    let n = file.attribute.write(&bytes)? as i64;
    if at.is_none() {
        *file.position.lock() += n as u64;
    }
    Ok(n)
}

/// Files that the kernel would copy from or to by itself.
pub(super) fn no_splice(task: &Task) -> Answer {
    let other = match task.note.nr {
        libc::SYS_sendfile => task.int(1),
        _ => task.int(2),
    };
    match (task.object(task.int(0)), task.object(other)) {
        (None, None) => Answer::Continue,
        // A device has no splice_read of its own kind; copy_splice_read is not offered.
        _ => Answer::Error(Errno::EINVAL),
    }
}

/// What is for regular files only.
pub(super) fn no_file_write(task: &Task) -> Answer {
    match task.object(task.int(0)) {
        None => Answer::Continue,
        Some(object) => match (&object.content, task.note.nr) {
            (Content::Uevents(_), _) => Answer::Continue,
            (Content::Path(_), _) => Answer::Error(Errno::EBADF),
            (Content::Attribute(_), libc::SYS_ftruncate) => Answer::Value(0),
            // fs/open.c: vfs_fallocate, for what is neither a file nor a directory.
            (_, libc::SYS_fallocate) => Answer::Error(Errno::ENODEV),
            _ => Answer::Error(Errno::EINVAL),
        },
    }
}

pub(super) fn lseek(task: &Task) -> Answer {
    let Some(object) = object(task) else {
        return Answer::Continue;
    };
    let (offset, whence) = (task.arg(1) as i64, Whence::from_number(task.arg(2) as u32));
    let result = match &object.content {
        Content::Device(device) => {
            whence.and_then(|whence| device.file.lseek(offset, whence).map(|pos| pos as i64))
        }
        Content::Attribute(file) => whence.and_then(|whence| {
            let mut position = file.position.lock();
            let base = match whence {
                Whence::Set => 0,
                Whence::Cur => *position as i64,
                Whence::End => PAGE as i64,
                Whence::Data | Whence::Hole => return Err(Errno::EINVAL),
            };
            let to = base.checked_add(offset).filter(|to| *to >= 0);
            let to = to.ok_or(Errno::EINVAL)?;
            *position = to as u64;
            Ok(to)
        }),
        Content::Path(_) => Err(Errno::EBADF),
        Content::Uevents(_) => return Answer::Continue,
    };
    result.into()
}

/// The call of the same program that waits with this number.
fn waiting(task: &Task, number: u64) -> Option<Arc<Blocked>> {
    let blocked = task.session.shared.reactor.blocked(number)?;
    (blocked.task.session.number == task.session.number).then_some(blocked)
}

/// A caller that waits by itself is about to sleep, in a read or a poll.
pub(super) fn sleep(task: &Task, number: u64) -> Answer {
    let Some(blocked) = waiting(task, number) else {
        return Answer::Error(Errno::EBADF);
    };
    task.session.shared.checkpoint();
    blocked.sleep(task);
    task.session.shared.checkpoint();
    Answer::Given
}

/// A caller that waits by itself waits no longer: an ioctl on no descriptor.
fn ends(task: &Task) -> Option<Answer> {
    let asked = Asked::of(task.arg(1) as u32).filter(|_| task.int(0) == -1)?;
    task.asks()?;
    Some(match waiting(task, task.arg(2)) {
        Some(blocked) => {
            blocked.end(task, asked);
            Answer::Given
        }
        None => Answer::Error(Errno::EBADF),
    })
}

pub(super) fn ioctl(task: &Task) -> Answer {
    if let Some(answer) = ends(task) {
        return answer;
    }
    let Some(object) = object(task) else {
        return Answer::Continue;
    };
    let cmd = task.arg(1) as u32;
    // The mark is the descriptor's, which is the kernel's.
    if matches!(cmd, FIOCLEX | FIONCLEX) {
        return Answer::Continue;
    }
    match &object.content {
        Content::Device(device) => {
            calls(task, device);
            let call = device.file.begin_ioctl(cmd, task.arg(2));
            if cmd == FIONBIO {
                // Whoever asks a copy of the descriptor below the range is to see it, too.
                set_native_nonblock(task, device);
            }
            device::call(task, &object, call)
        }
        Content::Attribute(_) => Answer::Error(Errno::ENOTTY),
        Content::Path(_) => Answer::Error(Errno::EBADF),
        Content::Uevents(_) => Answer::Continue,
    }
}

fn set_native_nonblock(task: &Task, _device: &DeviceFile) {
    let mut on = [0; 4];
    if task.read(task.arg(2), &mut on).is_err() {
        return;
    }
    if let Ok(own) = task.copy_fd(task.int(0)) {
        // Without a copy the flag of ours alone counts.
        let _ = rustix::io::ioctl_fionbio(&own, on != [0; 4]);
    }
}

/// mmap(addr, length, prot, flags, fd, offset)
pub(super) fn mmap(task: &Task) -> Answer {
    const ANONYMOUS: i32 = libc::MAP_ANONYMOUS;
    const TYPE: i32 = 0x0f;
    if task.int(3) & ANONYMOUS != 0 {
        return Answer::Continue;
    }
    let Some(object) = task.object(task.int(4)) else {
        return Answer::Continue;
    };
    task.session.shared.objects.see_closes();
    let device = match &object.content {
        Content::Device(device) => device,
        Content::Path(_) => return Answer::Error(Errno::EBADF),
        Content::Attribute(_) | Content::Uevents(_) => return Answer::Error(Errno::ENODEV),
    };
    let (prot, kind) = (task.int(2), task.int(3) & TYPE);
    let request = MapRequest {
        offset: task.arg(5),
        len: task.arg(1),
        read: prot & libc::PROT_READ != 0,
        write: prot & libc::PROT_WRITE != 0,
        shared: kind != libc::MAP_PRIVATE,
    };
    let call = device.file.begin_mmap();
    task.session.shared.checkpoint();
    let mapping = match call.end(request) {
        Ok(mapping) => mapping,
        Err(errno) => return Answer::Error(errno),
    };
    match lay(&object, &mapping, request.offset) {
        Ok(()) => {
            if device.mappings.add(mapping, request.offset, task.tid()) {
                see_unmaps([&*object]);
            }
            // The kernel maps the file; the driver's memory is in it.
            Answer::Continue
        }
        Err(errno) => Answer::Error(errno),
    }
}

/// Sees to it that the memory lies in the file at this offset.
fn lay(object: &Object, mapping: &Mapping, offset: u64) -> Result {
    use std::os::fd::AsFd;
    let inode = object.inode.as_ref().ok_or(Errno::ENODEV)?;
    let region = mapping.region();
    let within = mapping.region_offset() as u64;
    if let Some(start) = offset.checked_sub(within) {
        if region.move_into(inode.as_fd(), start)? {
            return Ok(());
        }
        let (file, at) = region.memory()?;
        let there = rustix::fs::fstat(&file).map_err(|_| Errno::EIO)?;
        if (there.st_dev, there.st_ino) == object.key && at == start {
            return Ok(());
        }
    }
    // It lies in another open file, through which it was mapped first: what is there now
    // is copied, and later changes are not seen. See docs/limits.md.
    copy(object, mapping, offset)
}

fn copy(object: &Object, mapping: &Mapping, offset: u64) -> Result {
    let inode = object.inode.as_ref().ok_or(Errno::ENODEV)?;
    let errno = |error: rustix::io::Errno| Errno::from_code(error.raw_os_error());
    let end = offset + mapping.len() as u64;
    if (rustix::fs::fstat(inode).map_err(errno)?.st_size as u64) < end {
        rustix::fs::ftruncate(inode, end).map_err(errno)?;
    }
    let mut page = [0; PAGE];
    for at in (0..mapping.len()).step_by(PAGE) {
        mapping
            .region()
            .read(mapping.region_offset() + at, &mut page)?;
        rustix::io::pwrite(inode, &page, offset + at as u64).map_err(errno)?;
    }
    Ok(())
}
