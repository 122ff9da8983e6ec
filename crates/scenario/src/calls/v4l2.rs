//! Statements about V4L2 and video devices: `drivers/media/v4l2-core`.

use lastfd_abi::v4l2::V4L2_CAP_VIDEO_CAPTURE;
use lastfd_chrdev::File;
use lastfd_sync::Arc;
use lastfd_v4l2::raw::{
    V4l2Device, V4l2FileOperations, V4l2IoctlOps, VflType, VideoDevice, v4l2_ctrl_poll,
    v4l2_device_disconnect, v4l2_device_get, v4l2_device_put, v4l2_device_register,
    v4l2_device_unregister, v4l2_fh_open, v4l2_fh_release, video_device_alloc,
    video_device_release, video_ioctl2, video_register_device, video_unregister_device,
};

use super::core::done;
use super::{Call, Got, call_hook};
use crate::ast::NameId;
use crate::language::Op;
use crate::value::{Outcome, Value};

impl Call<'_> {
    pub(super) fn v4l2_call(&self) -> Got<Outcome> {
        match self.line.op {
            Op::V4l2Device => self.declare_v4l2_device(),
            Op::VideoDevice => self.declare_video_device(),
            Op::V4l2DeviceRegister => {
                let (device, v4l2_dev) = (self.device(0)?, self.v4l2_device(1)?);
                let registered = v4l2_device_register(Some(&device), &v4l2_dev);
                Ok(Outcome::rc(registered))
            }
            Op::VideoRegisterDevice => {
                let vdev = self.registrable()?;
                let registered = video_register_device(&vdev, VflType::Video, None);
                Ok(Outcome::rc(registered))
            }
            Op::VideoUnregisterDevice => {
                let vdev = self.registrable()?;
                Ok(done(|| video_unregister_device(&vdev)))
            }
            _ => {
                let v4l2_dev = self.v4l2_device(0)?;
                Ok(match self.line.op {
                    Op::V4l2DeviceGet => done(|| v4l2_device_get(&v4l2_dev)),
                    Op::V4l2DevicePut => Outcome::Int(i64::from(v4l2_device_put(&v4l2_dev))),
                    Op::V4l2DeviceDisconnect => done(|| v4l2_device_disconnect(&v4l2_dev)),
                    _ => done(|| v4l2_device_unregister(&v4l2_dev)),
                })
            }
        }
    }

    fn v4l2_device(&self, at: usize) -> Got<V4l2Device> {
        self.run.with(self.name(at), |value| match value {
            Value::V4l2Device(v4l2_dev) => Some(v4l2_dev.clone()),
            _ => None,
        })
    }

    /// The video device that is to be registered, or was.
    fn registrable(&self) -> Got<VideoDevice> {
        self.run.with(self.name(0), |value| match value {
            Value::Video(vdev) => Some(vdev.clone()),
            _ => None,
        })
    }

    fn declare_v4l2_device(&self) -> Got<Outcome> {
        let v4l2_dev = V4l2Device::new(&self.run.system);
        if let Some(name) = self.keyword(0) {
            v4l2_dev.set_name(&self.text_arg(name)?);
        }
        if let Some(body) = self.keyword_name(1) {
            let run = Arc::downgrade(self.run);
            v4l2_dev.set_release(move |_| {
                // Nobody looks at what it returns.
                let _ = call_hook(&run, body);
            });
        }
        self.run.set(self.name(0), Value::V4l2Device(v4l2_dev));
        Ok(Outcome::Done)
    }

    /// The module's ovd, with its o_fops and o_ioctl.
    fn declare_video_device(&self) -> Got<Outcome> {
        let v4l2_dev = self.v4l2_device(1)?;
        let Ok(vdev) = video_device_alloc(&self.run.system) else {
            drop(self.run.take(self.name(0)));
            return Ok(Outcome::Null);
        };
        vdev.set_v4l2_dev(&v4l2_dev);
        vdev.set_name(self.new_name().1);
        vdev.set_device_caps(V4L2_CAP_VIDEO_CAPTURE);
        vdev.set_ioctl_ops(V4l2IoctlOps {
            vidioc_querycap: Some(Arc::new(|_, _| Ok(()))),
            ..V4l2IoctlOps::default()
        });
        vdev.set_fops(self.v4l2_fops(self.keyword_name(0), self.keyword_name(1)));
        let release = self.keyword_name(2);
        let run = Arc::downgrade(self.run);
        vdev.set_release(move |vdev| {
            if let Some(body) = release {
                // Nobody looks at what it returns.
                let _ = call_hook(&run, body);
            }
            video_device_release(vdev);
        });
        self.run.set(self.name(0), Value::Video(vdev));
        Ok(Outcome::Done)
    }

    fn v4l2_fops(&self, open: Option<NameId>, close: Option<NameId>) -> V4l2FileOperations {
        let (opening, closing) = (Arc::downgrade(self.run), Arc::downgrade(self.run));
        V4l2FileOperations {
            open: Some(Arc::new(move |file: &File| {
                if let Some(body) = open {
                    call_hook(&opening, body)?;
                }
                v4l2_fh_open(file)
            })),
            release: Some(Arc::new(move |file: &File| {
                if let Some(body) = close {
                    // Nobody looks at what it returns.
                    let _ = call_hook(&closing, body);
                }
                v4l2_fh_release(file);
            })),
            poll: Some(Arc::new(v4l2_ctrl_poll)),
            unlocked_ioctl: Some(Arc::new(video_ioctl2)),
            ..V4l2FileOperations::default()
        }
    }
}
