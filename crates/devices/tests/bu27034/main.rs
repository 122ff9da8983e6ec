//! The light sensor: its driver and its chip together, in simulated time.

mod bench;
mod buffering;
mod measuring;
mod plugging;
mod removal;
