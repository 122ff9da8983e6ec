//! Statements about managed resources: `drivers/base/devres.c`.

use std::any::Any;

use lastfd_model::raw::{
    Devres, GroupId, ReleaseId, devm_add_action, devm_add_action_or_reset, devm_kfree,
    devm_krealloc, devm_kstrdup, devm_kzalloc, devm_release_action, devm_remove_action, devres_add,
    devres_alloc, devres_close_group, devres_destroy, devres_find, devres_free, devres_get,
    devres_open_group, devres_release, devres_release_all, devres_release_group, devres_remove,
    devres_remove_group,
};
use lastfd_sync::Arc;

use super::core::done;
use super::{Call, Got};
use crate::ast::{Arg, ReleaseFn};
use crate::language::Op;
use crate::value::{Found, Outcome, Value};

impl Call<'_> {
    pub(super) fn devres_call(&self) -> Got<Outcome> {
        match self.line.op {
            Op::DevmAddAction
            | Op::DevmAddActionOrReset
            | Op::DevmRemoveAction
            | Op::DevmReleaseAction => self.action_call(),
            Op::DevmKzalloc | Op::DevmKrealloc | Op::DevmKstrdup | Op::DevmKfree => {
                self.memory_call()
            }
            Op::DevresAlloc => Ok(self.alloc()),
            Op::DevresFree | Op::DevresAdd | Op::DevresGet => self.hand_over(),
            Op::DevresFind | Op::DevresRemove | Op::DevresDestroy | Op::DevresRelease => {
                self.search()
            }
            Op::DevresReleaseAll => {
                let released = devres_release_all(&self.device(0)?);
                Ok(Outcome::Int(i64::from(released > 0)))
            }
            _ => self.group_call(),
        }
    }

    fn action_call(&self) -> Got<Outcome> {
        let device = self.device(0)?;
        let (key, action) = self.model_action(1)?;
        Ok(match self.line.op {
            Op::DevmAddAction => Outcome::rc(devm_add_action(&device, action)),
            Op::DevmAddActionOrReset => Outcome::rc(devm_add_action_or_reset(&device, action)),
            Op::DevmRemoveAction => done(|| devm_remove_action(&device, key)),
            _ => done(|| devm_release_action(&device, key)),
        })
    }

    fn memory_call(&self) -> Got<Outcome> {
        let device = self.device(0)?;
        let memory = || {
            self.run.with(self.name(1), |value| match value {
                Value::Memory(memory) => Some(memory.clone()),
                _ => None,
            })
        };
        Ok(match self.line.op {
            Op::DevmKzalloc => {
                Outcome::or_null(devm_kzalloc(&device, self.size(1)).map(Value::Memory))
            }
            Op::DevmKstrdup => {
                Outcome::or_null(devm_kstrdup(&device, &self.text(1)?).map(Value::Memory))
            }
            Op::DevmKrealloc => match devm_krealloc(&device, &memory()?, self.size(2)) {
                Ok(Some(memory)) => Outcome::Ok(Value::Memory(memory)),
                _ => Outcome::Null,
            },
            _ => {
                let memory = memory()?;
                done(|| devm_kfree(&device, &memory))
            }
        })
    }

    fn release_fn(&self, at: usize) -> ReleaseFn {
        match self.line.args.get(at) {
            Some(Arg::Release(release)) => *release,
            _ => ReleaseFn::Release,
        }
    }

    fn alloc(&self) -> Outcome {
        let release = self.release_fn(0);
        let word = self.word(1).to_owned();
        let recorder = Arc::clone(&self.run.recorder);
        let said = match release {
            ReleaseFn::Release => "devres-release",
            ReleaseFn::Release2 => "devres-release2",
        };
        let run = move |_: &_, data: &mut dyn Any| {
            recorder.line(format_args!("{said} {}", carried(data).unwrap_or_default()));
        };
        let data = Box::new(Carried(word));
        let devres = devres_alloc(&self.run.system, release_id(release), data, run);
        Outcome::or_null(devres.map(Value::Devres))
    }

    /// Calls that take the caller's devres.
    fn hand_over(&self) -> Got<Outcome> {
        let at = usize::from(self.line.op != Op::DevresFree);
        let device = match at {
            0 => None,
            _ => Some(self.device(0)?),
        };
        let id = self.name(at);
        let devres: Devres = match self.run.take(id) {
            Some(Value::Devres(devres)) => devres,
            _ => return Err(crate::run::Absent(id)),
        };
        Ok(match (self.line.op, device) {
            (Op::DevresAdd, Some(device)) => done(|| devres_add(&device, devres)),
            (Op::DevresGet, Some(device)) => {
                let word = self.matched(2);
                let data = carried(devres.data());
                let added = devres_get(&device, devres, &fits(word.as_deref()));
                // One that was there carries the word it was found by.
                let data = if added { data } else { word };
                Outcome::Ok(Value::Found(Found { data, added }))
            }
            _ => done(|| devres_free(devres)),
        })
    }

    /// Calls that look for one.
    fn search(&self) -> Got<Outcome> {
        let device = self.device(0)?;
        let release = release_id(self.release_fn(1));
        let word = self.matched(2);
        let fits = fits(word.as_deref());
        Ok(match self.line.op {
            Op::DevresFind => match devres_find(&device, release, &fits, carried) {
                Some(data) => Outcome::Ok(Value::Found(Found { data, added: false })),
                None => Outcome::Null,
            },
            Op::DevresRemove => match devres_remove(&device, release, &fits) {
                Some(devres) => Outcome::Ok(Value::Devres(devres)),
                None => Outcome::Null,
            },
            Op::DevresDestroy => Outcome::rc(devres_destroy(&device, release, &fits)),
            _ => Outcome::rc(devres_release(&device, release, &fits)),
        })
    }

    /// The word to look for; none for `any`.
    fn matched(&self, at: usize) -> Option<String> {
        match self.line.args.get(at) {
            Some(Arg::Word(word)) => Some(word.clone()),
            _ => None,
        }
    }

    fn group_call(&self) -> Got<Outcome> {
        let device = self.device(0)?;
        let group = match &self.line.args[1] {
            Arg::Word(word) => Some(GroupId(self.run.word(word))),
            Arg::Name(id) => Some(self.run.with(*id, |value| match value {
                Value::Group(group) => Some(*group),
                _ => None,
            })?),
            _ => None,
        };
        Ok(match self.line.op {
            Op::DevresOpenGroup => {
                Outcome::or_null(devres_open_group(&device, group).map(Value::Group))
            }
            Op::DevresCloseGroup => done(|| devres_close_group(&device, group)),
            Op::DevresRemoveGroup => done(|| devres_remove_group(&device, group)),
            _ => {
                let released = devres_release_group(&device, group);
                Outcome::Int(i64::try_from(released).unwrap_or(i64::MAX))
            }
        })
    }
}

/// What a devres of the scenario carries.
struct Carried(String);

fn carried(data: &dyn Any) -> Option<String> {
    data.downcast_ref::<Carried>().map(|c| c.0.clone())
}

/// The module's dr_match: the same word; without one, all.
fn fits(word: Option<&str>) -> impl Fn(&dyn Any) -> bool {
    let word = word.map(str::to_owned);
    move |data| word.is_none() || carried(data) == word
}

fn release_id(release: ReleaseFn) -> ReleaseId {
    match release {
        ReleaseFn::Release => ReleaseId(1),
        ReleaseFn::Release2 => ReleaseId(2),
    }
}
