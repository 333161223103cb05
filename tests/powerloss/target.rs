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
    /// By taking all keys of a keyspace or a range at once: there are no other changes.
    pub erase: Option<Erase>,
}

/// How to make a row of deletions.
#[derive(Debug, Clone, Copy)]
pub enum Erase {
    /// By dropping the keyspace [`DROPPED`].
    Drop,
    /// By clearing the keyspace that they are in.
    Clear,
    /// By deleting the range from the first to the last of them.
    Range,
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
            _ if way.erase.is_some() => erase(self, &changes, way),
            true => perform_by_transaction(self, &changes, way.durability()),
            false => perform(self, changes, way.durability()),
        }
    }

    fn flush(&self) -> sledstore::Result<()> {
        SledStore::flush(self)
    }
}

fn erase(store: &SledStore, changes: &[Change], way: Way) -> sledstore::Result<()> {
    let (first, last) = (&changes[0], changes.last().expect("there are deletions"));
    let keyspace = store.keyspace(KEYSPACES[first.keyspace])?;
    match way.erase {
        Some(Erase::Clear) if way.sync => {
            let mut batch = SledBatch::new();
            batch.delete_range_in(&keyspace, None, None)?;
            store.apply_with(&batch, Durability::Synced)
        }
        Some(Erase::Clear) => keyspace.clear(),
        Some(Erase::Range) => {
            let end = [&last.key[..], b"\0"].concat();
            let transaction = keyspace.transaction()?;
            transaction.delete_range(Some(&first.key), Some(&end))?;
            transaction.commit_with(way.durability())
        }
        _ => store.drop_keyspace(KEYSPACES[DROPPED]).map(drop),
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
