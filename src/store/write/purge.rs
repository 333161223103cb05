//! Removing rows that have expired.

use std::ops::Bound;

use oxistore_core::StoreError;

use crate::commit::{Change, Record};
use crate::engine::{Bytes, Result};
use crate::store::inner::Core;
use crate::store::read::bounds::as_slice;
use crate::store::read::ReadView;
use crate::store::settled::ExpiryScan;
use crate::store::SledStore;

/// Keys that are looked at, and removed in one commit, at most.
const AT_ONCE: usize = 1024;

/// Moves over the keys that had expired in a view.
struct ExpiredKeys {
    view: ReadView,
    /// `None` where no settled row has an expiry.
    settled: Option<ExpiryScan>,
    /// Where the next stretch begins; `None` after the last one.
    next: Option<Bound<Bytes>>,
}

impl SledStore {
    /// Removes all rows of this keyspace that have expired; answers with how many. It walks over what
    /// has an expiry while readers and writers go on.
    ///
    /// # Errors
    ///
    /// [`StoreError::CapacityExceeded`] if the moment that it walks over ends meanwhile, see
    /// [`snapshot_memory`](crate::SledStoreBuilder::snapshot_memory).
    pub fn purge_expired(&self) -> Result<u64> {
        let mut expired = {
            let lease = self.keyspace.lease(self.inner.path())?;
            let view = self.inner.read_view(lease.core());
            let settled = lease.core().settled().scan_expiries(self.keyspace.id());
            ExpiredKeys { view, settled, next: Some(Bound::Unbounded) }
        };
        let mut purged = 0;
        while expired.next.is_some() {
            let lease = self.keyspace.lease(self.inner.path())?;
            let keys = self.next_stretch(&mut expired)?;
            purged += self.purge(lease.core(), &expired.view, keys)?;
        }
        Ok(purged)
    }

    /// The expired keys of the next stretch, of which there may be none.
    fn next_stretch(&self, expired: &mut ExpiredKeys) -> Result<Vec<Bytes>> {
        let ExpiredKeys { view, settled, next } = expired;
        let Some(begin) = next.take() else { return Ok(Vec::new()) };
        let (mut keys, mut has_more) = (Vec::new(), false);
        if let Some(settled) = settled {
            has_more = settled.read_expired(&begin, AT_ONCE, view.now, &mut keys)?;
        }
        let mut end = match &settled {
            Some(settled) if has_more => Bound::Included(settled.reached().clone()),
            _ => Bound::Unbounded,
        };
        let range = (as_slice(&begin), as_slice(&end));
        let newer = view.view.overlay(self.keyspace.id(), range, false, AT_ONCE)?;
        if let Some((last, _)) = newer.last().filter(|_| newer.len() == AT_ONCE) {
            end = Bound::Included(Bytes::from(&last[..]));
            keys.retain(|key| key[..] <= last[..]);
        }
        keys.extend(newer.into_iter().map(|(key, _)| Bytes::from(&key[..])));
        keys.sort();
        keys.dedup();
        // A sidecar can have entries without a row, and what is newer may live.
        let mut failed = None;
        keys.retain(|key| match view.view.get(self.keyspace.id(), key) {
            Ok(row) => row.is_some_and(|row| !row.is_live(view.now)),
            Err(error) => {
                failed = Some(error);
                false
            }
        });
        *next = match end {
            Bound::Included(last) => Some(Bound::Excluded(last)),
            Bound::Excluded(_) | Bound::Unbounded => None,
        };
        failed.map_or(Ok(keys), Err)
    }

    /// Removes those of `keys`, which had expired in `view`, that were not written since; answers with
    /// how many.
    fn purge(&self, core: &Core, view: &ReadView, mut keys: Vec<Bytes>) -> Result<u64> {
        let (id, basis) = (self.keyspace.id(), view.view.basis());
        while !keys.is_empty() {
            let mut record = Record::new();
            keys.iter().for_each(|key| record.push(Change::Purge { keyspace: id, key }));
            core.wait_for_room(record.len())?;
            let _changing = self.keyspace.count.changing();
            let mut left = Vec::new();
            let committed = core.commit(record, self.inner.durability, |committed| {
                let is_left = |key: &&Bytes| !committed.was_written(basis, id, key);
                left = keys.iter().filter(is_left).cloned().collect();
                view.view.check()?;
                match left.len() == keys.len() {
                    true => Ok(()),
                    false => Err(StoreError::TxnConflict),
                }
            });
            match committed {
                Err(StoreError::TxnConflict) => keys = left,
                committed => return committed.map(|_| keys.len() as u64),
            }
        }
        Ok(0)
    }
}
