//! A card with buffers and a display that shows them at a steady rate: `display`.

use core::time::Duration;

use lastfd_drm::raw::{
    Beat, Features, drm_atomic_helper_shutdown, drm_dev_register, drm_dev_unregister,
};
use lastfd_drm::typed::{self as drm, UnregisteredDevice};
use lastfd_model::typed::{self, Bound, Device, PlatformDevice};
use lastfd_model::{Result, System};
use lastfd_sync::Arc;

use crate::fault::{Due, Source};
use crate::kind::{BadValue, Key, Kind, Settings};
use crate::plug::{Hardware, Socket, platform_driver};

/// How the display's driver takes it away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DisplayRemoval {
    /// `drm_dev_unplug`, as drivers of hardware that can go: what is open gives
    /// `ENODEV` from then on.
    #[default]
    Unplug,
    /// `drm_dev_unregister`, as vkms: what is open goes on working.
    Unregister,
}

/// A display: a DRM device with dumb buffers and one CRTC, whose vblanks come 60
/// times a second by the System's clock.
///
/// It appears as `/dev/dri/card0` (`card1`, …) of the driver `lastfd`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Display {
    /// How its driver takes it away.
    pub removal: DisplayRemoval,
}

/// The time from one vblank to the next.
const FRAME: Duration = Duration::from_nanos(1_000_000_000 / 60);

impl Display {
    pub(crate) const KIND: Kind = Kind {
        name: "display",
        summary: "a DRM card with dumb buffers and vblanks",
        serves: "/dev/dri/cardN",
        keys: &[Key {
            name: "removal",
            value: "HOW",
            default: "unplug",
            what: "what its driver's remove calls: drm_dev_unplug (unplug), or drm_dev_unregister as vkms (unregister)",
        }],
        build: |settings| Ok(Box::new(Display::from_settings(settings)?)),
    };

    fn from_settings(settings: &Settings) -> core::result::Result<Display, BadValue> {
        let removal = match settings.get("removal") {
            None | Some("unplug") => DisplayRemoval::Unplug,
            Some("unregister") => DisplayRemoval::Unregister,
            Some(_) => {
                return Err(BadValue {
                    key: "removal",
                    expected: "unplug or unregister",
                });
            }
        };
        Ok(Display { removal })
    }
}

impl Hardware for Display {
    fn kind(&self) -> &'static str {
        Display::KIND.name
    }

    fn driver(&self, system: &System) -> Result<Box<dyn core::any::Any + Send + Sync>> {
        platform_driver::<DisplayDriver>(system, self.kind())
    }

    fn insert(&self, socket: &Socket<'_>) -> Result<PlatformDevice> {
        let source = Source::default();
        socket.has_source(&source, &["delay", "drop", "repeat", "stop", "start"]);
        socket.register(Board {
            removal: self.removal,
            source,
        })
    }
}

/// What the driver is told of the hardware.
struct Board {
    removal: DisplayRemoval,
    /// The vblanks.
    source: Source,
}

/// What goes wrong with the next vblank. Their count is the core's own, of 64 bits: it
/// has nothing to wrap.
fn beat(source: &Source) -> Beat {
    match source.due() {
        Due::Comes | Due::Wrapping => Beat::Comes,
        Due::Late(time) => Beat::Late(time),
        Due::Again => Beat::Twice,
        Due::Lost | Due::Nothing => Beat::Lost,
    }
}

/// The driver: what a probe that succeeded leaves.
struct DisplayDriver;

impl typed::Driver for DisplayDriver {
    type Info = Board;

    fn probe(device: &Device<Bound>, board: &Board) -> Result<DisplayDriver> {
        let card = UnregisteredDevice::new(device, Card, ())?;
        let source = board.source.clone();
        card.add_crtcs_with(1, FRAME, Arc::new(move || beat(&source)))?;
        match board.removal {
            DisplayRemoval::Unplug => drop(card.register(device)?),
            // The typed face has no registration that leaves files working without
            // hardware.
            DisplayRemoval::Unregister => {
                let card = card.raw().clone();
                drm_dev_register(&card, 0)?;
                device.on_unbind(move || {
                    drm_dev_unregister(&card);
                    drm_atomic_helper_shutdown(&card);
                })?;
            }
        }
        Ok(DisplayDriver)
    }
}

/// The DRM driver.
struct Card;

impl drm::Driver for Card {
    type Hardware = ();
    type File = ();

    const INFO: drm::Info = drm::Info {
        name: "lastfd",
        desc: "A display of lastfd's",
        version: (1, 0, 0),
    };
    const FEATURES: Features = Features(Features::GEM.0 | Features::MODESET.0 | Features::ATOMIC.0);

    fn open(_device: &drm::Device<Card>) -> Result<()> {
        Ok(())
    }
}
