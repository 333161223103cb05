//! The rows of a keyspace as they are while an iterator passes.

use super::expiries::Expiries;
use super::iterator::Move;
use super::keyspace::Trees;
use super::SledStore;
use crate::engine::{Bytes, Cursor, Result, Row};

/// Moves over the live rows, without those that have expired.
pub(super) struct LiveRows {
    cursor: Cursor,
    walk: Walk,
}

/// The stretch of moves that the cursor goes without looking its place up anew: the rows that it
/// shows were read when the stretch began or later.
#[derive(Default)]
struct Walk {
    number: u64,
    /// What [`Expiries::losses`] was before the stretch began.
    losses: u64,
}

impl LiveRows {
    pub(super) fn new(cursor: Cursor) -> Self {
        Self { cursor, walk: Walk::default() }
    }

    /// Makes one move, and further ones over rows that have expired.
    pub(super) fn go(&mut self, store: &SledStore, trees: &Trees, step: Move<'_>) -> Found {
        let again = if step.is_down() { Move::Prev } else { Move::Next };
        let mut found = self.step(store, step)?;
        while let Some(Row { key, value: met }) = found {
            if let Some(value) = self.live_value(store, trees, &key, met)? {
                return Ok(Some(Row { key, value }));
            }
            found = self.step(store, again)?;
        }
        Ok(None)
    }

    fn step(&mut self, store: &SledStore, step: Move<'_>) -> Found {
        let losses = store.keyspace.expiries().losses();
        let found = match step {
            Move::First => self.cursor.first(),
            Move::Last => self.cursor.last(),
            Move::Seek(key) => self.cursor.seek(key),
            Move::SeekForPrev(key) => self.cursor.seek_for_previous(key),
            Move::Next => self.cursor.next(),
            Move::Prev => self.cursor.previous(),
        };
        if self.cursor.walks_started() != self.walk.number {
            self.walk = Walk { number: self.cursor.walks_started(), losses };
        }
        found
    }

    /// The value of a row that the cursor has met, unless it has expired.
    fn live_value(
        &self,
        store: &SledStore,
        trees: &Trees,
        key: &[u8],
        met: Bytes,
    ) -> Result<Option<Bytes>> {
        let expiries: &Expiries = store.keyspace.expiries();
        if store.has_expired(trees, key)? {
            return Ok(None);
        }
        if expiries.losses() == self.walk.losses {
            return Ok(Some(met));
        }
        // The row may be an expired one whose key was written again since. Look at the key anew, in
        // the order that `get` uses: the expiry first.
        store.look_up(trees, key)
    }
}

type Found = Result<Option<Row>>;
