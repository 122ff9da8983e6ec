//! IIO: a device with a buffer that a trigger fills.

use lastfd_chrdev::{OpenFlags, PollMask, open};
use lastfd_iio::raw::IIO_GET_EVENT_FD_IOCTL;
use lastfd_model::Errno;
use lastfd_model::raw::attr_read;
use lastfd_rigs::iio::{Rig, dummy};

use super::rivals::{
    Call, PATIENCE, against_unplug, bind_against_unbind, call, unbind_against_unplug,
};
use crate::world::World;

fn rig(world: &World) -> Rig {
    Rig::on(world.system(), dummy).expect("a new System has room for it")
}

/// With the buffer on, and a sample in it if wanted.
fn buffering(world: &World, samples: usize) -> Rig {
    let rig = rig(world);
    rig.enable_buffer().expect("a dummy has a buffer");
    (0..samples).for_each(|_| rig.fire());
    rig
}

pub(super) const CALLS: &[Call] = &[
    ("open", |world| {
        let rig = rig(world);
        let (system, path) = (world.system().unowned(), rig.path());
        call(world, &[Errno::ENOENT, Errno::ENXIO], move || {
            open(&system, &path, OpenFlags::RDWR).map(drop)
        });
        against_unplug(world, &rig);
    }),
    ("read", |world| {
        let rig = buffering(world, 1);
        let file = rig.open(OpenFlags::RDONLY).expect("it is there");
        call(world, &[Errno::ENODEV], move || {
            file.read(&mut [0; 2])?;
            file.read(&mut [0; 2])
        });
        against_unplug(world, &rig);
    }),
    ("ioctl", |world| {
        let rig = rig(world);
        let file = rig.open(OpenFlags::RDWR).expect("it is there");
        call(world, &[Errno::ENODEV], move || {
            file.ioctl_file(IIO_GET_EVENT_FD_IOCTL, 0).map(drop)
        });
        against_unplug(world, &rig);
    }),
    ("poll", |world| {
        let rig = buffering(world, 0);
        let file = rig.open(OpenFlags::RDONLY).expect("it is there");
        call(world, &[], move || Ok(file.poll(PollMask::IN, PATIENCE)));
        against_unplug(world, &rig);
    }),
    ("close", |world| {
        let rig = buffering(world, 0);
        let file = rig.open(OpenFlags::RDONLY).expect("it is there");
        call(world, &[], move || {
            drop(file);
            Ok(())
        });
        against_unplug(world, &rig);
    }),
    ("attribute", |world| {
        let rig = rig(world);
        let device = rig.iio().dev().clone();
        call(world, &[Errno::ENOENT, Errno::ENODEV], move || {
            attr_read(&device, "in_voltage0_raw")
        });
        against_unplug(world, &rig);
    }),
    ("bind", |world| bind_against_unbind(world, &rig(world))),
    ("twice", |world| unbind_against_unplug(world, &rig(world))),
];
