//! What the threads in the background have done, and whether one has failed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use oxistore_core::StoreError;

use super::committer::Committer;
use super::Settled;

/// Counted by the threads that do the work, which are few.
#[derive(Debug, Default)]
pub(super) struct WorkCounters {
    pub(super) syncs: AtomicU64,
    pub(super) sync_nanos: AtomicU64,
    pub(super) checkpoints: AtomicU64,
}

/// What was done since the store was opened.
pub(crate) struct Work {
    pub(crate) syncs: u64,
    pub(crate) sync_time: Duration,
    pub(crate) checkpoints: u64,
}

impl WorkCounters {
    pub(super) fn synced(&self, took: Duration) {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        self.sync_nanos.fetch_add(took.as_nanos() as u64, Ordering::Relaxed);
    }
}

impl<S: Settled> Committer<S> {
    pub(crate) fn work(&self) -> Work {
        let counters = &self.log().work;
        Work {
            syncs: counters.syncs.load(Ordering::Relaxed),
            sync_time: Duration::from_nanos(counters.sync_nanos.load(Ordering::Relaxed)),
            checkpoints: counters.checkpoints.load(Ordering::Relaxed),
        }
    }

    /// Why every write is refused from now on, if it is.
    pub(crate) fn background_error(&self) -> Option<StoreError> {
        let synced = self.log().check().map_err(|source| self.io("flush", &source));
        self.checkpoints.check().and(synced).err()
    }
}
