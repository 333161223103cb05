//! Deleted ranges and renamed keyspaces, as watches and feeds tell of them.

use std::time::Duration;

use sledstore::{
    Failure, KeyChangeKind, LoggedChange, LoggedKind, Reason, SledBatch, SledStore,
    SledStoreBuilder,
};

use crate::common::{ms, Fixture};
use crate::{changes, insert, remove, told, update, Told};

fn range(lower: &str, upper: Option<&str>) -> Told {
    (KeyChangeKind::RemoveRange, lower.into(), upper.map(Into::into))
}

#[test]
fn a_deleted_range_is_one_event_of_every_watch_whose_prefix_can_lie_in_it() {
    let store = SledStore::open_temporary().unwrap();
    let other = store.keyspace("other").unwrap();
    for key in ["a", "b1", "b2", "c"] {
        store.put(key.as_bytes(), b"1").unwrap();
    }
    let prefixes = ["", "a", "b", "b1", "b15", "b2", "b3", "c"];
    let watches = prefixes.map(|prefix| store.watch(prefix).unwrap());
    let elsewhere = other.watch(b"").unwrap();
    let deleted = |lower: Option<&str>, upper: Option<&str>| {
        let bytes = |end: Option<&str>| end.map(|end| end.as_bytes().to_vec());
        store.delete_range(bytes(lower).as_deref(), bytes(upper).as_deref()).unwrap();
        watches.each_ref().map(|watch| {
            let changes = changes(watch);
            assert!(changes.iter().all(|it| it.ends_commit), "{changes:?}");
            told(&changes)
        })
    };
    let all_of = |wanted: &[&str], event: Told| {
        prefixes.map(|prefix| match wanted.contains(&prefix) {
            true => vec![event.clone()],
            false => vec![],
        })
    };
    let inside = range("b1", Some("b2"));
    assert_eq!(deleted(Some("b1"), Some("b2")), all_of(&["", "b", "b1", "b15"], inside));
    let behind = range("b2", None);
    assert_eq!(deleted(Some("b2"), None), all_of(&["", "b", "b2", "b3", "c"], behind));
    let front = range("", Some("b"));
    assert_eq!(deleted(None, Some("b")), all_of(&["", "a"], front));
    // No key lies in it.
    assert_eq!(deleted(Some("c"), Some("a")), all_of(&[], range("", None)));
    store.clear().unwrap();
    let cleared = watches.each_ref().map(|watch| told(&changes(watch)));
    assert_eq!(cleared, all_of(&prefixes, range("", None)));
    assert_eq!(changes(&elsewhere), []);
}

#[test]
fn what_a_batch_writes_before_its_range_is_part_of_the_range_and_what_it_writes_after_is_new() {
    let store = SledStore::open_temporary().unwrap();
    for key in [b"before", b"behind", b"beside"] {
        store.put(key, b"0").unwrap();
    }
    store.put(b"x", b"0").unwrap();
    let watch = store.watch(b"").unwrap();
    let mut batch = SledBatch::new();
    batch.put(b"before", b"1").unwrap();
    batch.put(b"x", b"1").unwrap();
    batch.delete_range(Some(b"b"), Some(b"c")).unwrap();
    batch.put(b"behind", b"1").unwrap();
    batch.delete(b"beside").unwrap();
    store.apply(&batch).unwrap();
    let commit = changes(&watch);
    let mut events = told(&commit);
    assert_eq!(events.remove(0), range("b", Some("c")));
    events.sort_by(|one, other| one.1.cmp(&other.1));
    assert_eq!(events, [insert("behind", "1"), update("x", "1")]);
    let ends: Vec<_> = commit.iter().map(|it| it.ends_commit).collect();
    assert_eq!(ends, [false, false, true]);

    let transaction = store.transaction().unwrap();
    transaction.keyspace(&store).unwrap().delete_range(Some(b"x"), None).unwrap();
    transaction.delete(b"behind").unwrap();
    transaction.commit().unwrap();
    let mut events = told(&changes(&watch));
    events.sort_by(|one, other| one.1.cmp(&other.1));
    assert_eq!(events, [remove("behind"), range("x", None)]);
    // The keys are absent now, before a checkpoint and after it.
    store.put(b"x", b"2").unwrap();
    store.clear().unwrap();
    store.compact().unwrap();
    store.put(b"x", b"3").unwrap();
    let expected = [insert("x", "2"), range("", None), insert("x", "3")];
    assert_eq!(told(&changes(&watch)), expected);
}

#[test]
fn a_row_that_had_expired_in_a_range_that_was_deleted_makes_no_event_of_its_own() {
    let Fixture { store, clock, directory: _directory } = Fixture::new();
    store.put_with_ttl(b"a", b"1", ms(5)).unwrap();
    clock.advance(ms(5));
    let watch = store.watch(b"").unwrap();
    let mut batch = SledBatch::new();
    batch.delete_range(None, Some(b"b")).unwrap();
    batch.put(b"a", b"2").unwrap();
    store.apply(&batch).unwrap();
    assert_eq!(told(&changes(&watch)), [range("", Some("b")), insert("a", "2")]);
}

#[test]
fn a_subscriber_ends_where_a_range_is_deleted_that_concerns_it() {
    let store = SledStore::open_temporary().unwrap();
    let [ends, stays] = [b"a", b"b"].map(|prefix| store.watch_prefix(prefix).unwrap());
    store.put(b"a", b"1").unwrap();
    store.delete_range(None, Some(b"b")).unwrap();
    store.put(b"a", b"2").unwrap();
    store.put(b"b", b"3").unwrap();
    store.clone().close().unwrap();
    let keys = |subscriber: sledstore::Subscriber| subscriber.map(|it| it.key()[0]).collect();
    let (ends, stays): (Vec<_>, Vec<_>) = (keys(ends), keys(stays));
    assert_eq!((&ends[..], &stays[..]), (&b"a"[..], &b"b"[..]));
}

#[test]
fn renaming_a_keyspace_ends_its_watches_after_what_had_come_and_no_others() {
    let store = SledStore::open_temporary().unwrap();
    let old = store.keyspace("old").unwrap();
    let (watch, stays) = (old.watch(b"").unwrap(), store.watch(b"").unwrap());
    old.put(b"a", b"1").unwrap();
    assert!(store.rename_keyspace("old", "new").unwrap());
    store.keyspace("new").unwrap().put(b"b", b"2").unwrap();
    store.put(b"c", b"3").unwrap();
    let first = watch.next_timeout(Duration::ZERO).unwrap();
    assert!(matches!(first, Some(sledstore::WatchEvent::Changed(it)) if it.key[..] == *b"a"));
    let error = watch.next_timeout(crate::LONG).expect_err("it has ended");
    assert_eq!(Failure::of(&error).map(Failure::reason), Some(Reason::Dropped));
    assert_eq!(told(&changes(&stays)), [insert("c", "3")]);
}

#[test]
fn the_feed_tells_of_deleted_ranges_and_of_renamed_keyspaces_in_their_places() {
    let store = SledStoreBuilder::new().keep_log(1 << 40).build_temporary().unwrap();
    let old = store.keyspace("old").unwrap();
    old.put(b"a", b"1").unwrap();
    old.delete_range(Some(b"a"), Some(b"b")).unwrap();
    let mut batch = SledBatch::new();
    batch.put_in(&old, b"c", b"2").unwrap();
    batch.delete_range_in(&old, Some(b"x"), None).unwrap();
    store.apply(&batch).unwrap();
    old.clear().unwrap();
    assert!(store.rename_keyspace("old", "new").unwrap());
    store.keyspace("new").unwrap().put(b"d", b"3").unwrap();
    let kinds = [
        ("old", LoggedKind::Put, "a", Some("1")),
        ("old", LoggedKind::RemoveRange, "a", Some("b")),
        ("old", LoggedKind::Put, "c", Some("2")),
        ("old", LoggedKind::RemoveRange, "x", None),
        ("old", LoggedKind::RemoveRange, "", None),
        ("old", LoggedKind::RenameKeyspace, "", Some("new")),
        ("new", LoggedKind::Put, "d", Some("3")),
    ];
    let told: Vec<LoggedChange> =
        store.changes_since(0).unwrap().flat_map(Result::unwrap).collect();
    let sequences: Vec<_> = told.iter().map(|it| it.sequence).collect();
    assert_eq!(sequences, [1, 2, 3, 3, 4, 5, 6]);
    for (it, (keyspace, kind, key, value)) in told.iter().zip(kinds) {
        assert_eq!((&it.keyspace[..], it.kind), (keyspace.as_bytes(), kind));
        assert_eq!(&it.key[..], key.as_bytes());
        assert_eq!(it.value.as_deref(), value.map(str::as_bytes));
    }
}
