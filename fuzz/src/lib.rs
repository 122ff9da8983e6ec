//! What fuzz targets share.

mod caller;
mod input;

pub use caller::{ARENA, ARENA_LENGTH, Request, caller};
pub use input::Input;
