//! What a program tried that cannot be served. It is refused, and said.

use core::fmt;

use lastfd_sync::Arc;

/// A program was refused something, with the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The program that was started.
    pub program: Arc<str>,
    /// The process: it, or one it started.
    pub pid: u32,
    /// What.
    pub what: What,
}

/// What was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// It ran a program for another architecture or of 32 bits.
    OtherArchitecture(String),
    /// It ran a program whose file asks for another user's rights.
    SetUid(String),
    /// It set io_uring up, whose calls pass the filter.
    IoUring,
    /// It mounted, or unmounted, where the tree is.
    Mount(String),
    /// It made the node of a device somewhere.
    MakeNode(String),
    /// It loaded or removed a kernel module.
    KernelModule,
    /// It went into a directory that only we have.
    ChangeDirectory(String),
    /// It watches a device with epoll, and copying its epoll descriptor is forbidden.
    Epoll,
    /// It watches a directory of ours with inotify, and copying its inotify descriptor is
    /// forbidden.
    Inotify,
    /// It waits for a device together with other files, and copying those is forbidden.
    MixedPoll,
    /// Its memory cannot be read.
    Unreadable,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (process {}) ", self.program, self.pid)?;
        match &self.what {
            What::OtherArchitecture(path) => write!(
                f,
                "runs {path}, which is not for x86-64: EPERM; only 64-bit programs can be served"
            ),
            What::SetUid(path) => write!(
                f,
                "runs {path} with another user's rights: EPERM; a served program cannot get them; run lastfd as that user instead"
            ),
            What::IoUring => f.write_str(
                "sets up io_uring: ENOSYS; its calls would pass by the test devices",
            ),
            What::Mount(path) => write!(
                f,
                "mounts or unmounts {path}: EPERM; the devices' trees stay where they are, and the machine's own are not shown elsewhere"
            ),
            What::MakeNode(path) => write!(
                f,
                "makes a device node {path}: EPERM; it would lead to the machine's own devices"
            ),
            What::KernelModule => {
                f.write_str("loads or removes a kernel module: EPERM; this machine is left alone")
            }
            What::ChangeDirectory(path) => write!(
                f,
                "changes to {path}: EACCES; a directory of the devices' trees can be opened and listed, but not be the working directory"
            ),
            What::Epoll => f.write_str(
                "watches a device with epoll: EPERM; pidfd_getfd is forbidden here: add --cap-add SYS_PTRACE to the container, or use poll",
            ),
            What::Inotify => f.write_str(
                "watches a directory of the devices' trees with inotify: EPERM; pidfd_getfd is forbidden here: add --cap-add SYS_PTRACE to the container, or listen to udev",
            ),
            What::MixedPoll => f.write_str(
                "waits for a device and for other files at once: EPERM; pidfd_getfd is forbidden here: add --cap-add SYS_PTRACE to the container",
            ),
            What::Unreadable => f.write_str(
                "cannot be served: EPERM; its memory is not ours to read: it is not dumpable, or the machine forbids it (kernel.yama.ptrace_scope)",
            ),
        }
    }
}
