//! The typed face: a driver with a timer, through its whole life.

use core::time::Duration;

use lastfd_abi::v4l2::*;
use lastfd_chrdev::{OpenFile, OpenFlags, open};
use lastfd_model::resource::{Next, Timer};
use lastfd_model::typed::{self, Bound, Device, PlatformDevice, PlatformDriver};
use lastfd_model::{Errno, EventKind, Result, System};
use lastfd_sync::{Arc, Clock, Mutex, OnceLock};
use lastfd_v4l2::{Builder, Driver, Picture, Video};
use zerocopy::{FromBytes, IntoBytes};

const PERIOD: Duration = Duration::from_millis(40);

/// Fills a frame every 40 ms, with the brightness.
struct Ticking {
    timer: Timer,
    video: Arc<OnceLock<Video>>,
    refuses: Arc<Mutex<bool>>,
}

impl Driver for Ticking {
    fn start(&self, video: &Video) -> Result {
        if *self.refuses.lock() {
            return Err(Errno::EIO);
        }
        let _ = self.video.set(video.clone());
        self.timer.start(PERIOD);
        Ok(())
    }

    fn stop(&self, _: &Video) {
        self.timer.cancel();
    }

    fn set_control(&self, _: u32, value: i32) -> Result {
        match value {
            13 => Err(Errno::EIO),
            _ => Ok(()),
        }
    }
}

struct Probe {
    video: Video,
}

/// What the test shares with the probe.
#[derive(Clone, Default)]
struct Shared {
    refuses: Arc<Mutex<bool>>,
    fail_after: Arc<Mutex<bool>>,
}

impl typed::Driver for Probe {
    type Info = Shared;

    fn probe(device: &Device<Bound>, shared: &Shared) -> Result<Probe> {
        let video = Arc::new(OnceLock::<Video>::new());
        let of_timer = Arc::clone(&video);
        let timer = Timer::new(&device.system(), Some(device.raw()), "frames", move || {
            let video = of_timer.get();
            if let Some((video, frame)) = video.and_then(|v| Some((v, v.next_frame()?))) {
                let brightness = video.control(V4L2_CID_BRIGHTNESS).unwrap_or(0) as u8;
                frame.write(0, &[brightness]).unwrap();
                assert_eq!(frame.size(), 64 * 48);
                frame.done();
            }
            Next::After(PERIOD)
        });
        let timer = device.own(timer)?;
        let video = Builder::new(device, "Ticking", Picture::grey(64, 48))
            .control(V4L2_CID_BRIGHTNESS, 0, 100, 1, 50)
            .register(Ticking {
                timer,
                video,
                refuses: Arc::clone(&shared.refuses),
            })?;
        if *shared.fail_after.lock() {
            return Err(Errno::ENODEV);
        }
        Ok(Probe { video })
    }
}

fn plugged(shared: Shared) -> (System, Clock, PlatformDriver<Probe>, PlatformDevice) {
    let clock = Clock::simulated();
    let system = System::builder().clock(clock.clone()).ledger(true).build();
    let driver = PlatformDriver::<Probe>::register(&system, "ticking").unwrap();
    let device = PlatformDevice::register(&system, "ticking", shared).unwrap();
    (system, clock, driver, device)
}

fn file(system: &System) -> OpenFile {
    open(system, "/dev/video0", OpenFlags::RDWR).unwrap()
}

fn ioctl<T: FromBytes + IntoBytes + zerocopy::Immutable>(
    file: &OpenFile,
    cmd: u32,
    arg: &mut T,
) -> Result<i32> {
    let mut bytes = arg.as_bytes().to_vec();
    let result = file.ioctl_bytes(cmd, &mut bytes);
    *arg = T::read_from_bytes(&bytes).unwrap();
    result
}

/// Ends everything, and gives splats and leaks.
fn left(
    record: lastfd_model::Recording,
    all: (System, Clock, PlatformDriver<Probe>, Option<PlatformDevice>),
) -> Vec<String> {
    let (system, clock, driver, device) = all;
    drop((device, driver));
    drop(system);
    drop(clock);
    let bad = record
        .events()
        .into_iter()
        .filter_map(|event| match event.kind {
            EventKind::Splat { text, .. } | EventKind::Leak { text, .. } => Some(text.to_string()),
            _ => None,
        });
    bad.collect()
}

#[test]
fn a_program_reads_frames_until_the_driver_is_unbound() {
    let (system, clock, driver, device) = plugged(Shared::default());
    let record = system.record();
    let file = file(&system);
    let mut byte = [0];
    assert_eq!(file.read(&mut byte), Ok(1));
    assert_eq!(byte, [50]);
    let mut control = V4l2Control {
        id: V4L2_CID_BRIGHTNESS,
        value: 13,
    };
    assert_eq!(ioctl(&file, VIDIOC_S_CTRL, &mut control), Err(Errno::EIO));
    control.value = 77;
    assert_eq!(ioctl(&file, VIDIOC_S_CTRL, &mut control), Ok(0));
    let mut cap = V4l2Capability::default();
    ioctl(&file, VIDIOC_QUERYCAP, &mut cap).unwrap();
    assert_eq!(text(&cap.driver), "ticking");
    assert_eq!(text(&cap.card), "Ticking");
    let mut picture = vec![0; 64 * 48];
    assert_eq!(
        file.read(&mut picture),
        Ok(64 * 48 - 1),
        "the rest of the first"
    );
    assert_eq!(file.read(&mut picture), Ok(64 * 48));
    assert_eq!(picture[0], 77);
    let reader = file.clone();
    let task = clock
        .spawn("reads", move || {
            loop {
                if let Err(errno) = reader.read(&mut [0; 4096]) {
                    return errno;
                }
            }
        })
        .unwrap();
    clock.advance(Duration::from_secs(1));
    device.unregister();
    assert_eq!(task.join().unwrap(), Errno::EINVAL);
    assert_eq!(file.read(&mut byte), Err(Errno::ENODEV));
    drop(file);
    assert_eq!(left(record, (system, clock, driver, None)), [""; 0]);
}

#[test]
fn a_driver_that_will_not_start_keeps_the_buffers_queued() {
    let shared = Shared::default();
    let (system, clock, driver, device) = plugged(shared.clone());
    let record = system.record();
    let file = file(&system);
    *shared.refuses.lock() = true;
    assert_eq!(file.read(&mut [0; 8]), Err(Errno::EIO));
    *shared.refuses.lock() = false;
    assert_eq!(file.read(&mut [0; 8]), Ok(8));
    drop(file);
    assert_eq!(left(record, (system, clock, driver, Some(device))), [""; 0]);
}

#[test]
fn a_probe_that_fails_after_registering_takes_the_camera_back() {
    let shared = Shared::default();
    *shared.fail_after.lock() = true;
    let (system, clock, driver, device) = plugged(shared);
    let record = system.record();
    assert!(system.dev_node("video0").is_none());
    assert_eq!(left(record, (system, clock, driver, Some(device))), [""; 0]);
}

#[test]
fn a_camera_that_lost_its_hardware_keeps_its_node() {
    let (system, clock, driver, device) = plugged(Shared::default());
    let record = system.record();
    let file = file(&system);
    assert_eq!(file.read(&mut [0; 8]), Ok(8));
    let bound = device
        .with_bound(|device| device.drvdata::<Probe>())
        .flatten();
    let video = bound.unwrap().video.clone();
    assert!(video.is_registered());
    video.fail();
    assert_eq!(file.read(&mut [0; 4096]), Err(Errno::EIO));
    video.disconnect();
    assert!(!video.is_registered());
    assert_eq!(file.read(&mut [0; 8]), Err(Errno::ENODEV));
    assert!(system.dev_node("video0").is_some());
    assert_eq!(&*video.device().unwrap().name(), "video0");
    drop((file, video));
    let left = left(record, (system, clock, driver, Some(device)));
    assert_eq!(left, [""; 0]);
}

#[test]
fn what_cannot_be_registered_leaves_nothing() {
    struct Never;
    struct Wrong;
    impl Driver for Never {}
    impl typed::Driver for Wrong {
        type Info = ();
        fn probe(device: &Device<Bound>, _: &()) -> Result<Wrong> {
            let empty = Builder::new(device, "x", Picture::grey(0, 9)).register(Never);
            assert_eq!(empty.err(), Some(Errno::EINVAL));
            let control = Builder::new(device, "x", Picture::grey(9, 9))
                .control(V4L2_CID_GAIN, 5, 1, 1, 1)
                .register(Never);
            assert_eq!(control.err(), Some(Errno::ERANGE));
            Err(Errno::ENODEV)
        }
    }
    let system = System::builder().ledger(true).build();
    let driver = PlatformDriver::<Wrong>::register(&system, "wrong").unwrap();
    let device = PlatformDevice::register(&system, "wrong", ()).unwrap();
    let hardware = device.raw().clone();
    device.unregister();
    assert!(hardware.is_released());
    drop(driver);
}
