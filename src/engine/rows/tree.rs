//! One ordered map of the engine.

use std::sync::Arc;

use crate::engine::rows::overflow::Overflow;
use crate::engine::state::EngineState;
use crate::engine::{Bytes, Result};

/// A tree of the engine: an ordered map from bytes to bytes.
///
/// Its handle keeps sled open, so the store gives all of them up before it closes the engine.
#[derive(Clone)]
pub(crate) struct Tree {
    pub(crate) inner: sled::Tree,
    pub(crate) engine_state: Arc<EngineState>,
    /// Its large values, if it may have any.
    pub(crate) pieces: Option<Arc<Overflow>>,
}

impl Tree {
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        self.engine_state.read(|| match &self.pieces {
            Some(pieces) => pieces.get(&self.inner, key),
            None => Ok(self.inner.get(key)?.map(Bytes::from)),
        })
    }

    /// Whether it has no rows.
    pub(crate) fn is_empty(&self) -> Result<bool> {
        self.engine_state.read(|| self.inner.first().map(|row| row.is_none()))
    }

    /// Whether what was read of `key`, after `Overflow::changes` was `changes`, is the whole value.
    pub(crate) fn is_inline(&self, key: &[u8], changes: u64) -> bool {
        self.pieces.as_ref().is_none_or(|pieces| pieces.is_inline(key, changes))
    }
}
