//! The raw face, as drivers, programs and the removal of a device see it.

mod attributes;
mod blocked_calls;
mod buffers;
mod consumers;
mod events;
mod explored;
mod kernel_traces;
mod layout;
mod registration;
mod triggers;
