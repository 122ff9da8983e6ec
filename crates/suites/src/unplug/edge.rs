//! What an edge-triggered epoll sees of a removal.

use lastfd_chrdev::{OpenFile, PollMask, PollTable};
use lastfd_kunit::{Test, kunit_expect_eq, kunit_expect_false, kunit_expect_ne};
use lastfd_model::Result;
use lastfd_sync::atomic::{AtomicU32, Ordering};
use lastfd_sync::{Arc, Wake};

use super::held::mask;

#[derive(Default)]
struct Count(AtomicU32);

impl Wake for Count {
    fn wake(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// It waits for data and events, of which there are none; the removal wakes it, and it
/// finds the hang-up.
pub(super) fn is_woken_and_finds_the_hang_up(
    test: &Test,
    file: &OpenFile,
    remove: impl FnOnce() -> Result,
) -> Result {
    let wanted = PollMask::IN | PollMask::PRI;
    let mut table = PollTable::new(wanted);
    kunit_expect_false!(test, file.try_poll(&mut table).intersects(wanted));
    let edge = Arc::new(Count::default());
    let queues = table.queues().iter();
    let entries: Vec<_> = queues.map(|queue| queue.add(edge.clone())).collect();
    remove()?;
    kunit_expect_ne!(test, edge.0.load(Ordering::SeqCst), 0);
    drop(entries);
    let found = file.try_poll(&mut PollTable::now());
    kunit_expect_eq!(test, mask(found), "PRI/ERR/HUP");
    Ok(())
}
