//! One ordered map of the engine.

use std::sync::Arc;

use super::journal::Journal;
use super::pieces::Pieces;
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
    /// Where its large batches go.
    pub(super) journal: Arc<Journal>,
}

impl Tree {
    /// The longest key that may be written.
    pub(crate) fn longest_key(&self) -> usize {
        self.pieces.as_ref().map_or(usize::MAX, |pieces| pieces.limits.key)
    }

    /// The length of the value of `key`, if it is in pieces; 0 otherwise.
    pub(crate) fn length_in_pieces(&self, key: &[u8]) -> usize {
        self.pieces.as_ref().map_or(0, |pieces| pieces.length(key))
    }

    /// Whether so much was written that the writer, without its locks, has to call
    /// `Engine::relieve`.
    pub(crate) fn is_under_pressure(&self) -> bool {
        self.room.is_under_pressure()
    }

    /// Whether a write of several steps would have to wait for the disk. It does wait then, so the
    /// writer, without its locks, calls `Engine::wait_until_not_crowded` instead.
    pub(crate) fn is_crowded(&self) -> bool {
        self.room.is_crowded()
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        self.room.may_read(&self.inner, Some(key))?;
        self.room.read(|| match &self.pieces {
            Some(pieces) => pieces.get(&self.inner, key),
            None => Ok(self.inner.get(key)?.map(Bytes::from)),
        })
    }

    /// Whether it has no rows.
    pub(crate) fn is_empty(&self) -> Result<bool> {
        self.room.read(|| self.inner.first().map(|row| row.is_none()))
    }

    /// As [`Tree::get`], for a writer: where he cannot read what he writes over, his write has failed, and
    /// so does every later one.
    pub(crate) fn get_to_write(&self, key: &[u8]) -> Result<Option<Bytes>> {
        self.room.judge(self.get(key))
    }

    /// The same, where only the key matters.
    pub(crate) fn contains_to_write(&self, key: &[u8]) -> Result<bool> {
        self.room.judge(self.contains(key))
    }

    /// To be called before a reader decides on a key without its row. Waits and fails as reading the
    /// row does: see `gate.rs`.
    pub(crate) fn may_read(&self, key: &[u8]) -> Result<()> {
        self.room.may_read(&self.inner, Some(key))
    }

    /// Whether what was read of `key`, after `Pieces::changes` was `changes`, is the whole value.
    pub(super) fn is_plain(&self, key: &[u8], changes: u64) -> bool {
        self.pieces.as_ref().is_none_or(|pieces| pieces.is_plain(key, changes))
    }

    pub(crate) fn contains(&self, key: &[u8]) -> Result<bool> {
        self.room.may_read(&self.inner, Some(key))?;
        self.room.read(|| self.inner.contains_key(key))
    }
}
