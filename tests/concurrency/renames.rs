//! A keyspace that is renamed has one of both names after a kill, with all its rows and expiries.

use std::path::Path;
use std::thread;
use std::time::Duration;

use sledstore::{SledStore, SledStoreBuilder};

use crate::common::child;
use crate::common::random::Random;
use crate::common::{ms, scratch};

const KILLS: u64 = 40;
const ROWS: u64 = 400;
const NAMES: [&str; 2] = ["one", "other"];
const LIFE: Duration = Duration::from_secs(1_000_000);

fn open(directory: &Path) -> SledStore {
    // Small segments, so that the long values are in pieces.
    let builder = SledStoreBuilder::new().memtable_size(64 << 10).segment_size(64 << 10);
    builder.build(directory.join("store")).expect("the store opens")
}

fn value(row: u64) -> Vec<u8> {
    let length = if row.is_multiple_of(40) { 9_000 } else { 20 + row % 100 };
    row.to_le_bytes().iter().copied().cycle().take(length as usize).collect()
}

/// Which of the names the keyspace has; it must be one, and everything must be there.
fn name(store: &SledStore) -> usize {
    let names = store.keyspace_names().unwrap();
    let found: Vec<_> =
        (0..2).filter(|at| names.contains(&NAMES[*at].as_bytes().to_vec())).collect();
    assert_eq!(found.len(), 1, "{names:?}");
    let keyspace = store.keyspace(NAMES[found[0]]).unwrap();
    let rows = keyspace.iter().unwrap().map(Result::unwrap);
    assert!(rows.eq((0..ROWS).map(|row| (row.to_be_bytes().to_vec(), value(row)))));
    for row in 0..ROWS {
        assert_eq!(keyspace.ttl(&row.to_be_bytes()).unwrap().is_some(), row.is_multiple_of(3));
    }
    found[0]
}

fn rename(store: &SledStore, from: usize) -> usize {
    assert!(store.rename_keyspace(NAMES[from], NAMES[1 - from]).unwrap());
    1 - from
}

#[test]
#[ignore = "runs as a child process of the test below"]
fn child_renames_until_it_is_killed() {
    let Some(directory) = child::directory() else { return };
    let store = open(&directory);
    let mut at = name(&store);
    child::say("open");
    loop {
        store.put(b"beside", &[at as u8]).unwrap();
        at = rename(&store, at);
        child::say(NAMES[at]);
    }
}

#[test]
fn a_kill_at_any_moment_of_a_rename_leaves_one_name_and_all_rows() {
    let directory = scratch();
    let store = open(directory.path());
    let keyspace = store.keyspace(NAMES[0]).unwrap();
    for row in 0..ROWS {
        match row % 3 {
            0 => keyspace.put_with_ttl(&row.to_be_bytes(), &value(row), LIFE).unwrap(),
            _ => keyspace.put(&row.to_be_bytes(), &value(row)).unwrap(),
        }
    }
    drop(keyspace);
    store.close().unwrap();
    let mut random = Random::new(KILLS);
    let mut seen = [0; 2];
    for _ in 0..KILLS {
        let mut child = child::start("renames::child_renames_until_it_is_killed", directory.path());
        child.expect("open");
        // No wait for anything: it spreads the kills.
        thread::sleep(ms(random.below(60)));
        child.kill();
        let store = open(directory.path());
        let at = name(&store);
        seen[at] += 1;
        match random.below(2) {
            0 => store.close().unwrap(),
            _ => drop(store),
        }
    }
    assert!(seen[0] > 0 && seen[1] > 0, "the children renamed nothing: {seen:?}");
}
