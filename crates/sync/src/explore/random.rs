//! Schedules by chance.

use std::collections::BTreeMap;

/// splitmix64 (Vigna).
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % end.max(1) as u64) as usize
    }
}

/// Probabilistic concurrency testing: each task has a random priority, the highest goes
/// on, and at `depth - 1` random choices whoever would go on gets the lowest.
pub(super) struct Pct {
    random: Random,
    depth: usize,
    /// The most choices that an execution had.
    longest: usize,
    at: usize,
    priorities: BTreeMap<u32, i64>,
    changes: Vec<usize>,
    lowest: i64,
}

impl Pct {
    pub(super) fn new(depth: usize, seed: u64) -> Self {
        Pct {
            random: Random(seed),
            depth: depth.max(1),
            longest: 0,
            at: 0,
            priorities: BTreeMap::new(),
            changes: Vec::new(),
            lowest: 0,
        }
    }

    /// The first execution learns how many choices there are.
    pub(super) fn begin(&mut self) {
        self.longest = self.longest.max(self.at);
        self.at = 0;
        self.lowest = 0;
        self.priorities.clear();
        let changes = (1..self.depth).map(|_| self.random.below(self.longest));
        self.changes = changes.collect();
    }

    pub(super) fn choose(&mut self, can: &[u32], current: Option<u32>, yielding: bool) -> u32 {
        for task in can {
            let random = &mut self.random;
            let priority = || 1 + random.below(1 << 32) as i64;
            self.priorities.entry(*task).or_insert_with(priority);
        }
        let here = self.at;
        self.at += 1;
        if yielding || self.changes.contains(&here) {
            let demoted = current.filter(|current| can.contains(current));
            if let Some(task) = demoted.or_else(|| self.highest(can)) {
                self.lowest -= 1;
                self.priorities.insert(task, self.lowest);
            }
        }
        self.highest(can).unwrap_or(can[0])
    }

    fn highest(&self, can: &[u32]) -> Option<u32> {
        can.iter()
            .copied()
            .max_by_key(|task| self.priorities.get(task))
    }
}
