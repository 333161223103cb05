//! Expired keys are removed when somebody comes across them. That must never take away a value
//! that another thread has written meanwhile.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Barrier;
use std::thread;

use sledstore::SledStore;

use crate::common::{ms, without_hanging, Fixture};

const ROUNDS: u64 = 400;
const READERS: usize = 4;

/// Readers use `read` on an expired key without pause while a writer writes it again: what the
/// writer wrote must be there, for the writer at once, and still when all is over.
fn never_loses_what_was_written_again(read: Operation, write: Operation) {
    without_hanging("reading and writing expired keys", move || read_and_write(read, write));
}

type Operation = fn(&SledStore, &[u8]);

fn read_and_write(read: Operation, write: Operation) {
    let fixture = Fixture::new();
    // Checked when no thread waits at the barrier any more.
    let mut lost = Vec::new();
    let barrier = Barrier::new(READERS + 1);
    let round = AtomicU64::new(0);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..READERS {
            scope.spawn(|| loop {
                barrier.wait();
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let key = round.load(Ordering::SeqCst).to_be_bytes();
                for _ in 0..8 {
                    read(&fixture.store, &key);
                }
                barrier.wait();
            });
        }
        for number in 0..ROUNDS {
            let key = number.to_be_bytes();
            fixture.store.put_with_ttl(&key, b"old", ms(1)).unwrap();
            fixture.clock.advance(ms(1));
            round.store(number, Ordering::SeqCst);
            barrier.wait();
            write(&fixture.store, &key);
            let at_once = fixture.store.get(&key).unwrap();
            barrier.wait();
            let in_the_end = fixture.store.get(&key).unwrap();
            let new = Some(&b"new"[..]);
            if at_once.as_deref() != new || in_the_end.as_deref() != new {
                lost.push(format!("round {number}: {at_once:?} at once, {in_the_end:?} later"));
            }
        }
        over.store(true, Ordering::SeqCst);
        barrier.wait();
    });
    assert_eq!(lost, Vec::<String>::new());
    assert_eq!(fixture.store.count().unwrap(), ROUNDS);
    let fixture = fixture.reopen();
    assert_eq!(fixture.store.count().unwrap(), ROUNDS, "after a reopen");
}

fn put(store: &SledStore, key: &[u8]) {
    store.put(key, b"new").unwrap();
}

#[test]
fn get_on_an_expired_key_never_removes_a_put() {
    never_loses_what_was_written_again(|store, key| drop(store.get(key).unwrap()), put);
}

#[test]
fn contains_and_ttl_on_an_expired_key_never_remove_a_put() {
    never_loses_what_was_written_again(
        |store, key| {
            store.contains(key).unwrap();
            // Found or not found: both are fine here.
            let _ = store.ttl(key);
        },
        put,
    );
}

#[test]
fn scans_over_an_expired_key_never_remove_a_put() {
    never_loses_what_was_written_again(
        |store, key| {
            store.prefix_scan(key).unwrap().for_each(|row| drop(row.unwrap()));
            store.count().unwrap();
        },
        put,
    );
}

#[test]
fn purge_expired_never_removes_a_put() {
    never_loses_what_was_written_again(
        |store, _| assert!(store.purge_expired().unwrap() <= 1),
        put,
    );
}

#[test]
fn get_on_an_expired_key_never_removes_a_put_with_ttl() {
    never_loses_what_was_written_again(
        |store, key| drop(store.get(key).unwrap()),
        |store, key| store.put_with_ttl(key, b"new", ms(1_000_000)).unwrap(),
    );
}

#[test]
fn get_on_an_expired_key_never_removes_what_compare_and_swap_wrote() {
    never_loses_what_was_written_again(
        |store, key| drop(store.get(key).unwrap()),
        |store, key| assert!(store.compare_and_swap(key, None, b"new").unwrap()),
    );
}

#[test]
fn get_on_an_expired_key_never_removes_what_a_batch_wrote() {
    never_loses_what_was_written_again(
        |store, key| drop(store.get(key).unwrap()),
        |store, key| store.batch_write(&[(key, b"new")]).unwrap(),
    );
}
