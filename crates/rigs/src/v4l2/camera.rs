//! A camera like vivid: a timer makes frames with a number in them, and a
//! control takes it away without taking the node.

use core::sync::atomic::Ordering;
use core::time::Duration;
use std::collections::VecDeque;

use lastfd_abi::v4l2::*;
use lastfd_chrdev::File;
use lastfd_model::raw::{Device, dev_get_drvdata, dev_set_drvdata};
use lastfd_model::resource::{Next, Resource, Timer};
use lastfd_model::{Errno, Result};
use lastfd_sync::atomic::{AtomicBool, AtomicU32};
use lastfd_sync::{Arc, Mutex, OnceLock, Weak};
use lastfd_v4l2::raw::*;

/// Pixels of a line, and lines.
pub const SIDE: u32 = 64;
/// Bytes of a frame.
pub const FRAME: usize = (SIDE * SIDE) as usize;
/// The control that disconnects.
pub const DISCONNECT: u32 = V4L2_CID_BASE + 0x1000;

/// What makes the frames.
pub struct Frames {
    /// The buffers the hardware may fill, in order.
    pub active: Mutex<VecDeque<Vb2Buffer>>,
    next: AtomicU32,
    /// No frame ever comes.
    silent: bool,
    period: Duration,
    timer: OnceLock<Timer>,
    /// The next start fails, and gives the buffers back or not.
    pub fail_start: Mutex<Option<bool>>,
    /// The next buf_prepare fails.
    pub fail_prepare: AtomicBool,
    /// The next stop keeps the buffers.
    pub keep_at_stop: AtomicBool,
    /// Calls of buf_finish, by buffer.
    pub finished: AtomicU32,
    /// Calls of buf_prepare that succeeded.
    pub prepared: AtomicU32,
    /// The control took the camera away (`dev->disconnect_error`).
    disconnected: AtomicBool,
    /// A frame is being made; the stop waits for it.
    making: Mutex<()>,
}

impl Frames {
    fn new(parent: &Device, period: Option<Duration>) -> Arc<Frames> {
        let frames = Arc::new(Frames {
            active: Mutex::new(VecDeque::new()),
            next: AtomicU32::new(0),
            silent: period.is_none(),
            period: period.unwrap_or(Duration::from_secs(1)),
            timer: OnceLock::new(),
            fail_start: Mutex::new(None),
            fail_prepare: AtomicBool::new(false),
            keep_at_stop: AtomicBool::new(false),
            finished: AtomicU32::new(0),
            prepared: AtomicU32::new(0),
            disconnected: AtomicBool::new(false),
            making: Mutex::new(()),
        });
        let weak: Weak<Frames> = Arc::downgrade(&frames);
        let timer = Timer::new(&parent.system(), Some(parent), "frames", move || match weak
            .upgrade()
        {
            Some(frames) => {
                frames.produce();
                Next::After(frames.period)
            }
            None => Next::Stop,
        });
        assert!(frames.timer.set(timer).is_ok());
        frames
    }

    /// Fills the first buffer there is.
    pub fn produce(&self) {
        let _making = self.making.lock();
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let buffer = self.active.lock().pop_front();
        if let Some(buffer) = buffer {
            buffer.write(0, &number.to_le_bytes()).unwrap();
            buffer.set_payload(FRAME as u32);
            buffer.set_sequence(number);
            buffer.set_field(V4L2_FIELD_NONE);
            if let Some(queue) = buffer.queue() {
                buffer.set_timestamp(queue.system().clock().now().0);
            }
            vb2_buffer_done(&buffer, Vb2State::Done);
        }
    }

    fn give_back(&self, state: Vb2State) {
        let all = core::mem::take(&mut *self.active.lock());
        for buffer in all {
            vb2_buffer_done(&buffer, state);
        }
    }

    fn timer(&self) -> &Timer {
        self.timer.get().unwrap()
    }
}

impl Vb2Ops for Frames {
    fn queue_setup(&self, _: &Vb2Queue, _: &mut u32, size: &mut u32) -> Result {
        match *size {
            0 => *size = FRAME as u32,
            small if small < FRAME as u32 => return Err(Errno::EINVAL),
            _ => {}
        }
        Ok(())
    }

    fn buf_prepare(&self, buffer: &Vb2Buffer) -> Result {
        if self.fail_prepare.swap(false, Ordering::Relaxed) {
            return Err(Errno::EIO);
        }
        self.prepared.fetch_add(1, Ordering::Relaxed);
        buffer.set_payload(FRAME as u32);
        Ok(())
    }

    fn buf_finish(&self, _: &Vb2Buffer) {
        self.finished.fetch_add(1, Ordering::Relaxed);
    }

    fn buf_queue(&self, buffer: &Vb2Buffer) {
        self.active.lock().push_back(buffer.clone());
    }

    fn start_streaming(&self, _: &Vb2Queue, _: u32) -> Result {
        self.next.store(0, Ordering::Relaxed);
        match self.fail_start.lock().take() {
            Some(true) => {
                self.give_back(Vb2State::Queued);
                return Err(Errno::EIO);
            }
            Some(false) => return Err(Errno::EIO),
            None => {}
        }
        if !self.silent {
            self.timer().start(self.period);
        }
        Ok(())
    }

    fn stop_streaming(&self, _: &Vb2Queue) {
        self.timer().cancel();
        let _making = self.making.lock();
        if self.keep_at_stop.swap(false, Ordering::Relaxed) {
            return;
        }
        self.give_back(Vb2State::Error);
    }
}

/// The control "Disconnect".
struct Disconnect {
    vdev: OnceLock<VideoDevice>,
    frames: Arc<Frames>,
}

impl CtrlOps for Disconnect {
    // vivid-ctrls.c: vivid_unregister_dev
    fn s_ctrl(&self, ctrl: &Ctrl, _: i32) -> Result {
        if ctrl.id() == DISCONNECT
            && let Some(vdev) = self.vdev.get()
        {
            self.frames.disconnected.store(true, Ordering::SeqCst);
            vdev.set_flag(VideoFlag::Registered, false);
            v4l2_event_wake_all(vdev);
        }
        Ok(())
    }
}

/// One camera, from probe to remove.
#[derive(Clone)]
pub struct Camera {
    /// What the driver has once.
    pub v4l2: V4l2Device,
    /// The node.
    pub vdev: VideoDevice,
    /// Its buffers.
    pub queue: Vb2Queue,
    /// What makes the frames.
    pub frames: Arc<Frames>,
    /// Its controls.
    pub ctrls: CtrlHandler,
}

fn pix() -> V4l2PixFormat {
    V4l2PixFormat {
        width: SIDE,
        height: SIDE,
        pixelformat: V4L2_PIX_FMT_GREY,
        field: V4L2_FIELD_NONE,
        bytesperline: SIDE,
        sizeimage: FRAME as u32,
        colorspace: V4L2_COLORSPACE_RAW,
        ..V4l2PixFormat::default()
    }
}

fn set_format(format: &mut V4l2Format) {
    format.set_pix(&pix());
}

/// What the camera's ioctls do.
fn ioctl_ops() -> V4l2IoctlOps {
    V4l2IoctlOps {
        vidioc_querycap: Some(Arc::new(|_, cap| {
            set_text(&mut cap.driver, "camera");
            set_text(&mut cap.card, "A camera");
            Ok(())
        })),
        vidioc_enum_fmt_vid_cap: Some(Arc::new(|_, desc| {
            desc.pixelformat = V4L2_PIX_FMT_GREY;
            match desc.index {
                0 => Ok(()),
                _ => Err(Errno::EINVAL),
            }
        })),
        vidioc_g_fmt_vid_cap: Some(Arc::new(|_, format| {
            set_format(format);
            Ok(())
        })),
        vidioc_try_fmt_vid_cap: Some(Arc::new(|_, format| {
            set_format(format);
            Ok(())
        })),
        vidioc_s_fmt_vid_cap: Some(Arc::new(|call, format| {
            if call.vdev().queue().is_some_and(|queue| queue.is_busy()) {
                return Err(Errno::EBUSY);
            }
            set_format(format);
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

impl Camera {
    /// Probes: a frame every `period`, or none ever.
    pub fn probe(parent: &Device, period: Option<Duration>) -> Result<Camera> {
        Camera::probe_with(parent, period, |_| {})
    }

    /// As [`Camera::probe`]; `change` sees the video device before it is
    /// registered.
    pub fn probe_with(
        parent: &Device,
        period: Option<Duration>,
        change: impl FnOnce(&VideoDevice),
    ) -> Result<Camera> {
        let system = parent.system();
        let v4l2 = V4l2Device::new(&system);
        v4l2_device_register(Some(parent), &v4l2)?;
        v4l2.set_release(v4l2_device_unregister);
        let frames = Frames::new(parent, period);
        let made = Camera::make(&v4l2, &frames, change);
        match &made {
            Ok(camera) => dev_set_drvdata(parent, Some(Arc::new(camera.clone()))),
            Err(_) => {
                frames.timer().free();
                v4l2_device_put(&v4l2);
            }
        }
        made
    }

    fn make(
        v4l2: &V4l2Device,
        frames: &Arc<Frames>,
        change: impl FnOnce(&VideoDevice),
    ) -> Result<Camera> {
        let system = v4l2.system().clone();
        let lock = VideoLock::new();
        let ops: Arc<dyn Vb2Ops> = frames.clone();
        let queue = vb2_queue_init(
            &system,
            Vb2QueueSpec {
                ops: Some(ops),
                min_reqbufs_allocation: 2,
                lock: Some(lock.clone()),
                ..Vb2QueueSpec::default()
            },
        )?;
        let ctrls = v4l2_ctrl_handler_init(&system)?;
        let disconnect = Arc::new(Disconnect {
            vdev: OnceLock::new(),
            frames: Arc::clone(frames),
        });
        let ops: Arc<dyn CtrlOps> = disconnect.clone();
        v4l2_ctrl_new_std(
            &ctrls,
            Some(ops.clone()),
            V4L2_CID_BRIGHTNESS,
            0,
            255,
            1,
            128,
        )?;
        let config = CtrlConfig {
            id: DISCONNECT,
            name: "Disconnect".into(),
            type_: V4L2_CTRL_TYPE_BUTTON,
            ..CtrlConfig::default()
        };
        v4l2_ctrl_new_custom(&ctrls, config, Some(ops))?;
        let vdev = video_device_alloc(&system)?;
        assert!(disconnect.vdev.set(vdev.clone()).is_ok());
        vdev.set_name("vivid-000-vid-cap");
        vdev.set_v4l2_dev(v4l2);
        vdev.set_lock(&lock);
        vdev.set_queue(&queue);
        vdev.set_ctrl_handler(&ctrls);
        vdev.set_device_caps(V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING | V4L2_CAP_READWRITE);
        let of_files = Arc::clone(frames);
        vdev.set_fops(V4l2FileOperations {
            release: Some(Arc::new(move |file| release(file, &of_files))),
            write: Some(Arc::new(|_, _| Err(Errno::EINVAL).into())),
            ..V4l2FileOperations::vb2()
        });
        vdev.set_ioctl_ops(ioctl_ops());
        let of_release = ctrls.clone();
        vdev.set_release(move |vdev| {
            v4l2_ctrl_handler_free(&of_release);
            video_device_release(vdev);
        });
        change(&vdev);
        if let Err(errno) = video_register_device(&vdev, VflType::Video, None) {
            v4l2_ctrl_handler_free(&ctrls);
            video_device_release(&vdev);
            return Err(errno);
        }
        Ok(Camera {
            v4l2: v4l2.clone(),
            vdev,
            queue,
            frames: Arc::clone(frames),
            ctrls,
        })
    }

    /// What vivid's remove does.
    pub fn remove(parent: &Device) {
        let data = dev_get_drvdata(parent).and_then(|data| data.downcast::<Camera>().ok());
        let Some(camera) = data else {
            return;
        };
        dev_set_drvdata(parent, None);
        reconnect(&camera.vdev, &camera.frames);
        vb2_video_unregister_device(&camera.vdev);
        camera.frames.timer().free();
        v4l2_device_disconnect(&camera.v4l2);
        v4l2_device_put(&camera.v4l2);
    }
}

/// vivid_reconnect, if the control took it away.
fn reconnect(vdev: &VideoDevice, frames: &Frames) {
    if frames.disconnected.swap(false, Ordering::SeqCst) {
        vdev.set_flag(VideoFlag::Registered, true);
    }
}

// vivid-core.c: vivid_fop_release
fn release(file: &File, frames: &Frames) {
    if let Some(vdev) = video_devdata(file)
        && v4l2_fh_of(file).is_some_and(|fh| v4l2_fh_is_singular(&fh))
    {
        reconnect(&vdev, frames);
    }
    vb2_fop_release(file);
}
