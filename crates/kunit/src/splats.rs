//! What went wrong while a case ran: what a kernel would have warned of, the
//! lifetime rules that were broken, and what the kernel's log would say beside that.

use core::fmt;

use lastfd_model::event::SplatKind;
use lastfd_model::{DeviceRef, Event, EventKind, Listener, Place, Subscription, System};
use lastfd_sanitizer::{Finding, Sanitizer};
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
    /// The event's number in the stream.
    pub seq: u64,
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

/// How many messages of a case are kept.
const MOST_MESSAGES: usize = 20;

/// Keeps the splats of a System, and what it says beside them.
#[derive(Default)]
struct Kept {
    splats: Mutex<Vec<SplatSeen>>,
    messages: Mutex<Messages>,
}

/// What the kernel's log would say beside splats. Most of it only explains what a
/// call gave, and is of no interest where a case passed.
#[derive(Default)]
struct Messages {
    first: Vec<String>,
    more: usize,
}

impl Listener for Kept {
    fn event(&self, event: &Event) {
        match &event.kind {
            EventKind::Splat { kind, device, text } => self.splats.lock().push(SplatSeen {
                kind: *kind,
                device: device.clone(),
                text: Arc::clone(text),
                place: event.place,
                seq: event.seq,
            }),
            EventKind::Message { device, text } => {
                let mut messages = self.messages.lock();
                if messages.first.len() == MOST_MESSAGES {
                    messages.more += 1;
                    return;
                }
                messages.first.push(match device {
                    Some(device) => format!("kernel: {device}: {text}"),
                    None => format!("kernel: {text}"),
                });
            }
            _ => {}
        }
    }
}

/// Watches a System for a run.
pub(crate) struct Watch {
    kept: Arc<Kept>,
    sanitizer: Option<Sanitizer>,
    _subscription: Subscription,
}

impl Watch {
    pub(crate) fn new(system: &System, sanitizer: bool) -> Watch {
        let kept = Arc::new(Kept::default());
        Watch {
            _subscription: system.subscribe(kept.clone()),
            kept,
            sanitizer: sanitizer.then(|| Sanitizer::watch(system)),
        }
    }

    /// The splats since the last call. A finding that only explains splats goes with
    /// them.
    pub(crate) fn take_splats(&self) -> Vec<SplatSeen> {
        let splats = core::mem::take(&mut *self.kept.splats.lock());
        if let Some(sanitizer) = &self.sanitizer {
            let taken = |seq: &u64| splats.iter().any(|splat| splat.seq == *seq);
            sanitizer.retain(|finding| {
                finding.explains.is_empty() || !finding.explains.iter().all(taken)
            });
        }
        splats
    }

    /// The findings since the last call that a driver is to blame for.
    pub(crate) fn take_findings(&self) -> Vec<Finding> {
        let findings = self.sanitizer.as_ref().map(Sanitizer::take);
        let findings = findings.into_iter().flatten();
        findings.filter(Finding::blames_a_driver).collect()
    }

    /// What went wrong since the last call, in words, but for broken rules that are
    /// meant to be.
    pub(crate) fn take(&self, meant: &[u8]) -> Vec<String> {
        // The reports stand after what they explain.
        let mut findings = self.take_findings();
        findings.retain(|finding| !meant.contains(&finding.rule.number));
        let splats = core::mem::take(&mut *self.kept.splats.lock());
        let splats = splats.iter().map(ToString::to_string);
        splats
            .chain(findings.iter().map(ToString::to_string))
            .collect()
    }

    /// What the kernel's log would have said since the last call.
    pub(crate) fn take_messages(&self) -> Vec<String> {
        let Messages { mut first, more } = core::mem::take(&mut *self.kept.messages.lock());
        if more > 0 {
            first.push(format!("kernel: and {more} more"));
        }
        first
    }

    pub(crate) fn is_sanitized(&self) -> bool {
        self.sanitizer.is_some()
    }

    /// What is held now and has its own name as a mistake.
    pub(crate) fn held(&self) -> Vec<String> {
        let held = self.sanitizer.as_ref().map(Sanitizer::held);
        let held = held.into_iter().flatten();
        held.map(|finding| finding.to_string()).collect()
    }
}
