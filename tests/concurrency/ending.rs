//! Dropping a keyspace and closing the store while others use them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;
use std::thread;

use sledstore::{IterOptions, Reason, SledBatch, SledStore, StoreError};

use crate::common::random::Random;
use crate::common::{
    failed_with, ms, open_at, rows, scratch, without_hanging, Fixture, Over, Result,
};

const USERS: u64 = 6;

/// Some operation on the store; a missing key is no failure here.
fn use_somehow(store: &SledStore, random: &mut Random) -> Result<()> {
    let key = random.below(50).to_be_bytes();
    let result = match random.below(14) {
        0 => store.get(&key).map(drop),
        1 => store.put(&key, b"value"),
        2 => store.put_with_ttl(&key, b"value", ms(1000)),
        3 => store.delete(&key),
        4 => store.compare_and_swap(&key, None, b"new").map(drop),
        5 => store.count().map(drop),
        6 => store.expire(&key, ms(1000)),
        7 => store.persist(&key).map(drop),
        8 => store.iter().and_then(|rows| rows.take(200).try_for_each(|row| row.map(drop))),
        9 => store.range_rev(b"", &[255]).and_then(|mut rows| rows.try_for_each(|r| r.map(drop))),
        10 => {
            let mut batch = SledBatch::new();
            batch.put(&key, b"batch")?;
            batch.put_with_ttl(b"shared", b"batch", ms(1000))?;
            store.apply(&batch)
        }
        11 => store.purge_expired().map(drop),
        12 => store.cursor(IterOptions::default()).and_then(|mut cursor| {
            cursor.seek(&key)?;
            cursor.prev_row().map(drop)
        }),
        _ => store.flush(),
    };
    match result {
        Err(StoreError::KeyNotFound) => Ok(()),
        other => other,
    }
}

#[test]
fn dropping_a_keyspace_under_its_users_never_panics_or_hangs() {
    without_hanging("dropping a keyspace under its users", || {
        let fixture = Fixture::new();
        let over = AtomicBool::new(false);
        let uses = AtomicU64::new(0);
        thread::scope(|scope| {
            for user in 0..USERS {
                let (store, over, uses) = (&fixture.store, &over, &uses);
                scope.spawn(move || use_until(over, store, &mut Random::new(user), uses));
            }
            let _over = Over(&over);
            // Each drop waits for some use of what it will drop.
            for _ in 0..150 {
                let seen = uses.load(Ordering::SeqCst);
                while uses.load(Ordering::SeqCst) < seen + 20 {
                    thread::yield_now();
                }
                fixture.store.drop_keyspace("shared").unwrap();
            }
        });
        fixture.store.drop_keyspace("shared").unwrap();
        let again = fixture.keyspace("shared");
        assert_eq!(rows(&again), []);
        assert_eq!(again.count().unwrap(), 0);
        again.put(b"a", b"1").unwrap();
        assert_eq!(again.ttl(b"a").unwrap(), None);
        assert_eq!(again.count().unwrap(), 1);
    });
}

/// Uses a keyspace, and opens it again each time that it has been dropped.
fn use_until(over: &AtomicBool, store: &SledStore, random: &mut Random, uses: &AtomicU64) {
    let mut keyspace = None;
    while !over.load(Ordering::SeqCst) {
        let handle = match keyspace.take() {
            Some(handle) => handle,
            None => store.keyspace("shared").unwrap(),
        };
        let result = use_somehow(&handle, random);
        uses.fetch_add(1, Ordering::SeqCst);
        match result {
            Ok(()) => keyspace = Some(handle),
            Err(error) => {
                let dropped = failed_with::<()>(&Err(error.clone()), Reason::Dropped);
                assert!(dropped, "only `Dropped` may happen here, this is {error:?}");
            }
        }
    }
}

/// Closes the store; while calls of others are under way it may answer `Busy`, so it asks again.
fn close_among_users(store: SledStore) {
    loop {
        match store.clone().close() {
            Ok(()) => return,
            busy if failed_with(&busy, Reason::Busy) => thread::yield_now(),
            Err(error) => panic!("close: {error:?}"),
        }
    }
}

#[test]
fn while_a_store_is_closed_each_operation_works_or_says_closed() {
    without_hanging("closing a store under its users", || {
        let directory = scratch();
        let clock = sledstore::Clock::manual(crate::common::START);
        for round in 0..40_u64 {
            let store = open_at(directory.path(), &clock).unwrap();
            let named = store.keyspace("named").unwrap();
            let uses = Arc::new(AtomicU64::new(0));
            let users: Vec<_> = (0..USERS)
                .map(|user| {
                    let handle = if user % 2 == 0 { store.clone() } else { named.clone() };
                    let uses = Arc::clone(&uses);
                    thread::spawn(move || use_until_closed(&handle, round * USERS + user, &uses))
                })
                .collect();
            while uses.load(Ordering::SeqCst) < round * 3 {
                thread::yield_now();
            }
            close_among_users(store.clone());
            assert!(store.is_closed() && named.is_closed());
            let again = open_at(directory.path(), &clock);
            let acknowledged: Vec<_> =
                users.into_iter().flat_map(|user| user.join().expect("no user panics")).collect();
            let again = again.expect("the lock is free when close has returned");
            for (key, value) in acknowledged {
                assert_eq!(again.get(&key).unwrap(), Some(value), "round {round}");
            }
            again.close().unwrap();
        }
    });
}

/// Returns the last acknowledged write of this user's own key.
fn use_until_closed(handle: &SledStore, user: u64, uses: &AtomicU64) -> Vec<(Vec<u8>, Vec<u8>)> {
    let own = format!("own key of {user}").into_bytes();
    let in_default = handle.keyspace_name() == b"default";
    let mut random = Random::new(user);
    let mut acknowledged = Vec::new();
    for number in 0_u64.. {
        let value = number.to_be_bytes();
        let result = use_somehow(handle, &mut random).and_then(|()| handle.put(&own, &value));
        uses.fetch_add(1, Ordering::SeqCst);
        match result {
            Ok(()) if in_default => acknowledged = vec![(own.clone(), value.to_vec())],
            Ok(()) => {}
            closed if failed_with(&closed, Reason::Closed) => break,
            Err(error) => panic!("only `Closed` may happen here, this is {error:?}"),
        }
    }
    acknowledged
}

/// One thread moves an iterator of a transaction, one writes in it, and one tries to close the store.
#[test]
fn a_transaction_that_threads_share_goes_on_while_closing_is_refused() {
    const TIMES: u64 = 2_000;
    without_hanging("using a transaction while closing is tried", || {
        let store = SledStore::open_temporary().unwrap();
        let keyspace = store.keyspace("named").unwrap();
        (0..300_u32).for_each(|key| keyspace.put(&key.to_be_bytes(), b"value").unwrap());
        let transaction = keyspace.transaction().unwrap();
        let (over, scans, puts) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
        let until_over = |done: &AtomicU64, work: &dyn Fn()| {
            while !over.load(Ordering::SeqCst) {
                work();
                done.fetch_add(1, Ordering::SeqCst);
            }
        };
        let done = |count: &AtomicU64| count.load(Ordering::SeqCst) >= TIMES;
        thread::scope(|scope| {
            scope.spawn(|| {
                until_over(&scans, &|| assert!(transaction.iter().unwrap().count() >= 300));
            });
            scope.spawn(|| {
                until_over(&puts, &|| transaction.put(b"key", b"value").unwrap());
            });
            let _over = Over(&over);
            let mut refused = 0;
            while refused < TIMES || !done(&scans) || !done(&puts) {
                assert!(failed_with(&store.clone().close(), Reason::Busy));
                refused += 1;
            }
        });
        transaction.commit().unwrap();
        store.close().unwrap();
    });
}

#[test]
fn after_close_every_operation_of_every_handle_says_closed() {
    let fixture = Fixture::new();
    let named = fixture.keyspace("named");
    let clone = fixture.store.clone();
    assert!(!clone.is_closed());
    fixture.store.clone().close().unwrap();
    for handle in [&fixture.store, &clone, &named] {
        assert!(handle.is_closed());
        assert!(failed_with(&handle.get(b"a"), Reason::Closed), "get");
        assert!(failed_with(&handle.get_pinned(b"a"), Reason::Closed), "get_pinned");
        assert!(failed_with(&handle.get_ref(b"a"), Reason::Closed), "get_ref");
        assert!(failed_with(&handle.get_many(&[b"a"]), Reason::Closed), "get_many");
        assert!(failed_with(&handle.get_with_ttl(b"a"), Reason::Closed), "get_with_ttl");
        assert!(failed_with(&handle.contains(b"a"), Reason::Closed), "contains");
        assert!(failed_with(&handle.put(b"a", b"1"), Reason::Closed), "put");
        assert!(failed_with(&handle.put_with_ttl(b"a", b"1", ms(1)), Reason::Closed), "ttl put");
        assert!(failed_with(&handle.delete(b"a"), Reason::Closed), "delete");
        assert!(failed_with(&handle.compare_and_swap(b"a", None, b""), Reason::Closed), "swap");
        assert!(failed_with(&handle.compare_and_delete(b"a", b""), Reason::Closed), "cad");
        assert!(failed_with(&handle.expire(b"a", ms(1)), Reason::Closed), "expire");
        assert!(failed_with(&handle.ttl(b"a"), Reason::Closed), "ttl");
        assert!(failed_with(&handle.persist(b"a"), Reason::Closed), "persist");
        assert!(failed_with(&handle.purge_expired(), Reason::Closed), "purge_expired");
        assert!(failed_with(&handle.batch_write(&[(b"a", b"")]), Reason::Closed), "batch_write");
        assert!(failed_with(&handle.batch_delete(&[b"a"]), Reason::Closed), "batch_delete");
        assert!(failed_with(&handle.apply(&SledBatch::new()), Reason::Closed), "apply");
        assert!(failed_with(&handle.iter().map(drop), Reason::Closed), "iter");
        assert!(failed_with(&handle.keys().map(drop), Reason::Closed), "keys");
        assert!(failed_with(&handle.range(b"", b"z").map(drop), Reason::Closed), "range");
        assert!(failed_with(&handle.prefix_scan(b"").map(drop), Reason::Closed), "prefix_scan");
        assert!(failed_with(&handle.count(), Reason::Closed), "count");
        assert!(failed_with(&handle.size_on_disk(), Reason::Closed), "size_on_disk");
        assert!(failed_with(&handle.flush(), Reason::Closed), "flush");
        assert!(failed_with(&handle.flush_sync(), Reason::Closed), "flush_sync");
        assert!(failed_with(&handle.compact(), Reason::Closed), "compact");
        assert!(failed_with(&handle.keyspace("x").map(drop), Reason::Closed), "keyspace");
        assert!(failed_with(&handle.drop_keyspace("x"), Reason::Closed), "drop_keyspace");
        assert!(failed_with(&handle.keyspace_names(), Reason::Closed), "keyspace_names");
        assert!(failed_with(&handle.open_tree("x").map(drop), Reason::Closed), "open_tree");
        assert!(failed_with(&handle.clone().close(), Reason::Closed), "close, a second time");
    }
}
