//! Transactions: reads of one moment and writes of another, as if both were one.
//!
//! # Why they are serializable
//!
//! A transaction reads from a view, and remembers which keys and which stretches of ranges it read.
//! It commits under the commit lock, and only if none of that has changed since the view was taken.
//! So what it read is also what it would have read at the moment of its commit, and its writes are
//! made at that moment: it might as well have run as a whole just then. A transaction without writes
//! might as well have run at the moment of its view, and one without reads has nothing that could
//! have changed.
//!
//! What has changed is what the memtables say: a version of the key after the view's number. As long as
//! the view is registered, all memtables since then are kept. A key that was added inside of a range
//! has a version too, so there are no phantoms. That a key expires is the passing of time and no
//! change.

pub(crate) mod expiry;
mod merge;
pub(crate) mod read_set;
pub(crate) mod retry;
pub(crate) mod savepoint;
pub(crate) mod write_set;

use std::collections::BTreeMap;
use std::mem::take;
use std::ops::Bound;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use oxistore_core::StoreError;

use crate::commit::{Durability, Key, KeyspaceId};
use crate::engine::{Bytes, Failure, Reason, Result};
use crate::store::inner::{Kind, Open};
use crate::store::keyspace::Keyspace;
use crate::store::locks::lock;
use crate::store::merge::refuse_inside_operator;
use crate::store::read::iterator::{scans, Iter, IterOptions};
use crate::store::read::ReadView;
use crate::store::stats::counters::Count;
use crate::store::transaction::read_set::ReadSet;
use crate::store::transaction::savepoint::{Savepoints, Undo};
use crate::store::transaction::write_set::WriteSet;
use crate::store::write::{KeyWrite, Write};
use crate::store::SledStore;

/// A transaction: reads that all show one moment, and writes that are all made at one moment, as if
/// nothing had come in between.
///
/// Its operations on the keyspace that it was begun on are its own; [`SledTransaction::keyspace`]
/// gives those on others. It reads its own writes. Dropping it discards them.
///
/// ```
/// use sledstore::SledStore;
///
/// # fn main() -> Result<(), sledstore::StoreError> {
/// let store = SledStore::open_temporary()?;
/// let transaction = store.transaction()?;
/// transaction.put(b"apple", b"red")?;
/// assert!(transaction.contains(b"apple")? && !store.contains(b"apple")?);
/// transaction.commit()?;
/// assert!(store.contains(b"apple")?);
/// # Ok(())
/// # }
/// ```
pub struct SledTransaction {
    main: TransactionKeyspace,
}

/// A keyspace as a transaction sees it.
pub struct TransactionKeyspace {
    store: SledStore,
    pub(crate) transaction: Arc<TransactionState>,
}

/// What a transaction, its keyspaces and its iterators share.
pub(crate) struct TransactionState {
    view: Arc<ReadView>,
    progress: Mutex<Progress>,
    _open: Open,
}

#[derive(Default)]
pub(crate) struct Progress {
    is_over: bool,
    parts: BTreeMap<KeyspaceId, Part>,
    /// How often what it has written was changed.
    writes: u64,
    pub(crate) savepoints: Savepoints,
}

/// What a transaction has done in one keyspace.
pub(crate) struct Part {
    keyspace: Arc<Keyspace>,
    pub(crate) written: WriteSet,
    pub(crate) read: ReadSet,
}

impl TransactionState {
    /// Lets `work` see the part of a keyspace, which may be a new one.
    pub(crate) fn part<T>(
        &self,
        keyspace: &Arc<Keyspace>,
        work: impl FnOnce(&mut Part) -> Result<T>,
    ) -> Result<T> {
        work(self.under_way()?.part(keyspace))
    }

    /// Makes the write of a key.
    fn write(&self, keyspace: &Arc<Keyspace>, key: &[u8], write: Write<Bytes>) -> Result<()> {
        self.under_way()?.write(keyspace, key, write);
        Ok(())
    }

    /// Deletes a range that is not empty.
    fn delete_range(
        &self,
        keyspace: &Arc<Keyspace>,
        lower: &[u8],
        upper: Option<&[u8]>,
    ) -> Result<()> {
        let mut progress = self.under_way()?;
        progress.writes += 1;
        let Progress { parts, savepoints, .. } = &mut *progress;
        let written = &mut Progress::part_of(parts, keyspace).written;
        let range = (Bound::Included(lower), upper.map_or(Bound::Unbounded, Bound::Excluded));
        let keys: Vec<_> =
            written.keys.range::<[u8], _>(range).map(|(key, _)| key.clone()).collect();
        for key in keys {
            let before = written.keys.remove(&key);
            savepoints.note(keyspace.id(), &key, before);
        }
        savepoints.note_range(keyspace.id(), written.ranges.len());
        written.ranges.push((lower.to_vec(), Write::DeleteRange(upper.map(Bytes::from))));
        Ok(())
    }

    /// What it has done, unless it has ended.
    pub(crate) fn under_way(&self) -> Result<MutexGuard<'_, Progress>> {
        refuse_inside_operator(self.path())?;
        let progress = lock(&self.progress);
        if progress.is_over {
            let message = "the transaction has been committed or rolled back";
            return Err(Failure::error("use", self.path(), Reason::TransactionOver, message));
        }
        Ok(progress)
    }

    /// The store's directory.
    pub(crate) fn path(&self) -> &Path {
        self.view.path()
    }

    /// Ends the transaction; answers with what it has done.
    fn finish(&self) -> BTreeMap<KeyspaceId, Part> {
        let mut progress = lock(&self.progress);
        progress.is_over = true;
        progress.savepoints = Savepoints::default();
        take(&mut progress.parts)
    }
}

impl Progress {
    fn part(&mut self, keyspace: &Arc<Keyspace>) -> &mut Part {
        Self::part_of(&mut self.parts, keyspace)
    }

    fn part_of<'a>(
        parts: &'a mut BTreeMap<KeyspaceId, Part>,
        keyspace: &Arc<Keyspace>,
    ) -> &'a mut Part {
        parts.entry(keyspace.id()).or_insert_with(|| Part {
            keyspace: Arc::clone(keyspace),
            written: WriteSet::default(),
            read: ReadSet::default(),
        })
    }

    fn write(&mut self, keyspace: &Arc<Keyspace>, key: &[u8], write: Write<Bytes>) {
        self.writes += 1;
        let before = self.part(keyspace).written.keys.insert(Key::from_slice(key), write);
        self.savepoints.note(keyspace.id(), key, before);
    }

    /// Makes the writes again what they were.
    pub(crate) fn restore(&mut self, undo: Undo) {
        self.writes += 1;
        for ((keyspace, key), before) in undo.keys {
            let Some(part) = self.parts.get_mut(&keyspace) else { continue };
            match before {
                Some(write) => part.written.keys.insert(key, write),
                None => part.written.keys.remove(&key),
            };
        }
        for (keyspace, count) in undo.ranges {
            let Some(part) = self.parts.get_mut(&keyspace) else { continue };
            part.written.ranges.truncate(count);
        }
    }
}

impl SledStore {
    /// Begins a transaction.
    pub fn transaction(&self) -> Result<SledTransaction> {
        let lease = self.keyspace.lease(self.inner.path())?;
        // Counted before the view is taken: see `write.rs`.
        let _open = self.inner.count_open(Kind::Transaction);
        self.inner.counters.add(Count::Begun, 1);
        let view = Arc::new(self.inner.read_view(lease.core()));
        let transaction = Arc::new(TransactionState { view, progress: Mutex::default(), _open });
        Ok(SledTransaction { main: TransactionKeyspace { store: self.clone(), transaction } })
    }
}

impl std::ops::Deref for SledTransaction {
    type Target = TransactionKeyspace;

    /// The keyspace on which the transaction was begun.
    fn deref(&self) -> &TransactionKeyspace {
        &self.main
    }
}

impl SledTransaction {
    /// Another keyspace of the same store, in this transaction.
    ///
    /// # Errors
    ///
    /// [`Reason::InvalidArgument`] if `keyspace` is of another store.
    pub fn keyspace(&self, keyspace: &SledStore) -> Result<TransactionKeyspace> {
        keyspace.must_be_of(&self.main.store)?;
        let transaction = Arc::clone(&self.main.transaction);
        Ok(TransactionKeyspace { store: keyspace.clone(), transaction })
    }

    /// Makes all writes at one moment, and on disk all of them or none. The time to live of what was
    /// put with one starts now.
    ///
    /// # Errors
    ///
    /// [`StoreError::TxnConflict`] if a key that was read, or a key in a stretch that an iterator
    /// went over, was changed since the transaction began. A change is every write, also of the
    /// same value or of the expiry alone; that a key has expired is none. A transaction that only
    /// writes has no conflicts, and one that only reads never fails.
    /// [`StoreError::CapacityExceeded`] if the moment that it read has ended, see
    /// [`snapshot_memory`](crate::SledStoreBuilder::snapshot_memory). In either case nothing was
    /// written.
    pub fn commit(self) -> Result<()> {
        let durability = self.main.store.inner.durability;
        self.commit_with(durability)
    }

    /// The same with a choice of what the commit survives when this returns, whatever the store was
    /// opened with.
    pub fn commit_with(self, durability: Durability) -> Result<()> {
        let TransactionKeyspace { store, transaction } = &self.main;
        let parts = transaction.finish();
        let mut writes = Vec::new();
        for Part { keyspace, written, .. } in parts.values() {
            let part = written.all().map(|(key, write)| KeyWrite { keyspace, key, write });
            writes.extend(part);
        }
        if writes.is_empty() {
            return Ok(());
        }
        let view = &transaction.view.view;
        let keyspaces = parts.values().map(|part| &part.keyspace).collect();
        let committed = store.write_all(&writes, keyspaces, durability, |committed| {
            if parts.values().any(|part| !part.read.is_empty()) {
                let has_changed = |(id, part): (&KeyspaceId, &Part)| {
                    part.read.has_changed(committed, view.basis(), *id)
                };
                let has_changed = parts.iter().any(has_changed);
                view.check()?;
                if has_changed {
                    return Err(StoreError::TxnConflict);
                }
            }
            // What it writes over need not be kept for itself.
            view.leave();
            Ok(())
        });
        match &committed {
            Ok(()) => store.inner.counters.add(Count::Committed, 1),
            Err(StoreError::TxnConflict) => store.inner.counters.add(Count::Conflicted, 1),
            Err(_) => {}
        }
        committed
    }

    /// Discards all writes, as dropping the transaction does. It never fails; the answer is that of
    /// the trait.
    pub fn rollback(self) -> Result<()> {
        self.main.transaction.finish();
        Ok(())
    }
}

impl Drop for SledTransaction {
    fn drop(&mut self) {
        // Iterators may be left, and are told so.
        self.main.transaction.finish();
    }
}

impl TransactionKeyspace {
    /// The value of `key`, or `None` if the key is not there or had expired.
    ///
    /// # Errors
    ///
    /// [`StoreError::CapacityExceeded`], here and in all other reads, if the moment that the
    /// transaction reads has ended, see
    /// [`snapshot_memory`](crate::SledStoreBuilder::snapshot_memory).
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.get_pinned(key)?.map(Vec::from))
    }

    /// The same without a copy.
    pub fn get_pinned(&self, key: &[u8]) -> Result<Option<Bytes>> {
        match self.own(key)? {
            Some(value) => Ok(value),
            None => {
                Ok(self.store.counted_row_at(&self.transaction.view, key)?.map(|row| row.value))
            }
        }
    }

    /// What the transaction itself has made of `key`. If that is nothing, the key is about to be
    /// read.
    fn own(&self, key: &[u8]) -> Result<Option<Option<Bytes>>> {
        self.own_write(key, |write| write.and_then(Write::value).cloned())
    }

    /// The same through `look`, which sees no write where the range of the key was deleted.
    fn own_write<T>(
        &self,
        key: &[u8],
        look: impl FnOnce(Option<&Write<Bytes>>) -> T,
    ) -> Result<Option<T>> {
        self.transaction.part(&self.store.keyspace, |part| {
            let own = part.written.get(key).map(look);
            if own.is_none() {
                part.read.note_key(key);
            }
            Ok(own)
        })
    }

    /// The values of `keys`, in their order.
    pub fn get_many(&self, keys: &[&[u8]]) -> Result<Vec<Option<Vec<u8>>>> {
        keys.iter().map(|key| self.get(key)).collect()
    }

    /// The same without copies.
    pub fn get_many_pinned(&self, keys: &[&[u8]]) -> Result<Vec<Option<Bytes>>> {
        keys.iter().map(|key| self.get_pinned(key)).collect()
    }

    /// Whether `key` is there and had not expired.
    pub fn contains(&self, key: &[u8]) -> Result<bool> {
        match self.own(key)? {
            Some(value) => Ok(value.is_some()),
            None => Ok(self.store.counted_row_at(&self.transaction.view, key)?.is_some()),
        }
    }

    /// Sets `key` to `value`, without an expiry.
    ///
    /// # Errors
    ///
    /// As [`SledStore::put`].
    pub fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.stage(key, value, None)
    }

    /// Sets `key` to `value` for the time `ttl`, which starts at the commit.
    ///
    /// # Errors
    ///
    /// As [`SledStore::put`].
    pub fn put_with_ttl(&self, key: &[u8], value: &[u8], ttl: Duration) -> Result<()> {
        self.stage(key, value, Some(ttl))
    }

    /// Removes `key`, which need not be there.
    pub fn delete(&self, key: &[u8]) -> Result<()> {
        self.transaction.write(&self.store.keyspace, key, Write::Delete)
    }

    /// Removes all keys from `lo` up to, not including, `hi`; `None` is no limit. What others have
    /// committed to the range until this transaction commits goes too: that is no conflict, since
    /// nothing of the range is read. See [`SledStore::delete_range`].
    pub fn delete_range(&self, lo: Option<&[u8]>, hi: Option<&[u8]>) -> Result<()> {
        let lo = lo.unwrap_or_default();
        if hi.is_some_and(|hi| hi <= lo) {
            return self.transaction.under_way().map(drop);
        }
        self.transaction.delete_range(&self.store.keyspace, lo, hi)
    }

    fn stage(&self, key: &[u8], value: &[u8], ttl: Option<Duration>) -> Result<()> {
        let write = Write::Put(Bytes::from(value), ttl);
        write.check(key, self.store.inner.longest_key)?;
        // A keyspace that is gone says so here already.
        self.store.keyspace.check_open(self.store.inner.path())?;
        self.transaction.write(&self.store.keyspace, key, write)
    }

    scans!();

    /// An iterator with all its choices. What it goes over counts as read, as far as it goes.
    pub fn cursor(&self, options: IterOptions) -> Result<Iter> {
        let transaction = Arc::clone(&self.transaction);
        transaction.part(&self.store.keyspace, |_| Ok(()))?;
        let view = Arc::clone(&transaction.view);
        self.store.cursor_over(options, Some(view), Some(transaction))
    }
}
