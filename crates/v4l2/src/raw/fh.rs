//! `struct v4l2_fh`: what V4L2 keeps for one open file.
//!
//! Follows `drivers/media/v4l2-core/v4l2-fh.c`.

use core::fmt;

use lastfd_abi::v4l2::{V4L2_PRIORITY_UNSET, VIDIOC_G_PRIORITY, VIDIOC_S_PRIORITY};
use lastfd_chrdev::File;
use lastfd_model::{Errno, Result};
use lastfd_sync::{Arc, Mutex, MutexGuard, WaitQueue};

use super::ctrls::CtrlHandler;
use super::events::{EventState, v4l2_event_unsubscribe_all};
use super::prio::{V4l2Prio, v4l2_prio_close, v4l2_prio_open};
use super::video_device::{VideoDevice, VideoFlag, video_devdata};
use lastfd_model::raw::KernelMutex;

/// A handle on a `struct v4l2_fh`: the events and the priority of one open file.
#[derive(Clone)]
pub struct V4l2Fh(Arc<Inner>);

struct Inner {
    vdev: VideoDevice,
    ctrl_handler: Option<CtrlHandler>,
    /// fh->wait: who waits for events, pollers included.
    wait: Arc<WaitQueue>,
    prio: Mutex<u32>,
    subscribe_lock: KernelMutex,
    events: Mutex<EventState>,
}

impl PartialEq for V4l2Fh {
    fn eq(&self, other: &V4l2Fh) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for V4l2Fh {}

impl fmt::Debug for V4l2Fh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("V4l2Fh")
            .field("vdev", &self.0.vdev)
            .field("prio", &*self.0.prio.lock())
            .finish_non_exhaustive()
    }
}

impl V4l2Fh {
    /// The video device it is a file of.
    pub fn vdev(&self) -> &VideoDevice {
        &self.0.vdev
    }

    /// The controls it reaches.
    pub fn ctrl_handler(&self) -> Option<&CtrlHandler> {
        self.0.ctrl_handler.as_ref()
    }

    /// The queue that waiters for events and pollers are on.
    pub fn wait(&self) -> &Arc<WaitQueue> {
        &self.0.wait
    }

    /// Its priority.
    pub fn prio(&self) -> u32 {
        *self.0.prio.lock()
    }

    pub(crate) fn prio_mut(&self) -> MutexGuard<'_, u32> {
        self.0.prio.lock()
    }

    pub(crate) fn events(&self) -> MutexGuard<'_, EventState> {
        self.0.events.lock()
    }

    pub(crate) fn subscribe_lock(&self) -> &KernelMutex {
        &self.0.subscribe_lock
    }

    fn global_prio(&self) -> V4l2Prio {
        self.0.vdev.prio().unwrap_or_default()
    }
}

/// Makes the struct for a file of this device (`v4l2_fh_init`).
pub fn v4l2_fh_init(vdev: &VideoDevice) -> V4l2Fh {
    vdev.set_flag(VideoFlag::UsesV4l2Fh, true);
    let ctrl_handler = {
        let mut fields = vdev.fields();
        fields.valid_ioctls.set(VIDIOC_G_PRIORITY);
        fields.valid_ioctls.set(VIDIOC_S_PRIORITY);
        fields.ctrl_handler.clone()
    };
    V4l2Fh(Arc::new(Inner {
        vdev: vdev.clone(),
        ctrl_handler,
        wait: Arc::new(WaitQueue::new()),
        prio: Mutex::new(V4L2_PRIORITY_UNSET),
        subscribe_lock: KernelMutex::default(),
        events: Mutex::new(EventState::default()),
    }))
}

/// Adds it to the files of its device (`v4l2_fh_add`).
pub fn v4l2_fh_add(fh: &V4l2Fh) {
    v4l2_prio_open(&fh.global_prio(), &mut fh.0.prio.lock());
    fh.0.vdev.fhs().insert(0, fh.clone());
}

/// Takes it off the files of its device (`v4l2_fh_del`).
pub fn v4l2_fh_del(fh: &V4l2Fh) {
    fh.0.vdev.fhs().retain(|other| other != fh);
    v4l2_prio_close(&fh.global_prio(), fh.prio());
}

/// Ends it: its subscriptions go (`v4l2_fh_exit`).
pub fn v4l2_fh_exit(fh: &V4l2Fh) {
    v4l2_event_unsubscribe_all(fh);
}

/// Opens a file: makes its struct and hangs it on the file (`v4l2_fh_open`).
///
/// # Errors
/// `ENOMEM`.
pub fn v4l2_fh_open(file: &File) -> Result {
    let vdev = video_devdata(file).ok_or(Errno::ENODEV)?;
    file.system().allocation()?;
    let fh = v4l2_fh_init(&vdev);
    v4l2_fh_add(&fh);
    file.set_private(Arc::new(fh));
    Ok(())
}

/// The last close of a file (`v4l2_fh_release`).
pub fn v4l2_fh_release(file: &File) {
    if let Some(fh) = v4l2_fh_of(file) {
        v4l2_fh_del(&fh);
        v4l2_fh_exit(&fh);
        let private = file.take_private();
        drop(private);
    }
}

/// The struct of a file (`file->private_data`).
pub fn v4l2_fh_of(file: &File) -> Option<V4l2Fh> {
    file.private::<V4l2Fh>().map(|fh| V4l2Fh::clone(&fh))
}

/// Whether it is the only file of its device (`v4l2_fh_is_singular`).
pub fn v4l2_fh_is_singular(fh: &V4l2Fh) -> bool {
    let fhs = fh.0.vdev.fhs();
    fhs.len() == 1 && fhs.contains(fh)
}
