//! The typed face: a driver of an adapter, and its registration.

use core::fmt;

use lastfd_model::raw::{Action, devm_add_action_or_reset};
use lastfd_model::typed::{Bound, Device};
use lastfd_model::{Result, System};
use lastfd_sync::Arc;

use crate::abi::*;
use crate::raw::{self, CecAdapOps, CecAdapter, TransmitCounts};

/// A driver of CEC hardware.
///
/// All but [`free`](Driver::free) and [`received`](Driver::received) are called
/// with the adapter's lock held: they may not call the adapter back.
///
/// ```
/// use lastfd_cec::{Builder, Cec, Driver, abi::*};
/// use lastfd_chrdev::{OpenFlags, open};
/// use lastfd_model::typed::{self, Bound, Device, PlatformDevice, PlatformDriver};
/// use lastfd_model::{Errno, Result, System};
///
/// /// Hardware with nobody at the other end.
/// struct Alone;
///
/// impl Driver for Alone {
///     fn transmit(&self, _: &Cec, _tries: u8, _free_time: u32, _: &CecMsg) -> Result {
///         Err(Errno::EIO)
///     }
/// }
///
/// struct Probe;
///
/// impl typed::Driver for Probe {
///     type Info = ();
///     fn probe(device: &Device<Bound>, _: &()) -> Result<Probe> {
///         Builder::new(device, "hdmi", CEC_CAP_TRANSMIT, 1).register(Alone)?;
///         Ok(Probe)
///     }
/// }
///
/// let system = System::new();
/// let driver = PlatformDriver::<Probe>::register(&system, "hdmi")?;
/// let device = PlatformDevice::register(&system, "hdmi", ())?;
/// let file = open(&system, "/dev/cec0", OpenFlags::RDWR)?;
/// let mut mode = [0; 4];
/// file.ioctl_bytes(CEC_G_MODE, &mut mode)?;
/// assert_eq!(u32::from_ne_bytes(mode), CEC_MODE_INITIATOR);
/// device.unregister();
/// assert_eq!(file.ioctl_bytes(CEC_G_MODE, &mut mode), Err(Errno::ENODEV));
/// # drop((file, driver));
/// # Ok::<(), Errno>(())
/// ```
pub trait Driver: Send + Sync + 'static {
    /// Switches the hardware on or off. Off is the last thing but
    /// [`free`](Driver::free).
    fn enable(&self, cec: &Cec, on: bool) -> Result {
        let _ = (cec, on);
        Ok(())
    }

    /// Sets one more logical address; none takes them all back.
    fn log_addr(&self, cec: &Cec, log_addr: Option<u8>) -> Result {
        let _ = (cec, log_addr);
        Ok(())
    }

    /// Begins to send a message, to be tried this often, after this many bit
    /// periods of silence. The end is told by [`Cec::transmit_done`], later.
    fn transmit(&self, cec: &Cec, tries: u8, free_time: u32, msg: &CecMsg) -> Result;

    /// Lets the hardware receive what is not for it.
    fn monitor_all(&self, cec: &Cec, on: bool) -> Result {
        let _ = (cec, on);
        Ok(())
    }

    /// A message for the adapter came. False lets the core handle it.
    fn received(&self, cec: &Cec, msg: &CecMsg) -> bool {
        let _ = (cec, msg);
        false
    }

    /// The last user is gone.
    fn free(&self) {}
}

/// An adapter, lent to its driver.
pub struct Cec(CecAdapter);

impl fmt::Debug for Cec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Cec {
    /// The raw face's handle, on which everything can be done, wrong things
    /// included.
    pub fn raw(&self) -> &CecAdapter {
        &self.0
    }

    /// The System it is in.
    pub fn system(&self) -> &System {
        self.0.system()
    }

    /// The hardware is done with the message it was given.
    pub fn transmit_done(&self, status: u8, counts: TransmitCounts) {
        raw::cec_transmit_done(&self.0, status, counts);
    }

    /// The hardware received a message.
    pub fn received_msg(&self, msg: &CecMsg) {
        raw::cec_received_msg(&self.0, msg);
    }

    /// The cable was plugged in, and where; none if it was pulled out. The claim
    /// of logical addresses that follows goes on by itself.
    pub fn set_phys_addr(&self, phys_addr: Option<u16>) {
        raw::cec_s_phys_addr(&self.0, phys_addr.unwrap_or(CEC_PHYS_ADDR_INVALID), false);
    }
}

/// Describes an adapter before it is registered.
#[must_use = "an adapter that is not registered is not seen by anybody"]
#[derive(Debug)]
pub struct Builder<'a> {
    parent: &'a Device<Bound>,
    name: String,
    caps: u32,
    available_las: u8,
}

impl<'a> Builder<'a> {
    /// An adapter of a bound device, with capabilities (`CEC_CAP_*`) and so many
    /// logical addresses.
    pub fn new(parent: &'a Device<Bound>, name: &str, caps: u32, available_las: u8) -> Self {
        Builder {
            parent,
            name: name.to_owned(),
            caps,
            available_las,
        }
    }

    /// Registers the adapter until the parent's driver is unbound. Errors as of
    /// [`cec_allocate_adapter`](raw::cec_allocate_adapter) and
    /// [`cec_register_adapter`](raw::cec_register_adapter), and then nothing is
    /// left.
    #[track_caller]
    pub fn register<D: Driver>(self, driver: D) -> Result<Registered<D>> {
        let driver = Arc::new(driver);
        let parent = self.parent.raw();
        let adap = raw::cec_allocate_adapter(
            &parent.system(),
            ops(&driver),
            None,
            &self.name,
            self.caps,
            self.available_las,
        )?;
        raw::cec_register_adapter(&adap, parent).inspect_err(|_| {
            raw::cec_delete_adapter(&adap);
        })?;
        let registered = adap.clone();
        devm_add_action_or_reset(
            parent,
            Action::new(move || raw::cec_unregister_adapter(&registered))
                .named("cec_unregister_adapter"),
        )?;
        Ok(Registered {
            cec: Cec(adap),
            driver,
        })
    }
}

/// A registered adapter and its driver. Dropping it unregisters nothing: the
/// parent does, when its driver is unbound.
pub struct Registered<D> {
    cec: Cec,
    driver: Arc<D>,
}

impl<D> Registered<D> {
    /// The adapter.
    pub fn cec(&self) -> &Cec {
        &self.cec
    }

    /// The driver.
    pub fn driver(&self) -> &Arc<D> {
        &self.driver
    }
}

impl<D> fmt::Debug for Registered<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Registered").field(&self.cec).finish()
    }
}

fn ops<D: Driver>(driver: &Arc<D>) -> CecAdapOps {
    let d = || Arc::clone(driver);
    let lend = |adap: &CecAdapter| Cec(adap.clone());
    let (enable, log_addr, transmit, monitor, received, free) = (d(), d(), d(), d(), d(), d());
    CecAdapOps {
        adap_enable: Some(Arc::new(move |adap, on| enable.enable(&lend(adap), on))),
        adap_log_addr: Some(Arc::new(move |adap, addr| {
            let addr = (addr != CEC_LOG_ADDR_INVALID).then_some(addr);
            log_addr.log_addr(&lend(adap), addr)
        })),
        adap_transmit: Some(Arc::new(move |adap, tries, free_time, msg| {
            transmit.transmit(&lend(adap), tries, free_time, msg)
        })),
        adap_monitor_all_enable: Some(Arc::new(move |adap, on| {
            monitor.monitor_all(&lend(adap), on)
        })),
        received: Some(Arc::new(move |adap, msg| {
            if received.received(&lend(adap), msg) {
                Ok(())
            } else {
                Err(raw::ENOMSG)
            }
        })),
        adap_free: Some(Arc::new(move |_| free.free())),
        ..CecAdapOps::default()
    }
}
