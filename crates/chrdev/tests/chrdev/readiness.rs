//! Poll: exact masks, and who is woken.

use core::time::Duration;

use lastfd_chrdev::*;
use lastfd_model::{Errno, Event, EventKind, System};
use lastfd_sync::{Arc, Cancel, Clock, Ktime, Mutex, WaitQueue};

use crate::board::Board;

/// Answers what it is told to.
struct Told {
    mask: Mutex<PollMask>,
    queue: Arc<WaitQueue>,
    asked: Mutex<Vec<(PollMask, bool)>>,
}

impl Told {
    fn open(system: &System, mask: PollMask) -> (Arc<Told>, OpenFile) {
        let told = Arc::new(Told {
            mask: Mutex::new(mask),
            queue: Arc::default(),
            asked: Mutex::default(),
        });
        let ops = Arc::clone(&told) as Arc<dyn FileOps>;
        let file = anon_inode_getfile(system, "told", ops, None, OpenFlags::RDWR, None).unwrap();
        (told, file)
    }
}

impl FileOps for Told {
    fn poll(&self, _: &File, table: &mut PollTable) -> PollMask {
        table.wait(&self.queue);
        self.asked
            .lock()
            .push((table.requested(), table.does_not_wait()));
        *self.mask.lock()
    }
}

const NOW: Option<Duration> = Some(Duration::ZERO);

#[test]
fn only_what_was_asked_for_is_told_but_err_and_hup_always() {
    let system = System::new();
    let all = PollMask(0xffff);
    let (told, file) = Told::open(&system, all);
    let found = file.poll(PollMask::IN, NOW);
    assert_eq!(found, PollMask::IN | PollMask::ERR | PollMask::HUP);
    assert_eq!(file.poll(PollMask::NONE, NOW).to_string(), "ERR|HUP");
    *told.mask.lock() = PollMask::PRI;
    assert_eq!(file.poll(PollMask::IN | PollMask::OUT, NOW), PollMask::NONE);
    assert_eq!(file.try_poll(&mut PollTable::now()), PollMask::PRI);
}

#[test]
fn queues_are_collected_once_and_only_while_nobody_is_ready() {
    let system = System::builder().clock(Clock::simulated()).build();
    let (ready, ready_file) = Told::open(&system, PollMask::IN);
    let (after, after_file) = Told::open(&system, PollMask::NONE);
    let mut fds = [
        PollFd::new(&ready_file, PollMask::IN),
        PollFd::new(&after_file, PollMask::IN),
    ];
    assert_eq!(poll(&mut fds, None, None), Ok(1));
    let asked = PollMask::IN | PollMask::ALWAYS;
    assert_eq!(*ready.asked.lock(), [(asked, false)]);
    assert_eq!(*after.asked.lock(), [(asked, true)]);

    *ready.mask.lock() = PollMask::NONE;
    assert_eq!(poll(&mut fds, Some(Duration::from_millis(3)), None), Ok(0));
    assert_eq!(system.clock().now(), Ktime(3_000_000));
    let waited = after.asked.lock();
    assert_eq!(waited[1], (asked, false));
    assert!(waited[2..].iter().all(|asked| asked.1));
}

#[test]
fn a_poller_asleep_on_several_files_is_woken_by_any() {
    let system = System::new();
    let (_quiet, quiet_file) = Told::open(&system, PollMask::NONE);
    let (loud, loud_file) = Told::open(&system, PollMask::NONE);
    let _ringer = system.subscribe(Arc::new({
        let loud = Arc::clone(&loud);
        move |event: &Event| {
            if matches!(event.kind, EventKind::Blocked { .. }) {
                *loud.mask.lock() = PollMask::HUP;
                loud.queue.wake_all();
            }
        }
    }));
    let mut fds = [
        PollFd::new(&quiet_file, PollMask::IN),
        PollFd::new(&loud_file, PollMask::OUT),
    ];
    assert_eq!(poll(&mut fds, None, None), Ok(1));
    assert_eq!(fds[0].revents, PollMask::NONE);
    assert_eq!(fds[1].revents, PollMask::HUP);
}

/// IIO's way: no HUP, not even with data queued, and nobody is woken.
#[test]
fn a_poller_of_a_device_that_tells_nobody_sleeps_on_after_removal() {
    let board = Board::new();
    let file = board.open();
    let cancel = Cancel::new();
    let _remover = board.system.subscribe(Arc::new({
        let (sensor, cancel) = (Arc::clone(&board.sensor), cancel.clone());
        move |event: &Event| {
            if matches!(event.kind, EventKind::Blocked { .. }) {
                sensor.remove();
                sensor.push(&[1]);
                cancel.cancel();
            }
        }
    }));
    let polled = file.poll_with(PollMask::IN, None, &cancel);
    assert_eq!(polled, Err(Errno::EINTR));
    assert_eq!(file.poll(PollMask::IN, NOW), PollMask::NONE);
}

#[test]
fn readiness_stays_until_the_commit() {
    let board = Board::new();
    let file = board.open();
    board.sensor.push(&[1]);
    let mut program = Process::new();
    let buffer = program.map(vec![0; 1]);
    let mut call = file.begin_read(buffer, 1);
    let Attempt::Ready(reply) = call.attempt(&mut program) else {
        panic!("not ready");
    };
    assert_eq!(file.poll(PollMask::IN, NOW), PollMask::IN);
    reply.commit();
    assert_eq!(file.poll(PollMask::IN, NOW), PollMask::NONE);
}

#[test]
fn select_reads_the_mask_as_the_kernel_does() {
    let hung_up = PollMask::HUP | PollMask::ERR;
    assert!(PollMask::SELECT_READ.intersects(hung_up));
    assert!(PollMask::SELECT_WRITE.intersects(PollMask::ERR));
    assert!(!PollMask::SELECT_WRITE.intersects(PollMask::HUP));
    assert!(!PollMask::SELECT_EXCEPT.intersects(hung_up));
    assert!(PollMask::SELECT_EXCEPT.contains(PollMask::PRI));
}

#[test]
fn no_file_and_no_timeout_is_refused_rather_than_slept_on() {
    assert_eq!(poll(&mut [], None, None), Err(Errno::EINVAL));
    assert_eq!(poll(&mut [], NOW, None), Ok(0));
}
