//! The built-in client: opens every node, uses it, holds it through the removal, and
//! closes it. How a node is used is its framework's: a file each below.

mod cec;
mod drm;
mod iio;
mod misc;
mod other;
mod v4l2;

use core::time::Duration;
use std::collections::BTreeSet;
use std::io;

use lastfd_chrdev::{OpenFile, OpenFlags, PollMask, open};
use lastfd_model::raw::{AttrFile, Device, attr_open};
use lastfd_model::{Errno, System};
use lastfd_report::{Ending, Manner, RunEvent};
use lastfd_sync::{Arc, Cancel};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::bench::{Bench, DeviceError};
use crate::plugged::{Plugged, collect};
use crate::when::{Trigger, When};

/// What reports call it.
const NAME: &str = "built-in client";

/// Rounds of a device that nobody will take away, and of one that is to be taken away on
/// an event, which may be one that this client never causes.
const ROUNDS: u32 = 8;
const ROUNDS_PLANNED: u32 = 64;

/// Between two looks at a device that has nothing to wait for.
const PACE: Duration = Duration::from_millis(5);

impl Bench {
    /// Runs the built-in client over everything that is plugged in, until it has closed
    /// all it opened. If nothing is planned at all, each device is unplugged after the
    /// client's first use of it: a read of samples, a picture taken, an ioctl; where there
    /// is none of these, a look at an attribute, or when it was opened.
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
        let plugged = self.plugged();
        if !plugged.iter().any(|target| self.schedule().knows(target)) {
            for target in &plugged {
                let trigger = first_use(target.device());
                self.remove_when(target, Manner::Unplug, When::On { trigger, count: 1 })?;
            }
        }
        self.tell(RunEvent::ProgramStarted {
            program: NAME.into(),
        });
        let clock = self.system().clock();
        let mut users = Vec::new();
        for target in &plugged {
            let user = User {
                system: self.system().clone(),
                target: target.clone(),
                cancel: cancel.clone(),
                plan: self.schedule().plan_of(target),
            };
            let name = format!("client {}", target.name());
            users.push(clock.spawn(&name, move || user.run())?);
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
}

/// The client's task for one device.
struct User {
    system: System,
    target: Plugged,
    cancel: Cancel,
    plan: crate::schedule::PlanView,
}

/// A node in use.
struct Node {
    path: String,
    device: Device,
    file: OpenFile,
    /// Open all the time.
    attribute: Option<AttrFile>,
}

/// How the nodes of a framework are used. Errors that a device gives once it is gone
/// (`ENODEV`, `ENOENT`) end the use.
trait Use {
    /// Done once, before the rounds.
    fn begin(&mut self, node: &Node, user: &User) -> Result<(), DeviceError> {
        let _ = (node, user);
        Ok(())
    }

    /// One round of use, counted from 0. It takes its time.
    fn round(&mut self, node: &Node, user: &User, number: u32) -> Result<(), Errno>;

    /// Done once, after the last round.
    fn end(&mut self, node: &Node) {
        let _ = node;
    }

    /// Tries what the framework answers on a file whose device is gone.
    fn after_removal(&mut self, node: &Node) -> Result<(), DeviceError>;
}

/// The subsystem a node belongs to, by its device's bus or class.
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

    fn usage(self, device: &Device) -> Box<dyn Use> {
        match self {
            Framework::Iio => Box::new(iio::Samples::of(device)),
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

impl User {
    fn run(&self) -> Result<(), DeviceError> {
        let mut in_use = Vec::new();
        for (path, device) in self.nodes() {
            let file = match open(&self.system, &path, OpenFlags::RDWR) {
                Ok(file) => file,
                // It went before it could be used.
                Err(Errno::ENOENT | Errno::ENXIO | Errno::ENODEV) if self.target.settle() => {
                    continue;
                }
                Err(errno) => return Err(failed(|| format!("open {path}"))(errno)),
            };
            let usage = Framework::of(&device).usage(&device);
            let node = Node {
                path,
                file,
                attribute: attr_open(&device, "name").ok(),
                device,
            };
            in_use.push((node, usage));
        }
        for (node, usage) in &mut in_use {
            let begun = usage.begin(node, self);
            match begun.and_then(|()| self.use_it(node, &mut **usage)) {
                Ok(()) => {}
                Err(error) if is_gone(error.errno) && self.target.settle() => {
                    usage.after_removal(node)?;
                    self.after_removal(node)?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The nodes of the hardware and of all below it.
    fn nodes(&self) -> Vec<(String, Device)> {
        let mut family = BTreeSet::new();
        collect(self.target.device(), &mut |device| {
            family.insert(device.id());
        });
        let nodes = self.system.dev_nodes().into_iter();
        nodes
            .filter(|node| family.contains(&node.device.id()))
            .map(|node| (format!("/dev/{}", node.name), node.device))
            .collect()
    }

    fn use_it(&self, node: &Node, usage: &mut dyn Use) -> Result<(), DeviceError> {
        for round in 0u32.. {
            let enough = match self.plan.is_timed() {
                None => ROUNDS,
                Some(false) => ROUNDS_PLANNED,
                Some(true) => u32::MAX,
            };
            if round >= enough || self.cancel.is_cancelled() {
                break;
            }
            match usage.round(node, self, round) {
                Ok(()) => {}
                Err(Errno::EINTR) => break,
                Err(errno) => return Err(failed(|| format!("use {}", node.path))(errno)),
            }
        }
        usage.end(node);
        Ok(())
    }

    /// Takes its time. `ENODEV` if the hardware was taken away meanwhile, which some
    /// files do not tell; `EINTR` to end.
    fn pause(&self) -> Result<(), Errno> {
        let slept = self.system.clock().sleep(PACE, Some(&self.cancel));
        slept.map_err(|_| Errno::EINTR)?;
        match self.target.settle() {
            true => Err(Errno::ENODEV),
            false => Ok(()),
        }
    }

    /// What Linux answers once the device is gone: attributes and paths are every
    /// framework's.
    fn after_removal(&self, node: &Node) -> Result<(), DeviceError> {
        if let Some(attribute) = &node.attribute {
            let read = attribute.read();
            node.gone("read an attribute of", read.map(drop), Errno::ENODEV)?;
        }
        let again = open(&self.system, &node.path, OpenFlags::RDWR);
        node.gone("open", again.map(drop), Errno::ENOENT)
    }
}

impl Node {
    /// That a call after the removal failed as it should.
    fn gone(
        &self,
        doing: &str,
        result: Result<(), Errno>,
        right: Errno,
    ) -> Result<(), DeviceError> {
        match result {
            Err(errno) if errno == right => Ok(()),
            other => Err(DeviceError {
                doing: format!(
                    "{doing} {} after its removal, which should give {right}",
                    self.path
                ),
                errno: other.err().unwrap_or(right),
            }),
        }
    }

    /// That poll after the removal tells what it should.
    fn polls(&self, right: PollMask) -> Result<(), DeviceError> {
        let events = PollMask::IN | PollMask::PRI | PollMask::OUT;
        let found = self.file.poll(events, Some(Duration::ZERO));
        match found == right {
            true => Ok(()),
            false => Err(DeviceError {
                doing: format!(
                    "poll {} after its removal, which gave {found} and should give {right}",
                    self.path
                ),
                errno: Errno::EIO,
            }),
        }
    }

    /// An ioctl on a struct, which it may change.
    fn ioctl<T: FromBytes + IntoBytes + Immutable>(
        &self,
        cmd: u32,
        arg: &mut T,
    ) -> Result<(), Errno> {
        self.file.ioctl_bytes(cmd, arg.as_mut_bytes()).map(drop)
    }

    /// For errors: what failed, on this node.
    fn failed(&self, doing: &str) -> impl FnOnce(Errno) -> DeviceError {
        let doing = format!("{doing} on {}", self.path);
        move |errno| DeviceError { doing, errno }
    }
}

/// What a file that lost its device polls as, where its framework tells.
const HUNG_UP: PollMask = PollMask(PollMask::PRI.0 | PollMask::ERR.0 | PollMask::HUP.0);

/// What calls on a device give while it goes and after: its files, its attributes.
fn is_gone(errno: Errno) -> bool {
    matches!(errno, Errno::ENODEV | Errno::ENOENT)
}

fn failed(doing: impl FnOnce() -> String) -> impl FnOnce(Errno) -> DeviceError {
    move |errno| DeviceError {
        doing: doing(),
        errno,
    }
}
