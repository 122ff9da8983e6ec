//! Every trapped system call: when, and what is done. The filter is generated from
//! this table and `docs/syscalls.md` is; a call that is not here goes to the kernel.

use libc::c_long;

/// When a call is trapped: what the filter can see are its arguments' numbers, never
/// what they point to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Always: it has a path, or is rare.
    Always,
    /// This argument is a descriptor in the reserved range.
    Range(u8),
    /// One of two arguments is.
    EitherRange(u8, u8),
    /// As [`When::Range`], or it is a standard descriptor (0, 1 or 2), where a shell puts
    /// what it redirects; with `trap-all` always.
    RangeOrAll(u8),
    /// The first argument is a descriptor in the range, or the second is an ioctl of a
    /// class we serve, so that a descriptor below the range works, too.
    Ioctl,
    /// A path is given, or the first argument is in the range; not a plain fstat of
    /// another descriptor, which is `AT_EMPTY_PATH` in argument `.0`. With `--trap-all`
    /// always.
    PathOrRange(u8),
    /// The first argument is in the range, with `--trap-all` any, and the second is a
    /// command that copies a descriptor or is about its flags.
    Fcntl,
    /// There are descriptors to poll.
    Poll,
    /// There are descriptors up to the range.
    Select,
    /// A socket for uevents.
    UeventSocket,
}

/// What is done with a trapped call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "docs/syscalls.md says each in words")]
pub enum Doing {
    Open,
    OpenAt,
    OpenAt2,
    Creat,
    Read,
    Readv,
    Pread,
    Preadv,
    Write,
    Writev,
    Pwrite,
    Pwritev,
    NoSplice,
    NoFileWrite,
    Lseek,
    Ioctl,
    Mmap,
    Stat,
    Lstat,
    Fstat,
    StatAt,
    Statx,
    Statfs,
    Fstatfs,
    Access,
    AccessAt,
    Readlink,
    ReadlinkAt,
    Getxattr,
    Listxattr,
    NameToHandle,
    InotifyAddWatch,
    Chdir,
    Change,
    ChangeAt,
    ChangeTwo,
    ChangeTwoAt,
    ChangeSecond,
    ChangeSecondAt,
    MakeDevice,
    MakeDeviceAt,
    Mount,
    Umount,
    Dup,
    Fcntl,
    Poll,
    Ppoll,
    Select,
    Pselect,
    EpollCtl,
    UeventSocket,
    Bind,
    SetSockOpt,
    GetSockName,
    Recvfrom,
    Recvmsg,
    Exec,
    ExecAt,
    IoUring,
    KernelModule,
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The call's name.
    pub name: &'static str,
    /// Its number.
    pub nr: c_long,
    /// When it is trapped.
    pub when: When,
    /// What is done.
    pub doing: Doing,
}

macro_rules! rows {
    ($($name:ident $number:ident: $when:expr => $doing:ident;)*) => {
        &[$(Row {
            name: stringify!($name),
            nr: libc::$number,
            when: $when,
            doing: Doing::$doing,
        }),*]
    };
}

use When::*;

/// The table.
pub const TABLE: &[Row] = rows! {
    // Names in the tree.
    open SYS_open: Always => Open;
    openat SYS_openat: Always => OpenAt;
    openat2 SYS_openat2: Always => OpenAt2;
    creat SYS_creat: Always => Creat;
    stat SYS_stat: Always => Stat;
    lstat SYS_lstat: Always => Lstat;
    newfstatat SYS_newfstatat: PathOrRange(3) => StatAt;
    statx SYS_statx: PathOrRange(2) => Statx;
    access SYS_access: Always => Access;
    faccessat SYS_faccessat: Always => AccessAt;
    faccessat2 SYS_faccessat2: Always => AccessAt;
    readlink SYS_readlink: Always => Readlink;
    readlinkat SYS_readlinkat: Always => ReadlinkAt;
    statfs SYS_statfs: Always => Statfs;
    fstatfs SYS_fstatfs: Always => Fstatfs;
    getxattr SYS_getxattr: Always => Getxattr;
    lgetxattr SYS_lgetxattr: Always => Getxattr;
    listxattr SYS_listxattr: Always => Listxattr;
    llistxattr SYS_llistxattr: Always => Listxattr;
    name_to_handle_at SYS_name_to_handle_at: Always => NameToHandle;
    inotify_add_watch SYS_inotify_add_watch: Always => InotifyAddWatch;
    chdir SYS_chdir: Always => Chdir;
    // Changes of the tree.
    truncate SYS_truncate: Always => Change;
    mkdir SYS_mkdir: Always => Change;
    rmdir SYS_rmdir: Always => Change;
    unlink SYS_unlink: Always => Change;
    chmod SYS_chmod: Always => Change;
    chown SYS_chown: Always => Change;
    lchown SYS_lchown: Always => Change;
    utime SYS_utime: Always => Change;
    utimes SYS_utimes: Always => Change;
    setxattr SYS_setxattr: Always => Change;
    lsetxattr SYS_lsetxattr: Always => Change;
    removexattr SYS_removexattr: Always => Change;
    lremovexattr SYS_lremovexattr: Always => Change;
    chroot SYS_chroot: Always => Change;
    mkdirat SYS_mkdirat: Always => ChangeAt;
    unlinkat SYS_unlinkat: Always => ChangeAt;
    fchmodat SYS_fchmodat: Always => ChangeAt;
    fchmodat2 SYS_fchmodat2: Always => ChangeAt;
    fchownat SYS_fchownat: Always => ChangeAt;
    futimesat SYS_futimesat: Always => ChangeAt;
    utimensat SYS_utimensat: Always => ChangeAt;
    rename SYS_rename: Always => ChangeTwo;
    link SYS_link: Always => ChangeTwo;
    renameat SYS_renameat: Always => ChangeTwoAt;
    renameat2 SYS_renameat2: Always => ChangeTwoAt;
    linkat SYS_linkat: Always => ChangeTwoAt;
    symlink SYS_symlink: Always => ChangeSecond;
    symlinkat SYS_symlinkat: Always => ChangeSecondAt;
    mknod SYS_mknod: Always => MakeDevice;
    mknodat SYS_mknodat: Always => MakeDeviceAt;
    mount SYS_mount: Always => Mount;
    move_mount SYS_move_mount: Always => Mount;
    fsopen SYS_fsopen: Always => Mount;
    open_tree SYS_open_tree: Always => Mount;
    umount2 SYS_umount2: Always => Umount;
    // Open files.
    read SYS_read: RangeOrAll(0) => Read;
    readv SYS_readv: RangeOrAll(0) => Readv;
    pread64 SYS_pread64: RangeOrAll(0) => Pread;
    preadv SYS_preadv: Range(0) => Preadv;
    preadv2 SYS_preadv2: Range(0) => Preadv;
    write SYS_write: RangeOrAll(0) => Write;
    writev SYS_writev: RangeOrAll(0) => Writev;
    pwrite64 SYS_pwrite64: RangeOrAll(0) => Pwrite;
    pwritev SYS_pwritev: Range(0) => Pwritev;
    pwritev2 SYS_pwritev2: Range(0) => Pwritev;
    sendfile SYS_sendfile: EitherRange(0, 1) => NoSplice;
    splice SYS_splice: EitherRange(0, 2) => NoSplice;
    copy_file_range SYS_copy_file_range: EitherRange(0, 2) => NoSplice;
    ftruncate SYS_ftruncate: RangeOrAll(0) => NoFileWrite;
    fallocate SYS_fallocate: RangeOrAll(0) => NoFileWrite;
    fsync SYS_fsync: Range(0) => NoFileWrite;
    fdatasync SYS_fdatasync: Range(0) => NoFileWrite;
    lseek SYS_lseek: RangeOrAll(0) => Lseek;
    ioctl SYS_ioctl: When::Ioctl => Ioctl;
    mmap SYS_mmap: RangeOrAll(4) => Mmap;
    fstat SYS_fstat: RangeOrAll(0) => Fstat;
    dup SYS_dup: RangeOrAll(0) => Dup;
    fcntl SYS_fcntl: When::Fcntl => Fcntl;
    // Readiness.
    poll SYS_poll: When::Poll => Poll;
    ppoll SYS_ppoll: When::Poll => Ppoll;
    select SYS_select: When::Select => Select;
    pselect6 SYS_pselect6: When::Select => Pselect;
    epoll_ctl SYS_epoll_ctl: RangeOrAll(2) => EpollCtl;
    // Uevents.
    socket SYS_socket: When::UeventSocket => UeventSocket;
    bind SYS_bind: Range(0) => Bind;
    setsockopt SYS_setsockopt: Range(0) => SetSockOpt;
    getsockname SYS_getsockname: Range(0) => GetSockName;
    recvfrom SYS_recvfrom: Range(0) => Recvfrom;
    recvmsg SYS_recvmsg: Range(0) => Recvmsg;
    // What cannot be served.
    execve SYS_execve: Always => Exec;
    execveat SYS_execveat: Always => ExecAt;
    io_uring_setup SYS_io_uring_setup: Always => IoUring;
    init_module SYS_init_module: Always => KernelModule;
    finit_module SYS_finit_module: Always => KernelModule;
    delete_module SYS_delete_module: Always => KernelModule;
};

/// The row of a call.
pub(crate) fn row(nr: i64) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.nr == nr)
}
