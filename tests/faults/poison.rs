//! What a store still does after a failure, and what it does when the disk answers nothing at all.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use sledstore::{Reason, SledStore, SledStoreBuilder, StoreError};

use crate::common::{assert_failed, child, rows, scratch};
use crate::inject::{self, passes, Fault, Files, Kind};
use crate::life::{is_poisoned, kind_of};

/// How long a flush waits in these tests for a disk that never answers. A disk that is only busy answers sooner.
const PATIENCE: Duration = Duration::from_secs(3);

fn builder() -> SledStoreBuilder {
    SledStoreBuilder::new().patience(PATIENCE).flush_never()
}

fn open(directory: &Path) -> SledStore {
    builder().build(directory.join("db")).unwrap()
}

#[test]
#[ignore = "runs as a child process of the tests below"]
fn child_drops_a_keyspace_on_a_disk_that_fails() {
    let Some(directory) = child::directory() else { return };
    let store = open(&directory);
    let named = store.keyspace("named").unwrap();
    named.put(b"a", b"1").unwrap();
    store.flush().unwrap();
    inject::begin();
    let error = store.put(b"b", b"2").and_then(|()| store.flush()).expect_err("the disk fails");
    let refused = store.drop_keyspace("named").expect_err("no write is acknowledged");
    assert_eq!(kind_of(&refused), kind_of(&error));
    assert_eq!(named.get(b"a").unwrap().as_deref(), Some(&b"1"[..]), "it is still there");
    assert_eq!(rows(&named).len(), 1);
    drop(named);
    drop(store.close());
    inject::disarm();
    let store = open(&directory);
    assert_eq!(rows(&store.keyspace("named").unwrap()).len(), 1);
    store.close().unwrap();
    child::say("passed");
}

#[test]
fn a_drop_that_is_refused_leaves_the_keyspace_readable() {
    for kind in [Kind::Pwrite, Kind::Fdatasync] {
        let fault = Fault { times: 0, ..Fault::none(kind).of(Files::Log) };
        passes("poison::child_drops_a_keyspace_on_a_disk_that_fails", fault);
    }
}

#[test]
fn a_batch_without_changes_is_no_write() {
    let directory = scratch();
    let store = SledStoreBuilder::new().build(directory.path().join("db")).unwrap();
    store.apply(&sledstore::SledBatch::new()).unwrap();
    store.batch_write(&[]).unwrap();
    store.batch_delete(&[]).unwrap();
    assert_eq!(store.count().unwrap(), 0);
    store.close().unwrap();
}

/// The store has been told that the disk does not answer: nothing waits for it again.
fn is_over(store: SledStore, error: &StoreError) {
    assert_failed::<()>(Err(error.clone()), Reason::TimedOut);
    let mirror = store.keyspace("mirror").unwrap();
    let begun = Instant::now();
    is_poisoned(&store, &mirror, error);
    assert_eq!(store.get(b"a").unwrap().as_deref(), Some(&b"1"[..]), "reads go on");
    drop(mirror);
    assert_failed(store.close(), Reason::TimedOut);
    // Each wait has its limit, and only the close waits here; far more is a hang.
    assert!(begun.elapsed() < 10 * PATIENCE, "{:?}", begun.elapsed());
}

#[test]
#[ignore = "runs as a child process of the tests below"]
fn child_flushes_to_a_disk_that_stops_answering() {
    let Some(directory) = child::directory() else { return };
    let store = open(&directory);
    drop(store.keyspace("mirror").unwrap());
    store.put(b"a", b"1").unwrap();
    store.flush().unwrap();
    inject::begin();
    store.put(b"b", b"2").unwrap();
    let error = store.flush().unwrap_err();
    is_over(store, &error);
    inject::disarm();
    let store = builder().lock_timeout(10 * PATIENCE).build(directory.join("db")).unwrap();
    assert_eq!(rows(&store).len(), 2, "the power was not cut");
    store.close().unwrap();
    child::say("passed");
}

#[test]
fn a_sync_that_never_ends_times_out_and_nothing_waits_again() {
    let fault = Fault::hang(Kind::Fdatasync).of(Files::Log);
    passes("poison::child_flushes_to_a_disk_that_stops_answering", fault);
}

#[test]
#[ignore = "runs as a child process of the tests below"]
fn child_checkpoints_on_a_disk_that_stops_answering() {
    let Some(directory) = child::directory() else { return };
    let store = open(&directory);
    drop(store.keyspace("mirror").unwrap());
    store.put(b"a", b"1").unwrap();
    store.compact().unwrap();
    inject::begin();
    store.put(b"b", b"2").unwrap();
    store.flush().expect("it is in the log");
    let error = store.compact().unwrap_err();
    is_over(store, &error);
    inject::disarm();
    let store = builder().lock_timeout(10 * PATIENCE).build(directory.join("db")).unwrap();
    assert_eq!(rows(&store).len(), 2, "the log has it");
    store.close().unwrap();
    child::say("passed");
}

#[test]
fn a_checkpoint_that_never_ends_times_out_and_nothing_waits_again() {
    for kind in [Kind::Pwrite, Kind::Fsync] {
        let fault = Fault::hang(kind).of(Files::Engine);
        passes("poison::child_checkpoints_on_a_disk_that_stops_answering", fault);
    }
}

#[test]
#[ignore = "runs as a child process of the tests below"]
fn child_closes_on_a_disk_that_stops_answering() {
    let Some(directory) = child::directory() else { return };
    let store = open(&directory);
    store.put(b"a", b"1").unwrap();
    inject::begin();
    let begun = Instant::now();
    assert_failed(store.close(), Reason::TimedOut);
    assert!(begun.elapsed() < 10 * PATIENCE, "{:?}", begun.elapsed());
    inject::disarm();
    let store = builder().lock_timeout(10 * PATIENCE).build(directory.join("db")).unwrap();
    assert_eq!(rows(&store).len(), 1);
    store.close().unwrap();
    child::say("passed");
}

#[test]
fn a_close_on_a_disk_that_stops_answering_times_out() {
    for kind in [Kind::Pwrite, Kind::Fsync] {
        let fault = Fault::hang(kind).of(Files::Engine);
        passes("poison::child_closes_on_a_disk_that_stops_answering", fault);
    }
}

#[test]
#[ignore = "runs as a child process of the tests below"]
fn child_is_dropped_on_a_disk_that_stops_answering() {
    let Some(directory) = child::directory() else { return };
    let store = open(&directory);
    let mirror = store.keyspace("mirror").unwrap();
    inject::begin();
    store.put(b"number", b"1").unwrap();
    assert_failed(store.flush(), Reason::TimedOut);
    drop((mirror, store));
    // The threads that wait still hold the store; nobody may open it beside them.
    let again = builder().build(directory.join("db"));
    assert!(again.is_err(), "two of them would write to one log");
    inject::disarm();
    let again = builder().lock_timeout(Duration::from_secs(60)).build(directory.join("db"));
    assert_eq!(again.expect("the disk answers again").count().unwrap(), 1);
    child::say("passed");
}

#[test]
fn a_store_that_hangs_is_locked_until_the_disk_answers_again() {
    let fault = Fault::hang(Kind::Fdatasync).of(Files::Log);
    passes("poison::child_is_dropped_on_a_disk_that_stops_answering", fault);
}

#[test]
#[ignore = "runs as a child process of the tests below"]
fn child_has_a_store_beside_one_that_hangs() {
    let Some(directory) = child::directory() else { return };
    let elsewhere = scratch();
    let hangs = open(&directory);
    let beside = open(elsewhere.path());
    hangs.put(b"a", b"1").unwrap();
    let both: [(&[u8], &[u8]); 2] = [(b"a", b"1"), (b"b", b"1")];
    inject::begin();
    thread::scope(|scope| {
        let flush = scope.spawn(|| hangs.flush().and_then(|()| hangs.compact()));
        inject::wait_for_a_hit();
        for number in 0..200_u64 {
            beside.put(b"number", &number.to_be_bytes()).unwrap();
            assert_eq!(beside.get(b"number").unwrap().unwrap(), number.to_be_bytes());
            beside.batch_write(&both).unwrap();
        }
        beside.flush().unwrap();
        beside.compact().unwrap();
        assert_eq!(hangs.get(b"a").unwrap().as_deref(), Some(&b"1"[..]));
        assert_failed(flush.join().unwrap(), Reason::TimedOut);
    });
    beside.put(b"number", b"it has not failed").unwrap();
    beside.flush().unwrap();
    assert_eq!(rows(&beside).len(), 3);
    beside.close().unwrap();
    inject::disarm();
    drop(hangs.close());
    child::say("passed");
}

#[test]
fn a_store_beside_one_that_hangs_goes_on_and_has_not_failed() {
    let part = "poison::child_has_a_store_beside_one_that_hangs";
    passes(part, Fault::hang(Kind::Fdatasync).of(Files::Log));
    // The other's checkpoint hangs.
    passes(part, Fault::hang(Kind::Fsync).of(Files::Engine));
}
