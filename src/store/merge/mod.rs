//! Merge operators: what makes a new value of the one that a key has and an operand.
//!
//! A keyspace has one operator at a time, for as long as the store is open. It runs between the read
//! of a key and the commit, without a lock and without a lease; if the key was committed meanwhile, it
//! runs again on what is there then. So it cannot keep anybody waiting. An operator that wrote to its
//! own key would run for ever, and what it read would not be part of the merge: every call on a store
//! from inside of one is refused (`Running`).

pub(crate) mod builtin;
pub(crate) mod turns;

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;

use crate::engine::{Bytes, Failure, Reason};
use crate::store::write::Write;
use crate::store::SledStore;
use crate::{Result, StoreError};

type Function =
    dyn Fn(&[u8], Option<&[u8]>, &[u8]) -> Result<Option<Vec<u8>>, String> + Send + Sync;

/// The merge operator of a keyspace.
pub(crate) struct MergeOperator(Box<Function>);

impl MergeOperator {
    /// What becomes of `key`, which has the value `old`; `None` removes it. Code of the caller runs in
    /// here, so no lock may be held. `path` is that of the store.
    pub(crate) fn run(
        &self,
        key: &[u8],
        old: Option<&[u8]>,
        operand: &[u8],
        path: &Path,
    ) -> Result<Option<Vec<u8>>> {
        let merged = {
            let _running = Running::begin();
            (self.0)(key, old, operand)
        };
        merged.map_err(|why| {
            let message = format!("the merge operator failed: {why}");
            Failure::error("merge in", path, Reason::MergeFailed, message)
        })
    }

    /// What a merge makes of a key that `before` was to become.
    pub(crate) fn run_on(
        &self,
        before: &Write<Bytes>,
        key: &[u8],
        operand: &[u8],
        path: &Path,
    ) -> Result<Write<Bytes>> {
        let merged = self.run(key, before.value().map(|value| &value[..]), operand, path)?;
        Ok(before.replaced(merged.map(Bytes::from)))
    }
}

thread_local! {
    // No destructor, so it can be asked while the thread's other values are destroyed.
    static IS_RUNNING: Cell<bool> = const { Cell::new(false) };
}

/// An operator runs on this thread.
struct Running;

impl Running {
    fn begin() -> Self {
        // Inside of an operator nothing merges, so none is running yet.
        IS_RUNNING.set(true);
        Running
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        IS_RUNNING.set(false);
    }
}

/// Fails inside of a merge operator, for calls on the store at `path`.
pub(crate) fn refuse_inside_operator(path: &Path) -> Result<()> {
    match IS_RUNNING.get() {
        false => Ok(()),
        true => Err(reentrant(path)),
    }
}

#[cold]
fn reentrant(path: &Path) -> StoreError {
    let message = "a merge operator is running on this thread, and must not call a store";
    Failure::error("use", path, Reason::Reentrant, message)
}

impl SledStore {
    /// Sets what [`SledStore::merge`] does in this keyspace, for all its handles, until the store closes,
    /// the keyspace is renamed, or the next operator is set. No operator is stored in the files.
    ///
    /// `operator` gets the key, its value, or `None` if the key is not there or has expired, and the
    /// operand; it answers with the new value, or `None` to remove the key.
    ///
    /// It runs on the thread that merges, without a lock, on several threads at once, and more than
    /// once for one merge if the key is written meanwhile: it should do nothing but compute. Calls on a
    /// store from inside of it fail with [`Reason::Reentrant`]. A panic in it goes through the call,
    /// and leaves the key as it was.
    ///
    /// Where the store was closed or the keyspace dropped, it is dropped; a merge then says so.
    ///
    /// ```
    /// use sledstore::SledStore;
    ///
    /// # fn main() -> Result<(), sledstore::StoreError> {
    /// let store = SledStore::open_temporary()?;
    /// store.set_merge_operator(|_key, old, operand| Some([old.unwrap_or_default(), operand].concat()));
    /// store.merge(b"words", b"one ")?;
    /// store.merge(b"words", b"two ")?;
    /// assert_eq!(store.get(b"words")?.as_deref(), Some(&b"one two "[..]));
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_merge_operator(
        &self,
        operator: impl Fn(&[u8], Option<&[u8]>, &[u8]) -> Option<Vec<u8>> + Send + Sync + 'static,
    ) {
        // The error is that of every later merge.
        let _ = self.set_fallible_merge_operator(move |key, old, new| Ok(operator(key, old, new)));
    }

    /// The same with an operator that can fail: the merge then fails with [`Reason::MergeFailed`], which
    /// has the operator's words, and leaves the key as it was.
    ///
    /// # Errors
    ///
    /// [`Reason::Closed`] and [`Reason::Dropped`]; `operator` is dropped then.
    pub fn set_fallible_merge_operator(
        &self,
        operator: impl Fn(&[u8], Option<&[u8]>, &[u8]) -> Result<Option<Vec<u8>>, String>
            + Send
            + Sync
            + 'static,
    ) -> Result<()> {
        let operator = Arc::new(MergeOperator(Box::new(operator)));
        // Dropped after the lease: code of the caller may run then.
        let _before;
        let lease = self.keyspace.lease(self.inner.path())?;
        _before = self.keyspace.merge_operator.swap(Some(operator));
        drop(lease);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
