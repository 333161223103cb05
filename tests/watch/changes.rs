//! The feed of commits that the log still has.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use sledstore::{
    Failure, LoggedChange, LoggedKind, Reason, SledBatch, SledStore, SledStoreBuilder, StoreError,
};

use crate::common::{rows, scratch};

/// More than any test here writes.
const ALL: u64 = 1 << 40;

fn open(path: &Path, keep: u64) -> SledStore {
    SledStoreBuilder::new().memtable_size(64 << 10).keep_log(keep).build(path).unwrap()
}

fn reason<T>(result: Result<T, StoreError>) -> Option<Reason> {
    result.err().and_then(|error| Failure::of(&error).map(Failure::reason))
}

/// Kind, keyspace, key and value.
type Told = (LoggedKind, String, String, Option<String>);

fn told(changes: &[LoggedChange]) -> Vec<Told> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let one = |it: &LoggedChange| {
        (it.kind, text(&it.keyspace), text(&it.key), it.value.as_deref().map(text))
    };
    changes.iter().map(one).collect()
}

fn put(keyspace: &str, key: &str, value: &str) -> Told {
    (LoggedKind::Put, keyspace.into(), key.into(), Some(value.into()))
}

/// Applies what a feed tells, and checks that no commit is left out.
fn apply(
    rows: &mut BTreeMap<Vec<u8>, Vec<u8>>,
    last: &mut u64,
    store: &SledStore,
    since: &mut sledstore::Changes,
) {
    while let Some(changes) = since.next_commit().unwrap() {
        *last += 1;
        assert!(changes.iter().all(|change| change.sequence == *last), "{last}: {changes:?}");
        for change in changes.iter().filter(|it| it.keyspace[..] == *store.keyspace_name()) {
            match &change.value {
                Some(value) => drop(rows.insert(change.key.to_vec(), value.to_vec())),
                None => drop(rows.remove(&change.key[..])),
            }
        }
    }
}

#[test]
fn the_feed_tells_what_each_commit_wrote_in_all_keyspaces() {
    let store = SledStoreBuilder::new().keep_log(ALL).build_temporary().unwrap();
    let other = store.keyspace("other").unwrap();
    store.put(b"before", b"1").unwrap();
    let from = store.sequence().unwrap();
    store.put(b"a", b"1").unwrap();
    let mut batch = SledBatch::new();
    batch.put_in(&other, b"b", b"2").unwrap();
    batch.delete(b"a").unwrap();
    store.apply(&batch).unwrap();
    store.put_with_ttl(b"c", b"3", crate::LONG).unwrap();
    assert!(store.drop_keyspace("other").unwrap());
    let mut feed = store.changes_since(from).unwrap();
    let commits: Vec<_> = feed.by_ref().map(Result::unwrap).collect();
    let expected = [
        vec![put("default", "a", "1")],
        vec![put("other", "b", "2"), (LoggedKind::Remove, "default".into(), "a".into(), None)],
        vec![put("default", "c", "3")],
        vec![(LoggedKind::DropKeyspace, "other".into(), String::new(), None)],
    ];
    for (commit, expected) in commits.iter().zip(&expected) {
        let (mut commit, mut expected) = (told(commit), expected.clone());
        commit.sort_by(|one, two| one.1.cmp(&two.1));
        expected.sort_by(|one, two| one.1.cmp(&two.1));
        assert_eq!(commit, expected);
    }
    assert_eq!(commits.len(), expected.len());
    assert!(commits[2][0].expires_at.is_some() && commits[0][0].expires_at.is_none());
    store.put(b"later", b"4").unwrap();
    let later = feed.next_commit().unwrap().expect("it was committed");
    assert_eq!(told(&later), [put("default", "later", "4")]);
    assert!(feed.next().is_none());
}

#[test]
fn a_snapshot_and_the_feed_behind_it_make_a_copy_also_after_closing_and_opening() {
    let directory = scratch();
    let path = directory.path().join("db");
    let store = open(&path, ALL);
    let write = |store: &SledStore, round: u32| {
        for n in 0..1_500_u32 {
            let key = (n * 7919 % 97).to_be_bytes();
            match n % 5 {
                0 => store.delete(&key).unwrap(),
                _ => {
                    store.put(&key, &[&n.to_be_bytes()[..], &[round as u8; 300]].concat()).unwrap()
                }
            }
        }
    };
    write(&store, 0);
    let snapshot = store.snapshot().unwrap();
    let mut copy: BTreeMap<_, _> = snapshot
        .iter()
        .unwrap()
        .map(|row| row.map(|(key, value)| (key.to_vec(), value.to_vec())).unwrap())
        .collect();
    let mut last = snapshot.sequence();
    drop(snapshot);
    write(&store, 1);
    let mut feed = store.changes_since(last).unwrap();
    apply(&mut copy, &mut last, &store, &mut feed);
    assert_eq!(copy.clone().into_iter().collect::<Vec<_>>(), rows(&store));
    write(&store, 2);
    drop(feed);
    store.close().unwrap();
    let store = open(&path, ALL);
    write(&store, 3);
    store.compact().unwrap();
    let mut feed = store.changes_since(last).unwrap();
    apply(&mut copy, &mut last, &store, &mut feed);
    assert_eq!(copy.into_iter().collect::<Vec<_>>(), rows(&store));
    assert_eq!((last, store.oldest_change().unwrap()), (store.sequence().unwrap(), 0));
    store.close().unwrap();
}

#[test]
fn what_is_not_kept_is_too_old_and_the_oldest_is_told() {
    let store = SledStore::open_temporary().unwrap();
    (0..10_u8).for_each(|n| store.put(&[n], b"").unwrap());
    assert_eq!(store.oldest_change().unwrap(), 0);
    assert_eq!(store.changes_since(0).unwrap().count(), 10);
    let mut late = store.changes_since(4).unwrap();
    store.compact().unwrap();
    assert_eq!(late.by_ref().count(), 6, "it had the file open already");
    let error = store.changes_since(4).err().expect("it was settled");
    assert!(error.to_string().contains("commit 5") && error.to_string().contains("oldest"));
    assert_eq!(reason::<()>(Err(error)), Some(Reason::TooOld));
    let oldest = store.oldest_change().unwrap();
    assert_eq!(oldest, 10);
    let mut feed = store.changes_since(oldest).unwrap();
    assert!(feed.next().is_none());
    store.put(b"a", b"1").unwrap();
    assert_eq!(told(&feed.next_commit().unwrap().unwrap()), [put("default", "a", "1")]);
    assert_eq!(reason(store.changes_since(12)), Some(Reason::InvalidArgument));
    store.clone().close().unwrap();
    assert_eq!(reason(feed.next_commit()), Some(Reason::Closed));
    assert_eq!(reason(store.changes_since(0)), Some(Reason::Closed));
}

/// The bytes of the log files.
fn log_size(path: &Path) -> u64 {
    let files = fs::read_dir(path).unwrap().map(|entry| entry.unwrap());
    let is_log = |name: &str| name.starts_with("sledstore.log.");
    let logs = files.filter(|file| is_log(file.file_name().to_str().unwrap()));
    logs.map(|file| file.metadata().unwrap().len()).sum()
}

#[test]
fn the_log_that_is_kept_is_bounded_and_goes_when_it_is_not_wanted_any_more() {
    let directory = scratch();
    let path = directory.path().join("db");
    let keep = 5 << 20;
    let store = open(&path, keep);
    (0..4_000_u32).for_each(|n| store.put(&n.to_be_bytes(), &[1; 3_000]).unwrap());
    store.compact().unwrap();
    let oldest = store.oldest_change().unwrap();
    assert!(oldest > 0 && oldest < 4_000, "{oldest}");
    assert_eq!(reason(store.changes_since(oldest - 1)), Some(Reason::TooOld));
    let from_there = store.changes_since(oldest).unwrap().map(|it| it.unwrap()[0].sequence);
    assert_eq!(from_there.collect::<Vec<_>>(), (oldest + 1..=4_000).collect::<Vec<_>>());
    store.close().unwrap();
    let size = log_size(&path);
    assert!(0 < size && size <= keep, "{size}");
    let store = open(&path, 3 << 20);
    let fewer = store.oldest_change().unwrap();
    assert!(oldest < fewer && fewer < 4_000, "{fewer}");
    store.close().unwrap();
    let store = open(&path, 0);
    assert_eq!(store.oldest_change().unwrap(), 4_000);
    store.close().unwrap();
    assert_eq!(log_size(&path), 0);
}

#[test]
fn a_reader_beside_writers_and_checkpoints_misses_nothing() {
    let directory = scratch();
    let store = open(&directory.path().join("db"), ALL);
    let done = AtomicBool::new(false);
    let mut copy = BTreeMap::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..3_000_u32 {
                store
                    .put(&(n % 50).to_be_bytes(), &[&n.to_be_bytes()[..], &[0; 500]].concat())
                    .unwrap();
            }
            done.store(true, Ordering::SeqCst);
        });
        let (mut last, mut feed) = (0, store.changes_since(0).unwrap());
        while !done.load(Ordering::SeqCst) {
            apply(&mut copy, &mut last, &store, &mut feed);
        }
        apply(&mut copy, &mut last, &store, &mut feed);
        assert_eq!(last, 3_000);
    });
    assert_eq!(copy.into_iter().collect::<Vec<_>>(), rows(&store));
}

#[test]
fn damage_of_what_is_kept_is_told_and_harms_nothing_else() {
    let directory = scratch();
    let path = directory.path().join("db");
    let store = open(&path, ALL);
    (0..10_u8).for_each(|n| store.put(&[n], b"value").unwrap());
    store.close().unwrap();
    let file = fs::read_dir(&path).unwrap().map(|it| it.unwrap().path());
    let mut files = file.filter(|it| it.to_str().unwrap().contains("sledstore.log."));
    let file = files.next().expect("a file was kept");
    let mut bytes = fs::read(&file).unwrap();
    bytes[48 + 200] ^= 1;
    fs::write(&file, bytes).unwrap();
    let store = open(&path, ALL);
    assert_eq!(rows(&store).len(), 10);
    let all: Result<Vec<_>, _> = store.changes_since(0).unwrap().collect();
    assert!(matches!(all, Err(StoreError::Corruption(_))), "{all:?}");
}

/// The log files, the oldest first.
fn log_files(path: &Path) -> Vec<(u64, PathBuf)> {
    let files = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    let number = |path: &PathBuf| path.to_str()?.rsplit_once("sledstore.log.")?.1.parse().ok();
    let mut files: Vec<_> = files.filter_map(|path| Some((number(&path)?, path))).collect();
    files.sort_unstable();
    files
}

/// What a kill of the process would leave of an open store.
fn copy_of(path: &Path, copy: &Path) {
    fs::create_dir(copy).unwrap();
    for entry in fs::read_dir(path).unwrap().map(|entry| entry.unwrap()) {
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
        }
    }
}

#[test]
fn files_that_are_kept_stand_in_for_no_part_of_the_log_after_a_kill() {
    let directory = scratch();
    let [path, whole, gone] = ["db", "whole", "gone"].map(|name| directory.path().join(name));
    let store = open(&path, ALL);
    (0..300_u32).for_each(|n| store.put(&n.to_be_bytes(), &[1; 1_000]).unwrap());
    store.close().unwrap();
    let store = open(&path, ALL);
    (300..600_u32).for_each(|n| store.put(&n.to_be_bytes(), &[1; 1_000]).unwrap());
    store.compact().unwrap();
    (600..610_u32).for_each(|n| store.put(&n.to_be_bytes(), b"last").unwrap());
    copy_of(&path, &whole);
    copy_of(&path, &gone);
    store.close().unwrap();

    let store = open(&whole, ALL);
    assert_eq!(rows(&store).len(), 610);
    store.put(b"later", b"").unwrap();
    let told = store.changes_since(0).unwrap().map(|it| it.unwrap()[0].sequence);
    assert_eq!(told.collect::<Vec<_>>(), (1..=611).collect::<Vec<_>>());
    store.close().unwrap();

    let files = log_files(&gone);
    assert!(files.len() > 2, "{files:?}");
    fs::remove_file(&files.last().unwrap().1).unwrap();
    let refused = SledStoreBuilder::new().keep_log(ALL).build(&gone).err();
    assert!(matches!(refused, Some(StoreError::Corruption(_))), "{refused:?}");
    assert_eq!(log_files(&gone), files[..files.len() - 1], "nothing was changed");
}

#[test]
fn after_a_salvage_the_feed_goes_on_over_what_is_lost_at_the_end() {
    let directory = scratch();
    let [path, copy] = ["db", "copy"].map(|name| directory.path().join(name));
    let store = open(&path, ALL);
    (0..10_u8).for_each(|n| store.put(&[n], b"value").unwrap());
    copy_of(&path, &copy);
    store.close().unwrap();
    let (_, file) = log_files(&copy).pop().unwrap();
    let mut bytes = fs::read(&file).unwrap();
    let last = bytes.windows(5).rposition(|window| window == b"value").unwrap();
    bytes[last] ^= 1;
    fs::write(&file, bytes).unwrap();
    let builder = || SledStoreBuilder::new().memtable_size(64 << 10).keep_log(ALL);
    assert!(builder().build(&copy).is_err(), "the last commit is damaged");
    let store = builder().salvage(true).build(&copy).unwrap();
    assert_eq!(store.salvage_report().unwrap().lost_commits, [10..=10]);
    store.put(b"again", b"new").unwrap();
    let mut all: Vec<_> = store.changes_since(0).unwrap().map(Result::unwrap).collect();
    assert_eq!(told(&all.pop().unwrap()), [put("default", "again", "new")]);
    let sequences: Vec<_> = all.iter().map(|it| it[0].sequence).collect();
    assert_eq!(sequences, (1..=9).collect::<Vec<_>>());
    store.close().unwrap();
}
