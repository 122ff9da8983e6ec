//! Statements about what a KUnit case manages: `lib/kunit`.

use lastfd_kunit::Test;
use lastfd_kunit::raw::{
    Resource, ResourceFree, TestAction, kunit_add_action, kunit_add_action_or_reset,
    kunit_add_named_resource, kunit_add_resource, kunit_bus, kunit_cleanup,
    kunit_destroy_named_resource, kunit_device_register, kunit_device_register_with_driver,
    kunit_device_unregister, kunit_driver_create, kunit_kzalloc, kunit_release_action,
    kunit_remove_action,
};
use lastfd_model::raw::ActionKey;
use lastfd_sync::Arc;

use super::core::done;
use super::{Call, Got, action_key};
use crate::language::Op;
use crate::run::{Absent, DriverHooks, Run};
use crate::shape::KUNIT;
use crate::value::{Outcome, Value};

impl Call<'_> {
    pub(super) fn kunit_call(&self) -> Got<Outcome> {
        // The parser lets these statements stand in a KUnit case only.
        let Some(test) = self.run.case.lock().clone() else {
            return Err(Absent(KUNIT));
        };
        match self.line.op {
            Op::KunitAddAction
            | Op::KunitAddActionOrReset
            | Op::KunitRemoveAction
            | Op::KunitReleaseAction => self.case_action(&test),
            Op::KunitDriverCreate
            | Op::KunitDriverOps
            | Op::KunitDeviceRegister
            | Op::KunitDeviceRegisterWithDriver
            | Op::KunitDeviceUnregister => self.case_device(&test),
            _ => self.case_resource(&test),
        }
    }

    fn case_action(&self, test: &Test) -> Got<Outcome> {
        let (action, data) = self.action(0)?;
        let key = ActionKey(action_key(action), self.run.data_key(&data));
        let run = Arc::downgrade(self.run);
        let new = || {
            TestAction::keyed(key, move || {
                if let Some(run) = run.upgrade() {
                    run.act(action, &data);
                }
            })
        };
        Ok(match self.line.op {
            Op::KunitAddAction => Outcome::rc(kunit_add_action(test, new())),
            Op::KunitAddActionOrReset => Outcome::rc(kunit_add_action_or_reset(test, new())),
            Op::KunitRemoveAction => done(|| kunit_remove_action(test, key)),
            _ => done(|| kunit_release_action(test, key)),
        })
    }

    /// The module's kfree_res.
    fn prints_when_freed(&self, word: &str) -> Option<ResourceFree> {
        let recorder = Arc::clone(&self.run.recorder);
        let word = word.to_owned();
        Some(Box::new(move |_: &Resource| {
            recorder.line(format_args!("kunit-resource-free {word}"));
        }))
    }

    fn case_resource(&self, test: &Test) -> Got<Outcome> {
        Ok(match self.line.op {
            Op::KunitAddResource => {
                let free = self.prints_when_freed(self.word(0));
                let added = kunit_add_resource(test, None, free, Arc::new(()));
                Outcome::rc(added.map(|_| ()))
            }
            Op::KunitAddNamedResource => {
                let free = self.prints_when_freed(self.word(1));
                let name = self.text(0)?;
                let added = kunit_add_named_resource(test, None, free, &name, Arc::new(()));
                Outcome::rc(added.map(|_| ()))
            }
            Op::KunitDestroyNamedResource => {
                Outcome::rc(kunit_destroy_named_resource(test, &self.text(0)?))
            }
            _ => match kunit_kzalloc(test, self.size(0)) {
                Ok(_) => Outcome::OkUnnamed,
                Err(_) => Outcome::Null,
            },
        })
    }

    fn case_device(&self, test: &Test) -> Got<Outcome> {
        Ok(match self.line.op {
            Op::KunitDriverCreate => {
                let driver = kunit_driver_create(test, &self.text(0)?);
                Outcome::or_err(driver.map(Value::Driver))
            }
            Op::KunitDriverOps => {
                let hooks = DriverHooks {
                    driver: self.name(0),
                    tag: Arc::from(""),
                    probe: self.keyword_name(0),
                    remove: self.keyword_name(1),
                    traced: false,
                };
                self.hook_up(&self.driver(0)?, &hooks);
                Outcome::Done
            }
            Op::KunitDeviceRegister => {
                let device = kunit_device_register(test, &self.text(0)?);
                Outcome::or_err(device.map(Value::Device))
            }
            Op::KunitDeviceRegisterWithDriver => {
                let (name, driver) = (self.text(0)?, self.driver(1)?);
                let device = kunit_device_register_with_driver(test, &name, &driver);
                Outcome::or_err(device.map(Value::Device))
            }
            _ => {
                let device = self.device(0)?;
                done(|| kunit_device_unregister(test, &device))
            }
        })
    }
}

impl Run {
    /// Runs the scenario as the body of a KUnit case, between the suite's init and
    /// exit.
    pub(crate) fn kunit_case(self: &Arc<Self>, case: &str) {
        self.recorder.raw("BEGIN suite.init");
        let bus = kunit_bus(&self.system);
        self.set(KUNIT, Value::Bus(bus, None));
        let test = Test::new(&self.system, case);
        *self.case.lock() = Some(test.clone());
        if !self.statements() {
            test.set_failure();
        }
        self.recorder.step("suite.exit called");
        self.end_threads();
        kunit_cleanup(&test);
        self.recorder.log(format!("    {} 1 {case}", test.status()));
        let test = self.case.lock().take();
        drop(test);
    }
}
