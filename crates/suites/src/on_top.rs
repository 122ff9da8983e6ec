//! A framework's object on a parent, as the recorded module makes it: what
//! stands on the parents of the matrix, and what the benches make and end.

use lastfd_abi::cec::{CEC_CAP_LOG_ADDRS, CEC_CAP_PASSTHROUGH, CEC_CAP_TRANSMIT};
use lastfd_abi::drm::DRM_IOCTL_DROP_MASTER;
use lastfd_abi::v4l2::{V4L2_CAP_VIDEO_CAPTURE, VIDIOC_LOG_STATUS};
use lastfd_cec::raw as cec;
use lastfd_drm::raw as drm;
use lastfd_iio::raw as iio;
use lastfd_iio::{ChanType, ChannelSpec, Info, InfoMask, Modes, ScanType, Value};
use lastfd_model::Result;
use lastfd_model::raw::Device;
use lastfd_sync::Arc;
use lastfd_sync::atomic::{AtomicBool, Ordering};
use lastfd_v4l2::raw as v4l2;

/// What stands on a parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Top {
    /// Nothing.
    Nothing,
    /// An IIO device with a buffer, managed by the parent.
    Iio,
    /// A DRM card, managed by the parent.
    Drm,
    /// A V4L2 device with one node.
    V4l2,
    /// A CEC adapter.
    Cec,
}

/// A framework's object.
#[derive(Clone)]
pub enum OnTop {
    /// An IIO device.
    Iio(iio::IioDev),
    /// A DRM card.
    Drm(drm::DrmDevice),
    /// A V4L2 device.
    V4l2(Camera),
    /// A CEC adapter.
    Cec {
        /// It.
        adapter: cec::CecAdapter,
        /// Whether its driver was told to free it.
        freed: Arc<AtomicBool>,
    },
}

impl core::fmt::Debug for OnTop {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "OnTop({})", self.path())
    }
}

/// A V4L2 device with one node.
#[derive(Clone, Debug)]
pub struct Camera {
    v4l2: v4l2::V4l2Device,
    vdev: v4l2::VideoDevice,
    freed: Arc<AtomicBool>,
}

impl OnTop {
    /// Makes the object, managed by the parent, and registers it.
    ///
    /// # Errors
    /// The framework's own.
    pub fn set_up(top: Top, parent: &Device) -> Result<Option<OnTop>> {
        Ok(match top {
            Top::Nothing => None,
            Top::Iio => Some(OnTop::Iio(iio_device(parent)?)),
            Top::Drm => Some(OnTop::Drm(drm_device(parent)?)),
            Top::V4l2 => Some(OnTop::V4l2(camera(parent)?)),
            Top::Cec => Some(adapter(parent)?),
        })
    }

    /// What the framework leaves to the driver's remove: IIO nothing, DRM the
    /// unplug, V4L2 and CEC all of it.
    pub fn end_by_hand(&self) {
        match self {
            OnTop::Iio(_) => {}
            OnTop::Drm(dev) => drm::drm_dev_unplug(dev),
            OnTop::V4l2(camera) => {
                v4l2::video_unregister_device(&camera.vdev);
                v4l2::v4l2_device_disconnect(&camera.v4l2);
                v4l2::v4l2_device_put(&camera.v4l2);
            }
            OnTop::Cec { adapter, .. } => cec::cec_unregister_adapter(adapter),
        }
    }

    /// Whether the framework released it.
    pub fn is_gone(&self) -> bool {
        match self {
            OnTop::Iio(dev) => dev.dev().is_released(),
            OnTop::Drm(dev) => dev.is_released(),
            OnTop::V4l2(Camera { freed, .. }) | OnTop::Cec { freed, .. } => {
                freed.load(Ordering::SeqCst)
            }
        }
    }

    /// Its node.
    pub fn path(&self) -> String {
        match self {
            OnTop::Iio(dev) => format!("/dev/{}", dev.dev().name()),
            OnTop::Drm(dev) => {
                let index = dev.primary().map_or(0, |minor| minor.index());
                format!("/dev/dri/card{index}")
            }
            OnTop::V4l2(camera) => path_of(camera.vdev.dev()),
            OnTop::Cec { adapter, .. } => path_of(adapter.device()),
        }
    }

    /// The ioctl that the recorded cells try.
    pub fn ioctl(&self) -> u32 {
        match self {
            OnTop::Iio(_) | OnTop::Cec { .. } => 0x1234,
            OnTop::V4l2(_) => VIDIOC_LOG_STATUS,
            OnTop::Drm(_) => DRM_IOCTL_DROP_MASTER,
        }
    }
}

/// Of what is registered.
fn path_of(device: Option<Device>) -> String {
    let name = device.map(|device| device.name());
    format!("/dev/{}", name.as_deref().unwrap_or_default())
}

fn iio_device(parent: &Device) -> Result<iio::IioDev> {
    let dev = iio::devm_iio_device_alloc(parent)?;
    dev.set_name("lfiio");
    dev.set_info(iio::IioInfo {
        read_raw: Some(Arc::new(|_, _, _| Ok(Value::Int(42)))),
        ..iio::IioInfo::default()
    });
    dev.set_channels([ChannelSpec {
        type_: ChanType::Voltage,
        indexed: true,
        info_mask_separate: InfoMask::of(&[Info::Raw]),
        scan_index: 0,
        scan_type: ScanType::unsigned(16),
        ..ChannelSpec::default()
    }]);
    dev.set_modes(Modes::DIRECT);
    iio::devm_iio_kfifo_buffer_setup(parent, &dev, iio::IioBufferSetupOps::default())?;
    iio::devm_iio_device_register(parent, &dev)?;
    Ok(dev)
}

fn drm_device(parent: &Device) -> Result<drm::DrmDevice> {
    let driver = drm::DrmDriver {
        name: "lfdrm".to_owned(),
        features: drm::Features::GEM,
        ..drm::DrmDriver::default()
    };
    let dev = drm::devm_drm_dev_alloc(parent, &Arc::new(driver))?;
    drm::drm_dev_register(&dev, 0)?;
    Ok(dev)
}

fn camera(parent: &Device) -> Result<Camera> {
    let system = parent.system();
    let v4l2 = v4l2::V4l2Device::new(&system);
    // Without a name a kernel looks for one in the driver the parent may not
    // have.
    v4l2.set_name("lf");
    v4l2::v4l2_device_register(Some(parent), &v4l2)?;
    let freed = Arc::new(AtomicBool::new(false));
    let gone = Arc::clone(&freed);
    v4l2.set_release(move |v4l2| {
        v4l2::v4l2_device_unregister(v4l2);
        gone.store(true, Ordering::SeqCst);
    });
    let vdev = node(&v4l2).inspect_err(|_| {
        v4l2::v4l2_device_put(&v4l2);
    })?;
    Ok(Camera { v4l2, vdev, freed })
}

/// The node of a V4L2 device.
fn node(v4l2: &v4l2::V4l2Device) -> Result<v4l2::VideoDevice> {
    let vdev = v4l2::video_device_alloc(v4l2.system())?;
    vdev.set_v4l2_dev(v4l2);
    vdev.set_fops(v4l2::V4l2FileOperations {
        open: Some(Arc::new(v4l2::v4l2_fh_open)),
        release: Some(Arc::new(v4l2::v4l2_fh_release)),
        unlocked_ioctl: Some(Arc::new(v4l2::video_ioctl2)),
        poll: Some(Arc::new(v4l2::v4l2_ctrl_poll)),
        ..v4l2::V4l2FileOperations::default()
    });
    vdev.set_ioctl_ops(v4l2::V4l2IoctlOps {
        vidioc_querycap: Some(Arc::new(|_, _| Ok(()))),
        ..v4l2::V4l2IoctlOps::default()
    });
    vdev.set_release(v4l2::video_device_release);
    vdev.set_device_caps(V4L2_CAP_VIDEO_CAPTURE);
    v4l2::video_register_device(&vdev, v4l2::VflType::Video, None)
        .inspect_err(|_| v4l2::video_device_release(&vdev))?;
    Ok(vdev)
}

fn adapter(parent: &Device) -> Result<OnTop> {
    let freed = Arc::new(AtomicBool::new(false));
    let gone = Arc::clone(&freed);
    let ops = cec::CecAdapOps {
        adap_free: Some(Arc::new(move |_| gone.store(true, Ordering::SeqCst))),
        ..cec::CecAdapOps::default()
    };
    let system = parent.system();
    let caps = CEC_CAP_LOG_ADDRS | CEC_CAP_TRANSMIT | CEC_CAP_PASSTHROUGH;
    let adapter = cec::cec_allocate_adapter(&system, ops, None, "lfcec", caps, 1)?;
    if let Err(errno) = cec::cec_register_adapter(&adapter, parent) {
        // A registration that failed leaves the adapter to its caller.
        cec::cec_delete_adapter(&adapter);
        return Err(errno);
    }
    Ok(OnTop::Cec { adapter, freed })
}
