//! What a kill and a power cut leave is replayed; damage is told.

use std::os::unix::fs::FileExt;

use super::*;

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
pub(super) fn killed_log(directory: &Path, map: &Map) -> Vec<Model> {
    // No checkpoint thread, so that all files stay.
    let settlement = *map.settlement.lock().unwrap();
    [&b"one"[..], b"two"].iter().for_each(|name| drop(map.keyspace(name)));
    let committer = open(map, options(directory, 70_000), settlement).unwrap();
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

pub(super) fn content(fixture: &Fixture) -> Model {
    let view = fixture.committer.view();
    let rows = (0..2).flat_map(|keyspace| {
        scan(fixture, &view, keyspace, false)
            .into_iter()
            .map(move |(key, value)| ((keyspace, key), value))
    });
    rows.collect()
}

/// The files of a log, with the bytes that are in use.
pub(super) fn files(directory: &Path) -> Vec<(u64, Vec<u8>)> {
    let numbers = log::file::numbers(directory).unwrap();
    let used = |mut bytes: Vec<u8>| {
        let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        bytes.truncate(end);
        bytes
    };
    numbers.into_iter().map(|it| (it, used(read(directory, it)))).collect()
}

fn read(directory: &Path, number: u64) -> Vec<u8> {
    fs::read(log::file::path_of(directory, number)).unwrap()
}

pub(super) fn write_files(directory: &Path, files: &[(u64, Vec<u8>)]) {
    for (number, bytes) in files {
        let file = fs::File::create(log::file::path_of(directory, *number)).unwrap();
        file.set_len(log::file::FIRST_CAPACITY).unwrap();
        file.write_all_at(bytes, 0).unwrap();
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
        let committer = open(&map, options_of(directory.path()), Settlement::default()).unwrap();
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
    let head = whole[2].1[..log::file::RECORDS as usize].to_vec();
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
    let committer = open(&map, options_of(directory.path()), Settlement::default()).unwrap();
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
pub(super) fn other_boot(bytes: &mut [u8]) {
    bytes[32..40].copy_from_slice(&12345u64.to_le_bytes());
    let sum = crc32fast::hash(&bytes[..44]);
    bytes[44..48].copy_from_slice(&sum.to_le_bytes());
}
