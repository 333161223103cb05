//! Which events a commit makes.

use std::time::Duration;

use sledstore::{SledBatch, SledStore, SledStoreBuilder};

use crate::common::{ms, Fixture, START};
use crate::{changes, expire, insert, remove, told, update};

#[test]
fn every_way_to_write_a_key_is_told_as_what_it_was() {
    let store = SledStore::open_temporary().unwrap();
    let watch = store.watch(b"").unwrap();
    store.put(b"a", b"1").unwrap();
    store.put(b"a", b"1").unwrap();
    store.delete(b"absent").unwrap();
    assert!(store.compare_and_swap(b"a", Some(b"1"), b"2").unwrap());
    assert!(!store.compare_and_swap(b"a", Some(b"1"), b"3").unwrap());
    assert!(store.compare_and_swap(b"b", None, b"4").unwrap());
    store.expire(b"b", Duration::from_secs(1_000)).unwrap();
    store.persist(b"b").unwrap();
    store.delete(b"a").unwrap();
    assert!(store.remove(b"b").unwrap());
    store.put_with_ttl(b"c", b"5", Duration::from_secs(1_000)).unwrap();
    store.put_with_ttl(b"c", b"6", Duration::ZERO).unwrap();
    let expected = [
        insert("a", "1"),
        update("a", "1"),
        update("a", "2"),
        insert("b", "4"),
        update("b", "4"),
        update("b", "4"),
        remove("a"),
        remove("b"),
        insert("c", "5"),
        remove("c"),
    ];
    assert_eq!(told(&changes(&watch)), expected);
}

#[test]
fn a_batch_and_a_transaction_are_told_as_one_commit_with_the_last_write_of_each_key() {
    let store = SledStore::open_temporary().unwrap();
    let other = store.keyspace("other").unwrap();
    store.put(b"c", b"0").unwrap();
    let (watch, beside) = (store.watch(b"").unwrap(), other.watch(b"").unwrap());
    let mut batch = SledBatch::new();
    batch.put(b"a", b"1").unwrap();
    batch.put_in(&other, b"x", b"1").unwrap();
    batch.put(b"b", b"1").unwrap();
    batch.put(b"a", b"2").unwrap();
    batch.delete(b"c").unwrap();
    batch.delete(b"absent").unwrap();
    store.apply(&batch).unwrap();
    let transaction = store.transaction().unwrap();
    transaction.put(b"b", b"2").unwrap();
    transaction.delete(b"a").unwrap();
    transaction.commit().unwrap();
    let all = changes(&watch);
    let sequences: Vec<_> = all.iter().map(|it| it.sequence - watch.begins_after()).collect();
    let ends: Vec<_> = all.iter().map(|it| it.ends_commit).collect();
    assert_eq!(told(&all[..3]), [insert("b", "1"), insert("a", "2"), remove("c")]);
    let mut second = told(&all[3..]);
    second.sort_by(|one, other| one.1.cmp(&other.1));
    assert_eq!(second, [remove("a"), update("b", "2")]);
    assert_eq!(sequences, [1, 1, 1, 2, 2]);
    assert_eq!(ends, [false, false, true, false, true]);
    let beside = changes(&beside);
    assert_eq!(told(&beside), [insert("x", "1")]);
    assert_eq!((beside[0].sequence, beside[0].ends_commit), (all[0].sequence, true));
    assert_eq!(store.sequence().unwrap(), all[4].sequence);
}

#[test]
fn a_watch_hears_of_its_keyspace_and_prefix_alone_and_not_of_what_was_before() {
    let store = SledStore::open_temporary().unwrap();
    let other = store.keyspace("other").unwrap();
    store.put(b"user:0", b"before").unwrap();
    let watch = store.watch(b"user:").unwrap();
    assert_eq!(watch.begins_after(), store.sequence().unwrap());
    for key in ["user:1", "user", "user;", "user:", "zebra", ""] {
        store.put(key.as_bytes(), b"1").unwrap();
        other.put(key.as_bytes(), b"1").unwrap();
    }
    assert_eq!(told(&changes(&watch)), [insert("user:1", "1"), insert("user:", "1")]);
}

#[test]
fn an_expiry_is_told_once_when_its_row_goes_however_that_is() {
    let Fixture { store, clock, directory: _directory } = Fixture::new();
    let watch = store.watch(b"").unwrap();
    for key in [b"deleted", b"evicted", b"flagged", b"purged.", b"written"] {
        store.put_with_ttl(key, b"1", ms(5)).unwrap();
    }
    let made = changes(&watch);
    assert!(made.iter().all(|it| it.expires_at == Some(START + 5)), "{made:?}");
    clock.advance(ms(5));
    assert_eq!(told(&changes(&watch)), []);
    assert_eq!(store.get(b"evicted").unwrap(), None);
    assert_eq!(told(&changes(&watch)), [expire("evicted")]);
    store.put(b"written", b"2").unwrap();
    let written = changes(&watch);
    assert_eq!(told(&written), [expire("written"), insert("written", "2")]);
    assert_eq!(written[1].expires_at, None);
    assert_eq!(written.iter().map(|it| it.ends_commit).collect::<Vec<_>>(), [false, true]);
    store.delete(b"deleted").unwrap();
    assert_eq!(told(&changes(&watch)), [expire("deleted")]);
    assert!(store.compare_and_swap(b"flagged", None, b"2").unwrap());
    assert_eq!(told(&changes(&watch)), [expire("flagged"), insert("flagged", "2")]);
    assert_eq!(store.purge_expired().unwrap(), 1);
    assert_eq!(told(&changes(&watch)), [expire("purged.")]);
    assert_eq!(store.purge_expired().unwrap(), 0);
    assert_eq!(store.get(b"evicted").unwrap(), None);
    assert_eq!(told(&changes(&watch)), []);
}

#[test]
fn a_life_that_is_lengthened_in_its_last_millisecond_is_an_update() {
    let Fixture { store, clock, directory: _directory } = Fixture::new();
    let watch = store.watch(b"").unwrap();
    store.put_with_ttl(b"a", b"1", ms(5)).unwrap();
    clock.advance(ms(4));
    store.expire(b"a", ms(10)).unwrap();
    clock.advance(ms(9));
    store.persist(b"a").unwrap();
    let all = changes(&watch);
    assert_eq!(told(&all), [insert("a", "1"), update("a", "1"), update("a", "1")]);
    let expiries: Vec<_> = all.iter().map(|it| it.expires_at).collect();
    assert_eq!(expiries, [Some(START + 5), Some(START + 14), None]);
}

#[test]
fn a_row_that_is_settled_is_told_as_what_it_is() {
    let Fixture { store, clock, directory: _directory } = Fixture::new();
    store.put(b"there", b"1").unwrap();
    store.put_with_ttl(b"expires", b"1", ms(5)).unwrap();
    store.put(b"removed", b"1").unwrap();
    store.delete(b"removed").unwrap();
    store.compact().unwrap();
    clock.advance(ms(5));
    let watch = store.watch(b"").unwrap();
    for key in ["there", "expires", "removed"] {
        store.put(key.as_bytes(), b"2").unwrap();
    }
    let expected =
        [update("there", "2"), expire("expires"), insert("expires", "2"), insert("removed", "2")];
    assert_eq!(told(&changes(&watch)), expected);
}

#[test]
fn the_new_value_shares_the_buffer_of_the_store() {
    let store = SledStore::open_temporary().unwrap();
    let watch = store.watch(b"").unwrap();
    store.put(b"a", &[7; 100_000]).unwrap();
    let (told, read) = (changes(&watch), store.get_pinned(b"a").unwrap().unwrap());
    assert_eq!(told[0].value.as_ref().unwrap().as_ptr(), read.as_ptr());
}

#[test]
fn a_commit_that_is_refused_is_not_told() {
    let store = SledStore::open_temporary().unwrap();
    let watch = store.watch(b"").unwrap();
    let transaction = store.transaction().unwrap();
    transaction.get(b"a").unwrap();
    transaction.put(b"b", b"1").unwrap();
    store.put(b"a", b"1").unwrap();
    transaction.commit().expect_err("what it has read was changed");
    let dropped = store.transaction().unwrap();
    dropped.put(b"c", b"1").unwrap();
    dropped.rollback().unwrap();
    assert_eq!(told(&changes(&watch)), [insert("a", "1")]);
}

#[test]
fn a_reader_that_was_told_sees_what_it_was_told() {
    let store = SledStoreBuilder::new().build_temporary().unwrap();
    let watch = store.watch(b"").unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| (0..2_000_u32).for_each(|n| store.put(b"n", &n.to_be_bytes()).unwrap()));
        for _ in 0..2_000 {
            let event = watch.next_timeout(crate::LONG).unwrap().expect("another event");
            let sledstore::WatchEvent::Changed(change) = event else { panic!("{event:?}") };
            assert!(store.get_pinned(b"n").unwrap() >= change.value);
            assert!(store.sequence().unwrap() >= change.sequence);
        }
    });
}
