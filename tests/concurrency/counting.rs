//! count is exact when nobody writes, and never says what cannot be when somebody does.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use sledstore::SledStore;

use crate::common::random::Random;
use crate::common::{ms, rows, Fixture, Over};

const THREADS: u64 = 8;
const KEYS: u64 = 600;

fn key(thread: u64, number: u64) -> Vec<u8> {
    [thread.to_be_bytes(), number.to_be_bytes()].concat()
}

/// How many changes have begun and how many are done. A count that runs meanwhile lies between
/// what was done when it began and what had begun when it ended.
#[derive(Default)]
struct Progress {
    begun: AtomicU64,
    done: AtomicU64,
}

/// Runs `change` for every key from all threads, and counts meanwhile. `limits` makes the lowest
/// and highest possible count out of the changes done before and begun after.
fn count_while_changing(
    store: &SledStore,
    change: impl Fn(&SledStore, &[u8]) + Sync,
    limits: impl Fn(u64, u64) -> (u64, u64) + Sync,
) {
    let progress = Progress::default();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let counting = scope.spawn(|| {
            while !over.load(Ordering::SeqCst) {
                let done = progress.done.load(Ordering::SeqCst);
                let count = store.count().unwrap();
                let (lowest, highest) = limits(done, progress.begun.load(Ordering::SeqCst));
                let possible = lowest..=highest;
                assert!(possible.contains(&count), "count {count} is not within {possible:?}");
            }
        });
        let ending = Over(&over);
        thread::scope(|writers| {
            for thread in 0..THREADS {
                let (progress, change) = (&progress, &change);
                writers.spawn(move || {
                    for number in 0..KEYS {
                        progress.begun.fetch_add(1, Ordering::SeqCst);
                        change(store, &key(thread, number));
                        progress.done.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        });
        drop(ending);
        counting.join().expect("every count is possible");
    });
}

#[test]
fn count_is_possible_while_writers_run_and_exact_after_them() {
    let fixture = Fixture::new();
    let all = THREADS * KEYS;
    for name in ["default", "named"] {
        let store = fixture.keyspace(name);
        let put = |store: &SledStore, key: &[u8]| store.put(key, b"value").unwrap();
        count_while_changing(&store, put, |done, begun| (done, begun));
        assert_eq!(store.count().unwrap(), all);
        // Writing again what is there changes no count.
        count_while_changing(
            &store,
            |store, key| store.put_with_ttl(key, b"again", ms(1000)).unwrap(),
            |_, _| (all, all),
        );
        assert_eq!(store.count().unwrap(), all);
        let delete = |store: &SledStore, key: &[u8]| store.delete(key).unwrap();
        count_while_changing(&store, delete, |done, begun| (all - begun, all - done));
        assert_eq!(store.count().unwrap(), 0);
    }
}

/// All threads change the same few keys in all ways; in the end count, scan and get agree.
#[test]
fn count_is_exact_after_writers_have_met_on_the_same_keys() {
    let fixture = Fixture::new();
    let stores = [fixture.keyspace("default"), fixture.keyspace("named")];
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let stores = &stores;
            scope.spawn(move || {
                let mut random = Random::new(thread);
                for _ in 0..1500 {
                    let store = random.pick(stores);
                    change_somehow(store, &mut random);
                }
            });
        }
    });
    let check = |store: &SledStore| {
        let found = rows(store);
        assert_eq!(store.count().unwrap(), found.len() as u64, "{:?}", store.keyspace_name());
        for key in 0..64_u64 {
            let there = found.iter().any(|(name, _)| *name == key.to_be_bytes());
            assert_eq!(store.contains(&key.to_be_bytes()).unwrap(), there);
        }
    };
    stores.iter().for_each(check);
    fixture.clock.advance(ms(5));
    stores.iter().for_each(check);
    drop(stores);
    let fixture = fixture.reopen();
    [fixture.keyspace("default"), fixture.keyspace("named")].iter().for_each(check);
}

/// The first count of a keyspace walks it while writers go on; whatever they change behind, before
/// and right at the place of the walk, the count is exact in the end.
#[test]
fn a_first_count_that_meets_writers_everywhere_is_exact_in_the_end() {
    const FILLED: u64 = 1_100;
    let fixture = Fixture::new();
    let keys: Vec<_> = (0..FILLED).map(u64::to_be_bytes).collect();
    let pairs: Vec<(&[u8], &[u8])> = keys.iter().map(|key| (&key[..], &b"1"[..])).collect();
    for round in 0..120 {
        let store = fixture.keyspace("counted");
        store.batch_write(&pairs).unwrap();
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            for writer in 0..3 {
                let (store, over, keys) = (&store, &over, &keys);
                scope.spawn(move || {
                    let mut random = Random::new(round * 3 + writer);
                    while !over.load(Ordering::SeqCst) {
                        let key = random.pick(keys);
                        match random.below(3) {
                            0 => store.put(key, b"2").unwrap(),
                            1 => store.put_with_ttl(key, b"3", ms(1000)).unwrap(),
                            _ => store.delete(key).unwrap(),
                        }
                    }
                });
            }
            let _over = Over(&over);
            assert!(store.count().unwrap() <= FILLED);
        });
        assert_eq!(store.count().unwrap(), rows(&store).len() as u64, "round {round}");
        drop(store);
        assert!(fixture.store.drop_keyspace("counted").unwrap());
    }
}

fn change_somehow(store: &SledStore, random: &mut Random) {
    let key = random.below(64).to_be_bytes();
    let other = random.below(64).to_be_bytes();
    match random.below(10) {
        0 => store.put(&key, b"1").unwrap(),
        1 => store.put_with_ttl(&key, b"2", ms(1 + random.below(10))).unwrap(),
        2 => store.put_with_ttl(&key, b"3", ms(0)).unwrap(),
        3 => store.delete(&key).unwrap(),
        4 => store.batch_write(&[(&key, b"4"), (&other, b"5")]).unwrap(),
        5 => store.batch_delete(&[&key, &other]).unwrap(),
        6 => drop(store.compare_and_swap(&key, None, b"6").unwrap()),
        7 => drop(store.compare_and_delete(&key, b"1").unwrap()),
        // A missing key is fine in both.
        8 => drop(store.expire(&key, ms(random.below(3)))),
        _ => drop(store.persist(&key)),
    }
}

#[test]
fn count_sees_a_batch_as_a_whole() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    assert_eq!(store.count().unwrap(), 0);
    let pairs: Vec<_> = (0..KEYS).map(|number| (key(0, number), b"value".to_vec())).collect();
    let pairs: Vec<_> = pairs.iter().map(|(key, value)| (&key[..], &value[..])).collect();
    let keys: Vec<_> = pairs.iter().map(|(key, _)| *key).collect();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let counting = scope.spawn(|| {
            while !over.load(Ordering::SeqCst) {
                let count = store.count().unwrap();
                assert!(count == 0 || count == KEYS, "{count} of a batch");
            }
        });
        let ending = Over(&over);
        for _ in 0..150 {
            store.batch_write(&pairs).unwrap();
            store.batch_delete(&keys).unwrap();
        }
        drop(ending);
        counting.join().unwrap();
    });
}
