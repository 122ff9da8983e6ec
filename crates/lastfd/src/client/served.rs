//! The client as a program of its own, which makes system calls and is shown the devices
//! as every program is.

use core::time::Duration;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use lastfd_chrdev::PollMask;
use lastfd_model::Errno;
use lastfd_supervisor::{DeviceMemory, device_ioctl};
use lastfd_sync::{Clock, thread};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, fcntl_getfl, fcntl_setfl, major, minor, open};

use super::user::{Calls, Memory, Reach, User};
use super::{Framework, NAME, nodes, rounds};
use crate::bench::{Bench, DeviceError};
use crate::program::{Program, ProgramError};

/// The frameworks, as the client's arguments have them.
const FRAMEWORKS: [(&str, Framework); 6] = [
    ("iio", Framework::Iio),
    ("drm", Framework::Drm),
    ("cec", Framework::Cec),
    ("v4l2", Framework::V4l2),
    ("misc", Framework::Misc),
    ("other", Framework::Other),
];

/// How long a device that answers `ENODEV` may take to go.
const GOING: Duration = Duration::from_secs(2);

impl Bench {
    /// Starts the built-in client as a program: a process that makes system calls on the
    /// nodes, and holds their descriptors through the removal. It uses the same devices in
    /// the same way as [`run_client`](Bench::run_client), and the same is planned for it.
    ///
    /// `lastfd` is the path of the `lastfd` command, or of a program that gives what follows
    /// its first argument, `client`, to [`run_as_client`].
    ///
    /// # Errors
    /// As [`Command::spawn`](crate::Command::spawn): on a machine that does not let programs
    /// see devices it is [`ProgramError::Show`], and `run_client` does it without.
    pub fn spawn_client(&self, lastfd: impl AsRef<Path>) -> Result<Program<'_>, ProgramError> {
        // Nothing is planned for a client that there cannot be.
        self.supervisor().map_err(|source| ProgramError::Show {
            program: NAME.to_owned(),
            source,
        })?;
        let plugged = self
            .plan_first_uses()
            .map_err(|source| ProgramError::Start {
                program: NAME.to_owned(),
                source,
            })?;
        let uses = plugged.iter().map(|target| {
            let mut words = vec![rounds(self.schedule().plan_of(target).is_timed()).to_string()];
            for (path, device) in nodes(target) {
                let framework = Framework::of(&device);
                let known = FRAMEWORKS.iter().find(|known| known.1 == framework);
                words.extend(known.map(|(word, _)| format!("{word}={path}")));
            }
            words.join(" ")
        });
        self.command(lastfd.as_ref())
            .arg("client")
            .args(uses)
            .always_iiod(false)
            .stdin(Stdio::null())
            .spawn_as(NAME)
    }
}

/// The built-in client did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum ClientFailure {
    /// An argument that [`Bench::spawn_client`] does not write.
    #[error("'{0}' is no use of a device: it is ROUNDS FRAMEWORK=NODE..., as 'lastfd run' has it")]
    Argument(String),
    /// A device answered what it should not.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The system has no thread to give.
    #[error("failed to start a thread for a device: {0}")]
    Thread(io::Error),
    /// A bug of the client's.
    #[error("the client panicked")]
    Panic,
}

/// What the process of [`Bench::spawn_client`] does: uses each device, a thread for each,
/// until all is closed.
///
/// # Errors
/// An argument is wrong, or a device answered what it should not.
pub fn run_as_client(uses: impl IntoIterator<Item = impl AsRef<str>>) -> Result<(), ClientFailure> {
    let uses: Result<Vec<Served>, _> = uses
        .into_iter()
        .map(|words| Served::of(words.as_ref()))
        .collect();
    let mut users = Vec::new();
    for served in uses? {
        let user = thread::spawn("client", move || User::new(served).run());
        users.push(user.map_err(ClientFailure::Thread)?);
    }
    let ends: Vec<_> = users.into_iter().map(|user| user.join()).collect();
    for end in ends {
        end.map_err(|_| ClientFailure::Panic)??;
    }
    Ok(())
}

/// A device that is shown to this process.
struct Served {
    rounds: u32,
    nodes: Vec<(String, Framework)>,
    clock: Clock,
}

impl Served {
    fn of(words: &str) -> Result<Served, ClientFailure> {
        let refused = || ClientFailure::Argument(words.to_owned());
        let mut split = words.split(' ');
        let rounds = split.next().and_then(|rounds| rounds.parse().ok());
        let mut nodes = Vec::new();
        for word in split {
            let (framework, path) = word.split_once('=').ok_or_else(refused)?;
            let known = FRAMEWORKS.iter().find(|known| known.0 == framework);
            let (_, framework) = known.ok_or_else(refused)?;
            nodes.push((path.to_owned(), *framework));
        }
        Ok(Served {
            rounds: rounds.ok_or_else(refused)?,
            nodes,
            clock: Clock::real(),
        })
    }
}

impl Reach for Served {
    fn nodes(&self) -> Vec<(String, Framework)> {
        self.nodes.clone()
    }

    fn open(&self, path: &str) -> Result<Box<dyn Calls>, Errno> {
        let flags = OFlags::RDWR | OFlags::CLOEXEC;
        let fd = open(path, flags, Mode::empty()).map_err(errno)?;
        let file = File::from(fd);
        let node = file.metadata().map_err(|error| of(&error))?.rdev();
        let directory = format!("/sys/dev/char/{}:{}", major(node), minor(node));
        let directory = PathBuf::from(directory);
        Ok(Box::new(Opened {
            name: File::open(directory.join("name")).ok(),
            fd: file.into(),
            directory,
        }))
    }

    /// Each node is below the same hardware, and the last of them goes with it.
    fn is_gone(&self) -> bool {
        let is_there = |(path, _): &(String, Framework)| Path::new(path).exists();
        !self.nodes.iter().any(is_there)
    }

    fn settle(&self) -> bool {
        let deadline = self.clock.now().after(GOING);
        while !self.is_gone() {
            if self.clock.now() >= deadline || self.sleep(Duration::from_millis(1)).is_err() {
                return false;
            }
        }
        true
    }

    fn rounds(&self) -> u32 {
        self.rounds
    }

    /// A signal ends the process, and that closes everything.
    fn is_cancelled(&self) -> bool {
        false
    }

    fn sleep(&self, time: Duration) -> Result<(), Errno> {
        self.clock.sleep(time, None).map_err(|_| Errno::EINTR)
    }
}

struct Opened {
    fd: OwnedFd,
    name: Option<File>,
    /// Of its device.
    directory: PathBuf,
}

impl Calls for Opened {
    fn read(&self, into: &mut [u8]) -> Result<usize, Errno> {
        rustix::io::read(&self.fd, into).map_err(errno)
    }

    fn set_nonblocking(&self) -> Result<(), Errno> {
        let flags = fcntl_getfl(&self.fd).map_err(errno)?;
        fcntl_setfl(&self.fd, flags | OFlags::NONBLOCK).map_err(errno)
    }

    fn poll(&self, events: PollMask, timeout: Duration) -> Result<PollMask, Errno> {
        let events = PollFlags::from_bits_retain(events.0 as u16);
        let mut fds = [PollFd::new(&self.fd, events)];
        let timeout = Timespec::try_from(timeout).map_err(|_| Errno::EINVAL)?;
        poll(&mut fds, Some(&timeout)).map_err(errno)?;
        Ok(PollMask(fds[0].revents().bits().into()))
    }

    fn ioctl(&self, cmd: u32, arg: &mut [u8]) -> Result<(), Errno> {
        device_ioctl(&self.fd, cmd, arg).map(drop).map_err(errno)
    }

    fn mmap(&self, offset: u64, len: u64) -> Result<Box<dyn Memory>, Errno> {
        let memory = DeviceMemory::map(&self.fd, offset, len).map_err(errno)?;
        Ok(Box::new(memory))
    }

    fn read_name(&self) -> Option<Result<(), Errno>> {
        let name = self.name.as_ref()?;
        let read = name.read_at(&mut [0; 4096], 0);
        Some(read.map(drop).map_err(|error| of(&error)))
    }

    fn scan_elements(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.directory.join("scan_elements"));
        let names = entries.into_iter().flatten().flatten();
        let names = names.filter_map(|entry| entry.file_name().into_string().ok());
        let mut elements: Vec<String> = names
            .filter(|name| name.starts_with("in_") && name.ends_with("_en"))
            .map(|name| format!("scan_elements/{name}"))
            .collect();
        elements.sort();
        elements
    }

    fn write_attribute(&self, path: &str, value: &str) -> Result<(), Errno> {
        let file = OpenOptions::new()
            .write(true)
            .open(self.directory.join(path));
        let file = file.map_err(|error| of(&error))?;
        rustix::io::write(&file, value.as_bytes())
            .map(drop)
            .map_err(errno)
    }

    fn trigger(&self) -> Result<Option<String>, Errno> {
        // Its hardware's directory: the one above that of the IIO device.
        let hardware = self.directory.join("..");
        let mut triggers: Vec<PathBuf> = std::fs::read_dir(hardware)
            .map_err(|error| of(&error))?
            .flatten()
            .filter(|entry| entry.file_name().to_string_lossy().starts_with("trigger"))
            .map(|entry| entry.path())
            .collect();
        triggers.sort();
        let Some(trigger) = triggers.first() else {
            return Ok(None);
        };
        let name = std::fs::read_to_string(trigger.join("name"));
        let name = name.map_err(|error| of(&error))?;
        Ok(Some(name.trim().to_owned()))
    }
}

impl Memory for DeviceMemory {
    fn write(&self, at: usize, byte: u8) -> Result<(), Errno> {
        DeviceMemory::write(self, at, byte).map_err(errno)
    }

    fn read(&self, at: usize) -> Result<u8, Errno> {
        DeviceMemory::read(self, at).map_err(errno)
    }
}

fn errno(errno: rustix::io::Errno) -> Errno {
    Errno::from_code(errno.raw_os_error())
}

fn of(error: &io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_code)
}
