//! What the VFS answers by itself, and in which order it looks.

use lastfd_chrdev::*;
use lastfd_model::{Errno, System};
use lastfd_sync::Arc;

use crate::board::{Board, FIONREAD, GET_FD};

const FIONBIO: u32 = 0x5421;
const FIOASYNC: u32 = 0x5452;

#[test]
fn the_access_mode_is_checked_before_anything_else() {
    let board = Board::new();
    let reader = board.open_for(OpenFlags::RDONLY);
    let writer = board.open_for(OpenFlags::WRONLY);
    let neither = board.open_for(OpenFlags::ACCMODE);
    assert_eq!(reader.write(&[1]), Err(Errno::EBADF));
    assert_eq!(writer.read(&mut [0]), Err(Errno::EBADF));
    assert_eq!(neither.read(&mut [0]), Err(Errno::EBADF));
    assert_eq!(neither.write(&[1]), Err(Errno::EBADF));
    assert_eq!(
        neither.ioctl_bytes(FIONREAD, &mut []),
        Ok(0),
        "ioctl needs no mode"
    );
    assert_eq!(*board.sensor.log.lock(), ["open", "open", "open"]);
}

#[test]
fn a_file_without_read_is_einval_before_the_buffer_is_looked_at() {
    struct Mute;
    impl FileOps for Mute {
        fn ops(&self) -> OpSet {
            OpSet::NONE
        }
    }
    let system = System::new();
    let file =
        anon_inode_getfile(&system, "mute", Arc::new(Mute), None, OpenFlags::RDWR, None).unwrap();
    let mut program = Process::new();
    let mut call = file.begin_read(u64::MAX, 8);
    assert!(matches!(
        call.attempt(&mut program),
        Attempt::Done(Err(Errno::EINVAL))
    ));
    assert_eq!(file.write(&[1]), Err(Errno::EINVAL));
    assert_eq!(file.ioctl_bytes(FIONREAD, &mut []), Err(Errno::ENOTTY));
    assert_eq!(file.lseek(0, Whence::Set), Err(Errno::ESPIPE));
    assert_eq!(
        file.mmap(MapRequest::shared(0, 1)).err(),
        Some(Errno::ENODEV)
    );
    assert!(!file.can_poll());
    assert_eq!(file.try_poll(&mut PollTable::now()), PollMask::DEFAULT);
}

#[test]
fn a_buffer_outside_the_address_space_is_efault_before_the_driver_and_an_unmapped_one_by_it() {
    let board = Board::new();
    let file = board.open();
    board.sensor.push(&[1, 2]);
    let mut program = Process::new();
    for (addr, count) in [(u64::MAX, 1), (TASK_SIZE, 1), (1, u64::MAX), (1, 1 << 63)] {
        let mut call = file.begin_read(addr, count);
        let answer = call.attempt(&mut program);
        assert!(
            matches!(answer, Attempt::Done(Err(Errno::EFAULT))),
            "{addr:#x} {count:#x}"
        );
    }
    assert_eq!(*board.sensor.log.lock(), ["open"]);
    let mut call = file.begin_read(0, 2);
    assert!(matches!(
        call.attempt(&mut program),
        Attempt::Done(Err(Errno::EFAULT))
    ));
    assert_eq!(
        board.sensor.data.len(),
        2,
        "data that could not be delivered stays"
    );
    let mut call = file.begin_write(0, 2);
    assert!(matches!(
        call.attempt(&mut program),
        Attempt::Done(Err(Errno::EFAULT))
    ));
}

#[test]
fn a_read_of_no_bytes_reaches_the_driver() {
    let board = Board::new();
    let file = board.open();
    assert_eq!(file.read(&mut []), Ok(0));
    board.unplug();
    assert_eq!(file.read(&mut []), Err(Errno::ENODEV));
    assert_eq!(*board.sensor.log.lock(), ["open", "read", "read"]);
}

#[test]
fn pread_is_refused_on_streams_and_by_negative_positions_first() {
    struct Stream {
        stream: bool,
    }
    impl FileOps for Stream {
        fn open(&self, file: &File) -> lastfd_model::Result {
            match self.stream {
                true => file.stream_open(),
                false => file.nonseekable_open(),
            }
            Ok(())
        }
        fn read(&self, _: &File, call: &mut Read<'_>) -> Try<usize> {
            assert_eq!(call.pos().is_none(), self.stream);
            Try::ok(0)
        }
        fn llseek(&self, file: &File, offset: i64, whence: Whence) -> lastfd_model::Result<u64> {
            file.noop_llseek(offset, whence)
        }
    }
    for stream in [true, false] {
        let board = Board::new();
        let ops = Arc::new(Stream { stream });
        let cdev = Cdev::new(&board.system, ops);
        let devt = lastfd_model::raw::alloc_chrdev_region(&board.system, "s").unwrap();
        cdev_add(&cdev, devt, 1).unwrap();
        let file = open_devt(&board.system, devt, OpenFlags::RDONLY).unwrap();
        assert_eq!(file.read(&mut [0]), Ok(0));
        assert_eq!(file.pread(&mut [0], 0), Err(Errno::ESPIPE));
        assert_eq!(file.pread(&mut [0], -1), Err(Errno::EINVAL));
        assert_eq!(
            file.pwrite(&[0], 0),
            Err(Errno::ESPIPE),
            "before the access mode"
        );
        assert_eq!(file.lseek(0, Whence::End), Err(Errno::ESPIPE));
    }
}

#[test]
fn pread_reaches_a_driver_that_did_not_forbid_it_and_moves_no_position() {
    let board = Board::new();
    let file = board.open();
    board.sensor.push(&[1]);
    assert_eq!(file.pread(&mut [0], 100), Ok(1));
    assert_eq!(file.pwrite(&[1, 2], 7), Ok(2));
    assert_eq!(file.file().pos(), 0);
    assert_eq!(
        file.pwrite(&[1], i64::MAX),
        Err(Errno::EINVAL),
        "past the last position"
    );
    assert_eq!(file.write(&[1, 2]), Ok(2));
    assert_eq!(file.lseek(-50, Whence::End), Ok(2), "noop_llseek");
}

#[test]
fn anonymous_files_have_no_positioned_reads_and_no_large_files() {
    let board = Board::new();
    let ops = Arc::clone(&board.sensor) as Arc<dyn FileOps>;
    let flags = OpenFlags::RDWR | OpenFlags::CLOEXEC | OpenFlags::NONBLOCK;
    let file = anon_inode_getfile(&board.system, "b", ops, None, flags, None).unwrap();
    assert_eq!(file.flags(), OpenFlags::RDWR | OpenFlags::NONBLOCK);
    assert_eq!(file.pread(&mut [0], 0), Err(Errno::ESPIPE));
    assert_eq!(file.lseek(0, Whence::Set), Ok(0));
    assert_eq!(file.reopen(OpenFlags::RDWR).err(), Some(Errno::ENXIO));
    assert_eq!(file.stat().rdev, None);
}

#[test]
fn flags_are_kept_as_f_getfl_tells_them() {
    let board = Board::new();
    let all = OpenFlags(0o2000000 | 0o1000 | 0o100 | 0o400 | 2);
    let file = board.open_for(all);
    assert_eq!(file.flags().0, 32770);
    assert_eq!(file.set_flags(OpenFlags::DIRECT), Err(Errno::EINVAL));
    file.set_flags(OpenFlags::NONBLOCK | OpenFlags::ASYNC | OpenFlags::WRONLY)
        .unwrap();
    assert_eq!(file.flags().0, 32770 | 0o4000);
    file.set_flags(OpenFlags::default()).unwrap();
    assert_eq!(file.flags().0, 32770);
}

#[test]
fn open_is_refused_by_path_and_flags_in_the_kernels_order() {
    let board = Board::new();
    let refused = |path: &str, flags| open(&board.system, path, flags).err();
    let (creat, excl) = (OpenFlags::CREAT, OpenFlags::EXCL);
    assert_eq!(refused("/dev/other", OpenFlags::RDWR), Some(Errno::ENOENT));
    assert_eq!(refused("/etc/lfq0", OpenFlags::RDWR), Some(Errno::ENOENT));
    assert_eq!(refused("/dev/lfq0/", OpenFlags::RDWR), Some(Errno::ENOTDIR));
    assert_eq!(
        refused("/dev/lfq0", OpenFlags::DIRECTORY),
        Some(Errno::ENOTDIR)
    );
    assert_eq!(refused("/dev/lfq0", creat | excl), Some(Errno::EEXIST));
    assert_eq!(
        refused("/dev/other", creat | OpenFlags::DIRECTORY),
        Some(Errno::EINVAL)
    );
    assert!(board.sensor.log.lock().is_empty());
    assert_eq!(refused("/dev/lfq0", OpenFlags::DIRECT), Some(Errno::EINVAL));
    assert_eq!(
        *board.sensor.log.lock(),
        ["open", "release"],
        "O_DIRECT is seen too late"
    );
}

#[test]
fn common_ioctls_are_answered_before_the_driver_and_survive_removal() {
    let board = Board::new();
    let file = board.open();
    board.unplug();
    assert_eq!(file.ioctl_bytes(FIONBIO, &mut 1_i32.to_ne_bytes()), Ok(0));
    assert!(file.flags().contains(OpenFlags::NONBLOCK));
    assert_eq!(file.ioctl_bytes(FIONBIO, &mut 0_i32.to_ne_bytes()), Ok(0));
    assert!(!file.flags().contains(OpenFlags::NONBLOCK));
    let mut program = Process::new();
    assert_eq!(file.ioctl(FIONBIO, 0, &mut program), Err(Errno::EFAULT));
    assert_eq!(
        file.ioctl_bytes(FIOASYNC, &mut 1_i32.to_ne_bytes()),
        Err(Errno::ENOTTY)
    );
    assert_eq!(file.ioctl_bytes(FIOASYNC, &mut 0_i32.to_ne_bytes()), Ok(0));
    assert_eq!(file.ioctl(0x5451, 0, &mut program), Ok(0), "FIOCLEX");
    assert_eq!(
        file.ioctl(0x5460, 0, &mut program),
        Err(Errno::ENOTTY),
        "FIOQSIZE"
    );
    let mut size = [0; 4];
    assert_eq!(file.ioctl_bytes(2, &mut size), Ok(0), "FIGETBSZ");
    assert_eq!(i32::from_ne_bytes(size), 4096);
    assert_eq!(
        file.ioctl_bytes(0xc020_660b, &mut size),
        Err(Errno::EOPNOTSUPP),
        "FIEMAP"
    );
}

#[test]
fn fionread_is_the_drivers_to_answer() {
    let board = Board::new();
    let file = board.open();
    board.sensor.push(&[1, 2, 3]);
    assert_eq!(file.ioctl_bytes(FIONREAD, &mut []), Ok(3));
}

#[test]
fn an_ioctl_with_a_bad_pointer_fails_where_the_driver_copies() {
    let board = Board::new();
    let file = board.open();
    let mut program = Process::new();
    assert_eq!(file.ioctl(0x1234, 0, &mut program), Err(Errno::ENOTTY));
    assert_eq!(
        file.ioctl(GET_FD, u64::MAX - 2, &mut program),
        Err(Errno::EFAULT)
    );
    assert!(program.fds().is_empty());
}
