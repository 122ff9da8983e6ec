//! The matrix: what device helpers give a framework to stand on, cell by cell.
//!
//! {plain; a reference held from outside; a managed action that holds one} x
//! {root device; platform device without a driver; with one} x {nothing on top;
//! a framework's object} x {no file; a file held until after the removal}, on
//! both rule sets. Each cell states when the parent's managed resources ran,
//! when parent and object went, and what the file saw. The same cells are
//! recorded from a booted kernel as the `r…` scenarios of `oracle/`.

mod expected;
#[cfg(test)]
mod recorded;

use lastfd_chrdev::{OpenFile, OpenFlags, PollMask, open};
use lastfd_kunit::{
    Param, Test, kunit_assert_not_err_or_null, kunit_assert_not_null, kunit_assert_true,
    kunit_expect_eq, kunit_expect_true, kunit_suite, raw::*,
};
use lastfd_model::event::SplatKind;
use lastfd_model::raw::*;
use lastfd_model::{Errno, Rules};
use lastfd_sync::{Arc, Mutex};

use crate::on_top::{OnTop, Top};
use expected::expected;

/// What the framework's object stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Parent {
    Root,
    Unbound,
    Bound,
}

/// Who holds a reference on the parent while it is unregistered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refs {
    Plain,
    /// Somebody outside, who puts it later.
    Get,
    /// An action that the parent manages itself.
    Act,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cell {
    parent: Parent,
    refs: Refs,
    top: Top,
    file: bool,
}

/// The steps of a case, in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Moment {
    /// Before the parent is unregistered.
    #[default]
    Before,
    /// While it is unregistered.
    Unregister,
    /// While the reference from outside is put.
    Put,
    /// At the last close of the file.
    Close,
    /// Not by itself.
    Never,
}

/// What a file gives.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Answers {
    ioctl: Result<i32, Errno>,
    poll: PollMask,
    reopen: Option<Errno>,
}

/// What a cell states.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Outcome {
    /// The parent's managed resources ran.
    devres: Moment,
    /// The parent was released.
    parent: Moment,
    /// The framework's object was released.
    object: Option<Moment>,
    /// What the file gave after the removal.
    file: Option<Answers>,
}

impl Cell {
    fn name(&self) -> String {
        let lower = |name: String| name.to_lowercase();
        let file = if self.file { " with a file" } else { "" };
        format!(
            "{} {} {}{file}",
            lower(format!("{:?}", self.top)),
            lower(format!("{:?}", self.parent)),
            lower(format!("{:?}", self.refs))
        )
    }

    /// Nothing has no file. CEC on a parent without a driver is a null pointer
    /// dereference in a kernel; a case of its own shows what it is here.
    fn exists(self) -> bool {
        match self.top {
            Top::Nothing => !self.file,
            Top::Cec => self.parent == Parent::Bound,
            Top::Iio | Top::Drm | Top::V4l2 => true,
        }
    }

    fn all() -> Vec<Cell> {
        let mut cells = Vec::new();
        for top in [Top::Nothing, Top::Iio, Top::Drm, Top::V4l2, Top::Cec] {
            for parent in [Parent::Root, Parent::Unbound, Parent::Bound] {
                for refs in [Refs::Plain, Refs::Get, Refs::Act] {
                    for file in [false, true] {
                        let cell = Cell {
                            parent,
                            refs,
                            top,
                            file,
                        };
                        if cell.exists() {
                            cells.push(cell);
                        }
                    }
                }
            }
        }
        cells
    }
}

/// A cell under way.
struct Stage {
    cell: Cell,
    /// The step that is being taken.
    now: Arc<Mutex<Moment>>,
    /// The step in which the parent's first managed action ran.
    devres: Arc<Mutex<Option<Moment>>>,
    /// References taken: one more for each time a debug mode tries the probe.
    taken: Arc<Mutex<u32>>,
    on_top: Arc<Mutex<Option<OnTop>>>,
}

impl Stage {
    fn new(cell: Cell) -> Stage {
        Stage {
            cell,
            now: Arc::default(),
            devres: Arc::default(),
            taken: Arc::default(),
            on_top: Arc::default(),
        }
    }

    /// What a probe does, or a test in its place: a managed action, the
    /// references, the framework.
    fn set_up(&self, parent: &Device) -> lastfd_model::Result {
        let (now, devres) = (Arc::clone(&self.now), Arc::clone(&self.devres));
        let first = Action::new(move || {
            let now = *now.lock();
            *devres.lock() = Some(now);
        });
        devm_add_action(parent, first)?;
        match self.cell.refs {
            Refs::Plain => {}
            Refs::Get => {
                get_device(parent);
                *self.taken.lock() += 1;
            }
            Refs::Act => {
                get_device(parent);
                devm_add_action_or_reset(parent, Action::put_device(parent))?;
            }
        }
        *self.on_top.lock() = OnTop::set_up(self.cell.top, parent)?;
        Ok(())
    }

    /// Clears up at the end of the case.
    fn watch(self: &Arc<Stage>, test: &Test, parent: &Device) {
        let (stage, parent) = (Arc::clone(self), parent.clone());
        let action = TestAction::new(move || stage.clear_up(&parent));
        kunit_assert_true!(test, kunit_add_action_or_reset(test, action).is_ok());
    }

    fn make_parent(self: &Arc<Stage>, test: &Test) -> Device {
        let system = test.system();
        let name = "lf-parent";
        match self.cell.parent {
            Parent::Root => {
                let made = root_device_register(system, name);
                let parent = kunit_assert_not_err_or_null!(test, made);
                self.watch(test, &parent);
                kunit_assert_true!(test, self.set_up(&parent).is_ok());
                parent
            }
            Parent::Unbound => {
                let made = platform_device_register(system, name, PlatformId::None);
                let parent = kunit_assert_not_err_or_null!(test, made);
                self.watch(test, &parent);
                kunit_assert_true!(test, self.set_up(&parent).is_ok());
                parent
            }
            Parent::Bound => {
                let driver = platform_driver(system, name);
                let (probing, removing) = (Arc::clone(self), Arc::clone(self));
                driver.set_probe(move |parent| probing.set_up(parent));
                driver.set_remove(move |_| removing.end_by_hand());
                kunit_assert_true!(test, kunit_platform_driver_register(test, &driver).is_ok());
                let made = platform_device_register(system, name, PlatformId::None);
                let parent = kunit_assert_not_err_or_null!(test, made);
                self.watch(test, &parent);
                kunit_assert_true!(test, parent.driver().is_some());
                parent
            }
        }
    }

    /// What frameworks leave to the driver's remove.
    fn end_by_hand(&self) {
        let on_top = self.on_top.lock().take();
        if let Some(on_top) = on_top {
            on_top.end_by_hand();
        }
    }

    fn unregister(&self, parent: &Device) {
        match self.cell.parent {
            Parent::Root => root_device_unregister(parent),
            Parent::Unbound | Parent::Bound => platform_device_unregister(parent),
        }
    }

    /// Puts what was taken from outside.
    fn put(&self, parent: &Device) {
        let taken = core::mem::take(&mut *self.taken.lock());
        for _ in 0..taken {
            put_device(parent);
        }
    }

    /// What a cell that ends early leaves to be done.
    fn clear_up(&self, parent: &Device) {
        if self.cell.parent != Parent::Bound {
            self.end_by_hand();
        }
        if device_is_registered(parent) {
            self.unregister(parent);
        }
        self.put(parent);
        break_circle(parent);
    }
}

/// Whatever is left is a circle, which a kernel leaks. It is broken here by
/// hand, so that the case leaves nothing behind.
fn break_circle(parent: &Device) {
    parent.system().wait_for_releases();
    if !parent.is_released() {
        devres_release_all(parent);
    }
}

/// Notes the step in which something was first seen to be gone.
fn note(moment: &mut Option<Moment>, gone: bool, now: Moment) {
    if gone && moment.is_none() {
        *moment = Some(now);
    }
}

fn answers(test: &Test, on_top: &OnTop, file: &OpenFile) -> Answers {
    let reopened = open(test.system(), &on_top.path(), OpenFlags::RDWR);
    Answers {
        ioctl: file.ioctl_bytes(on_top.ioctl(), &mut []),
        poll: file.poll(
            PollMask::IN | PollMask::PRI,
            Some(core::time::Duration::ZERO),
        ),
        reopen: reopened.err(),
    }
}

/// Runs one cell and tells what happened.
fn play(test: &Test, cell: Cell) -> Outcome {
    let stage = Arc::new(Stage::new(cell));
    let parent = stage.make_parent(test);
    let on_top = stage.on_top.lock().clone();
    let mut file = None;
    if cell.file {
        let on_top = kunit_assert_not_null!(test, on_top.clone());
        let opened = open(
            test.system(),
            &on_top.path(),
            OpenFlags::RDWR | OpenFlags::NONBLOCK,
        );
        file = Some(kunit_assert_not_err_or_null!(test, opened));
    }
    if cell.parent != Parent::Bound {
        stage.end_by_hand();
    }
    let (mut parent_gone, mut object_gone) = (None, None);
    let mut look = |now| {
        // What a debug mode delays happens in the step that caused it.
        test.system().wait_for_releases();
        note(&mut parent_gone, parent.is_released(), now);
        note(
            &mut object_gone,
            on_top.as_ref().is_some_and(OnTop::is_gone),
            now,
        );
    };
    look(Moment::Before);
    *stage.now.lock() = Moment::Unregister;
    stage.unregister(&parent);
    look(Moment::Unregister);
    let seen = match (&on_top, &file) {
        (Some(on_top), Some(file)) => Some(answers(test, on_top, file)),
        _ => None,
    };
    if cell.refs == Refs::Get {
        *stage.now.lock() = Moment::Put;
        stage.put(&parent);
        look(Moment::Put);
    }
    if let Some(file) = file {
        *stage.now.lock() = Moment::Close;
        drop(file);
        look(Moment::Close);
    }
    *stage.now.lock() = Moment::Never;
    break_circle(&parent);
    look(Moment::Never);
    kunit_expect_true!(test, parent.is_released());
    let devres = stage.devres.lock().unwrap_or_default();
    Outcome {
        devres,
        parent: parent_gone.unwrap_or_default(),
        object: on_top.map(|_| object_gone.unwrap_or_default()),
        file: seen,
    }
}

fn the_cell_is_as_the_kernel_has_it(test: &Test) {
    let cell = *kunit_assert_not_null!(test, test.param::<Cell>());
    let outcome = play(test, cell);
    kunit_expect_eq!(test, outcome, expected(cell, test.system().rules()));
    if test.system().rules() == Rules::LinuxPre6_6 && cell.parent != Parent::Bound {
        let own = if cell.refs == Refs::Act { 17 } else { 16 };
        // Without the action it is only that.
        test.may_find(&[16]);
        match cell.top {
            // Its managed unregistering waits, too.
            Top::Iio => test.expect_findings(&[own, 20]),
            _ => test.expect_findings(&[own]),
        }
    }
}

fn cec_on_a_parent_without_a_driver_is_refused_with_a_splat(test: &Test) {
    let of_param = *kunit_assert_not_null!(test, test.param::<Parent>());
    let (system, name) = (test.system(), "lf-parent");
    let (made, unregister): (_, fn(&Device)) = match of_param {
        Parent::Root => (root_device_register(system, name), root_device_unregister),
        Parent::Unbound | Parent::Bound => (
            platform_device_register(system, name, PlatformId::None),
            platform_device_unregister,
        ),
    };
    let parent = kunit_assert_not_err_or_null!(test, made);
    crate::not_left_behind(test, &parent, unregister);
    let refused = OnTop::set_up(Top::Cec, &parent).err();
    kunit_expect_eq!(test, refused, Some(Errno::EINVAL));
    let splats: Vec<SplatKind> = test.take_splats().iter().map(|splat| splat.kind).collect();
    kunit_expect_eq!(test, splats, [SplatKind::Bug]);
    unregister(&parent);
    kunit_expect_true!(test, crate::released(&parent));
}

/// The sorts of parent without a driver.
fn driverless() -> Vec<Param> {
    Param::each([Parent::Root, Parent::Unbound], |parent| {
        format!("{parent:?}").to_lowercase()
    })
}

fn cells() -> Vec<Param> {
    Param::each(Cell::all(), Cell::name)
}

kunit_suite! {
    /// The matrix, since 6.6.
    pub suite matrix = "matrix" {
        the_cell_is_as_the_kernel_has_it.params(cells()),
        cec_on_a_parent_without_a_driver_is_refused_with_a_splat.params(driverless()),
    }
    .rules(Rules::Linux6_12)
}

mod before_6_6 {
    use super::*;

    kunit_suite! {
        /// The matrix, before 6.6.
        pub suite matrix_before_6_6 = "matrix-pre-6-6" {
            the_cell_is_as_the_kernel_has_it.params(cells()),
            cec_on_a_parent_without_a_driver_is_refused_with_a_splat.params(driverless()),
        }
        .rules(Rules::LinuxPre6_6)
    }
}

pub(crate) use before_6_6::matrix_before_6_6;
