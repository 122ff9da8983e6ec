//! Character devices as a program sees them.

mod attempts;
mod blocked_calls;
mod board;
mod cdev_lifetime;
mod descriptors;
mod events;
mod explored;
mod last_close;
mod mapped_memory;
mod panics;
mod readiness;
mod refused_before_the_driver;
