//! Reader slots, and how a task finds its own.

use crate::prim::{AtomicBool, AtomicU32, AtomicU64, Mutex, Ordering};
use crate::wait_queue::WaitQueue;
use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

/// What one task writes on its way in and out. Two cache lines, since processors fetch
/// them in pairs.
#[repr(align(128))]
pub(super) struct Slot {
    /// How deep the owner is inside (low half), and how often it has been out. Written
    /// by the owner alone.
    state: AtomicU64,
    /// [`WAITED`] and [`BORROWED`]: what the owner has to do when it leaves.
    attention: AtomicU32,
    /// Some task has it.
    owned: AtomicBool,
}

/// A closer wants to be woken. Written by the closer.
const WAITED: u32 = 1;
/// The owner has no memory of its own, and gives the slot back when it is out.
const BORROWED: u32 = 2;

/// The low half of a state.
const DEPTH: u64 = 0xffff_ffff;
const OUT: u64 = DEPTH + 1;

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot")
            .field("depth", &self.depth())
            .finish_non_exhaustive()
    }
}

impl Slot {
    fn new() -> Slot {
        Slot {
            state: AtomicU64::new(0),
            attention: AtomicU32::new(0),
            owned: AtomicBool::new(true),
        }
    }

    /// How deep the owner is inside.
    pub(super) fn depth(&self) -> u64 {
        self.state.load(Ordering::Relaxed) & DEPTH
    }

    /// By the owner.
    #[inline(always)]
    pub(super) fn step_in(&self) {
        let state = self.state.load(Ordering::Relaxed);
        self.state.store(state + 1, Ordering::Relaxed);
    }

    /// By the owner. Release: who sees it sees what was done inside.
    #[inline(always)]
    pub(super) fn step_out(&self) {
        let mut state = self.state.load(Ordering::Relaxed) - 1;
        if state & DEPTH == 0 {
            state = state.wrapping_add(OUT);
        }
        self.state.store(state, Ordering::Release);
    }

    /// By the owner, after it stepped out and a light fence.
    #[inline(always)]
    pub(super) fn wants_attention(&self) -> bool {
        self.attention.load(Ordering::Relaxed) != 0
    }

    /// By the owner: what [`Slot::wants_attention`] asks for.
    #[cold]
    pub(super) fn attend(&self, domain: &Inner) {
        let attention = self.attention.load(Ordering::Relaxed);
        if attention & BORROWED != 0 && self.depth() == 0 {
            self.attention.fetch_and(!BORROWED, Ordering::Relaxed);
            self.owned.store(false, Ordering::Release);
        }
        if attention & WAITED != 0 {
            domain.left.wake_all();
        }
    }

    /// By the closer: asks to be woken (or no more).
    pub(super) fn set_waited(&self, waited: bool) {
        if waited {
            self.attention.fetch_or(WAITED, Ordering::Relaxed);
        } else {
            self.attention.fetch_and(!WAITED, Ordering::Relaxed);
        }
    }

    /// By the closer, after a heavy fence: the section to wait for, if the owner is in
    /// one.
    pub(super) fn section(&self) -> Option<Section> {
        let state = self.state.load(Ordering::Acquire);
        (state & DEPTH != 0).then_some(Section(state & !DEPTH))
    }

    /// Whether the owner has left that section, for another one perhaps.
    pub(super) fn has_left(&self, section: Section) -> bool {
        let state = self.state.load(Ordering::Acquire);
        state & !DEPTH != section.0
    }
}

/// A stay inside, from the first step in to the last step out.
#[derive(Clone, Copy)]
pub(super) struct Section(u64);

pub(super) struct Inner {
    /// Never used twice in a process.
    pub(super) id: u64,
    /// Slots stay until the domain goes; those of ended tasks are taken again.
    slots: Mutex<Vec<Arc<Slot>>>,
    /// Held by the one closer that drains. The others wait here.
    pub(super) draining: Mutex<()>,
    /// Woken by a reader that left and found its slot waited for.
    pub(super) left: WaitQueue,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

static NEXT_DOMAIN: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);

impl Inner {
    pub(super) fn new() -> Inner {
        Inner {
            id: NEXT_DOMAIN.fetch_add(1, std::sync::atomic::Ordering::Relaxed),
            slots: Mutex::new(Vec::new()),
            draining: Mutex::new(()),
            left: WaitQueue::new(),
        }
    }

    /// All slots that there are. A task that takes one later, or takes over one, goes
    /// through this lock after the caller did, and sees what the caller wrote before.
    pub(super) fn slots(&self) -> Vec<Arc<Slot>> {
        self.slots.lock().clone()
    }

    pub(super) fn slot_count(&self) -> usize {
        self.slots.lock().len()
    }

    fn take_slot(&self) -> Arc<Slot> {
        let mut slots = self.slots.lock();
        // A task that forgot a guard and ended leaves its slot inside for ever, as the
        // kernel would: not to be taken again.
        let free = slots.iter().find(|slot| {
            // Acquire: what the former owner did comes before what the next does.
            !slot.owned.load(Ordering::Acquire) && slot.depth() == 0
        });
        if let Some(slot) = free {
            slot.owned.store(true, Ordering::Relaxed);
            return slot.clone();
        }
        let slot = Arc::new(Slot::new());
        slots.push(slot.clone());
        slot
    }
}

/// The slots of one task.
#[derive(Default)]
pub(crate) struct OwnSlots {
    slots: Vec<(u64, Arc<Slot>)>,
}

impl OwnSlots {
    fn find(&self, domain: &Inner) -> Option<Arc<Slot>> {
        let found = self.slots.iter().find(|(id, _)| *id == domain.id);
        found.map(|(_, slot)| slot.clone())
    }

    fn find_or_take(&mut self, domain: &Inner) -> Arc<Slot> {
        self.find(domain).unwrap_or_else(|| {
            // Those whose domain has gone.
            self.slots.retain(|(_, slot)| Arc::strong_count(slot) > 1);
            let slot = domain.take_slot();
            self.slots.push((domain.id, slot.clone()));
            slot
        })
    }
}

impl Drop for OwnSlots {
    fn drop(&mut self) {
        #[cfg(not(loom))]
        cache::forget();
        for (_, slot) in self.slots.drain(..) {
            slot.owned.store(false, Ordering::Release);
        }
    }
}

#[cfg(not(loom))]
thread_local! {
    static OWN: RefCell<OwnSlots> = RefCell::default();
}

#[cfg(loom)]
loom::thread_local! {
    static OWN: RefCell<OwnSlots> = RefCell::default();
}

/// The slot of the current task, if it ever had one.
pub(super) fn own_if_any(domain: &Inner) -> Option<Arc<Slot>> {
    #[cfg(not(loom))]
    if crate::explore::explored() {
        return crate::task::Task::current().with_gate_slots(|own| own.find(domain));
    }
    OWN.try_with(|own| own.borrow().find(domain)).ok().flatten()
}

/// The slot of the current task.
pub(super) fn own(domain: &Inner) -> &Slot {
    let slot = own_counted(domain);
    // SAFETY: the slot is in the domain's list, which only grows, so it lives for as long
    // as the domain is borrowed.
    unsafe { &*Arc::as_ptr(&slot) }
}

fn own_counted(domain: &Inner) -> Arc<Slot> {
    #[cfg(not(loom))]
    if crate::explore::explored() {
        return crate::task::Task::current().with_gate_slots(|own| own.find_or_take(domain));
    }
    let own = OWN.try_with(|own| {
        let slot = own.borrow_mut().find_or_take(domain);
        #[cfg(not(loom))]
        cache::remember(domain, &slot);
        slot
    });
    own.unwrap_or_else(|_| {
        // The thread's locals are gone already.
        let slot = domain.take_slot();
        slot.attention.fetch_or(BORROWED, Ordering::Relaxed);
        slot
    })
}

/// The slot that a thread used last, found without a search.
#[cfg(not(loom))]
pub(super) mod cache {
    use super::{Inner, Slot};
    use crate::gate::Domain;
    use std::cell::Cell;
    use std::ptr;
    use std::sync::Arc;

    thread_local! {
        static LAST: Cell<(u64, *const Slot)> = const { Cell::new((0, ptr::null())) };
    }

    /// The current thread's slot in the domain, if it was the last one used.
    #[inline(always)]
    pub(in crate::gate) fn last(domain: &Domain) -> Option<&Slot> {
        let (id, slot) = LAST.get();
        // SAFETY: the pair was stored by `remember` on this thread. Ids are not used twice,
        // so it is of this very domain, whose list keeps the slot alive for as long as the
        // domain is borrowed.
        (id == domain.id).then(|| unsafe { &*slot })
    }

    /// Only for a slot from [`super::own`], on a thread whose locals are alive.
    pub(super) fn remember(domain: &Inner, slot: &Arc<Slot>) {
        LAST.set((domain.id, Arc::as_ptr(slot)));
    }

    /// The thread gives its slots back: others will own them.
    pub(super) fn forget() {
        LAST.set((0, ptr::null()));
    }
}
