//! Merges are atomic against every other writer of the key, and each comes to its end.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use sledstore::{BuiltinMerge, MergeInteger, SledBatch, SledStore};

use crate::common::{ms, Fixture, Over};

const THREADS: u64 = 8;
const COUNTER: &[u8] = b"counter";

/// How often each thread adds 1. `SLEDSTORE_MERGES` is another number; the promise is about 100,000.
fn merges() -> u64 {
    let default = if cfg!(debug_assertions) { 5_000 } else { 100_000 };
    std::env::var("SLEDSTORE_MERGES").map_or(default, |number| number.parse().expect("a number"))
}

fn one() -> [u8; 8] {
    1_u64.to_le_bytes()
}

fn number(store: &SledStore, key: &[u8]) -> u64 {
    let value = store.get(key).unwrap();
    value.map_or(0, |bytes| u64::from_le_bytes(bytes.try_into().expect("eight bytes")))
}

fn add_as_a_builtin(store: &SledStore) {
    store.set_builtin_merge(BuiltinMerge::AddSaturating(MergeInteger::U64Le)).unwrap();
}

fn on_all_threads(count: u64, work: impl Fn(u64) + Sync) {
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let work = &work;
            scope.spawn(move || (0..count).for_each(|round| work(thread * count + round)));
        }
    });
}

#[test]
fn eight_threads_that_add_lose_nothing() {
    let fixture = Fixture::new();
    let runs = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&runs);
    fixture.store.set_merge_operator(move |_, old, operand| {
        counted.fetch_add(1, Ordering::Relaxed);
        let number = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
        Some((old.map_or(0, number) + number(operand)).to_le_bytes().to_vec())
    });
    on_all_threads(merges(), |_| fixture.store.merge(COUNTER, one()).unwrap());
    assert_eq!(number(&fixture.store, COUNTER), THREADS * merges());
    let runs = runs.load(Ordering::Relaxed);
    println!("the operator ran {runs} times for {} merges", THREADS * merges());
    let fixture = fixture.reopen();
    assert_eq!(number(&fixture.store, COUNTER), THREADS * merges());
}

/// One call adds to keys of two keyspaces, twice to one of them, and others add to the same.
#[test]
fn merges_of_calls_batches_and_transactions_lose_nothing_together() {
    let fixture = Fixture::new();
    let (store, other) = (&fixture.store, &fixture.keyspace("other"));
    add_as_a_builtin(store);
    add_as_a_builtin(other);
    let rounds = merges() / 50;
    on_all_threads(rounds, |round| match round % 3 {
        0 => store.merge(COUNTER, one()).unwrap(),
        1 => {
            let mut batch = SledBatch::new();
            batch.merge(COUNTER, &one()).unwrap();
            batch.merge_in(other, COUNTER, &one()).unwrap();
            batch.merge(COUNTER, &one()).unwrap();
            store.apply(&batch).unwrap();
        }
        _ => store
            .transact(|transaction| {
                transaction.merge(COUNTER, one())?;
                transaction.keyspace(other)?.merge(COUNTER, one())
            })
            .unwrap(),
    });
    let all = THREADS * rounds;
    let of_kind = |kind| (0..all).filter(|round| round % 3 == kind).count() as u64;
    assert_eq!(number(store, COUNTER), of_kind(0) + 2 * of_kind(1) + of_kind(2));
    assert_eq!(number(other, COUNTER), of_kind(1) + of_kind(2));
}

/// Expiries that come and go on the counter's key change its value for nobody.
#[test]
fn no_merge_is_lost_while_others_expire_and_persist_the_key() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    add_as_a_builtin(store);
    store.put(COUNTER, &0_u64.to_le_bytes()).unwrap();
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
            on_all_threads(merges() / 10, |_| store.merge(COUNTER, one()).unwrap());
        }
        assert!(stirring.join().unwrap() > 0);
    });
    assert_eq!(number(store, COUNTER), THREADS * (merges() / 10));
}

const QUICK: u64 = 3;

/// Each time that it runs, the operator of the slow merge waits until it was overtaken, if that happens
/// within a time for which quick merges are to wait for it.
#[test]
fn a_merge_that_is_always_overtaken_comes_to_its_end_beside_quick_ones() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let quick_merges = Arc::new(AtomicU64::new(0));
    let made = Arc::clone(&quick_merges);
    store.set_merge_operator(move |_, _, operand| {
        // So many that one thread has made two, and the second of them since now.
        let (enough, start) = (made.load(Ordering::SeqCst) + QUICK + 1, Instant::now());
        while operand == b"slow" && made.load(Ordering::SeqCst) < enough && start.elapsed() < ms(10)
        {
            thread::sleep(Duration::from_micros(100));
        }
        Some(operand.to_vec())
    });
    let (over, start) = (AtomicBool::new(false), Barrier::new(QUICK as usize + 1));
    thread::scope(|scope| {
        for _ in 0..QUICK {
            scope.spawn(|| {
                start.wait();
                while !over.load(Ordering::SeqCst) {
                    store.merge(COUNTER, b"quick").unwrap();
                    quick_merges.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        let _over = Over(&over);
        start.wait();
        (0..20).for_each(|_| store.merge(COUNTER, b"slow").unwrap());
    });
}
