//! The life of a store in a child process in which some call fails, and what is found afterwards.

use std::fmt::Display;
use std::path::Path;
use std::time::Duration;

use sledstore::{Failure, SledStore, SledStoreBuilder, StoreError};

use crate::common::{child, scratch, Result};
use crate::inject::{self, Fault};
use crate::workload::{make, Content};

pub const STEPS: u64 = 90;
const STEPS_PER_FLUSH: u64 = 7;

/// How often the engine flushes by itself in a child, in milliseconds.
const FLUSH_EVERY: &str = "SLEDSTORE_TEST_FLUSH_EVERY";

/// How long a child's flush waits. Far below what the parent takes for a hang, far above any honest
/// flush, so that a flush that runs into it shows as one with the wrong reason.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a child told of its store's life.
#[derive(Debug, Default)]
pub struct Life {
    /// Steps that were acknowledged as durable.
    pub durable: u64,
    /// Steps that were acknowledged.
    pub made: u64,
    /// The failures, in order: of which call, and why.
    pub failures: Vec<(String, String)>,
    /// How many calls of the kind there were, and how many of them failed.
    pub calls: u64,
    pub hits: u64,
}

/// An error as one line: what tells errors apart, and the text.
fn describe(error: &StoreError) -> String {
    let kind = match (error, Failure::of(error)) {
        (_, Some(failure)) => format!("{:?} {:?}", failure.reason(), failure.os_code()),
        (StoreError::Corruption(_), _) => "Corruption".to_owned(),
        _ => "other kind".to_owned(),
    };
    format!("{kind}: {error}").replace('\n', " ")
}

fn tell_failure(what: &str, error: &StoreError) {
    child::say(&format!("failed {what}: {}", describe(error)));
}

fn builder() -> SledStoreBuilder {
    let every = std::env::var(FLUSH_EVERY).ok().and_then(|every| every.parse::<u64>().ok());
    let builder = SledStoreBuilder::new().flush_every_ms(every.unwrap_or(500)).patience(PATIENCE);
    // Small segments, so that even these few changes fill some, and begin others.
    builder.segment_size(128 << 10)
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
    let before = Content::of(&store, &mirror)?.steps(0, STEPS).expect("some of the steps");
    let mut made = before;
    let mut first_error = None;
    for step in before..STEPS {
        if let Err(error) = make(&store, &mirror, step) {
            first_error = Some(("write", error));
            break;
        }
        made = step + 1;
        child::say(&format!("made {made}"));
        if made % STEPS_PER_FLUSH == 0 {
            if let Err(error) = store.flush() {
                first_error = Some(("flush", error));
                break;
            }
            child::say(&format!("durable {made}"));
        }
    }
    if let Some((what, error)) = first_error {
        tell_failure(what, &error);
        is_poisoned(&store, &mirror, &error);
    }
    match Content::of(&store, &mirror) {
        Ok(content) => {
            let strange = content.strange(made);
            assert!(strange.is_empty(), "reads are right after {made} steps: {strange:?}");
        }
        Err(error) => tell_failure("read", &error),
    }
    drop(mirror);
    match store.close() {
        Ok(()) => child::say(&format!("durable {made}")),
        Err(error) => tell_failure("close", &error),
    }
    Ok(())
}

/// Every way to write answers with the first error.
pub fn is_poisoned(store: &SledStore, mirror: &SledStore, first: &impl Display) {
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
        ("flush", store.flush()),
        ("compact", store.compact()),
        ("put again", mirror.put(b"later", b"value")),
    ];
    for (what, answer) in answers {
        let error = answer.expect_err(what);
        assert_eq!(error.to_string(), first.to_string(), "{what} answers with the first error");
    }
    // Reading can make the engine write, and then it can fail too; but it tells nothing wrong.
    assert_ne!(
        store.get(b"later").ok().flatten().as_deref(),
        Some(&b"value"[..]),
        "it was refused"
    );
    assert!(store.keyspace("made after the failure").is_err(), "a new keyspace is a write too");
}

/// Makes the first `steps` steps in a store that nothing happens to.
pub fn prepare(directory: &Path, steps: u64) {
    let store = builder().build(directory.join("db")).unwrap();
    let mirror = store.keyspace("mirror").unwrap();
    (0..steps).for_each(|step| make(&store, &mirror, step).unwrap());
    drop(mirror);
    store.close().unwrap();
}

/// Runs a life with `fault` in `directory`, after `prepared` steps, and checks afterwards, where nothing fails, that what
/// was acknowledged as durable is there and that nothing is there by halves.
pub fn run(directory: &Path, prepared: u64, fault: Fault, flush_every: u64) -> Life {
    let notes = scratch();
    let complaints = notes.path().join("stderr");
    let settings = [(FLUSH_EVERY, &*flush_every.to_string())];
    let mut process = inject::start("life::child_lives", directory, fault, &settings, &complaints);
    let mut life = Life { durable: prepared, made: prepared, ..Life::default() };
    let mut done = false;
    while let Some(message) = process.next_message() {
        let (word, rest) = message.split_once(' ').unwrap_or((&message, ""));
        let number = || rest.parse().expect("a number");
        match word {
            "made" => life.made = number(),
            "durable" => life.durable = number(),
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
    let panics = inject::foreign_panics(&complaints);
    assert!(panics.is_empty(), "{fault:?}: {panics:?}");

    let path = directory.join("db");
    let store = builder().lock_timeout(PATIENCE).build(&path).expect("reopen in another process");
    let mirror = store.keyspace("mirror").unwrap();
    let content = Content::of(&store, &mirror).unwrap();
    // The step after those that were acknowledged may have failed after it was made.
    let steps = content.steps(life.durable, STEPS.min(life.made + 1));
    let steps = steps.unwrap_or_else(|| {
        let any = content.steps(0, STEPS);
        panic!("{fault:?}: {any:?} steps are there of {life:?}\n{}", printed())
    });
    assert!(steps >= life.durable);
    drop(mirror);
    store.close().unwrap();
    life
}
