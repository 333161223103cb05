//! Temporary stores: made by the library, removed by it, and never anything else.

use std::path::Path;

use sledstore::{Reason, SledStore, SledStoreBuilder, StoreError};

use crate::common::{assert_failed, child, scratch, Result};

fn temporary(path: &Path) -> Result<SledStore> {
    SledStoreBuilder::new().temporary(true).build(path)
}

#[test]
fn a_temporary_store_is_gone_after_close_and_after_drop() {
    let directory = scratch();
    let path = directory.path().join("db");
    for close in [true, false] {
        let store = temporary(&path).unwrap();
        store.put(b"a", &vec![1; 1 << 20]).unwrap();
        store.keyspace("named").unwrap().put(b"a", b"1").unwrap();
        store.flush().unwrap();
        assert!(path.is_dir());
        if close {
            store.close().unwrap();
        } else {
            drop(store);
        }
        assert!(!path.exists(), "close: {close}");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}

#[test]
fn a_temporary_store_with_an_open_iterator_is_gone_when_the_iterator_is() {
    let directory = scratch();
    let path = directory.path().join("db");
    let store = temporary(&path).unwrap();
    store.put(b"a", b"1").unwrap();
    let mut iterator = store.iter().unwrap();
    assert_failed(store.clone().close(), Reason::Busy);
    drop(store);
    assert!(path.is_dir());
    assert!(iterator.next().unwrap().is_ok());
    drop(iterator);
    assert!(!path.exists());
}

#[test]
fn a_directory_that_is_there_already_is_refused_and_untouched() {
    let directory = scratch();
    let precious = directory.path().join("precious");
    std::fs::create_dir(&precious).unwrap();
    std::fs::write(precious.join("letter.txt"), "dear reader").unwrap();
    let refused = temporary(&precious).map(drop);
    assert!(matches!(refused, Err(StoreError::AlreadyExists)), "{refused:?}");
    let files: Vec<_> =
        std::fs::read_dir(&precious).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(files, ["letter.txt"]);
    assert_eq!(std::fs::read_to_string(precious.join("letter.txt")).unwrap(), "dear reader");

    let empty = directory.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let refused = temporary(&empty).map(drop);
    assert!(matches!(refused, Err(StoreError::AlreadyExists)), "{refused:?}");
    assert!(empty.is_dir());
    assert_eq!(std::fs::read_dir(&empty).unwrap().count(), 0);
}

#[test]
fn a_store_that_is_there_already_is_refused_and_untouched() {
    let directory = scratch();
    let path = directory.path().join("db");
    let store = SledStore::open(&path).unwrap();
    store.put(b"a", b"1").unwrap();
    assert!(temporary(&path).is_err(), "while it is open");
    store.close().unwrap();
    let refused = temporary(&path).map(drop);
    assert!(matches!(refused, Err(StoreError::AlreadyExists)), "{refused:?}");
    assert_eq!(SledStore::open(&path).unwrap().count().unwrap(), 1);
}

#[test]
fn a_file_or_a_link_in_the_place_is_refused_and_untouched() {
    let directory = scratch();
    let file = directory.path().join("file");
    std::fs::write(&file, "precious").unwrap();
    let is_refused =
        |path: &Path| assert!(matches!(temporary(path), Err(StoreError::AlreadyExists)));
    is_refused(&file);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");

    let target = directory.path().join("target");
    std::fs::create_dir(&target).unwrap();
    std::fs::write(target.join("letter.txt"), "dear reader").unwrap();
    let link = directory.path().join("link");
    std::os::unix::fs::symlink(&target, &link).unwrap();
    is_refused(&link);
    assert_eq!(std::fs::read_dir(&target).unwrap().count(), 1);

    let dangling = directory.path().join("dangling");
    std::os::unix::fs::symlink(directory.path().join("nowhere"), &dangling).unwrap();
    is_refused(&dangling);
    assert!(dangling.is_symlink(), "the link is still there");
}

#[test]
fn a_directory_that_somebody_has_put_in_its_place_stays() {
    let directory = scratch();
    let (path, moved) = (directory.path().join("db"), directory.path().join("moved"));
    let store = temporary(&path).unwrap();
    std::fs::rename(&path, &moved).unwrap();
    std::fs::create_dir(&path).unwrap();
    std::fs::write(path.join("letter.txt"), "dear reader").unwrap();
    store.close().unwrap();
    assert_eq!(std::fs::read_to_string(path.join("letter.txt")).unwrap(), "dear reader");
    assert!(moved.is_dir(), "it is not looked for");
}

/// A refused setting must not cost what lies at the path either.
#[test]
fn a_temporary_store_that_cannot_be_opened_leaves_everything_as_it_was() {
    let directory = scratch();
    let path = directory.path().join("db");
    let builder = SledStoreBuilder::new().temporary(true).segment_size(3);
    assert!(builder.build(&path).is_err());
    assert!(!path.exists());
    let builder = SledStoreBuilder::new().temporary(true).must_exist(true);
    assert!(builder.build(&path).is_err());
    assert!(!path.exists());
    assert!(directory.path().is_dir());
}

#[test]
fn open_temporary_makes_a_directory_of_its_own_and_removes_it() {
    let one = SledStore::open_temporary().unwrap();
    let other = SledStore::open_temporary().unwrap();
    assert_ne!(one.path(), other.path());
    one.put(b"a", b"1").unwrap();
    assert_eq!(other.count().unwrap(), 0);
    let paths = [one.path().to_path_buf(), other.path().to_path_buf()];
    assert!(paths.iter().all(|path| path.is_dir()));
    one.close().unwrap();
    drop(other);
    assert!(paths.iter().all(|path| !path.exists()));
}

#[test]
#[ignore = "runs as a child process of the test below"]
fn child_opens_a_temporary_store() {
    let Some(directory) = child::directory() else { return };
    let store = temporary(&directory.join("db")).unwrap();
    store.put(b"a", b"1").unwrap();
    child::say("open");
    child::listen();
}

/// A killed process cannot remove anything: what it leaves is a store that opens, no trap.
#[test]
fn a_temporary_store_of_a_killed_process_can_be_opened() {
    let directory = scratch();
    let mut child = child::start("temporary::child_opens_a_temporary_store", directory.path());
    child.expect("open");
    child.kill();
    let path = directory.path().join("db");
    assert!(path.is_dir());
    SledStore::open(&path).unwrap().close().unwrap();
    assert!(path.is_dir(), "opened as a lasting store, it lasts");
}
