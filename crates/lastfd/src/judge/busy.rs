//! Threads that do not rest: told where their calls are the kernel's own, as `epoll_wait`
//! is, so that nobody here sees them.
//!
//! How long a thread ran says nothing on a machine that is busy itself. That it was about
//! to run whenever it was looked at, and has not slept in between, does.

use core::time::Duration;
use std::collections::BTreeMap;

use lastfd_sync::Ktime;

use super::verdict::since;

/// A thread that sleeps this often a second, for a lock or a page, still does not rest.
const FEW: u64 = 20;

/// What threads do at a moment, by process and thread.
#[derive(Debug)]
pub(super) struct Busy {
    at: Ktime,
    threads: BTreeMap<(u32, u32), Doing>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Doing {
    /// It runs, or would if there were a processor for it.
    runs: bool,
    /// How often it went to sleep by itself so far.
    slept: u64,
}

impl Busy {
    /// The threads of these processes, now.
    pub(super) fn of(processes: impl IntoIterator<Item = u32>, now: Ktime) -> Busy {
        let mut threads = BTreeMap::new();
        for process in processes {
            let tasks = std::fs::read_dir(format!("/proc/{process}/task"));
            // One that has ended is not busy.
            for task in tasks.into_iter().flatten().flatten() {
                let status = std::fs::read_to_string(task.path().join("status"));
                let thread = task.file_name().to_string_lossy().parse().unwrap_or(0);
                if let Some(doing) = status.ok().as_deref().and_then(doing) {
                    threads.insert((process, thread), doing);
                }
            }
        }
        Busy { at: now, threads }
    }

    /// A process with a thread that did not rest from then to now.
    pub(super) fn restless_since(&self, then: &Busy) -> Option<u32> {
        let few = FEW * since(then.at, self.at).as_millis() as u64 / 1000;
        let restless = self.threads.iter().find(|(who, now)| {
            let then = then.threads.get(who);
            then.is_some_and(|then| then.runs && now.runs && now.slept - then.slept <= few)
        });
        restless.map(|((process, _), _)| *process)
    }

    /// Whether anybody runs.
    pub(super) fn runs(&self) -> bool {
        self.threads.values().any(|doing| doing.runs)
    }

    /// How long this was ago.
    pub(super) fn ago(&self, now: Ktime) -> Duration {
        since(self.at, now)
    }
}

/// Of `/proc/PID/task/TID/status`.
fn doing(status: &str) -> Option<Doing> {
    let value = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.map(str::trim)
    };
    Some(Doing {
        runs: value("State:")?.starts_with('R'),
        slept: value("voluntary_ctxt_switches:")?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn busy(seconds: u64, threads: &[((u32, u32), bool, u64)]) -> Busy {
        let threads = threads.iter();
        let threads = threads.map(|(who, runs, slept)| {
            let doing = Doing {
                runs: *runs,
                slept: *slept,
            };
            (*who, doing)
        });
        Busy {
            at: Ktime(0).after(Duration::from_secs(seconds)),
            threads: threads.collect(),
        }
    }

    #[test]
    fn who_was_about_to_run_and_did_not_sleep_does_not_rest() {
        let then = busy(
            0,
            &[((7, 7), false, 5), ((7, 8), true, 0), ((9, 9), true, 0)],
        );
        let spins = busy(1, &[((7, 7), false, 5), ((7, 8), true, 3)]);
        assert_eq!(spins.restless_since(&then), Some(7));
        // One that works: it sleeps between.
        let works = busy(
            1,
            &[((7, 7), true, 6), ((7, 8), true, 30), ((9, 9), false, 0)],
        );
        assert_eq!(works.restless_since(&then), None);
        assert!(works.runs());
        let came = busy(1, &[((9, 10), true, 0)]);
        assert_eq!(came.restless_since(&then), None);
    }

    #[test]
    fn a_thread_of_this_process_is_seen_to_run() {
        let own = std::process::id();
        let now = Busy::of([own], lastfd_sync::Clock::real().now());
        assert!(now.runs(), "{now:?}");
    }
}
