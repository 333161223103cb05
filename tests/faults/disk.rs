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

/// Writes on from row `from` until the disk is full; answers with how many rows were acknowledged.
fn fill(store: &SledStore, from: u64) -> u64 {
    let mirror = store.keyspace("mirror").expect("it is there");
    for number in from.. {
        let mut batch = sledstore::SledBatch::new();
        let key = number.to_be_bytes();
        batch.put_with_ttl(&key, &[number as u8; 900], LIFE).unwrap();
        batch.put_in(&mirror, &key, &[number as u8; 100]).unwrap();
        if let Err(error) = store.apply(&batch) {
            assert_eq!(reason(&error), Reason::DiskFull, "{error}");
            return number;
        }
        if number % STEPS_PER_FLUSH == 0 {
            if let Err(error) = store.flush() {
                assert_eq!(reason(&error), Reason::DiskFull, "{error}");
                return number + 1;
            }
        }
    }
    unreachable!("the disk is finite")
}

/// Checks that so many rows are there, and whole.
fn check(store: &SledStore, made: u64) {
    let mirror = store.keyspace("mirror").expect("it is there");
    let found = rows(store);
    let number = found.len() as u64;
    assert_eq!(number, made);
    for (place, (key, value)) in found.iter().enumerate() {
        assert_eq!(key[..], (place as u64).to_be_bytes());
        assert_eq!(value[..], [place as u8; 900]);
        assert!(store.ttl(key).unwrap().is_some(), "with its expiry");
    }
    assert_eq!(rows(&mirror).len() as u64, number, "both keyspaces have the same rows");
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
        drop(file);
        let store = open(&path).expect("there is some space");
        check(&store, there);
        let made = fill(&store, there);
        assert!(made > there, "round {round}: some rows fitted");
        // All that was acknowledged is in the log, flushed or not, as the power is not cut.
        if let Err(error) = store.close() {
            assert_eq!(reason(&error), Reason::DiskFull, "{error}");
        }
        take_all(&rest);
        for _ in 0..3 {
            match open(&path) {
                Ok(store) => {
                    check(&store, made);
                    drop(store.close());
                }
                Err(error) => assert_eq!(reason(&error), Reason::DiskFull, "{error}"),
            }
        }
        std::fs::remove_file(&rest).unwrap();
        std::fs::remove_file(&ballast).unwrap();
        let store = open(&path).expect("there is space again");
        check(&store, made);
        there = made;
        store.close().expect("there is space again");
    }
    child::say("passed");
}

#[test]
fn a_full_disk_may_be_opened_and_closed_on_and_loses_nothing() {
    in_a_small_file_system("disk::child_opens_and_closes_on_a_full_disk", 128);
}
