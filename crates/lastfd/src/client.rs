//! The built-in client: opens every node, uses it, holds it through the removal, and
//! closes it.

use core::time::Duration;
use std::collections::BTreeSet;
use std::io;

use lastfd_chrdev::{OpenFile, OpenFlags, PollMask, open};
use lastfd_iio::raw::IIO_GET_EVENT_FD_IOCTL;
use lastfd_model::raw::{AttrFile, Device, attr_open, attr_read, attr_write, attributes};
use lastfd_model::{Errno, System};
use lastfd_report::{Ending, Manner, RunEvent};
use lastfd_sync::{Arc, Cancel};

use crate::bench::{Bench, DeviceError};
use crate::plugged::{Plugged, collect};
use crate::when::{Trigger, When};

/// What reports call it.
const NAME: &str = "built-in client";

/// Rounds of a device that nobody will take away, and of one that is to be taken away on
/// an event, which may be one that this client never causes.
const ROUNDS: u32 = 8;
const ROUNDS_PLANNED: u32 = 64;

/// Removal wakes no sleeping poll of an IIO device, so it must not sleep for long.
const POLL: Duration = Duration::from_millis(50);

/// Between two looks at a device that has no samples.
const PACE: Duration = Duration::from_millis(5);

impl Bench {
    /// Runs the built-in client over everything that is plugged in, until it has closed
    /// all it opened. If no removal is planned at all, each device is unplugged after the
    /// client's first read of it; where nothing can be read, after its first look at an
    /// attribute, or when it was opened.
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
struct InUse {
    path: String,
    device: Device,
    file: OpenFile,
    /// Open all the time.
    attribute: Option<AttrFile>,
    /// The elements of its input buffer; none if it has no such buffer.
    elements: Vec<(Device, String)>,
}

/// What the client does first with the hardware's data.
fn first_use(device: &Device) -> Trigger {
    if !inputs(device).is_empty() {
        return Trigger::Call("read");
    }
    let mut named = false;
    collect(device, &mut |device| {
        named |= device.devt().is_some() && attr_open(device, "name").is_ok();
    });
    match named {
        true => Trigger::Show(Some("name".to_owned())),
        false => Trigger::Open,
    }
}

/// The elements of the input buffers of the device and all below it: `(device, attribute)`.
fn inputs(device: &Device) -> Vec<(Device, String)> {
    let mut found = Vec::new();
    collect(device, &mut |device| {
        for attribute in attributes(device) {
            let path = &attribute.path;
            if path.starts_with("scan_elements/in_") && path.ends_with("_en") {
                found.push((device.clone(), path.to_string()));
            }
        }
    });
    found
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
            in_use.push(InUse {
                path,
                file,
                attribute: attr_open(&device, "name").ok(),
                elements: inputs(&device),
                device,
            });
        }
        for one in &in_use {
            let used = self.begin(one).and_then(|()| self.use_it(one));
            match used {
                Ok(()) => {}
                Err(error) if is_gone(error.errno) && self.target.settle() => {
                    self.after_removal(one)?;
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

    fn begin(&self, one: &InUse) -> Result<(), DeviceError> {
        for (_, element) in &one.elements {
            write(&one.device, element, "1")?;
        }
        match one.elements.is_empty() {
            true => Ok(()),
            false => self.enable(&one.device),
        }
    }

    /// Switches the buffer on; with the hardware's own trigger, if it needs one.
    fn enable(&self, device: &Device) -> Result<(), DeviceError> {
        match attr_write(device, ENABLE, b"1") {
            Err(Errno::EINVAL) => {}
            Err(errno) => {
                return Err(failed(|| format!("enable the buffer of {}", device.name()))(errno));
            }
            Ok(_) => return Ok(()),
        }
        let mut triggers = Vec::new();
        collect(self.target.device(), &mut |device| {
            if device.name().starts_with("trigger") {
                triggers.push(device.clone());
            }
        });
        if let Some(trigger) = triggers.first() {
            let name = attr_read(trigger, "name")
                .map_err(failed(|| format!("read the name of {}", trigger.name())))?;
            let name = String::from_utf8_lossy(&name);
            write(device, "trigger/current_trigger", name.trim())?;
        }
        write(device, ENABLE, "1")
    }

    fn use_it(&self, one: &InUse) -> Result<(), DeviceError> {
        for round in 0u32.. {
            let enough = match self.plan.is_timed() {
                None => ROUNDS,
                Some(false) => ROUNDS_PLANNED,
                Some(true) => u32::MAX,
            };
            if round >= enough || self.cancel.is_cancelled() {
                break;
            }
            let used = match one.elements.is_empty() {
                false => self.read(one, round),
                true => self.look(one),
            };
            match used {
                Ok(()) => {}
                Err(Errno::EINTR) => break,
                Err(errno) => return Err(failed(|| format!("use {}", one.path))(errno)),
            }
        }
        if !one.elements.is_empty() {
            // A removal that comes this moment takes the attribute away.
            let _ = attr_write(&one.device, ENABLE, b"0");
        }
        Ok(())
    }

    /// Reads samples; every second time only when poll says that there are some.
    fn read(&self, one: &InUse, round: u32) -> Result<(), Errno> {
        let mut samples = [0; 4096];
        if round % 2 == 1 {
            one.file.poll(PollMask::IN, Some(POLL));
        }
        one.file.read_with(&mut samples, &self.cancel).map(drop)
    }

    /// Looks at an attribute, and takes its time.
    fn look(&self, one: &InUse) -> Result<(), Errno> {
        if let Some(attribute) = &one.attribute {
            attribute.read()?;
        }
        let slept = self.system.clock().sleep(PACE, Some(&self.cancel));
        slept.map_err(|_| Errno::EINTR)?;
        // Without an attribute only the bench knows.
        match self.target.settle() {
            true => Err(Errno::ENODEV),
            false => Ok(()),
        }
    }

    /// What Linux answers once the device is gone. Attributes and paths are every
    /// framework's; ioctls are each one's own.
    fn after_removal(&self, one: &InUse) -> Result<(), DeviceError> {
        let InUse { path, file, .. } = one;
        let gone = |doing: &str, result: Result<(), Errno>, right: Errno| match result {
            Err(errno) if errno == right => Ok(()),
            other => Err(DeviceError {
                doing: format!("{doing} {path} after its removal, which should give {right}"),
                errno: other.err().unwrap_or(right),
            }),
        };
        file.poll(PollMask::IN, Some(Duration::ZERO));
        if one.device.bus().is_some_and(|bus| &*bus.name() == "iio") {
            let ioctl = file.ioctl_bytes(IIO_GET_EVENT_FD_IOCTL, &mut [0; 4]);
            gone("ioctl on", ioctl.map(drop), Errno::ENODEV)?;
        }
        if let Some(attribute) = &one.attribute {
            let read = attribute.read();
            gone("read an attribute of", read.map(drop), Errno::ENODEV)?;
        }
        let again = open(&self.system, path, OpenFlags::RDWR);
        gone("open", again.map(drop), Errno::ENOENT)
    }
}

/// What calls on a device give while it goes and after: its files, its attributes.
fn is_gone(errno: Errno) -> bool {
    matches!(errno, Errno::ENODEV | Errno::ENOENT)
}

const ENABLE: &str = "buffer/enable";

fn write(device: &Device, path: &str, value: &str) -> Result<(), DeviceError> {
    let written = attr_write(device, path, value.as_bytes());
    written.map(drop).map_err(failed(|| {
        format!("write '{value}' to {path} of {}", device.name())
    }))
}

fn failed(doing: impl FnOnce() -> String) -> impl FnOnce(Errno) -> DeviceError {
    move |errno| DeviceError {
        doing: doing(),
        errno,
    }
}
