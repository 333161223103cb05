//! Many changes at one moment.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use oxistore_core::StoreError;

use super::change::{Plan, Planned};
use super::keyspace::Keyspace;
use super::limits::{check_key, check_value};
use super::SledStore;
use crate::engine::Result;

/// Changes to be made together, in any number of keyspaces: all of them or none.
///
/// A batch is filled, applied with [`SledStore::apply`], and may be applied again. The plain
/// methods speak of the keyspace that the batch is applied to; those that end in `_in` name one of
/// the same store. Of several changes of one key the last counts.
///
/// ```
/// use sledstore::{SledBatch, SledStore};
///
/// # fn main() -> Result<(), sledstore::StoreError> {
/// let users = SledStore::open_temporary()?;
/// let by_mail = users.keyspace("by mail")?;
/// let mut batch = SledBatch::new();
/// batch.put(b"17", b"Ada")?;
/// batch.put_in(&by_mail, b"ada@example.org", b"17")?;
/// users.apply(&batch)?;
/// assert!(users.contains(b"17")? && by_mail.contains(b"ada@example.org")?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct SledBatch {
    changes: Vec<Staged>,
}

#[derive(Clone)]
struct Staged {
    /// `None` is the keyspace that the batch is applied to. Another one is not kept open by this.
    keyspace: Option<Arc<Keyspace>>,
    key: Vec<u8>,
    action: StagedAction,
}

#[derive(Clone)]
enum StagedAction {
    Put(Vec<u8>),
    PutWithTtl(Vec<u8>, Duration),
    Delete,
}

impl SledBatch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets `key` to `value`.
    ///
    /// # Errors
    ///
    /// As [`SledStore::put`]; the batch is as it was before.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.stage(None, key, StagedAction::Put(value.to_vec()))
    }

    /// Sets `key` to `value` for the time `ttl`, which counts from when the batch is applied.
    ///
    /// # Errors
    ///
    /// As [`SledBatch::put`].
    pub fn put_with_ttl(&mut self, key: &[u8], value: &[u8], ttl: Duration) -> Result<()> {
        self.stage(None, key, StagedAction::PutWithTtl(value.to_vec(), ttl))
    }

    /// Removes `key`.
    ///
    /// # Errors
    ///
    /// As [`SledBatch::put`].
    pub fn delete(&mut self, key: &[u8]) -> Result<()> {
        self.stage(None, key, StagedAction::Delete)
    }

    /// As [`SledBatch::put`], in `keyspace`.
    pub fn put_in(&mut self, keyspace: &SledStore, key: &[u8], value: &[u8]) -> Result<()> {
        self.stage(Some(keyspace), key, StagedAction::Put(value.to_vec()))
    }

    /// As [`SledBatch::put_with_ttl`], in `keyspace`.
    pub fn put_with_ttl_in(
        &mut self,
        keyspace: &SledStore,
        key: &[u8],
        value: &[u8],
        ttl: Duration,
    ) -> Result<()> {
        self.stage(Some(keyspace), key, StagedAction::PutWithTtl(value.to_vec(), ttl))
    }

    /// As [`SledBatch::delete`], in `keyspace`.
    pub fn delete_in(&mut self, keyspace: &SledStore, key: &[u8]) -> Result<()> {
        self.stage(Some(keyspace), key, StagedAction::Delete)
    }

    /// How many changes were put into the batch.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether the batch has no changes.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Takes all changes out.
    pub fn clear(&mut self) {
        self.changes.clear();
    }

    fn stage(
        &mut self,
        keyspace: Option<&SledStore>,
        key: &[u8],
        action: StagedAction,
    ) -> Result<()> {
        if let StagedAction::Put(value) | StagedAction::PutWithTtl(value, _) = &action {
            check_key(key, None).and(check_value(value))?;
        }
        let keyspace = keyspace.map(|handle| Arc::clone(&handle.keyspace));
        self.changes.push(Staged { keyspace, key: key.to_vec(), action });
        Ok(())
    }
}

impl SledStore {
    /// Makes all changes of `batch` at one moment, and on disk all of them or none.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unsupported`] if the batch names a keyspace of another store. Whatever the
    /// error, no change was made, unless it is an I/O error of the disk.
    pub fn apply(&self, batch: &SledBatch) -> Result<()> {
        let mut changes = Vec::with_capacity(batch.changes.len());
        for staged in &batch.changes {
            let keyspace = staged.keyspace.as_ref().unwrap_or(&self.keyspace);
            if keyspace.store_id() != self.keyspace.store_id() {
                // Rather than that it is another's, say that it is gone, if it is.
                keyspace.in_use(self.shared.path())?;
                let text = "the batch names a keyspace of another store";
                return Err(StoreError::Unsupported(text.into()));
            }
            changes.push((keyspace, &staged.key[..], staged.action.plan()));
        }
        self.write_changes(changes)
    }

    /// Sets many keys at one moment. Of a key that is named twice the last value counts.
    ///
    /// # Errors
    ///
    /// As [`SledStore::put`]; no key was set then.
    pub fn batch_write(&self, pairs: &[(&[u8], &[u8])]) -> Result<()> {
        let puts = pairs.iter().map(|(key, value)| (&self.keyspace, *key, Plan::Put(value, None)));
        self.write_changes(puts.collect())
    }

    /// Removes many keys at one moment; they need not be there.
    ///
    /// # Errors
    ///
    /// As [`SledStore::delete`]; no key was removed then.
    pub fn batch_delete(&self, keys: &[&[u8]]) -> Result<()> {
        let deletes = keys.iter().map(|key| (&self.keyspace, *key, Plan::Delete));
        self.write_changes(deletes.collect())
    }

    fn write_changes(&self, changes: Vec<Place<'_>>) -> Result<()> {
        let pressure = self.write_if(changes, Vec::new(), || Ok(()))?;
        self.shared.relieve(pressure)
    }

    /// Makes `changes` at one moment, if `permit` allows it at that moment; `keyspaces` have to be
    /// there then too. Says whether the caller has to call [`Shared::relieve`].
    ///
    /// [`Shared::relieve`]: super::shared::Shared::relieve
    pub(super) fn write_if<'a>(
        &'a self,
        changes: Vec<Place<'a>>,
        mut keyspaces: Vec<&'a Arc<Keyspace>>,
        mut permit: impl FnMut() -> Result<()>,
    ) -> Result<bool> {
        if changes.len() > 1 {
            self.shared.wait_until_not_crowded()?;
        }
        // Keyspaces are taken into use by ascending id, each once: see the order of locks.
        keyspaces.extend(changes.iter().map(|(keyspace, _, _)| *keyspace));
        if keyspaces.is_empty() {
            keyspaces.push(&self.keyspace);
        }
        keyspaces.sort_by_key(|keyspace| keyspace.id());
        keyspaces.dedup_by_key(|keyspace| keyspace.id());
        let changes = last_of_each(changes);
        self.shared
            .when_ready(|may_wait| self.write_once(&changes, &keyspaces, may_wait, &mut permit))
    }

    /// `None` if nothing was done because the disk has to be waited for, and `may_wait`.
    fn write_once(
        &self,
        changes: &[Place<'_>],
        keyspaces: &[&Arc<Keyspace>],
        may_wait: bool,
        permit: &mut dyn FnMut() -> Result<()>,
    ) -> Result<Option<bool>> {
        let path = self.shared.path();
        let in_use =
            keyspaces.iter().map(|keyspace| keyspace.in_use(path)).collect::<Result<Vec<_>>>()?;
        let places: HashMap<u64, usize> =
            keyspaces.iter().enumerate().map(|(place, keyspace)| (keyspace.id(), place)).collect();
        let trees = |keyspace: &Keyspace| in_use[places[&keyspace.id()]].trees();
        let planned = changes.iter().map(|&(keyspace, key, plan)| Planned {
            keyspace,
            trees: trees(keyspace),
            key,
            plan,
        });
        planned.clone().try_for_each(|change| change.plan.check(change.key, change.trees))?;
        let is_made = self.shared.write_all(planned, may_wait, permit)?;
        let pressure = || in_use.iter().any(|in_use| self.shared.is_under_pressure(in_use.trees()));
        Ok(is_made.then(pressure))
    }
}

/// A key of a keyspace, and what is done to it.
type Place<'a> = (&'a Arc<Keyspace>, &'a [u8], Plan<'a>);

/// Only the last change of each key, in the order of the keys.
fn last_of_each(mut changes: Vec<Place<'_>>) -> Vec<Place<'_>> {
    // The sort is stable, so that after turning it round the last change of a key comes first.
    changes.reverse();
    changes.sort_by_key(|(keyspace, key, _)| (keyspace.id(), *key));
    changes.dedup_by_key(|(keyspace, key, _)| (keyspace.id(), *key));
    changes
}

impl StagedAction {
    fn plan(&self) -> Plan<'_> {
        match self {
            StagedAction::Put(value) => Plan::Put(value, None),
            StagedAction::PutWithTtl(value, ttl) => Plan::Put(value, Some(*ttl)),
            StagedAction::Delete => Plan::Delete,
        }
    }
}
