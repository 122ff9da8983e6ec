//! Whether a report can be written, asked before the run so that nobody waits in vain.

use std::fs::{self, OpenOptions};
use std::path::Path;

use lastfd::report::SaveError;

use crate::failure::Failure;

/// Leaves everything as it was.
pub(crate) fn probe(path: &Path) -> Result<(), Failure> {
    let was_there = path.exists();
    let opened = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path);
    match opened {
        Ok(_) if was_there => Ok(()),
        Ok(_) => {
            // Made to see whether it can be made.
            let _ = fs::remove_file(path);
            Ok(())
        }
        Err(source) => Err(Failure::NoReport(SaveError::Write {
            path: path.to_owned(),
            source,
        })),
    }
}
