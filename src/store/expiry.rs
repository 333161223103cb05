//! Keys that live for a time.
//!
//! An expired key is absent for every operation from its first millisecond on. Its row goes when
//! somebody reads the key, writes it, or calls [`SledStore::purge_expired`].

use std::time::Duration;

use oxistore_core::StoreError;

use super::change::Action;
use super::expiries::SHARDS;
use super::write::Current;
use super::SledStore;
use crate::engine::Result;

/// Keys that one step of a purge removes, while writers wait.
const PURGE_STEP: usize = 256;

impl SledStore {
    /// Sets `key` to `value` for the time `ttl`; both or neither.
    ///
    /// A `ttl` of zero means that the key is gone at once; a fraction of a millisecond counts as a
    /// whole one; one that goes past the end of time (the year 584,556,019) stops there.
    ///
    /// # Errors
    ///
    /// As [`SledStore::put`].
    pub fn put_with_ttl(&self, key: &[u8], value: &[u8], ttl: Duration) -> Result<()> {
        let decide = |now| Action::put_until(value, deadline(now, ttl), now);
        self.write_key(key, |current| {
            // A value that is refused is refused with a TTL of zero too.
            current.check(Action::Put { value, expires_at: None })?;
            Ok((Some(decide(current.now)), ()))
        })
    }

    /// Lets `key`, which must be there, live for the time `ttl` from now; its value stays.
    ///
    /// # Errors
    ///
    /// [`StoreError::KeyNotFound`] if the key is not there or has expired.
    pub fn expire(&self, key: &[u8], ttl: Duration) -> Result<()> {
        self.write_key(key, |current| {
            live(current)?;
            Ok((Some(Action::expire_at(deadline(current.now, ttl), current.now)), ()))
        })
    }

    /// How long `key` has left; `None` if it does not expire.
    ///
    /// # Errors
    ///
    /// [`StoreError::KeyNotFound`] if the key is not there or has expired.
    pub fn ttl(&self, key: &[u8]) -> Result<Option<Duration>> {
        self.write_key(key, |current| {
            live(current)?;
            Ok((None, current.expires_at().map(|at| Duration::from_millis(at - current.now))))
        })
    }

    /// Lets `key` live for ever; says whether it had an expiry.
    ///
    /// # Errors
    ///
    /// [`StoreError::KeyNotFound`] if the key is not there or has expired.
    pub fn persist(&self, key: &[u8]) -> Result<bool> {
        self.write_key(key, |current| {
            live(current)?;
            let expires = current.expires_at().is_some();
            Ok((expires.then_some(Action::Expire(None)), expires))
        })
    }

    /// Removes all rows of this keyspace that have expired; answers with how many.
    pub fn purge_expired(&self) -> Result<u64> {
        let mut removed = 0;
        for shard in 0..SHARDS {
            loop {
                let step = |may_wait| self.purge_step(shard, may_wait);
                let (found, gone) = self.shared.when_ready(step)?;
                removed += gone;
                if found < PURGE_STEP {
                    break;
                }
            }
        }
        Ok(removed)
    }

    /// Answers with how many keys had expired, of a step at most, and how many rows went; `None` if
    /// nothing was done because the disk has to be waited for, and `may_wait`.
    fn purge_step(&self, shard: usize, may_wait: bool) -> Result<Option<(usize, u64)>> {
        let in_use = self.keyspace.in_use(self.shared.path())?;
        let (trees, now) = (in_use.trees(), self.shared.now_ms());
        let keys = self.keyspace.expiries().expired_in(shard, now, PURGE_STEP);
        let gone = self.shared.remove_expired(&self.keyspace, trees, &keys, may_wait)?;
        let pressure = self.shared.is_under_pressure(trees);
        drop(in_use);
        let Some(gone) = gone else { return Ok(None) };
        self.shared.relieve(pressure)?;
        Ok(Some((keys.len(), gone)))
    }
}

fn live(current: &Current<'_>) -> Result<()> {
    if current.is_live()? {
        Ok(())
    } else {
        Err(StoreError::KeyNotFound)
    }
}

/// The millisecond since 1970 in which something that starts `now` and lives for `ttl` is over.
pub(super) fn deadline(now: u64, ttl: Duration) -> u64 {
    let milliseconds = ttl.as_nanos().div_ceil(1_000_000);
    now.saturating_add(u64::try_from(milliseconds).unwrap_or(u64::MAX))
}
