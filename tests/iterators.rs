//! Iterators: directions, bounds, prefixes, writers in between; and the sizes of keys and values.

mod common;

use std::ops::Bound;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use common::random::Random;
use common::{assert_unsupported, ms, rows, scratch, Fixture, Over};
use sledstore::{Iter, IterOptions, SledStore};

fn keys_of(iterator: Iter) -> Vec<Vec<u8>> {
    iterator.map(|row| row.expect("a row").0).collect()
}

/// A store with these keys, each of which is its own value.
fn store_of(keys: &[&[u8]]) -> Fixture {
    let fixture = Fixture::new();
    for key in keys {
        fixture.store.put(key, key).unwrap();
    }
    fixture
}

fn owned(keys: &[&[u8]]) -> Vec<Vec<u8>> {
    keys.iter().map(|key| key.to_vec()).collect()
}

fn options(lower: Bound<&[u8]>, upper: Bound<&[u8]>, prefix: &[u8]) -> IterOptions {
    IterOptions {
        lower: lower.map(<[u8]>::to_vec),
        upper: upper.map(<[u8]>::to_vec),
        prefix: prefix.to_vec(),
        ..IterOptions::default()
    }
}

#[test]
fn rows_come_in_the_order_of_unsigned_bytes() {
    let sorted: [&[u8]; 9] =
        [b"", b"\x00", b"\x00\x00", b"\x01", b"a", b"a\x00", b"ab", b"\x80", b"\xff"];
    let mut mixed = sorted;
    mixed.reverse();
    mixed.swap(1, 5);
    let fixture = store_of(&mixed);
    assert_eq!(keys_of(fixture.store.iter().unwrap()), owned(&sorted));
    let mut backwards = keys_of(fixture.store.range_rev(b"", b"\xff\xff").unwrap());
    backwards.reverse();
    assert_eq!(backwards, owned(&sorted));
    let keys: Vec<_> = fixture.store.keys().unwrap().map(Result::unwrap).collect();
    assert_eq!(keys, owned(&sorted));
}

#[test]
fn a_range_has_its_lower_bound_and_not_its_upper_one() {
    let fixture = store_of(&[b"a", b"b", b"c", b"d"]);
    let range = |lo: &[u8], hi: &[u8]| {
        let up = keys_of(fixture.store.range(lo, hi).unwrap());
        let mut down = keys_of(fixture.store.range_rev(lo, hi).unwrap());
        down.reverse();
        assert_eq!(up, down, "range and range_rev from {lo:?} to {hi:?}");
        up
    };
    assert_eq!(range(b"b", b"d"), owned(&[b"b", b"c"]));
    assert_eq!(range(b"", b"b"), owned(&[b"a"]));
    assert_eq!(range(b"bb", b"cc"), owned(&[b"c"]));
    assert_eq!(range(b"c", b"\xff"), owned(&[b"c", b"d"]));
    assert_eq!(range(b"b", b"b"), owned(&[]), "equal bounds");
    assert_eq!(range(b"d", b"a"), owned(&[]), "bounds the wrong way round");
    assert_eq!(range(b"", b""), owned(&[]), "empty bounds");
    assert_eq!(range(b"a", b""), owned(&[]), "an empty upper bound is below everything");
}

#[test]
fn bounds_of_a_cursor_include_exclude_or_do_not_bind() {
    let fixture = store_of(&[b"", b"a", b"b", b"c"]);
    let between = |lower: Bound<&[u8]>, upper: Bound<&[u8]>| {
        keys_of(fixture.store.cursor(options(lower, upper, b"")).unwrap())
    };
    use Bound::{Excluded, Included, Unbounded};
    assert_eq!(between(Unbounded, Unbounded), owned(&[b"", b"a", b"b", b"c"]));
    assert_eq!(between(Included(b"a"), Included(b"b")), owned(&[b"a", b"b"]));
    assert_eq!(between(Excluded(b"a"), Excluded(b"c")), owned(&[b"b"]));
    assert_eq!(between(Excluded(b""), Unbounded), owned(&[b"a", b"b", b"c"]));
    assert_eq!(between(Unbounded, Included(b"")), owned(&[b""]));
    assert_eq!(between(Unbounded, Excluded(b"")), owned(&[]));
    assert_eq!(between(Included(b"b"), Included(b"b")), owned(&[b"b"]));
    assert_eq!(between(Excluded(b"b"), Included(b"b")), owned(&[]));
    assert_eq!(between(Excluded(b"b"), Excluded(b"b")), owned(&[]));
    assert_eq!(between(Included(b"c"), Included(b"a")), owned(&[]));
}

#[test]
fn prefixes_find_their_keys_also_when_they_end_in_ff_bytes() {
    let keys: [&[u8]; 9] =
        [b"", b"a", b"a\xfe", b"a\xff", b"a\xff\x00", b"a\xff\xff\xff", b"b", b"\xff", b"\xff\xff"];
    let fixture = store_of(&keys);
    let scan = |prefix: &[u8]| {
        let found = keys_of(fixture.store.prefix_scan(prefix).unwrap());
        let cursor = options(Bound::Unbounded, Bound::Unbounded, prefix);
        let mut down = IterOptions { reverse: true, ..cursor.clone() };
        down.keys_only = true;
        let mut reversed = keys_of(fixture.store.cursor(down).unwrap());
        reversed.reverse();
        assert_eq!(found, reversed, "up and down for {prefix:02x?}");
        assert_eq!(found, keys_of(fixture.store.cursor(cursor).unwrap()));
        found
    };
    assert_eq!(scan(b""), owned(&keys));
    assert_eq!(scan(b"a"), owned(&keys[1..6]));
    assert_eq!(scan(b"a\xff"), owned(&keys[3..6]));
    assert_eq!(scan(b"a\xff\xff"), owned(&keys[5..6]));
    assert_eq!(scan(b"\xff"), owned(&keys[7..]));
    assert_eq!(scan(b"\xff\xff"), owned(&keys[8..]));
    assert_eq!(scan(b"\xff\xff\xff"), owned(&[]));
    assert_eq!(scan(b"c"), owned(&[]));
}

#[test]
fn a_prefix_and_bounds_intersect() {
    let fixture = store_of(&[b"a", b"b", b"ba", b"bb", b"bc", b"c"]);
    use Bound::{Excluded, Included, Unbounded};
    let found = |lower: Bound<&[u8]>, upper: Bound<&[u8]>, prefix: &[u8]| {
        keys_of(fixture.store.cursor(options(lower, upper, prefix)).unwrap())
    };
    assert_eq!(found(Included(b"ba"), Excluded(b"bc"), b"b"), owned(&[b"ba", b"bb"]));
    assert_eq!(found(Included(b"a"), Included(b"z"), b"b"), owned(&[b"b", b"ba", b"bb", b"bc"]));
    assert_eq!(found(Excluded(b"b"), Unbounded, b"b"), owned(&[b"ba", b"bb", b"bc"]));
    assert_eq!(found(Included(b"c"), Unbounded, b"b"), owned(&[]));
    assert_eq!(found(Unbounded, Included(b"a"), b"b"), owned(&[]));
    assert_eq!(found(Unbounded, Included(b"c"), b"b"), owned(&[b"b", b"ba", b"bb", b"bc"]));
}

#[test]
fn jumps_stay_within_the_bounds() {
    let fixture = store_of(&[b"a", b"b", b"c", b"d"]);
    let within = options(Bound::Included(b"b"), Bound::Excluded(b"d"), b"");
    let mut cursor = fixture.store.cursor(within).unwrap();
    let key = |row: Option<sledstore::Row>| row.map(|row| row.key.to_vec());
    assert_eq!(key(cursor.first_row().unwrap()), Some(b"b".to_vec()));
    assert_eq!(key(cursor.prev_row().unwrap()), None);
    assert_eq!(key(cursor.last_row().unwrap()), Some(b"c".to_vec()));
    assert_eq!(key(cursor.next_row().unwrap()), None);
    assert_eq!(key(cursor.seek(b"a").unwrap()), Some(b"b".to_vec()));
    assert_eq!(key(cursor.seek(b"cc").unwrap()), None);
    assert_eq!(key(cursor.prev_row().unwrap()), Some(b"c".to_vec()));
    assert_eq!(key(cursor.seek_for_prev(b"z").unwrap()), Some(b"c".to_vec()));
    assert_eq!(key(cursor.seek_for_prev(b"aa").unwrap()), None);
    assert_eq!(key(cursor.next_row().unwrap()), Some(b"b".to_vec()));
}

#[test]
fn a_cursor_turns_round_at_both_ends_and_in_between() {
    let fixture = store_of(&[b"a", b"b", b"c"]);
    let mut cursor = fixture.store.cursor(IterOptions::default()).unwrap();
    let mut walk = |step: char| {
        let row = if step == '+' { cursor.next_row() } else { cursor.prev_row() }.unwrap();
        row.map_or('.', |row| char::from(row.key[0]))
    };
    let steps = "+++++--+---++-+++-";
    let shown: String = steps.chars().map(&mut walk).collect();
    assert_eq!(shown, "abc..cbcba.ababc.c", "after {steps}");
    let mut fresh = fixture.store.cursor(IterOptions::default()).unwrap();
    assert_eq!(
        &fresh.prev_row().unwrap().unwrap().key[..],
        b"c",
        "fresh, it stands after the last"
    );
}

#[test]
fn an_empty_keyspace_has_no_row_in_any_direction() {
    let fixture = Fixture::new();
    let mut cursor = fixture.store.cursor(IterOptions::default()).unwrap();
    assert!(cursor.first_row().unwrap().is_none());
    assert!(cursor.last_row().unwrap().is_none());
    assert!(cursor.next_row().unwrap().is_none());
    assert!(cursor.prev_row().unwrap().is_none());
    assert!(cursor.seek(b"").unwrap().is_none());
    assert!(cursor.seek_for_prev(b"\xff").unwrap().is_none());
    assert!(cursor.next().is_none());
    assert_eq!(rows(&fixture.store), []);
}

#[test]
fn keys_only_leaves_the_values_out() {
    let fixture = store_of(&[b"a", b"b"]);
    let keys_only = IterOptions { keys_only: true, ..IterOptions::default() };
    let mut cursor = fixture.store.cursor(keys_only).unwrap();
    for key in [b"a", b"b"] {
        let row = cursor.next_row().unwrap().unwrap();
        assert_eq!((&row.key[..], row.value.len()), (&key[..], 0));
    }
    assert_eq!(cursor.first_row().unwrap().unwrap().value.len(), 0);
}

/// Rows are shared with the engine, and stay when the iterator and the row itself are gone.
#[test]
fn rows_outlive_their_iterator_and_their_keys() {
    let fixture = store_of(&[b"a row whose key is longer than what the engine keeps inline"]);
    let mut cursor = fixture.store.cursor(IterOptions::default()).unwrap();
    let row = cursor.next_row().unwrap().unwrap();
    let copy = row.clone();
    drop(cursor);
    fixture.store.delete(&row.key).unwrap();
    assert_eq!(fixture.store.count().unwrap(), 0);
    fixture.store.close().unwrap();
    assert_eq!(row, copy);
    assert!(row.key.starts_with(b"a row") && row.value == row.key);
}

/// An iterator can be sent to another thread and outlive the handle that it came from.
#[test]
fn an_iterator_belongs_to_nobody() {
    let fixture = store_of(&[b"a", b"b"]);
    let iterator = fixture.store.iter().unwrap();
    let Fixture { store, directory, .. } = fixture;
    drop(store);
    let keys = thread::spawn(move || keys_of(iterator)).join().unwrap();
    assert_eq!(keys, owned(&[b"a", b"b"]));
    drop(directory);
}

#[test]
fn an_iterator_leaves_the_rows_that_it_deletes_behind_and_goes_on() {
    let fixture = Fixture::new();
    for number in 0..500_u64 {
        fixture.store.put(&number.to_be_bytes(), b"value").unwrap();
    }
    let mut seen = 0_u64;
    for row in fixture.store.iter().unwrap() {
        let (key, _) = row.unwrap();
        assert_eq!(key, seen.to_be_bytes());
        fixture.store.delete(&key).unwrap();
        seen += 1;
    }
    assert_eq!((seen, fixture.store.count().unwrap()), (500, 0));
}

const STEADY: u64 = 2_000;

/// Even numbers are there all the time, in every third case with an expiry; odd ones come and go.
fn key(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}

fn stir(store: &SledStore, over: &AtomicBool, seed: u64, writes: &AtomicU64) {
    let mut random = Random::new(seed);
    while !over.load(Ordering::SeqCst) {
        let number = random.below(STEADY);
        let length = *random.pick(&[0, 10, 200, 2000]);
        let value = vec![number as u8; length];
        match random.below(5) {
            0 => store.put(&key(2 * number + 1), &value).unwrap(),
            1 => store.delete(&key(2 * number + 1)).unwrap(),
            2 => store.put_with_ttl(&key(2 * number + 1), &value, ms(1000)).unwrap(),
            // The steady rows are written again too, which must not make them vanish.
            3 => store.put(&key(2 * number), &value).unwrap(),
            _ => store.put_with_ttl(&key(2 * number), &value, ms(1_000_000)).unwrap(),
        }
        writes.fetch_add(1, Ordering::SeqCst);
    }
}

/// The steady rows among `shown`, which must be in the order of the scan and each once.
fn check_scan(shown: &[Vec<u8>], what: &str) {
    assert!(shown.windows(2).all(|pair| pair[0] < pair[1]), "{what}: order, or twice");
    let steady: Vec<_> =
        shown.iter().filter(|key| key[7] % 2 == 0).map(|key| key.to_vec()).collect();
    let expected: Vec<_> = (0..STEADY).map(|number| key(2 * number).to_vec()).collect();
    assert_eq!(steady.len(), expected.len(), "{what}: how many steady rows");
    assert_eq!(steady, expected, "{what}");
}

#[test]
fn rows_that_stay_are_shown_exactly_once_while_writers_stir_the_others() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    for number in 0..STEADY {
        store.put(&key(2 * number), b"steady").unwrap();
    }
    let over = AtomicBool::new(false);
    let writes = AtomicU64::new(0);
    thread::scope(|scope| {
        for seed in 0..4 {
            let (over, writes) = (&over, &writes);
            scope.spawn(move || stir(store, over, seed, writes));
        }
        let _over = Over(&over);
        let mut scans = 0;
        // Scans until the writers have done a good deal of work in between.
        while scans < 6 || writes.load(Ordering::SeqCst) < 10_000 {
            check_scan(&keys_of(store.iter().unwrap()), "up");
            let mut down = keys_of(store.range_rev(b"", &[255; 9]).unwrap());
            down.reverse();
            check_scan(&down, "down");
            let mut cursor = store.cursor(IterOptions::default()).unwrap();
            let mut jumping = Vec::new();
            let mut row = cursor.seek(b"").unwrap();
            while let Some(shown) = row {
                jumping.push(shown.key.to_vec());
                // Turning round and back again loses no row.
                cursor.prev_row().unwrap();
                row = cursor.seek(&[&shown.key[..], &[0]].concat()).unwrap();
            }
            check_scan(&jumping, "jumping");
            scans += 1;
        }
    });
}

#[test]
fn a_key_of_the_longest_length_is_fine_and_a_longer_one_unsupported() {
    let fixture = Fixture::new();
    let longest: Vec<_> = (0..50_u8).map(|last| [vec![b'k'; 4095], vec![last]].concat()).collect();
    for key in &longest {
        fixture.store.put(key, key).unwrap();
    }
    let message = assert_unsupported(fixture.store.put(&[b'k'; 4097], b"value"));
    assert!(message.contains("4097") && message.contains("4096"), "{message}");
    let fixture = fixture.reopen();
    assert_eq!(keys_of(fixture.store.iter().unwrap()), longest);
    assert_eq!(keys_of(fixture.store.prefix_scan(&[b'k'; 4095]).unwrap()), longest);
    // Bounds, prefixes and places may be longer than any key.
    assert_eq!(keys_of(fixture.store.prefix_scan(&[b'k'; 5000]).unwrap()), owned(&[]));
    assert_eq!(keys_of(fixture.store.range(b"", &[b'l'; 5000]).unwrap()), longest);
    let mut cursor = fixture.store.cursor(IterOptions::default()).unwrap();
    assert!(cursor.seek(&[0; 5000]).unwrap().is_some());
}

#[test]
fn the_empty_key_and_the_empty_value_are_a_key_and_a_value() {
    let fixture = Fixture::new();
    for store in [fixture.store.clone(), fixture.keyspace("named")] {
        assert_eq!(store.get(b"").unwrap(), None);
        store.put_with_ttl(b"", b"", ms(10)).unwrap();
        assert_eq!(store.get(b"").unwrap(), Some(vec![]));
        assert_eq!(store.ttl(b"").unwrap(), Some(ms(10)));
        assert!(store.compare_and_swap(b"", Some(b""), b"1").unwrap());
        assert!(!store.compare_and_swap(b"", None, b"2").unwrap());
        store.put(b"", b"").unwrap();
    }
    let fixture = fixture.reopen();
    for store in [fixture.store.clone(), fixture.keyspace("named")] {
        assert_eq!(rows(&store), [(vec![], vec![])]);
        assert!(store.contains(b"").unwrap());
        store.delete(b"").unwrap();
        assert_eq!(store.count().unwrap(), 0);
    }
}

#[test]
fn large_values_come_back_as_they_were() {
    let directory = scratch();
    let value = |seed: u8, length: usize| -> Vec<u8> {
        let mut random = Random::new(u64::from(seed));
        (0..length).map(|_| random.next() as u8).collect()
    };
    let lengths = [0, 1, 22, 23, 4096, 100_000, 131_052, 131_053, 600_000, 2 << 20];
    let store = SledStore::open(directory.path()).unwrap();
    for (seed, length) in (0_u8..).zip(lengths) {
        store.put(&[seed], &value(seed, length)).unwrap();
        store.put_with_ttl(&[100 + seed], &value(seed, length), ms(1_000_000)).unwrap();
    }
    store.close().unwrap();
    let store = SledStore::open(directory.path()).unwrap();
    for (seed, length) in (0_u8..).zip(lengths) {
        let expected = value(seed, length);
        assert!(store.get(&[seed]).unwrap() == Some(expected.clone()), "{length} bytes");
        let (found, ttl) = store.get_with_ttl(&[100 + seed]).unwrap().unwrap();
        assert!(found[..] == expected[..] && ttl.is_some(), "{length} bytes with an expiry");
    }
    assert_eq!(store.count().unwrap(), 2 * lengths.len() as u64);
}
