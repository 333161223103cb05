//! Damage in the log: verifying tells all of it, and salvage brings over what is whole.

use std::fs::File;
use std::ops::RangeInclusive;
use std::os::unix::fs::FileExt;

use super::replay::{content, files, killed_log, other_boot, write_files};
use super::*;
use crate::engine::SalvageReport;

/// Some commits over three files, none of which is settled.
fn with_three_files(directory: &Path) -> Arc<Committer<Map>> {
    let map = Map::default();
    [&b"one"[..], b"two"].iter().for_each(|name| drop(map.keyspace(name)));
    let committer = open(&map, options_of(directory), Settlement::default()).unwrap();
    for number in 0..15u8 {
        let mut record = Record::new();
        let (key, value) = ([number], [number; 20]);
        let keyspace = u32::from(number % 2);
        record.push(Change::Put { keyspace, key: &key, value: &value, expires_at: None });
        committer.commit(record, Durability::Buffered, |_| Ok(())).unwrap();
        if number % 5 == 4 && number < 14 {
            committer.rotate(&mut committer.writer(), 0).unwrap();
        }
    }
    committer
}

fn flip(directory: &Path, number: u64, at: usize) {
    let path = log::file::path_of(directory, number);
    let file = File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at as u64).unwrap();
    file.write_all_at(&[byte[0] ^ 1 << (at % 8)], at as u64).unwrap();
}

#[test]
fn every_flipped_bit_is_found_where_it_is_and_a_whole_log_has_no_findings() {
    let directory = tempfile::tempdir().unwrap();
    let committer = with_three_files(directory.path());
    assert_eq!(committer.verify_log().unwrap(), []);
    for (number, bytes) in files(directory.path()) {
        for at in 0..bytes.len() {
            flip(directory.path(), number, at);
            let found = committer.verify_log().unwrap();
            let path = log::file::path_of(directory.path(), number);
            let first = found.first().unwrap_or_else(|| panic!("{number}: byte {at} is not found"));
            assert!(first.file == path && first.offset as usize <= at, "{number}, {at}: {found:?}");
            assert!(at < first.offset as usize + 120, "{number}, {at}: {found:?}");
            flip(directory.path(), number, at);
        }
    }
    assert_eq!(committer.verify_log().unwrap(), []);
}

#[test]
fn all_damaged_places_are_found_and_none_hides_another() {
    let directory = tempfile::tempdir().unwrap();
    let committer = with_three_files(directory.path());
    let all = files(directory.path());
    let last = all[2].1.len();
    // Two records in the first file, the end of the last one.
    for (number, at) in [(1, 130), (1, 250), (3, last - 1)] {
        flip(directory.path(), number, at);
    }
    fs::remove_file(log::file::path_of(directory.path(), 2)).unwrap();
    let found = committer.verify_log().unwrap();
    let of = |number| {
        found.iter().filter(|it| it.file == log::file::path_of(directory.path(), number)).count()
    };
    assert_eq!((of(1), of(2)), (2, 1), "{found:#?}");
    assert!(of(3) >= 1, "{found:#?}");
    // A tail of zeros is no end.
    let path = log::file::path_of(directory.path(), 3);
    File::options()
        .write(true)
        .open(path)
        .unwrap()
        .write_all_at(&[0; 40], last as u64 - 40)
        .unwrap();
    assert!(committer.verify_log().unwrap().iter().any(|it| it.offset as usize > last - 120));
}

#[test]
fn verifying_beside_writers_and_checkpoints_finds_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let fixture = Fixture::open(&Map::default(), options_of(directory.path())).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..6_000u32 {
                fixture.put(0, &number.to_be_bytes(), &[1; 400]).unwrap();
            }
            done.store(true, Ordering::SeqCst);
        });
        let mut rounds = 0;
        while !done.load(Ordering::SeqCst) || rounds == 0 {
            assert_eq!(fixture.committer.verify_log().unwrap(), []);
            rounds += 1;
        }
    });
    fixture.close().unwrap();
}

/// What is left of the log of `killed_log` without these commits, counted from 1.
fn without(lost: &[RangeInclusive<u64>]) -> Model {
    let mut model = Model::new();
    for number in
        (0..24u8).filter(|it| !lost.iter().any(|lost| lost.contains(&(u64::from(*it) + 1))))
    {
        for keyspace in 0..2 {
            model.insert((keyspace, vec![number % 5]), vec![number; 9 + usize::from(number) % 3]);
        }
    }
    model
}

/// Salvages these files; the store is then whole for every later opening.
#[track_caller]
fn salvaged(files: &[(u64, Vec<u8>)]) -> (Model, SalvageReport) {
    let directory = tempfile::tempdir().unwrap();
    write_files(directory.path(), files);
    let map = Map::default();
    let log = check(directory.path(), Some(STORE), Settlement::default(), true).unwrap();
    let committer = Committer::open(map.clone(), options_of(directory.path()), log).unwrap();
    committer.start(None).unwrap();
    committer.settle_all().unwrap();
    let report = committer.salvage_report().clone();
    let fixture = Fixture { map: map.clone(), committer };
    let found = content(&fixture);
    fixture.put(0, b"later", b"value").unwrap();
    fixture.kill();
    let again = Fixture::open(&map, options_of(directory.path())).expect("it is whole");
    let mut expected = found.clone();
    expected.insert((0, b"later".to_vec()), b"value".to_vec());
    assert_eq!(content(&again), expected);
    again.close().unwrap();
    for finding in report.findings.iter().filter(|it| it.what != "the file is missing") {
        let name = finding.file.file_name().unwrap().to_str().unwrap();
        let kept = directory.path().join(name.replace("sledstore.log", "sledstore.damaged.log"));
        let number: u64 = name.rsplit('.').next().unwrap().parse().unwrap();
        let bytes = &files.iter().find(|(it, _)| *it == number).unwrap().1;
        assert!(fs::read(kept).unwrap().starts_with(bytes), "{name} is kept aside as it was");
    }
    (found, report)
}

/// Where the records of a file begin.
fn records(bytes: &[u8]) -> Vec<usize> {
    let length = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let next = |at: &usize| Some(at + record::HEAD + length(*at)).filter(|at| *at < bytes.len());
    std::iter::successors(Some(log::file::RECORDS as usize), next).collect()
}

#[test]
fn a_salvage_brings_every_commit_over_but_the_damaged_one_and_tells_its_number() {
    let directory = tempfile::tempdir().unwrap();
    killed_log(directory.path(), &Map::default());
    let whole = files(directory.path());
    assert_eq!(salvaged(&whole), (without(&[]), SalvageReport::default()));
    let mut commit = 0;
    for (place, (number, bytes)) in whole.iter().enumerate() {
        // The first record has the names.
        let records = records(bytes);
        let commits = records[1..].iter().take(8);
        for start in commits {
            commit += 1;
            // In its length, its number, its checksums, a key, its end.
            for at in [0, 5, 21, 25, record::HEAD + 13, record::HEAD + 5] {
                let mut damaged = whole.clone();
                damaged[place].1[start + at] ^= 0x40;
                let (found, report) = salvaged(&damaged);
                assert_eq!(found, without(&[commit..=commit]), "commit {commit}, byte {at}");
                // Of the last commit of all nothing is left that tells of it, unless its head is whole.
                if commit < 24 || at > 25 {
                    assert_eq!(report.lost_commits, [commit..=commit], "byte {at}");
                }
                let [finding] = &report.findings[..] else { panic!("{report:?}") };
                assert_eq!(finding.offset as usize, *start);
                assert!(finding.file.ends_with(format!("sledstore.log.{number}")), "{finding}");
            }
        }
    }
    assert_eq!(commit, 24);
}

#[test]
fn a_salvage_goes_on_behind_damaged_heads_missing_files_and_files_of_another_store() {
    let directory = tempfile::tempdir().unwrap();
    killed_log(directory.path(), &Map::default());
    let whole = files(directory.path());
    // The head of a file: its records tell themselves whose they are.
    let mut damaged = whole.clone();
    damaged[1].1[3] ^= 1;
    let (found, report) = salvaged(&damaged);
    assert_eq!((found, report.lost_commit_count()), (without(&[]), 0));
    assert_eq!(report.findings.len(), 1);
    // The names: nobody knows what the numbers of the keyspaces mean in that file.
    let mut damaged = whole.clone();
    damaged[1].1[log::file::RECORDS as usize + 30] ^= 1;
    let (found, report) = salvaged(&damaged);
    assert_eq!((found, &report.lost_commits[..]), (without(&[9..=16]), &[9..=16][..]));
    assert_eq!(report.findings.len(), 9);
    let mut missing = whole.clone();
    missing.remove(1);
    let (found, report) = salvaged(&missing);
    assert_eq!((found, &report.lost_commits[..]), (without(&[9..=16]), &[9..=16][..]));
    assert!(report.findings.iter().any(|it| it.file.ends_with("sledstore.log.2")), "{report:?}");
    // As of another store: none of its rows.
    let mut foreign = whole.clone();
    foreign[1].1[8] ^= 1;
    let sum = crc32fast::hash(&foreign[1].1[..44]);
    foreign[1].1[44..48].copy_from_slice(&sum.to_le_bytes());
    let (found, report) = salvaged(&foreign);
    assert_eq!((found, &report.lost_commits[..]), (without(&[9..=16]), &[9..=16][..]));
    // The last file: nobody knows what was in it.
    let mut missing = whole.clone();
    missing.remove(2);
    let (found, report) = salvaged(&missing);
    assert_eq!((found, report.lost_commit_count()), (without(&[17..=24]), 0));
    assert_eq!(report.findings.len(), 1);
}

/// What looks like a record in a value is a part of a row, and no row.
#[test]
fn a_salvage_makes_no_row_of_what_is_inside_a_damaged_record() {
    let directory = tempfile::tempdir().unwrap();
    let map = Map::default();
    let fixture = Fixture::open(&map, options_of(directory.path())).unwrap();
    fixture.put(0, b"before", b"value").unwrap();
    let mut inner = Record::new();
    inner.push(Change::Put { keyspace: 0, key: b"made up", value: b"x", expires_at: None });
    let id = record::FileId { store: STORE, number: 1 };
    let value = inner.complete().place(id, 2, 0).to_vec();
    fixture.put(0, b"outer", &value).unwrap();
    fixture.put(0, b"after", b"value").unwrap();
    fixture.kill();
    let mut damaged = files(directory.path());
    let outer = records(&damaged[0].1)[2];
    damaged[0].1[outer + record::HEAD + 14] ^= 1;
    let (found, report) = salvaged(&damaged);
    let keys: Vec<_> = found.keys().map(|(_, key)| &key[..]).collect();
    assert_eq!((keys, &report.lost_commits[..]), (vec![&b"after"[..], b"before"], &[2..=2][..]));
}

/// A store that needs no salvage is opened as always: what a power cut explains is no loss.
#[test]
fn a_salvage_of_a_log_that_a_power_cut_has_ended_brings_nothing_back_behind_its_end() {
    let directory = tempfile::tempdir().unwrap();
    killed_log(directory.path(), &Map::default());
    let mut cut = files(directory.path());
    cut.iter_mut().for_each(|(_, bytes)| other_boot(bytes));
    let records = records(&cut[1].1);
    cut[1].1[records[4]..records[5]].fill(0);
    let (found, report) = salvaged(&cut);
    assert_eq!((found, report), (without(&[12..=24]), SalvageReport::default()));
}

/// After a power cut the log goes on in another file, with the numbers of commits that were behind its
/// end. These can still lie in the earlier file, behind its seal.
#[test]
fn a_salvage_brings_no_commit_back_whose_number_another_one_has_got() {
    let directory = tempfile::tempdir().unwrap();
    killed_log(directory.path(), &Map::default());
    let mut cut = files(directory.path());
    cut.iter_mut().for_each(|(_, bytes)| other_boot(bytes));
    let before = cut[1].1.clone();
    let lost = records(&before)[3];
    cut[1].1[lost..records(&before)[4]].fill(0);
    let again = tempfile::tempdir().unwrap();
    write_files(again.path(), &cut);
    let committer = open(&Map::default(), options_of(again.path()), Settlement::default()).unwrap();
    let mut record = Record::new();
    record.push(Change::Put { keyspace: 0, key: &[200], value: b"new", expires_at: None });
    committer.commit(record, Durability::Buffered, |_| Ok(())).unwrap();
    drop(committer);
    let mut left = files(again.path());
    // What was behind the end is there again, and a commit before it is damaged.
    let end = left[1].1.len();
    left[1].1.extend_from_slice(&before[end..]);
    let third = records(&left[0].1)[3];
    left[0].1[third + 5] ^= 1;
    let mut expected = without(&[3..=3, 11..=24]);
    expected.insert((0, vec![200]), b"new".to_vec());
    for damage in [None, Some(record::HEAD + 3)] {
        let mut left = left.clone();
        if let Some(at) = damage {
            left[1].1[lost + at] ^= 1;
        }
        let (found, report) = salvaged(&left);
        assert_eq!(found, expected, "{damage:?}");
        assert_eq!(report.lost_commits, [3..=3], "{damage:?}");
    }
}
