//! Statements about devices, buses, drivers and classes: `drivers/base`.

use lastfd_model::raw::{
    Bus, BusMatch, BusType, Device, DeviceSpec, DeviceType, Driver, PlatformId,
    bus_register_notifier, bus_rescan_devices, bus_unregister, bus_unregister_notifier,
    class_create, class_destroy, dev_set_drvdata, dev_set_name, device_add, device_attach,
    device_del, device_driver_attach, device_find_child_by_name, device_for_each_child,
    device_for_each_child_reverse, device_initialize, device_move, device_release_driver,
    device_rename, device_reprobe, device_unregister, driver_attach, driver_register,
    driver_unregister, get_device, no_release, platform_bus, platform_device_add,
    platform_device_alloc, platform_device_put, platform_device_unregister, put_device,
    root_device_register, root_device_unregister,
};
use lastfd_sync::Arc;

use super::{Call, Got};
use crate::ast::{Arg, NameId};
use crate::language::Op;
use crate::run::DriverHooks;
use crate::value::{Outcome, Value};

impl Call<'_> {
    pub(super) fn core_call(&self) -> Got<Outcome> {
        match self.line.op {
            Op::Device => self.declare_device(),
            Op::PlatformDevice => self.declare_platform_device(),
            Op::Bus => self.declare_bus(),
            Op::Driver | Op::PlatformDriver => self.declare_driver(),
            Op::Track => self.track(),
            Op::DeviceForEachChild => self.each_child(false),
            Op::DeviceForEachChildReverse => self.each_child(true),
            Op::DeviceFindChildByName => self.find_child(),
            Op::RootDeviceRegister => {
                let root = root_device_register(&self.run.system, &self.text(0)?);
                Ok(Outcome::or_err(root.map(Value::Device)))
            }
            Op::ClassCreate => {
                let class = class_create(&self.run.system, &self.text(0)?);
                Ok(Outcome::or_err(class.map(Value::Class)))
            }
            Op::ClassDestroy => self.destroy_class(),
            Op::DevSetName => self.set_name(),
            Op::DevSetDrvdata => self.set_drvdata(),
            Op::DeviceMove => self.move_device(),
            Op::DeviceRename => {
                let (device, name) = (self.device(0)?, self.text(1)?);
                Ok(Outcome::rc(device_rename(&device, &name)))
            }
            Op::DeviceDriverAttach => self.attach_one(),
            Op::BusRegister
            | Op::BusUnregister
            | Op::BusRegisterNotifier
            | Op::BusUnregisterNotifier
            | Op::BusRescanDevices => self.bus_call(),
            Op::DriverRegister
            | Op::PlatformDriverRegister
            | Op::DriverUnregister
            | Op::PlatformDriverUnregister
            | Op::DriverAttach => self.driver_call(),
            _ => self.device_call(),
        }
    }

    /// Calls with a device alone.
    fn device_call(&self) -> Got<Outcome> {
        let call: fn(&Device) -> Outcome = match self.line.op {
            Op::DeviceAdd => |d| Outcome::rc(device_add(d)),
            Op::DeviceDel => |d| done(|| device_del(d)),
            Op::DeviceUnregister => |d| done(|| device_unregister(d)),
            Op::GetDevice => |d| done(|| get_device(d)),
            Op::PutDevice => |d| done(|| put_device(d)),
            Op::DeviceAttach => |d| Outcome::count(device_attach(d).map(i64::from)),
            Op::DeviceReleaseDriver => |d| done(|| device_release_driver(d)),
            Op::DeviceReprobe => |d| Outcome::rc(device_reprobe(d)),
            Op::RootDeviceUnregister => |d| done(|| root_device_unregister(d)),
            Op::PlatformDeviceAdd => |d| Outcome::rc(platform_device_add(d)),
            Op::PlatformDevicePut => |d| done(|| platform_device_put(d)),
            _ => |d| done(|| platform_device_unregister(d)),
        };
        Ok(call(&self.device(0)?))
    }

    fn track(&self) -> Got<Outcome> {
        let device = self.device(0)?;
        let tag = self.tag(0)?;
        let bus = device.bus().map(|bus| bus.name());
        self.run.recorder.track(&device, &tag, bus, false);
        Ok(Outcome::Done)
    }

    /// The module's mkdev.
    fn declare_device(&self) -> Got<Outcome> {
        let (id, tag) = self.new_name();
        let name = match self.keyword(0) {
            Some(name) => self.text_arg(name)?,
            None => format!("lf-{tag}"),
        };
        let parent = match self.keyword(1) {
            Some(parent) => Some(self.device_arg(parent)?),
            None => None,
        };
        let bus = match self.keyword_name(2) {
            Some(bus) => Some(self.run.with(bus, |value| value.bus())?),
            None => None,
        };
        let class = match self.keyword_name(3) {
            Some(class) => Some(self.run.with(class, |value| value.class())?),
            None => None,
        };
        let devt = match self.keyword_name(4) {
            Some(devt) => Some(self.run.with(devt, |value| value.devt())?),
            None => None,
        };
        let own_type = !matches!(self.keyword(5), Some(Arg::Word(word)) if word == "none");
        let bus_name = bus.as_ref().map(Bus::name);
        let spec = DeviceSpec {
            name: Some(name),
            parent,
            bus,
            class,
            type_: own_type.then(|| DeviceType {
                name: Arc::from("lf"),
                ..DeviceType::default()
            }),
            release: Some(no_release()),
            devt,
            groups: Vec::new(),
        };
        let device = device_initialize(&self.run.system, spec);
        self.run.recorder.track(&device, tag, bus_name, own_type);
        self.run.set(id, Value::Device(device));
        Ok(Outcome::Done)
    }

    /// The module's mkpdev.
    fn declare_platform_device(&self) -> Got<Outcome> {
        let (id, tag) = self.new_name();
        let name = self.text(1)?;
        let number = match self.line.args.get(2) {
            Some(Arg::Number(n)) => PlatformId::Id(u32::try_from(*n).unwrap_or(0)),
            Some(Arg::Any) => PlatformId::Auto,
            _ => PlatformId::None,
        };
        let parent = match self.keyword(0) {
            Some(parent) => Some(self.device_arg(parent)?),
            None => None,
        };
        let Ok(device) = platform_device_alloc(&self.run.system, &name, number) else {
            drop(self.run.take(id));
            return Ok(Outcome::Null);
        };
        if let Some(parent) = parent {
            lastfd_model::raw::dev_set_parent(&device, Some(parent));
        }
        let bus = platform_bus(&self.run.system).name();
        self.run.recorder.track(&device, tag, Some(bus), true);
        self.run.set(id, Value::Device(device));
        Ok(Outcome::Done)
    }

    fn declare_bus(&self) -> Got<Outcome> {
        let (id, _) = self.new_name();
        let name = self.text(1)?;
        let rule = match self.keyword(0) {
            Some(Arg::Word(word)) => word.clone(),
            _ => String::new(),
        };
        let traced = self.yes(1);
        let recorder = Arc::clone(&self.run.recorder);
        let matches: BusMatch = Arc::new(move |device, driver| {
            let matches = fits(&rule, &device.name(), &driver.name());
            if traced {
                recorder.line(format_args!(
                    "bus.match dev={} drv={} -> {}",
                    recorder.tag_of(device),
                    driver.name(),
                    u8::from(matches)
                ));
            }
            Ok(matches)
        });
        let type_ = BusType {
            name,
            match_: Some(matches),
            ..BusType::default()
        };
        let bus = Bus::new(&self.run.system, type_);
        self.run.set(id, Value::Bus(bus, None));
        Ok(Outcome::Done)
    }

    fn declare_driver(&self) -> Got<Outcome> {
        let (id, _) = self.new_name();
        let name = self.text(1)?;
        // A platform driver has no `bus=`.
        let (bus, at) = match self.line.op {
            Op::PlatformDriver => (platform_bus(&self.run.system), 0),
            _ => {
                let bus = self.keyword_name(0).unwrap_or(NameId(u32::MAX));
                (self.run.with(bus, |value| value.bus())?, 1)
            }
        };
        let driver = Driver::new(&name, &bus);
        let hooks = DriverHooks {
            driver: id,
            tag: name.into(),
            probe: self.keyword_name(at),
            remove: self.keyword_name(at + 1),
            traced: self.yes(at + 2),
        };
        let suppressed = matches!(self.keyword(at + 3), Some(Arg::Word(word)) if word == "yes");
        driver.set_suppress_bind_attrs(suppressed);
        self.hook_up(&driver, &hooks);
        self.run.set(id, Value::Driver(driver));
        Ok(Outcome::Done)
    }

    /// Gives a driver the probe and remove of its declaration.
    pub(super) fn hook_up(&self, driver: &Driver, hooks: &DriverHooks) {
        if hooks.traced || hooks.probe.is_some() {
            let (run, hooks) = (Arc::downgrade(self.run), hooks.clone());
            driver.set_probe(move |device| match run.upgrade() {
                Some(run) => run.probe(&hooks, device),
                None => Ok(()),
            });
        }
        if hooks.traced || hooks.remove.is_some() {
            let (run, hooks) = (Arc::downgrade(self.run), hooks.clone());
            driver.set_remove(move |device| {
                if let Some(run) = run.upgrade() {
                    run.remove(&hooks, device);
                }
            });
        }
    }

    fn each_child(&self, reverse: bool) -> Got<Outcome> {
        let device = self.device(0)?;
        let body = self.name(1);
        let each = |child: &Device| i32::try_from(self.run.body(body, Some(child))).unwrap_or(0);
        let rc = if reverse {
            device_for_each_child_reverse(&device, each)
        } else {
            device_for_each_child(&device, each)
        };
        Ok(Outcome::Int(i64::from(rc)))
    }

    fn find_child(&self) -> Got<Outcome> {
        let (device, name) = (self.device(0)?, self.text(1)?);
        Ok(match device_find_child_by_name(&device, &name) {
            Some(child) => Outcome::Ok(Value::Device(child)),
            None => Outcome::Null,
        })
    }

    fn move_device(&self) -> Got<Outcome> {
        let device = self.device(0)?;
        let parent = match self.line.args.get(1) {
            Some(Arg::Null) | None => None,
            Some(parent) => Some(self.device_arg(parent)?),
        };
        Ok(Outcome::rc(device_move(&device, parent.as_ref())))
    }

    fn destroy_class(&self) -> Got<Outcome> {
        let class = self.run.with(self.name(0), |value| value.class())?;
        class_destroy(&self.run.system, &class);
        Ok(Outcome::Done)
    }

    fn set_name(&self) -> Got<Outcome> {
        let (device, name) = (self.device(0)?, self.text(1)?);
        Ok(Outcome::rc(dev_set_name(&device, name)))
    }

    fn set_drvdata(&self) -> Got<Outcome> {
        let device = self.device(0)?;
        let set = self.word(1) == "set";
        dev_set_drvdata(&device, set.then(|| Arc::new(()) as _));
        Ok(Outcome::Done)
    }

    fn attach_one(&self) -> Got<Outcome> {
        let (driver, device) = (self.driver(0)?, self.device(1)?);
        Ok(Outcome::rc(device_driver_attach(&driver, &device)))
    }

    fn bus_call(&self) -> Got<Outcome> {
        let bus = self.bus(0)?;
        Ok(match self.line.op {
            Op::BusRegister => Outcome::rc(bus.register()),
            Op::BusUnregister => done(|| bus_unregister(&bus)),
            Op::BusRescanDevices => Outcome::rc(bus_rescan_devices(&bus)),
            Op::BusRegisterNotifier => {
                // What it would print comes from the notifications themselves.
                let notifier = bus_register_notifier(&bus, Arc::new(|_, _| {}));
                self.run.recorder.watch(&bus.name(), true);
                self.run.set(self.name(0), Value::Bus(bus, Some(notifier)));
                Outcome::Int(0)
            }
            _ => {
                let notifier = self.run.with(self.name(0), |value| match value {
                    Value::Bus(_, notifier) => notifier.take(),
                    _ => None,
                })?;
                self.run.recorder.watch(&bus.name(), false);
                Outcome::rc(bus_unregister_notifier(&bus, notifier))
            }
        })
    }

    fn driver_call(&self) -> Got<Outcome> {
        let driver = self.driver(0)?;
        Ok(match self.line.op {
            Op::DriverRegister | Op::PlatformDriverRegister => {
                Outcome::rc(driver_register(&driver))
            }
            Op::DriverAttach => Outcome::rc(driver_attach(&driver)),
            _ => done(|| driver_unregister(&driver)),
        })
    }
}

/// Makes a call that returns nothing that is looked at.
pub(super) fn done<T>(call: impl FnOnce() -> T) -> Outcome {
    call();
    Outcome::Done
}

/// A bus's match rule. The module's own is `prefix`: the driver's name begins the
/// device's behind its `lf-`, or begins with a `Z`.
fn fits(rule: &str, device: &str, driver: &str) -> bool {
    match rule {
        "prefix" => {
            let name = device.get(3..).unwrap_or_default();
            driver.starts_with('Z') || name.starts_with(driver)
        }
        "name" => device == driver,
        rule => rule == "any",
    }
}

impl Value {
    pub(crate) fn device(&self) -> Option<Device> {
        match self {
            Value::Device(device) => Some(device.clone()),
            Value::Iio(iio) => Some(iio.dev().clone()),
            Value::Cec(adapter) => adapter.device(),
            Value::Video(vdev) => vdev.dev(),
            _ => None,
        }
    }

    /// Whether it is a device that is no more.
    pub(crate) fn is_released(&self) -> bool {
        self.device().is_some_and(|device| device.is_released())
    }

    pub(crate) fn bus(&self) -> Option<Bus> {
        match self {
            Value::Bus(bus, _) => Some(bus.clone()),
            _ => None,
        }
    }

    pub(crate) fn driver(&self) -> Option<Driver> {
        match self {
            Value::Driver(driver) => Some(driver.clone()),
            _ => None,
        }
    }

    pub(crate) fn number(&self) -> Option<i64> {
        match self {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    pub(crate) fn class(&self) -> Option<lastfd_model::raw::Class> {
        match self {
            Value::Class(class) => Some(class.clone()),
            _ => None,
        }
    }

    pub(crate) fn devt(&self) -> Option<lastfd_model::raw::DevT> {
        match self {
            Value::Devt(devt) => Some(*devt),
            _ => None,
        }
    }
}
