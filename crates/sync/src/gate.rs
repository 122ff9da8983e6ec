//! The gate: lets readers in until it is closed, and closes by waiting for those inside.
//! As the SRCU pair of `drm_dev_enter` and `drm_dev_unplug` (`drivers/gpu/drm/drm_drv.c`).
//!
//! **Way in**: the reader marks its own slot, passes a light fence, and tests the closed
//! flag. **Closing**: the closer sets the flag, passes a heavy fence, and looks at every
//! slot of the domain. Of a reader and a closer one was at its fence first. If the closer,
//! the reader sees the flag and turns back. If the reader, the closer sees the mark and
//! waits for it to go. **Way out**: the reader clears its mark, passes a light fence, and
//! looks whether its slot is waited for; the closer says that it waits before its heavy
//! fence. So either the reader wakes the closer or the closer sees that it left.
//!
//! The heavy fence is `membarrier(PRIVATE_EXPEDITED)`, which puts a full fence between two
//! instructions of each running thread; the light one then only keeps the compiler from
//! reordering. Where membarrier is refused, and under loom, both are SeqCst fences.
//! `tests/loom_gate.rs` shows for these that nobody is inside after a close and that the
//! closer is always woken. What was done inside is seen by the closer because the reader
//! clears its mark with release ordering and the closer reads it with acquire.
//!
//! As with SRCU, a close waits for all who are in the domain, through any of its gates,
//! and not for those that come after.

#[cfg(not(loom))]
mod membarrier;
mod slots;

#[cfg(not(loom))]
use crate::explore::switch_point;
#[cfg(not(loom))]
use crate::hooks;
use crate::prim::{AtomicBool, Ordering, Token, fence};
#[cfg(not(loom))]
pub(crate) use slots::OwnSlots;
use slots::{Inner, Section, Slot};
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

/// Loom needs no hints where to switch.
#[cfg(loom)]
fn switch_point() {}

/// How readers and closers see each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fences {
    /// Free for readers; the closer makes a system call.
    Membarrier,
    /// A full fence on each way in and out.
    SeqCst,
}

/// Where readers have their slots; shared by the gates of many devices. Clones are one
/// domain. Each task that ever entered has a slot of 128 bytes, which another takes over
/// when it ends.
#[derive(Clone, Debug)]
pub struct Domain {
    id: u64,
    fences: Fences,
    inner: Arc<Inner>,
}

impl Default for Domain {
    fn default() -> Self {
        Domain::new()
    }
}

impl Domain {
    /// A domain with the best fences that the system grants.
    pub fn new() -> Domain {
        #[cfg(not(loom))]
        if membarrier::available() {
            return Domain::with(Fences::Membarrier);
        }
        Domain::with(Fences::SeqCst)
    }

    /// A domain as on a system that refuses membarrier.
    pub fn without_membarrier() -> Domain {
        Domain::with(Fences::SeqCst)
    }

    fn with(fences: Fences) -> Domain {
        let inner = Inner::new();
        Domain {
            id: inner.id,
            fences,
            inner: Arc::new(inner),
        }
    }

    /// Which fences it uses.
    pub fn fences(&self) -> Fences {
        self.fences
    }

    /// How many tasks were inside at once or, since they were, may be.
    pub fn slots(&self) -> usize {
        self.inner.slot_count()
    }

    #[inline(always)]
    fn light_fence(&self) {
        match self.fences {
            Fences::Membarrier => std::sync::atomic::compiler_fence(Ordering::SeqCst),
            Fences::SeqCst => fence(Ordering::SeqCst),
        }
    }

    fn heavy_fence(&self) {
        match self.fences {
            #[cfg(not(loom))]
            Fences::Membarrier => membarrier::heavy(),
            _ => fence(Ordering::SeqCst),
        }
    }

    /// Waits until nobody who is inside now is any more.
    fn drain(&self) {
        let _one_at_a_time = self.inner.draining.lock();
        let slots = self.inner.slots();
        for slot in &slots {
            slot.set_waited(true);
        }
        switch_point();
        self.heavy_fence();
        let inside = slots
            .iter()
            .filter_map(|slot| Some((&**slot, slot.section()?)));
        let mut inside: Vec<(&Slot, Section)> = inside.collect();
        let mut all_left = || {
            inside.retain(|(slot, section)| !slot.has_left(*section));
            inside.is_empty()
        };
        if !spin_until(&mut all_left) {
            // A reader that left before we are in the queue woke nobody, but its leaving
            // is seen by the test after: the queue's promise.
            let token = Token::new();
            let _entry = self.inner.left.add(token.clone());
            loop {
                token.rearm();
                if all_left() {
                    break;
                }
                token.wait();
            }
        }
        for slot in &slots {
            slot.set_waited(false);
        }
    }
}

/// Sections are short: most are over before a sleep would begin.
#[cfg(not(loom))]
fn spin_until(done: &mut impl FnMut() -> bool) -> bool {
    let rounds = if crate::explore::explored() { 1 } else { 100 };
    (0..rounds).any(|round| {
        if round > 0 {
            std::hint::spin_loop();
        }
        done()
    })
}

#[cfg(loom)]
fn spin_until(done: &mut impl FnMut() -> bool) -> bool {
    done()
}

/// Why a gate was not closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseError {
    /// The task is inside a gate of the same domain, and would wait for itself.
    FromInside,
}

impl fmt::Display for CloseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("failed to close a gate: the task is inside one of the same domain")
    }
}

impl std::error::Error for CloseError {}

/// Lets readers in until it is closed, once and for ever.
///
/// ```
/// use lastfd_sync::gate::{CloseError, Domain, Gate};
///
/// let gate = Gate::new(&Domain::new());
/// let inside = gate.enter().expect("the gate is open");
/// assert_eq!(gate.close(), Err(CloseError::FromInside));
/// drop(inside);
/// assert_eq!(gate.close(), Ok(true));
/// assert!(gate.enter().is_none());
/// ```
#[derive(Debug)]
pub struct Gate {
    closed: AtomicBool,
    domain: Domain,
}

impl Gate {
    /// An open gate.
    pub fn new(domain: &Domain) -> Gate {
        Gate {
            closed: AtomicBool::new(false),
            domain: domain.clone(),
        }
    }

    /// Goes in, unless the gate is closed. A task may go in again while it is inside.
    #[inline]
    pub fn enter(&self) -> Option<Enter<'_>> {
        #[cfg(not(loom))]
        if hooks::idle()
            && let Some(slot) = slots::cache::last(&self.domain)
        {
            return self.enter_by(slot);
        }
        self.enter_slow()
    }

    #[cold]
    fn enter_slow(&self) -> Option<Enter<'_>> {
        switch_point();
        self.enter_by(slots::own(&self.domain.inner))
    }

    #[inline(always)]
    fn enter_by<'a>(&'a self, slot: &'a Slot) -> Option<Enter<'a>> {
        slot.step_in();
        let inside = Enter {
            domain: &self.domain,
            slot,
            here: PhantomData,
        };
        #[cfg(not(loom))]
        if !hooks::idle() {
            switch_point();
        }
        self.domain.light_fence();
        if self.is_closed() { None } else { Some(inside) }
    }

    /// Closes the gate and waits for those inside the domain. True for the one call that
    /// closed it; a second call waits as well.
    ///
    /// # Errors
    /// [`CloseError::FromInside`]: the gate is as it was.
    pub fn close(&self) -> Result<bool, CloseError> {
        if slots::own_if_any(&self.domain.inner).is_some_and(|slot| slot.depth() > 0) {
            return Err(CloseError::FromInside);
        }
        switch_point();
        let first = !self.closed.swap(true, Ordering::AcqRel);
        self.domain.drain();
        Ok(first)
    }

    /// Whether it was closed; those inside may not have left yet.
    #[inline]
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}

/// Inside a gate; leaves by dropping it. It stays with the task that went in.
#[derive(Debug)]
#[must_use = "dropping it leaves the gate"]
pub struct Enter<'a> {
    domain: &'a Domain,
    slot: &'a Slot,
    /// The slot is the task's, so the guard is too.
    here: PhantomData<*const ()>,
}

impl Drop for Enter<'_> {
    #[inline]
    fn drop(&mut self) {
        #[cfg(not(loom))]
        if !hooks::idle() {
            switch_point();
        }
        self.slot.step_out();
        #[cfg(not(loom))]
        if !hooks::idle() {
            switch_point();
        }
        self.domain.light_fence();
        if self.slot.wants_attention() {
            self.slot.attend(&self.domain.inner);
        }
    }
}
