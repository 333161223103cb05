//! Copies of whole stores: backups, restores, dumps.

mod backup;
#[path = "../common/mod.rs"]
mod common;
mod dump;
mod restore;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::{ms, open_at, START};
use sledstore::{Clock, SledStore};

/// Everything that a store shows: of each keyspace each row, with its remaining life.
type Content = BTreeMap<Vec<u8>, BTreeMap<Vec<u8>, (Vec<u8>, Option<Duration>)>>;

fn content(store: &SledStore) -> Content {
    let names = store.keyspace_names().unwrap();
    let rows = |name: &Vec<u8>| {
        let keyspace = store.keyspace(name).unwrap();
        let rows = keyspace.iter().unwrap().map(|row| {
            let (key, value) = row.unwrap();
            let ttl = keyspace.ttl(&key).unwrap();
            (key, (value, ttl))
        });
        rows.collect()
    };
    names.iter().map(|name| (name.clone(), rows(name))).collect()
}

/// What the store at `path` shows at the time [`START`].
fn content_at(path: &Path) -> Content {
    let store = open_at(path, &Clock::manual(START)).unwrap();
    let found = content(&store);
    store.close().unwrap();
    found
}

/// Rows of every kind, in several keyspaces, some of them in the main file and some in the log.
fn fill(store: &SledStore) {
    for number in 0..2_500_u32 {
        store.put(&number.to_be_bytes(), &[number as u8; 40]).unwrap();
    }
    store.put(b"", b"the empty key").unwrap();
    store.put(b"empty", b"").unwrap();
    store.put(&[0xFF; 300], b"a long key").unwrap();
    store.put(b"large", &vec![7; 3_000_000]).unwrap();
    let lives = store.keyspace(b"lives \xFF").unwrap();
    for number in 0..1_500_u32 {
        let key = number.to_be_bytes();
        match number % 3 {
            0 => lives.put(&key, b"for ever").unwrap(),
            1 => lives.put_with_ttl(&key, b"long", ms(u64::from(number) + 1_000_000)).unwrap(),
            _ => lives.put_with_ttl(&key, b"over", Duration::ZERO).unwrap(),
        }
    }
    store.keyspace("empty").unwrap();
    store.compact().unwrap();
    store.delete(&7_u32.to_be_bytes()).unwrap();
    store.put(&8_u32.to_be_bytes(), b"newer").unwrap();
    lives.put_with_ttl(b"large", &vec![9; 200_000], ms(77)).unwrap();
    lives.persist(&1_u32.to_be_bytes()).unwrap();
}

/// What a backup to `destination` is made in.
fn workspace(destination: &Path) -> PathBuf {
    let mut name = destination.as_os_str().to_owned();
    name.push(".sledstore-incomplete");
    name.into()
}
