//! Eight threads write the same sixteen keys in every way there is. Each write has a number of
//! its own, kept in the value, and each expiry that is given out is unique in the run: so a value
//! and an expiry that are seen together tell whether they belong together.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use sledstore::{SledBatch, SledStore, StoreError};

use crate::common::random::Random;
use crate::common::{ms, rows, Fixture, Result};

const THREADS: u64 = 8;
const KEYS: u64 = 16;
const WRITES: u64 = 3_000;

/// Write number `n` with an expiry gets the life of `LIFE + n` milliseconds; the clock stands.
const LIFE: u64 = 10_000_000;

/// The kinds of write, in the order of their numbers in a value.
const PUT: u64 = 0;
const PUT_WITH_TTL: u64 = 1;
const SWAP: u64 = 2;
const EXPIRE: u64 = 3;

/// What a value consists of: the number of the write, its kind, and the key.
fn value(number: u64, kind: u64, key: u64) -> Vec<u8> {
    [number, kind, key].iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn parse(value: &[u8]) -> (u64, u64, u64) {
    let word = |index: usize| {
        u64::from_be_bytes(value[index * 8..index * 8 + 8].try_into().expect("eight bytes"))
    };
    assert_eq!(value.len(), 24, "a value that nobody wrote");
    (word(0), word(1), word(2))
}

/// What everybody has done and seen; checked as a whole at the end.
#[derive(Default)]
struct Log {
    /// The kind and key of every write that gave out an expiry, by its number.
    expiries: HashMap<u64, (u64, u64)>,
    /// Every (key, value, expiry) that was seen.
    seen: Vec<(u64, Vec<u8>, Option<u64>)>,
}

/// The number of the write that gave out this rest of a life.
fn number_of(ttl: Duration) -> u64 {
    ttl.as_millis() as u64 - LIFE
}

fn look(store: &SledStore, key: u64, log: &mut Log) {
    if let Some((value, ttl)) = store.get_with_ttl(&key.to_be_bytes()).unwrap() {
        log.seen.push((key, value.to_vec(), ttl.map(number_of)));
    }
}

/// One thread's work: random writes, and a look at a random key after each.
fn hammer(store: &SledStore, thread: u64, numbers: &AtomicU64) -> Log {
    let mut random = Random::new(thread);
    let mut log = Log::default();
    for _ in 0..WRITES {
        let key = random.below(KEYS);
        let name = key.to_be_bytes();
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        let life = ms(LIFE + number);
        match random.below(9) {
            0 => store.put(&name, &value(number, PUT, key)).unwrap(),
            1 | 2 => {
                log.expiries.insert(number, (PUT_WITH_TTL, key));
                store.put_with_ttl(&name, &value(number, PUT_WITH_TTL, key), life).unwrap();
            }
            3 => store.delete(&name).unwrap(),
            4 => {
                let old = store.get(&name).unwrap();
                store.compare_and_swap(&name, old.as_deref(), &value(number, SWAP, key)).unwrap();
            }
            5 => {
                log.expiries.insert(number, (EXPIRE, key));
                not_found_is_fine(store.expire(&name, life));
            }
            6 => not_found_is_fine(store.persist(&name).map(drop)),
            7 => {
                log.expiries.insert(number, (PUT_WITH_TTL, key));
                let mut batch = SledBatch::new();
                batch.put_with_ttl(&name, &value(number, PUT_WITH_TTL, key), life).unwrap();
                batch.delete(&((key + 1) % KEYS).to_be_bytes()).unwrap();
                store.apply(&batch).unwrap();
            }
            _ => {
                if let Some(old) = store.get(&name).unwrap() {
                    store.compare_and_delete(&name, &old).unwrap();
                }
            }
        }
        look(store, random.below(KEYS), &mut log);
    }
    log
}

fn not_found_is_fine(result: Result<()>) {
    if let Err(error) = result {
        assert!(matches!(error, StoreError::KeyNotFound), "{error:?}");
    }
}

/// Every pair of value and expiry that was seen must be one that the writes can have made.
fn check(logs: &[Log], seen: &[(u64, Vec<u8>, Option<u64>)]) {
    let expiries: HashMap<u64, (u64, u64)> =
        logs.iter().flat_map(|log| log.expiries.clone()).collect();
    // An expiry falls on one value only: a later write of the key takes it away.
    let mut bearer: HashMap<u64, &Vec<u8>> = HashMap::new();
    for (key, value, expiry) in seen {
        let (number, kind, written_to) = parse(value);
        assert_eq!(*key, written_to, "the value of another key");
        let Some(expiry) = expiry else { continue };
        let (giver, given_to) = expiries[expiry];
        assert_eq!(*key, given_to, "the expiry of another key");
        if giver == PUT_WITH_TTL {
            let own = number == *expiry && kind == PUT_WITH_TTL;
            assert!(own, "write {number} of kind {kind} has the expiry of put_with_ttl {expiry}");
        }
        let first = bearer.entry(*expiry).or_insert(value);
        assert_eq!(*first, value, "expiry {expiry} was seen on two values");
    }
}

fn eight_threads_hammer_sixteen_keys(keyspace: &str) {
    let fixture = Fixture::new();
    let store = fixture.keyspace(keyspace);
    let numbers = AtomicU64::new(1);
    let logs: Vec<Log> = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (store, numbers) = (&store, &numbers);
                scope.spawn(move || hammer(store, thread, numbers))
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no thread panics")).collect()
    });
    let seen: Vec<_> = logs.iter().flat_map(|log| log.seen.clone()).collect();
    assert!(seen.iter().any(|(_, _, expiry)| expiry.is_some()), "some expiries were seen");
    check(&logs, &seen);

    let mut before = Log::default();
    (0..KEYS).for_each(|key| look(&store, key, &mut before));
    check(&logs, &[seen, before.seen.clone()].concat());
    assert_eq!(store.count().unwrap(), before.seen.len() as u64, "count is exact");
    assert_eq!(rows(&store).len(), before.seen.len());
    drop(store);
    let fixture = fixture.reopen();
    let mut after = Log::default();
    (0..KEYS).for_each(|key| look(&fixture.keyspace(keyspace), key, &mut after));
    assert_eq!(after.seen, before.seen, "what was there before the reopen is there after it");
}

#[test]
fn a_value_is_never_seen_with_the_expiry_of_another_write() {
    eight_threads_hammer_sixteen_keys("default");
}

#[test]
fn in_a_named_keyspace_a_value_is_never_seen_with_the_expiry_of_another_write() {
    eight_threads_hammer_sixteen_keys("named");
}
