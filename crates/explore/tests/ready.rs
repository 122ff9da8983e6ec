//! The ready explorations: each variant fails, or does not, as it says.

use lastfd_explore::Explorer;
use lastfd_explore::ready::{all, find};

#[test]
fn explored_races_are_found_and_their_twins_have_none_in_as_many_schedules() {
    for ready in all().into_iter().filter(|ready| ready.class.is_some()) {
        let found = ready.explore(&Explorer::new(), ready.variants[0]);
        let number = match &found.found {
            Some(Ok(found)) => found.number,
            other => panic!("{} of {}: {other:?}", ready.name, found.schedules),
        };
        let twin = Explorer::new().schedules(200.max(number));
        let twin = ready.explore(&twin, ready.variants[1]);
        assert_eq!(twin.wrong(), None, "{}", ready.name);
    }
}

#[test]
fn explored_calls_find_nothing_against_unplug() {
    for ready in all().into_iter().filter(|ready| ready.class.is_none()) {
        let some = Explorer::new().schedules(100);
        let clean = ready.explore(&some, ready.variants[0]);
        assert_eq!(clean.wrong(), None, "{}", ready.name);
    }
}

/// Within this many it falls asleep after the camera went, which only a signal ends.
#[test]
fn explored_a_read_that_slips_past_the_look_is_not_the_drivers_fault() {
    let ready = find("v4l2-read").unwrap();
    let clean = ready.explore(&Explorer::new().schedules(3_000), ready.variants[0]);
    assert_eq!(clean.wrong(), None);
}

#[test]
fn a_name_is_of_one_exploration() {
    let mut names: Vec<String> = all().into_iter().map(|ready| ready.name).collect();
    names.sort();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
    assert!(find("iio-remove-race").is_some());
    assert!(find("iio").is_none());
}
