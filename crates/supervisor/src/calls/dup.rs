//! Copies of descriptors, and their flags.

use std::os::fd::AsFd;

use lastfd_chrdev::OpenFlags;
use lastfd_model::Errno;

use crate::objects::Content;
use crate::task::{Answer, Task};

/// A copy in the reserved range: of the same open file, for the kernel makes it.
fn copy(task: &Task, cloexec: bool, from: u32) -> Answer {
    let fd = task.int(0);
    if task.object(fd).is_none() {
        return Answer::Continue;
    }
    if let Some(asked) = task.ask_for_copy() {
        return asked;
    }
    match task.copy_fd(fd) {
        Ok(own) => task.give(own.as_fd(), cloexec, from),
        // Where copying is forbidden it goes below the range.
        Err(_) => Answer::Continue,
    }
}

pub(super) fn dup(task: &Task) -> Answer {
    copy(task, false, 0)
}

pub(super) fn fcntl(task: &Task) -> Answer {
    let argument = task.arg(2);
    match task.int(1) {
        libc::F_DUPFD | libc::F_DUPFD_CLOEXEC
            if argument >= u64::from(task.session.settings.high) =>
        {
            Answer::Continue
        }
        libc::F_DUPFD => copy(task, false, argument as u32),
        libc::F_DUPFD_CLOEXEC => copy(task, true, argument as u32),
        libc::F_GETFL => match task.object(task.int(0)) {
            Some(object) => match &object.content {
                Content::Device(device) => Answer::Value(device.file.flags().0.into()),
                Content::Attribute(attribute) => {
                    let once = OpenFlags::CREAT
                        | OpenFlags::EXCL
                        | OpenFlags::NOCTTY
                        | OpenFlags::TRUNC
                        | OpenFlags::CLOEXEC;
                    let flags = attribute.flags & !once | OpenFlags::LARGEFILE;
                    Answer::Value(flags.0.into())
                }
                Content::Path(_) => Answer::Value(libc::O_PATH.into()),
                Content::Uevents(_) => Answer::Continue,
            },
            None => Answer::Continue,
        },
        libc::F_SETFL => match task.object(task.int(0)) {
            Some(object) => match &object.content {
                Content::Device(device) => {
                    match device.file.set_flags(OpenFlags(argument as u32)) {
                        // Those of the file below are changed alike.
                        Ok(()) => Answer::Continue,
                        Err(errno) => Answer::Error(errno),
                    }
                }
                Content::Path(_) => Answer::Error(Errno::EBADF),
                _ => Answer::Continue,
            },
            None => Answer::Continue,
        },
        _ => Answer::Continue,
    }
}
