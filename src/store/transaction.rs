//! Transactions: reads of one moment and writes of another, as if both were one.
//!
//! # Why they are serializable
//!
//! A transaction reads from a snapshot, and remembers which keys and which stretches of ranges it
//! read. It commits while no other writer is under way, and only if none of that has changed since
//! the snapshot. So what it read is also what it would have read at the moment of its commit, and
//! its writes are made at that moment: it might as well have run as a whole just then. A
//! transaction without writes might as well have run at the moment of its snapshot, and one without
//! reads has nothing that could have changed.
//!
//! "Changed" is what `versions.rs` tells: a version under the snapshot's number or a larger one. A
//! key that was added inside of a range has one too, of a row that was not there, so there are no
//! phantoms. That a key expires is the passing of time and no change.

use std::collections::{BTreeMap, HashSet};
use std::mem::take;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use oxistore_core::StoreError;

use super::change::Plan;
use super::iterator::{between, Iter, IterOptions, Keys};
use super::kept::{is_empty_range, Range};
use super::keyspace::Keyspace;
use super::limits::{check_key, check_value};
use super::locks::lock;
use super::savepoint::{Savepoints, Undo};
use super::scan::Span;
use super::shared::{Held, Kind, Open};
use super::SledStore;
use crate::engine::{Bytes, Failure, Reason, Result};

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
    pub(super) work: Arc<Work>,
}

/// What a transaction, its keyspaces and its iterators share.
pub(super) struct Work {
    held: Arc<Held>,
    state: Mutex<State>,
    _open: Open,
}

#[derive(Default)]
pub(super) struct State {
    is_over: bool,
    parts: BTreeMap<u64, Part>,
    pub(super) savepoints: Savepoints,
}

/// What a transaction has done in one keyspace.
pub(super) struct Part {
    keyspace: Arc<Keyspace>,
    pub(super) written: Written,
    keys_read: HashSet<Box<[u8]>>,
    pub(super) spans_read: Vec<Span>,
}

/// The last write of each key.
#[derive(Default)]
pub(super) struct Written(BTreeMap<Vec<u8>, Write>);

pub(super) enum Write {
    Put(Bytes, Option<Duration>),
    Delete,
}

impl Write {
    /// What the transaction itself sees.
    fn value(&self) -> Option<&Bytes> {
        match self {
            Write::Put(value, ttl) if *ttl != Some(Duration::ZERO) => Some(value),
            Write::Put(..) | Write::Delete => None,
        }
    }

    fn plan(&self) -> Plan<'_> {
        match self {
            Write::Put(value, ttl) => Plan::Put(value, *ttl),
            Write::Delete => Plan::Delete,
        }
    }
}

impl Written {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first key in `range`, or, going down, the last, and what was written to it.
    pub(super) fn next(&self, range: Range<'_>, down: bool) -> Option<(Bytes, Option<Bytes>)> {
        if is_empty_range(&range) {
            return None;
        }
        let mut rows = self.0.range::<[u8], _>(range);
        let (key, write) = if down { rows.next_back()? } else { rows.next()? };
        Some((Bytes::from(&key[..]), write.value().cloned()))
    }
}

impl Work {
    /// Lets `work` see the part of a keyspace, which may be a new one.
    pub(super) fn part<T>(
        &self,
        keyspace: &Arc<Keyspace>,
        work: impl FnOnce(&mut Part) -> Result<T>,
    ) -> Result<T> {
        work(self.under_way()?.part(keyspace))
    }

    /// Makes the write of a key.
    fn write(&self, keyspace: &Arc<Keyspace>, key: &[u8], write: Write) -> Result<()> {
        let mut state = self.under_way()?;
        let before = state.part(keyspace).written.0.insert(key.to_vec(), write);
        state.savepoints.note(keyspace.id(), key, before);
        Ok(())
    }

    /// What it has done, unless it has ended.
    pub(super) fn under_way(&self) -> Result<MutexGuard<'_, State>> {
        let state = lock(&self.state);
        if state.is_over {
            let message = "the transaction has been committed or rolled back";
            return Err(Failure::error("use", self.path(), Reason::TransactionOver, message));
        }
        Ok(state)
    }

    /// The store's directory.
    pub(super) fn path(&self) -> &Path {
        self.held.path()
    }

    /// Ends the transaction; answers with what it has done.
    fn finish(&self) -> BTreeMap<u64, Part> {
        let mut state = lock(&self.state);
        state.is_over = true;
        state.savepoints = Savepoints::default();
        take(&mut state.parts)
    }
}

impl State {
    fn part(&mut self, keyspace: &Arc<Keyspace>) -> &mut Part {
        self.parts.entry(keyspace.id()).or_insert_with(|| Part {
            keyspace: Arc::clone(keyspace),
            written: Written::default(),
            keys_read: HashSet::new(),
            spans_read: Vec::new(),
        })
    }

    /// Makes the writes again what they were.
    pub(super) fn restore(&mut self, undo: Undo) {
        for ((keyspace, key), before) in undo {
            let Some(part) = self.parts.get_mut(&keyspace) else { continue };
            match before {
                Some(write) => part.written.0.insert(key, write),
                None => part.written.0.remove(&key),
            };
        }
    }
}

impl Part {
    fn has_reads(&self) -> bool {
        !self.keys_read.is_empty() || !self.spans_read.is_empty()
    }

    /// Whether anything that was read has changed since.
    fn has_changed(&self, held: &Held) -> bool {
        let (versions, id) = (held.versions(), self.keyspace.id());
        let (mut keys, mut spans) = (self.keys_read.iter(), self.spans_read.iter());
        keys.any(|key| versions.has_changed(&held.moment, id, key))
            || spans.any(|span| versions.range_has_changed(&held.moment, id, span.range()))
    }
}

impl SledStore {
    /// Begins a transaction.
    pub fn transaction(&self) -> Result<SledTransaction> {
        let _in_use = self.keyspace.in_use(self.shared.path())?;
        let _open = self.shared.count_open(Kind::Transaction);
        let held = Arc::new(self.shared.hold_moment());
        let work = Arc::new(Work { held, state: Mutex::default(), _open });
        Ok(SledTransaction { main: TransactionKeyspace { store: self.clone(), work } })
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
    /// [`StoreError::Unsupported`] if `keyspace` is of another store.
    pub fn keyspace(&self, keyspace: &SledStore) -> Result<TransactionKeyspace> {
        keyspace.must_be_of(&self.main.store)?;
        Ok(TransactionKeyspace { store: keyspace.clone(), work: Arc::clone(&self.main.work) })
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
        let TransactionKeyspace { store, work } = &self.main;
        let parts = work.finish();
        if parts.values().all(|part| part.written.is_empty()) {
            return Ok(());
        }
        let held = &work.held;
        let mut changes = Vec::new();
        for Part { keyspace, written, .. } in parts.values() {
            changes.extend(written.0.iter().map(|(key, write)| (keyspace, &key[..], write.plan())));
        }
        let permit = || {
            if parts.values().any(Part::has_reads) {
                let has_changed = parts.values().any(|part| part.has_changed(held));
                held.check()?;
                if has_changed {
                    return Err(StoreError::TxnConflict);
                }
            }
            // It needs its moment no longer, so nothing has to be kept for it.
            held.versions().leave_early(&held.moment);
            Ok(())
        };
        let keyspaces = parts.values().map(|part| &part.keyspace).collect();
        let result = store.write_if(changes, keyspaces, permit);
        // What it gives up counts against the bound no longer.
        held.versions().end(&held.moment);
        store.shared.relieve(result?)
    }

    /// Discards all writes, as dropping the transaction does. It never fails; the answer is that of
    /// the trait.
    pub fn rollback(self) -> Result<()> {
        self.main.work.finish();
        Ok(())
    }
}

impl Drop for SledTransaction {
    fn drop(&mut self) {
        // Iterators may be left, and are told so.
        self.main.work.finish();
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
            None => self.store.look_up_at(&self.work.held, key),
        }
    }

    /// What the transaction itself has made of `key`. If that is nothing, the key is about to be
    /// read.
    fn own(&self, key: &[u8]) -> Result<Option<Option<Bytes>>> {
        self.work.part(&self.store.keyspace, |part| {
            let own = part.written.0.get(key).map(|write| write.value().cloned());
            if own.is_none() && !part.keys_read.contains(key) {
                part.keys_read.insert(key.into());
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
            None => self.store.was_there(&self.work.held, key),
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
        self.work.write(&self.store.keyspace, key, Write::Delete)
    }

    fn stage(&self, key: &[u8], value: &[u8], ttl: Option<Duration>) -> Result<()> {
        let longest = {
            // Given back before `part`, which takes what stands above it in the order of locks.
            let in_use = self.store.keyspace.in_use(self.store.shared.path())?;
            in_use.trees().data.longest_key()
        };
        check_key(key, Some(longest)).and(check_value(value))?;
        self.work.write(&self.store.keyspace, key, Write::Put(Bytes::from(value), ttl))
    }

    /// All rows with keys from `lo` up to, not including, `hi`, upwards.
    pub fn range(&self, lo: &[u8], hi: &[u8]) -> Result<Iter> {
        self.cursor(between(lo, hi))
    }

    /// All rows with keys from `lo` up to, not including, `hi`, downwards.
    pub fn range_rev(&self, lo: &[u8], hi: &[u8]) -> Result<Iter> {
        self.cursor(IterOptions { reverse: true, ..between(lo, hi) })
    }

    /// All rows whose keys start with `prefix`, upwards.
    pub fn prefix_scan(&self, prefix: &[u8]) -> Result<Iter> {
        self.cursor(IterOptions { prefix: prefix.to_vec(), ..IterOptions::default() })
    }

    /// All rows, upwards.
    pub fn iter(&self) -> Result<Iter> {
        self.cursor(IterOptions::default())
    }

    /// All keys, upwards.
    pub fn keys(&self) -> Result<Keys> {
        let options = IterOptions { keys_only: true, ..IterOptions::default() };
        Ok(Keys::new(self.cursor(options)?))
    }

    /// An iterator with all its choices. What it goes over counts as read, as far as it goes.
    pub fn cursor(&self, options: IterOptions) -> Result<Iter> {
        let (held, work) = (Arc::clone(&self.work.held), Arc::clone(&self.work));
        self.work.part(&self.store.keyspace, |_| Ok(()))?;
        self.store.cursor_over(options, Some(held), Some(work))
    }
}
