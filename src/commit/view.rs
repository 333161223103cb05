//! A registered read view: one moment of the whole store, for as long as it lives.

use std::sync::Arc;

use oxistore_core::StoreError;

use super::basis::Basis;
use super::committer::Committer;
use super::deleted_ranges::Stretch;
use super::memtable::Found;
use super::record::{KeyspaceId, RowImage};
use super::tables::{merge, Tables};
use super::views::Ticket;
use super::{Key, KeyRange, Settled};
use crate::engine::Result;

/// Shows all commits up to one, whatever is written later.
pub(crate) struct View<S: Settled> {
    committer: Arc<Committer<S>>,
    ticket: Ticket,
    tables: Arc<Tables>,
}

impl<S: Settled> View<S> {
    pub(super) fn new(committer: Arc<Committer<S>>, ticket: Ticket, tables: Arc<Tables>) -> Self {
        Self { committer, ticket, tables }
    }

    /// What a commit that depends on this view is validated against.
    pub(crate) fn basis(&self) -> Basis {
        Basis { sequence: self.ticket.sequence, active: self.tables.active.number }
    }

    /// The newest commit that it shows.
    pub(crate) fn sequence(&self) -> u64 {
        self.ticket.sequence
    }

    /// Nothing is kept for this view any more, and nobody reads through it; for a holder of the
    /// commit lock.
    pub(crate) fn leave(&self) {
        self.committer.leave_view(&self.ticket);
    }

    /// The row of `key`, which may have expired.
    pub(crate) fn get(&self, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<RowImage>> {
        let row = match self.tables.get(keyspace, key, self.ticket.sequence) {
            Found::Version(version) => version.row,
            // A version that this view needs is kept, so none is missing.
            Found::Nothing | Found::TooLate => self.settled_row(keyspace, key)?,
        };
        self.check()?;
        Ok(row)
    }

    fn settled_row(&self, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<RowImage>> {
        let row = self.committer.settled().read(keyspace, key);
        let from = self.tables.active.number;
        if !self.committer.has_written_over(from) {
            return row;
        }
        let image = self.committer.tables().pre_image(from, keyspace, key);
        image.map_or(row, Ok)
    }

    /// The rows of the first `most` keys in `range`, or, going down, the last, that are not as the
    /// engine had them when the caller read these: a tombstone where there is no row. To be asked
    /// after the engine's rows of the range were read.
    pub(crate) fn overlay(
        &self,
        keyspace: KeyspaceId,
        range: KeyRange<'_>,
        down: bool,
        most: usize,
    ) -> Result<Vec<(Key, Option<RowImage>)>> {
        let own = match self.tables.is_empty() {
            true => Vec::new(),
            false => self.tables.range(keyspace, range, down, self.ticket.sequence, most),
        };
        let from = self.tables.active.number;
        let mut images = match self.committer.has_written_over(from) {
            true => self.committer.tables().pre_images(from, keyspace, range, down, most),
            false => Vec::new(),
        };
        self.check()?;
        self.tables.hide_deleted(keyspace, self.ticket.sequence, &mut images);
        Ok(merge(own, images, down, most))
    }

    /// A range around `key` whose settled rows this view does not show, because they were deleted and are
    /// not removed yet.
    pub(crate) fn deleted_around(&self, keyspace: KeyspaceId, key: &[u8]) -> Option<Stretch> {
        self.tables.deleted_around(keyspace, key, self.ticket.sequence)
    }

    /// Fails if the view was ended because what it needs took too much memory. To be asked after
    /// reading.
    pub(crate) fn check(&self) -> Result<()> {
        match self.ticket.lease.has_ended() {
            true => Err(StoreError::CapacityExceeded),
            false => Ok(()),
        }
    }
}

impl<S: Settled> Drop for View<S> {
    fn drop(&mut self) {
        self.committer.end_view(&self.ticket);
    }
}
