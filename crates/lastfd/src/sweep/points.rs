//! Points of a program's work, and which of them are tried.

use core::fmt;
use std::collections::BTreeSet;

use lastfd_sync::Arc;

use super::roll::{Entry, REPEATS};
use crate::step::Step;
use crate::when::{Trigger, When};

/// On which side of an operation a device goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// Before it.
    Before,
    /// While the program sleeps in it.
    Blocked,
    /// After it.
    After,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Side::Before => "before",
            Side::Blocked => "blocked",
            Side::After => "after",
        })
    }
}

/// A point of a program's work: this device goes on this side of that operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// The device's name on the bench.
    pub device: Arc<str>,
    /// On which side.
    pub side: Side,
    /// The operation.
    pub step: Step,
    /// The how manieth of its kind, from 1.
    pub count: u32,
}

impl Point {
    /// As [`Bench::unplug_when`](crate::Bench::unplug_when) takes it.
    pub fn when(&self) -> When {
        let step = self.step.clone();
        let trigger = match self.side {
            Side::Before => Trigger::Before(step),
            Side::Blocked => Trigger::Blocked(step.name().to_owned()),
            Side::After => Trigger::After(step),
        };
        When::On {
            trigger,
            count: self.count,
        }
    }
}

impl fmt::Display for Point {
    /// As `lastfd run --unplug` takes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.device, self.when())
    }
}

/// Which repeats of an operation are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeats {
    /// All.
    Every,
    /// The first three, and so many of the rest, chosen by the seed.
    Sample(u32),
    /// None: the first of each alone.
    Once,
}

/// The points of a roll, in the order its operations were first seen.
pub(super) fn points(roll: &[Entry], repeats: Repeats, seed: u64) -> Vec<Point> {
    let mut random = Random(seed);
    let mut points = Vec::new();
    for entry in roll {
        let sides = [
            (Side::Before, entry.begun),
            (Side::Blocked, entry.blocked),
            (Side::After, entry.ended),
        ];
        for (side, seen) in sides {
            let counts = chosen(seen, repeats, &mut random);
            points.extend(counts.into_iter().map(|count| Point {
                device: Arc::clone(&entry.device),
                side,
                step: entry.step.clone(),
                count,
            }));
        }
    }
    points
}

fn chosen(seen: u32, repeats: Repeats, random: &mut Random) -> BTreeSet<u32> {
    let first = seen.min(REPEATS);
    let mut counts: BTreeSet<u32> = (1..=first).collect();
    match repeats {
        Repeats::Once => counts.retain(|count| *count == 1),
        Repeats::Every => counts.extend(1..=seen),
        Repeats::Sample(wanted) => {
            let past = seen - first;
            let all = counts.len() + wanted.min(past) as usize;
            while counts.len() < all {
                counts.insert(first + 1 + (random.next() % u64::from(past)) as u32);
            }
        }
    }
    counts
}

/// splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roll() -> Vec<Entry> {
        let entry = |step, begun, blocked, ended| Entry {
            device: "camera".into(),
            step,
            begun,
            blocked,
            ended,
        };
        vec![
            entry(Step::Open, 1, 0, 1),
            entry(Step::Ioctl(Some("VIDIOC_DQBUF".into())), 100, 5, 99),
            entry(Step::Close, 0, 0, 1),
        ]
    }

    fn said(repeats: Repeats, seed: u64) -> Vec<String> {
        let points = points(&roll(), repeats, seed);
        points.iter().map(Point::to_string).collect()
    }

    #[test]
    fn the_first_three_are_tried_and_the_rest_is_sampled_by_the_seed() {
        let none = said(Repeats::Sample(0), 1);
        assert_eq!(
            none,
            [
                "camera@before:open:1",
                "camera@after:open:1",
                "camera@before:ioctl:VIDIOC_DQBUF:1",
                "camera@before:ioctl:VIDIOC_DQBUF:2",
                "camera@before:ioctl:VIDIOC_DQBUF:3",
                "camera@blocked:VIDIOC_DQBUF:1",
                "camera@blocked:VIDIOC_DQBUF:2",
                "camera@blocked:VIDIOC_DQBUF:3",
                "camera@after:ioctl:VIDIOC_DQBUF:1",
                "camera@after:ioctl:VIDIOC_DQBUF:2",
                "camera@after:ioctl:VIDIOC_DQBUF:3",
                "camera@after:close:1",
            ]
        );
        let two = said(Repeats::Sample(2), 7);
        assert_eq!(two.len(), none.len() + 6);
        assert!(none.iter().all(|point| two.contains(point)));
        assert_eq!(two, said(Repeats::Sample(2), 7));
        assert_ne!(two, said(Repeats::Sample(2), 8));
    }

    #[test]
    fn once_is_the_first_of_each() {
        let once = said(Repeats::Once, 1);
        assert_eq!(once.len(), 6);
        assert!(once.iter().all(|point| point.ends_with(":1")), "{once:?}");
    }

    #[test]
    fn more_samples_than_there_are_repeats_are_all_of_them() {
        let all = said(Repeats::Every, 1);
        assert_eq!(all.len(), 2 + 100 + 5 + 99 + 1);
        assert_eq!(said(Repeats::Sample(1000), 3), all);
    }

    #[test]
    fn a_point_is_what_the_command_line_takes() {
        for point in points(&roll(), Repeats::Every, 1) {
            let text = point.when().to_string();
            assert_eq!(text.parse(), Ok(point.when()), "{text}");
        }
    }
}
