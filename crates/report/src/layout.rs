//! Where things are in the picture: the lanes, and a time axis that gives moments close
//! together room and shortens long waits.

use std::collections::BTreeMap;

use lastfd_model::{Errno, Event, EventKind};
use lastfd_sync::Arc;

use crate::run_event::RunEvent;

/// Everything in the picture. `x` is in pixels from the axis's start.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    pub(crate) lanes: Vec<Lane>,
    pub(crate) removals: Vec<Mark>,
    pub(crate) ticks: Vec<Tick>,
    pub(crate) width: f64,
}

/// A device, an open file or a program.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) label: Arc<str>,
    pub(crate) kind: LaneKind,
    /// From when to when it was of use.
    pub(crate) alive: Option<(f64, f64)>,
    /// From when to when it was gone and still held.
    pub(crate) held: Option<(f64, f64)>,
    /// Calls that slept.
    pub(crate) sleeps: Vec<(f64, f64)>,
    /// Calls that came back: x, what was called, and the error if it failed.
    pub(crate) calls: Vec<(f64, Arc<str>, Option<Errno>)>,
    /// Where it was released, or closed for the last time.
    pub(crate) end: Option<f64>,
    /// Splats and leaks.
    pub(crate) findings: Vec<(f64, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LaneKind {
    Device,
    File,
    Program,
}

/// A line across all lanes.
#[derive(Debug)]
pub(crate) struct Mark {
    pub(crate) x: f64,
    pub(crate) text: String,
}

/// A label on the axis.
#[derive(Debug)]
pub(crate) struct Tick {
    pub(crate) x: f64,
    pub(crate) nanoseconds: u64,
}

/// Lanes that are worth a look: more would make no picture.
const LANES_MAX: usize = 40;

/// Calls drawn per lane.
const CALLS_MAX: usize = 400;

/// The room between two moments, in pixels.
const NEAREST: f64 = 7.0;
const FARTHEST: f64 = 64.0;

/// Moments after which the axis gives no room of its own to each.
const MOMENTS_MAX: usize = 170;

impl Lane {
    fn new(label: Arc<str>, kind: LaneKind) -> Lane {
        Lane {
            label,
            kind,
            alive: None,
            held: None,
            sleeps: Vec::new(),
            calls: Vec::new(),
            end: None,
            findings: Vec::new(),
        }
    }

    /// What was of use until `x` is held from then on.
    fn gone_at(&mut self, x: f64) {
        if self.end.is_none()
            && self.held.is_none()
            && let Some((_, until)) = &mut self.alive
        {
            *until = x;
            self.held = Some((x, x));
        }
    }

    fn ends_at(&mut self, x: f64) {
        match (&mut self.held, &mut self.alive) {
            (Some((_, until)), _) | (None, Some((_, until))) => *until = x,
            (None, None) => {}
        }
        self.end = Some(x);
    }
}

/// What a lane is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key<'a> {
    Device(u64),
    File(u64),
    Program(&'a str),
}

impl Layout {
    pub(crate) fn of(events: &[Event]) -> Layout {
        let axis = Axis::of(events);
        let mut builder = Builder {
            layout: Layout {
                width: axis.width(),
                ticks: axis.ticks(),
                ..Layout::default()
            },
            lanes: BTreeMap::new(),
            asleep: BTreeMap::new(),
            files: BTreeMap::new(),
        };
        for event in events {
            builder.take(event, axis.x(event.time.0));
        }
        builder.finish()
    }
}

struct Builder<'a> {
    layout: Layout,
    lanes: BTreeMap<Key<'a>, usize>,
    asleep: BTreeMap<u64, f64>,
    /// Open files by their device.
    files: BTreeMap<u64, Vec<u64>>,
}

impl<'a> Builder<'a> {
    fn lane(&mut self, key: Key<'a>, label: &Arc<str>, kind: LaneKind) -> Option<&mut Lane> {
        let lanes = &mut self.layout.lanes;
        let index = match self.lanes.get(&key) {
            Some(index) => *index,
            None if lanes.len() == LANES_MAX => return None,
            None => {
                lanes.push(Lane::new(Arc::clone(label), kind));
                self.lanes.insert(key, lanes.len() - 1);
                lanes.len() - 1
            }
        };
        lanes.get_mut(index)
    }

    fn known(&mut self, key: Key<'a>) -> Option<&mut Lane> {
        let index = *self.lanes.get(&key)?;
        self.layout.lanes.get_mut(index)
    }

    fn take(&mut self, event: &'a Event, x: f64) {
        use EventKind::*;
        match &event.kind {
            DeviceAdded { device, .. } => {
                let key = Key::Device(device.id);
                if let Some(lane) = self.lane(key, &device.name, LaneKind::Device) {
                    lane.alive = Some((x, x));
                }
            }
            DeviceRemoved { device } => {
                let files = self.files.get(&device.id).cloned().unwrap_or_default();
                let of_device = files.into_iter().map(Key::File);
                for key in core::iter::once(Key::Device(device.id)).chain(of_device) {
                    if let Some(lane) = self.known(key) {
                        lane.gone_at(x);
                    }
                }
            }
            Released { device } => {
                if let Some(lane) = self.known(Key::Device(device.id)) {
                    lane.ends_at(x);
                }
            }
            FileOpened { file, device } => {
                if let Some(device) = device {
                    self.files.entry(device.id).or_default().push(file.id);
                }
                let label = format!("{} #{}", file.path, file.id).into();
                if let Some(lane) = self.lane(Key::File(file.id), &label, LaneKind::File) {
                    lane.alive = Some((x, x));
                }
            }
            FileClosed { file, .. } => {
                if let Some(lane) = self.known(Key::File(file.id)) {
                    lane.ends_at(x);
                }
            }
            Blocked { file, .. } => {
                self.asleep.insert(file.id, x);
            }
            Woken { file, .. } => {
                let since = self.asleep.remove(&file.id);
                if let (Some(since), Some(lane)) = (since, self.known(Key::File(file.id))) {
                    lane.sleeps.push((since, x));
                }
            }
            OperationEnd { file, op, result } => {
                if let Some(lane) = self.known(Key::File(file.id))
                    && lane.calls.len() < CALLS_MAX
                {
                    lane.calls.push((x, Arc::clone(op), result.err()));
                }
            }
            Splat { device, .. } | Leak { device, .. } => {
                let key = device.as_ref().map(|device| Key::Device(device.id));
                if let Some(lane) = key.and_then(|key| self.known(key)) {
                    lane.findings.push((x, event.kind.to_string()));
                }
            }
            Framework(_) => self.take_run_event(event, x),
            _ => {}
        }
    }

    fn take_run_event(&mut self, event: &'a Event, x: f64) {
        match RunEvent::of(event) {
            Some(RunEvent::RemovalBegin {
                name,
                manner,
                cause,
                ..
            }) => self.layout.removals.push(Mark {
                x,
                text: format!("{manner} {name}, {cause}"),
            }),
            Some(RunEvent::ProgramStarted { program }) => {
                let key = Key::Program(program);
                if let Some(lane) = self.lane(key, program, LaneKind::Program) {
                    lane.alive = Some((x, x));
                }
            }
            Some(RunEvent::ProgramEnded { program, .. }) => {
                if let Some(lane) = self.known(Key::Program(program)) {
                    lane.ends_at(x);
                }
            }
            _ => {}
        }
    }

    /// What has not ended goes on to the edge.
    fn finish(mut self) -> Layout {
        let edge = self.layout.width;
        for lane in &mut self.layout.lanes {
            if lane.end.is_none() {
                match (&mut lane.held, &mut lane.alive) {
                    (Some((_, until)), _) | (None, Some((_, until))) => *until = edge,
                    (None, None) => {}
                }
            }
        }
        self.layout
            .lanes
            .sort_by_key(|lane| matches!(lane.kind, LaneKind::Program));
        self.layout
    }
}

/// Time to pixels. Between two moments there is at least [`NEAREST`] and at most
/// [`FARTHEST`]; what lies between them is spread evenly.
struct Axis {
    points: Vec<(u64, f64)>,
}

impl Axis {
    fn of(events: &[Event]) -> Axis {
        let mut moments: Vec<u64> = events
            .iter()
            .filter(|event| is_moment(&event.kind))
            .map(|event| event.time.0)
            .collect();
        // A run of many calls gives its room to what is rare.
        if moments.len() > MOMENTS_MAX {
            moments = events
                .iter()
                .filter(|event| is_moment(&event.kind) && !is_call(&event.kind))
                .map(|event| event.time.0)
                .collect();
        }
        if let (Some(first), Some(last)) = (events.first(), events.last()) {
            moments.extend([first.time.0, last.time.0]);
        }
        moments.sort_unstable();
        // Moments less than 2 µs apart are one.
        moments.dedup_by(|later, earlier| *later - *earlier < 2_000);
        let mut points = Vec::with_capacity(moments.len());
        let mut x = 0.0;
        let mut before = None;
        for moment in moments {
            if let Some(before) = before {
                x += room(moment - before);
            }
            points.push((moment, x));
            before = Some(moment);
        }
        Axis { points }
    }

    fn width(&self) -> f64 {
        self.points.last().map_or(0.0, |(_, x)| *x)
    }

    fn x(&self, time: u64) -> f64 {
        let after = self.points.partition_point(|(moment, _)| *moment <= time);
        let Some(&(start, x)) = after.checked_sub(1).and_then(|i| self.points.get(i)) else {
            return 0.0;
        };
        match self.points.get(after) {
            Some(&(end, to)) => x + (to - x) * (time - start) as f64 / (end - start) as f64,
            None => x,
        }
    }

    /// A label every hundred pixels or so, at a moment.
    fn ticks(&self) -> Vec<Tick> {
        let Some(&(start, _)) = self.points.first() else {
            return Vec::new();
        };
        let mut ticks: Vec<Tick> = Vec::new();
        for &(moment, x) in &self.points {
            if ticks.last().is_none_or(|last| x - last.x >= 90.0) {
                ticks.push(Tick {
                    x,
                    nanoseconds: moment - start,
                });
            }
        }
        ticks
    }
}

/// Pixels for a wait of this many nanoseconds: from a microsecond on, each tenfold adds
/// the same.
fn room(nanoseconds: u64) -> f64 {
    let decades = (nanoseconds as f64 / 1000.0).max(1.0).log10();
    (NEAREST + decades * 9.0).min(FARTHEST)
}

fn is_call(kind: &EventKind) -> bool {
    use EventKind::*;
    matches!(
        kind,
        OperationEnd { result: Ok(_), .. } | Blocked { .. } | Woken { .. }
    )
}

fn is_moment(kind: &EventKind) -> bool {
    use EventKind::*;
    match kind {
        DeviceAdded { .. }
        | DeviceRemoved { .. }
        | Released { .. }
        | FileOpened { .. }
        | FileClosed { .. }
        | Splat { .. }
        | Leak { .. }
        | OperationEnd { .. }
        | Blocked { .. }
        | Woken { .. } => true,
        Framework(event) => event.framework() == "run",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_wait_is_shortened_and_a_short_one_has_room() {
        assert_eq!(room(100), NEAREST);
        assert!(room(1_000_000) > 30.0);
        assert_eq!(room(3_600_000_000_000), FARTHEST);
    }

    #[test]
    fn times_between_two_moments_are_spread_evenly() {
        let axis = Axis {
            points: vec![(0, 0.0), (100, 50.0), (1100, 150.0)],
        };
        assert_eq!(axis.x(50), 25.0);
        assert_eq!(axis.x(600), 100.0);
        assert_eq!(axis.x(9999), 150.0);
    }
}
