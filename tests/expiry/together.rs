//! A value and its expiry while they are being written: readers see both of a write or neither, of a
//! batch all keys or none, and no key after its last millisecond.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Barrier;
use std::thread;

use sledstore::{SledBatch, SledStore};

use crate::common::{ms, Fixture};

const KEYS: u64 = 400;
/// A batch that the engine makes in many steps.
const LARGE: u64 = 1_500;
const ROUNDS: u64 = 150;

/// Runs `write` in a thread of its own and meanwhile `read`, which says whether it has seen what it was
/// waiting for. It is called at least once after the write.
fn read_while(write: impl FnOnce() + Send, mut read: impl FnMut() -> bool) {
    let (start, over) = (Barrier::new(2), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            start.wait();
            write();
            over.store(true, Ordering::SeqCst);
        });
        start.wait();
        loop {
            let was_over = over.load(Ordering::SeqCst);
            if read() || was_over {
                return;
            }
        }
    });
}

fn row_count(store: &SledStore) -> usize {
    store.iter().unwrap().map(|row| row.unwrap()).fold(0, |count, _| count + 1)
}

/// Keys that have expired, and one that has not; a batch and a transaction give all of them new values.
#[test]
fn a_batch_that_writes_expired_keys_anew_is_seen_as_a_whole() {
    let fixture = Fixture::new();
    let (store, other) = (&fixture.store, fixture.keyspace("other"));
    for round in 0..ROUNDS {
        let keys = if round % 3 == 0 { LARGE } else { KEYS };
        let plain = keys.to_be_bytes();
        let (mut old, mut new) = (SledBatch::new(), SledBatch::new());
        for key in (0..keys).map(u64::to_be_bytes) {
            old.put_with_ttl(&key, b"old", ms(1)).unwrap();
            new.put_in(store, &key, b"new").unwrap();
        }
        old.delete(&plain).unwrap();
        new.put_with_ttl_in(store, &plain, b"new", ms(1_000_000)).unwrap();
        new.put(b"other", b"new").unwrap();
        store.apply(&old).unwrap();
        other.delete(b"other").unwrap();
        fixture.clock.advance(ms(1));
        let by_transaction = || {
            let transaction = other.transaction().unwrap();
            let part = transaction.keyspace(store).unwrap();
            (0..keys).for_each(|key| part.put(&key.to_be_bytes(), b"new").unwrap());
            part.put_with_ttl(&plain, b"new", ms(1_000_000)).unwrap();
            transaction.put(b"other", b"new").unwrap();
            transaction.commit().unwrap();
        };
        let write = || if round % 2 == 0 { other.apply(&new).unwrap() } else { by_transaction() };
        // Now the one, now the other is looked at first; some have no expiry at all.
        let (first, last) = (0_u64.to_be_bytes(), (keys - 1).to_be_bytes());
        let orders: [[(&SledStore, &[u8]); 3]; 3] = [
            [(store, &first), (store, &last), (&other, b"other")],
            [(&other, b"other"), (store, &plain), (store, &last)],
            [(store, &plain), (&other, b"other"), (store, &first)],
        ];
        read_while(write, || {
            let order = orders[round as usize / 2 % 3];
            let (keyspace, key) = order[0];
            let seen = keyspace.get(key).unwrap().is_some();
            for (keyspace, key) in order.into_iter().filter(|_| seen) {
                let value = keyspace.get(key).unwrap();
                assert_eq!(value.as_deref(), Some(&b"new"[..]), "{round}: {key:?} came with it");
            }
            if seen {
                assert_eq!(row_count(store), keys as usize + 1);
            }
            seen
        });
        assert_eq!(store.count().unwrap(), keys + 1);
        let all: Vec<_> = (0..=keys).map(u64::to_be_bytes).collect();
        store.batch_delete(&all.iter().map(|key| &key[..]).collect::<Vec<_>>()).unwrap();
    }
}

/// As soon as the first key is seen, the time is over for which all of them were put.
#[test]
fn no_key_is_seen_after_its_last_millisecond_while_others_are_still_written() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    for round in 0..ROUNDS {
        let keys = if round % 2 == 0 { 1 } else { KEYS };
        let mut batch = SledBatch::new();
        for key in (0..keys).map(u64::to_be_bytes) {
            store.delete(&key).unwrap();
            batch.put_with_ttl(&key, b"value", ms(1)).unwrap();
        }
        let last = (keys - 1).to_be_bytes();
        let single = || store.put_with_ttl(&last, b"value", ms(1)).unwrap();
        let write = || if round % 4 == 0 { single() } else { store.apply(&batch).unwrap() };
        read_while(write, || {
            let seen = store.contains(&0_u64.to_be_bytes()).unwrap();
            if seen {
                fixture.clock.advance(ms(1));
                assert_eq!(store.get(&last).unwrap(), None, "{round}: its time is over");
                assert_eq!(row_count(store), 0, "{round}");
            }
            seen
        });
        fixture.clock.advance(ms(1));
    }
}

/// Whoever has seen the new value finds it later too, when the life of the old one would be over.
#[test]
fn a_value_that_was_seen_once_stays_when_the_life_of_the_one_before_it_is_over() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    for round in 0..4 * ROUNDS {
        store.put_with_ttl(b"key", b"old", ms(1)).unwrap();
        let write = || match round % 2 {
            0 => store.put(b"key", b"new").unwrap(),
            _ => store.batch_write(&[(b"key", b"new")]).unwrap(),
        };
        let is_new = || store.get(b"key").unwrap().as_deref() == Some(&b"new"[..]);
        read_while(write, || {
            let seen = is_new();
            if seen {
                fixture.clock.advance(ms(1));
                assert!(is_new(), "{round}: it was there before");
                assert_eq!(row_count(store), 1, "{round}");
            }
            seen
        });
    }
}

/// A call that lengthens a life has found the key alive, so it was made before that life was over, and
/// nobody who comes after that may find the key absent.
#[test]
fn a_key_whose_life_is_lengthened_is_absent_for_nobody_when_the_old_life_is_over() {
    type Lengthen = fn(&SledStore) -> bool;
    let ways: [Lengthen; 2] = [
        |store| store.persist(b"key").is_ok(),
        |store| store.expire(b"key", ms(1_000_000)).is_ok(),
    ];
    let fixture = Fixture::new();
    let store = &fixture.store;
    for round in 0..8 * ROUNDS {
        store.put_with_ttl(b"key", b"value", ms(1)).unwrap();
        let (mut is_lengthened, mut is_absent) = (false, false);
        read_while(
            || is_lengthened = ways[round as usize % 2](store),
            || {
                (0..round % 64 * 8).for_each(|_| std::hint::spin_loop());
                fixture.clock.advance(ms(1));
                is_absent = store.get(b"key").unwrap().is_none();
                true
            },
        );
        assert!(!is_lengthened || !is_absent, "{round}: absent after its old life, and then alive");
    }
}
