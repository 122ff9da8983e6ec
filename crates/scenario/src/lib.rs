//! The scenario language: lifetimes written down line by line, and run.
//!
//! A scenario says which devices, buses and drivers there are and what happens to
//! them, one statement to a line, each statement one call of the kernel. Running it
//! gives a [`Trace`] in the notation in which real kernels were recorded (see
//! `oracle/traces`), so that the two can be compared. The manual is
//! `docs/scenario.md`.
//!
//! May depend on: the raw faces of model, chrdev, the frameworks and kunit.
//!
//! Promises:
//! - [`parse`] takes any text; a fault is answered with its line, column and what
//!   was expected there.
//! - A run ends, whatever the scenario does, and does not panic.
//! - What a trace shows of the model is decided in one function, `project`.
#![forbid(unsafe_code)]

mod ast;
mod calls;
mod compare;
mod compiled;
mod error;
mod kind;
mod kunit_c;
pub mod language;
mod operand;
mod parse;
mod placeholder;
mod record;
mod run;
mod shape;
mod statements;
mod token;
mod trace;
mod value;

pub use ast::{ActionFn, Arg, Form, Line, Name, NameId, Piece, ReleaseFn, Runner, Scenario};
pub use compare::{Mismatch, compare, compare_texts};
pub use error::ParseError;
pub use kunit_c::NoCase;
pub use parse::parse;
pub use shape::LONGEST_NAME;
pub use trace::{Trace, TraceLine};
