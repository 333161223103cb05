//! Deleting all keys of a range, or of a keyspace, at one moment.
//!
//! The commit has the range and not its keys: `commit/deleted_ranges.rs` tells how readers see it.

use crate::engine::Result;
use crate::store::write::{KeyWrite, Write};
use crate::store::SledStore;

impl SledStore {
    /// Removes all keys from `lo` up to, not including, `hi`, at one moment; `None` is no limit. It takes
    /// the same short time however many they are: the engine's rows go with the next checkpoint, in the
    /// background, while every reader already sees that they are gone. A view that was taken before, such
    /// as a snapshot, still shows them.
    ///
    /// It counts as a change of every key of the range for transactions, also of those that are not
    /// there.
    pub fn delete_range(&self, lo: Option<&[u8]>, hi: Option<&[u8]>) -> Result<()> {
        let write = Write::DeleteRange(hi);
        let write =
            KeyWrite { keyspace: &self.keyspace, key: lo.unwrap_or_default(), write: &write };
        self.write_all(&[write], Vec::new(), self.inner.durability, |_| Ok(()))
    }

    /// Removes all keys of this keyspace, as [`SledStore::delete_range`] without limits does. The
    /// keyspace stays, and so do its handles.
    pub fn clear(&self) -> Result<()> {
        self.delete_range(None, None)
    }
}
