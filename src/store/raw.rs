//! The raw door for callers who come from the reference.

use super::SledStore;
use crate::engine::{RawTree, Result};

impl SledStore {
    /// sled's own tree `name` of this store, created if it is not there.
    ///
    /// This is a door past the store: what is written through it has no expiry handling, is not
    /// counted, and is limited by nothing; calls on it can panic or block where sled does. While
    /// the answer lives, the store cannot be closed. Trees whose names start with `__`, such as the
    /// sidecars, are not to be had.
    ///
    /// # Errors
    ///
    /// As [`SledStore::keyspace`].
    pub fn open_tree(&self, name: impl AsRef<[u8]>) -> Result<RawTree> {
        self.shared.raw_tree(name.as_ref())
    }
}
