//! What a body is told: what went wrong in it, and what an explored body cannot do.

use core::time::Duration;

use lastfd_explore::{Explorer, Recipe, Refusal, Strategy, World, case, explore};
use lastfd_kunit::{Runner, Suite};
use lastfd_model::raw::{
    PlatformId, get_device, kref_read, platform_device_register, platform_device_unregister,
    root_device_register, root_device_unregister,
};
use lastfd_model::{Event, System};
use lastfd_sync::explore::Journal;
use lastfd_sync::{Arc, Clock, Mutex, thread};

fn few() -> Explorer {
    Explorer::new().schedules(50)
}

/// What is wrong with it.
fn wrong(body: impl Fn(&World) + Send + Sync + 'static) -> String {
    few().run(body).wrong().expect("something is wrong")
}

fn plug(world: &World) -> lastfd_model::raw::Device {
    platform_device_register(world.system(), "sensor", PlatformId::None).unwrap()
}

#[test]
fn explored_a_leak_is_found_with_its_holder() {
    let said = wrong(|world| {
        let device = plug(world);
        let held = device.clone();
        world.task("holder", move || drop(get_device(&held)));
        world.unplug(&device);
    });
    assert!(
        said.starts_with("leak: device sensor was never released"),
        "{said}"
    );
    assert!(said.contains("holder") && said.contains("unplug"), "{said}");
}

#[test]
fn explored_a_panic_of_a_task_is_found_with_its_place() {
    let said = wrong(|world| {
        let device = plug(world);
        let looked = device.clone();
        world.task("looker", move || {
            assert!(kref_read(&looked) > 1, "it is alone")
        });
        world.unplug(&device);
    });
    assert!(
        said.contains("tests/bodies.rs:") && said.contains("it is alone"),
        "{said}"
    );
}

#[test]
fn explored_what_a_body_says_itself_is_replayed_by_its_recipe() {
    let body = |world: &World| {
        let count = Arc::new(Mutex::new(0));
        for name in ["one", "other"] {
            let count = Arc::clone(&count);
            world.task(name, move || {
                let seen = *count.lock();
                *count.lock() = seen + 1;
            });
        }
        world.join();
        world.check(*count.lock() == 2, "a step was lost");
    };
    let found = few().run(body).found.unwrap().unwrap();
    assert_eq!(
        (found.fault.what.as_str(), found.preemptions),
        ("a step was lost", 1)
    );
    let recipe: Recipe = found.recipe.to_string().parse().unwrap();
    let again = few().strategy(Strategy::Replay(recipe)).run(body);
    assert_eq!(again.found.unwrap().unwrap().fault, found.fault);
    for strategy in [Strategy::Random, Strategy::Pct { depth: 3 }] {
        assert!(few().strategy(strategy).run(body).found.is_some());
    }
}

#[test]
fn explored_time_moves_only_when_every_task_waits() {
    explore(|world| {
        let clock = world.system().clock().clone();
        for name in ["one", "other"] {
            let clock = clock.clone();
            world.task(name, move || {
                let before = clock.now();
                thread::yield_now();
                assert_eq!(clock.now(), before);
                clock.sleep(Duration::from_secs(3600), None).unwrap();
            });
        }
        world.join();
        assert_eq!(clock.now().since_start(), Duration::from_secs(3600));
    });
}

#[test]
fn explored_what_is_made_outside_is_refused_with_the_call() {
    let clock = Clock::real();
    let said = wrong(move |world| {
        let clock = clock.clone();
        world.task("late", move || {
            clock.now();
        });
    });
    assert!(
        said.contains("'late' used what was made outside of this schedule"),
        "{said}"
    );
    assert!(said.contains("Clock::now of a real clock"), "{said}");

    let system = System::new();
    let events = system.record();
    let device = root_device_register(&system, "board").unwrap();
    let inside = device.clone();
    let said = wrong(move |_| drop(get_device(&inside)));
    assert!(said.contains("cannot be explored"), "{said}");
    drop(events);
}

#[test]
fn explored_a_listener_that_calls_the_model_is_refused_with_the_event() {
    let said = wrong(|world| {
        let (system, device) = (world.system().clone(), plug(world));
        let called = device.clone();
        let listener = move |_: &Event| drop(get_device(&called));
        let subscription = system.subscribe(Arc::new(listener));
        world.unplug(&device);
        world.join();
        drop(subscription);
    });
    assert!(
        said.contains("a listener called the model: sensor: reference taken"),
        "{said}"
    );
}

#[test]
fn a_listener_that_calls_the_model_is_refused_without_an_exploration_too() {
    let system = System::new();
    let board = root_device_register(&system, "board").unwrap();
    let called = board.clone();
    let listener = move |event: &Event| {
        if event.kind.to_string().contains("removed") {
            get_device(&called);
        }
    };
    let subscription = system.subscribe(Arc::new(listener));
    let removed = thread::spawn("remover", {
        let board = board.clone();
        move || root_device_unregister(&board)
    });
    let payload = removed.unwrap().join().unwrap_err();
    let said = payload.downcast_ref::<String>().unwrap();
    assert!(
        said.starts_with("a listener called the model: board: reference taken"),
        "{said}"
    );
    drop(subscription);
}

#[test]
fn explored_a_task_that_never_comes_to_its_next_step_is_named_with_the_last_event() {
    let enough = Journal::new();
    let end = enough.clone();
    let stuck = move |world: &World| {
        let device = plug(world);
        let end = end.clone();
        world.task("stuck", move || {
            platform_device_unregister(&device);
            while end.with(|end: &mut Vec<()>| end.is_empty()) {
                core::hint::spin_loop();
            }
        });
    };
    let impatient = few().patience(Duration::from_millis(300));
    let refusal = impatient.run(stuck).found.unwrap().unwrap_err();
    enough.push(());
    let Refusal::Stalled { message, last } = refusal else {
        panic!("{refusal}");
    };
    assert!(
        message.contains("'stuck' did not come to its next step in 0.3 s"),
        "{message}"
    );
    assert_eq!(last.as_deref(), Some("sensor: RELEASE"));
}

#[test]
fn explored_a_case_of_kunit_fails_with_the_schedule() {
    let right = case("right", |world| {
        let device = plug(world);
        world.unplug(&device);
    });
    let wrong = case("wrong", |world| {
        let device = plug(world);
        get_device(&device);
        world.unplug(&device);
    });
    let stats = Runner::new().run_quietly(&[Suite::new("explored").case(right).case(wrong)]);
    assert_eq!((stats.passed, stats.failed), (1, 1));
}
