//! The commits that the log still has.

use oxistore_core::StoreError;

use crate::commit::{Feed, LoggedChange};
use crate::engine::{Failure, Reason, Result};
use crate::store::SledStore;

/// Reads what was committed from the log, commit by commit, over all keyspaces: see
/// [`SledStore::changes_since`].
///
/// As an `Iterator` it ends where it has caught up, and goes on when more was committed.
pub struct Changes {
    store: SledStore,
    feed: Feed,
}

impl SledStore {
    /// All commits after the commit `sequence`, of all keyspaces, as the log has them. So a copy of the
    /// store, on another machine or in another form, catches up: begin it with a snapshot, and go on
    /// from [`SledSnapshot::sequence`](crate::SledSnapshot::sequence).
    ///
    /// The log has what is not settled yet, and of what is settled as much as
    /// [`SledStoreBuilder::keep_log`](crate::SledStoreBuilder::keep_log) says, also from before the
    /// store was opened. It tells less than a [`Watch`](crate::Watch): what was written, and not what
    /// was there before. Commits that are not synced are told too, and a power cut can take them, with
    /// their numbers: call [`SledStore::flush`] before what is read here is relied on elsewhere.
    ///
    /// # Errors
    ///
    /// [`Reason::TooOld`](crate::Reason::TooOld), here or when it is read, if the log does not have the
    /// next commit any more; [`SledStore::oldest_change`] says from where on it does.
    /// [`Reason::InvalidArgument`](crate::Reason::InvalidArgument) if there was no commit `sequence` yet.
    pub fn changes_since(&self, sequence: u64) -> Result<Changes> {
        self.inner.with_core(|core| {
            let published = core.published();
            if sequence > published {
                let text = format!("there was no commit {sequence} yet; the newest is {published}");
                let path = self.inner.path();
                return Err(Failure::error("read the log of", path, Reason::InvalidArgument, text));
            }
            let mut feed = core.feed(sequence);
            feed.check(published)?;
            Ok(Changes { store: self.clone(), feed })
        })
    }

    /// The smallest number that [`SledStore::changes_since`] takes at this moment.
    pub fn oldest_change(&self) -> Result<u64> {
        self.inner.with_core(|core| {
            let published = core.published();
            let oldest = core.feed(published).oldest()?;
            Ok(oldest.map_or(published, |first| first - 1).min(published))
        })
    }
}

impl Changes {
    /// What the next commit wrote, in its order; `None` if there is none yet.
    ///
    /// # Errors
    ///
    /// As [`SledStore::changes_since`]; [`Reason::Closed`](crate::Reason::Closed) after the store was
    /// closed; [`StoreError::Corruption`] if the log is damaged.
    pub fn next_commit(&mut self) -> Result<Option<Vec<LoggedChange>>> {
        let feed = &mut self.feed;
        self.store.inner.with_core(|core| feed.next_commit(core.published()))
    }
}

impl Iterator for Changes {
    type Item = std::result::Result<Vec<LoggedChange>, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_commit().transpose()
    }
}
