//! Statements about displays of two devices: `drivers/gpu/drm/drm_bridge.c`.

use core::sync::atomic::Ordering;

use lastfd_drm::raw::{
    ConnectorStatus, DrmBridge, DrmBridgeFuncs, OnBridge, TryOnBridge, devm_drm_bridge_add,
    drm_bridge_attach, drm_bridge_detect, drmm_encoder_init, static_bridge,
};
use lastfd_model::raw::{Action, devm_add_action};
use lastfd_sync::Arc;
use lastfd_sync::atomic::AtomicBool;

use super::{Call, Got, call_hook};
use crate::ast::NameId;
use crate::language::Op;
use crate::value::{Outcome, Value};

/// A bridge that lives on when its memory should be gone, so that a use after that
/// can be printed.
#[derive(Clone)]
pub(crate) struct Bridge {
    bridge: DrmBridge,
    freed: Arc<AtomicBool>,
}

impl Call<'_> {
    pub(super) fn display_call(&self) -> Got<Outcome> {
        Ok(match self.line.op {
            Op::DrmBridge => return self.declare_bridge(),
            Op::DevmDrmBridgeAdd => {
                let (device, bridge) = (self.device(0)?, self.bridge(1)?.bridge);
                Outcome::rc(devm_drm_bridge_add(&device, &bridge))
            }
            Op::DrmmEncoderInit => match drmm_encoder_init(&self.drm_at(1)?) {
                Ok(encoder) => {
                    self.run.set(self.name(0), Value::DrmEncoder(encoder));
                    Outcome::Int(0)
                }
                Err(errno) => Outcome::rc(Err(errno)),
            },
            Op::DrmBridgeAttach => {
                let encoder = self.run.with(self.name(0), |value| match value {
                    Value::DrmEncoder(encoder) => Some(encoder.clone()),
                    _ => None,
                })?;
                let bridge = self.bridge(1)?.bridge;
                Outcome::rc(drm_bridge_attach(&encoder, &bridge, None))
            }
            _ => Outcome::Int(drm_bridge_detect(&self.bridge(0)?.bridge) as i64),
        })
    }

    fn bridge(&self, at: usize) -> Got<Bridge> {
        self.bridge_named(self.name(at))
    }

    fn bridge_named(&self, id: NameId) -> Got<Bridge> {
        self.run.with(id, |value| match value {
            Value::DrmBridge(bridge) => Some(bridge.clone()),
            _ => None,
        })
    }

    /// `{bridge.late}`: the module's t_late.
    pub(super) fn bridge_late_property(&self, id: NameId) -> Got<String> {
        Ok(match self.bridge_named(id)?.freed.load(Ordering::SeqCst) {
            true => " (its memory is already freed)".to_owned(),
            false => String::new(),
        })
    }

    /// The module's TB, with its tb_funcs and act_bfree.
    fn declare_bridge(&self) -> Got<Outcome> {
        let device = self.device(1)?;
        let funcs = DrmBridgeFuncs {
            attach: self.attach_hook(0),
            detach: self.detach_hook(1),
            detect: self.keyword_name(2).map(|body| {
                let run = Arc::downgrade(self.run);
                Arc::new(move |_: &DrmBridge| {
                    // What it detects is always there.
                    let _ = call_hook(&run, body);
                    ConnectorStatus::Connected
                }) as _
            }),
            ..DrmBridgeFuncs::default()
        };
        let bridge = Bridge {
            bridge: static_bridge(&device, funcs),
            freed: Arc::new(AtomicBool::new(false)),
        };
        let (recorder, freed) = (Arc::clone(&self.run.recorder), Arc::clone(&bridge.freed));
        let free = move || {
            recorder.line("devm-action BRIDGE-MEMORY");
            freed.store(true, Ordering::SeqCst);
        };
        // Without memory for the action there is no end of the bridge's either.
        let _ = devm_add_action(&device, Action::new(free));
        self.run.set(self.name(0), Value::DrmBridge(bridge));
        Ok(Outcome::Done)
    }

    fn attach_hook(&self, keyword: usize) -> Option<TryOnBridge> {
        let body = self.keyword_name(keyword)?;
        let run = Arc::downgrade(self.run);
        Some(Arc::new(move |_: &DrmBridge| call_hook(&run, body)))
    }

    fn detach_hook(&self, keyword: usize) -> Option<OnBridge> {
        let body = self.keyword_name(keyword)?;
        let run = Arc::downgrade(self.run);
        Some(Arc::new(move |_: &DrmBridge| {
            // Nobody looks at what it returns.
            let _ = call_hook(&run, body);
        }))
    }
}
