//! A thermometer: one register that holds tenths of a degree.

use lastfd::iio::{self, ChanType, ChannelSpec, Iio, Info, InfoMask, Value};
use lastfd::model::resource::{RegisterBlock, Regs};
use lastfd::model::typed::{self, Bound, Device, Devres};
use lastfd::model::{Errno, Result};

pub struct Thermometer {
    regs: Devres<Regs>,
}

impl iio::Driver for Thermometer {
    fn read_raw(&self, _iio: &Iio, _channel: &ChannelSpec, what: Info) -> Result<Value> {
        match what {
            Info::Raw => {
                // The registers are there as long as the driver is bound.
                let regs = self.regs.try_access().ok_or(Errno::ENODEV)?;
                Ok(Value::Int(regs.read(0) as i32))
            }
            Info::Scale => Ok(Value::Int(100)),
            _ => Err(Errno::EINVAL),
        }
    }
}

/// Binds the thermometer to its hardware.
pub struct Binding;

impl typed::Driver for Binding {
    type Info = RegisterBlock;

    fn probe(device: &Device<Bound>, hardware: &RegisterBlock) -> Result<Binding> {
        let regs = hardware.map(&device.system(), Some(device.raw()), "thermometer");
        let regs = Devres::new(device, device.own(regs)?)?;
        let channel = ChannelSpec {
            type_: ChanType::Temp,
            info_mask_separate: InfoMask::of(&[Info::Raw, Info::Scale]),
            ..ChannelSpec::default()
        };
        iio::Builder::new(device, "thermometer")?
            .channel(channel)
            .register(Thermometer { regs })?;
        Ok(Binding)
    }
}
