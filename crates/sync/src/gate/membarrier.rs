//! Asymmetric fences: the side that runs a million times pays nothing, the side that
//! runs once makes every other thread of the process pass a full fence.

use rustix::thread::{MembarrierCommand, membarrier, membarrier_query};
use std::sync::OnceLock;

/// Whether `membarrier(PRIVATE_EXPEDITED)` can be used. Asked, and the process
/// registered, at the first call.
pub(super) fn available() -> bool {
    static AVAILABLE: OnceLock<bool> = OnceLock::new();
    *AVAILABLE.get_or_init(|| {
        membarrier_query().contains_command(MembarrierCommand::PrivateExpedited)
            && membarrier(MembarrierCommand::RegisterPrivateExpedited).is_ok()
    })
}

/// A full fence on every thread of the process that runs, between two of its
/// instructions; one that does not run passed one when it stopped.
///
/// # Panics
/// The kernel refuses what it granted before (a seccomp filter was set since).
/// Readers took the light side on trust, so there is no safe way on.
pub(super) fn heavy() {
    let fence = || membarrier(MembarrierCommand::PrivateExpedited);
    let again = |_| {
        membarrier(MembarrierCommand::RegisterPrivateExpedited)?;
        fence()
    };
    if let Err(error) = fence().or_else(again) {
        panic!("membarrier worked when the process started and is refused now: {error}");
    }
}
