//! The lifetimes recorded from a kernel (oracle traces o1 and o2).

use lastfd_abi::v4l2::*;
use lastfd_chrdev::{OpenFlags, PollTable, open};
use lastfd_model::raw::{Driver, *};
use lastfd_model::{Errno, EventKind, System};
use lastfd_sync::{Arc, Mutex};
use lastfd_v4l2::raw::*;

type Log = Arc<Mutex<Vec<String>>>;

/// The module that the traces were recorded with.
struct Oracle {
    system: System,
    log: Log,
    pdev: Device,
    driver: Driver,
    made: Arc<Mutex<Option<(V4l2Device, VideoDevice)>>>,
}

fn say(log: &Log, text: impl Into<String>) {
    log.lock().push(text.into());
}

fn count(device: &Device) -> String {
    match device.is_released() {
        true => "released".to_owned(),
        false => kref_read(device).to_string(),
    }
}

impl Oracle {
    fn new() -> Oracle {
        let system = System::new();
        let log = Log::default();
        let made = Arc::new(Mutex::new(None));
        let driver = Driver::new("lf-o", &platform_bus(&system));
        let (of_probe, of_system, to) = (Arc::clone(&log), system.unowned(), Arc::clone(&made));
        driver.set_probe(move |pdev| {
            let log = &of_probe;
            let note = Arc::clone(log);
            devm_add_action(pdev, Action::new(move || say(&note, "devm-action A1")))?;
            let v4l2 = V4l2Device::new(&of_system);
            v4l2_device_register(Some(pdev), &v4l2)?;
            let note = Arc::clone(log);
            v4l2.set_release(move |v4l2| {
                say(&note, "v4l2_device.release");
                v4l2_device_unregister(v4l2);
            });
            say(log, format!("ref v4l2_device = {}", v4l2.kref()));
            say(log, format!("ref pdev = {}", count(pdev)));
            let vdev = video_device_alloc(&of_system)?;
            vdev.set_v4l2_dev(&v4l2);
            let (opens, closes) = (Arc::clone(log), Arc::clone(log));
            vdev.set_fops(V4l2FileOperations {
                open: Some(Arc::new(move |file| {
                    say(&opens, "v4l2 fops.open");
                    v4l2_fh_open(file)
                })),
                release: Some(Arc::new(move |file| {
                    say(&closes, "v4l2 fops.release");
                    v4l2_fh_release(file);
                })),
                unlocked_ioctl: Some(Arc::new(video_ioctl2)),
                poll: Some(Arc::new(v4l2_ctrl_poll)),
                ..V4l2FileOperations::default()
            });
            vdev.set_ioctl_ops(V4l2IoctlOps {
                vidioc_querycap: Some(Arc::new(|_, _| Ok(()))),
                ..V4l2IoctlOps::default()
            });
            let note = Arc::clone(log);
            vdev.set_release(move |vdev| {
                say(&note, "video_device.release");
                video_device_release(vdev);
            });
            vdev.set_device_caps(V4L2_CAP_VIDEO_CAPTURE);
            vdev.set_name("lfv");
            video_register_device(&vdev, VflType::Video, None)?;
            let dev = vdev.dev().unwrap();
            say(log, format!("registered {}", dev.name()));
            say(log, format!("ref vdev = {}", count(&dev)));
            say(log, format!("ref v4l2_device = {}", v4l2.kref()));
            say(log, format!("ref pdev = {}", count(pdev)));
            *to.lock() = Some((v4l2, vdev));
            Ok(())
        });
        let (of_remove, from) = (Arc::clone(&log), Arc::clone(&made));
        driver.set_remove(move |_| {
            let (v4l2, vdev) = from.lock().clone().unwrap();
            let dev = vdev.dev().unwrap();
            video_unregister_device(&vdev);
            say(&of_remove, format!("ref v4l2_device = {}", v4l2.kref()));
            say(&of_remove, format!("ref vdev = {}", count(&dev)));
            v4l2_device_disconnect(&v4l2);
            v4l2_device_put(&v4l2);
            say(&of_remove, format!("ref v4l2_device = {}", v4l2.kref()));
        });
        driver_register(&driver).unwrap();
        let pdev = platform_device_alloc(&system, "lf-o", PlatformId::None).unwrap();
        Oracle {
            system,
            log,
            pdev,
            driver,
            made,
        }
    }

    fn plug(&self) -> lastfd_model::Subscription {
        let order = Arc::clone(&self.log);
        let pdev = self.pdev.id();
        let subscription = self
            .system
            .subscribe(Arc::new(move |event: &lastfd_model::Event| {
                if let EventKind::Released { device } = &event.kind {
                    let name = if device.id == pdev { "pdev" } else { "vdev" };
                    order.lock().push(format!("RELEASE {name}"));
                }
            }));
        platform_device_add(&self.pdev).unwrap();
        subscription
    }

    fn take(&self) -> Vec<String> {
        core::mem::take(&mut *self.log.lock())
    }

    fn vdev(&self) -> Device {
        let made = self.made.lock();
        made.as_ref().and_then(|(_, vdev)| vdev.dev()).unwrap()
    }

    fn v4l2(&self) -> V4l2Device {
        self.made.lock().as_ref().unwrap().0.clone()
    }
}

const PROBED: [&str; 6] = [
    "ref v4l2_device = 1",
    "ref pdev = 4",
    "registered video0",
    "ref vdev = 3",
    "ref v4l2_device = 2",
    "ref pdev = 6",
];

#[test]
fn o1_without_a_file_everything_goes_at_unbind() {
    let oracle = Oracle::new();
    let _listener = oracle.plug();
    assert_eq!(oracle.take(), PROBED);
    assert_eq!(count(&oracle.pdev), "6");
    let vdev = oracle.vdev();
    platform_device_unregister(&oracle.pdev);
    assert_eq!(
        oracle.take(),
        [
            "RELEASE vdev",
            "video_device.release",
            "ref v4l2_device = 1",
            "ref vdev = released",
            "v4l2_device.release",
            // Released: the count of a kernel's freed memory is not read.
            "ref v4l2_device = 0",
            "devm-action A1",
            "RELEASE pdev",
        ]
    );
    assert!(vdev.is_released());
    driver_unregister(&oracle.driver);
}

#[test]
fn o2_an_open_file_keeps_the_video_device_and_the_v4l2_device() {
    let oracle = Oracle::new();
    let _listener = oracle.plug();
    assert_eq!(oracle.take(), PROBED);
    let file = open(&oracle.system, "/dev/video0", OpenFlags::RDWR).unwrap();
    assert_eq!(oracle.take(), ["v4l2 fops.open"]);
    let vdev = oracle.vdev();
    assert_eq!(count(&vdev), "4");
    assert_eq!(oracle.v4l2().kref(), 2);
    let log_status =
        |errno| assert_eq!(file.ioctl(VIDIOC_LOG_STATUS, 0, &mut program()), Err(errno));
    log_status(Errno::ENOTTY);
    assert_eq!(file.try_poll(&mut PollTable::now()).0, 0);
    platform_device_unregister(&oracle.pdev);
    assert_eq!(
        oracle.take(),
        [
            "ref v4l2_device = 2",
            "ref vdev = 1",
            "ref v4l2_device = 1",
            "devm-action A1",
            "RELEASE pdev",
        ]
    );
    assert_eq!(count(&vdev), "1");
    assert_eq!(oracle.v4l2().kref(), 1);
    log_status(Errno::ENODEV);
    assert_eq!(file.try_poll(&mut PollTable::now()).0, 26);
    let again = open(&oracle.system, "/dev/video0", OpenFlags::RDWR);
    assert_eq!(again.err(), Some(Errno::ENOENT));
    drop(file);
    assert_eq!(
        oracle.take(),
        [
            "v4l2 fops.release",
            "RELEASE vdev",
            "video_device.release",
            "v4l2_device.release",
        ]
    );
    assert_eq!(count(&vdev), "released");
    driver_unregister(&oracle.driver);
}

fn program() -> lastfd_chrdev::Process {
    lastfd_chrdev::Process::new()
}
