//! A framework's object on a parent, as the recorded module makes it.

use lastfd_abi::drm::DRM_IOCTL_DROP_MASTER;
use lastfd_drm::raw as drm;
use lastfd_iio::raw as iio;
use lastfd_iio::{ChanType, ChannelSpec, Info, InfoMask, Modes, ScanType, Value};
use lastfd_model::Result;
use lastfd_model::raw::Device;
use lastfd_sync::Arc;

use super::Top;

/// A framework's object.
#[derive(Clone)]
pub(super) enum OnTop {
    Iio(iio::IioDev),
    Drm(drm::DrmDevice),
}

impl OnTop {
    /// Makes the object, managed by the parent, and registers it.
    pub(super) fn set_up(top: Top, parent: &Device) -> Result<Option<OnTop>> {
        Ok(match top {
            Top::Nothing => None,
            Top::Iio => Some(OnTop::Iio(iio_device(parent)?)),
            Top::Drm => Some(OnTop::Drm(drm_device(parent)?)),
        })
    }

    /// What the framework leaves to the driver's remove: IIO nothing, DRM the
    /// unplug.
    pub(super) fn end_by_hand(&self) {
        match self {
            OnTop::Iio(_) => {}
            OnTop::Drm(dev) => drm::drm_dev_unplug(dev),
        }
    }

    pub(super) fn is_gone(&self) -> bool {
        match self {
            OnTop::Iio(dev) => dev.dev().is_released(),
            OnTop::Drm(dev) => dev.is_released(),
        }
    }

    /// Its node.
    pub(super) fn path(&self) -> String {
        match self {
            OnTop::Iio(_) => "/dev/iio:device0".to_owned(),
            OnTop::Drm(_) => "/dev/dri/card0".to_owned(),
        }
    }

    /// The ioctl that the recorded cells try.
    pub(super) fn ioctl(&self) -> u32 {
        match self {
            OnTop::Iio(_) => 0x1234,
            OnTop::Drm(_) => DRM_IOCTL_DROP_MASTER,
        }
    }
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
