//! What an open file sees of its device's removal: the rows that were recorded
//! from Linux 6.12, each a case, with what is expected taken from the record.
//!
//! A parameter of a case is a row of `docs/unplug-rows.tsv`: the call is made
//! on a fresh device, the device is removed, the call is made again, and once
//! more ten seconds later. Calls that sleep meanwhile are cases of their own.

mod asleep;
mod cec;
mod drm;
mod edge;
mod held;
mod iio;
mod v4l2;

use lastfd_kunit::{Param, Test, kunit_assert_not_null, kunit_expect_eq, raw::*};
use lastfd_model::Result;
use lastfd_sync::Arc;

pub(crate) use cec::unplug_cec;
pub(crate) use drm::unplug_drm;
pub(crate) use iio::unplug_iio;
pub(crate) use v4l2::unplug_v4l2;

use held::Held;

/// The record, one line a row.
const ROWS: &str = include_str!("../../../docs/unplug-rows.tsv");

/// A call that was recorded before and after a removal.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    operation: &'static str,
    /// None if it was not recorded.
    before: Option<&'static str>,
    after: &'static str,
}

impl Row {
    fn name(&self) -> String {
        let Row {
            operation, after, ..
        } = self;
        match self.before {
            Some(before) => format!("{operation}: {before}, then {after}"),
            None => format!("{operation}: then {after}"),
        }
    }
}

/// The calls that were recorded on this kind of descriptor, as parameters.
fn calls(kind: &str) -> Vec<Param> {
    let rows = ROWS.lines().filter_map(|line| {
        let mut cells = line.split('\t');
        let mut next = || cells.next().unwrap_or_default();
        let (part, operation, of, before, after, status) =
            (next(), next(), next(), next(), next(), next());
        let shown = part == "call" && of == kind && status == "done";
        shown.then_some(Row {
            operation,
            before: (before != "-").then_some(before),
            after,
        })
    });
    Param::each(rows, Row::name)
}

/// Ends the rig when the case is over, whatever becomes of it.
fn until_the_end<R: Send + Sync + 'static>(test: &Test, rig: R, end: fn(&R)) -> Result<Arc<R>> {
    let rig = Arc::new(rig);
    let managed = Arc::clone(&rig);
    kunit_add_action_or_reset(test, TestAction::new(move || end(&managed)))?;
    Ok(rig)
}

/// Makes the row's call before the removal, after it, and when it is long past.
fn answers_as_recorded(
    test: &Test,
    held: &Held,
    own: impl Fn(&str) -> Option<String>,
    remove: impl FnOnce() -> Result,
) -> Result {
    let row = kunit_assert_not_null!(test, test.param::<Row>());
    let perform = || {
        let own = || own(row.operation);
        let said = held.call(test, row.operation).or_else(own);
        kunit_assert_not_null!(test, said, "no such operation: {}", row.operation)
    };
    if let Some(before) = row.before {
        kunit_expect_eq!(test, perform(), before);
    }
    remove()?;
    kunit_expect_eq!(test, perform(), row.after);
    test.system().clock().advance(held::LONG);
    kunit_expect_eq!(test, perform(), row.after);
    Ok(())
}
