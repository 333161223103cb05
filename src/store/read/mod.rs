//! One moment of a store, for snapshots, iterators and transactions.

pub(crate) mod bounds;
pub(crate) mod changes;
pub(crate) mod count;
pub(crate) mod iterator;
pub(crate) mod key_count;
mod size;
pub(crate) mod snapshot;
pub(crate) mod snapshot_rows;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::commit::{RowImage, View};
use crate::engine::{Result, Row};
use crate::store::inner::{Core, StoreInner};
use crate::store::keyspace::Keyspace;
use crate::store::settled::SettledRows;

/// What a move of an iterator came to.
#[derive(Clone)]
pub(crate) struct Shown {
    pub(crate) row: Row,
    pub(crate) life: Life,
}

/// How long a row lives.
#[derive(Clone, Copy)]
pub(crate) enum Life {
    Endless,
    /// In milliseconds since 1970.
    Until(u64),
    /// From the commit of the transaction on that has written it.
    FromCommit(Duration),
}

/// Shows all commits up to one, and which keys had expired then.
pub(crate) struct ReadView {
    inner: Arc<StoreInner>,
    pub(crate) view: View<SettledRows>,
    /// When it was taken, in milliseconds since 1970.
    pub(crate) now: u64,
}

impl StoreInner {
    /// Takes a view of this moment. The caller has a lease, and `core` from it.
    pub(crate) fn read_view(self: &Arc<Self>, core: &Arc<Core>) -> ReadView {
        // A life that is lengthened between the two would be over in this view and never in others.
        let (view, now) =
            self.revivals.look_between(|| core.between_commits(), || (core.view(), self.now_ms()));
        ReadView { inner: Arc::clone(self), view, now }
    }
}

impl ReadView {
    /// The row of `key` in a keyspace that the caller has a lease of, unless it had expired.
    pub(crate) fn get(&self, keyspace: &Keyspace, key: &[u8]) -> Result<Option<RowImage>> {
        let row = self.view.get(keyspace.id(), key)?;
        Ok(row.filter(|row| row.is_live(self.now)))
    }

    /// The store's directory.
    pub(crate) fn path(&self) -> &Path {
        self.inner.path()
    }
}
