//! Whoever waits for a buffer of the engine's log that is never written is told. The engine alone sets a mark
//! for its threads where a buffer fails that a batch has ended, and wakes nobody to look at it.

use std::time::Duration;

use sledstore::SledStoreBuilder;

use crate::common::{child, scratch};
use crate::inject::{self, Fault, Files, Kind};
use crate::life::is_poisoned;

/// How long the failing write takes; the buffer behind it is on the disk by then, and wakes who waits.
const LATE: Duration = Duration::from_secs(3);

/// A flush that is not over so long after the write has failed waits for ever.
const PATIENCE: Duration = Duration::from_secs(15);

#[test]
#[ignore = "runs as a child process of the test below"]
fn child_flushes_with_the_engine_alone() {
    let Some(directory) = child::directory() else { return };
    let db = sled::Config::new().path(directory.join("db")).flush_every_ms(None).open().unwrap();
    db.insert("a", "1").unwrap();
    db.flush().unwrap();
    inject::begin();
    let mut batch = sled::Batch::default();
    batch.insert("a", "2");
    db.apply_batch(batch).unwrap();
    child::say("flushes");
    drop(db.flush());
    child::say("has flushed");
}

#[test]
#[ignore = "runs as a child process of the test below"]
fn child_checkpoints() {
    let Some(directory) = child::directory() else { return };
    let builder = SledStoreBuilder::new().flush_never().patience(2 * PATIENCE);
    let store = builder.build(directory.join("db")).unwrap();
    let mirror = store.keyspace("mirror").unwrap();
    store.put(b"a", b"1").unwrap();
    store.compact().unwrap();
    inject::begin();
    store.batch_write(&[(b"a", b"2"), (b"b", b"2")]).unwrap();
    child::say("settles");
    let error = store.compact().expect_err("a buffer was not written");
    assert_eq!(inject::calls_and_hits().1, 1);
    child::say("has settled");
    // The engine's one lock is free: other stores of the process go on.
    let other = SledStoreBuilder::new().build(directory.join("other")).unwrap();
    other.batch_write(&[(b"a", b"1"), (b"b", b"1")]).unwrap();
    other.close().unwrap();
    is_poisoned(&store, &mirror, &error);
    assert_eq!(store.get(b"a").unwrap().as_deref(), Some(&b"2"[..]), "reads go on");
    drop(mirror);
    let closed = store.close().expect_err("the batch is not settled");
    assert_eq!(closed.to_string(), error.to_string());
    let builder = SledStoreBuilder::new().lock_timeout(PATIENCE);
    let store = builder.build(directory.join("db")).unwrap();
    assert_eq!(store.get(b"a").unwrap().as_deref(), Some(&b"2"[..]), "it was acknowledged");
    assert_eq!(store.get(b"b").unwrap().as_deref(), Some(&b"2"[..]), "the batch is whole");
    store.close().unwrap();
    child::say("passed");
}

/// What the child says until it ends, or waits for longer than it should; and what it prints.
fn run(part: &str, late: Duration) -> (Vec<String>, String) {
    let (directory, notes) = (scratch(), scratch());
    let complaints = notes.path().join("stderr");
    let late_in_micros = late.as_micros().to_string();
    let settings = [("FAULT_LATE", late_in_micros.as_str())];
    let fault = Fault::none(Kind::Pwrite).of(Files::Engine);
    let mut process = inject::start(part, directory.path(), fault, &settings, &complaints);
    let mut said = Vec::new();
    while let Ok(Some(message)) = process.next_message_within(late + PATIENCE) {
        said.push(message);
    }
    (said, std::fs::read_to_string(complaints).expect("what the child printed"))
}

#[test]
fn a_checkpoint_that_waits_for_a_buffer_that_fails_is_woken_and_told() {
    let (said, printed) = run("lost_wakeups::child_checkpoints", LATE);
    assert_eq!(said, ["settles", "has settled", "passed"], "{printed}");
}

/// If this fails, the test above proves nothing. Where the disk or the machine is so busy that the other buffer
/// is not written before the first has failed, the flush comes back: so it tries again with more time.
#[test]
fn the_engine_alone_waits_for_ever_for_a_buffer_that_fails() {
    let waits = |late| {
        let (said, printed) = run("lost_wakeups::child_flushes_with_the_engine_alone", late);
        assert_eq!(said.first().map(String::as_str), Some("flushes"), "{printed}");
        said.len() == 1
    };
    assert!((1..=5).any(|times| waits(times * LATE)), "the flush came back every time");
}
