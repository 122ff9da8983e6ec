//! What is served of a System: trees, uevents, database, control.

mod mirror;
mod paths;
mod tree;
mod udev;
mod world;
