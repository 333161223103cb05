//! A batch is one step, over all its keyspaces, for every other writer.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use sledstore::{Reason, SledBatch, SledStore};

use crate::common::random::Random;
use crate::common::{assert_failed, failed_with, ms, rows, Fixture};

const THREADS: u64 = 8;
const BATCHES: u64 = 300;
const KEYS: u64 = 8;

/// Batches and single writes of many threads meet on the same keys.
fn write_batches(stores: &[SledStore; 2], thread: u64, numbers: &AtomicU64) {
    let mut random = Random::new(thread);
    for _ in 0..BATCHES {
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        let mut batch = SledBatch::new();
        for _ in 0..1 + random.below(4) {
            let key = random.below(KEYS).to_be_bytes();
            let choice = random.below(3);
            for store in stores {
                match choice {
                    0 => batch.delete_in(store, &key),
                    1 => batch.put_in(store, &key, &number.to_be_bytes()),
                    _ => batch.put_with_ttl_in(
                        store,
                        &key,
                        &number.to_be_bytes(),
                        ms(1_000_000 + number),
                    ),
                }
                .unwrap();
            }
        }
        stores[0].apply(&batch).unwrap();
    }
}

#[test]
fn after_many_batches_at_once_both_keyspaces_agree_in_values_and_expiries() {
    let fixture = Fixture::new();
    let stores = [fixture.keyspace("default"), fixture.keyspace("mirror")];
    let numbers = AtomicU64::new(1);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (stores, numbers) = (&stores, &numbers);
            scope.spawn(move || write_batches(stores, thread, numbers));
        }
    });
    let agree = |stores: &[SledStore; 2]| {
        for key in 0..KEYS {
            let found = stores.each_ref().map(|store| {
                let found = store.get_with_ttl(&key.to_be_bytes()).unwrap();
                found.map(|(value, ttl)| (value.to_vec(), ttl))
            });
            assert_eq!(found[0], found[1], "key {key}");
        }
        assert_eq!(rows(&stores[0]), rows(&stores[1]));
        assert_eq!(stores[0].count().unwrap(), rows(&stores[0]).len() as u64);
        assert_eq!(stores[1].count().unwrap(), rows(&stores[1]).len() as u64);
    };
    agree(&stores);
    drop(stores);
    let fixture = fixture.reopen();
    agree(&[fixture.keyspace("default"), fixture.keyspace("mirror")]);
}

#[test]
fn the_last_write_of_a_key_in_a_batch_wins() {
    let fixture = Fixture::new();
    let named = fixture.keyspace("named");
    let mut batch = SledBatch::new();
    batch.put_with_ttl(b"a", b"1", ms(10)).unwrap();
    batch.put(b"a", b"2").unwrap();
    batch.put(b"b", b"1").unwrap();
    batch.put_with_ttl(b"b", b"2", ms(10)).unwrap();
    batch.put(b"c", b"1").unwrap();
    batch.delete(b"c").unwrap();
    batch.delete(b"d").unwrap();
    batch.put(b"d", b"1").unwrap();
    // The keyspace that the batch is applied to, once by name and once not.
    batch.put_in(&named, b"e", b"1").unwrap();
    batch.put(b"e", b"2").unwrap();
    named.apply(&batch).unwrap();
    let found: Vec<_> =
        rows(&named).into_iter().map(|(key, _)| (key.clone(), named.get(&key).unwrap())).collect();
    let expected = [("a", "2"), ("b", "2"), ("d", "1"), ("e", "2")]
        .map(|(key, value)| (key.as_bytes().to_vec(), Some(value.as_bytes().to_vec())));
    assert_eq!(found, expected);
    assert_eq!(named.ttl(b"a").unwrap(), None);
    assert_eq!(named.ttl(b"b").unwrap(), Some(ms(10)));
    assert_eq!(fixture.store.count().unwrap(), 0, "nothing went to the default keyspace");
}

#[test]
fn a_batch_with_a_keyspace_of_another_store_is_refused_whole() {
    let (one, other) = (Fixture::new(), Fixture::new());
    let mut batch = SledBatch::new();
    batch.put(b"a", b"1").unwrap();
    batch.put_in(&other.store, b"b", b"1").unwrap();
    assert_failed(one.store.apply(&batch), Reason::InvalidArgument);
    assert_eq!(one.store.count().unwrap(), 0);
    assert_eq!(other.store.count().unwrap(), 0);
}

#[test]
fn a_batch_with_a_dropped_keyspace_is_refused_whole() {
    let fixture = Fixture::new();
    let named = fixture.keyspace("named");
    let mut batch = SledBatch::new();
    batch.put(b"a", b"1").unwrap();
    batch.put_in(&named, b"b", b"1").unwrap();
    assert!(fixture.store.drop_keyspace("named").unwrap());
    let refused = fixture.store.apply(&batch);
    assert!(failed_with(&refused, Reason::Dropped), "{refused:?}");
    assert_eq!(fixture.store.count().unwrap(), 0);
    assert_eq!(fixture.keyspace("named").count().unwrap(), 0);
}

#[test]
fn a_batch_can_be_measured_cleared_cloned_and_applied_again() {
    let fixture = Fixture::new();
    let mut batch = SledBatch::new();
    assert!(batch.is_empty());
    batch.put(b"a", b"1").unwrap();
    batch.delete(b"b").unwrap();
    assert_eq!((batch.len(), batch.is_empty()), (2, false));
    let copy = batch.clone();
    batch.clear();
    assert_eq!((batch.len(), batch.is_empty()), (0, true));
    fixture.store.apply(&batch).unwrap();
    assert_eq!(fixture.store.count().unwrap(), 0, "an empty batch changes nothing");
    fixture.store.apply(&copy).unwrap();
    fixture.store.delete(b"a").unwrap();
    fixture.store.apply(&copy).unwrap();
    assert_eq!(fixture.store.get(b"a").unwrap().as_deref(), Some(&b"1"[..]));
}
