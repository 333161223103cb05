//! A process that is killed at any moment leaves whole writes behind, and everything that it had
//! flushed.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use sledstore::{SledBatch, SledStore};

use crate::common::child;
use crate::common::random::Random;
use crate::common::{ms, rows, scratch};

const KILLS: u64 = 30;
/// So many that what is written out at any moment often ends in the middle of a batch.
const ROWS: u64 = 60;
const LIFE: Duration = Duration::from_secs(1_000_000);

fn key(batch: u64, row: u64) -> Vec<u8> {
    [batch.to_be_bytes(), row.to_be_bytes()].concat()
}

/// The keyspaces that the child writes to, each with a kind of write of its own.
struct Keyspaces {
    /// `SledStore::batch_write`: many rows in one tree.
    plain: SledStore,
    /// Two keyspaces that the same batches write to, the second one with expiries.
    first: SledStore,
    second: SledStore,
    /// `SledStore::put_with_ttl`, one row at a time.
    single: SledStore,
}

impl Keyspaces {
    fn of(store: &SledStore) -> Self {
        let [plain, first, second, single] = ["plain", "first", "second", "single"]
            .map(|name| store.keyspace(name).expect("a keyspace"));
        Self { plain, first, second, single }
    }

    /// One round of writes, numbered in the keys and values.
    fn write(&self, number: u64) {
        let value = number.to_be_bytes();
        let keys: Vec<_> = (0..ROWS).map(|row| key(number, row)).collect();
        let pairs: Vec<(&[u8], &[u8])> = keys.iter().map(|key| (&key[..], &value[..])).collect();
        self.plain.batch_write(&pairs).expect("batch_write");
        let mut batch = SledBatch::new();
        for key in &keys {
            batch.put(key, &value).unwrap();
            batch.put_with_ttl_in(&self.second, key, &value, LIFE).unwrap();
        }
        // The batch before loses its first row, in both keyspaces.
        if let Some(before) = number.checked_sub(1) {
            batch.delete(&key(before, 0)).unwrap();
            batch.delete_in(&self.second, &key(before, 0)).unwrap();
        }
        self.first.apply(&batch).expect("apply");
        for key in &keys {
            self.single.put_with_ttl(key, &value, LIFE).expect("put_with_ttl");
        }
    }

    /// Checks that every write is whole; answers with the lowest number of whole rounds.
    fn check(&self) -> u64 {
        let plain = whole_batches(&self.plain, false);
        let first = whole_batches(&self.first, true);
        assert_eq!(rows(&self.second), rows(&self.first), "a batch is in one keyspace only");
        for store in [&self.second, &self.single] {
            for (key, _) in rows(store) {
                let life = store.ttl(&key).unwrap();
                let has_its_own = life.is_some_and(|left| left > LIFE / 2);
                assert!(has_its_own, "a value without its expiry: {life:?}");
            }
        }
        for store in [&self.plain, &self.first] {
            assert!(rows(store).iter().all(|(key, _)| store.ttl(key).unwrap().is_none()));
        }
        plain.min(first).min(rows(&self.single).len() as u64 / ROWS)
    }
}

/// How many batches are in the keyspace; each must be there with all its rows, but for the first
/// row of all batches but the last, where the next batch takes it away.
fn whole_batches(store: &SledStore, first_row_goes: bool) -> u64 {
    let there = rows(store);
    assert_eq!(store.count().unwrap(), there.len() as u64);
    let number = |key: &[u8]| u64::from_be_bytes(key[..8].try_into().expect("eight bytes"));
    let batches = there.last().map_or(0, |(key, _)| number(key) + 1);
    let expected = (0..batches).flat_map(|batch| {
        let begin = u64::from(first_row_goes && batch + 1 < batches);
        (begin..ROWS).map(move |row| (key(batch, row), batch.to_be_bytes().to_vec()))
    });
    assert!(there.into_iter().eq(expected), "a batch of {:?} is torn", store.keyspace_name());
    batches
}

#[test]
#[ignore = "runs as a child process of the test below"]
fn child_writes_until_it_is_killed() {
    let Some(directory) = child::directory() else { return };
    let store = SledStore::open(directory).unwrap();
    let keyspaces = Keyspaces::of(&store);
    let written = AtomicU64::new(keyspaces.check());
    child::say("open");
    write_and_flush(&store, &written, |done| {
        keyspaces.write(done);
        done + 1
    });
}

/// In a child: makes one write after the other, and tells the parent how many were there before each
/// flush. `write` gets the number of those that are there and answers with the next number.
pub fn write_and_flush(store: &SledStore, written: &AtomicU64, write: impl Fn(u64) -> u64) {
    thread::scope(|scope| {
        // Without pause, so that flushes and kills fall into the middle of writes.
        scope.spawn(|| loop {
            let done = written.load(Ordering::SeqCst);
            store.flush().unwrap();
            child::say(&done.to_string());
        });
        loop {
            written.store(write(written.load(Ordering::SeqCst)), Ordering::SeqCst);
        }
    });
}

/// Starts the child `part` and kills it: every fifth one while it opens, the others after up to
/// `most_messages` flushes and a bit. Answers with the last number that it flushed, if it came to that.
pub fn start_and_kill(
    part: &str,
    directory: &Path,
    kill: u64,
    most_messages: u64,
    random: &mut Random,
) -> Option<u64> {
    let number = |message: &str| message.parse::<u64>().expect("a number");
    let mut flushed = None;
    let mut child = child::start(part, directory);
    if kill % 5 != 4 {
        child.expect("open");
        for _ in 0..random.below(most_messages) {
            flushed = Some(number(&child.next_message().expect("the child goes on")));
        }
    }
    // No wait for anything: it spreads the kills over the time between two messages.
    thread::sleep(ms(random.below(12)));
    let rest = child.kill();
    let last = rest.iter().rfind(|message| *message != "open");
    last.map(|message| number(message)).or(flushed)
}

#[test]
fn a_kill_at_any_moment_tears_no_write_and_loses_nothing_that_was_flushed() {
    let mut random = Random::new(30);
    let mut directory = scratch();
    let mut flushed = 0;
    for kill in 0..KILLS {
        // Now and then a fresh directory: what grows makes each check slower.
        if kill % 5 == 0 {
            directory = scratch();
            flushed = 0;
        }
        let part = "kills::child_writes_until_it_is_killed";
        let said = start_and_kill(part, directory.path(), kill, 40, &mut random);
        flushed = said.unwrap_or(flushed);
        let store = SledStore::open(directory.path()).expect("the store opens after a kill");
        let there = Keyspaces::of(&store).check();
        assert!(there >= flushed, "kill {kill}: {there} rounds, but {flushed} were flushed");
        store.close().unwrap();
    }
}
