//! The one way to write: every change of every key goes through this folder to a commit.
//!
//! A write of one key that depends on what the key is, such as a swap, reads the key first, and is
//! validated under the commit lock like a transaction: if the key was committed since, it reads again.
//!
//! # Conflicts
//!
//! Counts as a change for transactions: storing the same value, changing only the expiry, a put that
//! is dead at once. Does not: deleting an absent key, an expiry passing, removing what has expired. A
//! writer learns that a key is absent before it commits, and only while there are transactions; the
//! log then has a purge in the place of the delete, which removes the key all the same. Deleting a range
//! counts as a change of every key in it.

pub(crate) mod batch;
pub(crate) mod copied;
pub(crate) mod delete_range;
pub(crate) mod expiry;
pub(crate) mod fold;
pub(crate) mod many;
pub(crate) mod merge;
pub(crate) mod point;
pub(crate) mod purge;

use std::cell::Cell;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use oxistore_core::StoreError;

use crate::commit::{Basis, Change, KeyspaceId, Record, RowImage};
use crate::engine::{Bytes, Result};
use crate::store::inner::{Core, StoreInner};
use crate::store::keyspace::Keyspace;
use crate::store::limits::{check_key, check_value};
use crate::store::stats::counters::Count;
use crate::store::under_way::Work;
use crate::store::SledStore;

/// What a write makes of a key. `V` holds the bytes of a value.
#[derive(Clone)]
pub(crate) enum Write<V> {
    /// The time to live, if there is one, starts at the commit.
    Put(V, Option<Duration>),
    /// A put of a key that keeps its expiry, in milliseconds since 1970.
    PutUntil(V, u64),
    Delete,
    /// Removes all keys from the key up to, not including, this one, or all that follow.
    DeleteRange(Option<V>),
    /// Changes when the key expires, if it is there; `None` is never.
    Expire(Option<Duration>),
    /// Merges this operand; only in a batch, which makes another write of it.
    Merge(V),
}

/// A write and the key that it is for.
pub(crate) struct KeyWrite<'a, V> {
    pub(crate) keyspace: &'a Arc<Keyspace>,
    pub(crate) key: &'a [u8],
    pub(crate) write: &'a Write<V>,
}

/// A key as a writer sees it that decides what to do.
pub(crate) struct Current {
    /// The row, unless it has expired.
    pub(crate) row: Option<RowImage>,
    pub(crate) now: u64,
    basis: Basis,
    has_row: bool,
}

/// What a writer decides to make of a key.
pub(crate) enum Decision<'a> {
    Put(&'a [u8], Option<u64>),
    /// The value stays, and expires then.
    Expire(Option<u64>),
    Delete,
}

impl<V: Deref<Target = [u8]>> Write<V> {
    /// What it counts as.
    fn kind(&self) -> Count {
        match self {
            Write::Put(..) | Write::PutUntil(..) | Write::Expire(_) | Write::Merge(_) => {
                Count::Puts
            }
            Write::Delete | Write::DeleteRange(_) => Count::Deletes,
        }
    }

    fn size(&self) -> usize {
        match self {
            Write::Put(value, _)
            | Write::PutUntil(value, _)
            | Write::Merge(value)
            | Write::DeleteRange(Some(value)) => value.len(),
            Write::Delete | Write::DeleteRange(None) | Write::Expire(_) => 0,
        }
    }

    /// Fails where the write of `key` is refused, also if it would be dead at once. A key that is too
    /// long can be there all the same, from a program that does not go through this library, and can
    /// be removed.
    pub(crate) fn check(&self, key: &[u8], longest_key: usize) -> Result<()> {
        match self {
            Write::Put(value, _) | Write::PutUntil(value, _) | Write::Merge(value) => {
                check_key(key, Some(longest_key)).and(check_value(value))
            }
            Write::Delete | Write::DeleteRange(_) | Write::Expire(_) => Ok(()),
        }
    }

    /// What the log says if the commit is made `now`, if it does not depend on what the key is.
    fn at<'a>(&'a self, keyspace: KeyspaceId, key: &'a [u8], now: u64) -> Option<Change<'a>> {
        Some(match self {
            Write::Put(value, ttl) => {
                put_until(keyspace, key, value, ttl.map(|ttl| deadline(now, ttl)), now)
            }
            Write::Delete => Change::Delete { keyspace, key },
            Write::DeleteRange(upper) => {
                Change::DeleteRange { keyspace, lower: key, upper: upper.as_deref() }
            }
            Write::PutUntil(value, at) => put_until(keyspace, key, value, Some(*at), now),
            Write::Expire(_) | Write::Merge(_) => return None,
        })
    }
}

impl Write<Bytes> {
    /// What leaves the row as it is.
    pub(crate) fn of_row(row: Option<RowImage>) -> Self {
        match row {
            Some(RowImage { value, expires_at: Some(at) }) => Write::PutUntil(value, at),
            Some(RowImage { value, expires_at: None }) => Write::Put(value, None),
            None => Write::Delete,
        }
    }

    /// What the write makes of a key, whatever the key is; `None` if it does not put it.
    pub(crate) fn value(&self) -> Option<&Bytes> {
        match self {
            Write::Put(_, Some(Duration::ZERO)) => None,
            Write::Put(value, _) | Write::PutUntil(value, _) => Some(value),
            Write::Delete | Write::DeleteRange(_) | Write::Expire(_) | Write::Merge(_) => None,
        }
    }

    /// The same with another value, or a removal. The life stays, if there is one.
    pub(crate) fn replaced(&self, value: Option<Bytes>) -> Self {
        let Some(value) = value else { return Write::Delete };
        match self {
            Write::PutUntil(_, at) => Write::PutUntil(value, *at),
            Write::Put(_, ttl) => Write::Put(value, ttl.filter(|ttl| !ttl.is_zero())),
            Write::Delete | Write::DeleteRange(_) | Write::Expire(_) | Write::Merge(_) => {
                Write::Put(value, None)
            }
        }
    }
}

/// A put that expires at `expires_at`; one that would be dead at once removes the key.
fn put_until<'a>(
    keyspace: KeyspaceId,
    key: &'a [u8],
    value: &'a [u8],
    expires_at: Option<u64>,
    now: u64,
) -> Change<'a> {
    match expires_at {
        Some(at) if at <= now => Change::Delete { keyspace, key },
        expires_at => Change::Put { keyspace, key, value, expires_at },
    }
}

/// The millisecond since 1970 in which something that starts `now` and lives for `ttl` is over.
pub(crate) fn deadline(now: u64, ttl: Duration) -> u64 {
    let milliseconds = ttl.as_nanos().div_ceil(1_000_000);
    now.saturating_add(u64::try_from(milliseconds).unwrap_or(u64::MAX))
}

impl Current {
    pub(crate) fn value(&self) -> Option<&Bytes> {
        self.row.as_ref().map(|row| &row.value)
    }

    /// When the key expires; `None` also for one that is absent.
    pub(crate) fn expires_at(&self) -> Option<u64> {
        self.row.as_ref().and_then(|row| row.expires_at)
    }
}

impl StoreInner {
    /// The key as it is now. The caller has a lease, and `core` from it.
    pub(crate) fn current(&self, core: &Core, keyspace: &Keyspace, key: &[u8]) -> Result<Current> {
        let look = || {
            let (row, basis) = core.get(keyspace.id(), key)?;
            Result::Ok((row, basis, self.now_ms()))
        };
        let (mut row, mut basis, mut now) = look()?;
        if row.as_ref().is_some_and(|row| !row.is_live(now)) {
            (row, basis, now) = self.revivals.look_between(|| core.between_commits(), look)?;
        }
        let has_row = row.is_some();
        Ok(Current { row: row.filter(|row| row.is_live(now)), now, basis, has_row })
    }

    /// Whether a key that was live, and ends at `ends`, has ended, so that a reader may have found it
    /// absent by now; if not, none does until `revival` is dropped. The caller holds the commit lock.
    fn has_ended<'a>(&'a self, ends: Option<u64>, revival: &Cell<Option<Work<'a>>>) -> bool {
        let Some(ends) = ends else { return false };
        revival.set(Some(self.revivals.begin()));
        ends <= self.now_ms()
    }
}

impl SledStore {
    /// The row of `key`, unless it has expired; then the row goes, if no writer is in the way.
    pub(crate) fn look_up(&self, core: &Core, key: &[u8]) -> Result<Option<RowImage>> {
        self.inner.counters.add(Count::Gets, 1);
        let current = self.inner.current(core, &self.keyspace, key)?;
        if current.row.is_none() && current.has_row {
            self.evict(core, key, current.basis);
        }
        Ok(current.row)
    }

    /// It is not what the reader asked for, so an error is left alone: the key stays absent for every
    /// reader.
    fn evict(&self, core: &Core, key: &[u8], basis: Basis) {
        let id = self.keyspace.id();
        let mut record = Record::new();
        record.push(Change::Purge { keyspace: id, key });
        let _changing = self.keyspace.count.changing();
        let _ = core.try_commit(record, |committed| match committed.has_changed(basis, id, key) {
            true => Err(StoreError::TxnConflict),
            false => Ok(()),
        });
    }

    /// Makes one write that does not depend on what the key is.
    pub(crate) fn write_one(&self, key: &[u8], write: &Write<&[u8]>) -> Result<()> {
        write.check(key, self.inner.longest_key)?;
        let lease = self.keyspace.lease(self.inner.path())?;
        let core = lease.core();
        core.wait_for_room(key.len() + write.size())?;
        let mut record = Record::with_room(key.len() + write.size());
        record.extend(write.at(self.keyspace.id(), key, self.inner.now_ms()));
        let _changing = self.keyspace.count.changing();
        core.commit(record, self.inner.durability, |_| Ok(()))?;
        self.inner.counters.add(write.kind(), 1);
        Ok(())
    }

    /// Reads and changes one key, atomically against every other writer of it: `decide` sees the
    /// key and answers with what to do, if anything, and with what the caller wants to know. It is
    /// asked again if another writer comes in between.
    pub(crate) fn write_key<'a, T>(
        &self,
        key: &[u8],
        mut decide: impl FnMut(&Current) -> Result<(Option<Decision<'a>>, T)>,
    ) -> Result<T> {
        let lease = self.keyspace.lease(self.inner.path())?;
        let core = lease.core();
        let mut may_wait = true;
        loop {
            let current = self.inner.current(core, &self.keyspace, key)?;
            let (decision, answer) = decide(&current)?;
            let Some(decision) = decision else { return Ok(answer) };
            if self.try_decision(core, key, &current, &decision, &mut may_wait)? {
                return Ok(answer);
            }
        }
    }

    /// Commits a decision, unless another writer came in between; says whether it did. It waits for room
    /// the first time.
    fn try_decision(
        &self,
        core: &Core,
        key: &[u8],
        current: &Current,
        decision: &Decision<'_>,
        may_wait: &mut bool,
    ) -> Result<bool> {
        if matches!(decision, Decision::Delete) && !current.has_row {
            return Ok(true);
        }
        match self.commit_decision(core, key, current, decision, std::mem::take(may_wait)) {
            Err(StoreError::TxnConflict) => Ok(false),
            made => made.map(|()| true),
        }
    }

    /// Fails with a conflict if the key is not as the decision has it any more, or if it had to wait.
    fn commit_decision(
        &self,
        core: &Core,
        key: &[u8],
        current: &Current,
        decision: &Decision<'_>,
        may_wait: bool,
    ) -> Result<()> {
        let (id, inner) = (self.keyspace.id(), &*self.inner);
        let mut record = Record::new();
        record.push(match decision {
            Decision::Put(value, expires_at) => {
                Write::Put(*value, None).check(key, inner.longest_key)?;
                put_until(id, key, value, *expires_at, current.now)
            }
            Decision::Expire(expires_at) => {
                let value = current.value().map_or(&[][..], |value| &value[..]);
                put_until(id, key, value, *expires_at, current.now)
            }
            // What is absent, or has expired, does not change for any reader.
            Decision::Delete if current.row.is_none() => Change::Purge { keyspace: id, key },
            Decision::Delete => Change::Delete { keyspace: id, key },
        });
        if may_wait {
            core.wait_for_room(record.len())?;
            // A life begins now and not before the wait, so the writer has to decide anew.
            if inner.now_ms() > current.now {
                return Err(StoreError::TxnConflict);
            }
        }
        let ends = current.expires_at().filter(|_| !matches!(decision, Decision::Delete));
        let revival = Cell::new(None);
        let _changing = self.keyspace.count.changing();
        let committed = core.commit(record, inner.durability, |committed| {
            match committed.has_changed(current.basis, id, key) || inner.has_ended(ends, &revival) {
                true => Err(StoreError::TxnConflict),
                false => Ok(()),
            }
        });
        committed?;
        let is_delete = matches!(decision, Decision::Delete);
        match (is_delete, &current.row) {
            (false, _) => inner.counters.add(Count::Puts, 1),
            (true, Some(_)) => inner.counters.add(Count::Deletes, 1),
            (true, None) => {}
        }
        Ok(())
    }
}
