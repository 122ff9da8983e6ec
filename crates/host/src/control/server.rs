//! The serving end: one thread that accepts, one for each connection.

use core::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use lastfd_sync::thread::{self, JoinHandle};
use lastfd_sync::{Arc, Cancel, Mutex};

use super::{Commands, answer};

/// The longest request.
const LINE_MAX: u64 = 64 * 1024;
/// Connections at a time; one more is closed at once.
const CONNECTIONS_MAX: usize = 32;
/// The socket's name in the directory of a run.
pub(super) const SOCKET: &str = "control";

/// A control socket that is served. Dropping it ends that: waits are cancelled,
/// connections closed.
#[must_use = "dropping it ends it"]
pub struct Control {
    state: Arc<State>,
    socket: PathBuf,
    listener: Arc<UnixListener>,
    acceptor: Option<JoinHandle<()>>,
}

struct State {
    commands: Arc<dyn Commands>,
    stop: Cancel,
    connections: Mutex<Vec<Connection>>,
}

struct Connection {
    stream: Arc<UnixStream>,
    thread: JoinHandle<()>,
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control")
            .field("socket", &self.socket)
            .finish_non_exhaustive()
    }
}

impl Control {
    /// Serves a control socket in the directory of a run ([`crate::Host::directory`]).
    ///
    /// # Errors
    /// The socket cannot be made, or there is no thread.
    pub fn start(directory: &Path, commands: Arc<dyn Commands>) -> io::Result<Control> {
        let socket = directory.join(SOCKET);
        let listener = Arc::new(UnixListener::bind(&socket)?);
        let state = Arc::new(State {
            commands,
            stop: Cancel::new(),
            connections: Mutex::default(),
        });
        let (accepting, listening) = (Arc::clone(&state), Arc::clone(&listener));
        let acceptor = thread::spawn("control", move || accept(&listening, &accepting))?;
        Ok(Control {
            state,
            socket,
            listener,
            acceptor: Some(acceptor),
        })
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.state.stop.cancel();
        // Wakes the one that accepts, though somebody may have taken the socket's name away.
        let _ = rustix::net::shutdown(&*self.listener, rustix::net::Shutdown::Both);
        let _ = std::fs::remove_file(&self.socket);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
        let connections = core::mem::take(&mut *self.state.connections.lock());
        for connection in connections {
            let _ = connection.stream.shutdown(Shutdown::Both);
            let _ = connection.thread.join();
        }
    }
}

fn accept(listener: &UnixListener, state: &Arc<State>) {
    loop {
        let accepted = thread::wait_outside(|| listener.accept());
        if state.stop.is_cancelled() {
            return;
        }
        let Ok((stream, _)) = accepted else {
            // Out of descriptors, most likely: the next may do better.
            thread::yield_now();
            continue;
        };
        let mut connections = state.connections.lock();
        let (over, open) = core::mem::take(&mut *connections)
            .into_iter()
            .partition::<Vec<_>, _>(|connection| connection.thread.is_finished());
        *connections = open;
        if connections.len() < CONNECTIONS_MAX {
            let stream = Arc::new(stream);
            let (serving, served) = (Arc::clone(state), Arc::clone(&stream));
            // Without a thread the connection is closed, which says it all.
            if let Ok(thread) = thread::spawn("control", move || serve(&served, &serving)) {
                connections.push(Connection { stream, thread });
            }
        }
        drop(connections);
        for connection in over {
            let _ = connection.thread.join();
        }
    }
}

fn serve(stream: &UnixStream, state: &State) {
    let mut lines = BufReader::new(stream);
    loop {
        let mut line = Vec::new();
        let read =
            thread::wait_outside(|| (&mut lines).take(LINE_MAX).read_until(b'\n', &mut line));
        match read {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
        let whole = line.last() == Some(&b'\n');
        let reply = if whole || (line.len() as u64) < LINE_MAX {
            answer(&*state.commands, &line, &state.stop)
        } else {
            r#"{"error":"a request is at most 65536 bytes"}"#.to_owned()
        };
        let mut out = stream;
        let written = thread::wait_outside(|| out.write_all(format!("{reply}\n").as_bytes()));
        if written.is_err() || !whole {
            break;
        }
    }
    let _ = stream.shutdown(Shutdown::Both);
}
