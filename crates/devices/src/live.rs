//! What can be done to hardware while it is plugged in, beside taking it away.

use crate::fault::{Source, SourceFault};
use crate::kind::{BadValue, Kind};
use crate::spec::{SpecError, list};

/// Takes a value, or says what it would take.
type Set = Box<dyn Fn(&str) -> Result<(), BadValue> + Send + Sync>;

/// What one piece of hardware lets be done to it.
#[derive(Default)]
pub(crate) struct Live {
    keys: Vec<(&'static str, Set)>,
    pub(crate) disconnect: Option<Box<dyn Fn() + Send + Sync>>,
    source: Option<(Source, &'static [&'static str])>,
}

impl Live {
    pub(crate) fn add(&mut self, key: &'static str, set: Set) {
        self.keys.push((key, set));
    }

    pub(crate) fn set_source(&mut self, source: Source, verbs: &'static [&'static str]) {
        self.source = Some((source, verbs));
    }

    /// What can be done to it, in the words of the command line.
    pub(crate) fn verbs(&self) -> Vec<&'static str> {
        let mut verbs = Vec::new();
        verbs.extend(self.disconnect.is_some().then_some("disconnect"));
        verbs.extend((!self.keys.is_empty()).then_some("set"));
        verbs.extend(self.source.iter().flat_map(|(_, verbs)| *verbs));
        verbs
    }

    /// Has its source do something wrong. False if it is not one that can.
    pub(crate) fn fault(&self, fault: SourceFault) -> bool {
        match &self.source {
            Some((source, verbs)) if verbs.contains(&fault.verb()) => {
                source.fault(fault);
                true
            }
            _ => false,
        }
    }

    /// Sets a key of hardware of this kind.
    pub(crate) fn set(&self, kind: &'static str, key: &str, value: &str) -> Result<(), SpecError> {
        let keys = || match self.keys.as_slice() {
            [] => "nothing".to_owned(),
            keys => list(keys.iter().map(|(key, _)| *key)),
        };
        let known = Kind::find(kind).and_then(|kind| kind.keys.iter().find(|k| k.name == key));
        let settable = self.keys.iter().find(|(name, _)| *name == key);
        match (settable, known) {
            (Some((_, set)), _) => set(value).map_err(|bad| SpecError::BadValue {
                kind,
                key: bad.key,
                found: value.to_owned(),
                expected: bad.expected,
            }),
            (None, Some(known)) => Err(SpecError::SetLater {
                kind,
                key: known.name,
                keys: keys(),
            }),
            (None, None) => Err(SpecError::UnknownKey {
                kind,
                found: key.to_owned(),
                keys: keys(),
            }),
        }
    }
}
