//! What a call that waits for the disk holds up, and what not.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use sledstore::{Clock, Durability, SledBatch, SledStore, SledStoreBuilder};

use crate::common::{child, ms, rows};
use crate::inject::{self, passes, Fault, Files, Kind};

/// Longer than the parent waits for the child.
const PATIENCE: Duration = Duration::from_secs(1_000);

fn builder() -> SledStoreBuilder {
    SledStoreBuilder::new().patience(PATIENCE).flush_never()
}

fn open(directory: &Path) -> SledStore {
    builder().build(directory.join("db")).unwrap()
}

/// Reads and writes in every way, none of which waits for a sync.
fn work(store: &SledStore) {
    store.put(b"key", b"1").unwrap();
    let older = store.snapshot().unwrap();
    let transaction = store.transaction().unwrap();
    assert_eq!(transaction.get(b"key").unwrap().as_deref(), Some(&b"1"[..]));
    let mut batch = SledBatch::new();
    batch.put(b"by batch", &[1; 60 << 10]).unwrap();
    batch.put(b"and another", b"1").unwrap();
    store.apply(&batch).unwrap();
    transaction.put(b"by transaction", &[1; 60 << 10]).unwrap();
    transaction.commit().unwrap();
    store.put(b"key", b"2").unwrap();
    assert_eq!(older.get(b"key").unwrap().as_deref(), Some(&b"1"[..]));
    drop(older);
    assert_eq!(store.snapshot_stats().versions, 0);
    store.keyspace("made meanwhile").unwrap().put(b"key", b"1").unwrap();
    assert_eq!(rows(store).len(), 4);
}

#[test]
#[ignore = "runs as a child process of the test below"]
fn child_works_while_a_sync_hangs() {
    let Some(directory) = child::directory() else { return };
    let store = open(&directory);
    store.put(b"key", b"0").unwrap();
    inject::begin();
    let is_durable = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            store.flush().unwrap();
            is_durable.store(true, Ordering::SeqCst);
        });
        inject::wait_for_a_hit();
        work(&store);
        scope.spawn(|| {
            let transaction = store.transaction().unwrap();
            transaction.put(b"synced", b"1").unwrap();
            transaction.commit_with(Durability::Synced).unwrap();
            is_durable.store(true, Ordering::SeqCst);
        });
        thread::sleep(ms(200));
        assert!(!is_durable.load(Ordering::SeqCst), "nothing was synced");
        inject::disarm();
    });
    assert_eq!(store.count().unwrap(), 5);
    store.close().unwrap();
    child::say("passed");
}

#[test]
fn reads_and_writes_go_on_while_a_sync_hangs_and_only_who_asks_for_one_waits() {
    let fault = Fault::hang(Kind::Fdatasync).of(Files::Log);
    passes("waits::child_works_while_a_sync_hangs", fault);
}

#[test]
#[ignore = "runs as a child process of the test below"]
fn child_reads_while_a_write_hangs() {
    let Some(directory) = child::directory() else { return };
    let store = open(&directory);
    store.put(b"key", b"1").unwrap();
    store.flush().unwrap();
    let snapshot = store.snapshot().unwrap();
    inject::begin();
    thread::scope(|scope| {
        scope.spawn(|| store.put(b"key", b"2").unwrap());
        inject::wait_for_a_hit();
        store.flush().expect("what was acknowledged is on the disk");
        assert_eq!(store.get(b"key").unwrap().as_deref(), Some(&b"1"[..]));
        assert_eq!(snapshot.get(b"key").unwrap().as_deref(), Some(&b"1"[..]));
        drop(snapshot);
        assert_eq!(rows(&store).len(), 1);
        drop(store.snapshot().unwrap());
        inject::disarm();
    });
    assert_eq!(store.get(b"key").unwrap().as_deref(), Some(&b"2"[..]));
    store.close().unwrap();
    child::say("passed");
}

#[test]
fn reads_and_flushes_go_on_while_a_write_hangs() {
    passes("waits::child_reads_while_a_write_hangs", Fault::hang(Kind::Pwrite).of(Files::Log));
}

#[test]
#[ignore = "runs as a child process of the test below"]
fn child_works_while_a_checkpoint_hangs() {
    let Some(directory) = child::directory() else { return };
    let store = open(&directory);
    store.put(b"key", b"0").unwrap();
    inject::begin();
    thread::scope(|scope| {
        scope.spawn(|| store.compact().unwrap());
        inject::wait_for_a_hit();
        work(&store);
        store.flush().expect("the log has it");
        inject::disarm();
    });
    store.close().unwrap();
    child::say("passed");
}

#[test]
fn reads_writes_and_flushes_go_on_while_a_checkpoint_hangs() {
    for kind in [Kind::Fsync, Kind::Pwrite] {
        passes("waits::child_works_while_a_checkpoint_hangs", Fault::hang(kind).of(Files::Engine));
    }
}

/// Writers that wait because the checkpoint is behind.
#[test]
#[ignore = "runs as a child process of the test below"]
fn child_writes_lives_after_waiting() {
    let Some(directory) = child::directory() else { return };
    let clock = Clock::manual(1_000);
    let builder = builder().memtable_size(64 << 10).clock(clock.clone());
    let store = builder.build(directory.join("db")).unwrap();
    let life = ms(1_000);
    store.put(b"expiring", b"0").unwrap();
    let transaction = store.transaction().unwrap();
    transaction.put_with_ttl(b"by transaction", b"1", life).unwrap();
    transaction.put(b"and another", b"1").unwrap();
    let mut batch = SledBatch::new();
    batch.put_with_ttl(b"by batch", b"1", life).unwrap();
    batch.put(b"and one more", b"1").unwrap();
    inject::begin();
    let made = std::sync::atomic::AtomicU64::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..20_u64 {
                store.put(&number.to_be_bytes(), &[1; 50 << 10]).unwrap();
                made.fetch_add(1, Ordering::SeqCst);
            }
        });
        inject::wait_for_a_hit();
        // Until that one waits, and so does everybody else.
        let mut before = u64::MAX;
        while before != made.load(Ordering::SeqCst) {
            before = made.load(Ordering::SeqCst);
            thread::sleep(ms(200));
        }
        assert!(before < 20, "nobody waits for the checkpoint");
        scope.spawn(|| transaction.commit().unwrap());
        scope.spawn(|| store.apply(&batch).unwrap());
        scope.spawn(|| store.put_with_ttl(b"put", b"1", life).unwrap());
        scope.spawn(|| store.expire(b"expiring", life).unwrap());
        // Whoever has not come to wait by then begins later, and has its whole life all the same.
        thread::sleep(ms(300));
        clock.advance(10 * life);
        inject::disarm();
    });
    for key in ["by transaction", "by batch", "put", "expiring"] {
        assert_eq!(store.ttl(key.as_bytes()).unwrap(), Some(life), "{key}");
    }
    store.close().unwrap();
    child::say("passed");
}

#[test]
fn a_life_begins_when_the_write_is_made_and_not_before_the_checkpoint_is_waited_for() {
    let fault = Fault::hang(Kind::Fsync).of(Files::Engine);
    passes("waits::child_writes_lives_after_waiting", fault);
}
