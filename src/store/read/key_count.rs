//! How many keys of a keyspace there are, as long as nothing has changed since they were counted.
//!
//! A writer counts its commit before it makes it and after it is made. A count is kept only if no
//! commit was under way when its view was taken: then the view shows all of them that were begun. It
//! holds until the next one is begun, or the first of the counted keys expires.

use std::sync::Mutex;

use crate::engine::Result;
use crate::store::locks::lock;
use crate::store::read::count::count_rows;
use crate::store::read::iterator::IterOptions;
use crate::store::under_way::{UnderWay, Work};
use crate::store::SledStore;

#[derive(Default)]
pub(crate) struct KeyCount {
    commits: UnderWay,
    kept: Mutex<Option<Kept>>,
}

#[derive(Clone, Copy)]
struct Kept {
    begun: u64,
    keys: u64,
    /// When the first of them expires.
    until: u64,
}

impl KeyCount {
    /// A commit to the keyspace begins; it is made, or has failed, when the answer is dropped.
    pub(crate) fn changing(&self) -> Work<'_> {
        self.commits.begin()
    }

    fn kept(&self, now: u64) -> Option<u64> {
        let kept = (*lock(&self.kept))?;
        let holds = kept.begun == self.commits.begun() && now < kept.until;
        holds.then_some(kept.keys)
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
        let made = count.commits.ended();
        let mut rows = self.cursor(IterOptions::of_keys())?;
        let begun = count.commits.begun();
        let keys = count_rows(&mut rows)?;
        let until = rows.first_expiry();
        if begun == made {
            *lock(&count.kept) = Some(Kept { begun, keys, until });
        }
        Ok(keys)
    }
}
