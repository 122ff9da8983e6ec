//! CEC: two adapters on one wire.

use lastfd_cec::abi::CEC_ADAP_G_PHYS_ADDR;
use lastfd_chrdev::{OpenFlags, PollMask, open};
use lastfd_model::Errno;
use lastfd_model::raw::attr_read;
use lastfd_rigs::cec::{CAPS, Rig, TV, dqevent, ioctl, receive};

use super::rivals::{
    Call, PATIENCE, against_unplug, bind_against_unbind, call, unbind_against_unplug,
};
use crate::world::World;

fn rig(world: &World) -> Rig {
    Rig::on(world.system(), CAPS).expect("there is room for it")
}

pub(super) const CALLS: &[Call] = &[
    ("open", |world| {
        let rig = rig(world);
        let (system, path) = (world.system().unowned(), rig.path(TV));
        call(
            world,
            &[Errno::ENOENT, Errno::ENXIO, Errno::ENODEV],
            move || open(&system, &path, OpenFlags::RDWR).map(drop),
        );
        against_unplug(world, &rig);
    }),
    ("ioctl", |world| {
        let rig = rig(world);
        let file = rig.open(TV);
        call(world, &[Errno::ENODEV], move || {
            ioctl(&file, CEC_ADAP_G_PHYS_ADDR, 0_u16)
        });
        against_unplug(world, &rig);
    }),
    // With a time to wait: without one nothing but a signal would end it.
    ("receive", |world| {
        let rig = rig(world);
        let file = rig.open(TV);
        call(
            world,
            &[Errno::ENODEV, Errno::ETIMEDOUT, Errno::EINTR],
            move || receive(&file, 100),
        );
        against_unplug(world, &rig);
    }),
    ("dqevent", |world| {
        let rig = rig(world);
        let file = rig.open(TV);
        call(world, &[Errno::ENODEV, Errno::EINTR], move || {
            dqevent(&file)?;
            dqevent(&file)
        });
        against_unplug(world, &rig);
    }),
    ("poll", |world| {
        let rig = rig(world);
        let file = rig.open(TV);
        call(world, &[], move || Ok(file.poll(PollMask::IN, PATIENCE)));
        against_unplug(world, &rig);
    }),
    ("close", |world| {
        let rig = rig(world);
        let file = rig.open(TV);
        call(world, &[], move || {
            drop(file);
            Ok(())
        });
        against_unplug(world, &rig);
    }),
    ("attribute", |world| {
        let rig = rig(world);
        let device = rig.device(TV);
        call(world, &[Errno::ENOENT, Errno::ENODEV], move || {
            attr_read(&device, "dev")
        });
        against_unplug(world, &rig);
    }),
    ("bind", |world| bind_against_unbind(world, &rig(world))),
    ("twice", |world| unbind_against_unplug(world, &rig(world))),
];
