//! Transactions that begin again after a conflict.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::thread::sleep;
use std::time::Duration;

use oxistore_core::StoreError;

use crate::engine::Result;
use crate::store::{SledStore, SledTransaction};

/// How often a transaction is tried.
pub(crate) const ATTEMPTS: u32 = 100;

/// The longest first pause; it doubles with each attempt.
const FIRST_PAUSE: Duration = Duration::from_micros(20);

/// The longest pause at all.
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

impl SledStore {
    /// Runs `work` in a transaction and commits it; if another writer came in between, begins again,
    /// with growing pauses, and calls `work` 100 times at most. `work` should change nothing but the
    /// transaction. An
    /// error of `work` discards the transaction and is the answer, unless it is
    /// [`StoreError::TxnConflict`], which begins again.
    ///
    /// ```
    /// use sledstore::SledStore;
    ///
    /// # fn main() -> Result<(), sledstore::StoreError> {
    /// let store = SledStore::open_temporary()?;
    /// let count = store.transact(|transaction| {
    ///     let count = transaction.get(b"visits")?.map_or(0, |bytes| bytes[0]) + 1;
    ///     transaction.put(b"visits", &[count])?;
    ///     Ok(count)
    /// })?;
    /// assert_eq!(count, 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`StoreError::TxnConflict`] when each attempt met another writer; otherwise as
    /// [`SledTransaction::commit`].
    pub fn transact<T>(&self, mut work: impl FnMut(&SledTransaction) -> Result<T>) -> Result<T> {
        let is_conflict = |error: &StoreError| matches!(error, StoreError::TxnConflict);
        retry(is_conflict, || self.attempt(&mut work))
    }

    fn attempt<T>(&self, work: &mut impl FnMut(&SledTransaction) -> Result<T>) -> Result<T> {
        let transaction = self.transaction()?;
        let answer = work(&transaction)?;
        transaction.commit()?;
        Ok(answer)
    }
}

/// Makes attempts until one has no conflict, or there were too many.
pub(crate) fn retry<T, E>(
    is_conflict: impl Fn(&E) -> bool,
    mut attempt: impl FnMut() -> std::result::Result<T, E>,
) -> std::result::Result<T, E> {
    let mut pause = FIRST_PAUSE;
    for _ in 1..ATTEMPTS {
        match attempt() {
            Err(error) if is_conflict(&error) => {}
            answer => return answer,
        }
        sleep(part_of(pause));
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    attempt()
}

/// A random part of `pause`, so that two that met do not meet again.
fn part_of(pause: Duration) -> Duration {
    let random = RandomState::new().hash_one(0) % 1000;
    pause.mul_f64(random as f64 / 1000.0)
}
