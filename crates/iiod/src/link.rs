//! The way to a client, and waiting for a device while watching the client.

use lastfd_sync::atomic::{AtomicBool, Ordering};
use lastfd_sync::{Arc, Clock, Ktime, WaitError, WaitQueue, Wake, wait_event};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fd::OwnedFd;
use rustix::io::Errno as OsError;
use std::io::{self, Read, Write};
use std::net::TcpStream;

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    /// What was waited for has come.
    Ready,
    /// The deadline passed first.
    TimedOut,
    /// The client closed its side, or died.
    HungUp,
}

/// A connection to a client.
pub trait Link: Read + Write {
    /// Blocks until `ready` is true; it is asked again whenever a queue is woken. Ends
    /// before that when `clock` reaches `deadline` or the client goes away.
    ///
    /// # Errors
    /// The system does not give what waiting needs.
    fn wait(
        &mut self,
        queues: &[Arc<WaitQueue>],
        clock: &Clock,
        deadline: Option<Ktime>,
        ready: &mut dyn FnMut() -> bool,
    ) -> io::Result<Waited>;

    /// Whether the client has closed its side, or died. Asked while data is sent to it.
    fn is_hung_up(&mut self) -> bool {
        false
    }
}

/// Any pair of streams, for tests: a wait does not see the client go away.
#[derive(Debug)]
pub struct Plain<S>(pub S);

impl<S: Read> Read for Plain<S> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into)
    }
}

impl<S: Write> Write for Plain<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<S: Read + Write> Link for Plain<S> {
    fn wait(
        &mut self,
        queues: &[Arc<WaitQueue>],
        clock: &Clock,
        deadline: Option<Ktime>,
        ready: &mut dyn FnMut() -> bool,
    ) -> io::Result<Waited> {
        let queues: Vec<_> = queues.iter().map(|queue| &**queue).collect();
        Ok(
            match wait_event(&queues, clock, deadline, None, || ready().then_some(())) {
                Ok(()) => Waited::Ready,
                Err(WaitError::TimedOut) => Waited::TimedOut,
                Err(WaitError::Cancelled) => Waited::HungUp,
            },
        )
    }
}

/// A TCP connection. Its reads and writes block; [`TcpStream::shutdown`] from another
/// thread ends them, and a wait.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: Arc<TcpStream>,
    /// Made by the first wait: a connection without a buffer needs none.
    doorbell: Option<Arc<Doorbell>>,
}

impl Socket {
    pub(crate) fn new(stream: Arc<TcpStream>) -> Socket {
        Socket {
            stream,
            doorbell: None,
        }
    }
}

impl Read for Socket {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        (&*self.stream).read(into)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self.stream).write(bytes)
    }

    fn write_vectored(&mut self, parts: &[io::IoSlice<'_>]) -> io::Result<usize> {
        (&*self.stream).write_vectored(parts)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Link for Socket {
    fn wait(
        &mut self,
        queues: &[Arc<WaitQueue>],
        clock: &Clock,
        deadline: Option<Ktime>,
        ready: &mut dyn FnMut() -> bool,
    ) -> io::Result<Waited> {
        let doorbell = match &self.doorbell {
            Some(doorbell) => doorbell,
            None => self.doorbell.insert(Arc::new(Doorbell::new()?)),
        };
        let _entries: Vec<_> = queues
            .iter()
            .map(|queue| queue.add(doorbell.clone()))
            .collect();
        let timer = deadline.map(|deadline| {
            let doorbell = doorbell.clone();
            clock.schedule(deadline, move || doorbell.wake())
        });
        let mut heard = false;
        let waited = loop {
            doorbell.silence(heard);
            if ready() {
                break Waited::Ready;
            }
            if deadline.is_some_and(|deadline| clock.now() >= deadline) {
                break Waited::TimedOut;
            }
            let mut fds = [
                PollFd::new(&*self.stream, PollFlags::RDHUP),
                PollFd::new(&doorbell.event, PollFlags::IN),
            ];
            match poll(&mut fds, None) {
                Ok(_) | Err(OsError::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            if fds[0].revents().intersects(GONE) {
                break Waited::HungUp;
            }
            heard = fds[1].revents().contains(PollFlags::IN);
        };
        if let Some(timer) = timer {
            timer.cancel();
        }
        Ok(waited)
    }

    fn is_hung_up(&mut self) -> bool {
        let mut fds = [PollFd::new(&*self.stream, PollFlags::RDHUP)];
        let now = Timespec::default();
        poll(&mut fds, Some(&now)).is_ok() && fds[0].revents().intersects(GONE)
    }
}

/// What `poll` tells of a client that has closed its side, or died.
const GONE: PollFlags = PollFlags::RDHUP.union(PollFlags::HUP).union(PollFlags::ERR);

/// Wakes a thread that sits in `poll`.
#[derive(Debug)]
pub(crate) struct Doorbell {
    event: OwnedFd,
    /// Spares the system call when it rings again before it was heard.
    rung: AtomicBool,
}

impl Doorbell {
    pub(crate) fn new() -> io::Result<Doorbell> {
        Ok(Doorbell {
            event: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            rung: AtomicBool::new(false),
        })
    }

    pub(crate) fn event(&self) -> &OwnedFd {
        &self.event
    }

    /// Makes it ready to ring again; `heard`: `poll` saw it ring. Whatever rang before is
    /// to be looked at after this.
    ///
    /// The count is emptied before the flag is cleared: a ring between the two is one that
    /// the caller will look at, and a ring whose count comes late is heard by `poll`.
    pub(crate) fn silence(&self, heard: bool) {
        if heard || self.rung.load(Ordering::Acquire) {
            let mut count = [0; 8];
            // An empty counter is no fault: the ring's count is still to come.
            let _ = rustix::io::read(&self.event, &mut count);
            self.rung.swap(false, Ordering::AcqRel);
        }
    }
}

impl Wake for Doorbell {
    fn wake(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            // Only a full counter fails, and that is as good as rung.
            let _ = rustix::io::write(&self.event, &1u64.to_ne_bytes());
        }
    }
}
