//! One ordered map of the engine.

use std::sync::Arc;

use super::overflow::Pieces;
use super::room::Room;
use super::{Bytes, Result};

/// A tree of the engine: an ordered map from bytes to bytes.
///
/// Its handle keeps sled open, so the store gives all of them up before it closes the engine.
#[derive(Clone)]
pub(crate) struct Tree {
    pub(super) inner: sled::Tree,
    pub(super) room: Arc<Room>,
    /// Its large values, if it may have any.
    pub(super) pieces: Option<Arc<Pieces>>,
}

impl Tree {
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        self.room.read(|| match &self.pieces {
            Some(pieces) => pieces.get(&self.inner, key),
            None => Ok(self.inner.get(key)?.map(Bytes::from)),
        })
    }

    /// Whether it has no rows.
    pub(crate) fn is_empty(&self) -> Result<bool> {
        self.room.read(|| self.inner.first().map(|row| row.is_none()))
    }

    /// Whether what was read of `key`, after `Pieces::changes` was `changes`, is the whole value.
    pub(super) fn is_plain(&self, key: &[u8], changes: u64) -> bool {
        self.pieces.as_ref().is_none_or(|pieces| pieces.is_plain(key, changes))
    }
}
