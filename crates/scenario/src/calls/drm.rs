//! Statements about DRM devices: `drivers/gpu/drm`.

use lastfd_chrdev::Try;
use lastfd_drm::raw::{
    DrmCall, DrmDevice, DrmDriver, DrmFile, DrmIoctlDesc, DrmmAction, Features, IoctlFlags,
    OnDevice, OnFile, TryOnFile, devm_drm_dev_alloc, drm_dev_enter, drm_dev_exit, drm_dev_get,
    drm_dev_put, drm_dev_register, drm_dev_unplug, drm_dev_unregister, drmm_add_action,
    drmm_add_action_or_reset, drmm_kzalloc, drmm_release_action,
};
use lastfd_model::Errno;
use lastfd_model::raw::ActionKey;
use lastfd_sync::Arc;

use super::core::done;
use super::{Call, Got, action_key, call_hook};
use crate::language::Op;
use crate::value::{Outcome, Value};

/// The number of a driver's first ioctl: `DRM_IO(DRM_COMMAND_BASE)`.
const DRM_COMMAND_BASE: u32 = 0x6440;

impl Call<'_> {
    pub(super) fn drm_call(&self) -> Got<Outcome> {
        match self.line.op {
            Op::DrmDriver => self.declare_drm_driver(),
            Op::DevmDrmDevAlloc => {
                let device = self.device(0)?;
                let driver = self.run.with(self.name(1), |value| match value {
                    Value::DrmDriver(driver) => Some(Arc::clone(driver)),
                    _ => None,
                })?;
                let drm = devm_drm_dev_alloc(&device, &driver);
                Ok(Outcome::or_err(drm.map(Value::Drm)))
            }
            Op::DrmmAddAction | Op::DrmmAddActionOrReset | Op::DrmmReleaseAction => {
                self.managed_action()
            }
            _ => self.drm_device_call(),
        }
    }

    fn drm_device_call(&self) -> Got<Outcome> {
        let drm = self.drm()?;
        Ok(match self.line.op {
            Op::DrmPrimaryKdev => match drm.primary() {
                Some(minor) => Outcome::Ok(Value::Device(minor.kdev().clone())),
                None => Outcome::Null,
            },
            Op::DrmmKzalloc => match drmm_kzalloc(&drm, self.size(1)) {
                Ok(_) => Outcome::OkUnnamed,
                Err(_) => Outcome::Null,
            },
            Op::DrmDevRegister => Outcome::rc(drm_dev_register(&drm, 0)),
            Op::DrmDevUnregister => done(|| drm_dev_unregister(&drm)),
            Op::DrmDevUnplug => done(|| drm_dev_unplug(&drm)),
            Op::DrmDevGet => done(|| drm_dev_get(&drm)),
            _ => done(|| drm_dev_put(&drm)),
        })
    }

    pub(super) fn drm(&self) -> Got<DrmDevice> {
        self.drm_at(0)
    }

    pub(super) fn drm_at(&self, at: usize) -> Got<DrmDevice> {
        self.run.with(self.name(at), |value| match value {
            Value::Drm(drm) => Some(drm.clone()),
            _ => None,
        })
    }

    /// `drm_dev_enter`: the module's DENTER.
    pub(super) fn print_enter(&self) -> Got<()> {
        let drm = self.drm()?;
        if !drm.is_released() {
            let section = drm_dev_enter(&drm);
            let entered = section.is_some();
            if let Some(section) = section {
                drm_dev_exit(section);
            }
            self.run
                .recorder
                .line(format_args!("drm_dev_enter = {entered}"));
        }
        Ok(())
    }

    fn managed_action(&self) -> Got<Outcome> {
        let drm = self.drm()?;
        let (action, data) = self.action(1)?;
        let key = ActionKey(action_key(action), self.run.data_key(&data));
        let run = Arc::downgrade(self.run);
        let act = move |_: &DrmDevice| {
            if let Some(run) = run.upgrade() {
                run.act(action, &data);
            }
        };
        Ok(match self.line.op {
            Op::DrmmReleaseAction => done(|| drmm_release_action(&drm, key)),
            Op::DrmmAddAction => {
                let action = DrmmAction::keyed("action", key, act);
                Outcome::rc(drmm_add_action(&drm, action))
            }
            _ => {
                let action = DrmmAction::keyed("action", key, act);
                Outcome::rc(drmm_add_action_or_reset(&drm, action))
            }
        })
    }

    /// The module's m_drv.
    fn declare_drm_driver(&self) -> Got<Outcome> {
        let driver = DrmDriver {
            name: self.text(1)?,
            features: Features::GEM,
            open: self.open_hook(0),
            postclose: self.file_hook(1),
            lastclose: self.device_hook(2),
            unload: self.device_hook(3),
            release: self.device_hook(4),
            ioctls: self.own_ioctl(5),
            ..DrmDriver::default()
        };
        self.run
            .set(self.name(0), Value::DrmDriver(Arc::new(driver)));
        Ok(Outcome::Done)
    }

    /// An ioctl of the driver's own, whose number is `DRM_COMMAND_BASE`.
    fn own_ioctl(&self, keyword: usize) -> Vec<DrmIoctlDesc> {
        let Some(body) = self.keyword_name(keyword) else {
            return Vec::new();
        };
        let run = Arc::downgrade(self.run);
        let answer = move |_: &DrmDevice, _: &DrmFile, _: &mut DrmCall<'_, '_>| {
            let rc = run.upgrade().map_or(0, |run| run.body(body, None));
            match i32::try_from(rc).unwrap_or(i32::MAX) {
                code if code < 0 => Try::err(Errno::from_code(code)),
                rc => Try::ok(rc),
            }
        };
        vec![DrmIoctlDesc {
            name: "DRM_COMMAND_BASE",
            cmd: DRM_COMMAND_BASE,
            flags: IoctlFlags::NONE,
            func: Arc::new(answer),
        }]
    }

    fn open_hook(&self, keyword: usize) -> Option<TryOnFile> {
        let body = self.keyword_name(keyword)?;
        let run = Arc::downgrade(self.run);
        Some(Arc::new(move |_: &DrmDevice, _: &DrmFile| {
            call_hook(&run, body)
        }))
    }

    fn file_hook(&self, keyword: usize) -> Option<OnFile> {
        let body = self.keyword_name(keyword)?;
        let run = Arc::downgrade(self.run);
        Some(Arc::new(move |_: &DrmDevice, _: &DrmFile| {
            // Nobody looks at what it returns.
            let _ = call_hook(&run, body);
        }))
    }

    fn device_hook(&self, keyword: usize) -> Option<OnDevice> {
        let body = self.keyword_name(keyword)?;
        let run = Arc::downgrade(self.run);
        Some(Arc::new(move |_: &DrmDevice| {
            // Nobody looks at what it returns.
            let _ = call_hook(&run, body);
        }))
    }
}
