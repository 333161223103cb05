//! Files that are damaged at random places while the store is closed: whatever happened to them, a
//! store either answers that it is corrupt or has everything as it was. A store that is refused is left as
//! it was found, and opens when the damage is undone.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sledstore::{Finding, SledBatch, SledStore, SledStoreBuilder, StoreError};

use crate::common::child::{self, Process};
use crate::common::random::Random;
use crate::common::{ms, scratch_in_memory, Result};
use crate::inject::printed_panics;

/// How many times each store is damaged; 200 gives 2,400 in all.
const TRIALS: &str = "SLEDSTORE_DAMAGE_TRIALS";

const ROWS: u64 = 1500;
const SECTOR: usize = 512;
const SEGMENT: usize = 64 << 10;
const YEAR: u64 = 365 * 86_400_000;

/// How the store was left.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Left {
    Closed,
    /// Opened and closed once more, so that the engine has a snapshot of its page table.
    Reopened,
    /// As a kill leaves it, with a log.
    Killed,
}

#[derive(Debug, Clone, Copy)]
enum Damage {
    FlipBit,
    Zero,
    Truncate,
}

type Files = BTreeMap<PathBuf, Vec<u8>>;

fn value(round: u64, number: u64) -> Vec<u8> {
    let mut random = Random::new(round << 32 | number);
    (0..60 + number % 100).map(|_| random.next() as u8).collect()
}

/// Writes everything anew: batches, lives, deletions, two keyspaces.
fn write_round(store: &SledStore, other: &SledStore, round: u64) -> Result<()> {
    for number in 0..ROWS {
        let key = number.to_be_bytes();
        match (number + round) % 11 {
            0 => store.delete(&key)?,
            1 => store.put_with_ttl(&key, &value(round, number), ms((1 + round) * YEAR))?,
            2 => {
                let mut batch = SledBatch::new();
                batch.put(&key, &value(round, number))?;
                batch.put_in(other, &key, &value(round, number))?;
                store.apply(&batch)?;
            }
            _ => store.put(&key, &value(round, number))?,
        }
    }
    store.put(b"large", &vec![round as u8; 200_000])
}

/// Makes the store in the directory `path`.
fn make(path: &Path, left: Left, segment_size: usize) {
    let build = || SledStoreBuilder::new().segment_size(segment_size).build(path).unwrap();
    let store = build();
    let other = store.keyspace("other").unwrap();
    for round in 0..4 {
        write_round(&store, &other, round).unwrap();
        store.compact().unwrap();
    }
    if left == Left::Killed {
        write_round(&store, &other, 4).unwrap();
        store.flush().unwrap();
        let files = read_files(path);
        drop(other);
        store.close().unwrap();
        return write_files(path, &files);
    }
    drop(other);
    store.close().unwrap();
    if left == Left::Reopened {
        let store = build();
        store.put(b"late", b"1").unwrap();
        store.close().unwrap();
    }
}

fn read_files(path: &Path) -> Files {
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.filter(|path| path.is_file() && !path.ends_with("sledstore.lock"));
    files.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

fn write_files(path: &Path, files: &Files) {
    fs::remove_dir_all(path).unwrap();
    fs::create_dir(path).unwrap();
    files.iter().for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
}

impl Damage {
    /// At a random place that holds anything, of the engine's file mostly.
    fn inflict(self, files: &mut Files, random: &mut Random) -> String {
        let names: Vec<PathBuf> = files.keys().cloned().collect();
        let db = names.iter().find(|name| name.ends_with("db")).expect("the engine's file");
        let name = if random.chance(3, 4) { db } else { random.pick(&names) };
        let bytes = files.get_mut(name).expect("one of them");
        let sectors = bytes.chunks(SECTOR).map(|it| it.iter().any(|byte| *byte != 0));
        let used: Vec<_> =
            sectors.enumerate().filter_map(|(at, used)| used.then_some(at)).collect();
        let place = (random.pick(&used) * SECTOR + random.index(SECTOR)).min(bytes.len() - 1);
        match self {
            Damage::FlipBit => bytes[place] ^= 1 << random.below(8),
            Damage::Zero => {
                let end = (place + SECTOR).min(bytes.len());
                bytes[place..end].fill(0);
            }
            Damage::Truncate => bytes.truncate(place),
        }
        format!("{self:?} at {place} of {}", name.file_name().unwrap().display())
    }
}

/// A sum over everything that is in the store at `path`, by scans and by gets.
fn sum(path: &Path) -> Result<u32> {
    let store = SledStore::open(path)?;
    let mut sum = crc32fast::Hasher::new();
    for name in ["default", "other"] {
        let keyspace = store.keyspace(name)?;
        for row in keyspace.iter()? {
            let (key, found) = row?;
            [&key, &found].into_iter().for_each(|bytes| sum.update(bytes));
            let life = keyspace.ttl(&key)?.map_or(0, |left| left.as_millis() as u64 / (YEAR / 2));
            sum.update(&life.to_le_bytes());
        }
        for number in 0..ROWS {
            sum.update(&keyspace.get(&number.to_be_bytes())?.unwrap_or_default());
        }
    }
    store.close()?;
    Ok(sum.finalize())
}

#[test]
#[ignore = "runs as a child process of the tests below"]
fn child_reads_what_it_is_told() {
    if child::directory().is_none() {
        return;
    }
    loop {
        let path = child::listen();
        if path.is_empty() {
            return;
        }
        let opened = SledStore::open(&path).map(drop);
        child::say(&match opened.and_then(|()| sum(Path::new(&path))) {
            Ok(sum) => sum.to_string(),
            Err(StoreError::Corruption(text)) => {
                assert!(text.contains(&path), "the error does not name the store: {text}");
                "told".to_owned()
            }
            Err(error) => format!("other error {error:?}"),
        });
    }
}

struct Reader {
    process: Process,
    path: PathBuf,
}

impl Reader {
    fn read(&mut self, what: &str) -> String {
        self.process.tell(&self.path.display().to_string());
        let answer = self.process.next_message_within(std::time::Duration::from_secs(120));
        let answer = answer.unwrap_or_else(|_| panic!("{what}: hangs"));
        answer.unwrap_or_else(|| panic!("{what}: the process died"))
    }
}

/// Damages a store many times in each way; answers with how often it was whole, refused, and told later.
fn damage(left: Left, segment_size: usize) -> [u64; 3] {
    let trials = std::env::var(TRIALS).map_or(4, |trials| trials.parse().expect("a number"));
    let directory = scratch_in_memory();
    let path = directory.path().join("store");
    make(&path, left, segment_size);
    let original = read_files(&path);
    let complaints = directory.path().join("stderr");
    let mut command = Command::new(std::env::current_exe().expect("this binary has a path"));
    command.args(child::arguments("corruption::child_reads_what_it_is_told"));
    command.stderr(fs::File::create(&complaints).unwrap());
    let process = child::start_command(command, directory.path());
    let mut reader = Reader { process, path: path.clone() };
    let whole = reader.read("undamaged");
    assert!(whole.parse::<u32>().is_ok(), "{whole}");
    let mut random = Random::new(left as u64);
    let (mut counts, mut problems) = ([0; 3], Vec::new());
    for damage in [Damage::FlipBit, Damage::Zero, Damage::Truncate] {
        for _ in 0..trials {
            let mut files = original.clone();
            let what = damage.inflict(&mut files, &mut random);
            write_files(&path, &files);
            let answer = reader.read(&what);
            let is_unchanged = read_files(&path) == files;
            match (&*answer, is_unchanged) {
                ("told", true) => {
                    counts[1] += 1;
                    write_files(&path, &original);
                    let undone = reader.read(&what);
                    if undone != whole {
                        problems.push(format!("{what}: refused, and undone it is {undone}"));
                    }
                }
                // It had opened, and a read has found the damage.
                ("told", false) => counts[2] += 1,
                (answer, _) if answer == whole => counts[0] += 1,
                _ => problems.push(format!("{what}: {answer} for {whole}")),
            }
        }
    }
    reader.process.tell("");
    assert!(reader.process.finish().success());
    assert!(problems.is_empty(), "{left:?}, {segment_size}: {problems:#?}");
    assert_eq!(printed_panics(&complaints), [""; 0], "what becomes a status is not printed");
    println!("{left:?}, segments of {segment_size}: whole, refused, told by a read: {counts:?}");
    counts
}

#[test]
fn a_damaged_store_is_whole_or_tells_it_and_a_refused_one_is_left_as_it_was() {
    let mut all = [0; 3];
    for left in [Left::Closed, Left::Reopened, Left::Killed] {
        for segment_size in [64 << 10, 512 << 10, 2 << 20, 8 << 20] {
            let counts = damage(left, segment_size);
            all.iter_mut().zip(counts).for_each(|(all, count)| *all += count);
        }
    }
    println!("all: whole, refused, told by a read: {all:?}");
    assert!(all[1] > all.iter().sum::<u64>() / 4, "damage is noticed at all: {all:?}");
}

#[test]
fn verifying_finds_damage_that_the_opening_did_not_read() {
    let directory = scratch_in_memory();
    let path = directory.path().join("store");
    make(&path, Left::Reopened, SEGMENT);
    let store = SledStore::open(&path).unwrap();
    assert_eq!(store.verify().unwrap(), [], "it is whole");
    store.close().unwrap();
    let db = path.join("db");
    let whole = sum(&path).unwrap();
    let original = read_files(&path);
    let (mut found, mut random) = (0, Random::new(7));
    for _ in 0..40 {
        let mut files = original.clone();
        let bytes = files.get_mut(&db).unwrap();
        // In a segment of which the engine's snapshot knows.
        let segment = random.index(bytes.len() / SEGMENT / 2) * SEGMENT;
        bytes[segment + SEGMENT / 2] ^= 1;
        write_files(&path, &files);
        let Ok(store) = SledStore::open(&path) else { continue };
        let findings = store.verify().unwrap();
        let is_there = |finding: &Finding| finding.offset as usize / SEGMENT == segment / SEGMENT;
        assert!(findings.iter().all(|finding| finding.file == db), "{findings:?}");
        let is_found = findings.iter().any(is_there);
        found += u64::from(is_found);
        drop(store);
        // Some segments are not in use.
        assert!(is_found || sum(&path).is_ok_and(|sum| sum == whole), "{segment}");
    }
    assert!(found > 3, "{found}");
}

#[test]
fn verifying_beside_writers_finds_nothing() {
    let directory = scratch_in_memory();
    let builder = SledStoreBuilder::new().segment_size(64 << 10).memtable_size(64 << 10);
    let store = builder.build(directory.path().join("store")).unwrap();
    let other = store.keyspace("other").unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _over = crate::common::Over(&done);
        scope.spawn(|| {
            let mut round = 0;
            while !done.load(std::sync::atomic::Ordering::SeqCst) {
                write_round(&store, &other, round).unwrap();
                round += 1;
            }
        });
        for _ in 0..12 {
            assert_eq!(store.verify().unwrap(), []);
        }
    });
}
