//! Expiries in a transaction, and writes that depend on what a key is.
//!
//! Each reads its key, which then counts as read, and stages a put of what it read. So the commit
//! validates that the key is still as it was.

use std::time::Duration;

use oxistore_core::StoreError;

use crate::engine::{Bytes, Result};
use crate::store::transaction::TransactionKeyspace;
use crate::store::write::{deadline, Write};

impl TransactionKeyspace {
    /// The value of `key` as the transaction sees it, and its remaining life.
    fn row(&self, key: &[u8]) -> Result<Option<(Bytes, Option<Duration>)>> {
        let view = &self.transaction.view;
        let left = |at: u64| Duration::from_millis(at.saturating_sub(view.now));
        let own = self.own_write(key, |write| match write {
            Some(Write::Put(value, ttl)) if *ttl != Some(Duration::ZERO) => {
                // In whole milliseconds, as it will be at the commit.
                let ttl = ttl.map(|ttl| Duration::from_millis(deadline(0, ttl)));
                Some((value.clone(), ttl))
            }
            Some(Write::PutUntil(value, at)) => Some((value.clone(), Some(left(*at)))),
            _ => None,
        })?;
        if let Some(own) = own {
            return Ok(own);
        }
        let row = self.store.row_at(view, key)?;
        Ok(row.map(|row| (row.value, row.expires_at.map(left))))
    }

    fn live_row(&self, key: &[u8]) -> Result<(Bytes, Option<Duration>)> {
        self.row(key)?.ok_or(StoreError::KeyNotFound)
    }

    /// How long `key` had left when the transaction began; `None` if it does not expire. Of what the
    /// transaction itself has written it is all of the time that it was written with.
    ///
    /// # Errors
    ///
    /// [`StoreError::KeyNotFound`] if the key is not there or had expired.
    pub fn ttl(&self, key: &[u8]) -> Result<Option<Duration>> {
        Ok(self.live_row(key)?.1)
    }

    /// Lets `key`, which must be there, live for the time `ttl`, which starts at the commit; its value
    /// stays.
    ///
    /// # Errors
    ///
    /// [`StoreError::KeyNotFound`] if the key is not there or had expired.
    pub fn expire(&self, key: &[u8], ttl: Duration) -> Result<()> {
        let (value, _) = self.live_row(key)?;
        self.transaction.write(&self.store.keyspace, key, Write::Put(value, Some(ttl)))
    }

    /// Lets `key` live for ever; says whether it had an expiry.
    ///
    /// # Errors
    ///
    /// [`StoreError::KeyNotFound`] if the key is not there or had expired.
    pub fn persist(&self, key: &[u8]) -> Result<bool> {
        let (value, ttl) = self.live_row(key)?;
        if ttl.is_some() {
            self.transaction.write(&self.store.keyspace, key, Write::Put(value, None))?;
        }
        Ok(ttl.is_some())
    }

    /// Sets `key` to `new` if its value is `expected`, where `None` means that it must not be there;
    /// says whether it did. The new value does not expire.
    ///
    /// # Errors
    ///
    /// As [`TransactionKeyspace::put`] and [`TransactionKeyspace::get`].
    pub fn compare_and_swap(
        &self,
        key: &[u8],
        expected: Option<&[u8]>,
        new: &[u8],
    ) -> Result<bool> {
        let matches = self.get_pinned(key)?.as_deref() == expected;
        if matches {
            self.put(key, new)?;
        }
        Ok(matches)
    }

    /// Removes `key` if its value is `expected`, where `None` means that it must not be there; says
    /// whether it was as expected.
    ///
    /// # Errors
    ///
    /// As [`TransactionKeyspace::get`].
    pub fn compare_and_delete(&self, key: &[u8], expected: Option<&[u8]>) -> Result<bool> {
        let matches = self.get_pinned(key)?.as_deref() == expected;
        if matches && expected.is_some() {
            self.delete(key)?;
        }
        Ok(matches)
    }
}
