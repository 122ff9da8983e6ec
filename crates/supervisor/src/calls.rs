//! What is done with each trapped call: the code behind the table.

mod device;
mod dup;
mod files;
mod names;
mod open;
mod poll;
mod refused;
mod stat;

use crate::filter::ARCH;
use crate::notice::What;
use crate::paths::FDCWD;
use crate::table::{self, Doing};
use crate::task::{Answer, Task};
use crate::{bells, uevents};

/// `__X32_SYSCALL_BIT`
const X32: i64 = 0x4000_0000;

/// Answers a trapped call, now or later.
pub(crate) fn answer(task: &Task) -> Answer {
    if task.note.arch != ARCH || task.note.nr >= X32 {
        let what = What::OtherArchitecture(refused::program_of(task));
        task.session.notice(task, what);
        task.session.kill(task);
        return Answer::Given;
    }
    let Some(row) = table::row(task.note.nr) else {
        return Answer::Continue;
    };
    if let Some(number) = task.sleeps() {
        return files::sleep(task, number);
    }
    match row.doing {
        Doing::Open => open::open(task, FDCWD, task.arg(0), task.arg(1) as u32),
        Doing::OpenAt => open::open(task, task.int(0), task.arg(1), task.arg(2) as u32),
        Doing::OpenAt2 => open::openat2(task),
        Doing::Creat => open::creat(task),
        Doing::Read => files::read(task, None),
        Doing::Readv => files::readv(task, None),
        Doing::Pread => files::read(task, Some(task.arg(3) as i64)),
        Doing::Preadv => files::readv(task, Some(task.arg(3) as i64)),
        Doing::Write => files::write(task, None),
        Doing::Writev => files::writev(task, None),
        Doing::Pwrite => files::write(task, Some(task.arg(3) as i64)),
        Doing::Pwritev => files::writev(task, Some(task.arg(3) as i64)),
        Doing::NoSplice => files::no_splice(task),
        Doing::NoFileWrite => files::no_file_write(task),
        Doing::Lseek => files::lseek(task),
        Doing::Ioctl => files::ioctl(task),
        Doing::Mmap => files::mmap(task),
        Doing::Stat => stat::stat(task, FDCWD, task.arg(0), task.arg(1), 0),
        Doing::Lstat => {
            let flags = libc::AT_SYMLINK_NOFOLLOW;
            stat::stat(task, FDCWD, task.arg(0), task.arg(1), flags)
        }
        Doing::Fstat => stat::fstat(task),
        Doing::StatAt => {
            let (directory, flags) = (task.int(0), task.int(3));
            stat::stat(task, directory, task.arg(1), task.arg(2), flags)
        }
        Doing::Statx => stat::statx(task),
        Doing::Statfs => stat::statfs(task),
        Doing::Fstatfs => stat::fstatfs(task),
        Doing::Access => names::access(task, FDCWD, task.arg(0), task.int(1), 0),
        Doing::AccessAt => {
            let flags = match task.note.nr {
                libc::SYS_faccessat2 => task.int(3),
                _ => 0,
            };
            names::access(task, task.int(0), task.arg(1), task.int(2), flags)
        }
        Doing::Readlink => names::readlink(task, FDCWD, [task.arg(0), task.arg(1), task.arg(2)]),
        Doing::ReadlinkAt => {
            let rest = [task.arg(1), task.arg(2), task.arg(3)];
            names::readlink(task, task.int(0), rest)
        }
        Doing::Getxattr => names::xattr(task, Answer::Error(lastfd_model::Errno::ENODATA)),
        Doing::Listxattr => names::xattr(task, Answer::Value(0)),
        Doing::NameToHandle => names::name_to_handle(task),
        Doing::InotifyAddWatch => names::inotify_add_watch(task),
        Doing::Chdir => names::chdir(task),
        Doing::Change => names::change(task, FDCWD, task.arg(0)),
        Doing::ChangeAt => names::change(task, task.int(0), task.arg(1)),
        Doing::ChangeTwo => names::change_two(task, (FDCWD, task.arg(0)), (FDCWD, task.arg(1))),
        Doing::ChangeTwoAt => {
            let from = (task.int(0), task.arg(1));
            names::change_two(task, from, (task.int(2), task.arg(3)))
        }
        Doing::ChangeSecond => names::change(task, FDCWD, task.arg(1)),
        Doing::ChangeSecondAt => names::change(task, task.int(1), task.arg(2)),
        Doing::MakeDevice => refused::mknod(task, FDCWD, task.arg(0), task.arg(1)),
        Doing::MakeDeviceAt => refused::mknod(task, task.int(0), task.arg(1), task.arg(2)),
        Doing::Mount => refused::mount(task),
        Doing::Umount => refused::umount(task),
        Doing::Dup => dup::dup(task),
        Doing::Fcntl => dup::fcntl(task),
        Doing::Poll => poll::poll(task),
        Doing::Ppoll => poll::ppoll(task),
        Doing::Select => poll::select(task),
        Doing::Pselect => poll::pselect(task),
        Doing::EpollCtl => bells::epoll_ctl(task),
        Doing::UeventSocket => uevents::socket(task),
        Doing::Bind => uevents::bind(task),
        Doing::SetSockOpt => uevents::setsockopt(task),
        Doing::GetSockName => uevents::getsockname(task),
        Doing::Recvfrom => uevents::recvfrom(task),
        Doing::Recvmsg => uevents::recvmsg(task),
        Doing::Exec => refused::exec(task, FDCWD, task.arg(0), 0),
        Doing::ExecAt => refused::exec(task, task.int(0), task.arg(1), task.int(4)),
        Doing::IoUring => {
            task.session.notice(task, What::IoUring);
            Answer::Error(lastfd_model::Errno::ENOSYS)
        }
        Doing::KernelModule => {
            task.session.notice(task, What::KernelModule);
            Answer::Error(lastfd_model::Errno::EPERM)
        }
    }
}
