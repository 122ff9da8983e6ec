//! A device with everything a program can ask for, and the program that asks.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::path::PathBuf;
use std::process::{ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

use lastfd_chrdev::{
    Fifo, File, FileOps, Ioctl, MISC_DYNAMIC_MINOR, MapRequest, Mapped, Miscdevice, OpenFlags,
    PollMask, PollTable, Read, Region, Take, Try, Whence, Write as WriteCall, anon_inode_getfile,
    misc_deregister, misc_register,
};
use lastfd_host::{Host, Options};
use lastfd_model::{Errno, Result, System};
use lastfd_supervisor::{Child, Notice, Supervisor};
use lastfd_sync::atomic::{AtomicBool, AtomicU32, Ordering};
use lastfd_sync::{Arc, Clock, Mutex, OnceLock};
use tempfile::TempDir;

/// No wait of a test is longer.
pub(crate) const BOUND: Duration = Duration::from_secs(30);

/// What the program and the device agree on.
const ANSWER: u32 = 0x5600;
const TAKE: u32 = 0x5601;
const CHILD: u32 = 0x5602;

/// The device.
pub(crate) struct Gadget {
    /// What read and TAKE give.
    pub(crate) fifo: Fifo<u8>,
    /// What mmap gives.
    pub(crate) frame: Region,
    /// Bits that poll adds.
    pub(crate) extra: AtomicU32,
    pub(crate) gone: AtomicBool,
    pub(crate) opened: AtomicU32,
    pub(crate) released: AtomicU32,
}

impl Gadget {
    fn new() -> Arc<Gadget> {
        let frame = Region::new("frame", 4 * 4096).unwrap();
        frame.write(2 * 4096, b"frame").unwrap();
        Arc::new(Gadget {
            fifo: Fifo::new(1 << 16),
            frame,
            extra: AtomicU32::new(0),
            gone: AtomicBool::new(false),
            opened: AtomicU32::new(0),
            released: AtomicU32::new(0),
        })
    }

    fn check(&self) -> Result {
        match self.gone.load(Ordering::SeqCst) {
            true => Err(Errno::ENODEV),
            false => Ok(()),
        }
    }

    /// Poll says these, besides.
    pub(crate) fn add_bits(&self, bits: PollMask) {
        self.extra.store(bits.0, Ordering::SeqCst);
        self.fifo.queue().wake_all();
    }
}

/// The callbacks; a file made by CHILD has them, too.
struct Ops(Arc<Gadget>);

impl FileOps for Ops {
    fn open(&self, _: &File) -> Result {
        self.0.check()?;
        self.0.opened.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn release(&self, file: &File) {
        if file.devt().is_some() {
            self.0.released.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn read(&self, _: &File, call: &mut Read<'_>) -> Try<usize> {
        if let Err(errno) = self.0.check() {
            return Try::err(errno);
        }
        match self.0.fifo.take(call.count()) {
            Take::Some(taken) => match call.write(0, taken.items()) {
                Ok(()) => Try::ready(taken.items().len(), move || taken.commit()),
                Err(errno) => Try::err(errno),
            },
            Take::Empty if call.nonblock() => Try::err(Errno::EAGAIN),
            Take::Empty | Take::Busy => Try::wait(self.0.fifo.queue()),
        }
    }

    fn write(&self, _: &File, call: &mut WriteCall<'_>) -> Try<usize> {
        let mut bytes = vec![0; call.count()];
        if let Err(errno) = self.0.check().and_then(|()| call.read(0, &mut bytes)) {
            return Try::err(errno);
        }
        for byte in &bytes {
            if self.0.fifo.push(*byte).is_err() {
                return Try::err(Errno::ENOSPC);
            }
        }
        Try::ok(bytes.len())
    }

    fn ioctl(&self, _: &File, call: &mut Ioctl<'_>) -> Try<i32> {
        if let Err(errno) = self.0.check() {
            return Try::err(errno);
        }
        match call.cmd() {
            ANSWER => call.write_arg(&42i32.to_ne_bytes()).map(|()| 0).into(),
            TAKE => match self.0.fifo.take(1) {
                Take::Some(taken) => {
                    let number = i32::from(taken.items()[0]);
                    match call.write_arg(&number.to_ne_bytes()) {
                        Ok(()) => Try::ready(0, move || taken.commit()),
                        Err(errno) => Try::err(errno),
                    }
                }
                Take::Empty | Take::Busy => Try::wait(self.0.fifo.queue()),
            },
            CHILD => {
                let ops: Arc<dyn FileOps> = Arc::new(Ops(Arc::clone(&self.0)));
                let system = System::new();
                let made = anon_inode_getfile(&system, "child", ops, None, OpenFlags::RDWR, None)
                    .and_then(|file| call.install_fd(file, OpenFlags::CLOEXEC))
                    .and_then(|fd| call.write_arg(&fd.to_ne_bytes()));
                made.map(|()| 0).into()
            }
            _ => Try::err(Errno::ENOTTY),
        }
    }

    fn ioctl_name(&self, cmd: u32) -> Option<&'static str> {
        (cmd == TAKE).then_some("TAKE")
    }

    fn poll(&self, _: &File, table: &mut PollTable) -> PollMask {
        table.wait(self.0.fifo.queue());
        if self.0.check().is_err() {
            return PollMask::ERR | PollMask::HUP | PollMask::PRI;
        }
        let data = match self.0.fifo.is_empty() {
            true => PollMask::NONE,
            false => PollMask::IN | PollMask::RDNORM,
        };
        data | PollMask(self.0.extra.load(Ordering::SeqCst))
    }

    fn mmap(&self, _: &File, request: &MapRequest) -> Result<Mapped> {
        self.0.check()?;
        let offset = usize::try_from(request.offset).map_err(|_| Errno::EINVAL)?;
        match request.offset.checked_add(request.len) {
            Some(end) if end <= self.0.frame.len() as u64 => {}
            _ => return Err(Errno::EINVAL),
        }
        Ok(Mapped::new(&self.0.frame, offset))
    }

    fn llseek(&self, file: &File, offset: i64, whence: Whence) -> Result<u64> {
        file.noop_llseek(offset, whence)
    }
}

/// How the program is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Build {
    Dynamic,
    Static,
}

/// The compiled programs; none where there is no compiler.
fn probes() -> Option<&'static TempDir> {
    static BUILT: OnceLock<Option<TempDir>> = OnceLock::new();
    BUILT
        .get_or_init(|| {
            let directory = TempDir::new().ok()?;
            let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/probe.c");
            for (name, more) in [("dynamic", "-pthread"), ("static", "-static")] {
                let out = directory.path().join(name);
                let built = Command::new("gcc")
                    .args(["-O1", "-w", "-pthread", more, source, "-o"])
                    .arg(&out)
                    .status();
                let there = !matches!(&built, Err(error) if error.kind() == ErrorKind::NotFound);
                if built.is_ok_and(|status| status.success()) {
                    continue;
                }
                // A machine may have no compiler, or no static C library; the source is ours.
                let ci = std::env::var_os("CI").is_some_and(|ci| ci == "true");
                let ours = there && name == "dynamic";
                assert!(!ci && !ours, "failed to build probe.c with gcc ({name})");
                return None;
            }
            Some(directory)
        })
        .as_ref()
}

/// A System with the device, and what shows it to programs.
pub(crate) struct Rig {
    pub(crate) supervisor: Supervisor,
    pub(crate) gadget: Arc<Gadget>,
    pub(crate) system: System,
    misc: Mutex<Option<Miscdevice>>,
    other: Mutex<Option<Miscdevice>>,
    pub(crate) notices: Arc<Mutex<Vec<String>>>,
    /// Whoever is told a notice, which is who answers calls, waits while this is set.
    pub(crate) deaf: Arc<AtomicBool>,
    pub(crate) build: Build,
    pub(crate) is_accelerated: bool,
}

impl Rig {
    /// None where programs cannot be built.
    pub(crate) fn new() -> Option<Rig> {
        Rig::with(Build::Dynamic)
    }

    /// One whose programs are accelerated, and one whose are not.
    pub(crate) fn both() -> impl Iterator<Item = Rig> {
        let rigs = [true, false].map(|accelerated| {
            move || {
                let mut rig = Rig::new()?;
                rig.supervisor.accelerate(accelerated);
                rig.is_accelerated = accelerated;
                Some(rig)
            }
        });
        rigs.into_iter().filter_map(|rig| rig())
    }

    /// A program watches `/dev` with inotify while another node comes and goes: it hears
    /// what a kernel tells, in its order.
    pub(crate) fn is_watched_as_nodes_come_and_go(&self) {
        let mut program = self.start(&["watch"]);
        assert_eq!(program.line(), "watch 1");
        self.add_other("misc-one");
        assert_eq!(program.line(), "create misc-one");
        self.remove_other();
        assert_eq!(program.line(), "attrib misc-one");
        assert_eq!(program.line(), "delete misc-one");
        assert!(program.end().success());
    }

    /// The supervisor alone.
    pub(crate) fn alone() -> Option<Rig> {
        let mut rig = Rig::new()?;
        rig.supervisor.accelerate(false);
        rig.is_accelerated = false;
        Some(rig)
    }

    pub(crate) fn with(build: Build) -> Option<Rig> {
        probes()?;
        let system = System::builder().ledger(true).build();
        let gadget = Gadget::new();
        let host = Arc::new(Host::new(&system, Options::default()).unwrap());
        let notices = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&notices);
        let deaf = Arc::new(AtomicBool::new(false));
        let is_deaf = Arc::clone(&deaf);
        let tell = move |notice: &Notice| {
            told.lock().push(notice.to_string());
            let clock = Clock::real();
            let deadline = clock.now().after(BOUND);
            while is_deaf.load(Ordering::SeqCst) && clock.now() < deadline {
                clock.sleep(Duration::from_millis(1), None).unwrap();
            }
        };
        let supervisor = Supervisor::new(host, tell).unwrap();
        let rig = Rig {
            supervisor,
            gadget,
            system,
            misc: Mutex::new(None),
            other: Mutex::new(None),
            notices,
            deaf,
            build,
            is_accelerated: build == Build::Dynamic,
        };
        rig.plug();
        Some(rig)
    }

    /// On a machine that refuses these.
    pub(crate) fn restricted(words: &str) -> Option<Rig> {
        let mut rig = Rig::new()?;
        rig.supervisor.restrict(&words.parse().unwrap());
        Some(rig)
    }

    pub(crate) fn plug(&self) {
        let ops: Arc<dyn FileOps> = Arc::new(Ops(Arc::clone(&self.gadget)));
        let misc = Miscdevice::new("gadget", MISC_DYNAMIC_MINOR, ops, None);
        self.gadget.gone.store(false, Ordering::SeqCst);
        misc_register(&self.system, &misc).unwrap();
        *self.misc.lock() = Some(misc);
    }

    /// The device goes: the node first, then its files hear of it.
    pub(crate) fn unplug(&self) {
        let misc = self.misc.lock().take();
        if let Some(misc) = misc {
            misc_deregister(&self.system, &misc);
        }
        self.gadget.gone.store(true, Ordering::SeqCst);
        self.gadget.fifo.queue().wake_all();
    }

    /// Another device, for those who watch.
    pub(crate) fn add_other(&self, name: &str) {
        let ops: Arc<dyn FileOps> = Arc::new(Ops(Arc::clone(&self.gadget)));
        let misc = Miscdevice::new(name, MISC_DYNAMIC_MINOR, ops, None);
        misc_register(&self.system, &misc).unwrap();
        *self.other.lock() = Some(misc);
    }

    pub(crate) fn remove_other(&self) {
        if let Some(misc) = self.other.lock().take() {
            misc_deregister(&self.system, &misc);
        }
    }

    pub(crate) fn program(&self) -> PathBuf {
        let name = match self.build {
            Build::Dynamic => "dynamic",
            Build::Static => "static",
        };
        probes().unwrap().path().join(name)
    }

    pub(crate) fn start(&self, args: &[&str]) -> Running {
        self.start_command(Command::new(self.program()), args)
    }

    pub(crate) fn start_command(&self, mut command: Command, args: &[&str]) -> Running {
        command
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = self.supervisor.spawn(command).unwrap();
        Running {
            stdin: child.stdin.take(),
            stdout: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    /// Runs it to its end; gives its output.
    pub(crate) fn run(&self, args: &[&str]) -> String {
        let mut running = self.start(args);
        let text = running.rest();
        let status = running.end();
        assert!(status.success(), "{status}: {text}");
        text
    }

    pub(crate) fn released(&self) -> u32 {
        self.supervisor.open_files();
        self.gadget.released.load(Ordering::SeqCst)
    }

    /// Waits until something is so.
    pub(crate) fn until(&self, what: &str, so: impl Fn() -> bool) {
        let clock = Clock::real();
        let deadline = clock.now().after(BOUND);
        while !so() {
            assert!(clock.now() < deadline, "never came: {what}");
            clock.sleep(Duration::from_millis(1), None).unwrap();
        }
    }

    /// How many wait for the device.
    pub(crate) fn waiters(&self) -> usize {
        self.gadget.fifo.queue().len()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.remove_other();
        self.unplug();
    }
}

/// A program that runs.
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) stdin: Option<ChildStdin>,
    pub(crate) stdout: BufReader<ChildStdout>,
}

impl Running {
    /// Its next line; it has a clock that ends it, and the line with it.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    pub(crate) fn tell(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(line.as_bytes()).unwrap();
        stdin.write_all(b"\n").unwrap();
    }

    pub(crate) fn rest(&mut self) -> String {
        drop(self.stdin.take());
        let mut text = String::new();
        std::io::Read::read_to_string(&mut self.stdout, &mut text).unwrap();
        text
    }

    pub(crate) fn end(&self) -> ExitStatus {
        self.child.wait_timeout(BOUND).expect("it never ended")
    }
}
