//! Directories that vanish, move, cannot be written, or are named relative to a place that changes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use sledstore::{Failure, Reason, SledStore};

use crate::common::{assert_failed, child, rows, scratch, without_hanging};

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_directory_that_is_removed_under_the_store_is_told_by_the_next_flush() {
    let directory = scratch();
    let path = directory.path().join("db");
    let store = SledStore::open(&path).unwrap();
    let mirror = store.keyspace("mirror").unwrap();
    store.put(b"a", b"1").unwrap();
    store.flush().unwrap();
    fs::remove_dir_all(&path).unwrap();
    let (told, read) = without_hanging("a store whose directory is gone", move || {
        let put = store.put(b"b", b"2").and_then(|()| mirror.put(b"b", b"2"));
        let told = put.and_then(|()| store.flush()).err();
        let read = store.get(b"a");
        drop(mirror);
        (told.or(store.close().err()), read)
    });
    assert_eq!(read.unwrap().as_deref(), Some(&b"1"[..]), "it is in memory");
    // What was acknowledged as durable must be on a disk; there, nobody will ever find it.
    assert!(told.is_some(), "flush and close of a removed directory both answer Ok");
    let store = SledStore::open(&path).expect("a new store can be made there");
    assert_eq!(store.count().unwrap(), 0);
}

#[test]
fn a_store_whose_parent_is_renamed_goes_on_at_its_new_place() {
    let directory = scratch();
    let (old, new) = (directory.path().join("old"), directory.path().join("new"));
    let store = SledStore::open(old.join("db")).unwrap();
    store.put(b"a", b"1").unwrap();
    fs::rename(&old, &new).unwrap();
    let made = without_hanging("a store whose parent was renamed", move || {
        let made = store.put(b"b", &[2; 5000]).and_then(|()| store.flush());
        drop(store.close());
        made
    });
    let store = SledStore::open(new.join("db")).expect("the store is at its new place");
    assert_eq!(store.get(b"a").unwrap().as_deref(), Some(&b"1"[..]));
    // Whether it goes on or refuses, what it calls durable is.
    if made.is_ok() {
        assert_eq!(store.get(b"b").unwrap().as_deref(), Some(&[2; 5000][..]));
    }
    assert!(!old.exists(), "nothing was made at the old place");
}

#[test]
#[ignore = "runs as a child process of the test below"]
fn child_changes_its_working_directory() {
    let Some(directory) = child::directory() else { return };
    let elsewhere = directory.join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    std::env::set_current_dir(&directory).unwrap();
    let store = SledStore::open("relative/db").unwrap();
    store.put(b"a", b"1").unwrap();
    std::env::set_current_dir(&elsewhere).unwrap();
    // Values that the engine would put into files of their own, keyspaces, sizes: all by path.
    store.put(b"large", &vec![7; 300_000]).unwrap();
    store.keyspace("named").unwrap().put(b"b", b"2").unwrap();
    store.flush().unwrap();
    store.size_on_disk().unwrap();
    store.close().unwrap();
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0, "nothing was made elsewhere");
    let store = SledStore::open(directory.join("relative/db")).unwrap();
    assert_eq!(store.get(b"large").unwrap(), Some(vec![7; 300_000]));
    assert_eq!(rows(&store.keyspace("named").unwrap()).len(), 1);
    store.close().unwrap();
    child::say("passed");
}

#[test]
fn a_store_opened_by_a_relative_path_stays_where_it_is() {
    let directory = scratch();
    let part = "paths::child_changes_its_working_directory";
    let mut process = child::start(part, directory.path());
    process.expect("passed");
    assert!(process.finish().success());
}

#[test]
#[ignore = "runs as a child process of the test below"]
fn child_opens_in_a_directory_that_cannot_be_written() {
    let Some(directory) = child::directory() else { return };
    let path = directory.join("db");
    SledStore::open(&path).unwrap().put(b"a", b"1").unwrap();
    set_mode(&directory, 0o755);
    set_mode(&path, 0o555);
    // Root may write everywhere, so it becomes somebody else.
    // SAFETY: these take no pointers.
    unsafe {
        if libc::geteuid() == 0 {
            assert_eq!(libc::setgid(65_534), 0);
            assert_eq!(libc::setuid(65_534), 0);
        }
    }
    let error = assert_failed(SledStore::open(&path), Reason::Os);
    assert_eq!(Failure::of(&error).unwrap().os_code(), Some(libc::EACCES), "{error}");
    assert!(error.to_string().contains(&*path.to_string_lossy()), "{error}");
    let error = assert_failed(SledStore::open(path.join("below")), Reason::Os);
    assert_eq!(Failure::of(&error).unwrap().os_code(), Some(libc::EACCES), "{error}");
    child::say("passed");
}

#[test]
fn a_directory_that_cannot_be_written_is_told_and_left_as_it_was() {
    let directory = scratch();
    let part = "paths::child_opens_in_a_directory_that_cannot_be_written";
    let mut process = child::start(part, directory.path());
    process.expect("passed");
    assert!(process.finish().success());
    let path = directory.path().join("db");
    set_mode(&path, 0o755);
    assert_eq!(SledStore::open(&path).unwrap().get(b"a").unwrap().as_deref(), Some(&b"1"[..]));
}
