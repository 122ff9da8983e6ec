//! How much a listener is told.

use lastfd_model::raw::*;
use lastfd_model::{Detail, Event, EventKind, Listener, System};
use lastfd_sync::{Arc, Mutex};

/// Keeps what it is told, of as much as it asks for.
struct Kept(Detail, Mutex<Vec<EventKind>>);

impl Kept {
    fn new(detail: Detail) -> Arc<Kept> {
        Arc::new(Kept(detail, Mutex::default()))
    }

    fn is_detail(kind: &EventKind) -> bool {
        match kind {
            EventKind::RefTaken { .. } | EventKind::RefDropped { .. } => true,
            EventKind::SectionBegin { .. } | EventKind::SectionEnd { .. } => true,
            EventKind::Uevent { env, .. } | EventKind::KobjectUevent { env, .. } => !env.is_empty(),
            _ => false,
        }
    }

    fn details(&self) -> usize {
        let told = self.1.lock();
        told.iter().filter(|kind| Kept::is_detail(kind)).count()
    }

    /// What is no detail, as the live log prints it, and which uevents were sent.
    fn outline(&self) -> Vec<String> {
        let told = self.1.lock();
        let lines = told.iter().filter_map(|kind| match kind {
            EventKind::Uevent { device, action, .. } => Some(format!("uevent {action} {device}")),
            EventKind::KobjectUevent {
                kobject, action, ..
            } => Some(format!("uevent {action} {kobject}")),
            kind if Kept::is_detail(kind) => None,
            kind => Some(kind.to_string()),
        });
        lines.collect()
    }
}

impl Listener for Kept {
    fn detail(&self) -> Detail {
        self.0
    }

    fn event(&self, event: &Event) {
        self.1.lock().push(event.kind.clone());
    }
}

fn plug_and_unplug(system: &System) {
    let driver = platform_driver(system, "sensor");
    driver_register(&driver).unwrap();
    let device = platform_device_register(system, "sensor", PlatformId::None).unwrap();
    platform_device_unregister(&device);
    driver_unregister(&driver);
}

#[test]
fn an_outline_is_everything_but_the_details() {
    let (outline, full) = (Kept::new(Detail::Outline), Kept::new(Detail::Full));
    for listener in [&outline, &full] {
        let system = System::new();
        let listener: Arc<dyn Listener> = listener.clone();
        let _listening = system.subscribe(listener);
        plug_and_unplug(&system);
    }
    assert_eq!(outline.details(), 0);
    assert!(full.details() > 0);
    assert_eq!(outline.outline(), full.outline());
    assert!(!outline.outline().is_empty());
}

#[test]
fn details_are_told_for_as_long_as_somebody_asks_for_them() {
    let system = System::new();
    let outline = Kept::new(Detail::Outline);
    let _listening = system.subscribe(outline.clone());
    let recording = system.record();
    assert!(system.details_are_on());
    plug_and_unplug(&system);
    let events = recording.take();
    let details = events.iter().filter(|event| Kept::is_detail(&event.kind));
    assert_eq!(outline.details(), details.count());
    drop(recording);
    assert!(!system.details_are_on());
    outline.1.lock().clear();
    plug_and_unplug(&system);
    assert_eq!(outline.details(), 0);
    assert!(!outline.outline().is_empty());
}
