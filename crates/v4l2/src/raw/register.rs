//! Registration, unregistration and the end of a video device.
//!
//! Follows `drivers/media/v4l2-core/v4l2-dev.c`. The order of the steps is what
//! this file is about.

use lastfd_abi::v4l2::*;
use lastfd_chrdev::{Cdev, cdev_add, cdev_del};
use lastfd_model::raw::{
    DevT, DeviceSpec, dev_set_release, device_add, device_initialize, device_unregister,
    no_release, put_device,
};
use lastfd_model::{Errno, Result};
use lastfd_sync::Arc;

use super::core::{Place, V4l2Core, VIDEO_MAJOR};
use super::events::v4l2_event_wake_all;
use super::fops::VideoFops;
use super::v4l2_device::{V4l2Device, get_for, put_for};
use super::video_device::{IoctlSet, VflDir, VflType, VideoDevice, VideoFlag};
use super::warn::{message, warn};
use crate::event::V4l2EventKind;

/// What the kernel calls the lock.
const LOCK: &str = "videodev_lock";

/// Whether calls get through to the driver (`video_is_registered`).
pub fn video_is_registered(vdev: &VideoDevice) -> bool {
    vdev.has_flag(VideoFlag::Registered)
}

/// Registers the device: a node number (the wanted one or the next free one), a
/// minor, a node, attributes, a reference on its `v4l2_device`; then calls get
/// through to the driver (`video_register_device`).
///
/// # Errors
/// `EINVAL` and a splat without a release callback, a `v4l2_device` or
/// capabilities; `ENFILE` without a free number or minor; what `device_add`
/// gives. The device was then never registered: the driver frees it.
// v4l2-dev.c: __video_register_device
#[track_caller]
pub fn video_register_device(vdev: &VideoDevice, type_: VflType, nr: Option<u32>) -> Result {
    let v4l2_dev = {
        let mut fields = vdev.fields();
        fields.place = None;
        let missing = if fields.release.is_none() {
            Some("a release callback")
        } else if fields.v4l2_dev.is_none() {
            Some("its v4l2_device")
        } else if type_ != VflType::Subdev && fields.device_caps == 0 {
            Some("device_caps")
        } else {
            None
        };
        let v4l2_dev = fields.v4l2_dev.clone();
        drop(fields);
        match (missing, v4l2_dev) {
            (None, Some(v4l2_dev)) => v4l2_dev,
            (missing, _) => {
                let text = format!("video_register_device without {}", missing.unwrap_or("it"));
                warn(vdev.system(), None, text);
                return Err(Errno::EINVAL);
            }
        }
    };
    let system = vdev.system().clone();
    let core = V4l2Core::of(&system);
    let class = core.start(&system)?;
    let parent = {
        let mut fields = vdev.fields();
        fields.vfl_type = type_;
        fields.cdev = None;
        if fields.dev_parent.is_none() {
            fields.dev_parent = v4l2_dev.dev();
        }
        if fields.ctrl_handler.is_none() {
            fields.ctrl_handler = v4l2_dev.ctrl_handler();
        }
        if fields.prio.is_none() {
            fields.prio = Some(v4l2_dev.prio().clone());
        }
        fields.dev_parent.clone()
    };
    let place = {
        let _registering = core.videodev_lock.lock(&system, || None, LOCK);
        let place = core.take(vdev, type_, nr).inspect_err(|_| {
            message(&system, None, "could not get a free device node number");
        })?;
        vdev.fields().place = Some(place);
        place
    };
    determine_valid_ioctls(vdev);

    let devt = DevT {
        major: VIDEO_MAJOR,
        minor: place.minor,
    };
    let added = system.allocation().and_then(|()| {
        let cdev = Cdev::new(&system, Arc::new(VideoFops));
        cdev_add(&cdev, devt, 1)?;
        vdev.fields().cdev = Some(cdev);
        Ok(())
    });
    if let Err(errno) = added {
        clean_up(&core, vdev, type_, place);
        return Err(errno);
    }
    let of_release = vdev.downgrade();
    let dev = device_initialize(
        &system,
        DeviceSpec {
            name: Some(format!("{}{}", type_.name_base(), place.num)),
            parent,
            class: Some(class),
            devt: Some(devt),
            release: Some(Arc::new(move |_| {
                if let Some(vdev) = of_release.upgrade() {
                    v4l2_device_release(&vdev);
                }
            })),
            ..DeviceSpec::default()
        },
    );
    vdev.fields().dev = Some(dev.clone());
    let registering = core.videodev_lock.lock(&system, || None, LOCK);
    if let Err(errno) = device_add(&dev) {
        drop(registering);
        message(&system, None, "device_register failed");
        // The kernel puts nothing here and so loses what device_register made;
        // a put once freed the video device twice and was taken back. No driver
        // is to blame for it, so it is let go of without a release.
        dev_set_release(&dev, no_release());
        put_device(&dev);
        clean_up(&core, vdev, type_, place);
        return Err(errno);
    }
    if let Some(wanted) = nr
        && wanted != place.num
    {
        let base = type_.name_base();
        let text = format!("requested {base}{wanted}, got {base}{}", place.num);
        message(&system, Some(dev.device_ref()), text);
    }
    get_for(&v4l2_dev, V4l2Device::BY_NODE);
    if let Some(queue) = vdev.queue() {
        queue.belongs_to(dev.device_ref());
    }
    vdev.set_flag(VideoFlag::Registered, true);
    drop(registering);
    vdev.emit(|| V4l2EventKind::Registered);
    Ok(())
}

/// The failure's way out: cleanup of __video_register_device.
fn clean_up(core: &V4l2Core, vdev: &VideoDevice, type_: VflType, place: Place) {
    let _registering = core.videodev_lock.lock(vdev.system(), || None, LOCK);
    let cdev = vdev.fields().cdev.take();
    if let Some(cdev) = &cdev {
        cdev_del(cdev);
    }
    core.give_back(vdev, type_, place);
    let gone = {
        let mut fields = vdev.fields();
        fields.place = None;
        fields.dev.take()
    };
    drop((gone, cdev));
}

/// Which ioctls the driver has functions for.
// v4l2-dev.c: determine_valid_ioctls
fn determine_valid_ioctls(vdev: &VideoDevice) {
    let mut fields = vdev.fields();
    let Some(ops) = fields.ioctl_ops.clone() else {
        return;
    };
    let caps = fields.device_caps;
    let is_vid = fields.vfl_type == VflType::Video
        && caps
            & (V4L2_CAP_VIDEO_CAPTURE
                | V4L2_CAP_VIDEO_CAPTURE_MPLANE
                | V4L2_CAP_VIDEO_OUTPUT
                | V4L2_CAP_VIDEO_OUTPUT_MPLANE
                | V4L2_CAP_VIDEO_M2M
                | V4L2_CAP_VIDEO_M2M_MPLANE)
            != 0;
    let is_rx = fields.vfl_dir == VflDir::Rx;
    let has_streaming = caps & V4L2_CAP_STREAMING != 0;
    let controls = fields.ctrl_handler.is_some();
    let mut valid = IoctlSet::default();
    let rows = [
        (VIDIOC_QUERYCAP, ops.vidioc_querycap.is_some()),
        (VIDIOC_G_PRIORITY, true),
        (VIDIOC_S_PRIORITY, true),
        (VIDIOC_QUERYCTRL, controls),
        (VIDIOC_QUERY_EXT_CTRL, controls),
        (VIDIOC_G_CTRL, controls),
        (VIDIOC_S_CTRL, controls),
        (VIDIOC_G_EXT_CTRLS, controls),
        (VIDIOC_S_EXT_CTRLS, controls),
        (VIDIOC_TRY_EXT_CTRLS, controls),
        (VIDIOC_QUERYMENU, controls),
        (VIDIOC_LOG_STATUS, ops.vidioc_log_status.is_some()),
        // Yes, by the function that subscribes.
        (VIDIOC_DQEVENT, ops.vidioc_subscribe_event.is_some()),
        (VIDIOC_SUBSCRIBE_EVENT, ops.vidioc_subscribe_event.is_some()),
        (
            VIDIOC_UNSUBSCRIBE_EVENT,
            ops.vidioc_unsubscribe_event.is_some(),
        ),
        (
            VIDIOC_ENUM_FMT,
            is_vid && is_rx && ops.vidioc_enum_fmt_vid_cap.is_some(),
        ),
        (
            VIDIOC_G_FMT,
            is_vid && is_rx && ops.vidioc_g_fmt_vid_cap.is_some(),
        ),
        (
            VIDIOC_S_FMT,
            is_vid && is_rx && ops.vidioc_s_fmt_vid_cap.is_some(),
        ),
        (
            VIDIOC_TRY_FMT,
            is_vid && is_rx && ops.vidioc_try_fmt_vid_cap.is_some(),
        ),
        (
            VIDIOC_ENUM_FRAMESIZES,
            is_vid && ops.vidioc_enum_framesizes.is_some(),
        ),
        (
            VIDIOC_ENUM_FRAMEINTERVALS,
            is_vid && ops.vidioc_enum_frameintervals.is_some(),
        ),
        (VIDIOC_G_PARM, is_vid && ops.vidioc_g_parm.is_some()),
        (VIDIOC_S_PARM, is_vid && ops.vidioc_s_parm.is_some()),
        (
            VIDIOC_ENUMINPUT,
            is_vid && is_rx && ops.vidioc_enum_input.is_some(),
        ),
        (
            VIDIOC_G_INPUT,
            is_vid && is_rx && ops.vidioc_g_input.is_some(),
        ),
        (
            VIDIOC_S_INPUT,
            is_vid && is_rx && ops.vidioc_s_input.is_some(),
        ),
        (
            VIDIOC_REQBUFS,
            has_streaming && ops.vidioc_reqbufs.is_some(),
        ),
        (
            VIDIOC_QUERYBUF,
            has_streaming && ops.vidioc_querybuf.is_some(),
        ),
        (VIDIOC_QBUF, has_streaming && ops.vidioc_qbuf.is_some()),
        (VIDIOC_EXPBUF, has_streaming && ops.vidioc_expbuf.is_some()),
        (VIDIOC_DQBUF, has_streaming && ops.vidioc_dqbuf.is_some()),
        (
            VIDIOC_CREATE_BUFS,
            has_streaming && ops.vidioc_create_bufs.is_some(),
        ),
        (
            VIDIOC_PREPARE_BUF,
            has_streaming && ops.vidioc_prepare_buf.is_some(),
        ),
        (
            VIDIOC_STREAMON,
            has_streaming && ops.vidioc_streamon.is_some(),
        ),
        (
            VIDIOC_STREAMOFF,
            has_streaming && ops.vidioc_streamoff.is_some(),
        ),
        (
            VIDIOC_REMOVE_BUFS,
            has_streaming && ops.vidioc_create_bufs.is_some() && ops.vidioc_remove_bufs.is_some(),
        ),
    ];
    for (cmd, there) in rows {
        if there {
            valid.set(cmd);
        }
    }
    // What was marked before is what the driver disabled.
    fields.valid_ioctls = valid.and_not(fields.valid_ioctls);
}

/// Takes the device out (`video_unregister_device`): calls that begin from here
/// on fail, the files' event queues are woken, the node and the attributes go.
/// It waits for nobody. What files still hold stays until the last close.
///
/// Unregistering what is not registered does nothing.
#[track_caller]
pub fn video_unregister_device(vdev: &VideoDevice) {
    if !video_is_registered(vdev) {
        return;
    }
    let core = V4l2Core::of(vdev.system());
    {
        let _no_calls = vdev.no_calls();
        let _registering = core.videodev_lock.lock(vdev.system(), || None, LOCK);
        vdev.set_flag(VideoFlag::Registered, false);
    }
    if vdev.has_flag(VideoFlag::UsesV4l2Fh) {
        v4l2_event_wake_all(vdev);
    }
    if let Some(dev) = vdev.dev() {
        device_unregister(&dev);
    }
}

/// The last user is gone: only now minor and number are free again.
// v4l2-dev.c: v4l2_device_release
fn v4l2_device_release(vdev: &VideoDevice) {
    let system = vdev.system().clone();
    let core = V4l2Core::of(&system);
    let (type_, place, v4l2_dev, release) = {
        let fields = vdev.fields();
        let v4l2_dev = fields.v4l2_dev.clone();
        (
            fields.vfl_type,
            fields.place,
            v4l2_dev,
            fields.release.clone(),
        )
    };
    {
        let _registering = core.videodev_lock.lock(&system, || None, LOCK);
        if !place.is_some_and(|place| core.give_back(vdev, type_, place)) {
            let text = "v4l2_device_release: the minor is not this device's";
            warn(&system, vdev.device_ref(), text);
            return;
        }
        let cdev = vdev.fields().cdev.take();
        if let Some(cdev) = &cdev {
            cdev_del(cdev);
        }
    }
    // A driver without a release callback for the v4l2_device may free it with
    // the video device.
    let v4l2_dev = v4l2_dev.filter(|v4l2_dev| v4l2_dev.has_release());
    vdev.emit(|| V4l2EventKind::VideoDeviceReleased);
    if let Some(release) = release {
        vdev.guard("video_device.release", || release(vdev));
    }
    if let Some(v4l2_dev) = v4l2_dev {
        put_for(&v4l2_dev, V4l2Device::BY_NODE);
    }
    vdev.dissolve();
}
