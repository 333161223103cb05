//! Keys that live for a time.
//!
//! An expired key is absent for every operation from its first millisecond on. Its row goes when
//! somebody reads the key, writes it, or calls [`SledStore::purge_expired`].

use std::time::Duration;

use oxistore_core::StoreError;

use super::write::{Action, Current, WAITS};
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
        let (mut removed, mut shard, mut waits) = (0, 0, 0);
        loop {
            let in_use = self.keyspace.in_use(self.shared.path())?;
            let (trees, now) = (in_use.trees(), self.shared.now_ms());
            let Some(keys) = self.keyspace.expiries().expired_in(shard, now, PURGE_STEP) else {
                break;
            };
            let may_wait = waits < WAITS;
            let gone = self.shared.remove_expired(&self.keyspace, trees, &keys, may_wait)?;
            let pressure = self.shared.is_under_pressure(trees);
            drop(in_use);
            let Some(gone) = gone else {
                self.shared.wait_until_not_crowded()?;
                waits += 1;
                continue;
            };
            self.shared.relieve(pressure)?;
            removed += gone;
            waits = 0;
            if keys.len() < PURGE_STEP {
                shard += 1;
            }
        }
        Ok(removed)
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
