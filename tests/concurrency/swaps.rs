//! Compare-and-swap is atomic against every other writer of the key.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use sledstore::{SledStore, StoreError};

use crate::common::{ms, Fixture, Over};

const THREADS: u64 = 8;
const INCREMENTS: u64 = 400;
const COUNTER: &[u8] = b"counter";

fn read(store: &SledStore) -> (Option<Vec<u8>>, u64) {
    let found = store.get(COUNTER).unwrap();
    let number = found
        .as_deref()
        .map_or(0, |bytes| u64::from_be_bytes(bytes.try_into().expect("eight bytes")));
    (found, number)
}

fn increment(store: &SledStore) {
    loop {
        let (found, number) = read(store);
        let next = (number + 1).to_be_bytes();
        if store.compare_and_swap(COUNTER, found.as_deref(), &next).unwrap() {
            return;
        }
    }
}

fn increment_from_all_threads(store: &SledStore) {
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| (0..INCREMENTS).for_each(|_| increment(store)));
        }
    });
}

#[test]
fn no_increment_of_a_counter_is_lost() {
    let fixture = Fixture::new();
    for name in ["default", "named"] {
        let store = fixture.keyspace(name);
        increment_from_all_threads(&store);
        assert_eq!(read(&store).1, THREADS * INCREMENTS, "{name}");
    }
    let fixture = fixture.reopen();
    assert_eq!(read(&fixture.keyspace("named")).1, THREADS * INCREMENTS);
}

/// Expiries that come and go on the counter's key change its value for nobody.
#[test]
fn no_increment_is_lost_while_others_expire_and_persist_the_key() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    store.put(COUNTER, &0_u64.to_be_bytes()).unwrap();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let stirring = scope.spawn(|| {
            let mut stirred = 0_u64;
            while !over.load(Ordering::SeqCst) {
                store.expire(COUNTER, ms(1_000_000)).unwrap();
                store.persist(COUNTER).unwrap();
                stirred += 1;
            }
            stirred
        });
        {
            let _over = Over(&over);
            increment_from_all_threads(store);
        }
        assert!(stirring.join().unwrap() > 0);
    });
    assert_eq!(read(store).1, THREADS * INCREMENTS);
}

/// Of many that create the same key, one succeeds, also where an expired key lies.
#[test]
fn exactly_one_of_many_creates_a_key() {
    let fixture = Fixture::new();
    for round in 0..200_u64 {
        let key = round.to_be_bytes();
        if round % 2 == 0 {
            fixture.store.put_with_ttl(&key, b"old", ms(1)).unwrap();
            fixture.clock.advance(ms(1));
        }
        let winners = AtomicU64::new(0);
        thread::scope(|scope| {
            for thread in 0..4_u64 {
                let (store, winners) = (&fixture.store, &winners);
                scope.spawn(move || {
                    if store.compare_and_swap(&key, None, &thread.to_be_bytes()).unwrap() {
                        winners.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(winners.into_inner(), 1, "round {round}");
    }
}

/// A lock made of a key: whoever created it deletes it, and only what it put there itself.
#[test]
fn compare_and_swap_with_compare_and_delete_makes_a_lock() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let inside = AtomicU64::new(0);
    // Counted and checked later: a thread that panicked with the lock would stop all others.
    let broken = AtomicU64::new(0);
    thread::scope(|scope| {
        for thread in 0..4_u64 {
            let (inside, broken) = (&inside, &broken);
            scope.spawn(move || {
                let name = thread.to_be_bytes();
                for _ in 0..100 {
                    while !store.compare_and_swap(b"lock", None, &name).unwrap() {
                        thread::yield_now();
                    }
                    broken.fetch_add(inside.fetch_add(1, Ordering::SeqCst), Ordering::SeqCst);
                    inside.fetch_sub(1, Ordering::SeqCst);
                    let mine = store.compare_and_delete(b"lock", &name).unwrap();
                    broken.fetch_add(u64::from(!mine), Ordering::SeqCst);
                }
            });
        }
    });
    assert_eq!(broken.into_inner(), 0, "two held the lock at once");
    let gone = store.ttl(b"lock");
    assert!(matches!(gone, Err(StoreError::KeyNotFound)), "{gone:?}");
}
