//! A store whose log is damaged is salvaged: what is whole is there, what is lost is told, and it is a
//! store as any other afterwards.

use std::fs;
use std::path::Path;

use sledstore::{SledStore, SledStoreBuilder};

use crate::common::{rows, scratch};
use crate::log_files::{copy, made};
use crate::refused::{image, killed, log_files, places};

fn salvage(path: &Path) -> SledStore {
    SledStoreBuilder::new().salvage(true).build(path).expect("it is salvaged")
}

/// The steps that are there in both keyspaces; a step is one commit, and is there as a whole.
fn steps(store: &SledStore) -> Vec<u64> {
    let found = rows(store);
    assert!(found == rows(&store.keyspace("mirror").unwrap()), "a commit is there by halves");
    let step = |key: &[u8]| u64::from_be_bytes(key.try_into().unwrap());
    let steps: Vec<_> = found.iter().map(|(key, _)| step(key)).collect();
    for (step, row) in steps.iter().zip(&found) {
        assert!(made(*step + 1).last() == Some(row), "the row of step {step}");
    }
    steps
}

#[test]
fn every_commit_is_there_but_the_damaged_ones_whose_numbers_are_told() {
    let directory = scratch();
    let (original, made) = killed(directory.path());
    let path = directory.path().join("hurt");
    let [_, unsettled @ ..] = &log_files(&original)[..] else { panic!("there are log files") };
    for file in unsettled {
        let name = file.file_name().unwrap();
        for place in places(&fs::read(file).unwrap()).into_iter().step_by(5) {
            let _ = fs::remove_dir_all(&path);
            copy(&original, &path);
            let mut bytes = fs::read(file).unwrap();
            bytes[place] ^= 0x10;
            fs::write(path.join(name), &bytes).unwrap();
            let store = salvage(&path);
            let (report, found) = (store.salvage_report().unwrap(), steps(&store));
            let told = format!("byte {place} of {}: {report:?}", name.display());
            // A record has about 40,000 bytes.
            let first = &report.findings[0];
            let at = first.offset as usize;
            assert!(first.file == path.join(name) && at <= place && place < at + 41_000, "{told}");
            let lost = made - found.len() as u64;
            assert!(
                lost == report.lost_commit_count() || lost == 1 && report.lost_commits.is_empty(),
                "{told}"
            );
            // Each step is one commit, counted from 1.
            let is_lost =
                |step: &u64| report.lost_commits.iter().any(|it| it.contains(&(step + 1)));
            assert!(!found.iter().any(is_lost), "{told}");
            let kept = path.join(name.to_str().unwrap().replace(".log", ".damaged.log"));
            assert!(fs::read(kept).unwrap() == bytes, "{told}");
            assert_eq!(store.verify().unwrap(), [], "nothing of the damage is left");
            store.put(&made.to_be_bytes(), &[made as u8; 100]).unwrap();
            store.keyspace("mirror").unwrap().put(&made.to_be_bytes(), &[made as u8; 100]).unwrap();
            store.close().unwrap();
            let again = SledStore::open(&path).expect("it opens as any other");
            assert_eq!(steps(&again).len(), found.len() + 1);
        }
    }
}

#[test]
fn a_log_that_is_gone_is_told_and_the_rest_is_there() {
    let directory = scratch();
    let (path, _) = killed(directory.path());
    log_files(&path).iter().for_each(|file| fs::remove_file(file).unwrap());
    let store = salvage(&path);
    let report = store.salvage_report().unwrap();
    assert!(report.findings[0].what.contains("its log is gone"), "{report:?}");
    assert_eq!((report.findings.len(), report.lost_commit_count()), (1, 0));
    assert_eq!(steps(&store), [0], "what was settled");
    store.close().unwrap();
    assert_eq!(steps(&SledStore::open(&path).unwrap()), [0]);
}

#[test]
fn a_whole_store_is_opened_as_always() {
    let directory = scratch();
    let (path, made) = killed(directory.path());
    let store = salvage(&path);
    assert_eq!(store.salvage_report().unwrap(), sledstore::SalvageReport::default());
    assert_eq!(steps(&store).len() as u64, made);
    store.close().unwrap();
    assert!(!path.read_dir().unwrap().any(|it| it
        .unwrap()
        .file_name()
        .to_string_lossy()
        .contains("damaged")));
}

#[test]
fn a_salvage_that_is_read_only_tells_the_damage_and_changes_nothing() {
    let directory = scratch();
    let (path, made) = killed(directory.path());
    let file = log_files(&path).pop().unwrap();
    let mut bytes = fs::read(&file).unwrap();
    let place = places(&bytes)[17];
    bytes[place] ^= 1;
    fs::write(&file, bytes).unwrap();
    let before = image(&path);
    let store = SledStoreBuilder::new().salvage(true).read_only(true).build(&path).unwrap();
    let report = store.salvage_report().unwrap();
    assert!(report.findings.len() == 1 && report.findings[0].file == file, "{report:?}");
    assert_eq!(steps(&store).len() as u64, made - report.lost_commit_count());
    store.close().unwrap();
    assert!(image(&path) == before, "the store has changed");
}
