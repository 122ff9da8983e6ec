//! A report in a file, in the format that its ending names.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::Report;

/// How a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Events, ledgers and verdict, for programs.
    Json,
    /// A picture of the timeline, for people.
    Svg,
}

/// The ending of a file's name names no [`Format`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "failed to choose a format for the report '{}': its name must end in .json (events and verdict) or .svg (a picture)",
    path.display()
)]
pub struct UnknownFormat {
    path: PathBuf,
}

/// A report was not written.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// The ending names no format.
    #[error(transparent)]
    Format(#[from] UnknownFormat),
    /// The file cannot be written.
    #[error("failed to write the report '{}': {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Format {
    /// The format that the ending of a file's name names.
    ///
    /// ```
    /// use lastfd_report::Format;
    /// use std::path::Path;
    /// assert_eq!(Format::of(Path::new("run.svg")), Ok(Format::Svg));
    /// assert!(Format::of(Path::new("run.txt")).is_err());
    /// ```
    ///
    /// # Errors
    /// [`UnknownFormat`].
    pub fn of(path: &Path) -> Result<Format, UnknownFormat> {
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("json") => Ok(Format::Json),
            Some("svg") => Ok(Format::Svg),
            _ => Err(UnknownFormat {
                path: path.to_owned(),
            }),
        }
    }
}

pub(crate) fn save(report: &Report, path: &Path) -> Result<(), SaveError> {
    let text = match Format::of(path)? {
        Format::Json => report.to_json(),
        Format::Svg => report.to_svg(),
    };
    fs::write(path, text).map_err(|source| SaveError::Write {
        path: path.to_owned(),
        source,
    })
}
