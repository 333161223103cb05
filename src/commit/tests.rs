//! The write path over an engine that is a map: against a model, with threads, with damaged logs.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Bound;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use oxistore_core::StoreError;

use super::filter::{Filter, KeyHash};
use super::*;
use crate::engine::{Bytes, Failure, Reason};

type Rows = BTreeMap<(KeyspaceId, Vec<u8>), RowImage>;

/// An engine that keeps rows and the settlement in memory, as if on a disk: a new [`Committer`] over
/// a clone goes on from there.
#[derive(Clone, Default)]
struct Map {
    rows: Arc<Mutex<Rows>>,
    settlement: Arc<Mutex<Settlement>>,
    names: Arc<Mutex<Vec<Vec<u8>>>>,
    fails: Arc<AtomicBool>,
    is_full: Arc<AtomicBool>,
}

impl Settled for Map {
    fn read(&self, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<RowImage>> {
        Ok(self.rows.lock().unwrap().get(&(keyspace, key.to_vec())).cloned())
    }

    fn write(&self, keyspace: KeyspaceId, key: &[u8], row: Option<&RowImage>) -> Result<()> {
        if self.fails.load(Ordering::SeqCst) {
            return Err(StoreError::Other("the engine fails".into()));
        }
        let key = (keyspace, key.to_vec());
        let mut rows = self.rows.lock().unwrap();
        match row {
            Some(row) => drop(rows.insert(key, row.clone())),
            None => drop(rows.remove(&key)),
        }
        Ok(())
    }

    fn has_room(&self, _bytes: usize) -> bool {
        !self.is_full.load(Ordering::SeqCst)
    }

    fn write_out(&self) -> Result<()> {
        Ok(())
    }

    fn settle(&self, settlement: Settlement) -> Result<()> {
        *self.settlement.lock().unwrap() = settlement;
        Ok(())
    }

    fn name(&self, keyspace: KeyspaceId) -> Vec<u8> {
        self.names.lock().unwrap()[keyspace as usize].clone()
    }

    fn keyspace(&self, name: &[u8]) -> Result<KeyspaceId> {
        let mut names = self.names.lock().unwrap();
        let known = names.iter().position(|known| known == name);
        Ok(known.unwrap_or_else(|| {
            names.push(name.to_vec());
            names.len() - 1
        }) as KeyspaceId)
    }

    fn drop_keyspace(&self, keyspace: KeyspaceId) -> Result<()> {
        self.rows.lock().unwrap().retain(|(of, _), _| *of != keyspace);
        Ok(())
    }
}

/// A write path in a directory, with its checkpoint thread.
struct Fixture {
    map: Map,
    committer: Arc<Committer<Map>>,
}

const STORE: u64 = 99;
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

fn options(directory: &Path, memtable: usize) -> Options {
    let directory = directory.to_path_buf();
    Options {
        directory,
        store: STORE,
        memtable,
        read_only: false,
        view_memory: u64::MAX,
        portion: 4096,
        patience: PATIENCE,
        keep_log: 0,
        now: Now(Arc::new(|| 1_000)),
    }
}

impl Fixture {
    fn open(map: &Map, options: Options) -> Result<Self> {
        for name in [b"one", b"two"] {
            map.keyspace(name)?;
        }
        let settlement = *map.settlement.lock().unwrap();
        let committer = Committer::open(map.clone(), options, settlement)?;
        committer.start(None).expect("threads");
        Ok(Self { map: map.clone(), committer })
    }

    fn put(&self, keyspace: KeyspaceId, key: &[u8], value: &[u8]) -> Result<u64> {
        let mut record = Record::new();
        record.push(Change::Put { keyspace, key, value, expires_at: None });
        self.committer.wait_for_room(record.len())?;
        self.committer.commit(record, Durability::Buffered, |_| Ok(()))
    }

    fn get(&self, keyspace: KeyspaceId, key: &[u8]) -> Option<Bytes> {
        self.committer.get(keyspace, key).unwrap().0.map(|row| row.value)
    }

    fn close(self) -> Result<()> {
        self.committer.close()
    }

    /// Ends without settling anything more, as a kill does.
    fn kill(self) {
        self.map.fails.store(true, Ordering::SeqCst);
        let _ = self.committer.close();
        self.map.fails.store(false, Ordering::SeqCst);
    }
}

struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

type Model = BTreeMap<(KeyspaceId, Vec<u8>), Vec<u8>>;

/// All rows of a keyspace through a view, as an iterator reads them: the engine's rows first.
fn scan(
    fixture: &Fixture,
    view: &View<Map>,
    keyspace: KeyspaceId,
    down: bool,
) -> Vec<(Vec<u8>, Vec<u8>)> {
    let all = (Bound::Unbounded, Bound::Unbounded);
    let settled = fixture.map.rows.lock().unwrap().clone();
    let mut rows: BTreeMap<Vec<u8>, Vec<u8>> = settled
        .into_iter()
        .filter(|((of, _), _)| *of == keyspace)
        .map(|((_, key), row)| (key, row.value.to_vec()))
        .collect();
    let overlay = view.overlay(keyspace, all, down, usize::MAX >> 1).unwrap();
    assert!(overlay.windows(2).all(|two| (two[0].0 < two[1].0) != down), "it is not in order");
    for (key, row) in overlay {
        match row {
            Some(row) => drop(rows.insert(key.to_vec(), row.value.to_vec())),
            None => drop(rows.remove(&key[..])),
        }
    }
    rows.into_iter().collect()
}

fn agrees(fixture: &Fixture, view: &View<Map>, model: &Model) {
    for keyspace in 0..2 {
        let expected: Vec<_> = model
            .iter()
            .filter(|((of, _), _)| *of == keyspace)
            .map(|((_, key), value)| (key.clone(), value.clone()))
            .collect();
        assert_eq!(scan(fixture, view, keyspace, false), expected);
        assert_eq!(scan(fixture, view, keyspace, true), expected);
        for key in 0..40u8 {
            let found = view.get(keyspace, &[key]).unwrap().map(|row| row.value.to_vec());
            assert_eq!(found.as_ref(), model.get(&(keyspace, vec![key])));
        }
    }
}

#[test]
fn views_and_plain_reads_agree_with_a_model_over_commits_checkpoints_and_openings() {
    for seed in 1..12 {
        let directory = tempfile::tempdir().unwrap();
        let map = Map::default();
        let mut fixture = Fixture::open(&map, options(directory.path(), 70_000)).unwrap();
        let (mut dice, mut model) = (Dice(seed * 0x9E37_79B9), Model::new());
        let mut views: Vec<(View<Map>, Model)> = Vec::new();
        for _ in 0..1500 {
            match dice.roll(40) {
                0 => views.push((fixture.committer.view(), model.clone())),
                1 if !views.is_empty() => {
                    let (view, then) = views.remove(dice.roll(views.len() as u64) as usize);
                    agrees(&fixture, &view, &then);
                }
                2 => fixture.committer.settle_all().unwrap(),
                3 if dice.roll(8) == 0 => {
                    views.clear();
                    match dice.roll(2) {
                        0 => fixture.close().unwrap(),
                        _ => fixture.kill(),
                    }
                    fixture = Fixture::open(&map, options(directory.path(), 70_000)).unwrap();
                    agrees(&fixture, &fixture.committer.view(), &model);
                }
                _ => {
                    let mut record = Record::new();
                    for _ in 0..dice.roll(6) + 1 {
                        let (keyspace, key) = (dice.roll(2) as KeyspaceId, dice.roll(40) as u8);
                        if dice.roll(4) == 0 {
                            record.push(Change::Delete { keyspace, key: &[key] });
                            model.remove(&(keyspace, vec![key]));
                        } else {
                            let value = vec![dice.roll(256) as u8; dice.roll(700) as usize];
                            let (key, value) = (&[key][..], &value[..]);
                            record.push(Change::Put { keyspace, key, value, expires_at: None });
                            model.insert((keyspace, key.to_vec()), value.to_vec());
                        }
                    }
                    fixture.committer.commit(record, Durability::Buffered, |_| Ok(())).unwrap();
                }
            }
            let key = (dice.roll(2) as KeyspaceId, vec![dice.roll(40) as u8]);
            assert_eq!(fixture.get(key.0, &key.1).map(Vec::from), model.get(&key).cloned());
        }
        views.iter().for_each(|(view, then)| agrees(&fixture, view, then));
        drop(views);
        fixture.committer.sweep_views();
        assert_eq!((fixture.committer.view_bytes(), fixture.committer.view_count()), (0, 0));
        fixture.close().unwrap();
        assert!(log_file::numbers(directory.path()).unwrap().is_empty(), "the log is gone");
        let settled: Model = map
            .rows
            .lock()
            .unwrap()
            .iter()
            .map(|(key, row)| (key.clone(), row.value.to_vec()))
            .collect();
        assert_eq!(settled, model);
    }
}

/// Each writer keeps two keys, one in each keyspace, equal; readers never see them differ, nor go back.
#[test]
fn readers_see_whole_commits_and_never_an_older_one_while_checkpoints_run() {
    let directory = tempfile::tempdir().unwrap();
    let map = Map::default();
    let fixture = Fixture::open(&map, options(directory.path(), 70_000)).unwrap();
    let done = AtomicBool::new(false);
    let newest = [AtomicU64::new(0), AtomicU64::new(0)];
    std::thread::scope(|scope| {
        let (fixture, done, newest) = (&fixture, &done, &newest);
        for key in 0..2u8 {
            scope.spawn(move || {
                for number in 1..20_000u64 {
                    let mut record = Record::new();
                    let value = number.to_be_bytes();
                    for keyspace in 0..2 {
                        let (key, value) = (&[key][..], &value[..]);
                        record.push(Change::Put { keyspace, key, value, expires_at: None });
                    }
                    fixture.committer.commit(record, Durability::Buffered, |_| Ok(())).unwrap();
                    newest[key as usize].store(number, Ordering::SeqCst);
                }
                done.store(true, Ordering::SeqCst);
            });
        }
        for reader in 0..2u8 {
            scope.spawn(move || {
                let number = |row: Option<Bytes>| {
                    row.map_or(0, |row| u64::from_be_bytes(row[..].try_into().unwrap()))
                };
                while !done.load(Ordering::SeqCst) {
                    let before = newest[reader as usize].load(Ordering::SeqCst);
                    let view = fixture.committer.view();
                    let [one, two] = [0, 1].map(|keyspace| {
                        number(view.get(keyspace, &[reader]).unwrap().map(|row| row.value))
                    });
                    assert!(one == two && one >= before, "{before} {one} {two}");
                    // A later plain read is never older than an earlier one, in any keyspace.
                    let first = number(fixture.get(0, &[reader]));
                    let second = number(fixture.get(1, &[reader]));
                    assert!(one <= first && first <= second, "{one} {first} {second}");
                    let again = number(view.get(0, &[reader]).unwrap().map(|row| row.value));
                    assert_eq!(again, one);
                }
            });
        }
    });
    fixture.close().unwrap();
}

#[test]
fn a_commit_that_depends_on_what_has_changed_is_refused_and_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let fixture = Fixture::open(&Map::default(), options(directory.path(), 70_000)).unwrap();
    fixture.put(0, b"key", b"old").unwrap();
    let view = fixture.committer.view();
    let attempt = |basis: Basis| {
        let mut record = Record::new();
        record.push(Change::Delete { keyspace: 0, key: b"other" });
        fixture.committer.commit(record, Durability::Synced, |committed| {
            match committed.has_changed(basis, 0, b"key") {
                true => Err(StoreError::TxnConflict),
                false => Ok(()),
            }
        })
    };
    attempt(view.basis()).expect("nothing has changed");
    fixture.put(0, b"key", b"new").unwrap();
    assert!(matches!(attempt(view.basis()), Err(StoreError::TxnConflict)));
    // Also once the new row is settled, and its memtable is kept for the view alone.
    fixture.committer.settle_all().unwrap();
    assert!(matches!(attempt(view.basis()), Err(StoreError::TxnConflict)));
    assert_eq!(view.get(0, b"key").unwrap().map(|row| row.value.to_vec()), Some(b"old".to_vec()));
    drop(view);
    // Without a view the memtable is gone, and nobody knows.
    let (_, basis) = fixture.committer.get(0, b"key").unwrap();
    attempt(basis).expect("nothing has changed");
    fixture.put(0, b"key", b"newer").unwrap();
    fixture.committer.settle_all().unwrap();
    assert!(matches!(attempt(basis), Err(StoreError::TxnConflict)));
    fixture.close().unwrap();
}

#[test]
fn a_purge_is_no_change_and_a_put_before_it_is_one() {
    let directory = tempfile::tempdir().unwrap();
    let fixture = Fixture::open(&Map::default(), options(directory.path(), 70_000)).unwrap();
    let purge = || {
        let mut record = Record::new();
        record.push(Change::Purge { keyspace: 0, key: b"key" });
        fixture.committer.commit(record, Durability::Buffered, |_| Ok(())).unwrap();
    };
    let changed =
        |basis: Basis| basis::Committed::of(&fixture.committer).has_changed(basis, 0, b"key");
    let view = fixture.committer.view();
    purge();
    assert!(!changed(view.basis()));
    fixture.put(0, b"key", b"value").unwrap();
    let later = fixture.committer.view();
    purge();
    assert!(changed(view.basis()) && !changed(later.basis()));
    drop((view, later));
    fixture.close().unwrap();
}

#[test]
fn a_range_has_changed_when_a_key_in_it_was_written_or_removed_also_in_a_settled_memtable() {
    let directory = tempfile::tempdir().unwrap();
    let fixture = Fixture::open(&Map::default(), options(directory.path(), 70_000)).unwrap();
    fixture.put(0, b"b", b"old").unwrap();
    let view = fixture.committer.view();
    let changed = |lower: &[u8], upper: &[u8]| {
        let committed = basis::Committed::of(&fixture.committer);
        let range = (Bound::Included(lower), Bound::Excluded(upper));
        committed.range_has_changed(view.basis(), 0, range)
    };
    assert!(!changed(b"a", b"z"));
    fixture.put(0, b"c", b"new").unwrap();
    for _ in 0..2 {
        assert!(changed(b"a", b"z") && changed(b"c", b"d"));
        assert!(!changed(b"a", b"c") && !changed(b"d", b"z") && !changed(b"z", b"a"));
        fixture.committer.settle_all().unwrap();
    }
    drop(view);
    fixture.close().unwrap();
}

#[test]
fn views_that_pin_too_much_end_the_oldest_first_and_writers_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options { view_memory: 100_000, ..options(directory.path(), 70_000) };
    let fixture = Fixture::open(&Map::default(), options).unwrap();
    let old = fixture.committer.view();
    for number in 0..400u32 {
        fixture.put(0, &number.to_be_bytes(), &[1; 900]).unwrap();
    }
    fixture.committer.settle_all().unwrap();
    assert!(matches!(old.get(0, b"key"), Err(StoreError::CapacityExceeded)));
    assert!(fixture.committer.view_bytes() <= 100_000);
    let new = fixture.committer.view();
    assert!(new.get(0, &1u32.to_be_bytes()).unwrap().is_some());
    drop((old, new));
    fixture.close().unwrap();
}

#[test]
fn a_record_that_is_larger_than_a_memtable_is_committed_and_replayed() {
    let directory = tempfile::tempdir().unwrap();
    let map = Map::default();
    let fixture = Fixture::open(&map, options(directory.path(), 70_000)).unwrap();
    fixture.put(1, b"large", &[7; 900_000]).unwrap();
    fixture.put(1, b"small", b"after").unwrap();
    fixture.kill();
    let fixture = Fixture::open(&map, options(directory.path(), 70_000)).unwrap();
    assert_eq!(fixture.get(1, b"large").as_deref(), Some(&[7; 900_000][..]));
    assert_eq!(fixture.get(1, b"small").as_deref(), Some(&b"after"[..]));
    fixture.close().unwrap();
}

#[test]
fn a_dropped_keyspace_is_gone_also_after_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let map = Map::default();
    let fixture = Fixture::open(&map, options(directory.path(), 70_000)).unwrap();
    fixture.put(0, b"key", b"stays").unwrap();
    fixture.put(1, b"key", b"goes").unwrap();
    let mut record = Record::new();
    record.push(Change::Drop { keyspace: 1 });
    fixture.committer.commit(record, Durability::Buffered, |_| Ok(())).unwrap();
    fixture.kill();
    let fixture = Fixture::open(&map, options(directory.path(), 70_000)).unwrap();
    assert_eq!(fixture.get(1, b"key"), None);
    fixture.put(1, b"key", b"new").unwrap();
    fixture.committer.drop_keyspace(1).unwrap();
    fixture.committer.finish_drop(1).unwrap();
    assert!(map.rows.lock().unwrap().keys().all(|(keyspace, _)| *keyspace == 0));
    fixture.close().unwrap();
}

/// Some commits over three files, killed; answers with the model after each commit.
fn killed_log(directory: &Path, map: &Map) -> Vec<Model> {
    // No checkpoint thread, so that all files stay.
    let settlement = *map.settlement.lock().unwrap();
    [&b"one"[..], b"two"].iter().for_each(|name| drop(map.keyspace(name)));
    let committer = Committer::open(map.clone(), options(directory, 70_000), settlement).unwrap();
    let (mut states, mut model) = (vec![Model::new()], Model::new());
    for number in 0..24u8 {
        let mut record = Record::new();
        for keyspace in 0..2 {
            let (key, value) = ([number % 5], vec![number; 9 + usize::from(number) % 3]);
            record.push(Change::Put { keyspace, key: &key, value: &value, expires_at: None });
            model.insert((keyspace, key.to_vec()), value);
        }
        committer.commit(record, Durability::Buffered, |_| Ok(())).unwrap();
        states.push(model.clone());
        if number % 8 == 7 && number < 23 {
            let mut writer = committer.writer();
            committer.rotate(&mut writer, 0).unwrap();
        }
    }
    states
}

fn content(fixture: &Fixture) -> Model {
    let view = fixture.committer.view();
    let rows = (0..2).flat_map(|keyspace| {
        scan(fixture, &view, keyspace, false)
            .into_iter()
            .map(move |(key, value)| ((keyspace, key), value))
    });
    rows.collect()
}

/// The files of a log, with the bytes that are in use.
fn files(directory: &Path) -> Vec<(u64, Vec<u8>)> {
    let numbers = log_file::numbers(directory).unwrap();
    let used = |mut bytes: Vec<u8>| {
        let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        bytes.truncate(end);
        bytes
    };
    numbers.into_iter().map(|it| (it, used(log_file::read_all(directory, it).unwrap()))).collect()
}

fn write_files(directory: &Path, files: &[(u64, Vec<u8>)]) {
    for (number, bytes) in files {
        let padded = [&bytes[..], &[0; 5000]].concat();
        fs::write(log_file::path_of(directory, *number), padded).unwrap();
    }
}

fn reopened(files: &[(u64, Vec<u8>)]) -> Result<Model> {
    let directory = tempfile::tempdir().unwrap();
    write_files(directory.path(), files);
    let fixture = Fixture::open(&Map::default(), options(directory.path(), 70_000))?;
    let found = content(&fixture);
    fixture.close()?;
    Ok(found)
}

#[test]
fn a_log_that_ends_in_the_middle_of_its_last_record_gives_all_commits_before_it() {
    let directory = tempfile::tempdir().unwrap();
    let states = killed_log(directory.path(), &Map::default());
    let whole = files(directory.path());
    assert_eq!(whole.len(), 3);
    assert_eq!(reopened(&whole).unwrap(), states[24]);
    let last = whole.last().unwrap().1.len();
    let record = last - LAST_RECORD;
    for cut in record..last {
        let mut torn = whole.clone();
        torn[2].1.truncate(cut);
        assert_eq!(reopened(&torn).unwrap(), states[23], "cut at {cut}");
    }
}

/// The length of the last record of `killed_log`, that of the number 23.
const LAST_RECORD: usize = record::HEAD + 2 * (13 + 1 + 9 + 23 % 3) + 1;

#[test]
fn every_flipped_bit_of_a_log_is_told_with_its_file_unless_it_is_in_no_record() {
    let directory = tempfile::tempdir().unwrap();
    killed_log(directory.path(), &Map::default());
    let whole = files(directory.path());
    for (place, (number, bytes)) in whole.iter().enumerate() {
        for at in 0..bytes.len() {
            let mut damaged = whole.clone();
            damaged[place].1[at] ^= 1 << (at % 8);
            match reopened(&damaged) {
                Err(StoreError::Corruption(text)) => {
                    assert!(text.contains("sledstore.log."), "{text}");
                }
                other => panic!("file {number}, byte {at}: {other:?}"),
            }
        }
    }
}

#[test]
fn a_log_that_was_opened_and_killed_again_and_again_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let map = Map::default();
    let states = killed_log(directory.path(), &map);
    // Nothing is settled: each opening adds a file to the log.
    for number in 0..4u8 {
        let committer =
            Committer::open(map.clone(), options_of(directory.path()), Settlement::default())
                .unwrap();
        let mut record = Record::new();
        record.push(Change::Put {
            keyspace: 1,
            key: &[100 + number],
            value: b"v",
            expires_at: None,
        });
        committer.commit(record, Durability::Buffered, |_| Ok(())).unwrap();
    }
    let fixture = Fixture::open(&map, options_of(directory.path())).unwrap();
    let mut expected = states[24].clone();
    expected.extend((100..104).map(|key| ((1, vec![key]), b"v".to_vec())));
    assert_eq!(content(&fixture), expected);
    fixture.close().unwrap();
}

#[test]
fn a_kill_between_the_beginning_of_a_file_and_the_seal_of_the_one_before_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let states = killed_log(directory.path(), &Map::default());
    let mut whole = files(directory.path());
    let head = whole[2].1[..log_file::RECORDS as usize].to_vec();
    whole[2].1 = head;
    let seal = record::HEAD + 9 + 1;
    let end = whole[1].1.len() - seal;
    whole[1].1.truncate(end);
    assert_eq!(reopened(&whole).unwrap(), states[16]);
}

#[test]
fn a_missing_file_and_one_of_another_store_are_told() {
    let directory = tempfile::tempdir().unwrap();
    killed_log(directory.path(), &Map::default());
    let whole = files(directory.path());
    for missing in 0..3 {
        let mut rest = whole.clone();
        rest.remove(missing);
        let opened = reopened(&rest);
        assert!(matches!(opened, Err(StoreError::Corruption(_))), "{missing}: {opened:?}");
    }
    let other = tempfile::tempdir().unwrap();
    write_files(other.path(), &whole);
    let options = Options { store: 98, ..options(other.path(), 70_000) };
    let opened = Fixture::open(&Map::default(), options).err();
    assert!(
        matches!(&opened, Some(StoreError::Corruption(text)) if text.contains("another store"))
    );
    let settled = Settlement { file: 7, sequence: 100, is_closed: false };
    let empty = tempfile::tempdir().unwrap();
    let map = Map { settlement: Arc::new(Mutex::new(settled)), ..Map::default() };
    let opened = Fixture::open(&map, options_of(empty.path())).err();
    assert!(matches!(&opened, Some(StoreError::Corruption(text)) if text.contains("gone")));
}

fn options_of(directory: &Path) -> Options {
    options(directory, 70_000)
}

#[test]
fn a_settled_file_whose_removal_did_not_last_is_not_replayed_over_newer_rows() {
    let directory = tempfile::tempdir().unwrap();
    let map = Map::default();
    let states = killed_log(directory.path(), &map);
    let old = files(directory.path());
    let fixture = Fixture::open(&map, options_of(directory.path())).unwrap();
    fixture.put(0, &[3], b"newest").unwrap();
    fixture.close().unwrap();
    write_files(directory.path(), &old);
    let fixture = Fixture::open(&map, options_of(directory.path())).unwrap();
    let mut expected = states[24].clone();
    expected.insert((0, vec![3]), b"newest".to_vec());
    assert_eq!(content(&fixture), expected);
    fixture.close().unwrap();
}

/// After a power cut any part of what was not synced can be missing; what a later record says was
/// synced cannot.
#[test]
fn after_a_power_cut_the_log_ends_at_the_first_gap_that_was_not_synced() {
    let directory = tempfile::tempdir().unwrap();
    let map = Map::default();
    [&b"one"[..], b"two"].iter().for_each(|name| drop(map.keyspace(name)));
    let committer =
        Committer::open(map.clone(), options_of(directory.path()), Settlement::default()).unwrap();
    let mut ends = Vec::new();
    for number in 0..6u8 {
        let mut record = Record::new();
        record.push(Change::Put { keyspace: 0, key: &[number], value: b"value", expires_at: None });
        let durability = if number == 2 { Durability::Synced } else { Durability::Buffered };
        committer.commit(record, durability, |_| Ok(())).unwrap();
        ends.push(files(directory.path())[0].1.len());
    }
    let mut whole = files(directory.path());
    other_boot(&mut whole[0].1);
    for lost in 0..6 {
        let mut cut = whole.clone();
        cut[0].1[if lost == 0 { ends[0] - 20 } else { ends[lost - 1] }..ends[lost]].fill(0);
        let found = reopened(&cut);
        match lost {
            0..=2 => assert!(matches!(found, Err(StoreError::Corruption(_))), "{lost}: {found:?}"),
            _ => assert_eq!(found.unwrap().len(), lost, "all before the gap, and nothing behind"),
        }
    }
}

/// Makes the head of a file say that it is of an earlier boot.
fn other_boot(bytes: &mut [u8]) {
    bytes[32..40].copy_from_slice(&12345u64.to_le_bytes());
    let sum = crc32fast::hash(&bytes[..44]);
    bytes[44..48].copy_from_slice(&sum.to_le_bytes());
}

#[test]
fn threads_that_wait_for_the_disk_share_syncs_and_all_come_back() {
    let directory = tempfile::tempdir().unwrap();
    let fixture = Fixture::open(&Map::default(), options(directory.path(), 70_000)).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8u8 {
            let fixture = &fixture;
            scope.spawn(move || {
                for number in 0..50u8 {
                    let mut record = Record::new();
                    let key = [thread, number];
                    record.push(Change::Put {
                        keyspace: 0,
                        key: &key,
                        value: b"v",
                        expires_at: None,
                    });
                    let sequence =
                        fixture.committer.commit(record, Durability::Synced, |_| Ok(())).unwrap();
                    assert!(fixture.committer.log().synced() >= sequence);
                }
            });
        }
    });
    fixture.close().unwrap();
}

#[test]
fn a_sync_covers_the_files_before_the_last_one_until_it_has_synced_them() {
    let directory = tempfile::tempdir().unwrap();
    let committer =
        Committer::open(Map::default(), options_of(directory.path()), Settlement::default())
            .unwrap();
    let files = || {
        let files = committer.writer().tail.files();
        files.iter().map(|file| file.id.number).collect::<Vec<_>>()
    };
    committer.rotate(&mut committer.writer(), 0).unwrap();
    committer.rotate(&mut committer.writer(), 0).unwrap();
    assert_eq!(files(), [1, 2, 3]);
    let mut record = Record::new();
    record.push(Change::Delete { keyspace: 0, key: b"key" });
    committer.settled().keyspace(b"one").unwrap();
    committer.commit(record, Durability::Synced, |_| Ok(())).unwrap();
    assert_eq!(files(), [3]);
    // A file of an earlier opening that was not settled counts as well.
    let settlement = Settlement::default();
    let committer =
        Committer::open(Map::default(), options_of(directory.path()), settlement).unwrap();
    let files: Vec<_> = committer.writer().tail.files().iter().map(|file| file.id.number).collect();
    assert_eq!(files, [3, 4]);
}

#[test]
fn after_a_failed_sync_no_commit_is_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let fixture = Fixture::open(&Map::default(), options_of(directory.path())).unwrap();
    fixture.put(0, b"key", b"before").unwrap();
    fixture.committer.log().fail(libc::EIO);
    assert!(matches!(fixture.put(0, b"key", b"after"), Err(StoreError::Io(_))));
    assert!(fixture.committer.sync(2).is_err());
    assert_eq!(fixture.get(0, b"key").as_deref(), Some(&b"before"[..]));
    assert!(fixture.close().is_err(), "nobody knows what is on the disk");
}

#[test]
fn a_full_disk_refuses_a_commit_changes_nothing_and_lets_later_ones_through() {
    let directory = tempfile::tempdir().unwrap();
    let fixture = Fixture::open(&Map::default(), options(directory.path(), 70_000)).unwrap();
    fixture.put(0, b"key", b"before").unwrap();
    // The next file cannot be made where a directory lies in its place.
    let number = fixture.committer.tables().active.number + 1;
    let in_the_way: Vec<_> =
        (number..number + 3).map(|it| log_file::path_of(directory.path(), it)).collect();
    in_the_way.iter().for_each(|path| fs::create_dir(path).unwrap());
    assert!(matches!(fixture.put(0, b"key", &vec![1; 2_000_000]), Err(StoreError::Io(_))));
    assert_eq!(fixture.get(0, b"key").as_deref(), Some(&b"before"[..]));
    in_the_way.iter().for_each(|path| fs::remove_dir(path).unwrap());
    fixture.put(0, b"key", &[2; 100_000]).unwrap();
    assert_eq!(fixture.get(0, b"key").as_deref(), Some(&[2; 100_000][..]));
    fixture.close().unwrap();
}

#[test]
fn a_filter_knows_all_its_keys_and_few_others() {
    let filter = Filter::new(32 << 20);
    let hash = |number: u64| KeyHash::of(1, &number.to_be_bytes());
    (0..150_000).for_each(|number| filter.insert(hash(number)));
    assert!((0..150_000).all(|number| filter.may_have(hash(number))));
    let wrong = (150_000..250_000).filter(|number| filter.may_have(hash(*number))).count();
    assert!(wrong < 5_000, "{wrong} of 100,000");
}

#[test]
fn a_checkpoint_waits_for_room_on_the_disk_and_writers_are_told_when_memory_is_full() {
    let directory = tempfile::tempdir().unwrap();
    let map = Map::default();
    let fixture = Fixture::open(&map, options(directory.path(), 70_000)).unwrap();
    map.is_full.store(true, Ordering::SeqCst);
    let value = [7; 1000];
    let mut written = 0_u64;
    let refused = loop {
        match fixture.put(0, &written.to_be_bytes(), &value) {
            Ok(_) => written += 1,
            Err(error) => break error,
        }
    };
    let reason = |error: &StoreError| Failure::of(error).map(Failure::reason);
    assert_eq!(reason(&refused), Some(Reason::DiskFull), "{refused}");
    assert_eq!(reason(&fixture.committer.settle_all().unwrap_err()), Some(Reason::DiskFull));
    assert!(map.rows.lock().unwrap().is_empty(), "nothing was settled");
    map.is_full.store(false, Ordering::SeqCst);
    // The checkpoint thread finds the room by itself.
    let accepted = (0..1_000).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        fixture.put(0, b"later", b"value").is_ok()
    });
    assert!(accepted, "there is room again");
    assert!((0..written).all(|key| fixture.get(0, &key.to_be_bytes()).is_some()));
    fixture.close().unwrap();
    assert_eq!(map.rows.lock().unwrap().len() as u64, written + 1);
}
