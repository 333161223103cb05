//! Merges in a transaction: reads of the key, and writes of what the operator makes of it.

use crate::engine::{Bytes, Result};
use crate::store::transaction::TransactionKeyspace;
use crate::store::write::Write;

impl TransactionKeyspace {
    /// Makes of the value of `key` and `operand` a new value, as [`SledStore::merge`] does, in the
    /// transaction: of what the transaction has made of the key, or of what it reads, which counts as
    /// read.
    ///
    /// # Errors
    ///
    /// As [`SledStore::merge`] and [`TransactionKeyspace::get`]; the transaction is as it was then.
    ///
    /// [`SledStore::merge`]: crate::SledStore::merge
    pub fn merge(&self, key: impl AsRef<[u8]>, operand: impl AsRef<[u8]>) -> Result<()> {
        let (key, operand) = (key.as_ref(), operand.as_ref());
        let (store, path) = (&self.store, self.transaction.path());
        let operator = store.keyspace.merge_operator(path)?;
        loop {
            let (before, seen) = self.before_merge(key)?;
            let merged = operator.run_on(&before, key, operand, path)?;
            merged.check(key, store.inner.longest_key)?;
            let mut progress = self.transaction.under_way()?;
            // Another thread may have written meanwhile.
            if progress.writes == seen {
                progress.write(&store.keyspace, key, merged);
                return Ok(());
            }
        }
    }

    /// What the transaction would make of `key` now, and how many writes that comes after.
    fn before_merge(&self, key: &[u8]) -> Result<(Write<Bytes>, u64)> {
        let mut progress = self.transaction.under_way()?;
        let seen = progress.writes;
        let part = progress.part(&self.store.keyspace);
        if let Some(own) = part.written.get(key) {
            return Ok((own.cloned().unwrap_or(Write::Delete), seen));
        }
        part.read.note_key(key);
        drop(progress);
        let row = self.store.row_at(&self.transaction.view, key)?;
        Ok((Write::of_row(row), seen))
    }
}
