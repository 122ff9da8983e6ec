//! DRM's helpers for KUnit tests, and what the kernel's own suite of managed
//! resources shows with them.

use lastfd_drm::kunit::*;
use lastfd_drm::raw::*;
use lastfd_kunit::Test;
use lastfd_kunit::raw::kunit_cleanup;
use lastfd_model::raw::{ActionKey, Device};
use lastfd_model::{EventKind, Recording, System};
use lastfd_sync::Arc;
use lastfd_sync::atomic::{AtomicBool, Ordering};

struct Case {
    test: Test,
    events: Recording,
    device: Device,
    dev: DrmDevice,
    done: Arc<AtomicBool>,
}

const ACTION: ActionKey = ActionKey(1, 1);

/// drm_managed_test_init, and what both cases begin with.
fn case() -> Case {
    let test = Test::new(&System::builder().ledger(true).build(), "managed");
    let events = test.system().record();
    let device = drm_kunit_helper_alloc_device(&test).unwrap();
    let dev = drm_kunit_helper_alloc_drm_device(&test, &device, Features::MODESET).unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let in_action = done.clone();
    let action = DrmmAction::keyed("drm_action", ACTION, move |_: &DrmDevice| {
        in_action.store(true, Ordering::SeqCst);
    });
    drmm_add_action_or_reset(&dev, action).unwrap();
    drm_dev_register(&dev, 0).unwrap();
    Case {
        test,
        events,
        device,
        dev,
        done,
    }
}

impl Case {
    fn done(&self) -> bool {
        self.done.load(Ordering::SeqCst)
    }

    fn finish(self) {
        kunit_cleanup(&self.test);
        assert!(self.dev.is_released() && self.device.is_released());
        let events = self.events.events();
        let splats: Vec<String> = events
            .iter()
            .filter(|event| matches!(event.kind, EventKind::Splat { .. }))
            .map(|event| event.kind.to_string())
            .collect();
        assert_eq!(splats, [] as [String; 0]);
    }
}

#[test]
fn an_action_is_run_when_it_is_released() {
    let case = case();
    assert!(!case.done());
    drmm_release_action(&case.dev, ACTION);
    assert!(case.done());
    drm_dev_unregister(&case.dev);
    drm_kunit_helper_free_device(&case.test, &case.device);
    case.finish();
}

#[test]
fn an_action_is_run_when_the_device_goes() {
    let case = case();
    drm_dev_unregister(&case.dev);
    assert!(!case.done());
    drm_kunit_helper_free_device(&case.test, &case.device);
    assert!(case.done());
    case.finish();
}

#[test]
fn a_case_that_frees_nothing_is_cleaned_up_after() {
    let case = case();
    assert_eq!(
        case.device.driver().unwrap().name().as_ref(),
        "drm-kunit-mock-device"
    );
    drm_dev_unregister(&case.dev);
    let done = case.done.clone();
    case.finish();
    assert!(done.load(Ordering::SeqCst));
}
