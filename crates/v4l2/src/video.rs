//! A camera as its driver sees it, and the frames it fills.

use core::fmt;
use core::time::Duration;
use std::collections::VecDeque;

use lastfd_abi::v4l2::{V4L2_EVENT_FRAME_SYNC, V4l2Event};
use lastfd_model::typed::{Device, Framework};
use lastfd_model::{Result, System};
use lastfd_sync::{Arc, Mutex, Weak};

use crate::picture::{Picture, Pictures};
use crate::raw::{self, Vb2Buffer, Vb2State};

/// A registered camera, as its driver sees it: lent to the callbacks, and to be
/// kept by whatever makes the frames.
#[derive(Clone)]
pub struct Video {
    pub(crate) vdev: raw::VideoDevice,
    pub(crate) shared: Arc<Shared>,
}

/// What a camera and its frames share.
pub(crate) struct Shared {
    /// Buffers that came in and were not asked for yet.
    pub(crate) waiting: Mutex<VecDeque<Vb2Buffer>>,
    /// The number of the next frame.
    pub(crate) sequence: Mutex<u32>,
    pictures: Arc<Pictures>,
    connection: Mutex<Connection>,
}

impl Shared {
    pub(crate) fn new(pictures: Arc<Pictures>) -> Shared {
        Shared {
            waiting: Mutex::default(),
            sequence: Mutex::new(0),
            pictures,
            connection: Mutex::new(Connection::There),
        }
    }
}

/// Whether [`Video::disconnect`] was called.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Connection {
    There,
    Lost,
    /// The camera is being unregistered, and calls it nothing else any more.
    Ending,
}

/// What the queue's callbacks know of their camera, which holds the queue.
pub(crate) struct WeakVideo {
    vdev: raw::WeakVideoDevice,
    shared: Weak<Shared>,
}

impl WeakVideo {
    pub(crate) fn upgrade(&self) -> Option<Video> {
        Some(Video {
            vdev: self.vdev.upgrade()?,
            shared: self.shared.upgrade()?,
        })
    }
}

impl Video {
    pub(crate) fn downgrade(&self) -> WeakVideo {
        WeakVideo {
            vdev: self.vdev.downgrade(),
            shared: Arc::downgrade(&self.shared),
        }
    }

    /// Gives back what the driver did not ask for.
    pub(crate) fn give_back(&self, state: Vb2State) {
        let left = core::mem::take(&mut *self.shared.waiting.lock());
        for buffer in left {
            raw::vb2_buffer_done(&buffer, state);
        }
    }

    /// The next buffer that wants a frame; none if all are filled or frames are
    /// not wanted.
    pub fn next_frame(&self) -> Option<Frame> {
        let buffer = self.shared.waiting.lock().pop_front()?;
        self.frame_begins();
        Some(Frame {
            buffer: Some(buffer),
            shared: Arc::clone(&self.shared),
        })
    }

    /// The camera's own device, `video0`.
    pub fn device(&self) -> Option<Device<Framework>> {
        self.vdev.dev().map(|dev| Device::of_framework(&dev))
    }

    /// The System.
    pub fn system(&self) -> &System {
        self.vdev.system()
    }

    /// The format and size that frames have now.
    pub fn picture(&self) -> Picture {
        self.shared.pictures.picture()
    }

    /// The time from one frame to the next, if the camera has one.
    pub fn interval(&self) -> Option<Duration> {
        self.shared.pictures.interval()
    }

    /// A frame was taken and found no buffer: its number is missing.
    pub fn lose_frame(&self) {
        self.frame_begins();
        let mut sequence = self.shared.sequence.lock();
        *sequence = sequence.wrapping_add(1);
    }

    /// Whoever subscribed to `V4L2_EVENT_FRAME_SYNC` is told.
    fn frame_begins(&self) {
        let mut event = V4l2Event {
            type_: V4L2_EVENT_FRAME_SYNC,
            ..V4l2Event::default()
        };
        event.set_frame_sequence(*self.shared.sequence.lock());
        raw::v4l2_event_queue(&self.vdev, &event);
    }

    /// The next frame has this number; those after it follow.
    pub fn count_from(&self, number: u32) {
        *self.shared.sequence.lock() = number;
    }

    /// Whether programs get through to it.
    pub fn is_registered(&self) -> bool {
        raw::video_is_registered(&self.vdev)
    }

    /// The value of a control.
    pub fn control(&self, id: u32) -> Option<i32> {
        let controls = self.vdev.ctrl_handler()?;
        raw::v4l2_ctrl_find(&controls, id).map(|ctrl| ctrl.cur())
    }

    /// Tells of a device that cannot go on: who waits for a frame gets `EIO`.
    #[track_caller]
    pub fn fail(&self) {
        if let Some(queue) = self.vdev.queue() {
            raw::vb2_queue_error(&queue);
        }
    }

    /// Makes every call on the node fail while the node stays, as a driver does
    /// that lost its hardware and does not unregister. No frame ends by it.
    #[track_caller]
    pub fn disconnect(&self) {
        let mut connection = self.shared.connection.lock();
        if *connection == Connection::There {
            *connection = Connection::Lost;
            self.vdev.set_flag(raw::VideoFlag::Registered, false);
        }
        drop(connection);
        raw::v4l2_event_wake_all(&self.vdev);
    }

    /// Ends [`disconnect`](Video::disconnect), and tells whether it was called.
    pub fn reconnect(&self) -> bool {
        let mut connection = self.shared.connection.lock();
        let lost = *connection == Connection::Lost;
        if lost {
            *connection = Connection::There;
            self.vdev.set_flag(raw::VideoFlag::Registered, true);
        }
        lost
    }

    /// The camera is about to be unregistered. A device whose flag is clear would
    /// not be, says the core; vivid's remove sets it again too.
    pub(crate) fn end_disconnects(&self) {
        let mut connection = self.shared.connection.lock();
        *connection = Connection::Ending;
        self.vdev.set_flag(raw::VideoFlag::Registered, true);
    }

    /// The raw face's handle.
    pub fn raw(&self) -> &raw::VideoDevice {
        &self.vdev
    }
}

impl fmt::Debug for Video {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Video").field(&self.vdev).finish()
    }
}

/// A buffer that the driver has, to put a frame into. Dropping it gives it back
/// without one: the program gets it with an error flag.
#[must_use = "dropping a frame gives its buffer back with an error"]
pub struct Frame {
    buffer: Option<Vb2Buffer>,
    shared: Arc<Shared>,
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Frame").field(&self.buffer).finish()
    }
}

impl Frame {
    fn buffer(&self) -> &Vb2Buffer {
        self.buffer
            .as_ref()
            .expect("a frame has its buffer until it is done")
    }

    /// Bytes there is room for.
    pub fn size(&self) -> u32 {
        self.buffer().size()
    }

    /// Writes a part of the picture.
    ///
    /// # Errors
    /// `EFAULT` outside the buffer.
    pub fn write(&self, offset: usize, bytes: &[u8]) -> Result {
        self.buffer().write(offset, bytes)
    }

    /// The frame is complete: a program may take it, with the next number and
    /// the time it is now.
    #[track_caller]
    pub fn done(mut self) {
        let buffer = self.buffer();
        if let Some(queue) = buffer.queue() {
            buffer.set_timestamp(queue.system().clock().now().0);
        }
        {
            let mut sequence = self.shared.sequence.lock();
            buffer.set_sequence(*sequence);
            *sequence = sequence.wrapping_add(1);
        }
        self.give_back(Vb2State::Done);
    }

    #[track_caller]
    fn give_back(&mut self, state: Vb2State) {
        let Some(buffer) = self.buffer.take() else {
            return;
        };
        // The queue took back what was left at the stop, and said so.
        if buffer.state() == Vb2State::Active {
            raw::vb2_buffer_done(&buffer, state);
        }
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        self.give_back(Vb2State::Error);
    }
}
