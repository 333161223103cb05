//! Keyspaces: names, creation, dropping, and that they share nothing.

use sledstore::{IterOptions, Reason, SledBatch, SledStore, StoreError};

use crate::common::{assert_failed, assert_unsupported, failed_with, ms, rows, Fixture};

#[test]
fn names_that_cannot_be_are_refused_everywhere() {
    let fixture = Fixture::new();
    let long = "n".repeat(256);
    for name in ["", "__", "__ttl__", "__ttl__:named", "__sled__default", "__mine", &long] {
        assert_unsupported(fixture.store.keyspace(name));
        assert_unsupported(fixture.store.drop_keyspace(name));
    }
    assert_eq!(fixture.store.keyspace_names().unwrap(), [b"default"]);
}

#[test]
fn any_other_bytes_are_a_name() {
    let fixture = Fixture::new();
    let longest = vec![b'n'; 255];
    let names: [&[u8]; 9] =
        [b"_", b"_a_", b"a__", b"\x00", b"\xff\xff", b"ttl", b":", b"a b/..\n", &longest];
    for name in names {
        let store = fixture.store.keyspace(name).unwrap();
        assert_eq!(store.keyspace_name(), name);
        store.put_with_ttl(b"name", name, ms(10)).unwrap();
    }
    let mut expected: Vec<Vec<u8>> = names.iter().map(|name| name.to_vec()).collect();
    expected.push(b"default".to_vec());
    expected.sort();
    assert_eq!(fixture.store.keyspace_names().unwrap(), expected, "sorted, with the default one");
    let fixture = fixture.reopen();
    assert_eq!(fixture.store.keyspace_names().unwrap(), expected, "after a reopen");
    for name in names {
        let store = fixture.store.keyspace(name).unwrap();
        assert_eq!(rows(&store), [(b"name".to_vec(), name.to_vec())]);
        assert_eq!(store.ttl(b"name").unwrap(), Some(ms(10)));
    }
}

#[test]
fn default_is_the_keyspace_that_open_answers_with() {
    let fixture = Fixture::new();
    assert_eq!(fixture.store.keyspace_name(), b"default");
    let again = fixture.keyspace("default");
    again.put(b"a", b"1").unwrap();
    assert_eq!(fixture.store.get(b"a").unwrap().as_deref(), Some(&b"1"[..]));
    assert_unsupported(fixture.store.drop_keyspace("default"));
    assert_eq!(fixture.store.count().unwrap(), 1);
}

#[test]
fn keyspaces_share_no_key_and_no_expiry() {
    let fixture = Fixture::new();
    // Names that are prefixes of one another, and one whose sidecar looks like another's.
    let stores = ["default", "a", "ab", "a:b", "b"].map(|name| fixture.keyspace(name));
    for (number, store) in stores.iter().enumerate() {
        store.put_with_ttl(b"key", &[number as u8], ms(10 * (number as u64 + 1))).unwrap();
    }
    for (number, store) in stores.iter().enumerate() {
        assert_eq!(rows(store), [(b"key".to_vec(), vec![number as u8])]);
        assert_eq!(store.ttl(b"key").unwrap(), Some(ms(10 * (number as u64 + 1))));
    }
    fixture.clock.advance(ms(25));
    let counts = stores.each_ref().map(|store| store.count().unwrap());
    assert_eq!(counts, [0, 0, 1, 1, 1]);
    stores[3].delete(b"key").unwrap();
    stores[4].put(b"key", b"new").unwrap();
    let counts = stores.each_ref().map(|store| store.count().unwrap());
    assert_eq!(counts, [0, 0, 1, 0, 1]);
}

#[test]
fn two_handles_of_a_keyspace_are_one_keyspace() {
    let fixture = Fixture::new();
    let (one, other) = (fixture.keyspace("named"), fixture.keyspace("named"));
    one.put_with_ttl(b"a", b"1", ms(10)).unwrap();
    assert_eq!(other.ttl(b"a").unwrap(), Some(ms(10)));
    assert_eq!(other.count().unwrap(), 1);
    other.put(b"a", b"2").unwrap();
    assert_eq!(one.ttl(b"a").unwrap(), None);
}

#[test]
fn dropping_says_whether_there_was_anything_to_drop() {
    let fixture = Fixture::new();
    assert!(!fixture.store.drop_keyspace("named").unwrap());
    fixture.keyspace("named");
    assert!(fixture.store.drop_keyspace("named").unwrap());
    assert!(!fixture.store.drop_keyspace("named").unwrap());
    assert_eq!(fixture.store.keyspace_names().unwrap(), [b"default"]);
}

/// Also when this process has not opened it: it is the one on disk that counts.
#[test]
fn a_keyspace_that_nobody_has_opened_can_be_dropped() {
    let fixture = Fixture::new();
    fixture.keyspace("named").put_with_ttl(b"a", b"1", ms(10)).unwrap();
    let fixture = fixture.reopen();
    assert!(fixture.store.drop_keyspace("named").unwrap());
    let fixture = fixture.reopen();
    assert_eq!(fixture.store.keyspace_names().unwrap(), [b"default"]);
    assert_eq!(rows(&fixture.keyspace("named")), []);
}

fn every_operation_says_dropped(store: &SledStore) {
    assert!(failed_with(&store.get(b"a"), Reason::Dropped), "get");
    assert!(failed_with(&store.get_pinned(b"a"), Reason::Dropped), "get_pinned");
    assert!(failed_with(&store.get_ref(b"a"), Reason::Dropped), "get_ref");
    assert!(failed_with(&store.get_many(&[b"a"]), Reason::Dropped), "get_many");
    assert!(failed_with(&store.get_many_pinned(&[b"a"]), Reason::Dropped), "get_many_pinned");
    assert!(failed_with(&store.get_with_ttl(b"a"), Reason::Dropped), "get_with_ttl");
    assert!(failed_with(&store.contains(b"a"), Reason::Dropped), "contains");
    assert!(failed_with(&store.put(b"a", b"1"), Reason::Dropped), "put");
    assert!(failed_with(&store.put_with_ttl(b"a", b"1", ms(1)), Reason::Dropped), "put_with_ttl");
    assert!(failed_with(&store.delete(b"a"), Reason::Dropped), "delete");
    assert!(failed_with(&store.compare_and_swap(b"a", None, b"1"), Reason::Dropped), "swap");
    assert!(failed_with(&store.compare_and_delete(b"a", b"1"), Reason::Dropped), "cad");
    assert!(failed_with(&store.expire(b"a", ms(1)), Reason::Dropped), "expire");
    assert!(failed_with(&store.ttl(b"a"), Reason::Dropped), "ttl");
    assert!(failed_with(&store.persist(b"a"), Reason::Dropped), "persist");
    assert!(failed_with(&store.purge_expired(), Reason::Dropped), "purge_expired");
    assert!(failed_with(&store.batch_write(&[(b"a", b"1")]), Reason::Dropped), "batch_write");
    assert!(failed_with(&store.batch_delete(&[b"a"]), Reason::Dropped), "batch_delete");
    assert!(failed_with(&store.apply(&SledBatch::new()), Reason::Dropped), "apply");
    assert!(failed_with(&store.iter().map(drop), Reason::Dropped), "iter");
    assert!(failed_with(&store.keys().map(drop), Reason::Dropped), "keys");
    assert!(failed_with(&store.range(b"", b"z").map(drop), Reason::Dropped), "range");
    assert!(failed_with(&store.range_rev(b"", b"z").map(drop), Reason::Dropped), "range_rev");
    assert!(failed_with(&store.prefix_scan(b"").map(drop), Reason::Dropped), "prefix_scan");
    assert!(failed_with(&store.cursor(IterOptions::default()).map(drop), Reason::Dropped), "cur");
    assert!(failed_with(&store.count(), Reason::Dropped), "count");
}

#[test]
fn handles_of_a_dropped_keyspace_say_dropped_also_when_it_is_made_again() {
    let fixture = Fixture::new();
    let named = fixture.keyspace("named");
    named.put_with_ttl(b"a", b"1", ms(1000)).unwrap();
    assert_eq!(named.count().unwrap(), 1);
    let clone = named.clone();
    // Dropped through its own handle: that is a handle of the store like any other.
    assert!(named.drop_keyspace("named").unwrap());
    every_operation_says_dropped(&named);
    every_operation_says_dropped(&clone);
    let again = fixture.keyspace("named");
    every_operation_says_dropped(&named);
    assert_eq!(again.count().unwrap(), 0);
    // What concerns the whole store still works through it.
    assert_eq!(named.keyspace_names().unwrap(), [b"default".to_vec(), b"named".to_vec()]);
    named.flush().unwrap();
}

#[test]
fn a_recreated_keyspace_is_empty_and_has_no_expiry_of_the_old_one() {
    let mut fixture = Fixture::new();
    for reopen in [false, true, false] {
        let named = fixture.keyspace("named");
        for number in 0..100_u8 {
            named.put_with_ttl(&[number], b"old", ms(5)).unwrap();
        }
        assert!(fixture.store.drop_keyspace("named").unwrap());
        drop(named);
        if reopen {
            fixture = fixture.reopen();
        }
        let again = fixture.keyspace("named");
        assert_eq!((again.count().unwrap(), rows(&again).len()), (0, 0));
        for number in 0..100_u8 {
            again.put(&[number], b"new").unwrap();
            assert_eq!(again.ttl(&[number]).unwrap(), None);
        }
        drop(again);
        fixture = fixture.reopen();
        fixture.clock.advance(ms(5));
        let again = fixture.keyspace("named");
        assert_eq!(again.count().unwrap(), 100);
        assert_eq!(again.get(&[7]).unwrap().as_deref(), Some(&b"new"[..]));
        assert!(fixture.store.drop_keyspace("named").unwrap());
    }
}

/// An iterator that is open when its keyspace is dropped ends, with the reason, and does not hang.
#[test]
fn an_open_iterator_over_a_dropped_keyspace_says_so_and_ends() {
    let fixture = Fixture::new();
    let named = fixture.keyspace("named");
    for number in 0..1000_u64 {
        named.put(&number.to_be_bytes(), b"value").unwrap();
    }
    let mut iterator = named.iter().unwrap();
    iterator.next().unwrap().unwrap();
    let mut cursor = named.cursor(IterOptions::default()).unwrap();
    assert!(fixture.store.drop_keyspace("named").unwrap());
    let rest: Vec<_> = iterator.collect();
    assert_eq!(rest.len(), 1, "the error, and nothing after it");
    assert!(failed_with(&rest.into_iter().next().unwrap(), Reason::Dropped));
    assert_failed(cursor.next_row(), Reason::Dropped);
    assert_failed(cursor.seek(b"a"), Reason::Dropped);
    assert_failed(cursor.prev_row(), Reason::Dropped);
    drop(cursor);
    fixture.reopen();
}

#[test]
fn a_handle_keeps_its_store_open_and_works_alone() {
    let Fixture { store, clock: _, directory } = Fixture::new();
    let named = store.keyspace("named").unwrap();
    drop(store);
    named.put(b"a", b"1").unwrap();
    let sibling = named.keyspace("sibling").unwrap();
    sibling.put(b"a", b"2").unwrap();
    assert!(named.same_store(&sibling));
    named.close().unwrap();
    assert_failed(sibling.get(b"a"), Reason::Closed);
    let store = SledStore::open(directory.path().join("db")).unwrap();
    assert_eq!(store.keyspace("sibling").unwrap().get(b"a").unwrap(), Some(b"2".to_vec()));
}

#[test]
fn many_keyspaces_survive_a_reopen() {
    let mut fixture = Fixture::new();
    for number in 0..60_u64 {
        let store = fixture.keyspace(&format!("keyspace {number}"));
        store.put_with_ttl(b"number", &number.to_be_bytes(), ms(1000 + number)).unwrap();
    }
    fixture = fixture.reopen();
    assert_eq!(fixture.store.keyspace_names().unwrap().len(), 61);
    for number in 0..60_u64 {
        let store = fixture.keyspace(&format!("keyspace {number}"));
        assert_eq!(store.get(b"number").unwrap(), Some(number.to_be_bytes().to_vec()));
        assert_eq!(store.ttl(b"number").unwrap(), Some(ms(1000 + number)));
    }
}

#[test]
fn limits_of_keys_hold_in_every_operation_that_writes() {
    let fixture = Fixture::new();
    let longest = vec![b'k'; sledstore::MAX_KEY_LEN];
    let too_long = vec![b'k'; sledstore::MAX_KEY_LEN + 1];
    assert_eq!(sledstore::MAX_KEY_LEN, 4096);
    for store in [fixture.store.clone(), fixture.keyspace("named")] {
        store.put_with_ttl(&longest, b"1", ms(10)).unwrap();
        assert!(store.compare_and_swap(&longest, Some(b"1"), b"2").unwrap());
        assert_unsupported(store.put(&too_long, b"1"));
        assert_unsupported(store.put_with_ttl(&too_long, b"1", ms(10)));
        assert_unsupported(store.compare_and_swap(&too_long, None, b"1"));
        assert_unsupported(store.batch_write(&[(b"fine", b"1"), (&too_long, b"1")]));
        assert_unsupported(SledBatch::new().put(&too_long, b"1"));
        assert_unsupported(SledBatch::new().put_in(&store, &too_long, b"1"));
        assert_unsupported(SledBatch::new().put_with_ttl(&too_long, b"1", ms(1)));
        assert_eq!(store.count().unwrap(), 1, "all or nothing");
        // Reading it finds nothing, or refuses: it cannot be there.
        let found = store.get(&too_long);
        assert!(matches!(found, Ok(None) | Err(StoreError::Unsupported(_))), "{found:?}");
    }
}

/// A write through a raw tree would pass the expiries, the count and the pieces of large values.
#[test]
fn no_name_is_a_raw_tree_and_a_keyspace_of_an_open_store() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    assert_unsupported(store.open_tree("default"));
    let keyspace = fixture.keyspace("keyspace");
    keyspace.put_with_ttl(b"key", &vec![1; 500_000], ms(10)).unwrap();
    assert_unsupported(store.open_tree("keyspace"));
    drop(keyspace);
    assert_unsupported(store.open_tree("keyspace"));

    let tree = store.open_tree("raw").unwrap();
    tree.insert(b"a", b"1").unwrap();
    let again = store.open_tree("raw").unwrap();
    assert_eq!(again.get(b"a").unwrap().as_deref(), Some(&b"1"[..]), "another handle of it");
    for _ in 0..2 {
        let text = assert_unsupported(store.keyspace("raw").map(drop));
        assert!(text.contains("raw tree"), "{text}");
        assert_unsupported(store.drop_keyspace("raw"));
    }
    drop((tree, again));
    assert_unsupported(store.keyspace("raw").map(drop));

    // A keyspace that was dropped is none.
    assert!(store.drop_keyspace("keyspace").unwrap());
    drop(store.open_tree("keyspace").unwrap());
    assert_unsupported(store.keyspace("keyspace").map(drop));

    let fixture = fixture.reopen();
    assert_eq!(rows(&fixture.keyspace("raw")), [(b"a".to_vec(), b"1".to_vec())]);
    assert_eq!(rows(&fixture.keyspace("keyspace")), []);
    assert_unsupported(fixture.store.open_tree("raw"));
}
