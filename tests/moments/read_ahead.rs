//! Iterators read ahead in portions of up to 64 rows. Here everything changes under them, in stretches that
//! are longer than a portion, and they still show their moment.

use std::collections::BTreeMap;
use std::time::Duration;

use sledstore::{Clock, Iter, SledStore, SledStoreBuilder, StoreError};

use crate::common::random::Random;

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

const START: u64 = 1_000_000;

fn key(number: u64) -> Vec<u8> {
    format!("key {number:05}").into_bytes()
}

/// A store, and its rows: every third key up to 2,000, some with a life that ends and some too large for
/// one page.
fn filled(clock: &Clock) -> (SledStore, Rows) {
    let store = SledStoreBuilder::new().clock(clock.clone()).build_temporary().unwrap();
    let mut rows = Rows::new();
    for number in (0..2_000).step_by(3) {
        let length = if number % 213 == 0 { 70_000 } else { 30 };
        let value = vec![number as u8; length];
        match number % 5 {
            0 => store.put_with_ttl(&key(number), &value, Duration::from_millis(10)).unwrap(),
            _ => store.put(&key(number), &value).unwrap(),
        }
        rows.insert(key(number), value);
    }
    (store, rows)
}

/// Removes a long stretch, adds another one, overwrites and lets expire what is between.
fn change_everything(store: &SledStore, clock: &Clock) {
    for number in 300..900 {
        store.delete(&key(number)).unwrap();
    }
    for number in 900..1_500 {
        store.put(&key(number), b"new").unwrap();
    }
    for number in 1_500..2_100 {
        store.put_with_ttl(&key(number), b"later", Duration::from_millis(50)).unwrap();
    }
    clock.advance(Duration::from_millis(20));
    store.purge_expired().unwrap();
}

/// Walks at random, turning round now and then and jumping, beside the map.
fn walk(iter: &mut Iter, rows: &Rows, random: &mut Random) {
    let keys: Vec<&Vec<u8>> = rows.keys().collect();
    // The row that it stands on: one more than the index, so that both ends have a place.
    let mut place = 0_usize;
    let last = keys.len() + 1;
    for turn in 0..40 {
        let shown = match turn % 4 {
            0 => {
                let target = key(random.below(2_200));
                let up = random.chance(1, 2);
                place = match up {
                    true => keys.partition_point(|key| **key < target) + 1,
                    false => keys.partition_point(|key| **key <= target),
                };
                if up { iter.seek(&target) } else { iter.seek_for_prev(&target) }.unwrap()
            }
            direction => {
                let mut shown = None;
                for _ in 0..1 + random.below(200) {
                    let up = direction % 2 == 1;
                    place = if up { (place + 1).min(last) } else { place.saturating_sub(1) };
                    shown = if up { iter.next_row() } else { iter.prev_row() }.unwrap();
                }
                shown
            }
        };
        let wanted = (1..last).contains(&place).then(|| keys[place - 1]);
        assert_eq!(shown.as_ref().map(|row| &row.key[..]), wanted.map(|key| &key[..]));
        assert_eq!(
            shown.map(|row| row.value.to_vec()).as_ref(),
            wanted.and_then(|key| rows.get(key))
        );
    }
}

#[test]
fn an_iterator_shows_its_moment_however_much_changes_between_its_moves() {
    let clock = Clock::manual(START);
    let (store, rows) = filled(&clock);
    let mut random = Random::new(7);
    let snapshot = store.snapshot().unwrap();
    let mut early = store.iter().unwrap();
    for _ in 0..100 {
        early.next_row().unwrap();
    }
    change_everything(&store, &clock);
    for mut iter in [early, snapshot.iter().unwrap()] {
        iter.first_row().unwrap();
        iter.prev_row().unwrap();
        walk(&mut iter, &rows, &mut random);
    }
    let collect = |rows: Iter| rows.map(|row| row.unwrap()).collect::<Vec<_>>();
    let up: Vec<_> = rows.clone().into_iter().collect();
    assert_eq!(collect(snapshot.iter().unwrap()), up);
    let down: Vec<_> = up.into_iter().rev().collect();
    assert_eq!(collect(snapshot.range_rev(b"", b"l").unwrap()), down);
}

#[test]
fn a_transactions_iterator_shows_what_it_writes_while_it_reads_ahead() {
    let clock = Clock::manual(START);
    let (store, mut rows) = filled(&clock);
    let transaction = store.transaction().unwrap();
    let mut iter = transaction.iter().unwrap();
    // By now it has read some sixty rows ahead.
    for _ in 0..100 {
        iter.next_row().unwrap();
    }
    change_everything(&store, &clock);
    for number in (250..1_800).step_by(7) {
        match number % 2 {
            0 => {
                transaction.put(&key(number), b"own").unwrap();
                rows.insert(key(number), b"own".to_vec());
            }
            _ => {
                transaction.delete(&key(number)).unwrap();
                rows.remove(&key(number));
            }
        }
    }
    let place = key(300);
    let rest: Vec<_> = std::iter::from_fn(|| iter.next_row().unwrap())
        .map(|row| (row.key.to_vec(), row.value.to_vec()))
        .filter(|(key, _)| *key > place)
        .collect();
    let wanted: Vec<_> = rows.clone().into_iter().filter(|(key, _)| *key > place).collect();
    assert_eq!(rest, wanted);
    iter.first_row().unwrap();
    iter.prev_row().unwrap();
    walk(&mut iter, &rows, &mut Random::new(8));
    drop(iter);
    assert!(matches!(transaction.commit(), Err(StoreError::TxnConflict)));
}

#[test]
fn what_was_read_ahead_is_not_shown_when_the_moment_has_ended_or_the_keyspace_is_gone() {
    let store = SledStoreBuilder::new().snapshot_memory(10_000).build_temporary().unwrap();
    let other = store.keyspace("other").unwrap();
    for keyspace in [&store, &other] {
        for number in 0..500 {
            keyspace.put(&key(number), &[1; 100]).unwrap();
        }
    }
    let (mut ended, mut dropped) = (store.iter().unwrap(), other.iter().unwrap());
    for _ in 0..100 {
        ended.next_row().unwrap();
        dropped.next_row().unwrap();
    }
    assert!(store.drop_keyspace("other").unwrap());
    assert!(dropped.next_row().is_err());
    drop(dropped);
    for number in 0..500 {
        store.put(&key(number), &[2; 100]).unwrap();
    }
    assert!(matches!(ended.next_row(), Err(StoreError::CapacityExceeded)));
}
