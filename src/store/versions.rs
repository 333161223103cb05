//! What keys were when snapshots were taken: the mechanism behind snapshots, iterators that show one
//! moment, and transactions.
//!
//! A snapshot is a number. Nothing is copied when it is taken; instead whoever changes a key first
//! keeps what the key was, as a *version*, under the number of the newest snapshot that is live. A
//! key has at most one version under a number. So a snapshot with number `s` sees of a key the
//! version with the smallest number that is `s` or more, and where there is none, the key as it is
//! now.
//!
//! # Why reading the live row first and the versions after that is right
//!
//! What a snapshot must see is the row as it was when the snapshot was taken; call that R.
//!
//! * Taking: the number is given out while no writer is under way (`Shared::commit` is held alone).
//!   So a writer has either returned, and R has what it wrote, or it starts later and sees the
//!   number.
//! * A writer: it keeps R before it touches the engine. A reader that has read the live row before
//!   the writer touched it has read R, and R is also what it finds among the versions, if anything.
//!   A reader that has read something else of the live row has read it after the writer touched it,
//!   and so finds the version when it looks for it after that. The other order would be wrong:
//!   versions first (none), then the writer, then the live row, which is no longer R.
//! * A second writer of the same key: it holds the key's lock, finds the version and keeps nothing.
//!   If a snapshot was taken in between it keeps the row under the new number, which is larger; the
//!   first snapshot goes on to find its own.
//! * A reader that evicts an expired row, and a purge, are writers like any other.
//! * A batch or a transaction that commits holds `Shared::commit` alone and keeps all its rows before
//!   it touches the engine, so each of its keys is as above.
//! * Another snapshot that ends: a version under its number `s` that the next older live snapshot `p`
//!   needs is kept under `p` from then on, which is the smallest number that is `p` or more, as `s`
//!   was; this happens in one step under the lock of the versions. It is dropped only where `p` has a
//!   version of its own, or where there is no `p`.
//! * This snapshot itself ends under the reader, because the versions take too much memory: it is
//!   marked as ended before any of its versions goes, and a reader looks at the mark after the
//!   versions.
//! * A writer that meets a snapshot which ends: whether there is a live snapshot is looked at again
//!   under the lock of the versions, so nothing is kept that nobody would ever drop.
//!
//! Whoever reads one key ([`Versions::see`]) looks for a version before that already: if there is
//! one it is R, whatever the live row is by now. If there is none, the live row is read, and the
//! versions are looked at again, unless none has been entered since the first look, which would be
//! a version of a writer that may have touched the live row before it was read. That number,
//! `entered`, is read before the first look and grows under the lock in which a version is entered,
//! so a look that comes after it sees the version.
//!
//! A range is the same for each key in it: the next live rows are fetched, and then the versions
//! are asked for all up to the last of them. A key that was removed before the live rows came by
//! has a version by then. What has been put together in that way is the moment's for good, however
//! long it lies there.
//!
//! tests/interleavings explores these interleavings with the engine replaced by a map.

use std::mem::take;
use std::sync::Arc;

use super::kept::{
    differs, is_empty_range, seen, History, Kept, Key, Moment, Place, Range, Version,
};
use super::locks::{lock, read, try_lock, write};
use super::locks::{AtomicU64, Mutex, Ordering, RwLock};

/// Versions that are settled in one go when a snapshot ends, while writers and readers wait.
const SETTLED_AT_ONCE: usize = 256;

/// What a version costs beside its key and its value, roughly.
const OVERHEAD: u64 = 256;

/// What a key is before a change of it.
pub(super) struct Before<R> {
    pub(super) row: R,
    /// The bytes that keeping the row takes.
    pub(super) size: usize,
    /// Whether the change makes a difference: removing what is not there does not.
    pub(super) differs: bool,
}

/// The versions of all keyspaces of a store.
pub(super) struct Versions<R> {
    /// The number of the newest live snapshot; 0 if there is none. It grows while no writer is under
    /// way, and falls under the lock of `kept`.
    newest: AtomicU64,
    /// How many versions there are, so that readers need no lock where there are none.
    len: AtomicU64,
    bytes: AtomicU64,
    /// How many versions were ever entered.
    entered: AtomicU64,
    /// The bytes past which the oldest snapshot ends.
    bound: u64,
    kept: RwLock<Kept<R>>,
    /// The snapshot that ended last, if its versions have still to be settled. Whoever ends another
    /// one settles them first: they may have to be handed down to it.
    ending: Mutex<Option<Unsettled>>,
}

/// What a key was at a moment.
pub(super) enum Seen<R, L> {
    /// It has changed since, and this was kept.
    Kept(R),
    /// It has not changed before it was read.
    Live(L),
}

/// A snapshot that is no longer live and whose versions have still to be settled.
struct Unsettled {
    touched: std::vec::IntoIter<Place>,
    number: u64,
    /// The next older snapshot.
    below: Option<u64>,
}

/// What snapshots hold in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotStats {
    /// Moments that are kept: by snapshots, transactions and iterators.
    pub live: usize,
    /// Rows that were overwritten or removed and are kept for them.
    pub versions: u64,
    /// The bytes that those rows take, roughly.
    pub bytes: u64,
}

impl<R: Clone> Versions<R> {
    pub(super) fn new(bound: Option<u64>) -> Self {
        Self {
            newest: AtomicU64::new(0),
            len: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            entered: AtomicU64::new(0),
            bound: bound.unwrap_or(u64::MAX),
            kept: RwLock::new(Kept::default()),
            ending: Mutex::new(None),
        }
    }

    /// Takes a snapshot. The caller sees to it that no writer is under way.
    pub(super) fn take(&self) -> Arc<Moment> {
        let mut kept = write(&self.kept);
        kept.last += 1;
        let moment = Arc::new(Moment::new(kept.last));
        kept.live.insert(moment.number, Arc::clone(&moment));
        self.newest.store(moment.number, Ordering::SeqCst);
        moment
    }

    /// Ends a snapshot, unless it has ended: the versions that only it needed go.
    pub(super) fn end(&self, moment: &Moment) {
        self.end_alone(moment, &mut lock(&self.ending));
    }

    fn end_alone(&self, moment: &Moment, ending: &mut Option<Unsettled>) {
        self.settle(ending);
        *ending = self.leave(moment);
        self.settle(ending);
    }

    /// The quick part of ending a snapshot, for a caller who holds locks: from here on nothing is
    /// kept for it. Does nothing if another one is just being ended, which would have to be waited
    /// for. [`Versions::end`] is to be called later all the same.
    pub(super) fn leave_early(&self, moment: &Moment) {
        if let Some(mut ending) = try_lock(&self.ending).filter(|ending| ending.is_none()) {
            *ending = self.leave(moment);
        }
    }

    fn leave(&self, moment: &Moment) -> Option<Unsettled> {
        let mut kept = write(&self.kept);
        let number = moment.number;
        kept.live.remove(&number)?;
        moment.end();
        let newest = kept.live.last_key_value().map_or(0, |(number, _)| *number);
        self.newest.store(newest, Ordering::SeqCst);
        if newest == 0 {
            // Nobody needs anything.
            self.len.store(0, Ordering::SeqCst);
            self.bytes.store(0, Ordering::SeqCst);
            let gone = (take(&mut kept.versions), take(&mut kept.touched));
            drop(kept);
            drop(gone);
            return None;
        }
        let below = kept.live.range(..number).next_back().map(|(number, _)| *number);
        let touched = kept.touched.remove(&number)?.into_iter();
        Some(Unsettled { touched, number, below })
    }

    /// The part that takes as long as there are versions.
    fn settle(&self, ending: &mut Option<Unsettled>) {
        let Some(Unsettled { touched, number, below }) = ending else { return };
        while touched.len() > 0 {
            let mut kept = write(&self.kept);
            for place in touched.by_ref().take(SETTLED_AT_ONCE) {
                if let Some(size) = kept.settle(place, *number, *below) {
                    self.len.fetch_sub(1, Ordering::SeqCst);
                    self.bytes.fetch_sub(size, Ordering::SeqCst);
                }
            }
        }
        *ending = None;
    }

    /// Whether a writer, without its locks, has to call `relieve`.
    pub(super) fn exceeds_bound(&self) -> bool {
        self.bytes.load(Ordering::SeqCst) > self.bound
    }

    /// To be called by writers, without locks, after they have written: ends the oldest snapshots
    /// while the versions take more than the bound. If that is just being done, it is left to whoever
    /// does it, so that no writer waits.
    pub(super) fn relieve(&self) {
        while self.exceeds_bound() {
            let Some(mut ending) = try_lock(&self.ending) else { return };
            self.settle(&mut ending);
            if !self.exceeds_bound() {
                return;
            }
            let oldest = read(&self.kept).live.first_key_value().map(|(_, moment)| moment.clone());
            let Some(oldest) = oldest else { return };
            self.end_alone(&oldest, &mut ending);
        }
    }

    /// Keeps what `key` is, if a live snapshot needs it; `look` tells what it is. The caller holds
    /// the lock of the key, or is the only writer, from here until the change is made. `removes`
    /// says that the change is a removal.
    pub(super) fn keep<E>(
        &self,
        keyspace: u64,
        key: &[u8],
        removes: bool,
        look: impl FnOnce() -> Result<Before<R>, E>,
    ) -> Result<(), E> {
        let newest = self.newest.load(Ordering::SeqCst);
        if newest == 0 {
            return Ok(());
        }
        let known = match read(&self.kept).of(keyspace, key).last() {
            Some(version) if version.number >= newest => Some(version.differs),
            _ => None,
        };
        match known {
            Some(true) => {}
            // What is there is the removal of nothing: removing it again makes no difference.
            Some(false) if removes => {}
            Some(false) => write(&self.kept).note_difference(keyspace, key),
            None => self.enter(keyspace, key, look()?),
        }
        Ok(())
    }

    fn enter(&self, keyspace: u64, key: &[u8], before: Before<R>) {
        let mut kept = write(&self.kept);
        // The newest snapshot of before may have ended; none can have been taken, as there is a
        // writer.
        let number = self.newest.load(Ordering::SeqCst);
        if number == 0 {
            return;
        }
        let Before { row, size, differs } = before;
        let size = OVERHEAD + (key.len() + size) as u64;
        if kept.enter((keyspace, Key::from_slice(key)), Version { number, row, size, differs }) {
            self.len.fetch_add(1, Ordering::SeqCst);
            self.bytes.fetch_add(size, Ordering::SeqCst);
            self.entered.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// What `key` was at `moment`: what was kept of it, or what `live` reads.
    pub(super) fn see<L, E>(
        &self,
        moment: &Moment,
        keyspace: u64,
        key: &[u8],
        live: impl FnOnce() -> Result<L, E>,
    ) -> Result<Seen<R, L>, E> {
        let entered = self.entered.load(Ordering::SeqCst);
        if let Some(row) = self.seen(moment, keyspace, key) {
            return Ok(Seen::Kept(row));
        }
        let live = live()?;
        if self.entered.load(Ordering::SeqCst) == entered {
            return Ok(Seen::Live(live));
        }
        Ok(self.seen(moment, keyspace, key).map_or(Seen::Live(live), Seen::Kept))
    }

    /// What was kept of `key` for `moment`. If nothing was, a live row that was read before this is
    /// what the key was.
    pub(super) fn seen(&self, moment: &Moment, keyspace: u64, key: &[u8]) -> Option<R> {
        if self.is_empty() {
            return None;
        }
        let kept = read(&self.kept);
        seen(kept.of(keyspace, key), moment).map(|version| version.row.clone())
    }

    /// The first keys in `range` that were changed since `moment`, or, going down, the last, and what
    /// they were: `most` of them at most. To be asked after the live rows of the range were read.
    pub(super) fn seen_in(
        &self,
        moment: &Moment,
        keyspace: u64,
        range: Range<'_>,
        down: bool,
        most: usize,
    ) -> Vec<(Key, R)> {
        if self.is_empty() || is_empty_range(&range) {
            return Vec::new();
        }
        let kept = read(&self.kept);
        let Some(keys) = kept.versions.get(&keyspace) else { return Vec::new() };
        let rows = keys.range::<[u8], _>(range);
        let what_it_was = |(key, versions): (&Key, &History<R>)| {
            Some((Key::from_slice(key), seen(versions, moment)?.row.clone()))
        };
        match down {
            false => rows.filter_map(what_it_was).take(most).collect(),
            true => rows.rev().filter_map(what_it_was).take(most).collect(),
        }
    }

    /// Whether `key` was changed since `moment`.
    pub(super) fn has_changed(&self, moment: &Moment, keyspace: u64, key: &[u8]) -> bool {
        !self.is_empty() && differs(read(&self.kept).of(keyspace, key), moment)
    }

    /// Whether any key in `range` was changed since `moment`.
    pub(super) fn range_has_changed(
        &self,
        moment: &Moment,
        keyspace: u64,
        range: Range<'_>,
    ) -> bool {
        if self.is_empty() || is_empty_range(&range) {
            return false;
        }
        let kept = read(&self.kept);
        let keys = kept.versions.get(&keyspace);
        keys.is_some_and(|keys| {
            keys.range::<[u8], _>(range).any(|(_, versions)| differs(versions, moment))
        })
    }

    /// Drops what was kept of a keyspace that is gone: nobody reads it any more.
    pub(super) fn forget(&self, keyspace: u64) {
        let mut kept = write(&self.kept);
        let Some(gone) = kept.versions.remove(&keyspace) else { return };
        kept.touched.values_mut().for_each(|touched| touched.retain(|place| place.0 != keyspace));
        for version in gone.values().flatten() {
            self.len.fetch_sub(1, Ordering::SeqCst);
            self.bytes.fetch_sub(version.size, Ordering::SeqCst);
        }
        drop(kept);
        drop(gone);
    }

    pub(super) fn stats(&self) -> SnapshotStats {
        let kept = read(&self.kept);
        SnapshotStats {
            live: kept.live.len(),
            versions: self.len.load(Ordering::SeqCst),
            bytes: self.bytes.load(Ordering::SeqCst),
        }
    }

    /// Whether there are no versions. A version is counted before its key changes, so to a reader who
    /// has read the live row before it asks, "none" means that the row has not changed.
    pub(super) fn is_empty(&self) -> bool {
        self.len.load(Ordering::SeqCst) == 0
    }
}
