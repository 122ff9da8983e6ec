//! Priorities of open files.
//!
//! Follows the priority functions of `drivers/media/v4l2-core/v4l2-dev.c`.

use lastfd_abi::v4l2::{
    V4L2_PRIORITY_BACKGROUND, V4L2_PRIORITY_INTERACTIVE, V4L2_PRIORITY_RECORD, V4L2_PRIORITY_UNSET,
};
use lastfd_model::{Errno, Result};
use lastfd_sync::{Arc, Mutex};

/// How many files have each priority (`struct v4l2_prio_state`). Clones are one
/// state.
#[derive(Clone, Debug, Default)]
pub struct V4l2Prio(Arc<Mutex<[u32; 4]>>);

impl V4l2Prio {
    /// Nobody has any.
    pub fn new() -> V4l2Prio {
        V4l2Prio::default()
    }

    /// Nobody has any any more (`v4l2_prio_init`).
    pub(crate) fn reset(&self) {
        *self.0.lock() = [0; 4];
    }

    fn change(&self, from: u32, to: u32) {
        let mut prios = self.0.lock();
        if let Some(count) = valid(to).and_then(|prio| prios.get_mut(prio)) {
            *count += 1;
        }
        if let Some(count) = valid(from).and_then(|prio| prios.get_mut(prio)) {
            *count = count.saturating_sub(1);
        }
    }
}

/// prio_is_valid.
fn valid(prio: u32) -> Option<usize> {
    (V4L2_PRIORITY_BACKGROUND..=V4L2_PRIORITY_RECORD)
        .contains(&prio)
        .then_some(prio as usize)
}

/// Changes the priority of one file (`v4l2_prio_change`).
///
/// # Errors
/// `EINVAL` for a priority that there is not.
pub fn v4l2_prio_change(global: &V4l2Prio, local: &mut u32, new: u32) -> Result {
    if valid(new).is_none() {
        return Err(Errno::EINVAL);
    }
    if *local != new {
        global.change(*local, new);
        *local = new;
    }
    Ok(())
}

/// A file is opened: it gets the default (`v4l2_prio_open`).
pub fn v4l2_prio_open(global: &V4l2Prio, local: &mut u32) {
    // The default is a valid one.
    let _ = v4l2_prio_change(global, local, V4L2_PRIORITY_INTERACTIVE);
}

/// A file is closed (`v4l2_prio_close`).
pub fn v4l2_prio_close(global: &V4l2Prio, local: u32) {
    global.change(local, V4L2_PRIORITY_UNSET);
}

/// The highest that any file has (`v4l2_prio_max`).
pub fn v4l2_prio_max(global: &V4l2Prio) -> u32 {
    let prios = global.0.lock();
    [
        V4L2_PRIORITY_RECORD,
        V4L2_PRIORITY_INTERACTIVE,
        V4L2_PRIORITY_BACKGROUND,
    ]
    .into_iter()
    .find(|prio| prios[*prio as usize] > 0)
    .unwrap_or(V4L2_PRIORITY_UNSET)
}

/// Whether a file of this priority may change things (`v4l2_prio_check`).
///
/// # Errors
/// `EBUSY` if another has a higher one.
pub fn v4l2_prio_check(global: &V4l2Prio, local: u32) -> Result {
    if local < v4l2_prio_max(global) {
        return Err(Errno::EBUSY);
    }
    Ok(())
}
