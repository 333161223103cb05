//! What a store still does after a failure, and what it does when the disk answers nothing at all.

use std::time::{Duration, Instant};

use sledstore::{Reason, SledStoreBuilder};

use crate::common::{assert_failed, child, rows, scratch};
use crate::inject::{self, Fault, Kind};
use crate::life::is_poisoned;

/// How long a flush waits in these tests for a disk that never answers. A disk that is only busy answers sooner.
const PATIENCE: Duration = Duration::from_secs(5);

/// Runs the child `part` in a directory of its own until it says that it has passed.
fn passes(part: &str, fault: Fault) {
    let directory = scratch();
    let notes = scratch();
    let complaints = notes.path().join("stderr");
    let mut process = inject::start(part, directory.path(), fault, &[], &complaints);
    let message = process.next_message();
    let printed = std::fs::read_to_string(&complaints).unwrap();
    assert_eq!(message.as_deref(), Some("passed"), "{part}\n{printed}");
    assert!(process.finish().success(), "{part} ended badly after its last check");
    assert_eq!(inject::foreign_panics(&complaints), [""; 0]);
}

#[test]
#[ignore = "runs as a child process of the test below"]
fn child_drops_a_keyspace_on_a_disk_that_fails() {
    let Some(directory) = child::directory() else { return };
    let store = SledStoreBuilder::new().build(directory.join("db")).unwrap();
    let named = store.keyspace("named").unwrap();
    named.put(b"a", b"1").unwrap();
    // This process has no store without a fault: the first flush that fails is what it waits for.
    let error = loop {
        let written = store.put(b"number", &inject::calls_and_hits().0.to_be_bytes());
        if let Err(error) = written.and_then(|()| store.flush()) {
            break error;
        }
    };
    let refused = store.drop_keyspace("named").expect_err("no write is acknowledged");
    assert_eq!(refused.to_string(), error.to_string());
    assert_eq!(named.get(b"a").unwrap().as_deref(), Some(&b"1"[..]), "it is still there");
    assert_eq!(rows(&named).len(), 1);
    drop(named);
    drop(store.close());
    child::say("passed");
}

#[test]
fn a_batch_without_changes_is_no_write() {
    let directory = scratch();
    let store = SledStoreBuilder::new().build(directory.path().join("db")).unwrap();
    // The engine's transactions panic over no tree at all.
    store.apply(&sledstore::SledBatch::new()).unwrap();
    store.batch_write(&[]).unwrap();
    store.batch_delete(&[]).unwrap();
    assert_eq!(store.count().unwrap(), 0);
    store.close().unwrap();
}

#[test]
fn a_drop_that_is_refused_leaves_the_keyspace_readable() {
    let fault = Fault { kind: Kind::Pwrite, first: 40, times: 0, errno: libc::EIO };
    passes("poison::child_drops_a_keyspace_on_a_disk_that_fails", fault);
}

#[test]
#[ignore = "runs as a child process of the tests below"]
fn child_writes_to_a_disk_that_stops_answering() {
    let Some(directory) = child::directory() else { return };
    let builder = SledStoreBuilder::new().patience(PATIENCE).flush_every_ms(None);
    let store = builder.build(directory.join("db")).unwrap();
    let mirror = store.keyspace("mirror").unwrap();
    store.put(b"a", b"1").unwrap();
    let error = loop {
        let written = store.put(b"number", &inject::calls_and_hits().0.to_be_bytes());
        if let Err(error) = written.and_then(|()| store.flush()) {
            break error;
        }
    };
    assert_failed::<()>(Err(error.clone()), Reason::TimedOut);
    assert_eq!(store.get(b"a").unwrap().as_deref(), Some(&b"1"[..]), "reads go on");
    let begun = Instant::now();
    is_poisoned(&store, &mirror, &error);
    assert_eq!(rows(&store).len(), 2);
    drop(mirror);
    let told = store.close().expect_err("what was written last is on no disk");
    assert_eq!(told.to_string(), error.to_string());
    // Each wait has its limit, and only the close waits here; far more is a hang.
    assert!(begun.elapsed() < 15 * PATIENCE, "{:?}", begun.elapsed());
    child::say("passed");
}

#[test]
#[ignore = "runs as a child process of the test below"]
fn child_commits_to_a_disk_that_stops_answering() {
    let Some(directory) = child::directory() else { return };
    let builder = SledStoreBuilder::new().patience(PATIENCE).flush_every_ms(None);
    let store = builder.build(directory.join("db")).unwrap();
    // Nobody flushes: it is the batch itself that waits.
    let commit = |number: u64| store.batch_write(&[(b"a", &number.to_be_bytes()), (b"b", b"")]);
    let error = (0..).find_map(|number| commit(number).err()).unwrap();
    assert_failed::<()>(Err(error.clone()), Reason::TimedOut);
    let begun = Instant::now();
    for number in 0..1_000 {
        assert_eq!(commit(number).unwrap_err().to_string(), error.to_string());
    }
    assert!(begun.elapsed() < 10 * PATIENCE, "{:?}", begun.elapsed());
    drop(store.close());
    child::say("passed");
}

#[test]
fn a_batch_for_which_the_disk_never_makes_room_times_out_once() {
    let fault = Fault { kind: Kind::Fsync, first: 30, times: 0, errno: 0 };
    passes("poison::child_commits_to_a_disk_that_stops_answering", fault);
}

#[test]
fn a_sync_that_never_ends_times_out_and_nothing_waits_again() {
    let fault = Fault { kind: Kind::Fsync, first: 30, times: 0, errno: 0 };
    passes("poison::child_writes_to_a_disk_that_stops_answering", fault);
}

#[test]
fn a_write_that_never_ends_times_out_and_nothing_waits_again() {
    let fault = Fault { kind: Kind::Pwrite, first: 30, times: 0, errno: 0 };
    passes("poison::child_writes_to_a_disk_that_stops_answering", fault);
}

#[test]
#[ignore = "runs as a child process of the test below"]
fn child_is_dropped_on_a_disk_that_stops_answering() {
    let Some(directory) = child::directory() else { return };
    let builder = SledStoreBuilder::new().patience(PATIENCE).flush_every_ms(None);
    let store = builder.clone().build(directory.join("db")).unwrap();
    let mirror = store.keyspace("mirror").unwrap();
    let written = |number: u64| store.put(b"number", &number.to_be_bytes());
    let failed = (0..).find_map(|number| written(number).and_then(|()| store.flush()).err());
    assert_failed::<()>(Err(failed.unwrap()), Reason::TimedOut);
    drop((mirror, store));
    // The threads that wait still hold the log; nobody may open it beside them.
    let again = builder.clone().build(directory.join("db"));
    assert!(again.is_err(), "two of them would write to one log");
    inject::disarm();
    let again = builder.lock_timeout(Duration::from_secs(60)).build(directory.join("db"));
    assert_eq!(again.expect("the disk answers again").count().unwrap(), 1);
    child::say("passed");
}

#[test]
fn a_store_that_hangs_is_locked_until_the_disk_answers_again() {
    let fault = Fault { kind: Kind::Fsync, first: 30, times: 0, errno: 0 };
    passes("poison::child_is_dropped_on_a_disk_that_stops_answering", fault);
}

#[test]
#[ignore = "runs as a child process of the test below"]
fn child_has_a_store_beside_one_that_hangs() {
    let Some(directory) = child::directory() else { return };
    let elsewhere = scratch();
    let builder = SledStoreBuilder::new().patience(PATIENCE).flush_every_ms(None);
    let hangs = builder.clone().build(directory.join("db")).unwrap();
    let beside = builder.clone().build(elsewhere.path().join("db")).unwrap();
    hangs.put(b"a", b"1").unwrap();
    let both: [(&[u8], &[u8]); 2] = [(b"a", b"1"), (b"b", b"1")];
    inject::begin_with(inject::calls_and_hits().0 + 1);
    std::thread::scope(|scope| {
        let flush = scope.spawn(|| hangs.flush());
        while inject::calls_and_hits().1 == 0 {
            std::thread::yield_now();
        }
        // The engine's one lock is with the flush. A batch would wait for it, and everything else for that.
        let batch = scope.spawn(|| beside.batch_write(&both));
        for number in 0..1_000_u64 {
            beside.put(b"number", &number.to_be_bytes()).unwrap();
            assert_eq!(beside.get(b"number").unwrap().unwrap(), number.to_be_bytes());
            // No batch to the engine.
            beside.batch_write(&both[..1]).unwrap();
        }
        beside.flush().unwrap();
        assert_eq!(hangs.get(b"a").unwrap().as_deref(), Some(&b"1"[..]));
        assert_failed(flush.join().unwrap(), Reason::TimedOut);
        assert_failed(batch.join().unwrap(), Reason::TimedOut);
    });
    beside.put(b"number", b"it has not failed").unwrap();
    beside.flush().unwrap();
    inject::disarm();
    while beside.batch_write(&both).is_err() {
        std::thread::yield_now();
    }
    assert_eq!(rows(&beside).len(), 3);
    beside.close().unwrap();
    drop(hangs.close());
    child::say("passed");
}

#[test]
fn a_store_beside_one_that_hangs_goes_on_and_has_not_failed() {
    passes(
        "poison::child_has_a_store_beside_one_that_hangs",
        Fault { errno: 0, times: 0, ..Fault::none(Kind::Fsync) },
    );
}
