//! Bytes taken apart; when they are over, all is zero.

/// What is left.
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// All of it.
    pub fn new(bytes: &'a [u8]) -> Input<'a> {
        Input(bytes)
    }

    /// Whether it is over.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next so many, or what is left.
    pub fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        let taken = self.take(N);
        array[..taken.len()].copy_from_slice(taken);
        array
    }

    /// A number of one byte.
    pub fn byte(&mut self) -> u8 {
        u8::from_le_bytes(self.array())
    }

    /// A number of two.
    pub fn short(&mut self) -> u16 {
        u16::from_le_bytes(self.array())
    }

    /// A number of four.
    pub fn word(&mut self) -> u32 {
        u32::from_le_bytes(self.array())
    }

    /// A number of eight.
    pub fn long(&mut self) -> u64 {
        u64::from_le_bytes(self.array())
    }

    /// Up to 255 bytes, after their number.
    pub fn some(&mut self) -> &'a [u8] {
        let count = self.byte();
        self.take(count.into())
    }

    /// A length: small, round, or any at all.
    pub fn length(&mut self) -> u64 {
        match self.byte() {
            255 => self.long(),
            254 => 4096,
            253 => u64::from(self.word()),
            small => small.into(),
        }
    }

    /// An address: mostly in this memory, else anywhere.
    pub fn address(&mut self, memory: u64, length: usize) -> u64 {
        match self.byte() {
            255 => self.long(),
            254 => memory + length as u64 - u64::from(self.byte()),
            253 => 0,
            _ => memory + u64::from(self.short()) % length as u64,
        }
    }
}
