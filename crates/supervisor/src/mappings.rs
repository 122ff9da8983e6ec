//! What programs have mapped of a device's memory.

use lastfd_chrdev::Mapping;
use lastfd_sync::Mutex;

/// The mappings of an open file. They are dropped with it: the kernel keeps the inode,
/// and with it this, until the last of them is unmapped.
#[derive(Default)]
pub(crate) struct Mappings(Mutex<Vec<Mapping>>);

impl Mappings {
    /// One more.
    pub(crate) fn add(&self, mapping: Mapping) {
        self.0.lock().push(mapping);
    }
}
