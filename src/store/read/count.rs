//! Counts that walk: of a stretch of a keyspace, and of what a transaction sees.

use crate::engine::Result;
use crate::store::read::iterator::{Iter, IterOptions};
use crate::store::transaction::TransactionKeyspace;
use crate::store::SledStore;

/// How many rows an iterator that has not moved shows.
pub(crate) fn count_rows(rows: &mut Iter) -> Result<u64> {
    let mut count = 0;
    while rows.next_row()?.is_some() {
        count += 1;
    }
    Ok(count)
}

impl SledStore {
    /// The number of keys from `lo` up to, not including, `hi`, at the moment of the call; `None` is
    /// no limit. It walks over them while writers go on.
    ///
    /// # Errors
    ///
    /// [`StoreError::CapacityExceeded`](crate::StoreError::CapacityExceeded) if the moment ends
    /// meanwhile, see [`snapshot_memory`](crate::SledStoreBuilder::snapshot_memory).
    pub fn count_range(&self, lo: Option<&[u8]>, hi: Option<&[u8]>) -> Result<u64> {
        count_rows(&mut self.cursor(IterOptions::of_keys_between(lo, hi))?)
    }
}

impl TransactionKeyspace {
    /// The number of keys as the transaction sees them, with its own writes. It walks over them, so
    /// all of the keyspace counts as read.
    pub fn count(&self) -> Result<u64> {
        count_rows(&mut self.cursor(IterOptions::of_keys())?)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use crate::{SledStore, SledStoreBuilder, StoreError};

    #[test]
    fn a_range_has_its_lower_end_and_not_its_upper_one() {
        let store = SledStore::open_temporary().unwrap();
        for key in [&b""[..], b"a", b"b", b"bb", b"c"] {
            store.put(key, b"1").unwrap();
        }
        store.put_with_ttl(b"ba", b"over", Duration::ZERO).unwrap();
        let count = |lo: Option<&[u8]>, hi: Option<&[u8]>| store.count_range(lo, hi).unwrap();
        assert_eq!(count(None, None), 5);
        assert_eq!(count(Some(b""), None), 5);
        assert_eq!(count(Some(b"b"), None), 3);
        assert_eq!(count(None, Some(b"b")), 2);
        assert_eq!(count(Some(b"b"), Some(b"c")), 2);
        assert_eq!(count(None, Some(b"")), 0);
        assert_eq!(count(Some(b"b"), Some(b"b")), 0);
        assert_eq!(count(Some(b"c"), Some(b"a")), 0);
    }

    #[test]
    fn a_count_whose_moment_ends_says_so() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let builder = SledStoreBuilder::new().snapshot_memory(1);
        let store = builder.build(directory.path().join("store")).unwrap();
        for key in 0..2_000_u32 {
            store.put(&key.to_be_bytes(), b"1").unwrap();
        }
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    store.put(&1_999_u32.to_be_bytes(), b"2").unwrap();
                }
            });
            let counted = (0..1_000).map(|_| store.count_range(None, None));
            let ended =
                counted.inspect(|count| assert!(*count.as_ref().unwrap_or(&2_000) == 2_000));
            let ended = ended.filter_map(Result::err).next();
            done.store(true, Ordering::Relaxed);
            assert!(matches!(ended, Some(StoreError::CapacityExceeded)), "{ended:?}");
        });
    }

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
