//! Unmodified programs on a bench: what they see of its devices, and what is left
//! of them when devices or programs go.
//!
//! The programs are beside this file, in C, Go and Python, and those of stock
//! packages. Without a compiler or a package the tests that need it have nothing
//! to do, which in the CI is an error.

#![expect(clippy::print_stdout, reason = "`cargo xtask soak` keeps the figures")]

mod asleep;
mod compile;
mod held;
mod last_close;
mod ordinary;
mod rows;
mod signals;
mod sweeps;
mod sweeps_of_clients;
mod sweeps_of_misfits;
mod talk;
mod tools;
mod trees;
