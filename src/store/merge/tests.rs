//! What merges promise on one thread; `tests/concurrency/merges.rs` has many.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::{
    BuiltinMerge, Clock, Failure, Iter, Reason, SledBatch, SledStore, SledStoreBuilder,
    SledTransaction, StoreError, MAX_KEY_LEN,
};

const START: u64 = 1_700_000_000_000;

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn appending(store: &SledStore) {
    store.set_builtin_merge(BuiltinMerge::Append { separator: b",".to_vec() }).unwrap();
}

fn store_on(clock: &Clock) -> SledStore {
    let store = SledStoreBuilder::new().clock(clock.clone()).build_temporary().unwrap();
    appending(&store);
    store
}

fn store() -> SledStore {
    store_on(&Clock::manual(START))
}

fn text(store: &SledStore, key: &[u8]) -> Option<String> {
    store.get(key).unwrap().map(|value| String::from_utf8(value).unwrap())
}

fn reason(result: crate::Result<()>) -> Option<Reason> {
    Failure::of(&result.expect_err("it is refused")).map(Failure::reason)
}

#[test]
fn a_merge_makes_a_value_of_the_value_and_the_operand_in_its_own_keyspace() {
    let store = store();
    let other = store.keyspace("other").unwrap();
    store.merge(b"a", b"1").unwrap();
    store.merge("a", "2").unwrap();
    assert_eq!(text(&store, b"a").as_deref(), Some("1,2"));
    assert!(matches!(other.merge(b"a", b"1"), Err(StoreError::Unsupported(_))));
    other.set_merge_operator(|key, old, new| Some([key, old.unwrap_or(b"none"), new].concat()));
    store.keyspace("other").unwrap().merge(b"a", b"1").unwrap();
    assert_eq!(text(&other, b"a").as_deref(), Some("anone1"));
    assert_eq!(text(&store, b"a").as_deref(), Some("1,2"));
    assert_eq!((store.count().unwrap(), other.count().unwrap()), (1, 1));
}

#[test]
fn an_operator_that_answers_nothing_removes_the_key() {
    let store = store();
    store.set_merge_operator(|_, old, _| {
        old.filter(|old| old.len() < 3).map(|old| [old, old].concat())
    });
    store.put(b"a", b"1").unwrap();
    store.merge(b"a", b"").unwrap();
    store.merge(b"a", b"").unwrap();
    assert_eq!(text(&store, b"a").as_deref(), Some("1111"));
    store.merge(b"a", b"").unwrap();
    store.merge(b"never there", b"").unwrap();
    assert_eq!(store.count().unwrap(), 0);
}

#[test]
fn a_merge_keeps_the_expiry_and_an_expired_key_is_absent() {
    let clock = Clock::manual(START);
    let store = store_on(&clock);
    store.put_with_ttl(b"a", b"1", ms(10)).unwrap();
    store.put_with_ttl(b"batch", b"1", ms(10)).unwrap();
    store.put_with_ttl(b"txn", b"1", ms(10)).unwrap();
    clock.advance(ms(4));
    let merge_all = || {
        store.merge(b"a", b"2").unwrap();
        let mut batch = SledBatch::new();
        batch.merge(b"batch", b"2").unwrap();
        store.apply(&batch).unwrap();
        store.transact(|transaction| transaction.merge(b"txn", b"2")).unwrap();
    };
    merge_all();
    for key in [&b"a"[..], b"batch", b"txn"] {
        assert_eq!(text(&store, key).as_deref(), Some("1,2"));
        assert_eq!(store.ttl(key).unwrap(), Some(ms(6)));
    }
    clock.advance(ms(6));
    assert_eq!(store.count().unwrap(), 0);
    merge_all();
    for key in [&b"a"[..], b"batch", b"txn"] {
        assert_eq!(text(&store, key).as_deref(), Some("2"));
        assert_eq!(store.ttl(key).unwrap(), None);
    }
}

/// The operator ran on a value that has expired when it comes to the commit.
#[test]
fn a_key_that_expires_while_its_operator_runs_is_merged_as_absent() {
    let clock = Clock::manual(START);
    let store = store_on(&clock);
    let slow = clock.clone();
    store.set_merge_operator(move |_, old, operand| {
        if old.is_some() {
            slow.advance(ms(10));
        }
        Some([old.unwrap_or_default(), operand].concat())
    });
    store.put_with_ttl(b"a", b"1", ms(10)).unwrap();
    store.merge(b"a", b"2").unwrap();
    assert_eq!(text(&store, b"a").as_deref(), Some("2"));
    store.put_with_ttl(b"a", b"1", ms(10)).unwrap();
    let mut batch = SledBatch::new();
    batch.merge(b"a", b"2").unwrap();
    store.apply(&batch).unwrap();
    assert_eq!(text(&store, b"a").as_deref(), Some("2"));
}

#[test]
fn merges_in_a_batch_follow_what_comes_before_them_in_it() {
    let clock = Clock::manual(START);
    let (store, mut batch) = (store_on(&clock), SledBatch::new());
    let other = store.keyspace("other").unwrap();
    appending(&other);
    for key in [&b"merged"[..], b"put after", b"deleted", b"removed at last"] {
        store.put(key, b"0").unwrap();
    }
    batch.merge(b"merged", b"1").unwrap();
    batch.put(b"alone", b"1").unwrap();
    batch.merge(b"merged", b"2").unwrap();
    batch.merge_in(&other, b"merged", b"3").unwrap();
    batch.put(b"put before", b"1").unwrap();
    batch.merge(b"put before", b"2").unwrap();
    batch.merge(b"put after", b"1").unwrap();
    batch.put(b"put after", b"2").unwrap();
    batch.delete(b"deleted").unwrap();
    batch.merge(b"deleted", b"1").unwrap();
    batch.merge(b"removed at last", b"1").unwrap();
    batch.delete(b"removed at last").unwrap();
    batch.put_with_ttl(b"with a life", b"1", ms(7)).unwrap();
    batch.merge(b"with a life", b"2").unwrap();
    batch.put_with_ttl(b"dead at once", b"1", ms(0)).unwrap();
    batch.merge(b"dead at once", b"2").unwrap();
    assert_eq!(batch.len(), 16);
    clock.advance(ms(3));
    store.apply(&batch).unwrap();
    for (key, expected) in [
        (&b"merged"[..], Some("0,1,2")),
        (b"alone", Some("1")),
        (b"put before", Some("1,2")),
        (b"put after", Some("2")),
        (b"deleted", Some("1")),
        (b"removed at last", None),
        (b"with a life", Some("1,2")),
        (b"dead at once", Some("2")),
    ] {
        assert_eq!(text(&store, key).as_deref(), expected, "{}", key.escape_ascii());
    }
    assert_eq!(text(&other, b"merged").as_deref(), Some("3"));
    assert_eq!(store.ttl(b"with a life").unwrap(), Some(ms(7)));
    assert_eq!(store.ttl(b"dead at once").unwrap(), None);
    // A batch can be applied again, and be emptied.
    store.apply(&batch).unwrap();
    assert_eq!(text(&store, b"merged").as_deref(), Some("0,1,2,1,2"));
    batch.clear();
    batch.put(b"a", b"1").unwrap();
    store.apply(&batch).unwrap();
    assert_eq!(text(&store, b"merged").as_deref(), Some("0,1,2,1,2"));
}

#[test]
fn merges_in_a_batch_follow_deleted_ranges_and_expiries_that_come_before_them() {
    let clock = Clock::manual(START);
    let (store, mut batch) = (store_on(&clock), SledBatch::new());
    for key in [&b"a"[..], b"b", b"c", b"d", b"e"] {
        store.put_with_ttl(key, b"0", ms(50)).unwrap();
    }
    batch.merge(b"a", b"1").unwrap();
    batch.merge(b"b", b"lost").unwrap();
    batch.delete_range(Some(b"b"), Some(b"c")).unwrap();
    batch.merge(b"b", b"1").unwrap();
    batch.merge(b"c", b"1").unwrap();
    batch.expire(b"c", ms(20)).unwrap();
    batch.persist(b"d").unwrap();
    batch.merge(b"d", b"1").unwrap();
    batch.merge(b"e", b"lost").unwrap();
    batch.delete_range(Some(b"e"), None).unwrap();
    batch.expire(b"absent", ms(20)).unwrap();
    batch.merge(b"absent", b"1").unwrap();
    store.apply(&batch).unwrap();
    for (key, expected, ttl) in [
        (&b"a"[..], "0,1", Some(ms(50))),
        (b"b", "1", None),
        (b"c", "0,1", Some(ms(20))),
        (b"d", "0,1", None),
        (b"absent", "1", None),
    ] {
        assert_eq!(text(&store, key).as_deref(), Some(expected), "{}", key.escape_ascii());
        assert_eq!(store.ttl(key).unwrap(), ttl, "{}", key.escape_ascii());
    }
    assert_eq!(store.count().unwrap(), 5);
}

#[test]
fn a_merge_in_a_transaction_follows_deleted_ranges_and_its_expiry_can_be_asked_for() {
    let store = store();
    store.put_with_ttl(b"a", b"0", ms(50)).unwrap();
    store.put(b"b", b"0").unwrap();
    let transaction = store.transaction().unwrap();
    transaction.merge(b"a", b"1").unwrap();
    assert_eq!(transaction.ttl(b"a").unwrap(), Some(ms(50)));
    transaction.delete_range(Some(b"b"), None).unwrap();
    transaction.merge(b"b", b"1").unwrap();
    transaction.commit().unwrap();
    assert_eq!(text(&store, b"a").as_deref(), Some("0,1"));
    assert_eq!(text(&store, b"b").as_deref(), Some("1"));
    assert_eq!(store.ttl(b"a").unwrap(), Some(ms(50)));
}

#[test]
fn a_merge_in_a_transaction_sees_its_writes_and_is_a_read_for_conflicts() {
    let store = store();
    store.put(b"stored", b"0").unwrap();
    let transaction = store.transaction().unwrap();
    transaction.put(b"own", b"1").unwrap();
    transaction.merge(b"own", b"2").unwrap();
    transaction.put_with_ttl(b"own life", b"1", ms(9)).unwrap();
    transaction.merge(b"own life", b"2").unwrap();
    transaction.delete(b"stored").unwrap();
    let savepoint = transaction.savepoint().unwrap();
    transaction.merge(b"stored", b"1").unwrap();
    transaction.merge(b"own", b"3").unwrap();
    assert_eq!(transaction.get(b"stored").unwrap().as_deref(), Some(&b"1"[..]));
    transaction.rollback_to(savepoint).unwrap();
    assert_eq!(transaction.get(b"own").unwrap().as_deref(), Some(&b"1,2"[..]));
    // It has read nothing but what it had written.
    store.put(b"own", b"other").unwrap();
    transaction.commit().unwrap();
    assert_eq!(text(&store, b"own").as_deref(), Some("1,2"));
    assert_eq!(store.ttl(b"own life").unwrap(), Some(ms(9)));
    assert!(!store.contains(b"stored").unwrap());

    let transaction = store.transaction().unwrap();
    transaction.merge(b"stored", b"1").unwrap();
    store.put(b"stored", b"0").unwrap();
    assert!(matches!(transaction.commit(), Err(StoreError::TxnConflict)));
    let transaction = store.transaction().unwrap();
    transaction.merge(b"stored", b"1").unwrap();
    transaction.commit().unwrap();
    assert_eq!(text(&store, b"stored").as_deref(), Some("0,1"));
}

#[test]
fn a_merge_conflicts_with_a_transaction_that_has_read_the_key() {
    let store = store();
    let transaction = store.transaction().unwrap();
    assert_eq!(transaction.get(b"a").unwrap(), None);
    transaction.put(b"b", b"1").unwrap();
    store.merge(b"a", b"1").unwrap();
    assert!(matches!(transaction.commit(), Err(StoreError::TxnConflict)));
}

#[test]
fn an_operator_that_fails_or_panics_leaves_everything_as_it_was() {
    let store = store();
    store.put(b"a", b"0").unwrap();
    let mut batch = SledBatch::new();
    batch.put(b"before", b"1").unwrap();
    batch.merge(b"a", b"1").unwrap();
    let transaction = store.transaction().unwrap();
    transaction.put(b"a", b"own").unwrap();
    store.set_fallible_merge_operator(|_, _, _| Err("not today".into())).unwrap();
    let error = store.merge(b"a", b"1").expect_err("it fails");
    assert!(error.to_string().contains("not today"), "{error}");
    for failed in [store.merge(b"a", b"1"), store.apply(&batch), transaction.merge(b"a", b"1")] {
        assert_eq!(reason(failed), Some(Reason::MergeFailed));
    }
    store.set_merge_operator(|_, _, _| panic!("an operator that panics"));
    for call in 0..3 {
        let panicked = catch_unwind(AssertUnwindSafe(|| match call {
            0 => store.merge(b"a", b"1"),
            1 => store.apply(&batch),
            _ => transaction.merge(b"a", b"1"),
        }));
        panicked.expect_err("the panic goes through");
    }
    // Nothing is locked, and the thread is out of the operator.
    assert_eq!(text(&store, b"a").as_deref(), Some("0"));
    assert!(!store.contains(b"before").unwrap());
    assert_eq!(transaction.get(b"a").unwrap().as_deref(), Some(&b"own"[..]));
    transaction.commit().unwrap();
    appending(&store);
    store.merge(b"a", b"1").unwrap();
    assert_eq!(text(&store, b"a").as_deref(), Some("own,1"));
}

#[test]
fn what_is_too_long_is_refused() {
    let store = store();
    let long = vec![b'k'; MAX_KEY_LEN + 1];
    assert!(matches!(store.merge(&long, b"1"), Err(StoreError::Unsupported(_))));
    assert!(matches!(SledBatch::new().merge(&long, b"1"), Err(StoreError::Unsupported(_))));
    let transaction = store.transaction().unwrap();
    assert!(matches!(transaction.merge(&long, b"1"), Err(StoreError::Unsupported(_))));
    transaction.commit().unwrap();
    assert_eq!(store.count().unwrap(), 0);
}

/// What an operator could call. It has them from the outside.
struct Outside {
    store: SledStore,
    another: SledStore,
    transaction: SledTransaction,
    rows: std::sync::Mutex<Iter>,
}

impl Outside {
    fn call_everything(&self) -> usize {
        let Outside { store, another, transaction, rows } = self;
        let mut batch = SledBatch::new();
        batch.put(b"a", b"1").unwrap();
        let refused = [
            store.get(b"a").map(drop),
            store.put(b"a", b"1"),
            store.merge(b"a", b"1"),
            store.compare_and_swap(b"a", None, b"1").map(drop),
            store.apply(&batch),
            store.count().map(drop),
            store.iter().map(drop),
            store.snapshot().map(drop),
            store.transaction().map(drop),
            store.keyspace("new").map(drop),
            store.drop_keyspace("new").map(drop),
            store.flush(),
            store.purge_expired().map(drop),
            store.set_builtin_merge(BuiltinMerge::BitOr),
            store.clone().close(),
            another.put(b"a", b"1"),
            transaction.get(b"a").map(drop),
            transaction.put(b"a", b"1"),
            transaction.merge(b"a", b"1"),
            transaction.savepoint().map(drop),
            rows.lock().unwrap().first_row().map(drop),
        ];
        refused
            .into_iter()
            .map(reason)
            .inspect(|it| assert_eq!(*it, Some(Reason::Reentrant)))
            .count()
    }
}

#[test]
fn calls_on_a_store_from_inside_an_operator_are_refused() {
    let (store, another) = (store(), SledStore::open_temporary().unwrap());
    store.put(b"row", b"0").unwrap();
    let outside: Arc<OnceLock<Outside>> = Arc::default();
    let inside = Arc::clone(&outside);
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    store.set_merge_operator(move |_, _, operand| {
        let refused = inside.get().map_or(0, Outside::call_everything);
        counted.fetch_add(refused, Ordering::Relaxed);
        Some(operand.to_vec())
    });
    let rows = std::sync::Mutex::new(store.iter().unwrap());
    let transaction = store.transaction().unwrap();
    let everything = Outside { store: store.clone(), another, transaction, rows };
    assert!(outside.set(everything).is_ok());
    store.merge(b"a", b"1").unwrap();
    assert_eq!(text(&store, b"a").as_deref(), Some("1"));
    let each = calls.swap(0, Ordering::Relaxed);
    assert!(each >= 21, "{each}");
    let transaction = store.transaction().unwrap();
    transaction.merge(b"txn", b"1").unwrap();
    transaction.commit().unwrap();
    assert_eq!(text(&store, b"txn").as_deref(), Some("1"));
    assert!(calls.load(Ordering::Relaxed) >= 21);
    // The operator holds the store, and the store the operator.
    appending(&store);
}

/// Counts how often it is dropped.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn an_operator_goes_when_another_one_comes_and_with_its_keyspace_and_its_store() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let set = |store: &SledStore| {
        let counted = Counted(Arc::clone(&dropped));
        // What a drop calls must not find a lock of the store held.
        let of_store = store.clone();
        store.set_merge_operator(move |_, _, operand| {
            let _ = (&counted, &of_store);
            Some(operand.to_vec())
        });
    };
    let now = || dropped.load(Ordering::Relaxed);
    let store = store();
    let other = store.keyspace("other").unwrap();
    let mut batch = SledBatch::new();
    batch.put_in(&other, b"a", b"1").unwrap();
    set(&store);
    set(&store);
    assert_eq!(now(), 1);
    set(&other);
    store.drop_keyspace("other").unwrap();
    assert_eq!(now(), 2);
    assert_eq!(reason(other.merge(b"a", b"1")), Some(Reason::Dropped));
    set(&other);
    assert_eq!(now(), 3);
    store.clone().close().unwrap();
    assert_eq!(now(), 4);
    assert_eq!(reason(store.merge(b"a", b"1")), Some(Reason::Closed));
    set(&store);
    assert_eq!(now(), 5);
}

/// The destructor of an operator is code of the caller too.
#[test]
fn the_destructor_of_an_operator_can_call_the_store() {
    struct Calls(SledStore, Arc<AtomicUsize>);
    impl Drop for Calls {
        fn drop(&mut self) {
            let _ = (self.0.keyspace_names(), self.0.keyspace("third"), self.0.get(b"a"));
            self.1.fetch_add(1, Ordering::Relaxed);
        }
    }
    let (store, ended) = (store(), Arc::new(AtomicUsize::new(0)));
    let other = store.keyspace("other").unwrap();
    let set = |on: &SledStore| {
        let calls = Calls(store.clone(), Arc::clone(&ended));
        on.set_merge_operator(move |_, _, _| Some(vec![u8::from(calls.0.is_closed())]));
    };
    set(&store);
    set(&store);
    set(&other);
    let renamed = store.keyspace("renamed").unwrap();
    set(&renamed);
    store.drop_keyspace("other").unwrap();
    store.rename_keyspace("renamed", "another").unwrap();
    store.clone().close().unwrap();
    assert_eq!(ended.load(Ordering::Relaxed), 4);
}

#[test]
fn an_operator_is_set_anew_after_each_opening() {
    let directory = tempfile::tempdir().unwrap();
    let store = SledStore::open(directory.path().join("store")).unwrap();
    appending(&store);
    store.merge(b"a", b"1").unwrap();
    store.close().unwrap();
    let store = SledStore::open(directory.path().join("store")).unwrap();
    assert!(matches!(store.merge(b"a", b"2"), Err(StoreError::Unsupported(_))));
    appending(&store);
    store.merge(b"a", b"2").unwrap();
    assert_eq!(text(&store, b"a").as_deref(), Some("1,2"));
    store.close().unwrap();
}
