//! A process that commits transactions over three keyspaces and is killed at any moment leaves the first so
//! many of them behind, whole.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;

use sledstore::SledStore;

use crate::common::child;
use crate::common::random::Random;
use crate::common::{rows, scratch};
use crate::kills::{start_and_kill, write_and_flush};

const KILLS: u64 = 200;
/// What a fresh directory has to bear.
const KILLS_A_DIRECTORY: u64 = 10;
const ROWS: u64 = 40;
/// Where each keyspace says how many transactions there were.
const NUMBER: &[u8] = b"number";

fn keyspaces(store: &SledStore) -> [SledStore; 3] {
    ["one", "two", "three"].map(|name| store.keyspace(name.as_bytes()).expect("a keyspace"))
}

/// What transaction `number` puts into keyspace `place`, and what it removes there after that.
fn changes(number: u64, place: u64) -> (Vec<u8>, Vec<u8>) {
    let row = |row: u64| (row % ROWS).to_be_bytes().to_vec();
    (row(number * (place + 3)), row(number * (place + 7) + 1))
}

/// What keyspace `place` is after `number` transactions.
fn expected(number: u64, place: u64) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut rows = BTreeMap::new();
    for number in 1..=number {
        let (put, removed) = changes(number, place);
        rows.insert(put, number.to_be_bytes().to_vec());
        rows.remove(&removed);
        rows.insert(NUMBER.to_vec(), number.to_be_bytes().to_vec());
    }
    rows.into_iter().collect()
}

/// Makes the next transaction; answers with its number.
fn commit(spaces: &[SledStore; 3]) -> u64 {
    let transaction = spaces[0].transaction().expect("a transaction");
    let mut last = None;
    for (place, space) in (0..).zip(spaces) {
        let part = transaction.keyspace(space).expect("a part");
        let before = part.get(NUMBER).expect("a read");
        let before = before.map_or(0, |it| u64::from_be_bytes(it.try_into().expect("8 bytes")));
        assert!(last.is_none_or(|last| last == before), "the keyspaces differ");
        last = Some(before);
        let number = before + 1;
        let (put, removed) = changes(number, place);
        part.put(&put, &number.to_be_bytes()).expect("a put");
        part.delete(&removed).expect("a removal");
        part.put(NUMBER, &number.to_be_bytes()).expect("a put");
    }
    transaction.commit().expect("nobody else writes");
    last.expect("there are keyspaces") + 1
}

/// How many transactions there were; all keyspaces have to say the same and to be as after that many.
fn check(store: &SledStore) -> u64 {
    let spaces = keyspaces(store);
    let number = |space: &SledStore| {
        let number = space.get(NUMBER).expect("a read");
        number.map_or(0, |it| u64::from_be_bytes(it.try_into().expect("8 bytes")))
    };
    let first = number(&spaces[0]);
    for (place, space) in (0..).zip(&spaces) {
        assert_eq!(rows(space), expected(first, place), "after {first} transactions");
    }
    first
}

#[test]
#[ignore = "runs as a child process of the test below"]
fn child_commits_until_it_is_killed() {
    let Some(directory) = child::directory() else { return };
    let store = SledStore::open(directory).unwrap();
    let spaces = keyspaces(&store);
    let committed = AtomicU64::new(check(&store));
    child::say("open");
    write_and_flush(&store, &committed, |_| commit(&spaces));
}

#[test]
fn a_kill_at_any_moment_leaves_a_prefix_of_whole_transactions() {
    let mut random = Random::new(200);
    let mut directory = scratch();
    let (mut flushed, mut most) = (0, 0);
    for kill in 0..KILLS {
        if kill % KILLS_A_DIRECTORY == 0 {
            directory = scratch();
            flushed = 0;
        }
        let part = "transactions::child_commits_until_it_is_killed";
        let said = start_and_kill(part, directory.path(), kill, 6, &mut random);
        flushed = said.unwrap_or(flushed);
        let store = SledStore::open(directory.path()).expect("the store opens after a kill");
        let there = check(&store);
        assert!(there >= flushed, "kill {kill}: {there}, but {flushed} were flushed");
        most = most.max(there);
        store.close().unwrap();
    }
    assert!(most > 100, "the children hardly wrote anything");
}
