//! V4L2: a camera that streams into buffers.

use lastfd_abi::v4l2::{V4l2Capability, VIDIOC_QUERYCAP};
use lastfd_chrdev::{OpenFlags, PollMask, open};
use lastfd_model::Errno;
use lastfd_model::raw::attr_read;
use lastfd_rigs::v4l2::{Camera, Rig, dqbuf, ioctl, map, reqbufs, start};
use lastfd_sync::Cancel;

use super::rivals::{
    Call, PATIENCE, against_unplug, against_unplug_and_a_signal, bind_against_unbind, call,
    unbind_against_unplug,
};
use crate::world::World;

fn rig(world: &World) -> Rig {
    Rig::on(world.system(), |device| Camera::probe(device, None)).expect("there is room for it")
}

pub(super) const CALLS: &[Call] = &[
    ("open", |world| {
        let rig = rig(world);
        let system = world.system().unowned();
        call(
            world,
            &[Errno::ENOENT, Errno::ENXIO, Errno::ENODEV],
            move || open(&system, "/dev/video0", OpenFlags::RDWR).map(drop),
        );
        against_unplug(world, &rig);
    }),
    ("read", |world| {
        let rig = rig(world);
        let file = rig.file();
        let signal = Cancel::new();
        let of_task = signal.clone();
        call(
            world,
            &[Errno::ENODEV, Errno::EINVAL, Errno::EINTR],
            move || file.read_with(&mut [0; 64], &of_task),
        );
        // Once v4l2_read found it registered, vb2_fop_read starts to stream all the same.
        against_unplug_and_a_signal(world, &rig, signal);
    }),
    ("ioctl", |world| {
        let rig = rig(world);
        let file = rig.file();
        call(world, &[Errno::ENODEV], move || {
            ioctl(&file, VIDIOC_QUERYCAP, &mut V4l2Capability::default())
        });
        against_unplug(world, &rig);
    }),
    ("dqbuf", |world| {
        let rig = rig(world);
        let file = rig.file();
        start(&file, 2);
        call(world, &[Errno::ENODEV, Errno::EINVAL], move || dqbuf(&file));
        against_unplug(world, &rig);
    }),
    ("poll", |world| {
        let rig = rig(world);
        let file = rig.file();
        start(&file, 2);
        call(world, &[], move || Ok(file.poll(PollMask::IN, PATIENCE)));
        against_unplug(world, &rig);
    }),
    ("mmap", |world| {
        let rig = rig(world);
        let file = rig.file();
        reqbufs(&file, 2).expect("there is room for buffers");
        // EINVAL once v4l2_mmap found it registered: vb2_mmap finds no buffers any more.
        call(world, &[Errno::ENODEV, Errno::EINVAL], move || {
            map(&file, 0).map(drop)
        });
        against_unplug(world, &rig);
    }),
    ("close", |world| {
        let rig = rig(world);
        let file = rig.file();
        start(&file, 2);
        call(world, &[], move || {
            drop(file);
            Ok(())
        });
        against_unplug(world, &rig);
    }),
    ("attribute", |world| {
        let rig = rig(world);
        let device = rig.camera().vdev.dev().expect("it is registered");
        call(world, &[Errno::ENOENT, Errno::ENODEV], move || {
            attr_read(&device, "name")
        });
        against_unplug(world, &rig);
    }),
    ("bind", |world| bind_against_unbind(world, &rig(world))),
    ("twice", |world| unbind_against_unplug(world, &rig(world))),
];
