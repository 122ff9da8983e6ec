//! Schedule exploration of test bodies: unplug against use, under many schedules.
//!
//! Depends on the frameworks and on KUnit; the search itself is `lastfd_sync::explore`.
//! It promises that what it finds can be run again, that a schedule is told as the events
//! of the model with a column for each task, and that a body which cannot be explored is
//! told why.
//!
//! ```
//! use lastfd_explore::explore;
//! use lastfd_model::raw::*;
//!
//! explore(|world| {
//!     let system = world.system();
//!     let driver = platform_driver(system, "sensor");
//!     driver_register(&driver).unwrap();
//!     let device = platform_device_register(system, "sensor", PlatformId::None).unwrap();
//!     let other = device.clone();
//!     world.task("unbind", move || device_release_driver(&other));
//!     world.task("unplug", move || platform_device_unregister(&device));
//!     world.join();
//!     driver_unregister(&driver);
//! });
//! ```
//!
//! [`Explorer`] has the settings; [`ready`] are explorations to run as they are.
#![forbid(unsafe_code)]

mod explorer;
mod fault;
mod interleaving;
pub mod ready;
mod world;

pub use explorer::{Exploration, Explorer, Found, Refusal, case, explore};
pub use fault::{Blame, Fault};
pub use interleaving::{Cell, Interleaving};
pub use lastfd_sync::explore::{BadRecipe, Recipe, Strategy};
pub use world::{Reporter, World};
