//! Ready-made test devices: hardware to plug in, and the drivers that bind to it.
//!
//! It may use the frameworks (`lastfd-iio`, `lastfd-drm`, `lastfd-cec`,
//! `lastfd-v4l2`) and what they stand on. Each driver is written against the typed
//! face, as a driver of one's own would be.
//!
//! A device is asked for in words, as on the command line, or as a value:
//!
//! ```
//! use lastfd_devices::{IioAdc, Spec, plug};
//! use lastfd_model::System;
//! use lastfd_model::raw::attr_read;
//!
//! let system = System::new();
//! let words: Spec = "iio-adc:rate=10000".parse().unwrap();
//! let first = words.plug(&system).unwrap();
//! let second = plug(&system, &IioAdc::default()).unwrap();
//! assert_eq!((first.name(), second.name()), ("iio-adc", "iio-adc2"));
//!
//! let iio = system.find_bus("iio").unwrap().find_device("iio:device0").unwrap();
//! assert_eq!(attr_read(&iio, "sampling_frequency").unwrap(), b"10000\n");
//! first.unplug();
//! assert_eq!(system.find_bus("iio").unwrap().find_device("iio:device0"), None);
//! ```
#![forbid(unsafe_code)]

mod accel;
mod adc;
mod bu27034;
mod camera;
mod cec;
mod dac;
mod display;
mod fault;
mod gremlin;
mod kind;
mod level;
mod live;
mod plug;
mod spec;

pub use accel::Accelerometer;
pub use adc::{IioAdc, Overrun};
pub use bu27034::{Bu27034, Bu27034Board, Bu27034Chip, Bu27034Driver, BusError, Light};
pub use camera::Camera;
pub use cec::CecAdapter;
pub use dac::IioDac;
pub use display::{Display, DisplayRemoval};
pub use fault::SourceFault;
pub use gremlin::{Fault, Gremlin};
pub use kind::{KINDS, Key, Kind, Settings};
pub use level::{LightSensor, ProximitySensor};
pub use plug::{Hardware, Plugged, Socket, platform_driver, plug};
pub use spec::{Spec, SpecError};
