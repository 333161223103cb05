//! The whole store as it was at one moment.

use std::path::Path;
use std::sync::Arc;

use oxistore_core::StoreError;

use crate::commit::RowImage;
use crate::engine::{Bytes, Failure, Reason, Result};
use crate::store::inner::{Kind, Open};
use crate::store::read::count::count_rows;
use crate::store::read::iterator::{scans, Iter, IterOptions};
use crate::store::read::ReadView;
use crate::store::stats::counters::Count;
use crate::store::SledStore;

/// What all keyspaces of a store were when it was taken.
///
/// Taking it copies nothing and takes the same time for any store. Writers go on: while it lives,
/// each key that is overwritten or removed for the first time keeps what it was, in memory, until
/// the last snapshot that needs it is gone. Keys that had expired when it was taken are absent from
/// it, and those that expire later stay.
///
/// A keyspace that is dropped is gone from its snapshots too. Writes through
/// [`SledStore::open_tree`] pass snapshots by.
///
/// ```
/// use sledstore::SledStore;
///
/// # fn main() -> Result<(), sledstore::StoreError> {
/// let store = SledStore::open_temporary()?;
/// store.put(b"apple", b"red")?;
/// let before = store.snapshot()?;
/// store.put(b"apple", b"green")?;
/// assert_eq!(before.get(b"apple")?.as_deref(), Some(&b"red"[..]));
/// assert_eq!(store.get(b"apple")?.as_deref(), Some(&b"green"[..]));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SledSnapshot {
    store: SledStore,
    view: Arc<ReadView>,
    _open: Arc<Open>,
}

impl SledStore {
    /// A snapshot of all keyspaces, which shows this one.
    pub fn snapshot(&self) -> Result<SledSnapshot> {
        let lease = self.keyspace.lease(self.inner.path())?;
        let _open = Arc::new(self.inner.count_open(Kind::Snapshot));
        let view = Arc::new(self.inner.read_view(lease.core()));
        Ok(SledSnapshot { store: self.clone(), view, _open })
    }

    /// What snapshots, iterators and transactions hold in memory, in this store.
    pub fn snapshot_stats(&self) -> SnapshotStats {
        let stats = self.inner.with_core(|core| {
            core.sweep_views();
            let (versions, bytes) = (core.view_rows(), core.view_bytes());
            Ok(SnapshotStats { live: core.view_count(), versions, bytes })
        });
        // Nothing is left of a store that was closed.
        stats.unwrap_or_default()
    }

    /// The same for a caller who asks for this key.
    pub(crate) fn counted_row_at(&self, view: &ReadView, key: &[u8]) -> Result<Option<RowImage>> {
        self.inner.counters.add(Count::Gets, 1);
        self.row_at(view, key)
    }

    /// The row of `key` in `view`, unless it was absent or had expired.
    pub(crate) fn row_at(&self, view: &ReadView, key: &[u8]) -> Result<Option<RowImage>> {
        let _lease = self.keyspace.lease(self.inner.path())?;
        view.get(&self.keyspace, key)
    }
}

/// What snapshots hold in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SnapshotStats {
    /// Moments that are kept: by snapshots, transactions and iterators.
    pub live: usize,
    /// Rows that are kept for them: overwritten, removed, or settled since.
    pub versions: u64,
    /// The bytes that those rows take, roughly.
    pub bytes: u64,
}

impl SledSnapshot {
    /// The same moment of another keyspace of the same store.
    ///
    /// # Errors
    ///
    /// [`Reason::InvalidArgument`] if `keyspace` is of another store.
    pub fn keyspace(&self, keyspace: &SledStore) -> Result<SledSnapshot> {
        keyspace.must_be_of(&self.store)?;
        Ok(SledSnapshot { store: keyspace.clone(), ..self.clone() })
    }

    /// The number of the newest commit that it shows. A watch that was made before the snapshot tells of
    /// all later ones.
    pub fn sequence(&self) -> u64 {
        self.view.view.sequence()
    }

    /// The value of `key`, or `None` if the key was not there or had expired.
    ///
    /// # Errors
    ///
    /// [`StoreError::CapacityExceeded`], here and in all other reads, if the snapshot has ended
    /// because the rows that were kept took more than [`snapshot_memory`] allows.
    ///
    /// [`snapshot_memory`]: crate::SledStoreBuilder::snapshot_memory
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.get_pinned(key)?.map(Vec::from))
    }

    /// The same without a copy.
    pub fn get_pinned(&self, key: &[u8]) -> Result<Option<Bytes>> {
        Ok(self.store.counted_row_at(&self.view, key)?.map(|row| row.value))
    }

    pub(crate) fn expires(&self, key: &[u8]) -> Result<bool> {
        Ok(self.store.row_at(&self.view, key)?.is_some_and(|row| row.expires_at.is_some()))
    }

    /// The values of `keys`, in their order.
    pub fn get_many(&self, keys: &[&[u8]]) -> Result<Vec<Option<Vec<u8>>>> {
        keys.iter().map(|key| self.get(key)).collect()
    }

    /// The same without copies.
    pub fn get_many_pinned(&self, keys: &[&[u8]]) -> Result<Vec<Option<Bytes>>> {
        keys.iter().map(|key| self.get_pinned(key)).collect()
    }

    /// Whether `key` was there and had not expired.
    pub fn contains(&self, key: &[u8]) -> Result<bool> {
        Ok(self.store.counted_row_at(&self.view, key)?.is_some())
    }

    scans!();

    /// The number of keys. It walks over them.
    pub fn count(&self) -> Result<u64> {
        count_rows(&mut self.cursor(IterOptions::of_keys())?)
    }

    /// An iterator with all its choices. It may outlive the snapshot.
    pub fn cursor(&self, options: IterOptions) -> Result<Iter> {
        self.store.cursor_over(options, Some(Arc::clone(&self.view)), None)
    }
}

/// The failure of a use of a keyspace together with things of the store at `path`.
pub(crate) fn of_another_store(path: &Path) -> StoreError {
    Failure::error("use", path, Reason::InvalidArgument, "the keyspace is one of another store")
}

impl SledStore {
    /// Fails unless this is a keyspace of the same store as `other`.
    pub(crate) fn must_be_of(&self, other: &SledStore) -> Result<()> {
        if self.same_store(other) {
            return Ok(());
        }
        // Rather than that it is another's, say that it is gone, if it is.
        self.keyspace.lease(self.inner.path())?;
        Err(of_another_store(self.inner.path()))
    }
}
