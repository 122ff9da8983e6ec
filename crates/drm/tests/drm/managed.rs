//! Managed actions and memory.

use lastfd_drm::raw::*;
use lastfd_model::event::SplatKind;
use lastfd_model::raw::{ActionKey, Device, root_device_register, root_device_unregister};
use lastfd_model::{Errno, EventKind, Recording, System};
use lastfd_sync::Arc;

use lastfd_rigs::drm::{Log, splats};
use lastfd_rigs::new_system;

struct Board {
    system: System,
    events: Recording,
    root: Device,
    log: Log,
}

impl Board {
    fn new() -> Board {
        let system = new_system();
        let events = system.record();
        let root = root_device_register(&system, "board").unwrap();
        Board {
            system,
            events,
            root,
            log: Log::default(),
        }
    }

    fn dev(&self) -> DrmDevice {
        let log = self.log.clone();
        let driver = DrmDriver {
            features: Features::GEM,
            release: Some(Arc::new(move |_| log.add("release"))),
            ..DrmDriver::default()
        };
        drm_dev_alloc(&Arc::new(driver), &self.root).unwrap()
    }

    fn action(&self, name: &'static str, key: ActionKey) -> DrmmAction {
        let log = self.log.clone();
        DrmmAction::keyed(name, key, move |_: &DrmDevice| log.add(name))
    }

    fn splats(&self) -> Vec<SplatKind> {
        let events = self.events.events();
        splats(&events).into_iter().map(|(kind, _)| kind).collect()
    }
}

#[test]
fn actions_run_latest_first_after_the_drivers_release() {
    let board = Board::new();
    let dev = board.dev();
    for (at, name) in ["one", "two", "three"].into_iter().enumerate() {
        let action = board.action(name, ActionKey(1, at as u64 + 1));
        drmm_add_action(&dev, action).unwrap();
    }
    drm_dev_put(&dev);
    assert_eq!(board.log.take(), ["release", "three", "two", "one"]);
    root_device_unregister(&board.root);
    assert!(board.root.is_released());
    assert_eq!(board.splats(), []);
}

#[test]
fn an_action_is_released_early_oldest_first_by_function_and_data() {
    let board = Board::new();
    let dev = board.dev();
    for (name, key) in [
        ("a1", ActionKey(1, 1)),
        ("b1", ActionKey(2, 1)),
        ("a1 again", ActionKey(1, 1)),
        ("a2", ActionKey(1, 2)),
    ] {
        drmm_add_action(&dev, board.action(name, key)).unwrap();
    }
    drmm_release_action(&dev, ActionKey(1, 1));
    assert_eq!(board.log.take(), ["a1"]);
    drmm_release_action(&dev, ActionKey(1, 2));
    assert_eq!(board.log.take(), ["a2"]);
    // Without data, whichever is the oldest of that function.
    drmm_release_action(&dev, ActionKey(1, 0));
    assert_eq!(board.log.take(), ["a1 again"]);
    assert_eq!(board.splats(), []);
    drmm_release_action(&dev, ActionKey(1, 1));
    assert_eq!(board.splats(), [SplatKind::Warn]);
    drm_dev_put(&dev);
    assert_eq!(board.log.take(), ["release", "b1"]);
    root_device_unregister(&board.root);
}

#[test]
fn memory_is_freed_in_its_place_in_the_order() {
    let board = Board::new();
    let dev = board.dev();
    let memory = drmm_kstrdup(&dev, "name").unwrap();
    let (early, late) = (memory.clone(), drmm_kzalloc(&dev, 8).unwrap());
    let log = board.log.clone();
    let action = DrmmAction::new("between", move |_: &DrmDevice| {
        log.add(format!("early freed: {}", early.is_freed()));
    });
    drmm_add_action(&dev, action).unwrap();
    drmm_kfree(&dev, &late);
    assert!(late.is_freed());
    assert_eq!(board.splats(), []);
    drmm_kfree(&dev, &late);
    late.read(0..1);
    assert_eq!(board.splats(), [SplatKind::Warn, SplatKind::UseAfterFree]);
    drm_dev_put(&dev);
    assert_eq!(board.log.take(), ["release", "early freed: false"]);
    assert!(memory.is_freed());
    root_device_unregister(&board.root);
}

#[test]
fn an_action_that_is_added_while_they_run_is_lost() {
    let board = Board::new();
    let dev = board.dev();
    let log = board.log.clone();
    let adding = DrmmAction::new("adding", move |dev: &DrmDevice| {
        let late = DrmmAction::new("late", move |_: &DrmDevice| log.add("late"));
        drmm_add_action(dev, late).unwrap();
    });
    drmm_add_action(&dev, adding).unwrap();
    drm_dev_put(&dev);
    assert_eq!(board.log.take(), ["release"]);
    let leaks = board.events.events();
    let leaks = leaks
        .iter()
        .filter(|event| matches!(event.kind, EventKind::Leak { .. }));
    assert_eq!(leaks.count(), 1);
    root_device_unregister(&board.root);
}

#[test]
fn an_action_that_frees_the_next_one_is_a_use_after_free() {
    let board = Board::new();
    let dev = board.dev();
    drmm_add_action(&dev, board.action("next", ActionKey(1, 1))).unwrap();
    let freeing = DrmmAction::new("freeing", |dev: &DrmDevice| {
        drmm_release_action(dev, ActionKey(1, 1));
    });
    drmm_add_action(&dev, freeing).unwrap();
    drm_dev_put(&dev);
    assert_eq!(board.splats(), [SplatKind::UseAfterFree]);
    drop(dev);
    root_device_unregister(&board.root);
}

#[test]
fn what_fails_to_be_added_runs_at_once_if_asked_to() {
    let board = Board::new();
    let dev = board.dev();
    board.system.fail_nth(1);
    let lost = drmm_add_action(&dev, board.action("lost", ActionKey(1, 1)));
    assert_eq!(lost, Err(Errno::ENOMEM));
    assert_eq!(board.log.take(), [] as [String; 0]);
    board.system.fail_nth(1);
    let reset = drmm_add_action_or_reset(&dev, board.action("reset", ActionKey(1, 1)));
    assert_eq!(reset, Err(Errno::ENOMEM));
    assert_eq!(board.log.take(), ["reset"]);
    drm_dev_put(&dev);
    assert_eq!(board.log.take(), ["release"]);
    root_device_unregister(&board.root);
}

#[test]
fn a_panic_in_an_action_stops_none_of_the_others() {
    let board = Board::new();
    let dev = board.dev();
    drmm_add_action(&dev, board.action("first", ActionKey(1, 1))).unwrap();
    let panicking = DrmmAction::new("panicking", |_: &DrmDevice| panic!("oops"));
    drmm_add_action(&dev, panicking).unwrap();
    drm_dev_put(&dev);
    assert_eq!(board.log.take(), ["release", "first"]);
    assert_eq!(board.splats(), [SplatKind::Panic]);
    root_device_unregister(&board.root);
    assert!(board.root.is_released());
}
