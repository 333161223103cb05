//! The store: keyspaces, expiry, the one write path, iterators. No unsafe code.
//!
//! # The order of locks
//!
//! A thread that holds one of these may take those below it, never those above it:
//!
//! 1. `StoreInner::core`: read by a call that is about the store as a whole (flush, open a keyspace),
//!    written by close.
//! 2. `StoreInner::names`: the table of the keyspaces that were opened.
//! 3. The progress of a transaction (`TransactionState::progress`), which a move of its iterator holds
//!    from its beginning to its end.
//! 4. `Keyspace::state`: read during every operation on the keyspace, written by drop and close,
//!    which so wait for all operations that are under way. Several at once: by ascending
//!    `Keyspace::id`, each once.
//! 5. The locks of the write path: see `commit/mod.rs`.
//!
//! No lock is held while code of the caller runs.

#![forbid(unsafe_code)]

mod builder;
mod clock;
mod copies;
mod inner;
mod keyspace;
mod kv_trait;
mod limits;
mod locks;
mod merge;
mod purger;
mod raw;
mod read;
mod rename;
mod revivals;
mod settled;
mod stats;
mod sync;
mod transaction;
#[cfg(feature = "typed")]
mod typed;
mod under_way;
mod watch;
mod write;

use std::path::Path;
use std::sync::Arc;

pub use builder::SledStoreBuilder;
pub use clock::Clock;
pub use copies::dump::DumpFormat;
pub use copies::restore::RestoreMode;
pub(crate) use copies::Observer;
pub use copies::Progress;
pub use limits::{MAX_KEYSPACE_NAME_LEN, MAX_KEY_LEN, MAX_VALUE_LEN};
pub use merge::builtin::{BuiltinMerge, MergeInteger};
pub use read::changes::Changes;
pub(crate) use read::iterator::Move;
pub use read::iterator::{Iter, IterOptions, Keys};
pub use read::snapshot::{SledSnapshot, SnapshotStats};
pub use stats::StoreStats;
pub(crate) use transaction::retry::retry;
pub use transaction::savepoint::Savepoint;
pub use transaction::{SledTransaction, TransactionKeyspace};
#[cfg(feature = "typed")]
pub use typed::TypedSledStore;
pub use watch::subscriber::{Event, Subscriber};
pub use watch::Watch;
pub use write::batch::SledBatch;

use oxistore_core::StoreError;

use crate::engine::{Finding, Result, SalvageReport};
use inner::StoreInner;
use keyspace::Keyspace;
use purger::PurgerOwner;

/// A handle to one keyspace of one store.
///
/// A store is a directory that is open. It holds keyspaces, ordered maps from keys to values that
/// share nothing but the files; [`SledStore::open`] answers with the default one, and
/// [`SledStore::keyspace`] with any other. Every operation works on every keyspace.
///
/// Handles are cheap to clone and may be used by any number of threads at once. The store closes
/// when its last handle and its last iterator are gone, or by [`SledStore::close`].
///
/// ```
/// use sledstore::SledStore;
///
/// # fn main() -> Result<(), sledstore::StoreError> {
/// let store = SledStore::open_temporary()?;
/// store.put(b"apple", b"red")?;
/// store.put(b"banana", b"yellow")?;
/// assert_eq!(store.get(b"apple")?.as_deref(), Some(&b"red"[..]));
///
/// let stock = store.keyspace("stock")?;
/// stock.put(b"apple", b"12")?;
/// for row in store.prefix_scan(b"b")? {
///     let (key, value) = row?;
///     assert_eq!((&key[..], &value[..]), (&b"banana"[..], &b"yellow"[..]));
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SledStore {
    /// Goes before the store does. `None` if nothing is purged in the background.
    purger: Option<Arc<PurgerOwner>>,
    inner: Arc<StoreInner>,
    keyspace: Arc<Keyspace>,
}

impl SledStore {
    /// Opens the store in the directory `path`, or creates it, with its parents.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`](crate::StoreError::Io), with [`Failure::reason`](crate::Failure::reason)
    /// where the directory is open elsewhere, the disk is full or the file system is read-only;
    /// [`StoreError::Corruption`](crate::StoreError::Corruption) where what is there is no store.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        SledStoreBuilder::new().build(path)
    }

    /// Opens a store in a new directory under the system's directory for temporary files; the
    /// directory is removed when the store closes.
    pub fn open_temporary() -> Result<Self> {
        SledStoreBuilder::new().build_temporary()
    }

    /// Closes the store: every other handle of it answers [`Reason::Closed`](crate::Reason::Closed)
    /// from now on. Waits for operations that other threads are in, writes everything out, and
    /// returns when the directory can be opened again.
    ///
    /// # Errors
    ///
    /// [`Reason::Busy`](crate::Reason::Busy) while iterators, snapshots or transactions are open;
    /// the store stays open then, through its other handles and these. Threads that open new ones
    /// all the time can keep it open for ever: end them first.
    /// [`StoreError::Io`](crate::StoreError::Io) when what was written last did not reach the disk, or
    /// that the store was closed could not be noted; the store is closed then.
    pub fn close(self) -> Result<()> {
        self.inner.close()
    }

    /// Fails as [`SledStore::close`] would at this moment because of what is open; closes nothing.
    pub(crate) fn check_nothing_open(&self) -> Result<()> {
        self.inner.check_nothing_open()
    }

    /// Whether the store was closed.
    pub fn is_closed(&self) -> bool {
        self.inner.is_closed()
    }

    /// Whether `other` is a handle to the same open store, of whichever keyspace.
    pub fn same_store(&self, other: &SledStore) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// The store's directory, as an absolute path.
    pub fn path(&self) -> &Path {
        self.inner.path()
    }

    /// The keyspace `name` of this store, created if it is not there. `default` is the one that
    /// [`SledStore::open`] answers with.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unsupported`](crate::StoreError::Unsupported) for a name that is empty, longer
    /// than [`MAX_KEYSPACE_NAME_LEN`] or starts with `__`, and for a new one where there are too
    /// many: segments of 8 MiB, as stores have by default, have room for 29,000 names of 10 bytes
    /// or 2,500 of 255, smaller segments for as much less as they are smaller. One that is there
    /// always opens, unless [`SledStore::open_tree`] has handed it out as a raw tree: then it is
    /// refused until the store closes.
    pub fn keyspace(&self, name: impl AsRef<[u8]>) -> Result<SledStore> {
        Ok(self.with_keyspace(self.inner.keyspace(name.as_ref())?))
    }

    /// The keyspace `name` of this store, or `None` if it is not there.
    ///
    /// # Errors
    ///
    /// As [`SledStore::keyspace`].
    pub fn existing_keyspace(&self, name: impl AsRef<[u8]>) -> Result<Option<SledStore>> {
        let keyspace = self.inner.existing_keyspace(name.as_ref())?;
        Ok(keyspace.map(|keyspace| self.with_keyspace(keyspace)))
    }

    /// A handle to another keyspace of this store.
    fn with_keyspace(&self, keyspace: Arc<Keyspace>) -> SledStore {
        let (inner, purger) = (Arc::clone(&self.inner), self.purger.clone());
        SledStore { inner, keyspace, purger }
    }

    /// Removes the keyspace `name` with everything in it; says whether it was there. Handles of it
    /// answer [`Reason::Dropped`](crate::Reason::Dropped) from now on, also when a keyspace of that
    /// name is made again. Waits for operations on it that other threads are in.
    ///
    /// # Errors
    ///
    /// As [`SledStore::keyspace`]; the default keyspace cannot be dropped. After an error that names the
    /// disk it may be gone all the same; then no handle of it works any more.
    pub fn drop_keyspace(&self, name: impl AsRef<[u8]>) -> Result<bool> {
        self.inner.drop_keyspace(name.as_ref())
    }

    /// The names of all keyspaces, `default` among them, in ascending order.
    pub fn keyspace_names(&self) -> Result<Vec<Vec<u8>>> {
        self.inner.keyspace_names()
    }

    /// The name of this handle's keyspace.
    pub fn keyspace_name(&self) -> &[u8] {
        self.keyspace.name()
    }

    /// The number of the newest commit that readers see, of whichever keyspace. Commits are numbered in
    /// their order, from 1, without gaps; a power cut that takes commits takes their numbers back.
    pub fn sequence(&self) -> Result<u64> {
        self.inner.with_core(|core| Ok(core.published()))
    }

    /// Syncs: what was committed before this call survives the end of the machine, however that ends.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`](crate::StoreError::Io) if the disk refuses, or does not answer within a
    /// minute. From the first failure of a sync on, every write and flush answers with it, until the
    /// store is opened again.
    pub fn flush(&self) -> Result<()> {
        self.inner.flush()
    }

    /// The same as [`SledStore::flush`], which waits in this store.
    pub fn flush_sync(&self) -> Result<()> {
        self.flush()
    }

    /// Settles everything that was committed: the log has nothing of it any more. The engine reuses
    /// its space by itself as it writes, and gives little of it back to the file system.
    pub fn compact(&self) -> Result<()> {
        self.inner.checkpoint()
    }

    /// As [`SledStore::compact`]; answers with the size on disk after that, in bytes.
    pub fn flush_with_reclaim(&self) -> Result<u64> {
        self.compact()?;
        self.size_on_disk()
    }

    /// Reads everything that the store has on the disk, and every row with its expiry and all pieces of its
    /// value, and tells each place that is damaged; none means that all of it is whole. Nothing is
    /// changed, and writers go on. It takes the time to read the files once, and the rows once. Of a row
    /// that cannot be read, the finding names no byte.
    ///
    /// What an opening replays is checked by it: a store that is damaged there does not open. The error
    /// names the first place, and [`SledStore::salvage_report`] all of them.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`](crate::StoreError::Io) if a file cannot be read; [`Reason::Closed`](crate::Reason::Closed)
    /// after a close. That something is damaged is no error.
    pub fn verify(&self) -> Result<Vec<Finding>> {
        let mut findings = self.inner.verify()?;
        for name in self.keyspace_names()? {
            let read = self
                .keyspace(&name)
                .and_then(|keyspace| keyspace.iter()?.try_for_each(|row| row.map(drop)));
            match read {
                Err(StoreError::Corruption(what)) => {
                    findings.push(Finding::new(self.path().join("db"), 0, what));
                }
                // In use as a raw tree.
                Err(StoreError::Unsupported(_)) | Ok(()) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(findings)
    }

    /// What was damaged, and which commits were lost, when the store was opened with
    /// [`SledStoreBuilder::salvage`]; nothing where the store was whole, or was opened without it.
    ///
    /// # Errors
    ///
    /// [`Reason::Closed`](crate::Reason::Closed) after a close.
    pub fn salvage_report(&self) -> Result<SalvageReport> {
        self.inner.salvage_report()
    }

    /// The size of the whole store on disk, in bytes, with the files that the log has reserved.
    pub fn size_on_disk(&self) -> Result<u64> {
        self.inner.size_on_disk()
    }
}
