//! Waiting for readiness: poll, and what select and epoll are built on.
//!
//! Follows `fs/select.c: do_poll`.

use core::fmt;
use core::panic::Location;
use core::time::Duration;

use lastfd_model::{Errno, EventKind, Holding, LedgerEntry, LedgerLine, Result};
use lastfd_sync::{Arc, Cancel, Ktime, WaitError, wait_event_unless};

use crate::handle::OpenFile;
use crate::poll::{PollMask, PollTable};

/// One file in a [`poll`] (`struct pollfd`).
#[derive(Debug)]
pub struct PollFd<'a> {
    /// The file.
    pub file: &'a OpenFile,
    /// What is asked for.
    pub events: PollMask,
    /// What was found: of what was asked for, and `ERR` and `HUP` in any case.
    pub revents: PollMask,
}

impl<'a> PollFd<'a> {
    /// Asks a file.
    pub fn new(file: &'a OpenFile, events: PollMask) -> PollFd<'a> {
        PollFd {
            file,
            events,
            revents: PollMask::NONE,
        }
    }

    fn ask(&mut self, table: &mut PollTable) -> bool {
        let mask = self.file.try_poll(table);
        self.revents = mask & (self.events | PollMask::ALWAYS);
        !self.revents.is_empty()
    }
}

impl OpenFile {
    /// Asks the driver once (`vfs_poll`). The table collects the queues to wait
    /// on; the mask is the driver's, with bits nobody asked for.
    ///
    /// A driver that panics here gives `ERR`.
    pub fn try_poll(&self, table: &mut PollTable) -> PollMask {
        if !self.can_poll() {
            return PollMask::DEFAULT;
        }
        self.file()
            .guard("poll", |ops, file| ops.poll(file, table))
            .unwrap_or(PollMask::ERR)
    }

    /// Whether there is a poll callback; epoll refuses a file without one with
    /// `EPERM` (`file_can_poll`).
    pub fn can_poll(&self) -> bool {
        self.file().op_set().poll
    }

    /// Waits until one of the events is there, at most for `timeout` (for ever
    /// if `None`; not at all if zero). Gives what is there: of what was asked
    /// for, and `ERR` and `HUP` in any case; nothing after the timeout.
    #[track_caller]
    pub fn poll(&self, events: PollMask, timeout: Option<Duration>) -> PollMask {
        let mut one = [PollFd::new(self, events)];
        // Only the end of all waits of the System can interrupt it, and then
        // nothing is there.
        let _ = poll(&mut one, timeout, None);
        one[0].revents
    }

    /// As [`OpenFile::poll`], ended by `cancel`.
    ///
    /// # Errors
    /// `EINTR`.
    #[track_caller]
    pub fn poll_with(
        &self,
        events: PollMask,
        timeout: Option<Duration>,
        cancel: &Cancel,
    ) -> Result<PollMask> {
        let mut one = [PollFd::new(self, events)];
        poll(&mut one, timeout, Some(cancel))?;
        Ok(one[0].revents)
    }
}

/// Waits until one of the files has one of the events asked of it, at most for
/// `timeout`. Gives how many have.
///
/// As in the kernel the queues are those that the first question named. All
/// files must be of one System; time is that of the first one's.
///
/// # Errors
/// `EINTR` if `cancel` ended the wait, `EINVAL` for no file at all without a
/// timeout.
#[track_caller]
pub fn poll(
    fds: &mut [PollFd<'_>],
    timeout: Option<Duration>,
    cancel: Option<&Cancel>,
) -> Result<usize> {
    let files = fds.iter().map(|fd| fd.file.clone());
    let mut told = PollCall::begin("poll", files.collect());
    let result = wait(fds, timeout, cancel, &mut told);
    told.end(result.map(|_| fds.iter().map(|fd| fd.revents).collect()));
    result
}

/// What a poll tells of itself, for whoever waits in a way of its own: the events of its
/// beginning, sleep and end, and the lines of the ledger meanwhile.
///
/// Dropping it is the end of a poll that was given up, as by `EINTR`.
pub struct PollCall {
    op: Arc<str>,
    files: Vec<OpenFile>,
    asleep: Option<Vec<LedgerEntry>>,
    place: &'static Location<'static>,
    over: bool,
}

impl PollCall {
    /// A poll of these files begins. `op` is what events call it: `poll`, `select`.
    #[track_caller]
    pub fn begin(op: &str, files: Vec<OpenFile>) -> PollCall {
        let call = PollCall {
            op: op.into(),
            files,
            asleep: None,
            place: Location::caller(),
            over: false,
        };
        for file in call.files() {
            file.system.emit(|| EventKind::OperationBegin {
                file: file.name.clone(),
                op: Arc::clone(&call.op),
            });
        }
        call
    }

    fn files(&self) -> impl Iterator<Item = &crate::File> {
        self.files.iter().map(OpenFile::file)
    }

    /// It sleeps now. Told again, nothing happens.
    pub fn blocked(&mut self) {
        if self.asleep.is_some() {
            return;
        }
        let mut lines = Vec::new();
        for file in self.files() {
            if file.system.ledger_is_on() {
                lines.push(file.system.ledger_open(LedgerLine {
                    holding: Holding::Waiter,
                    device: file.device.clone(),
                    what: format!("{} on {}", self.op, file.name).into(),
                    place: Some(self.place),
                }));
            }
            file.system.emit(|| EventKind::Blocked {
                file: file.name.clone(),
                op: Arc::clone(&self.op),
            });
        }
        self.asleep = Some(lines);
    }

    fn woken(&mut self) {
        if self.asleep.take().is_some() {
            for file in self.files() {
                file.system.emit(|| EventKind::Woken {
                    file: file.name.clone(),
                    op: Arc::clone(&self.op),
                });
            }
        }
    }

    /// It ends: with what was found on each file, in their order, or an error.
    pub fn end(mut self, result: Result<Vec<PollMask>>) {
        self.finish(result);
    }

    fn finish(&mut self, result: Result<Vec<PollMask>>) {
        self.woken();
        self.over = true;
        for (index, file) in self.files().enumerate() {
            let found = |masks: &Vec<PollMask>| masks.get(index).map_or(0, |mask| mask.0);
            file.system.emit(|| EventKind::OperationEnd {
                file: file.name.clone(),
                op: Arc::clone(&self.op),
                result: result.as_ref().map(found).map(i64::from).map_err(|e| *e),
            });
        }
    }
}

impl Drop for PollCall {
    fn drop(&mut self) {
        if !self.over {
            self.finish(Err(Errno::EINTR));
        }
    }
}

impl fmt::Debug for PollCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PollCall")
            .field("op", &self.op)
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

fn wait(
    fds: &mut [PollFd<'_>],
    timeout: Option<Duration>,
    cancel: Option<&Cancel>,
    told: &mut PollCall,
) -> Result<usize> {
    let mut queues = Vec::new();
    let mut ready = 0;
    for fd in fds.iter_mut() {
        // As soon as one is ready nobody will wait.
        let mut table = PollTable::new(fd.events);
        if ready > 0 || timeout == Some(Duration::ZERO) {
            table.stop_collecting();
        }
        ready += usize::from(fd.ask(&mut table));
        queues.extend(table.into_queues());
    }
    if ready > 0 || timeout == Some(Duration::ZERO) {
        return Ok(ready);
    }
    let system = fds.first().ok_or(Errno::EINVAL)?.file.file().system.clone();
    let clock = system.clock();
    let cancels: Vec<&Cancel> = cancel.into_iter().chain([system.waits()]).collect();
    let cancelled = || cancels.iter().any(|cancel| cancel.is_cancelled());
    let deadline = timeout.map(|timeout| {
        let nanos = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
        Ktime(clock.now().0.saturating_add(nanos))
    });
    let queues: Vec<_> = queues.iter().map(|queue| &**queue).collect();
    let mut tests = 0;
    let woken = wait_event_unless(&queues, clock, deadline, &cancels, || {
        tests += 1;
        let mut ready = 0;
        for fd in fds.iter_mut() {
            let mut table = PollTable::new(fd.events);
            table.stop_collecting();
            ready += usize::from(fd.ask(&mut table));
        }
        // The second test is the first on the queues.
        if ready == 0 && tests == 2 && !cancelled() {
            told.blocked();
        }
        (ready > 0).then_some(ready)
    });
    match woken {
        Ok(ready) => Ok(ready),
        Err(WaitError::TimedOut) => Ok(0),
        Err(WaitError::Cancelled) => Err(Errno::EINTR),
    }
}
