//! The one write path. Every change of every key goes through this file.
//!
//! # Why a value and its expiry never part
//!
//! On disk: a change that touches both trees is one atomic step of the engine. A change that
//! touches one tree touches it alone because the other one has nothing to change: the sidecar is
//! left out exactly when the key had no expiry and gets none, which the writer knows because it
//! holds the lock of the key (or excludes all writers) from looking to committing.
//!
//! In memory: the writer announces what it makes of an expiry before the engine commits, and makes
//! it known afterwards, still under the lock. Between the two, a reader can see the old row or the
//! new one. It asks for the expiry first, then for the row, and once more for the expiry if anything
//! was announced or made known in between, because the row may be that of the new expiry:
//!
//! * If the key has expired neither before the write nor after it, either row is one that some order
//!   of the two calls gives. If it has expired before and after, it is absent whichever it is.
//! * Otherwise the reader waits until the write is made or has failed. Whatever it answered without,
//!   others may have seen the contrary: the new row of the same key, before its old life was over, or
//!   another key of the same batch; and a commit may take longer than the life that it gives. It
//!   takes a write of an expired key, or a life that is over before the write returns.
//!
//! A writer looks at its key before it announces, and decides anew if a life that it has seen was
//! over by then: somebody may have found the key absent, so a swap or a longer life comes too late.
//!
//! A removal is not announced: the key is absent when its row is gone, whatever its expiry. While a
//! large batch is made, the engine lets nobody begin to read, and who asks for an expiry waits like
//! who asks for a row; its expiries become known before anybody goes on. Moments (`versions.rs`) do
//! not ask for what is announced: where they must not see a write, they find what was kept before it.
//! Whoever needs value and expiry of one write takes the lock of the key.

use super::change::{Action, Change, Planned};
use super::keyspace::{Keyspace, Trees};
use super::locks::{lock, read, try_lock, try_read, write};
use super::shared::Shared;
use super::tally::Presence;
use super::versions::Before;
use super::SledStore;
use crate::engine::{
    commit, commit_blind, commit_large, commit_one, is_large, Bytes, Result, Teller,
};

/// How often a writer gives back its locks to wait for the disk. Then it waits with them: somebody
/// who flushes all the time must not keep it out for ever.
const WAITS: usize = 8;

/// A key as its writer sees it: nobody else changes it while this exists.
pub(super) struct Current<'a> {
    keyspace: &'a Keyspace,
    trees: &'a Trees,
    key: &'a [u8],
    /// When this was looked at, in milliseconds since 1970.
    pub(super) now: u64,
}

impl Current<'_> {
    /// When the key expires or has expired.
    pub(super) fn expires_at(&self) -> Option<u64> {
        self.keyspace.expiries().get(self.key)
    }

    pub(super) fn has_expired(&self) -> bool {
        self.expires_at().is_some_and(|at| at <= self.now)
    }

    /// Whether it had not expired when this was looked at, and has at `now`.
    fn expires_by(&self, now: u64) -> bool {
        self.expires_at().is_some_and(|at| self.now < at && at <= now)
    }

    /// The value, unless the key is absent or has expired.
    pub(super) fn value(&self) -> Result<Option<Bytes>> {
        if self.has_expired() {
            return Ok(None);
        }
        self.trees.data.get(self.key)
    }

    pub(super) fn check(&self, action: Action<'_>) -> Result<()> {
        action.check(self.key, self.trees)
    }

    pub(super) fn is_live(&self) -> Result<bool> {
        Ok(!self.has_expired() && self.trees.data.contains(self.key)?)
    }
}

/// What a key was, as snapshots keep it.
#[derive(Clone)]
pub(super) struct Past {
    /// `None` if there was no row.
    pub(super) value: Option<Bytes>,
    pub(super) expires_at: Option<u64>,
}

impl Past {
    /// The value, unless there was none at the time `now`.
    pub(super) fn at(self, now: u64) -> Option<Bytes> {
        self.value.filter(|_| self.expires_at.is_none_or(|at| at > now))
    }
}

impl SledStore {
    /// Reads and changes one key, atomically against every other writer of it: `decide` sees the
    /// key and answers with what to do, if anything, and with what the caller wants to know. It is
    /// asked again where the disk has to be waited for first.
    pub(super) fn write_key<'a, T>(
        &self,
        key: &'a [u8],
        mut decide: impl FnMut(&Current<'_>) -> Result<(Option<Action<'a>>, T)>,
    ) -> Result<T> {
        let (answer, pressure) =
            self.shared.when_ready(|may_wait| self.write_locked(key, may_wait, &mut decide))?;
        self.shared.relieve(pressure)?;
        Ok(answer)
    }

    /// Answers also whether the engine is under pressure, to be relieved without locks; `None` if
    /// nothing was done because the disk has to be waited for, without locks too, and `may_wait`.
    fn write_locked<'a, T>(
        &self,
        key: &'a [u8],
        may_wait: bool,
        decide: &mut impl FnMut(&Current<'_>) -> Result<(Option<Action<'a>>, T)>,
    ) -> Result<Option<(T, bool)>> {
        let in_use = self.keyspace.in_use(self.shared.path())?;
        let _shared = read(&self.shared.commit);
        let _mine = lock(self.shared.stripe(&self.keyspace, key));
        let (keyspace, trees) = (&*self.keyspace, in_use.trees());
        loop {
            let current = Current { keyspace, trees, key, now: self.shared.now_ms() };
            let (action, answer) = decide(&current)?;
            // A call that only looks does not wait for what others have written.
            let Some(action) = action else { return Ok(Some((answer, false))) };
            action.check(key, trees)?;
            let change = Change { keyspace, trees, key, action };
            if may_wait && change.is_batch() && trees.data.is_crowded() {
                return Ok(None);
            }
            change.announce();
            if current.expires_by(self.shared.now_ms()) {
                // A reader may have found the key absent before it was announced.
                change.withdraw();
                continue;
            }
            self.shared.apply_one(&change).inspect_err(|_| change.withdraw())?;
            return Ok(Some((answer, self.shared.is_under_pressure(trees))));
        }
    }

    /// Removes `key` if it has expired, unless somebody is writing; then it is left for another
    /// time, and so it is if the disk had to be waited for. It is not what the reader asked for, so
    /// an error is left alone too: the key stays absent for every reader.
    pub(super) fn evict(&self, trees: &Trees, key: &[u8]) {
        if trees.data.is_crowded() {
            return;
        }
        self.evict_locked(trees, key);
        // What the row was may be kept now, as with any other write.
        self.shared.versions.relieve();
    }

    fn evict_locked(&self, trees: &Trees, key: &[u8]) {
        let Some(_shared) = try_read(&self.shared.commit) else {
            return;
        };
        let Some(_mine) = try_lock(self.shared.stripe(&self.keyspace, key)) else {
            return;
        };
        let keyspace = &*self.keyspace;
        // Somebody may have written the key since the caller looked.
        if (Current { keyspace, trees, key, now: self.shared.now_ms() }).has_expired() {
            let _ = self.shared.apply_one(&Change { keyspace, trees, key, action: Action::Delete });
        }
    }
}

impl Shared {
    /// Lets `write` try until it has done it. It answers with `None` where the disk has to be waited
    /// for, which is done here; it is told whether it may. The caller holds no lock.
    pub(super) fn when_ready<T>(
        &self,
        mut write: impl FnMut(bool) -> Result<Option<T>>,
    ) -> Result<T> {
        for waits in 0.. {
            if let Some(done) = write(waits < WAITS)? {
                return Ok(done);
            }
            self.wait_until_not_crowded()?;
        }
        unreachable!("it tries until it is done")
    }

    /// Makes all `changes` at once, each of a key of its own, if `permit` allows it while no other
    /// writer is under way: all are there after a crash, or none. Says whether they were made: they
    /// are not where the disk has to be waited for first, which is done without locks, and
    /// `may_wait`.
    pub(super) fn write_all<'a>(
        &self,
        changes: impl Iterator<Item = Planned<'a>>,
        may_wait: bool,
        permit: &mut dyn FnMut() -> Result<()>,
    ) -> Result<bool> {
        let _alone = write(&self.commit);
        let now = self.now_ms();
        let changes: Vec<_> = changes.map(|planned| planned.at(now)).collect();
        if may_wait && is_crowded_for(&changes) {
            return Ok(false);
        }
        permit()?;
        self.apply_all(&changes)?;
        Ok(true)
    }

    /// Removes those of `keys` that have expired, at once; answers with how many rows went, `None` if
    /// the disk has to be waited for first, without locks, and `may_wait`.
    pub(super) fn remove_expired(
        &self,
        keyspace: &Keyspace,
        trees: &Trees,
        keys: &[Box<[u8]>],
        may_wait: bool,
    ) -> Result<Option<u64>> {
        let _alone = write(&self.commit);
        let now = self.now_ms();
        let expired = |key: &&[u8]| Current { keyspace, trees, key, now }.has_expired();
        let delete = |key| Change { keyspace, trees, key, action: Action::Delete };
        let changes: Vec<_> = keys.iter().map(|key| &key[..]).filter(expired).map(delete).collect();
        if may_wait && is_crowded_for(&changes) {
            return Ok(None);
        }
        let mut removed = 0;
        for change in &changes {
            removed += u64::from(trees.data.contains_to_write(change.key)?);
        }
        self.apply_all(&changes)?;
        Ok(Some(removed))
    }

    /// Makes one change. The caller holds the lock of the key, and has announced the change.
    fn apply_one(&self, change: &Change<'_>) -> Result<()> {
        let &Change { keyspace, trees, key, .. } = change;
        if is_large(&trees.data, 1, || change.size()) {
            return self.apply_all(std::slice::from_ref(change));
        }
        let old_expiry = keyspace.expiries().get(key);
        let encoded = change.encoded_expiry();
        let sidecar = change.sidecar_step(&encoded);
        self.keep(change)?;
        let committed = match (change.data_step(), sidecar) {
            (Some(data), None) => commit_one(data),
            (Some(data), Some(sidecar)) => commit(&[data, sidecar]).map(|existed| existed[0]),
            // Only the expiry of a live key changes.
            (None, Some(sidecar)) => commit_one(sidecar).map(|_| true),
            (None, None) => return Ok(()),
        };
        let existed = committed.inspect_err(|_| change.has_failed())?;
        change.is_made(if existed { Presence::of(old_expiry) } else { Presence::Absent });
        Ok(())
    }

    /// Makes all changes in one step. The caller holds the write side of `Shared::commit`, or, for
    /// one change, the lock of the key.
    fn apply_all(&self, changes: &[Change<'_>]) -> Result<()> {
        let before = presences(changes)?;
        changes.iter().try_for_each(|change| self.keep(change))?;
        let before = before.into_iter().chain(std::iter::repeat(Presence::Absent));
        let made =
            || changes.iter().zip(before).for_each(|(change, before)| change.is_made(before));
        commit_all(changes, made).inspect_err(|_| changes.iter().for_each(Change::has_failed))
    }

    /// Keeps what the key was for the snapshots that are live. Before the engine is touched: see
    /// `versions.rs`.
    fn keep(&self, change: &Change<'_>) -> Result<()> {
        let &Change { keyspace, trees, key, action } = change;
        let removes = matches!(action, Action::Delete);
        self.versions.keep(keyspace.id(), key, removes, || {
            let row = Past {
                value: trees.data.get_to_write(key)?,
                expires_at: keyspace.expiries().get(key),
            };
            let size = row.value.as_ref().map_or(0, |value| value.len());
            let differs = !removes || row.clone().at(self.now_ms()).is_some();
            Ok(Before { row, size, differs })
        })
    }
}

/// Whether these are a batch to the engine, and the disk is not ready for one.
fn is_crowded_for(changes: &[Change<'_>]) -> bool {
    let Some(first) = changes.first() else { return false };
    let is_batch = changes.len() > 1 || first.is_batch();
    is_batch && first.trees.data.is_crowded()
}

/// `made` is called when the engine has made them.
fn commit_all(changes: &[Change<'_>], made: impl FnOnce()) -> Result<()> {
    let Some(first) = changes.first() else { return Ok(()) };
    let bytes = || changes.iter().map(Change::size).sum();
    let announce = || changes.iter().for_each(Change::announce);
    if is_large(&first.trees.data, changes.len(), bytes) {
        let tell = |make: Teller<'_>| {
            for change in changes {
                let encoded = change.encoded_expiry();
                change.data_step().map_or(Ok(()), &mut *make)?;
                change.sidecar_step(&encoded).map_or(Ok(()), &mut *make)?;
            }
            Ok(())
        };
        return commit_large(&first.trees.data, tell, announce, made);
    }
    let encoded: Vec<_> = changes.iter().map(Change::encoded_expiry).collect();
    let mut steps = Vec::with_capacity(changes.len());
    for (change, encoded) in changes.iter().zip(&encoded) {
        steps.extend(change.data_step());
        steps.extend(change.sidecar_step(encoded));
    }
    announce();
    commit_blind(&steps).map(|()| made())
}

/// What the keys are now; looked up only in keyspaces that are counted, and nothing if none is.
fn presences(changes: &[Change<'_>]) -> Result<Vec<Presence>> {
    if !changes.iter().any(|change| change.keyspace.tally().is_active()) {
        return Ok(Vec::new());
    }
    let look = |change: &Change<'_>| {
        let counted = change.keyspace.tally().is_active();
        if !counted || !change.trees.data.contains_to_write(change.key)? {
            return Ok(Presence::Absent);
        }
        Ok(Presence::of(change.keyspace.expiries().get(change.key)))
    };
    changes.iter().map(look).collect()
}
