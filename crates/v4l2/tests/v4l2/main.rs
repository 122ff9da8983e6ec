//! The raw face, as drivers, programs and the removal of a device see it.

mod blocked_calls;
mod camera;
mod kernel_traces;
mod rig;
mod unplug_table;
