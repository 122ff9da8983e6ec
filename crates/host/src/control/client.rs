//! The asking end: finds the run, and asks it.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use lastfd_sync::thread;
use serde_json::Value;

use super::Request;
use super::server::SOCKET;
use crate::runtime;

/// A run of this user that can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its name: the process that serves it and a number, `4711.0`.
    pub id: String,
    /// What that process was started as.
    pub command: String,
    directory: PathBuf,
}

/// Nothing could be asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Where runs are cannot be looked at.
    #[error("failed to look for runs in {directory}: {source}")]
    Look {
        /// The directory.
        directory: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no run.
    #[error(
        "no run of yours is there to be asked; start one: lastfd run --device camera -- PROGRAM"
    )]
    NoRun,
    /// There is no run of this name.
    #[error("no run is called '{id}'; there are: {}", names(.runs))]
    NoSuchRun {
        /// The name asked for.
        id: String,
        /// Those there are.
        runs: Vec<Run>,
    },
    /// There are several.
    #[error("several runs are there; say which with --run ID:\n{}", listing(.0))]
    SeveralRuns(Vec<Run>),
    /// The run does not answer.
    #[error("run {id} does not answer: {source}; it may just have ended")]
    Silent {
        /// The run.
        id: String,
        /// Why.
        source: io::Error,
    },
    /// The run refused.
    #[error("{0}")]
    Refused(String),
}

fn names(runs: &[Run]) -> String {
    let names: Vec<&str> = runs.iter().map(|run| run.id.as_str()).collect();
    match names.is_empty() {
        true => "none".to_owned(),
        false => names.join(", "),
    }
}

fn listing(runs: &[Run]) -> String {
    let line = |run: &Run| format!("  {}  {}", run.id, run.command);
    runs.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The runs of this user that can be asked, by name.
///
/// # Errors
/// [`ClientError::Look`].
pub fn runs(base: Option<&Path>) -> Result<Vec<Run>, ClientError> {
    let base = base.map_or_else(runtime::base, Path::to_path_buf);
    let alive = runtime::alive(&base).map_err(|source| ClientError::Look {
        directory: base,
        source,
    })?;
    let run = |directory: PathBuf| {
        let id = directory.file_name()?.to_str()?.to_owned();
        let pid = id.split('.').next()?;
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        directory.join(SOCKET).exists().then(|| Run {
            id,
            command: command.trim_end().to_owned(),
            directory,
        })
    };
    Ok(alive.into_iter().filter_map(run).collect())
}

/// A connection to a run.
#[derive(Debug)]
pub struct Client {
    id: String,
    stream: BufReader<UnixStream>,
}

impl Client {
    /// Connects to the run of this name, or to the only one there is.
    ///
    /// # Errors
    /// There is none, none of this name, or several; or it does not answer.
    pub fn connect(base: Option<&Path>, id: Option<&str>) -> Result<Client, ClientError> {
        let mut runs = runs(base)?;
        let run = match id {
            Some(id) => match runs.iter().position(|run| run.id == id) {
                Some(at) => runs.swap_remove(at),
                None => {
                    let id = id.to_owned();
                    return Err(ClientError::NoSuchRun { id, runs });
                }
            },
            None => match runs.len() {
                0 => return Err(ClientError::NoRun),
                1 => runs.swap_remove(0),
                _ => return Err(ClientError::SeveralRuns(runs)),
            },
        };
        let stream = UnixStream::connect(run.directory.join(SOCKET));
        match stream {
            Ok(stream) => Ok(Client {
                id: run.id,
                stream: BufReader::new(stream),
            }),
            Err(source) => Err(ClientError::Silent { id: run.id, source }),
        }
    }

    /// Asks, and gives what came of it.
    ///
    /// # Errors
    /// The run refused, with its reason, or does not answer.
    pub fn ask(&mut self, request: &Request) -> Result<Value, ClientError> {
        let silent = |id: &str, source| ClientError::Silent {
            id: id.to_owned(),
            source,
        };
        let line = format!("{}\n", request.to_line());
        let mut reply = String::new();
        let asked = thread::wait_outside(|| {
            self.stream.get_mut().write_all(line.as_bytes())?;
            self.stream.read_line(&mut reply)
        });
        match asked {
            Ok(0) => {
                let source = io::Error::from(io::ErrorKind::UnexpectedEof);
                return Err(silent(&self.id, source));
            }
            Ok(_) => {}
            Err(source) => return Err(silent(&self.id, source)),
        }
        let invalid = |error| silent(&self.id, io::Error::new(io::ErrorKind::InvalidData, error));
        let mut reply: Value = serde_json::from_str(&reply).map_err(|e| invalid(e.to_string()))?;
        if let Some(error) = reply.get("error").and_then(Value::as_str) {
            return Err(ClientError::Refused(error.to_owned()));
        }
        match reply.get_mut("ok") {
            Some(value) => Ok(value.take()),
            None => Err(invalid(
                "its answer has neither 'ok' nor 'error'".to_owned(),
            )),
        }
    }
}
