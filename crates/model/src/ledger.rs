//! Who holds what, and where it was taken.

use core::fmt;
use core::panic::Location;
use core::sync::atomic::Ordering;
use std::collections::BTreeMap;

use lastfd_sync::atomic::{AtomicBool, AtomicU64};
use lastfd_sync::explore::uninterrupted;
use lastfd_sync::{Arc, Mutex};

use crate::event::DeviceRef;

/// A place in the code.
pub type Place = &'static Location<'static>;

/// For whom a reference on a device is held.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Holder {
    /// Whoever called `device_initialize`.
    Creator,
    /// An explicit `get_device`.
    Get,
    /// A call in progress.
    Call,
    /// A child device (its `parent` pointer).
    Child(Arc<str>),
    /// A child's directory in sysfs (the kobject's parent).
    Directory(Arc<str>),
    /// The parent's list of children.
    ParentList,
    /// The bus's list of devices.
    BusList,
    /// The class's list of devices.
    ClassList,
    /// Something of a framework's, such as a character device.
    Other(&'static str),
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Holder::Creator => f.write_str("its creator"),
            Holder::Get => f.write_str("get_device"),
            Holder::Call => f.write_str("a call in progress"),
            Holder::Child(name) => write!(f, "child {name}"),
            Holder::Directory(name) => write!(f, "the directory of {name}"),
            Holder::ParentList => f.write_str("its parent's list of children"),
            Holder::BusList => f.write_str("its bus"),
            Holder::ClassList => f.write_str("its class"),
            Holder::Other(what) => f.write_str(what),
        }
    }
}

/// What sort of thing a ledger entry stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Holding {
    /// A reference on a device.
    Reference,
    /// A managed resource.
    Devres,
    /// A device node.
    Node,
    /// An open file.
    OpenFile,
    /// An operation that sleeps.
    Waiter,
    /// A mapping.
    Mapping,
    /// A timer, work, thread, interrupt or register block.
    Resource,
}

impl fmt::Display for Holding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Holding::Reference => "reference",
            Holding::Devres => "managed resource",
            Holding::Node => "node",
            Holding::OpenFile => "open file",
            Holding::Waiter => "waiter",
            Holding::Mapping => "mapping",
            Holding::Resource => "resource",
        })
    }
}

/// One thing that is held.
#[derive(Clone, Debug)]
pub struct LedgerLine {
    /// What sort of thing.
    pub holding: Holding,
    /// The device it belongs to, if there is one.
    pub device: Option<DeviceRef>,
    /// What it is, or by whom it is held.
    pub what: Arc<str>,
    /// Where it was taken.
    pub place: Option<Place>,
}

impl fmt::Display for LedgerLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(device) = &self.device {
            write!(f, "{device}: ")?;
        }
        write!(f, "{} {}", self.holding, self.what)?;
        if let Some(place) = self.place {
            write!(f, " (taken at {place})")?;
        }
        Ok(())
    }
}

/// The books of one System.
#[derive(Default)]
pub(crate) struct Books {
    on: AtomicBool,
    next: AtomicU64,
    lines: Mutex<BTreeMap<u64, LedgerLine>>,
    /// References are dropped by holder, not by handle.
    references: Mutex<BTreeMap<u64, References>>,
}

struct References {
    device: DeviceRef,
    held: Vec<(Holder, Place)>,
}

impl Books {
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        uninterrupted(|| self.on.load(Ordering::Relaxed))
    }

    pub(crate) fn switch_on(&self) {
        self.on.store(true, Ordering::Relaxed);
    }

    pub(crate) fn take_reference(&self, device: DeviceRef, holder: Holder, place: Place) {
        // The books are no part of what they tell of.
        uninterrupted(|| self.book_reference(device, holder, place));
    }

    fn book_reference(&self, device: DeviceRef, holder: Holder, place: Place) {
        let mut references = self.references.lock();
        let entry = references.entry(device.id).or_insert_with(|| References {
            device: device.clone(),
            held: Vec::new(),
        });
        // The name may have been set since the first reference.
        entry.device = device;
        entry.held.push((holder, place));
    }

    /// Drops the latest reference of this holder. An explicit put without an
    /// explicit get gives up the creator's; an over-put finds none.
    pub(crate) fn drop_reference(&self, device: u64, holder: &Holder) {
        uninterrupted(|| self.strike_reference(device, holder));
    }

    fn strike_reference(&self, device: u64, holder: &Holder) {
        let mut references = self.references.lock();
        let Some(entry) = references.get_mut(&device) else {
            return;
        };
        let latest = |wanted: &Holder| entry.held.iter().rposition(|(h, _)| h == wanted);
        let found = latest(holder).or_else(|| match holder {
            Holder::Get => latest(&Holder::Creator),
            Holder::Creator => latest(&Holder::Get),
            _ => None,
        });
        if let Some(index) = found {
            entry.held.remove(index);
        }
        if entry.held.is_empty() {
            references.remove(&device);
        }
    }

    /// A holder is called otherwise from now on.
    pub(crate) fn rename_holder(&self, device: u64, from: &Holder, to: Holder) {
        let mut references = self.references.lock();
        let entry = references.get_mut(&device);
        let held = entry.and_then(|entry| entry.held.iter_mut().rfind(|(h, _)| h == from));
        if let Some((holder, _)) = held {
            *holder = to;
        }
    }

    pub(crate) fn lines(&self) -> Vec<LedgerLine> {
        let mut lines = Vec::new();
        for entry in self.references.lock().values() {
            lines.extend(entry.held.iter().map(|(holder, place)| LedgerLine {
                holding: Holding::Reference,
                device: Some(entry.device.clone()),
                what: holder.to_string().into(),
                place: Some(place),
            }));
        }
        lines.extend(self.lines.lock().values().cloned());
        lines
    }

    pub(crate) fn open(self: &Arc<Self>, line: LedgerLine) -> LedgerEntry {
        if !self.is_on() {
            return LedgerEntry(None);
        }
        let id = uninterrupted(|| {
            let id = self.next.fetch_add(1, Ordering::Relaxed);
            self.lines.lock().insert(id, line);
            id
        });
        LedgerEntry(Some((Arc::clone(self), id)))
    }
}

/// An open line of the ledger, struck out on drop. Empty while the ledger is
/// off.
#[derive(Default)]
pub struct LedgerEntry(Option<(Arc<Books>, u64)>);

impl LedgerEntry {
    /// Leaves the line in the ledger for good: what was taken can never be given back,
    /// since nobody has a handle on it any more.
    pub fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for LedgerEntry {
    fn drop(&mut self) {
        if let Some((books, id)) = self.0.take() {
            uninterrupted(|| books.lines.lock().remove(&id));
        }
    }
}

impl fmt::Debug for LedgerEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LedgerEntry")
            .field(&self.0.as_ref().map(|(_, id)| id))
            .finish()
    }
}
