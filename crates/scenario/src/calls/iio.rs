//! Statements about IIO devices: `drivers/iio`.

use lastfd_iio::raw::{
    Callback, IioBufferSetupOps, IioDev, IioInfo, IioMap, Reading, devm_iio_channel_get,
    devm_iio_device_alloc, devm_iio_device_register, devm_iio_kfifo_buffer_setup,
    devm_iio_map_array_register, iio_channel_get, iio_channel_release, iio_device_alloc,
    iio_device_free, iio_device_get, iio_device_put, iio_device_register, iio_device_unregister,
    iio_read_channel_processed, iio_read_channel_raw, iio_read_channel_scale,
    iio_write_channel_raw,
};
use lastfd_iio::{ChanType, ChannelSpec, Info, InfoMask, Modes, ScanType, Value as IioReading};
use lastfd_model::Result;
use lastfd_sync::Arc;

use super::core::done;
use super::{Call, Got, call_hook};
use crate::ast::{Arg, NameId};
use crate::language::Op;
use crate::record::set_or_null;
use crate::value::{Outcome, Value};

/// What a channel of a scenario reads as.
const READING: i32 = 42;

impl Call<'_> {
    pub(super) fn iio_call(&self) -> Got<Outcome> {
        match self.line.op {
            Op::IioSetupOps => self.declare_setup_ops(),
            Op::IioDeviceAlloc => {
                let iio = iio_device_alloc(&self.device(0)?);
                Ok(Outcome::or_null(iio.map(Value::Iio)))
            }
            Op::DevmIioDeviceAlloc => {
                let iio = devm_iio_device_alloc(&self.device(0)?);
                Ok(Outcome::or_null(iio.map(Value::Iio)))
            }
            Op::IioInfo => self.fill_in(),
            Op::IioVoltageChannel => self.add_channel(),
            Op::DevmIioKfifoBufferSetup => {
                let (device, iio) = (self.device(0)?, self.iio(1)?);
                let ops = match self.keyword_name(0) {
                    Some(ops) => self.run.with(ops, |value| match value {
                        Value::IioSetupOps(ops) => Some(ops.clone()),
                        _ => None,
                    })?,
                    None => IioBufferSetupOps::default(),
                };
                Ok(Outcome::rc(devm_iio_kfifo_buffer_setup(&device, &iio, ops)))
            }
            Op::DevmIioDeviceRegister => {
                let (device, iio) = (self.device(0)?, self.iio(1)?);
                Ok(Outcome::rc(devm_iio_device_register(&device, &iio)))
            }
            _ => {
                let iio = self.iio(0)?;
                Ok(match self.line.op {
                    Op::IioDeviceRegister => Outcome::rc(iio_device_register(&iio)),
                    Op::IioDeviceUnregister => done(|| iio_device_unregister(&iio)),
                    Op::IioDeviceFree => done(|| iio_device_free(&iio)),
                    Op::IioDeviceGet => done(|| iio_device_get(&iio)),
                    _ => done(|| iio_device_put(&iio)),
                })
            }
        }
    }

    fn iio(&self, at: usize) -> Got<IioDev> {
        self.iio_named(self.name(at))
    }

    fn iio_named(&self, id: NameId) -> Got<IioDev> {
        self.run.with_live(id, |value| match value {
            Value::Iio(iio) => Some(iio.clone()),
            _ => None,
        })
    }

    /// `{iio.info}`.
    pub(super) fn iio_info_property(&self, id: NameId) -> Got<String> {
        Ok(set_or_null(self.iio_named(id)?.has_info()).to_owned())
    }

    /// The module's l_fill, without the channels.
    fn fill_in(&self) -> Got<Outcome> {
        let (iio, name) = (self.iio(0)?, self.text(1)?);
        let recorder = Arc::clone(&self.run.recorder);
        iio.set_name(&name);
        iio.set_modes(Modes::DIRECT);
        iio.set_info(IioInfo {
            read_raw: Some(Arc::new(move |_: &IioDev, _: &ChannelSpec, _: Info| {
                recorder.line("iio read_raw called");
                Ok(IioReading::Int(READING))
            })),
            ..IioInfo::default()
        });
        Ok(Outcome::Done)
    }

    fn add_channel(&self) -> Got<Outcome> {
        let iio = self.iio(0)?;
        let number = |keyword: usize, default: i64| match self.keyword(keyword) {
            Some(Arg::Number(n)) => *n,
            _ => default,
        };
        let channel = self.number(1);
        let bits = |n: i64| u8::try_from(n).unwrap_or(u8::MAX);
        let signed = matches!(self.keyword(3), Some(Arg::Word(word)) if word == "s");
        let datasheet_name = match self.keyword(4) {
            Some(name) => Some(self.text_arg(name)?),
            None => None,
        };
        let new = ChannelSpec {
            type_: ChanType::Voltage,
            indexed: true,
            channel: i32::try_from(channel).unwrap_or(i32::MAX),
            scan_index: i32::try_from(number(0, channel)).unwrap_or(i32::MAX),
            info_mask_separate: InfoMask::of(&[Info::Raw]),
            scan_type: ScanType {
                sign: if signed { 's' } else { 'u' },
                realbits: bits(number(1, 16)),
                ..ScanType::unsigned(bits(number(2, 16)))
            },
            datasheet_name,
            ..ChannelSpec::default()
        };
        let channels: Vec<ChannelSpec> = iio.channels().iter().cloned().chain([new]).collect();
        iio.set_channels(channels);
        Ok(Outcome::Done)
    }

    /// `info`: as the module's r_refs.
    pub(super) fn print_info(&self) -> Got<()> {
        // Of one that is gone it prints nothing, and is not skipped.
        let iio = self.run.with(self.name(0), |value| match value {
            Value::Iio(iio) => Some(iio.clone()),
            _ => None,
        })?;
        if !iio.dev().is_released() {
            let info = set_or_null(iio.has_info());
            self.run.recorder.line(format_args!("info={info}"));
        }
        Ok(())
    }

    pub(super) fn iio_consumer_call(&self) -> Got<Outcome> {
        match self.line.op {
            Op::DevmIioMapArrayRegister => {
                let (device, iio) = (self.device(0)?, self.iio(1)?);
                let map = IioMap {
                    adc_channel_label: Some(self.text(2)?),
                    consumer_dev_name: self.text(3)?,
                    consumer_channel: self.text(4)?,
                };
                let registered = devm_iio_map_array_register(&device, &iio, &[map]);
                Ok(Outcome::rc(registered))
            }
            Op::IioChannelGet => {
                let (device, name) = (self.device(0)?, self.text(1)?);
                let channel = iio_channel_get(&device, Some(&name));
                Ok(Outcome::or_err(channel.map(Value::IioChannel)))
            }
            Op::DevmIioChannelGet => {
                let (device, name) = (self.device(0)?, self.text(1)?);
                let channel = devm_iio_channel_get(&device, Some(&name));
                Ok(Outcome::or_err(channel.map(Value::IioChannel)))
            }
            _ => self.channel_call(),
        }
    }

    /// Calls with a channel that a consumer has.
    fn channel_call(&self) -> Got<Outcome> {
        let channel = self.run.with(self.name(0), |value| match value {
            Value::IioChannel(channel) => Some(channel.clone()),
            _ => None,
        })?;
        let read = |reading: Result<Reading>| Outcome::count(reading.map(|r| i64::from(r.rc)));
        Ok(match self.line.op {
            Op::IioChannelRelease => done(|| iio_channel_release(&channel)),
            Op::IioReadChannelRaw => read(iio_read_channel_raw(&channel)),
            Op::IioReadChannelProcessed => read(iio_read_channel_processed(&channel)),
            Op::IioReadChannelScale => read(iio_read_channel_scale(&channel)),
            _ => {
                let value = i32::try_from(self.number(1)).unwrap_or(i32::MAX);
                Outcome::rc(iio_write_channel_raw(&channel, value))
            }
        })
    }

    fn declare_setup_ops(&self) -> Got<Outcome> {
        let ops = IioBufferSetupOps {
            preenable: self.setup_hook(0),
            postenable: self.setup_hook(1),
            predisable: self.setup_hook(2),
            postdisable: self.setup_hook(3),
            ..IioBufferSetupOps::default()
        };
        self.run.set(self.name(0), Value::IioSetupOps(ops));
        Ok(Outcome::Done)
    }

    fn setup_hook(&self, keyword: usize) -> Callback<SetupHook> {
        let body = self.keyword_name(keyword)?;
        let run = Arc::downgrade(self.run);
        Some(Arc::new(move |_: &IioDev| call_hook(&run, body)))
    }
}

type SetupHook = dyn Fn(&IioDev) -> Result + Send + Sync;
