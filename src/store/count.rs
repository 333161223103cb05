//! Counts that walk: of a stretch of a keyspace, and of what a transaction sees.

use super::iterator::{Iter, IterOptions};
use super::transaction::TransactionKeyspace;
use crate::engine::Result;

/// How many rows an iterator that has not moved shows.
pub(super) fn count_rows(mut rows: Iter) -> Result<u64> {
    let mut count = 0;
    while rows.next_row()?.is_some() {
        count += 1;
    }
    Ok(count)
}

impl TransactionKeyspace {
    /// The number of keys as the transaction sees them, with its own writes. It walks over them, so
    /// all of the keyspace counts as read.
    pub fn count(&self) -> Result<u64> {
        count_rows(self.cursor(IterOptions { keys_only: true, ..IterOptions::default() })?)
    }
}

#[cfg(test)]
mod tests {
    use crate::{SledStore, StoreError};

    #[test]
    fn a_transaction_counts_what_it_sees() {
        let store = SledStore::open_temporary().unwrap();
        let other = store.keyspace("other").unwrap();
        store.put(b"a", b"0").unwrap();
        store.put(b"b", b"0").unwrap();
        let transaction = store.transaction().unwrap();
        assert_eq!(transaction.count().unwrap(), 2);
        transaction.put(b"a", b"1").unwrap();
        transaction.put(b"c", b"1").unwrap();
        transaction.put(b"d", b"1").unwrap();
        transaction.delete(b"b").unwrap();
        transaction.delete(b"absent").unwrap();
        assert_eq!(transaction.count().unwrap(), 3);
        assert_eq!(transaction.keyspace(&other).unwrap().count().unwrap(), 0);
        assert_eq!(store.count().unwrap(), 2);
    }

    #[test]
    fn a_transaction_that_has_counted_conflicts_with_every_new_key() {
        let store = SledStore::open_temporary().unwrap();
        let transaction = store.transaction().unwrap();
        assert_eq!(transaction.count().unwrap(), 0);
        transaction.put(b"a", b"1").unwrap();
        store.put(b"z", b"1").unwrap();
        assert_eq!(transaction.count().unwrap(), 1);
        assert!(matches!(transaction.commit(), Err(StoreError::TxnConflict)));
    }
}
