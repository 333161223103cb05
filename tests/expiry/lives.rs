//! Which operation gives a key an expiry, which takes it away, and how long a life can be.

use std::time::Duration;

use sledstore::{Clock, SledBatch, SledStore, StoreError};

use crate::common::{ms, open_at, scratch, Fixture, START};

const KEY: &[u8] = b"key";

fn ttl(store: &SledStore) -> Option<Duration> {
    store.ttl(KEY).expect("the key is there")
}

fn is_absent(store: &SledStore) -> bool {
    matches!(store.ttl(KEY), Err(StoreError::KeyNotFound)) && store.get(KEY).unwrap().is_none()
}

/// Every write without an expiry makes the key permanent, whatever expiry it had.
#[test]
fn a_write_without_an_expiry_clears_the_expiry() {
    type Write = (&'static str, fn(&SledStore));
    let writes: [Write; 4] = [
        ("put", |store| store.put(KEY, b"new").unwrap()),
        ("batch_write", |store| store.batch_write(&[(KEY, b"new")]).unwrap()),
        ("compare_and_swap", |store| {
            assert!(store.compare_and_swap(KEY, Some(b"old"), b"new").unwrap());
        }),
        ("apply", |store| {
            let mut batch = SledBatch::new();
            batch.put(KEY, b"new").unwrap();
            store.apply(&batch).unwrap();
        }),
    ];
    let fixture = Fixture::new();
    for (name, write) in writes {
        for store in [fixture.keyspace("default"), fixture.keyspace("named")] {
            store.put_with_ttl(KEY, b"old", ms(10)).unwrap();
            write(&store);
            assert_eq!(ttl(&store), None, "{name}");
            fixture.clock.advance(ms(10));
            assert_eq!(store.get(KEY).unwrap().as_deref(), Some(&b"new"[..]), "{name}");
        }
    }
    let fixture = fixture.reopen();
    assert_eq!(ttl(&fixture.store), None);
    assert_eq!(ttl(&fixture.keyspace("named")), None);
}

/// Writing the value that is there already is a write too.
#[test]
fn a_put_of_the_same_value_clears_the_expiry() {
    let fixture = Fixture::new();
    fixture.store.put_with_ttl(KEY, b"same", ms(10)).unwrap();
    fixture.store.put(KEY, b"same").unwrap();
    assert_eq!(ttl(&fixture.store), None);
    let fixture = fixture.reopen();
    assert_eq!(ttl(&fixture.store), None);
}

#[test]
fn a_compare_and_swap_that_fails_leaves_value_and_expiry() {
    let fixture = Fixture::new();
    fixture.store.put_with_ttl(KEY, b"old", ms(10)).unwrap();
    assert!(!fixture.store.compare_and_swap(KEY, Some(b"else"), b"new").unwrap());
    assert!(!fixture.store.compare_and_swap(KEY, None, b"new").unwrap());
    assert!(!fixture.store.compare_and_delete(KEY, b"else").unwrap());
    assert_eq!(ttl(&fixture.store), Some(ms(10)));
    assert_eq!(fixture.store.get(KEY).unwrap().as_deref(), Some(&b"old"[..]));
}

#[test]
fn a_key_that_was_deleted_does_not_get_its_old_expiry_back() {
    type Delete = fn(&SledStore);
    let mut fixture = Fixture::new();
    let deletes: [Delete; 3] = [
        |store| store.delete(KEY).unwrap(),
        |store| store.batch_delete(&[KEY]).unwrap(),
        |store| assert!(store.compare_and_delete(KEY, b"old").unwrap()),
    ];
    for delete in deletes {
        fixture.store.put_with_ttl(KEY, b"old", ms(10)).unwrap();
        delete(&fixture.store);
        assert!(is_absent(&fixture.store));
        let counts;
        (fixture, counts) = fixture.raw_counts(["default", "__ttl__"]);
        assert_eq!(counts, [0, 0], "nothing is left over");
        fixture.store.put(KEY, b"new").unwrap();
        assert_eq!(ttl(&fixture.store), None);
    }
}

#[test]
fn put_with_ttl_sets_value_and_expiry_and_replaces_both() {
    let fixture = Fixture::new();
    fixture.store.put_with_ttl(KEY, b"one", ms(10)).unwrap();
    fixture.clock.advance(ms(4));
    let found = fixture.store.get_with_ttl(KEY).unwrap().unwrap();
    assert_eq!((found.0.as_ref(), found.1), (&b"one"[..], Some(ms(6))));
    fixture.store.put_with_ttl(KEY, b"two", ms(20)).unwrap();
    fixture.clock.advance(ms(19));
    let found = fixture.store.get_with_ttl(KEY).unwrap().unwrap();
    assert_eq!((found.0.as_ref(), found.1), (&b"two"[..], Some(ms(1))));
    fixture.clock.advance(ms(1));
    assert!(is_absent(&fixture.store));
}

/// Too large a value must not leave its expiry on the value that is there.
#[test]
fn a_put_with_ttl_that_is_refused_changes_neither_value_nor_expiry() {
    let fixture = Fixture::new();
    let long_key = vec![b'k'; sledstore::MAX_KEY_LEN + 1];
    let refused = fixture.store.put_with_ttl(&long_key, b"value", ms(10));
    assert!(matches!(refused, Err(StoreError::Unsupported(_))), "{refused:?}");
    assert_eq!(fixture.store.count().unwrap(), 0);
    assert_eq!(fixture.raw_counts(["default", "__ttl__"]).1, [0, 0]);
}

#[test]
fn expire_sets_lengthens_and_shortens_a_life() {
    let fixture = Fixture::new();
    fixture.store.put(KEY, b"value").unwrap();
    for life in [10, 1000, 5] {
        fixture.store.expire(KEY, ms(life)).unwrap();
        assert_eq!(ttl(&fixture.store), Some(ms(life)));
    }
    fixture.clock.advance(ms(5));
    assert!(is_absent(&fixture.store));
    let again = fixture.store.expire(KEY, ms(10));
    assert!(matches!(again, Err(StoreError::KeyNotFound)), "{again:?}");
}

#[test]
fn persist_makes_a_key_permanent_and_says_whether_it_had_an_expiry() {
    let fixture = Fixture::new();
    let missing = fixture.store.persist(KEY);
    assert!(matches!(missing, Err(StoreError::KeyNotFound)), "{missing:?}");
    fixture.store.put_with_ttl(KEY, b"value", ms(10)).unwrap();
    assert!(fixture.store.persist(KEY).unwrap());
    assert!(!fixture.store.persist(KEY).unwrap());
    fixture.clock.advance(ms(10));
    assert_eq!(fixture.store.get(KEY).unwrap().as_deref(), Some(&b"value"[..]));
    let fixture = fixture.reopen();
    assert_eq!(ttl(&fixture.store), None);
}

#[test]
fn a_life_of_zero_is_over_at_once() {
    let fixture = Fixture::new();
    fixture.store.put(KEY, b"value").unwrap();
    fixture.store.expire(KEY, Duration::ZERO).unwrap();
    assert!(is_absent(&fixture.store));
    fixture.store.put(KEY, b"value").unwrap();
    fixture.store.put_with_ttl(KEY, b"new", Duration::ZERO).unwrap();
    assert!(is_absent(&fixture.store));
    fixture.store.put(KEY, b"value").unwrap();
    let mut batch = SledBatch::new();
    batch.put_with_ttl(KEY, b"new", Duration::ZERO).unwrap();
    fixture.store.apply(&batch).unwrap();
    assert!(is_absent(&fixture.store));
    assert_eq!(fixture.store.count().unwrap(), 0);
    let fixture = fixture.reopen();
    assert!(is_absent(&fixture.store));
}

#[test]
fn a_life_shorter_than_a_millisecond_lasts_one() {
    let fixture = Fixture::new();
    for life in [Duration::from_nanos(1), Duration::from_micros(1), Duration::from_micros(999)] {
        fixture.store.put_with_ttl(KEY, b"value", life).unwrap();
        assert_eq!(ttl(&fixture.store), Some(ms(1)), "{life:?}");
        fixture.store.put(KEY, b"value").unwrap();
        fixture.store.expire(KEY, life).unwrap();
        assert_eq!(ttl(&fixture.store), Some(ms(1)), "{life:?}");
        fixture.clock.advance(ms(1));
        assert!(is_absent(&fixture.store));
    }
}

/// Too long a life ends at the end of time, it does not wrap around to the past.
#[test]
fn a_life_beyond_the_end_of_time_ends_with_it() {
    let fixture = Fixture::new();
    let end = Some(ms(u64::MAX - START));
    for life in [Duration::MAX, ms(u64::MAX), ms(u64::MAX - START), ms(u64::MAX - START + 1)] {
        fixture.store.put_with_ttl(KEY, b"value", life).unwrap();
        assert_eq!(ttl(&fixture.store), end, "put_with_ttl of {life:?}");
        fixture.store.put(KEY, b"value").unwrap();
        fixture.store.expire(KEY, life).unwrap();
        assert_eq!(ttl(&fixture.store), end, "expire of {life:?}");
        let mut batch = SledBatch::new();
        batch.put_with_ttl(KEY, b"value", life).unwrap();
        fixture.store.apply(&batch).unwrap();
        assert_eq!(ttl(&fixture.store), end, "batch of {life:?}");
    }
    let fixture = fixture.reopen();
    assert_eq!(ttl(&fixture.store), end);
    assert_eq!(fixture.store.count().unwrap(), 1);
}

#[test]
fn a_life_in_a_batch_begins_when_the_batch_is_applied() {
    let fixture = Fixture::new();
    let mut batch = SledBatch::new();
    batch.put_with_ttl(KEY, b"value", ms(10)).unwrap();
    fixture.clock.advance(ms(100));
    fixture.store.apply(&batch).unwrap();
    assert_eq!(ttl(&fixture.store), Some(ms(10)));
    fixture.clock.advance(ms(10));
    assert!(is_absent(&fixture.store));
    fixture.store.apply(&batch).unwrap();
    assert_eq!(ttl(&fixture.store), Some(ms(10)), "the same batch, applied again");
}

/// Also without a flush or a close: the last handle writes everything when it goes.
#[test]
fn expiries_survive_closing_dropping_and_reopening() {
    let directory = scratch();
    let clock = Clock::manual(START);
    for close in [true, false] {
        let store = open_at(directory.path(), &clock).unwrap();
        let named = store.keyspace("named").unwrap();
        for store in [&store, &named] {
            store.put_with_ttl(KEY, b"value", ms(10)).unwrap();
            store.put(b"late", b"value").unwrap();
            store.expire(b"late", ms(100)).unwrap();
            store.put_with_ttl(b"kept", b"value", ms(10)).unwrap();
            store.persist(b"kept").unwrap();
        }
        drop(named);
        if close {
            store.close().unwrap();
        } else {
            drop(store);
        }
        clock.advance(ms(4));
        let store = open_at(directory.path(), &clock).unwrap();
        for store in [store.clone(), store.keyspace("named").unwrap()] {
            assert_eq!(ttl(&store), Some(ms(6)));
            assert_eq!(store.ttl(b"late").unwrap(), Some(ms(96)));
            assert_eq!(store.ttl(b"kept").unwrap(), None);
        }
        clock.advance(ms(6));
        for store in [store.clone(), store.keyspace("named").unwrap()] {
            assert!(is_absent(&store));
            assert_eq!(store.count().unwrap(), 2);
        }
        store.close().unwrap();
    }
}

/// The clock of a machine may be set back; what has expired stays away.
#[test]
fn a_clock_that_is_set_back_brings_no_key_back_to_life() {
    let fixture = Fixture::new();
    for key in [KEY, b"unread", b"other"] {
        fixture.store.put_with_ttl(key, b"value", ms(10)).unwrap();
    }
    fixture.store.put_with_ttl(b"living", b"value", ms(1000)).unwrap();
    fixture.clock.set(START + 10);
    assert!(is_absent(&fixture.store), "expired");
    fixture.clock.set(START);
    assert!(is_absent(&fixture.store), "expired, and read meanwhile");
    assert_eq!(fixture.store.get(b"unread").unwrap(), None, "expired, and never read meanwhile");
    assert_eq!(fixture.store.count().unwrap(), 1);
    assert_eq!(fixture.store.iter().unwrap().count(), 1);
    assert!(!fixture.store.compare_and_swap(b"other", Some(b"value"), b"new").unwrap());
    let left = fixture.store.ttl(b"living").unwrap().unwrap();
    assert!(left <= ms(990), "the rest of a life does not grow again: {left:?}");
    fixture.store.put_with_ttl(KEY, b"new", ms(10)).unwrap();
    assert_eq!(ttl(&fixture.store), Some(ms(10)), "a new life has its full length");
}

#[test]
fn an_iterator_tells_the_life_of_its_row() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    store.put(b"a", b"1").unwrap();
    store.put_with_ttl(b"b", b"2", ms(100)).unwrap();
    store.compact().unwrap(); // settled, with its expiry beside it
    store.put_with_ttl(b"c", b"3", ms(50)).unwrap();
    let mut rows = store.iter().unwrap();
    assert!(matches!(rows.ttl(), Err(StoreError::KeyNotFound)) && rows.current().is_none());
    fixture.clock.advance(ms(20));
    let mut next = || {
        let row = rows.next_row().unwrap();
        assert_eq!(rows.current(), row.as_ref());
        row.map(|row| (row.key.to_vec(), rows.ttl().unwrap()))
    };
    assert_eq!(next(), Some((b"a".to_vec(), None)));
    assert_eq!(next(), Some((b"b".to_vec(), Some(ms(80)))));
    assert_eq!(next(), Some((b"c".to_vec(), Some(ms(30)))));
    assert_eq!(next(), None);
    assert!(rows.prev_row().unwrap().is_some());
    // It goes on to show its moment, in which the key had not expired.
    fixture.clock.advance(ms(40));
    assert_eq!(rows.ttl().unwrap(), Some(Duration::ZERO));
    drop(rows);
    let transaction = store.transaction().unwrap();
    transaction.put_with_ttl(b"a", b"own", ms(70)).unwrap();
    let mut rows = transaction.iter().unwrap();
    fixture.clock.advance(ms(5));
    assert!(rows.next().is_some());
    assert_eq!(rows.current().map(|row| row.value.to_vec()), Some(b"own".to_vec()));
    // Its life begins with the commit.
    assert_eq!(rows.ttl().unwrap(), Some(ms(70)));
    assert!(rows.next_row().unwrap().is_some());
    assert_eq!(rows.ttl().unwrap(), Some(ms(35)));
}
