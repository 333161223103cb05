//! Backups.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use oxistore_core::KvStore;
use oxistore_kv_sled::SledStore as Reference;
use sledstore::{Progress, Reason, SledStore, SledStoreBuilder, StoreError};

use crate::common::{assert_failed, child, scratch, Fixture, Over};
use crate::{content, content_at, fill, workspace};

fn names_in(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_backup_has_every_row_and_expiry_of_every_keyspace() {
    let fixture = Fixture::new();
    fill(&fixture.store);
    let destination = fixture.directory.path().join("new/parents/copy");
    fixture.store.backup(&destination).unwrap();
    let expected = content(&fixture.store);
    assert_eq!(expected.len(), 3);
    assert!(content_at(&destination) == expected);
    assert_eq!(names_in(destination.parent().unwrap()), ["copy"]);
    // Through the public trait, from the backup as it was left.
    let again = fixture.directory.path().join("again");
    KvStore::backup(&fixture.store, &again).unwrap();
    assert!(content_at(&again) == expected);
}

#[test]
fn a_backup_shows_one_moment_while_writers_go_on() {
    let fixture = Fixture::new();
    let (store, other) = (&fixture.store, fixture.store.keyspace("other").unwrap());
    for number in 0..3_000_u32 {
        store.put(&number.to_be_bytes(), &100_u64.to_be_bytes()).unwrap();
        other.put(&number.to_be_bytes(), &100_u64.to_be_bytes()).unwrap();
    }
    let done = AtomicBool::new(false);
    let destination = fixture.directory.path().join("copy");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Moves one from a row to one of another keyspace; the sum stays.
            let mut step = 0_u32;
            while !done.load(Ordering::Relaxed) {
                step = step.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let (from, to) = ((step >> 8) % 3_000, (step >> 16) % 3_000);
                let moved = store.transact(|transaction| {
                    let there = transaction.keyspace(&other)?;
                    let read = |value: Option<Vec<u8>>| {
                        u64::from_be_bytes(value.unwrap().try_into().unwrap())
                    };
                    let give = read(transaction.get(&from.to_be_bytes())?);
                    let take = read(there.get(&to.to_be_bytes())?);
                    transaction.put(&from.to_be_bytes(), &(give.wrapping_sub(1)).to_be_bytes())?;
                    there.put(&to.to_be_bytes(), &(take.wrapping_add(1)).to_be_bytes())
                });
                moved.unwrap();
            }
        });
        let _over = Over(&done);
        let mut steps = 0;
        let copied = store.backup_with(&destination, |_| {
            steps += 1;
            std::thread::sleep(Duration::from_millis(5));
            ControlFlow::Continue(())
        });
        copied.unwrap();
        assert!(steps > 8, "{steps}");
    });
    let copy = SledStore::open(&destination).unwrap();
    let sum = |store: &SledStore| {
        let rows = store.iter().unwrap().map(|row| row.unwrap().1);
        rows.fold(0_u64, |sum, value| {
            sum.wrapping_add(u64::from_be_bytes(value.try_into().unwrap()))
        })
    };
    assert_eq!(sum(&copy).wrapping_add(sum(&copy.keyspace("other").unwrap())), 600_000);
    assert_eq!(copy.count().unwrap(), 3_000);
}

#[test]
fn the_reference_opens_a_backup() {
    let directory = scratch();
    let builder = SledStoreBuilder::new().segment_size(512 << 10);
    let store = builder.build(directory.path().join("store")).unwrap();
    let hour = Duration::from_secs(3600);
    (0..3_000_u32).for_each(|number| store.put(&number.to_be_bytes(), b"value").unwrap());
    store.put_with_ttl(b"mortal", b"value", hour).unwrap();
    let destination = directory.path().join("copy");
    store.backup(&destination).unwrap();
    let reference = Reference::open(&destination).unwrap();
    assert_eq!(reference.count().unwrap(), 3_001);
    let ttl = reference.ttl(b"mortal").unwrap().unwrap();
    assert!(ttl <= hour && ttl > hour / 2, "{ttl:?}");
    assert_eq!(reference.get(&2_999_u32.to_be_bytes()).unwrap().as_deref(), Some(&b"value"[..]));
}

#[test]
fn a_backup_keeps_what_has_expired_by_another_clock() {
    // The clock of the store stands in 2023; for the system everything in it has expired.
    let fixture = Fixture::new();
    fixture.store.put_with_ttl(b"key", b"value", Duration::from_secs(1)).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
    assert!(now > crate::common::START + 1_000);
    let destination = fixture.directory.path().join("copy");
    fixture.store.backup(&destination).unwrap();
    assert!(content_at(&destination) == content(&fixture.store));
    assert_eq!(content_at(&destination)[&b"default"[..]].len(), 1);
}

#[test]
fn a_destination_that_exists_is_refused_and_left_alone() {
    let fixture = Fixture::new();
    fill(&fixture.store);
    let place = fixture.directory.path().join("places");
    fs::create_dir(&place).unwrap();
    fs::create_dir(place.join("directory")).unwrap();
    fs::write(place.join("file"), "mine").unwrap();
    std::os::unix::fs::symlink("/nowhere", place.join("link")).unwrap();
    for name in ["directory", "file", "link"] {
        let refused = fixture.store.backup(place.join(name));
        assert!(matches!(refused, Err(StoreError::AlreadyExists)), "{name}: {refused:?}");
    }
    assert_eq!(names_in(&place), ["directory", "file", "link"]);
    assert_eq!(fs::read(place.join("file")).unwrap(), b"mine");
    assert_eq!(names_in(&place.join("directory")), [""; 0]);
    // One that comes into being meanwhile is not replaced either.
    let late = place.join("late");
    let refused = fixture.store.backup_with(&late, |_| {
        fs::create_dir_all(&late).unwrap();
        ControlFlow::Continue(())
    });
    assert!(matches!(refused, Err(StoreError::AlreadyExists)), "{refused:?}");
    assert_eq!(names_in(&late), [""; 0]);
    assert_eq!(names_in(&place), ["directory", "file", "late", "link"]);
}

#[test]
fn paths_that_make_no_sense_are_refused() {
    let fixture = Fixture::new();
    let store = fixture.directory.path().join("db");
    let before = names_in(&store);
    for path in [store.join("copy"), "".into(), "/".into()] {
        let refused = fixture.store.backup(&path);
        let is_root = path == Path::new("/");
        match refused {
            Err(StoreError::AlreadyExists) if is_root => {}
            refused => drop(assert_failed(refused, Reason::InvalidArgument)),
        }
    }
    assert_eq!(names_in(&store), before);
    let file = fixture.directory.path().join("file");
    fs::write(&file, "mine").unwrap();
    assert_failed(fixture.store.backup(file.join("copy")), Reason::Os);
}

#[test]
fn progress_counts_first_and_then_comes_to_the_total() {
    let fixture = Fixture::new();
    fill(&fixture.store);
    let mut seen = Vec::new();
    let destination = fixture.directory.path().join("copy");
    let report = |progress: Progress| {
        seen.push(progress);
        ControlFlow::Continue(())
    };
    fixture.store.backup_with(&destination, report).unwrap();
    let expected = content(&fixture.store);
    let rows: usize = expected.values().map(|rows| rows.len()).sum();
    let bytes = |(key, value): (&Vec<u8>, &(Vec<u8>, _))| key.len() + value.0.len();
    let bytes: usize = expected.values().flatten().map(bytes).sum();
    let last = seen.last().unwrap();
    assert_eq!((last.rows_total, last.rows_done), (rows as u64, rows as u64));
    assert_eq!((last.bytes_total, last.bytes_done), (bytes as u64, bytes as u64));
    let copying = seen.iter().position(|progress| progress.rows_done > 0).unwrap();
    assert!(copying > 1 && copying < seen.len() - 1);
    for two in seen.windows(2) {
        assert!(two[0].rows_total <= two[1].rows_total && two[0].rows_done <= two[1].rows_done);
    }
    assert!(seen[copying..].iter().all(|progress| progress.rows_total == last.rows_total));
}

#[test]
fn a_backup_that_is_cancelled_leaves_nothing() {
    let fixture = Fixture::new();
    fill(&fixture.store);
    let before = names_in(fixture.directory.path());
    let destination = fixture.directory.path().join("copy");
    for after in 0..8 {
        let mut left = after;
        let cancelled = fixture.store.backup_with(&destination, |_| {
            left -= 1;
            if left < 0 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        assert_failed(cancelled, Reason::Cancelled);
        assert_eq!(names_in(fixture.directory.path()), before);
    }
    assert_eq!(fixture.store.snapshot_stats().live, 0);
    fixture.store.backup(&destination).unwrap();
    assert!(content_at(&destination) == content(&fixture.store));
}

#[test]
fn two_backups_to_one_destination_do_not_disturb_each_other() {
    let fixture = Fixture::new();
    fill(&fixture.store);
    let destination = fixture.directory.path().join("copy");
    let mut seen = None;
    let report = |_| {
        seen.get_or_insert_with(|| fixture.store.backup(&destination));
        ControlFlow::Continue(())
    };
    fixture.store.backup_with(&destination, report).unwrap();
    assert_failed(seen.unwrap(), Reason::LockedByThisProcess);
    assert!(content_at(&destination) == content(&fixture.store));
}

#[test]
fn a_directory_in_the_way_that_no_backup_left_is_left_alone() {
    let fixture = Fixture::new();
    let destination = fixture.directory.path().join("copy");
    let theirs = workspace(&destination);
    fs::create_dir(&theirs).unwrap();
    fs::write(theirs.join("content.txt"), "mine").unwrap();
    assert_failed(fixture.store.backup(&destination), Reason::InvalidArgument);
    assert_eq!(names_in(&theirs), ["content.txt"]);
    assert!(!destination.exists());
}

#[test]
fn a_keyspace_that_is_dropped_meanwhile_ends_the_backup() {
    let fixture = Fixture::new();
    fill(&fixture.store);
    let destination = fixture.directory.path().join("copy");
    let refused = fixture.store.backup_with(&destination, |progress| {
        if progress.rows_done > 0 {
            fixture.store.drop_keyspace(b"lives \xFF").unwrap();
        }
        ControlFlow::Continue(())
    });
    assert_failed(refused, Reason::Dropped);
    assert_eq!(names_in(fixture.directory.path()), ["db"]);
}

#[test]
fn a_store_is_not_closed_while_it_is_backed_up() {
    let fixture = Fixture::new();
    fill(&fixture.store);
    let destination = fixture.directory.path().join("copy");
    fixture
        .store
        .backup_with(&destination, |_| {
            assert_failed(fixture.store.clone().close(), Reason::Busy);
            ControlFlow::Continue(())
        })
        .unwrap();
    assert!(content_at(&destination) == content(&fixture.store));
}

#[test]
fn raw_trees_are_backed_up_too() {
    let fixture = Fixture::new();
    let raw = fixture.store.open_tree("raw").unwrap();
    raw.insert(b"key", b"value").unwrap();
    let destination = fixture.directory.path().join("copy");
    fixture.store.backup(&destination).unwrap();
    raw.insert(b"other", b"value").unwrap();
    let again = fixture.directory.path().join("again");
    fixture.store.backup(&again).unwrap();
    assert_eq!(content_at(&destination)[&b"raw"[..]].len(), 1);
    assert_eq!(content_at(&again)[&b"raw"[..]].len(), 2);
    assert!(fixture.store.keyspace("raw").is_err());
}

#[test]
fn a_killed_backup_leaves_nothing_at_the_destination_and_the_next_one_cleans_up() {
    let directory = scratch();
    let (store, destination) = (directory.path().join("store"), directory.path().join("copy"));
    let mut copier = child::start("backup::copier_that_is_killed", directory.path());
    copier.expect("copying");
    copier.kill();
    assert!(!destination.exists());
    assert_eq!(names_in(&workspace(&destination)), ["content", "sledstore.lock"]);
    let store = SledStore::open(store).unwrap();
    store.backup(&destination).unwrap();
    assert_eq!(names_in(directory.path()), ["copy", "store"]);
    let copy = SledStore::open(&destination).unwrap();
    assert_eq!(copy.count().unwrap(), 5_000);
}

#[test]
#[ignore = "the child of a_killed_backup_leaves_nothing_at_the_destination_and_the_next_one_cleans_up"]
fn copier_that_is_killed() {
    let Some(directory) = child::directory() else { return };
    let store = SledStore::open(directory.join("store")).unwrap();
    (0..5_000_u32).for_each(|number| store.put(&number.to_be_bytes(), b"value").unwrap());
    let _ = store.backup_with(directory.join("copy"), |progress| {
        if progress.rows_done > 2_000 {
            child::say("copying");
            child::listen();
        }
        ControlFlow::Continue(())
    });
}
