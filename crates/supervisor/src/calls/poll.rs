//! poll, ppoll, select, pselect: answered here when one of the files is ours, with exact
//! masks for ours and the kernel's own for the others, which are asked through copies.

use core::time::Duration;
use std::os::fd::OwnedFd;

use lastfd_accel::key::{Asks, OURS};
use lastfd_chrdev::{OpenFile, PollCall, PollMask, PollTable};
use lastfd_model::{Errno, Result};
use lastfd_sync::{Arc, Ktime, WaitEntry, Wake};
use rustix::event::{PollFd, PollFlags, Timespec};

use crate::deferred::{Asleep, Blocked, Deferred, Progress};
use crate::notice::What;
use crate::objects::{Content, Object};
use crate::task::{Answer, Restart, Task};

/// More than this nobody polls; the kernel says what it thinks of it.
const MAX_FDS: u64 = 65536;
const NANOS: i128 = 1_000_000_000;

/// Whom an entry asks.
enum Whom {
    Ours(Arc<Object>),
    Foreign(OwnedFd),
    /// The caller asks the kernel itself.
    Theirs,
    /// No such descriptor.
    Nobody,
    /// A negative one: passed over.
    Skipped,
}

struct Entry {
    fd: i32,
    events: u32,
    revents: u32,
    whom: Whom,
}

impl Entry {
    fn device(&self) -> Option<&OpenFile> {
        match &self.whom {
            Whom::Ours(object) => object.device().map(|device| &device.file),
            _ => None,
        }
    }
}

/// How the answer is written.
enum Form {
    Poll {
        addr: u64,
    },
    /// Ours alone, marked.
    Marked {
        addr: u64,
    },
    Select {
        count: usize,
        sets: [u64; 3],
    },
}

/// Where a time that is left over is written.
#[derive(Clone, Copy)]
enum Left {
    Nowhere,
    /// A `struct timespec`.
    Nanos(u64),
    /// A `struct timeval`.
    Micros(u64),
}

/// A poll of ours.
struct Polling {
    op: &'static str,
    entries: Vec<Entry>,
    form: Form,
    left: Left,
    deadline: Option<Ktime>,
    at_once: bool,
    told: Option<PollCall>,
    armed: Vec<WaitEntry>,
    watched: bool,
}

impl Polling {
    /// Asks everybody; gives how many have something.
    fn ask(&mut self, mut tables: Option<&mut Vec<PollTable>>) -> usize {
        let mut ready = 0;
        for entry in &mut self.entries {
            entry.revents = match &entry.whom {
                Whom::Ours(object) => {
                    let mut table = PollTable::new(PollMask(entry.events));
                    let mask = ask_ours(object, &mut table);
                    if let Some(tables) = &mut tables {
                        tables.push(table);
                    }
                    mask & (entry.events | PollMask::ALWAYS.0)
                }
                Whom::Nobody => PollMask::NVAL.0,
                Whom::Foreign(_) | Whom::Theirs | Whom::Skipped => 0,
            };
            ready += usize::from(entry.revents != 0);
        }
        ready + self.ask_foreign()
    }

    fn ask_foreign(&mut self) -> usize {
        let mut foreign = Vec::new();
        for entry in &self.entries {
            if let Whom::Foreign(fd) = &entry.whom {
                let events = PollFlags::from_bits_retain(entry.events as u16);
                foreign.push(PollFd::new(fd, events));
            }
        }
        if foreign.is_empty() {
            return 0;
        }
        // Cannot be interrupted: it does not wait.
        let _ = rustix::event::poll(&mut foreign, Some(&Timespec::default()));
        let found: Vec<u32> = foreign
            .iter()
            .map(|fd| fd.revents().bits().into())
            .collect();
        let mut found = found.into_iter();
        let mut ready = 0;
        for entry in &mut self.entries {
            if let Whom::Foreign(_) = &entry.whom {
                entry.revents = found.next().unwrap_or(0);
                ready += usize::from(entry.revents != 0);
            }
        }
        ready
    }

    fn is_late(&self, now: Ktime) -> bool {
        self.at_once || self.deadline.is_some_and(|deadline| deadline <= now)
    }

    /// Writes the answer, and gives it.
    fn end(&mut self, task: &Task, ready: usize) {
        let now = task.session.shared.reactor.now();
        let written = match self.form {
            Form::Poll { addr } | Form::Marked { addr } => {
                self.write_poll(task, addr).map(|()| ready as i64)
            }
            Form::Select { count, sets } => self.write_sets(task, count, sets),
        };
        let left = self.deadline.map_or(0, |at| at.0.saturating_sub(now.0));
        // fs/select.c: poll_select_finish; what cannot be written is passed over.
        let _ = match self.left {
            Left::Nowhere => Ok(()),
            Left::Nanos(addr) => write_time(task, addr, left / 1_000_000_000, left % 1_000_000_000),
            Left::Micros(addr) => {
                let micros = left % 1_000_000_000 / 1000;
                write_time(task, addr, left / 1_000_000_000, micros)
            }
        };
        if let Some(told) = self.told.take() {
            let devices = self.entries.iter().filter(|entry| entry.device().is_some());
            let masks = devices.map(|entry| PollMask(entry.revents)).collect();
            told.end(written.map(|_| masks));
        }
        task.answer(written.into());
    }

    fn write_poll(&self, task: &Task, addr: u64) -> Result {
        for (index, entry) in self.entries.iter().enumerate() {
            let at = addr + index as u64 * 8 + 6;
            let mut mask = entry.revents as u16;
            if let Form::Marked { .. } = self.form {
                match entry.whom {
                    Whom::Ours(_) => mask |= OURS,
                    _ => continue,
                }
            }
            task.write(at, &mask.to_ne_bytes())?;
        }
        Ok(())
    }

    /// fs/select.c: do_select and set_fd_set.
    fn write_sets(&self, task: &Task, count: usize, sets: [u64; 3]) -> Result<i64> {
        let kinds = [
            (PollMask::SELECT_READ, SELECT_EVENTS[0]),
            (PollMask::SELECT_WRITE, SELECT_EVENTS[1]),
            (PollMask::SELECT_EXCEPT, SELECT_EVENTS[2]),
        ];
        let mut total = 0;
        for (addr, (found, asked)) in sets.into_iter().zip(kinds) {
            if addr == 0 {
                continue;
            }
            let mut bits = vec![0u8; set_bytes(count)];
            for entry in &self.entries {
                let wanted = entry.events & asked.0 == asked.0;
                if wanted && PollMask(entry.revents).intersects(found) {
                    bits[entry.fd as usize / 8] |= 1 << (entry.fd % 8);
                    total += 1;
                }
            }
            task.write(addr, &bits)?;
        }
        Ok(total)
    }
}

/// The bits that stand for each set while an entry is asked; each has one that no other
/// has.
const SELECT_EVENTS: [PollMask; 3] = [
    PollMask(PollMask::IN.0 | PollMask::RDNORM.0 | PollMask::RDBAND.0),
    PollMask(PollMask::OUT.0 | PollMask::WRNORM.0 | PollMask::WRBAND.0),
    PollMask::PRI,
];

fn ask_ours(object: &Object, table: &mut PollTable) -> u32 {
    match &object.content {
        Content::Device(device) => device.file.try_poll(table).0,
        Content::Attribute(attribute) => attribute.attribute.poll().0,
        Content::Path(_) => PollMask::NVAL.0,
        Content::Uevents(_) => 0,
    }
}

fn write_time(task: &Task, addr: u64, seconds: u64, part: u64) -> Result {
    task.write(addr, &seconds.to_ne_bytes())?;
    task.write(addr + 8, &part.to_ne_bytes())
}

impl Deferred for Polling {
    fn attempt(&mut self, task: &Task, waker: Option<&Arc<Blocked>>) -> Progress {
        let reactor = &task.session.shared.reactor;
        let arming = waker.is_some() && !self.watched;
        let mut tables = Vec::new();
        let mut ready = self.ask(arming.then_some(&mut tables));
        if ready == 0
            && let (true, Some(waker)) = (arming, waker)
        {
            // On the queues first, then one more look.
            let woken: Arc<dyn Wake> = waker.clone();
            for table in tables {
                for queue in table.into_queues() {
                    self.armed.push(queue.add(Arc::clone(&woken)));
                }
            }
            for entry in &self.entries {
                if let Whom::Foreign(fd) = &entry.whom {
                    reactor.watch_foreign(fd, waker.number, entry.events);
                }
            }
            self.watched = true;
            ready = self.ask(None);
        }
        if ready > 0 || self.is_late(reactor.now()) {
            self.end(task, ready);
            return Progress::Over;
        }
        if let (Form::Marked { addr }, None) = (&self.form, waker) {
            // Which of them are ours the caller is to know while it waits.
            let _ = self.write_poll(task, *addr);
        }
        if let Some(waker) = waker {
            if !arming {
                for entry in &self.entries {
                    if let Whom::Foreign(fd) = &entry.whom {
                        reactor.watch_again(fd, waker.number, entry.events);
                    }
                }
            }
            if let Some(told) = &mut self.told {
                told.blocked();
            }
        }
        Progress::Waits(self.deadline)
    }

    fn asleep(&self, task: &Task) -> Asleep {
        let now = task.session.shared.reactor.now();
        let left = |until: Ktime| Duration::from_nanos(until.0.saturating_sub(now.0));
        let devices = self.entries.iter().filter_map(Entry::device);
        Asleep {
            op: self.op.into(),
            files: devices.map(|device| device.file().name().clone()).collect(),
            left: self.deadline.map(left),
        }
    }

    fn interrupt(&mut self, task: &Task, certain: bool) {
        let ready = self.ask(None);
        if ready > 0 {
            return self.end(task, ready);
        }
        if let Some(told) = self.told.take() {
            told.end(Err(Errno::EINTR));
        }
        if certain {
            task.restart(Restart::NoHand);
        } else {
            task.answer(Answer::Error(Errno::EINTR));
        }
    }

    fn finish(&mut self, task: &Task) {
        let ready = self.ask(None);
        self.end(task, ready);
    }
}

/// Whether one of them is ours; if so, all are made ready to be asked.
fn entries(task: &Task, asked: &[(i32, u32)]) -> Result<Option<Vec<Entry>>> {
    let objects: Vec<_> = asked.iter().map(|(fd, _)| task.object(*fd)).collect();
    let ours = |object: &Arc<Object>| !matches!(object.content, Content::Uevents(_));
    if !objects.iter().flatten().any(ours) {
        return Ok(None);
    }
    task.session.shared.objects.see_closes();
    let mut entries = Vec::with_capacity(asked.len());
    for (&(fd, events), object) in asked.iter().zip(objects) {
        let whom = match object {
            Some(object) if ours(&object) => Whom::Ours(object),
            _ if fd < 0 => Whom::Skipped,
            _ if task.asks().is_some() => Whom::Theirs,
            _ => match task.copy_fd(fd) {
                Ok(copy) => Whom::Foreign(copy),
                Err(Errno::EBADF) => Whom::Nobody,
                Err(_) => {
                    task.session.notice(task, What::MixedPoll);
                    return Err(Errno::EPERM);
                }
            },
        };
        entries.push(Entry {
            fd,
            events,
            revents: 0,
            whom,
        });
    }
    Ok(Some(entries))
}

fn start(task: &Task, op: &'static str, entries: Vec<Entry>, form: Form, time: Timeout) -> Answer {
    let now = task.session.shared.reactor.now();
    let devices = entries.iter().filter_map(Entry::device).cloned().collect();
    let (deadline, at_once) = match time.nanos {
        None => (None, false),
        Some(0) => (None, true),
        Some(nanos) => (Some(Ktime(now.0.saturating_add(nanos))), false),
    };
    let polling = Polling {
        op,
        entries,
        form,
        left: time.left,
        deadline,
        at_once,
        told: Some(PollCall::begin(op, devices)),
        armed: Vec::new(),
        watched: false,
    };
    let shared = &task.session.shared;
    // It has been told as begun, and as asleep.
    shared.checkpoint();
    Blocked::start(task.clone(), Box::new(polling));
    shared.checkpoint();
    Answer::Given
}

struct Timeout {
    /// None is for ever.
    nanos: Option<u64>,
    left: Left,
}

/// A `struct timespec` or `timeval` in the caller's memory.
fn timeout(task: &Task, addr: u64, unit: i128, left: Left) -> Result<Timeout> {
    if addr == 0 {
        return Ok(Timeout {
            nanos: None,
            left: Left::Nowhere,
        });
    }
    let seconds = task.word(addr)? as i64;
    let part = task.word(addr + 8)? as i64;
    // A timeval may have more than a second's microseconds; a timespec may not.
    let most = if unit == 1 {
        NANOS
    } else {
        i128::from(i64::MAX)
    };
    if seconds < 0 || part < 0 || i128::from(part) >= most {
        return Err(Errno::EINVAL);
    }
    let nanos = i128::from(seconds) * NANOS + i128::from(part) * unit;
    Ok(Timeout {
        nanos: Some(u64::try_from(nanos).unwrap_or(u64::MAX)),
        left,
    })
}

pub(super) fn poll(task: &Task) -> Answer {
    let time = match task.int(2) {
        millis if millis < 0 => None,
        millis => Some(millis as u64 * 1_000_000),
    };
    let time = Timeout {
        nanos: time,
        left: Left::Nowhere,
    };
    poll_with(task, Ok(time))
}

pub(super) fn ppoll(task: &Task) -> Answer {
    let addr = task.arg(2);
    poll_with(task, timeout(task, addr, 1, Left::Nanos(addr)))
}

fn poll_with(task: &Task, time: Result<Timeout>) -> Answer {
    let (addr, count) = (task.arg(0), task.arg(1));
    if task.session.shared.objects.is_empty() || count > MAX_FDS {
        return Answer::Continue;
    }
    let mut bytes = vec![0; count as usize * 8];
    if task.read(addr, &mut bytes).is_err() {
        return Answer::Continue;
    }
    let asked: Vec<(i32, u32)> = bytes
        .chunks_exact(8)
        .map(|one| {
            let fd = i32::from_ne_bytes([one[0], one[1], one[2], one[3]]);
            (fd, u16::from_ne_bytes([one[4], one[5]]).into())
        })
        .collect();
    match entries(task, &asked) {
        Ok(None) => Answer::Continue,
        Err(errno) => Answer::Error(errno),
        Ok(Some(entries)) => match time {
            Ok(time) => {
                let (op, form) = match task.asks() {
                    None => ("poll", Form::Poll { addr }),
                    Some(Asks::WaitInSelect) => ("select", Form::Marked { addr }),
                    Some(_) => ("poll", Form::Marked { addr }),
                };
                start(task, op, entries, form, time)
            }
            Err(errno) => Answer::Error(errno),
        },
    }
}

pub(super) fn select(task: &Task) -> Answer {
    let addr = task.arg(4);
    select_with(task, timeout(task, addr, 1000, Left::Micros(addr)))
}

pub(super) fn pselect(task: &Task) -> Answer {
    let addr = task.arg(4);
    select_with(task, timeout(task, addr, 1, Left::Nanos(addr)))
}

/// Bytes of a set: whole words.
fn set_bytes(count: usize) -> usize {
    count.div_ceil(64) * 8
}

fn select_with(task: &Task, time: Result<Timeout>) -> Answer {
    if task.session.shared.objects.is_empty() {
        return Answer::Continue;
    }
    // More than there are descriptors is cut off by the kernel, too.
    let count = (task.int(0) as usize).min(1024);
    let sets = [task.arg(1), task.arg(2), task.arg(3)];
    let mut events = vec![0u32; count];
    for (addr, bits) in sets.into_iter().zip(SELECT_EVENTS) {
        if addr == 0 {
            continue;
        }
        let mut set = vec![0; set_bytes(count)];
        if task.read(addr, &mut set).is_err() {
            return Answer::Continue;
        }
        for (fd, events) in events.iter_mut().enumerate() {
            if set[fd / 8] >> (fd % 8) & 1 != 0 {
                *events |= bits.0;
            }
        }
    }
    let asked: Vec<(i32, u32)> = events
        .into_iter()
        .enumerate()
        .filter(|(_, events)| *events != 0)
        .map(|(fd, events)| (fd as i32, events))
        .collect();
    match entries(task, &asked) {
        Ok(None) => Answer::Continue,
        Err(errno) => Answer::Error(errno),
        Ok(Some(entries)) if entries.iter().any(|e| matches!(e.whom, Whom::Nobody)) => {
            Answer::Error(Errno::EBADF)
        }
        Ok(Some(entries)) => match time {
            Ok(time) => start(task, "select", entries, Form::Select { count, sets }, time),
            Err(errno) => Answer::Error(errno),
        },
    }
}
