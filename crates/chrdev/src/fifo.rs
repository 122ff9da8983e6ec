//! A queue whose reader can roll back.

use core::fmt;
use std::collections::VecDeque;

use lastfd_sync::{Arc, Mutex, WaitQueue};

/// A bounded first-in first-out queue made for [`Try`](crate::Try).
///
/// A reader sets items aside with [`Fifo::take`]; [`Taken::commit`] removes
/// them, dropping the [`Taken`] leaves them where they were, in order. One
/// reader at a time has items set aside: others are told to wait, as they would
/// for the mutex that a kernel driver holds while it copies to user space. So
/// nothing is lost, nothing comes twice, and order holds, however readers fare.
///
/// Its queue is woken when something came, when a reader ended, and by
/// [`Fifo::wake`]. A clone is another handle on the same queue.
///
/// ```
/// use lastfd_chrdev::{Fifo, Take};
///
/// let fifo = Fifo::new(4);
/// fifo.push('a').unwrap();
/// fifo.push('b').unwrap();
/// let Take::Some(taken) = fifo.take(1) else { panic!() };
/// assert_eq!(taken.items(), ['a']);
/// drop(taken); // nobody took the reply
/// let Take::Some(taken) = fifo.take(8) else { panic!() };
/// assert_eq!(taken.items(), ['a', 'b']);
/// taken.commit();
/// assert!(fifo.is_empty());
/// ```
pub struct Fifo<T>(Arc<Shared<T>>);

struct Shared<T> {
    state: Mutex<State<T>>,
    queue: Arc<WaitQueue>,
}

struct State<T> {
    items: VecDeque<T>,
    capacity: usize,
    taken: bool,
    /// Counts the clears, so that a commit does not remove what came later.
    era: u64,
}

/// What [`Fifo::take`] gives.
#[derive(Debug)]
#[must_use = "items set aside go back when this is dropped"]
pub enum Take<T: Clone> {
    /// Items set aside.
    Some(Taken<T>),
    /// There are none. Wait on the queue, or answer `EAGAIN`.
    Empty,
    /// Another reader has items set aside. Wait on the queue, even in a call
    /// that must not block: it is not for data.
    Busy,
}

impl<T> Fifo<T> {
    /// An empty queue for at most `capacity` items.
    pub fn new(capacity: usize) -> Fifo<T> {
        Fifo(Arc::new(Shared {
            state: Mutex::new(State {
                items: VecDeque::new(),
                capacity,
                taken: false,
                era: 0,
            }),
            queue: Arc::new(WaitQueue::new()),
        }))
    }

    /// The queue that readers and pollers wait on.
    pub fn queue(&self) -> &Arc<WaitQueue> {
        &self.0.queue
    }

    /// Appends an item and wakes the waiters.
    ///
    /// # Errors
    /// The item, if there is no room. Items set aside still take their room.
    pub fn push(&self, item: T) -> core::result::Result<(), T> {
        {
            let mut state = self.0.state.lock();
            if state.items.len() >= state.capacity {
                return Err(item);
            }
            state.items.push_back(item);
        }
        self.wake();
        Ok(())
    }

    /// Wakes the waiters, who then look again.
    pub fn wake(&self) {
        self.0.queue.wake_all();
    }

    /// Throws all items away, also those set aside: their commit removes
    /// nothing any more.
    pub fn clear(&self) {
        let old = {
            let mut state = self.0.state.lock();
            state.era += 1;
            core::mem::take(&mut state.items)
        };
        drop(old);
    }

    /// Changes the capacity. Items over it stay.
    pub fn set_capacity(&self, capacity: usize) {
        self.0.state.lock().capacity = capacity;
    }

    /// For how many items there is room at most.
    pub fn capacity(&self) -> usize {
        self.0.state.lock().capacity
    }

    /// How many items there are, those set aside included: they are there
    /// until the commit.
    pub fn len(&self) -> usize {
        self.0.state.lock().items.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T: Clone> Fifo<T> {
    /// Sets the first items aside, at most `max` of them.
    pub fn take(&self, max: usize) -> Take<T> {
        self.take_if(max, |_| true)
    }

    /// As [`Fifo::take`], but only the leading items that `wanted` accepts.
    pub fn take_if(&self, max: usize, mut wanted: impl FnMut(&T) -> bool) -> Take<T> {
        let mut state = self.0.state.lock();
        if state.taken {
            return Take::Busy;
        }
        let items: Vec<T> = state
            .items
            .iter()
            .take(max)
            .take_while(|item| wanted(item))
            .cloned()
            .collect();
        if items.is_empty() {
            return Take::Empty;
        }
        state.taken = true;
        Take::Some(Taken {
            fifo: self.clone(),
            era: state.era,
            items,
            commit: false,
        })
    }
}

impl<T> Clone for Fifo<T> {
    fn clone(&self) -> Self {
        Fifo(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for Fifo<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.state.lock();
        f.debug_struct("Fifo")
            .field("len", &state.items.len())
            .field("capacity", &state.capacity)
            .field("taken", &state.taken)
            .finish()
    }
}

/// Items set aside. Dropping it leaves them in the queue.
#[must_use = "dropping it puts the items back"]
pub struct Taken<T: Clone> {
    fifo: Fifo<T>,
    era: u64,
    items: Vec<T>,
    commit: bool,
}

impl<T: Clone> Taken<T> {
    /// The items, oldest first.
    pub fn items(&self) -> &[T] {
        &self.items
    }

    /// Keeps only the first `len` of them set aside.
    pub fn truncate(&mut self, len: usize) {
        self.items.truncate(len);
    }

    /// Removes them from the queue.
    pub fn commit(mut self) {
        self.commit = true;
    }
}

impl<T: Clone> Drop for Taken<T> {
    fn drop(&mut self) {
        let gone: Vec<T> = {
            let mut state = self.fifo.0.state.lock();
            state.taken = false;
            if self.commit && state.era == self.era {
                state.items.drain(..self.items.len()).collect()
            } else {
                Vec::new()
            }
        };
        drop(gone);
        self.fifo.wake();
    }
}

impl<T: Clone + fmt::Debug> fmt::Debug for Taken<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Taken").field(&self.items).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken<T: Clone + fmt::Debug>(take: Take<T>) -> Taken<T> {
        match take {
            Take::Some(taken) => taken,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_second_reader_waits_for_the_first_and_then_sees_the_rest() {
        let fifo = Fifo::new(8);
        for n in 0..3 {
            fifo.push(n).unwrap();
        }
        let first = taken(fifo.take(2));
        assert!(matches!(fifo.take(1), Take::Busy));
        first.commit();
        assert_eq!(taken(fifo.take(9)).items(), [2]);
    }

    #[test]
    fn room_is_free_only_after_the_commit() {
        let fifo = Fifo::new(1);
        fifo.push(1).unwrap();
        let first = taken(fifo.take(1));
        assert_eq!(fifo.push(2), Err(2));
        first.commit();
        fifo.push(3).unwrap();
        assert_eq!(fifo.len(), 1);
    }

    #[test]
    fn a_commit_after_clear_removes_nothing_that_came_later() {
        let fifo = Fifo::new(4);
        fifo.push(1).unwrap();
        let first = taken(fifo.take(1));
        fifo.clear();
        fifo.push(2).unwrap();
        first.commit();
        assert_eq!(taken(fifo.take(4)).items(), [2]);
    }

    #[test]
    fn taking_only_what_fits_leaves_the_rest() {
        let fifo = Fifo::new(4);
        for word in ["ab", "cd", "efgh"] {
            fifo.push(word).unwrap();
        }
        let mut room = 5;
        let first = taken(fifo.take_if(9, |word| {
            let fits = word.len() <= room;
            room -= if fits { word.len() } else { 0 };
            fits
        }));
        assert_eq!(first.items(), ["ab", "cd"]);
    }
}
