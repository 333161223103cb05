//! Settings: sensible, silly, and those that meet an existing directory.

use std::time::Duration;

use sledstore::{SledMode, SledStore, SledStoreBuilder};

use crate::common::{assert_unsupported, flushing, rows, scratch, without_hanging};

/// Builds a fresh store with this setting. Either it works, all through a reopen with the same
/// setting, or it is refused with words; in both cases the directory opens with the defaults.
fn works_or_is_refused(name: &str, builder: SledStoreBuilder) {
    let label = name.to_string();
    without_hanging(name, move || {
        let directory = scratch();
        let path = directory.path().join("db");
        for round in 0..2_u64 {
            match builder.clone().build(&path) {
                Ok(store) => {
                    assert_eq!(store.count().unwrap(), round, "{label}");
                    store.put(&round.to_be_bytes(), &[7; 3000]).unwrap();
                    store.flush().unwrap();
                    store.close().unwrap();
                }
                Err(error) => {
                    let message = error.to_string();
                    assert!(message.len() > 20, "{label}: refused without a reason: {message:?}");
                    assert!(!message.contains("panic"), "{label}: {message}");
                }
            }
        }
        let store = SledStore::open(&path).expect("the defaults work on what is there");
        for (_, value) in rows(&store) {
            assert_eq!(value, [7; 3000], "{label}");
        }
    });
}

#[test]
fn any_cache_capacity_works_or_is_refused() {
    for bytes in [0, 1, 255, 256, 1 << 20, 1 << 40, u64::MAX] {
        let builder = SledStoreBuilder::new().cache_capacity(bytes);
        works_or_is_refused(&format!("cache_capacity({bytes})"), builder);
    }
}

#[test]
fn any_flush_interval_works_or_is_refused() {
    for every in [None, Some(0), Some(1), Some(u64::from(u32::MAX)), Some(u64::MAX)] {
        let builder = flushing(SledStoreBuilder::new(), every);
        works_or_is_refused(&format!("flush_every_ms({every:?})"), builder);
    }
}

#[test]
fn any_segment_size_works_or_is_refused() {
    let sizes = [0, 1, 3, 255, 256, 512, 4096, 1 << 16, 100_000, 1 << 20, 1 << 24, 1 << 30];
    for bytes in sizes.into_iter().chain([usize::MAX, usize::MAX / 2 + 1]) {
        let builder = SledStoreBuilder::new().segment_size(bytes);
        works_or_is_refused(&format!("segment_size({bytes})"), builder);
    }
}

#[test]
fn any_lock_timeout_works_or_is_refused() {
    for timeout in [Duration::ZERO, Duration::from_nanos(1), Duration::MAX] {
        let builder = SledStoreBuilder::new().lock_timeout(timeout);
        works_or_is_refused(&format!("lock_timeout({timeout:?})"), builder);
    }
}

#[test]
fn both_modes_work() {
    for mode in [SledMode::LowSpace, SledMode::HighThroughput] {
        works_or_is_refused(&format!("{mode:?}"), SledStoreBuilder::new().mode(mode));
        let directory = scratch();
        assert!(SledStoreBuilder::new().mode(mode).build(directory.path()).is_ok());
    }
}

#[test]
fn compression_is_refused_and_nothing_is_created() {
    let directory = scratch();
    let path = directory.path().join("db");
    let message = assert_unsupported(SledStoreBuilder::new().use_compression(true).build(&path));
    assert!(message.contains("compression"), "{message}");
    assert!(!path.exists());
    assert!(SledStoreBuilder::new().use_compression(false).build(&path).is_ok());
}

#[test]
fn an_existing_directory_keeps_its_segment_size_whatever_the_builder_says() {
    let directory = scratch();
    let sizes = [1 << 16, 1 << 20, 1 << 19];
    for (round, first) in sizes.into_iter().enumerate() {
        let path = directory.path().join(first.to_string());
        let store = SledStoreBuilder::new().segment_size(first).build(&path).unwrap();
        store.put(b"first", b"1").unwrap();
        store.close().unwrap();
        let second = sizes[(round + 1) % sizes.len()];
        let store = SledStoreBuilder::new().segment_size(second).build(&path).unwrap();
        store.put(b"second", b"2").unwrap();
        store.close().unwrap();
        assert_eq!(SledStore::open(&path).unwrap().count().unwrap(), 2);
        // sled opens a directory only with the size that it was made with.
        let db = sled::Config::new().path(&path).segment_size(first).open().unwrap();
        assert_eq!(db.open_tree("default").unwrap().len(), 2);
        let other = sled::Config::new().path(&path).segment_size(second);
        drop(db);
        assert!(other.open().is_err(), "created with {first}, it opens with {second}");
    }
}

/// Never flushed by itself, everything is still there after a close, and after a drop.
#[test]
fn without_background_flushes_closing_and_dropping_write_everything() {
    let directory = scratch();
    let builder = SledStoreBuilder::new().flush_never();
    for (round, close) in [(0_u64, true), (1, false), (2, true)] {
        let store = builder.clone().build(directory.path()).unwrap();
        assert_eq!(store.count().unwrap(), round * 1000);
        for number in 0..1000 {
            store.put(&(round * 1000 + number).to_be_bytes(), &[1; 100]).unwrap();
        }
        if close {
            store.close().unwrap();
        }
    }
    assert_eq!(SledStore::open(directory.path()).unwrap().count().unwrap(), 3000);
}

#[test]
fn a_builder_can_be_used_for_many_stores() {
    let directory = scratch();
    let builder = SledStoreBuilder::default().cache_capacity(8 << 20).flush_every_ms(50);
    assert!(format!("{builder:?}").contains("SledStoreBuilder"));
    let stores: Vec<_> = (0..3)
        .map(|number| builder.clone().build(directory.path().join(number.to_string())).unwrap())
        .collect();
    assert!(!stores[0].same_store(&stores[1]));
    assert!(stores[0].same_store(&stores[0].keyspace("named").unwrap()));
}

#[test]
fn size_on_disk_and_the_flushes_answer() {
    let directory = scratch();
    let store = SledStore::open(directory.path()).unwrap();
    for number in 0..2000_u64 {
        store.put(&number.to_be_bytes(), &[1; 1000]).unwrap();
    }
    store.flush_sync().unwrap();
    store.compact().unwrap();
    let size = store.flush_with_reclaim().unwrap();
    assert!(size >= 2_000_000, "two megabytes of values are on disk: {size}");
    assert_eq!(store.size_on_disk().unwrap(), size);
    let files: u64 = std::fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap())
        .filter(std::fs::Metadata::is_file)
        .map(|file| file.len())
        .sum();
    assert!(files >= size / 2, "the files say about the same: {files} and {size}");
}

/// Nobody but sled itself makes such directories: with segments so small nearly every page is a file
/// of its own, and with ones so large sled's offsets end at the last byte.
#[test]
fn a_directory_with_segments_that_new_stores_may_not_have_shows_its_rows() {
    for shift in [8, 9, 10, 11, 12, 14, 15, 24] {
        let directory = scratch();
        let path = directory.path().join("db");
        let db = sled::Config::new().path(&path).segment_size(1 << shift).open().unwrap();
        let tree = db.open_tree("default").unwrap();
        for number in 0..50_u32 {
            tree.insert(number.to_be_bytes(), &[7; 40][..]).unwrap();
        }
        drop((tree, db));
        without_hanging("a directory with strange segments", move || {
            for round in 0..2 {
                // sled's lock outlives its last handle for a moment.
                let builder = SledStoreBuilder::new().lock_timeout(Duration::from_secs(60));
                let store = builder.build(&path).expect("it opens");
                for (key, value) in [(&b""[..], 0), (b"", 1), (b"", 3000), (b"new", 3000)] {
                    // What has no room in so small a page is cut, or refused.
                    match store.put(key, &vec![8; value]).and_then(|()| store.flush()) {
                        Ok(()) => assert_eq!(store.get(key).unwrap(), Some(vec![8; value])),
                        Err(error) => drop(assert_unsupported::<()>(Err(error))),
                    }
                    store.delete(key).unwrap();
                }
                let numbers = (0..50_u32).map(|number| number.to_be_bytes().to_vec());
                let expected: Vec<_> = numbers.map(|number| (number, vec![7; 40])).collect();
                assert_eq!(rows(&store), expected, "segments of 2^{shift}, opened {round} times");
                store.close().unwrap();
            }
        });
    }
}

/// The engine could not read a page of it, so it must not write one either.
#[test]
fn a_directory_with_compression_is_refused_and_untouched() {
    let directory = scratch();
    let path = directory.path().join("db");
    drop(sled::open(&path).unwrap());
    let text = "segment_size: 524288\nuse_compression: true\nversion: 0.34\n";
    let settings = [text.as_bytes(), &crc32fast::hash(text.as_bytes()).to_le_bytes()].concat();
    std::fs::write(path.join("conf"), &settings).unwrap();
    let log = std::fs::read(path.join("db")).unwrap();
    for _ in 0..2 {
        let builder = SledStoreBuilder::new().lock_timeout(Duration::from_secs(60));
        let message = assert_unsupported(builder.build(&path));
        assert!(message.contains("compression"), "{message}");
        assert_eq!(std::fs::read(path.join("conf")).unwrap(), settings);
        assert_eq!(std::fs::read(path.join("db")).unwrap(), log);
    }
}
