//! A log that is damaged at random places while the store is closed: whatever happened to it, a
//! store either answers that it is corrupt or has everything.

use std::fs;
use std::path::Path;
use std::process::Command;

use sledstore::{SledStore, SledStoreBuilder, StoreError};

use crate::common::child::{self, Process};
use crate::common::random::Random;
use crate::common::{scratch_in_memory, Result};
use crate::inject::foreign_panics;

const ROWS: u64 = 4000;
const SECTOR: usize = 512;

fn value(number: u64) -> Vec<u8> {
    let mut random = Random::new(number);
    (0..100).map(|_| random.next() as u8).collect()
}

#[derive(Debug, Clone, Copy)]
enum Damage {
    FlipBit,
    Zero,
    Truncate,
}

impl Damage {
    /// At a random place among the sectors that hold anything; most of a segment may be empty yet.
    fn inflict(self, log: &mut Vec<u8>, random: &mut Random) {
        let sectors: Vec<_> =
            log.chunks(SECTOR).map(|it| it.iter().any(|byte| *byte != 0)).collect();
        let used: Vec<_> = (0..sectors.len()).filter(|sector| sectors[*sector]).collect();
        let place = (random.pick(&used) * SECTOR + random.index(SECTOR)).min(log.len() - 1);
        match self {
            Damage::FlipBit => log[place] ^= 1 << random.below(8),
            Damage::Zero => {
                let end = (place + SECTOR).min(log.len());
                log[place..end].fill(0);
            }
            Damage::Truncate => log.truncate(place),
        }
    }
}

/// Everything that is in the store at `path`: how many rows are missing, and how many are wrong.
fn scan(path: &Path) -> Result<(u64, u64)> {
    let store = SledStore::open(path)?;
    let mut right = 0;
    let mut wrong = 0;
    for row in store.iter()? {
        let (key, found) = row?;
        let number = key.try_into().ok().map(u64::from_be_bytes).filter(|number| *number < ROWS);
        match number {
            Some(number) if found == value(number) => right += 1,
            _ => wrong += 1,
        }
    }
    for number in 0..ROWS {
        store.get(&number.to_be_bytes())?;
    }
    store.close()?;
    Ok((ROWS.saturating_sub(right), wrong))
}

#[test]
#[ignore = "runs as a child process of the tests below"]
fn child_scans_what_it_is_told() {
    if child::directory().is_none() {
        return;
    }
    loop {
        let path = child::listen();
        if path.is_empty() {
            return;
        }
        child::say(&match scan(Path::new(&path)) {
            Ok((0, 0)) => "whole".to_owned(),
            Ok((missing, wrong)) => format!("{missing} missing, {wrong} wrong"),
            Err(StoreError::Corruption(text)) => {
                assert!(text.contains(&path), "the error does not name the store: {text}");
                "told".to_owned()
            }
            Err(error) => format!("other error {error:?}"),
        });
    }
}

fn scan_in(process: &mut Process, path: &Path, what: &str) -> String {
    process.tell(&path.display().to_string());
    let answer = process.next_message_within(std::time::Duration::from_secs(60));
    let answer = answer.unwrap_or_else(|_| panic!("{what}: hangs"));
    answer.unwrap_or_else(|| panic!("{what}: the process died"))
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(|entry| entry.unwrap()) {
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// Sizes of segments: of the first, the log is one; of the second, it is many.
const LARGE: usize = 8 << 20;
const SMALL: usize = 64 << 10;

/// Damages copies of a store, so many of them in each way.
fn damage(trials: u64, reopened: bool, segment_size: usize) {
    let directory = scratch_in_memory();
    let original = directory.path().join("original");
    let store = SledStoreBuilder::new().segment_size(segment_size).build(&original).unwrap();
    for number in 0..ROWS {
        store.put(&number.to_be_bytes(), &value(number)).unwrap();
    }
    store.close().unwrap();
    if reopened {
        // With this, the engine has a snapshot of its page table.
        SledStore::open(&original).unwrap().close().unwrap();
    }
    let log = fs::read(original.join("db")).unwrap();
    // sled's panics print much; those of anybody else are counted.
    let complaints = directory.path().join("stderr");
    let mut command = Command::new(std::env::current_exe().expect("this binary has a path"));
    command.args(child::arguments("corruption::child_scans_what_it_is_told"));
    command.stderr(fs::File::create(&complaints).unwrap());
    let mut process = child::start_command(command, directory.path());
    let mut random = Random::new(reopened.into());
    let mut problems = Vec::new();
    let (mut told, mut silent) = (0, 0);
    for damage in [Damage::FlipBit, Damage::Zero, Damage::Truncate] {
        for trial in 0..trials {
            let path = directory.path().join(format!("{damage:?} {trial}"));
            copy(&original, &path);
            let mut bytes = log.clone();
            damage.inflict(&mut bytes, &mut random);
            fs::write(path.join("db"), bytes).unwrap();
            let what = format!("{damage:?}, trial {trial}");
            let first = scan_in(&mut process, &path, &what);
            // What was refused once must not pass for whole the next time.
            let second = scan_in(&mut process, &path, &what);
            told += u64::from(first == "told");
            let is_silent = first == second && first.ends_with(" missing, 0 wrong");
            silent += u64::from(is_silent);
            let allowed = ["whole", "told"];
            if !is_silent && [&first, &second].iter().any(|answer| !allowed.contains(&&***answer)) {
                problems.push(format!("{what}: {first}, then {second}"));
            }
            fs::remove_dir_all(&path).unwrap();
        }
    }
    process.tell("");
    assert!(process.finish().success());
    assert_eq!(foreign_panics(&complaints), [""; 0]);
    assert!(problems.is_empty(), "{problems:#?}");
    println!("{told} told, {silent} opened with rows missing, of {}", 3 * trials);
    assert!(told > trials, "damage is noticed at all: {told}");
    // A few in each hundred; see docs/engine.md.
    assert!(silent * 20 <= 3 * trials, "most damage that loses something is told: {silent}");
}

const TRIALS: u64 = 40;

#[test]
fn most_damage_of_a_log_is_told_and_none_gives_a_wrong_value() {
    damage(TRIALS, false, LARGE);
    damage(TRIALS, false, SMALL);
}

#[test]
fn most_damage_of_a_log_with_a_snapshot_is_told_and_none_gives_a_wrong_value() {
    damage(TRIALS, true, LARGE);
    damage(TRIALS, true, SMALL);
}

#[test]
#[ignore = "takes a minute"]
fn most_damage_at_many_places_is_told_and_none_gives_a_wrong_value() {
    for (reopened, segment_size) in [(false, LARGE), (false, SMALL), (true, LARGE), (true, SMALL)] {
        damage(200, reopened, segment_size);
    }
}
