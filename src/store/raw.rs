//! The raw door for callers who come from the reference.

use crate::engine::{RawTree, Result};
use crate::store::SledStore;

impl SledStore {
    /// sled's own tree `name` of this store, created if it is not there.
    ///
    /// This is a door past the store: what is written through it has no expiry handling, is not
    /// counted, and is limited by nothing; calls on it can panic or block where sled does. While
    /// the answer lives, the store cannot be closed. Trees whose names start with `__`, such as the
    /// sidecars, are not to be had, and neither are the keyspaces that were opened, of which the
    /// default one is always one: so nothing is written past a keyspace. Until the store closes,
    /// also when the answer is gone, the name is that of a raw tree, and
    /// [`SledStore::keyspace`] and [`SledStore::drop_keyspace`] refuse it.
    ///
    /// # Errors
    ///
    /// As [`SledStore::keyspace`]; [`StoreError::Unsupported`](crate::StoreError::Unsupported) also
    /// for a keyspace that was opened since the store was, unless it was dropped.
    pub fn open_tree(&self, name: impl AsRef<[u8]>) -> Result<RawTree> {
        self.inner.raw_tree(name.as_ref())
    }
}
