//! Waiting for events of a bench.

use core::fmt;
use core::str::FromStr;
use core::time::Duration;

use lastfd_model::Event;
use lastfd_sync::wait_event;

use crate::belongings::Belongings;
use crate::bench::Bench;
use crate::plugged::Plugged;
use crate::when::{EVENTS, Trigger, When, WhenError};

/// Something to wait for: an [`Occasion`], a [`Trigger`], or a closure over events.
pub trait Awaited {
    /// Whether this event is it.
    fn matches(&self, event: &Event) -> bool;

    /// How often it has to come.
    fn times(&self) -> u32 {
        1
    }

    /// What it is called where it did not come.
    fn name(&self) -> String {
        "the event waited for".to_owned()
    }
}

impl Awaited for Trigger {
    fn matches(&self, event: &Event) -> bool {
        Trigger::matches(self, &event.kind)
    }

    fn name(&self) -> String {
        format!("'{self}'")
    }
}

impl<F: Fn(&Event) -> bool> Awaited for F {
    fn matches(&self, event: &Event) -> bool {
        self(event)
    }
}

/// An event that has come so often: `read:5`, `blocked:DQBUF`.
///
/// ```
/// let fifth: lastfd::Occasion = "read:5".parse().unwrap();
/// assert_eq!(fifth.count, 5);
/// let error = "300ms".parse::<lastfd::Occasion>().unwrap_err();
/// assert!(error.to_string().starts_with("'300ms' is a time; an event to wait for is one of"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occasion {
    /// What has to happen.
    pub trigger: Trigger,
    /// How often, from 1 on.
    pub count: u32,
}

/// A text that names no event to wait for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OccasionError {
    /// It is a time.
    #[error("'{0}' is a time; an event to wait for is one of: {EVENTS}")]
    Time(String),
    /// It is neither a time nor an event.
    #[error(transparent)]
    When(#[from] WhenError),
}

impl FromStr for Occasion {
    type Err = OccasionError;

    fn from_str(text: &str) -> Result<Occasion, OccasionError> {
        match text.parse()? {
            When::On { trigger, count } => Ok(Occasion { trigger, count }),
            When::At(_) => Err(OccasionError::Time(text.to_owned())),
        }
    }
}

impl fmt::Display for Occasion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.count {
            1 => self.trigger.fmt(f),
            count => write!(f, "{}:{count}", self.trigger),
        }
    }
}

impl Awaited for Occasion {
    fn matches(&self, event: &Event) -> bool {
        self.trigger.matches(&event.kind)
    }

    fn times(&self) -> u32 {
        self.count
    }

    fn name(&self) -> String {
        format!("'{self}'")
    }
}

/// What was waited for did not come.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} did not come within {within:?}{}; the last event was: {last}", so_often(*.came))]
pub struct NotSeen {
    what: String,
    within: Duration,
    came: u32,
    last: String,
}

fn so_often(came: u32) -> String {
    match came {
        0 => String::new(),
        1 => ": it came once".to_owned(),
        came => format!(": it came {came} times"),
    }
}

/// A look through the events of a bench that goes on where it was left.
pub(crate) struct Search<A> {
    awaited: A,
    of: Option<Belongings>,
    looked_at: usize,
    came: u32,
}

impl<A: Awaited> Search<A> {
    /// From the first event on. `of`: only what is about this hardware.
    pub(crate) fn new(awaited: A, of: Option<Belongings>) -> Search<A> {
        Search {
            awaited,
            of,
            looked_at: 0,
            came: 0,
        }
    }

    /// Looks at what is new.
    pub(crate) fn look(&mut self, bench: &Bench) -> Option<Event> {
        bench.with_events(|events| {
            while let Some(event) = events.get(self.looked_at) {
                self.looked_at += 1;
                let ours = match &mut self.of {
                    Some(belongings) => belongings.concerns(&event.kind),
                    None => true,
                };
                if ours && self.awaited.matches(event) {
                    self.came += 1;
                    if self.came == self.awaited.times() {
                        return Some(event.clone());
                    }
                }
            }
            None
        })
    }

    /// It has not come by now.
    pub(crate) fn give_up(&self, bench: &Bench, within: Duration) -> NotSeen {
        NotSeen {
            what: self.awaited.name(),
            within,
            came: self.came,
            last: bench.with_events(|events| match events.last() {
                Some(event) => event.kind.to_string(),
                None => "none".to_owned(),
            }),
        }
    }
}

impl Bench {
    /// Waits until an event has come that is the one awaited; those since the bench was
    /// made count. It has to [keep](crate::Keep::All) them all.
    ///
    /// ```
    /// use lastfd::{Bench, model::{EventKind, raw::*}};
    /// use std::time::Duration;
    ///
    /// let bench = Bench::new();
    /// let root = root_device_register(bench.system(), "board").unwrap();
    /// let added = |event: &lastfd::model::Event| matches!(event.kind, EventKind::DeviceAdded { .. });
    /// assert!(bench.wait_for(added, Duration::from_secs(1)).is_ok());
    /// root_device_unregister(&root);
    /// ```
    ///
    /// # Errors
    /// [`NotSeen`]: it did not come within this time of the System's clock.
    pub fn wait_for(&self, awaited: impl Awaited, within: Duration) -> Result<Event, NotSeen> {
        self.wait(Search::new(awaited, None), within)
    }

    /// As [`wait_for`](Bench::wait_for), of this hardware, the devices below it and their
    /// open files alone.
    ///
    /// ```
    /// use lastfd::{Bench, Occasion, devices::IioAdc, model::raw::attr_read};
    /// use std::time::Duration;
    ///
    /// let bench = Bench::new();
    /// let [first, second] = [(); 2].map(|()| bench.plug(IioAdc::default()).unwrap());
    /// let iio = bench.system().find_bus("iio").unwrap().find_device("iio:device0").unwrap();
    /// attr_read(&iio, "name").unwrap();
    /// let shown: Occasion = "show:name".parse().unwrap();
    /// assert!(bench.wait_for_of(&first, shown.clone(), Duration::from_secs(1)).is_ok());
    /// let not = bench.wait_for_of(&second, shown, Duration::ZERO).unwrap_err();
    /// assert!(not.to_string().starts_with("'show:name' did not come within 0ns"));
    /// # drop(iio);
    /// ```
    ///
    /// # Errors
    /// As there.
    pub fn wait_for_of(
        &self,
        hardware: &Plugged,
        awaited: impl Awaited,
        within: Duration,
    ) -> Result<Event, NotSeen> {
        let of = Some(Belongings::at_first(hardware));
        self.wait(Search::new(awaited, of), within)
    }

    fn wait(&self, mut search: Search<impl Awaited>, within: Duration) -> Result<Event, NotSeen> {
        let clock = self.system().clock();
        let deadline = clock.now().after(within);
        let found = wait_event(&[self.arrived()], clock, Some(deadline), None, || {
            search.look(self)
        });
        found.map_err(|_| search.give_up(self, within))
    }
}
