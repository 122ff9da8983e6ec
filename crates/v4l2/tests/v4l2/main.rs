//! The raw face, as drivers, programs and the removal of a device see it.

mod blocked_calls;
mod controls;
mod events;
mod explored;
mod ioctls;
mod kernel_gaps;
mod kernel_traces;
mod queue;
mod queue_property;
mod registration;
