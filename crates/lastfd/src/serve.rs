//! What serves a bench to programs: the supervisor and the iiod, each started when it is
//! first asked for.

use core::time::Duration;
use std::net::{IpAddr, SocketAddr};

use lastfd_host::control::Control;
use lastfd_host::{Held, Host};
use lastfd_iiod::{Bind, Config, Server, StartError, UnplugAnswers};
use lastfd_model::{EventKind, System};
use lastfd_report::RunEvent;
use lastfd_supervisor::{Restrictions, Supervisor};
use lastfd_sync::{Arc, Mutex, Weak};

use crate::bench::Bench;

/// The port that libiio knows; its clients before 0.24 know no other.
pub const IIOD_PORT: u16 = 30431;

/// How programs are shown a bench.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Showing {
    pub(crate) trap_all: bool,
    pub(crate) not_accelerated: bool,
    pub(crate) restrictions: Option<Restrictions>,
}

/// What serves a bench's System.
pub(crate) struct Servers {
    answers: UnplugAnswers,
    showing: Showing,
    iiod: Mutex<Option<Server>>,
    supervisor: Mutex<Option<Served>>,
}

/// Who shows a System to programs, for those who have the System alone.
#[derive(Default)]
struct Shower(Mutex<Weak<Supervisor>>);

/// Sees what programs unmapped, which nobody tells of: before it is said who holds what.
pub(crate) fn see_unmaps(system: &System) {
    let shower = system.extension::<Shower>().0.lock().upgrade();
    if let Some(supervisor) = shower {
        supervisor.see_unmaps();
    }
}

/// The System as programs see it, and who shows it to them.
#[derive(Clone)]
struct Served {
    // Dropped in this order: nobody asks any more, then the programs end.
    _control: Arc<Control>,
    supervisor: Arc<Supervisor>,
    host: Arc<Host>,
}

impl Servers {
    pub(crate) fn new(answers: UnplugAnswers, showing: Showing) -> Servers {
        Servers {
            answers,
            showing,
            iiod: Mutex::new(None),
            supervisor: Mutex::new(None),
        }
    }

    fn serve(&self, bench: &Bench) -> Result<Served, lastfd_supervisor::StartError> {
        let mut served = self.supervisor.lock();
        if let Some(served) = &*served {
            return Ok(served.clone());
        }
        let host = Arc::new(Host::new(bench.system(), bench.host_options())?);
        let told = bench.system().unowned();
        let mut supervisor = Supervisor::new(Arc::clone(&host), move |notice| {
            let event = RunEvent::Refused {
                program: Arc::clone(&notice.program),
                text: notice.to_string().into(),
            };
            told.emit(|| EventKind::from(event));
        })?;
        supervisor.trap_all(self.showing.trap_all);
        supervisor.accelerate(!self.showing.not_accelerated);
        if let Some(restrictions) = &self.showing.restrictions {
            supervisor.restrict(restrictions);
        }
        supervisor.checkpoint(bench.schedule().settler());
        let control = Control::start(host.directory(), bench.commands(&host))?;
        let made = Served {
            _control: Arc::new(control),
            supervisor: Arc::new(supervisor),
            host,
        };
        let shower = Arc::downgrade(&made.supervisor);
        *bench.system().extension::<Shower>().0.lock() = shower;
        Ok(served.insert(made).clone())
    }

    /// The System as programs see it, if one was started.
    #[cfg(feature = "devices")]
    pub(crate) fn host(&self) -> Option<Arc<Host>> {
        let served = self.supervisor.lock();
        served.as_ref().map(|served| Arc::clone(&served.host))
    }

    fn files(&self) -> Vec<Held> {
        let served = self.supervisor.lock().clone();
        served.map_or_else(Vec::new, |served| {
            // What was closed by now is not open.
            served.supervisor.open_files();
            served.supervisor.see_unmaps();
            served.host.holders().list()
        })
    }

    fn start(&self, system: &System, bind: &[Bind]) -> Result<String, StartError> {
        let mut iiod = self.iiod.lock();
        if let Some(server) = &*iiod {
            return Ok(server.uri());
        }
        let mut result = Err(None);
        for bind in bind {
            let config = Config {
                bind: *bind,
                unplug: self.answers,
                ..Config::default()
            };
            match Server::start(system, config) {
                Ok(server) => {
                    result = Ok(server);
                    break;
                }
                Err(error) => result = Err(Some(error)),
            }
        }
        let server = result.map_err(|error| {
            error.unwrap_or_else(|| std::io::Error::other("there is no address to try").into())
        })?;
        Ok(iiod.insert(server).uri())
    }

    /// Waits until no connection is left. False if that took too long.
    pub(crate) fn wait_idle(&self, timeout: Duration) -> bool {
        let served = self.supervisor.lock().clone();
        if let Some(served) = served
            && !served.supervisor.wait_closed(timeout)
        {
            return false;
        }
        let iiod = self.iiod.lock();
        iiod.as_ref()
            .is_none_or(|server| server.wait_idle(Some(timeout)))
    }

    pub(crate) fn stop(&self) {
        let server = self.iiod.lock().take();
        drop(server);
        let served = self.supervisor.lock().take();
        drop(served);
    }
}

impl Bench {
    /// The System's `/dev`, `/sys` and uevents as programs see them.
    ///
    /// # Errors
    /// As [`Bench::supervisor`].
    pub fn host(&self) -> Result<Arc<Host>, lastfd_supervisor::StartError> {
        self.server.serve(self).map(|served| served.host)
    }

    /// Starts the supervisor, unless it is there: what programs of
    /// [`Bench::command`] see devices through.
    ///
    /// # Errors
    /// This machine does not allow it, with the reason and a way out; or descriptors,
    /// threads or room for the trees are short.
    pub fn supervisor(&self) -> Result<Arc<Supervisor>, lastfd_supervisor::StartError> {
        self.server.serve(self).map(|served| served.supervisor)
    }

    /// The files that programs have open, with their last call, and who holds each by which
    /// descriptors and mappings.
    pub fn files(&self) -> Vec<Held> {
        self.server.files()
    }

    /// Whether something is due, or being done, once all that programs did by now has been
    /// told: what they were answered, and what was closed by their end.
    pub(crate) fn is_due_by_now(&self) -> bool {
        let served = self.server.supervisor.lock().clone();
        if let Some(served) = served {
            served.supervisor.settle();
        }
        self.schedule().is_due()
    }

    /// Starts an iiod for programs of this machine, unless there is one, and gives what a
    /// client of libiio takes for `-u`: `ip:127.0.0.1:30431`.
    ///
    /// # Errors
    /// No port is free, or threads or descriptors are short.
    pub fn iiod(&self) -> Result<String, StartError> {
        // The port that every client knows where it is free; otherwise any.
        let ports = [IIOD_PORT, 0].map(|port| Bind::Loopback { port });
        self.server.start(self.system(), &ports)
    }

    /// Starts an iiod at this address, unless there is one, and gives its uri.
    ///
    /// # Errors
    /// The address is in use or not this machine's, or threads or descriptors are short.
    pub fn iiod_at(&self, address: SocketAddr) -> Result<String, StartError> {
        let bind = match address.ip() {
            IpAddr::V4(ip) if ip.is_loopback() && ip.octets() == [127, 0, 0, 1] => Bind::Loopback {
                port: address.port(),
            },
            _ => Bind::At(address),
        };
        self.server.start(self.system(), &[bind])
    }

    /// Waits until programs have no device open, and every connection of the iiod has
    /// ended, which is when the files of its clients are closed. False if that took longer than this.
    pub fn wait_for_clients(&self, timeout: Duration) -> bool {
        self.server.wait_idle(timeout)
    }
}
