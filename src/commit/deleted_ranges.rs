//! Ranges of keys that commits have deleted as a whole.
//!
//! The record of such a commit and its memtable have the range and not its keys, so it takes the same
//! time however many these are. A version that is older than the newest deletion of a range around
//! its key is as good as a tombstone, and so is the settled row of such a key. The checkpoint of the
//! memtable removes the settled rows.
//!
//! Where a commit has a deletion of a range and versions of keys in it, the versions are those that come
//! after it: `Memtable::insert` makes tombstones of those that came before.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::PoisonError;

use super::memtable::{Chain, Memtable, OVERHEAD};
use super::record::{KeyspaceId, RowImage};
use super::sync::{Ordering, RwLockReadGuard};
use super::{Key, KeyRange};
use crate::engine::is_empty_range;

/// A range of keys: from the first one up to, not including, the second one, or to the end.
pub(crate) type Stretch = (Key, Option<Key>);

/// The deleted ranges of one keyspace in one memtable, cut into parts that do not overlap, by where
/// they begin.
#[derive(Debug, Default)]
pub(super) struct DeletedRanges(BTreeMap<Key, Part>);

#[derive(Debug, Clone)]
struct Part {
    /// Where it ends, which is not a part of it; `None` is behind all keys.
    upper: Option<Key>,
    /// The commits that have deleted it, the oldest first.
    commits: Vec<u64>,
}

impl Part {
    fn ends_after(&self, key: &[u8]) -> bool {
        self.upper.as_ref().is_none_or(|upper| upper[..] > *key)
    }
}

impl DeletedRanges {
    /// Notes a range that is not empty; answers with how many parts have the commit.
    fn insert(&mut self, lower: &[u8], upper: Option<&[u8]>, sequence: u64) -> usize {
        self.cut(lower);
        if let Some(upper) = upper {
            self.cut(upper);
        }
        let range = (Bound::Included(lower), upper.map_or(Bound::Unbounded, Bound::Excluded));
        let mut gaps = Vec::new();
        let mut parts = 0;
        let mut reached = Some(Key::from_slice(lower));
        for (begin, part) in self.0.range_mut::<[u8], _>(range) {
            gaps.extend(reached.filter(|end| end < begin).map(|end| (end, Some(begin.clone()))));
            reached = part.upper.clone();
            if part.commits.last() != Some(&sequence) {
                part.commits.push(sequence);
                parts += 1;
            }
        }
        let is_before = |end: &Key| upper.is_none_or(|upper| end[..] < *upper);
        gaps.extend(reached.filter(is_before).map(|end| (end, upper.map(Key::from_slice))));
        parts += gaps.len();
        let gaps = gaps.into_iter();
        self.0.extend(gaps.map(|(lower, upper)| (lower, Part { upper, commits: vec![sequence] })));
        parts
    }

    /// Makes two parts of one that goes over `at`.
    fn cut(&mut self, at: &[u8]) {
        let before = (Bound::Unbounded, Bound::Excluded(at));
        let Some((_, part)) = self.0.range_mut::<[u8], _>(before).next_back() else { return };
        if part.ends_after(at) {
            let rest = part.clone();
            part.upper = Some(Key::from_slice(at));
            self.0.insert(Key::from_slice(at), rest);
        }
    }

    fn around(&self, key: &[u8]) -> Option<(&Key, &Part)> {
        let up_to = (Bound::Unbounded, Bound::Included(key));
        let last = self.0.range::<[u8], _>(up_to).next_back();
        last.filter(|(_, part)| part.ends_after(key))
    }

    /// The newest deletion of `key` at or below `sequence`, and the part that it is in.
    fn newest_at(&self, key: &[u8], sequence: u64) -> Option<(u64, Stretch)> {
        let (lower, part) = self.around(key)?;
        let newest = part.commits.iter().rev().find(|commit| **commit <= sequence)?;
        Some((*newest, (lower.clone(), part.upper.clone())))
    }

    /// Whether a commit after `sequence` has deleted any of `range`, which is not empty.
    fn has_deletion_after(&self, range: KeyRange<'_>, sequence: u64) -> bool {
        let begin = match range.0 {
            // The part in which the range begins has begun before it.
            Bound::Included(lower) | Bound::Excluded(lower) => {
                Bound::Included(self.around(lower).map_or(lower, |(begin, _)| &begin[..]))
            }
            Bound::Unbounded => Bound::Unbounded,
        };
        if is_empty_range(&(begin, range.1)) {
            return false;
        }
        let mut parts = self.0.range::<[u8], _>((begin, range.1));
        parts.any(|(_, part)| part.commits.last() > Some(&sequence))
    }
}

impl Memtable {
    fn deleted(&self) -> RwLockReadGuard<'_, BTreeMap<KeyspaceId, DeletedRanges>> {
        self.deleted.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets `look` see the deleted ranges of a keyspace, if there are any.
    fn deleted_in<T>(
        &self,
        keyspace: KeyspaceId,
        look: impl FnOnce(&DeletedRanges) -> Option<T>,
    ) -> Option<T> {
        match self.has_deleted_ranges() {
            true => self.deleted().get(&keyspace).and_then(look),
            false => None,
        }
    }

    /// Whether it has a deleted range in any keyspace.
    pub(super) fn has_deleted_ranges(&self) -> bool {
        self.deletions.load(Ordering::Acquire) > 0
    }

    /// Notes that a commit has deleted a range.
    pub(super) fn delete_range(
        &self,
        keyspace: KeyspaceId,
        lower: &[u8],
        upper: Option<&[u8]>,
        sequence: u64,
    ) {
        if upper.is_some_and(|upper| upper <= lower) {
            return;
        }
        let mut deleted = self.deleted.write().unwrap_or_else(PoisonError::into_inner);
        let parts = deleted.entry(keyspace).or_default().insert(lower, upper, sequence);
        let bytes = OVERHEAD + lower.len() + upper.map_or(0, <[u8]>::len);
        self.bytes.fetch_add(parts * bytes, Ordering::Relaxed);
        self.deletions.fetch_add(1, Ordering::Release);
    }

    /// Makes tombstones of what the commit itself has made of keys in the range so far.
    pub(super) fn delete_own(
        &self,
        rows: &mut BTreeMap<Key, Chain>,
        (lower, upper): (&[u8], Option<&[u8]>),
        sequence: u64,
    ) {
        if upper.is_some_and(|upper| upper <= lower) {
            return;
        }
        let range = (Bound::Included(lower), upper.map_or(Bound::Unbounded, Bound::Excluded));
        for (_, chain) in rows.range_mut::<[u8], _>(range) {
            let Some(last) = chain.versions.last_mut() else { continue };
            if last.sequence == sequence {
                let freed = last.row.take().map_or(0, |row| row.value.len());
                self.bytes.fetch_sub(freed, Ordering::Relaxed);
                last.changed = sequence;
            }
        }
    }

    /// The newest commit at or below `sequence` that has deleted a range around `key`.
    pub(super) fn deleted_at(
        &self,
        keyspace: KeyspaceId,
        key: &[u8],
        sequence: u64,
    ) -> Option<u64> {
        self.deleted_in(keyspace, |ranges| ranges.newest_at(key, sequence))
            .map(|(commit, _)| commit)
    }

    /// A range around `key` in which a commit at or below `sequence` has deleted all keys.
    pub(super) fn deleted_around(
        &self,
        keyspace: KeyspaceId,
        key: &[u8],
        sequence: u64,
    ) -> Option<Stretch> {
        self.deleted_in(keyspace, |ranges| ranges.newest_at(key, sequence)).map(|(_, range)| range)
    }

    /// The oldest commit that has deleted a range around `key`.
    pub(super) fn first_deletion(&self, keyspace: KeyspaceId, key: &[u8]) -> Option<u64> {
        self.deleted_in(keyspace, |ranges| ranges.around(key)?.1.commits.first().copied())
    }

    /// Whether a commit after `sequence` has deleted any of `range`, which is not empty.
    pub(super) fn has_deletion_after(
        &self,
        keyspace: KeyspaceId,
        range: KeyRange<'_>,
        sequence: u64,
    ) -> bool {
        let look =
            |ranges: &DeletedRanges| ranges.has_deletion_after(range, sequence).then_some(());
        self.deleted_in(keyspace, look).is_some()
    }

    /// Makes tombstones of those of `rows`, which are older than this memtable, that commits at or below
    /// `sequence` have deleted.
    pub(super) fn hide_deleted(
        &self,
        keyspace: KeyspaceId,
        sequence: u64,
        rows: &mut [(Key, Option<RowImage>)],
    ) {
        if !self.has_deleted_ranges() {
            return;
        }
        for (key, row) in rows.iter_mut().filter(|(_, row)| row.is_some()) {
            if self.deleted_at(keyspace, key, sequence).is_some() {
                *row = None;
            }
        }
    }

    /// All deleted ranges with the first commit that has deleted each.
    pub(super) fn all_deleted(&self) -> Vec<(KeyspaceId, Stretch, u64)> {
        let deleted = self.deleted();
        let parts = deleted.iter().flat_map(|(keyspace, ranges)| {
            ranges.0.iter().map(|(lower, part)| {
                (*keyspace, (lower.clone(), part.upper.clone()), part.commits[0])
            })
        });
        parts.collect()
    }

    /// Forgets the deleted ranges of a keyspace that is gone.
    pub(super) fn forget_deleted(&self, keyspace: KeyspaceId) {
        let mut deleted = self.deleted.write().unwrap_or_else(PoisonError::into_inner);
        deleted.remove(&keyspace);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u8) -> Vec<u8> {
        vec![number]
    }

    /// Against a list of the ranges, in which each question is a walk.
    #[test]
    fn deleted_ranges_answer_as_a_list_of_them_does() {
        let mut state = 88_172_645_463_325_252_u64;
        let mut roll = |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % below
        };
        for _ in 0..200 {
            let (mut ranges, mut list) = (DeletedRanges::default(), Vec::new());
            for sequence in 1..=12_u64 {
                let lower = roll(20) as u8;
                let upper = (roll(5) > 0).then(|| lower + 1 + roll(6) as u8);
                ranges.insert(&key(lower), upper.map(key).as_deref(), sequence);
                list.push((lower, upper, sequence));
                let at = 1 + roll(sequence);
                let covers = |number: u8| {
                    move |(lower, upper, _): &&(u8, Option<u8>, u64)| {
                        *lower <= number && upper.is_none_or(|upper| number < upper)
                    }
                };
                for number in 0..30 {
                    let all = || list.iter().filter(covers(number)).map(|range| range.2);
                    let newest = all().filter(|commit| *commit <= at).max();
                    let found = ranges.newest_at(&key(number), at);
                    assert_eq!(found.as_ref().map(|(commit, _)| *commit), newest);
                    let (from, to) = (number, number + 1 + roll(4) as u8);
                    let later = (from..to)
                        .any(|number| list.iter().filter(covers(number)).any(|range| range.2 > at));
                    let (from, to) = (key(from), key(to));
                    let range = (Bound::Included(&from[..]), Bound::Excluded(&to[..]));
                    assert_eq!(ranges.has_deletion_after(range, at), later);
                    if let Some((_, (lower, upper))) = found {
                        assert!(lower[..] <= key(number)[..]);
                        assert!(upper.is_none_or(|upper| upper[..] > key(number)[..]));
                    }
                }
                let mut parts = ranges.0.iter().peekable();
                while let Some((lower, part)) = parts.next() {
                    assert!(part.ends_after(lower) && part.commits.is_sorted());
                    let next = parts.peek().map(|(next, _)| *next);
                    assert!(
                        next.is_none_or(|next| part.upper.as_ref().is_some_and(|it| it <= next))
                    );
                }
            }
        }
    }
}
