//! The typed face: what drivers are written against.
//!
//! A thin layer over [`raw`](crate::raw). A camera is described to a
//! [`Builder`], made on the bound device that is to be its parent; registering
//! consumes the builder, so nothing can be changed or added once programs can
//! see it. When the driver is unbound the camera goes as
//! [`vb2_video_unregister_device`](crate::raw::vb2_video_unregister_device)
//! makes it go: what the driver manages goes on the parent, before the
//! registration, and so ends after it. A frame that a driver was given is a
//! value: it comes back to the queue whatever happens to it.

use lastfd_abi::v4l2::*;
use lastfd_model::raw::{Action, devm_add_action_or_reset};
use lastfd_model::typed::{Bound, Device};
use lastfd_model::{Errno, Result};
use lastfd_sync::{Arc, OnceLock};

use crate::raw::{self, CtrlOps, V4l2IoctlOps, Vb2Buffer, Vb2Ops, Vb2Queue, Vb2State};
use crate::video::{Shared, Video, WeakVideo};

/// What a driver does. The value is the driver's own data.
///
/// ```
/// use lastfd_chrdev::{OpenFlags, open};
/// use lastfd_model::typed::{self, Bound, Device, PlatformDevice, PlatformDriver};
/// use lastfd_model::{Result, System};
/// use lastfd_v4l2::{Builder, Driver, Picture, Video};
///
/// /// A camera that has a frame as soon as one is wanted.
/// struct Eager;
///
/// impl Driver for Eager {
///     fn start(&self, video: &Video) -> Result {
///         self.queued(video);
///         Ok(())
///     }
///
///     fn queued(&self, video: &Video) {
///         while let Some(frame) = video.next_frame() {
///             let _ = frame.write(0, b"a picture");
///             frame.done();
///         }
///     }
/// }
///
/// struct Probe;
///
/// impl typed::Driver for Probe {
///     type Info = ();
///     fn probe(device: &Device<Bound>, _: &()) -> Result<Probe> {
///         Builder::new(device, "eager", Picture::grey(64, 48)).register(Eager)?;
///         Ok(Probe)
///     }
/// }
///
/// let system = System::new();
/// let driver = PlatformDriver::<Probe>::register(&system, "eager")?;
/// let device = PlatformDevice::register(&system, "eager", ())?;
/// let file = open(&system, "/dev/video0", OpenFlags::RDONLY)?;
/// let mut start = [0; 9];
/// assert_eq!(file.read(&mut start), Ok(9));
/// assert_eq!(&start, b"a picture");
/// device.unregister();
/// assert!(file.read(&mut start).is_err());
/// drop((file, driver));
/// # Ok::<(), lastfd_model::Errno>(())
/// ```
pub trait Driver: Send + Sync + 'static {
    /// Frames are wanted from now on; there may be buffers for some already.
    ///
    /// # Errors
    /// Streaming does not start; the buffers stay queued.
    fn start(&self, video: &Video) -> Result {
        let _ = video;
        Ok(())
    }

    /// A buffer for one more frame came in while frames are wanted.
    fn queued(&self, video: &Video) {
        let _ = video;
    }

    /// No frames are wanted any more, because the program said so or because
    /// the device goes. A [`Frame`](crate::Frame) that the driver still has must go now.
    fn stop(&self, video: &Video) {
        let _ = video;
    }

    /// A control has a new value.
    ///
    /// # Errors
    /// The value stays what it was.
    fn set_control(&self, id: u32, value: i32) -> Result {
        let _ = (id, value);
        Ok(())
    }
}

/// The one format of a camera.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Pixels of a line.
    pub width: u32,
    /// Lines.
    pub height: u32,
    /// Its four characters, such as [`V4L2_PIX_FMT_GREY`].
    pub pixelformat: u32,
    /// Bytes of a line.
    pub bytesperline: u32,
}

impl Picture {
    /// A byte of grey for each pixel.
    pub fn grey(width: u32, height: u32) -> Picture {
        Picture {
            width,
            height,
            pixelformat: V4L2_PIX_FMT_GREY,
            bytesperline: width,
        }
    }

    /// Bytes of the whole.
    pub fn size(&self) -> u32 {
        self.bytesperline.saturating_mul(self.height)
    }

    fn fill(&self, format: &mut V4l2Format) {
        format.set_pix(&V4l2PixFormat {
            width: self.width,
            height: self.height,
            pixelformat: self.pixelformat,
            field: V4L2_FIELD_NONE,
            bytesperline: self.bytesperline,
            sizeimage: self.size(),
            colorspace: V4L2_COLORSPACE_SRGB,
            ..V4l2PixFormat::default()
        });
    }
}

/// A control of a camera, of the standard ones.
#[derive(Clone, Copy, Debug)]
struct Control {
    id: u32,
    min: i32,
    max: i32,
    step: u32,
    default: i32,
}

/// A camera that nobody can see yet.
#[derive(Debug)]
#[must_use = "a camera that is not registered is not there"]
pub struct Builder<'a> {
    parent: &'a Device<Bound>,
    name: String,
    picture: Picture,
    controls: Vec<Control>,
}

impl<'a> Builder<'a> {
    /// A camera on this device.
    pub fn new(parent: &'a Device<Bound>, name: &str, picture: Picture) -> Builder<'a> {
        Builder {
            parent,
            name: name.to_owned(),
            picture,
            controls: Vec::new(),
        }
    }

    /// With a standard control, such as
    /// [`V4L2_CID_BRIGHTNESS`](lastfd_abi::v4l2::V4L2_CID_BRIGHTNESS).
    pub fn control(mut self, id: u32, min: i32, max: i32, step: u32, default: i32) -> Builder<'a> {
        self.controls.push(Control {
            id,
            min,
            max,
            step,
            default,
        });
        self
    }

    /// Registers it: from here on programs can open it, until the driver is
    /// unbound.
    ///
    /// # Errors
    /// `EINVAL` for a picture without bytes; `ERANGE` for a control that cannot
    /// be; `ENOMEM`, `ENFILE`. Nothing is left then.
    #[track_caller]
    pub fn register<D: Driver>(self, driver: D) -> Result<Video> {
        if self.picture.size() == 0 {
            return Err(Errno::EINVAL);
        }
        let parent = self.parent.raw();
        let v4l2 = raw::V4l2Device::new(&parent.system());
        raw::v4l2_device_register(Some(parent), &v4l2)?;
        v4l2.set_release(raw::v4l2_device_unregister);
        let video = self.make(&v4l2, Arc::new(driver)).inspect_err(|_| {
            raw::v4l2_device_unregister(&v4l2);
        })?;
        let vdev = video.vdev.clone();
        let end = Action::new(move || {
            // A device whose flag is clear is not unregistered, says the core;
            // vivid's remove sets it again too.
            vdev.set_flag(raw::VideoFlag::Registered, true);
            raw::vb2_video_unregister_device(&vdev);
            raw::v4l2_device_disconnect(&v4l2);
            raw::v4l2_device_put(&v4l2);
        });
        devm_add_action_or_reset(parent, end.named("vb2_video_unregister_device"))?;
        Ok(video)
    }

    fn make<D: Driver>(&self, v4l2: &raw::V4l2Device, driver: Arc<D>) -> Result<Video> {
        let system = v4l2.system().clone();
        let vdev = raw::video_device_alloc(&system)?;
        let video = Video {
            vdev: vdev.clone(),
            shared: Arc::new(Shared::default()),
        };
        let lock = raw::VideoLock::new();
        let frames = Arc::new(Frames {
            driver: Arc::clone(&driver),
            video: OnceLock::new(),
            size: self.picture.size(),
        });
        let ops: Arc<dyn Vb2Ops> = frames.clone();
        let queue = raw::vb2_queue_init(
            &system,
            raw::Vb2QueueSpec {
                ops: Some(ops),
                min_reqbufs_allocation: 2,
                lock: Some(lock.clone()),
                ..raw::Vb2QueueSpec::default()
            },
        )?;
        // Its own, made a moment ago.
        let _ = frames.video.set(video.downgrade());
        let controls = raw::v4l2_ctrl_handler_init(&system)?;
        for control in &self.controls {
            let ops: Arc<dyn CtrlOps> = Arc::new(Controls(Arc::clone(&driver)));
            raw::v4l2_ctrl_new_std(
                &controls,
                Some(ops),
                control.id,
                control.min.into(),
                control.max.into(),
                control.step.into(),
                control.default.into(),
            )?;
        }
        vdev.set_name(&self.name);
        vdev.set_v4l2_dev(v4l2);
        vdev.set_lock(&lock);
        vdev.set_queue(&queue);
        vdev.set_ctrl_handler(&controls);
        vdev.set_device_caps(V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING | V4L2_CAP_READWRITE);
        vdev.set_fops(raw::V4l2FileOperations::vb2());
        vdev.set_ioctl_ops(ioctl_ops(&self.name, self.picture));
        // It keeps what the queue's callbacks need as long as there is a queue.
        let of_release = Arc::clone(&video.shared);
        vdev.set_release(move |vdev| {
            let left = core::mem::take(&mut *of_release.waiting.lock());
            drop(left);
            raw::v4l2_ctrl_handler_free(&controls);
            raw::video_device_release(vdev);
        });
        raw::video_register_device(&vdev, raw::VflType::Video, None).inspect_err(|_| {
            raw::video_device_release(&vdev);
        })?;
        Ok(video)
    }
}

/// Identity, the one format and the one input.
fn ioctl_ops(name: &str, picture: Picture) -> V4l2IoctlOps {
    let card = name.to_owned();
    V4l2IoctlOps {
        vidioc_querycap: Some(Arc::new(move |call, cap| {
            let driver = call.vdev().dev_parent().and_then(|parent| parent.driver());
            let driver = driver.map(|driver| driver.name());
            set_text(&mut cap.driver, driver.as_deref().unwrap_or(&card));
            set_text(&mut cap.card, &card);
            Ok(())
        })),
        vidioc_enum_fmt_vid_cap: Some(Arc::new(move |_, desc| {
            desc.pixelformat = picture.pixelformat;
            match desc.index {
                0 => Ok(()),
                _ => Err(Errno::EINVAL),
            }
        })),
        vidioc_g_fmt_vid_cap: Some(Arc::new(move |_, format| {
            picture.fill(format);
            Ok(())
        })),
        vidioc_try_fmt_vid_cap: Some(Arc::new(move |_, format| {
            picture.fill(format);
            Ok(())
        })),
        vidioc_s_fmt_vid_cap: Some(Arc::new(move |call, format| {
            if call.vdev().queue().is_some_and(|queue| queue.is_busy()) {
                return Err(Errno::EBUSY);
            }
            picture.fill(format);
            Ok(())
        })),
        vidioc_enum_input: Some(Arc::new(|_, input| {
            if input.index != 0 {
                return Err(Errno::EINVAL);
            }
            input.type_ = V4L2_INPUT_TYPE_CAMERA;
            set_text(&mut input.name, "Camera 0");
            Ok(())
        })),
        vidioc_g_input: Some(Arc::new(|_, input| {
            *input = 0;
            Ok(())
        })),
        vidioc_s_input: Some(Arc::new(|_, input| match *input {
            0 => Ok(()),
            _ => Err(Errno::EINVAL),
        })),
        ..V4l2IoctlOps::default()
    }
    .with_vb2()
    .with_ctrl_events()
}

/// The queue's callbacks of a typed driver.
struct Frames<D> {
    driver: Arc<D>,
    video: OnceLock<WeakVideo>,
    size: u32,
}

impl<D: Driver> Frames<D> {
    fn video(&self) -> Option<Video> {
        self.video.get()?.upgrade()
    }
}

impl<D: Driver> Vb2Ops for Frames<D> {
    fn queue_setup(&self, _: &Vb2Queue, _: &mut u32, size: &mut u32) -> Result {
        match *size {
            0 => *size = self.size,
            small if small < self.size => return Err(Errno::EINVAL),
            _ => {}
        }
        Ok(())
    }

    fn buf_prepare(&self, buffer: &Vb2Buffer) -> Result {
        buffer.set_payload(self.size);
        buffer.set_field(V4L2_FIELD_NONE);
        Ok(())
    }

    fn buf_queue(&self, buffer: &Vb2Buffer) {
        let Some(video) = self.video() else {
            return;
        };
        let started = buffer
            .queue()
            .is_some_and(|queue| queue.info().start_streaming_called);
        video.shared.waiting.lock().push_back(buffer.clone());
        if started {
            self.driver.queued(&video);
        }
    }

    fn start_streaming(&self, _: &Vb2Queue, _: u32) -> Result {
        let video = self.video().ok_or(Errno::ENODEV)?;
        *video.shared.sequence.lock() = 0;
        self.driver.start(&video).inspect_err(|_| {
            video.give_back(Vb2State::Queued);
        })
    }

    fn stop_streaming(&self, _: &Vb2Queue) {
        if let Some(video) = self.video() {
            self.driver.stop(&video);
            video.give_back(Vb2State::Error);
        }
    }
}

/// The control callbacks of a typed driver.
struct Controls<D>(Arc<D>);

impl<D: Driver> CtrlOps for Controls<D> {
    fn s_ctrl(&self, ctrl: &raw::Ctrl, value: i32) -> Result {
        self.0.set_control(ctrl.id(), value)
    }
}
