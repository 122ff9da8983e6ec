//! What a driver holds: timers, work, threads, interrupts, registers, memory, driver
//! data. Who was seen to use it, and how it ended.

use core::fmt;

use lastfd_model::event::ResourceKind;
use lastfd_model::{Event, Section};
use lastfd_sync::Arc;

use crate::finding::Finding;
use crate::frames::Phase;

/// What sort of thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    Resource(ResourceKind),
    Memory(&'static str),
    /// `dev_set_drvdata`: it goes when the driver is unbound.
    DriverData,
}

/// Something a driver holds.
#[derive(Clone, Debug)]
pub(crate) struct Thing {
    pub(crate) sort: Sort,
    pub(crate) name: Arc<str>,
    /// The device it was said to belong to.
    pub(crate) owner: Option<u64>,
    pub(crate) created: Event,
    /// Created by this device's probe.
    pub(crate) probed_for: Option<u64>,
    /// It will run, or runs, unless it is stopped.
    pub(crate) active: bool,
    /// It was seen to start itself again from inside its callback.
    pub(crate) requeues: bool,
    /// It was last stopped without waiting for a run under way.
    pub(crate) only_dequeued: Option<Event>,
    pub(crate) freed: Option<Event>,
    /// In what it was freed.
    pub(crate) freed_in: Option<Phase>,
    pub(crate) uses: Vec<Use>,
    /// Findings about what was freed before it: if it is stopped after all, the order
    /// was wrong; if not, that is the mistake.
    pub(crate) pending: Vec<(u64, Finding)>,
    /// The finding that was made of its end.
    pub(crate) finding: Option<usize>,
}

/// Somebody was seen to use it.
#[derive(Clone, Debug)]
pub(crate) struct Use {
    pub(crate) by: By,
    /// Under what.
    pub(crate) sections: Vec<Section>,
    /// Whether a device was still there, asked in the same call.
    pub(crate) tested: Option<Event>,
    pub(crate) begin: Event,
    pub(crate) access: Event,
}

/// Who used it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// A call on a file of this device.
    FileOf(u64),
    /// The callback of this thing.
    Handler(u64),
}

impl Thing {
    pub(crate) fn new(sort: Sort, name: Arc<str>, owner: Option<u64>, created: &Event) -> Thing {
        Thing {
            sort,
            name,
            owner,
            created: created.clone(),
            probed_for: None,
            active: matches!(
                sort,
                Sort::Resource(ResourceKind::Irq | ResourceKind::Kthread)
            ),
            requeues: false,
            only_dequeued: None,
            freed: None,
            freed_in: None,
            uses: Vec::new(),
            pending: Vec::new(),
            finding: None,
        }
    }

    /// Whether it is hardware or runs by itself, rather than memory.
    pub(crate) fn is_resource(&self) -> bool {
        matches!(self.sort, Sort::Resource(_))
    }

    /// Whether it goes with its device's managed resources.
    pub(crate) fn is_managed_memory(&self) -> bool {
        self.sort == Sort::Memory("managed memory")
    }

    /// Whether its callback can still come.
    pub(crate) fn can_come(&self) -> bool {
        self.freed.is_none() && self.active
    }
}

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.sort {
            Sort::Resource(kind) => {
                let word = match kind {
                    ResourceKind::Timer => "timer",
                    ResourceKind::Work => "work",
                    ResourceKind::Kthread => "thread",
                    ResourceKind::Irq => "interrupt",
                    ResourceKind::Regs => "registers",
                };
                match &*self.name {
                    name if name == word => f.write_str(word),
                    name => write!(f, "{word} \"{name}\""),
                }
            }
            Sort::Memory(what) => f.write_str(what),
            Sort::DriverData => f.write_str("driver data"),
        }
    }
}
