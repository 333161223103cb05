//! Many openings, and many keyspaces.

use std::fs;
use std::path::Path;

use sledstore::{SledStore, SledStoreBuilder, StoreError};

use crate::common::{rows, scratch, without_hanging};

const MIB: u64 = 1 << 20;

/// The files of a directory: how many, and how many bytes.
fn files(path: &Path) -> (u64, u64) {
    let mut found = (0, 0);
    for entry in fs::read_dir(path).unwrap().map(|entry| entry.unwrap()) {
        let (count, bytes) = if entry.file_type().unwrap().is_dir() {
            files(&entry.path())
        } else {
            (1, entry.metadata().unwrap().len())
        };
        found = (found.0 + count, found.1 + bytes);
    }
    found
}

#[test]
fn five_hundred_openings_leave_no_trouble_and_no_heap_of_files() {
    let directory = scratch();
    let path = directory.path().join("db");
    without_hanging("500 openings", move || {
        for cycle in 0_u64..500 {
            let store = SledStore::open(&path).expect("reopen");
            assert_eq!(store.count().unwrap(), cycle);
            store.put(&cycle.to_be_bytes(), &[cycle as u8; 200]).unwrap();
            if cycle % 2 == 0 {
                store.close().expect("close");
            }
        }
        let (count, bytes) = files(&path);
        assert!(count < 10, "{count} files");
        assert!(bytes < 32 * MIB, "{bytes} bytes on disk for 100 KiB");
    });
}

#[test]
fn a_thousand_keyspaces_open_and_come_back() {
    let directory = scratch();
    let path = directory.path().join("db");
    without_hanging("1,000 keyspaces", move || {
        let name = |number: u64| format!("keyspace number {number}");
        let store = SledStore::open(&path).unwrap();
        let keyspaces: Vec<_> =
            (0..1000).map(|number| store.keyspace(name(number)).expect("a keyspace")).collect();
        for (number, keyspace) in keyspaces.iter().enumerate() {
            let life = std::time::Duration::from_secs(1_000_000);
            keyspace.put(b"a", name(number as u64).as_bytes()).unwrap();
            keyspace.put_with_ttl(b"b", b"mortal", life).unwrap();
        }
        drop(keyspaces);
        store.close().expect("close");
        let (count, bytes) = files(&path);
        assert!(count < 10, "{count} files");
        assert!(bytes < 256 * MIB, "{} MiB on disk", bytes / MIB);
        let store = SledStore::open(&path).expect("reopen");
        assert_eq!(store.keyspace_names().unwrap().len(), 1001);
        for number in 0..1000 {
            let keyspace = store.keyspace(name(number)).unwrap();
            let a = (b"a".to_vec(), name(number).into_bytes());
            assert_eq!(rows(&keyspace), [a, (b"b".to_vec(), b"mortal".to_vec())]);
            assert!(keyspace.ttl(b"b").unwrap().is_some());
        }
        store.close().expect("close again");
    });
}

/// A value that is cut into pieces, which lie in a tree that is made for them.
static LARGE: [u8; 20_000] = [7; 20_000];

/// Creates keyspaces until one is refused; answers with how many there are.
fn create_until_refused(store: &SledStore, name: impl Fn(u64) -> String, from: u64) -> u64 {
    for number in from.. {
        match store.keyspace(name(number)) {
            Ok(keyspace) => keyspace.put(b"large", &LARGE).unwrap(),
            Err(StoreError::Unsupported(text)) => {
                assert!(text.contains(&name(number)) && text.contains("too many"), "{text}");
                return number;
            }
            Err(error) => panic!("{error}"),
        }
    }
    unreachable!("there is a limit")
}

#[test]
fn keyspaces_are_refused_before_their_list_becomes_a_file() {
    for padding in [1, 200] {
        let directory = scratch();
        let path = directory.path().join("db");
        let name = |number: u64| format!("{number:0padding$} of many");
        let store = SledStoreBuilder::new().segment_size(64 << 10).build(&path).unwrap();
        let made = create_until_refused(&store, name, 0);
        assert!(made > 20, "{made}");
        assert!(matches!(store.open_tree(name(made)), Err(StoreError::Unsupported(_))));
        store.close().unwrap();
        let store = SledStore::open(&path).unwrap();
        assert_eq!(store.keyspace_names().unwrap().len() as u64, made + 1);
        // Not to be refused, whether they are known in this process already or not.
        for number in (0..made).chain(0..made) {
            let keyspace = store.keyspace(name(number)).unwrap();
            assert_eq!(rows(&keyspace), [(b"large".to_vec(), LARGE.to_vec())]);
        }
        assert_eq!(create_until_refused(&store, name, made), made);
        assert!(store.drop_keyspace(name(made / 2)).unwrap());
        assert_eq!(create_until_refused(&store, name, made), made + 1, "one more");
        store.close().unwrap();
        assert_eq!(fs::read_dir(path.join("blobs")).unwrap().count(), 0, "{padding}");
    }
}

/// Dropping takes long when a keyspace is large, and what was freed has to be used again all the same.
#[test]
fn a_large_keyspace_can_be_dropped_again_and_again_and_its_space_is_used_again() {
    let directory = scratch();
    let path = directory.path().join("db");
    without_hanging("dropping a large keyspace", move || {
        let store = SledStoreBuilder::new().segment_size(512 << 10).build(&path).unwrap();
        store.put(b"bystander", b"value").unwrap();
        let mut first = 0;
        for round in 0..4_u64 {
            let large = store.keyspace("large").unwrap();
            for number in 0..40_000_u64 {
                let key = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
                large.put(&key, &[round as u8; 100]).unwrap();
            }
            assert_eq!(large.count().unwrap(), 40_000);
            drop(large);
            assert!(store.drop_keyspace("large").unwrap());
            assert_eq!(rows(&store), [(b"bystander".to_vec(), b"value".to_vec())]);
            store.flush().unwrap();
            let (count, bytes) = files(&path);
            assert!(count < 10, "{count} files");
            println!("{} MiB after round {round}", bytes / MIB);
            if round == 0 {
                first = bytes;
            }
            assert!(
                bytes < 3 * first,
                "{} MiB, {} after the first round",
                bytes / MIB,
                first / MIB
            );
        }
        store.close().unwrap();
        let store = SledStore::open(&path).unwrap();
        assert_eq!(store.keyspace_names().unwrap(), [b"default"]);
        assert_eq!(rows(&store).len(), 1);
    });
}
