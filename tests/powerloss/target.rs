//! How the operations of a workload are made.

use sledstore::{Durability, SledBatch, SledStore};

use super::workloads::{Action, Change, DROPPED, KEYSPACES};

/// How to make the changes of one operation.
#[derive(Debug, Clone, Copy)]
pub struct Way {
    /// By a transaction.
    pub transact: bool,
    /// So that they are durable when the call returns.
    pub sync: bool,
    /// By dropping the keyspace [`DROPPED`]: there are no other changes.
    pub drop: bool,
}

impl Way {
    fn durability(self) -> Durability {
        match self.sync {
            true => Durability::Synced,
            false => Durability::Buffered,
        }
    }
}

/// What a workload writes to, from all its threads.
pub trait Target: Sync {
    type Error: Send;

    /// Makes these changes at one moment.
    fn perform(&self, changes: Vec<Change>, way: Way) -> Result<(), Self::Error>;

    fn flush(&self) -> Result<(), Self::Error>;
}

impl Target for SledStore {
    type Error = sledstore::StoreError;

    fn perform(&self, changes: Vec<Change>, way: Way) -> sledstore::Result<()> {
        match way.transact {
            _ if way.drop => self.drop_keyspace(KEYSPACES[DROPPED]).map(drop),
            true => perform_by_transaction(self, &changes, way.durability()),
            false => perform(self, changes, way.durability()),
        }
    }

    fn flush(&self) -> sledstore::Result<()> {
        SledStore::flush(self)
    }
}

/// Nobody else writes these keys, so reading them first brings no conflict.
fn perform_by_transaction(
    store: &SledStore,
    changes: &[Change],
    durability: Durability,
) -> sledstore::Result<()> {
    let transaction = store.transaction()?;
    for Change { keyspace, key, action } in changes {
        let keyspace = transaction.keyspace(&store.keyspace(KEYSPACES[*keyspace])?)?;
        keyspace.get(key)?;
        match action {
            Action::Put { value, ttl: None } => keyspace.put(key, value)?,
            Action::Put { value, ttl: Some(ttl) } => keyspace.put_with_ttl(key, value, *ttl)?,
            Action::Delete => keyspace.delete(key)?,
        }
    }
    transaction.commit_with(durability)
}

fn perform(
    store: &SledStore,
    mut changes: Vec<Change>,
    durability: Durability,
) -> sledstore::Result<()> {
    if changes.len() == 1 && durability == Durability::Buffered {
        let Change { keyspace, key, action } = changes.remove(0);
        let store = store.keyspace(KEYSPACES[keyspace])?;
        return match action {
            Action::Put { value, ttl: None } => store.put(&key, &value),
            Action::Put { value, ttl: Some(ttl) } => store.put_with_ttl(&key, &value, ttl),
            Action::Delete => store.delete(&key),
        };
    }
    let mut batch = SledBatch::new();
    for Change { keyspace, key, action } in changes {
        let keyspace = store.keyspace(KEYSPACES[keyspace])?;
        match action {
            Action::Put { value, ttl: None } => batch.put_in(&keyspace, &key, &value)?,
            Action::Put { value, ttl: Some(ttl) } => {
                batch.put_with_ttl_in(&keyspace, &key, &value, ttl)?;
            }
            Action::Delete => batch.delete_in(&keyspace, &key)?,
        }
    }
    store.apply_with(&batch, durability)
}
