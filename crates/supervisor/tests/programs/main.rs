//! Unmodified programs on a device of our own: a C program, built for each run of the
//! tests, dynamic and static, asks; the tests look at both sides.

mod accelerated;
mod calls;
mod epoll;
mod last_close;
mod limits;
mod refused;
mod restricted;
mod rig;
mod scattered;
mod signals;
mod speed;
mod tables;
mod uevents;
mod unplug;
