//! Races, each beside what repairs it.

use lastfd_abi::cec::{CEC_ADAP_G_CAPS, CEC_CAP_LOG_ADDRS, CEC_CAP_TRANSMIT};
use lastfd_abi::v4l2::V4L2_CAP_READWRITE;
use lastfd_cec::raw::{
    CecAdapOps, CecAdapter, cec_allocate_adapter, cec_delete_adapter, cec_register_adapter,
    cec_unregister_adapter,
};
use lastfd_chrdev::{Cdev, File, FileOps, OpenFlags, Try, cdev_add, cdev_del, open, open_devt};
use lastfd_model::raw::{
    Device, DeviceSpec, PlatformId, alloc_chrdev_region, attr_write, device_add, device_initialize,
    device_unregister, get_device, no_release, put_device,
};
use lastfd_model::{Errno, Result};
use lastfd_rigs::iio::with_fifo;
use lastfd_rigs::{DriverSpec, Rig, devm_ioremap};
use lastfd_sync::{Arc, Mutex};
use lastfd_v4l2::raw::{
    V4l2Device, V4l2FileOperations, VflType, VideoDevice, v4l2_device_register,
    v4l2_device_unregister, video_device_alloc, video_device_release, video_register_device,
    video_unregister_device,
};

use super::rivals::call;
use super::{PLANTED, RACE, Ready, cdev};
use crate::world::World;

pub(super) fn all() -> Vec<Ready> {
    vec![
        Ready::new(
            "iio-remove-race",
            "read tests info without info_exist_lock, then calls the driver's hwfifo flush",
            iio_read_against_unplug,
        )
        .race("G14", RACE),
        Ready::new(
            "v4l2-read-race",
            "v4l2_read tests 'registered' without a lock, then calls the driver's read",
            v4l2_read_against_unplug,
        )
        .race("G14", RACE),
        Ready::new(
            "cec-caps-race",
            "cec_ioctl tests 'registered' without a lock, then reads the parent's driver",
            cec_caps_against_unplug,
        )
        .race("G14", RACE),
        Ready::new(
            "open-remove-race",
            "open takes its reference after it let go of the lock it found the device under",
            open_against_remove,
        )
        .race("G15", PLANTED),
        Ready::new(
            "forgotten-wake",
            "remove wakes a reader whose condition does not test whether the device is gone",
            read_against_remove,
        )
        .race("G13", PLANTED),
    ]
}

fn plug<M: Clone + Send + 'static>(
    world: &World,
    probe: impl Fn(&Device) -> Result<M> + Send + Sync + 'static,
    remove: impl Fn(&Device) + Send + Sync + 'static,
) -> Rig<M> {
    let spec = DriverSpec {
        name: "sensor",
        id: PlatformId::None,
        probe: Box::new(probe),
        remove: Some(Box::new(remove)),
    };
    Rig::plug(world.system(), spec).expect("a new System has room for it")
}

/// `industrialio-buffer.c: iio_buffer_read`, `iio_buffer_flush_hwfifo`.
fn iio_read_against_unplug(world: &World) {
    let probe = |parent: &Device| with_fifo(parent, devm_ioremap(parent, "registers")?);
    let rig = plug(world, probe, |_| {});
    let iio = rig.made().expect("the probe succeeded").dev().clone();
    for (attribute, value) in [
        ("scan_elements/in_voltage0_en", b"1"),
        ("buffer/enable", b"1"),
    ] {
        attr_write(&iio, attribute, value).expect("the device has a buffer");
    }
    let file = open(world.system(), "/dev/iio:device0", OpenFlags::RDONLY).expect("it is there");
    drop(iio);
    call(world, &[Errno::ENODEV], move || file.read(&mut [0; 2]));
    world.unplug(&rig.hardware);
    world.join();
    rig.end();
}

/// `v4l2-dev.c: v4l2_read`.
fn v4l2_read_against_unplug(world: &World) {
    let made: Arc<Mutex<Option<(V4l2Device, VideoDevice)>>> = Arc::default();
    let in_remove = Arc::clone(&made);
    let probe = move |device: &Device| {
        let system = device.system();
        let regs = devm_ioremap(device, "registers")?;
        let v4l2_dev = V4l2Device::new(&system);
        v4l2_device_register(Some(device), &v4l2_dev)?;
        let vdev = video_device_alloc(&system)?;
        vdev.set_v4l2_dev(&v4l2_dev);
        vdev.set_device_caps(V4L2_CAP_READWRITE);
        vdev.set_release(video_device_release);
        vdev.set_fops(V4l2FileOperations {
            read: Some(Arc::new(move |_, _| {
                let _ = regs.read(0);
                Try::ok(0)
            })),
            ..V4l2FileOperations::default()
        });
        video_register_device(&vdev, VflType::Video, None)?;
        *made.lock() = Some((v4l2_dev, vdev));
        Ok(())
    };
    let rig = plug(world, probe, move |_| {
        let made = in_remove.lock().take();
        if let Some((v4l2_dev, vdev)) = made {
            video_unregister_device(&vdev);
            v4l2_device_unregister(&v4l2_dev);
        }
    });
    let file = open(world.system(), "/dev/video0", OpenFlags::RDWR).expect("it is there");
    call(world, &[Errno::ENODEV], move || file.read(&mut [0; 16]));
    world.unplug(&rig.hardware);
    world.join();
    rig.end();
}

/// `cec-api.c: cec_ioctl`, `cec_adap_g_caps`.
fn cec_caps_against_unplug(world: &World) {
    let made: Arc<Mutex<Option<CecAdapter>>> = Arc::default();
    let in_remove = Arc::clone(&made);
    let probe = move |device: &Device| {
        let caps = CEC_CAP_LOG_ADDRS | CEC_CAP_TRANSMIT;
        let ops = CecAdapOps::default();
        let adap = cec_allocate_adapter(&device.system(), ops, None, "hdmi", caps, 1)?;
        cec_register_adapter(&adap, device).inspect_err(|_| cec_delete_adapter(&adap))?;
        *made.lock() = Some(adap);
        Ok(())
    };
    let rig = plug(world, probe, move |_| {
        let adap = in_remove.lock().take();
        if let Some(adap) = adap {
            cec_unregister_adapter(&adap);
        }
    });
    let file = open(world.system(), "/dev/cec0", OpenFlags::RDWR).expect("it is there");
    call(world, &[Errno::ENODEV, Errno::EIO], move || {
        file.ioctl_bytes(CEC_ADAP_G_CAPS, &mut [0; 128])
    });
    world.unplug(&rig.hardware);
    world.join();
    rig.end();
}

/// Where a driver's open finds what was opened, by its number.
type Table = Arc<Mutex<Option<Device>>>;

/// A driver's file: it counts the device that is behind it.
struct Counting {
    table: Table,
    /// Takes its reference before it lets go of the table.
    careful: bool,
}

impl FileOps for Counting {
    fn open(&self, file: &File) -> Result {
        let device = if self.careful {
            let table = self.table.lock();
            get_device(table.as_ref().ok_or(Errno::ENODEV)?)
        } else {
            let found = self.table.lock().clone();
            // Here the remove may drop the last reference.
            get_device(&found.ok_or(Errno::ENODEV)?)
        };
        file.set_private(Arc::new(device));
        Ok(())
    }

    fn release(&self, file: &File) {
        if let Some(device) = file.private::<Device>() {
            put_device(&device);
        }
    }
}

/// As `ptp_open` before "ptp: fix the race between the release of ptp_clock and cdev".
fn open_against_remove(world: &World) {
    let devt = alloc_chrdev_region(world.system(), "sensor").expect("there are numbers left");
    let table: Table = Arc::default();
    let careful = world.choice() == "right";
    let made: Arc<Mutex<Option<Cdev>>> = Arc::default();
    let (in_remove, taken) = (Arc::clone(&made), Arc::clone(&table));
    let probe = move |parent: &Device| {
        let system = parent.system();
        let spec = DeviceSpec {
            name: Some("sensor0".to_owned()),
            parent: Some(parent.clone()),
            release: Some(no_release()),
            ..DeviceSpec::default()
        };
        let device = device_initialize(&system, spec);
        device_add(&device).inspect_err(|_| put_device(&device))?;
        *table.lock() = Some(device);
        let fops = Counting {
            table: Arc::clone(&table),
            careful,
        };
        let cdev = Cdev::new(&system, Arc::new(fops));
        cdev_add(&cdev, devt, 1)?;
        *made.lock() = Some(cdev);
        Ok(())
    };
    let rig = plug(world, probe, move |_| {
        let (cdev, device) = (in_remove.lock().take(), taken.lock().take());
        if let (Some(cdev), Some(device)) = (cdev, device) {
            cdev_del(&cdev);
            device_unregister(&device);
        }
    });
    let system = world.system().unowned();
    call(world, &[Errno::ENXIO, Errno::ENODEV], move || {
        open_devt(&system, devt, OpenFlags::RDWR).map(drop)
    });
    world.unplug(&rig.hardware);
    world.join();
    rig.end();
}

/// Nobody sends a signal here.
fn read_against_remove(world: &World) {
    let rig = cdev::rig(world, world.choice() == "right");
    let file = cdev::opened(world);
    call(world, &[Errno::ENODEV], move || file.read(&mut [0; 4]));
    let hardware = rig.hardware.clone();
    world.task("unplug", move || {
        lastfd_model::raw::platform_device_unregister(&hardware)
    });
    world.join();
    rig.end();
}
