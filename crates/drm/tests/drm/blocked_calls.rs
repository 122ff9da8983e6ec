//! Who sleeps while the device goes, who is woken, and with what answer: the
//! DRM rows of the recorded table of blocked calls.

use core::time::Duration;

use lastfd_abi::drm::*;
use lastfd_chrdev::{OpenFile, PollFd, PollMask, poll};
use lastfd_drm::raw::*;
use lastfd_model::{Errno, Result};
use lastfd_sync::thread::JoinHandle;
use lastfd_sync::{Cancel, Ktime};
use zerocopy::IntoBytes;

use lastfd_rigs::drm::{Card, FRAME, Removal, end, ioctl, wait_request};

/// How long the recorded calls were watched after the removal.
const WATCHED: Duration = Duration::from_secs(3);

/// A blocking call on a task of its own, and the signal that ends it.
struct Blocked<T> {
    task: JoinHandle<(T, Ktime)>,
    signal: Cancel,
}

impl<T: Send + 'static> Blocked<T> {
    /// Starts the call; when this returns it sleeps.
    fn start(card: &Card, call: impl FnOnce(&Cancel) -> T + Send + 'static) -> Blocked<T> {
        let clock = card.system.clock().clone();
        let signal = Cancel::new();
        let (task_clock, task_signal) = (clock.clone(), signal.clone());
        let run = move || (call(&task_signal), task_clock.now());
        let task = clock.spawn("program", run).unwrap();
        clock.advance(Duration::from_millis(1));
        Blocked { task, signal }
    }

    /// What it gave and when.
    fn join(self) -> (T, Ktime) {
        self.task.join().unwrap()
    }

    /// It still sleeps; a signal ends it.
    fn interrupted(self) -> T {
        assert!(!self.task.is_finished());
        self.signal.cancel();
        self.join().0
    }
}

fn blocking_read(file: &OpenFile) -> impl FnOnce(&Cancel) -> Result<usize> + Send + 'static {
    let file = file.clone();
    move |signal| file.read_with(&mut [0; 64], signal)
}

fn blocking_poll(file: &OpenFile) -> impl FnOnce(&Cancel) -> Result<usize> + Send + 'static {
    let file = file.clone();
    move |signal| {
        let mut fds = [PollFd::new(&file, PollMask::IN | PollMask::PRI)];
        poll(&mut fds, None, Some(signal))
    }
}

/// Select: readable, writable or exceptional.
fn blocking_select(file: &OpenFile) -> impl FnOnce(&Cancel) -> Result<usize> + Send + 'static {
    let file = file.clone();
    move |signal| {
        let asked = PollMask::SELECT_READ | PollMask::SELECT_WRITE | PollMask::SELECT_EXCEPT;
        poll(&mut [PollFd::new(&file, asked)], None, Some(signal))
    }
}

/// Waits for a vblank that many on.
fn blocking_vblank(
    file: &OpenFile,
    ahead: u32,
) -> impl FnOnce(&Cancel) -> (Result<i32>, u32) + Send + 'static {
    let file = file.clone();
    move |signal| {
        let mut program = lastfd_chrdev::Process::new();
        let wait = wait_request(_DRM_VBLANK_RELATIVE, ahead);
        let arg = program.map(wait.as_bytes().to_vec());
        let result = file.ioctl_with(DRM_IOCTL_WAIT_VBLANK, arg, &mut program, signal);
        let sequence = <[u8; 4]>::try_from(&program.bytes(arg)[4..8]).unwrap();
        (result, u32::from_ne_bytes(sequence))
    }
}

fn sleeps_through_the_removal(removal: Removal) {
    let card = Card::display(removal);
    let file = card.open();
    let reader = Blocked::start(&card, blocking_read(&file));
    let poller = Blocked::start(&card, blocking_poll(&file));
    let selecting = Blocked::start(&card, blocking_select(&file));
    card.remove();
    card.system.clock().advance(WATCHED);
    assert_eq!(reader.interrupted(), Err(Errno::EINTR));
    assert_eq!(poller.interrupted(), Err(Errno::EINTR));
    assert_eq!(selecting.interrupted(), Err(Errno::EINTR));
    drop(file);
    card.finish();
}

#[test]
fn read_poll_and_select_are_not_woken_by_an_unplug() {
    sleeps_through_the_removal(Removal::Unplug);
}

#[test]
fn read_poll_and_select_are_not_woken_by_an_unregister() {
    sleeps_through_the_removal(Removal::Unregister);
}

fn a_wait_for_a_vblank_ends_early(removal: Removal) {
    let card = Card::display(removal);
    let file = card.open();
    let waiting = Blocked::start(&card, blocking_vblank(&file, 150));
    card.system.clock().advance(FRAME * 10);
    let removed = card.system.clock().now();
    card.remove();
    let ((result, sequence), when) = waiting.join();
    assert_eq!(result, Ok(0));
    assert_eq!(when, removed);
    // The number it is at, not the one that was asked for.
    let crtc_count = 1 + 10;
    assert_eq!(sequence, crtc_count);
    drop(file);
    card.finish();
}

#[test]
fn a_wait_for_a_vblank_ends_at_once_with_the_current_number_when_unplugged() {
    a_wait_for_a_vblank_ends_early(Removal::Unplug);
}

#[test]
fn a_wait_for_a_vblank_ends_at_once_with_the_current_number_when_unregistered() {
    a_wait_for_a_vblank_ends_early(Removal::Unregister);
}

#[test]
fn an_unplug_alone_ends_no_wait_for_a_vblank() {
    // It is the driver's switching off of the CRTC that ends it.
    let card = Card::display(Removal::Unplug);
    let file = card.open();
    let soon = Blocked::start(&card, blocking_vblank(&file, 5));
    let late = Blocked::start(&card, blocking_vblank(&file, 1000));
    drm_dev_unplug(&card.dev());
    assert_eq!(soon.join().0, (Ok(0), 6));
    let ((result, _), when) = late.join();
    assert_eq!(result, Err(Errno::EBUSY));
    // It began one millisecond after the other.
    assert_eq!(when, Ktime::default().after(Duration::from_millis(3001)));
    drm_atomic_helper_shutdown(&card.dev());
    drop(file);
    drop(card);
}

#[test]
fn a_signal_ends_a_wait_for_a_vblank() {
    let card = Card::display(Removal::Unplug);
    let file = card.open();
    let waiting = Blocked::start(&card, blocking_vblank(&file, 100));
    assert_eq!(waiting.interrupted().0, Err(Errno::EINTR));
    // Nobody uses vblanks any more: they stop after a while.
    card.system.clock().run_until_idle();
    assert!(card.system.clock().now() < Ktime::default().after(Duration::from_secs(6)));
    drop(file);
    card.remove();
    card.finish();
}

fn a_pending_event_arrives_when_the_crtc_goes_off(removal: Removal) {
    let card = Card::display(removal);
    let file = card.open();
    let mut wait = wait_request(_DRM_VBLANK_RELATIVE | _DRM_VBLANK_EVENT, 150);
    ioctl(&file, DRM_IOCTL_WAIT_VBLANK, &mut wait).unwrap();
    let reader = Blocked::start(&card, blocking_read(&file));
    let removed = card.system.clock().now();
    card.remove();
    assert_eq!(reader.join(), (Ok(32), removed));
    // Once more, and nobody will ever come.
    let reader = Blocked::start(&card, blocking_read(&file));
    card.system.clock().advance(WATCHED);
    assert_eq!(reader.interrupted(), Err(Errno::EINTR));
    drop(file);
    card.finish();
}

#[test]
fn a_loop_of_flips_and_reads_gets_its_pending_event_when_unplugged() {
    a_pending_event_arrives_when_the_crtc_goes_off(Removal::Unplug);
}

#[test]
fn a_loop_of_flips_and_reads_gets_its_pending_event_when_unregistered() {
    a_pending_event_arrives_when_the_crtc_goes_off(Removal::Unregister);
}

#[test]
fn the_remover_waits_for_those_inside_and_for_no_open_file() {
    let card = Card::display(Removal::Unplug);
    let file = card.open();
    let dev = card.dev();
    let reader = Blocked::start(&card, blocking_read(&file));
    let section = drm_dev_enter(&dev).unwrap();
    let remover = {
        let dev = dev.clone();
        Blocked::start(&card, move |_| end(&dev, Removal::Unplug))
    };
    card.system.clock().advance(WATCHED);
    assert!(!remover.task.is_finished());
    // From outside nobody gets in already.
    assert!(drm_dev_enter(&dev).is_none());
    assert!(card.kdev().has_directory());
    drm_dev_exit(section);
    remover.join();
    assert!(!card.kdev().has_directory());
    assert_eq!(reader.interrupted(), Err(Errno::EINTR));
    drop(file);
    drop(dev);
    drop(card);
}
