//! Writers that are faster than the disk: how much memory they take, and how much a kill loses.

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
    let store = SledStoreBuilder::new().cache_capacity(CACHE).build(directory.join("db")).unwrap();
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
    // What may be left to write is a few buffers, which is a matter of milliseconds, and the promise is under a
    // second. The limit here is for a debug build on a disk and on cores that others use, and for the best of three
    // flushes; without backpressure each takes about as long as the writing before it.
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
fn a_minute_of_small_batches_and_transactions_takes_bounded_memory() {
    passes("pressure::child_writes_as_fast_as_it_can", "60");
}

/// What may be on its way to the disk: five buffers, of which each commit makes two, and what the last
/// one has begun. As many again, because where the threads that write get no time for some milliseconds
/// it looks as if nothing were under way.
const COMMITS_UNDER_WAY: u64 = 8;

#[test]
#[ignore = "runs as a child process of the test below"]
fn child_commits_until_it_is_killed() {
    let Some(directory) = child::directory() else { return };
    // The engine never flushes by itself, so that only the pressure makes it write.
    let builder = SledStoreBuilder::new().flush_every_ms(None);
    let store = builder.build(directory.join("db")).unwrap();
    for number in 1_u64.. {
        let key = number.to_be_bytes();
        store.put_with_ttl(&key, &key, LIFE).unwrap();
        child::say(&number.to_string());
    }
}

#[test]
fn a_kill_loses_no_more_commits_than_are_on_their_way() {
    for kill in 0..6 {
        kill_loses_few_commits(500 + 333 * kill, child::start);
    }
}

/// On a machine whose threads get no time for longer than that, more are lost; so it may try again.
pub fn kill_loses_few_commits(commits: usize, start: impl Fn(&str, &Path) -> Process) {
    let lost =
        (0..4).map(|_| lost_commits(commits, &start)).find(|lost| *lost <= COMMITS_UNDER_WAY);
    assert!(lost.is_some(), "each kill loses more than {COMMITS_UNDER_WAY} commits");
}

/// Kills a child that `start` starts after so many commits; answers with how many of them are lost.
fn lost_commits(commits: usize, start: impl Fn(&str, &Path) -> Process) -> u64 {
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
    let there = rows(&store).len() as u64;
    let lost = made.saturating_sub(there);
    println!("{lost} of {made} commits are lost");
    let keys: Vec<_> = rows(&store).into_iter().map(|(key, _)| key).collect();
    let first: Vec<_> = (1..=there).map(|number| number.to_be_bytes().to_vec()).collect();
    assert_eq!(keys, first, "what is lost is what was written last");
    lost
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
    assert!(grown < 3 * size, "{} MiB for a batch of {} MiB", grown / MIB, size / MIB);
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
fn a_batch_of_many_keys_takes_less_than_three_times_its_size() {
    passes("pressure::child_applies_a_large_batch", "1000000");
}

/// Many scans of a store of which little is in memory: what sled reads in and throws out again must go.
#[test]
#[ignore = "runs as a child process of the test below"]
fn child_scans_again_and_again() {
    let Some(directory) = child::directory() else { return };
    let scans: u32 = child::listen().parse().expect("a number of scans");
    let builder = SledStoreBuilder::new().cache_capacity(8 * MIB);
    let store = builder.build(directory.join("db")).unwrap();
    let keys = (0..200_000_u64).map(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    keys.for_each(|key| store.put(&key.to_be_bytes(), &[7; 100]).unwrap());
    let scan = || {
        let mut rows = store.iter().unwrap();
        while rows.next_row().unwrap().is_some() {}
    };
    (0..30).for_each(|_| scan());
    let before = memory("VmRSS");
    (0..scans).for_each(|_| scan());
    let grown = memory("VmRSS").saturating_sub(before);
    assert!(grown < 64 * MIB, "{} MiB more after {scans} scans", grown / MIB);
    store.close().unwrap();
    child::say("passed");
}

#[test]
fn scanning_a_store_larger_than_its_cache_takes_bounded_memory() {
    passes("pressure::child_scans_again_and_again", "30");
}
