//! The client as tasks of this process, which call the System's open files.

use core::time::Duration;

use lastfd_chrdev::{MapRequest, Mapping, OpenFile, OpenFlags, PollMask, Process, open};
use lastfd_model::Errno;
use lastfd_model::raw::{AttrFile, Device, attr_open, attr_read, attr_write};
use lastfd_sync::Cancel;

use super::user::{Calls, Memory, Reach};
use super::{Framework, iio, nodes, rounds};
use crate::plugged::{Plugged, collect};
use crate::schedule::PlanView;

/// A device of this process.
pub(super) struct Here {
    target: Plugged,
    plan: PlanView,
    cancel: Cancel,
}

impl Here {
    pub(super) fn new(target: &Plugged, plan: PlanView, cancel: &Cancel) -> Here {
        Here {
            target: target.clone(),
            plan,
            cancel: cancel.clone(),
        }
    }
}

impl Reach for Here {
    fn nodes(&self) -> Vec<(String, Framework)> {
        let nodes = nodes(&self.target).into_iter();
        nodes
            .map(|(path, device)| (path, Framework::of(&device)))
            .collect()
    }

    fn open(&self, path: &str) -> Result<Box<dyn Calls>, Errno> {
        let nodes = nodes(&self.target).into_iter();
        let device = nodes.filter(|(node, _)| node == path).map(|node| node.1);
        let device = device.last();
        let file = open(&self.target.system(), path, OpenFlags::RDWR)?;
        let device = device.ok_or(Errno::ENODEV)?;
        Ok(Box::new(Opened {
            file,
            name: attr_open(&device, "name").ok(),
            device,
            hardware: self.target.device().clone(),
            cancel: self.cancel.clone(),
        }))
    }

    fn is_gone(&self) -> bool {
        self.target.settle()
    }

    fn settle(&self) -> bool {
        self.target.settle()
    }

    fn rounds(&self) -> u32 {
        rounds(self.plan.is_timed())
    }

    fn is_cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }

    fn sleep(&self, time: Duration) -> Result<(), Errno> {
        let slept = self.target.system().clock().sleep(time, Some(&self.cancel));
        slept.map_err(|_| Errno::EINTR)
    }
}

struct Opened {
    file: OpenFile,
    name: Option<AttrFile>,
    device: Device,
    hardware: Device,
    cancel: Cancel,
}

impl Calls for Opened {
    fn read(&self, into: &mut [u8]) -> Result<usize, Errno> {
        self.file.read_with(into, &self.cancel)
    }

    fn set_nonblocking(&self) -> Result<(), Errno> {
        self.file.set_flags(self.file.flags() | OpenFlags::NONBLOCK)
    }

    fn poll(&self, events: PollMask, timeout: Duration) -> Result<PollMask, Errno> {
        Ok(self.file.poll(events, Some(timeout)))
    }

    fn ioctl(&self, cmd: u32, arg: &mut [u8]) -> Result<(), Errno> {
        let mut program = Process::new();
        let at = program.map(arg.to_vec());
        self.file.ioctl_with(cmd, at, &mut program, &self.cancel)?;
        arg.copy_from_slice(program.bytes(at));
        Ok(())
    }

    fn mmap(&self, offset: u64, len: u64) -> Result<Box<dyn Memory>, Errno> {
        let mapping = self.file.mmap(MapRequest::shared(offset, len))?;
        Ok(Box::new(mapping))
    }

    fn read_name(&self) -> Option<Result<(), Errno>> {
        let name = self.name.as_ref()?;
        Some(name.read().map(drop))
    }

    fn scan_elements(&self) -> Vec<String> {
        iio::inputs(&self.device)
    }

    fn write_attribute(&self, path: &str, value: &str) -> Result<(), Errno> {
        attr_write(&self.device, path, value.as_bytes()).map(drop)
    }

    fn trigger(&self) -> Result<Option<String>, Errno> {
        let mut triggers = Vec::new();
        collect(&self.hardware, &mut |device| {
            if device.name().starts_with("trigger") {
                triggers.push(device.clone());
            }
        });
        let name = triggers.first().map(|trigger| attr_read(trigger, "name"));
        Ok(name
            .transpose()?
            .map(|name| String::from_utf8_lossy(&name).trim().to_owned()))
    }
}

impl Memory for Mapping {
    fn write(&self, at: usize, byte: u8) -> Result<(), Errno> {
        Mapping::write(self, at, &[byte])
    }

    fn read(&self, at: usize) -> Result<u8, Errno> {
        let mut byte = [0];
        Mapping::read(self, at, &mut byte)?;
        Ok(byte[0])
    }
}
