//! Readers of every temper against a plain model: nothing is lost, nothing
//! comes twice, what was rolled back comes again in order.

use std::collections::VecDeque;

use lastfd_chrdev::*;
use lastfd_model::Errno;
use proptest::prelude::*;

use crate::board::Board;

#[derive(Clone, Debug)]
enum Act {
    /// The device delivers this many bytes.
    Push(u8),
    /// Reader begins a read of this many bytes.
    Begin { reader: usize, count: usize },
    /// Reader tries; takes the reply or not.
    Try { reader: usize, take: bool },
    /// A signal comes for the reader; it takes the reply or not.
    Signal { reader: usize, take: bool },
    /// Reader is killed.
    Kill { reader: usize },
    /// Descriptor flags change.
    Nonblock(bool),
    /// The device goes.
    Unplug,
}

const READERS: usize = 3;

fn act() -> impl Strategy<Value = Act> {
    let reader = 0..READERS;
    prop_oneof![
        4 => (1..6_u8).prop_map(Act::Push),
        4 => (reader.clone(), 0..7_usize).prop_map(|(reader, count)| Act::Begin { reader, count }),
        8 => (reader.clone(), any::<bool>()).prop_map(|(reader, take)| Act::Try { reader, take }),
        2 => (reader.clone(), any::<bool>())
            .prop_map(|(reader, take)| Act::Signal { reader, take }),
        1 => reader.prop_map(|reader| Act::Kill { reader }),
        1 => any::<bool>().prop_map(Act::Nonblock),
        1 => Just(Act::Unplug).prop_filter("rare", |_| true),
    ]
}

/// A reader: a program with a buffer and maybe a call in progress.
struct Reader {
    program: Process,
    buffer: u64,
    call: Option<(Call, usize, bool)>,
}

struct World {
    board: Board,
    file: OpenFile,
    readers: Vec<Reader>,
    queued: VecDeque<u8>,
    next: u8,
    nonblock: bool,
    gone: bool,
}

impl World {
    fn new() -> World {
        let board = Board::new();
        let file = board.open();
        let reader = || {
            let mut program = Process::new();
            let buffer = program.map(vec![0; 8]);
            Reader {
                program,
                buffer,
                call: None,
            }
        };
        World {
            file,
            readers: (0..READERS).map(|_| reader()).collect(),
            queued: VecDeque::new(),
            next: 0,
            nonblock: false,
            gone: false,
            board,
        }
    }

    /// What the model says that a reader's attempt gives: an error, or bytes.
    /// `None` is to wait.
    fn expected(
        &self,
        count: usize,
        nonblock: bool,
        signal: bool,
    ) -> Option<Result<Vec<u8>, Errno>> {
        if self.gone {
            return Some(Err(Errno::ENODEV));
        }
        if count == 0 {
            return Some(Ok(Vec::new()));
        }
        if !self.queued.is_empty() {
            return Some(Ok(self.queued.iter().take(count).copied().collect()));
        }
        match (nonblock, signal) {
            (true, _) => Some(Err(Errno::EAGAIN)),
            (false, true) => Some(Err(Errno::EINTR)),
            (false, false) => None,
        }
    }

    fn attempt(&mut self, reader: usize, take: bool, signal: bool) {
        let Some((mut call, count, nonblock)) = self.readers[reader].call.take() else {
            return;
        };
        let expected = self.expected(count, nonblock, signal);
        let Reader {
            program, buffer, ..
        } = &mut self.readers[reader];
        let attempt = match signal {
            true => call.interrupt(program),
            false => call.attempt(program),
        };
        let mut over = true;
        match (attempt, expected) {
            (Attempt::Wait(_), None) => over = false,
            (Attempt::Done(Err(got)), Some(Err(wanted))) => assert_eq!(got, wanted),
            (Attempt::Done(Ok(0)), Some(Ok(wanted))) => assert!(wanted.is_empty()),
            (Attempt::Ready(reply), Some(Ok(wanted))) => {
                assert_eq!(reply.value() as usize, wanted.len());
                assert_eq!(&program.bytes(*buffer)[..wanted.len()], wanted);
                match take {
                    true => {
                        assert_eq!(reply.commit() as usize, wanted.len());
                        self.queued.drain(..wanted.len());
                    }
                    false => {
                        reply.roll_back();
                        over = false;
                    }
                }
            }
            (got, wanted) => panic!("got {got:?}, wanted {wanted:?}"),
        }
        if !over {
            self.readers[reader].call = Some((call, count, nonblock));
        }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Push(count) => {
                for _ in 0..count {
                    self.board.sensor.push(&[self.next]);
                    self.queued.push_back(self.next);
                    self.next = self.next.wrapping_add(1);
                }
            }
            Act::Begin { reader, count } => {
                let Reader { buffer, call, .. } = &mut self.readers[reader];
                if call.is_none() {
                    let begun = self.file.begin_read(*buffer, count as u64);
                    *call = Some((begun, count, self.nonblock));
                }
            }
            Act::Try { reader, take } => self.attempt(reader, take, false),
            Act::Signal { reader, take } => self.attempt(reader, take, true),
            Act::Kill { reader } => self.readers[reader].call = None,
            Act::Nonblock(on) => {
                self.nonblock = on;
                let flags = if on {
                    OpenFlags::NONBLOCK
                } else {
                    OpenFlags::default()
                };
                self.file.set_flags(flags).unwrap();
            }
            Act::Unplug if !self.gone => {
                self.gone = true;
                self.board.unplug();
            }
            Act::Unplug => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn readers_that_commit_roll_back_and_die_lose_nothing_and_get_nothing_twice(
        acts in prop::collection::vec(act(), 1..120),
        unplug in any::<bool>(),
    ) {
        let mut world = World::new();
        for act in acts {
            if unplug || !matches!(act, Act::Unplug) {
                world.act(act);
            }
            prop_assert_eq!(world.board.sensor.data.len(), world.queued.len());
        }
        let World { board, file, readers, gone, .. } = world;
        drop(file);
        let busy = readers.iter().any(|reader| reader.call.is_some());
        prop_assert_eq!(board.sensor.releases(), u32::from(!busy));
        drop(readers);
        prop_assert_eq!(board.sensor.releases(), 1);
        prop_assert_eq!(board.device.is_released(), gone);
    }
}
