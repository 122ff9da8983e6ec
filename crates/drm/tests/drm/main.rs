//! DRM as programs and drivers see it, against what was recorded of Linux 6.12.

mod blocked_calls;
mod buffers;
mod card;
mod events;
mod ioctls;
mod lifetimes;
mod managed;
mod master;
mod mistakes;
mod registration;
mod unplug_table;
mod vblank;
