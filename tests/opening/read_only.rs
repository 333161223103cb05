//! Read-only opening: the store is shown, and not a byte of its directory changes.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use sledstore::{Clock, Failure, Reason, SledBatch, SledStore, SledStoreBuilder, StoreError};

use crate::common::small_disk::{in_a_small_file_system, remount};
use crate::common::{assert_failed, child, ms, rows, scratch, Result, START};

fn read_only(path: &Path) -> Result<SledStore> {
    SledStoreBuilder::new().read_only(true).build(path)
}

/// A store with rows that are settled, rows that only the log has, and rows that expire.
fn leave_a_store(path: &Path) {
    let store = SledStoreBuilder::new().clock(Clock::manual(START)).build(path).unwrap();
    for key in 0..500_u32 {
        store.put(&key.to_be_bytes(), &[1; 200]).unwrap();
    }
    store.put(b"large", &vec![7; 10 << 20]).unwrap();
    store.put_with_ttl(b"expires", b"1", ms(1_000)).unwrap();
    store.keyspace("other").unwrap().put(b"a", b"1").unwrap();
    store.compact().unwrap();
    for key in 0..100_u32 {
        store.put(&key.to_be_bytes(), &[2; 200]).unwrap();
    }
    store.delete(&499_u32.to_be_bytes()).unwrap();
    store.flush().unwrap();
    // As a kill leaves it: nothing is settled any more, and the log stays.
    let left = path.with_extension("left");
    std::fs::create_dir(&left).unwrap();
    for entry in std::fs::read_dir(path).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), left.join(entry.file_name())).unwrap();
        }
    }
    store.close().unwrap();
    std::fs::remove_dir_all(path).unwrap();
    std::fs::rename(left, path).unwrap();
}

/// Names, lengths, bytes and times of everything in a directory.
fn files(path: &Path) -> BTreeMap<String, (Vec<u8>, std::time::SystemTime)> {
    let entries = std::fs::read_dir(path).unwrap().map(|entry| {
        let path = entry.unwrap().path();
        let changed = path.metadata().unwrap().modified().unwrap();
        let bytes = if path.is_file() { std::fs::read(&path).unwrap() } else { Vec::new() };
        (path.to_string_lossy().into_owned(), (bytes, changed))
    });
    entries.collect()
}

#[track_caller]
fn check_content(store: &SledStore) {
    assert_eq!(store.get(&7_u32.to_be_bytes()).unwrap(), Some(vec![2; 200]), "from the log");
    assert_eq!(store.get(&300_u32.to_be_bytes()).unwrap(), Some(vec![1; 200]), "settled");
    assert_eq!(store.get(&499_u32.to_be_bytes()).unwrap(), None, "deleted in the log");
    assert_eq!(store.get(b"large").unwrap(), Some(vec![7; 10 << 20]));
    assert_eq!(rows(&store.keyspace("other").unwrap()), [(b"a".to_vec(), b"1".to_vec())]);
}

#[test]
fn everything_is_shown_and_no_byte_changes() {
    let directory = scratch();
    let path = directory.path().join("db");
    leave_a_store(&path);
    let before = files(&path);
    let clock = Clock::manual(START + 999);
    let builder = SledStoreBuilder::new().read_only(true).clock(clock.clone());
    let store = builder.build(&path).unwrap();
    check_content(&store);
    assert_eq!(store.path(), path);
    assert_eq!(store.count().unwrap(), 501);
    clock.advance(ms(1));
    assert_eq!(store.get(b"expires").unwrap(), None, "lives go on");
    assert_eq!(store.count().unwrap(), 500);
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.iter().unwrap().count(), 500);
    drop(snapshot);
    store.flush().unwrap();
    store.compact().unwrap();
    store.close().unwrap();
    assert!(files(&path) == before, "the files are as they were");
    SledStore::open(&path).unwrap().close().unwrap();
}

#[test]
fn every_write_is_refused() {
    let directory = scratch();
    let path = directory.path().join("db");
    leave_a_store(&path);
    let before = files(&path);
    let builder = SledStoreBuilder::new().read_only(true).clock(Clock::manual(START + 2_000));
    let store = builder.build(&path).unwrap();
    let key = &7_u32.to_be_bytes();
    let mut batch = SledBatch::new();
    batch.put(key, b"x").unwrap();
    let transaction = store.transaction().unwrap();
    transaction.put(key, b"x").unwrap();
    let refused = [
        ("put", store.put(key, b"x")),
        ("put_with_ttl", store.put_with_ttl(key, b"x", ms(1))),
        ("delete", store.delete(key)),
        ("remove", store.remove(key).map(drop)),
        ("swap", store.compare_and_swap(key, Some(&[2; 200]), b"x").map(drop)),
        ("expire", store.expire(key, ms(1)).map(drop)),
        ("purge", store.purge_expired().map(drop)),
        ("batch_write", store.batch_write(&[(key, b"x")])),
        ("apply", store.apply(&batch)),
        ("commit", transaction.commit()),
        ("a new keyspace", store.keyspace("new").map(drop)),
        ("drop_keyspace", store.drop_keyspace("other").map(drop)),
        ("open_tree", store.open_tree("new").map(drop)),
    ];
    for (what, refused) in refused {
        assert!(matches!(refused, Err(StoreError::ReadOnly)), "{what}: {refused:?}");
    }
    check_content(&store);
    drop(batch);
    store.close().unwrap();
    assert!(files(&path) == before, "the files are as they were");
}

#[test]
fn readers_share_a_store_and_a_writer_goes_its_own_way() {
    let directory = scratch();
    let path = directory.path().join("db");
    leave_a_store(&path);
    let readers = [read_only(&path).unwrap(), read_only(&path).unwrap()];
    let writer = SledStore::open(&path).expect("the copies have been made");
    writer.put(&7_u32.to_be_bytes(), b"new").unwrap();
    readers.iter().for_each(check_content);
    let error = assert_failed(read_only(&path), Reason::LockedByThisProcess);
    assert!(error.to_string().contains(&*path.to_string_lossy()), "{error}");
    writer.close().unwrap();
    let late = read_only(&path).unwrap();
    assert_eq!(late.get(&7_u32.to_be_bytes()).unwrap().as_deref(), Some(&b"new"[..]));
}

#[test]
fn what_is_not_there_or_cannot_be_meant_is_refused_and_nothing_is_made() {
    let directory = scratch();
    let path = directory.path().join("db");
    let error = assert_failed(read_only(&path), Reason::Os);
    assert_eq!(Failure::of(&error).unwrap().os_code(), Some(2), "ENOENT");
    std::fs::create_dir(&path).unwrap();
    assert_failed(read_only(&path), Reason::Os);
    assert_eq!(std::fs::read_dir(&path).unwrap().count(), 0);
    let builder = || SledStoreBuilder::new().read_only(true);
    assert_failed(builder().must_create(true).build(&path), Reason::InvalidArgument);
    assert_failed(builder().temporary(true).build(&path), Reason::InvalidArgument);
    assert_failed(builder().build_temporary(), Reason::InvalidArgument);
}

#[test]
fn damage_is_told_of_the_store_itself() {
    let directory = scratch();
    let path = directory.path().join("db");
    leave_a_store(&path);
    let log = std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path());
    let log = log.filter(|path| path.to_string_lossy().contains("sledstore.log.")).min().unwrap();
    let mut bytes = std::fs::read(&log).unwrap();
    bytes[200] ^= 1;
    std::fs::write(&log, bytes).unwrap();
    let before = files(&path);
    let error = read_only(&path).err().expect("a damaged log");
    assert!(matches!(error, StoreError::Corruption(_)), "{error:?}");
    assert!(error.to_string().contains(&*log.to_string_lossy()), "{error}");
    assert!(files(&path) == before, "the files are as they were");
}

#[test]
#[ignore = "runs as a child process of the test below"]
fn child_reads_from_a_read_only_file_system() {
    let Some(directory) = child::directory() else { return };
    let path = directory.join("db");
    leave_a_store(&path);
    remount(&directory, "ro");
    let store = read_only(&path).unwrap();
    check_content(&store);
    store.close().unwrap();
    child::say("passed");
}

#[test]
fn a_read_only_file_system_is_enough() {
    in_a_small_file_system("read_only::child_reads_from_a_read_only_file_system", 96);
}

#[test]
#[ignore = "runs as a child process of the test below"]
fn child_reads_what_it_may_not_write() {
    let Some(directory) = child::directory() else { return };
    let path = directory.join("db");
    let temporary = directory.join("tmp");
    assert!(std::fs::write(path.join("mine"), b"").is_err(), "it may not write there");
    let store = read_only(&path).unwrap();
    check_content(&store);
    let copies = || std::fs::read_dir(&temporary).unwrap().map(|entry| entry.unwrap().path());
    let copy = copies().next().expect("a copy among the temporary files");
    assert_eq!(copy.metadata().unwrap().permissions().mode() & 0o777, 0o700, "for nobody else");
    store.close().unwrap();
    assert_eq!(copies().count(), 0, "the copy is gone");
    child::say("passed");
}

#[test]
fn permission_to_read_is_enough() {
    let directory = scratch();
    let path = directory.path().join("db");
    leave_a_store(&path);
    let temporary = directory.path().join("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let allow = |path: &Path, mode: u32| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    allow(directory.path(), 0o755);
    allow(&temporary, 0o777);
    for entry in std::fs::read_dir(&path).unwrap() {
        allow(&entry.unwrap().path(), 0o444);
    }
    allow(&path, 0o555);
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(child::arguments("read_only::child_reads_what_it_may_not_write"));
    command.env("TMPDIR", &temporary);
    // SAFETY: the call has no preconditions.
    if unsafe { libc::geteuid() } == 0 {
        // Permissions mean nothing to root.
        command.uid(65_534).gid(65_534);
        let mut check = Command::new(std::env::current_exe().unwrap());
        if check.arg("--list").uid(65_534).gid(65_534).output().is_err() {
            eprintln!("NOT TESTED: another user may not run this test");
            return;
        }
    }
    let mut process = child::start_command(command, directory.path());
    process.expect("passed");
    assert!(process.finish().success());
    allow(&path, 0o755);
}
