//! Statements that are no calls: lines of the trace, the ends of bodies, waits.

use lastfd_drm::raw::drm_dev_kref_read;

use super::{Call, Got};
use crate::language::Op;
use crate::run::{Absent, Flow};
use crate::value::Value;

impl Call<'_> {
    /// Statements that decide how a body goes on.
    pub(super) fn flow(&self) -> Got<Flow> {
        Ok(match self.line.op {
            Op::Return => Flow::Return(self.value(0)?),
            Op::ReturnNth => match self.frame.body {
                Some(body) if self.run.runs_of(body) == self.number(0) => {
                    Flow::Return(self.value(1)?)
                }
                _ => Flow::Next,
            },
            Op::KunitAssertEq if self.value(0)? == self.value(1)? => Flow::Next,
            Op::KunitAssertEq => {
                self.run.recorder.log(format!(
                    "ASSERTION FAILED at line {}: {}",
                    self.line.line, self.line.text
                ));
                Flow::Abort
            }
            _ => Flow::Next,
        })
    }

    /// Statements that print, wait, or set something of the scenario's own.
    pub(super) fn scenario_line(&self) -> Got<()> {
        let recorder = &self.run.recorder;
        match self.line.op {
            Op::Ref => self.print_count()?,
            Op::Info => self.print_info()?,
            Op::DrmDevEnter => self.print_enter()?,
            Op::Bound => recorder.print_bound(&self.tag(0)?),
            Op::Print => recorder.line(self.text(0)?),
            Op::Note => recorder.line(format_args!("note: {}", self.text(0)?)),
            Op::FailNth => {
                let n = u32::try_from(self.number(0)).unwrap_or(u32::MAX);
                self.run.system.fail_nth(n);
            }
            Op::Settle => self.run.settle(),
            Op::Msleep => self.run.msleep(self.number(0)),
            _ => self.run.set_probe_returns(self.name(0), self.value(1)?),
        }
        Ok(())
    }

    /// `ref`: of a device by its tag, else the framework's own count.
    fn print_count(&self) -> Got<()> {
        let tag = self.tag(0)?;
        let own = self.run.with(self.name(0), |value| match value {
            Value::Drm(drm) => Some(drm_dev_kref_read(drm)),
            Value::V4l2Device(v4l2_dev) => Some(v4l2_dev.kref()),
            _ => None,
        });
        match own {
            Ok(0) => self.run.recorder.line(format_args!("ref {tag} = released")),
            Ok(count) => self.run.recorder.line(format_args!("ref {tag} = {count}")),
            Err(Absent(_)) => self.run.recorder.print_ref(&tag),
        }
        Ok(())
    }
}
