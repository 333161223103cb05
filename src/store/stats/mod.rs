//! What a store has done, and what it holds.

pub(crate) mod counters;

use std::fmt;
use std::time::Duration;

use oxistore_core::StoreError;

use crate::engine::Result;
use crate::store::read::iterator::IterOptions;
use crate::store::SledStore;
use counters::Count;

/// What a store has done since it was opened, and what it holds now: of all keyspaces together, but for
/// `keys` and `expiring_keys`. Its text is for people.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StoreStats {
    /// Keys in the keyspace of the handle; `None` if they were not counted.
    pub keys: Option<u64>,
    /// Those of them that expire; `None` if they were not counted.
    pub expiring_keys: Option<u64>,
    /// Keyspaces.
    pub keyspaces: u64,
    /// Bytes of the files, with those of the log that are reserved.
    pub bytes_on_disk: u64,
    /// Moments that are kept, by snapshots, transactions and iterators.
    pub moments: u64,
    /// Rows that are kept for them: overwritten, removed, or settled since.
    pub versions: u64,
    /// The bytes that those rows take, roughly.
    pub version_bytes: u64,
    /// Snapshots that are open.
    pub snapshots: u64,
    /// Transactions that were begun.
    pub transactions_begun: u64,
    /// Transactions that were committed, without those that only read.
    pub transactions_committed: u64,
    /// Commits of transactions that have met a conflict.
    pub transactions_conflicted: u64,
    /// Keys that were asked for one by one, of which those of a call with many count each. Rows of
    /// iterators do not count.
    pub gets: u64,
    /// Keys that were set, also by batches, transactions, swaps, changes of an expiry, and merges. A merge
    /// that removes its key counts as a deletion; all merges of one key in a batch count once.
    pub puts: u64,
    /// Keys that were removed, without those that had expired. A key that was not there counts too,
    /// where nobody had to look. A range that was deleted, and a keyspace that was cleared, counts once,
    /// however many keys it had.
    pub deletes: u64,
    /// Syncs of the log that have come to their end. Commits that wait at the same time share one.
    pub flushes: u64,
    /// How long those have taken together.
    pub flush_time: Duration,
    /// Memtables that were settled.
    pub checkpoints: u64,
    /// The failure of a sync or of the checkpoint, after which every write answers with it.
    pub background_error: Option<StoreError>,
}

impl SledStore {
    /// What the store has done and holds, without a count of its keys: it walks over nothing.
    ///
    /// # Errors
    ///
    /// [`Reason::Closed`](crate::Reason::Closed), or [`StoreError::Io`] if the files cannot be measured.
    pub fn stats(&self) -> Result<StoreStats> {
        let lease = self.keyspace.lease(self.inner.path())?;
        let work = lease.core().work();
        let background_error = lease.core().background_error();
        drop(lease);
        let kept = self.snapshot_stats();
        let sum = |count| self.inner.counters.sum(count);
        Ok(StoreStats {
            keys: None,
            expiring_keys: None,
            keyspaces: self.keyspace_names()?.len() as u64,
            bytes_on_disk: self.size_on_disk()?,
            moments: kept.live as u64,
            versions: kept.versions,
            version_bytes: kept.bytes,
            snapshots: self.inner.open_snapshots() as u64,
            transactions_begun: sum(Count::Begun),
            transactions_committed: sum(Count::Committed),
            transactions_conflicted: sum(Count::Conflicted),
            gets: sum(Count::Gets),
            puts: sum(Count::Puts),
            deletes: sum(Count::Deletes),
            flushes: work.syncs,
            flush_time: work.sync_time,
            checkpoints: work.checkpoints,
            background_error,
        })
    }

    /// The same with the number of keys, and of those that expire, in this keyspace. It walks over them
    /// while readers and writers go on.
    ///
    /// # Errors
    ///
    /// As [`SledStore::stats`], and [`StoreError::CapacityExceeded`] if the moment of the count ends
    /// meanwhile, see [`snapshot_memory`](crate::SledStoreBuilder::snapshot_memory).
    pub fn stats_with_keys(&self) -> Result<StoreStats> {
        let snapshot = self.snapshot()?;
        let mut rows = snapshot.cursor(IterOptions::of_keys())?;
        let (mut keys, mut expiring) = (0, 0);
        while let Some(row) = rows.next_row()? {
            keys += 1;
            // Where none of the rows so far expires, the iterator knows it.
            if rows.first_expiry() != u64::MAX {
                expiring += u64::from(snapshot.expires(&row.key)?);
            }
        }
        drop((rows, snapshot));
        Ok(StoreStats { keys: Some(keys), expiring_keys: Some(expiring), ..self.stats()? })
    }
}

impl fmt::Display for StoreStats {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (Some(keys), Some(expiring)) = (self.keys, self.expiring_keys) {
            writeln!(out, "keys: {keys}, of which {expiring} expire")?;
        }
        writeln!(out, "keyspaces: {}", self.keyspaces)?;
        writeln!(out, "on disk: {} bytes", self.bytes_on_disk)?;
        let Self { moments, versions, version_bytes, snapshots, .. } = self;
        writeln!(out, "moments: {moments} kept; {snapshots} snapshots open")?;
        writeln!(out, "versions: {versions} kept, {version_bytes} bytes")?;
        writeln!(
            out,
            "transactions: {} begun, {} committed, {} conflicts",
            self.transactions_begun, self.transactions_committed, self.transactions_conflicted
        )?;
        writeln!(out, "gets: {}, puts: {}, deletes: {}", self.gets, self.puts, self.deletes)?;
        writeln!(out, "flushes: {} in {:?}", self.flushes, self.flush_time)?;
        writeln!(out, "checkpoints: {}", self.checkpoints)?;
        match &self.background_error {
            Some(error) => writeln!(out, "background error: {error}"),
            None => writeln!(out, "background error: none"),
        }
    }
}
