//! The memtables of a store at one moment.

use std::sync::Arc;

use super::deleted_ranges::Stretch;
use super::filter::KeyHash;
use super::memtable::{Counts, Found, Memtable};
use super::record::{KeyspaceId, RowImage};
use super::{Key, KeyRange};

/// The list of memtables. It is never changed; a new one takes its place.
#[derive(Debug, Clone)]
pub(super) struct Tables {
    /// Those that are settled, and kept for registered views. The oldest first, here and below.
    pub(super) retired: Vec<Arc<Memtable>>,
    /// Those that wait for the checkpoint, or are in it.
    pub(super) frozen: Vec<Arc<Memtable>>,
    /// The one that commits go to.
    pub(super) active: Arc<Memtable>,
}

impl Tables {
    /// Those whose rows may not be settled, the newest first.
    fn unsettled(&self) -> impl Iterator<Item = &Arc<Memtable>> {
        std::iter::once(&self.active).chain(self.frozen.iter().rev())
    }

    /// All of them, the oldest first.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Memtable>> {
        self.retired.iter().chain(&self.frozen).chain([&self.active])
    }

    /// The newest version of `key` at or below `sequence` that may not be settled.
    pub(super) fn get(&self, keyspace: KeyspaceId, key: &[u8], sequence: u64) -> Found {
        let hash = KeyHash::of(keyspace, key);
        let found = self.unsettled().map(|table| table.get(keyspace, key, hash, sequence));
        found.into_iter().find(|found| *found != Found::Nothing).unwrap_or(Found::Nothing)
    }

    /// Whether there are no rows that may not be settled.
    pub(super) fn is_empty(&self) -> bool {
        self.unsettled().all(|table| table.is_empty())
    }

    /// The same for the first `most` keys of a range that have such a version, or, going down, the
    /// last.
    pub(super) fn range(
        &self,
        keyspace: KeyspaceId,
        range: KeyRange<'_>,
        down: bool,
        sequence: u64,
        most: usize,
    ) -> Vec<(Key, Option<RowImage>)> {
        let mut merged = Vec::new();
        for (place, table) in self.unsettled().enumerate() {
            let mut rows = table.range(keyspace, range, down, sequence, most);
            let newer = self.unsettled().take(place);
            newer.for_each(|newer| newer.hide_deleted(keyspace, sequence, &mut rows));
            merged = merge(merged, rows, down, most);
        }
        merged
    }

    /// Makes tombstones of those of `rows`, which were settled, that commits at or below `sequence` have
    /// deleted with a range.
    pub(super) fn hide_deleted(
        &self,
        keyspace: KeyspaceId,
        sequence: u64,
        rows: &mut [(Key, Option<RowImage>)],
    ) {
        self.unsettled().for_each(|table| table.hide_deleted(keyspace, sequence, rows));
    }

    /// A range around `key` of which no settled row counts at `sequence`.
    pub(super) fn deleted_around(
        &self,
        keyspace: KeyspaceId,
        key: &[u8],
        sequence: u64,
    ) -> Option<Stretch> {
        self.unsettled().find_map(|table| table.deleted_around(keyspace, key, sequence))
    }

    /// What the engine had under `key` at the moment of a view whose active memtable was `from`, if
    /// a checkpoint has written over it since.
    pub(super) fn pre_image(
        &self,
        from: u64,
        keyspace: KeyspaceId,
        key: &[u8],
    ) -> Option<Option<RowImage>> {
        let since = self.all().filter(|table| table.number >= from);
        since.filter_map(|table| table.pre_image(keyspace, key)).next()
    }

    /// The same for a range.
    pub(super) fn pre_images(
        &self,
        from: u64,
        keyspace: KeyspaceId,
        range: KeyRange<'_>,
        down: bool,
        most: usize,
    ) -> Vec<(Key, Option<RowImage>)> {
        let since = self.all().filter(|table| table.number >= from);
        let rows = since.map(|table| table.pre_images(keyspace, range, down, most));
        rows.reduce(|first, later| merge(first, later, down, most)).unwrap_or_default()
    }

    /// Whether there was a commit of `key` that `counts` after `sequence`, which a reader read when the
    /// active memtable was `from`. Where the memtables since then are gone, nobody knows, and there was.
    pub(super) fn has_commit_after(
        &self,
        from: u64,
        sequence: u64,
        keyspace: KeyspaceId,
        key: &[u8],
        counts: Counts,
    ) -> bool {
        let hash = KeyHash::of(keyspace, key);
        let has =
            |table: &Arc<Memtable>| table.has_commit_after(sequence, keyspace, key, hash, counts);
        !self.reach_back_to(from) || self.all().any(has)
    }

    /// The same for changes of any key of a range.
    pub(super) fn range_has_changed(
        &self,
        from: u64,
        sequence: u64,
        keyspace: KeyspaceId,
        range: KeyRange<'_>,
    ) -> bool {
        !self.reach_back_to(from)
            || self.all().any(|table| table.range_has_changed(keyspace, range, sequence))
    }

    fn reach_back_to(&self, from: u64) -> bool {
        self.all().next().is_some_and(|oldest| oldest.number <= from)
    }
}

/// The first `most` of two sequences in one order; `first` counts where both have a key.
pub(super) fn merge<T>(
    first: Vec<(Key, T)>,
    second: Vec<(Key, T)>,
    down: bool,
    most: usize,
) -> Vec<(Key, T)> {
    if first.is_empty() || second.is_empty() {
        return if first.is_empty() { second } else { first };
    }
    let mut merged = Vec::with_capacity(most.min(first.len() + second.len()));
    let (mut first, mut second) = (first.into_iter().peekable(), second.into_iter().peekable());
    while merged.len() < most {
        let order = match (first.peek(), second.peek()) {
            (Some((one, _)), Some((other, _))) if down => other.cmp(one),
            (Some((one, _)), Some((other, _))) => one.cmp(other),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (None, None) => break,
        };
        if order.is_eq() {
            second.next();
        }
        merged.extend(if order.is_le() { first.next() } else { second.next() });
    }
    merged
}
