//! The table of kinds: what can be plugged in, and what can be set on it.

use crate::accel::Accelerometer;
use crate::adc::IioAdc;
use crate::bu27034::Bu27034;
use crate::camera::Camera;
use crate::cec::CecAdapter;
use crate::dac::IioDac;
use crate::display::Display;
use crate::gremlin::Gremlin;
use crate::level::{LightSensor, ProximitySensor};
use crate::plug::Hardware;

/// A kind of test device.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is, in a line.
    pub summary: &'static str,
    /// What programs can reach of it, in a line.
    pub serves: &'static str,
    /// What can be set.
    pub keys: &'static [Key],
    /// Makes one out of its settings.
    pub(crate) build: fn(&Settings) -> Result<Box<dyn Hardware>, BadValue>,
}

/// Something that can be set on a kind of device.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What its value is, as in `rate=HZ`.
    pub value: &'static str,
    /// The value it has if nothing is said.
    pub default: &'static str,
    /// What it does, in a line.
    pub what: &'static str,
}

/// A value that a key does not take: the key, and what it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadValue {
    pub(crate) key: &'static str,
    pub(crate) expected: &'static str,
}

/// What was set, in the order it was said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings(Vec<(&'static str, String)>);

impl Settings {
    pub(crate) fn set(&mut self, key: &'static str, value: &str) {
        self.0.push((key, value.to_owned()));
    }

    /// A number that a key was set to, if it was. `expected` says which numbers
    /// it takes.
    pub(crate) fn number<N: core::str::FromStr>(
        &self,
        key: &'static str,
        expected: &'static str,
        takes: impl Fn(&N) -> bool,
    ) -> Result<Option<N>, BadValue> {
        let number = |text: &str| number(key, text, expected, takes);
        self.get(key).map(number).transpose()
    }

    /// The value a key was set to.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(name, _)| *name == key)
            .map(|(_, value)| value.as_str())
    }
}

/// A number, if the key takes it.
pub(crate) fn number<N: core::str::FromStr>(
    key: &'static str,
    text: &str,
    expected: &'static str,
    takes: impl Fn(&N) -> bool,
) -> Result<N, BadValue> {
    let number = text.parse().ok().filter(takes);
    number.ok_or(BadValue { key, expected })
}

/// Every kind there is.
pub const KINDS: &[Kind] = &[
    IioAdc::KIND,
    IioDac::KIND,
    Accelerometer::KIND,
    LightSensor::KIND,
    ProximitySensor::KIND,
    Bu27034::KIND,
    Display::KIND,
    CecAdapter::KIND,
    Camera::KIND,
    Gremlin::KIND,
];

impl Kind {
    /// The kind of this name.
    pub fn find(name: &str) -> Option<&'static Kind> {
        KINDS.iter().find(|kind| kind.name == name)
    }
}
