//! A FIFO of samples of one size.
//!
//! Follows `lib/kfifo.c` and `drivers/iio/buffer/kfifo_buf.c`: as many elements
//! as the next power of two, full means the newest is refused. Reading is in two
//! steps, as a read that is not delivered must leave the samples where they are.

use lastfd_model::{Errno, Result};

/// The most `kmalloc` gives: 2^10 pages of 4 KiB (`include/linux/slab.h`).
pub(crate) const KMALLOC_MAX_SIZE: usize = 4 << 20;

/// The FIFO. Indices run on and wrap; their difference is the fill.
#[derive(Debug, Default)]
pub(crate) struct Kfifo {
    data: Vec<u8>,
    element: usize,
    /// Elements less one; the number of elements is a power of two.
    mask: u32,
    input: u32,
    output: u32,
    /// Counts resets, so that a read begun before one is not finished after it.
    generation: u64,
}

/// Samples looked at and not yet taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peeked {
    generation: u64,
    output: u32,
    /// Elements looked at.
    pub(crate) count: u32,
}

impl Kfifo {
    /// An unallocated FIFO: nothing fits, nothing comes out.
    pub(crate) const fn new() -> Kfifo {
        Kfifo {
            data: Vec::new(),
            element: 0,
            mask: 0,
            input: 0,
            output: 0,
            generation: 0,
        }
    }

    /// Makes room for `length` elements of `element` bytes, all it held is gone.
    /// `EINVAL` for nothing, or more than an unsigned int counts; `ENOMEM` for
    /// more than the kernel gives in one piece.
    // kfifo_buf.c: __iio_allocate_kfifo
    pub(crate) fn allocate(&mut self, element: usize, length: u32) -> Result {
        self.free();
        if length == 0 || element == 0 {
            return Err(Errno::EINVAL);
        }
        let size = u64::from(length).next_power_of_two();
        let bytes = size * element as u64;
        if bytes > u64::from(u32::MAX) || size < 2 {
            return Err(Errno::EINVAL);
        }
        let bytes = bytes as usize;
        if bytes > KMALLOC_MAX_SIZE {
            return Err(Errno::ENOMEM);
        }
        self.data = vec![0; bytes];
        self.element = element;
        self.mask = (size - 1) as u32;
        Ok(())
    }

    /// Gives the memory back.
    pub(crate) fn free(&mut self) {
        *self = Kfifo {
            generation: self.generation + 1,
            ..Kfifo::new()
        };
    }

    /// Forgets what it holds.
    // kfifo_reset_out
    pub(crate) fn reset_out(&mut self) {
        self.output = self.input;
        self.generation += 1;
    }

    /// Whether it has memory (`kfifo_initialized`).
    pub(crate) fn is_initialized(&self) -> bool {
        !self.data.is_empty()
    }

    /// Bytes of one element (`kfifo_esize`).
    pub(crate) fn element_size(&self) -> usize {
        self.element
    }

    /// Elements it holds (`kfifo_len`).
    pub(crate) fn len(&self) -> u32 {
        self.input.wrapping_sub(self.output)
    }

    /// Whether another element fits (`kfifo_avail`).
    pub(crate) fn has_space(&self) -> bool {
        self.is_initialized() && self.len() <= self.mask
    }

    /// Puts one element in; a short one is filled up with zeros, of a long one
    /// the beginning is taken. False when full.
    pub(crate) fn push(&mut self, element: &[u8]) -> bool {
        if !self.has_space() {
            return false;
        }
        let start = (self.input & self.mask) as usize * self.element;
        let place = &mut self.data[start..start + self.element];
        let given = element.len().min(place.len());
        place[..given].copy_from_slice(&element[..given]);
        place[given..].fill(0);
        self.input = self.input.wrapping_add(1);
        true
    }

    /// Copies whole elements, as many as there are and fit into `bytes`.
    pub(crate) fn peek(&self, bytes: usize) -> (Vec<u8>, Peeked) {
        let fit = bytes.checked_div(self.element).unwrap_or(0);
        let count = (self.len() as usize).min(fit) as u32;
        let mut out = Vec::with_capacity(count as usize * self.element);
        for position in 0..count {
            let slot = self.output.wrapping_add(position) & self.mask;
            let start = slot as usize * self.element;
            out.extend_from_slice(&self.data[start..start + self.element]);
        }
        let peeked = Peeked {
            generation: self.generation,
            output: self.output,
            count,
        };
        (out, peeked)
    }

    /// Takes out what was looked at, unless it is gone already.
    pub(crate) fn take(&mut self, peeked: Peeked) {
        if peeked.generation == self.generation && peeked.output == self.output {
            self.output = self.output.wrapping_add(peeked.count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pop(fifo: &mut Kfifo, bytes: usize) -> Vec<u8> {
        let (data, peeked) = fifo.peek(bytes);
        fifo.take(peeked);
        data
    }

    #[test]
    fn it_holds_the_next_power_of_two() {
        let mut fifo = Kfifo::new();
        assert!(!fifo.push(&[1]));
        for (length, holds) in [(2, 2), (3, 4), (4, 4), (5, 8), (100, 128)] {
            fifo.allocate(1, length).unwrap();
            let fits = (0..1000).take_while(|_| fifo.push(&[0])).count();
            assert_eq!(fits, holds, "length {length}");
            assert_eq!(fifo.len() as usize, holds);
        }
    }

    #[test]
    fn lengths_the_kernel_refuses_are_refused() {
        let mut fifo = Kfifo::new();
        assert_eq!(fifo.allocate(0, 4), Err(Errno::EINVAL));
        assert_eq!(fifo.allocate(4, 0), Err(Errno::EINVAL));
        assert_eq!(fifo.allocate(4, 1), Err(Errno::EINVAL));
        assert_eq!(fifo.allocate(16, 1 << 28), Err(Errno::EINVAL));
        assert_eq!(fifo.allocate(16, u32::MAX), Err(Errno::EINVAL));
        assert_eq!(fifo.allocate(16, 1 << 19), Err(Errno::ENOMEM));
        assert_eq!(fifo.allocate(16, 1 << 18), Ok(()));
        assert_eq!(fifo.allocate(16, 1 << 19), Err(Errno::ENOMEM));
        assert!(!fifo.is_initialized());
    }

    #[test]
    fn what_is_not_taken_stays() {
        let mut fifo = Kfifo::new();
        fifo.allocate(2, 4).unwrap();
        for n in 0..3_u8 {
            assert!(fifo.push(&[n, n]));
        }
        let (looked, _) = fifo.peek(5);
        assert_eq!(looked, [0, 0, 1, 1]);
        assert_eq!(pop(&mut fifo, 2), [0, 0]);
        assert_eq!(pop(&mut fifo, 100), [1, 1, 2, 2]);
        assert_eq!(pop(&mut fifo, 100), [0_u8; 0]);
    }

    #[test]
    fn a_read_begun_before_a_reset_takes_nothing_after_it() {
        let mut fifo = Kfifo::new();
        fifo.allocate(1, 2).unwrap();
        fifo.push(&[1]);
        let (_, before) = fifo.peek(1);
        fifo.reset_out();
        fifo.push(&[2]);
        fifo.take(before);
        assert_eq!(pop(&mut fifo, 1), [2]);
    }

    #[test]
    fn it_wraps_around_for_ever() {
        let mut fifo = Kfifo::new();
        fifo.allocate(1, 4).unwrap();
        fifo.input = u32::MAX - 1;
        fifo.output = u32::MAX - 1;
        for n in 0..50_u8 {
            assert!(fifo.push(&[n]));
            assert_eq!(pop(&mut fifo, 1), [n]);
        }
    }
}
