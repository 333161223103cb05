//! Keys that live for a time.
//!
//! An expired key is absent for every operation from its first millisecond on. Its row goes when
//! somebody reads the key, writes it, or calls [`SledStore::purge_expired`].

use std::time::Duration;

use oxistore_core::StoreError;

use crate::engine::Result;
use crate::store::write::{deadline, Current, Decision, Write};
use crate::store::SledStore;

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
        self.write_one(key, &Write::Put(value, Some(ttl)))
    }

    /// Lets `key`, which must be there, live for the time `ttl` from now; its value stays.
    ///
    /// # Errors
    ///
    /// [`StoreError::KeyNotFound`] if the key is not there or has expired.
    pub fn expire(&self, key: &[u8], ttl: Duration) -> Result<()> {
        self.write_key(key, |current| {
            must_be_live(current)?;
            Ok((Some(Decision::Expire(Some(deadline(current.now, ttl)))), ()))
        })
    }

    /// How long `key` has left; `None` if it does not expire.
    ///
    /// # Errors
    ///
    /// [`StoreError::KeyNotFound`] if the key is not there or has expired.
    pub fn ttl(&self, key: &[u8]) -> Result<Option<Duration>> {
        let lease = self.keyspace.lease(self.inner.path())?;
        let current = self.inner.current(lease.core(), &self.keyspace, key)?;
        must_be_live(&current)?;
        Ok(current.expires_at().map(|at| Duration::from_millis(at - current.now)))
    }

    /// Lets `key` live for ever; says whether it had an expiry.
    ///
    /// # Errors
    ///
    /// [`StoreError::KeyNotFound`] if the key is not there or has expired.
    pub fn persist(&self, key: &[u8]) -> Result<bool> {
        self.write_key(key, |current| {
            must_be_live(current)?;
            let expires = current.expires_at().is_some();
            Ok((expires.then_some(Decision::Expire(None)), expires))
        })
    }
}

fn must_be_live(current: &Current) -> Result<()> {
    match current.row {
        Some(_) => Ok(()),
        None => Err(StoreError::KeyNotFound),
    }
}
