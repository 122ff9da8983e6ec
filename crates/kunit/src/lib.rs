//! KUnit: suites and cases, what a case manages, devices for tests, KTAP.
//!
//! Depends on `lastfd-sync` and `lastfd-model`. It follows `lib/kunit` and
//! `include/kunit` of Linux 6.12 and promises their order: a case's resources
//! are freed after the suite's exit, latest first, whatever became of the case.
#![forbid(unsafe_code)]

pub mod raw;
mod test;

pub use test::{Status, Test, TestData};
