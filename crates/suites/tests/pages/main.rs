//! The pages of `docs/` say which test shows what. This holds them to it: every
//! test they name is there, every table is that of `docs/unplug-rows.tsv`, every
//! claim of `docs/thread.md` is shown or says why it is not.
//!
//! With `LASTFD_WRITE_PAGES` set, the tables of the pages are written anew from
//! the rows.
#![forbid(unsafe_code)]

mod gaps;
mod links;
mod named;
mod rows;
mod tables;
mod thread;

use std::fs;
use std::path::{Path, PathBuf};

/// The pages that are held to what they say.
const PAGES: &[&str] = &[
    "README.md",
    "thread.md",
    "chrdev.md",
    "iio.md",
    "drm.md",
    "v4l2.md",
    "cec.md",
];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn docs() -> PathBuf {
    repository().join("docs")
}

fn text_of(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
