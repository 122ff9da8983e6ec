//! What each statement does: its operands as values, and the call it stands for.

mod cec;
mod core;
mod devres;
mod display;
mod drm;
mod files;
mod iio;
mod kunit;
mod lines;
mod links;
mod v4l2;

use std::borrow::Cow;
use std::time::Duration;

use lastfd_model::raw::{
    Action, ActionKey, Bus, Device, Driver, dev_name, device_unregister, kref_read, put_device,
};
use lastfd_model::{Errno, Result};
use lastfd_sync::{Arc, Weak};

use crate::ast::{ActionFn, Arg, Line, NameId, Piece};
use crate::language::{Kind, Op, Property};
use crate::record::{driver_name, drvdata, set_or_null};
use crate::run::{Absent, Data, Frame, Performed, Run};
use crate::value::{Outcome, Value};

/// One statement being run.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) run: &'a Arc<Run>,
    pub(crate) line: &'a Line,
    pub(crate) frame: Frame<'a>,
}

pub(crate) use self::display::Bridge;
pub(crate) use self::files::{FileOperations, ThreadValue};

type Got<T> = std::result::Result<T, Absent>;

impl<'a> Call<'a> {
    /// Makes the call that the statement stands for.
    pub(crate) fn perform(&self) -> Got<Performed> {
        let outcome = match self.line.op {
            Op::Return | Op::ReturnNth | Op::KunitAssertEq => {
                return self.flow().map(Performed::Flow);
            }
            Op::Ref
            | Op::Info
            | Op::DrmDevEnter
            | Op::Bound
            | Op::Print
            | Op::Note
            | Op::FailNth
            | Op::Settle
            | Op::Msleep
            | Op::ProbeReturns => self.scenario_line().map(|()| Outcome::Done),
            Op::Device
            | Op::PlatformDevice
            | Op::Bus
            | Op::Driver
            | Op::PlatformDriver
            | Op::Track
            | Op::DeviceAdd
            | Op::DeviceDel
            | Op::DeviceUnregister
            | Op::GetDevice
            | Op::PutDevice
            | Op::DevSetName
            | Op::DevSetDrvdata
            | Op::DeviceForEachChild
            | Op::DeviceForEachChildReverse
            | Op::DeviceFindChildByName
            | Op::DeviceMove
            | Op::DeviceRename
            | Op::RootDeviceRegister
            | Op::RootDeviceUnregister
            | Op::BusRegister
            | Op::BusUnregister
            | Op::BusRegisterNotifier
            | Op::BusUnregisterNotifier
            | Op::BusRescanDevices
            | Op::DriverRegister
            | Op::DriverUnregister
            | Op::DriverAttach
            | Op::DeviceAttach
            | Op::DeviceDriverAttach
            | Op::DeviceReleaseDriver
            | Op::DeviceReprobe
            | Op::ClassCreate
            | Op::ClassDestroy
            | Op::PlatformDeviceAdd
            | Op::PlatformDevicePut
            | Op::PlatformDeviceUnregister
            | Op::PlatformDriverRegister
            | Op::PlatformDriverUnregister => self.core_call(),
            Op::DevmAddAction
            | Op::DevmAddActionOrReset
            | Op::DevmRemoveAction
            | Op::DevmReleaseAction
            | Op::DevmKzalloc
            | Op::DevmKrealloc
            | Op::DevmKstrdup
            | Op::DevmKfree
            | Op::DevresAlloc
            | Op::DevresFree
            | Op::DevresAdd
            | Op::DevresFind
            | Op::DevresGet
            | Op::DevresRemove
            | Op::DevresDestroy
            | Op::DevresRelease
            | Op::DevresOpenGroup
            | Op::DevresCloseGroup
            | Op::DevresRemoveGroup
            | Op::DevresReleaseGroup
            | Op::DevresReleaseAll => self.devres_call(),
            Op::FileOperations
            | Op::CdevInit
            | Op::AllocChrdevRegion
            | Op::UnregisterChrdevRegion
            | Op::CdevDeviceAdd
            | Op::CdevDeviceDel
            | Op::Open
            | Op::Read
            | Op::Write
            | Op::Poll
            | Op::Ioctl
            | Op::Close
            | Op::KthreadRead
            | Op::WaitForCompletionTimeout
            | Op::SysfsRead
            | Op::SysfsWrite => self.file_call(),
            Op::ReadFile | Op::WriteFile => self.path_call(),
            Op::DeviceLinkAdd | Op::DeviceLinkDel | Op::DeviceLinkRemove => self.link_call(),
            Op::IioSetupOps
            | Op::IioDeviceAlloc
            | Op::DevmIioDeviceAlloc
            | Op::IioInfo
            | Op::IioVoltageChannel
            | Op::DevmIioKfifoBufferSetup
            | Op::DevmIioDeviceRegister
            | Op::IioDeviceRegister
            | Op::IioDeviceUnregister
            | Op::IioDeviceFree
            | Op::IioDeviceGet
            | Op::IioDevicePut => self.iio_call(),
            Op::DevmIioMapArrayRegister
            | Op::IioChannelGet
            | Op::DevmIioChannelGet
            | Op::IioChannelRelease
            | Op::IioReadChannelRaw
            | Op::IioReadChannelProcessed
            | Op::IioReadChannelScale
            | Op::IioWriteChannelRaw => self.iio_consumer_call(),
            Op::DrmDriver
            | Op::DevmDrmDevAlloc
            | Op::DrmPrimaryKdev
            | Op::DrmmAddAction
            | Op::DrmmAddActionOrReset
            | Op::DrmmReleaseAction
            | Op::DrmmKzalloc
            | Op::DrmDevRegister
            | Op::DrmDevUnregister
            | Op::DrmDevUnplug
            | Op::DrmDevGet
            | Op::DrmDevPut => self.drm_call(),
            Op::DrmBridge
            | Op::DevmDrmBridgeAdd
            | Op::DrmmEncoderInit
            | Op::DrmBridgeAttach
            | Op::DrmBridgeDetect => self.display_call(),
            Op::CecOps
            | Op::CecAllocateAdapter
            | Op::CecRegisterAdapter
            | Op::CecUnregisterAdapter
            | Op::CecDeleteAdapter => self.cec_call(),
            Op::V4l2Device
            | Op::VideoDevice
            | Op::V4l2DeviceRegister
            | Op::V4l2DeviceGet
            | Op::V4l2DevicePut
            | Op::V4l2DeviceDisconnect
            | Op::V4l2DeviceUnregister
            | Op::VideoRegisterDevice
            | Op::VideoUnregisterDevice => self.v4l2_call(),
            Op::KunitAddResource
            | Op::KunitAddNamedResource
            | Op::KunitDestroyNamedResource
            | Op::KunitAddAction
            | Op::KunitAddActionOrReset
            | Op::KunitRemoveAction
            | Op::KunitReleaseAction
            | Op::KunitKzalloc
            | Op::KunitDriverCreate
            | Op::KunitDriverOps
            | Op::KunitDeviceRegister
            | Op::KunitDeviceRegisterWithDriver
            | Op::KunitDeviceUnregister => self.kunit_call(),
        };
        outcome.map(Performed::Outcome)
    }

    /// The name an operand has.
    fn name(&self, at: usize) -> NameId {
        match self.line.args.get(at) {
            Some(Arg::Name(id)) => *id,
            // The parser gives a name wherever the table has one.
            _ => NameId(u32::MAX),
        }
    }

    /// The name that this statement defines, and its text.
    fn new_name(&self) -> (NameId, &str) {
        let id = self.name(0);
        (id, &self.run.scenario.name_of(id).text)
    }

    /// The tag that `ref` and `bound` ask for.
    fn tag(&self, at: usize) -> Got<Cow<'a, str>> {
        match self.line.args.get(at) {
            Some(Arg::SelfDevice) => {
                let tag = self.run.recorder.tag_of(&self.device(at)?);
                Ok(Cow::Owned(tag.to_string()))
            }
            _ => Ok(Cow::Borrowed(
                &self.run.scenario.name_of(self.name(at)).text,
            )),
        }
    }

    fn device(&self, at: usize) -> Got<Device> {
        self.device_arg(&self.line.args[at])
    }

    fn device_arg(&self, arg: &Arg) -> Got<Device> {
        match (arg, self.frame.me) {
            (Arg::Name(id), _) => self.run.with_live(*id, |value| value.device()),
            (_, Some(device)) => Ok(device.clone()),
            _ => Err(Absent(NameId(0))),
        }
    }

    fn bus(&self, at: usize) -> Got<Bus> {
        self.run.with(self.name(at), |value| value.bus())
    }

    fn driver(&self, at: usize) -> Got<Driver> {
        self.run.with(self.name(at), |value| value.driver())
    }

    fn number(&self, at: usize) -> i64 {
        match self.line.args.get(at) {
            Some(Arg::Number(n)) => *n,
            _ => 0,
        }
    }

    fn size(&self, at: usize) -> usize {
        // More than this no scenario needs, and no machine should be asked for.
        usize::try_from(self.number(at)).unwrap_or(0).min(1 << 20)
    }

    /// `0`, a number, an error, or what a name stands for.
    fn value(&self, at: usize) -> Got<i64> {
        match self.line.args.get(at) {
            Some(Arg::Name(id)) => self.run.with(*id, |value| value.number()),
            _ => Ok(self.number(at)),
        }
    }

    fn word(&self, at: usize) -> &'a str {
        match self.line.args.get(at) {
            Some(Arg::Word(word)) => word,
            _ => "",
        }
    }

    /// The words of `yes` or `no`.
    fn yes(&self, keyword: usize) -> bool {
        !matches!(self.keyword(keyword), Some(Arg::Word(word)) if word == "no")
    }

    fn keyword(&self, at: usize) -> Option<&'a Arg> {
        self.line.keywords.get(at)?.as_ref()
    }

    fn keyword_name(&self, at: usize) -> Option<NameId> {
        match self.keyword(at) {
            Some(Arg::Name(id)) => Some(*id),
            _ => None,
        }
    }

    fn text(&self, at: usize) -> Got<String> {
        self.text_arg(&self.line.args[at])
    }

    fn text_arg(&self, arg: &Arg) -> Got<String> {
        let Arg::Text(pieces) = arg else {
            return Ok(String::new());
        };
        let mut text = String::new();
        for piece in pieces {
            match piece {
                Piece::Text(plain) => text.push_str(plain),
                Piece::FailNth => text.push_str(&self.run.system.fail_nth_left().to_string()),
                Piece::Number(id) => {
                    let number = self.run.with(*id, |value| value.number())?;
                    text.push_str(&number.to_string());
                }
                Piece::Property(id, property) => text.push_str(&self.property(*id, *property)?),
            }
        }
        Ok(text)
    }

    fn property(&self, id: Option<NameId>, property: Property) -> Got<String> {
        if let (Some(id), Property::Found | Property::Data | Property::Which) = (id, property) {
            let found = self.run.with(id, |value| match value {
                Value::Found(found) => Some(found.clone()),
                _ => None,
            });
            let found = found.ok();
            return Ok(match property {
                Property::Found if found.is_some() => "found".to_owned(),
                Property::Data => match found.and_then(|f| f.data) {
                    Some(data) => data,
                    None => "(null)".to_owned(),
                },
                Property::Which if found.is_some_and(|f| f.added) => "new".to_owned(),
                Property::Which => "existing".to_owned(),
                _ => "NULL".to_owned(),
            });
        }
        if let Some(id) = id
            && self.run.scenario.name_of(id).kind == Kind::DeviceLink
        {
            return self.link_property(id, property);
        }
        if let (Some(id), Property::Late) = (id, property) {
            return self.bridge_late_property(id);
        }
        if let (Some(id), Property::Info) = (id, property) {
            return self.iio_info_property(id);
        }
        let arg = id.map_or(Arg::SelfDevice, Arg::Name);
        let device = self.device_arg(&arg)?;
        let flag = |set: bool| u8::from(set).to_string();
        Ok(match property {
            Property::Tag => self.run.recorder.tag_of(&device).to_string(),
            Property::Parent => match device.parent() {
                Some(parent) => dev_name(&parent),
                None => "NULL".to_owned(),
            },
            Property::Ref => kref_read(&device).to_string(),
            Property::Registered => flag(device.is_registered()),
            Property::Sd => flag(device.is_registered()),
            Property::Driver => driver_name(&device).unwrap_or_else(|| "NULL".to_owned()),
            Property::DriverSet => set_or_null(device.driver().is_some()).to_owned(),
            Property::Drvdata => drvdata(&device).to_owned(),
            _ => dev_name(&device),
        })
    }

    /// An action and what it is called with.
    fn action(&self, at: usize) -> Got<(ActionFn, Data)> {
        let action = match self.line.args.get(at) {
            Some(Arg::Action(action)) => *action,
            _ => ActionFn::Act,
        };
        let data = match self.line.args.get(at + 1) {
            Some(Arg::Word(word)) => Data::Word(word.clone()),
            Some(Arg::Null) | None => Data::Null,
            Some(device) => Data::Device(self.device_arg(device)?),
        };
        Ok((action, data))
    }

    /// The action as the model takes it.
    fn model_action(&self, at: usize) -> Got<(ActionKey, Action)> {
        let (action, data) = self.action(at)?;
        let key = ActionKey(action_key(action), self.run.data_key(&data));
        let run = Arc::downgrade(self.run);
        let act = move || {
            if let Some(run) = run.upgrade() {
                run.act(action, &data);
            }
        };
        Ok((key, Action::keyed(key, act)))
    }
}

/// What a hook body that returns an error or 0 comes to.
fn call_hook(run: &Weak<Run>, body: NameId) -> Result {
    let Some(run) = run.upgrade() else {
        return Ok(());
    };
    match i32::try_from(run.body(body, None)) {
        Ok(0) => Ok(()),
        Ok(code) => Err(Errno::from_code(code)),
        Err(_) => Err(Errno::EINVAL),
    }
}

fn action_key(action: ActionFn) -> u64 {
    match action {
        ActionFn::Act => 1,
        ActionFn::ActB => 2,
        ActionFn::ActState => 3,
        ActionFn::ActPut => 4,
        ActionFn::ActUnregister => 5,
        ActionFn::Kact => 6,
        ActionFn::Dact => 7,
        ActionFn::Body(id) => 16 + u64::from(id.0),
    }
}

impl Run {
    /// What an action does.
    pub(crate) fn act(self: &Arc<Self>, action: ActionFn, data: &Data) {
        let word = match data {
            Data::Word(word) => word,
            _ => "(null)",
        };
        match (action, data) {
            (ActionFn::Act, _) => self.recorder.line(format_args!("devm-action {word}")),
            (ActionFn::ActB, _) => self.recorder.line(format_args!("devm-action(b) {word}")),
            (ActionFn::Kact, _) => self.recorder.line(format_args!("kunit-action {word}")),
            (ActionFn::Dact, _) => self.recorder.line(format_args!("drmm-action {word}")),
            (ActionFn::Body(id), _) => {
                self.body(id, None);
            }
            (ActionFn::ActState, Data::Device(device)) => self.recorder.line(format_args!(
                "devm-action STATE({}): dev->driver={} drvdata={} registered={} ref={}",
                self.recorder.tag_of(device),
                driver_name(device).unwrap_or_else(|| "NULL".to_owned()),
                drvdata(device),
                u8::from(device.is_registered()),
                kref_read(device),
            )),
            (ActionFn::ActPut, Data::Device(device)) => {
                self.recorder.line(format_args!(
                    "devm-action PUT({}) enter ref={}",
                    self.recorder.tag_of(device),
                    kref_read(device)
                ));
                put_device(device);
                self.recorder.line("devm-action PUT leave");
            }
            (ActionFn::ActUnregister, Data::Device(device)) => {
                let tag = self.recorder.tag_of(device);
                self.recorder
                    .line(format_args!("devm-action UNREGISTER({tag}) enter"));
                device_unregister(device);
                self.recorder.line("devm-action UNREGISTER leave");
            }
            _ => {}
        }
    }

    /// Lets time pass; what other tasks print meanwhile appears then.
    pub(crate) fn msleep(&self, ms: i64) {
        let ms = u64::try_from(ms).unwrap_or(0).min(1 << 32);
        self.system.settle();
        // Nobody cancels it.
        let _ = self.system.clock().sleep(Duration::from_millis(ms), None);
        self.recorder.flush_threads();
    }
}
