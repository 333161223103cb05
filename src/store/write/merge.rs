//! Merges: a key becomes what the keyspace's merge operator makes of it and an operand.
//!
//! Like a swap: read, decide, commit if nothing was committed for the key since, else again. The
//! operator decides, and it is code of the caller, so there is no lease meanwhile.

use std::cell::Cell;
use std::collections::BTreeMap;

use oxistore_core::StoreError;

use crate::commit::{Basis, Committed, Durability, KeyspaceId};
use crate::engine::{Bytes, Result};
use crate::store::inner::StoreInner;
use crate::store::write::fold::folded;
use crate::store::write::{Decision, KeyWrite, Write};
use crate::store::SledStore;

/// What all writes of a batch for one key come to, some of which merge.
struct Fold<'a> {
    /// The first merge.
    of: KeyWrite<'a, Bytes>,
    /// `None` before the first write.
    write: Option<Write<Bytes>>,
    /// What it depends on of what the store has: the state after a commit, and when the key expires.
    read: Option<(Basis, Option<u64>)>,
}

/// The keys that are merged.
type Folds<'a> = BTreeMap<(KeyspaceId, &'a [u8]), Fold<'a>>;

impl SledStore {
    /// Makes of the value of `key` and `operand` a new value, by the operator of the keyspace, see
    /// [`SledStore::set_merge_operator`]. No other write of the key comes in between. The key expires
    /// when it would have; one that has expired is absent for the operator, and what it makes of that
    /// does not expire.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unsupported`] if the keyspace has no operator, or the operator made a value that
    /// is too long; [`Reason::MergeFailed`](crate::Reason::MergeFailed) if the operator failed. In
    /// either case the key is as it was. Otherwise as [`SledStore::put`].
    pub fn merge(&self, key: impl AsRef<[u8]>, operand: impl AsRef<[u8]>) -> Result<()> {
        let (key, operand) = (key.as_ref(), operand.as_ref());
        let path = self.inner.path();
        let operator = self.keyspace.merge_operator(path)?;
        let (mut attempts, mut may_wait) = (self.inner.merge_turns.attempts(), true);
        loop {
            attempts.begin();
            let current = {
                let lease = self.keyspace.lease(path)?;
                self.inner.current(lease.core(), &self.keyspace, key)?
            };
            let old = current.value().map(|value| &value[..]);
            let merged = operator.run(key, old, operand, path)?;
            let decision = match &merged {
                Some(value) => Decision::Put(value, current.expires_at()),
                None => Decision::Delete,
            };
            let lease = self.keyspace.lease(path)?;
            if self.try_decision(lease.core(), key, &current, &decision, &mut may_wait)? {
                return Ok(());
            }
        }
    }

    /// Makes the `writes` of a batch in one commit, where some of them merge: as they come out if
    /// nothing that was merged is committed between.
    pub(crate) fn write_merging(
        &self,
        writes: &[KeyWrite<'_, Bytes>],
        durability: Durability,
    ) -> Result<()> {
        let mut attempts = self.inner.merge_turns.attempts();
        loop {
            attempts.begin();
            let folds = fold(writes, &self.inner)?;
            let is_plain = |write: &&KeyWrite<'_, Bytes>| {
                is_range(write) || !folds.contains_key(&key_of(write))
            };
            let plain = writes.iter().filter(is_plain);
            // Last, so that no deletion of a range comes after them that they know already.
            let merged = folds.values().filter_map(Fold::write);
            let all = plain.map(|write| KeyWrite { ..*write }).chain(merged).collect();
            let committed = folded(all, |all| {
                // Ends after the commit.
                let revival = Cell::new(None);
                self.write_all(all, Vec::new(), durability, |committed| {
                    let ends = folds.values().filter_map(|fold| fold.read?.1).min();
                    let has_changed = folds.values().any(|fold| fold.has_changed(committed));
                    match has_changed || self.inner.has_ended(ends, &revival) {
                        true => Err(StoreError::TxnConflict),
                        false => Ok(()),
                    }
                })
            });
            match committed {
                Err(StoreError::TxnConflict) => {}
                made => return made,
            }
        }
    }
}

fn key_of<'a>(write: &KeyWrite<'a, Bytes>) -> (KeyspaceId, &'a [u8]) {
    (write.keyspace.id(), write.key)
}

fn is_range(write: &KeyWrite<'_, Bytes>) -> bool {
    matches!(write.write, Write::DeleteRange(_))
}

fn fold<'a>(writes: &[KeyWrite<'a, Bytes>], inner: &StoreInner) -> Result<Folds<'a>> {
    let merges = writes.iter().filter(|write| matches!(write.write, Write::Merge(_)));
    let mut folds: Folds<'a> = merges
        .map(|of| (key_of(of), Fold { of: KeyWrite { ..*of }, write: None, read: None }))
        .collect();
    for write in writes {
        if is_range(write) {
            let deleted = folds.values_mut().filter(|fold| write.deletes(&fold.of));
            deleted.for_each(|fold| fold.write = Some(Write::Delete));
        } else if let Some(fold) = folds.get_mut(&key_of(write)) {
            fold.take(write.write, inner)?;
        }
    }
    Ok(folds)
}

impl Fold<'_> {
    fn take(&mut self, write: &Write<Bytes>, inner: &StoreInner) -> Result<()> {
        let made = match write {
            Write::Merge(operand) => {
                let operator = self.of.keyspace.merge_operator(inner.path())?;
                let before = self.before(inner)?;
                operator.run_on(&before, self.of.key, operand, inner.path())?
            }
            Write::Expire(ttl) => match self.before(inner)? {
                before if before.value().is_none() => before,
                Write::Put(value, _) | Write::PutUntil(value, _) => Write::Put(value, *ttl),
                before => before,
            },
            write => write.clone(),
        };
        self.write = Some(made);
        Ok(())
    }

    /// What the key is to become, or, before the first write, as the store has it.
    fn before(&mut self, inner: &StoreInner) -> Result<Write<Bytes>> {
        if let Some(write) = self.write.take() {
            return Ok(write);
        }
        let KeyWrite { keyspace, key, .. } = self.of;
        let lease = keyspace.lease(inner.path())?;
        let current = inner.current(lease.core(), keyspace, key)?;
        self.read = Some((current.basis, current.expires_at()));
        Ok(Write::of_row(current.row))
    }

    fn write(&self) -> Option<KeyWrite<'_, Bytes>> {
        self.write.as_ref().map(|write| KeyWrite { write, ..self.of })
    }

    fn has_changed(&self, committed: &Committed) -> bool {
        let id = self.of.keyspace.id();
        self.read.is_some_and(|(basis, _)| committed.has_changed(basis, id, self.of.key))
    }
}
