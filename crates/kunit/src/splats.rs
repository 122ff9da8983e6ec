//! What a kernel would have warned of, while a case ran.

use core::fmt;

use lastfd_model::event::SplatKind;
use lastfd_model::{DeviceRef, Event, EventKind, Listener, Place};
use lastfd_sync::{Arc, Mutex};

/// A warning, BUG or the like that a case caused.
#[derive(Clone, Debug)]
pub struct SplatSeen {
    /// What sort.
    pub kind: SplatKind,
    /// The device, if there is one.
    pub device: Option<DeviceRef>,
    /// What went wrong.
    pub text: Arc<str>,
    /// Where.
    pub place: Option<Place>,
}

impl fmt::Display for SplatSeen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.kind)?;
        if let Some(device) = &self.device {
            write!(f, "{device}: ")?;
        }
        f.write_str(&self.text)?;
        if let Some(place) = self.place {
            write!(f, " (at {place})")?;
        }
        Ok(())
    }
}

/// Keeps the splats of a System.
#[derive(Default)]
pub(crate) struct Splats(Mutex<Vec<SplatSeen>>);

impl Splats {
    pub(crate) fn take(&self) -> Vec<SplatSeen> {
        core::mem::take(&mut *self.0.lock())
    }
}

impl Listener for Splats {
    fn event(&self, event: &Event) {
        if let EventKind::Splat { kind, device, text } = &event.kind {
            self.0.lock().push(SplatSeen {
                kind: *kind,
                device: device.clone(),
                text: Arc::clone(text),
                place: event.place,
            });
        }
    }
}
