//! What is served of a System: trees, uevents, database, control.

mod tree;
mod udev;
mod world;
