//! An expired key is absent for every operation, from the first millisecond.

use std::ops::Bound;

use sledstore::{IterOptions, SledBatch, SledStore, StoreError};

use crate::common::{ms, rows, Fixture, Result};

const KEY: &[u8] = b"key";
const VALUE: &[u8] = b"value";

/// An operation, and whether it finds [`KEY`] with [`VALUE`] in the store.
type Probe = (&'static str, fn(&SledStore) -> bool);

fn key_not_found<T>(result: Result<T>) -> bool {
    match result {
        Err(StoreError::KeyNotFound) => true,
        Ok(_) => false,
        Err(error) => panic!("found or not found was expected, this is {error:?}"),
    }
}

fn scan(options: IterOptions, store: &SledStore) -> bool {
    let mut cursor = store.cursor(options).unwrap();
    cursor.next().is_some_and(|row| row.unwrap().0 == KEY)
}

const READS: [Probe; 24] = [
    ("get", |store| store.get(KEY).unwrap().is_some()),
    ("get_pinned", |store| store.get_pinned(KEY).unwrap().is_some()),
    ("get_ref", |store| store.get_ref(KEY).unwrap().is_some()),
    ("get_many", |store| store.get_many(&[b"other", KEY]).unwrap()[1].is_some()),
    ("get_many_pinned", |store| store.get_many_pinned(&[KEY, KEY]).unwrap()[1].is_some()),
    ("get_with_ttl", |store| store.get_with_ttl(KEY).unwrap().is_some()),
    ("contains", |store| store.contains(KEY).unwrap()),
    ("ttl", |store| !key_not_found(store.ttl(KEY))),
    ("count", |store| store.count().unwrap() == 1),
    ("iter", |store| store.iter().unwrap().next().is_some()),
    ("keys", |store| store.keys().unwrap().next().is_some()),
    ("range", |store| store.range(b"k", b"l").unwrap().next().is_some()),
    ("range_rev", |store| store.range_rev(b"k", b"l").unwrap().next().is_some()),
    ("prefix_scan", |store| store.prefix_scan(b"ke").unwrap().next().is_some()),
    ("cursor first", |store| cursor(store).first_row().unwrap().is_some()),
    ("cursor last", |store| cursor(store).last_row().unwrap().is_some()),
    ("cursor seek", |store| cursor(store).seek(KEY).unwrap().is_some()),
    ("cursor seek_for_prev", |store| cursor(store).seek_for_prev(KEY).unwrap().is_some()),
    ("cursor next_row", |store| cursor(store).next_row().unwrap().is_some()),
    ("cursor prev_row", |store| cursor(store).prev_row().unwrap().is_some()),
    ("cursor keys only", |store| {
        scan(IterOptions { keys_only: true, ..Default::default() }, store)
    }),
    ("cursor reverse", |store| scan(IterOptions { reverse: true, ..Default::default() }, store)),
    ("cursor bounds", |store| {
        let here = Bound::Included(KEY.to_vec());
        scan(IterOptions { lower: here.clone(), upper: here, ..Default::default() }, store)
    }),
    ("cursor prefix", |store| {
        scan(IterOptions { prefix: b"k".to_vec(), ..Default::default() }, store)
    }),
];

const WRITES: [Probe; 6] = [
    ("persist", |store| !key_not_found(store.persist(KEY))),
    ("expire", |store| !key_not_found(store.expire(KEY, ms(1000)))),
    ("expire at once", |store| !key_not_found(store.expire(KEY, ms(0)))),
    ("compare_and_swap of the value", |store| {
        store.compare_and_swap(KEY, Some(VALUE), b"new").unwrap()
    }),
    ("compare_and_swap of nothing", |store| !store.compare_and_swap(KEY, None, b"new").unwrap()),
    ("compare_and_delete", |store| store.compare_and_delete(KEY, VALUE).unwrap()),
];

fn cursor(store: &SledStore) -> sledstore::Iter {
    store.cursor(IterOptions::default()).unwrap()
}

/// Tries each operation in a keyspace of its own, in which the key was written with a life of ten
/// milliseconds, when `age` milliseconds have passed.
fn each_finds_the_key(probes: &[Probe], age: u64, wanted: bool) {
    let fixture = Fixture::new();
    let stores: Vec<_> =
        probes.iter().map(|(operation, _)| fixture.keyspace(&format!("for {operation}"))).collect();
    for store in &stores {
        store.put_with_ttl(KEY, VALUE, ms(10)).unwrap();
    }
    fixture.clock.advance(ms(age));
    for ((operation, finds), store) in probes.iter().zip(&stores) {
        assert_eq!(finds(store), wanted, "{operation} finds a key of 10 ms after {age} ms");
    }
}

#[test]
fn one_millisecond_before_its_expiry_a_key_is_there_for_every_operation() {
    each_finds_the_key(&READS, 9, true);
    each_finds_the_key(&WRITES, 9, true);
}

#[test]
fn exactly_at_its_expiry_a_key_is_absent_for_every_operation() {
    each_finds_the_key(&READS, 10, false);
    each_finds_the_key(&WRITES, 10, false);
}

#[test]
fn long_after_its_expiry_a_key_is_absent_for_every_operation() {
    each_finds_the_key(&READS, 1_000_000_000, false);
    each_finds_the_key(&WRITES, 1_000_000_000, false);
}

#[test]
fn in_the_default_keyspace_an_expired_key_is_absent_for_every_operation() {
    for (operation, finds) in READS.iter().chain(&WRITES) {
        let fixture = Fixture::new();
        fixture.store.put_with_ttl(KEY, VALUE, ms(10)).unwrap();
        fixture.clock.advance(ms(10));
        assert!(!finds(&fixture.store), "{operation} finds an expired key");
    }
}

#[test]
fn after_a_reopen_an_expired_key_is_absent_for_every_operation() {
    let fixture = Fixture::new();
    for (operation, _) in READS.iter().chain(&WRITES) {
        fixture.keyspace(operation).put_with_ttl(KEY, VALUE, ms(10)).unwrap();
    }
    fixture.clock.advance(ms(10));
    let fixture = fixture.reopen();
    for (operation, finds) in READS.iter().chain(&WRITES) {
        assert!(!finds(&fixture.keyspace(operation)), "{operation} finds an expired key");
    }
}

/// Between living neighbours the expired ones are skipped, in both directions.
#[test]
fn scans_show_the_living_rows_among_expired_ones() {
    let fixture = Fixture::new();
    let mut living = Vec::new();
    for number in 0..200_u8 {
        if number % 3 == 0 {
            fixture.store.put_with_ttl(&[number], &[number], ms(100)).unwrap();
            living.push((vec![number], vec![number]));
        } else {
            fixture.store.put_with_ttl(&[number], &[number], ms(10)).unwrap();
        }
    }
    fixture.clock.advance(ms(10));
    assert_eq!(fixture.store.count().unwrap(), living.len() as u64);
    assert_eq!(rows(&fixture.store), living);
    let mut backwards: Vec<_> =
        fixture.store.range_rev(b"", &[255]).unwrap().map(Result::unwrap).collect();
    backwards.reverse();
    assert_eq!(backwards, living);
    let mut cursor = cursor(&fixture.store);
    assert_eq!(cursor.seek(&[1]).unwrap().unwrap().key.as_ref(), [3]);
    assert_eq!(cursor.seek_for_prev(&[5]).unwrap().unwrap().key.as_ref(), [3]);
    assert_eq!(cursor.prev_row().unwrap().unwrap().key.as_ref(), [0]);
}

#[test]
fn a_batch_over_an_expired_key_starts_it_anew() {
    let fixture = Fixture::new();
    for key in [b"1", b"2", b"3"] {
        fixture.store.put_with_ttl(key, VALUE, ms(10)).unwrap();
    }
    fixture.clock.advance(ms(10));
    let mut batch = SledBatch::new();
    batch.put(b"1", b"new").unwrap();
    batch.put_with_ttl(b"2", b"new", ms(7)).unwrap();
    batch.delete(b"3").unwrap();
    fixture.store.apply(&batch).unwrap();
    assert_eq!(fixture.store.ttl(b"1").unwrap(), None);
    assert_eq!(fixture.store.ttl(b"2").unwrap(), Some(ms(7)));
    assert!(key_not_found(fixture.store.ttl(b"3")));
    assert_eq!(fixture.store.count().unwrap(), 2);
}

#[test]
fn count_follows_the_clock_without_any_write_in_between() {
    let fixture = Fixture::new();
    for store in [fixture.store.clone(), fixture.keyspace("named")] {
        let before = fixture.clock.now_ms();
        for life in 1..=50 {
            store.put_with_ttl(format!("key {life}").as_bytes(), VALUE, ms(life)).unwrap();
        }
        store.put(b"forever", VALUE).unwrap();
        for age in 0..=50 {
            fixture.clock.set(before + age);
            assert_eq!(store.count().unwrap(), 51 - age, "after {age} ms");
            assert_eq!(store.count().unwrap(), 51 - age, "after {age} ms, asked again");
        }
    }
}

#[test]
fn purge_expired_removes_and_counts_exactly_the_expired_keys_of_its_keyspace() {
    let fixture = Fixture::new();
    let other = fixture.keyspace("other");
    for life in 1..=50 {
        fixture.store.put_with_ttl(format!("key {life}").as_bytes(), VALUE, ms(life)).unwrap();
        other.put_with_ttl(format!("key {life}").as_bytes(), VALUE, ms(life)).unwrap();
    }
    fixture.clock.advance(ms(20));
    assert_eq!(fixture.store.purge_expired().unwrap(), 20);
    assert_eq!(fixture.store.purge_expired().unwrap(), 0);
    assert_eq!(fixture.store.count().unwrap(), 30);
    assert_eq!(other.count().unwrap(), 30);
    assert_eq!(other.purge_expired().unwrap(), 20, "the other keyspace was not purged with it");
    drop(other);
    let trees = ["default", "__ttl__", "other", "__ttl__:other"];
    assert_eq!(fixture.raw_counts(trees).1, [30; 4], "what was purged is gone from the disk too");
}
