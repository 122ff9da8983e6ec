//! Where the drivers play: a board with one sensor, which is plugged in, used, pulled.

pub(crate) use lastfd_chrdev::{
    File, FileOps, MISC_DYNAMIC_MINOR, Miscdevice, OpenFile, OpenFlags, Read, Try, misc_deregister,
    misc_register, open,
};
pub(crate) use lastfd_model::raw::*;
pub(crate) use lastfd_model::resource::{
    DelayedWork, IrqLine, IrqReturn, RegisterBlock, Resource, free_irq, request_irq,
};
pub(crate) use lastfd_model::{Errno, Result, Rules, System};
use lastfd_sanitizer::{Finding, Sanitizer};
pub(crate) use lastfd_sync::{Arc, Clock, Mutex, OnceLock, WaitQueue};

/// What there is on the board.
pub(crate) struct Board {
    pub(crate) regs: RegisterBlock,
    pub(crate) line: IrqLine,
}

/// What the driver must know of the board (`dev_get_platdata`).
pub(crate) fn board(device: &Device) -> Arc<Board> {
    let board = dev_get_platdata(device).expect("whoever plugs it in says what it is");
    board.downcast().expect("the platform data is a board")
}

/// The sensor's device, not added yet.
pub(crate) fn sensor(system: &System) -> Device {
    let device = platform_device_alloc(system, "sensor", PlatformId::None).unwrap();
    let board = Board {
        regs: RegisterBlock::memory(16),
        line: IrqLine::new(system, "sensor"),
    };
    dev_set_platdata(&device, Some(Arc::new(board)));
    device
}

/// Registers the driver, plugs the sensor in, uses it, pulls it out.
pub(crate) fn life(system: &System, driver: &Driver, used: impl FnOnce(&Device)) {
    driver_register(driver).unwrap();
    let device = sensor(system);
    platform_device_add(&device).unwrap();
    used(&device);
    platform_device_unregister(&device);
    driver_unregister(driver);
}

/// The calls of a file whose read gives what this gives.
pub(crate) fn reading(
    read: impl Fn() -> Result<Vec<u8>> + Send + Sync + 'static,
) -> Arc<dyn FileOps> {
    Arc::new(Reading(Box::new(read)))
}

type Contents = dyn Fn() -> Result<Vec<u8>> + Send + Sync;

struct Reading(Box<Contents>);

impl FileOps for Reading {
    fn read(&self, _: &File, call: &mut Read<'_>) -> Try<usize> {
        let given = (self.0)().and_then(|bytes| call.write(0, &bytes).map(|()| bytes.len()));
        given.into()
    }
}

/// A miscdevice named `sensor` with these calls.
pub(crate) fn sensor_node(device: &Device, fops: Arc<dyn FileOps>) -> Miscdevice {
    Miscdevice::new("sensor", MISC_DYNAMIC_MINOR, fops, Some(device))
}

/// Opens the sensor's node.
pub(crate) fn open_sensor(system: &System) -> OpenFile {
    open(system, "/dev/sensor", OpenFlags::RDONLY).unwrap()
}

/// Two drivers that differ in one mistake.
pub(crate) struct Twins {
    pub(crate) number: u8,
    pub(crate) source: &'static str,
    pub(crate) rules: Rules,
    pub(crate) wrong: fn(&System),
    pub(crate) right: fn(&System),
}

impl Twins {
    pub(crate) fn wrong(&self) -> Vec<Finding> {
        play(self.rules, self.wrong)
    }

    pub(crate) fn right(&self) -> Vec<Finding> {
        play(self.rules, self.right)
    }
}

/// What is found when this happens in a System.
pub(crate) fn play(rules: Rules, what: fn(&System)) -> Vec<Finding> {
    let system = System::builder()
        .rules(rules)
        .clock(Clock::simulated())
        .ledger(true)
        .build();
    let sanitizer = Sanitizer::watch(&system);
    what(&system);
    drop(system);
    sanitizer.findings()
}
