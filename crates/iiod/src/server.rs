//! The TCP server: one thread that accepts, one for each connection.

use crate::link::{Doorbell, Socket};
use crate::{Session, Shared, UnplugAnswers};
use lastfd_model::System;
use lastfd_sync::atomic::{AtomicBool, Ordering};
use lastfd_sync::thread::{self, JoinHandle};
use lastfd_sync::{Arc, Clock, Mutex, WaitQueue, Wake, wait_event};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt;
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// Where a server listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bind {
    /// At 127.0.0.1 and, where there is IPv6, at ::1, with the same port; 0 is any free
    /// one. Clients of libiio before 0.24 know port 30431 alone.
    Loopback {
        /// The port.
        port: u16,
    },
    /// At this address only.
    At(SocketAddr),
}

/// How a [`Server`] is to be.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it listens: loopback, any free port.
    pub bind: Bind,
    /// What it says of a device that has gone: `ENODEV`.
    pub unplug: UnplugAnswers,
    /// How many connections it serves at a time (64); one more is closed at once.
    pub max_connections: usize,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            bind: Bind::Loopback { port: 0 },
            unplug: UnplugAnswers::default(),
            max_connections: 64,
        }
    }
}

/// A server could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened at.
    #[error(
        "failed to listen at {address}: {source}; choose another address or port, port 0 for any free one"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// No thread or descriptor for the server itself.
    #[error("failed to start the iiod server: {0}")]
    Resources(#[from] io::Error),
}

/// A running server. Dropping it is [`Server::shutdown`].
///
/// ```
/// use lastfd_iiod::{Config, Server};
/// use std::io::{Read, Write};
///
/// let system = lastfd_model::System::new();
/// let server = Server::start(&system, Config::default()).unwrap();
/// let mut client = std::net::TcpStream::connect(server.local_addr()).unwrap();
/// client.write_all(b"VERSION\r\nEXIT\r\n").unwrap();
/// let mut reply = String::new();
/// client.read_to_string(&mut reply).unwrap();
/// assert_eq!(reply, "0.24.v0.24  \n");
/// ```
#[derive(Debug)]
pub struct Server {
    state: Arc<State>,
    local_addr: SocketAddr,
    acceptor: Option<JoinHandle<()>>,
    clock: Clock,
}

#[derive(Debug)]
struct State {
    shared: Shared,
    max_connections: usize,
    stopping: AtomicBool,
    /// Rung at the end of a connection and of the server.
    doorbell: Arc<Doorbell>,
    connections: Mutex<Connections>,
    /// Woken at the end of a connection.
    changed: WaitQueue,
}

#[derive(Debug, Default)]
struct Connections {
    next: u64,
    open: BTreeMap<u64, Connection>,
    /// Over, and to be joined.
    ended: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Connection {
    stream: Arc<TcpStream>,
    /// None while its thread is being started.
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts to listen.
    ///
    /// # Errors
    /// The address is in use or not this machine's, or threads or descriptors are short.
    pub fn start(system: &System, config: Config) -> Result<Server, StartError> {
        let listeners = listen(config.bind)?;
        let local_addr = listeners[0].local_addr()?;
        let state = Arc::new(State {
            shared: Shared::new(system, config.unplug),
            max_connections: config.max_connections,
            stopping: AtomicBool::new(false),
            doorbell: Arc::new(Doorbell::new()?),
            connections: Mutex::default(),
            changed: WaitQueue::new(),
        });
        let acceptor = thread::spawn("iiod", {
            let state = Arc::clone(&state);
            move || accept(&state, &listeners)
        })?;
        Ok(Server {
            state,
            local_addr,
            acceptor: Some(acceptor),
            clock: Clock::real(),
        })
    }

    /// The first address it listens at.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// What a client of libiio takes for `-u`: `ip:127.0.0.1:30431`.
    pub fn uri(&self) -> String {
        let mut address = self.local_addr;
        match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
            _ => {}
        }
        format!("ip:{address}")
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.state.connections.lock().open.len()
    }

    /// Waits until there is no connection, which is when every file that a client had
    /// opened is closed. False if that took longer than `timeout` of real time.
    pub fn wait_idle(&self, timeout: Option<Duration>) -> bool {
        let deadline = timeout.map(|timeout| self.clock.now().after(timeout));
        let idle = || (self.connections() == 0).then_some(());
        wait_event(&[&self.state.changed], &self.clock, deadline, None, idle).is_ok()
    }

    /// Ends every connection and waits for its thread.
    pub fn shutdown(self) {}

    fn stop(&mut self) {
        self.state.stopping.store(true, Ordering::SeqCst);
        self.state.doorbell.wake();
        if let Some(acceptor) = self.acceptor.take() {
            // A panic there was reported when it happened; here there is nothing to undo.
            let _ = acceptor.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn listen(bind: Bind) -> Result<Vec<TcpListener>, StartError> {
    let at = |address: SocketAddr| {
        TcpListener::bind(address).map_err(|source| StartError::Listen { address, source })
    };
    let port = match bind {
        Bind::At(address) => return Ok(vec![nonblocking(at(address)?)?]),
        Bind::Loopback { port } => port,
    };
    // A free port of one family may be taken in the other.
    let mut tries = 16;
    loop {
        let v4 = nonblocking(at((Ipv4Addr::LOCALHOST, port).into())?)?;
        let v6 = (Ipv6Addr::LOCALHOST, v4.local_addr()?.port());
        match at(v6.into()) {
            Ok(v6) => return Ok(vec![v4, nonblocking(v6)?]),
            Err(StartError::Listen { source, .. }) if source.kind() != ErrorKind::AddrInUse => {
                return Ok(vec![v4]); // a machine without IPv6
            }
            Err(error) if port != 0 || tries == 0 => return Err(error),
            Err(_) => tries -= 1,
        }
    }
}

fn nonblocking(listener: TcpListener) -> io::Result<TcpListener> {
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// The accepting thread: also joins the threads of connections that are over.
fn accept(state: &Arc<State>, listeners: &[TcpListener]) {
    let mut short = false;
    while !state.stopping.load(Ordering::SeqCst) {
        state.join_ended();
        // Without descriptors or threads to give, a waiting client would keep the
        // listener ready: look again in a while, or when a connection ends.
        let pause = Timespec {
            tv_sec: 0,
            tv_nsec: 100_000_000,
        };
        let watched = if short { &[] } else { listeners };
        let mut fds = vec![PollFd::new(state.doorbell.event(), PollFlags::IN)];
        fds.extend(watched.iter().map(|l| PollFd::new(l, PollFlags::IN)));
        // An interrupted poll is looked at as one that found nothing.
        let _ = poll(&mut fds, short.then_some(&pause));
        let heard = fds[0].revents().contains(PollFlags::IN);
        state.doorbell.silence(heard);
        short = false;
        for listener in listeners {
            match listener.accept() {
                Ok((stream, _)) => short |= state.serve(stream).is_err(),
                Err(error) => {
                    short |= !matches!(
                        error.kind(),
                        ErrorKind::WouldBlock
                            | ErrorKind::Interrupted
                            | ErrorKind::ConnectionAborted
                    );
                }
            }
        }
    }
    for connection in state.connections.lock().open.values() {
        // A connection that is already broken ends by itself.
        let _ = connection.stream.shutdown(Shutdown::Both);
    }
    let over = || state.connections.lock().open.is_empty().then_some(());
    let _ = wait_event(&[&state.changed], &Clock::real(), None, None, over);
    state.join_ended();
}

impl State {
    fn join_ended(&self) {
        let ended = std::mem::take(&mut self.connections.lock().ended);
        for thread in ended {
            // A panic ended that connection and nothing else.
            let _ = thread.join();
        }
    }

    /// Starts the thread of a connection.
    fn serve(self: &Arc<State>, stream: TcpStream) -> io::Result<()> {
        set_options(&stream);
        let stream = Arc::new(stream);
        let mut connections = self.connections.lock();
        if connections.open.len() >= self.max_connections {
            return Ok(()); // closed by dropping it
        }
        let id = connections.next;
        connections.next += 1;
        let connection = Connection {
            stream: Arc::clone(&stream),
            thread: None,
        };
        connections.open.insert(id, connection);
        let started = thread::spawn("iiod-client", {
            let state = Arc::clone(self);
            move || {
                let _end = End { state: &state, id };
                let mut socket = Socket::new(stream);
                // A connection that breaks is over, as one that ends.
                let _ = Session::new(&state.shared, &mut socket).serve();
            }
        });
        match started {
            Ok(thread) => {
                // Its thread takes the lock before it ends.
                if let Some(connection) = connections.open.get_mut(&id) {
                    connection.thread = Some(thread);
                }
                Ok(())
            }
            Err(error) => {
                connections.open.remove(&id);
                Err(error)
            }
        }
    }
}

/// Takes a connection off the list when its thread ends, however it does.
struct End<'a> {
    state: &'a State,
    id: u64,
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        let mut connections = self.state.connections.lock();
        if let Some(connection) = connections.open.remove(&self.id) {
            connections.ended.extend(connection.thread);
        }
        drop(connections);
        self.state.doorbell.wake();
        self.state.changed.wake_all();
    }
}

/// iiod.c: main_server. Options are for speed and for dead peers; a system that does not
/// know one is no reason to refuse a client.
fn set_options(stream: &TcpStream) {
    let _ = stream.set_nonblocking(false);
    let _ = stream.set_nodelay(true);
    let _ = sockopt::set_socket_keepalive(stream, true);
    let _ = sockopt::set_tcp_keepidle(stream, Duration::from_secs(10));
    let _ = sockopt::set_tcp_keepintvl(stream, Duration::from_secs(10));
    let _ = sockopt::set_tcp_keepcnt(stream, 6);
}
