//! Values of every size, and no file of sled's for any of them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use sledstore::{SledBatch, SledStore, SledStoreBuilder};

/// Numbers that look random and are the same in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % limit
    }
}

/// A value that tells in each of its bytes which write it is of.
fn value(seed: u64, length: usize) -> Vec<u8> {
    let mut numbers = Numbers(seed);
    (0..length).map(|_| numbers.below(256) as u8).collect()
}

fn blob_files(store: &Path) -> usize {
    std::fs::read_dir(store.join("blobs")).map_or(0, |files| files.count())
}

fn open(path: &Path, segment_size: usize) -> SledStore {
    SledStoreBuilder::new().segment_size(segment_size).build(path).unwrap()
}

/// Around each limit of each segment size, and far above all of them.
const LENGTHS: [usize; 14] =
    [0, 1, 22, 23, 400, 5_000, 5_600, 6_000, 65_535, 65_536, 65_537, 131_072, 131_073, 1_000_000];

#[test]
fn random_writes_of_all_sizes_agree_with_a_map_and_make_no_files() {
    for segment_size in [64 << 10, 512 << 10, 8 << 20] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store");
        let mut model: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        let mut numbers = Numbers(segment_size as u64);
        for round in 0..4_u64 {
            let store = open(&path, segment_size);
            for step in 0..60 {
                let key = vec![b'k'; 1 + numbers.below(40)];
                let new = value(round * 1000 + step, LENGTHS[numbers.below(LENGTHS.len())]);
                match numbers.below(6) {
                    0 => {
                        store.delete(&key).unwrap();
                        model.remove(&key);
                    }
                    1 => {
                        let old = model.get(&key);
                        assert!(store
                            .compare_and_swap(&key, old.map(|old| &old[..]), &new)
                            .unwrap());
                        model.insert(key, new);
                    }
                    2 => {
                        let mut batch = SledBatch::new();
                        for number in 0..3 {
                            let key = [&key[..], &[number]].concat();
                            batch.put(&key, &new).unwrap();
                            model.insert(key, new.clone());
                        }
                        batch.delete(&key).unwrap();
                        model.remove(&key);
                        store.apply(&batch).unwrap();
                    }
                    _ => {
                        store.put(&key, &new).unwrap();
                        model.insert(key, new);
                    }
                }
            }
            let rows: Vec<_> = store.iter().unwrap().map(|row| row.unwrap()).collect();
            let expected: Vec<_> = model.clone().into_iter().collect();
            assert!(rows == expected, "an iterator agrees, round {round} of {segment_size}");
            for (key, value) in &model {
                assert!(store.get(key).unwrap().as_ref() == Some(value), "get agrees");
            }
            assert_eq!(store.count().unwrap(), model.len() as u64);
            store.close().unwrap();
            assert_eq!(blob_files(&path), 0, "segments of {segment_size}");
        }
    }
}

#[test]
fn the_fullest_pages_make_no_files() {
    for segment_size in [64 << 10, 512 << 10, 8 << 20] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store");
        let store = open(&path, segment_size);
        let page = segment_size / 4 - 64;
        let longest_key = (page / 325).min(4096);
        let longest_value = (page / 22 - longest_key - 32).min(64 << 10);
        // Keys that differ only at their ends: sled cannot shorten them much, nor their separators.
        for number in 0..700_u32 {
            let mut key = number.reverse_bits().to_be_bytes().to_vec();
            key.resize(longest_key, b'k');
            let length = if number % 3 == 0 { longest_value } else { 10 };
            store.put(&key, &vec![7; length]).unwrap();
        }
        let mut too_long = vec![b'k'; longest_key + 1];
        let error = store.put(&too_long, b"").expect_err("a longer key is refused");
        assert!(matches!(error, sledstore::StoreError::Unsupported(_)), "{error}");
        too_long.pop();
        store.put(&too_long, b"").unwrap();
        assert_eq!(store.count().unwrap(), 701);
        store.close().unwrap();
        assert_eq!(blob_files(&path), 0, "segments of {segment_size}");
    }
}

#[test]
fn readers_see_whole_values_of_one_write_while_they_change() {
    let store = SledStore::open_temporary().unwrap();
    let lengths = [10, 300_000, 66_000, 0, 131_072];
    store.put(b"key", &[0; 10]).unwrap();
    store.put(b"other", &[0; 10]).unwrap();
    let done = AtomicBool::new(false);
    let check = |found: &[u8]| {
        let Some(first) = found.first() else { return };
        assert!(found.iter().all(|byte| byte == first), "a mixture of two values");
        let length = lengths[*first as usize % lengths.len()];
        assert_eq!(found.len(), length, "a part of value {first}");
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..300_usize {
                let number = round % 250;
                let value = vec![number as u8; lengths[number % lengths.len()]];
                store.put(b"key", &value).unwrap();
                if round % 7 == 0 {
                    store.delete(b"key").unwrap();
                }
            }
            done.store(true, Ordering::SeqCst);
        });
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::SeqCst) {
                    if let Some(found) = store.get_pinned(b"key").unwrap() {
                        check(&found);
                    }
                    for row in store.iter().unwrap() {
                        let (key, found) = row.unwrap();
                        if key == b"key" {
                            check(&found);
                        }
                    }
                }
            });
        }
    });
}

#[test]
fn a_dropped_keyspace_leaves_no_pieces_behind() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let store = SledStore::open(&path).unwrap();
    let named = store.keyspace("named").unwrap();
    named.put(b"key", &value(1, 500_000)).unwrap();
    drop(named);
    assert!(store.drop_keyspace("named").unwrap());
    let named = store.keyspace("named").unwrap();
    assert_eq!(named.get(b"key").unwrap(), None);
    assert_eq!(named.count().unwrap(), 0);
    named.put(b"key", b"small").unwrap();
    assert_eq!(named.get(b"key").unwrap().as_deref(), Some(&b"small"[..]));
    drop(named);
    store.close().unwrap();
    let raw = sled::Config::new().path(&path).segment_size(8 << 20).open().unwrap();
    assert!(!raw.tree_names().iter().any(|name| &name[..] == b"__chunks__:named"));
}

#[test]
fn an_expired_large_value_goes_with_its_pieces() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let clock = sledstore::Clock::manual(1_000);
    let store = SledStoreBuilder::new().clock(clock.clone()).build(&path).unwrap();
    let ttl = std::time::Duration::from_millis(10);
    store.put_with_ttl(b"key", &value(1, 500_000), ttl).unwrap();
    assert_eq!(store.get(b"key").unwrap().map(|found| found.len()), Some(500_000));
    clock.advance(ttl);
    assert_eq!(store.get(b"key").unwrap(), None);
    store.close().unwrap();
    let raw = sled::Config::new().path(&path).segment_size(8 << 20).open().unwrap();
    let pieces = raw.open_tree("__chunks__").unwrap();
    assert_eq!(pieces.iter().count(), 0, "its pieces are gone");
}

#[test]
fn a_value_that_another_program_put_in_the_place_of_a_large_one_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let store = SledStore::open(&path).unwrap();
    store.put(b"key", &value(1, 500_000)).unwrap();
    store.put(b"gone", &value(2, 500_000)).unwrap();
    store.close().unwrap();

    let raw = sled::Config::new().path(&path).segment_size(8 << 20).open().unwrap();
    let tree = raw.open_tree("default").unwrap();
    let head = tree.get(b"key").unwrap().expect("others see the head");
    assert_eq!(&head[..], &value(1, 500_000)[..head.len()]);
    tree.insert(b"key", b"theirs").unwrap();
    tree.remove(b"gone").unwrap();
    drop((tree, raw));

    let store = SledStore::open(&path).unwrap();
    assert_eq!(store.get(b"key").unwrap().as_deref(), Some(&b"theirs"[..]));
    assert_eq!(store.get(b"gone").unwrap(), None);
    assert_eq!(store.iter().unwrap().count(), 1);
    store.put(b"gone", &value(3, 200_000)).unwrap();
    assert!(store.get(b"gone").unwrap() == Some(value(3, 200_000)));
}
