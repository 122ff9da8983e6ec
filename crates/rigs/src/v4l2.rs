//! A camera driver, in simulated time.

mod camera;

use core::time::Duration;

use lastfd_abi::v4l2::*;
use lastfd_chrdev::{MapRequest, Mapping, OpenFile, OpenFlags, open};
use lastfd_model::raw::*;
use lastfd_model::{Errno, Result, System};
use zerocopy::{FromBytes, Immutable, IntoBytes};

pub use camera::{Camera, DISCONNECT, FRAME, Frames, SIDE};

use crate::{DriverSpec, new_system};

/// How a device is taken away.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Removal {
    /// Its driver is unbound.
    Unbind,
    /// vivid's control: the node stays.
    Disconnect,
}

/// A platform device on which a driver made a camera.
pub type Rig = crate::Rig<Camera>;

impl crate::Rig<Camera> {
    /// Plugs the device in, in a System of its own; the probe does as told.
    pub fn new(setup: impl Fn(&Device) -> Result<Camera> + Send + Sync + 'static) -> Rig {
        Rig::on(&new_system(), setup).expect("a new System has room for it")
    }

    /// A camera that never has a frame.
    pub fn silent() -> Rig {
        Rig::new(|device| Camera::probe(device, None))
    }

    /// A camera with five frames a second.
    pub fn running() -> Rig {
        Rig::new(|device| Camera::probe(device, Some(Duration::from_millis(200))))
    }

    /// Plugs the device into this System.
    ///
    /// # Errors
    /// What [`plug`](crate::Rig::plug) gives.
    pub fn on(
        system: &System,
        setup: impl Fn(&Device) -> Result<Camera> + Send + Sync + 'static,
    ) -> Result<Rig> {
        let spec = DriverSpec {
            name: "camera",
            id: PlatformId::Id(0),
            probe: Box::new(setup),
            remove: Some(Box::new(Camera::remove)),
        };
        Rig::plug(system, spec)
    }

    /// The camera its latest probe made.
    pub fn camera(&self) -> Camera {
        self.made().expect("a camera was made")
    }

    /// Whether a probe made one.
    pub fn has_camera(&self) -> bool {
        self.made().is_some()
    }

    /// Opens the node.
    ///
    /// # Errors
    /// As `open(2)`.
    pub fn open(&self, flags: OpenFlags) -> Result<OpenFile> {
        let dev = self.camera().vdev.dev().ok_or(Errno::ENODEV)?;
        open(&self.system, &format!("/dev/{}", dev.name()), flags)
    }

    /// Opens the node to read and write.
    pub fn file(&self) -> OpenFile {
        self.open(OpenFlags::RDWR | OpenFlags::LARGEFILE)
            .expect("a camera that is there can be opened")
    }

    /// Takes the device away.
    pub fn remove(&self, how: Removal) {
        self.try_remove(how).expect("the camera has the control");
    }

    /// Takes the device away; the control may be refused.
    ///
    /// # Errors
    /// As `open(2)` and `VIDIOC_S_CTRL`.
    pub fn try_remove(&self, how: Removal) -> Result {
        match how {
            Removal::Unbind => device_release_driver(&self.hardware),
            Removal::Disconnect => {
                let file = self.open(OpenFlags::RDWR)?;
                set_ctrl(&file, DISCONNECT, 1)?;
            }
        }
        Ok(())
    }
}

/// An ioctl with this argument.
pub fn ioctl<T: FromBytes + IntoBytes + Immutable>(
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
pub fn reqbufs(file: &OpenFile, count: u32) -> Result<u32> {
    let mut request = V4l2Requestbuffers {
        count,
        type_: V4L2_BUF_TYPE_VIDEO_CAPTURE,
        memory: V4L2_MEMORY_MMAP,
        ..V4l2Requestbuffers::default()
    };
    ioctl(file, VIDIOC_REQBUFS, &mut request).map(|_| request.count)
}

/// A buffer as an argument.
pub fn buffer(index: u32) -> V4l2Buffer {
    V4l2Buffer {
        index,
        type_: V4L2_BUF_TYPE_VIDEO_CAPTURE,
        memory: V4L2_MEMORY_MMAP,
        ..V4l2Buffer::default()
    }
}

/// QUERYBUF.
pub fn querybuf(file: &OpenFile, index: u32) -> Result<V4l2Buffer> {
    let mut arg = buffer(index);
    ioctl(file, VIDIOC_QUERYBUF, &mut arg).map(|_| arg)
}

/// QBUF.
pub fn qbuf(file: &OpenFile, index: u32) -> Result<V4l2Buffer> {
    let mut arg = buffer(index);
    ioctl(file, VIDIOC_QBUF, &mut arg).map(|_| arg)
}

/// DQBUF.
pub fn dqbuf(file: &OpenFile) -> Result<V4l2Buffer> {
    let mut arg = buffer(0);
    ioctl(file, VIDIOC_DQBUF, &mut arg).map(|_| arg)
}

/// STREAMON or STREAMOFF.
pub fn stream(file: &OpenFile, on: bool) -> Result<i32> {
    let cmd = if on {
        VIDIOC_STREAMON
    } else {
        VIDIOC_STREAMOFF
    };
    let mut type_ = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    ioctl(file, cmd, &mut type_)
}

/// Maps a buffer.
pub fn map(file: &OpenFile, index: u32) -> Result<Mapping> {
    let arg = querybuf(file, index)?;
    file.mmap(MapRequest::shared(arg.offset, arg.length.into()))
}

/// Asks for buffers, queues them and starts.
pub fn start(file: &OpenFile, count: u32) {
    try_start(file, count).expect("the camera streams");
}

/// As [`start`].
///
/// # Errors
/// What the first ioctl that fails gives.
pub fn try_start(file: &OpenFile, count: u32) -> Result {
    let count = reqbufs(file, count)?;
    for index in 0..count {
        qbuf(file, index)?;
    }
    stream(file, true).map(|_| ())
}

/// S_CTRL; gives the value it has then.
pub fn set_ctrl(file: &OpenFile, id: u32, value: i32) -> Result<i32> {
    let mut arg = V4l2Control { id, value };
    ioctl(file, VIDIOC_S_CTRL, &mut arg).map(|_| arg.value)
}

/// G_CTRL.
pub fn ctrl(file: &OpenFile, id: u32) -> Result<i32> {
    let mut arg = V4l2Control { id, value: 0 };
    ioctl(file, VIDIOC_G_CTRL, &mut arg).map(|_| arg.value)
}

/// SUBSCRIBE_EVENT, to the changes of a control.
pub fn subscribe(file: &OpenFile, id: u32, flags: u32) -> Result<i32> {
    let mut sub = V4l2EventSubscription {
        type_: V4L2_EVENT_CTRL,
        id,
        flags,
        ..V4l2EventSubscription::default()
    };
    ioctl(file, VIDIOC_SUBSCRIBE_EVENT, &mut sub)
}

/// DQEVENT.
pub fn dqevent(file: &OpenFile) -> Result<V4l2Event> {
    let mut event = V4l2Event::default();
    ioctl(file, VIDIOC_DQEVENT, &mut event).map(|_| event)
}
