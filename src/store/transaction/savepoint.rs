//! Savepoints: what a transaction has written so far, to come back to.
//!
//! A transaction that has savepoints keeps, for each key that it writes after one, what it had made
//! of the key before. That is kept once for each savepoint and key, so that a transaction that
//! writes the same keys again and again keeps no more for it. Reads are not undone: what the program
//! has learned from them, it may act upon after it came back.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::commit::{Key, KeyspaceId};
use crate::engine::{Bytes, Failure, Reason, Result};
use crate::store::transaction::{SledTransaction, TransactionState};
use crate::store::write::Write;

/// A place in a transaction, from [`SledTransaction::savepoint`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Savepoint(u64);

/// The savepoints of a transaction that have not ended, the oldest first.
#[derive(Default)]
pub(crate) struct Savepoints(Vec<Mark>);

struct Mark {
    savepoint: Savepoint,
    undo: Undo,
}

/// What was there at a savepoint of what was written between it and the next one, by the number of the
/// keyspace.
#[derive(Default)]
pub(crate) struct Undo {
    /// The keys; `None` for one that the transaction had not written.
    pub(crate) keys: BTreeMap<(KeyspaceId, Key), Option<Write<Bytes>>>,
    /// How many ranges had been deleted.
    pub(crate) ranges: BTreeMap<KeyspaceId, usize>,
}

/// No two savepoints of a process are the same, so that one of another transaction is refused.
static NEXT: AtomicU64 = AtomicU64::new(1);

impl Savepoint {
    /// The savepoint that has this number, if there is one.
    pub(crate) fn from_number(number: u64) -> Self {
        Self(number)
    }

    pub(crate) fn number(self) -> u64 {
        self.0
    }
}

impl Savepoints {
    fn add(&mut self) -> Savepoint {
        let savepoint = Savepoint(NEXT.fetch_add(1, Ordering::Relaxed));
        self.0.push(Mark { savepoint, undo: Undo::default() });
        savepoint
    }

    /// Keeps what a key was before the write that was just made.
    pub(crate) fn note(&mut self, keyspace: KeyspaceId, key: &[u8], before: Option<Write<Bytes>>) {
        if let Some(mark) = self.0.last_mut() {
            mark.undo.keys.entry((keyspace, Key::from_slice(key))).or_insert(before);
        }
    }

    /// Keeps how many ranges had been deleted before the one that is about to be.
    pub(crate) fn note_range(&mut self, keyspace: KeyspaceId, before: usize) {
        if let Some(mark) = self.0.last_mut() {
            mark.undo.ranges.entry(keyspace).or_insert(before);
        }
    }

    /// Ends the savepoints after `savepoint`; answers with what the keys were there. `None` if there
    /// is no such savepoint.
    fn unwind(&mut self, savepoint: Savepoint) -> Option<Undo> {
        let at = self.0.iter().position(|mark| mark.savepoint == savepoint)?;
        let mut undo = Undo::default();
        let marks = self.0.drain(at..).rev();
        // The older savepoint knows the older write.
        for Mark { undo: older, .. } in marks {
            undo.keys.extend(older.keys);
            undo.ranges.extend(older.ranges);
        }
        self.0.push(Mark { savepoint, undo: Undo::default() });
        Some(undo)
    }
}

impl TransactionState {
    fn roll_back_to(&self, savepoint: Savepoint) -> Result<()> {
        let mut progress = self.under_way()?;
        let Some(undo) = progress.savepoints.unwind(savepoint) else {
            let message = "the transaction has no such savepoint, or it has ended";
            let (path, reason) = (self.path(), Reason::InvalidArgument);
            return Err(Failure::error("roll back in", path, reason, message));
        };
        progress.restore(undo);
        Ok(())
    }
}

impl SledTransaction {
    /// Marks what the transaction has written so far, in all keyspaces, for
    /// [`SledTransaction::rollback_to`]. From here on the transaction keeps what it overwrites of its
    /// own.
    ///
    /// ```
    /// use sledstore::SledStore;
    ///
    /// # fn main() -> Result<(), sledstore::StoreError> {
    /// let store = SledStore::open_temporary()?;
    /// let transaction = store.transaction()?;
    /// transaction.put(b"apple", b"red")?;
    /// let savepoint = transaction.savepoint()?;
    /// transaction.put(b"apple", b"green")?;
    /// transaction.rollback_to(savepoint)?;
    /// transaction.commit()?;
    /// assert_eq!(store.get(b"apple")?.as_deref(), Some(&b"red"[..]));
    /// # Ok(())
    /// # }
    /// ```
    pub fn savepoint(&self) -> Result<Savepoint> {
        Ok(self.transaction.under_way()?.savepoints.add())
    }

    /// Undoes all writes that the transaction has made since `savepoint`, in all keyspaces, and ends
    /// the savepoints that were made after it. It can be rolled back to again. What was read since
    /// still counts as read.
    ///
    /// # Errors
    ///
    /// [`Reason::InvalidArgument`] if `savepoint` is one of another transaction, or has ended;
    /// nothing is undone then.
    pub fn rollback_to(&self, savepoint: Savepoint) -> Result<()> {
        self.transaction.roll_back_to(savepoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SledStore, StoreError};

    fn is_refused(result: Result<()>) -> bool {
        let error = result.expect_err("it is refused");
        Failure::of(&error).map(Failure::reason) == Some(Reason::InvalidArgument)
    }

    #[test]
    fn writes_since_a_savepoint_are_undone_in_all_keyspaces() {
        let store = SledStore::open_temporary().unwrap();
        let other = store.keyspace("other").unwrap();
        store.put(b"stored", b"0").unwrap();
        let transaction = store.transaction().unwrap();
        let beside = transaction.keyspace(&other).unwrap();
        transaction.put(b"a", b"1").unwrap();
        transaction.put(b"b", b"1").unwrap();
        transaction.delete(b"c").unwrap();
        let savepoint = transaction.savepoint().unwrap();
        for value in [b"2", b"3"] {
            transaction.put(b"a", value).unwrap();
        }
        transaction.delete(b"b").unwrap();
        transaction.put(b"c", b"2").unwrap();
        transaction.delete(b"stored").unwrap();
        beside.put(b"a", b"2").unwrap();
        transaction.rollback_to(savepoint).unwrap();
        assert_eq!(transaction.get(b"a").unwrap().as_deref(), Some(&b"1"[..]));
        assert_eq!(transaction.get(b"b").unwrap().as_deref(), Some(&b"1"[..]));
        assert!(!transaction.contains(b"c").unwrap() && transaction.contains(b"stored").unwrap());
        assert!(!beside.contains(b"a").unwrap());
        transaction.commit().unwrap();
        assert_eq!((store.count().unwrap(), other.count().unwrap()), (3, 0));
    }

    #[test]
    fn savepoints_nest_and_a_rollback_ends_the_later_ones_alone() {
        let store = SledStore::open_temporary().unwrap();
        let transaction = store.transaction().unwrap();
        let value = || transaction.get(b"a").unwrap();
        let put = |value: &[u8]| transaction.put(b"a", value).unwrap();
        let first = transaction.savepoint().unwrap();
        put(b"1");
        let second = transaction.savepoint().unwrap();
        put(b"2");
        let third = transaction.savepoint().unwrap();
        transaction.rollback_to(third).unwrap();
        assert_eq!(value().as_deref(), Some(&b"2"[..]));
        put(b"3");
        transaction.rollback_to(second).unwrap();
        assert_eq!(value().as_deref(), Some(&b"1"[..]));
        assert!(is_refused(transaction.rollback_to(third)));
        put(b"4");
        transaction.rollback_to(second).unwrap();
        assert_eq!(value().as_deref(), Some(&b"1"[..]));
        transaction.rollback_to(first).unwrap();
        assert_eq!(value(), None);
        assert!(is_refused(transaction.rollback_to(second)));
        transaction.rollback_to(first).unwrap();
    }

    #[test]
    fn a_savepoint_of_another_transaction_is_refused_and_nothing_undone() {
        let store = SledStore::open_temporary().unwrap();
        let (one, other) = (store.transaction().unwrap(), store.transaction().unwrap());
        one.savepoint().unwrap();
        one.put(b"a", b"1").unwrap();
        assert!(is_refused(one.rollback_to(other.savepoint().unwrap())));
        assert!(is_refused(one.rollback_to(Savepoint::from_number(0))));
        assert!(one.contains(b"a").unwrap());
    }

    #[test]
    fn what_was_read_since_a_savepoint_still_conflicts() {
        let store = SledStore::open_temporary().unwrap();
        let transaction = store.transaction().unwrap();
        let savepoint = transaction.savepoint().unwrap();
        assert_eq!(transaction.get(b"read").unwrap(), None);
        transaction.rollback_to(savepoint).unwrap();
        transaction.put(b"a", b"1").unwrap();
        store.put(b"read", b"1").unwrap();
        assert!(matches!(transaction.commit(), Err(StoreError::TxnConflict)));
    }

    #[test]
    fn an_open_iterator_follows_a_rollback() {
        let store = SledStore::open_temporary().unwrap();
        for key in [b"a", b"c", b"e"] {
            store.put(key, b"0").unwrap();
        }
        let transaction = store.transaction().unwrap();
        let savepoint = transaction.savepoint().unwrap();
        transaction.delete(b"c").unwrap();
        transaction.put(b"d", b"1").unwrap();
        let mut rows = transaction.keys().unwrap();
        assert_eq!(rows.next().unwrap().unwrap(), b"a");
        transaction.rollback_to(savepoint).unwrap();
        let left: Vec<_> = rows.map(Result::unwrap).collect();
        assert_eq!(left, [b"c", b"e"]);
    }
}
