//! Who holds which open file, under which numbers, since when.
//!
//! The front end tells; the control socket and reports ask.

use std::collections::BTreeMap;

use lastfd_sync::{Ktime, Mutex};

/// The processes of a run and what they hold.
#[derive(Debug, Default)]
pub struct Holders(Mutex<Books>);

#[derive(Debug, Default)]
struct Books {
    processes: BTreeMap<u32, String>,
    holdings: BTreeMap<(u64, u32, Grip), Ktime>,
}

/// How a process holds an open file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grip {
    /// A descriptor of this number.
    Descriptor(i32),
    /// A mapping at this address.
    Mapping(u64),
    /// A call of this thread that is not over.
    Call(u32),
}

/// One line of the list: this process holds this open file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    /// The open file's number ([`lastfd_model::FileRef::id`]).
    pub file: u64,
    /// The process.
    pub pid: u32,
    /// Its command, as far as it was told.
    pub command: String,
    /// How it holds it.
    pub grip: Grip,
    /// Since when, on the System's clock.
    pub since: Ktime,
}

impl Holders {
    /// A process came, or runs another program now.
    pub fn process(&self, pid: u32, command: &str) {
        self.0.lock().processes.insert(pid, command.to_owned());
    }

    /// A process ended: it holds nothing any more.
    pub fn gone(&self, pid: u32) {
        let mut books = self.0.lock();
        books.processes.remove(&pid);
        books.holdings.retain(|(_, holder, _), _| *holder != pid);
    }

    /// A process holds an open file. Told again, the first time stays.
    pub fn took(&self, file: u64, pid: u32, grip: Grip, now: Ktime) {
        self.0
            .lock()
            .holdings
            .entry((file, pid, grip))
            .or_insert(now);
    }

    /// A process holds an open file in this way no more.
    pub fn dropped(&self, file: u64, pid: u32, grip: Grip) {
        self.0.lock().holdings.remove(&(file, pid, grip));
    }

    /// Replaces what is known of a process by what it was seen to hold, as after reading
    /// `/proc/PID/fd`. What was known already keeps its time.
    pub fn seen(&self, pid: u32, held: &[(u64, Grip)], now: Ktime) {
        let mut books = self.0.lock();
        books
            .holdings
            .retain(|(file, holder, grip), _| *holder != pid || held.contains(&(*file, *grip)));
        for &(file, grip) in held {
            books.holdings.entry((file, pid, grip)).or_insert(now);
        }
    }

    /// An open file saw its last close: nobody holds it.
    pub fn closed(&self, file: u64) {
        self.0.lock().holdings.retain(|(of, _, _), _| *of != file);
    }

    /// All holdings, by open file, process and grip.
    pub fn list(&self) -> Vec<Holding> {
        let books = self.0.lock();
        let line = |(&(file, pid, grip), &since): (&(u64, u32, Grip), &Ktime)| Holding {
            file,
            pid,
            command: books.processes.get(&pid).cloned().unwrap_or_default(),
            grip,
            since,
        };
        books.holdings.iter().map(line).collect()
    }
}
