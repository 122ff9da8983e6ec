//! Waiting for readiness: poll, and what select and epoll are built on.
//!
//! Follows `fs/select.c: do_poll`.

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
    let op: Arc<str> = "poll".into();
    for fd in fds.iter() {
        let file = fd.file.file();
        file.system.emit(|| EventKind::OperationBegin {
            file: file.name.clone(),
            op: Arc::clone(&op),
        });
    }
    let result = wait(fds, timeout, cancel, &op);
    for fd in fds.iter() {
        let file = fd.file.file();
        file.system.emit(|| EventKind::OperationEnd {
            file: file.name.clone(),
            op: Arc::clone(&op),
            result: result.map(|_| i64::from(fd.revents.0)),
        });
    }
    result
}

#[track_caller]
fn wait(
    fds: &mut [PollFd<'_>],
    timeout: Option<Duration>,
    cancel: Option<&Cancel>,
    op: &Arc<str>,
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
    let place = core::panic::Location::caller();
    let mut tests = 0;
    let mut slept = false;
    let mut asleep: Vec<LedgerEntry> = Vec::new();
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
            slept = true;
            for fd in fds.iter() {
                let file = fd.file.file();
                if file.system.ledger_is_on() {
                    asleep.push(file.system.ledger_open(LedgerLine {
                        holding: Holding::Waiter,
                        device: file.device.clone(),
                        what: format!("poll on {}", file.name).into(),
                        place: Some(place),
                    }));
                }
                file.system.emit(|| EventKind::Blocked {
                    file: file.name.clone(),
                    op: Arc::clone(op),
                });
            }
        }
        (ready > 0).then_some(ready)
    });
    drop(asleep);
    if slept {
        for fd in fds.iter() {
            let file = fd.file.file();
            file.system.emit(|| EventKind::Woken {
                file: file.name.clone(),
                op: Arc::clone(op),
            });
        }
    }
    match woken {
        Ok(ready) => Ok(ready),
        Err(WaitError::TimedOut) => Ok(0),
        Err(WaitError::Cancelled) => Err(Errno::EINTR),
    }
}
