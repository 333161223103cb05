//! Recent versions of rows, in memory, in the order of their keys.
//!
//! A memtable is written by the committer, which holds the commit lock, until it is frozen; the
//! checkpoint then writes its newest versions into the engine. Any number of threads read it. The
//! lock inside is held for a row, or for a part of a commit: never for a whole large commit, so no
//! reader waits for one.
//!
//! # Which versions are kept
//!
//! A key keeps each version that some read view may have to see:
//!
//! * the newest one, which may not be published yet;
//! * the newest one that is published, because readers that have begun before the next publication
//!   look for it;
//! * of the others, those that are the newest at or below the number of a registered view.
//!
//! A reader without a registered view can have read the published number before two further commits
//! of the same key; it finds no version that it may see, and begins again with a newer number.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::PoisonError;

use smallvec::SmallVec;

use super::record::{Change, KeyspaceId, RowImage};
use super::sync::{
    AtomicU64, AtomicUsize, Mutex, MutexGuard, Ordering, RwLock, RwLockReadGuard, RwLockWriteGuard,
};
use super::views::Views;
use super::{Key, KeyRange};
use crate::engine::Bytes;

/// What a version costs in memory beside its key and its value, roughly.
const OVERHEAD: usize = 96;

/// Rows that one hold of the lock inserts at most.
pub(super) const ROWS_AT_ONCE: usize = 64;

/// What a key became by one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) sequence: u64,
    /// The commit that last changed the key for a reader: older than `sequence` where this version
    /// only purges what had expired.
    changed: u64,
    /// `None` is a tombstone.
    pub(crate) row: Option<RowImage>,
    /// Whether its bytes are counted as kept for a registered view.
    is_pinned: bool,
    /// The first commit of the key after this one whose version was dropped. Nobody with this
    /// number or a higher one is to take this version for the newest.
    gap: u64,
}

impl Version {
    fn new(sequence: u64, row: Option<RowImage>) -> Self {
        Self { sequence, changed: sequence, row, is_pinned: false, gap: u64::MAX }
    }

    fn size(&self, key: &[u8]) -> usize {
        key.len() + self.row.as_ref().map_or(0, |row| row.value.len()) + OVERHEAD
    }
}

/// The versions of one key.
#[derive(Debug)]
struct Chain {
    /// The commit that entered the key into this memtable. A reader of an older number looks on in
    /// older memtables; one of a newer number that finds no version came too late.
    first: u64,
    /// The oldest first. Mostly there is one.
    versions: SmallVec<[Version; 1]>,
}

/// The row that the engine had before the checkpoint wrote over it, for views that are older.
type PreImages = BTreeMap<KeyspaceId, BTreeMap<Key, Option<RowImage>>>;

/// What a look for one key finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// No version: the key is as an older memtable or the engine has it.
    Nothing,
    Version(Version),
    /// The version was dropped: the reader's number is older than the two last commits of the key.
    TooLate,
}

#[derive(Debug, Default)]
pub(crate) struct Memtable {
    /// Grows from one memtable to the next; the number of its log file.
    pub(super) number: u64,
    keyspaces: RwLock<BTreeMap<KeyspaceId, BTreeMap<Key, Chain>>>,
    pre_images: RwLock<PreImages>,
    rows: AtomicUsize,
    bytes: AtomicUsize,
    /// Bytes and rows that are kept for registered views alone.
    pinned: AtomicUsize,
    pinned_rows: AtomicUsize,
    /// The keys that have pinned versions, or had.
    pinned_keys: Mutex<Vec<(KeyspaceId, Key)>>,
    /// The newest commit in it; 0 while there is none.
    newest: AtomicU64,
    /// Once it is settled: views with a lower number than this may need it.
    retired: AtomicU64,
}

impl Memtable {
    pub(super) fn new(number: u64) -> Self {
        Self { number, ..Self::default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.load(Ordering::Acquire) == 0
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn pinned_bytes(&self) -> usize {
        self.pinned.load(Ordering::Relaxed)
    }

    pub(super) fn rows(&self) -> usize {
        self.rows.load(Ordering::Relaxed)
    }

    pub(super) fn pinned_rows(&self) -> usize {
        self.pinned_rows.load(Ordering::Relaxed)
    }

    fn pin(&self, size: usize) {
        self.pinned.fetch_add(size, Ordering::Relaxed);
        self.pinned_rows.fetch_add(1, Ordering::Relaxed);
    }

    fn unpin(&self, size: usize) {
        self.pinned.fetch_sub(size, Ordering::Relaxed);
        self.pinned_rows.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn newest(&self) -> u64 {
        self.newest.load(Ordering::Acquire)
    }

    pub(super) fn retire(&self, next_view: u64) {
        self.retired.store(next_view, Ordering::Release);
    }

    /// Whether no view is left that may need it, if the oldest one has the number `oldest_view`.
    pub(super) fn is_unneeded(&self, oldest_view: u64) -> bool {
        oldest_view >= self.retired.load(Ordering::Acquire)
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<KeyspaceId, BTreeMap<Key, Chain>>> {
        self.keyspaces.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<KeyspaceId, BTreeMap<Key, Chain>>> {
        self.keyspaces.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters the changes of the commit `sequence`, while `published` is the number of the newest
    /// commit that readers may see. The caller holds the commit lock.
    pub(super) fn insert<'a>(
        &self,
        sequence: u64,
        changes: impl Iterator<Item = Change<'a>>,
        published: u64,
        views: &Views,
    ) {
        self.newest.store(sequence, Ordering::Release);
        let mut changes = changes.peekable();
        while changes.peek().is_some() {
            let mut keyspaces = self.write();
            for change in changes.by_ref().take(ROWS_AT_ONCE) {
                let (keyspace, key, row, is_purge) = match change {
                    Change::Put { keyspace, key, value, expires_at } => {
                        let row = RowImage { value: Bytes::from(value), expires_at };
                        (keyspace, key, Some(row), false)
                    }
                    Change::Delete { keyspace, key } => (keyspace, key, None, false),
                    Change::Purge { keyspace, key } => (keyspace, key, None, true),
                    // The store has frozen the keyspace; the checkpoint drops its rows.
                    Change::Drop { .. } => continue,
                };
                let rows = keyspaces.entry(keyspace).or_default();
                self.enter(rows, key, Version::new(sequence, row), is_purge);
                let Some(chain) = rows.get_mut(key).filter(|it| it.versions.len() > 1) else {
                    continue;
                };
                if self.collapse(chain, key, published, views) {
                    self.pinned_keys().push((keyspace, Key::from_slice(key)));
                }
            }
        }
    }

    fn enter(
        &self,
        rows: &mut BTreeMap<Key, Chain>,
        key: &[u8],
        mut version: Version,
        purge: bool,
    ) {
        self.bytes.fetch_add(version.size(key), Ordering::Relaxed);
        let Some(Chain { versions, .. }) = rows.get_mut(key) else {
            version.changed = if purge { 0 } else { version.sequence };
            let (first, versions) = (version.sequence, SmallVec::from_buf([version]));
            rows.insert(Key::from_slice(key), Chain { first, versions });
            self.rows.fetch_add(1, Ordering::Release);
            return;
        };
        if purge {
            version.changed = versions.last().map_or(0, |last| last.changed);
        }
        match versions.last_mut() {
            // A commit that names a key twice: the last change counts.
            Some(last) if last.sequence == version.sequence => {
                self.bytes.fetch_sub(last.size(key), Ordering::Relaxed);
                *last = version;
            }
            _ => versions.push(version),
        }
    }

    /// Drops the versions of `key` that nobody can see, see above; says whether it has pinned one.
    fn collapse(&self, chain: &mut Chain, key: &[u8], published: u64, views: &Views) -> bool {
        let versions = &mut chain.versions;
        let is_published = |version: &Version| version.sequence <= published;
        let Some(mut newest) = versions.iter().rposition(is_published) else { return false };
        let mut place = 0;
        let mut pins = false;
        while place <= newest {
            let size = versions[place].size(key);
            let next = versions.get(place + 1).map_or(u64::MAX, |next| next.sequence);
            let is_last = place + 1 == versions.len();
            if !is_last && views.any_between(versions[place].sequence, next) {
                if !versions[place].is_pinned {
                    versions[place].is_pinned = true;
                    self.pin(size);
                    pins = true;
                }
                place += 1;
            } else if place == newest {
                break;
            } else {
                let dropped = versions.remove(place);
                if dropped.is_pinned {
                    self.unpin(size);
                }
                if let Some(before) = place.checked_sub(1) {
                    versions[before].gap = versions[before].gap.min(dropped.sequence);
                }
                self.bytes.fetch_sub(size, Ordering::Relaxed);
                newest -= 1;
            }
        }
        pins
    }

    fn pinned_keys(&self) -> MutexGuard<'_, Vec<(KeyspaceId, Key)>> {
        self.pinned_keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops what was kept for views that have ended since.
    pub(super) fn sweep(&self, published: u64, views: &Views) {
        if self.pinned_bytes() == 0 {
            return;
        }
        let pinned = std::mem::take(&mut *self.pinned_keys());
        for (keyspace, key) in pinned {
            let mut keyspaces = self.write();
            let Some(chain) = keyspaces.get_mut(&keyspace).and_then(|rows| rows.get_mut(&key))
            else {
                continue;
            };
            self.collapse(chain, &key, published, views);
            if chain.versions.iter().any(|version| version.is_pinned) {
                self.pinned_keys().push((keyspace, key));
            }
        }
        let keyspaces = self.read();
        let mut images = self.pre_images.write().unwrap_or_else(PoisonError::into_inner);
        for (keyspace, images) in images.iter_mut() {
            images.retain(|key, row| {
                let chain = keyspaces.get(keyspace).and_then(|rows| rows.get(key));
                let is_needed = chain.is_none_or(|chain| views.any_between(0, chain.first));
                if !is_needed {
                    self.unpin(RowImage::size(key, row.as_ref()) + OVERHEAD);
                }
                is_needed
            });
        }
    }

    /// Takes all rows of a keyspace out, while nobody reads.
    pub(super) fn remove_keyspace(&self, keyspace: KeyspaceId) {
        if let Some(rows) = self.write().remove(&keyspace) {
            self.rows.fetch_sub(rows.len(), Ordering::Release);
            for (key, chain) in &rows {
                let versions = chain.versions.iter();
                let pinned = versions.clone().filter(|version| version.is_pinned);
                pinned.for_each(|version| self.unpin(version.size(key)));
                let bytes = versions.map(|version| version.size(key)).sum();
                self.bytes.fetch_sub(bytes, Ordering::Relaxed);
            }
        }
        let mut images = self.pre_images.write().unwrap_or_else(PoisonError::into_inner);
        for (key, row) in images.remove(&keyspace).unwrap_or_default() {
            self.unpin(RowImage::size(&key, row.as_ref()) + OVERHEAD);
        }
    }

    /// The newest version of `key` at or below `sequence`.
    pub(super) fn get(&self, keyspace: KeyspaceId, key: &[u8], sequence: u64) -> Found {
        if self.is_empty() {
            return Found::Nothing;
        }
        let keyspaces = self.read();
        match keyspaces.get(&keyspace).and_then(|rows| rows.get(key)) {
            None => Found::Nothing,
            Some(chain) => match newest_at(chain, sequence) {
                Some(version) if version.gap <= sequence => Found::TooLate,
                Some(version) => Found::Version(version.clone()),
                None if sequence < chain.first => Found::Nothing,
                None => Found::TooLate,
            },
        }
    }

    /// Whether a commit after `sequence` changed `key` for a reader.
    pub(super) fn has_changed(&self, keyspace: KeyspaceId, key: &[u8], sequence: u64) -> bool {
        if self.newest() <= sequence {
            return false;
        }
        let keyspaces = self.read();
        let chain = keyspaces.get(&keyspace).and_then(|rows| rows.get(key));
        chain.and_then(last).is_some_and(|last| last.changed > sequence)
    }

    /// Whether a commit after `sequence` wrote `key`, a purge included.
    pub(super) fn was_written(&self, keyspace: KeyspaceId, key: &[u8], sequence: u64) -> bool {
        if self.newest() <= sequence {
            return false;
        }
        let keyspaces = self.read();
        let chain = keyspaces.get(&keyspace).and_then(|rows| rows.get(key));
        chain.and_then(last).is_some_and(|last| last.sequence > sequence)
    }

    /// Whether a commit after `sequence` changed any key in `range`.
    pub(super) fn range_has_changed(
        &self,
        keyspace: KeyspaceId,
        range: KeyRange<'_>,
        sequence: u64,
    ) -> bool {
        if self.newest() <= sequence || is_empty_range(&range) {
            return false;
        }
        let keyspaces = self.read();
        let Some(rows) = keyspaces.get(&keyspace) else { return false };
        let mut chains = rows.range::<[u8], _>(range).map(|(_, chain)| chain);
        chains.any(|chain| last(chain).is_some_and(|last| last.changed > sequence))
    }

    /// The newest versions at or below `sequence` of the first `most` keys in `range`, or, going
    /// down, of the last.
    pub(super) fn range(
        &self,
        keyspace: KeyspaceId,
        range: KeyRange<'_>,
        down: bool,
        sequence: u64,
        most: usize,
    ) -> Vec<(Key, Option<RowImage>)> {
        if self.is_empty() || is_empty_range(&range) {
            return Vec::new();
        }
        let keyspaces = self.read();
        let Some(rows) = keyspaces.get(&keyspace) else { return Vec::new() };
        let rows = rows.range::<[u8], _>(range);
        let visible = |(key, chain): (&Key, &Chain)| {
            Some((key.clone(), newest_at(chain, sequence)?.row.clone()))
        };
        match down {
            false => rows.filter_map(visible).take(most).collect(),
            true => rows.rev().filter_map(visible).take(most).collect(),
        }
    }

    /// Hands the newest version of each row to `apply`, in the order of keyspaces and keys, with
    /// the number of the first commit of its key. The memtable is frozen: nothing is inserted any more. The
    /// lock is given back between the rows.
    pub(super) fn for_each_newest<E>(
        &self,
        mut apply: impl FnMut(KeyspaceId, &Key, u64, &Version) -> Result<(), E>,
    ) -> Result<(), E> {
        let ids: Vec<_> = self.read().keys().copied().collect();
        for id in ids {
            let mut from: Bound<Key> = Bound::Unbounded;
            loop {
                let part = self.part(id, &from);
                let Some((last, ..)) = part.last() else { break };
                from = Bound::Excluded(last.clone());
                part.iter().try_for_each(|(key, first, newest)| apply(id, key, *first, newest))?;
            }
        }
        Ok(())
    }

    fn part(&self, id: KeyspaceId, from: &Bound<Key>) -> Vec<(Key, u64, Version)> {
        let from = from.as_ref().map(|key| &key[..]);
        let keyspaces = self.read();
        let Some(rows) = keyspaces.get(&id) else { return Vec::new() };
        let rows = rows.range::<[u8], _>((from, Bound::Unbounded));
        let ends =
            |(key, chain): (&Key, &Chain)| Some((key.clone(), chain.first, last(chain)?.clone()));
        rows.filter_map(ends).take(ROWS_AT_ONCE).collect()
    }

    /// Keeps what the engine has under `key`, before the checkpoint writes over it.
    pub(super) fn keep_pre_image(&self, keyspace: KeyspaceId, key: &Key, row: Option<RowImage>) {
        let size = RowImage::size(key, row.as_ref()) + OVERHEAD;
        let mut images = self.pre_images.write().unwrap_or_else(PoisonError::into_inner);
        if images.entry(keyspace).or_default().insert(key.clone(), row).is_none() {
            self.pin(size);
        }
    }

    /// What the engine had under `key` before the checkpoint of this memtable wrote over it.
    pub(super) fn pre_image(&self, keyspace: KeyspaceId, key: &[u8]) -> Option<Option<RowImage>> {
        let images = self.pre_images.read().unwrap_or_else(PoisonError::into_inner);
        images.get(&keyspace)?.get(key).cloned()
    }

    /// The same for the first `most` keys in `range`, or, going down, the last.
    pub(super) fn pre_images(
        &self,
        keyspace: KeyspaceId,
        range: KeyRange<'_>,
        down: bool,
        most: usize,
    ) -> Vec<(Key, Option<RowImage>)> {
        let images = self.pre_images.read().unwrap_or_else(PoisonError::into_inner);
        let Some(rows) = images.get(&keyspace).filter(|_| !is_empty_range(&range)) else {
            return Vec::new();
        };
        let rows = rows.range::<[u8], _>(range).map(|(key, row)| (key.clone(), row.clone()));
        match down {
            false => rows.take(most).collect(),
            true => rows.rev().take(most).collect(),
        }
    }
}

fn last(chain: &Chain) -> Option<&Version> {
    chain.versions.last()
}

fn newest_at(chain: &Chain, sequence: u64) -> Option<&Version> {
    chain.versions.iter().rev().find(|version| version.sequence <= sequence)
}

/// The standard library's maps panic on a range that ends before it begins.
pub(crate) fn is_empty_range(range: &KeyRange<'_>) -> bool {
    match range {
        (Bound::Included(lower), Bound::Included(upper)) => lower > upper,
        (
            Bound::Included(lower) | Bound::Excluded(lower),
            Bound::Included(upper) | Bound::Excluded(upper),
        ) => lower >= upper,
        _ => false,
    }
}
