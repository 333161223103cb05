//! Telling the next opening that a restore has not come to its end.
//!
//! The marker is a row in a hidden keyspace, and goes through the log like every other. What is lost of
//! the log is always its end, and the marker is committed before the first restored row and dropped after
//! the last one: so a store without it has none of the restore or all of it.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::Arc;

use oxistore_core::StoreError;

use crate::commit::{Change, Durability, KeyspaceId, Record, Settled};
use crate::engine::{Failure, Reason, Result};
use crate::store::inner::{Core, StoreInner};

/// The hidden keyspace, and the key of its one row, whose value is where the rows come from.
const KEYSPACE: &[u8] = b"__restore__";
const KEY: &[u8] = b"source";

/// A restore that is going on. A store has one at most.
pub(super) struct Marker {
    inner: Arc<StoreInner>,
}

impl Marker {
    pub(super) fn begin(inner: &Arc<StoreInner>, operation: &'static str) -> Result<Self> {
        if inner.is_restoring.swap(true, Ordering::SeqCst) {
            let text = "another restore into this store is going on";
            return Err(Failure::error(operation, inner.path(), Reason::Busy, text));
        }
        Ok(Self { inner: Arc::clone(inner) })
    }

    /// From now on the store must not be taken for whole.
    pub(super) fn set(&self, source: &Path) -> Result<()> {
        self.inner.with_core(|core| {
            let keyspace = core.settled().keyspace(KEYSPACE)?;
            let value = source.as_os_str().as_encoded_bytes();
            let mut record = Record::new();
            record.push(Change::Put { keyspace, key: KEY, value, expires_at: None });
            core.commit(record, Durability::Buffered, |_| Ok(())).map(drop)
        })
    }

    /// The store is whole again, on the disk too.
    pub(super) fn clear(&self) -> Result<()> {
        self.inner.with_core(|core| remove(core, core.settled().keyspace(KEYSPACE)?))?;
        self.inner.flush()
    }
}

impl Drop for Marker {
    fn drop(&mut self) {
        self.inner.is_restoring.store(false, Ordering::SeqCst);
    }
}

fn remove(core: &Core, keyspace: KeyspaceId) -> Result<()> {
    core.drop_keyspace(keyspace)?;
    core.finish_drop(keyspace)
}

/// Fails if a restore has not come to its end; to be asked when the log has been replayed. With `salvage`
/// what is there is taken for all there is.
pub(crate) fn check(core: &Core, salvage: bool) -> Result<()> {
    let engine = core.settled().engine();
    if !engine.tree_names()?.iter().any(|name| name == KEYSPACE) {
        return Ok(());
    }
    let keyspace = core.settled().keyspace(KEYSPACE)?;
    match core.get(keyspace, KEY)?.0 {
        Some(row) if !salvage => {
            let (path, source) = (engine.path().display(), String::from_utf8_lossy(&row.value));
            Err(StoreError::Corruption(format!(
                "cannot open {path}: a restore from {source} was interrupted, so a part of the rows are those of \
                 before and a part are restored; open it for salvage, and restore again"
            )))
        }
        // Nothing can be removed.
        _ if core.check_writable().is_err() => Ok(()),
        // The crash came before the first restored row, or after the last one.
        _ => remove(core, keyspace),
    }
}
