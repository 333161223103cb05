//! A full disk and a read-only file system, made in a mount namespace of the child's own: errors
//! with their reasons, nothing that hangs or panics, and nothing lost that had been flushed.

use sledstore::{Failure, Reason, SledStore, SledStoreBuilder, StoreError};

use crate::common::small_disk::{in_a_small_file_system, remount};
use crate::common::{assert_failed, child, reason, rows};

/// Leaves a little of a disk of 48 MiB, and once it is gone as much as the engine takes to settle what the log has:
/// it takes space by the 8 MiB.
const BALLAST: usize = 42 << 20;

/// Writes until the disk is full; returns the number of the last value that was flushed.
fn fill(store: &SledStore, value_length: usize) -> (u64, StoreError) {
    let mut flushed = 0;
    for number in 1_u64.. {
        let value = vec![number as u8; value_length];
        match store.put(&number.to_be_bytes(), &value).and_then(|()| store.flush()) {
            Ok(()) => flushed = number,
            Err(error) => return (flushed, error),
        }
    }
    unreachable!("the disk is finite")
}

#[test]
#[ignore = "runs as a child process of the tests below"]
fn child_fills_the_disk() {
    let Some(directory) = child::directory() else { return };
    let ballast = directory.join("ballast");
    std::fs::write(&ballast, vec![1; BALLAST]).unwrap();
    let store = SledStore::open(directory.join("db")).unwrap();
    let named = store.keyspace("named").unwrap();
    named.put_with_ttl(b"mortal", b"value", std::time::Duration::from_secs(1_000_000)).unwrap();
    let (flushed, error) = fill(&store, 3000);
    assert!(flushed > 10, "some values fit: {flushed}");
    assert_eq!(reason(&error), Reason::DiskFull, "{error}");
    assert_eq!(Failure::of(&error).unwrap().os_code(), Some(28), "ENOSPC");
    assert!(error.to_string().contains(&*directory.to_string_lossy()), "{error}");

    // A read can fail too, because reading can make sled write; but it never tells anything wrong,
    // and nothing hangs or panics.
    for number in 1..=flushed {
        match store.get(&number.to_be_bytes()) {
            Ok(found) => assert_eq!(found, Some(vec![number as u8; 3000])),
            Err(error) => assert_eq!(reason(&error), Reason::DiskFull, "{error}"),
        }
    }
    // What fails now says why; no write is acknowledged and then forgotten. A small one may find room in the log.
    let large = store.put(b"large", &[1; 100_000]);
    assert_eq!(reason(&large.expect_err("the disk is still full")), Reason::DiskFull);
    let more = store.put(b"more", b"value").and_then(|()| store.flush());
    if let Err(error) = &more {
        assert_eq!(reason(error), Reason::DiskFull, "{error}");
    }
    drop(named);
    let closed = store.close();
    if let Err(error) = &closed {
        assert_eq!(reason(error), Reason::DiskFull, "{error}");
    }

    std::fs::remove_file(&ballast).unwrap();
    let store = SledStore::open(directory.join("db")).expect("there is space again");
    for number in 1..=flushed {
        let found = store.get(&number.to_be_bytes()).unwrap();
        assert_eq!(found, Some(vec![number as u8; 3000]), "flushed, so it is there");
    }
    let named = store.keyspace("named").unwrap();
    assert!(named.ttl(b"mortal").unwrap().is_some());
    assert_eq!(store.get(b"more").unwrap().is_some(), more.is_ok(), "acknowledged or refused");
    assert_eq!(store.get(b"large").unwrap(), None, "it was refused");
    assert_eq!(store.count().unwrap(), flushed + u64::from(more.is_ok()));
    assert_eq!(store.count().unwrap(), rows(&store).len() as u64);
    store.put(b"after", b"value").unwrap();
    store.flush().unwrap();
    store.close().unwrap();
    child::say("passed");
}

#[test]
fn on_a_full_disk_writes_say_so_and_what_was_flushed_is_there_afterwards() {
    in_a_small_file_system("faults::child_fills_the_disk", 48);
}

#[test]
#[ignore = "runs as a child process of the tests below"]
fn child_drops_the_store_on_a_full_disk() {
    let Some(directory) = child::directory() else { return };
    let ballast = directory.join("ballast");
    std::fs::write(&ballast, vec![1; BALLAST]).unwrap();
    let store = SledStore::open(directory.join("db")).unwrap();
    let (flushed, error) = fill(&store, 3000);
    assert_eq!(reason(&error), Reason::DiskFull, "{error}");
    let handles = [store.clone(), store.keyspace("default").unwrap()];
    drop(store);
    drop(handles);
    // Full, it cannot be opened; that too is an error with a reason.
    std::fs::write(directory.join("rest"), vec![1; 2 * BALLAST]).expect_err("the disk is full");
    if let Err(error) = SledStore::open(directory.join("db")) {
        assert_eq!(reason(&error), Reason::DiskFull, "{error}");
    }
    assert_failed(SledStore::open(directory.join("new")), Reason::DiskFull);
    std::fs::remove_file(&ballast).unwrap();
    std::fs::remove_file(directory.join("rest")).unwrap();
    let store = SledStore::open(directory.join("db")).expect("there is space again");
    for number in 1..=flushed {
        assert_eq!(store.get(&number.to_be_bytes()).unwrap().map(|found| found.len()), Some(3000));
    }
    store.close().unwrap();
    child::say("passed");
}

#[test]
fn dropping_on_a_full_disk_neither_hangs_nor_panics() {
    in_a_small_file_system("faults::child_drops_the_store_on_a_full_disk", 48);
}

#[test]
#[ignore = "runs as a child process of the tests below"]
fn child_fills_the_disk_with_batches() {
    let Some(directory) = child::directory() else { return };
    let ballast = directory.join("ballast");
    std::fs::write(&ballast, vec![1; BALLAST]).unwrap();
    let store = SledStore::open(directory.join("db")).unwrap();
    let named = store.keyspace("named").unwrap();
    let mut flushed = 0;
    let error = loop {
        let mut batch = sledstore::SledBatch::new();
        let number: u64 = flushed + 1;
        for row in 0..10_u8 {
            let key = [&number.to_be_bytes()[..], &[row]].concat();
            batch.put(&key, &[row; 300]).unwrap();
            batch.put_in(&named, &key, &[row; 300]).unwrap();
        }
        match store.apply(&batch).and_then(|()| store.flush()) {
            Ok(()) => flushed = number,
            Err(error) => break error,
        }
    };
    assert_eq!(reason(&error), Reason::DiskFull, "{error}");
    drop(named);
    // It may fail, for the disk is full; the reopen below is what counts.
    drop(store.close());
    std::fs::remove_file(&ballast).unwrap();
    let store = SledStore::open(directory.join("db")).expect("there is space again");
    let named = store.keyspace("named").unwrap();
    let there = rows(&store);
    assert_eq!(rows(&named), there, "both keyspaces have the same rows");
    assert_eq!(there.len() % 10, 0, "every batch is whole");
    assert!(there.len() as u64 >= flushed * 10, "{} rows of {flushed} batches", there.len());
    store.close().unwrap();
    child::say("passed");
}

#[test]
fn on_a_full_disk_batches_stay_whole() {
    in_a_small_file_system("faults::child_fills_the_disk_with_batches", 48);
}

#[test]
#[ignore = "runs as a child process of the test below"]
fn child_goes_on_when_there_is_room() {
    let Some(directory) = child::directory() else { return };
    let ballast = directory.join("ballast");
    std::fs::write(&ballast, vec![1; BALLAST]).unwrap();
    let path = directory.join("db");
    // Far more than the disk has, so that no checkpoint meets the full disk.
    let store = SledStoreBuilder::new().memtable_size(256 << 20).build(&path).unwrap();
    let (made, error) = fill(&store, 3000);
    assert_eq!(reason(&error), Reason::DiskFull, "{error}");
    assert_eq!(store.count().unwrap(), made, "what was refused has changed nothing");
    std::fs::remove_file(&ballast).unwrap();
    store.put(&(made + 1).to_be_bytes(), &[1; 3000]).expect("there is room again");
    store.flush().unwrap();
    store.close().unwrap();
    let store = SledStore::open(&path).unwrap();
    assert_eq!(store.count().unwrap(), made + 1);
    store.close().unwrap();
    child::say("passed");
}

#[test]
fn a_store_whose_log_has_met_a_full_disk_goes_on_when_there_is_room() {
    in_a_small_file_system("faults::child_goes_on_when_there_is_room", 48);
}

#[test]
#[ignore = "runs as a child process of the tests below"]
fn child_opens_on_a_read_only_file_system() {
    let Some(directory) = child::directory() else { return };
    let path = directory.join("db");
    let store = SledStore::open(&path).unwrap();
    store.put(b"a", b"1").unwrap();
    store.close().unwrap();
    remount(&directory, "ro");
    let error = assert_failed(SledStore::open(&path), Reason::ReadOnlyFilesystem);
    assert_eq!(Failure::of(&error).unwrap().os_code(), Some(30), "EROFS");
    assert!(error.to_string().contains(&*path.to_string_lossy()), "{error}");
    assert_failed(SledStore::open(directory.join("new")), Reason::ReadOnlyFilesystem);
    remount(&directory, "rw");
    let store = SledStore::open(&path).expect("it can be written again");
    assert_eq!(store.get(b"a").unwrap().as_deref(), Some(&b"1"[..]));
    store.close().unwrap();
    child::say("passed");
}

#[test]
fn a_read_only_file_system_is_told_apart() {
    in_a_small_file_system("faults::child_opens_on_a_read_only_file_system", 12);
}
