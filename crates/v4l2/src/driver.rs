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

use crate::picture::{self, Picture, Pictures};
use crate::raw::{self, CtrlOps, V4l2Fh, V4l2IoctlOps, Vb2Buffer, Vb2Ops, Vb2Queue, Vb2State};
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

    /// The last open file is being closed; its stream is still there.
    fn last_close(&self, video: &Video) {
        let _ = video;
    }
}

/// Buffers that read() uses, and the fewest that a program gets.
pub(crate) const READ_BUFFERS: u32 = 2;

/// A control of a camera, of the standard ones.
#[derive(Clone, Copy, Debug)]
enum Control {
    Value {
        id: u32,
        min: i32,
        max: i32,
        step: u32,
        default: i32,
    },
    Menu {
        id: u32,
        max: u8,
        default: u8,
    },
}

impl Control {
    fn add(&self, controls: &raw::CtrlHandler, ops: Arc<dyn CtrlOps>) -> Result {
        match *self {
            Control::Value {
                id,
                min,
                max,
                step,
                default,
            } => {
                let (min, max, step) = (min.into(), max.into(), step.into());
                raw::v4l2_ctrl_new_std(controls, Some(ops), id, min, max, step, default.into())
            }
            Control::Menu { id, max, default } => {
                raw::v4l2_ctrl_new_std_menu(controls, Some(ops), id, max, 0, default)
            }
        }
        .map(drop)
    }
}

/// A camera that nobody can see yet.
#[derive(Debug)]
#[must_use = "a camera that is not registered is not there"]
pub struct Builder<'a> {
    parent: &'a Device<Bound>,
    name: String,
    pictures: Vec<Picture>,
    intervals: Vec<V4l2Fract>,
    controls: Vec<Control>,
}

impl<'a> Builder<'a> {
    /// A camera on this device, with the picture it starts with.
    pub fn new(parent: &'a Device<Bound>, name: &str, picture: Picture) -> Builder<'a> {
        Builder {
            parent,
            name: name.to_owned(),
            pictures: vec![picture],
            intervals: Vec::new(),
            controls: Vec::new(),
        }
    }

    /// With more formats and sizes, for programs to choose from. What is chosen,
    /// [`Video::picture`] tells.
    pub fn pictures(mut self, pictures: impl IntoIterator<Item = Picture>) -> Builder<'a> {
        self.pictures.extend(pictures);
        self
    }

    /// With times between frames, seconds as fractions, for programs to choose
    /// from; the first is the one it starts with. What is chosen,
    /// [`Video::interval`] tells. Without any, programs cannot ask for them.
    pub fn intervals(mut self, intervals: impl IntoIterator<Item = V4l2Fract>) -> Builder<'a> {
        self.intervals.extend(intervals);
        self
    }

    /// With a standard control, such as
    /// [`V4L2_CID_BRIGHTNESS`](lastfd_abi::v4l2::V4L2_CID_BRIGHTNESS).
    pub fn control(mut self, id: u32, min: i32, max: i32, step: u32, default: i32) -> Builder<'a> {
        self.controls.push(Control::Value {
            id,
            min,
            max,
            step,
            default,
        });
        self
    }

    /// With a standard control that does something when it is written to, such
    /// as [`V4L2_CID_DO_WHITE_BALANCE`](lastfd_abi::v4l2::V4L2_CID_DO_WHITE_BALANCE).
    pub fn button(self, id: u32) -> Builder<'a> {
        self.control(id, 0, 0, 0, 0)
    }

    /// With a standard control of items 0 to `max`, such as
    /// [`V4L2_CID_POWER_LINE_FREQUENCY`](lastfd_abi::v4l2::V4L2_CID_POWER_LINE_FREQUENCY).
    pub fn menu(mut self, id: u32, max: u8, default: u8) -> Builder<'a> {
        self.controls.push(Control::Menu { id, max, default });
        self
    }

    /// Registers it: from here on programs can open it, until the driver is
    /// unbound.
    ///
    /// # Errors
    /// `EINVAL` for a picture without bytes or an interval without time; `ERANGE` for a control that cannot
    /// be; `ENOMEM`, `ENFILE`. Nothing is left then.
    #[track_caller]
    pub fn register<D: Driver>(self, driver: D) -> Result<Video> {
        let pictures = Pictures::new(self.pictures.clone(), self.intervals.clone());
        let pictures = Arc::new(pictures.ok_or(Errno::EINVAL)?);
        let parent = self.parent.raw();
        let v4l2 = raw::V4l2Device::new(&parent.system());
        raw::v4l2_device_register(Some(parent), &v4l2)?;
        v4l2.set_release(raw::v4l2_device_unregister);
        let video = self
            .make(&v4l2, pictures, Arc::new(driver))
            .inspect_err(|_| {
                raw::v4l2_device_put(&v4l2);
            })?;
        let ended = video.clone();
        let end = Action::new(move || {
            ended.end_disconnects();
            raw::vb2_video_unregister_device(&ended.vdev);
            raw::v4l2_device_disconnect(&v4l2);
            raw::v4l2_device_put(&v4l2);
        });
        devm_add_action_or_reset(parent, end.named("vb2_video_unregister_device"))?;
        Ok(video)
    }

    fn make<D: Driver>(
        &self,
        v4l2: &raw::V4l2Device,
        pictures: Arc<Pictures>,
        driver: Arc<D>,
    ) -> Result<Video> {
        let system = v4l2.system().clone();
        let vdev = raw::video_device_alloc(&system)?;
        let video = Video {
            vdev: vdev.clone(),
            shared: Arc::new(Shared::new(Arc::clone(&pictures))),
        };
        let lock = raw::VideoLock::new();
        let frames = Arc::new(Frames {
            driver: Arc::clone(&driver),
            video: OnceLock::new(),
            pictures: Arc::clone(&pictures),
        });
        let ops: Arc<dyn Vb2Ops> = frames.clone();
        let queue = raw::vb2_queue_init(
            &system,
            raw::Vb2QueueSpec {
                ops: Some(ops),
                min_reqbufs_allocation: READ_BUFFERS,
                lock: Some(lock.clone()),
                ..raw::Vb2QueueSpec::default()
            },
        )?;
        // Its own, made a moment ago.
        let _ = frames.video.set(video.downgrade());
        let controls = raw::v4l2_ctrl_handler_init(&system)?;
        for control in &self.controls {
            let ops: Arc<dyn CtrlOps> = Arc::new(Controls(Arc::clone(&driver)));
            control.add(&controls, ops)?;
        }
        vdev.set_name(&self.name);
        vdev.set_v4l2_dev(v4l2);
        vdev.set_lock(&lock);
        vdev.set_queue(&queue);
        vdev.set_ctrl_handler(&controls);
        vdev.set_device_caps(V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING | V4L2_CAP_READWRITE);
        let closed = Arc::clone(&frames);
        vdev.set_fops(raw::V4l2FileOperations {
            release: Some(Arc::new(move |file| {
                let fh = raw::v4l2_fh_of(file);
                if let Some(video) = closed.video()
                    && fh.is_some_and(|fh| raw::v4l2_fh_is_singular(&fh))
                {
                    closed.driver.last_close(&video);
                }
                raw::vb2_fop_release(file);
            })),
            ..raw::V4l2FileOperations::vb2()
        });
        vdev.set_ioctl_ops(ioctl_ops(&self.name, &pictures));
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

/// Identity, pictures, and the one input.
fn ioctl_ops(name: &str, pictures: &Arc<Pictures>) -> V4l2IoctlOps {
    let card = name.to_owned();
    let ops = V4l2IoctlOps {
        vidioc_querycap: Some(Arc::new(move |call, cap| {
            let driver = call.vdev().dev_parent().and_then(|parent| parent.driver());
            let driver = driver.map(|driver| driver.name());
            set_text(&mut cap.driver, driver.as_deref().unwrap_or(&card));
            set_text(&mut cap.card, &card);
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
        ..picture::ioctl_ops(pictures)
    };
    V4l2IoctlOps {
        vidioc_subscribe_event: Some(Arc::new(subscribe)),
        ..ops.with_vb2().with_ctrl_events()
    }
}

/// Frames that a program has not asked after: the newest are kept.
const FRAME_SYNCS: usize = 4;

/// Controls, and the beginning of frames.
fn subscribe(fh: &V4l2Fh, sub: &V4l2EventSubscription) -> Result {
    match sub.type_ {
        V4L2_EVENT_FRAME_SYNC => raw::v4l2_event_subscribe(fh, sub, FRAME_SYNCS, None),
        _ => raw::v4l2_ctrl_subscribe_event(fh, sub),
    }
}

/// The queue's callbacks of a typed driver.
struct Frames<D> {
    driver: Arc<D>,
    video: OnceLock<WeakVideo>,
    pictures: Arc<Pictures>,
}

impl<D: Driver> Frames<D> {
    fn video(&self) -> Option<Video> {
        self.video.get()?.upgrade()
    }
}

impl<D: Driver> Vb2Ops for Frames<D> {
    fn queue_setup(&self, _: &Vb2Queue, _: &mut u32, size: &mut u32) -> Result {
        match *size {
            0 => *size = self.pictures.picture().size(),
            small if small < self.pictures.picture().size() => return Err(Errno::EINVAL),
            _ => {}
        }
        Ok(())
    }

    fn buf_prepare(&self, buffer: &Vb2Buffer) -> Result {
        let size = self.pictures.picture().size();
        if buffer.size() < size {
            return Err(Errno::EINVAL);
        }
        buffer.set_payload(size);
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
