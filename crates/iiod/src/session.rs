//! One connection: requests in, replies out, in order.

use crate::buffer::{Buffer, Refill, Request};
use crate::command::{Command, Target, parse};
use crate::context::{Catalogue, Context, ContextDevice, Description};
use crate::input::{Input, Line};
use crate::link::Link;
use crate::tree::{self, Place};
use crate::value::{Files, read_value};
use crate::{UnplugAnswers, help, reply, xml};
use lastfd_model::{Errno, Result, System};
use lastfd_sync::atomic::{AtomicI32, Ordering};
use lastfd_sync::{Arc, Mutex};
use std::collections::BTreeMap;
use std::io;

/// The most that a written value may have; what is beyond it is refused as memory that is
/// not there, after it was taken off the line.
const PAYLOAD_MAX: usize = 1 << 20;

/// Buffers are held this many times in the device unless a client says otherwise:
/// local.c: NB_BLOCKS
const BUFFERS_COUNT: u32 = 4;

/// What the connections of a server share.
///
/// ```
/// use lastfd_iiod::{Plain, Session, Shared, UnplugAnswers};
/// use std::io::Cursor;
///
/// let system = lastfd_model::System::new();
/// let shared = Shared::new(&system, UnplugAnswers::Enodev);
/// let mut link = Plain(Cursor::new(b"VERSION\r\n".to_vec()));
/// Session::new(&shared, &mut link).serve().unwrap();
/// assert!(link.0.into_inner().ends_with(b"0.24.v0.24  \n"));
/// ```
#[derive(Clone, Debug)]
pub struct Shared {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    answers: UnplugAnswers,
    catalogue: Catalogue,
    about: Description,
    /// Milliseconds. One for all clients, as in `iiod`: they send it on the connection
    /// that does not read buffers.
    timeout: AtomicI32,
    /// By device id.
    buffers_counts: Mutex<BTreeMap<String, u32>>,
}

impl Shared {
    /// What connections to this System need.
    pub fn new(system: &System, answers: UnplugAnswers) -> Shared {
        let kernel = format!(
            "{}-lastfd",
            system.rules().to_string().trim_start_matches("linux-")
        );
        let about = Description {
            text: format!("Linux lastfd {kernel} lastfd {}", env!("CARGO_PKG_VERSION")),
            kernel,
        };
        Shared {
            inner: Arc::new(Inner {
                answers,
                catalogue: Catalogue::new(system.clone(), answers == UnplugAnswers::Linux),
                about,
                // local.c: DEFAULT_TIMEOUT_MS
                timeout: AtomicI32::new(1000),
                buffers_counts: Mutex::default(),
            }),
        }
    }
}

/// The server's side of one connection.
#[derive(Debug)]
pub struct Session<'a, L> {
    shared: &'a Inner,
    link: &'a mut L,
    /// What this client was told last. A device in here that has gone stays gone, even if
    /// another takes its id.
    context: Option<Context>,
    buffers: Vec<Buffer>,
    out: Vec<u8>,
}

/// Whether the connection goes on.
enum Next {
    Line,
    End,
}

impl<'a, L: Link> Session<'a, L> {
    /// A new connection.
    pub fn new(shared: &'a Shared, link: &'a mut L) -> Session<'a, L> {
        Session {
            shared: &shared.inner,
            link,
            context: None,
            buffers: Vec::new(),
            out: Vec::with_capacity(256),
        }
    }

    /// Answers until the client leaves. Its buffers are closed then.
    ///
    /// # Errors
    /// The connection broke.
    pub fn serve(mut self) -> io::Result<()> {
        let mut input = Input::new();
        loop {
            let next = match input.line(self.link)? {
                Line::End => Next::End,
                Line::TooLong => {
                    reply::failure(&mut self.out, Errno::EINVAL);
                    Next::Line
                }
                Line::Text { start, end } => {
                    // The line is copied: what follows a WRITE is read over it.
                    let mut line = [0; 256];
                    let text = input.text(start, end);
                    match line.get_mut(..text.len()) {
                        Some(short) => {
                            short.copy_from_slice(text);
                            self.answer(&line[..text.len()], &mut input)?
                        }
                        None => {
                            let long = text.to_vec();
                            self.answer(&long, &mut input)?
                        }
                    }
                }
            };
            self.send(&[])?;
            if let Next::End = next {
                return Ok(());
            }
        }
    }

    fn answer(&mut self, line: &[u8], input: &mut Input) -> io::Result<Next> {
        let Ok(command) = parse(line) else {
            reply::failure(&mut self.out, Errno::EINVAL);
            return Ok(Next::Line);
        };
        match command {
            Command::Nothing => {}
            Command::Exit => return Ok(Next::End),
            Command::Help => self.out.extend_from_slice(help::TEXT.as_bytes()),
            Command::Version => self.out.extend_from_slice(crate::VERSION_LINE),
            Command::Print => self.print(),
            // The description is not compressed: as an iiod built without zstd.
            Command::ZPrint => reply::failure(&mut self.out, Errno::EINVAL),
            Command::Timeout(timeout) => {
                self.shared.timeout.store(timeout, Ordering::Relaxed);
                reply::status(&mut self.out, Ok(()));
            }
            Command::Read { target, attribute } => {
                let value = self.read(target, attribute);
                match value {
                    Ok(value) => reply::value(&mut self.out, &value),
                    Err(error) => reply::failure(&mut self.out, error),
                }
            }
            Command::Write {
                target,
                attribute,
                length,
            } => return self.take_and_write(target, attribute, length, input),
            Command::GetTrigger { device } => match self.trigger(device) {
                Ok(Some(name)) => reply::value(&mut self.out, name.as_bytes()),
                Ok(None) => reply::number(&mut self.out, 0),
                Err(error) => reply::failure(&mut self.out, error),
            },
            Command::SetTrigger { device, trigger } => {
                let result = self.set_trigger(device, trigger);
                reply::status(&mut self.out, result);
            }
            Command::SetBuffersCount { device, count } => {
                let result = self.set_buffers_count(device, count);
                reply::status(&mut self.out, result);
            }
            Command::Open {
                device,
                samples,
                mask,
                cyclic,
            } => {
                let result = self.open(device, samples, mask, cyclic);
                reply::status(&mut self.out, result);
            }
            Command::Close { device } => {
                let result = self.close(device);
                reply::status(&mut self.out, result);
            }
            Command::ReadBuffer { device, bytes } => return self.read_buffer(device, bytes),
            Command::WriteBuffer { device, .. } => {
                let result = self.write_buffer(device);
                reply::status(&mut self.out, result);
            }
        }
        Ok(Next::Line)
    }

    /// Sends what was collected, then `data`, as one message.
    fn send(&mut self, data: &[u8]) -> io::Result<()> {
        let result = send_all(self.link, &self.out, data);
        self.out.clear();
        result
    }

    fn print(&mut self) {
        let context = self.context.insert(self.shared.catalogue.current());
        let text = xml::describe(&self.shared.about, context.devices());
        reply::value(&mut self.out, text.as_bytes());
    }

    fn context(&mut self) -> &Context {
        let shared = self.shared;
        self.context
            .get_or_insert_with(|| shared.catalogue.current())
    }

    /// The device by its id, label or name; `ENODEV` if there is none, or none any more.
    fn device(&mut self, name: &str) -> Result<Arc<ContextDevice>> {
        let device = self.context().find(name).ok_or(Errno::ENODEV)?;
        let device = Arc::clone(device);
        if !device.is_gone() {
            return Ok(device);
        }
        match self.shared.answers {
            UnplugAnswers::Enodev => Err(Errno::ENODEV),
            UnplugAnswers::Linux => {
                // Its files have paths, and another may be there by now.
                let context = self.context.insert(self.shared.catalogue.current());
                context.find(&device.id).cloned().ok_or(Errno::ENODEV)
            }
        }
    }

    /// What to say of an error: a device that went in the middle has gone.
    fn told(&self, device: &ContextDevice, error: Errno) -> Errno {
        if self.hides(device) {
            Errno::ENODEV
        } else {
            error
        }
    }

    /// Whether the device has gone, or is about to, and is answered for with `ENODEV`.
    fn hides(&self, device: &ContextDevice) -> bool {
        self.shared.answers == UnplugAnswers::Enodev && tree::is_going(device.device())
    }

    fn read(&mut self, target: Target<'_>, attribute: Option<&str>) -> Result<Vec<u8>> {
        let device = self.device(target.device())?;
        let (files, limit) = Files::of(&device, target, attribute)?;
        let value = match files {
            Files::One(place, name) => read_value(&device, place, name, limit),
            Files::All(place, names) => {
                let mut packed = Vec::new();
                for name in names {
                    let left = limit.saturating_sub(packed.len());
                    if left < 4 {
                        break;
                    }
                    let value = read_value(&device, place, name, left - 4);
                    reply::pack(&mut packed, value.as_deref().map_err(|&error| error));
                }
                // A device that went between two of them answers as one that has gone.
                if self.hides(&device) {
                    return Err(Errno::ENODEV);
                }
                Ok(packed)
            }
        };
        value.map_err(|error| self.told(&device, error))
    }

    fn take_and_write(
        &mut self,
        target: Target<'_>,
        attribute: Option<&str>,
        length: i64,
        input: &mut Input,
    ) -> io::Result<Next> {
        let Ok(length) = u64::try_from(length) else {
            reply::failure(&mut self.out, Errno::ENOMEM);
            return Ok(Next::Line);
        };
        // Whatever comes of it, the value is taken off the line: iiod leaves that of an
        // unknown device there, and takes it for commands.
        let mut value = Vec::new();
        if !input.payload(self.link, length, PAYLOAD_MAX, &mut value)? {
            return Ok(Next::End);
        }
        let result = if value.len() as u64 == length {
            self.write(target, attribute, &value)
        } else {
            Err(Errno::ENOMEM)
        };
        match result {
            Ok(()) => reply::number(&mut self.out, length),
            Err(error) => reply::failure(&mut self.out, error),
        }
        Ok(Next::Line)
    }

    fn write(&mut self, target: Target<'_>, attribute: Option<&str>, value: &[u8]) -> Result {
        let device = self.device(target.device())?;
        let (files, _) = Files::of(&device, target, attribute)?;
        let store = |place, name: &str, value: &[u8]| {
            tree::write(device.device(), &device.id, place, name, value)
        };
        let result = match files {
            Files::One(place, name) => store(place, name, value),
            Files::All(place, names) => {
                for (name, value) in names.iter().zip(reply::unpack(value, names.len())?) {
                    if let Some(value) = value {
                        // The reply has no place for the outcome of each.
                        let _ = store(place, name, value);
                    }
                }
                Ok(())
            }
        };
        result.map_err(|error| self.told(&device, error))
    }

    /// The name of the device's trigger: local.c: local_get_trigger
    fn trigger(&mut self, device: &str) -> Result<Option<String>> {
        let device = self.device(device)?;
        let mut name = Vec::new();
        tree::read(
            device.device(),
            &device.id,
            Place::Own,
            CURRENT_TRIGGER,
            &mut name,
        )
        .map_err(|error| self.told(&device, error))?;
        name.pop();
        if name.is_empty() {
            return Ok(None);
        }
        let name = String::from_utf8(name).map_err(|_| Errno::ENXIO)?;
        let known = self
            .context()
            .devices()
            .any(|d| d.name.as_deref() == Some(&name));
        known.then_some(Some(name)).ok_or(Errno::ENXIO)
    }

    /// ops.c: set_trigger
    fn set_trigger(&mut self, device: &str, trigger: Option<&str>) -> Result {
        let device = self.device(device)?;
        let mut value = match trigger {
            None => String::new(),
            Some(trigger) => {
                let trigger = self.context().find(trigger).ok_or(Errno::ENOENT)?;
                let name = trigger.name.as_ref().filter(|_| trigger.is_trigger());
                name.ok_or(Errno::EINVAL)?.clone()
            }
        };
        value.push('\0');
        let value = value.as_bytes();
        tree::write(
            device.device(),
            &device.id,
            Place::Own,
            CURRENT_TRIGGER,
            value,
        )
        .map_err(|error| self.told(&device, error))
    }

    /// ops.c: set_buffers_count
    fn set_buffers_count(&mut self, device: &str, count: u32) -> Result {
        let device = self.device(device)?;
        if count == 0 {
            return Err(Errno::EINVAL);
        }
        // Of an open buffer it cannot be changed; iiod says 0 to that too.
        if self.position(&device).is_none() {
            let mut counts = self.shared.buffers_counts.lock();
            counts.insert(device.id.clone(), count);
        }
        Ok(())
    }

    /// Where the open buffer of the device is. As over a real kernel it is found by name.
    fn position(&self, device: &ContextDevice) -> Option<usize> {
        let linux = self.shared.answers == UnplugAnswers::Linux;
        self.buffers.iter().position(|buffer| {
            let of = buffer.device();
            of.device() == device.device() || linux && of.id == device.id
        })
    }

    fn open(&mut self, device: &str, samples: u64, mask: &str, cyclic: bool) -> Result {
        let device = self.device(device)?;
        // Opened again by the same client, the buffer is made anew.
        if let Some(at) = self.position(&device) {
            self.buffers.remove(at);
        }
        let counts = self.shared.buffers_counts.lock();
        let count = counts.get(&device.id).copied().unwrap_or(BUFFERS_COUNT);
        drop(counts);
        let request = Request {
            samples,
            mask,
            cyclic,
            count,
            answers: self.shared.answers,
        };
        let buffer = Buffer::open(self.shared.catalogue.system(), &device, request)
            .map_err(|error| self.told(&device, error))?;
        self.buffers.push(buffer);
        Ok(())
    }

    fn close(&mut self, name: &str) -> Result {
        // The buffer may be of a device that has gone and that a new description is
        // without: it is closed, whatever the answer.
        let buffers = &mut self.buffers;
        let at = buffers.iter().rposition(|b| b.device().is_called(name));
        let closed = at.map(|at| buffers.remove(at));
        self.device(name)?;
        closed.map(drop).ok_or(Errno::ENXIO)
    }

    /// ops.c: rw_buffer, send_data
    fn read_buffer(&mut self, device: &str, bytes: u32) -> io::Result<Next> {
        let device = match self.device(device) {
            Ok(device) => device,
            Err(error) => {
                reply::failure(&mut self.out, error);
                return Ok(Next::Line);
            }
        };
        let at = self.position(&device);
        let Some(mut buffer) = at.map(|at| self.buffers.swap_remove(at)) else {
            reply::failure(&mut self.out, Errno::EBADF);
            return Ok(Next::Line);
        };
        let next = self.send_data(&mut buffer, bytes as usize);
        self.buffers.push(buffer);
        next
    }

    fn send_data(&mut self, buffer: &mut Buffer, bytes: usize) -> io::Result<Next> {
        let mut left = bytes;
        if left >= buffer.sample_size() && !buffer.is_open() {
            reply::failure(&mut self.out, Errno::EBADF);
            return Ok(Next::Line);
        }
        let mut first = true;
        while left >= buffer.sample_size() {
            if self.link.is_hung_up() {
                return Ok(Next::End);
            }
            let timeout = self.shared.timeout.load(Ordering::Relaxed);
            match buffer.refill(self.link, timeout)? {
                Refill::Full => {}
                Refill::HungUp => return Ok(Next::End),
                Refill::Failed(error) => {
                    let error = self.told(buffer.device(), error);
                    reply::failure(&mut self.out, error);
                    return Ok(Next::Line);
                }
            }
            let data = &buffer.data()[..left.min(buffer.data().len())];
            reply::number(&mut self.out, data.len() as u64);
            if std::mem::take(&mut first) {
                buffer.mask().write(&mut self.out);
            }
            self.send(data)?;
            left -= data.len();
        }
        if left > 0 || bytes == 0 {
            reply::number(&mut self.out, 0);
        }
        Ok(Next::Line)
    }

    fn write_buffer(&mut self, device: &str) -> Result {
        let device = self.device(device)?;
        self.position(&device).ok_or(Errno::EBADF)?;
        // Only input buffers can be open, and those take no data.
        Err(Errno::EPERM)
    }
}

const CURRENT_TRIGGER: &str = "trigger/current_trigger";

/// Both parts as one message, in one call as long as the client takes it.
fn send_all(link: &mut impl Link, head: &[u8], body: &[u8]) -> io::Result<()> {
    let mut sent = 0;
    while sent < head.len() + body.len() {
        let result = match head.get(sent..).filter(|rest| !rest.is_empty()) {
            Some(rest) if body.is_empty() => link.write(rest),
            Some(rest) => link.write_vectored(&[io::IoSlice::new(rest), io::IoSlice::new(body)]),
            None => link.write(&body[sent - head.len()..]),
        };
        match result {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => sent += written,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
