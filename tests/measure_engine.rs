//! Measurements of the engine room, for docs/engine.md. Nothing is demanded here: run them on a quiet
//! machine with `cargo test --release --test measure_engine -- --ignored --nocapture --test-threads=1`.

use std::time::{Duration, Instant};

use sled::transaction::ConflictableTransactionError;
use sled::Transactional;
use sledstore::{SledStore, SledStoreBuilder};

fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed ^= mixed >> 29;
    mixed = mixed.wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed ^ (mixed >> 32)
}

/// Keys of 16 bytes in no order.
fn key(number: u64) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&mix(number).to_be_bytes());
    key[8..].copy_from_slice(&number.to_be_bytes());
    key
}

/// Bytes that do not compress.
fn value(length: usize, seed: u64) -> Vec<u8> {
    let mut value: Vec<u8> =
        (0..length as u64 / 8 + 1).flat_map(|at| mix(seed + at).to_le_bytes()).collect();
    value.truncate(length);
    value
}

/// Microseconds that each of `times` calls takes.
fn each(times: u64, work: impl FnMut(u64)) -> f64 {
    let start = Instant::now();
    (0..times).for_each(work);
    start.elapsed().as_secs_f64() * 1e6 / times as f64
}

#[test]
#[ignore = "a measurement"]
fn segment_sizes_beside_each_other() {
    println!("value, segment: put, overwrite, scan (us a row); MB on disk loaded, overwritten; of");
    for (length, rows) in [(100, 200_000), (1024, 60_000), (6000, 10_000), (65_536, 1500)] {
        for segment_size in [512 << 10, 2 << 20, 4 << 20, 8 << 20] {
            let directory = tempfile::tempdir().unwrap();
            let builder = SledStoreBuilder::new().segment_size(segment_size);
            let store = builder.build(directory.path().join("store")).unwrap();
            let values: Vec<_> = (0..16).map(|seed| value(length, seed * 1_000_000)).collect();
            let write = |number: u64, turn: u64| {
                let value = &values[(number + turn) as usize % values.len()];
                store.put(&key(number), value).unwrap();
                if turn > 0 && number == rows - 1 {
                    store.flush().unwrap();
                }
            };
            let put = each(rows, |number| write(number, 0));
            store.flush().unwrap();
            let loaded = store.size_on_disk().unwrap();
            let overwrite = each(rows, |number| write(mix(number) % rows, 3));
            store.flush().unwrap();
            let overwritten = store.size_on_disk().unwrap();
            let mut rows_seen = store.iter().unwrap();
            let scan = each(rows, |_| assert!(rows_seen.next_row().unwrap().is_some()));
            println!(
                "{length:6} {:5} KiB: {put:8.1} {overwrite:8.1} {scan:6.2}; {:6.1} {:6.1}; {:6.1}",
                segment_size >> 10,
                loaded as f64 / 1e6,
                overwritten as f64 / 1e6,
                (length as u64 + 16) as f64 * rows as f64 / 1e6,
            );
        }
    }
}

#[test]
#[ignore = "a measurement"]
fn what_durability_costs_beside_sled_itself() {
    for _ in 0..3 {
        let directory = tempfile::tempdir().unwrap();
        let raw = sled::open(directory.path().join("raw")).unwrap();
        let (data, sidecar) = (raw.open_tree("a").unwrap(), raw.open_tree("b").unwrap());
        let store = SledStore::open(directory.path().join("ours")).unwrap();
        let (value, life) = ([7; 100], Duration::from_secs(10_000));
        let report = |what: &str, raw: f64, ours: f64| {
            println!("{what}: sled {raw:.2} us, ours {ours:.2} us, ratio {:.2}", ours / raw);
        };

        let sled = each(100_000, |number| drop(data.insert(key(number), &value[..]).unwrap()));
        report("put", sled, each(100_000, |number| store.put(&key(number), &value).unwrap()));

        let sled = each(500, |number| {
            data.insert(key(number), &value[..99]).unwrap();
            raw.flush().unwrap();
        });
        let ours = each(500, |number| {
            store.put(&key(number), &value[..99]).unwrap();
            store.flush().unwrap();
        });
        report("put and flush (sled's is no sync)", sled, ours);

        let step = |number: u64| {
            let both = (&data, &sidecar);
            let done = both.transaction(|(data, sidecar)| {
                data.insert(&key(number), &value[..98])?;
                sidecar.insert(&key(number), &[1_u8; 8])?;
                Ok::<_, ConflictableTransactionError<()>>(())
            });
            done.unwrap();
            if number == 9_999 {
                raw.flush().unwrap();
            }
        };
        let sled = each(10_000, step);
        let ours = each(10_000, |number| {
            store.put_with_ttl(&key(number), &value[..98], life).unwrap();
            if number == 9_999 {
                store.flush().unwrap();
            }
        });
        report("a step over two trees, with a flush at the end", sled, ours);
    }
}

#[test]
#[ignore = "a measurement"]
fn what_stays_on_the_disk() {
    let directory = tempfile::tempdir().unwrap();
    let store = SledStore::open(directory.path().join("small")).unwrap();
    let size = |store: &SledStore| {
        store.flush().unwrap();
        store.size_on_disk().unwrap() as f64 / 1e6
    };
    for turn in 0..4 {
        (0..100_000).for_each(|number| {
            store.put(&key(number), &value(100, number * 100 + turn)).unwrap();
        });
        println!("100,000 rows of 116 bytes, written {} times: {:.1} MB", turn + 1, size(&store));
    }
    (0..100_000).for_each(|number| store.delete(&key(number)).unwrap());
    println!("all deleted: {:.1} MB", size(&store));
    store.close().unwrap();
    let store = SledStore::open(directory.path().join("large")).unwrap();
    for turn in 0..6 {
        (0..40).for_each(|number| {
            store.put(&key(number), &value(1 << 20, number * 100 + turn)).unwrap();
        });
        println!("40 values of 1 MiB, written {} times: {:.1} MB", turn + 1, size(&store));
    }
}

#[test]
#[ignore = "a measurement"]
fn large_batches() {
    println!("rows in a batch: seconds until applied, and until flushed");
    for rows in [900, 1000, 10_000, 100_000] {
        let directory = tempfile::tempdir().unwrap();
        let store = SledStoreBuilder::new().build(directory.path().join("store")).unwrap();
        let value = value(100, 1);
        let mut batch = sledstore::SledBatch::new();
        (0..rows).for_each(|number| batch.put(&key(number), &value).unwrap());
        let start = Instant::now();
        store.apply(&batch).unwrap();
        let applied = start.elapsed().as_secs_f64();
        store.flush().unwrap();
        println!("{rows}: {applied:.3}, {:.3}", start.elapsed().as_secs_f64());
    }
}

/// What clearing a keyspace takes, by its rows, and what removing them does in the background.
#[test]
#[ignore = "a measurement"]
fn clearing_beside_the_number_of_rows() {
    println!(
        "rows: clear, first row of a scan, count (us); checkpoint (ms); beside it: get, put (us)"
    );
    for rows in [1_000, 10_000, 100_000, 1_000_000] {
        let directory = tempfile::tempdir().unwrap();
        let store = SledStoreBuilder::new().build(directory.path().join("store")).unwrap();
        let value = value(100, 0);
        for first in (0..rows).step_by(1000) {
            let keys: Vec<_> = (first..first + 1000).map(key).collect();
            let pairs: Vec<_> = keys.iter().map(|key| (&key[..], &value[..])).collect();
            store.batch_write(&pairs).unwrap();
        }
        store.compact().unwrap();
        let once = |work: &dyn Fn()| each(1, |_| work());
        let clear = once(&|| store.clear().unwrap());
        let first = once(&|| assert!(store.iter().unwrap().next_row().unwrap().is_none()));
        let count = once(&|| assert_eq!(store.count().unwrap(), 0));
        let (mut checkpoint, mut get, mut put) = (0.0, 0.0, 0.0);
        std::thread::scope(|scope| {
            let checkpointing = scope.spawn(|| each(1, |_| store.compact().unwrap()));
            get = each(1000, |number| assert!(store.get(&key(number)).unwrap().is_none()));
            put = each(1000, |number| store.put(&key(rows + number), &value).unwrap());
            checkpoint = checkpointing.join().unwrap() / 1e3;
        });
        println!(
            "{rows:8}: {clear:8.1} {first:8.1} {count:8.1}; {checkpoint:10.1}; {get:6.2} {put:6.2}"
        );
        store.close().unwrap();
    }
}

/// The disk that 30,000 short keys take in front of 3,000 of 4,096 bytes, by the order in which sled
/// gets them; as the checkpoint writes, with a flush after each 2 MiB.
#[test]
#[ignore = "a measurement"]
fn orders_of_writing_in_front_of_long_keys() {
    let long: Vec<Vec<u8>> = (0..3_000)
        .map(|number| [&[b'k'; 4088][..], format!("{number:08}").as_bytes()].concat())
        .collect();
    let mut short: Vec<Vec<u8>> =
        (0..30_000).map(|number| format!("b{number:08}").into_bytes()).collect();
    let insert_all = |tree: &sled::Db, keys: &[Vec<u8>]| {
        let mut waiting = 0;
        for key in keys {
            tree.insert(key, b"value").unwrap();
            waiting += key.len() + 5;
            if waiting > 2 << 20 {
                waiting = 0;
                tree.flush().unwrap();
            }
        }
        tree.flush().unwrap();
        tree.size_on_disk().unwrap() >> 20
    };
    for order in ["ascending", "descending", "random"] {
        let directory = tempfile::tempdir().unwrap();
        let config = sled::Config::new().path(directory.path()).segment_size(8 << 20);
        let tree = config.flush_every_ms(None).open().unwrap();
        let before = insert_all(&tree, &long);
        match order {
            "ascending" => short.sort(),
            "descending" => short.sort_by(|left, right| right.cmp(left)),
            _ => short.sort_by_key(|key| crc32fast::hash(key)),
        }
        let after = insert_all(&tree, &short);
        println!("{order}: {before} MiB, then {after} MiB");
    }
}
