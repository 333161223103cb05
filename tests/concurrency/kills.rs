//! A process that is killed at any moment leaves whole batches behind, and everything that it
//! had flushed.

use std::path::Path;
use std::thread;
use std::time::Duration;

use sledstore::{SledBatch, SledStore};

use crate::common::child;
use crate::common::random::Random;
use crate::common::{ms, rows};

const KILLS: u64 = 30;
const ROWS: u64 = 5;
const LIFE: Duration = Duration::from_secs(1_000_000);

fn key(batch: u64, row: u64) -> Vec<u8> {
    [batch.to_be_bytes(), row.to_be_bytes()].concat()
}

/// Batch `number` writes its rows to both keyspaces, in the second one with an expiry, and takes
/// away the first row of the batch before it.
fn batch_of(number: u64, mirror: &SledStore) -> SledBatch {
    let mut batch = SledBatch::new();
    for row in 0..ROWS {
        batch.put(&key(number, row), &number.to_be_bytes()).unwrap();
        batch.put_with_ttl_in(mirror, &key(number, row), &number.to_be_bytes(), LIFE).unwrap();
    }
    if number > 0 {
        batch.delete(&key(number - 1, 0)).unwrap();
        batch.delete_in(mirror, &key(number - 1, 0)).unwrap();
    }
    batch
}

/// The number of the first batch that is not there; all before it must be there, and whole.
fn check_and_count_batches(store: &SledStore, mirror: &SledStore) -> u64 {
    let there = rows(store);
    assert_eq!(rows(mirror), there, "both keyspaces have the same rows");
    assert_eq!(store.count().unwrap(), there.len() as u64);
    assert_eq!(mirror.count().unwrap(), there.len() as u64);
    let batches = there
        .last()
        .map_or(0, |(key, _)| u64::from_be_bytes(key[..8].try_into().expect("eight bytes")) + 1);
    let expected: Vec<_> = (0..batches)
        .flat_map(|batch| {
            let first = u64::from(batch + 1 < batches);
            (first..ROWS).map(move |row| (key(batch, row), batch.to_be_bytes().to_vec()))
        })
        .collect();
    assert_eq!(there, expected, "every batch is whole");
    for (key, _) in there {
        let life = mirror.ttl(&key).unwrap();
        assert!(life.is_some_and(|left| left > LIFE / 2), "a value without its expiry: {life:?}");
        assert_eq!(store.ttl(&key).unwrap(), None);
    }
    batches
}

#[test]
#[ignore = "runs as a child process of the test below"]
fn child_writes_batches_until_it_is_killed() {
    let Some(directory) = child::directory() else { return };
    let store = SledStore::open(directory).unwrap();
    let mirror = store.keyspace("mirror").unwrap();
    let first = check_and_count_batches(&store, &mirror);
    child::say("open");
    for number in first.. {
        store.apply(&batch_of(number, &mirror)).unwrap();
        if number % 7 == 0 {
            store.flush().unwrap();
            child::say(&format!("{number}"));
        }
    }
}

fn open_after_kill(path: &Path) -> SledStore {
    SledStore::open(path).expect("the store opens after a kill")
}

#[test]
fn a_kill_at_any_moment_tears_no_batch_and_loses_nothing_that_was_flushed() {
    let directory = crate::common::scratch();
    let mut random = Random::new(30);
    let mut flushed = None;
    for kill in 0..KILLS {
        let part = "kills::child_writes_batches_until_it_is_killed";
        let mut child = child::start(part, directory.path());
        // Some are killed while they open, the others after some flushes and a bit.
        if kill % 6 != 0 {
            child.expect("open");
            for _ in 0..random.below(15) {
                let message = child.next_message().expect("the child goes on");
                flushed = Some(message.parse::<u64>().expect("a number"));
            }
        }
        // No wait for anything: this spreads the kills over all moments between two messages.
        thread::sleep(ms(random.below(12)));
        for message in child.kill() {
            if message != "open" {
                flushed = Some(message.parse().expect("a number"));
            }
        }
        let store = open_after_kill(directory.path());
        let mirror = store.keyspace("mirror").unwrap();
        let batches = check_and_count_batches(&store, &mirror);
        let lost_nothing = flushed.is_none_or(|last| batches > last);
        assert!(lost_nothing, "kill {kill}: {batches} batches, though {flushed:?} was flushed");
        store.close().unwrap();
    }
    assert!(flushed.is_some_and(|last| last > 100), "the children did some work: {flushed:?}");
}
