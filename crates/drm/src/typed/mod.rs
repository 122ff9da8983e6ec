//! The typed face: what DRM drivers are written against.
//!
//! A thin layer over [`raw`](crate::raw) in which the classic mistakes are hard
//! to write:
//!
//! - What a driver has is in two parts. [`Driver`] itself is data that open
//!   files may use for as long as they are open. Its
//!   [`Hardware`](Driver::Hardware) is there only while the driver is bound,
//!   and is reached only inside [`Device::enter`].
//! - [`UnregisteredDevice::register`] consumes: what has to be there before the
//!   first open is set up before it. At unbind the device is unplugged, the
//!   CRTCs are switched off, then the hardware is dropped, then the reference.
//!   No driver can forget one of them or get the order wrong.
//! - References are values ([`ARef`]).
//!
//! ```
//! use lastfd_drm::raw::{Features, IoctlFlags};
//! use lastfd_drm::typed::{ARef, Device, Driver, Info, Ioctl, UnregisteredDevice};
//! use lastfd_model::resource::{RegisterBlock, Regs};
//! use lastfd_model::typed::{Bound, PlatformDevice, PlatformDriver};
//! use lastfd_model::{Errno, Result, System, typed};
//!
//! struct Panel;
//!
//! impl Driver for Panel {
//!     type Hardware = Regs;
//!     type File = ();
//!     const INFO: Info = Info { name: "panel", desc: "A panel", version: (1, 0, 0) };
//!     const FEATURES: Features = Features::GEM;
//!
//!     fn open(_: &Device<Panel>) -> Result<()> {
//!         Ok(())
//!     }
//!
//!     fn ioctls() -> Vec<Ioctl<Panel>> {
//!         vec![Ioctl::new("PANEL_BRIGHTNESS", 0, IoctlFlags::AUTH, |panel, value: &mut u32, _| {
//!             panel.set_brightness(*value)
//!         })]
//!     }
//! }
//!
//! trait Brightness {
//!     fn set_brightness(&self, value: u32) -> Result<()>;
//! }
//!
//! impl Brightness for Device<Panel> {
//!     fn set_brightness(&self, value: u32) -> Result<()> {
//!         let hardware = self.enter().ok_or(Errno::ENODEV)?;
//!         hardware.write(0, value);
//!         Ok(())
//!     }
//! }
//!
//! /// The platform driver that makes it.
//! struct Board {
//!     panel: ARef<Panel>,
//! }
//!
//! impl typed::Driver for Board {
//!     type Info = RegisterBlock;
//!
//!     fn probe(device: &typed::Device<Bound>, block: &RegisterBlock) -> Result<Board> {
//!         let regs = block.map(&device.system(), Some(device.raw()), "panel");
//!         let panel = UnregisteredDevice::new(device, Panel, regs)?;
//!         Ok(Board { panel: panel.register(device)? })
//!     }
//! }
//!
//! let system = System::new();
//! let driver = PlatformDriver::<Board>::register(&system, "panel").unwrap();
//! let board = PlatformDevice::register(&system, "panel", RegisterBlock::memory(4)).unwrap();
//! let panel = board.with_bound(|bound| bound.drvdata::<Board>().unwrap().panel.clone()).unwrap();
//! assert_eq!(panel.set_brightness(7), Ok(()));
//! board.unregister();
//! assert_eq!(panel.set_brightness(7), Err(Errno::ENODEV));
//! # drop(panel);
//! # drop(driver);
//! ```

mod device;
mod driver;

pub use device::{ARef, Crtc, Device, Entered, UnregisteredDevice};
pub use driver::{Driver, Info, Ioctl};
