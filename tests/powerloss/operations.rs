//! What the operations of the workloads change.

use std::time::Duration;

use super::workloads::{Action, Change, KEYSPACES};
use crate::common::random::Random;

/// More keys than a memtable takes, here and below: else a row of overwrites fills none.
pub fn put(index: u64, random: &mut Random) -> Vec<Change> {
    let key = random.below(200);
    vec![change(0, key, random.chance(1, 8), || value(index, key, 20 + index % 700))]
}

pub fn batch(index: u64, random: &mut Random) -> Vec<Change> {
    let first = random.below(200);
    let length = 2 + random.below(30);
    (first..first + length)
        .map(|key| change(0, key, random.chance(1, 6), || value(index, key, 10 + key * 3)))
        .collect()
}

/// A value that expires, one that does not, or no value: each may follow on each.
pub fn expiring_put(index: u64, random: &mut Random) -> Vec<Change> {
    let key = random.below(300);
    let mut change = change(0, key, random.chance(1, 6), || value(index, key, 30 + index % 300));
    // A duration that no other operation has, so that it tells whose it is.
    expire(&mut change, random.chance(1, 2).then_some(1_000_000 + index));
    vec![change]
}

/// What comes to deleting these keys at once: with all of them to what a drop of the keyspace comes to for
/// [`batch_over_keyspaces`].
pub fn erase(keyspace: usize, keys: std::ops::Range<u64>) -> Vec<Change> {
    keys.map(|key| change(keyspace, key, true, Vec::new)).collect()
}

/// It has fewer keys.
pub const MOST_KEYS: u64 = 60;

pub fn batch_over_keyspaces(index: u64, random: &mut Random) -> Vec<Change> {
    let key = random.below(50);
    let mut changes = Vec::new();
    for keyspace in 0..KEYSPACES.len() {
        for key in key..key + 1 + random.below(4) {
            let removed = random.chance(1, 8);
            let mut change = change(keyspace, key, removed, || value(index, key, 40 + key));
            expire(&mut change, random.chance(1, 3).then_some(1_000_000 + index));
            changes.push(change);
        }
    }
    changes
}

/// Each way to write in turn, and now and then so many changes at once that they fill a memtable.
pub fn anything(index: u64, random: &mut Random) -> Vec<Change> {
    match index % 5 {
        _ if index % 40 == 32 => huge_batch(index, random),
        0 => put(index, random),
        1 => expiring_put(index, random),
        2 => vec![change(1, random.below(60), true, Vec::new)],
        _ => batch_over_two(index, random),
    }
}

/// Puts and deletes in both keyspaces, some of which expire.
fn batch_over_two(index: u64, random: &mut Random) -> Vec<Change> {
    let mut changes = batch_over_keyspaces(index, random);
    changes.retain(|change| change.keyspace < 2);
    changes
}

pub fn large_put(index: u64, random: &mut Random) -> Vec<Change> {
    let key = random.below(5);
    let length = [20 << 10, 200 << 10, 2 << 20, 100][random.index(4)];
    let removed = random.chance(1, 8);
    let mut change = change(0, key, removed, || value(index, key, length + index));
    expire(&mut change, random.chance(1, 3).then_some(1_000_000 + index));
    vec![change]
}

pub fn put_in_pieces(index: u64, random: &mut Random) -> Vec<Change> {
    let (key, length) = (random.below(12), 1000 + random.below(20_000));
    vec![change(0, key, random.chance(1, 10), || value(index, key, length))]
}

pub fn large_batch(index: u64, random: &mut Random) -> Vec<Change> {
    let key = random.below(6);
    (0..3)
        .map(|keyspace| {
            let length = [20 << 10, 200 << 10, 500][random.index(3)];
            change(keyspace, key, random.chance(1, 8), || value(index, key, length + index))
        })
        .collect()
}

/// So many changes that one record is larger than a log file is otherwise, and that the checkpoint
/// settles them in many steps: most of them overwrite what the batch before has written, some go over
/// to another keyspace, some values are in pieces.
pub fn huge_batch(index: u64, random: &mut Random) -> Vec<Change> {
    let keys = 1050 + random.below(100);
    (0..keys)
        .map(|key| {
            let removed = random.chance(1, 6);
            let length = if random.chance(1, 100) { 2000 } else { 30 };
            let keyspace = usize::from(key % 7 == 0);
            let mut change = change(keyspace, key, removed, || value(index, key, length));
            expire(&mut change, random.chance(1, 4).then_some(1_000_000 + index));
            change
        })
        .collect()
}

pub fn overwrite(index: u64, random: &mut Random) -> Vec<Change> {
    let (key, length) = (random.below(200), 50 + random.below(450));
    vec![change(0, key, random.chance(1, 20), || value(index, key, length))]
}

pub fn overwrite_larger(index: u64, random: &mut Random) -> Vec<Change> {
    let (key, length) = (random.below(48), 500 + random.below(1500));
    vec![change(0, key, random.chance(1, 20), || value(index, key, length))]
}

fn change(keyspace: usize, key: u64, removed: bool, value: impl FnOnce() -> Vec<u8>) -> Change {
    let action = match removed {
        true => Action::Delete,
        false => Action::Put { value: value(), ttl: None },
    };
    Change { keyspace, key: format!("key {key:04}").into_bytes(), action }
}

fn expire(change: &mut Change, after: Option<u64>) {
    if let Action::Put { ttl, .. } = &mut change.action {
        *ttl = after.map(Duration::from_millis);
    }
}

/// Bytes that no other operation writes to this key.
fn value(index: u64, key: u64, length: u64) -> Vec<u8> {
    let mut random = Random::new(index << 20 ^ key);
    let words = std::iter::repeat_with(|| random.next().to_le_bytes());
    words.flatten().take(length as usize).collect()
}
