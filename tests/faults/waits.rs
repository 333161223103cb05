//! What a write that waits for the disk holds up, and what not.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use sledstore::{Clock, SledBatch, SledSnapshot, SledStore, SledStoreBuilder, SledTransaction};

use crate::common::{child, ms, scratch};
use crate::inject::{self, Fault, Kind};

/// Longer than the parent waits for the child.
const PATIENCE: Duration = Duration::from_secs(1_000);

/// What a parent takes for a hang.
const LIMIT: Duration = Duration::from_secs(120);

fn passes(part: &str) {
    let directory = scratch();
    let notes = scratch();
    let complaints = notes.path().join("stderr");
    let fault = Fault { errno: 0, times: 0, ..Fault::none(Kind::Fsync) };
    let mut process = inject::start(part, directory.path(), fault, &[], &complaints);
    let message = process.next_message_within(LIMIT);
    let printed = std::fs::read_to_string(&complaints).unwrap();
    assert_eq!(message.expect("it hangs").as_deref(), Some("passed"), "{part}\n{printed}");
    assert!(process.finish().success(), "{part} ended badly after its last check");
}

/// From here on no sync ends, until `inject::disarm`.
fn let_syncs_hang() {
    inject::begin_with(inject::calls_and_hits().0 + 1);
}

fn wait_for_a_sync_that_hangs() {
    while inject::calls_and_hits().1 == 0 {
        thread::yield_now();
    }
}

/// Puts values that are not in pieces, which are no batches.
fn put(store: &SledStore, values: u64) {
    (0..values).for_each(|key| store.put(&key.to_be_bytes(), &[1; 50 << 10]).unwrap());
}

fn open(directory: &Path) -> SledStore {
    let builder = SledStoreBuilder::new().patience(PATIENCE).flush_every_ms(None);
    builder.build(directory.join("db")).unwrap()
}

/// A transaction whose moment has a version that an older snapshot needs too, and a newer snapshot.
fn moments(store: &SledStore) -> (SledSnapshot, SledTransaction, SledSnapshot) {
    store.put(b"key", b"1").unwrap();
    let older = store.snapshot().unwrap();
    let transaction = store.transaction().unwrap();
    store.put(b"key", b"2").unwrap();
    (older, transaction, store.snapshot().unwrap())
}

/// A transaction writes what makes it wait for the flush of before, when it has given up its moment.
#[test]
#[ignore = "runs as a child process of the test below"]
fn child_frees_a_snapshot_while_a_commit_waits() {
    let Some(directory) = child::directory() else { return };
    let store = open(&directory);
    let (older, transaction, newer) = moments(&store);
    transaction.put(b"large", &[2; 60 << 10]).unwrap();
    let_syncs_hang();
    // Past a quarter of a segment the first flush is asked for, and does not end.
    put(&store, 42);
    wait_for_a_sync_that_hangs();
    put(&store, 39);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            transaction.commit().unwrap();
            is_over.store(true, Ordering::SeqCst);
        });
        while store.get(b"large").unwrap().is_none() {
            thread::yield_now();
        }
        thread::sleep(ms(100));
        assert!(!is_over.load(Ordering::SeqCst), "it waits for the flush");
        drop(newer);
        assert_eq!(older.get(b"key").unwrap().as_deref(), Some(&b"1"[..]));
        drop(older);
        assert_eq!(store.snapshot_stats().versions, 0);
        store.snapshot().unwrap();
        assert!(!is_over.load(Ordering::SeqCst), "nothing of this has waited");
        inject::disarm();
    });
    store.close().unwrap();
    child::say("passed");
}

#[test]
fn a_snapshot_is_freed_while_a_commit_waits_for_the_disk() {
    passes("waits::child_frees_a_snapshot_while_a_commit_waits");
}

/// The same with a commit that is so large that it waits for the disk in its middle.
#[test]
#[ignore = "runs as a child process of the test below"]
fn child_frees_a_snapshot_while_a_large_commit_waits() {
    let Some(directory) = child::directory() else { return };
    let store = open(&directory);
    let (older, transaction, newer) = moments(&store);
    for number in 0..3_000_u64 {
        transaction.put(&number.to_be_bytes(), &[1; 4 << 10]).unwrap();
    }
    store.flush().unwrap();
    let_syncs_hang();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            transaction.commit().unwrap();
            is_over.store(true, Ordering::SeqCst);
        });
        wait_for_a_sync_that_hangs();
        drop(newer);
        assert_eq!(older.get(b"key").unwrap().as_deref(), Some(&b"1"[..]));
        drop(older);
        assert_eq!(store.get(b"key").unwrap().as_deref(), Some(&b"2"[..]));
        assert!(!is_over.load(Ordering::SeqCst), "nothing of this has waited");
        inject::disarm();
    });
    assert_eq!(store.snapshot_stats().versions, 0);
    assert_eq!(store.count().unwrap(), 3_001);
    store.close().unwrap();
    child::say("passed");
}

#[test]
fn a_snapshot_is_freed_while_a_large_commit_waits_for_the_disk() {
    passes("waits::child_frees_a_snapshot_while_a_large_commit_waits");
}

#[test]
#[ignore = "runs as a child process of the test below"]
fn child_writes_lives_after_waiting() {
    let Some(directory) = child::directory() else { return };
    let clock = Clock::manual(1_000);
    let builder = SledStoreBuilder::new().patience(PATIENCE).flush_every_ms(None);
    let store = builder.clock(clock.clone()).build(directory.join("db")).unwrap();
    let life = ms(1_000);
    let transaction = store.transaction().unwrap();
    transaction.put_with_ttl(b"by transaction", b"1", life).unwrap();
    transaction.put(b"and another", b"1").unwrap();
    let mut batch = SledBatch::new();
    batch.put_with_ttl(b"by batch", b"1", life).unwrap();
    batch.put(b"and one more", b"1").unwrap();
    let mut batch_of_one = SledBatch::new();
    batch_of_one.put_with_ttl(b"alone", b"1", life).unwrap();
    store.put(b"something to flush", b"1").unwrap();
    let_syncs_hang();
    thread::scope(|scope| {
        scope.spawn(|| store.flush().unwrap());
        wait_for_a_sync_that_hangs();
        scope.spawn(|| transaction.commit().unwrap());
        scope.spawn(|| store.apply(&batch).unwrap());
        scope.spawn(|| store.apply(&batch_of_one).unwrap());
        scope.spawn(|| store.put_with_ttl(b"put", b"1", life).unwrap());
        // Whoever has not come to wait by then begins later, and has its whole life all the same.
        thread::sleep(ms(300));
        clock.advance(10 * life);
        inject::disarm();
    });
    for key in ["by transaction", "by batch", "alone", "put"] {
        assert_eq!(store.ttl(key.as_bytes()).unwrap(), Some(life), "{key}");
    }
    store.close().unwrap();
    child::say("passed");
}

#[test]
fn a_life_begins_when_the_write_is_made_and_not_before_the_disk_is_waited_for() {
    passes("waits::child_writes_lives_after_waiting");
}
