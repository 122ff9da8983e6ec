//! The raw face, as drivers, programs and the removal of a device see it.

mod blocked_calls;
mod camera;
mod controls;
mod events;
mod kernel_traces;
mod registration;
mod rig;
mod unplug_table;
