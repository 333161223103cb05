//! Notices that this process is the child of a fork.
//!
//! The engine's threads do not exist in the child, its locks may be held for ever, and the lock of
//! the directory belongs to both processes. Nothing can be saved there, so every call says so.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::OnceLock;

static FORKED: AtomicBool = AtomicBool::new(false);

extern "C" fn in_the_child() {
    // Only what is allowed in a signal handler is allowed here; an atomic store is.
    FORKED.store(true, Ordering::Relaxed);
}

/// Whether this process was forked off one that had opened a store.
pub(crate) fn happened() -> bool {
    FORKED.load(Ordering::Relaxed)
}

/// Asks the system to tell us of forks from now on. Returns false if it refused.
pub(crate) fn watch() -> bool {
    static WATCHED: OnceLock<bool> = OnceLock::new();
    *WATCHED.get_or_init(|| {
        // SAFETY: the handler is a plain function that lives as long as the library, which is
        // never unmapped (it is linked with -z nodelete).
        unsafe { libc::pthread_atfork(None, None, Some(in_the_child)) == 0 }
    })
}
