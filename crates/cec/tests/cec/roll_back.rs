//! Replies that the program never got: nothing is consumed.

use core::time::Duration;

use lastfd_cec::abi::*;
use lastfd_cec::raw::*;
use lastfd_chrdev::{Attempt, Call, OpenFile, OpenFlags, Process, open};
use lastfd_model::Errno;
use zerocopy::{FromBytes, IntoBytes};

use lastfd_rigs::cec::*;

/// A program that makes one call with a struct, a step at a time.
struct Step {
    program: Process,
    arg: u64,
    call: Call,
}

impl Step {
    fn new(file: &OpenFile, cmd: u32, bytes: &[u8]) -> Step {
        let mut program = Process::new();
        let arg = program.map(bytes.to_vec());
        Step {
            call: file.begin_ioctl(cmd, arg),
            program,
            arg,
        }
    }

    /// One attempt; its reply is taken or not. None if it waits.
    fn attempt(&mut self, take: bool) -> Option<Result<i64, Errno>> {
        match self.call.attempt(&mut self.program) {
            Attempt::Done(result) => Some(result),
            Attempt::Wait(_) => None,
            Attempt::Ready(reply) if take => Some(Ok(reply.commit())),
            Attempt::Ready(reply) => {
                let value = reply.value();
                reply.roll_back();
                Some(Ok(value))
            }
        }
    }

    fn reply<T: FromBytes>(&self) -> T {
        T::read_from_bytes(self.program.bytes(self.arg))
            .ok()
            .unwrap()
    }
}

/// A television with two messages in a follower's queue.
fn two_messages() -> (Rig, OpenFile) {
    let rig = Rig::configured();
    let file = rig.open_quiet(TV);
    set_mode(&file, CEC_MODE_INITIATOR | CEC_MODE_FOLLOWER).unwrap();
    for address in [0x11, 0x12] {
        let msg = CecMsg::new(&[0x4f, CEC_MSG_ACTIVE_SOURCE, address, 0]);
        cec_received_msg(&rig.adap(TV), &msg);
    }
    (rig, file)
}

#[test]
fn a_message_that_was_not_taken_is_received_again_and_in_order() {
    let (_rig, file) = two_messages();
    let asked = CecMsg::default();
    let mut one = Step::new(&file, CEC_RECEIVE, asked.as_bytes());
    assert_eq!(one.attempt(false), Some(Ok(0)));
    assert_eq!(one.reply::<CecMsg>().msg[2], 0x11);
    assert_eq!(one.attempt(true), Some(Ok(0)));
    assert_eq!(one.reply::<CecMsg>().msg[2], 0x11);
    assert_eq!(receive(&file, 1).unwrap().msg[2], 0x12);
}

#[test]
fn another_call_waits_for_a_message_that_is_set_aside() {
    let (_rig, file) = two_messages();
    let asked = CecMsg::default();
    let mut one = Step::new(&file, CEC_RECEIVE, asked.as_bytes());
    let mut other = Step::new(&file, CEC_RECEIVE, asked.as_bytes());
    match one.call.attempt(&mut one.program) {
        Attempt::Ready(reply) => {
            assert!(other.attempt(true).is_none());
            reply.roll_back();
        }
        outcome => panic!("{outcome:?}"),
    }
    assert_eq!(other.attempt(true), Some(Ok(0)));
    assert_eq!(other.reply::<CecMsg>().msg[2], 0x11);
}

#[test]
fn a_message_put_back_into_a_full_queue_is_the_one_that_is_lost() {
    let (rig, file) = two_messages();
    let asked = CecMsg::default();
    let mut one = Step::new(&file, CEC_RECEIVE, asked.as_bytes());
    let Attempt::Ready(reply) = one.call.attempt(&mut one.program) else {
        panic!("there is one");
    };
    for count in 0..53 {
        let msg = CecMsg::new(&[0x4f, CEC_MSG_ACTIVE_SOURCE, 0x20, count]);
        cec_received_msg(&rig.adap(TV), &msg);
    }
    reply.roll_back();
    assert_eq!(receive(&file, 1).unwrap().msg[2], 0x12);
    assert_eq!(dqevent(&file).unwrap().lost_msgs(), 1);
}

#[test]
fn an_event_that_was_not_taken_comes_again() {
    let rig = Rig::new();
    let file = rig.open(PLAYER);
    let mut one = Step::new(&file, CEC_DQEVENT, CecEvent::default().as_bytes());
    assert_eq!(one.attempt(false), Some(Ok(0)));
    assert_eq!(one.attempt(true), Some(Ok(0)));
    let event = one.reply::<CecEvent>();
    assert_eq!(event.flags, CEC_EVENT_FL_INITIAL_STATE);
}

#[test]
fn the_result_of_a_transmit_is_given_until_it_is_taken() {
    let rig = Rig::configured();
    let file = rig.open(PLAYER);
    rig.told.lock().clear();
    let msg = ask(CEC_MSG_STANDBY, 0);
    let mut one = Step::new(&file, CEC_TRANSMIT, msg.as_bytes());
    assert!(one.attempt(true).is_none());
    rig.clock.advance(Duration::from_secs(1));
    for take in [false, false, true] {
        assert_eq!(one.attempt(take), Some(Ok(0)));
        assert_eq!(one.reply::<CecMsg>().tx_status, CEC_TX_STATUS_OK);
    }
    let sent = rig
        .told
        .lock()
        .iter()
        .filter(|line| line.starts_with("player: transmit"))
        .count();
    assert_eq!(sent, 1, "it was sent once");
}

#[test]
fn a_transmit_whose_call_is_given_up_is_not_sent_any_more() {
    let rig = Rig::configured();
    let file = rig.open(PLAYER);
    rig.get_stuck();
    let msg = ask(CEC_MSG_STANDBY, 0);
    let mut first = Step::new(&file, CEC_TRANSMIT, msg.as_bytes());
    assert!(first.attempt(true).is_none());
    let mut second = Step::new(&file, CEC_TRANSMIT, msg.as_bytes());
    assert!(second.attempt(true).is_none());
    rig.clock.advance(Duration::from_millis(1));
    rig.told.lock().clear();
    drop(second);
    drop(first);
    rig.settle();
    assert_eq!(*rig.told.lock(), [""; 0]);
    assert_eq!(rig.splats(), [""; 0]);
}

#[test]
fn a_transmit_that_nobody_waits_for_is_taken_back_with_its_reply() {
    let rig = Rig::configured();
    let flags = OpenFlags::RDWR | OpenFlags::NONBLOCK;
    let file = open(&rig.system, &rig.path(PLAYER), flags).unwrap();
    rig.get_stuck();
    send(&file, ask(CEC_MSG_STANDBY, 0)).unwrap();
    rig.clock.advance(Duration::from_millis(1));
    // The hardware is busy with the first.
    let msg = ask(CEC_MSG_STANDBY, 0);
    for _ in 0..3 * CEC_MAX_MSG_TX_QUEUE_SZ {
        let mut one = Step::new(&file, CEC_TRANSMIT, msg.as_bytes());
        assert_eq!(one.attempt(false), Some(Ok(0)));
    }
    send(&file, msg).unwrap();
}

#[test]
fn what_cannot_be_written_to_the_program_is_lost() {
    let (_rig, file) = two_messages();
    let mut program = Process::new();
    let arg = program.map_readonly(CecMsg::default().as_bytes().to_vec());
    assert_eq!(
        file.ioctl(CEC_RECEIVE, arg, &mut program),
        Err(Errno::EFAULT)
    );
    assert_eq!(receive(&file, 1).unwrap().msg[2], 0x12);
    for cmd in [
        CEC_ADAP_G_CAPS,
        CEC_ADAP_G_PHYS_ADDR,
        CEC_ADAP_G_LOG_ADDRS,
        CEC_ADAP_S_LOG_ADDRS,
        CEC_TRANSMIT,
        CEC_RECEIVE,
        CEC_G_MODE,
        CEC_S_MODE,
    ] {
        let faulted = file.ioctl(cmd, 8, &mut program);
        assert_eq!(faulted, Err(Errno::EFAULT), "{cmd:#x}");
    }
}
