//! A directory belongs to both: what we wrote opens in the published crate `oxistore-kv-sled`, the
//! reference, and what it wrote opens here, with everything in it. Both use their default settings.

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use common::random::Random;
use common::{ms, rows, scratch};
use oxistore_core::KvStore;
use oxistore_kv_sled::{SledStore as Reference, SledStoreBuilder as ReferenceBuilder};
use sledstore::{Clock, SledStore, SledStoreBuilder, StoreError};

const HOUR: u64 = 3_600_000;

fn system_time() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    now.as_millis() as u64
}

/// Opens the directory here. The reference does not wait for sled to give its lock back, so there
/// is a moment to wait after it.
fn ours(path: &Path, clock: &Clock) -> SledStore {
    // The segment size with which the reference opens a store by default.
    let builder = SledStoreBuilder::new().segment_size(512 << 10);
    let builder = builder.clock(clock.clone()).lock_timeout(ms(60_000));
    builder.build(path).expect("we open it")
}

fn reference(path: &Path) -> Reference {
    Reference::open(path).expect("the reference opens it")
}

fn rows_of_reference(store: &Reference) -> Vec<(Vec<u8>, Vec<u8>)> {
    store.iter().unwrap().map(Result::unwrap).collect()
}

/// Rows that have been trouble somewhere at some time.
fn special_rows() -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut rows = vec![
        (vec![], b"the empty key".to_vec()),
        (vec![0], vec![]),
        (vec![0, 0], vec![0]),
        (b"key".to_vec(), b"value".to_vec()),
        (b"large".to_vec(), vec![7; 5000]),
        (vec![b'x'; 403], b"the longest key".to_vec()),
        (vec![255], vec![255; 100]),
        (vec![255, 255], b"last".to_vec()),
    ];
    rows.sort();
    rows
}

#[test]
fn the_reference_finds_everything_that_we_wrote() {
    let directory = scratch();
    let clock = Clock::manual(system_time());
    let store = ours(directory.path(), &clock);
    for (key, value) in special_rows() {
        store.put(&key, &value).unwrap();
    }
    store.put_with_ttl(b"mortal", b"value", ms(HOUR)).unwrap();
    store.put_with_ttl(b"persisted", b"value", ms(HOUR)).unwrap();
    assert!(store.persist(b"persisted").unwrap());
    store.put(b"expiring", b"value").unwrap();
    store.expire(b"expiring", ms(2 * HOUR)).unwrap();
    store.put_with_ttl(b"swapped", b"old", ms(HOUR)).unwrap();
    assert!(store.compare_and_swap(b"swapped", Some(b"old"), b"new").unwrap());
    store.batch_write(&[(b"batched", b"value")]).unwrap();
    store.delete(&[0]).unwrap();
    store.close().unwrap();

    let reference = reference(directory.path());
    for (key, value) in special_rows() {
        let expected = if key == [0] { None } else { Some(value) };
        assert_eq!(reference.get(&key).unwrap(), expected, "key {key:02x?}");
    }
    for key in ["persisted", "batched", "swapped", "key"] {
        assert_eq!(reference.ttl(key.as_bytes()).unwrap(), None, "{key}");
    }
    for (key, life) in [("mortal", HOUR), ("expiring", 2 * HOUR)] {
        assert_eq!(reference.get(key.as_bytes()).unwrap().as_deref(), Some(&b"value"[..]));
        assert!(reference.ttl(key.as_bytes()).unwrap().is_some(), "{key}");
        let raw = reference.open_tree("__ttl__").unwrap().get(key).unwrap().unwrap();
        assert_eq!(raw.as_ref(), (clock.now_ms() + life).to_le_bytes(), "{key}");
    }
    assert_eq!(reference.count().unwrap(), special_rows().len() as u64 - 1 + 5);
}

#[test]
fn what_has_expired_here_has_expired_in_the_reference() {
    let directory = scratch();
    let clock = Clock::manual(system_time() - 2 * HOUR);
    let store = ours(directory.path(), &clock);
    store.put_with_ttl(b"expired", b"value", ms(HOUR)).unwrap();
    store.put_with_ttl(b"living", b"value", ms(3 * HOUR)).unwrap();
    store.close().unwrap();

    let reference = reference(directory.path());
    assert_eq!(reference.count().unwrap(), 1);
    assert_eq!(reference.get(b"expired").unwrap(), None);
    assert_eq!(reference.get(b"living").unwrap().as_deref(), Some(&b"value"[..]));
}

#[test]
fn we_find_everything_that_the_reference_wrote() {
    let directory = scratch();
    let theirs = reference(directory.path());
    for (key, value) in special_rows() {
        theirs.put(&key, &value).unwrap();
    }
    theirs.put_with_ttl(b"mortal", b"value", ms(HOUR)).unwrap();
    theirs.put_with_ttl(b"persisted", b"value", ms(HOUR)).unwrap();
    assert!(theirs.persist(b"persisted").unwrap());
    theirs.put(b"expiring", b"value").unwrap();
    theirs.expire(b"expiring", ms(2 * HOUR)).unwrap();
    theirs.put_with_ttl(b"expired", b"value", Duration::ZERO).unwrap();
    theirs.batch_write(&[(b"batched", b"value")]).unwrap();
    theirs.delete(&[0]).unwrap();
    let deadline = |key: &str| {
        let raw = theirs.open_tree("__ttl__").unwrap().get(key).unwrap().unwrap();
        u64::from_le_bytes(raw.as_ref().try_into().unwrap())
    };
    let deadlines = ["mortal", "expiring"].map(|key| (key, deadline(key)));
    drop(theirs);

    let clock = Clock::manual(system_time());
    let store = ours(directory.path(), &clock);
    for (key, value) in special_rows() {
        let expected = if key == [0] { None } else { Some(value) };
        assert_eq!(store.get(&key).unwrap(), expected, "key {key:02x?}");
    }
    for (key, deadline) in deadlines {
        let left = Some(ms(deadline - clock.now_ms()));
        assert_eq!(store.ttl(key.as_bytes()).unwrap(), left, "{key}");
    }
    for key in ["persisted", "batched", "key"] {
        assert_eq!(store.ttl(key.as_bytes()).unwrap(), None, "{key}");
    }
    assert_eq!(store.get(b"expired").unwrap(), None);
    assert_eq!(store.count().unwrap(), special_rows().len() as u64 - 1 + 4);
    clock.set(deadlines[0].1);
    assert!(matches!(store.ttl(b"mortal"), Err(StoreError::KeyNotFound)));
}

#[test]
fn keyspaces_are_the_trees_of_the_reference_and_their_sidecars() {
    let directory = scratch();
    let clock = Clock::manual(system_time());
    let theirs = reference(directory.path());
    theirs.open_tree("theirs").unwrap().insert(b"a", b"1").unwrap();
    drop(theirs);

    let store = ours(directory.path(), &clock);
    assert_eq!(store.keyspace_names().unwrap(), [b"default".to_vec(), b"theirs".to_vec()]);
    let keyspace = store.keyspace("theirs").unwrap();
    assert_eq!(rows(&keyspace), [(b"a".to_vec(), b"1".to_vec())]);
    assert_eq!(keyspace.ttl(b"a").unwrap(), None);
    keyspace.put_with_ttl(b"b", b"2", ms(HOUR)).unwrap();
    store.keyspace("mine \u{fc}").unwrap().put(b"c", b"3").unwrap();
    drop(keyspace);
    store.close().unwrap();

    let theirs = reference(directory.path());
    let tree = theirs.open_tree("theirs").unwrap();
    assert_eq!(tree.get(b"a").unwrap().unwrap().as_ref(), b"1");
    assert_eq!(tree.get(b"b").unwrap().unwrap().as_ref(), b"2");
    let sidecar = theirs.open_tree("__ttl__:theirs").unwrap();
    assert_eq!(sidecar.len(), 1);
    let raw = sidecar.get(b"b").unwrap().unwrap();
    assert_eq!(raw.as_ref(), (clock.now_ms() + HOUR).to_le_bytes());
    let mine = theirs.open_tree("mine \u{fc}").unwrap();
    assert_eq!(mine.get(b"c").unwrap().unwrap().as_ref(), b"3");
    assert_eq!(theirs.count().unwrap(), 0, "nothing of it lies in the default tree");
}

/// Of our own making there is only the mark, as long as no value is large.
#[test]
fn the_trees_on_disk_are_exactly_the_known_ones() {
    let directory = scratch();
    let store = ours(directory.path(), &Clock::manual(system_time()));
    store.put_with_ttl(b"a", b"1", ms(HOUR)).unwrap();
    store.keyspace("named").unwrap().put(b"a", b"1").unwrap();
    store.keyspace("dropped").unwrap().put_with_ttl(b"a", b"1", ms(HOUR)).unwrap();
    assert!(store.drop_keyspace("dropped").unwrap());
    store.close().unwrap();
    let db = sled::open(directory.path()).unwrap();
    let mut names: Vec<_> = db.tree_names().iter().map(|name| name.to_vec()).collect();
    names.sort();
    let known = ["__mark__", "__sled__default", "__ttl__", "__ttl__:named", "default", "named"];
    assert_eq!(names, known.map(|name| name.as_bytes().to_vec()));
}

/// Keys to values, and whether they have an expiry.
type Model = BTreeMap<Vec<u8>, (Vec<u8>, bool)>;

/// What one of the two does to a random key, and to the model. A macro, because their methods have
/// the same names and no trait in common.
macro_rules! step {
    ($store:ident, $random:ident, $model:ident) => {{
        let key = $random.below(40).to_be_bytes().to_vec();
        let value = $random.next().to_be_bytes().to_vec();
        match $random.below(6) {
            0 => {
                $store.put(&key, &value).unwrap();
                $model.insert(key, (value, false));
            }
            1 | 2 => {
                $store.put_with_ttl(&key, &value, ms(HOUR)).unwrap();
                $model.insert(key, (value, true));
            }
            3 => {
                $store.delete(&key).unwrap();
                $model.remove(&key);
            }
            4 => match ($store.expire(&key, ms(HOUR)), $model.get_mut(&key)) {
                (Ok(()), Some(entry)) => entry.1 = true,
                (Err(StoreError::KeyNotFound), None) => {}
                other => panic!("expire and the model disagree: {other:?}"),
            },
            _ => match ($store.persist(&key), $model.get_mut(&key)) {
                (Ok(had_expiry), Some(entry)) => {
                    assert_eq!(had_expiry, entry.1, "persist");
                    entry.1 = false;
                }
                (Err(StoreError::KeyNotFound), None) => {}
                other => panic!("persist and the model disagree: {other:?}"),
            },
        }
    }};
}

#[test]
fn both_take_turns_on_one_directory_and_lose_nothing() {
    let directory = scratch();
    let mut random = Random::new(5);
    let mut model = Model::new();
    for turn in 0..16 {
        let found: Vec<_>;
        let expiries: Vec<_>;
        if turn % 2 == 0 {
            let store = ours(directory.path(), &Clock::manual(system_time()));
            (0..60).for_each(|_| step!(store, random, model));
            found = rows(&store);
            expiries = found.iter().map(|(key, _)| store.ttl(key).unwrap().is_some()).collect();
            store.close().unwrap();
        } else {
            let store = reference(directory.path());
            (0..60).for_each(|_| step!(store, random, model));
            found = rows_of_reference(&store);
            expiries = found.iter().map(|(key, _)| store.ttl(key).unwrap().is_some()).collect();
        }
        let expected: Vec<_> =
            model.iter().map(|(key, (value, _))| (key.clone(), value.clone())).collect();
        assert_eq!(found, expected, "turn {turn}");
        let expected: Vec<_> = model.values().map(|(_, has_expiry)| *has_expiry).collect();
        assert_eq!(expiries, expected, "turn {turn}");
    }
}

#[test]
fn a_directory_of_the_reference_keeps_its_segment_size() {
    let directory = scratch();
    let large = 8 << 20;
    let theirs = ReferenceBuilder::new().segment_size(large).build(directory.path()).unwrap();
    theirs.put(b"a", b"1").unwrap();
    drop(theirs);
    let store = ours(directory.path(), &Clock::system());
    assert_eq!(store.get(b"a").unwrap().as_deref(), Some(&b"1"[..]));
    store.put(b"b", b"2").unwrap();
    store.close().unwrap();
    let theirs = ReferenceBuilder::new().segment_size(large).build(directory.path()).unwrap();
    assert_eq!(theirs.get(b"b").unwrap().as_deref(), Some(&b"2"[..]));
}
