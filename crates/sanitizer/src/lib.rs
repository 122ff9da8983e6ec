//! Lockdep for device lifetimes: names the rule that was broken, with its proof.
//!
//! Depends on the event types of `lastfd-model` alone; frameworks tell what it needs
//! through [`FrameworkEvent`](lastfd_model::FrameworkEvent). It promises that whatever
//! it says is read off the one stream of events, so that a recording judged afterwards
//! ([`judge`]) gives the same findings as a run that was watched.
//!
//! As lockdep, it learns from runs in which nothing went wrong. It remembers which
//! calls and which handlers touched what, and under which lock or guard, and when
//! something is released it asks who could still come: a fault is found though nobody
//! came this time.
//!
//! The rules carry the numbers of `docs/gremlins.md`, where each has a page.
//!
//! ```
//! use lastfd_model::{System, raw::*};
//! use lastfd_sanitizer::Sanitizer;
//!
//! let system = System::builder().ledger(true).build();
//! let sanitizer = Sanitizer::watch(&system);
//! let device = platform_device_register(&system, "sensor", PlatformId::None).unwrap();
//! get_device(&device);
//! platform_device_unregister(&device);
//! devm_kzalloc(&device, 16).unwrap(); // nobody will be bound to it any more
//! put_device(&device);
//!
//! let findings = sanitizer.findings();
//! assert_eq!(findings[0].rule.number, 18);
//! println!("{}", findings[0]);
//! ```
#![forbid(unsafe_code)]

mod finding;
mod frames;
mod gaps;
mod rule;
mod rules;
mod shadow;
mod thing;
mod watch;

pub use finding::{Finding, Owner, Role, Spot};
pub use gaps::{GAPS, Gap};
pub use rule::Rule;
pub use watch::{Sanitizer, judge};
