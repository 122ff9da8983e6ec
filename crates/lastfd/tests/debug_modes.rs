//! Every kind of ready-made device under each debug mode: plugged in, used by the
//! built-in client, unplugged while it is held, and clean.

use lastfd::Bench;
use lastfd::model::DebugOptions;
use lastfd::sync::{Cancel, Clock};

/// Plugs the kind in and has it used. Gives whether an allocation failed, and what
/// came of it, if a driver is to blame for something.
fn used(kind: &str, debug: DebugOptions) -> (bool, Option<String>) {
    let bench = Bench::builder()
        .clock(Clock::simulated())
        .debug(debug)
        .build();
    let plugged = bench.plug_spec(&kind.parse().unwrap());
    let ending = plugged.map(|_| bench.run_client(&Cancel::new()).unwrap());
    let failed = debug.fail_nth != 0 && bench.system().fail_nth_left() == 0;
    let report = bench.finish();
    let verdict = report.verdict();
    let blamed = verdict.blames_a_driver() || !failed && !verdict.is_clean();
    let said = || format!("{kind}, {debug:?}: {ending:?}\n{verdict}");
    (failed, blamed.then(said))
}

fn kinds() -> impl Iterator<Item = &'static str> {
    lastfd::devices::KINDS.iter().map(|kind| kind.name)
}

#[test]
fn every_kind_is_clean_with_delayed_releases() {
    let debug = DebugOptions {
        kobject_release: true,
        ..DebugOptions::default()
    };
    for kind in kinds() {
        assert_eq!(used(kind, debug).1, None);
    }
}

#[test]
fn every_kind_is_clean_with_its_driver_tried_twice() {
    let debug = DebugOptions {
        test_driver_remove: true,
        ..DebugOptions::default()
    };
    for kind in kinds() {
        assert_eq!(used(kind, debug).1, None);
    }
}

#[test]
fn every_kind_is_clean_with_each_of_its_allocations_failing() {
    for kind in kinds() {
        for fail_nth in 1.. {
            let debug = DebugOptions {
                fail_nth,
                ..DebugOptions::default()
            };
            let (failed, blamed) = used(kind, debug);
            assert_eq!(blamed, None);
            if !failed {
                assert!(fail_nth > 10, "{kind}: only {} allocations", fail_nth - 1);
                break;
            }
        }
    }
}
