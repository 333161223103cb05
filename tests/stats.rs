//! Statistics: each number is that of what was done.

mod common;

use std::time::Duration;

use common::{ms, Fixture};
use sledstore::{BuiltinMerge, SledBatch, StoreError};

#[test]
fn every_thread_counts_and_nothing_is_lost() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    // More threads than shards.
    std::thread::scope(|scope| {
        for thread in 0..40_u32 {
            scope.spawn(move || {
                for number in 0..100_u32 {
                    let key = (thread * 1_000 + number).to_be_bytes();
                    store.put(&key, b"value").unwrap();
                    store.get(&key).unwrap();
                    store.get(&key).unwrap();
                }
            });
        }
    });
    let stats = store.stats().unwrap();
    assert_eq!((stats.puts, stats.gets, stats.deletes), (4_000, 8_000, 0));
}

#[test]
fn each_call_counts_as_what_it_does() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let counts = || {
        let stats = store.stats().unwrap();
        (stats.gets, stats.puts, stats.deletes)
    };
    let mut before = (0, 0, 0);
    let mut does = |what: &str, gets: u64, puts: u64, deletes: u64| {
        let now = counts();
        let done = (now.0 - before.0, now.1 - before.1, now.2 - before.2);
        assert_eq!(done, (gets, puts, deletes), "{what}");
        before = now;
    };
    store.put(b"a", b"1").unwrap();
    does("put", 0, 1, 0);
    store.get_many(&[b"a", b"b"]).unwrap();
    does("get_many", 2, 0, 0);
    store.contains(b"a").unwrap();
    does("contains", 1, 0, 0);
    store.put_with_ttl(b"b", b"1", ms(1_000)).unwrap();
    store.persist(b"b").unwrap();
    store.compare_and_swap(b"b", Some(b"1"), b"2").unwrap();
    does("expiries and swaps", 0, 3, 0);
    assert!(!store.compare_and_swap(b"b", Some(b"1"), b"3").unwrap());
    does("a swap that is refused", 0, 0, 0);
    assert!(store.remove(b"b").unwrap() && !store.remove(b"b").unwrap());
    does("remove", 0, 0, 1);
    let mut batch = SledBatch::new();
    batch.put(b"c", b"1").unwrap();
    batch.put(b"d", b"1").unwrap();
    batch.delete(b"a").unwrap();
    store.apply(&batch).unwrap();
    does("a batch", 0, 2, 1);
    store.iter().unwrap().for_each(drop);
    does("an iterator", 0, 0, 0);
    store.snapshot().unwrap().get(b"c").unwrap();
    does("a snapshot", 1, 0, 0);
    store.get_with_ttl(b"c").unwrap();
    does("get_with_ttl", 1, 0, 0);
}

#[test]
fn a_merge_counts_as_a_put_and_a_deleted_range_as_one_deletion() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    store.set_builtin_merge(BuiltinMerge::Append { separator: Vec::new() }).unwrap();
    let counts = || (store.stats().unwrap().puts, store.stats().unwrap().deletes);
    store.merge(b"a", b"1").unwrap();
    assert_eq!(counts(), (1, 0));
    let mut batch = SledBatch::new();
    batch.merge(b"a", b"2").unwrap();
    batch.merge(b"a", b"3").unwrap();
    batch.put(b"b", b"1").unwrap();
    batch.expire(b"b", ms(1_000_000)).unwrap();
    batch.expire(b"absent", ms(1_000_000)).unwrap();
    batch.delete_range(Some(b"x"), None).unwrap();
    store.apply(&batch).unwrap();
    assert_eq!(counts(), (4, 1), "one for the merges, two for b, one for the range");
    store.clear().unwrap();
    assert_eq!(counts(), (4, 2));
}

#[test]
fn transactions_are_counted_with_what_becomes_of_them() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    store.transact(|transaction| transaction.put(b"a", b"1")).unwrap();
    store.transaction().unwrap().rollback().unwrap();
    let loser = store.transaction().unwrap();
    loser.get(b"a").unwrap();
    loser.put(b"b", b"1").unwrap();
    store.put(b"a", b"2").unwrap();
    assert!(matches!(loser.commit(), Err(StoreError::TxnConflict)));
    let stats = store.stats().unwrap();
    assert_eq!(stats.transactions_begun, 3);
    assert_eq!((stats.transactions_committed, stats.transactions_conflicted), (1, 1));
}

#[test]
fn keys_and_expiring_keys_are_counted_in_one_moment_of_one_keyspace() {
    let fixture = Fixture::new();
    let lives = fixture.keyspace("lives");
    for number in 0..300_u32 {
        let key = number.to_be_bytes();
        match number % 3 {
            0 => lives.put(&key, b"1").unwrap(),
            1 => lives.put_with_ttl(&key, b"1", ms(500)).unwrap(),
            _ => lives.put_with_ttl(&key, b"1", ms(5)).unwrap(),
        }
    }
    fixture.store.compact().unwrap();
    lives.put(&1_u32.to_be_bytes(), b"for ever").unwrap();
    fixture.clock.advance(Duration::from_millis(5));
    let stats = lives.stats_with_keys().unwrap();
    assert_eq!((stats.keys, stats.expiring_keys), (Some(200), Some(99)));
    assert_eq!(stats.keyspaces, 2);
    let stats = fixture.store.stats_with_keys().unwrap();
    assert_eq!((stats.keys, stats.expiring_keys), (Some(0), Some(0)));
    assert_eq!(fixture.store.stats().unwrap().keys, None);
}

#[test]
fn flushes_and_checkpoints_are_counted_with_their_time() {
    let fixture = Fixture::new();
    let before = fixture.store.stats().unwrap();
    fixture.store.put(b"a", b"1").unwrap();
    fixture.store.flush().unwrap();
    fixture.store.compact().unwrap();
    let after = fixture.store.stats().unwrap();
    assert!(after.flushes > before.flushes && after.flush_time > before.flush_time);
    assert_eq!(after.checkpoints, before.checkpoints + 1);
    assert!(after.background_error.is_none());
    assert!(after.bytes_on_disk > 0);
}

#[test]
fn what_is_kept_for_moments_is_told_and_gone_with_them() {
    let fixture = Fixture::new();
    fixture.store.put(b"a", b"1").unwrap();
    let snapshot = fixture.store.snapshot().unwrap();
    fixture.store.put(b"a", b"2").unwrap();
    let stats = fixture.store.stats().unwrap();
    assert_eq!((stats.snapshots, stats.moments, stats.versions), (1, 1, 1));
    assert!(stats.to_string().contains("versions: 1 kept"), "{stats}");
    drop(snapshot);
    let stats = fixture.store.stats().unwrap();
    assert_eq!((stats.snapshots, stats.moments, stats.versions), (0, 0, 0));
}
