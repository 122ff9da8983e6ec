//! Register blocks.
//!
//! The hardware's end is a [`RegisterBlock`]; a driver's mapping of it is a
//! [`Regs`], as `ioremap` gives one.

use core::fmt;
use core::sync::atomic::Ordering;

use lastfd_sync::atomic::AtomicBool;
use lastfd_sync::{Arc, Mutex};

use super::{Resource, Tracker};
use crate::event::{ResourceKind, ResourceStep, SplatKind};
use crate::raw::Device;
use crate::system::System;

/// What registers do beyond keeping values.
pub trait RegisterModel: Send {
    /// The value of the register at the offset.
    fn read(&mut self, offset: usize) -> u32;
    /// Writes the register at the offset.
    fn write(&mut self, offset: usize, value: u32);
}

/// Plain memory.
struct Memory(Vec<u32>);

impl RegisterModel for Memory {
    fn read(&mut self, offset: usize) -> u32 {
        self.0.get(offset / 4).copied().unwrap_or(u32::MAX)
    }

    fn write(&mut self, offset: usize, value: u32) {
        if let Some(register) = self.0.get_mut(offset / 4) {
            *register = value;
        }
    }
}

/// The registers as the simulated hardware has them. Clones are one block.
#[derive(Clone)]
pub struct RegisterBlock(Arc<Block>);

struct Block {
    size: usize,
    model: Mutex<Box<dyn RegisterModel>>,
    present: AtomicBool,
}

impl fmt::Debug for RegisterBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegisterBlock")
            .field("size", &self.0.size)
            .field("present", &self.0.present)
            .finish()
    }
}

impl RegisterBlock {
    /// Registers of 32 bits that keep what is written, `size` bytes of them,
    /// all zero.
    pub fn memory(size: usize) -> RegisterBlock {
        RegisterBlock::new(size, Memory(vec![0; size.div_ceil(4)]))
    }

    /// Registers that behave.
    pub fn new(size: usize, model: impl RegisterModel + 'static) -> RegisterBlock {
        RegisterBlock(Arc::new(Block {
            size,
            model: Mutex::new(Box::new(model)),
            present: AtomicBool::new(true),
        }))
    }

    /// Pulls the hardware out: reads give all ones, writes go nowhere, as on a
    /// bus with nothing behind it.
    pub fn remove(&self) {
        self.0.present.store(false, Ordering::Release);
    }

    /// The driver's mapping of the block (`ioremap`).
    #[track_caller]
    pub fn map(&self, system: &System, device: Option<&Device>, name: &str) -> Regs {
        Regs(Arc::new(Inner {
            tracker: Tracker::new(system, device, ResourceKind::Regs, name),
            block: self.clone(),
        }))
    }
}

/// A driver's mapping of a register block. Clones are one mapping.
///
/// Raw drivers may keep it past its end; touching it then is a splat. Drivers
/// of the typed face hold it in a [`Devres`](crate::typed::Devres), which gives
/// it out only under a guard or against the bound device's token.
#[derive(Clone)]
pub struct Regs(Arc<Inner>);

struct Inner {
    tracker: Tracker,
    block: RegisterBlock,
}

impl fmt::Debug for Regs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Regs").field(&self.0.tracker).finish()
    }
}

impl Regs {
    /// Whether the access may go on; a kernel would fault where it may not.
    #[track_caller]
    fn reach(&self, offset: usize) -> bool {
        let tracker = &self.0.tracker;
        tracker.used(ResourceStep::Accessed);
        if !offset.is_multiple_of(4) || offset + 4 > self.0.block.0.size {
            tracker.splat(
                SplatKind::Bug,
                &format!("access at offset {offset:#x} of {:#x}", self.0.block.0.size),
            );
            return false;
        }
        !tracker.is_freed() && self.0.block.0.present.load(Ordering::Acquire)
    }

    /// Reads the 32 bits at a byte offset (`readl`). All ones if the hardware
    /// is gone.
    #[track_caller]
    pub fn read(&self, offset: usize) -> u32 {
        if !self.reach(offset) {
            return u32::MAX;
        }
        self.0.block.0.model.lock().read(offset)
    }

    /// Writes 32 bits at a byte offset (`writel`).
    #[track_caller]
    pub fn write(&self, offset: usize, value: u32) {
        if self.reach(offset) {
            self.0.block.0.model.lock().write(offset, value);
        }
    }
}

impl Resource for Regs {
    fn stop(&self) {}

    /// Unmaps it (`iounmap`).
    fn free(&self) {
        self.0.tracker.free();
    }

    fn release_name(&self) -> &'static str {
        "iounmap"
    }
}
