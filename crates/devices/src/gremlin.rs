//! A sensor whose driver makes mistakes when it is told to: `gremlin`. It is there to show
//! what the sanitizer reports; told nothing, it makes none.

use core::time::Duration;

use lastfd_chrdev::{
    File, FileOps, MISC_DYNAMIC_MINOR, Miscdevice, OpSet, Read, Try, misc_deregister, misc_register,
};
use lastfd_model::raw::{
    self, Action, DevMem, KernelMutex, PlatformId, dev_set_parent, device_is_registered,
    devm_add_action_or_reset, devm_kzalloc, get_device, platform_device_add, platform_device_alloc,
    platform_device_unregister, put_device,
};
use lastfd_model::resource::{
    DelayedWork, IrqLine, IrqReturn, RegisterBlock, Regs, Resource, free_irq, request_irq,
};
use lastfd_model::typed::{self, Bound, Device, PlatformDevice};
use lastfd_model::{Errno, Result, System};
use lastfd_sync::atomic::{AtomicBool, Ordering};
use lastfd_sync::{Arc, Mutex, OnceLock, WaitQueue};

use crate::kind::{BadValue, Key, Kind, Settings};
use crate::plug::{Hardware, Socket, platform_driver};

/// A mistake, by the sanitizer's rule that it breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The interrupt is requested before what its handler uses.
    G3,
    /// remove() unmaps the registers while the node is there.
    G4,
    /// The registers are mapped after the node was registered.
    G5,
    /// A reference is taken and never put.
    G7,
    /// An open file reads managed memory and asks nobody.
    G11,
    /// An open file tests that the device is there, and holds nothing.
    G14,
    /// Work that queues itself is cancelled without waiting for it.
    G22,
    /// A child is unregistered twice.
    G34,
}

/// By the names of the rules, in their order.
const FAULTS: [(&str, Fault); 8] = [
    ("g3", Fault::G3),
    ("g4", Fault::G4),
    ("g5", Fault::G5),
    ("g7", Fault::G7),
    ("g11", Fault::G11),
    ("g14", Fault::G14),
    ("g22", Fault::G22),
    ("g34", Fault::G34),
];

/// A sensor with a node `/dev/gremlin`, an interrupt, and a work that asks it for a sample
/// every ten milliseconds. A read waits for the first sample and gives four bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gremlin {
    /// The mistakes of its driver.
    pub faults: Vec<Fault>,
}

const PERIOD: Duration = Duration::from_millis(10);

impl Gremlin {
    pub(crate) const KIND: Kind = Kind {
        name: "gremlin",
        summary: "a sensor whose driver makes mistakes if told to, to see what is reported",
        serves: "/dev/gremlin",
        keys: &[Key {
            name: "fault",
            value: "RULES",
            default: "none",
            what: "rules that its driver breaks: g3, g4, g5, g7, g11, g14, g22, g34, joined by +",
        }],
        build: |settings| Ok(Box::new(Gremlin::from_settings(settings)?)),
    };

    fn from_settings(settings: &Settings) -> core::result::Result<Gremlin, BadValue> {
        let named = match settings.get("fault") {
            None | Some("none") => return Ok(Gremlin::default()),
            Some(named) => named,
        };
        let fault = |name: &str| {
            let known = FAULTS.iter().find(|(known, _)| *known == name);
            known.map(|(_, fault)| *fault).ok_or(BadValue {
                key: "fault",
                expected: "none, or rules of g3, g4, g5, g7, g11, g14, g22, g34, joined by +",
            })
        };
        let faults = named.split('+').map(fault);
        Ok(Gremlin {
            faults: faults.collect::<core::result::Result<_, _>>()?,
        })
    }
}

impl Hardware for Gremlin {
    fn kind(&self) -> &'static str {
        Gremlin::KIND.name
    }

    fn driver(&self, system: &System) -> Result<Box<dyn core::any::Any + Send + Sync>> {
        platform_driver::<GremlinDriver>(system, self.kind())
    }

    fn insert(&self, socket: &Socket<'_>) -> Result<PlatformDevice> {
        socket.register(Board {
            name: socket.numbered(self.kind()),
            faults: self.faults.clone(),
            regs: RegisterBlock::memory(16),
            line: IrqLine::new(socket.system(), "gremlin"),
        })
    }
}

/// What the driver is told of the hardware.
struct Board {
    name: String,
    faults: Vec<Fault>,
    regs: RegisterBlock,
    line: IrqLine,
}

impl Board {
    fn has(&self, fault: Fault) -> bool {
        self.faults.contains(&fault)
    }
}

/// What the open files and the handlers share: counted, so that it outlives them.
struct State {
    system: System,
    lock: KernelMutex,
    gone: Mutex<bool>,
    converted: AtomicBool,
    samples: Arc<WaitQueue>,
}

type Wrong = Box<dyn Fn() + Send + Sync>;

/// The driver: what its remove does, where it does too much.
struct GremlinDriver(Vec<Wrong>);

impl typed::Driver for GremlinDriver {
    type Info = Board;

    fn probe(device: &Device<Bound>, board: &Board) -> Result<GremlinDriver> {
        let device = device.raw();
        let mut in_remove: Vec<Wrong> = Vec::new();
        let state = Arc::new(State {
            system: device.system(),
            lock: KernelMutex::default(),
            gone: Mutex::new(false),
            converted: AtomicBool::new(false),
            samples: Arc::default(),
        });
        interrupt(device, board, &state)?;
        let regs: Arc<OnceLock<Regs>> = Arc::default();
        let map = || -> Result {
            let mapped = board.regs.map(&state.system, Some(device), "gremlin");
            let _ = regs.set(mapped.clone());
            if board.has(Fault::G4) {
                return Ok(());
            }
            let unmap = Action::new(move || mapped.free()).named("iounmap");
            devm_add_action_or_reset(device, unmap)
        };
        if !board.has(Fault::G5) {
            map()?;
        }
        if board.has(Fault::G34) {
            in_remove.push(child(device, board)?);
        }
        polling(device, board)?;
        node(device, board, &state, &regs)?;
        if board.has(Fault::G5) {
            map()?;
        }
        if board.has(Fault::G4) {
            in_remove.push(Box::new(move || {
                regs.get().into_iter().for_each(Resource::free)
            }));
        }
        if board.has(Fault::G7) {
            get_device(device);
        }
        Ok(GremlinDriver(in_remove))
    }

    fn remove(&self, _: &Device<Bound>) {
        self.0.iter().for_each(|wrong| wrong());
    }
}

/// The interrupt says that there is a sample, and its handler keeps it.
fn interrupt(device: &raw::Device, board: &Board, state: &Arc<State>) -> Result {
    let sample: Arc<OnceLock<DevMem>> = Arc::default();
    let allocate = || devm_kzalloc(device, 4).map(|memory| drop(sample.set(memory)));
    if !board.has(Fault::G3) {
        allocate()?;
    }
    let (kept, state) = (Arc::clone(&sample), Arc::clone(state));
    let irq = request_irq(&board.line, Some(device), &board.name, false, move || {
        if let Some(kept) = kept.get() {
            kept.write(0, &[1]);
        }
        state.converted.store(true, Ordering::SeqCst);
        state.samples.wake_all();
        IrqReturn::Handled
    })?;
    let free = Action::new(move || free_irq(&irq)).named("free_irq");
    devm_add_action_or_reset(device, free)?;
    match board.has(Fault::G3) {
        true => allocate(),
        false => Ok(()),
    }
}

/// A part that is a device of its own. Gives what unregisters it once more.
fn child(device: &raw::Device, board: &Board) -> Result<Wrong> {
    let name = format!("{}-part", board.name);
    let child = platform_device_alloc(&device.system(), &name, PlatformId::None)?;
    dev_set_parent(&child, Some(device.clone()));
    platform_device_add(&child).inspect_err(|_| put_device(&child))?;
    let (managed, by_hand) = (child.clone(), child);
    let unregister = Action::new(move || platform_device_unregister(&managed));
    devm_add_action_or_reset(device, unregister.named("platform_device_unregister"))?;
    Ok(Box::new(move || platform_device_unregister(&by_hand)))
}

/// The node, and its end: nobody new gets in, whoever is in finds that it is gone.
fn node(
    device: &raw::Device,
    board: &Board,
    state: &Arc<State>,
    regs: &Arc<OnceLock<Regs>>,
) -> Result {
    let calls = Calls {
        device: device.clone(),
        state: Arc::clone(state),
        regs: Arc::clone(regs),
        shown: match board.has(Fault::G11) {
            true => Some(devm_kzalloc(device, 4)?),
            false => None,
        },
        is_unlocked: board.has(Fault::G14),
    };
    let misc = Miscdevice::new(
        &board.name,
        MISC_DYNAMIC_MINOR,
        Arc::new(calls),
        Some(device),
    );
    misc_register(&state.system, &misc)?;
    let state = Arc::clone(state);
    let end = move || {
        misc_deregister(&state.system, &misc);
        let _lock = state.lock.lock(&state.system, || None, LOCK);
        *state.gone.lock() = true;
        state.samples.wake_all();
    };
    devm_add_action_or_reset(device, Action::new(end).named("misc_deregister"))
}

const LOCK: &str = "the gremlin's lock";

/// The work that asks the hardware for samples; it answers with an interrupt.
fn polling(device: &raw::Device, board: &Board) -> Result {
    let itself: Arc<OnceLock<DelayedWork>> = Arc::default();
    let (again, line) = (Arc::downgrade(&itself), board.line.clone());
    let work = DelayedWork::new(&device.system(), Some(device), "polling", move || {
        line.raise();
        if let Some(work) = again.upgrade().as_ref().and_then(|itself| itself.get()) {
            work.schedule(PERIOD);
        }
    });
    let _ = itself.set(work.clone());
    work.schedule(Duration::ZERO);
    let waits = !board.has(Fault::G22);
    let stop = move || {
        match waits {
            true => work.disable_sync(),
            false => work.cancel(),
        };
        work.free();
        // Until here it could queue itself.
        let _ = &itself;
    };
    let name = match waits {
        true => "disable_delayed_work_sync",
        false => "cancel_delayed_work",
    };
    devm_add_action_or_reset(device, Action::new(stop).named(name))
}

/// What an open file does.
struct Calls {
    device: raw::Device,
    state: Arc<State>,
    regs: Arc<OnceLock<Regs>>,
    shown: Option<DevMem>,
    is_unlocked: bool,
}

impl Calls {
    fn sample(&self) -> Option<[u8; 4]> {
        let converted = self.state.converted.load(Ordering::SeqCst);
        let regs = self.regs.get().filter(|_| converted)?;
        Some(regs.read(0).to_le_bytes())
    }
}

impl FileOps for Calls {
    fn ops(&self) -> OpSet {
        OpSet {
            read: true,
            ..OpSet::NONE
        }
    }

    fn read(&self, _: &File, call: &mut Read<'_>) -> Try<usize> {
        if let Some(shown) = &self.shown {
            let _ = shown.read(0..4);
        }
        let sample = if self.is_unlocked {
            match device_is_registered(&self.device) {
                true => self.sample(),
                false => return Try::err(Errno::ENODEV),
            }
        } else {
            let _lock = self.state.lock.lock(&self.state.system, || None, LOCK);
            match *self.state.gone.lock() {
                false => self.sample(),
                true => return Try::err(Errno::ENODEV),
            }
        };
        match sample {
            Some(bytes) => call.write(0, &bytes).map(|()| bytes.len()).into(),
            None if call.nonblock() => Try::err(Errno::EAGAIN),
            None => Try::wait(&self.state.samples),
        }
    }
}
