//! What may lie at the path, and what must.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use sledstore::{Reason, SledStore, SledStoreBuilder, StoreError};

use crate::common::{assert_failed, child, reason, scratch, Result};

const ENOENT: i32 = 2;
const ENOTDIR: i32 = 20;

/// An error of opening must name the path and say what was attempted.
#[track_caller]
fn names_path_and_operation(error: &StoreError, path: &Path) {
    let message = error.to_string();
    assert!(message.contains(&path.display().to_string()), "no path in {message:?}");
    assert!(message.contains("open") || message.contains("lock"), "no operation in {message:?}");
}

fn os_code<T>(result: Result<T>) -> Option<i32> {
    let error = assert_failed(result, Reason::Os);
    sledstore::Failure::of(&error).expect("a failure").os_code()
}

#[test]
fn parent_directories_are_created() {
    let directory = scratch();
    let path = directory.path().join("a/b/c/db");
    let store = SledStore::open(&path).unwrap();
    store.put(b"a", b"1").unwrap();
    assert!(path.is_dir());
    assert_eq!(store.path(), path);
    store.close().unwrap();
    assert_eq!(SledStore::open(&path).unwrap().get(b"a").unwrap().as_deref(), Some(&b"1"[..]));
}

/// The system takes paths of 4,095 bytes; some of the store's files have long names.
#[test]
fn a_path_that_is_too_long_is_refused_before_anything_is_stored() {
    let directory = scratch();
    let root = std::fs::canonicalize(directory.path()).unwrap();
    let mut refused = 0;
    for length in 4_040..4_095 {
        let mut path = root.as_os_str().as_bytes().to_vec();
        while path.len() < length {
            // No name is longer than 255 bytes, and none is empty.
            let rest = length - path.len() - 1;
            path.push(b'/');
            path.extend(std::iter::repeat_n(b'd', if rest > 250 { 200 } else { rest }));
        }
        let path = Path::new(std::ffi::OsStr::from_bytes(&path));
        match SledStore::open(path) {
            Ok(store) => {
                assert_eq!(refused, 0, "{length}");
                store.put(b"a", b"1").unwrap();
                store.close().unwrap();
                let store = SledStore::open(path).expect("what was closed opens");
                assert_eq!(store.count().unwrap(), 1);
                store.close().unwrap();
            }
            Err(error) => {
                assert_eq!(os_code::<()>(Err(error)), Some(libc::ENAMETOOLONG), "{length}");
                assert!(!path.exists(), "{length}");
                refused += 1;
            }
        }
    }
    assert!((10..55).contains(&refused), "{refused}");
}

#[test]
fn an_empty_path_is_refused() {
    let error = assert_failed(SledStore::open(""), Reason::InvalidArgument);
    assert!(error.to_string().contains("empty"), "{error}");
}

#[test]
fn a_path_with_a_zero_byte_is_refused() {
    let path = Path::new(std::ffi::OsStr::from_bytes(b"/tmp/a\0b"));
    let error = SledStore::open(path).map(drop).expect_err("no file system takes that");
    reason(&error);
}

#[test]
fn a_path_need_not_be_text() {
    let directory = scratch();
    let path = directory.path().join(std::ffi::OsStr::from_bytes(b"not utf-8 \xff\xfe, a\nline"));
    let store = SledStore::open(&path).unwrap();
    store.put(b"a", b"1").unwrap();
    store.close().unwrap();
    assert!(path.is_dir());
    assert_eq!(SledStore::open(&path).unwrap().count().unwrap(), 1);
}

#[test]
fn a_file_in_the_place_of_the_directory_is_refused_and_kept() {
    let directory = scratch();
    let path = directory.path().join("file");
    std::fs::write(&path, "precious").unwrap();
    let error = assert_failed(SledStore::open(&path), Reason::Os);
    names_path_and_operation(&error, &path);
    assert_eq!(os_code(SledStore::open(&path)), Some(ENOTDIR));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    // Nor can a file be a parent.
    let below = path.join("db");
    let error = assert_failed(SledStore::open(&below), Reason::Os);
    names_path_and_operation(&error, &below);
}

#[test]
fn a_missing_directory_that_must_exist_is_not_created() {
    let directory = scratch();
    let path = directory.path().join("missing");
    let must_exist = || SledStoreBuilder::new().must_exist(true).build(&path);
    names_path_and_operation(&assert_failed(must_exist(), Reason::Os), &path);
    assert_eq!(os_code(must_exist()), Some(ENOENT));
    assert!(!path.exists(), "nothing was created");
    SledStore::open(&path).unwrap().put(b"a", b"1").unwrap();
    assert_eq!(must_exist().unwrap().count().unwrap(), 1);
}

#[test]
fn an_empty_directory_is_no_store_that_exists() {
    let directory = scratch();
    let must_exist = SledStoreBuilder::new().must_exist(true).build(directory.path());
    assert_eq!(os_code(must_exist), Some(ENOENT));
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "nothing was created");
    let must_create = SledStoreBuilder::new().must_create(true).build(directory.path());
    assert_eq!(must_create.unwrap().count().unwrap(), 0);
}

#[test]
fn an_existing_store_that_must_be_created_is_left_alone() {
    let directory = scratch();
    let path = directory.path().join("db");
    let must_create = || SledStoreBuilder::new().must_create(true).build(&path);
    let store = must_create().unwrap();
    store.put(b"a", b"1").unwrap();
    store.close().unwrap();
    let again = must_create().map(drop);
    assert!(matches!(again, Err(StoreError::AlreadyExists)), "{again:?}");
    assert_eq!(SledStore::open(&path).unwrap().count().unwrap(), 1);
}

#[test]
fn must_exist_and_must_create_together_are_refused() {
    let directory = scratch();
    let path = directory.path().join("db");
    let both = SledStoreBuilder::new().must_exist(true).must_create(true).build(&path);
    assert_failed(both, Reason::InvalidArgument);
    assert!(!path.exists());
}

#[test]
fn every_failure_of_the_store_names_the_path() {
    let directory = scratch();
    let path = directory.path().join("db");
    let store = SledStore::open(&path).unwrap();
    let dropped = store.keyspace("dropped").unwrap();
    store.drop_keyspace("dropped").unwrap();
    let iterator = store.iter().unwrap();
    let locked = SledStore::open(&path).map(drop);
    let busy = store.clone().close();
    drop(iterator);
    store.clone().close().unwrap();
    let failures = [
        assert_failed(locked, Reason::LockedByThisProcess),
        assert_failed(busy, Reason::Busy),
        assert_failed(dropped.keyspace("a").map(drop), Reason::Closed),
        assert_failed(store.get(b"a"), Reason::Closed),
        assert_failed(store.put(b"a", b"1"), Reason::Closed),
        assert_failed(store.flush(), Reason::Closed),
        assert_failed(store.clone().close(), Reason::Closed),
    ];
    for error in failures {
        let message = error.to_string();
        assert!(message.contains(&path.display().to_string()), "no path in {message:?}");
        assert!(message.contains("cannot "), "no operation in {message:?}");
    }
}

#[test]
#[ignore = "runs as a child process of the test below"]
fn child_changes_its_working_directory() {
    let Some(directory) = child::directory() else { return };
    std::env::set_current_dir(&directory).unwrap();
    let store = SledStore::open("relative/db").unwrap();
    store.put(b"before", b"1").unwrap();
    std::env::set_current_dir(directory.join("elsewhere")).unwrap();
    store.put(b"after", b"2").unwrap();
    // So large that the engine gives it a file of its own, which it looks for by its path.
    store.put(b"large", &vec![3; 2 << 20]).unwrap();
    store.flush().unwrap();
    assert_eq!(store.get(b"large").unwrap().unwrap().len(), 2 << 20);
    assert_eq!(store.path(), directory.join("relative/db"));
    store.close().unwrap();
    child::say("closed");
}

#[test]
fn a_relative_path_survives_a_change_of_the_working_directory() {
    let directory = scratch();
    let elsewhere = directory.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let mut child = child::start("paths::child_changes_its_working_directory", directory.path());
    child.expect("closed");
    assert!(child.finish().success());
    let store = SledStore::open(directory.path().join("relative/db")).unwrap();
    assert_eq!(store.count().unwrap(), 3);
    assert_eq!(store.get(b"large").unwrap(), Some(vec![3; 2 << 20]));
    assert_eq!(std::fs::read_dir(elsewhere).unwrap().count(), 0, "nothing strayed");
}
