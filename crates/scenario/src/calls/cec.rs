//! Statements about CEC adapters: `drivers/media/cec`.

use lastfd_abi::cec::{
    CEC_CAP_LOG_ADDRS, CEC_CAP_PASSTHROUGH, CEC_CAP_RC, CEC_CAP_TRANSMIT, CecMsg,
};
use lastfd_cec::raw::{
    CecAdapOps, CecAdapter, cec_allocate_adapter, cec_delete_adapter, cec_register_adapter,
    cec_unregister_adapter,
};
use lastfd_sync::Arc;

use super::core::done;
use super::{Call, Got, call_hook};
use crate::language::Op;
use crate::value::{Outcome, Value};

/// `CEC_CAP_DEFAULTS`.
const DEFAULTS: u32 = CEC_CAP_LOG_ADDRS | CEC_CAP_TRANSMIT | CEC_CAP_PASSTHROUGH | CEC_CAP_RC;

impl Call<'_> {
    pub(super) fn cec_call(&self) -> Got<Outcome> {
        match self.line.op {
            Op::CecOps => self.declare_cec_ops(),
            Op::CecAllocateAdapter => {
                let ops = self.run.with(self.name(0), |value| match value {
                    Value::CecOps(ops) => Some(ops.clone()),
                    _ => None,
                })?;
                let name = self.text(1)?;
                let adapter = cec_allocate_adapter(&self.run.system, ops, None, &name, DEFAULTS, 1);
                Ok(Outcome::or_err(adapter.map(Value::Cec)))
            }
            _ => self.adapter_call(),
        }
    }

    fn adapter_call(&self) -> Got<Outcome> {
        let adapter = self.run.with_live(self.name(0), |value| match value {
            Value::Cec(adapter) => Some(adapter.clone()),
            _ => None,
        })?;
        Ok(match self.line.op {
            Op::CecRegisterAdapter => Outcome::rc(cec_register_adapter(&adapter, &self.device(1)?)),
            Op::CecUnregisterAdapter => done(|| cec_unregister_adapter(&adapter)),
            _ => done(|| cec_delete_adapter(&adapter)),
        })
    }

    /// The module's p_ops.
    fn declare_cec_ops(&self) -> Got<Outcome> {
        let hook = |keyword| Some((self.keyword_name(keyword)?, Arc::downgrade(self.run)));
        let mut ops = CecAdapOps::default();
        if let Some((body, run)) = hook(0) {
            ops.adap_enable = Some(Arc::new(move |_: &CecAdapter, _| call_hook(&run, body)));
        }
        if let Some((body, run)) = hook(1) {
            ops.adap_log_addr = Some(Arc::new(move |_: &CecAdapter, _| call_hook(&run, body)));
        }
        if let Some((body, run)) = hook(2) {
            let transmit = move |_: &CecAdapter, _: u8, _: u32, _: &CecMsg| call_hook(&run, body);
            ops.adap_transmit = Some(Arc::new(transmit));
        }
        if let Some((body, run)) = hook(3) {
            ops.adap_free = Some(Arc::new(move |_: &CecAdapter| {
                // Nobody looks at what it returns.
                let _ = call_hook(&run, body);
            }));
        }
        self.run.set(self.name(0), Value::CecOps(ops));
        Ok(Outcome::Done)
    }
}
