//! A disk and a memory that are full.

use super::*;

#[test]
fn a_full_disk_refuses_a_commit_changes_nothing_and_lets_later_ones_through() {
    let directory = tempfile::tempdir().unwrap();
    let fixture = Fixture::open(&Map::default(), options(directory.path(), 70_000)).unwrap();
    fixture.put(0, b"key", b"before").unwrap();
    // The next file cannot be made where a directory lies in its place.
    let number = fixture.committer.tables().active.number + 1;
    let in_the_way: Vec<_> =
        (number..number + 3).map(|it| log::file::path_of(directory.path(), it)).collect();
    in_the_way.iter().for_each(|path| fs::create_dir(path).unwrap());
    assert!(matches!(fixture.put(0, b"key", &vec![1; 2_000_000]), Err(StoreError::Io(_))));
    assert_eq!(fixture.get(0, b"key").as_deref(), Some(&b"before"[..]));
    in_the_way.iter().for_each(|path| fs::remove_dir(path).unwrap());
    fixture.put(0, b"key", &[2; 100_000]).unwrap();
    assert_eq!(fixture.get(0, b"key").as_deref(), Some(&[2; 100_000][..]));
    fixture.close().unwrap();
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
