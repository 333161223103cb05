//! Ranges and keyspaces that are deleted at one moment, and what sees them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use sledstore::{SledSnapshot, SledStore, SledStoreBuilder, StoreError};

const ROWS: u64 = 20_000;

fn fill(store: &SledStore) {
    let keys: Vec<_> = (0..ROWS).map(u64::to_be_bytes).collect();
    let pairs: Vec<_> = keys.iter().map(|key| (&key[..], &key[..])).collect();
    store.batch_write(&pairs).unwrap();
    store.compact().unwrap();
}

fn shows_all(snapshot: &SledSnapshot) -> Result<(), StoreError> {
    let mut number = 0_u64;
    for key in snapshot.keys()? {
        assert_eq!(key?, number.to_be_bytes());
        number += 1;
    }
    assert_eq!(number, ROWS);
    Ok(())
}

#[test]
fn a_snapshot_shows_all_rows_and_a_later_one_none_while_a_clear_is_settled() {
    let store = SledStore::open_temporary().unwrap();
    fill(&store);
    let before = store.snapshot().unwrap();
    store.clear().unwrap();
    let after = store.snapshot().unwrap();
    let is_settled = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            store.compact().unwrap();
            is_settled.store(true, Ordering::SeqCst);
        });
        loop {
            let last = is_settled.load(Ordering::SeqCst);
            shows_all(&before).unwrap();
            let middle = (ROWS / 2).to_be_bytes();
            assert!(before.contains(&middle).unwrap() && !after.contains(&middle).unwrap());
            assert_eq!((after.count().unwrap(), store.count().unwrap()), (0, 0));
            if last {
                return;
            }
        }
    });
    drop((before, after));
    let stats = store.snapshot_stats();
    assert_eq!((stats.live, stats.versions, stats.bytes), (0, 0, 0));
}

#[test]
fn a_snapshot_from_before_a_clear_takes_no_more_memory_than_it_may() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let builder = SledStoreBuilder::new().snapshot_memory(100_000);
    let store = builder.build(directory.path().join("store")).unwrap();
    fill(&store);
    let before = store.snapshot().unwrap();
    store.clear().unwrap();
    store.compact().unwrap();
    assert!(matches!(shows_all(&before), Err(StoreError::CapacityExceeded)));
    assert!(store.snapshot_stats().bytes <= 100_000);
    assert_eq!(store.count().unwrap(), 0);
    drop(before);
    store.close().unwrap();
}

/// Of what one thread writes in the order of the keys, a deletion of them all leaves the last ones,
/// without a gap.
#[test]
fn each_row_comes_before_or_after_the_deletion_of_its_range() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    // Small, so that checkpoints are about.
    let builder = SledStoreBuilder::new().memtable_size(64 << 10);
    let store = builder.build(directory.path().join("store")).unwrap();
    let written = AtomicU64::new(0);
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for number in 0..ROWS {
                store.put(&number.to_be_bytes(), b"1").unwrap();
                written.store(number + 1, Ordering::SeqCst);
            }
        });
        let mut round = 0_u64;
        while !writer.is_finished() {
            let before = written.load(Ordering::SeqCst);
            match round % 3 {
                0 => store.clear().unwrap(),
                1 => store.delete_range(None, Some(&[255])).unwrap(),
                _ => {
                    let transaction = store.transaction().unwrap();
                    transaction.delete_range(None, None).unwrap();
                    transaction.commit().unwrap();
                }
            }
            let after = written.load(Ordering::SeqCst);
            let keys: Vec<_> = store.keys().unwrap().map(Result::unwrap).collect();
            let numbers = keys.iter().map(|key| u64::from_be_bytes(key[..].try_into().unwrap()));
            let numbers: Vec<_> = numbers.collect();
            assert!(numbers.windows(2).all(|two| two[0] + 1 == two[1]), "a gap in {numbers:?}");
            // What was written before the deletion is gone, what came after it is there.
            assert!(numbers.first().is_none_or(|first| *first >= before && *first <= after + 1));
            round += 1;
        }
        assert!(round > 3, "the writer was hardly disturbed");
    });
    store.clear().unwrap();
    store.close().unwrap();
    let store = SledStore::open(directory.path().join("store")).unwrap();
    assert_eq!(store.count().unwrap(), 0);
}

#[test]
fn a_transaction_that_went_over_a_range_conflicts_with_the_deletion_of_a_part_of_it() {
    let store = SledStore::open_temporary().unwrap();
    store.put(b"b", b"1").unwrap();
    for (lo, hi, conflicts) in [
        (Some(&b"b"[..]), Some(&b"c"[..]), true),
        // Nothing is there any more; it counts all the same.
        (None, None, true),
        (Some(b"a"), Some(b"aa"), true),
        (Some(b"d"), None, false),
        (None, Some(b"a"), false),
    ] {
        let transaction = store.transaction().unwrap();
        transaction.range(b"a", b"d").unwrap().for_each(|row| drop(row.unwrap()));
        transaction.put(b"z", b"1").unwrap();
        store.delete_range(lo, hi).unwrap();
        let answer = transaction.commit();
        assert_eq!(matches!(answer, Err(StoreError::TxnConflict)), conflicts, "{lo:?} {answer:?}");
    }
}
