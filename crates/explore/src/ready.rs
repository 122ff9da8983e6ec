//! Explorations to run as they are: `lastfd explore NAME`.
//!
//! Most have unplug, unbind and last close against the calls of a program, for each
//! framework, and find nothing. The others are pairs: one variant has a race, the other
//! has it repaired.

mod cdev;
mod cec;
mod drm;
mod iio;
mod races;
mod rivals;
mod v4l2;

use core::fmt;

use crate::explorer::{Exploration, Explorer};
use crate::fault::Blame;
use crate::world::World;

/// A body that is there to be explored.
#[derive(Clone)]
pub struct Ready {
    /// What it is called.
    pub name: String,
    /// What runs against what.
    pub summary: &'static str,
    /// The class of mistake it has, as numbered in the list of them.
    pub class: Option<&'static str>,
    /// Its variants, the default first.
    pub variants: &'static [Variant],
    body: fn(&World),
}

/// A variant of a [`Ready`] body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variant {
    /// What it is called.
    pub name: &'static str,
    /// Whether there is a schedule under which it fails.
    pub fails: bool,
}

const fn variant(name: &'static str, fails: bool) -> Variant {
    Variant { name, fails }
}

/// Nothing is known to be wrong.
const SOUND: &[Variant] = &[variant("linux-6.12", false)];
/// Linux has a race; the repaired frameworks do not.
const RACE: &[Variant] = &[variant("linux-6.12", true), variant("locked", false)];
/// The driver has a race; its twin does not.
const PLANTED: &[Variant] = &[variant("wrong", true), variant("right", false)];

impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ready").field(&self.name).finish()
    }
}

impl Ready {
    fn new(name: impl Into<String>, summary: &'static str, body: fn(&World)) -> Ready {
        Ready {
            name: name.into(),
            summary,
            class: None,
            variants: SOUND,
            body,
        }
    }

    fn race(mut self, class: &'static str, variants: &'static [Variant]) -> Ready {
        self.class = Some(class);
        self.variants = variants;
        self
    }

    /// The variant of this name.
    pub fn variant(&self, name: &str) -> Option<Variant> {
        self.variants
            .iter()
            .find(|known| known.name == name)
            .copied()
    }

    /// Whose fault it is that there is a race.
    pub fn blame(&self) -> Blame {
        match self.variants == RACE {
            true => Blame::Kernel,
            false => Blame::Driver,
        }
    }

    /// Explores it.
    pub fn explore(&self, explorer: &Explorer, variant: Variant) -> Exploration {
        // What Linux is known for is no finding, but it must not be in what is repaired.
        let gaps = self.variants == RACE && !variant.fails;
        // The races are there to be met, and not to be told of beforehand.
        let sanitize = self.class.is_none();
        let explorer = explorer.clone().variant(variant.name);
        explorer.gaps(gaps).sanitize(sanitize).run(self.body)
    }
}

/// All of them, the races first.
pub fn all() -> Vec<Ready> {
    let mut all = races::all();
    for (framework, calls) in [
        ("iio", iio::CALLS),
        ("drm", drm::CALLS),
        ("v4l2", v4l2::CALLS),
        ("cec", cec::CALLS),
        ("cdev", cdev::CALLS),
    ] {
        for (call, body) in calls {
            let summary = rivals::summary(call);
            all.push(Ready::new(format!("{framework}-{call}"), summary, *body));
        }
    }
    all.extend(rivals::of_the_model());
    all
}

/// The one of this name.
pub fn find(name: &str) -> Option<Ready> {
    all().into_iter().find(|ready| ready.name == name)
}
