//! A disk that is full and stays full for a while: closing, opening and opening again on it.

use std::path::Path;
use std::time::Duration;

use sledstore::{Reason, SledStore, SledStoreBuilder};

use crate::common::small_disk::in_a_small_file_system;
use crate::common::{child, reason, rows, Result};

const LIFE: Duration = Duration::from_secs(1_000_000);
const STEPS_PER_FLUSH: u64 = 20;

fn open(path: &Path) -> Result<SledStore> {
    // Small segments, so that a small disk holds many.
    SledStoreBuilder::new().segment_size(64 << 10).build(path)
}

/// Takes all the space that is left.
fn take_all(file: &Path) {
    let mut space = std::fs::File::create(file).expect("a name takes no space");
    while std::io::Write::write_all(&mut space, &[1; 4096]).is_ok() {}
}

/// Writes on from row `from` until the disk is full; answers with how many rows are durable, and how
/// many were made.
fn fill(store: &SledStore, from: u64) -> (u64, u64) {
    let mirror = store.keyspace("mirror").expect("it is there");
    let mut durable = from;
    for number in from.. {
        let mut batch = sledstore::SledBatch::new();
        let key = number.to_be_bytes();
        batch.put_with_ttl(&key, &[number as u8; 900], LIFE).unwrap();
        batch.put_in(&mirror, &key, &[number as u8; 100]).unwrap();
        let mut done = store.apply(&batch);
        if done.is_ok() && number % STEPS_PER_FLUSH == 0 {
            done = store.flush();
            if done.is_ok() {
                durable = number + 1;
            }
        }
        if let Err(error) = done {
            assert_eq!(reason(&error), Reason::DiskFull, "{error}");
            return (durable, number + 1);
        }
    }
    unreachable!("the disk is finite")
}

/// Checks that the rows are whole, and at least `durable` of them there; answers with how many.
fn check(store: &SledStore, durable: u64, made: u64) -> u64 {
    let mirror = store.keyspace("mirror").expect("it is there");
    let found = rows(store);
    let number = found.len() as u64;
    assert!((durable..=made).contains(&number), "{durable} <= {number} <= {made}");
    for (place, (key, value)) in found.iter().enumerate() {
        assert_eq!(key[..], (place as u64).to_be_bytes());
        assert_eq!(value[..], [place as u8; 900]);
        assert!(store.ttl(key).unwrap().is_some(), "with its expiry");
    }
    assert_eq!(rows(&mirror).len() as u64, number, "both keyspaces have the same rows");
    number
}

#[test]
#[ignore = "runs as a child process of the test below"]
fn child_opens_and_closes_on_a_full_disk() {
    let Some(directory) = child::directory() else { return };
    let path = directory.join("db");
    let (ballast, rest) = (directory.join("ballast"), directory.join("rest"));
    let store = open(&path).unwrap();
    drop(store.keyspace("mirror").unwrap());
    store.close().unwrap();
    let mut there = 0;
    for round in 0..3 {
        // Each round leaves the store some of the disk. Afterwards there is room to settle what the log has, for
        // which the engine takes some times as much.
        take_all(&ballast);
        let file = std::fs::File::options().write(true).open(&ballast).unwrap();
        file.set_len(file.metadata().unwrap().len() - (10 << 20)).unwrap();
        let store = open(&path).expect("there is some space");
        assert_eq!(check(&store, there, there), there);
        let (durable, made) = fill(&store, there);
        assert!(durable > there, "round {round}: some rows fitted");
        // What was acknowledged and not flushed may be lost, and then closing must say so.
        let durable = match store.close() {
            Ok(()) => made - 1,
            Err(error) => {
                assert_eq!(reason(&error), Reason::DiskFull, "{error}");
                durable
            }
        };
        take_all(&rest);
        for _ in 0..3 {
            match open(&path) {
                Ok(store) => {
                    check(&store, durable, made);
                    drop(store.close());
                }
                Err(error) => assert_eq!(reason(&error), Reason::DiskFull, "{error}"),
            }
        }
        std::fs::remove_file(&rest).unwrap();
        std::fs::remove_file(&ballast).unwrap();
        let store = open(&path).expect("there is space again");
        there = check(&store, durable, made);
        store.close().expect("there is space again");
    }
    child::say("passed");
}

#[test]
fn a_full_disk_may_be_opened_and_closed_on_and_loses_nothing() {
    in_a_small_file_system("disk::child_opens_and_closes_on_a_full_disk", 128);
}
