//! The caller's memory behind nested pointers, and descriptors made by ioctls.

use lastfd_chrdev::*;
use lastfd_model::Errno;

use crate::board::{Board, GET_FD, GET_FD_LATER, LEAK_FD, SEND};

fn sixteen(addr: u64, len: u64) -> Vec<u8> {
    [addr.to_ne_bytes(), len.to_ne_bytes()].concat()
}

#[test]
fn a_nested_pointer_is_followed_within_its_bound() {
    let board = Board::new();
    let file = board.open();
    let mut program = Process::new();
    let text = program.map_readonly(b"hello".to_vec());
    let mut send = |addr, len| {
        let arg = program.map(sixteen(addr, len));
        file.ioctl(SEND, arg, &mut program)
    };
    assert_eq!(send(text, 5), Ok(5));
    assert_eq!(send(text, 6), Err(Errno::EFAULT));
    assert_eq!(send(0, 1), Err(Errno::EFAULT));
    assert_eq!(
        send(text, 65),
        Err(Errno::ENOMEM),
        "over the driver's limit"
    );
    assert_eq!(send(text, u64::MAX), Err(Errno::ENOMEM));
    let mut buffer = [0; 8];
    assert_eq!(file.read(&mut buffer), Ok(5));
    assert_eq!(&buffer[..5], b"hello");
}

#[test]
fn a_made_descriptor_is_usable_once_the_reply_is_taken() {
    let board = Board::new();
    let file = board.open();
    let mut program = Process::new();
    let arg = program.map(vec![0xff; 4]);
    assert_eq!(file.ioctl(GET_FD, arg, &mut program), Ok(0));
    assert_eq!(program.bytes(arg), 3_i32.to_ne_bytes());
    assert_eq!(
        program.file(3).unwrap().file().name().path.as_ref(),
        "anon_inode:queue"
    );
    assert_eq!(
        file.ioctl_file(GET_FD, 0).unwrap().flags(),
        OpenFlags::RDONLY
    );
    program.close(3).unwrap();
    assert_eq!(program.close(3), Err(Errno::EBADF));
}

#[test]
fn a_call_that_fails_or_waits_or_has_no_room_leaves_no_descriptor() {
    let board = Board::new();
    let file = board.open();
    let mut program = Process::new();
    let readonly = program.map_readonly(vec![0; 4]);
    assert_eq!(
        file.ioctl(GET_FD, readonly, &mut program),
        Err(Errno::EFAULT)
    );
    let arg = program.map(vec![0; 4]);
    let mut call = file.begin_ioctl(GET_FD_LATER, arg);
    assert!(matches!(call.attempt(&mut program), Attempt::Wait(_)));
    assert!(program.fds().is_empty());
    board.sensor.push(&[1]);
    assert!(matches!(call.attempt(&mut program), Attempt::Done(Ok(0))));
    assert_eq!(program.fds(), [3]);
    assert_eq!(
        file.ioctl_bytes(GET_FD, &mut [0; 4]),
        Err(Errno::EMFILE),
        "this caller keeps no descriptors"
    );
}

#[test]
fn a_descriptor_installed_at_once_leaks_when_its_number_can_not_be_told() {
    let board = Board::new();
    let file = board.open();
    let mut program = Process::new();
    let readonly = program.map_readonly(vec![0; 4]);
    let told = file.ioctl(LEAK_FD, readonly, &mut program);
    assert_eq!(told, Err(Errno::EFAULT));
    assert_eq!(program.fds(), [3], "open, and nobody knows it");
}
