//! A display made of two devices, cell by cell: a card, and a bridge with a driver
//! of its own that may be unbound first.
//!
//! {the card goes first; the bridge; the bridge, and the card is linked to it} x {no
//! file; a file of the card held until both are gone}, on both rule sets. Each cell
//! states when the managed resources of both ran, when both and the DRM device went,
//! whether the bridge was called when it had nothing any more, and what the file
//! saw. The same cells are recorded from a booted kernel as the `two_…` scenarios of
//! `oracle/`.

#[cfg(test)]
mod recorded;

use lastfd_abi::drm::DRM_COMMAND_BASE;
use lastfd_abi::io;
use lastfd_chrdev::{OpenFile, OpenFlags, PollMask, Process, Try, open};
use lastfd_drm::raw::*;
use lastfd_kunit::{
    Param, Test, kunit_assert_eq, kunit_assert_not_err_or_null, kunit_assert_not_null,
    kunit_assert_true, kunit_expect_eq, kunit_suite, raw::*,
};
use lastfd_model::raw::*;
use lastfd_model::{Errno, Result, Rules};
use lastfd_sync::{Arc, Mutex};

/// The card's own ioctl, which asks the bridge what is connected.
const DETECT: u32 = io(b'd', DRM_COMMAND_BASE);

/// Which of the two goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum First {
    Card,
    Bridge,
    /// And the card's probe has made the bridge its supplier.
    LinkedBridge,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cell {
    first: First,
    file: bool,
}

/// The steps of a cell; what a cell states is said by the step it happens in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Step {
    /// Before any of them.
    #[default]
    Before,
    UnregisterCard,
    UnbindBridge,
    UnregisterBridge,
    /// The last close of the file.
    Close,
}

/// What a cell states.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Outcome {
    /// Managed resources of the card ran.
    card_devres: Step,
    /// The card was released.
    card: Step,
    /// Managed resources of the bridge ran, in which its memory would be.
    bridge_devres: Step,
    /// The bridge's device was released.
    bridge: Step,
    /// The DRM device was released.
    drm: Step,
    /// The chain was taken apart when the bridge had nothing any more.
    late_detach: bool,
    /// What DETECT gave after each step, and whether the bridge it came to had nothing
    /// any more.
    file: Vec<(Step, Result<i32>, bool)>,
}

impl Cell {
    fn name(&self) -> String {
        let first = match self.first {
            First::Card => "the card goes first",
            First::Bridge => "the bridge goes first",
            First::LinkedBridge => "the bridge goes first, linked",
        };
        let file = if self.file { ", with a file" } else { "" };
        format!("{first}{file}")
    }

    fn all() -> Vec<Cell> {
        let firsts = [First::Card, First::Bridge, First::LinkedBridge];
        let cells = firsts.map(|first| [false, true].map(|file| Cell { first, file }));
        cells.concat()
    }

    fn steps(self) -> [Step; 3] {
        match self.first {
            First::Card => [
                Step::UnregisterCard,
                Step::UnbindBridge,
                Step::UnregisterBridge,
            ],
            First::Bridge | First::LinkedBridge => [
                Step::UnbindBridge,
                Step::UnregisterBridge,
                Step::UnregisterCard,
            ],
        }
    }

    /// As recorded from a booted kernel. Both have a driver, so the rules agree.
    fn expected(self) -> Outcome {
        let card_devres = match self.first {
            First::LinkedBridge => Step::UnbindBridge,
            First::Card | First::Bridge => Step::UnregisterCard,
        };
        let with_file = |without| if self.file { Step::Close } else { without };
        // Nobody but a link keeps the card from a bridge that has gone.
        let answer = |step: Step| match (self.first, step) {
            (First::Bridge, Step::UnbindBridge | Step::UnregisterBridge) => (step, Ok(1), true),
            _ => (step, Err(Errno::ENODEV), false),
        };
        Outcome {
            card_devres,
            card: with_file(Step::UnregisterCard),
            bridge_devres: Step::UnbindBridge,
            bridge: Step::UnregisterBridge,
            drm: with_file(card_devres),
            late_detach: self.file || self.first == First::Bridge,
            file: match self.file {
                true => self.steps().map(answer).to_vec(),
                false => Vec::new(),
            },
        }
    }
}

#[derive(Default)]
struct State {
    now: Step,
    card_devres: Option<Step>,
    bridge_devres: Option<Step>,
    /// How often the bridge was called, and how often when it had nothing any more.
    detects: (u32, u32),
    detaches: (u32, u32),
    drm: Option<DrmDevice>,
}

impl State {
    /// Another call of the bridge.
    fn count(&self, (calls, late): (u32, u32)) -> (u32, u32) {
        let gone = self.bridge_devres.is_some();
        (calls + 1, late + u32::from(gone))
    }
}

/// A cell under way.
#[derive(Clone, Default)]
struct Stage(Arc<Mutex<State>>);

impl Stage {
    fn funcs(&self) -> DrmBridgeFuncs {
        let (detected, detached) = (self.clone(), self.clone());
        DrmBridgeFuncs {
            detect: Some(Arc::new(move |_: &DrmBridge| {
                let mut state = detected.0.lock();
                state.detects = state.count(state.detects);
                ConnectorStatus::Connected
            })),
            detach: Some(Arc::new(move |_: &DrmBridge| {
                let mut state = detached.0.lock();
                state.detaches = state.count(state.detaches);
            })),
            ..DrmBridgeFuncs::default()
        }
    }

    /// A managed action that notes the step it runs in.
    fn notes(&self, note: fn(&mut State, Step)) -> Action {
        let stage = self.clone();
        Action::new(move || {
            let mut state = stage.0.lock();
            let now = state.now;
            note(&mut state, now);
        })
    }

    /// The bridge's probe. Its memory is static, as in the recorded module, so that who
    /// comes too late can be seen.
    fn probe_bridge(&self, device: &Device) -> Result {
        self.0.lock().bridge_devres = None;
        devm_add_action(
            device,
            self.notes(|state, now| state.bridge_devres = Some(now)),
        )?;
        let bridge = static_bridge(device, self.funcs());
        devm_drm_bridge_add(device, &bridge)
    }

    fn card_driver(&self, bridge: &Device) -> DrmDriver {
        let asked = bridge.clone();
        // What the card found at its probe; drm_find_bridge no longer does.
        let found: Arc<Mutex<Option<DrmBridge>>> = Arc::default();
        let detect = DrmIoctlDesc {
            name: "DETECT",
            cmd: DETECT,
            flags: IoctlFlags::NONE,
            func: Arc::new(move |_, _, _| {
                let mut found = found.lock();
                if found.is_none() {
                    *found = drm_find_bridge(&asked);
                }
                match found.clone() {
                    Some(bridge) => Try::ok(drm_bridge_detect(&bridge) as i32),
                    None => Try::err(Errno::ENXIO),
                }
            }),
        };
        DrmDriver {
            name: "lftwo".to_owned(),
            features: Features::GEM,
            ioctls: vec![detect],
            ..DrmDriver::default()
        }
    }

    fn probe_card(&self, card: &Device, bridge: &Device, first: First) -> Result {
        self.0.lock().card_devres = None;
        if first == First::LinkedBridge {
            let link = device_link_add(card, bridge, LinkFlags::AUTOREMOVE_CONSUMER);
            link.ok_or(Errno::ENOMEM)?;
        }
        devm_add_action(card, self.notes(|state, now| state.card_devres = Some(now)))?;
        let dev = devm_drm_dev_alloc(card, &Arc::new(self.card_driver(bridge)))?;
        let encoder = drmm_encoder_init(&dev)?;
        let bridge = drm_find_bridge(bridge).ok_or(Errno::ENODEV)?;
        drm_bridge_attach(&encoder, &bridge, None)?;
        drm_dev_register(&dev, 0)?;
        self.0.lock().drm = Some(dev);
        Ok(())
    }

    fn remove_card(&self) {
        let dev = self.0.lock().drm.take();
        dev.iter().for_each(drm_dev_unplug);
    }

    /// Both devices, bound, and the DRM device of the card.
    fn set_up(&self, test: &Test, first: First) -> (Device, Device, DrmDevice) {
        let system = test.system();
        let (of_bridge, of_card) = (
            platform_driver(system, "lf-bridge"),
            platform_driver(system, "lf-card"),
        );
        let stage = self.clone();
        of_bridge.set_probe(move |device| stage.probe_bridge(device));
        let registered = kunit_platform_driver_register(test, &of_bridge);
        kunit_assert_eq!(test, registered, Ok(()));
        let bridge = platform_device_register(system, "lf-bridge", PlatformId::None);
        let bridge = kunit_assert_not_err_or_null!(test, bridge);
        crate::not_left_behind(test, &bridge, platform_device_unregister);
        let (probing, removing, supplier) = (self.clone(), self.clone(), bridge.clone());
        of_card.set_probe(move |device| probing.probe_card(device, &supplier, first));
        of_card.set_remove(move |_| removing.remove_card());
        let registered = kunit_platform_driver_register(test, &of_card);
        kunit_assert_eq!(test, registered, Ok(()));
        let card = platform_device_register(system, "lf-card", PlatformId::None);
        let card = kunit_assert_not_err_or_null!(test, card);
        crate::not_left_behind(test, &card, platform_device_unregister);
        let drm = self.0.lock().drm.clone();
        let drm = kunit_assert_not_null!(test, drm, "the card is not bound");
        // Whatever a debug mode tried before.
        self.0.lock().detaches = (0, 0);
        (card, bridge, drm)
    }

    /// What DETECT gives, and whether it came to a bridge that had nothing any more.
    fn detect(&self, file: &OpenFile) -> (Result<i32>, bool) {
        let before = self.0.lock().detects.1;
        let result = file.ioctl(DETECT, 0, &mut Process::new());
        (result, self.0.lock().detects.1 > before)
    }
}

/// Runs one cell and tells what happened.
fn play(test: &Test, cell: Cell) -> Outcome {
    let stage = Stage::default();
    let (card, bridge, drm) = stage.set_up(test, cell.first);
    let mut file = None;
    if cell.file {
        let opened = open(test.system(), "/dev/dri/card0", OpenFlags::RDWR);
        let opened = kunit_assert_not_err_or_null!(test, opened);
        kunit_expect_eq!(test, stage.detect(&opened), (Ok(1), false));
        file = Some(opened);
    }
    let mut gone = [None; 3];
    let mut look = |now: Step| {
        // What the core puts off or a debug mode delays happens in the step that caused
        // it.
        test.system().settle();
        test.system().wait_for_releases();
        let seen = [card.is_released(), bridge.is_released(), drm.is_released()];
        for (gone, seen) in gone.iter_mut().zip(seen) {
            if seen && gone.is_none() {
                *gone = Some(now);
            }
        }
    };
    look(Step::Before);
    let mut answers = Vec::new();
    for step in cell.steps() {
        stage.0.lock().now = step;
        match step {
            Step::UnregisterCard => platform_device_unregister(&card),
            Step::UnbindBridge => device_release_driver(&bridge),
            Step::UnregisterBridge => platform_device_unregister(&bridge),
            Step::Before | Step::Close => {}
        }
        look(step);
        if let Some(file) = &file {
            let (result, late) = stage.detect(file);
            answers.push((step, result, late));
            let polled = file.poll(PollMask::IN, Some(core::time::Duration::ZERO));
            kunit_expect_eq!(test, polled, PollMask::NONE, "nobody is told");
        }
    }
    stage.0.lock().now = Step::Close;
    drop(file);
    look(Step::Close);
    let state = stage.0.lock();
    kunit_expect_eq!(test, state.detaches.0, 1);
    Outcome {
        card_devres: state.card_devres.unwrap_or_default(),
        card: gone[0].unwrap_or_default(),
        bridge_devres: state.bridge_devres.unwrap_or_default(),
        bridge: gone[1].unwrap_or_default(),
        drm: gone[2].unwrap_or_default(),
        late_detach: state.detaches.1 > 0,
        file: answers,
    }
}

fn the_cell_is_as_the_kernel_has_it(test: &Test) {
    let cell = *kunit_assert_not_null!(test, test.param::<Cell>());
    let outcome = play(test, cell);
    kunit_expect_eq!(test, outcome, cell.expected());
}

/// The card that goes first leaves the bridge as it found it, for the next card.
fn a_bridge_serves_the_next_card_after_the_last_close_of_the_first(test: &Test) {
    let stage = Stage::default();
    let (card, bridge, _) = stage.set_up(test, First::Card);
    let file = open(test.system(), "/dev/dri/card0", OpenFlags::RDWR);
    let file = kunit_assert_not_err_or_null!(test, file);
    platform_device_unregister(&card);
    let another = || platform_device_register(test.system(), "lf-card", PlatformId::None);
    // The bridge is in the chain of a card that only its file keeps.
    test.system().wait_for_releases();
    drop(file);
    test.system().wait_for_releases();
    let next = kunit_assert_not_err_or_null!(test, another());
    crate::not_left_behind(test, &next, platform_device_unregister);
    kunit_assert_true!(test, next.driver().is_some());
    platform_device_unregister(&next);
    platform_device_unregister(&bridge);
}

kunit_suite! {
    /// A display made of two devices, since 6.6.
    pub suite two_devices = "two-devices" {
        the_cell_is_as_the_kernel_has_it.params(Param::each(Cell::all(), Cell::name)),
        a_bridge_serves_the_next_card_after_the_last_close_of_the_first,
    }
    .rules(Rules::Linux6_12)
}

mod before_6_6 {
    use super::*;

    kunit_suite! {
        /// A display made of two devices, before 6.6.
        pub suite two_devices_before_6_6 = "two-devices-pre-6-6" {
            the_cell_is_as_the_kernel_has_it.params(Param::each(Cell::all(), Cell::name)),
            a_bridge_serves_the_next_card_after_the_last_close_of_the_first,
        }
        .rules(Rules::LinuxPre6_6)
    }
}

pub(crate) use before_6_6::two_devices_before_6_6;
