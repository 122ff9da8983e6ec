//! The driver, as the device model and IIO see it.

use core::fmt;
use core::marker::PhantomData;
use core::time::Duration;

use embedded_hal::i2c::I2c;
use lastfd_iio::gts::{Gts, Scale};
use lastfd_iio::{
    Available, Builder, ChanType, ChannelSpec, Driver, Endian, Format, Iio, Info, InfoMask,
    ScanMask, ScanType, Value,
};
use lastfd_model::resource::{Kthread, Owned};
use lastfd_model::typed::{self, Bound, Device, Devres};
use lastfd_model::{Errno, Result};
use lastfd_sync::{Arc, Mutex};

use super::map::{DATA0, MODE_CONTROL1, SW_RESET, SYSTEM_CONTROL};
use super::registers::Registers;
use super::sensor::{ALS, DATA0_CHANNEL, DATA1_CHANNEL, GAINS, MAX_SCALE, Sensor, TIMES, sleep};

/// The address the chip has on every bus.
pub(super) const ADDRESS: u8 = 0x38;
/// What the IIO device is called.
pub(super) const NAME: &str = "bu27034";

/// What a board knows of its sensor: how to reach the bus it is on.
///
/// ```
/// # // What `linux_embedded_hal::I2cdev` is, on a machine without such a bus.
/// # use lastfd_devices::Bu27034Chip as I2cdev;
/// # fn open(_: &str) -> std::io::Result<I2cdev> { Err(std::io::ErrorKind::NotFound.into()) }
/// use lastfd_devices::{Bu27034Board, Bu27034Driver};
/// use lastfd_model::typed::{PlatformDevice, PlatformDriver};
/// use lastfd_model::{Errno, System};
///
/// let system = System::new();
/// let board = Bu27034Board::new(|| open("/dev/i2c-1").map_err(|_| Errno::ENODEV));
/// let driver = PlatformDriver::<Bu27034Driver<I2cdev>>::register(&system, "bu27034")?;
/// let sensor = PlatformDevice::register(&system, "bu27034", board)?;
/// # drop((sensor, driver));
/// # Ok::<(), Errno>(())
/// ```
pub struct Bu27034Board<B> {
    connect: Box<dyn Fn() -> Result<B> + Send + Sync>,
    name: String,
}

impl<B> Bu27034Board<B> {
    /// A board whose bus is reached so, once for each time the driver is bound.
    pub fn new(connect: impl Fn() -> Result<B> + Send + Sync + 'static) -> Bu27034Board<B> {
        Bu27034Board {
            connect: Box::new(connect),
            name: NAME.into(),
        }
    }

    /// What the IIO device is called in place of `bu27034`.
    pub fn named(mut self, name: &str) -> Bu27034Board<B> {
        self.name = name.into();
        self
    }
}

impl<B> fmt::Debug for Bu27034Board<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bu27034Board")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// The driver of a sensor on a bus of type `B`.
pub struct Bu27034Driver<B>(PhantomData<fn() -> B>);

impl<B> fmt::Debug for Bu27034Driver<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bu27034Driver")
    }
}

impl<B: I2c + Send + 'static> typed::Driver for Bu27034Driver<B> {
    type Info = Bu27034Board<B>;

    // rohm-bu27034.c: bu27034_probe, bu27034_chip_init
    fn probe(device: &Device<Bound>, board: &Bu27034Board<B>) -> Result<Bu27034Driver<B>> {
        let registers = Registers::new((board.connect)()?, ADDRESS);
        let registers = Devres::new(device, registers)?;
        let chip = registers.access(device).ok_or(Errno::ENODEV)?;
        // Is anybody there? Which part it says it is does not matter.
        chip.read(SYSTEM_CONTROL)?;
        let gts = Gts::new(device, MAX_SCALE, &GAINS, &TIMES)?;
        chip.set_always(SYSTEM_CONTROL, SW_RESET)?;
        sleep(&device.system(), Duration::from_millis(1))?;
        chip.forget();
        // Known before the buffer's thread, which has no time to lose, asks.
        let _ = chip.read(MODE_CONTROL1);
        drop(chip);
        let data = [DATA0_CHANNEL, DATA1_CHANNEL];
        Builder::new(device, &board.name)?
            .channel(light())
            .channels(data.map(intensity))
            .channel(ChannelSpec::soft_timestamp(4))
            .scan_masks([ScanMask::of(&[1, 2]), ScanMask::of(&[0, 1, 2])])
            .software_buffer()
            .register(Lux {
                sensor: Arc::new(Sensor { registers, gts }),
                device: device.raw().clone(),
                filling: Mutex::new(None),
            })?;
        Ok(Bu27034Driver(PhantomData))
    }
}

fn light() -> ChannelSpec {
    ChannelSpec {
        type_: ChanType::Light,
        channel: ALS,
        info_mask_separate: InfoMask::of(&[Info::Raw, Info::Scale]),
        scan_index: ALS,
        scan_type: ScanType::unsigned(32),
        ..ChannelSpec::default()
    }
}

// rohm-bu27034.c: BU27034_CHAN_DATA
fn intensity(channel: i32) -> ChannelSpec {
    ChannelSpec {
        type_: ChanType::Intensity,
        indexed: true,
        channel,
        address: u64::from(DATA0) + 2 * (channel - DATA0_CHANNEL) as u64,
        info_mask_separate: InfoMask::of(&[Info::Raw, Info::Scale, Info::HardwareGain]),
        info_mask_separate_available: InfoMask::of(&[Info::Scale]),
        info_mask_shared_by_all: InfoMask::of(&[Info::IntTime]),
        info_mask_shared_by_all_available: InfoMask::of(&[Info::IntTime]),
        scan_index: channel,
        scan_type: ScanType {
            endianness: Endian::Le,
            ..ScanType::unsigned(16)
        },
        ..ChannelSpec::default()
    }
}

/// The driver's data for its IIO device.
struct Lux<B: I2c + Send + 'static> {
    sensor: Arc<Sensor<B>>,
    device: lastfd_model::raw::Device,
    /// The thread that fills the buffers, while one is enabled. Held while gains,
    /// the time or measuring change, and while a result is waited for.
    filling: Mutex<Option<Owned<Kthread>>>,
}

impl<B: I2c + Send + 'static> Driver for Lux<B> {
    // rohm-bu27034.c: bu27034_read_raw
    fn read_raw(&self, iio: &Iio, channel: &ChannelSpec, what: Info) -> Result<Value> {
        let sensor = &self.sensor;
        match what {
            Info::IntTime => Ok(Value::IntPlusMicro(0, sensor.time()?)),
            Info::HardwareGain => Ok(Value::Int(sensor.gain(channel.channel)?)),
            // What the light is told in: thousandths of a lux.
            Info::Scale if channel.channel == ALS => Ok(Value::IntPlusMicro(0, 1000)),
            Info::Scale => {
                let _unchanged = self.filling.lock();
                Ok(sensor.scale(channel.channel)?.into())
            }
            Info::Raw => {
                let _direct = iio.claim_direct_mode()?;
                let _unchanged = self.filling.lock();
                let read = match channel.type_ {
                    ChanType::Light => sensor.read_light(&iio.system())? as i32,
                    _ => sensor.read_counts(&iio.system(), channel.channel)?.into(),
                };
                Ok(Value::Int(read))
            }
            _ => Err(Errno::EINVAL),
        }
    }

    fn write_format(&self, _channel: &ChannelSpec, what: Info) -> Format {
        match what {
            Info::Scale => Format::IntPlusNano,
            Info::IntTime => Format::IntPlusMicro,
            // The gain is set through the scale.
            _ => Format::Other,
        }
    }

    // rohm-bu27034.c: bu27034_write_raw
    fn write_raw(
        &self,
        iio: &Iio,
        channel: &ChannelSpec,
        whole: i32,
        fract: i32,
        what: Info,
    ) -> Result {
        let _direct = iio.claim_direct_mode()?;
        let _changing = self.filling.lock();
        match what {
            // Only what it is already.
            Info::Scale if channel.channel == ALS => match (whole, fract) {
                (0, 1_000_000) => Ok(()),
                _ => Err(Errno::EINVAL),
            },
            Info::Scale => {
                let scale = Scale::new(whole, fract);
                self.sensor.set_scale(channel.channel, scale)
            }
            Info::IntTime if whole == 0 => self.sensor.set_time(fract),
            _ => Err(Errno::EINVAL),
        }
    }

    fn available(&self, _iio: &Iio, _channel: &ChannelSpec, what: Info) -> Result<Available> {
        match what {
            Info::IntTime => self.sensor.gts.times(),
            Info::Scale => self.sensor.gts.scales(),
            _ => Err(Errno::EINVAL),
        }
    }

    // rohm-bu27034.c: bu27034_buffer_enable
    fn postenable(&self, iio: &Iio) -> Result {
        let mut filling = self.filling.lock();
        self.sensor.measure(true)?;
        let (sensor, buffers) = (Arc::clone(&self.sensor), iio.get());
        let name = format!("bu27034-buffering-{}", iio.raw().id());
        let thread = Kthread::run(&iio.system(), Some(&self.device), &name, move |control| {
            sensor.fill(&buffers, control);
        })?;
        *filling = Some(Owned::new(thread));
        Ok(())
    }

    // rohm-bu27034.c: bu27034_buffer_disable
    fn predisable(&self, _iio: &Iio) -> Result {
        let mut filling = self.filling.lock();
        drop(filling.take());
        self.sensor.measure(false)
    }
}
