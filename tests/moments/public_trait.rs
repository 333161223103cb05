//! The store behind `Box<dyn KvStore>`.

use std::time::Duration;

use sledstore::{KvStore, SledStore};

fn boxed() -> Box<dyn KvStore> {
    Box::new(SledStore::open_temporary().unwrap())
}

#[test]
fn rows_ranges_and_batches_work() {
    let store = boxed();
    let pairs: [(&[u8], &[u8]); 3] = [(b"a1", b"x"), (b"a2", b"y"), (b"b1", b"z")];
    store.batch_write(&pairs).unwrap();
    let keys = |rows: oxistore_core::RangeIter<'_>| -> Vec<Vec<u8>> {
        rows.map(|row| row.unwrap().0).collect()
    };
    assert_eq!(keys(store.range(b"a1", b"b1").unwrap()), [b"a1", b"a2"]);
    assert_eq!(keys(store.range_rev(b"a1", b"b1").unwrap()), [b"a2", b"a1"]);
    assert_eq!(keys(store.prefix_scan(b"a").unwrap()), [b"a1", b"a2"]);
    assert_eq!(keys(store.prefix_scan(b"").unwrap()), [b"a1", b"a2", b"b1"]);
    assert_eq!(store.keys().unwrap().count(), 3);
    assert_eq!(store.count().unwrap(), 3);
    let many = store.get_many(&[b"a1", b"none"]).unwrap();
    assert_eq!(many, [Some(b"x".to_vec()), None]);
    assert_eq!(store.get_ref(b"a2").unwrap().as_deref(), Some(&b"y"[..]));
    assert!(store.compare_and_swap(b"a1", Some(b"x"), b"w").unwrap());
    assert!(!store.compare_and_swap(b"a1", Some(b"x"), b"v").unwrap());
    store.batch_delete(&[b"a1", b"a2"]).unwrap();
    assert!(!store.contains(b"a1").unwrap() && store.contains(b"b1").unwrap());
    assert!(store.size_on_disk().unwrap() > 0);
    store.flush().and(store.compact()).unwrap();
}

#[test]
fn expiry_works() {
    let store = boxed();
    store.put_with_ttl(b"key", b"value", Duration::from_secs(100)).unwrap();
    assert!(store.ttl(b"key").unwrap().is_some_and(|left| left > Duration::from_secs(90)));
    assert!(store.persist(b"key").unwrap());
    assert_eq!(store.ttl(b"key").unwrap(), None);
    store.expire(b"key", Duration::ZERO).unwrap();
    assert_eq!(store.get(b"key").unwrap(), None);
    store.put_with_ttl(b"short", b"", Duration::from_millis(1)).unwrap();
    std::thread::sleep(Duration::from_millis(5));
    assert_eq!(store.purge_expired().unwrap(), 1);
}

#[test]
fn transactions_and_snapshots_work() {
    let store = boxed();
    store.put(b"a", b"1").unwrap();
    let snapshot = store.snapshot().unwrap();
    let mut transaction = store.transaction().unwrap();
    transaction.put(b"b", b"2").unwrap();
    transaction.delete(b"a").unwrap();
    assert!(!transaction.contains(b"a").unwrap());
    assert_eq!(transaction.get(b"b").unwrap().as_deref(), Some(&b"2"[..]));
    assert_eq!(transaction.range(b"a", b"z").unwrap().count(), 1);
    assert!(store.contains(b"a").unwrap() && !store.contains(b"b").unwrap());
    transaction.commit().unwrap();
    assert!(!store.contains(b"a").unwrap() && store.contains(b"b").unwrap());
    assert!(snapshot.contains(b"a").unwrap() && !snapshot.contains(b"b").unwrap());
    assert_eq!(snapshot.get(b"a").unwrap().as_deref(), Some(&b"1"[..]));
    assert_eq!(snapshot.range(b"", b"z").unwrap().count(), 1);
    assert_eq!(snapshot.prefix_scan(b"b").unwrap().count(), 0);
    let mut discarded = store.transaction().unwrap();
    discarded.put(b"c", b"3").unwrap();
    discarded.rollback().unwrap();
    assert!(!store.contains(b"c").unwrap());
}
