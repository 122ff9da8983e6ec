//! The raw face, as drivers, programs and the removal of an adapter see it.

mod addresses;
mod explored;
mod kernel_traces;
mod messages;
mod modes;
mod registration;
mod roll_back;
mod typed;
