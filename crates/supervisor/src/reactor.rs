//! The one thread that sees to everything no trapped call asks for: wakes, times that
//! are over, last closes, signals for callers that wait, the ends of programs.

use core::time::Duration;
use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};

use lastfd_sync::atomic::{AtomicBool, AtomicU64, Ordering};
use lastfd_sync::{Arc, Clock, Ktime, Mutex, Weak, thread};
use rustix::event::{EventfdFlags, Timespec, epoll};

use crate::Shared;
use crate::deferred::{Blocked, Sleeper};
use crate::objects::Object;
use crate::session::Session;
use crate::signals;

/// How often the signals of callers that wait are looked at, at most.
const SIGNALS: Duration = Duration::from_millis(2);

/// Something to be done.
#[derive(Debug)]
pub(crate) enum Ready {
    /// A call to be tried again.
    Blocked(Arc<Blocked>),
    /// A file whose readiness may have changed, for those who watch it with epoll.
    Bells(Arc<Object>),
}

/// Whom an event of the epoll set is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Wake,
    Closes,
    Session(u64),
    Foreign(u64),
    Socket(u64),
    Door(u64),
}

const KIND: u64 = 1 << 60;

impl Token {
    fn pack(self) -> u64 {
        match self {
            Token::Wake => 0,
            Token::Closes => KIND,
            Token::Session(n) => (2 * KIND) | n,
            Token::Foreign(n) => (3 * KIND) | n,
            Token::Socket(n) => (4 * KIND) | n,
            Token::Door(n) => (5 * KIND) | n,
        }
    }

    fn unpack(data: u64) -> Token {
        let number = data & (KIND - 1);
        match data / KIND {
            0 => Token::Wake,
            1 => Token::Closes,
            2 => Token::Session(number),
            3 => Token::Foreign(number),
            4 => Token::Socket(number),
            _ => Token::Door(number),
        }
    }
}

/// What the thread works from.
#[derive(Debug)]
pub(crate) struct Reactor {
    epoll: OwnedFd,
    wake: OwnedFd,
    clock: Clock,
    numbers: AtomicU64,
    stop: AtomicBool,
    ready: Mutex<Vec<Ready>>,
    blocked: Mutex<BTreeMap<u64, Arc<Blocked>>>,
    sessions: Mutex<BTreeMap<u64, Arc<Session>>>,
    sockets: Mutex<BTreeMap<u64, crate::objects::Key>>,
}

impl Reactor {
    pub(crate) fn new(watches: &OwnedFd) -> rustix::io::Result<Reactor> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let wake = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let reactor = Reactor {
            epoll,
            wake,
            clock: Clock::real(),
            numbers: AtomicU64::new(1),
            stop: AtomicBool::new(false),
            ready: Mutex::default(),
            blocked: Mutex::default(),
            sessions: Mutex::default(),
            sockets: Mutex::default(),
        };
        reactor.watch(&reactor.wake, Token::Wake, epoll::EventFlags::IN)?;
        reactor.watch(watches, Token::Closes, epoll::EventFlags::IN)?;
        Ok(reactor)
    }

    fn watch(
        &self,
        fd: impl AsFd,
        token: Token,
        events: epoll::EventFlags,
    ) -> rustix::io::Result<()> {
        let data = epoll::EventData::new_u64(token.pack());
        epoll::add(&self.epoll, fd, data, events)
    }

    /// A number that nobody else has.
    pub(crate) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// Real time, which is that of timeouts that programs give.
    pub(crate) fn now(&self) -> Ktime {
        self.clock.now()
    }

    pub(crate) fn push(&self, ready: Ready) {
        self.ready.lock().push(ready);
        self.look_again();
    }

    /// Wakes the thread.
    pub(crate) fn look_again(&self) {
        // Full means that it is going to look.
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }

    pub(crate) fn keep(&self, blocked: &Arc<Blocked>) {
        let mut all = self.blocked.lock();
        let first = all.values().all(|blocked| blocked.has_door());
        all.insert(blocked.number, Arc::clone(blocked));
        drop(all);
        // It sleeps without a limit while nobody waits whose signals are to be looked at.
        if first {
            self.look_again();
        }
    }

    pub(crate) fn sleepers(&self) -> Vec<Sleeper> {
        let blocked: Vec<_> = self.blocked.lock().values().cloned().collect();
        blocked.iter().filter_map(|b| b.asleep()).collect()
    }

    pub(crate) fn forget(&self, number: u64) {
        let gone = self.blocked.lock().remove(&number);
        drop(gone);
    }

    /// Tries the call again when this descriptor, a copy of the program's, is ready.
    /// False if it is one that always is.
    pub(crate) fn watch_foreign(&self, fd: &OwnedFd, number: u64, events: u32) -> bool {
        let oneshot = epoll::EventFlags::from_bits_retain(events) | epoll::EventFlags::ONESHOT;
        match self.watch(fd, Token::Foreign(number), oneshot) {
            // An earlier call's copy of the same file had this number. The program still
            // has the file open, so the kernel kept the entry when the copy was closed.
            Err(rustix::io::Errno::EXIST) => {
                self.watch_again(fd, number, events);
                true
            }
            watched => watched.is_ok(),
        }
    }

    /// Watches it once more, after it was ready.
    pub(crate) fn watch_again(&self, fd: &OwnedFd, number: u64, events: u32) {
        let events = epoll::EventFlags::from_bits_retain(events) | epoll::EventFlags::ONESHOT;
        let data = epoll::EventData::new_u64(Token::Foreign(number).pack());
        // It is in the set: `watch_foreign` put it there, or an earlier call's did.
        let _ = epoll::modify(&self.epoll, fd, data, events);
    }

    /// Gives a call up whose caller has closed what it waited by, or is gone.
    pub(crate) fn watch_door(&self, door: impl AsFd, number: u64) {
        let _ = self.watch(door, Token::Door(number), epoll::EventFlags::empty());
    }

    /// The call that waits with this number.
    pub(crate) fn blocked(&self, number: u64) -> Option<Arc<Blocked>> {
        self.blocked.lock().get(&number).cloned()
    }

    /// Sees to the end of a socket that a program has the other end of.
    pub(crate) fn watch_socket(&self, fd: impl AsFd, key: crate::objects::Key) {
        let number = self.number();
        self.sockets.lock().insert(number, key);
        let _ = self.watch(fd, Token::Socket(number), epoll::EventFlags::empty());
    }

    pub(crate) fn add_session(&self, session: &Arc<Session>) -> rustix::io::Result<()> {
        self.sessions
            .lock()
            .insert(session.number, Arc::clone(session));
        let token = Token::Session(session.number);
        self.watch(&session.control, token, epoll::EventFlags::IN)
    }

    /// The guards of all sessions.
    pub(crate) fn guards(&self) -> Vec<u32> {
        let sessions = self.sessions.lock();
        sessions.values().map(|session| session.guard).collect()
    }

    pub(crate) fn remove_session(&self, session: &Session) {
        // The guard's end may be the last thing that was watched.
        let _ = epoll::delete(&self.epoll, &session.control);
        self.sessions.lock().remove(&session.number);
        let blocked: Vec<_> = self.blocked.lock().values().cloned().collect();
        for blocked in blocked {
            if blocked.has_door() && blocked.task.session.number == session.number {
                blocked.abandon();
            }
        }
    }

    /// Gives up what is left, once the thread has ended.
    pub(crate) fn give_up(&self) {
        let blocked = core::mem::take(&mut *self.blocked.lock());
        for blocked in blocked.into_values() {
            blocked.abandon();
        }
        let ready = core::mem::take(&mut *self.ready.lock());
        drop(ready);
        let sessions = core::mem::take(&mut *self.sessions.lock());
        drop(sessions);
    }

    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
        self.look_again();
    }

    /// The thread.
    pub(crate) fn run(self: &Arc<Self>, shared: &Weak<Shared>) {
        let mut signals_at = self.now();
        let mut events = Vec::with_capacity(64);
        while !self.stop.load(Ordering::SeqCst) {
            events.clear();
            let timeout = self.timeout(signals_at);
            let waited = thread::wait_outside(|| {
                let events = rustix::buffer::spare_capacity(&mut events);
                epoll::wait(&self.epoll, events, timeout.as_ref())
            });
            // Interrupted is as good as woken.
            let _ = waited;
            let Some(shared) = shared.upgrade() else {
                return;
            };
            for event in &events {
                self.happened(Token::unpack(event.data.u64()), &shared);
            }
            shared.objects.see_closes();
            self.work_off();
            self.times_are_over();
            if self.now() >= signals_at {
                let begun = self.now();
                let blocked: Vec<_> = self.blocked.lock().values().cloned().collect();
                signals::look_at(&blocked);
                // Never most of the time, however many wait.
                let took = Duration::from_nanos(self.now().0.saturating_sub(begun.0));
                signals_at = self.now().after(SIGNALS.max(took * 4));
            }
        }
    }

    fn happened(&self, token: Token, shared: &Arc<Shared>) {
        match token {
            Token::Wake => {
                let mut count = [0; 8];
                let _ = rustix::io::read(&self.wake, &mut count);
            }
            // Also what is told of files that are gone already: it would be told for ever.
            Token::Closes => shared.objects.see_all_closes(),
            Token::Session(number) => {
                let session = self.sessions.lock().get(&number).cloned();
                if let Some(session) = session {
                    // What the program closed is closed once nobody rings for it any more.
                    shared.objects.see_closes();
                    self.work_off();
                    session.control_is_readable();
                }
            }
            Token::Foreign(number) => {
                if let Some(blocked) = self.blocked(number) {
                    blocked.retry();
                }
            }
            Token::Door(number) => {
                if let Some(blocked) = self.blocked(number) {
                    blocked.door_is_closed(&self.epoll);
                }
            }
            Token::Socket(number) => {
                let key = self.sockets.lock().remove(&number);
                if let Some(key) = key {
                    shared.objects.remove(key);
                }
            }
        }
    }

    /// Until the next thing that has a time.
    fn timeout(&self, signals_at: Ktime) -> Option<Timespec> {
        if !self.ready.lock().is_empty() {
            return Some(Timespec::default());
        }
        let blocked: Vec<_> = self.blocked.lock().values().cloned().collect();
        if blocked.iter().all(|blocked| blocked.has_door()) {
            return None;
        }
        let deadlines = blocked.iter().filter_map(|blocked| blocked.deadline());
        let next = deadlines.fold(signals_at, Ktime::min);
        let left = next.0.saturating_sub(self.now().0);
        Some(Timespec {
            tv_sec: (left / 1_000_000_000) as i64,
            tv_nsec: (left % 1_000_000_000) as _,
        })
    }

    fn work_off(&self) {
        let ready = core::mem::take(&mut *self.ready.lock());
        for ready in ready {
            match ready {
                Ready::Blocked(blocked) => blocked.retry(),
                Ready::Bells(object) => crate::bells::ring(&object),
            }
        }
    }

    fn times_are_over(&self) {
        let now = self.now();
        let blocked: Vec<_> = self.blocked.lock().values().cloned().collect();
        for blocked in blocked {
            if blocked.deadline().is_some_and(|deadline| deadline <= now) {
                blocked.retry();
            }
        }
    }
}
