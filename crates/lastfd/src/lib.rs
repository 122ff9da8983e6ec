//! The Linux device model in user space: test devices that are plugged in, held open, and
//! pulled out, with the events, errors and order of release of the kernel.
//!
//! This crate is the public face. It re-exports the layers below, the optional ones by
//! feature, and adds the [`Bench`]: a System with hardware plugged into it, what serves it
//! to programs, and a report of what happened.
//!
//! | feature | what |
//! |---|---|
//! | `iio` | the IIO framework (`lastfd::iio`), and the built-in client, which uses the devices of all |
//! | `drm`, `cec`, `v4l2` | those frameworks (`lastfd::drm`, …) |
//! | `kunit` | KUnit: suites, cases, test devices (`lastfd::kunit`) |
//! | `devices` | ready-made hardware with its drivers (`lastfd::devices`); needs all frameworks |
//! | `iiod` | programs: running them, with the supervisor and the iiod that serve a bench to them |
//! | `suites` | the built-in KUnit suites (`lastfd::suites`) |
//! | `explore` | exploring schedules (`lastfd::explore`, `lastfd::kunit::explore`), and ready explorations |
//! | `scenario` | the scenario language (`lastfd::scenario`) |
//!
//! All are on unless `default-features = false`. It promises to start no thread and open
//! no file before something is asked for that needs one, and to leave none behind.
#![forbid(unsafe_code)]

mod belongings;
mod bench;
#[cfg(feature = "iio")]
mod client;
#[cfg(feature = "iiod")]
mod control;
#[cfg(feature = "explore")]
pub mod explore;
#[cfg(feature = "devices")]
mod fault;
#[cfg(feature = "iiod")]
mod find;
mod judge;
mod plugged;
#[cfg(feature = "iiod")]
mod process;
#[cfg(feature = "iiod")]
mod program;
mod schedule;
#[cfg(feature = "iiod")]
mod serve;
#[cfg(all(feature = "iiod", feature = "devices"))]
pub mod session;
mod step;
#[cfg(all(feature = "iiod", feature = "devices"))]
pub mod sweep;
#[cfg(feature = "iiod")]
mod udev;
mod waiting;
mod when;

pub use lastfd_abi as abi;
#[cfg(feature = "cec")]
pub use lastfd_cec as cec;
pub use lastfd_chrdev as chrdev;
#[cfg(feature = "devices")]
pub use lastfd_devices as devices;
#[cfg(feature = "drm")]
pub use lastfd_drm as drm;
#[cfg(feature = "iiod")]
pub use lastfd_host as host;
#[cfg(feature = "iio")]
pub use lastfd_iio as iio;
#[cfg(feature = "iiod")]
pub use lastfd_iiod as iiod;
/// KUnit, and exploring as a part of it.
#[cfg(feature = "kunit")]
pub mod kunit {
    #[cfg(feature = "explore")]
    pub use lastfd_explore::{World, case as explored_case, explore};
    pub use lastfd_kunit::*;
}
pub use lastfd_model as model;
pub use lastfd_report as report;
pub use lastfd_sanitizer as sanitizer;
#[cfg(feature = "scenario")]
pub use lastfd_scenario as scenario;
#[cfg(feature = "suites")]
pub use lastfd_suites as suites;
#[cfg(feature = "iiod")]
pub use lastfd_supervisor as supervisor;
pub use lastfd_sync as sync;
#[cfg(feature = "v4l2")]
pub use lastfd_v4l2 as v4l2;

pub use bench::{Bench, Builder, DeviceError, Keep};
#[cfg(all(feature = "iio", feature = "iiod"))]
pub use client::{ClientFailure, run_as_client};
#[cfg(feature = "devices")]
pub use fault::{FailedCall, Fault, FaultError, SourceFault, UnknownFault};
#[cfg(feature = "iiod")]
pub use find::find_program;
#[cfg(feature = "iiod")]
pub use judge::{
    Asleep, Broken, Clinging, Crasher, ExpectError, Expectations, Met, Outcome, Pace, Patience,
};
pub use lastfd_model::{Errno, Event, EventKind, Rules, System};
pub use lastfd_report::{Ending, Manner, Report, Verdict};
pub use plugged::Plugged;
#[cfg(feature = "devices")]
pub use plugged::SetError;
#[cfg(feature = "iiod")]
pub use process::Signaller;
#[cfg(feature = "iiod")]
pub use program::{Command, Output, Program, ProgramError, StillRunning};
#[cfg(feature = "iiod")]
pub use serve::IIOD_PORT;
pub use step::Step;
pub use waiting::{Awaited, NotSeen, Occasion, OccasionError};
pub use when::{EVENTS, Trigger, When, WhenError};
