//! A platform device with a camera driver on it, in simulated time.

use core::time::Duration;

use lastfd_abi::v4l2::*;
use lastfd_chrdev::{MapRequest, Mapping, OpenFile, OpenFlags, open};
use lastfd_model::raw::{Driver, *};
use lastfd_model::{EventKind, Recording, Result, System};
use lastfd_sync::{Arc, Clock, Mutex};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::camera::{Camera, DISCONNECT};

/// What a driver's probe does.
pub(crate) type Setup = dyn Fn(&Device) -> Result<Camera> + Send + Sync;

/// How a device is taken away.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Removal {
    /// Its driver is unbound.
    Unbind,
    /// vivid's control: the node stays.
    Disconnect,
}

/// A System with one hardware device, bound to a driver that made a camera.
pub(crate) struct Rig {
    pub(crate) system: System,
    pub(crate) clock: Clock,
    pub(crate) hardware: Device,
    pub(crate) record: Recording,
    pub(crate) driver: Driver,
    cameras: Arc<Mutex<Vec<Camera>>>,
}

impl Rig {
    /// Plugs the device in; the probe does as told.
    pub(crate) fn new(setup: impl Fn(&Device) -> Result<Camera> + Send + Sync + 'static) -> Rig {
        let clock = Clock::simulated();
        let system = System::builder().clock(clock.clone()).ledger(true).build();
        Rig::on(system, clock, Arc::new(setup))
    }

    /// A camera that never has a frame.
    pub(crate) fn silent() -> Rig {
        Rig::new(|device| Camera::probe(device, None))
    }

    /// A camera with five frames a second.
    pub(crate) fn running() -> Rig {
        Rig::new(|device| Camera::probe(device, Some(Duration::from_millis(200))))
    }

    fn on(system: System, clock: Clock, setup: Arc<Setup>) -> Rig {
        let record = system.record();
        let driver = Driver::new("camera", &platform_bus(&system));
        let cameras = Arc::new(Mutex::new(Vec::new()));
        let made = Arc::clone(&cameras);
        driver.set_probe(move |device| {
            let camera = setup(device)?;
            made.lock().push(camera);
            Ok(())
        });
        driver.set_remove(Camera::remove);
        driver_register(&driver).unwrap();
        let hardware = platform_device_alloc(&system, "camera", PlatformId::Id(0)).unwrap();
        platform_device_add(&hardware).unwrap();
        Rig {
            system,
            clock,
            hardware,
            record,
            driver,
            cameras,
        }
    }

    /// The camera its probe made last.
    pub(crate) fn camera(&self) -> Camera {
        self.cameras
            .lock()
            .last()
            .cloned()
            .expect("a camera was made")
    }

    /// Whether a probe made one.
    pub(crate) fn has_camera(&self) -> bool {
        !self.cameras.lock().is_empty()
    }

    /// Opens the node.
    pub(crate) fn open(&self, flags: OpenFlags) -> Result<OpenFile> {
        open(&self.system, "/dev/video0", flags)
    }

    /// Opens the node to read and write.
    pub(crate) fn file(&self) -> OpenFile {
        self.open(OpenFlags::RDWR | OpenFlags::LARGEFILE).unwrap()
    }

    /// Takes the device away.
    pub(crate) fn remove(&self, how: Removal) {
        match how {
            Removal::Unbind => device_release_driver(&self.hardware),
            Removal::Disconnect => {
                let file = self.file();
                set_ctrl(&file, DISCONNECT, 1).unwrap();
            }
        }
    }

    /// What a kernel would have printed a stack trace for.
    pub(crate) fn splats(&self) -> Vec<String> {
        let events = self.record.events();
        let splats = events.iter().filter_map(|event| match &event.kind {
            EventKind::Splat { text, .. } => Some(text.to_string()),
            _ => None,
        });
        splats.collect()
    }

    /// The framework's own events, in words.
    pub(crate) fn story(&self) -> Vec<String> {
        let events = self.record.events();
        let own = events.iter().filter_map(|event| match &event.kind {
            EventKind::Framework(event) => Some(event.to_string()),
            _ => None,
        });
        own.collect()
    }

    /// Ends it, and gives what was left behind.
    pub(crate) fn finish(self) -> Vec<String> {
        if device_is_registered(&self.hardware) {
            platform_device_unregister(&self.hardware);
        }
        driver_unregister(&self.driver);
        let leaked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&leaked);
        let subscription = self
            .system
            .subscribe(Arc::new(move |event: &lastfd_model::Event| {
                if let EventKind::Leak { text, .. } = &event.kind {
                    seen.lock().push(text.to_string());
                }
            }));
        let Rig {
            system,
            clock,
            hardware,
            record,
            driver,
            cameras,
        } = self;
        drop((hardware, record, driver, cameras));
        drop(system);
        drop((subscription, clock));
        let leaked = leaked.lock();
        leaked.clone()
    }
}

/// An ioctl with this argument.
pub(crate) fn ioctl<T: FromBytes + IntoBytes + Immutable>(
    file: &OpenFile,
    cmd: u32,
    arg: &mut T,
) -> Result<i32> {
    let mut bytes = arg.as_bytes().to_vec();
    let result = file.ioctl_bytes(cmd, &mut bytes);
    *arg = T::read_from_bytes(&bytes).unwrap();
    result
}

/// REQBUFS; gives how many there are.
pub(crate) fn reqbufs(file: &OpenFile, count: u32) -> Result<u32> {
    let mut request = V4l2Requestbuffers {
        count,
        type_: V4L2_BUF_TYPE_VIDEO_CAPTURE,
        memory: V4L2_MEMORY_MMAP,
        ..V4l2Requestbuffers::default()
    };
    ioctl(file, VIDIOC_REQBUFS, &mut request).map(|_| request.count)
}

/// A buffer as an argument.
pub(crate) fn buffer(index: u32) -> V4l2Buffer {
    V4l2Buffer {
        index,
        type_: V4L2_BUF_TYPE_VIDEO_CAPTURE,
        memory: V4L2_MEMORY_MMAP,
        ..V4l2Buffer::default()
    }
}

pub(crate) fn querybuf(file: &OpenFile, index: u32) -> Result<V4l2Buffer> {
    let mut arg = buffer(index);
    ioctl(file, VIDIOC_QUERYBUF, &mut arg).map(|_| arg)
}

pub(crate) fn qbuf(file: &OpenFile, index: u32) -> Result<V4l2Buffer> {
    let mut arg = buffer(index);
    ioctl(file, VIDIOC_QBUF, &mut arg).map(|_| arg)
}

pub(crate) fn dqbuf(file: &OpenFile) -> Result<V4l2Buffer> {
    let mut arg = buffer(0);
    ioctl(file, VIDIOC_DQBUF, &mut arg).map(|_| arg)
}

pub(crate) fn stream(file: &OpenFile, on: bool) -> Result<i32> {
    let cmd = if on {
        VIDIOC_STREAMON
    } else {
        VIDIOC_STREAMOFF
    };
    let mut type_ = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    ioctl(file, cmd, &mut type_)
}

pub(crate) fn map(file: &OpenFile, index: u32) -> Result<Mapping> {
    let arg = querybuf(file, index)?;
    file.mmap(MapRequest::shared(arg.offset, arg.length.into()))
}

/// Asks for buffers, queues them and starts.
pub(crate) fn start(file: &OpenFile, count: u32) {
    let count = reqbufs(file, count).unwrap();
    for index in 0..count {
        qbuf(file, index).unwrap();
    }
    stream(file, true).unwrap();
}

pub(crate) fn set_ctrl(file: &OpenFile, id: u32, value: i32) -> Result<i32> {
    let mut arg = V4l2Control { id, value };
    ioctl(file, VIDIOC_S_CTRL, &mut arg).map(|_| arg.value)
}

pub(crate) fn ctrl(file: &OpenFile, id: u32) -> Result<i32> {
    let mut arg = V4l2Control { id, value: 0 };
    ioctl(file, VIDIOC_G_CTRL, &mut arg).map(|_| arg.value)
}

pub(crate) fn subscribe(file: &OpenFile, id: u32, flags: u32) -> Result<i32> {
    let mut sub = V4l2EventSubscription {
        type_: V4L2_EVENT_CTRL,
        id,
        flags,
        ..V4l2EventSubscription::default()
    };
    ioctl(file, VIDIOC_SUBSCRIBE_EVENT, &mut sub)
}

pub(crate) fn dqevent(file: &OpenFile) -> Result<V4l2Event> {
    let mut event = V4l2Event::default();
    ioctl(file, VIDIOC_DQEVENT, &mut event).map(|_| event)
}
