//! How much a stretch of a keyspace holds, estimated from a bounded number of its rows.
//!
//! The stretch is cut in two, in the middle between its first and its last key taken as numbers, and
//! the parts again, until each is small or there are [`PARTS`]. A small part is measured. From each
//! larger one a descent starts: it cuts the part in two, chooses one half by chance, and takes the other
//! for as large, until what is left is small. The mean over all choices is the true size, whatever the
//! keys are (D. E. Knuth, Estimating the efficiency of backtrack programs, 1975). How far one answer is
//! off depends on how evenly the keys are spread.

use std::collections::VecDeque;

use crate::engine::{Bytes, Result};
use crate::store::read::iterator::{Iter, IterOptions};
use crate::store::read::snapshot::SledSnapshot;
use crate::store::SledStore;

/// So many parts are looked into.
const PARTS: usize = 128;
/// A part of up to so many rows is small.
const SMALL: usize = 16;
/// Of a small part, values are read up to so many bytes; the others are taken for as large.
const MOST_READ: usize = 64 << 10;

impl SledStore {
    /// Roughly how many bytes the keys and values have from `lo` up to, not including, `hi`; `None` is no
    /// limit. It is not what they take on the disk. Some ten thousand keys are looked at, hardly
    /// more where there are many more.
    ///
    /// Up to 100 rows it is exact if their values have no more than 4 KiB. Beyond that it is mostly
    /// within a tenth where keys are spread evenly, as numbers of one length, times and hashes are, and
    /// can be ten times too small or too large where a few small stretches have most of the keys. For the
    /// same rows it is always the same.
    ///
    /// # Errors
    ///
    /// As [`SledStore::count_range`].
    pub fn approximate_size(&self, lo: Option<&[u8]>, hi: Option<&[u8]>) -> Result<u64> {
        let snapshot = self.snapshot()?;
        let keys = snapshot.cursor(IterOptions::of_keys_between(lo, hi))?;
        Sampler { snapshot, keys, dice: 0x9e37_79b9_7f4a_7c15 }.size()
    }
}

struct Sampler {
    snapshot: SledSnapshot,
    keys: Iter,
    dice: u64,
}

/// The rows from one to another, both of which are there.
struct Part {
    first: Bytes,
    last: Bytes,
}

impl Sampler {
    fn size(mut self) -> Result<u64> {
        let (first, last) = (self.keys.first_row()?, self.keys.last_row()?);
        let (Some(first), Some(last)) = (first, last) else { return Ok(0) };
        let mut parts = VecDeque::from([Part { first: first.key, last: last.key }]);
        let mut bytes = 0.0;
        while parts.len() < PARTS {
            let Some(part) = parts.pop_front() else { break };
            match self.measure(&part)? {
                Some(measured) => bytes += measured,
                None => parts.extend(self.cut(part)?),
            }
        }
        for part in parts {
            bytes += self.descend(part)?;
        }
        Ok(bytes.round() as u64)
    }

    fn descend(&mut self, mut part: Part) -> Result<f64> {
        let mut weight = 1.0;
        loop {
            if let Some(measured) = self.measure(&part)? {
                return Ok(weight * measured);
            }
            let [left, right] = self.cut(part)?;
            part = if self.flip() { left } else { right };
            weight *= 2.0;
        }
    }

    /// The size of a part, if it is small.
    fn measure(&mut self, part: &Part) -> Result<Option<f64>> {
        let mut keys = Vec::with_capacity(SMALL);
        let mut row = self.keys.seek(&part.first)?;
        while let Some(found) = row.filter(|_| keys.len() < SMALL) {
            let is_last = found.key == part.last;
            keys.push(found.key);
            if is_last {
                return self.bytes_of(&keys).map(Some);
            }
            row = self.keys.next_row()?;
        }
        Ok(None)
    }

    fn bytes_of(&self, keys: &[Bytes]) -> Result<f64> {
        let (mut read, mut values) = (0, 0);
        for key in keys {
            if values > MOST_READ {
                break;
            }
            values += self.snapshot.get_pinned(key)?.map_or(0, |value| value.len());
            read += 1;
        }
        let of_keys: usize = keys.iter().map(|key| key.len()).sum();
        Ok(of_keys as f64 + values as f64 * keys.len() as f64 / f64::from(read))
    }

    /// Cuts a part of several rows in two; neither is empty.
    fn cut(&mut self, part: Part) -> Result<[Part; 2]> {
        let middle = middle(&part.first, &part.last);
        let right = self.keys.seek(&middle)?.map(|row| row.key);
        let left = self.keys.prev_row()?.map(|row| row.key);
        // There are such rows, as the moment does not change.
        let (left, right) = (left.unwrap_or_default(), right.unwrap_or_default());
        Ok([Part { first: part.first, last: left }, Part { first: right, last: part.last }])
    }

    fn flip(&mut self) -> bool {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        self.dice >> 63 == 0
    }
}

/// A key above `first` and not above `last`, in the middle between them if the eight bytes that follow
/// what they have in common are taken as numbers.
fn middle(first: &[u8], last: &[u8]) -> Vec<u8> {
    let common = first.iter().zip(last).take_while(|(first, last)| first == last).count();
    let number = |key: &[u8]| {
        let mut bytes = [0; 8];
        let count = (key.len() - common).min(8);
        bytes[..count].copy_from_slice(&key[common..common + count]);
        u64::from_be_bytes(bytes)
    };
    let (low, high) = (number(first), number(last));
    if low == high {
        // They differ in nothing but zeros at the end.
        return last.to_vec();
    }
    let middle = (low + (high - low).div_ceil(2)).to_be_bytes();
    // A shorter key is as high a number, and stands before the one with zeros.
    let zeros = middle.iter().rev().take_while(|byte| **byte == 0).count();
    [&last[..common], &middle[..8 - zeros]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers without an order, the same in every run.
    fn scattered(number: u64) -> u64 {
        (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29).wrapping_mul(0xbf58_476d)
    }

    fn store_of(keys: impl Iterator<Item = Vec<u8>>, value: &[u8]) -> (SledStore, u64) {
        let store = SledStore::open_temporary().unwrap();
        let keys: std::collections::BTreeSet<Vec<u8>> = keys.collect();
        let pairs: Vec<(&[u8], &[u8])> = keys.iter().map(|key| (&key[..], value)).collect();
        store.batch_write(&pairs).unwrap();
        (store, keys.iter().map(|key| (key.len() + value.len()) as u64).sum())
    }

    /// How many times the true size the estimate is.
    fn ratio(keys: impl Iterator<Item = Vec<u8>>) -> f64 {
        let (store, size) = store_of(keys, &[7; 50]);
        store.approximate_size(None, None).unwrap() as f64 / size as f64
    }

    #[test]
    fn the_middle_parts_what_is_between_two_keys() {
        let keys: [&[u8]; 12] = [
            b"",
            b"\0",
            b"\0\0",
            b"\0\0\0\0\0\0\0\0\0",
            b"\0\0\0\0\0\0\0\0\x01",
            b"\x01",
            b"a",
            b"a\0",
            b"aa",
            b"b",
            b"\xff",
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        ];
        for (at, first) in keys.iter().enumerate() {
            for last in &keys[at + 1..] {
                let middle = middle(first, last);
                assert!(
                    **first < middle[..] && middle[..] <= **last,
                    "{first:?} {last:?} {middle:?}"
                );
            }
        }
        assert_eq!(middle(b"x\x00", b"x\x10"), b"x\x08");
    }

    #[test]
    fn the_size_of_few_rows_is_exact_and_has_the_ends_of_a_range() {
        let (store, size) = store_of((0..100_u32).map(|key| key.to_be_bytes().to_vec()), b"value");
        assert_eq!(store.approximate_size(None, None).unwrap(), size);
        let key = |number: u32| number.to_be_bytes();
        let size = |lo, hi| store.approximate_size(Some(&key(lo)), Some(&key(hi))).unwrap();
        assert_eq!(size(10, 20), 10 * 9);
        assert_eq!(size(20, 20), 0);
        assert_eq!(size(20, 10), 0);
        assert_eq!(size(99, 1_000), 9);
        store.delete(&key(15)).unwrap();
        store.put_with_ttl(&key(16), b"over", std::time::Duration::ZERO).unwrap();
        assert_eq!(size(10, 20), 8 * 9);
        assert_eq!(store.keyspace("empty").unwrap().approximate_size(None, None).unwrap(), 0);
    }

    #[test]
    fn the_size_of_evenly_spread_rows_is_near() {
        let rows = || 0..50_000_u64;
        let found =
            [
                ratio(rows().map(|key| key.to_be_bytes().to_vec())),
                ratio(rows().map(|key| scattered(key).to_be_bytes().to_vec())),
                ratio(rows().map(|key| format!("user:{key:08}").into_bytes())),
                ratio(rows().map(|key| {
                    format!("a long prefix of them all {}", scattered(key)).into_bytes()
                })),
            ];
        assert!(found.iter().all(|ratio| (0.9..1.1).contains(ratio)), "{found:?}");
    }

    #[test]
    fn the_size_of_rows_in_clumps_is_not_lost() {
        let clump = |key: u64| (scattered(key / 500) << 20) | (key % 500);
        let found = [
            ratio((0..50_000).map(|key| clump(key).to_be_bytes().to_vec())),
            ratio((0..50_000).map(|key| format!("{:b}", scattered(key) % 100_000).into_bytes())),
        ];
        assert!(found.iter().all(|ratio| (0.2..5.0).contains(ratio)), "{found:?}");
    }

    #[test]
    fn large_values_are_not_all_read() {
        let (store, size) =
            store_of((0..600_u32).map(|key| key.to_be_bytes().to_vec()), &[1; 100_000]);
        let found = store.approximate_size(None, None).unwrap() as f64 / size as f64;
        assert!((0.9..1.1).contains(&found), "{found}");
    }

    #[test]
    fn the_cost_does_not_grow_with_the_rows() {
        let looks = |rows: u64| {
            let (store, _) =
                store_of((0..rows).map(|key| scattered(key).to_be_bytes().to_vec()), b"");
            let snapshot = store.snapshot().unwrap();
            let keys = snapshot.cursor(IterOptions::of_keys()).unwrap();
            let mut sampler = Sampler { snapshot, keys, dice: 1 };
            let (first, last) =
                (sampler.keys.first_row().unwrap(), sampler.keys.last_row().unwrap());
            let (mut part, mut cuts) =
                (Part { first: first.unwrap().key, last: last.unwrap().key }, 0);
            while sampler.measure(&part).unwrap().is_none() {
                let [left, right] = sampler.cut(part).unwrap();
                part = if sampler.flip() { left } else { right };
                cuts += 1;
            }
            cuts
        };
        // Sixty-four times as many rows are six more cuts.
        let (few, many) = (looks(1_000), looks(64_000));
        assert!(many <= few + 10, "{few} and {many}");
    }
}
