//! The typed face: what drivers are written against.
//!
//! A thin layer over [`raw`](crate::raw) in which the classic mistakes are hard
//! to write: managed resources are added only to a bound device, which exists
//! only as `&Device<Bound>` in a driver's callbacks; what is managed is reached
//! only while it is there; registrations are values, and ending one consumes
//! it. What types cannot forbid, events and ledger show.
//!
//! The names are those of the kernel's own Rust (`rust/kernel/device.rs`,
//! `devres.rs`, `platform.rs`).
//!
//! ```
//! use lastfd_model::resource::{RegisterBlock, Regs};
//! use lastfd_model::typed::{Bound, Device, Devres, Driver, PlatformDevice, PlatformDriver};
//! use lastfd_model::{Errno, Result, System};
//! use lastfd_sync::Arc;
//!
//! struct Lamp {
//!     regs: Devres<Regs>,
//! }
//!
//! impl Driver for Lamp {
//!     type Info = RegisterBlock;
//!
//!     fn probe(device: &Device<Bound>, block: &RegisterBlock) -> Result<Lamp> {
//!         let regs = block.map(&device.system(), Some(device.raw()), "lamp");
//!         Ok(Lamp { regs: Devres::new(device, regs)? })
//!     }
//! }
//!
//! impl Lamp {
//!     fn switch_on(&self) -> Result {
//!         let regs = self.regs.try_access().ok_or(Errno::ENODEV)?;
//!         regs.write(0, 1);
//!         Ok(())
//!     }
//! }
//!
//! let system = System::new();
//! let driver = PlatformDriver::<Lamp>::register(&system, "lamp").unwrap();
//! let device = PlatformDevice::register(&system, "lamp", RegisterBlock::memory(4)).unwrap();
//! let lamp: Arc<Lamp> = device.with_bound(|bound| bound.drvdata().unwrap()).unwrap();
//! assert_eq!(lamp.switch_on(), Ok(()));
//! device.unregister();
//! assert_eq!(lamp.switch_on(), Err(Errno::ENODEV));
//! # drop(driver);
//! ```

mod device;
mod devres;
mod driver;

pub use device::{ARef, Bound, Context, Device, Framework, HasDriver, Manages, Normal};
pub use devres::{Devres, DevresGuard};
pub use driver::{Driver, PlatformDevice, PlatformDriver, Registration};
