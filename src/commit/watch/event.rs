//! What a watch tells of.

use crate::commit::record::RowImage;
use crate::engine::Bytes;

/// What a commit made of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyChangeKind {
    /// The key was absent, and has a value now.
    Insert,
    /// The key was there. Its value or its expiry was written, which may be the same as before.
    Update,
    /// The key was there, and was removed by a writer.
    Remove,
    /// The key had expired. It has been absent since then; this tells that its row is removed now, or
    /// written over.
    Expire,
    /// All keys were removed from [`KeyChange::key`] up to, not including, [`KeyChange::value`], or all
    /// that follow where that is `None`. The range may reach beyond the prefix of the watch, and there
    /// need not have been any key in it; keys that it removes have no events of their own. The same commit
    /// may have put keys there again: their events come after this one.
    RemoveRange,
}

/// A change of one key by one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyChange {
    /// The number of the commit. Commits are numbered in their order, from 1, without gaps.
    pub sequence: u64,
    /// What happened.
    pub kind: KeyChangeKind,
    /// The key, or the lower end of a range that was removed.
    pub key: Bytes,
    /// The new value, which shares the store's buffer; `None` for a removal and an expiry. The upper end
    /// of a range that was removed, if it has one.
    pub value: Option<Bytes>,
    /// When the new value expires, in milliseconds since 1970; `None` if never.
    pub expires_at: Option<u64>,
    /// Whether this is the last event that this watch gets of this commit.
    pub ends_commit: bool,
}

/// What [`Watch`](crate::Watch) answers with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WatchEvent {
    /// A key has changed.
    Changed(KeyChange),
    /// The queue was full, and what came then is lost: whole commits, all that concern this watch after
    /// the event before this one, up to and including `sequence`.
    Lost {
        /// How many writes to watched keys they had. One that would have made no event, the removal of
        /// an absent key, may count too.
        events: u64,
        /// The number of the last commit that is lost.
        sequence: u64,
    },
}

impl KeyChangeKind {
    pub(super) fn has_value(self) -> bool {
        matches!(self, KeyChangeKind::Insert | KeyChangeKind::Update)
    }
}

impl KeyChange {
    /// `row` is what the key has become.
    pub(super) fn new(
        sequence: u64,
        kind: KeyChangeKind,
        key: Bytes,
        row: Option<RowImage>,
    ) -> Self {
        let (value, expires_at) = row.map_or((None, None), |it| (Some(it.value), it.expires_at));
        Self { sequence, kind, key, value, expires_at, ends_commit: false }
    }

    /// All keys from `lower` up to, not including, `upper` were removed.
    pub(super) fn range(sequence: u64, lower: Bytes, upper: Option<Bytes>) -> Self {
        let kind = KeyChangeKind::RemoveRange;
        Self { value: upper, ..Self::new(sequence, kind, lower, None) }
    }

    pub(super) fn size(&self) -> usize {
        self.key.len() + self.value.as_ref().map_or(0, |value| value.len())
    }
}

/// What happens to a key by a put or a removal: that its life has ended, if it had, and what the writer
/// does, if anything. `was_live` tells of the row that it had, if it had one, whether it had not expired.
pub(super) fn kinds(was_live: Option<bool>, is_put: bool) -> [Option<KeyChangeKind>; 2] {
    let expired = (was_live == Some(false)).then_some(KeyChangeKind::Expire);
    let done = match (is_put, was_live == Some(true)) {
        (true, true) => Some(KeyChangeKind::Update),
        (true, false) => Some(KeyChangeKind::Insert),
        (false, true) => Some(KeyChangeKind::Remove),
        (false, false) => None,
    };
    [expired, done]
}
