//! A process that is killed at any moment, also while it opens its store, loses nothing that it was told
//! is written: what is left is the result of a prefix of its commits, with all that were acknowledged.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use sledstore::{SledBatch, SledStore, SledStoreBuilder};

use crate::common::child;
use crate::common::random::Random;
use crate::common::{ms, scratch};

/// `SLEDSTORE_KILLS` is another number.
const KILLS: u64 = 100;
/// Kills that one directory has to bear.
const KILLS_A_DIRECTORY: u64 = 20;
/// Few, so that each is overwritten again and again, over many checkpoints.
const KEYS: u64 = 12;
const LIFE: Duration = Duration::from_secs(1_000_000);

/// What a keyspace has: the number of the commit that put a row, and whether the row expires.
type Rows = BTreeMap<u64, (u64, bool)>;
type Model = [Rows; 2];
/// A row of a keyspace, and what it becomes.
type Change = (usize, u64, Option<(u64, bool)>);

/// What one commit does: to which row of which keyspace, and what the row becomes.
fn commit_of(number: u64, model: &Model) -> Vec<Change> {
    let mut random = Random::new(number);
    let mut place = || (random.below(2) as usize, random.below(KEYS));
    let (space, key) = place();
    match number % 10 {
        // A range, and now and then all of a keyspace.
        8 | 9 => {
            let range = if number % 100 == 9 { 0..KEYS } else { key..key + 1 + number % 3 };
            let keys = model[space].range(range).map(|(key, _)| (space, *key, None));
            keys.collect()
        }
        0 | 1 => vec![(space, key, Some((number, false)))],
        2 => vec![(space, key, Some((number, true)))],
        3 => vec![(space, key, None)],
        // Only the expiry of a row changes, if it is there.
        4 => {
            let row = model[space].get(&key).map(|(number, expires)| (*number, !expires));
            row.map(|row| (space, key, Some(row))).into_iter().collect()
        }
        // A merge, which keeps the expiry.
        5 if number % 20 == 5 => {
            let expires = model[space].get(&key).is_some_and(|(_, expires)| *expires);
            vec![(space, key, Some((number, expires)))]
        }
        // A swap of a row that is there.
        5 => {
            let row = model[space].get(&key).map(|_| (number, false));
            row.map(|row| (space, key, Some(row))).into_iter().collect()
        }
        _ => {
            let mut rows = BTreeMap::new();
            for part in 0..6 {
                let row = (part % 3 != 2).then_some((number, part % 3 == 1));
                rows.insert(place(), row);
            }
            rows.into_iter().map(|((space, key), row)| (space, key, row)).collect()
        }
    }
}

fn apply(model: &mut Model, number: u64) {
    for (space, key, row) in commit_of(number, model) {
        match row {
            Some(row) => model[space].insert(key, row),
            None => model[space].remove(&key),
        };
    }
}

/// Long enough that a few hundred commits fill a memtable, and now and then in pieces.
fn value(number: u64) -> Vec<u8> {
    let length = if number % 50 == 7 { 9_000 } else { 8 + number % 300 };
    number.to_le_bytes().iter().copied().cycle().take(length as usize).collect()
}

fn open(directory: &Path) -> (SledStore, [SledStore; 2]) {
    // Small segments, so that values of a few thousand bytes are in pieces.
    let builder = SledStoreBuilder::new().memtable_size(64 << 10).segment_size(64 << 10);
    let store = builder.build(directory.join("store")).expect("the store opens");
    let other = store.keyspace("other").expect("a keyspace");
    for space in [&store, &other] {
        space.set_merge_operator(|_, _, operand| Some(operand.to_vec()));
    }
    (store.clone(), [store, other])
}

/// Makes the commit `number` in the way that its kind has.
fn make(spaces: &[SledStore; 2], number: u64, model: &Model) {
    let rows = commit_of(number, model);
    let key = |key: u64| key.to_be_bytes();
    match (number % 10, &rows[..]) {
        (8 | 9, _) => erase(spaces, number),
        (0 | 1, [(space, row, _)]) => spaces[*space].put(&key(*row), &value(number)).unwrap(),
        (2, [(space, row, _)]) => {
            spaces[*space].put_with_ttl(&key(*row), &value(number), LIFE).unwrap();
        }
        (3, [(space, row, _)]) => spaces[*space].delete(&key(*row)).unwrap(),
        (4, [(space, row, Some((_, true)))]) => spaces[*space].expire(&key(*row), LIFE).unwrap(),
        (4, [(space, row, _)]) => assert!(spaces[*space].persist(&key(*row)).unwrap()),
        (5, [(space, row, _)]) if number % 20 == 5 => {
            spaces[*space].merge(key(*row), value(number)).unwrap();
        }
        (5, [(space, row, _)]) => {
            let before = value(model[*space][row].0);
            let swapped =
                spaces[*space].compare_and_swap(&key(*row), Some(&before), &value(number));
            assert!(swapped.unwrap());
        }
        (4 | 5, []) => {}
        (6, rows) => {
            let mut batch = SledBatch::new();
            for (space, row, image) in rows {
                let (space, key) = (&spaces[*space], key(*row));
                match image {
                    Some((_, true)) => batch.put_with_ttl_in(space, &key, &value(number), LIFE),
                    Some((_, false)) => batch.put_in(space, &key, &value(number)),
                    None => batch.delete_in(space, &key),
                }
                .unwrap();
            }
            spaces[0].apply(&batch).unwrap();
        }
        (_, rows) => {
            let transaction = spaces[1].transaction().unwrap();
            for (space, row, image) in rows {
                let part = transaction.keyspace(&spaces[*space]).unwrap();
                let before = part.get(&key(*row)).unwrap();
                let expected = model[*space].get(row).map(|(number, _)| value(*number));
                assert_eq!(before, expected, "what the transaction reads");
                match image {
                    Some((_, true)) => part.put_with_ttl(&key(*row), &value(number), LIFE),
                    Some((_, false)) => part.put(&key(*row), &value(number)),
                    None => part.delete(&key(*row)),
                }
                .unwrap();
            }
            transaction.commit().unwrap();
        }
    }
}

/// As `commit_of` has it: alone, in a batch, or in a transaction.
fn erase(spaces: &[SledStore; 2], number: u64) {
    let mut random = Random::new(number);
    let (space, key) = (&spaces[random.below(2) as usize], random.below(KEYS));
    let (lo, hi) = (key.to_be_bytes(), (key + 1 + number % 3).to_be_bytes());
    match number % 100 {
        9 => space.clear().unwrap(),
        18 | 38 | 58 => {
            let mut batch = SledBatch::new();
            batch.delete_range_in(space, Some(&lo), Some(&hi)).unwrap();
            spaces[1].apply(&batch).unwrap();
        }
        19 | 39 | 59 => {
            let transaction = space.transaction().unwrap();
            transaction.delete_range(Some(&lo), Some(&hi)).unwrap();
            transaction.commit().unwrap();
        }
        _ => space.delete_range(Some(&lo), Some(&hi)).unwrap(),
    }
}

/// Where the child writes what is acknowledged: a kill takes nothing of it.
fn acknowledged(directory: &Path) -> File {
    let mut options = File::options();
    let options = options.read(true).write(true).create(true).truncate(false);
    options.open(directory.join("acknowledged")).expect("a file")
}

fn read(file: &File) -> u64 {
    let mut bytes = [0; 8];
    match file.read_exact_at(&mut bytes, 0) {
        Ok(()) => u64::from_le_bytes(bytes),
        Err(_) => 0,
    }
}

fn model_after(number: u64) -> Model {
    let mut model = Model::default();
    (1..=number).for_each(|number| apply(&mut model, number));
    model
}

fn agrees(spaces: &[SledStore; 2], model: &Model) -> bool {
    spaces.iter().zip(model).all(|(space, rows)| {
        let expected = rows
            .iter()
            .map(|(key, (number, expires))| (key.to_be_bytes().to_vec(), value(*number), *expires));
        let found = space.iter().unwrap().map(|row| {
            let (key, value) = row.unwrap();
            let expires = space.ttl(&key).unwrap().is_some();
            (key, value, expires)
        });
        found.eq(expected) && space.count().unwrap() == rows.len() as u64
    })
}

/// How many commits there are, at least those that were acknowledged, and what they come to.
fn check(file: &File, spaces: &[SledStore; 2]) -> (u64, Model) {
    let acknowledged = read(file);
    let mut model = model_after(acknowledged);
    if agrees(spaces, &model) {
        return (acknowledged, model);
    }
    // The one commit that was under way.
    apply(&mut model, acknowledged + 1);
    assert!(agrees(spaces, &model), "{acknowledged} commits were acknowledged");
    file.write_all_at(&(acknowledged + 1).to_le_bytes(), 0).unwrap();
    (acknowledged + 1, model)
}

#[test]
#[ignore = "runs as a child process of the test below"]
fn child_commits_until_it_is_killed() {
    let Some(directory) = child::directory() else { return };
    let file = acknowledged(&directory);
    let (_store, spaces) = open(&directory);
    let (mut number, mut model) = check(&file, &spaces);
    child::say("open");
    loop {
        number += 1;
        make(&spaces, number, &model);
        apply(&mut model, number);
        file.write_all_at(&number.to_le_bytes(), 0).unwrap();
    }
}

#[test]
fn a_kill_at_any_moment_loses_nothing_acknowledged_and_leaves_a_prefix_of_the_commits() {
    let kills = std::env::var("SLEDSTORE_KILLS").map_or(KILLS, |it| it.parse().expect("a number"));
    let mut random = Random::new(kills);
    let mut directory = scratch();
    let mut commits = 0;
    for kill in 0..kills {
        if kill % KILLS_A_DIRECTORY == 0 {
            directory = scratch();
        }
        let mut child =
            child::start("acknowledged::child_commits_until_it_is_killed", directory.path());
        // Every fourth one while it opens, or replays.
        if kill % 4 != 3 {
            child.expect("open");
        }
        // No wait for anything: it spreads the kills over openings, commits and checkpoints.
        thread::sleep(ms(random.below(40)));
        child.kill();
        // Otherwise the next child has the log of this one to replay, and looks at what is there.
        if kill % 3 == 0 || kill % KILLS_A_DIRECTORY == KILLS_A_DIRECTORY - 1 {
            let (store, spaces) = open(directory.path());
            commits = check(&acknowledged(directory.path()), &spaces).0.max(commits);
            drop(spaces);
            store.close().expect("it closes");
        }
    }
    assert!(commits > 200, "the children hardly wrote anything: {commits} commits");
}
