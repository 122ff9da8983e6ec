//! DRM: a display with buffers and a CRTC.

use lastfd_abi::drm::{DRM_IOCTL_GET_CAP, DrmGetCap};
use lastfd_chrdev::{MapRequest, OpenFlags, PollMask, open};
use lastfd_model::Errno;
use lastfd_model::raw::attr_read;
use lastfd_rigs::drm::{Card, Removal, display_driver, dumb, ioctl};

use super::rivals::{
    Call, PATIENCE, against_unplug, bind_against_unbind, call, unbind_against_unplug,
};
use crate::world::World;

fn card(world: &World) -> Card {
    Card::on(world.system(), display_driver(), Removal::Unplug).expect("there is room for it")
}

pub(super) const CALLS: &[Call] = &[
    ("open", |world| {
        let card = card(world);
        let (system, path) = (world.system().unowned(), card.path());
        call(
            world,
            &[Errno::ENOENT, Errno::ENXIO, Errno::ENODEV],
            move || open(&system, &path, OpenFlags::RDWR).map(drop),
        );
        against_unplug(world, &card);
    }),
    // Where nothing is there, a read of a card that went would sleep for ever.
    ("read", |world| {
        let card = card(world);
        let flags = OpenFlags::RDWR | OpenFlags::NONBLOCK;
        let file = card.open_with(flags).expect("it is there");
        call(world, &[Errno::EAGAIN], move || file.read(&mut [0; 64]));
        against_unplug(world, &card);
    }),
    ("ioctl", |world| {
        let card = card(world);
        let file = card.open();
        call(world, &[Errno::ENODEV], move || {
            let mut cap = DrmGetCap {
                capability: 1,
                ..DrmGetCap::default()
            };
            ioctl(&file, DRM_IOCTL_GET_CAP, &mut cap)
        });
        against_unplug(world, &card);
    }),
    ("poll", |world| {
        let card = card(world);
        let file = card.open();
        call(world, &[], move || Ok(file.poll(PollMask::IN, PATIENCE)));
        against_unplug(world, &card);
    }),
    ("mmap", |world| {
        let card = card(world);
        let file = card.open();
        let (_, offset, size) = dumb(&file).expect("there is room for a buffer");
        call(world, &[Errno::ENODEV], move || {
            file.mmap(MapRequest::shared(offset, size)).map(drop)
        });
        against_unplug(world, &card);
    }),
    ("close", |world| {
        let card = card(world);
        let file = card.open();
        call(world, &[], move || {
            drop(file);
            Ok(())
        });
        against_unplug(world, &card);
    }),
    ("attribute", |world| {
        let card = card(world);
        let device = card.kdev();
        call(world, &[Errno::ENOENT, Errno::ENODEV], move || {
            attr_read(&device, "dev")
        });
        against_unplug(world, &card);
    }),
    ("bind", |world| bind_against_unbind(world, &card(world))),
    ("twice", |world| unbind_against_unplug(world, &card(world))),
];
