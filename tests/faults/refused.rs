//! A log that is damaged is refused before anything of the store is changed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use sledstore::{SledBatch, SledStore, SledStoreBuilder, StoreError};

use crate::common::{child, rows, scratch};
use crate::inject::{self, Fault, Files, Kind};
use crate::log_files::{copy, made, make};

/// Where the records of a file begin, and where their rows do.
const RECORDS: usize = 48;
const HEAD: usize = 28;

/// Everything in the directory, by name. Directories have no bytes.
pub type Image = BTreeMap<PathBuf, Option<Vec<u8>>>;

pub fn image(directory: &Path) -> Image {
    let mut image = Image::new();
    for entry in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap()) {
        if entry.file_type().unwrap().is_dir() {
            image.insert(entry.path(), None);
            image.extend(self::image(&entry.path()));
        } else {
            image.insert(entry.path(), Some(fs::read(entry.path()).unwrap()));
        }
    }
    image
}

fn log_file(path: &Path, number: u64) -> PathBuf {
    path.join(format!("sledstore.log.{number}"))
}

/// The log files that are in use, in the order of their numbers.
pub fn log_files(path: &Path) -> Vec<PathBuf> {
    let in_use = |number: &u64| {
        fs::read(log_file(path, *number)).is_ok_and(|bytes| bytes.iter().any(|byte| *byte != 0))
    };
    (0..50).filter(in_use).map(|number| log_file(path, number)).collect()
}

/// Leaves one log file that is settled and not removed, as after a power cut, and three that are not settled.
#[test]
#[ignore = "runs as a child process of the tests below"]
fn child_leaves_three_log_files() {
    let Some(directory) = child::directory() else { return };
    let path = directory.join("db");
    let builder = SledStoreBuilder::new().flush_never().memtable_size(1 << 20);
    let store = builder.build(&path).unwrap();
    let [mirror, filler] = ["mirror", "filler"].map(|name| store.keyspace(name).unwrap());
    make(&store, &mirror, 0);
    let first = log_files(&path).remove(0);
    let bytes = fs::read(&first).unwrap();
    store.compact().unwrap();
    inject::begin();
    let mut steps = 1_u64;
    while log_files(&path).len() < 3 {
        // What is overwritten fills files, and no memory, for which the writers would have to wait.
        let (key, value) = (steps.to_be_bytes(), [steps as u8; 100]);
        let mut batch = SledBatch::new();
        batch.put(&key, &value).unwrap();
        batch.put_in(&mirror, &key, &value).unwrap();
        batch.put_in(&filler, b"key", &[7; 40_000]).unwrap();
        store.apply(&batch).unwrap();
        steps += 1;
    }
    // So that the last one has some records, too.
    (0..12).for_each(|more| make(&store, &mirror, steps + more));
    fs::write(first, bytes).unwrap();
    child::say(&(steps + 12).to_string());
    child::listen();
}

/// The directory of a store that was killed so, and how many steps it had made.
pub fn killed(directory: &Path) -> (PathBuf, u64) {
    let fault = Fault::hang(Kind::Pwrite).of(Files::Engine);
    let part = "refused::child_leaves_three_log_files";
    let complaints = directory.join("complaints");
    let mut process = inject::start(part, directory, fault, &[], &complaints);
    let steps = process.next_message().expect("it comes to its end").parse().unwrap();
    process.kill();
    let path = directory.join("db");
    // Each opening writes the number of its process there.
    fs::write(path.join("sledstore.lock"), format!("{}\n", std::process::id())).unwrap();
    assert_eq!(log_files(&path).len(), 4);
    (path, steps)
}

#[track_caller]
fn has(path: &Path, steps: u64) {
    let store = SledStore::open(path).expect("it opens");
    assert!(rows(&store) == made(steps) && rows(&store.keyspace("mirror").unwrap()) == made(steps));
    store.close().unwrap();
}

/// Refused with words that have `named` in them, and nothing is changed by that.
#[track_caller]
fn is_refused(path: &Path, named: &str, how: &str) {
    let before = image(path);
    let text = match SledStore::open(path) {
        Err(StoreError::Corruption(text)) => text,
        Err(error) => panic!("{how}: `Corruption` was expected, found {error}"),
        Ok(_) => panic!("{how}: it opens"),
    };
    assert!(text.contains(named), "{how}: {text}");
    let after = image(path);
    for (name, bytes) in &before {
        assert!(after.get(name) == Some(bytes), "{how}: {} has changed", name.display());
    }
    assert!(before.keys().eq(after.keys()), "{how}: {:?}", after.keys());
}

/// A byte in each kind of place: of the head, and of the first, a middle and the last record.
pub fn places(bytes: &[u8]) -> Vec<usize> {
    let length = |at: usize| {
        bytes.get(at..at + 4).map_or(0, |it| u32::from_le_bytes(it.try_into().unwrap()))
    };
    let next = |at: &usize| Some(at + HEAD + length(*at) as usize).filter(|at| length(*at) > 0);
    let records: Vec<_> = std::iter::successors(Some(RECORDS), next).collect();
    assert!(records.len() > 10);
    let in_record = |start: usize| {
        let end = start + HEAD + length(start) as usize;
        [0, 4, 12, 20, 24, 28, 29, 33].map(|at| start + at).into_iter().chain([end - 1])
    };
    let some = [records[0], records[records.len() / 2], records[records.len() - 1]];
    [0, 8, 16, 24, 32, 40, 44].into_iter().chain(some.into_iter().flat_map(in_record)).collect()
}

#[test]
fn a_byte_that_flips_in_any_place_of_any_log_file_is_refused_and_changes_nothing() {
    let directory = scratch();
    let (path, steps) = killed(directory.path());
    let [settled, unsettled @ ..] = &log_files(&path)[..] else { panic!("there are log files") };
    for file in unsettled {
        let whole = fs::read(file).unwrap();
        for place in places(&whole) {
            let mut flipped = whole.clone();
            flipped[place] ^= 0x10;
            fs::write(file, &flipped).unwrap();
            let name = file.file_name().unwrap().to_str().unwrap();
            is_refused(&path, name, &format!("byte {place} of {name}"));
        }
        fs::write(file, &whole).unwrap();
    }
    // Nobody needs what is settled.
    fs::write(settled, b"damaged").unwrap();
    has(&path, steps);
}

#[test]
fn a_log_file_that_is_missing_cut_or_of_another_store_is_refused_and_changes_nothing() {
    let (directory, other) = (scratch(), scratch());
    let (path, steps) = killed(directory.path());
    let (stranger, _) = killed(other.path());
    let [_, unsettled @ ..] = &log_files(&path)[..] else { panic!("there are log files") };
    for (place, file) in unsettled.iter().enumerate() {
        let whole = fs::read(file).unwrap();
        let used = whole.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        fs::remove_file(file).unwrap();
        is_refused(&path, "sledstore.log.", &format!("without the file {place}"));
        fs::copy(stranger.join(file.file_name().unwrap()), file).unwrap();
        is_refused(&path, "another store", &format!("with a foreign file {place}"));
        let is_last = file == unsettled.last().unwrap();
        let lengths = [0, 20, RECORDS + 10, used / 2, used - 1].into_iter();
        // A file has a mebibyte at least, so zeros that are gone tell of it.
        for length in lengths.chain([used, 2 * used].into_iter().filter(|_| is_last)) {
            fs::write(file, &whole[..length]).unwrap();
            is_refused(&path, "sledstore.log.", &format!("{length} bytes of the file {place}"));
        }
        fs::write(file, &whole).unwrap();
    }
    let aside = directory.path().join("aside");
    copy(&path, &aside);
    unsettled.iter().for_each(|file| fs::remove_file(file).unwrap());
    is_refused(&path, "its log is gone", "without any log file");
    copy(&aside, &path);
    has(&path, steps);
}

#[test]
fn a_log_beside_which_the_engines_own_is_gone_is_refused_and_no_store_is_made() {
    let directory = scratch();
    let (path, steps) = killed(directory.path());
    let aside = directory.path().join("aside");
    copy(&path, &aside);
    for entry in fs::read_dir(&path).unwrap().map(|entry| entry.unwrap()) {
        let name = entry.file_name().into_string().unwrap();
        if entry.path().is_file() && !name.starts_with("sledstore.l") {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    is_refused(&path, "`db`, is gone", "with nothing but the log");
    copy(&aside, &path);
    has(&path, steps);
}

/// What was removed is not there before the first checkpoint either.
#[test]
fn a_log_that_is_gone_as_a_whole_is_missed_from_the_opening_on_and_not_after_a_close() {
    let directory = scratch();
    let path = directory.path().join("db");
    // A new store, and one that was closed.
    for round in 0..3u8 {
        let store = SledStoreBuilder::new().flush_never().build(&path).unwrap();
        let killed = directory.path().join(format!("killed-{round}"));
        copy(&path, &killed);
        let untouched = directory.path().join(format!("untouched-{round}"));
        copy(&path, &untouched);
        store.put(&[round], b"value").unwrap();
        store.flush().unwrap();
        copy(&path, &killed);
        for path in [&killed, &untouched] {
            fs::write(path.join("sledstore.lock"), format!("{}\n", std::process::id())).unwrap();
            let files = log_files(path);
            assert_eq!(files.len(), 1, "{files:?}");
            let bytes = fs::read(&files[0]).unwrap();
            fs::remove_file(&files[0]).unwrap();
            let name = files[0].file_name().unwrap().to_str().unwrap();
            is_refused(path, name, "without its log");
            is_refused(path, "its log is gone", "without its log, again");
            fs::write(&files[0], bytes).unwrap();
            let expected = u8::from(path == &killed) + round;
            assert_eq!(rows(&SledStore::open(path).unwrap()).len(), usize::from(expected));
        }
        store.close().unwrap();
        assert!(log_files(&path).is_empty(), "nothing is left of the log");
    }
    assert_eq!(rows(&SledStore::open(&path).unwrap()).len(), 3);
}
