//! Watches: telling of commits while they are made.
//!
//! A writer puts the events of its commit into the queues of the watches that want them, under the
//! commit lock and after the commit is published: so they come in the order of the commits, and a
//! watch finds in the store what it was told of. It wakes the watches without that lock.
//!
//! Whether a put inserts or updates, and whether a delete removes anything, depends on what was there.
//! The writer reads that before it takes the commit lock, under which nothing reads from the engine,
//! and only for keys that a watch wants. Under the lock it looks whether the key was committed since:
//! then the memtables have what was there. A store without watches pays one relaxed load for all of
//! this.

mod event;
mod queue;
mod wakers;

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;

pub use event::{KeyChange, KeyChangeKind, WatchEvent};
pub use queue::WatchOptions;
pub(crate) use queue::{Next, Queue, WatchEnd};

use super::basis::{Basis, Committed};
use super::committer::{Committer, Writer};
use super::memtable::Found;
use super::record::{Change, CompleteRecord, KeyspaceId, RowImage};
use super::Settled;
use crate::engine::Bytes;

type List = Vec<Arc<Queue>>;

/// The watches of a store. A watch has a share in it, and so it can outlive the store.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    /// Added to under the commit lock alone, so that a writer that holds it knows them all.
    list: ArcSwap<List>,
    /// How many there are, so that writers need not look at the list where there is none.
    count: AtomicUsize,
    /// Held while these two change.
    changing: Mutex<()>,
}

impl Watches {
    fn exchange(&self, change: impl FnOnce(&mut List)) {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut list = List::clone(&self.list.load());
        change(&mut list);
        self.count.store(list.len(), Ordering::Relaxed);
        self.list.store(Arc::new(list));
    }

    /// Ends the watch whose queue this is, and wakes what waits for it.
    pub(crate) fn remove(&self, queue: &Arc<Queue>) {
        queue.end(WatchEnd::Ended);
        self.exchange(|list| list.retain(|other| !Arc::ptr_eq(other, queue)));
        queue.notify();
    }
}

/// What a writer knows, before its commit, of the keys in it that watches want to hear of.
pub(super) struct Observed {
    watches: Arc<List>,
    ranges: Vec<WantedRange>,
    keys: Vec<Wanted>,
}

/// A range that the commit deletes, and of which some watch may want keys.
struct WantedRange {
    keyspace: KeyspaceId,
    lower: Bytes,
    upper: Option<Bytes>,
}

impl WantedRange {
    fn has(&self, keyspace: KeyspaceId, key: &[u8]) -> bool {
        self.keyspace == keyspace
            && *self.lower <= *key
            && self.upper.as_ref().is_none_or(|upper| *key < **upper)
    }
}

/// A key that some watch wants.
struct Wanted {
    keyspace: KeyspaceId,
    key: Bytes,
    /// Whether the commit puts it; else it removes it.
    is_put: bool,
    /// Whether the commit has deleted a range with the key before that.
    is_cleared: bool,
    /// What the key was; `None` where no watch can take it, or it cannot be read.
    before: Option<(Option<RowImage>, Basis)>,
}

impl<S: Settled> Committer<S> {
    /// Lets `queue` have the events of all commits after this; answers with the number of the last
    /// commit before.
    pub(crate) fn watch(&self, queue: &Arc<Queue>) -> u64 {
        let _writer = self.writer();
        self.watches.exchange(|list| list.push(Arc::clone(queue)));
        self.published()
    }

    pub(crate) fn watches(&self) -> &Arc<Watches> {
        &self.watches
    }

    /// No commit comes any more, or none of `keyspace`.
    pub(crate) fn end_watches(&self, keyspace: Option<KeyspaceId>, why: WatchEnd) {
        let ends = |queue: &Arc<Queue>| keyspace.is_none_or(|id| queue.keyspace() == id);
        let ended: List = self.watches.list.load().iter().filter(|it| ends(it)).cloned().collect();
        self.watches.exchange(|list| list.retain(|queue| !ends(queue)));
        for queue in ended {
            queue.end(why);
            queue.notify();
        }
    }

    /// Takes the commit lock by `lock`, with what watches have to be told of `record`, if anything.
    /// `None` where `lock` does not get it.
    pub(super) fn lock_observed<'a>(
        &'a self,
        record: &CompleteRecord,
        lock: impl Fn(&'a Self) -> Option<MutexGuard<'a, Writer>>,
    ) -> Option<(MutexGuard<'a, Writer>, Option<Observed>)> {
        let mut observed = None;
        loop {
            let writer = lock(self)?;
            // Registering takes the commit lock: a watch that is not counted here comes later.
            if self.watches.count.load(Ordering::Relaxed) == 0 {
                return Some((writer, None));
            }
            if observed.as_mut().is_some_and(|observed| self.refresh(observed)) {
                return Some((writer, observed));
            }
            drop(writer);
            observed = Some(self.observe(record));
        }
    }

    fn observe(&self, record: &CompleteRecord) -> Observed {
        let watches = self.watches.list.load_full();
        let (mut ranges, mut keys) = (Vec::new(), Vec::new());
        for change in record.changes() {
            let keyspace = change.keyspace();
            if let Change::DeleteRange { lower, upper, .. } = change {
                if watches.iter().any(|queue| queue.wants_of_range(keyspace, lower, upper)) {
                    let (lower, upper) = (Bytes::from(lower), upper.map(Bytes::from));
                    let range = WantedRange { keyspace, lower, upper };
                    // It tells of these, too.
                    keys.retain(|it: &Wanted| !range.has(it.keyspace, &it.key));
                    ranges.push(range);
                }
                continue;
            }
            let Some(key) = change.key() else { continue };
            if watches.iter().any(|queue| queue.wants(keyspace, key)) {
                let is_put = matches!(change, Change::Put { .. });
                let is_cleared = ranges.iter().any(|range| range.has(keyspace, key));
                let key = Bytes::from(key);
                keys.push(Wanted { keyspace, key, is_put, is_cleared, before: None });
            }
        }
        keep_last(&mut keys);
        for Wanted { keyspace, key, before, .. } in &mut keys {
            // A watch loses what cannot be read: the writer has not asked for it.
            if watches.iter().any(|queue| queue.wants(*keyspace, key) && !queue.is_losing()) {
                *before = self.get(*keyspace, key).ok();
            }
        }
        Observed { watches, ranges, keys }
    }

    /// Brings `observed` up to date, under the commit lock; says whether that is possible.
    fn refresh(&self, observed: &mut Observed) -> bool {
        if !Arc::ptr_eq(&observed.watches, &self.watches.list.load()) {
            return false;
        }
        let (committed, tables, last) = (Committed::of(self), self.tables.load(), self.published());
        for Wanted { keyspace, key, before, .. } in &mut observed.keys {
            let Some((row, basis)) = before else { continue };
            if committed.was_written(*basis, *keyspace, key) {
                match tables.get(*keyspace, key, last) {
                    Found::Version(version) => *row = version.row,
                    // The memtable of that commit is settled and gone.
                    Found::Nothing | Found::TooLate => return false,
                }
            }
        }
        true
    }

    /// Puts what the commit `sequence` has changed into the queues, under the commit lock; answers with
    /// those that have to be notified without it. `now` is the time of the commit.
    pub(super) fn tell(&self, sequence: u64, now: u64, observed: Observed) -> List {
        let Observed { watches, ranges, keys } = observed;
        let tables = self.tables.load();
        let range = |it: WantedRange| (it.keyspace, KeyChange::range(sequence, it.lower, it.upper));
        let mut events: Vec<_> = ranges.into_iter().map(range).collect();
        let mut unseen = Vec::new();
        for Wanted { keyspace, key, is_put, is_cleared, before } in keys {
            let Some((before, _)) = before else {
                unseen.push((keyspace, key));
                continue;
            };
            let was_live = before.filter(|_| !is_cleared).map(|row| row.is_live(now));
            for kind in event::kinds(was_live, is_put).into_iter().flatten() {
                // The memtable has just got the row, and shares its buffer.
                let row = match tables.get(keyspace, &key, sequence) {
                    Found::Version(version) if kind.has_value() => version.row,
                    _ => None,
                };
                events.push((keyspace, KeyChange::new(sequence, kind, key.clone(), row)));
            }
        }
        let tell = |queue: &&Arc<Queue>| {
            let own = events.iter().filter(|(keyspace, event)| queue.wants_event(*keyspace, event));
            let unseen = unseen.iter().filter(|(keyspace, key)| queue.wants(*keyspace, key));
            queue.push(sequence, own.map(|(_, event)| event.clone()).collect(), unseen.count())
        };
        watches.iter().filter(tell).cloned().collect()
    }
}

/// Leaves of several changes of one key the last.
fn keep_last(keys: &mut Vec<Wanted>) {
    if keys.len() > 1 {
        let mut known = HashSet::new();
        keys.reverse();
        keys.retain(|it| known.insert((it.keyspace, it.key.clone())));
        keys.reverse();
    }
}

#[cfg(test)]
mod tests;
