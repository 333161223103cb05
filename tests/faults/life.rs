//! The life of a store in a child process in which some call fails, and what is found afterwards.
//!
//! What must hold, whatever fails: a write that is refused has changed nothing, and the store goes
//! on with the next one, unless it is the store itself that is over; then every later write and
//! flush says so. Reads show what was acknowledged and nothing else, before and after reopening.

use std::path::Path;
use std::time::Duration;

use sledstore::{Failure, SledStore, SledStoreBuilder, StoreError};

use crate::common::{child, flushing, scratch, Result};
use crate::inject::{self, Fault};
use crate::workload::{make, Content};

pub const STEPS: u64 = 90;
const STEPS_PER_FLUSH: u64 = 7;

/// A disk that refuses so many writes one after the other takes no more.
const REFUSALS: usize = 4;

/// How often a child syncs by itself, in milliseconds.
const FLUSH_EVERY: &str = "SLEDSTORE_TEST_FLUSH_EVERY";

/// How long a child's flush waits. Far below what the parent takes for a hang, far above any honest
/// flush, so that a flush that runs into it shows as one with the wrong reason.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a child told of its store's life.
#[derive(Debug, Default)]
pub struct Life {
    /// Steps that were acknowledged.
    pub made: u64,
    /// The failures, in order: of which call, and why.
    pub failures: Vec<(String, String)>,
    /// How often a write was refused and a later one was made.
    pub revivals: u64,
    /// How many calls of the kind there were, and how many of them failed.
    pub calls: u64,
    pub hits: u64,
}

/// What tells errors apart.
pub fn kind_of(error: &StoreError) -> String {
    match (error, Failure::of(error)) {
        (_, Some(failure)) => format!("{:?} {:?}", failure.reason(), failure.os_code()),
        (StoreError::Corruption(_), _) => "Corruption".to_owned(),
        _ => "other kind".to_owned(),
    }
}

fn tell_failure(what: &str, error: &StoreError) {
    let why = format!("{}: {error}", kind_of(error)).replace('\n', " ");
    child::say(&format!("failed {what}: {why}"));
}

fn builder() -> SledStoreBuilder {
    let every = std::env::var(FLUSH_EVERY).ok().and_then(|every| every.parse::<u64>().ok());
    let builder = flushing(SledStoreBuilder::new(), every).patience(PATIENCE);
    // Small segments and memtables, so that even these few changes fill some, and begin others.
    builder.segment_size(128 << 10).memtable_size(64 << 10)
}

#[test]
#[ignore = "runs as a child process of other tests"]
fn child_lives() {
    let Some(directory) = child::directory() else { return };
    let path = directory.join("db");
    match live(&path) {
        Ok(()) => {}
        Err(error) => tell_failure("open", &error),
    }
    let (calls, hits) = inject::calls_and_hits();
    child::say(&format!("calls {calls} {hits}"));
    inject::disarm();
    // The cause is gone: the same process can open the store again.
    let store = builder().lock_timeout(PATIENCE).build(&path).expect("reopen in the same process");
    let mirror = store.keyspace("mirror").expect("a keyspace, where nothing fails any more");
    let content = Content::of(&store, &mirror).expect("reading, where nothing fails any more");
    child::say(&format!("reopened {}", content.len()));
    drop(mirror);
    store.close().expect("close, where nothing fails any more");
    child::say("done");
}

/// From opening to closing. Answers with the error of opening; others are told on the way.
fn live(path: &Path) -> Result<()> {
    let store = builder().build(path)?;
    let mirror = store.keyspace("mirror")?;
    let mut made = Content::of(&store, &mirror)?.steps(0, STEPS).expect("some of the steps");
    let mut refusals = 0;
    let mut is_over = false;
    while made < STEPS && refusals < REFUSALS && !is_over {
        match make(&store, &mirror, made) {
            Ok(()) => {
                made += 1;
                child::say(&format!("made {made}"));
                if refusals > 0 {
                    child::say("revived");
                }
                refusals = 0;
            }
            Err(error) => {
                tell_failure("write", &error);
                refusals += 1;
                shows(&store, &mirror, made);
            }
        }
        if refusals > 0 || made % STEPS_PER_FLUSH == 0 {
            if let Err(error) = store.flush() {
                tell_failure("flush", &error);
                is_poisoned(&store, &mirror, &error);
                is_over = true;
            }
        }
    }
    shows(&store, &mirror, made);
    drop(mirror);
    match store.close() {
        Ok(()) => assert!(!is_over, "close says nothing of what every flush has said"),
        Err(error) => tell_failure("close", &error),
    }
    Ok(())
}

/// What was acknowledged can be read, and nothing of what was refused. Reading itself may fail.
fn shows(store: &SledStore, mirror: &SledStore, made: u64) {
    match Content::of(store, mirror) {
        Ok(content) => {
            let shown = content.steps(0, STEPS);
            assert!(content == Content::after(made), "{shown:?} of {made} steps are shown");
        }
        Err(error) => tell_failure("read", &error),
    }
}

/// Every way to write answers with the first error, or with what it was about.
pub fn is_poisoned(store: &SledStore, mirror: &SledStore, first: &StoreError) {
    let life = Duration::from_secs(1000);
    let mut batch = sledstore::SledBatch::new();
    batch.put(b"later", b"a").unwrap();
    batch.put_in(mirror, b"later", b"b").unwrap();
    let key = u64::MAX.to_be_bytes();
    let answers = [
        ("put", store.put(b"later", b"value")),
        ("put_with_ttl", mirror.put_with_ttl(b"later", b"value", life)),
        ("a put in place of another", store.put(&key, b"value")),
        ("a batch over two keyspaces", store.apply(&batch)),
        ("batch_write", store.batch_write(&[(b"later", b"value"), (b"even later", b"value")])),
        ("a transaction", store.transact(|transaction| transaction.put(b"later", b"value"))),
        ("flush", store.flush()),
        ("put again", mirror.put(b"later", b"value")),
    ];
    for (what, answer) in answers {
        let error = answer.expect_err(what);
        assert_eq!(kind_of(&error), kind_of(first), "{what} answers with {error}, not {first}");
    }
    // Reading the engine can fail too; but it tells nothing wrong.
    let later = store.get(b"later").ok().flatten();
    assert_ne!(later.as_deref(), Some(&b"value"[..]), "it was refused");
    for _ in 0..2 {
        let made = store.keyspace("made after the failure");
        assert!(made.is_err(), "a new keyspace is a write too");
    }
}

/// Makes the first `steps` steps in a store that nothing happens to.
pub fn prepare(directory: &Path, steps: u64) {
    let store = builder().build(directory.join("db")).unwrap();
    let mirror = store.keyspace("mirror").unwrap();
    (0..steps).for_each(|step| make(&store, &mirror, step).unwrap());
    drop(mirror);
    store.close().unwrap();
}

/// How a store lives in [`run`].
#[derive(Debug, Clone, Copy, Default)]
pub struct Habits {
    /// Steps that are made before, by another process where nothing fails.
    pub prepared: u64,
    /// In milliseconds.
    pub flush_every: Option<u64>,
    /// Whether a write that fails has written its first half.
    pub by_halves: bool,
}

/// Runs a life with `fault` in `directory`, and checks afterwards, where nothing fails, that all that was
/// acknowledged is there and nothing else. The power stays on, so a flush is not needed for that.
pub fn run(directory: &Path, habits: Habits, fault: Fault) -> Life {
    let notes = scratch();
    let complaints = notes.path().join("stderr");
    let every = habits.flush_every.map(|every| every.to_string());
    let mut settings: Vec<_> = every.iter().map(|every| (FLUSH_EVERY, &**every)).collect();
    settings.extend(habits.by_halves.then_some(("FAULT_HALF", "1")));
    let mut process = inject::start("life::child_lives", directory, fault, &settings, &complaints);
    let mut life = Life { made: habits.prepared, ..Life::default() };
    let mut done = false;
    while let Some(message) = process.next_message() {
        let (word, rest) = message.split_once(' ').unwrap_or((&message, ""));
        match word {
            "made" => life.made = rest.parse().expect("a number"),
            "revived" => life.revivals += 1,
            "calls" => {
                let (calls, hits) = rest.split_once(' ').expect("two numbers");
                life.calls = calls.parse().expect("a number");
                life.hits = hits.parse().expect("a number");
            }
            "failed" => {
                let (what, why) = rest.split_once(": ").expect("what and why");
                life.failures.push((what.to_owned(), why.to_owned()));
            }
            "reopened" => {}
            "done" => done = true,
            _ => panic!("the child says {message:?}"),
        }
    }
    let printed = || std::fs::read_to_string(&complaints).expect("what the child printed");
    let status = process.finish();
    assert!(done && status.success(), "{fault:?}: {status}, {life:?}\n{}", printed());
    let panics = inject::printed_panics(&complaints);
    assert!(panics.is_empty(), "{fault:?}: {panics:?}");

    let path = directory.join("db");
    let store = builder().lock_timeout(PATIENCE).build(&path).expect("reopen in another process");
    let mirror = store.keyspace("mirror").unwrap();
    let content = Content::of(&store, &mirror).unwrap();
    let steps = content.steps(0, STEPS);
    let is_right = content == Content::after(life.made);
    assert!(is_right, "{fault:?}: {steps:?} steps are there of {life:?}\n{}", printed());
    drop(mirror);
    store.close().unwrap();
    life
}
