//! What a run can be asked from another terminal, done to its bench.

use core::time::Duration;

use lastfd_host::control::{Commands, DeviceLine};
use lastfd_host::{Held, Host, Options};
use lastfd_model::{Event, System};
use lastfd_sync::{Arc, Cancel, Ktime, Mutex, WaitQueue, Weak, wait_event};

use crate::bench::Bench;
#[cfg(feature = "devices")]
use crate::bench::adopt_ready_made;
use crate::plugged::{Plugged, collect};
use crate::waiting::Occasion;

/// A bench, as far as it can be asked while others use it. It keeps nothing alive.
pub(crate) struct BenchCommands {
    system: System,
    plugged: Weak<Mutex<Vec<Plugged>>>,
    host: Weak<Host>,
}

impl Bench {
    /// How a host of this bench is to be: with what udev is told of its devices.
    pub fn host_options(&self) -> Options {
        Options {
            properties: crate::udev::properties(),
            ..Options::default()
        }
    }

    /// What does the requests of a control socket
    /// ([`Control::start`](lastfd_host::control::Control::start)). The holders of open
    /// files are those that this host knows.
    pub fn commands(&self, host: &Arc<Host>) -> Arc<dyn Commands> {
        Arc::new(BenchCommands {
            system: self.system().unowned(),
            plugged: Arc::downgrade(self.shelf()),
            host: Arc::downgrade(host),
        })
    }
}

/// The hardware with this name that is there, or a sentence that says what is.
pub(crate) fn find_there(plugged: &[Plugged], name: &str, doing: &str) -> Result<Plugged, String> {
    let mut there = plugged.iter().filter(|plugged| !plugged.is_unplugged());
    if let Some(found) = there.clone().find(|plugged| plugged.name() == name) {
        return Ok(found.clone());
    }
    let gone = plugged.iter().any(|plugged| plugged.name() == name);
    let names: Vec<&str> = there.by_ref().map(Plugged::name).collect();
    let names = match names.is_empty() {
        true => "nothing".to_owned(),
        false => names.join(", "),
    };
    Err(match gone {
        true => format!("'{name}' is unplugged already; plugged in: {names}"),
        false => format!("there is no '{name}' to {doing}; plugged in: {names}"),
    })
}

impl BenchCommands {
    /// Those of a bench, and of its host, if it has one by now.
    #[cfg(feature = "devices")]
    pub(crate) fn of(bench: &Bench) -> BenchCommands {
        let host = bench.server.host();
        BenchCommands {
            system: bench.system().unowned(),
            plugged: Arc::downgrade(bench.shelf()),
            host: host.as_ref().map_or_else(Weak::new, Arc::downgrade),
        }
    }

    fn find(&self, name: &str, doing: &str) -> Result<Plugged, String> {
        find_there(&self.shelf()?.lock(), name, doing)
    }
}

impl Commands for BenchCommands {
    #[cfg(feature = "devices")]
    fn plug(&self, device: &str) -> Result<String, String> {
        let spec: lastfd_devices::Spec = device.parse().map_err(|error| format!("{error}"))?;
        let hardware = spec.plug(&self.system);
        let hardware = hardware.map_err(|errno| format!("failed to plug in {device}: {errno}"))?;
        let plugged = adopt_ready_made(&*self.shelf()?, hardware);
        self.settle();
        Ok(plugged.name().to_owned())
    }

    #[cfg(not(feature = "devices"))]
    fn plug(&self, device: &str) -> Result<String, String> {
        Err(format!(
            "failed to plug in {device}: this lastfd was built without ready-made devices"
        ))
    }

    fn unplug(&self, name: &str) -> Result<(), String> {
        self.find(name, "unplug")?.unplug();
        self.settle();
        Ok(())
    }

    fn bind(&self, name: &str) -> Result<(), String> {
        let plugged = self.find(name, "bind")?;
        if let Some(driver) = plugged.device().driver() {
            return Err(format!("'{name}' is bound to {} already", driver.name()));
        }
        let bound = plugged.rebind();
        self.settle();
        bound.map_err(|errno| format!("failed to bind {name}: {errno}"))
    }

    fn unbind(&self, name: &str) -> Result<(), String> {
        let plugged = self.find(name, "unbind")?;
        if plugged.device().driver().is_none() {
            return Err(format!("'{name}' has no driver"));
        }
        plugged.unbind();
        self.settle();
        Ok(())
    }

    #[cfg(feature = "devices")]
    fn fault(&self, name: &str, fault: &str) -> Result<(), String> {
        let fault: crate::Fault = fault.parse().map_err(|error| format!("{error}"))?;
        let done = self.find(name, fault.verb())?.fault(&fault);
        self.settle();
        done.map_err(|error| error.to_string())
    }

    #[cfg(not(feature = "devices"))]
    fn fault(&self, name: &str, fault: &str) -> Result<(), String> {
        Err(format!(
            "failed to {fault} {name}: this lastfd was built without ready-made devices"
        ))
    }

    fn devices(&self) -> Vec<DeviceLine> {
        let nodes = self.system.dev_nodes();
        let line = |plugged: &Plugged| {
            let mut family = Vec::new();
            if !plugged.is_unplugged() {
                collect(plugged.device(), &mut |device| family.push(device.id()));
            }
            let own = nodes
                .iter()
                .filter(|node| family.contains(&node.device.id()));
            DeviceLine {
                name: plugged.name().to_owned(),
                path: (!plugged.is_unplugged()).then(|| plugged.device().path()),
                driver: plugged
                    .device()
                    .driver()
                    .map(|driver| driver.name().to_string()),
                nodes: own.map(|node| format!("/dev/{}", node.name)).collect(),
            }
        };
        let plugged = self.shelf();
        plugged.map_or_else(
            |_| Vec::new(),
            |plugged| plugged.lock().iter().map(line).collect(),
        )
    }

    fn files(&self) -> Vec<Held> {
        let host = self.host.upgrade();
        host.map_or_else(Vec::new, |host| host.holders().list())
    }

    fn wait(
        &self,
        event: &str,
        within: Option<Duration>,
        cancel: &Cancel,
    ) -> Result<String, String> {
        let occasion: Occasion = event.parse().map_err(|error| format!("{error}"))?;
        let Occasion { trigger, count } = occasion;
        let seen: Arc<Mutex<(u32, Option<String>)>> = Arc::default();
        let arrived = WaitQueue::new();
        let (listening, arriving) = (Arc::clone(&seen), arrived.clone());
        let listener = move |event: &Event| {
            if !trigger.matches(&event.kind) {
                return;
            }
            let mut seen = listening.lock();
            seen.0 += 1;
            if seen.0 == count {
                seen.1 = Some(event.kind.to_string());
                drop(seen);
                arriving.wake_all();
            }
        };
        let subscription = self.system.subscribe(Arc::new(listener));
        let clock = self.system.clock();
        let deadline = within.map(|within| clock.now().after(within));
        let found = wait_event(&[&arrived], clock, deadline, Some(cancel), || {
            seen.lock().1.take()
        });
        drop(subscription);
        found.map_err(|error| match error {
            lastfd_sync::WaitError::TimedOut => {
                format!(
                    "'{event}' did not come in that time; it came {} times",
                    seen.lock().0
                )
            }
            lastfd_sync::WaitError::Cancelled => "the run ended before it came".to_owned(),
        })
    }

    fn age(&self, time: Ktime) -> Duration {
        let now = self.system.clock().now().since_start();
        now.saturating_sub(time.since_start())
    }
}

impl BenchCommands {
    fn shelf(&self) -> Result<Arc<Mutex<Vec<Plugged>>>, String> {
        self.plugged
            .upgrade()
            .ok_or_else(|| "the run is over".to_owned())
    }

    /// Who asks finds `/dev`, `/sys` and udev's data as they are after it.
    fn settle(&self) {
        if let Some(host) = self.host.upgrade() {
            host.settle();
        }
    }
}
