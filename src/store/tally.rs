//! How many keys a keyspace has, without walking it each time.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Mutex;

use oxistore_core::StoreError;

use super::keyspace::{Keyspace, Trees};
use super::locks::{lock, write};
use super::shared::Shared;
use crate::engine::{Bytes, Cursor, Result, Row};

/// Rows that are counted while writers wait.
const PAGE: usize = 512;

/// How often a count starts again because a write failed under it.
const ATTEMPTS: usize = 3;

/// The number of live keys of a keyspace, kept up by its writers from the first count on.
///
/// The first count walks the keyspace a page at a time. Each page is counted under the write side
/// of `Shared::commit`, and writers tell the tally of each change under the read side, so a writer
/// sees exactly how far the walk has come: a change at or below that place is added, one above it
/// will be met by the walk. Until somebody counts, writers only read one flag.
///
/// Keys that expire are kept apart by the millisecond in which they do; a count drops those that
/// have passed. The clock never goes back, so they need not be known again.
#[derive(Default)]
pub(super) struct Tally {
    active: AtomicBool,
    inner: Mutex<Inner>,
    /// Held by the one thread that walks.
    walker: Mutex<()>,
}

#[derive(Default)]
struct Inner {
    progress: Progress,
    permanent: u64,
    /// How many keys expire in each millisecond after `passed`.
    expiring: BTreeMap<u64, u64>,
    expiring_total: u64,
    /// All expiries up to and including this one have been dropped from `expiring`.
    passed: u64,
}

#[derive(Default)]
enum Progress {
    #[default]
    Unknown,
    /// All keys up to and including this one are counted; none if `None`.
    Walking(Option<Bytes>),
    Known,
}

/// What a key is before or after a write.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    Absent,
    Permanent,
    ExpiresAt(u64),
}

impl Presence {
    pub(super) fn of(expires_at: Option<u64>) -> Self {
        expires_at.map_or(Presence::Permanent, Presence::ExpiresAt)
    }
}

impl Tally {
    /// Whether somebody has counted, so that writers have to tell what they replace.
    pub(super) fn is_active(&self) -> bool {
        self.active.load(Ordering::SeqCst)
    }

    /// A write has changed `key`. The caller holds `Shared::commit`.
    pub(super) fn changed(&self, key: &[u8], before: Presence, after: Presence) {
        if before == after || !self.is_active() {
            return;
        }
        let mut inner = lock(&self.inner);
        let counted = match &inner.progress {
            Progress::Unknown => false,
            Progress::Walking(reached) => {
                reached.as_ref().is_some_and(|reached| key <= &reached[..])
            }
            Progress::Known => true,
        };
        if counted {
            inner.remove(before);
            inner.add(after);
        }
    }

    /// A write has failed, and nobody knows what it left.
    pub(super) fn forget(&self) {
        self.active.store(false, Ordering::SeqCst);
        lock(&self.inner).progress = Progress::Unknown;
    }

    /// The number of keys that are live.
    pub(super) fn count(&self, shared: &Shared, keyspace: &Keyspace, trees: &Trees) -> Result<u64> {
        let _alone = lock(&self.walker);
        for _ in 0..ATTEMPTS {
            {
                // A writer tells the tally after the engine, and of a batch key by key.
                let _still = write(&shared.commit);
                if let Some(count) = lock(&self.inner).known(shared.now_ms()) {
                    return Ok(count);
                }
            }
            self.walk(shared, keyspace, trees)?;
        }
        Err(StoreError::Other("writes keep failing while the keys are counted".into()))
    }

    fn walk(&self, shared: &Shared, keyspace: &Keyspace, trees: &Trees) -> Result<()> {
        {
            let _still = write(&shared.commit);
            let passed = shared.now_ms();
            let progress = Progress::Walking(None);
            *lock(&self.inner) = Inner { progress, passed, ..Inner::default() };
            self.active.store(true, Ordering::SeqCst);
        }
        loop {
            let _still = write(&shared.commit);
            let mut inner = lock(&self.inner);
            let Progress::Walking(reached) = &inner.progress else {
                return Ok(());
            };
            let reached = reached.clone();
            match inner.add_page(reached, keyspace, trees) {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(error) => {
                    inner.progress = Progress::Unknown;
                    return Err(error);
                }
            }
        }
    }
}

impl Inner {
    /// Counts the rows after `reached`; says whether there may be more.
    fn add_page(
        &mut self,
        reached: Option<Bytes>,
        keyspace: &Keyspace,
        trees: &Trees,
    ) -> Result<bool> {
        let lower = reached.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rows = Cursor::new(trees.data.clone(), lower, Bound::Unbounded).keys_only(true);
        for _ in 0..PAGE {
            let Some(Row { key, .. }) = rows.next()? else {
                self.progress = Progress::Known;
                return Ok(false);
            };
            self.add(Presence::of(keyspace.expiries().get(&key)));
            self.progress = Progress::Walking(Some(key));
        }
        Ok(true)
    }

    fn add(&mut self, presence: Presence) {
        match presence {
            Presence::Permanent => self.permanent += 1,
            Presence::ExpiresAt(at) if at > self.passed => {
                *self.expiring.entry(at).or_default() += 1;
                self.expiring_total += 1;
            }
            Presence::Absent | Presence::ExpiresAt(_) => {}
        }
    }

    fn remove(&mut self, presence: Presence) {
        match presence {
            Presence::Permanent => self.permanent -= 1,
            Presence::ExpiresAt(at) if at > self.passed => {
                let Some(keys) = self.expiring.get_mut(&at) else {
                    return;
                };
                *keys -= 1;
                self.expiring_total -= 1;
                if *keys == 0 {
                    self.expiring.remove(&at);
                }
            }
            Presence::Absent | Presence::ExpiresAt(_) => {}
        }
    }

    /// The count at `now`, if the walk is done.
    fn known(&mut self, now: u64) -> Option<u64> {
        if !matches!(self.progress, Progress::Known) {
            return None;
        }
        while let Some(first) = self.expiring.first_entry().filter(|first| *first.key() <= now) {
            self.expiring_total -= first.remove();
        }
        self.passed = self.passed.max(now);
        Some(self.permanent + self.expiring_total)
    }
}
