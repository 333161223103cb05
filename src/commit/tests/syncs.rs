//! What waits for the disk comes back when it is there.

use super::*;

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
        open(&Map::default(), options_of(directory.path()), Settlement::default()).unwrap();
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
    let committer = open(&Map::default(), options_of(directory.path()), settlement).unwrap();
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
