//! Many threads, and the anomalies that serializable transactions exclude.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use sledstore::{SledStore, SledStoreBuilder, StoreError};

use crate::common::random::Random;

const ACCOUNTS: u64 = 12;
const START: u64 = 1_000;
const SNAPSHOTS: u64 = 10_000;

fn number(bytes: Option<Vec<u8>>) -> u64 {
    bytes.map_or(0, |bytes| u64::from_be_bytes(bytes.try_into().expect("eight bytes")))
}

/// Accounts lie in two keyspaces, alternately.
fn home(keyspaces: &[SledStore; 2], account: u64) -> (&SledStore, [u8; 8]) {
    (&keyspaces[account as usize % 2], account.to_be_bytes())
}

fn transfer(keyspaces: &[SledStore; 2], from: u64, to: u64, amount: u64) -> Result<(), StoreError> {
    keyspaces[0].transact(|transaction| {
        let (source, source_key) = home(keyspaces, from);
        let (target, target_key) = home(keyspaces, to);
        let (source, target) = (transaction.keyspace(source)?, transaction.keyspace(target)?);
        let available = number(source.get(&source_key)?);
        if available < amount {
            return Ok(());
        }
        source.put(&source_key, &(available - amount).to_be_bytes())?;
        // Read after the write, so that a transfer to the same account changes nothing.
        let there = number(target.get(&target_key)?);
        target.put(&target_key, &(there + amount).to_be_bytes())
    })
}

#[test]
fn a_sum_that_transactions_keep_is_the_same_in_ten_thousand_snapshots() {
    let store = SledStore::open_temporary().unwrap();
    let keyspaces = [store.clone(), store.keyspace("other").unwrap()];
    for account in 0..ACCOUNTS {
        let (keyspace, key) = home(&keyspaces, account);
        keyspace.put(&key, &START.to_be_bytes()).unwrap();
    }
    let (done, conflicts, moved) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        for seed in 0..3 {
            let (keyspaces, done, conflicts, moved) = (&keyspaces, &done, &conflicts, &moved);
            scope.spawn(move || {
                let mut numbers = Random::new(seed + 11);
                while !done.load(Ordering::Relaxed) {
                    let (from, to) = (numbers.below(ACCOUNTS), numbers.below(ACCOUNTS));
                    match transfer(keyspaces, from, to, numbers.below(50)) {
                        Ok(()) => moved.fetch_add(1, Ordering::Relaxed),
                        Err(StoreError::TxnConflict) => conflicts.fetch_add(1, Ordering::Relaxed),
                        Err(error) => panic!("{error}"),
                    };
                }
            });
        }
        for round in 0..SNAPSHOTS {
            let first = store.snapshot().unwrap();
            let second = first.keyspace(&keyspaces[1]).unwrap();
            let sum: u64 = match round % 2 {
                0 => {
                    let rows = first.iter().unwrap().chain(second.iter().unwrap());
                    rows.map(|row| number(Some(row.unwrap().1))).sum()
                }
                _ => (0..ACCOUNTS)
                    .map(|account| {
                        let view = if account % 2 == 0 { &first } else { &second };
                        number(view.get(&account.to_be_bytes()).unwrap())
                    })
                    .sum(),
            };
            assert_eq!(sum, ACCOUNTS * START, "snapshot {round}");
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(moved.load(Ordering::Relaxed) > 100, "the threads moved money");
    assert_eq!(store.snapshot_stats().versions, 0);
}

#[test]
fn an_iterator_over_many_moves_shows_the_moment_in_which_it_was_made() {
    let store = SledStore::open_temporary().unwrap();
    for key in 0..500_u64 {
        store.put(&key.to_be_bytes(), &0_u64.to_be_bytes()).unwrap();
    }
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let (writer, done) = (store.clone(), &done);
        // Each batch gives all keys the same number, so a pass that sees two has seen two moments.
        scope.spawn(move || {
            for round in 1_u64.. {
                if done.load(Ordering::Relaxed) {
                    return;
                }
                let keys: Vec<_> = (0..500_u64).map(u64::to_be_bytes).collect();
                let value = round.to_be_bytes();
                let pairs: Vec<_> = keys.iter().map(|key| (&key[..], &value[..])).collect();
                writer.batch_write(&pairs).unwrap();
            }
        });
        for round in 0..200 {
            let rows = match round % 2 {
                0 => store.iter().unwrap(),
                _ => store.range_rev(b"", &[255; 9]).unwrap(),
            };
            let values: Vec<_> = rows.map(|row| number(Some(row.unwrap().1))).collect();
            assert_eq!(values.len(), 500);
            assert!(values.iter().all(|value| *value == values[0]), "two moments in one pass");
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn write_skew_is_refused() {
    let store = SledStore::open_temporary().unwrap();
    store.put(b"a", b"1").unwrap();
    store.put(b"b", b"1").unwrap();
    let (first, second) = (store.transaction().unwrap(), store.transaction().unwrap());
    for transaction in [&first, &second] {
        assert!(
            transaction.get(b"a").unwrap().is_some() && transaction.get(b"b").unwrap().is_some()
        );
    }
    first.delete(b"a").unwrap();
    second.delete(b"b").unwrap();
    first.commit().unwrap();
    assert!(matches!(second.commit(), Err(StoreError::TxnConflict)));
    assert_eq!(store.get(b"b").unwrap().as_deref(), Some(&b"1"[..]));
}

#[test]
fn a_range_that_gains_or_loses_a_key_conflicts() {
    for gains in [true, false] {
        let store = SledStore::open_temporary().unwrap();
        store.put(b"k3", b"").unwrap();
        let transaction = store.transaction().unwrap();
        assert_eq!(transaction.range(b"k1", b"k5").unwrap().count(), 1);
        transaction.put(b"count", b"1").unwrap();
        match gains {
            true => store.put(b"k2", b"").unwrap(),
            false => store.delete(b"k3").unwrap(),
        }
        assert!(matches!(transaction.commit(), Err(StoreError::TxnConflict)));
        assert!(!store.contains(b"count").unwrap(), "a failed commit changes nothing");
    }
}

#[test]
fn what_an_iterator_did_not_reach_is_no_conflict() {
    let store = SledStore::open_temporary().unwrap();
    for key in [b"k1", b"k3", b"k5"] {
        store.put(key, b"").unwrap();
    }
    let transaction = store.transaction().unwrap();
    let mut rows = transaction.prefix_scan(b"k").unwrap();
    assert_eq!(rows.next_row().unwrap().unwrap().key.as_ref(), b"k1");
    assert_eq!(rows.next_row().unwrap().unwrap().key.as_ref(), b"k3");
    store.put(b"k4", b"").unwrap();
    transaction.put(b"seen", b"2").unwrap();
    transaction.commit().unwrap();
    assert!(rows.next_row().is_err(), "the transaction is over");
}

#[test]
fn transactions_that_only_write_never_conflict_and_those_that_only_read_never_fail() {
    let store = SledStore::open_temporary().unwrap();
    let (writer, reader) = (store.transaction().unwrap(), store.transaction().unwrap());
    writer.put(b"key", b"later").unwrap();
    assert_eq!(reader.get(b"key").unwrap(), None);
    assert_eq!(reader.iter().unwrap().count(), 0);
    store.put(b"key", b"earlier").unwrap();
    writer.commit().unwrap();
    assert_eq!(reader.get(b"key").unwrap(), None);
    reader.commit().unwrap();
    assert_eq!(store.get(b"key").unwrap().as_deref(), Some(&b"later"[..]));
}

#[test]
fn counters_lose_no_update() {
    let store = SledStore::open_temporary().unwrap();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..100 {
                    let add = |transaction: &sledstore::SledTransaction| {
                        let count = number(transaction.get(b"count")?);
                        transaction.put(b"count", &(count + 1).to_be_bytes())
                    };
                    while let Err(error) = store.transact(add) {
                        assert!(matches!(error, StoreError::TxnConflict), "{error}");
                    }
                }
            });
        }
    });
    assert_eq!(number(store.get(b"count").unwrap()), 400);
}

#[test]
fn past_the_bound_the_oldest_snapshot_ends_and_the_others_stay() {
    let builder = SledStoreBuilder::new().snapshot_memory(100_000);
    let store = builder.build_temporary().unwrap();
    for key in 0..1_000_u64 {
        store.put(&key.to_be_bytes(), &[1; 200]).unwrap();
    }
    let oldest = store.snapshot().unwrap();
    let mut rows = store.iter().unwrap();
    let reader = store.transaction().unwrap();
    assert!(reader.contains(&5_u64.to_be_bytes()).unwrap());
    reader.put(b"written", b"").unwrap();
    for key in 0..1_000_u64 {
        store.put(&key.to_be_bytes(), &[2; 200]).unwrap();
    }
    assert!(store.snapshot_stats().bytes <= 100_000);
    let newest = store.snapshot().unwrap();
    store.put(&5_u64.to_be_bytes(), b"3").unwrap();
    let exceeded = |error: &StoreError| matches!(error, StoreError::CapacityExceeded);
    assert!(oldest.get(&5_u64.to_be_bytes()).is_err_and(|error| exceeded(&error)));
    assert!(rows.next_row().is_err_and(|error| exceeded(&error)));
    assert!(reader.commit().is_err_and(|error| exceeded(&error)));
    assert!(!store.contains(b"written").unwrap());
    assert_eq!(newest.get(&5_u64.to_be_bytes()).unwrap().as_deref(), Some(&[2; 200][..]));
}

const BOUND: u64 = 100_000;

fn keys() -> impl Iterator<Item = [u8; 8]> {
    (0..1_000_u64).map(u64::to_be_bytes)
}

/// A store of rows that live for a millisecond, whose kept rows are bounded, and its clock.
fn bounded() -> (SledStore, sledstore::Clock) {
    let clock = sledstore::Clock::manual(1_000);
    let builder = SledStoreBuilder::new().clock(clock.clone()).snapshot_memory(BOUND);
    let store = builder.build_temporary().unwrap();
    keys().for_each(|key| store.put_with_ttl(&key, &[1; 200], Duration::from_millis(1)).unwrap());
    (store, clock)
}

fn has_ended(store: &SledStore, snapshot: &sledstore::SledSnapshot) {
    assert!(store.snapshot_stats().bytes <= BOUND, "{:?}", store.snapshot_stats());
    assert!(matches!(snapshot.get(b"any"), Err(StoreError::CapacityExceeded)));
}

#[test]
fn rows_that_go_because_they_have_expired_count_against_the_bound() {
    let (store, clock) = bounded();
    let snapshot = store.snapshot().unwrap();
    clock.advance(Duration::from_millis(1));
    for key in keys() {
        // Nobody evicts while the disk has to be waited for.
        store.flush().unwrap();
        assert_eq!(store.get(&key).unwrap(), None);
        assert!(store.snapshot_stats().bytes <= BOUND, "{:?}", store.snapshot_stats());
    }
    has_ended(&store, &snapshot);

    let (store, clock) = bounded();
    let snapshot = store.snapshot().unwrap();
    clock.advance(Duration::from_millis(1));
    assert_eq!(store.purge_expired().unwrap(), 1_000);
    has_ended(&store, &snapshot);
}

/// Its own moment has a version, which it gives up in the middle of its commit.
#[test]
fn rows_that_a_transaction_replaces_count_against_the_bound() {
    let (store, _) = bounded();
    let snapshot = store.snapshot().unwrap();
    let transaction = store.transaction().unwrap();
    store.put(b"meanwhile", b"value").unwrap();
    keys().for_each(|key| transaction.put(&key, b"2").unwrap());
    transaction.commit().unwrap();
    has_ended(&store, &snapshot);
    assert_eq!(store.snapshot_stats().live, 0);
}

#[test]
fn what_was_kept_of_a_keyspace_goes_with_it() {
    let store = SledStore::open_temporary().unwrap();
    let named = store.keyspace("named").unwrap();
    for keyspace in [&store, &named] {
        keys().for_each(|key| keyspace.put(&key, b"1").unwrap());
    }
    let (older, newer) = (store.snapshot().unwrap(), store.snapshot().unwrap());
    store.put(&0_u64.to_be_bytes(), b"2").unwrap();
    let without = store.snapshot_stats();
    keys().for_each(|key| named.put(&key, b"2").unwrap());
    assert_eq!(store.snapshot_stats().versions, without.versions + 1_000);
    store.drop_keyspace("named").unwrap();
    // The other keyspace's rows were settled on the way, and are kept.
    let left = store.snapshot_stats();
    assert_eq!(left.versions, without.versions + 1_000, "{left:?}");
    // Made anew, it is another one.
    let named = store.keyspace("named").unwrap();
    assert_eq!(newer.keyspace(&named).unwrap().count().unwrap(), 0);
    drop(newer);
    assert_eq!(older.get(&0_u64.to_be_bytes()).unwrap().as_deref(), Some(&b"1"[..]));
    drop(older);
    assert_eq!((store.snapshot_stats().versions, store.snapshot_stats().bytes), (0, 0));
}

#[test]
fn a_transaction_and_a_batch_need_only_the_keyspaces_that_they_use() {
    let store = SledStore::open_temporary().unwrap();
    let named = store.keyspace("named").unwrap();
    let transaction = named.transaction().unwrap();
    transaction.keyspace(&store).unwrap().put(b"a", b"1").unwrap();
    let uses_it = named.transaction().unwrap();
    uses_it.put(b"b", b"1").unwrap();
    store.drop_keyspace("named").unwrap();
    transaction.commit().unwrap();
    assert!(uses_it.commit().is_err(), "it was dropped");
    let mut batch = sledstore::SledBatch::new();
    batch.put_in(&store, b"c", b"1").unwrap();
    named.apply(&batch).unwrap();
    batch.put(b"d", b"1").unwrap();
    assert!(named.apply(&batch).is_err(), "it was dropped");
    assert_eq!(store.count().unwrap(), 2);
}

#[test]
fn closing_says_what_is_open() {
    let store = SledStore::open_temporary().unwrap();
    let (snapshot, transaction) = (store.snapshot().unwrap(), store.transaction().unwrap());
    let error = store.clone().close().unwrap_err().to_string();
    assert!(error.contains("1 snapshot, 1 transaction"), "{error}");
    drop(snapshot);
    transaction.rollback().unwrap();
    store.close().unwrap();
}

#[test]
fn the_life_of_what_a_transaction_put_starts_at_its_commit() {
    let clock = sledstore::Clock::manual(1_000);
    let store = SledStoreBuilder::new().clock(clock.clone()).build_temporary().unwrap();
    let transaction = store.transaction().unwrap();
    transaction.put_with_ttl(b"key", b"value", Duration::from_millis(10)).unwrap();
    clock.advance(Duration::from_millis(100));
    assert!(transaction.contains(b"key").unwrap());
    transaction.commit().unwrap();
    assert_eq!(store.ttl(b"key").unwrap(), Some(Duration::from_millis(10)));
    clock.advance(Duration::from_millis(10));
    assert!(!store.contains(b"key").unwrap());
}

/// Short keys lie in the maps themselves, longer ones do not.
#[test]
fn a_key_of_any_length_conflicts_when_it_was_written_and_only_then() {
    let store = SledStore::open_temporary().unwrap();
    for length in [0, 1, 8, 9, 23, 24, 25, 400, 4096] {
        let (key, other) = (vec![7; length], vec![8; length.max(1)]);
        for (written, conflicts) in [(&key, true), (&other, false)] {
            let transaction = store.transaction().unwrap();
            transaction.get(&key).unwrap();
            transaction.put(b"result", b"1").unwrap();
            store.put(written, b"2").unwrap();
            let is_conflict = matches!(transaction.commit(), Err(StoreError::TxnConflict));
            assert_eq!(is_conflict, conflicts, "a key of {length} bytes");
        }
    }
}
