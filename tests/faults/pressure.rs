//! Writers that are faster than the disk: how much memory they take, and that a kill loses nothing.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use sledstore::{SledBatch, SledStore, SledStoreBuilder};

use crate::common::child::{self, Process};
use crate::common::{rows, scratch};

const MIB: u64 = 1 << 20;
const CACHE: u64 = 16 * MIB;
const LIFE: Duration = Duration::from_secs(1_000_000);

/// A line of the kernel's report on this process, in bytes.
fn memory(line: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let found = status.lines().find_map(|it| it.strip_prefix(line)?.strip_prefix(':'));
    let kib = found.expect("the kernel tells it").trim().trim_end_matches(" kB");
    kib.parse::<u64>().expect("a number") << 10
}

/// Runs the child, and prints what it has measured.
fn passes(part: &str, work: &str) {
    let directory = scratch();
    let mut process = child::start(part, directory.path());
    process.tell(work);
    // A minute of writing, or a million keys in a debug build, say nothing for long.
    let message = process.next_message_within(Duration::from_secs(900)).expect("it hangs");
    let message = message.expect("the child fails");
    let measured = message.strip_prefix("passed").expect(&message);
    println!("{part} {work}{measured}");
    assert!(process.finish().success(), "the child ended badly after its last check");
}

/// As few keys as these are always the same ones: memory that grows is then memory of what waits to
/// be written.
const KEYS: u64 = 5000;

/// Batches over two keyspaces, batches over one, and values with an expiry; answers with how many.
fn write_batches(store: &SledStore, mirror: &SledStore, end: Instant) -> u64 {
    let mut batch = SledBatch::new();
    let mut number = 0_u64;
    while Instant::now() < end {
        let key = (number % KEYS).to_be_bytes();
        batch.clear();
        batch.put(&key, &number.to_be_bytes()).unwrap();
        batch.put_in(mirror, &key, &number.to_be_bytes()).unwrap();
        store.apply(&batch).unwrap();
        store.put_with_ttl(&key, &number.to_be_bytes(), LIFE).unwrap();
        store.batch_write(&[(&key, &key), (b"last", &key)]).unwrap();
        number += 1;
    }
    3 * number
}

/// Transactions over two keyspaces, each of which reads what it overwrites; answers with how many.
fn write_transactions(store: &SledStore, mirror: &SledStore, end: Instant) -> u64 {
    let mut number = 0_u64;
    while Instant::now() < end {
        // Not those of the batches, so that no conflict slows them down.
        let key = (KEYS + number % KEYS).to_be_bytes();
        let commit = store.transact(|transaction| {
            let before = transaction.get(&key)?;
            transaction.put(&key, &number.to_be_bytes())?;
            transaction.keyspace(mirror)?.put(&key, &before.unwrap_or_default())
        });
        commit.unwrap();
        number += 1;
    }
    number
}

#[test]
#[ignore = "runs as a child process of the tests below"]
fn child_writes_as_fast_as_it_can() {
    let Some(directory) = child::directory() else { return };
    let time = Duration::from_secs(child::listen().parse().expect("a number of seconds"));
    // Memtables that are full again and again in this time.
    let builder = SledStoreBuilder::new().cache_capacity(CACHE).memtable_size(2 << 20);
    let store = builder.build(directory.join("db")).unwrap();
    let mirror = store.keyspace("mirror").unwrap();
    let write_and_flush = || {
        let end = Instant::now() + time / 3;
        let (batches, transactions) = thread::scope(|scope| {
            let transactions = scope.spawn(|| write_transactions(&store, &mirror, end));
            (write_batches(&store, &mirror, end), transactions.join().unwrap())
        });
        let begin = Instant::now();
        store.flush().unwrap();
        (batches, transactions, begin.elapsed())
    };
    let rounds = [(); 3].map(|()| write_and_flush());
    let batches: u64 = rounds.iter().map(|round| round.0).sum();
    let transactions: u64 = rounds.iter().map(|round| round.1).sum();
    // A flush syncs the log and waits for no checkpoint, so it takes milliseconds. The limit is for a debug build on
    // a disk and on cores that others use, and for the best of three.
    let flush = rounds.iter().map(|round| round.2).min().unwrap();
    let most = memory("VmHWM");
    let measured = format!(
        "{batches} batches, {transactions} transactions, {} MiB in memory at most, the shortest of three flushes \
         took {flush:?}",
        most / MIB
    );
    assert!(most < CACHE + 64 * MIB && flush < Duration::from_secs(5), "{measured}");
    assert!(batches > 100 && transactions > 100, "{measured}");
    drop(mirror);
    store.close().unwrap();
    child::say(&format!("passed: {measured}"));
}

#[test]
fn small_batches_and_transactions_without_a_pause_take_bounded_memory() {
    passes("pressure::child_writes_as_fast_as_it_can", "12");
}

#[test]
#[ignore = "takes a minute"]
fn a_minute_of_small_batches_and_transactions_takes_bounded_memory() {
    passes("pressure::child_writes_as_fast_as_it_can", "60");
}

#[test]
#[ignore = "runs as a child process of the tests below"]
fn child_commits_until_it_is_killed() {
    let Some(directory) = child::directory() else { return };
    // Nothing is synced unless it is asked for, and the checkpoint has much to do.
    let builder = SledStoreBuilder::new().flush_never().memtable_size(64 << 10);
    let store = builder.build(directory.join("db")).unwrap();
    let mirror = store.keyspace("mirror").unwrap();
    for number in 1_u64.. {
        let key = number.to_be_bytes();
        let mut batch = SledBatch::new();
        batch.put_with_ttl(&key, &[number as u8; 300], LIFE).unwrap();
        batch.put_in(&mirror, &key, &key).unwrap();
        store.apply(&batch).unwrap();
        child::say(&number.to_string());
    }
}

#[test]
fn a_kill_loses_nothing_that_was_acknowledged() {
    (0..4).for_each(|kill| kill_loses_nothing(200 + 533 * kill, child::start));
}

/// Kills a child that `start` starts after so many commits.
pub fn kill_loses_nothing(commits: usize, start: impl Fn(&str, &Path) -> Process) {
    let directory = scratch();
    let mut process = start("pressure::child_commits_until_it_is_killed", directory.path());
    let mut made = 0;
    for _ in 0..commits {
        made = process.next_message().expect("the child goes on").parse().unwrap();
    }
    for message in process.kill() {
        made = message.parse::<u64>().unwrap();
    }
    let store = SledStore::open(directory.path().join("db")).unwrap();
    let numbers = |store: &SledStore| -> Vec<u64> {
        let keys = rows(store).into_iter().map(|(key, _)| key);
        keys.map(|key| u64::from_be_bytes(key.try_into().expect("8 bytes"))).collect()
    };
    let there = numbers(&store);
    // The last one may be made and not yet told.
    assert!([made, made + 1].contains(&(there.len() as u64)), "{} of {made}", there.len());
    assert!(there.iter().copied().eq(1..=there.len() as u64), "what is there has no gap");
    assert_eq!(numbers(&store.keyspace("mirror").unwrap()), there, "half of a batch");
    store.close().unwrap();
}

/// What is counted is what the process takes above what it has with the full batch in its hands: all
/// that the store does with it, the store's cache included. The batch itself is twice its content.
fn apply_large_batch(path: &Path, keys: u64) {
    let store = SledStoreBuilder::new().cache_capacity(CACHE).build(path).unwrap();
    let mut batch = SledBatch::new();
    for number in 0..keys {
        // Spread over the whole tree, as keys are in practice.
        let key = (number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_be_bytes();
        batch.put(&key, &[number as u8; 100]).unwrap();
    }
    let size = keys * (8 + 100);
    let before = memory("VmRSS");
    store.apply(&batch).unwrap();
    let grown = memory("VmHWM").saturating_sub(before);
    assert!(grown < CACHE + 6 * size, "{} MiB for a batch of {} MiB", grown / MIB, size / MIB);
    assert_eq!(store.count().unwrap(), keys);
    store.close().unwrap();
}

#[test]
#[ignore = "runs as a child process of the tests below"]
fn child_applies_a_large_batch() {
    let Some(directory) = child::directory() else { return };
    apply_large_batch(&directory.join("db"), child::listen().parse().expect("a number of keys"));
    child::say("passed");
}

#[test]
fn a_batch_of_many_keys_takes_a_bounded_multiple_of_its_size() {
    passes("pressure::child_applies_a_large_batch", "200000");
}

/// Many scans of a store of which little is in memory: what sled reads in and throws out again must go.
#[test]
#[ignore = "runs as a child process of the test below"]
fn child_scans_again_and_again() {
    let Some(directory) = child::directory() else { return };
    let scans: u32 = child::listen().parse().expect("a number of scans");
    let builder = SledStoreBuilder::new().cache_capacity(4 * MIB);
    let store = builder.build(directory.join("db")).unwrap();
    let keys = (0..100_000_u64).map(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    keys.for_each(|key| store.put(&key.to_be_bytes(), &[7; 100]).unwrap());
    store.compact().unwrap();
    let scan = || {
        let mut rows = store.iter().unwrap();
        while rows.next_row().unwrap().is_some() {}
    };
    (0..8).for_each(|_| scan());
    assert!(store.size_on_disk().unwrap() > 8 * MIB, "much is not in memory");
    let before = memory("VmRSS");
    (0..scans).for_each(|_| scan());
    let grown = memory("VmRSS").saturating_sub(before);
    assert!(grown < 32 * MIB, "{} MiB more after {scans} scans", grown / MIB);
    store.close().unwrap();
    child::say("passed");
}

#[test]
fn scanning_a_store_larger_than_its_cache_takes_bounded_memory() {
    passes("pressure::child_scans_again_and_again", "12");
}
