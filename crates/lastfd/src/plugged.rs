//! Hardware on the bench, and how it is taken away.

use core::fmt;

use lastfd_model::raw::{
    Device, device_attach, device_for_each_child, device_release_driver, device_unregister,
    platform_device_unregister,
};
use lastfd_model::{DeviceRef, Errno, System};
use lastfd_report::{Manner, RunEvent};
use lastfd_sync::atomic::{AtomicBool, Ordering};
use lastfd_sync::{Arc, Mutex};

#[cfg(feature = "devices")]
use crate::fault::{Fault, FaultError};

/// Hardware on a bench. Clones are one device.
///
/// It may be taken away at any time and from any thread; the second time does nothing.
#[derive(Clone)]
pub struct Plugged {
    inner: Arc<Inner>,
}

struct Inner {
    name: Arc<str>,
    device: Device,
    gone: AtomicBool,
    /// Its driver was taken off, by either removal, and was not bound again.
    taken: AtomicBool,
    /// Locked through a removal, so that the events of two do not mix.
    unplug: Mutex<Option<Unplug>>,
}

/// How the hardware is taken away.
pub(crate) enum Unplug {
    /// Its device is unregistered.
    Unregister,
    /// Ready-made hardware is pulled out. The last handle takes the driver along.
    #[cfg(feature = "devices")]
    Pull(lastfd_devices::Plugged),
}

impl Plugged {
    pub(crate) fn new(name: &str, device: Device, unplug: Unplug) -> Plugged {
        let plugged = Plugged {
            inner: Arc::new(Inner {
                name: name.into(),
                device,
                gone: AtomicBool::new(false),
                taken: AtomicBool::new(false),
                unplug: Mutex::new(Some(unplug)),
            }),
        };
        plugged.system().emit(|| {
            RunEvent::Plugged {
                name: Arc::clone(&plugged.inner.name),
                device: plugged.inner.device.device_ref(),
            }
            .into()
        });
        plugged
    }

    /// Its name on the bench, such as `iio-adc2`.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Whether its name is this kind, or this kind and a number.
    pub(crate) fn is_kind(&self, kind: &str) -> bool {
        let number = self.name().strip_prefix(kind);
        number.is_some_and(|number| number.bytes().all(|b| b.is_ascii_digit()))
    }

    /// The hardware's device.
    pub fn device(&self) -> &Device {
        &self.inner.device
    }

    /// Whether [`unplug`](Plugged::unplug) was called.
    pub fn is_unplugged(&self) -> bool {
        self.inner.gone.load(Ordering::SeqCst)
    }

    /// Takes the hardware away: its device is unregistered, so that its driver's remove
    /// runs.
    #[track_caller]
    pub fn unplug(&self) {
        self.remove(Manner::Unplug, "on request");
    }

    /// Takes the driver off the hardware, which stays.
    #[track_caller]
    pub fn unbind(&self) {
        self.remove(Manner::Unbind, "on request");
    }

    /// Offers the hardware to the drivers again.
    ///
    /// # Errors
    /// `ENODEV` if no driver takes it, and what a probe returned.
    #[track_caller]
    pub fn rebind(&self) -> lastfd_model::Result {
        match device_attach(&self.inner.device)? {
            0 => Err(Errno::ENODEV),
            _ => {
                self.inner.taken.store(false, Ordering::SeqCst);
                Ok(())
            }
        }
    }

    /// Sets a key of ready-made hardware, such as what a sensor measures; see
    /// [`lastfd_devices::Plugged::set`].
    ///
    /// # Errors
    /// [`SetError`].
    #[cfg(feature = "devices")]
    pub fn set(&self, key: &str, value: &str) -> Result<(), SetError> {
        match self.ready_made() {
            Some(hardware) => Ok(hardware.set(key, value)?),
            None if self.is_unplugged() => Err(SetError::Unplugged {
                name: self.name().to_owned(),
            }),
            None => Err(SetError::NoKeys {
                name: self.name().to_owned(),
            }),
        }
    }

    /// Makes ready-made hardware vanish while its nodes stay; see
    /// [`lastfd_devices::Plugged::disconnect`].
    ///
    /// # Errors
    /// `ENODEV` after it was unplugged or unbound, `EOPNOTSUPP` for hardware that
    /// cannot.
    #[cfg(feature = "devices")]
    #[track_caller]
    pub fn disconnect(&self) -> lastfd_model::Result {
        match self.ready_made() {
            Some(hardware) => hardware.disconnect(),
            None if self.is_unplugged() => Err(Errno::ENODEV),
            None => Err(Errno::EOPNOTSUPP),
        }
    }

    /// What can be done to it, in the words of the command line.
    #[cfg(feature = "devices")]
    pub fn verbs(&self) -> Vec<&'static str> {
        let mut verbs = vec!["unplug", "unbind", "rebind", "fail"];
        verbs.extend(self.ready_made().iter().flat_map(|ready| ready.verbs()));
        verbs
    }

    /// Whether that can be done to hardware of its kind.
    ///
    /// # Errors
    /// [`FaultError::NotOfKind`], with what can be done.
    #[cfg(feature = "devices")]
    pub fn can(&self, fault: &Fault) -> Result<(), FaultError> {
        let verbs = self.verbs();
        if verbs.contains(&fault.verb()) || self.is_unplugged() {
            return Ok(());
        }
        Err(FaultError::NotOfKind {
            name: Arc::clone(&self.inner.name),
            verb: fault.verb(),
            verbs: verbs.join(", "),
        })
    }

    /// Does something to it.
    ///
    /// ```
    /// use lastfd::{Bench, Errno, devices::IioAdc, model::raw::attr_read};
    ///
    /// let bench = Bench::new();
    /// let adc = bench.plug(IioAdc::default()).unwrap();
    /// let iio = bench.system().find_bus("iio").unwrap().find_device("iio:device0").unwrap();
    /// adc.fault(&"fail:show:in_voltage0_raw:1:EBUSY".parse().unwrap()).unwrap();
    /// assert_eq!(attr_read(&iio, "in_voltage0_raw"), Err(Errno::EBUSY));
    /// assert_eq!(attr_read(&iio, "in_voltage0_raw").unwrap(), b"100\n");
    /// let refused = adc.fault(&"disconnect".parse().unwrap()).unwrap_err().to_string();
    /// assert!(refused.starts_with("iio-adc has no 'disconnect': what can be done to it are unplug"));
    /// # drop(iio);
    /// bench.finish().assert_clean();
    /// ```
    ///
    /// # Errors
    /// [`FaultError`]: it is not there any more, it is not of a kind that can do that, or
    /// the device model would not.
    #[cfg(feature = "devices")]
    #[track_caller]
    pub fn fault(&self, fault: &Fault) -> Result<(), FaultError> {
        const CAUSE: &str = "on request";
        self.carry_out(fault, CAUSE)?;
        self.tell(fault, CAUSE, None);
        Ok(())
    }

    /// Does something to it that was planned. Nobody has the error but the events.
    #[cfg(feature = "devices")]
    #[track_caller]
    pub(crate) fn fault_as_planned(&self, fault: &Fault, cause: &str) {
        let done = self.carry_out(fault, cause);
        self.tell(fault, cause, done.err());
    }

    #[cfg(feature = "devices")]
    fn tell(&self, fault: &Fault, cause: &str, refused: Option<FaultError>) {
        // A removal tells of itself.
        if refused.is_some() || !matches!(fault, Fault::Unplug | Fault::Unbind) {
            self.system().emit(|| {
                RunEvent::Faulted {
                    name: Arc::clone(&self.inner.name),
                    device: self.inner.device.device_ref(),
                    fault: fault.to_string().into(),
                    cause: cause.into(),
                    refused: refused.map(|error| error.to_string().into()),
                }
                .into()
            });
        }
    }

    #[cfg(feature = "devices")]
    #[track_caller]
    fn carry_out(&self, fault: &Fault, cause: &str) -> Result<(), FaultError> {
        let name = || Arc::clone(&self.inner.name);
        if self.is_unplugged() {
            return Err(FaultError::Unplugged {
                name: name(),
                verb: fault.verb(),
            });
        }
        let failed = |why: String| FaultError::Failed {
            name: name(),
            fault: fault.to_string(),
            why,
        };
        let by_kind = |done: lastfd_model::Result| match done {
            Ok(()) => Ok(()),
            Err(Errno::EOPNOTSUPP) => Err(FaultError::NotOfKind {
                name: name(),
                verb: fault.verb(),
                verbs: self.verbs().join(", "),
            }),
            Err(errno) => Err(failed(errno.to_string())),
        };
        match fault {
            Fault::Unplug => self.remove(Manner::Unplug, cause),
            Fault::Unbind if self.device().driver().is_none() => {
                return Err(failed("it has no driver".to_owned()));
            }
            Fault::Unbind => self.remove(Manner::Unbind, cause),
            Fault::Rebind if self.device().driver().is_some() => {
                return Err(failed(Errno::EBUSY.to_string()));
            }
            Fault::Rebind => self.rebind().map_err(|errno| failed(errno.to_string()))?,
            Fault::Disconnect => by_kind(self.disconnect())?,
            Fault::Fail(call) => {
                let family = self.family().iter().map(|device| device.id).collect();
                let which = call.clone();
                self.system().fail_calls(
                    family,
                    move |name| which.is(name),
                    call.times,
                    call.errno,
                );
            }
            Fault::Source(wrong) => by_kind(match self.ready_made() {
                Some(hardware) => hardware.fault(*wrong),
                None => Err(Errno::EOPNOTSUPP),
            })?,
            Fault::Set { key, value } => self
                .set(key, value)
                .map_err(|error| failed(error.to_string()))?,
        }
        Ok(())
    }

    #[cfg(feature = "devices")]
    fn ready_made(&self) -> Option<lastfd_devices::Plugged> {
        match &*self.inner.unplug.lock() {
            Some(Unplug::Pull(hardware)) => Some(hardware.clone()),
            _ => None,
        }
    }

    /// Whether a removal has begun; if so, waits for its end.
    #[cfg(feature = "iio")]
    pub(crate) fn settle(&self) -> bool {
        let taken = self.inner.taken.load(Ordering::SeqCst);
        if taken {
            drop(self.inner.unplug.lock());
        }
        taken
    }

    #[track_caller]
    pub(crate) fn remove(&self, manner: Manner, cause: &str) {
        let mut unplug = self.inner.unplug.lock();
        let device = &self.inner.device;
        if self.is_unplugged() {
            return;
        }
        if manner == Manner::Unplug {
            self.inner.gone.store(true, Ordering::SeqCst);
        }
        self.inner.taken.store(true, Ordering::SeqCst);
        let system = self.system();
        #[cfg(feature = "iiod")]
        crate::serve::see_unmaps(&system);
        let (name, device_ref) = (Arc::clone(&self.inner.name), device.device_ref());
        system.emit(|| {
            RunEvent::RemovalBegin {
                name: Arc::clone(&name),
                device: device_ref.clone(),
                manner,
                cause: cause.into(),
                family: self.family().into(),
                held: system.ledger().into(),
            }
            .into()
        });
        match manner {
            Manner::Unbind => device_release_driver(device),
            Manner::Unplug => match unplug.take() {
                None => {}
                Some(Unplug::Unregister) => unregister(device),
                #[cfg(feature = "devices")]
                Some(Unplug::Pull(hardware)) => hardware.unplug(),
            },
        }
        system.emit(|| {
            RunEvent::RemovalEnd {
                name,
                device: device_ref,
                manner,
            }
            .into()
        });
    }

    /// The device and all below it.
    pub(crate) fn family(&self) -> Vec<DeviceRef> {
        let mut family = Vec::new();
        collect(&self.inner.device, &mut |device| {
            family.push(device.device_ref())
        });
        family
    }

    pub(crate) fn system(&self) -> System {
        self.inner.device.system()
    }
}

/// Why a key of hardware on a bench was not set.
#[cfg(feature = "devices")]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetError {
    /// There is no such key, it cannot be set later, or it does not take the value.
    #[error(transparent)]
    Spec(#[from] lastfd_devices::SpecError),
    /// It is not there any more.
    #[error("{name} was unplugged; what it measures is seen by nobody")]
    Unplugged {
        /// Its name.
        name: String,
    },
    /// It is hardware of the test's own.
    #[error("{name} has no keys: it is no ready-made device")]
    NoKeys {
        /// Its name.
        name: String,
    },
}

/// Unregisters a device as its kind asks for, and drops its creator's reference.
fn unregister(device: &Device) {
    // By its name: the bus itself is gone with a System that has ended.
    if device.bus().is_some_and(|bus| &*bus.name() == "platform") {
        platform_device_unregister(device);
    } else {
        device_unregister(device);
    }
}

/// Calls `f` for the device and all below it.
pub(crate) fn collect(device: &Device, f: &mut dyn FnMut(&Device)) {
    f(device);
    let mut children = Vec::new();
    device_for_each_child(device, |child| {
        children.push(child.clone());
        0
    });
    for child in children {
        collect(&child, f);
    }
}

impl fmt::Debug for Plugged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugged")
            .field("name", &self.name())
            .field("unplugged", &self.is_unplugged())
            .finish_non_exhaustive()
    }
}
