//! The built-in client: opens every node, uses it, holds it through the removal, and
//! closes it. How a node is used is its framework's: a file each below.
//!
//! It is a program as any other, which makes system calls (`served`), or a task of this
//! process for each device, which calls the open files (`here`). What it does is the same
//! code (`user`).

mod cec;
mod drm;
mod here;
mod iio;
mod misc;
mod other;
#[cfg(feature = "iiod")]
mod served;
mod user;
mod v4l2;

use std::io;

use lastfd_model::raw::{Device, attr_open};
use lastfd_report::{Ending, Manner, RunEvent};
use lastfd_sync::{Arc, Cancel};

use crate::bench::Bench;
use crate::plugged::{Plugged, collect};
use crate::when::{Trigger, When};
use here::Here;
use user::{Use, User};

#[cfg(feature = "iiod")]
pub use served::{ClientFailure, run_as_client};

/// What reports call it.
const NAME: &str = "built-in client";

/// Rounds of a device that nobody will take away, and of one that is to be taken away on
/// an event, which may be one that this client never causes.
const ROUNDS: u32 = 8;
const ROUNDS_PLANNED: u32 = 64;

impl Bench {
    /// Runs the built-in client over everything that is plugged in, until it has closed
    /// all it opened. If nothing is planned at all, each device is unplugged after the
    /// client's first use of it: a read of samples, a picture taken, an ioctl; where there
    /// is none of these, a look at an attribute, or when it was opened.
    ///
    /// It runs in this process, so that it needs nothing of the machine, and simulated time
    /// will do. As a program of its own it is [`spawn_client`](Bench::spawn_client).
    ///
    /// `cancel` makes it close everything and end.
    ///
    /// ```
    /// use lastfd::{Bench, devices::IioAdc};
    ///
    /// let bench = Bench::new();
    /// bench.plug(IioAdc::default()).unwrap();
    /// bench.run_client(&Default::default()).unwrap();
    /// bench.finish().assert_clean();
    /// ```
    ///
    /// # Errors
    /// The system has no thread to give. What the client meets is an event and part of
    /// the verdict.
    pub fn run_client(&self, cancel: &Cancel) -> io::Result<Ending> {
        let plugged = self.plan_first_uses()?;
        self.tell(RunEvent::ProgramStarted {
            program: NAME.into(),
        });
        let clock = self.system().clock();
        let mut users = Vec::new();
        for target in &plugged {
            let here = Here::new(target, self.schedule().plan_of(target), cancel);
            let name = format!("client {}", target.name());
            users.push(clock.spawn(&name, move || User::new(here).run())?);
        }
        let mut ending = Ending::Exited(0);
        for user in users {
            let why: Arc<str> = match user.join() {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => error.to_string().into(),
                Err(_) => "it panicked".into(),
            };
            ending = Ending::Failed(why);
        }
        self.tell(RunEvent::ProgramEnded {
            program: NAME.into(),
            ending: ending.clone(),
        });
        Ok(ending)
    }

    /// What is plugged in, of which all goes on its first use if nothing at all is planned.
    fn plan_first_uses(&self) -> io::Result<Vec<Plugged>> {
        let plugged = self.plugged();
        if !plugged.iter().any(|target| self.schedule().knows(target)) {
            for target in &plugged {
                let trigger = first_use(target.device());
                self.remove_when(target, Manner::Unplug, When::On { trigger, count: 1 })?;
            }
        }
        Ok(plugged)
    }
}

/// The nodes of the hardware and of all below it, by their paths.
fn nodes(target: &Plugged) -> Vec<(String, Device)> {
    let mut family = std::collections::BTreeSet::new();
    collect(target.device(), &mut |device| {
        family.insert(device.id());
    });
    let nodes = target.system().dev_nodes().into_iter();
    nodes
        .filter(|node| family.contains(&node.device.id()))
        .map(|node| (format!("/dev/{}", node.name), node.device))
        .collect()
}

/// How often a device is used, by whether something is planned for it and if so, at a time.
fn rounds(timed: Option<bool>) -> u32 {
    match timed {
        None => ROUNDS,
        Some(false) => ROUNDS_PLANNED,
        Some(true) => u32::MAX,
    }
}

/// The subsystem a node belongs to, by its device's bus or class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framework {
    Iio,
    Drm,
    Cec,
    V4l2,
    Misc,
    Other,
}

impl Framework {
    fn of(device: &Device) -> Framework {
        let bus = device.bus().map(|bus| bus.name());
        let class = device.class().map(|class| class.name());
        match (bus.as_deref(), class.as_deref()) {
            (Some("iio"), _) => Framework::Iio,
            (Some("cec"), _) => Framework::Cec,
            (_, Some("drm")) => Framework::Drm,
            (_, Some("video4linux")) => Framework::V4l2,
            (_, Some("misc")) => Framework::Misc,
            _ => Framework::Other,
        }
    }

    fn usage(self) -> Box<dyn Use> {
        match self {
            Framework::Iio => Box::new(iio::Samples::default()),
            Framework::Drm => Box::new(drm::Screen::default()),
            Framework::Cec => Box::new(cec::Remote),
            Framework::V4l2 => Box::new(v4l2::Viewer::default()),
            Framework::Misc => Box::new(misc::Reads),
            Framework::Other => Box::new(other::Looks),
        }
    }
}

/// What the client does first with the hardware.
fn first_use(device: &Device) -> Trigger {
    let mut first = None;
    let mut named = false;
    collect(device, &mut |device| {
        if device.devt().is_none() {
            return;
        }
        named |= attr_open(device, "name").is_ok();
        first = first.take().or_else(|| match Framework::of(device) {
            Framework::Iio => iio::first_use(device),
            Framework::Drm => Some(ioctl_trigger(drm::FIRST_USE)),
            Framework::Cec => Some(ioctl_trigger(cec::FIRST_USE)),
            Framework::V4l2 => Some(ioctl_trigger(v4l2::FIRST_USE)),
            Framework::Misc => Some(misc::first_use()),
            Framework::Other => None,
        });
    });
    first.unwrap_or(match named {
        true => Trigger::Show(Some("name".to_owned())),
        false => Trigger::Open,
    })
}

fn ioctl_trigger(name: &str) -> Trigger {
    Trigger::Ioctl(Some(name.to_owned()))
}
