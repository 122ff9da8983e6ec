//! The lines that a session is sent, read on a task of their own, so that the end of whoever
//! sends them is seen whatever the session is at.

use core::time::Duration;
use std::collections::VecDeque;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use lastfd_sync::thread::{self, JoinHandle};
use lastfd_sync::{Arc, Mutex, WaitQueue};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::process::{PidfdFlags, getppid, pidfd_open};

/// The longest line.
pub(super) const LINE_MAX: usize = 1 << 20;
/// Lines that are read ahead.
const AHEAD: usize = 64;
/// How long a session may take for its end once nobody is there to hear of it.
const ENDING: Duration = match cfg!(test) {
    true => Duration::from_millis(50),
    false => Duration::from_secs(15),
};

/// What is sent.
pub(super) enum Line {
    Bytes(Vec<u8>),
    /// Longer than [`LINE_MAX`].
    TooLong,
    /// There is no more, or nobody is left to send it.
    Over,
}

/// The lines that were read. Dropping it ends the reading.
pub(super) struct Input {
    shared: Arc<Shared>,
    stop: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    lines: Mutex<VecDeque<Line>>,
    arrived: WaitQueue,
}

impl Input {
    /// Reads lines until they end, or the parent of this process does. If the session is
    /// not over some time after that, `give_up` is called.
    pub(super) fn start<R: Read + AsFd + Send + 'static>(
        input: R,
        give_up: impl FnOnce() + Send + 'static,
    ) -> io::Result<Input> {
        let shared = Arc::new(Shared::default());
        let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC)?);
        // One that ended before this is what the end of the input tells.
        let parent = getppid().and_then(|parent| pidfd_open(parent, PidfdFlags::empty()).ok());
        let reader = Reader {
            input,
            parent,
            stop: Arc::clone(&stop),
            shared: Arc::clone(&shared),
        };
        let thread = thread::spawn("requests", move || reader.run(give_up))?;
        Ok(Input {
            shared,
            stop,
            thread: Some(thread),
        })
    }

    /// The next line, if one is there.
    pub(super) fn next(&self) -> Option<Line> {
        self.shared.lines.lock().pop_front()
    }

    /// Woken when one is.
    pub(super) fn arrived(&self) -> &WaitQueue {
        &self.shared.arrived
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        // Its counter has room.
        let _ = rustix::io::write(&*self.stop, &1u64.to_ne_bytes());
        if let Some(thread) = self.thread.take() {
            // It has nothing that could panic.
            let _ = thread.join();
        }
    }
}

struct Reader<R> {
    input: R,
    parent: Option<OwnedFd>,
    stop: Arc<OwnedFd>,
    shared: Arc<Shared>,
}

/// What a reader has waited for.
#[derive(PartialEq)]
enum Ready {
    /// Something can be read.
    Bytes,
    /// Nobody is left to send it.
    Orphaned,
    /// The session is over.
    Stopped,
    Nothing,
}

impl<R: Read + AsFd> Reader<R> {
    fn run(mut self, give_up: impl FnOnce()) {
        let mut line = Part::default();
        let mut bytes = vec![0; 1 << 16];
        loop {
            let full = self.shared.lines.lock().len() >= AHEAD;
            // Whoever hangs up is seen though nothing is read.
            let (asked, within) = match full {
                true => (PollFlags::empty(), Some(Duration::from_millis(20))),
                false => (PollFlags::IN, None),
            };
            match self.wait(asked, within) {
                Ready::Stopped => return,
                Ready::Nothing => continue,
                Ready::Orphaned => break,
                Ready::Bytes => {}
            }
            match self.input.read(&mut bytes) {
                Ok(0) => break,
                Ok(n) => {
                    let mut lines = self.shared.lines.lock();
                    line.add(&bytes[..n], |line| lines.push_back(line));
                    drop(lines);
                    self.shared.arrived.wake_all();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        self.shared.lines.lock().push_back(Line::Over);
        self.shared.arrived.wake_all();
        let stop = self.stop.as_fd();
        let mut over = [PollFd::from_borrowed_fd(stop, PollFlags::IN)];
        if poll_within(&mut over, Some(ENDING)) == 0 {
            give_up();
        }
    }

    fn wait(&self, asked: PollFlags, within: Option<Duration>) -> Ready {
        let input: BorrowedFd<'_> = self.input.as_fd();
        let stop = self.stop.as_fd();
        let mut fds = vec![
            PollFd::from_borrowed_fd(stop, PollFlags::IN),
            PollFd::from_borrowed_fd(input, asked),
        ];
        if let Some(parent) = &self.parent {
            fds.push(PollFd::new(parent, PollFlags::IN));
        }
        poll_within(&mut fds, within);
        let is = |index: usize| fds.get(index).is_some_and(|fd| !fd.revents().is_empty());
        match () {
            () if is(0) => Ready::Stopped,
            // What was written before it ended is read first.
            () if fds[1].revents().contains(PollFlags::IN) => Ready::Bytes,
            () if is(2) || (asked.is_empty() && is(1)) => Ready::Orphaned,
            () if is(1) => Ready::Bytes,
            () => Ready::Nothing,
        }
    }
}

/// How many are ready; one that is interrupted counts as ready, so that all are looked at.
fn poll_within(fds: &mut [PollFd<'_>], within: Option<Duration>) -> usize {
    let within = within.and_then(|within| Timespec::try_from(within).ok());
    thread::wait_outside(|| poll(fds, within.as_ref())).unwrap_or(1)
}

/// A line that is not whole yet.
#[derive(Default)]
struct Part {
    bytes: Vec<u8>,
    too_long: bool,
}

impl Part {
    fn add(&mut self, bytes: &[u8], mut whole: impl FnMut(Line)) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, is_end) = match part.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (part, false),
            };
            self.too_long |= self.bytes.len() + text.len() > LINE_MAX;
            if !self.too_long {
                self.bytes.extend(text);
            }
            if is_end {
                let bytes = core::mem::take(&mut self.bytes);
                match core::mem::take(&mut self.too_long) {
                    true => whole(Line::TooLong),
                    false if bytes.trim_ascii().is_empty() => {}
                    false => whole(Line::Bytes(bytes)),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use lastfd_sync::{Clock, wait_event};

    use super::*;

    fn next(input: &Input) -> Line {
        let clock = Clock::real();
        let soon = clock.now().after(Duration::from_secs(20));
        let line = wait_event(&[input.arrived()], &clock, Some(soon), None, || {
            input.next()
        });
        line.expect("a line comes")
    }

    #[test]
    fn lines_come_whole_and_those_without_end_are_told() {
        let (mut asks, answers) = UnixStream::pair().unwrap();
        let input = Input::start(answers, || {}).unwrap();
        for part in ["on", "e\n\n two\nthr"] {
            asks.write_all(part.as_bytes()).unwrap();
        }
        let is = |line: Line, wanted: &[u8]| matches!(line, Line::Bytes(is) if is == wanted);
        assert!(is(next(&input), b"one"));
        assert!(is(next(&input), b" two"));
        let writer = lastfd_sync::thread::spawn("asks", move || {
            asks.write_all(&vec![b'x'; LINE_MAX]).unwrap();
            asks.write_all(b"\nfour\nnever whole").unwrap();
        });
        assert!(matches!(next(&input), Line::TooLong));
        assert!(is(next(&input), b"four"));
        writer.unwrap().join().unwrap();
        assert!(matches!(next(&input), Line::Over));
    }

    #[test]
    fn a_session_that_does_not_end_with_its_input_is_given_up() {
        let (asks, answers) = UnixStream::pair().unwrap();
        let gone = Arc::new(Mutex::new(false));
        let told = WaitQueue::new();
        let (setting, telling) = (Arc::clone(&gone), told.clone());
        let input = Input::start(answers, move || {
            *setting.lock() = true;
            telling.wake_all();
        });
        let input = input.unwrap();
        drop(asks);
        let clock = Clock::real();
        let soon = clock.now().after(Duration::from_secs(20));
        let seen = wait_event(&[&told], &clock, Some(soon), None, || {
            gone.lock().then_some(())
        });
        assert_eq!(seen, Ok(()));
        drop(input);
    }

    #[test]
    fn lines_that_nobody_takes_are_not_read_ahead_without_end_and_its_end_is_seen() {
        let (mut asks, answers) = UnixStream::pair().unwrap();
        asks.set_nonblocking(true).unwrap();
        let input = Input::start(answers, || {}).unwrap();
        let mut sent = 0;
        // Until the socket is full, and stays so.
        let clock = Clock::real();
        let mut full = 0;
        while full < 20 {
            match asks.write(b"x\n") {
                Ok(_) => (sent, full) = (sent + 1, 0),
                Err(_) => {
                    full += 1;
                    let _ = clock.sleep(Duration::from_millis(5), None);
                }
            }
            assert!(sent < 10_000_000, "it reads without end");
        }
        drop(asks);
        let mut taken = 0;
        while !matches!(next(&input), Line::Over) {
            taken += 1;
        }
        assert!(taken > 0 && taken <= sent);
    }
}
