//! What the kernel does in each cell of the matrix.

use lastfd_chrdev::PollMask;
use lastfd_model::{Errno, Rules};

use super::{Answers, Cell, Moment, Outcome, Parent, Refs};
use crate::on_top::Top;

/// The outcome of a cell, as recorded from a booted kernel.
pub(super) fn expected(cell: Cell, rules: Rules) -> Outcome {
    // With a driver bound the unbind releases the managed resources on both
    // rule sets; without one only the 6.6 rule does so in device_del.
    let early = cell.parent == Parent::Bound || rules == Rules::Linux6_12;
    let circle = !early && matches!(cell.top, Top::Iio | Top::Drm);
    let last_use = if cell.file {
        Moment::Close
    } else {
        Moment::Unregister
    };
    let last_reference = match cell.refs {
        Refs::Get => Moment::Put,
        Refs::Plain | Refs::Act => Moment::Unregister,
    };
    let devres = if circle {
        // The object on top pins its parent, and goes only with the parent's
        // managed resources.
        Moment::Never
    } else if early {
        Moment::Unregister
    } else {
        match cell.refs {
            // The action that would put the last reference waits for it.
            Refs::Act => Moment::Never,
            Refs::Plain | Refs::Get => last_reference,
        }
    };
    let parent = match cell.top {
        // DRM keeps its parent until its own last reference goes.
        Top::Drm if !circle && cell.file => Moment::Close,
        _ if devres == Moment::Never => Moment::Never,
        _ => last_reference,
    };
    let object = match cell.top {
        Top::Nothing => None,
        // Ended by hand before the parent is unregistered, where there is no
        // driver whose remove could do it.
        Top::V4l2 if cell.parent != Parent::Bound && !cell.file => Some(Moment::Before),
        Top::V4l2 | Top::Cec => Some(last_use),
        Top::Iio | Top::Drm if circle => Some(Moment::Never),
        Top::Iio | Top::Drm => Some(last_use),
    };
    Outcome {
        devres,
        parent,
        object,
        file: cell.file.then(|| answers(cell, circle)),
    }
}

fn answers(cell: Cell, circle: bool) -> Answers {
    Answers {
        // IIO gives that for an unknown ioctl on a live device, too.
        ioctl: Err(Errno::ENODEV),
        poll: match cell.top {
            Top::V4l2 | Top::Cec => PollMask::PRI | PollMask::ERR | PollMask::HUP,
            Top::Nothing | Top::Iio | Top::Drm => PollMask(0),
        },
        reopen: Some(match cell.top {
            // It was never unregistered: its node is there, and busy.
            Top::Iio if circle => Errno::EBUSY,
            _ => Errno::ENOENT,
        }),
    }
}
