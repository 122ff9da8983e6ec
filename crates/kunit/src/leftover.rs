//! What a case leaves behind: anything in the ledger after it that was not
//! there before.

use std::collections::{BTreeMap, BTreeSet};

use lastfd_model::{Holder, Holding, LedgerLine, System};

/// Tells lines of the ledger apart.
type Key = (Holding, Option<u64>, String, Option<(String, u32, u32)>);

/// What there is in a System.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inventory {
    lines: BTreeMap<Key, Vec<LedgerLine>>,
    /// With the bus they are on. Buses themselves come with the frameworks,
    /// when they are first used.
    drivers: BTreeSet<(String, String)>,
    /// But for those of the frameworks.
    classes: BTreeSet<String>,
}

impl Inventory {
    pub(crate) fn of(system: &System) -> Inventory {
        let mut lines: BTreeMap<Key, Vec<LedgerLine>> = BTreeMap::new();
        for line in system.ledger() {
            lines.entry(key(&line)).or_default().push(line);
        }
        let buses = system.buses();
        let drivers = buses.iter().flat_map(|bus| {
            let drivers = bus.drivers();
            let of_bus = |driver: lastfd_model::raw::Driver| {
                (bus.name().to_string(), driver.name().to_string())
            };
            drivers.into_iter().map(of_bus).collect::<Vec<_>>()
        });
        let mut classes = system.classes();
        classes.retain(|class| !class.is_of_the_core());
        Inventory {
            classes: classes
                .iter()
                .map(|class| class.name().to_string())
                .collect(),
            drivers: drivers.collect(),
            lines,
        }
    }

    /// What is in it and was not in the earlier one, in words.
    pub(crate) fn since(&self, before: &Inventory) -> Vec<String> {
        let mut left: Vec<&LedgerLine> = Vec::new();
        for (key, lines) in &self.lines {
            let known = before.lines.get(key).map_or(0, Vec::len);
            left.extend(lines.iter().skip(known));
        }
        // Each device is held by its lists and its children; whoever took it
        // has to be named first, and alone if it is known.
        let culprits: Vec<_> = left.iter().filter(|line| !is_internal(line)).collect();
        let told: Vec<String> = match culprits.is_empty() {
            true => left.iter().map(ToString::to_string).collect(),
            false => culprits.iter().map(ToString::to_string).collect(),
        };
        let drivers = self.drivers.difference(&before.drivers);
        let classes = self.classes.difference(&before.classes);
        told.into_iter()
            .chain(drivers.map(|(bus, driver)| format!("driver {driver} on bus {bus}")))
            .chain(classes.map(|class| format!("class {class}")))
            .collect()
    }
}

fn key(line: &LedgerLine) -> Key {
    let place = line.place;
    (
        line.holding,
        line.device.as_ref().map(|device| device.id),
        line.what.to_string(),
        place.map(|p| (p.file().to_owned(), p.line(), p.column())),
    )
}

/// A reference that the model holds for itself.
fn is_internal(line: &LedgerLine) -> bool {
    let lists = [
        Holder::ParentList,
        Holder::BusList,
        Holder::ClassList,
        Holder::Call,
    ];
    line.holding == Holding::Reference
        && (lists.iter().any(|holder| *line.what == *holder.to_string())
            || line.what.starts_with("child ")
            || line.what.starts_with("the directory of "))
}
