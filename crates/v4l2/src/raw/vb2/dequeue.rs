//! Taking a filled buffer: an attempt, a wait, a commit.

use lastfd_model::Errno;

use super::buffer::{Vb2Buffer, Vb2State};
use super::queue::Vb2Queue;
use super::stream::finish;
use crate::event::V4l2EventKind;
use lastfd_abi::v4l2::V4L2_BUF_FLAG_LAST;

/// One call of DQBUF or read, from attempt to attempt. While it sleeps, no
/// other may (`q->waiting_in_dqbuf`); that ends with the call.
pub(super) struct Dequeuing {
    queue: Vb2Queue,
    call: u64,
}

impl Dequeuing {
    pub(super) fn new(queue: &Vb2Queue) -> Dequeuing {
        Dequeuing {
            queue: queue.clone(),
            call: queue.system().unique(),
        }
    }

    /// The call's number, unique in the System.
    pub(super) fn call(&self) -> u64 {
        self.call
    }

    /// Whether another call sleeps.
    pub(super) fn another_waits(&self) -> bool {
        let waiting = self.queue.state().waiting_in_dqbuf;
        waiting.is_some_and(|call| call != self.call)
    }

    fn set_waiting(&self, waiting: bool) {
        let mut state = self.queue.state();
        if waiting {
            state.waiting_in_dqbuf = Some(self.call);
        } else if state.waiting_in_dqbuf == Some(self.call) {
            state.waiting_in_dqbuf = None;
        }
    }
}

impl Drop for Dequeuing {
    fn drop(&mut self) {
        self.set_waiting(false);
    }
}

/// What one attempt gives.
pub(super) enum Step {
    /// The first done buffer, set aside.
    Taken(TakenBuffer),
    /// Over.
    Over(Errno),
    /// There is none yet, or another call has it: wait on the queue's `done_wq`.
    Wait,
}

/// A buffer set aside for a program. Dropping it leaves it in the queue.
pub(super) struct TakenBuffer {
    queue: Vb2Queue,
    buffer: Vb2Buffer,
    call: u64,
    era: u64,
}

// videobuf2-core.c: __vb2_wait_for_done_vb, __vb2_get_done_vb
pub(super) fn take(dequeuing: &Dequeuing, nonblock: bool) -> Step {
    let queue = &dequeuing.queue;
    let taken = {
        let mut state = queue.state();
        if state
            .waiting_in_dqbuf
            .is_some_and(|call| call != dequeuing.call)
        {
            return Step::Over(Errno::EBUSY);
        }
        if !state.streaming {
            return Step::Over(Errno::EINVAL);
        }
        if state.error {
            return Step::Over(Errno::EIO);
        }
        if state.last_buffer_dequeued {
            return Step::Over(Errno::EPIPE);
        }
        if state.taking.is_some() {
            // As for the lock that the other call would hold.
            return Step::Wait;
        }
        match state.done.front().cloned() {
            Some(buffer) => {
                state.taking = Some(dequeuing.call);
                Some((buffer, state.era))
            }
            None => None,
        }
    };
    let Some((buffer, era)) = taken else {
        if nonblock {
            return Step::Over(Errno::EAGAIN);
        }
        dequeuing.set_waiting(true);
        return Step::Wait;
    };
    dequeuing.set_waiting(false);
    let taken = TakenBuffer {
        queue: queue.clone(),
        buffer,
        call: dequeuing.call,
        era,
    };
    finish(queue, &taken.buffer);
    Step::Taken(taken)
}

impl TakenBuffer {
    /// The buffer.
    pub(super) fn buffer(&self) -> &Vb2Buffer {
        &self.buffer
    }

    /// The program has it.
    // The rest of videobuf2-core.c: vb2_core_dqbuf, and of vb2_dqbuf.
    pub(super) fn commit(self) {
        let current = {
            let mut state = self.queue.state();
            // A cancel gave it to the program meanwhile.
            let current = state.era == self.era && state.done.front() == Some(&self.buffer);
            if current {
                state.done.pop_front();
                state.queued.retain(|queued| *queued != self.buffer);
                state.queued_count = state.queued_count.saturating_sub(1);
                let mut fields = self.buffer.fields();
                if fields.state == Vb2State::Done && fields.flags & V4L2_BUF_FLAG_LAST != 0 {
                    state.last_buffer_dequeued = true;
                }
                fields.state = Vb2State::Dequeued;
            }
            current
        };
        if current {
            let index = self.buffer.index();
            self.queue.emit(|| V4l2EventKind::BufferDequeued { index });
        }
    }
}

impl Drop for TakenBuffer {
    fn drop(&mut self) {
        {
            let mut state = self.queue.state();
            if state.taking == Some(self.call) {
                state.taking = None;
            }
        }
        self.queue.done_wq().wake_all();
    }
}
