//! Purging in the background.

use std::path::Path;
use std::thread;

use sledstore::{Clock, SledStore, SledStoreBuilder};

use crate::common::{ms, scratch, START};

fn purging(path: &Path, clock: &Clock) -> SledStore {
    SledStoreBuilder::new().clock(clock.clone()).purge_every(ms(1)).build(path).unwrap()
}

/// How many rows of the keyspaces a closed store has, expired ones too.
fn rows_on_disk(path: &Path) -> usize {
    let db = sled::Config::new().path(path).segment_size(8 << 20).open().unwrap();
    ["default", "other"].map(|name| db.open_tree(name).unwrap().len()).iter().sum()
}

#[test]
fn expired_rows_of_all_keyspaces_go_by_themselves() {
    let directory = scratch();
    let path = directory.path().join("store");
    let clock = Clock::manual(START);
    let store = purging(&path, &clock);
    let other = store.keyspace("other").unwrap();
    for number in 0..3_000_u32 {
        let key = number.to_be_bytes();
        store.put_with_ttl(&key, b"mortal", ms(5)).unwrap();
        other.put_with_ttl(&key, b"mortal", ms(5 + u64::from(number % 2))).unwrap();
    }
    store.put(b"immortal", b"1").unwrap();
    store.compact().unwrap();
    clock.advance(ms(5));
    // Also of a keyspace that nobody has opened since.
    drop(other);
    let mut store = store;
    for _ in 0..300 {
        thread::sleep(ms(100));
        store.close().unwrap();
        if rows_on_disk(&path) == 1 + 1_500 {
            return;
        }
        store = purging(&path, &clock);
    }
    panic!("{} rows are left", rows_on_disk(&path));
}

#[test]
fn without_an_interval_nothing_is_purged() {
    let directory = scratch();
    let path = directory.path().join("store");
    let clock = Clock::manual(START);
    let store = SledStoreBuilder::new().clock(clock.clone()).build(&path).unwrap();
    store.put_with_ttl(b"mortal", b"1", ms(5)).unwrap();
    clock.advance(ms(5));
    thread::sleep(ms(100));
    assert_eq!(store.purge_expired().unwrap(), 1);
}

/// However the thread and the end of the store meet, the directory is free when that returns.
#[test]
fn the_thread_ends_with_the_store() {
    let directory = scratch();
    let path = directory.path().join("store");
    let clock = Clock::manual(START);
    for round in 0..60_u64 {
        let store = purging(&path, &clock);
        let snapshot = store.snapshot().unwrap();
        for number in 0..200_u32 {
            store.put_with_ttl(&number.to_be_bytes(), b"mortal", ms(1)).unwrap();
        }
        clock.advance(ms(1));
        thread::sleep(ms(round % 4));
        if round % 2 == 0 {
            drop(snapshot);
            store.close().unwrap();
        } else {
            drop(store);
            drop(snapshot);
        }
    }
    let names = std::fs::read_dir("/proc/self/task")
        .unwrap()
        .filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok());
    // Other tests of this program have such threads too, but not 60.
    assert!(names.filter(|name| name.starts_with("sledstore-purge")).count() < 10);
}
