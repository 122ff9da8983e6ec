//! DRM as programs and drivers see it, against what was recorded of Linux 6.12.

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
mod vblank;
