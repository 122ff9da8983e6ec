//! Plugging hardware into a System and pulling it out.

use core::any::Any;
use core::fmt;
use std::collections::BTreeMap;

use lastfd_model::raw::{self, PlatformId, device_attach, device_release_driver};
use lastfd_model::typed::{self, Bound, Device, PlatformDevice, PlatformDriver};
use lastfd_model::{Errno, Result, System};
use lastfd_sync::{Arc, Mutex, Weak};

use crate::fault::{Source, SourceFault};
use crate::kind::BadValue;
use crate::live::Live;
use crate::spec::SpecError;

/// A piece of hardware that can be plugged in.
pub trait Hardware: Send + Sync {
    /// The name of its kind, which is also that of its driver.
    fn kind(&self) -> &'static str;

    /// Plugs it into the socket.
    fn insert(&self, socket: &Socket<'_>) -> Result<PlatformDevice>;

    /// Registers the driver for it, with [`platform_driver`].
    fn driver(&self, system: &System) -> Result<Box<dyn Any + Send + Sync>>;
}

/// Where a piece of hardware is plugged in.
pub struct Socket<'a> {
    system: &'a System,
    kind: &'static str,
    number: u32,
    refused: Refusal,
    live: Mutex<Live>,
}

/// Why the driver refused the hardware, if it did.
type Refusal = Arc<Mutex<Option<Errno>>>;

/// What the driver of a kind is told: what it knows of the hardware, and where to
/// say why it refuses it.
struct Inserted<I> {
    info: I,
    refused: Refusal,
}

/// A driver that leaves word of why it refuses hardware.
struct Told<D>(D);

impl<D: typed::Driver> typed::Driver for Told<D> {
    type Info = Inserted<D::Info>;

    fn probe(device: &Device<Bound>, inserted: &Inserted<D::Info>) -> Result<Told<D>> {
        let probed = D::probe(device, &inserted.info);
        *inserted.refused.lock() = probed.as_ref().err().copied();
        probed.map(Told)
    }

    fn remove(&self, device: &Device<Bound>) {
        self.0.remove(device);
    }
}

impl Socket<'_> {
    /// The System it is in.
    pub fn system(&self) -> &System {
        self.system
    }

    /// How many of the kind are there with this one, counted from 1.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// A name for this one: the name itself for the first, with its number from
    /// the second on.
    pub fn numbered(&self, name: &str) -> String {
        match self.number {
            1 => name.to_owned(),
            number => format!("{name}{number}"),
        }
    }

    /// A key of the kind that can be set while the hardware is plugged in, too.
    pub(crate) fn on_set(
        &self,
        key: &'static str,
        set: impl Fn(&str) -> core::result::Result<(), BadValue> + Send + Sync + 'static,
    ) {
        self.live.lock().add(key, Box::new(set));
    }

    /// What happens at [`Plugged::disconnect`].
    pub fn on_disconnect(&self, disconnect: impl Fn() + Send + Sync + 'static) {
        self.live.lock().disconnect = Some(Box::new(disconnect));
    }

    /// A source of data that can do these things wrong.
    pub(crate) fn has_source(&self, source: &Source, verbs: &'static [&'static str]) {
        self.live.lock().set_source(source.clone(), verbs);
    }

    /// Makes the platform device that a driver of the kind's name binds to.
    #[track_caller]
    pub fn register<I: Any + Send + Sync>(&self, info: I) -> Result<PlatformDevice> {
        let id = match self.number {
            1 => PlatformId::None,
            number => PlatformId::Id(number),
        };
        let inserted = Inserted {
            info,
            refused: Arc::clone(&self.refused),
        };
        PlatformDevice::register_as(self.system, self.kind, id, inserted)
    }
}

/// Registers a driver on the platform bus, in the form [`Hardware::driver`] gives.
/// It is told what the hardware passes to [`Socket::register`].
pub fn platform_driver<D: typed::Driver>(
    system: &System,
    name: &str,
) -> Result<Box<dyn Any + Send + Sync>> {
    Ok(Box::new(PlatformDriver::<Told<D>>::register(system, name)?))
}

/// A registered driver, kept while hardware of its kind is plugged in.
type SharedDriver = Box<dyn Any + Send + Sync>;

/// What is plugged into one System.
#[derive(Default)]
struct Sockets(Mutex<BTreeMap<&'static str, KindSockets>>);

#[derive(Default)]
struct KindSockets {
    driver: Weak<SharedDriver>,
    /// Numbers in use.
    numbers: Vec<u32>,
}

/// Plugs hardware in: its device appears on the platform bus and its driver,
/// registered with the first of the kind, binds to it.
///
/// The first of a kind is called as the kind, the others have a number.
///
/// What the driver gave if it refused the hardware; whatever the device model
/// gives.
#[track_caller]
pub fn plug(system: &System, hardware: &(impl Hardware + ?Sized)) -> Result<Plugged> {
    let kind = hardware.kind();
    let sockets = system.extension::<Sockets>();
    let (driver, number) = {
        let mut sockets = sockets.0.lock();
        let of_kind = sockets.entry(kind).or_default();
        let driver = of_kind.driver.upgrade();
        let number = (1..)
            .find(|number| !of_kind.numbers.contains(number))
            .ok_or(Errno::ENOSPC)?;
        of_kind.numbers.push(number);
        (driver, number)
    };
    let taken = Number {
        sockets: Arc::clone(&sockets),
        kind,
        number,
    };
    let driver = match driver {
        Some(driver) => driver,
        None => {
            let driver: Arc<SharedDriver> = Arc::new(hardware.driver(system)?);
            let mut sockets = sockets.0.lock();
            sockets.entry(kind).or_default().driver = Arc::downgrade(&driver);
            driver
        }
    };
    let socket = Socket {
        system,
        kind,
        number,
        refused: Refusal::default(),
        live: Mutex::default(),
    };
    let device = hardware.insert(&socket)?;
    let raw = device.raw().clone();
    if raw.driver().is_none() {
        let why = *socket.refused.lock();
        return Err(why.unwrap_or(Errno::ENODEV));
    }
    let live = core::mem::take(&mut *socket.live.lock());
    Ok(Plugged(Arc::new(Inner {
        name: socket.numbered(kind),
        kind,
        live,
        raw,
        device: Mutex::new(Some(device)),
        _driver: driver,
        _number: taken,
    })))
}

/// Hardware that is plugged in. Clones are one piece of hardware; when the last
/// is dropped it is pulled out.
#[derive(Clone)]
pub struct Plugged(Arc<Inner>);

struct Inner {
    name: String,
    kind: &'static str,
    live: Live,
    raw: raw::Device,
    /// None once it is pulled out. Dropped before the driver.
    device: Mutex<Option<PlatformDevice>>,
    _driver: Arc<SharedDriver>,
    _number: Number,
}

/// A number in use, free again when this is dropped.
struct Number {
    sockets: Arc<Sockets>,
    kind: &'static str,
    number: u32,
}

impl Drop for Number {
    fn drop(&mut self) {
        if let Some(of_kind) = self.sockets.0.lock().get_mut(self.kind) {
            of_kind.numbers.retain(|number| *number != self.number);
        }
    }
}

impl fmt::Debug for Plugged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Plugged").field(&self.0.name).finish()
    }
}

impl Plugged {
    /// Its name: the kind's, with a number from the second on.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The name of its kind.
    pub fn kind(&self) -> &'static str {
        self.0.kind
    }

    /// The hardware's device, to which its driver is bound.
    pub fn device(&self) -> &raw::Device {
        &self.0.raw
    }

    /// Whether it is plugged in.
    pub fn is_plugged(&self) -> bool {
        self.0.device.lock().is_some()
    }

    /// Whether its driver is bound.
    pub fn is_bound(&self) -> bool {
        self.is_plugged() && self.0.raw.driver().is_some()
    }

    /// Sets a key while the hardware is plugged in, such as what a sensor
    /// measures. After it was pulled out it changes nothing that anybody sees.
    ///
    /// ```
    /// use lastfd_devices::{LightSensor, plug};
    /// use lastfd_model::System;
    /// use lastfd_model::raw::attr_read;
    ///
    /// let system = System::new();
    /// let sensor = plug(&system, &LightSensor::default()).unwrap();
    /// sensor.set("lux", "12").unwrap();
    /// let iio = system.find_bus("iio").unwrap().find_device("iio:device0").unwrap();
    /// assert_eq!(attr_read(&iio, "in_illuminance_raw").unwrap(), b"120\n");
    /// let wrong = sensor.set("name", "x").unwrap_err().to_string();
    /// assert_eq!(wrong, "light: `name` is set when it is plugged in; what can be set later: lux");
    /// ```
    ///
    /// # Errors
    /// [`SpecError`]: there is no such key, it cannot be set later, or it does not
    /// take the value.
    pub fn set(&self, key: &str, value: &str) -> core::result::Result<(), SpecError> {
        self.0.live.set(self.0.kind, key, value)
    }

    /// Makes the device lose its hardware while its node stays, as far as its
    /// driver knows how to: a camera does what vivid's Disconnect control does.
    /// The next that is opened after the last close works again.
    ///
    /// # Errors
    /// `EOPNOTSUPP` for a kind that cannot; `ENODEV` after it was pulled out.
    #[track_caller]
    pub fn disconnect(&self) -> Result {
        let disconnect = self.0.live.disconnect.as_ref();
        let disconnect = disconnect.ok_or(Errno::EOPNOTSUPP)?;
        if !self.is_bound() {
            return Err(Errno::ENODEV);
        }
        disconnect();
        Ok(())
    }

    /// What can be done to it beside taking it away, in the words of the command line:
    /// `disconnect`, `set`, `delay`, `drop`, `repeat`, `wrap`, `stop` and `start`.
    pub fn verbs(&self) -> Vec<&'static str> {
        self.0.live.verbs()
    }

    /// Has its source of data do something wrong.
    ///
    /// # Errors
    /// `EOPNOTSUPP` for a kind whose source cannot do that: see
    /// [`verbs`](Plugged::verbs).
    pub fn fault(&self, fault: SourceFault) -> Result {
        match self.0.live.fault(fault) {
            true => Ok(()),
            false => Err(Errno::EOPNOTSUPP),
        }
    }

    /// Pulls the hardware out: its driver is unbound and its device is gone. A
    /// second time it does nothing.
    #[track_caller]
    pub fn unplug(&self) {
        let device = self.0.device.lock().take();
        if let Some(device) = device {
            device.unregister();
        }
    }

    /// Unbinds the driver; the hardware stays. `ENODEV` if it is not bound.
    #[track_caller]
    pub fn unbind(&self) -> Result {
        if !self.is_bound() {
            return Err(Errno::ENODEV);
        }
        device_release_driver(&self.0.raw);
        Ok(())
    }

    /// Binds the driver again. `EBUSY` if it is bound, `ENODEV` if the hardware
    /// is gone or the driver refuses it.
    #[track_caller]
    pub fn rebind(&self) -> Result {
        if !self.is_plugged() {
            return Err(Errno::ENODEV);
        }
        if self.is_bound() {
            return Err(Errno::EBUSY);
        }
        match device_attach(&self.0.raw)? {
            0 => Err(Errno::ENODEV),
            _ => Ok(()),
        }
    }
}
