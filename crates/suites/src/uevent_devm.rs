//! What the kernel's fix for unbound devices broke: a string that is managed by
//! the device and read by the callback of its remove uevent.
//!
//! The callback runs after `device_del` released the managed resources: since
//! 6.6 it reads freed memory. hid-uclogic did that with the name of its input
//! device.

use lastfd_kunit::{
    Test, kunit_assert_eq, kunit_assert_not_err_or_null, kunit_assert_true, kunit_expect_eq,
    kunit_suite, raw::*,
};
use lastfd_model::Rules;
use lastfd_model::event::SplatKind;
use lastfd_model::raw::*;
use lastfd_sync::{Arc, OnceLock};

/// Adds a class device whose uevents carry a managed string, and removes it.
fn add_and_remove(test: &Test, owner: Option<&Device>) {
    let name: Arc<OnceLock<DevMem>> = Arc::default();
    let read = Arc::clone(&name);
    let spec = ClassSpec {
        name: "input".to_owned(),
        dev_uevent: Some(Arc::new(move |_device, env| {
            let name = read.get().map_or_else(Vec::new, |name| name.read(0..5));
            env.push((
                "NAME".to_owned(),
                String::from_utf8_lossy(&name).into_owned(),
            ));
        })),
        ..ClassSpec::default()
    };
    let class = kunit_assert_not_err_or_null!(test, class_register(test.system(), spec));
    let (system, of_test) = (test.system().unowned(), class.clone());
    let action = TestAction::new(move || class_destroy(&system, &of_test));
    kunit_assert_eq!(test, kunit_add_action_or_reset(test, action), Ok(()));
    let input = device_initialize(
        test.system(),
        DeviceSpec {
            name: Some("input0".to_owned()),
            class: Some(class.clone()),
            release: Some(no_release()),
            ..DeviceSpec::default()
        },
    );
    // The case puts it by unregistering it, or does so here.
    let put = input.clone();
    let action = TestAction::new(move || {
        if !put.is_released() && kref_read(&put) > 0 {
            put_device(&put);
        }
    });
    kunit_assert_eq!(test, kunit_add_action_or_reset(test, action), Ok(()));
    let string = devm_kstrdup(owner.unwrap_or(&input), "tablet");
    let string = kunit_assert_not_err_or_null!(test, string);
    kunit_assert_true!(test, name.set(string).is_ok());
    kunit_assert_true!(test, device_add(&input).is_ok());
    device_unregister(&input);
}

fn a_string_of_the_device_itself_is_read_after_its_release(test: &Test) {
    add_and_remove(test, None);
    let splats: Vec<SplatKind> = test.take_splats().iter().map(|splat| splat.kind).collect();
    let expected: &[SplatKind] = match test.system().rules() {
        Rules::Linux6_12 => &[SplatKind::UseAfterFree],
        Rules::LinuxPre6_6 => &[],
    };
    kunit_expect_eq!(test, splats, expected);
    if test.system().rules() == Rules::LinuxPre6_6 {
        test.expect_findings(&[16]);
    }
}

fn a_string_of_the_parent_is_there_until_the_parent_goes(test: &Test) {
    let parent = kunit_assert_not_err_or_null!(test, root_device_register(test.system(), "hid"));
    crate::not_left_behind(test, &parent, root_device_unregister);
    add_and_remove(test, Some(&parent));
    kunit_expect_eq!(test, test.take_splats().len(), 0);
    root_device_unregister(&parent);
    if test.system().rules() == Rules::LinuxPre6_6 {
        test.expect_findings(&[16]);
    }
}

kunit_suite! {
    /// A managed string in the remove uevent, since 6.6.
    pub suite uevent_devm = "uevent-devm" {
        a_string_of_the_device_itself_is_read_after_its_release,
        a_string_of_the_parent_is_there_until_the_parent_goes,
    }
    .rules(Rules::Linux6_12)
}

mod before_6_6 {
    use super::*;

    kunit_suite! {
        /// A managed string in the remove uevent, before 6.6.
        pub suite uevent_devm_before_6_6 = "uevent-devm-pre-6-6" {
            a_string_of_the_device_itself_is_read_after_its_release,
            a_string_of_the_parent_is_there_until_the_parent_goes,
        }
        .rules(Rules::LinuxPre6_6)
    }
}

pub(crate) use before_6_6::uevent_devm_before_6_6;
