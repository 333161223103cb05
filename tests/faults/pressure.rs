//! Writers that are faster than the disk: how much memory they take, and how much a kill loses.

use std::path::Path;
use std::time::{Duration, Instant};

use sledstore::{SledBatch, SledStore, SledStoreBuilder};

use crate::common::{child, rows, scratch};

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

fn passes(part: &str, work: &str) {
    let directory = scratch();
    let mut process = child::start(part, directory.path());
    process.tell(work);
    // A minute of writing, or a million keys in a debug build, say nothing for long.
    let message = process.next_message_within(Duration::from_secs(900)).expect("it hangs");
    assert_eq!(message.as_deref(), Some("passed"));
    assert!(process.finish().success(), "the child ended badly after its last check");
}

#[test]
#[ignore = "runs as a child process of the tests below"]
fn child_writes_as_fast_as_it_can() {
    let Some(directory) = child::directory() else { return };
    let time = Duration::from_secs(child::listen().parse().expect("a number of seconds"));
    let store = SledStoreBuilder::new().cache_capacity(CACHE).build(directory.join("db")).unwrap();
    let mirror = store.keyspace("mirror").unwrap();
    let end = Instant::now() + time;
    let mut batch = SledBatch::new();
    // Always the same few keys: memory that grows is then memory of what waits to be written.
    for number in 0_u64.. {
        if Instant::now() > end {
            break;
        }
        let key = (number % 5000).to_be_bytes();
        batch.clear();
        batch.put(&key, &number.to_be_bytes()).unwrap();
        batch.put_in(&mirror, &key, &number.to_be_bytes()).unwrap();
        store.apply(&batch).unwrap();
        store.put_with_ttl(&key, &number.to_be_bytes(), LIFE).unwrap();
        store.batch_write(&[(&key, &key), (b"last", &key)]).unwrap();
    }
    let most = memory("VmHWM");
    assert!(most < CACHE + 64 * MIB, "{} MiB in memory at most", most / MIB);
    store.close().unwrap();
    child::say("passed");
}

#[test]
fn small_batches_at_full_speed_take_bounded_memory() {
    passes("pressure::child_writes_as_fast_as_it_can", "4");
}

#[test]
#[ignore = "takes a minute"]
fn a_minute_of_small_batches_at_full_speed_takes_bounded_memory() {
    passes("pressure::child_writes_as_fast_as_it_can", "60");
}

/// Two portions of this many commits may be on their way to the disk, and one is being collected.
const COMMITS_PER_PORTION: u64 = 64;

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
        let directory = scratch();
        let part = "pressure::child_commits_until_it_is_killed";
        let mut process = child::start(part, directory.path());
        let mut made = 0;
        for _ in 0..(500 + 333 * kill) {
            made = process.next_message().expect("the child goes on").parse().unwrap();
        }
        for message in process.kill() {
            made = message.parse::<u64>().unwrap();
        }
        let store = SledStore::open(directory.path().join("db")).unwrap();
        let there = rows(&store).len() as u64;
        let lost = made.saturating_sub(there);
        assert!(lost <= 3 * COMMITS_PER_PORTION, "{lost} of {made} commits are lost");
        let keys: Vec<_> = rows(&store).into_iter().map(|(key, _)| key).collect();
        let first: Vec<_> = (1..=there).map(|number| number.to_be_bytes().to_vec()).collect();
        assert_eq!(keys, first, "what is lost is what was written last");
    }
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
