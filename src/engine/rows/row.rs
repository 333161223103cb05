//! One row of a tree.

use crate::engine::Bytes;

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The key.
    pub key: Bytes,
    /// The value; empty where an iterator leaves values out.
    pub value: Bytes,
}

impl Row {
    /// The bytes of key and value.
    pub(crate) fn size(&self) -> usize {
        self.key.len() + self.value.len()
    }
}
