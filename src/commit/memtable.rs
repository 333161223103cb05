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

use std::collections::btree_map::Entry;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::PoisonError;

use smallvec::SmallVec;

use super::deleted_ranges::DeletedRanges;
use super::filter::{Filter, KeyHash};
use super::record::{Change, KeyspaceId, RowImage};
use super::sync::{
    AtomicU64, AtomicUsize, Mutex, MutexGuard, Ordering, RwLock, RwLockReadGuard, RwLockWriteGuard,
};
use super::views::Views;
use super::{Key, KeyRange};
use crate::engine::{is_empty_range, Bytes};

/// What a version costs in memory beside its key and its value: 225 bytes were measured for a tombstone,
/// 256 with a value of 100.
pub(super) const OVERHEAD: usize = 224;

/// Rows that one hold of the lock inserts at most.
pub(super) const ROWS_AT_ONCE: usize = 64;

/// What a key became by one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) sequence: u64,
    /// The commit that last changed the key for a reader: older than `sequence` where this version
    /// only purges what had expired.
    pub(super) changed: u64,
    /// `None` is a tombstone.
    pub(crate) row: Option<RowImage>,
    /// Whether its bytes are counted as kept for a registered view.
    pub(super) is_pinned: bool,
    /// The first commit of the key after this one whose version was dropped. Nobody with this
    /// number or a higher one is to take this version for the newest.
    pub(super) gap: u64,
}

impl Version {
    fn new(sequence: u64, row: Option<RowImage>) -> Self {
        Self { sequence, changed: sequence, row, is_pinned: false, gap: u64::MAX }
    }

    pub(super) fn size(&self, key: &[u8]) -> usize {
        key.len() + self.row.as_ref().map_or(0, |row| row.value.len()) + OVERHEAD
    }
}

/// The versions of one key.
#[derive(Debug)]
pub(super) struct Chain {
    /// The commit that entered the key into this memtable. A reader of an older number looks on in
    /// older memtables; one of a newer number that finds no version came too late.
    pub(super) first: u64,
    /// The oldest first. Mostly there is one.
    pub(super) versions: SmallVec<[Version; 1]>,
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

/// Which commits of a key a look for them counts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Counts {
    /// Those that a reader can notice.
    Changes,
    /// Also those that purge what had expired.
    Writes,
}

#[derive(Debug)]
pub(crate) struct Memtable {
    /// Grows from one memtable to the next; the number of its log file.
    pub(super) number: u64,
    pub(super) filter: Filter,
    pub(super) keyspaces: RwLock<BTreeMap<KeyspaceId, BTreeMap<Key, Chain>>>,
    pub(super) pre_images: RwLock<PreImages>,
    pub(super) deleted: RwLock<BTreeMap<KeyspaceId, DeletedRanges>>,
    /// How many ranges were deleted, so that nobody looks for them where there is none.
    pub(super) deletions: AtomicUsize,
    pub(super) rows: AtomicUsize,
    pub(super) bytes: AtomicUsize,
    /// Bytes and rows that are kept for registered views alone.
    pub(super) pinned: AtomicUsize,
    pub(super) pinned_rows: AtomicUsize,
    /// Keyspaces that were dropped, or got another name, with that: what is settled of them goes with
    /// its checkpoint.
    pub(super) drops: Mutex<Vec<(KeyspaceId, Option<Vec<u8>>)>>,
    /// The keys that have pinned versions, or had.
    pub(super) pinned_keys: Mutex<Vec<(KeyspaceId, Key)>>,
    /// The newest commit in it; 0 while there is none.
    pub(super) newest: AtomicU64,
    /// Once it is settled: views with a lower number than this may need it.
    pub(super) retired: AtomicU64,
}

impl Memtable {
    /// An empty one that is to have about so many bytes.
    pub(super) fn new(number: u64, bytes: usize) -> Self {
        Self {
            number,
            filter: Filter::new(bytes),
            keyspaces: RwLock::default(),
            pre_images: RwLock::default(),
            deleted: RwLock::default(),
            deletions: AtomicUsize::new(0),
            rows: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            pinned: AtomicUsize::new(0),
            pinned_rows: AtomicUsize::new(0),
            drops: Mutex::default(),
            pinned_keys: Mutex::default(),
            newest: AtomicU64::new(0),
            retired: AtomicU64::new(0),
        }
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

    pub(super) fn read(&self) -> RwLockReadGuard<'_, BTreeMap<KeyspaceId, BTreeMap<Key, Chain>>> {
        self.keyspaces.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<KeyspaceId, BTreeMap<Key, Chain>>> {
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
        let mut has_rows = false;
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
                    Change::DeleteRange { keyspace, lower, upper } => {
                        if let Some(rows) = keyspaces.get_mut(&keyspace).filter(|_| has_rows) {
                            self.delete_own(rows, (lower, upper), sequence);
                        }
                        self.delete_range(keyspace, lower, upper, sequence);
                        continue;
                    }
                    Change::Drop { keyspace } => {
                        self.drops().push((keyspace, None));
                        continue;
                    }
                    Change::Rename { keyspace, name } => {
                        self.drops().push((keyspace, Some(name.to_vec())));
                        continue;
                    }
                };
                has_rows = true;
                self.filter.insert(KeyHash::of(keyspace, key));
                let rows = keyspaces.entry(keyspace).or_default();
                let version = Version::new(sequence, row);
                let Some(chain) = self.enter(rows, key, version, is_purge) else { continue };
                if self.collapse(chain, key, published, views) {
                    self.pinned_keys().push((keyspace, Key::from_slice(key)));
                }
            }
        }
    }

    pub(super) fn drops(&self) -> MutexGuard<'_, Vec<(KeyspaceId, Option<Vec<u8>>)>> {
        self.drops.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a version; answers with the versions of the key if there are others.
    fn enter<'r>(
        &self,
        rows: &'r mut BTreeMap<Key, Chain>,
        key: &[u8],
        mut version: Version,
        is_purge: bool,
    ) -> Option<&'r mut Chain> {
        self.bytes.fetch_add(version.size(key), Ordering::Relaxed);
        let chain = match rows.entry(Key::from_slice(key)) {
            Entry::Vacant(place) => {
                version.changed = if is_purge { 0 } else { version.sequence };
                let (first, versions) = (version.sequence, SmallVec::from_buf([version]));
                place.insert(Chain { first, versions });
                self.rows.fetch_add(1, Ordering::Release);
                return None;
            }
            Entry::Occupied(place) => place.into_mut(),
        };
        if is_purge {
            version.changed = chain.versions.last().map_or(0, |last| last.changed);
        }
        match chain.versions.last_mut() {
            // A commit that names a key twice: the last change counts.
            Some(last) if last.sequence == version.sequence => {
                self.bytes.fetch_sub(last.size(key), Ordering::Relaxed);
                *last = version;
            }
            _ => chain.versions.push(version),
        }
        (chain.versions.len() > 1).then_some(chain)
    }

    /// The newest version of `key`, whose hash is `hash`, at or below `sequence`.
    pub(super) fn get(
        &self,
        keyspace: KeyspaceId,
        key: &[u8],
        hash: KeyHash,
        sequence: u64,
    ) -> Found {
        let deleted = self.deleted_at(keyspace, key, sequence);
        let no_version =
            || deleted.map_or(Found::Nothing, |at| Found::Version(Version::new(at, None)));
        if self.is_empty() || !self.filter.may_have(hash) {
            return no_version();
        }
        let keyspaces = self.read();
        match keyspaces.get(&keyspace).and_then(|rows| rows.get(key)) {
            None => no_version(),
            Some(chain) => match newest_at(chain, sequence) {
                Some(version) if version.gap <= sequence => Found::TooLate,
                Some(version) if Some(version.sequence) < deleted => no_version(),
                Some(version) => Found::Version(version.clone()),
                None if sequence < chain.first => no_version(),
                None => Found::TooLate,
            },
        }
    }

    /// Whether there was a commit of `key` after `sequence` that `counts`.
    pub(super) fn has_commit_after(
        &self,
        sequence: u64,
        keyspace: KeyspaceId,
        key: &[u8],
        hash: KeyHash,
        counts: Counts,
    ) -> bool {
        if self.newest() <= sequence {
            return false;
        }
        if self.deleted_at(keyspace, key, u64::MAX) > Some(sequence) {
            return true;
        }
        if !self.filter.may_have(hash) {
            return false;
        }
        let keyspaces = self.read();
        let chain = keyspaces.get(&keyspace).and_then(|rows| rows.get(key));
        chain.and_then(last).is_some_and(|last| match counts {
            Counts::Changes => last.changed > sequence,
            Counts::Writes => last.sequence > sequence,
        })
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
        if self.has_deletion_after(keyspace, range, sequence) {
            return true;
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
            let version = newest_at(chain, sequence)?;
            let is_deleted = Some(version.sequence) < self.deleted_at(keyspace, key, sequence);
            Some((key.clone(), version.row.clone().filter(|_| !is_deleted)))
        };
        take_first(rows.filter_map(visible), down, most)
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
        let ends = |(key, chain): (&Key, &Chain)| {
            let mut last = last(chain)?.clone();
            if Some(last.sequence) < self.deleted_at(id, key, u64::MAX) {
                last.row = None;
            }
            Some((key.clone(), chain.first, last))
        };
        rows.filter_map(ends).take(ROWS_AT_ONCE).collect()
    }
}

/// The first `most` of `rows`, or, going down, the last, the very last in front.
pub(super) fn take_first<T>(
    rows: impl DoubleEndedIterator<Item = T>,
    down: bool,
    most: usize,
) -> Vec<T> {
    match down {
        false => rows.take(most).collect(),
        true => rows.rev().take(most).collect(),
    }
}

fn last(chain: &Chain) -> Option<&Version> {
    chain.versions.last()
}

fn newest_at(chain: &Chain, sequence: u64) -> Option<&Version> {
    chain.versions.iter().rev().find(|version| version.sequence <= sequence)
}
