//! A character device with no framework, as a driver with care writes it: what an open
//! file uses is counted, a call looks under a lock whether the device is gone, and a wait
//! ends when it goes.

use lastfd_chrdev::{
    Cdev, File, FileOps, Ioctl, MapRequest, Mapped, OpenFile, OpenFlags, PAGE_SIZE, PollMask,
    PollTable, Read, Region, Try, cdev_device_add, cdev_device_del, open,
};
use lastfd_model::raw::{
    Device, DeviceSpec, PlatformId, alloc_chrdev_region, attr_read, class_create,
    device_initialize, no_release, put_device,
};
use lastfd_model::{Errno, Result};
use lastfd_rigs::{DriverSpec, Rig};
use lastfd_sync::{Arc, Mutex, WaitQueue};

use super::rivals::{Call, against_unplug, bind_against_unbind, call, unbind_against_unplug};
use crate::world::World;

const PATH: &str = "/dev/sensor0";

/// What the driver made, and its files use.
pub(super) struct Sensor {
    gone: Mutex<bool>,
    changed: Arc<WaitQueue>,
    frame: Region,
    /// Whether a sleeper looks if the device is gone.
    looks: bool,
}

impl Sensor {
    /// Holds off the removal for as long as the guard lives.
    fn look(&self) -> Result<lastfd_sync::MutexGuard<'_, bool>> {
        let gone = self.gone.lock();
        if *gone { Err(Errno::ENODEV) } else { Ok(gone) }
    }
}

impl FileOps for Sensor {
    fn read(&self, _: &File, call: &mut Read<'_>) -> Try<usize> {
        // There is never anything to read.
        if (self.looks || call.is_first()) && self.look().is_err() {
            return Try::err(Errno::ENODEV);
        }
        Try::wait(&self.changed)
    }

    fn poll(&self, _: &File, table: &mut PollTable) -> PollMask {
        table.wait(&self.changed);
        match self.look() {
            Ok(_there) => PollMask::NONE,
            Err(_) => PollMask::ERR | PollMask::HUP,
        }
    }

    fn ioctl(&self, _: &File, _: &mut Ioctl<'_>) -> Try<i32> {
        Try::Done(self.look().map(|_there| 0))
    }

    fn mmap(&self, _: &File, request: &MapRequest) -> Result<Mapped> {
        let _there = self.look()?;
        Ok(Mapped::new(&self.frame, request.offset as usize))
    }
}

/// What a probe made.
#[derive(Clone)]
pub(super) struct Made {
    sensor: Arc<Sensor>,
    device: Device,
    cdev: Cdev,
}

pub(super) fn rig(world: &World, looks: bool) -> Rig<Made> {
    let bound: Arc<Mutex<Option<Made>>> = Arc::default();
    let in_remove = Arc::clone(&bound);
    let class = class_create(world.system(), "sensor").expect("a new System has no such class");
    let devt = alloc_chrdev_region(world.system(), "sensor").expect("there are numbers left");
    let spec = DriverSpec {
        name: "sensor",
        id: PlatformId::None,
        probe: Box::new(move |parent: &Device| {
            let sensor = Arc::new(Sensor {
                gone: Mutex::new(false),
                changed: Arc::default(),
                frame: Region::new("frame", PAGE_SIZE)?,
                looks,
            });
            let system = parent.system();
            let spec = DeviceSpec {
                name: Some("sensor0".to_owned()),
                parent: Some(parent.clone()),
                class: Some(class.clone()),
                release: Some(no_release()),
                devt: Some(devt),
                ..DeviceSpec::default()
            };
            let device = device_initialize(&system, spec);
            let cdev = Cdev::new(&system, Arc::clone(&sensor) as Arc<dyn FileOps>);
            cdev_device_add(&cdev, &device).inspect_err(|_| put_device(&device))?;
            let made = Made {
                sensor,
                device,
                cdev,
            };
            *bound.lock() = Some(made.clone());
            Ok(made)
        }),
        remove: Some(Box::new(move |_: &Device| {
            let made = in_remove.lock().take();
            if let Some(made) = made {
                *made.sensor.gone.lock() = true;
                made.sensor.changed.wake_all();
                cdev_device_del(&made.cdev, &made.device);
                put_device(&made.device);
            }
        })),
    };
    Rig::plug(world.system(), spec).expect("a new System has room for it")
}

pub(super) fn opened(world: &World) -> OpenFile {
    open(world.system(), PATH, OpenFlags::RDWR).expect("it is there")
}

pub(super) const CALLS: &[Call] = &[
    ("open", |world| {
        let rig = rig(world, true);
        let system = world.system().unowned();
        call(world, &[Errno::ENOENT, Errno::ENXIO], move || {
            open(&system, PATH, OpenFlags::RDWR).map(drop)
        });
        against_unplug(world, &rig);
    }),
    ("read", |world| {
        let rig = rig(world, true);
        let file = opened(world);
        call(world, &[Errno::ENODEV], move || file.read(&mut [0; 4]));
        against_unplug(world, &rig);
    }),
    ("ioctl", |world| {
        let rig = rig(world, true);
        let file = opened(world);
        call(world, &[Errno::ENODEV], move || {
            file.ioctl_bytes(1, &mut [])
        });
        against_unplug(world, &rig);
    }),
    ("poll", |world| {
        let rig = rig(world, true);
        let file = opened(world);
        let reporter = world.reporter();
        world.task("program", move || {
            let there = file.poll(PollMask::IN, None);
            reporter.check(
                there.contains(PollMask::HUP),
                "poll said nothing of the end",
            );
        });
        let hardware = rig.hardware.clone();
        world.task("unplug", move || {
            lastfd_model::raw::platform_device_unregister(&hardware);
        });
        world.join();
        rig.end();
    }),
    ("mmap", |world| {
        let rig = rig(world, true);
        let file = opened(world);
        call(world, &[Errno::ENODEV], move || {
            file.mmap(MapRequest::shared(0, PAGE_SIZE as u64)).map(drop)
        });
        against_unplug(world, &rig);
    }),
    ("close", |world| {
        let rig = rig(world, true);
        let file = opened(world);
        call(world, &[], move || {
            drop(file);
            Ok(())
        });
        against_unplug(world, &rig);
    }),
    ("attribute", |world| {
        let rig = rig(world, true);
        let device = rig.made().expect("the probe succeeded").device;
        call(world, &[Errno::ENOENT, Errno::ENODEV], move || {
            attr_read(&device, "dev")
        });
        against_unplug(world, &rig);
    }),
    ("bind", |world| {
        bind_against_unbind(world, &rig(world, true))
    }),
    ("twice", |world| {
        unbind_against_unplug(world, &rig(world, true))
    }),
];
