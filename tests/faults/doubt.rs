//! After a write that failed in its middle nobody is shown half of it: its keys answer with the
//! first error until the store is opened again, and after a large batch all keys do.

use std::path::Path;
use std::time::Duration;

use sledstore::{Result, SledBatch, SledStore, SledStoreBuilder};

use crate::common::{child, scratch};
use crate::inject::{self, Fault, Kind};

const LIFE: Duration = Duration::from_secs(1_000_000);
const STEPS: u64 = 40;
/// Enough for a large batch.
const ROWS: u64 = 600;

fn open(path: &Path) -> Result<(SledStore, SledStore)> {
    let builder = SledStoreBuilder::new().segment_size(64 << 10).lock_timeout(LIFE);
    let store = builder.build(path)?;
    let mirror = store.keyspace("mirror")?;
    Ok((store, mirror))
}

/// The keys that step `step` sets to its number, in both keyspaces; of a small step two, of a large
/// one all. Larger values fill the log sooner.
fn keys(step: u64) -> Vec<[u8; 8]> {
    let rows = if step % 8 == 7 { 0..ROWS } else { step % 5..step % 5 + 2 };
    rows.map(u64::to_be_bytes).collect()
}

fn value(step: u64) -> Vec<u8> {
    step.to_be_bytes().into_iter().cycle().take(400).collect()
}

fn make(store: &SledStore, mirror: &SledStore, step: u64) -> Result<()> {
    let mut batch = SledBatch::new();
    for key in keys(step) {
        batch.put(&key, &value(step))?;
        batch.put_with_ttl_in(mirror, &key, &value(step), LIFE)?;
    }
    store.apply(&batch)
}

/// What key `row` has after the steps before `steps`.
fn expected(row: u64, steps: u64) -> Option<Vec<u8>> {
    (0..steps).rev().find(|step| keys(*step).contains(&row.to_be_bytes())).map(value)
}

#[test]
#[ignore = "runs as a child process of the tests below"]
fn child_writes_until_it_fails() {
    let Some(directory) = child::directory() else { return };
    let path = directory.join("db");
    let Ok((store, mirror)) = open(&path) else { return child::say("never open") };
    for step in 0..STEPS {
        if let Err(first) = make(&store, &mirror, step) {
            let kind = judge(&store, &mirror, step, &first.to_string());
            child::say(&format!("{kind} {step}"));
            break;
        }
    }
    drop(mirror);
    let _ = store.close();
    let (calls, _) = inject::calls_and_hits();
    inject::disarm();
    let (store, mirror) = open(&path).expect("it opens again");
    let all = |keyspace: &SledStore, steps| {
        (0..ROWS).all(|row| keyspace.get(&row.to_be_bytes()).unwrap() == expected(row, steps))
    };
    let whole = (0..=STEPS).find(|steps| all(&store, *steps) && all(&mirror, *steps));
    assert!(whole.is_some(), "a step is there by halves after reopening");
    child::say(&format!("calls {calls}"));
}

/// Looks at every key in every way after step `step` has failed with `first`. Says what came of it.
fn judge(store: &SledStore, mirror: &SledStore, step: u64, first: &str) -> &'static str {
    let mut told = 0;
    let mut read = 0;
    // The step as a whole may have been made before something else of the call failed.
    let mut made = [true, true];
    let concerned = keys(step);
    for keyspace in [store, mirror] {
        for row in 0..ROWS {
            let key = row.to_be_bytes();
            let pinned = keyspace.get_pinned(&key).map(|value| value.map(|value| value.to_vec()));
            let walked = keyspace.cursor(Default::default()).unwrap().seek(&key);
            let walked = walked.map(|row| row.filter(|row| row.key[..] == key));
            let walked = walked.map(|row| row.map(|row| row.value.to_vec()));
            for answer in [keyspace.get(&key), pinned, walked] {
                match answer {
                    Ok(value) => {
                        for (number, made) in made.iter_mut().enumerate() {
                            *made &= value == expected(row, step + number as u64);
                        }
                        read += usize::from(concerned.contains(&key));
                    }
                    Err(error) => {
                        assert_eq!(error.to_string(), first);
                        told += 1;
                    }
                }
            }
        }
    }
    assert!(made != [false, false], "half of step {step} is shown");
    let is_large = concerned.len() as u64 == ROWS;
    match (told, is_large) {
        (0, _) => "untouched",
        (_, true) => "large",
        // A walk may meet a row in doubt where the key that it looks for is not there.
        (_, false) => {
            assert!(read <= concerned.len() * 2, "{read} keys of the step are shown");
            assert!(store.get(&(ROWS - 1).to_be_bytes()).is_ok(), "other keys can be read");
            "small"
        }
    }
}

/// Runs a child in which write `first` to the log and those after it fail; answers with what it said.
fn run(first: u64, times: u64) -> Vec<String> {
    let (directory, notes) = (scratch(), scratch());
    let fault = match first {
        0 => Fault::none(Kind::Pwrite),
        first => Fault { kind: Kind::Pwrite, first, times, errno: libc::EIO },
    };
    let complaints = notes.path().join("stderr");
    let part = "doubt::child_writes_until_it_fails";
    let mut process = inject::start(part, directory.path(), fault, &[], &complaints);
    let mut said = Vec::new();
    while let Some(message) = process.next_message() {
        said.push(message);
    }
    let printed = std::fs::read_to_string(&complaints).unwrap();
    assert!(process.finish().success(), "{fault:?}: {said:?}\n{printed}");
    said
}

#[test]
fn half_of_a_write_that_failed_is_shown_to_nobody() {
    let clean = run(0, 0);
    let calls: u64 = clean[0].strip_prefix("calls ").expect("the number").parse().unwrap();
    let mut said: Vec<String> = Vec::new();
    let count = |said: &[String], kind: &str| {
        said.iter().filter(|message| message.starts_with(kind)).count()
    };
    // A number of places all over the run; if none of them was in the middle of a batch, those between.
    let step = calls.div_ceil(40) as usize;
    for round in 0..step {
        if round > 0 && count(&said, "large") > 0 {
            break;
        }
        for first in (1 + round as u64..=calls).step_by(step) {
            said.extend(run(first, first % 2));
        }
    }
    let count = |kind: &str| count(&said, kind);
    println!(
        "{} small, {} large, {} untouched",
        count("small"),
        count("large"),
        count("untouched")
    );
    // A small step goes to the engine as a whole: see the test of `src/engine/commit.rs`.
    assert!(count("large") > 0, "no large batch failed in its middle: {said:?}");
}
