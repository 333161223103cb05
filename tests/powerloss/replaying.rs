//! The recorder and the replayer themselves: what they say of small runs whose answer is plain.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{IoSlice, Seek, SeekFrom, Write};

use super::boot::LOG_FILE;
use super::disk::Disk;
use super::image::Image;
use super::log::Event;
use super::record::{child_command, record, task};
use super::states::{state, Model};
use crate::common::random::Random;
use crate::common::scratch_in_memory;

const DIRECTORY: u32 = 1;
const FILE: u32 = 2;

/// A disk with the directory `d` and the file `d/f`, both durable, after these events.
fn disk(events: impl IntoIterator<Item = Event>) -> Disk {
    let mut disk = Disk::default();
    for event in [
        Event::CreateDirectory { node: DIRECTORY, name: (0, "d".into()) },
        Event::Sync { node: 0 },
        Event::CreateFile { node: FILE, name: (DIRECTORY, "f".into()) },
        Event::Sync { node: DIRECTORY },
    ] {
        disk.apply(&event);
    }
    events.into_iter().for_each(|event| disk.apply(&event));
    disk
}

fn write(offset: usize, byte: u8, length: usize) -> Event {
    Event::Write { node: FILE, offset: offset as u64, data: vec![byte; length] }
}

/// All states that a random model makes of the disk, as far as many seeds show them.
fn states(disk: &Disk, model: Model) -> Vec<Image> {
    let mut found: Vec<Image> = Vec::new();
    for seed in 0..3000 {
        let image = state(disk, model, &mut Random::new(seed));
        if !found.contains(&image) {
            found.push(image);
        }
    }
    found
}

fn one(disk: &Disk, model: Model) -> Image {
    state(disk, model, &mut Random::new(0))
}

/// The first byte of each sector of `d/f`.
fn sectors(image: &Image) -> Vec<u8> {
    image.files["d/f"].chunks(512).map(|sector| sector[0]).collect()
}

#[test]
fn only_what_was_synced_is_sure_to_be_there() {
    let disk = disk([
        write(0, 1, 512),
        Event::Sync { node: FILE },
        write(0, 2, 512),
        Event::SyncRange { node: FILE },
    ]);
    for model in [Model::Strict, Model::Journal] {
        assert_eq!(sectors(&one(&disk, model)), [1], "{model:?}");
    }
    assert_eq!(sectors(&one(&disk, Model::Everything)), [2]);
}

#[test]
fn fdatasync_is_enough_for_data_and_size() {
    let disk = disk([write(0, 1, 1024), Event::SyncData { node: FILE }, write(0, 2, 2048)]);
    assert_eq!(sectors(&one(&disk, Model::Strict)), [1, 1]);
}

#[test]
fn a_name_takes_a_sync_of_its_directory_or_of_the_journal() {
    let new = || Event::CreateFile { node: 3, name: (DIRECTORY, "new".into()) };
    let names = |disk: &Disk, model| one(disk, model).files.into_keys().collect::<Vec<_>>();
    let unsynced = disk([new()]);
    assert_eq!(names(&unsynced, Model::Strict), ["d/f"]);
    assert_eq!(names(&unsynced, Model::Journal), ["d/f"]);
    let file_synced = disk([new(), Event::Sync { node: 3 }]);
    assert_eq!(names(&file_synced, Model::Strict), ["d/f"]);
    assert_eq!(names(&file_synced, Model::Journal), ["d/f", "d/new"]);
    let synced = disk([new(), Event::Sync { node: DIRECTORY }]);
    assert_eq!(names(&synced, Model::Strict), ["d/f", "d/new"]);
    let removed = disk([
        new(),
        Event::Sync { node: DIRECTORY },
        Event::Remove { name: (DIRECTORY, "new".into()) },
    ]);
    assert_eq!(names(&removed, Model::Strict), ["d/f", "d/new"]);
    assert_eq!(names(&removed, Model::Everything), ["d/f"]);
}

#[test]
fn a_file_is_gone_with_its_directory() {
    let mut disk = Disk::default();
    for event in [
        Event::CreateDirectory { node: DIRECTORY, name: (0, "d".into()) },
        Event::CreateFile { node: FILE, name: (DIRECTORY, "f".into()) },
        Event::Sync { node: DIRECTORY },
    ] {
        disk.apply(&event);
    }
    let image = one(&disk, Model::Strict);
    assert!(image.directories.is_empty() && image.files.is_empty());
    assert!(one(&disk, Model::Journal).files.contains_key("d/f"));
}

#[test]
fn an_unsynced_rename_leaves_one_of_the_names() {
    let (from, to) = ((DIRECTORY, "f".to_owned()), (DIRECTORY, "g".to_owned()));
    let disk = disk([Event::Rename { from, to }]);
    for model in [Model::Torn, Model::TornJournal] {
        let names = states(&disk, model).into_iter().map(|image| image.files.into_keys().collect());
        let names: BTreeSet<Vec<String>> = names.collect();
        assert_eq!(names, BTreeSet::from([vec!["d/f".to_owned()], vec!["d/g".to_owned()]]));
    }
}

#[test]
fn each_unsynced_sector_has_one_of_its_versions() {
    let synced = [write(0, 1, 3 * 512), Event::Sync { node: FILE }];
    let disk = disk(synced.into_iter().chain([write(512, 2, 1024), write(512, 3, 512)]));
    let found: BTreeSet<Vec<u8>> = states(&disk, Model::Torn).iter().map(sectors).collect();
    let mut wanted = BTreeSet::new();
    for second in 1..=3 {
        for third in 1..=2 {
            wanted.insert(vec![1, second, third]);
        }
    }
    assert_eq!(found, wanted);
}

#[test]
fn a_sector_is_never_a_mixture() {
    let synced = [write(0, 1, 512), Event::Sync { node: FILE }];
    let disk = disk(synced.into_iter().chain([write(0, 2, 200), write(300, 3, 212)]));
    let found: BTreeSet<(u8, u8)> = states(&disk, Model::Torn)
        .iter()
        .map(|image| (image.files["d/f"][0], image.files["d/f"][511]))
        .collect();
    // The third write is in no version of the sector that the second is not in.
    assert_eq!(found, BTreeSet::from([(1, 1), (2, 1), (2, 3)]));
}

#[test]
fn a_file_that_grew_has_one_of_its_sizes_and_zeros_for_lost_data() {
    let synced = [write(0, 1, 512), Event::Sync { node: FILE }];
    let disk = disk(synced.into_iter().chain([write(512, 2, 512), write(1024, 3, 512)]));
    let found: BTreeSet<Vec<u8>> = states(&disk, Model::Torn).iter().map(sectors).collect();
    let mut wanted = BTreeSet::from([vec![1]]);
    for second in [0, 2] {
        wanted.insert(vec![1, second]);
        for third in [0, 3] {
            wanted.insert(vec![1, second, third]);
        }
    }
    assert_eq!(found, wanted);
}

#[test]
fn what_was_written_after_a_shrinking_is_not_there_without_it() {
    let synced = [write(0, 1, 4 * 512), Event::Sync { node: FILE }];
    let unsynced = [Event::Resize { node: FILE, size: 512 }, write(3 * 512, 2, 512)];
    let disk = disk(synced.into_iter().chain(unsynced));
    let found: BTreeSet<Vec<u8>> = states(&disk, Model::Torn).iter().map(sectors).collect();
    let wanted = [vec![1, 1, 1, 1], vec![1], vec![1, 0, 0, 0], vec![1, 0, 0, 2]];
    assert_eq!(found, BTreeSet::from(wanted));
}

/// What the recorder misses is found by comparing (see `record`); this does each thing once, so that
/// it cannot miss one that no store happens to do today.
#[test]
fn the_recorder_sees_each_kind_of_change() {
    let scratch = scratch_in_memory();
    let events =
        record(child_command("replaying::every_change_child", ""), &scratch.path().join("run"));
    let count = |wanted: fn(&Event) -> bool| events.iter().filter(|event| wanted(event)).count();
    assert_eq!(count(|event| matches!(event, Event::CreateFile { .. })), 4);
    assert_eq!(count(|event| matches!(event, Event::CreateDirectory { .. })), 3);
    assert_eq!(count(|event| matches!(event, Event::Write { .. })), 10);
    assert_eq!(count(|event| matches!(event, Event::Resize { .. })), 3);
    assert_eq!(count(|event| matches!(event, Event::Rename { .. })), 1);
    assert_eq!(count(|event| matches!(event, Event::Remove { .. })), 5);
    assert_eq!(count(|event| matches!(event, Event::Sync { .. })), 2);
    assert_eq!(count(|event| matches!(event, Event::SyncData { .. })), 1);
}

#[test]
#[ignore = "the recorded part of the test above"]
fn every_change_child() {
    let Some((_, root)) = task() else { return };
    every_change(&root).expect("all of it works");
}

fn every_change(root: &std::path::Path) -> std::io::Result<()> {
    fs::create_dir_all(root.join("a/b"))?;
    fs::create_dir(root.join("a/b/c"))?;
    fs::create_dir(root.join("a")).expect_err("it is there");
    let mut file = File::create_new(root.join("a/f"))?;
    File::create_new(root.join("a/f")).expect_err("it is there");
    file.write_all(b"one")?;
    // By another descriptor, which goes on where the first is.
    file.try_clone()?.write_all(b"two")?;
    file.seek(SeekFrom::Start(1))?;
    let parts = [b"three".as_slice(), b"four".as_slice()].map(IoSlice::new);
    assert_eq!(file.write_vectored(&parts)?, 9);
    std::os::unix::fs::FileExt::write_all_at(&file, b"five", 4000)?;
    file.sync_all()?;
    file.set_len(20)?;
    file.set_len(3000)?;
    file.sync_data()?;
    drop(file);
    let mut more = File::options().append(true).open(root.join("a/f"))?;
    more.write_all(b"at the end")?;
    // The same name again, for another file.
    fs::write(root.join("a/b/g"), "six")?;
    fs::remove_file(root.join("a/b/g"))?;
    fs::write(root.join("a/b/g"), "seven")?;
    fs::rename(root.join("a/b/g"), root.join("a/b/h"))?;
    fs::rename(root.join("a/b/g"), root.join("a/b/i")).expect_err("it is gone");
    File::open(root.join("a/b"))?.sync_all()?;
    // Makes it empty and writes it anew.
    fs::write(root.join("a/f"), "eight")?;
    fs::write(root.join("a/b/c/j"), "nine")?;
    fs::remove_file(root.join("a/b/c/j"))?;
    fs::remove_dir(root.join("a/b/c"))?;
    fs::remove_dir_all(root.join("a/b"))
}

/// Where a store is closed, its log files are gone, and nothing is left to compare. So this leaves
/// them there.
#[test]
fn the_recorder_sees_what_is_done_to_log_files() {
    let events = record(
        child_command("replaying::unclosed_child", ""),
        &scratch_in_memory().path().join("run"),
    );
    let log = events.iter().find_map(|event| match event {
        Event::CreateFile { node, name } if name.1.starts_with(LOG_FILE) => Some(*node),
        _ => None,
    });
    let log = log.expect("a log file is made");
    let kinds = events.iter().filter_map(|event| match event {
        Event::Resize { node, .. } if *node == log => Some("resize"),
        Event::Write { node, .. } if *node == log => Some("write"),
        Event::Sync { node } if *node == log => Some("sync"),
        Event::SyncData { node } if *node == log => Some("sync of the data"),
        _ => None,
    });
    let kinds: Vec<_> = kinds.collect();
    // The head, then the name of the keyspace, and a put on each side of the flush.
    let [write, data] = ["write", "sync of the data"];
    assert_eq!(kinds, ["resize", "sync", write, data, write, write, data, write]);
}

#[test]
#[ignore = "the recorded part of the test above"]
fn unclosed_child() {
    let Some((_, root)) = task() else { return };
    let builder = sledstore::SledStoreBuilder::new().flush_never();
    let store = builder.build(root.join("store")).expect("a new store");
    store.put(b"key", b"value").expect("a put");
    store.flush().expect("a flush");
    store.put(b"key", b"another").expect("a put");
    // As if the process were killed: it ends soon, and has nothing under way.
    std::mem::forget(store);
}
