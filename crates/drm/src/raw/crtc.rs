//! CRTCs, as far as vblanks need them.
//!
//! Follows the vblank part of `include/drm/drm_crtc.h` and, for the simulated
//! one, `drivers/gpu/drm/vkms/vkms_crtc.c`.

use core::fmt;
use core::time::Duration;

use lastfd_model::resource::{Next, Resource, Timer};
use lastfd_model::{Errno, Result};
use lastfd_sync::{Arc, Ktime, Mutex, OnceLock};

use super::device::{DrmDevice, WeakDrmDevice};
use super::managed::{DrmmAction, drmm_add_action_or_reset};
use super::vblank::{drm_crtc_handle_vblank, drm_crtc_vblank_off};

/// Switches vblank interrupts on; must not sleep.
pub type EnableVblank = Arc<dyn Fn(&DrmCrtc) -> Result + Send + Sync>;
/// Switches them off.
pub type DisableVblank = Arc<dyn Fn(&DrmCrtc) + Send + Sync>;
/// When the latest vblank was; none if the hardware can not say. Told whether
/// interrupts are on.
pub type VblankTimestamp = Arc<dyn Fn(&DrmCrtc, bool) -> Option<Ktime> + Send + Sync>;

/// A CRTC's vblank callbacks (`struct drm_crtc_funcs`).
#[derive(Clone, Default)]
pub struct DrmCrtcFuncs {
    /// `enable_vblank`; without it there is nothing to wait for (`EINVAL`).
    pub enable_vblank: Option<EnableVblank>,
    /// `disable_vblank`.
    pub disable_vblank: Option<DisableVblank>,
    /// `get_vblank_timestamp`. With it, vblanks that passed while interrupts
    /// were off are counted too.
    pub get_vblank_timestamp: Option<VblankTimestamp>,
    /// How long a frame takes (`framedur_ns`).
    pub frame: Duration,
}

impl fmt::Debug for DrmCrtcFuncs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DrmCrtcFuncs")
            .field("frame", &self.frame)
            .finish_non_exhaustive()
    }
}

/// A CRTC (`struct drm_crtc`). A clone is another handle.
#[derive(Clone)]
pub struct DrmCrtc(Arc<Inner>);

struct Inner {
    dev: WeakDrmDevice,
    pipe: usize,
    funcs: DrmCrtcFuncs,
}

impl fmt::Debug for DrmCrtc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DrmCrtc({})", self.0.pipe)
    }
}

impl DrmCrtc {
    /// Its number (`drm_crtc_index`).
    pub fn index(&self) -> usize {
        self.0.pipe
    }

    /// What events call it (`base.id`).
    pub fn id(&self) -> u32 {
        self.0.pipe as u32 + 1
    }

    /// Its device; `None` once no handle on that is left.
    pub fn dev(&self) -> Option<DrmDevice> {
        self.0.dev.upgrade()
    }

    pub(crate) fn funcs(&self) -> &DrmCrtcFuncs {
        &self.0.funcs
    }
}

/// Adds a CRTC to the device (`drm_crtc_init_with_planes`, without planes).
/// Before [`drm_dev_register`](super::drm_dev_register); its number is the next
/// one.
///
/// # Errors
/// `EINVAL` for more CRTCs than `drm_vblank_init` was told.
pub fn drm_crtc_init(dev: &DrmDevice, funcs: DrmCrtcFuncs) -> Result<DrmCrtc> {
    let pipes = dev.vblank().len();
    let mut crtcs = dev.vblank().crtcs_mut();
    let pipe = crtcs.len();
    if pipes != 0 && pipe >= pipes {
        return Err(Errno::EINVAL);
    }
    let crtc = DrmCrtc(Arc::new(Inner {
        dev: dev.downgrade(),
        pipe,
        funcs,
    }));
    crtcs.push(crtc.clone());
    Ok(crtc)
}

/// The device's CRTCs, by number (`drm_for_each_crtc`).
pub fn drm_crtcs(dev: &DrmDevice) -> Vec<DrmCrtc> {
    dev.vblank().crtcs()
}

/// What becomes of a vblank that is due, where display hardware is simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beat {
    /// It comes.
    Comes,
    /// Its frame takes that much longer.
    Late(Duration),
    /// It comes, and its interrupt is lost.
    Lost,
    /// Its interrupt comes twice.
    Twice,
}

/// Asked once for each vblank that is due.
pub type Beats = Arc<dyn Fn() -> Beat + Send + Sync>;

/// A vblank source on the System's clock, as vkms has one in a timer.
struct Source {
    beats: Beats,
    timer: OnceLock<Timer>,
    /// When the timer is due next.
    due: Mutex<Ktime>,
    frame: Duration,
}

/// Adds a CRTC whose vblanks come from a timer on the System's clock, one each
/// `frame`. The timer runs only while somebody wants vblanks and is freed with
/// the device.
///
/// # Errors
/// As [`drm_crtc_init`]; `ENOMEM`.
#[track_caller]
pub fn drm_crtc_init_simulated(dev: &DrmDevice, frame: Duration) -> Result<DrmCrtc> {
    drm_crtc_init_simulated_with(dev, frame, Arc::new(|| Beat::Comes))
}

/// As [`drm_crtc_init_simulated`], with vblanks that something can go wrong with.
///
/// # Errors
/// As [`drm_crtc_init`]; `ENOMEM`.
#[track_caller]
pub fn drm_crtc_init_simulated_with(
    dev: &DrmDevice,
    frame: Duration,
    beats: Beats,
) -> Result<DrmCrtc> {
    let source = Arc::new(Source {
        beats,
        timer: OnceLock::new(),
        due: Mutex::new(Ktime::default()),
        frame,
    });
    let (on, off, at) = (source.clone(), source.clone(), source.clone());
    let funcs = DrmCrtcFuncs {
        // vkms_crtc.c: vkms_enable_vblank
        enable_vblank: Some(Arc::new(move |crtc| {
            let dev = crtc.dev().ok_or(Errno::EINVAL)?;
            *on.due.lock() = dev.system().clock().now().after(on.frame);
            on.timer.get().ok_or(Errno::EINVAL)?.start(on.frame);
            Ok(())
        })),
        disable_vblank: Some(Arc::new(move |_| {
            if let Some(timer) = off.timer.get() {
                timer.cancel();
            }
        })),
        // vkms_crtc.c: vkms_get_vblank_timestamp
        get_vblank_timestamp: Some({
            let weak = dev.downgrade();
            Arc::new(move |_, enabled| match enabled {
                true => {
                    let due = at.due.lock().since_start();
                    let last = due.saturating_sub(at.frame);
                    Some(Ktime::default().after(last))
                }
                false => Some(weak.upgrade()?.system().clock().now()),
            })
        }),
        frame,
    };
    let crtc = drm_crtc_init(dev, funcs)?;
    let timer = {
        // Weak: the CRTC has the source in its callbacks, and that the timer.
        let (source, crtc) = (Arc::downgrade(&source), Arc::downgrade(&crtc.0));
        // vkms_crtc.c: vkms_vblank_simulate
        Timer::new(&dev.system(), dev.dev().as_ref(), "vblank", move || {
            let (Some(source), Some(crtc)) = (source.upgrade(), crtc.upgrade()) else {
                return Next::Stop;
            };
            let beat = (source.beats)();
            let next = match beat {
                Beat::Late(time) => time,
                _ => source.frame,
            };
            {
                let mut due = source.due.lock();
                *due = due.after(next);
            }
            let interrupts = match beat {
                Beat::Comes => 1,
                Beat::Twice => 2,
                Beat::Late(_) | Beat::Lost => 0,
            };
            for _ in 0..interrupts {
                drm_crtc_handle_vblank(&DrmCrtc(Arc::clone(&crtc)));
            }
            Next::After(next)
        })
    };
    let freed = timer.clone();
    // The source is new: nobody else sets it.
    let _ = source.timer.set(timer);
    drmm_add_action_or_reset(
        dev,
        DrmmAction::new("the simulated vblank timer", move |_: &DrmDevice| {
            freed.free();
        }),
    )?;
    Ok(crtc)
}

/// Switches every CRTC off (`drm_atomic_helper_shutdown`), as far as vblanks
/// go: what a driver does after it unregistered or unplugged its device. It is
/// this that ends waits for a vblank.
#[track_caller]
pub fn drm_atomic_helper_shutdown(dev: &DrmDevice) {
    for crtc in dev.vblank().crtcs() {
        drm_crtc_vblank_off(&crtc);
    }
}
