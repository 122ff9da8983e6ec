//! `docs/syscalls.md`, written from the table.

use core::fmt;

use crate::table::{Doing, Row, TABLE, When};

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            When::Always => f.write_str("always"),
            When::Range(arg) => write!(f, "argument {arg} is in the range"),
            When::EitherRange(one, other) => {
                write!(f, "argument {one} or {other} is in the range")
            }
            When::RangeOrAll(arg) => write!(
                f,
                "argument {arg} is in the range, or 0, 1 or 2; always with trap-all"
            ),
            When::Ioctl => {
                f.write_str("argument 0 is in the range, or the command is of type V, d, a, i or \\|")
            }
            When::PathOrRange(_) => f.write_str(
                "a path is given, or argument 0 is in the range; always with trap-all",
            ),
            When::Fcntl => f.write_str(
                "argument 0 is in the range, with trap-all any, and the command is F_DUPFD, F_DUPFD_CLOEXEC, F_GETFL or F_SETFL",
            ),
            When::Poll => f.write_str("there are descriptors"),
            When::Select => f.write_str("there are descriptors up to the range"),
            When::UeventSocket => f.write_str("AF_NETLINK with NETLINK_KOBJECT_UEVENT"),
        }
    }
}

impl Doing {
    /// What is done, in words.
    pub fn words(self) -> &'static str {
        match self {
            Doing::Open | Doing::OpenAt | Doing::OpenAt2 | Doing::Creat => {
                "a device, an attribute, a directory of the trees: opened here, put into the program; a foreign path: the kernel"
            }
            Doing::Read | Doing::Readv | Doing::Pread | Doing::Preadv => {
                "the driver's read, or the attribute's show; of several parts the first for a device"
            }
            Doing::Write | Doing::Writev | Doing::Pwrite | Doing::Pwritev => {
                "the driver's write, or the attribute's store"
            }
            Doing::NoSplice => "EINVAL on a file of ours",
            Doing::NoFileWrite => "what a character device gives: EINVAL, ENODEV",
            Doing::Lseek => "the driver's llseek",
            Doing::Ioctl => "the driver's ioctl",
            Doing::Mmap => {
                "the driver's mmap checks it; its memory is laid into the file; the kernel maps it"
            }
            Doing::Stat | Doing::Lstat | Doing::Fstat | Doing::StatAt | Doing::Statx => {
                "type, numbers, modes of what is in the trees"
            }
            Doing::Statfs | Doing::Fstatfs => "sysfs, debugfs, devtmpfs by their magic numbers",
            Doing::Access | Doing::AccessAt => "by the permission bits of what is in the trees",
            Doing::Readlink | Doing::ReadlinkAt => {
                "links of the trees; /proc/self/fd/N of a device is its node"
            }
            Doing::Getxattr => "ENODATA in the trees",
            Doing::Listxattr => "none in the trees",
            Doing::NameToHandle => "EOPNOTSUPP in the trees",
            Doing::InotifyAddWatch => {
                "the program's inotify gets a watch of the directory that mirrors it"
            }
            Doing::Chdir => {
                "the kernel, where the machine has that directory, too; else EACCES, said"
            }
            Doing::Change
            | Doing::ChangeAt
            | Doing::ChangeTwo
            | Doing::ChangeTwoAt
            | Doing::ChangeSecond
            | Doing::ChangeSecondAt => {
                "outside the trees: the kernel; inside: EPERM, EACCES, EEXIST, EROFS"
            }
            Doing::MakeDevice | Doing::MakeDeviceAt => {
                "a device node anywhere: EPERM, said; another file: as a change"
            }
            Doing::Mount | Doing::Umount => {
                "below /sys and /dev, and of sysfs, devtmpfs and their like anywhere: EPERM, said; elsewhere: the kernel"
            }
            Doing::Dup => "a copy in the range",
            Doing::Fcntl => "copies in the range; the flags of the open file",
            Doing::Poll | Doing::Ppoll | Doing::Select | Doing::Pselect => {
                "with a device among them: answered here, the others asked through copies"
            }
            Doing::EpollCtl => "files that say what the device says go into the program's set",
            Doing::UeventSocket => "one end of a socket that the host's uevents go to",
            Doing::Bind => "joins the groups",
            Doing::SetSockOpt => "credentials, groups; the rest is passed over",
            Doing::GetSockName => "a netlink address",
            Doing::Recvfrom | Doing::Recvmsg => "a uevent, with netlink's address and credentials",
            Doing::Exec | Doing::ExecAt => {
                "setuid, setgid, 32-bit and unreadable programs: refused, said; others: the kernel"
            }
            Doing::IoUring => "ENOSYS, said",
            Doing::KernelModule => "EPERM, said",
        }
    }
}

/// The page.
pub fn page() -> String {
    let mut page = String::from(
        "# Trapped system calls\n\n\
         Written from `crates/supervisor/src/table.rs`, which the filter is made from, too.\n\
         A call that is not here goes to the kernel. \"The range\" are the descriptor numbers\n\
         reserved for files of ours: 768 to 1023, or the upper quarter below a smaller\n\
         limit for open files. On a file that is not ours every call is the kernel's.\n\n\
         | call | trapped when | what is done |\n|---|---|---|\n",
    );
    for Row {
        name, when, doing, ..
    } in TABLE
    {
        page.push_str(&format!("| `{name}` | {when} | {} |\n", doing.words()));
    }
    page
}
