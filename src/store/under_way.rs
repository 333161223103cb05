//! Counting work that begins and ends, for others that must not overlap it.

use super::sync::{AtomicU64, Ordering};

/// How many pieces of work have begun, and how many have ended.
///
/// Whoever reads `ended`, then does its own work, and then finds as many `begun`, has met none.
#[derive(Default)]
pub(crate) struct UnderWay {
    begun: AtomicU64,
    ended: AtomicU64,
}

/// One piece of work; it has ended when this is dropped.
pub(crate) struct Work<'a>(&'a UnderWay);

impl UnderWay {
    pub(crate) fn begin(&self) -> Work<'_> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        Work(self)
    }

    pub(crate) fn begun(&self) -> u64 {
        self.begun.load(Ordering::SeqCst)
    }

    pub(crate) fn ended(&self) -> u64 {
        self.ended.load(Ordering::SeqCst)
    }
}

impl Drop for Work<'_> {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::SeqCst);
    }
}
