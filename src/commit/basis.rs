//! What a commit depends on, and whether that has changed.

use std::sync::Arc;

use super::committer::Committer;
use super::memtable::Counts;
use super::record::KeyspaceId;
use super::tables::Tables;
use super::{KeyRange, Settled};

/// What a decision was made on: the state after a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Basis {
    pub(super) sequence: u64,
    /// The number of the active memtable at that time.
    pub(super) active: u64,
}

/// What has been committed, for a writer that holds the commit lock.
pub(crate) struct Committed(Arc<Tables>);

impl Committed {
    pub(super) fn of<S: Settled>(committer: &Committer<S>) -> Self {
        Self(committer.tables())
    }

    /// Whether `key` was changed after `basis`. It may also answer so where it was not, if the
    /// memtables of that time are gone; for the basis of a registered view they are not.
    pub(crate) fn has_changed(&self, basis: Basis, keyspace: KeyspaceId, key: &[u8]) -> bool {
        self.has_commit_after(basis, keyspace, key, Counts::Changes)
    }

    /// The same, where removing what has expired counts as a change.
    pub(crate) fn was_written(&self, basis: Basis, keyspace: KeyspaceId, key: &[u8]) -> bool {
        self.has_commit_after(basis, keyspace, key, Counts::Writes)
    }

    fn has_commit_after(
        &self,
        basis: Basis,
        keyspace: KeyspaceId,
        key: &[u8],
        counts: Counts,
    ) -> bool {
        self.0.has_commit_after(basis.active, basis.sequence, keyspace, key, counts)
    }

    /// As [`Committed::has_changed`], for any key of a range.
    pub(crate) fn range_has_changed(
        &self,
        basis: Basis,
        keyspace: KeyspaceId,
        range: KeyRange<'_>,
    ) -> bool {
        self.0.range_has_changed(basis.active, basis.sequence, keyspace, range)
    }
}
