//! Batches so large that the engine makes them in many small steps are still one step for everybody.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use sledstore::{SledBatch, SledStore, SledStoreBuilder};

use crate::common::random::Random;
use crate::common::{child, ms, rows, scratch};

/// Above the thousand from which on a batch is large.
const ROWS: u64 = 1500;
const KILLS: u64 = 24;
const LIFE: Duration = Duration::from_secs(1_000_000);

fn key(row: u64) -> [u8; 8] {
    row.to_be_bytes()
}

/// What batch `number` leaves of row `row` in the plain keyspace: some rows go, some are in pieces in
/// a store of small segments, and each batch changes every row.
fn value(number: u64, row: u64) -> Option<Vec<u8>> {
    if (number + row).is_multiple_of(5) {
        return None;
    }
    let length = if (number + row).is_multiple_of(97) { 3000 } else { 40 };
    Some(number.to_be_bytes().into_iter().cycle().take(length).collect())
}

fn open(directory: &std::path::Path) -> SledStore {
    let builder = SledStoreBuilder::new().segment_size(64 << 10).lock_timeout(LIFE);
    builder.build(directory.join("db")).expect("the store opens")
}

fn batch(mortal: &SledStore, number: u64) -> SledBatch {
    let mut batch = SledBatch::new();
    for row in 0..ROWS {
        match value(number, row) {
            Some(value) => {
                batch.put(&key(row), &value).unwrap();
                // A life that tells whose it is.
                let life = LIFE + Duration::from_secs(number * 1000);
                batch.put_with_ttl_in(mortal, &key(row), &value, life).unwrap();
            }
            None => {
                batch.delete(&key(row)).unwrap();
                batch.delete_in(mortal, &key(row)).unwrap();
            }
        }
    }
    batch
}

/// Which batch the store holds, the whole of it; 0 if none.
fn whole(store: &SledStore, mortal: &SledStore) -> u64 {
    let there = rows(store);
    let number = there
        .first()
        .map_or(0, |(_, value)| u64::from_be_bytes(value[..8].try_into().expect("eight bytes")));
    let expected = |row| value(number, row).map(|value| (key(row).to_vec(), value));
    let expected: Vec<_> =
        if number == 0 { Vec::new() } else { (0..ROWS).filter_map(expected).collect() };
    assert!(there == expected, "batch {number} is torn");
    assert!(rows(mortal) == there, "batch {number} is in one keyspace only");
    for (key, value) in there.iter().step_by(50) {
        assert_eq!(store.get(key).unwrap().as_ref(), Some(value));
        let left = mortal.ttl(key).unwrap().expect("an expiry");
        let age = LIFE + Duration::from_secs(number * 1000) - left;
        assert!(age < Duration::from_secs(900), "the expiry of another batch: {age:?}");
    }
    number
}

#[test]
fn a_large_batch_leaves_what_it_says_also_after_reopening_twice() {
    let directory = scratch();
    for number in 1..=6 {
        let store = open(directory.path());
        let mortal = store.keyspace("mortal").unwrap();
        assert_eq!(whole(&store, &mortal), number - 1);
        store.apply(&batch(&mortal, number)).unwrap();
        assert_eq!(whole(&store, &mortal), number);
        assert_eq!(store.count().unwrap(), rows(&store).len() as u64);
        assert_eq!(store.keyspace_names().unwrap(), [b"default".to_vec(), b"mortal".to_vec()]);
        drop(mortal);
        store.close().unwrap();
    }
}

#[test]
fn few_changes_of_many_bytes_are_a_large_batch_too() {
    let directory = scratch();
    let store = SledStore::open(directory.path().join("db")).unwrap();
    let values: Vec<_> = (0..5_u8).map(|row| vec![row; (4 << 20) + usize::from(row)]).collect();
    let mut batch = SledBatch::new();
    values.iter().enumerate().for_each(|(row, value)| batch.put(&key(row as u64), value).unwrap());
    store.put(&key(0), b"before").unwrap();
    store.apply(&batch).unwrap();
    let check = |store: &SledStore| {
        for (row, value) in values.iter().enumerate() {
            assert!(store.get(&key(row as u64)).unwrap().as_ref() == Some(value), "row {row}");
        }
    };
    check(&store);
    store.close().unwrap();
    check(&SledStore::open(directory.path().join("db")).unwrap());
}

/// Batches 1 to `last` on the plain keyspace, each of which sets the same number in all rows.
fn write_numbers(store: &SledStore, last: u64) {
    for number in 1..=last {
        let mut batch = SledBatch::new();
        for row in 0..2 * ROWS {
            batch.put(&key(row), &number.to_be_bytes()).unwrap();
        }
        store.apply(&batch).unwrap();
    }
}

fn number(value: Option<Vec<u8>>) -> u64 {
    value.map_or(0, |value| u64::from_be_bytes(value[..].try_into().expect("eight bytes")))
}

#[test]
fn readers_see_none_or_all_of_a_large_batch() {
    let directory = scratch();
    let store = SledStore::open(directory.path().join("db")).unwrap();
    let done = AtomicBool::new(false);
    // The newest number that any reader has seen anywhere: no read that begins later sees less.
    let newest = AtomicU64::new(0);
    thread::scope(|scope| {
        let (store, done, newest) = (&store, &done, &newest);
        for reader in 0..3 {
            scope.spawn(move || {
                let mut random = Random::new(reader);
                while !done.load(Ordering::SeqCst) {
                    let least = newest.load(Ordering::SeqCst);
                    let row = random.below(2 * ROWS);
                    let seen = if random.chance(1, 3) {
                        let found = store.iter().unwrap().seek(&key(row)).unwrap();
                        number(found.map(|row| row.value.to_vec()))
                    } else {
                        number(store.get(&key(row)).unwrap())
                    };
                    assert!(seen >= least, "row {row}: {seen} after {least}");
                    newest.fetch_max(seen, Ordering::SeqCst);
                }
            });
        }
        write_numbers(store, 12);
        done.store(true, Ordering::SeqCst);
    });
    assert_eq!(number(store.get(&key(0)).unwrap()), 12);
}

#[test]
#[ignore = "runs as a child process of the test below"]
fn child_applies_large_batches_until_it_is_killed() {
    let Some(directory) = child::directory() else { return };
    let store = open(&directory);
    let mortal = store.keyspace("mortal").unwrap();
    let first = whole(&store, &mortal);
    child::say(&first.to_string());
    for number in first + 1.. {
        child::say(&format!("begin {number}"));
        store.apply(&batch(&mortal, number)).unwrap();
        if number % 3 == 0 {
            store.flush().unwrap();
            child::say(&number.to_string());
        }
    }
}

#[test]
fn a_kill_in_the_middle_of_a_large_batch_leaves_all_of_it_or_nothing() {
    let mut random = Random::new(7);
    let directory = scratch();
    let mut cut_short = 0;
    for kill in 0..KILLS {
        let part = "large::child_applies_large_batches_until_it_is_killed";
        let mut process = child::start(part, directory.path());
        let mut made: u64 = process.next_message().expect("it opens").parse().unwrap();
        let mut begun = made;
        thread::sleep(ms(random.below(400)));
        for message in process.kill() {
            match message.strip_prefix("begin ") {
                // What was begun before it has returned.
                Some(number) => {
                    begun = number.parse().unwrap();
                    made = made.max(begun - 1);
                }
                None => made = message.parse().unwrap(),
            }
        }
        // Twice, the first time without a flush in between.
        for _ in 0..2 {
            let store = open(directory.path());
            let there = whole(&store, &store.keyspace("mortal").unwrap());
            assert!(there >= made, "kill {kill}: {there} is there, {made} had returned");
            assert!(there <= begun, "kill {kill}: {there} is there, {begun} was begun");
            cut_short += u64::from(there < begun);
        }
    }
    println!("{cut_short} of {KILLS} kills took the batch that was under way");
    assert!(cut_short > 0, "no kill fell into the making of a batch");
}
