//! DRM as programs and drivers see it, against what was recorded of Linux 6.12.

mod blocked_calls;
mod bridges;
mod buffers;
mod events;
mod ioctls;
mod lifetimes;
mod managed;
mod master;
mod mistakes;
mod races;
mod registration;
mod typed_face;
mod unplug_table;
mod vblank;
