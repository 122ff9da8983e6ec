//! A real kernel as the referee: it runs the scenarios that lastfd runs, and the two
//! traces are compared.
//!
//! May depend on: scenario, and what that depends on. `cargo xtask oracle` builds the
//! kernel and runs this crate's program.
//!
//! Promises:
//! - A kernel that dies, hangs or has something left behind is told with the name of
//!   the scenario, and the next scenario gets a fresh one.
//! - No kernel outlives the [`Kernel`] that stands for it.
//! - The same seed makes the same scenarios.
//!
//! - [`kernel`] boots a User Mode Linux and talks with the module in `oracle/kernel`;
//! - [`judge`] has both sides run a scenario, and compares;
//! - [`generate`] makes scenarios up, [`fuzz`] has both sides run them, [`shrink`]
//!   makes one that differs short.
#![forbid(unsafe_code)]

pub mod clock;
pub mod dice;
pub mod fuzz;
pub mod generate;
pub mod judge;
pub mod kernel;
pub mod shrink;

pub use judge::{Judge, Verdict};
pub use kernel::{Boot, Kernel};
