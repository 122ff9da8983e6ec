//! A device's buffer, open for one connection.

use crate::UnplugAnswers;
use crate::channel::Channel;
use crate::context::ContextDevice;
use crate::link::Link;
use crate::mask::Mask;
use crate::node::{Node, ReadEnd};
use crate::tree::{self, Place};
use lastfd_model::{Errno, Result, System};
use lastfd_sync::{Arc, Ktime};
use std::io;

/// The most that one refill may hold; what is beyond it is refused as memory that is not
/// there.
const REFILL_MAX: u64 = 64 << 20;

/// The most that the device's own buffer may be asked to hold.
const DEVICE_BUFFER_MAX: u64 = 256 << 20;

/// How far a refill's memory runs ahead of the data.
const STEP: usize = 256 << 10;

/// What a client asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) samples: u64,
    pub(crate) mask: &'a str,
    pub(crate) cyclic: bool,
    /// How many times the samples the device shall hold.
    pub(crate) count: u32,
    pub(crate) answers: UnplugAnswers,
}

/// How a refill ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refill {
    Full,
    Failed(Errno),
    HungUp,
}

/// An open buffer. Dropping it disables and closes it.
#[derive(Debug)]
pub(crate) struct Buffer {
    device: Arc<ContextDevice>,
    mask: Mask,
    sample_size: usize,
    /// The bytes of one refill.
    size: usize,
    /// None once the device has failed: as in `iiod`, that closes it.
    node: Option<Node>,
    data: Vec<u8>,
}

impl Buffer {
    /// local.c: local_open. The node is opened first: who comes second gets its `EBUSY`
    /// before anything of the first is changed.
    pub(crate) fn open(
        system: &System,
        device: &Arc<ContextDevice>,
        request: Request<'_>,
    ) -> Result<Buffer> {
        let channels = &device.channels;
        let mask = Mask::parse(request.mask, channels.len()).map_err(|_| Errno::EINVAL)?;
        let sample_size = sample_size(channels, &mask)?;
        if sample_size == 0 || request.samples == 0 {
            return Err(Errno::EINVAL);
        }
        let size = sample_size.checked_mul(request.samples);
        let size = size
            .filter(|&size| size <= REFILL_MAX)
            .ok_or(Errno::ENOMEM)?;
        let held = size.checked_mul(u64::from(request.count));
        held.filter(|&held| held <= DEVICE_BUFFER_MAX)
            .ok_or(Errno::ENOMEM)?;
        if enabled(channels, &mask).any(|channel| channel.output) {
            // Output buffers are not served: as a kernel that does not implement them.
            return Err(Errno::ENOSYS);
        }
        let buffer = Buffer {
            device: Arc::clone(device),
            mask,
            sample_size: usize::try_from(sample_size).map_err(|_| Errno::ENOMEM)?,
            size: usize::try_from(size).map_err(|_| Errno::ENOMEM)?,
            node: Some(Node::open(system, &device.id, request.answers)?),
            data: Vec::new(),
        };
        // From here on dropping the buffer undoes what was done.
        buffer.start(request)?;
        Ok(buffer)
    }

    fn start(&self, request: Request<'_>) -> Result {
        self.store(Place::Buffer, "enable", "0")?;
        let samples = request.samples.to_string();
        self.store(Place::Buffer, "length", &samples)?;
        match self.store(Place::Buffer, "watermark", &samples) {
            Err(Errno::ENOENT | Errno::EACCES) => {}
            result => result?,
        }
        for wanted in [false, true] {
            for (at, channel) in self.device.channels.iter().enumerate() {
                let Some(scan) = &channel.scan else { continue };
                if scan.index >= 0 && self.mask.has(at) == wanted {
                    let file = scan.enable.as_deref().ok_or(Errno::EINVAL)?;
                    self.store(Place::Own, file, if wanted { "1" } else { "0" })?;
                }
            }
        }
        if request.cyclic {
            return Err(Errno::EPERM);
        }
        let held = request.samples * u64::from(request.count);
        self.store(Place::Buffer, "length", &held.to_string())?;
        self.store(Place::Buffer, "enable", "1")
    }

    /// Values travel with their NUL.
    fn store(&self, place: Place, name: &str, value: &str) -> Result {
        let value = format!("{value}\0");
        let device = &self.device;
        tree::write(device.device(), &device.id, place, name, value.as_bytes())
    }

    pub(crate) fn device(&self) -> &Arc<ContextDevice> {
        &self.device
    }

    pub(crate) fn mask(&self) -> &Mask {
        &self.mask
    }

    pub(crate) fn sample_size(&self) -> usize {
        self.sample_size
    }

    pub(crate) fn is_open(&self) -> bool {
        self.node.is_some()
    }

    /// What the last refill brought.
    pub(crate) fn data(&self) -> &[u8] {
        &self.data
    }

    /// Reads one whole buffer from the device; a failure closes it.
    ///
    /// local.c: local_read, device_check_ready
    pub(crate) fn refill(&mut self, link: &mut impl Link, timeout: i32) -> io::Result<Refill> {
        let Some(node) = &self.node else {
            return Ok(Refill::Failed(Errno::EBADF));
        };
        let deadline = deadline(self.device.device().system().clock().now(), timeout);
        let mut filled = 0;
        let end = loop {
            if filled == self.size {
                break Refill::Full;
            }
            if self.data.len() == filled {
                let step = STEP.min(self.size - filled);
                self.data.resize(filled + step, 0);
            }
            match node.read(&mut self.data[filled..], link, deadline)? {
                ReadEnd::Answered(Ok(0)) => break Refill::Failed(Errno::EIO),
                ReadEnd::Answered(Ok(read)) => filled += read,
                ReadEnd::Answered(Err(error)) => break Refill::Failed(error),
                ReadEnd::HungUp => break Refill::HungUp,
            }
        };
        if end != Refill::Full {
            self.close();
        }
        Ok(end)
    }

    /// local.c: local_close. The stores come before the close, so that they cannot meet
    /// the buffer of who opens the node next.
    fn close(&mut self) {
        let Some(node) = self.node.take() else {
            return;
        };
        if !self.device.is_gone() {
            // The device may go, or refuse, at any of these; there is nobody to tell.
            let _ = self.store(Place::Buffer, "enable", "0");
            for scan in self.device.channels.iter().filter_map(|c| c.scan.as_ref()) {
                if let Some(file) = &scan.enable {
                    let _ = self.store(Place::Own, file, "0");
                }
            }
        }
        drop(node);
        self.data = Vec::new();
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.close();
    }
}

/// A timeout of 0 is none, one less than 0 has passed: local.c: get_rel_timeout_ms
fn deadline(now: Ktime, timeout: i32) -> Option<Ktime> {
    let wait = u64::try_from(timeout).unwrap_or(0);
    (timeout != 0).then(|| now.after(core::time::Duration::from_millis(wait)))
}

fn enabled<'a>(channels: &'a [Channel], mask: &Mask) -> impl Iterator<Item = &'a Channel> {
    let in_buffer = |channel: &Channel| channel.scan.as_ref().is_some_and(|s| s.index >= 0);
    let picked = channels.iter().enumerate();
    picked.filter_map(move |(at, channel)| (mask.has(at) && in_buffer(channel)).then_some(channel))
}

/// The bytes of one sample of each picked channel, each at a multiple of its size, with
/// nothing after the last: device.c: iio_device_get_sample_size_mask
fn sample_size(channels: &[Channel], mask: &Mask) -> Result<u64> {
    let mut size = 0u64;
    let mut previous = None;
    for scan in enabled(channels, mask).filter_map(|channel| channel.scan.as_ref()) {
        if previous.replace(scan.index) == Some(scan.index) {
            continue;
        }
        let length = scan.format.bytes();
        if length == 0 {
            return Err(Errno::EINVAL);
        }
        size = size.next_multiple_of(length) + length;
    }
    Ok(size)
}
