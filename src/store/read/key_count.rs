//! How many keys of a keyspace there are, as long as nothing has changed since they were counted.
//!
//! A writer counts its commit before it makes it and after it is made. A count is kept only if no
//! commit was under way when its view was taken: then the view shows all of them that were begun. It
//! holds until the next one is begun, or the first of the counted keys expires.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Mutex;

use crate::engine::Result;
use crate::store::locks::lock;
use crate::store::SledStore;

#[derive(Default)]
pub(crate) struct KeyCount {
    begun: AtomicU64,
    made: AtomicU64,
    kept: Mutex<Option<Kept>>,
}

#[derive(Clone, Copy)]
struct Kept {
    begun: u64,
    keys: u64,
    /// When the first of them expires.
    until: u64,
}

/// A commit to a keyspace; it is made, or has failed, when this is dropped.
pub(crate) struct Changing<'a>(&'a KeyCount);

impl KeyCount {
    /// A commit to the keyspace begins.
    pub(crate) fn changing(&self) -> Changing<'_> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        Changing(self)
    }

    fn kept(&self, now: u64) -> Option<u64> {
        let kept = (*lock(&self.kept))?;
        let holds = kept.begun == self.begun.load(Ordering::SeqCst) && now < kept.until;
        holds.then_some(kept.keys)
    }
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        self.0.made.fetch_add(1, Ordering::SeqCst);
    }
}

impl SledStore {
    /// The number of keys in this keyspace that have not expired, at the moment of the call. It walks
    /// over them, unless nothing has changed since the last count.
    ///
    /// # Errors
    ///
    /// [`StoreError::CapacityExceeded`](crate::StoreError::CapacityExceeded) if the moment ends
    /// meanwhile, see [`snapshot_memory`](crate::SledStoreBuilder::snapshot_memory).
    pub fn count(&self) -> Result<u64> {
        self.keyspace.check_open(self.inner.path())?;
        let count = &self.keyspace.count;
        if let Some(keys) = count.kept(self.inner.now_ms()) {
            return Ok(keys);
        }
        let made = count.made.load(Ordering::SeqCst);
        let mut rows = self.all_keys()?;
        let begun = count.begun.load(Ordering::SeqCst);
        let mut keys = 0;
        while rows.next_row()?.is_some() {
            keys += 1;
        }
        let until = rows.first_expiry();
        if begun == made {
            *lock(&count.kept) = Some(Kept { begun, keys, until });
        }
        Ok(keys)
    }
}
