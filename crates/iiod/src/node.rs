//! A device's node, opened and read as `iiod` does it.

use crate::UnplugAnswers;
use crate::link::{Link, Waited};
use lastfd_chrdev::{
    Attempt, Call, Caller, OpenFile, OpenFlags, PollMask, PollTable, UserMemory, Wait,
};
use lastfd_model::{Errno, Result, System};
use lastfd_sync::Ktime;
use std::io;

/// How a read ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadEnd {
    /// This many bytes, or the device's error; `ETIMEDOUT` is the reader's.
    Answered(Result<usize>),
    /// The client went away.
    HungUp,
}

/// An open `/dev/ID`. Dropping it closes it.
#[derive(Debug)]
pub(crate) struct Node {
    file: OpenFile,
    polls: bool,
}

impl Node {
    pub(crate) fn open(system: &System, id: &str, answers: UnplugAnswers) -> Result<Node> {
        let flags = OpenFlags::RDWR | OpenFlags::CLOEXEC;
        let polls = answers == UnplugAnswers::Linux;
        let flags = if polls {
            flags | OpenFlags::NONBLOCK
        } else {
            flags
        };
        let file = lastfd_chrdev::open(system, &format!("/dev/{id}"), flags)?;
        Ok(Node { file, polls })
    }

    /// Waits for data and reads it.
    ///
    /// `iiod` sleeps in `poll`, which tells nothing of a device that has gone; a blocking
    /// read does.
    ///
    /// # Errors
    /// The system does not give what waiting needs.
    pub(crate) fn read(
        &self,
        into: &mut [u8],
        link: &mut impl Link,
        deadline: Option<Ktime>,
    ) -> io::Result<ReadEnd> {
        if self.polls {
            self.poll_and_read(into, link, deadline)
        } else {
            self.read_blocking(into, link, deadline)
        }
    }

    fn read_blocking(
        &self,
        into: &mut [u8],
        link: &mut impl Link,
        deadline: Option<Ktime>,
    ) -> io::Result<ReadEnd> {
        let clock = self.file.file().system().clock();
        let mut call = self.file.begin_read(Memory::START, into.len() as u64);
        let memory = &mut Memory(into);
        let mut outcome = attempt(&mut call, memory);
        loop {
            let wait = match outcome {
                Ok(result) => return Ok(ReadEnd::Answered(result)),
                Err(wait) => wait,
            };
            outcome = Err(wait.clone());
            let until = [deadline, wait.deadline()].into_iter().flatten().min();
            let mut again = || {
                let now = attempt(&mut call, memory);
                if now.as_ref().is_err_and(|now| now.same(&wait)) {
                    call.blocked();
                    return false;
                }
                outcome = now;
                true
            };
            match link.wait(wait.queues(), clock, until, &mut again)? {
                Waited::Ready => {}
                Waited::HungUp => return Ok(ReadEnd::HungUp),
                Waited::TimedOut if until == deadline => {
                    return Ok(ReadEnd::Answered(Err(Errno::ETIMEDOUT)));
                }
                Waited::TimedOut => outcome = attempt(&mut call, memory),
            }
        }
    }

    /// local.c: device_check_ready, local_read
    fn poll_and_read(
        &self,
        into: &mut [u8],
        link: &mut impl Link,
        deadline: Option<Ktime>,
    ) -> io::Result<ReadEnd> {
        let clock = self.file.file().system().clock();
        loop {
            let mut table = PollTable::new(PollMask::IN);
            if !self.file.try_poll(&mut table).intersects(PollMask::IN) {
                let mut ready = || {
                    let mask = self.file.try_poll(&mut PollTable::now());
                    mask.intersects(PollMask::IN | PollMask::ALWAYS)
                };
                match link.wait(table.queues(), clock, deadline, &mut ready)? {
                    Waited::Ready => {}
                    Waited::TimedOut => return Ok(ReadEnd::Answered(Err(Errno::ETIMEDOUT))),
                    Waited::HungUp => return Ok(ReadEnd::HungUp),
                }
            }
            match self.file.read(into) {
                Err(Errno::EAGAIN) => {}
                result => return Ok(ReadEnd::Answered(result)),
            }
        }
    }
}

/// Tries the call: its result, or where it waits.
fn attempt(call: &mut Call, memory: &mut Memory<'_>) -> std::result::Result<Result<usize>, Wait> {
    match call.attempt(memory) {
        Attempt::Done(result) => Ok(result.map(|count| count as usize)),
        Attempt::Ready(reply) => Ok(Ok(reply.commit() as usize)),
        Attempt::Wait(wait) => Err(wait),
    }
}

/// The bytes to read into, as the memory of a caller.
struct Memory<'a>(&'a mut [u8]);

impl Memory<'_> {
    /// Where they begin: anywhere but at 0.
    const START: u64 = 0x1000;

    fn range(&mut self, addr: u64, length: usize) -> Result<&mut [u8]> {
        let start = addr.checked_sub(Memory::START).ok_or(Errno::EFAULT)?;
        let start = usize::try_from(start).map_err(|_| Errno::EFAULT)?;
        let end = start.checked_add(length).ok_or(Errno::EFAULT)?;
        self.0.get_mut(start..end).ok_or(Errno::EFAULT)
    }
}

impl UserMemory for Memory<'_> {
    fn read_at(&mut self, addr: u64, into: &mut [u8]) -> Result {
        into.copy_from_slice(self.range(addr, into.len())?);
        Ok(())
    }

    fn write_at(&mut self, addr: u64, from: &[u8]) -> Result {
        self.range(addr, from.len())?.copy_from_slice(from);
        Ok(())
    }
}

impl Caller for Memory<'_> {}
