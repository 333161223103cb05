//! Files of a closed store that are torn, foreign, left over or gone.

use std::fs;
use std::path::{Path, PathBuf};

use sledstore::{Failure, SledStore, SledStoreBuilder, StoreError};

use crate::common::{child, rows, scratch, Result};
use crate::inject::{self, Fault, Kind};

const ROWS: u64 = 500;

/// A store with some rows, closed; with `snapshot`, the engine has a snapshot of its page table.
fn closed_store(segment_size: usize, snapshot: bool) -> (tempfile::TempDir, PathBuf) {
    let directory = scratch();
    let path = directory.path().join("db");
    let store = SledStoreBuilder::new().segment_size(segment_size).build(&path).unwrap();
    for number in 0..ROWS {
        store.put(&number.to_be_bytes(), &[number as u8; 100]).unwrap();
    }
    store.close().unwrap();
    if snapshot {
        SledStore::open(&path).unwrap().close().unwrap();
        assert!(!snapshots(&path).is_empty(), "opening makes a snapshot");
    } else {
        snapshots(&path).iter().for_each(|snapshot| fs::remove_file(snapshot).unwrap());
    }
    (directory, path)
}

fn snapshots(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap());
    let named = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("snap."));
    named.map(|entry| entry.path()).collect()
}

#[track_caller]
fn is_whole(opened: Result<SledStore>) {
    let store = opened.expect("it opens");
    let expected: Vec<_> =
        (0..ROWS).map(|number| (number.to_be_bytes().to_vec(), vec![number as u8; 100])).collect();
    assert_eq!(rows(&store), expected);
    store.put(b"more", b"value").unwrap();
    store.delete(b"more").unwrap();
    store.close().unwrap();
}

#[track_caller]
fn is_refused(path: &Path) {
    match SledStore::open(path) {
        Err(StoreError::Corruption(text)) => {
            assert!(text.contains(&*path.to_string_lossy()), "{text}");
        }
        Err(error) => panic!("`Corruption` was expected, found {error}"),
        Ok(store) => panic!("it opened, with {} rows", rows(&store).len()),
    }
}

#[test]
fn torn_settings_are_written_anew() {
    for segment_size in [512 << 10, 64 << 10, 2 << 20] {
        for torn in [&[][..], &[0x73; 20], &[0; 62], b"segment_size: 1024\n"] {
            let (_directory, path) = closed_store(segment_size, false);
            fs::write(path.join("conf"), torn).unwrap();
            is_whole(SledStore::open(&path));
            is_whole(SledStore::open(&path));
        }
    }
}

#[test]
fn vanished_settings_are_written_anew() {
    let (_directory, path) = closed_store(64 << 10, true);
    fs::remove_file(path.join("conf")).unwrap();
    is_whole(SledStore::open(&path));
    is_whole(SledStore::open(&path));
}

#[test]
fn a_snapshot_that_was_left_half_written_is_no_obstacle() {
    for snapshot in [false, true] {
        let (_directory, path) = closed_store(512 << 10, snapshot);
        fs::write(path.join("snap.00000000000F0A10.generating"), b"half").unwrap();
        is_whole(SledStore::open(&path));
        is_whole(SledStore::open(&path));
    }
}

#[test]
fn a_foreign_file_in_the_place_of_a_snapshot_is_no_obstacle() {
    for snapshot in [false, true] {
        let (_directory, path) = closed_store(512 << 10, snapshot);
        fs::write(path.join("snap.x"), b"not the engine's").unwrap();
        is_whole(SledStore::open(&path));
        is_whole(SledStore::open(&path));
    }
}

#[test]
fn a_damaged_snapshot_is_no_obstacle() {
    let (_directory, path) = closed_store(512 << 10, true);
    for snapshot in snapshots(&path) {
        let mut bytes = fs::read(&snapshot).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x10;
        fs::write(&snapshot, bytes).unwrap();
    }
    is_whole(SledStore::open(&path));
    is_whole(SledStore::open(&path));
}

#[test]
fn a_vanished_log_is_refused_and_can_be_brought_back() {
    for snapshot in [false, true] {
        let (directory, path) = closed_store(512 << 10, snapshot);
        let log = path.join("db");
        let safe = directory.path().join("safe");
        fs::rename(&log, &safe).unwrap();
        is_refused(&path);
        assert!(!log.exists(), "no empty log in its place");
        is_refused(&path);
        fs::rename(&safe, &log).unwrap();
        is_whole(SledStore::open(&path));
    }
}

#[test]
fn an_emptied_log_is_refused_and_can_be_brought_back() {
    for snapshot in [false, true] {
        let (_directory, path) = closed_store(512 << 10, snapshot);
        let log = path.join("db");
        let bytes = fs::read(&log).unwrap();
        fs::write(&log, b"").unwrap();
        is_refused(&path);
        is_refused(&path);
        fs::write(&log, bytes).unwrap();
        is_whole(SledStore::open(&path));
    }
}

#[test]
fn a_store_of_the_engine_alone_whose_log_is_gone_is_refused_where_that_shows() {
    let directory = scratch();
    let path = directory.path().join("db");
    for _ in 0..2 {
        // The second opening leaves a snapshot behind.
        let db = sled::open(&path).unwrap();
        db.insert(b"a", b"1").unwrap();
        drop(db);
    }
    assert!(!snapshots(&path).is_empty());
    fs::remove_file(path.join("db")).unwrap();
    is_refused(&path);
}

/// A store that sled finds empty without its snapshot: what the engine alone writes for long is nothing but
/// one small key.
fn store_that_needs_its_snapshot(path: &Path) {
    let put = |store: &SledStore, number: u64| {
        let value = [number as u8; 100];
        store.put(&number.to_be_bytes(), &value).unwrap();
    };
    let store = SledStore::open(path).unwrap();
    (0..20_000).for_each(|number| put(&store, number));
    store.close().unwrap();
    let db = sled::Config::new().path(path).segment_size(8 << 20).open().unwrap();
    let tree = db.open_tree("marks").unwrap();
    for number in 0..150_000_u64 {
        tree.insert(b"mark", &number.to_be_bytes()).unwrap();
        if number % 100 == 0 {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }
    drop((tree, db));
    // Until it has let go of its log.
    fs::File::open(path.join("db")).unwrap().lock().unwrap();
    SledStore::open(path).unwrap().close().unwrap();
}

/// The name that a snapshot has beside its own while a store is opened.
fn second_name(snapshot: &Path) -> PathBuf {
    let name = snapshot.file_name().unwrap().to_string_lossy();
    snapshot.with_file_name(format!("sledstore.set-aside.{name}"))
}

#[test]
fn a_snapshot_that_the_log_cannot_do_without_is_missed_and_can_be_brought_back() {
    let directory = scratch();
    let path = directory.path().join("db");
    store_that_needs_its_snapshot(&path);
    let log = fs::read(path.join("db")).unwrap();
    let whole: Vec<_> =
        snapshots(&path).into_iter().map(|name| (fs::read(&name).unwrap(), name)).collect();
    assert_eq!(whole.len(), 1);
    let (bytes, name) = &whole[0];
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 1;
    for damaged in [None, Some(flipped), Some(bytes[..bytes.len() / 3].to_vec()), Some(Vec::new())]
    {
        match damaged {
            None => fs::remove_file(name).unwrap(),
            Some(damaged) => fs::write(name, damaged).unwrap(),
        }
        for _ in 0..2 {
            is_refused(&path);
            assert!(fs::read(path.join("db")).unwrap() == log, "the log has changed");
        }
        fs::write(name, bytes).unwrap();
    }
    // Killed while the snapshot was hidden, and there is nothing but its second name.
    fs::rename(name, second_name(name)).unwrap();
    assert_eq!(SledStore::open(&path).unwrap().count().unwrap(), 20_000);
    // A log that is not the snapshot's does not cost the snapshot either.
    let log = fs::read(path.join("db")).unwrap();
    fs::write(path.join("db"), &log[..log.len() / 2]).unwrap();
    is_refused(&path);
    fs::write(path.join("db"), &log).unwrap();
    let store = SledStore::open(&path).unwrap();
    assert_eq!(store.count().unwrap(), 20_000);
}

#[test]
#[ignore = "runs as a child process of the test below"]
fn child_is_refused() {
    let Some(directory) = child::directory() else { return };
    let error = SledStore::open(directory.join("db")).err().expect("it cannot open");
    let (_, hits) = inject::calls_and_hits();
    let is_corruption = matches!(error, StoreError::Corruption(_));
    let number = Failure::of(&error).and_then(Failure::os_code);
    child::say(match (hits, number) {
        (0, _) if is_corruption => "fails nowhere",
        (1, Some(libc::EIO)) => "fails while opening",
        (1, _) if is_corruption => "fails while taking back",
        _ => panic!("{hits}: {error}"),
    });
}

/// Opens the store below `directory` in a process in which call `first` fails; says where.
fn is_refused_with(directory: &Path, kind: Kind, first: u64) -> String {
    let notes = scratch();
    let fault = Fault { first, ..Fault::none(kind) };
    let complaints = notes.path().join("stderr");
    let mut process = inject::start("torn::child_is_refused", directory, fault, &[], &complaints);
    let said = process.next_message();
    let printed = fs::read_to_string(complaints).unwrap();
    assert!(process.finish().success(), "{fault:?}: {printed}");
    said.expect("the child says where")
}

/// Neither the damage nor the failure costs anything that was there.
#[test]
fn a_store_that_is_refused_for_its_snapshot_on_a_disk_that_fails_stays_as_it_was() {
    let directory = scratch();
    let path = directory.path().join("db");
    store_that_needs_its_snapshot(&path);
    let log = fs::read(path.join("db")).unwrap();
    let name = snapshots(&path).remove(0);
    let whole = fs::read(&name).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    fs::write(&name, &flipped).unwrap();
    for (kind, step) in [(Kind::Fsync, 1), (Kind::Pwrite, 5), (Kind::Write, 1)] {
        let mut met = 0;
        for first in (1..).step_by(step) {
            match &*is_refused_with(directory.path(), kind, first) {
                "fails while opening" => met += 1,
                "fails while taking back" => {
                    fs::write(path.join("db"), &log).unwrap();
                    continue;
                }
                _ => break,
            }
            assert!(fs::read(path.join("db")).unwrap() == log, "{kind:?} {first}: the log");
            assert_eq!(snapshots(&path), std::slice::from_ref(&name), "{kind:?} {first}");
            assert!(fs::read(&name).unwrap() == flipped, "{kind:?} {first}: the snapshot");
        }
        println!("{kind:?}: {met} of them failed while it opened");
        assert!(met > 0, "{kind:?}");
    }
    fs::write(&name, &whole).unwrap();
    assert_eq!(SledStore::open(&path).unwrap().count().unwrap(), 20_000);
}

#[test]
fn a_store_that_is_refused_for_its_journal_keeps_its_snapshot() {
    let (_directory, path) = closed_store(512 << 10, true);
    {
        let db = sled::open(&path).unwrap();
        db.open_tree("__journal__").unwrap().insert([0], &b"damaged"[..]).unwrap();
    }
    let before = snapshots(&path);
    assert!(!before.is_empty());
    is_refused(&path);
    assert!(!snapshots(&path).is_empty(), "the snapshot is gone");
    is_refused(&path);
    sled::open(&path).unwrap().open_tree("__journal__").unwrap().remove([0]).unwrap();
    is_whole(SledStore::open(&path));
}

#[test]
fn settings_that_nobody_knows_cost_no_snapshot() {
    let directory = scratch();
    let path = directory.path().join("db");
    for _ in 0..2 {
        // Of the engine alone, so no mark knows the settings; the second opening leaves a snapshot behind.
        let db = sled::open(&path).unwrap();
        db.open_tree("default").unwrap().insert(b"a", b"1").unwrap();
    }
    let (before, conf) = (snapshots(&path), fs::read(path.join("conf")).unwrap());
    assert!(!before.is_empty());
    fs::write(path.join("conf"), [0x73; 20]).unwrap();
    is_refused(&path);
    is_refused(&path);
    assert_eq!(snapshots(&path), before);
    fs::write(path.join("conf"), conf).unwrap();
    assert_eq!(SledStore::open(&path).unwrap().count().unwrap(), 1);
}
