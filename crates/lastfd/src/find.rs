//! Where a program is.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::Access;

use crate::program::ProgramError;

/// Finds a program as `execvp` does: by its path, or in the folders of PATH. To refuse
/// what cannot be run before anything is plugged in.
///
/// ```
/// assert!(lastfd::find_program("sh").is_ok());
/// let error = lastfd::find_program("no-such-program").unwrap_err();
/// assert!(error.to_string().contains("there is no such program"));
/// ```
///
/// # Errors
/// There is none of this name, or it is no executable file.
pub fn find_program(program: impl AsRef<OsStr>) -> Result<PathBuf, ProgramError> {
    let program = program.as_ref();
    let name = || program.to_string_lossy().into_owned();
    let path = Path::new(program);
    if program.is_empty() {
        return Err(ProgramError::NotFound(name()));
    }
    let candidates: Vec<PathBuf> = if program.as_encoded_bytes().contains(&b'/') {
        vec![path.to_owned()]
    } else {
        let folders = std::env::var_os("PATH").unwrap_or_else(|| "/bin:/usr/bin".into());
        std::env::split_paths(&folders)
            .map(|folder| folder.join(path))
            .collect()
    };
    let mut refused = None;
    for candidate in candidates {
        match executable(&candidate) {
            Ok(()) => return Ok(candidate),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {}
            Err(error) => refused = Some(error),
        }
    }
    Err(match refused {
        Some(source) => ProgramError::NotExecutable {
            program: name(),
            source,
        },
        None => ProgramError::NotFound(name()),
    })
}

fn executable(path: &Path) -> io::Result<()> {
    if path.metadata()?.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    Ok(rustix::fs::access(path, Access::EXEC_OK)?)
}
