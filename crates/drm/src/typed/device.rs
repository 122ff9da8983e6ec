//! Devices: before and after they are registered, and inside a section in
//! which the hardware is there.

use core::fmt;
use core::ops::Deref;
use core::time::Duration;

use lastfd_model::raw::Action;
use lastfd_model::typed::{Bound, Device as ModelDevice, Manages};
use lastfd_model::{Result, System};
use lastfd_sync::{Arc, Mutex};

use super::driver::{Driver, raw_driver};
use crate::raw::{
    self, Beat, Beats, DrmCrtc, DrmDevice, DrmEnter, DrmmAction, devm_drm_dev_alloc,
    drm_atomic_helper_shutdown, drm_crtc_init_simulated_with, drm_crtc_vblank_on, drm_dev_enter,
    drm_dev_get, drm_dev_put, drm_dev_register, drm_dev_unplug, drm_vblank_init,
    drmm_add_action_or_reset,
};

/// What the device is embedded in.
struct Container<D: Driver> {
    data: D,
    /// None once the driver is unbound.
    hardware: Mutex<Option<Arc<D::Hardware>>>,
}

/// A device, seen from a callback or through a reference. It may be gone.
pub struct Device<D: Driver> {
    raw: DrmDevice,
    container: Arc<Container<D>>,
}

impl<D: Driver> fmt::Debug for Device<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.raw.fmt(f)
    }
}

impl<D: Driver> Device<D> {
    /// The device of the raw face, if its driver is a `D` and it is not freed.
    /// No reference is taken.
    pub fn from_raw(dev: &DrmDevice) -> Option<Device<D>> {
        Some(Device {
            raw: dev.clone(),
            container: dev.private()?,
        })
    }

    /// The driver's data, there as long as the device is.
    pub fn data(&self) -> &D {
        &self.container.data
    }

    /// The hardware, if it is there (`drm_dev_enter`). An unplug waits until
    /// what this gives is dropped: do not sleep with it.
    pub fn enter(&self) -> Option<Entered<'_, D>> {
        let section = drm_dev_enter(&self.raw)?;
        let hardware = self.container.hardware.lock().clone()?;
        Some(Entered {
            hardware,
            _section: section,
        })
    }

    /// Takes a reference that is dropped with the returned value.
    #[track_caller]
    pub fn get(&self) -> ARef<D> {
        drm_dev_get(&self.raw);
        ARef(Device {
            raw: self.raw.clone(),
            container: Arc::clone(&self.container),
        })
    }

    /// The System it is in.
    pub fn system(&self) -> System {
        self.raw.system()
    }

    /// The raw face's handle, on which everything can be done, wrong things
    /// included.
    pub fn raw(&self) -> &DrmDevice {
        &self.raw
    }
}

/// A counted reference on a device: cloning takes one, dropping drops one.
pub struct ARef<D: Driver>(Device<D>);

impl<D: Driver> Clone for ARef<D> {
    #[track_caller]
    fn clone(&self) -> ARef<D> {
        self.0.get()
    }
}

impl<D: Driver> Deref for ARef<D> {
    type Target = Device<D>;

    fn deref(&self) -> &Device<D> {
        &self.0
    }
}

impl<D: Driver> Drop for ARef<D> {
    fn drop(&mut self) {
        drm_dev_put(&self.0.raw);
    }
}

impl<D: Driver> fmt::Debug for ARef<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ARef").field(&self.0).finish()
    }
}

/// The hardware, in a section that an unplug waits for.
pub struct Entered<'a, D: Driver> {
    hardware: Arc<D::Hardware>,
    _section: DrmEnter<'a>,
}

impl<D: Driver> Deref for Entered<'_, D> {
    type Target = D::Hardware;

    fn deref(&self) -> &D::Hardware {
        &self.hardware
    }
}

impl<D: Driver> fmt::Debug for Entered<'_, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entered").finish_non_exhaustive()
    }
}

/// A CRTC of a device.
#[derive(Clone, Debug)]
pub struct Crtc(DrmCrtc);

impl Crtc {
    /// The raw face's handle.
    pub fn raw(&self) -> &DrmCrtc {
        &self.0
    }
}

/// A device that nobody can open yet.
///
/// Dropping it without registering leaves it to the parent's managed resources:
/// it goes when the probe fails, or at unbind.
#[must_use = "a device that is not registered can not be opened"]
pub struct UnregisteredDevice<D: Driver>(Device<D>);

impl<D: Driver> fmt::Debug for UnregisteredDevice<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UnregisteredDevice").field(&self.0).finish()
    }
}

impl<D: Driver> UnregisteredDevice<D> {
    /// Makes a device on the bound one. `hardware` is dropped when the driver
    /// is unbound, `data` with the last reference.
    ///
    /// # Errors
    /// `ENOMEM`, `EBUSY` without a free minor; what was given is dropped.
    #[track_caller]
    pub fn new(
        device: &ModelDevice<Bound>,
        data: D,
        hardware: D::Hardware,
    ) -> Result<UnregisteredDevice<D>> {
        let container = Arc::new(Container {
            data,
            hardware: Mutex::new(Some(Arc::new(hardware))),
        });
        let dev = devm_drm_dev_alloc(device.raw(), &raw_driver::<D>())?;
        dev.set_private(Arc::clone(&container));
        let gone = Arc::clone(&container);
        // Added after the reference's put, so it runs before it.
        device.on_unbind(move || {
            let hardware = gone.hardware.lock().take();
            drop(hardware);
        })?;
        Ok(UnregisteredDevice(Device {
            raw: dev,
            container,
        }))
    }

    /// Adds CRTCs whose vblanks come from the System's clock, one each `frame`,
    /// and switches them on.
    ///
    /// # Errors
    /// `ENOMEM`; `EINVAL` a second time.
    #[track_caller]
    pub fn add_crtcs(&self, count: usize, frame: Duration) -> Result<Vec<Crtc>> {
        self.add_crtcs_with(count, frame, Arc::new(|| Beat::Comes))
    }

    /// As [`add_crtcs`](Self::add_crtcs), with vblanks that something can go wrong with.
    ///
    /// # Errors
    /// `ENOMEM`; `EINVAL` a second time.
    #[track_caller]
    pub fn add_crtcs_with(&self, count: usize, frame: Duration, beats: Beats) -> Result<Vec<Crtc>> {
        let dev = &self.0.raw;
        drm_vblank_init(dev, count)?;
        let crtcs = (0..count).map(|_| {
            let crtc = drm_crtc_init_simulated_with(dev, frame, Arc::clone(&beats))?;
            drm_crtc_vblank_on(&crtc);
            Ok(Crtc(crtc))
        });
        crtcs.collect()
    }

    /// Runs something when the last reference is dropped, after what is added
    /// later (`drmm_add_action_or_reset`).
    ///
    /// # Errors
    /// `ENOMEM`; it has run then.
    #[track_caller]
    pub fn on_release(&self, name: &str, run: impl FnOnce() + Send + 'static) -> Result {
        let action = DrmmAction::new(name, move |_: &DrmDevice| run());
        drmm_add_action_or_reset(&self.0.raw, action)
    }

    /// Registers the device: from here on it can be opened. At unbind it is
    /// unplugged, and its CRTCs are switched off, before anything that was
    /// added to the bound device earlier is released.
    ///
    /// # Errors
    /// As [`drm_dev_register`].
    #[track_caller]
    pub fn register(self, device: &impl Manages) -> Result<ARef<D>> {
        let dev = &self.0.raw;
        drm_dev_register(dev, 0)?;
        let gone = dev.clone();
        lastfd_model::raw::devm_add_action_or_reset(
            device.manager().raw(),
            Action::new(move || {
                drm_dev_unplug(&gone);
                drm_atomic_helper_shutdown(&gone);
            })
            .named("drm_dev_unplug"),
        )?;
        Ok(self.0.get())
    }
}

impl<D: Driver> Deref for UnregisteredDevice<D> {
    type Target = Device<D>;

    fn deref(&self) -> &Device<D> {
        &self.0
    }
}

/// The raw face, for those who have to.
impl<D: Driver> AsRef<raw::DrmDevice> for Device<D> {
    fn as_ref(&self) -> &raw::DrmDevice {
        &self.raw
    }
}
