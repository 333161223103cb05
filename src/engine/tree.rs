//! One ordered map of the engine.

use std::path::Path;
use std::sync::Arc;

use super::room::Room;
use super::shield::shield;
use super::{Bytes, Result};

/// A tree of the engine: an ordered map from bytes to bytes.
///
/// Its handle keeps sled open, so the store gives all of them up before it closes the engine.
#[derive(Clone)]
pub(crate) struct Tree {
    pub(super) inner: sled::Tree,
    pub(super) room: Arc<Room>,
}

impl Tree {
    pub(super) fn new(inner: sled::Tree, room: Arc<Room>) -> Self {
        Self { inner, room }
    }

    pub(super) fn path(&self) -> &Path {
        self.room.path()
    }

    /// Whether so much was written that the writer, without its locks, has to call
    /// `Engine::relieve`.
    pub(crate) fn is_under_pressure(&self) -> bool {
        self.room.is_under_pressure()
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        let found = shield("read from", self.path(), || self.inner.get(key))?;
        Ok(found.map(Bytes::from))
    }

    pub(crate) fn contains(&self, key: &[u8]) -> Result<bool> {
        shield("read from", self.path(), || self.inner.contains_key(key))
    }
}
