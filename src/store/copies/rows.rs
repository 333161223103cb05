//! The rows of all keyspaces at one moment, with their expiries.

use std::sync::Arc;

use crate::engine::{Result, Row};
use crate::store::inner::{Kind, Open};
use crate::store::read::iterator::{Iter, IterOptions};
use crate::store::read::ReadView;
use crate::store::write::copied::CopiedRow;
use crate::store::SledStore;

/// Rows that are copied in one commit, at most.
const MOST_ROWS: usize = 1000;

/// Bytes after which a commit takes no more rows.
const MOST_BYTES: usize = 1 << 20;

/// Walks over all keyspaces of a store, by name, and over each upwards.
pub(super) struct Rows {
    view: Arc<ReadView>,
    keyspaces: Vec<SledStore>,
    /// Which of them is next.
    next: usize,
    walk: Option<Walk>,
    _open: Open,
}

/// Walks over one keyspace.
struct Walk {
    keyspace: SledStore,
    rows: Iter,
}

/// Rows of one keyspace that follow each other; at least one.
pub(super) struct Portion {
    pub(super) keyspace: SledStore,
    pub(super) rows: Vec<CopiedRow>,
    pub(super) bytes: u64,
}

impl Rows {
    /// The rows of this moment. It keeps the store open.
    pub(super) fn of(store: &SledStore) -> Result<Self> {
        let inner = &store.inner;
        let (keyspaces, view, _open) = inner.with_core(|core| {
            let (keyspaces, view) = inner.keyspaces_at_once(core)?;
            Ok((keyspaces, view, inner.count_open(Kind::Snapshot)))
        })?;
        let keyspaces = keyspaces.into_iter().map(|it| store.with_keyspace(it)).collect();
        Ok(Self { view: Arc::new(view), keyspaces, next: 0, walk: None, _open })
    }

    /// All keyspaces, also those without rows.
    pub(super) fn keyspaces(&self) -> &[SledStore] {
        &self.keyspaces
    }

    /// Whether `keyspace`, which is one of them, has this key.
    pub(super) fn has(&self, keyspace: &SledStore, key: &[u8]) -> Result<bool> {
        Ok(keyspace.row_at(&self.view, key)?.is_some())
    }

    /// Begins again, at the first row of all.
    pub(super) fn rewind(&mut self) {
        (self.next, self.walk) = (0, None);
    }

    /// Begins with one of the keyspaces.
    pub(super) fn walk_over(&mut self, place: usize) -> Result<()> {
        self.walk = Some(Walk::over(&self.keyspaces[place], &self.view)?);
        self.next = place + 1;
        Ok(())
    }

    /// The rows that follow in the same keyspace; `None` after its last.
    pub(super) fn next_of_walk(&mut self) -> Result<Option<Portion>> {
        let Some(walk) = &mut self.walk else { return Ok(None) };
        let (rows, bytes) = walk.next_rows(&self.view)?;
        let portion = |rows| Portion { keyspace: walk.keyspace.clone(), rows, bytes };
        Ok((!rows.is_empty()).then_some(rows).map(portion))
    }

    /// The rows that follow; `None` after the last.
    pub(super) fn next_portion(&mut self) -> Result<Option<Portion>> {
        loop {
            let portion = self.next_of_walk()?;
            if portion.is_some() || self.next == self.keyspaces.len() {
                return Ok(portion);
            }
            self.walk_over(self.next)?;
        }
    }
}

impl Walk {
    fn over(keyspace: &SledStore, view: &Arc<ReadView>) -> Result<Self> {
        let options = IterOptions::default();
        let rows = keyspace.cursor_over(options, Some(Arc::clone(view)), None)?;
        Ok(Self { keyspace: keyspace.clone(), rows })
    }

    fn next_rows(&mut self, view: &ReadView) -> Result<(Vec<CopiedRow>, u64)> {
        let (mut rows, mut bytes) = (Vec::new(), 0);
        while rows.len() < MOST_ROWS && bytes < MOST_BYTES {
            let Some(row) = self.rows.next_row()? else { break };
            bytes += row.size();
            rows.push(self.with_expiry(row, view)?);
        }
        Ok((rows, bytes as u64))
    }

    /// The iterator says when the first of its rows expires, and not which. Where none does, nothing
    /// else has to be read.
    fn with_expiry(&self, row: Row, view: &ReadView) -> Result<CopiedRow> {
        let Row { key, value } = row;
        let expires_at = match self.rows.first_expiry() {
            u64::MAX => None,
            _ => self.keyspace.row_at(view, &key)?.and_then(|row| row.expires_at),
        };
        Ok(CopiedRow { key, value: Some(value), expires_at })
    }
}
