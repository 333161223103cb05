//! What a write does to its key: before it is made, while it is made, and afterwards.

use std::time::Duration;

use super::expiry::deadline;
use super::keyspace::{Keyspace, Trees};
use super::limits::{check_key, check_value};
use super::tally::Presence;
use crate::engine::{Result, Step};

/// What a write does to its key.
#[derive(Clone, Copy)]
pub(super) enum Action<'a> {
    Put {
        value: &'a [u8],
        expires_at: Option<u64>,
    },
    Delete,
    /// Sets or clears the expiry of a key that is live; its value stays.
    Expire(Option<u64>),
}

impl<'a> Action<'a> {
    /// A put that expires at `expires_at`; one that would be dead at once removes the key.
    pub(super) fn put_until(value: &'a [u8], expires_at: u64, now: u64) -> Self {
        if expires_at <= now {
            return Action::Delete;
        }
        Action::Put { value, expires_at: Some(expires_at) }
    }

    pub(super) fn expire_at(expires_at: u64, now: u64) -> Self {
        if expires_at <= now {
            return Action::Delete;
        }
        Action::Expire(Some(expires_at))
    }

    /// Whether the key and the value may be written. A longer key can be there all the same, from
    /// a program that does not go through this library, and then it can be removed.
    pub(super) fn check(&self, key: &[u8], trees: &Trees) -> Result<()> {
        match self {
            Action::Put { value, .. } => {
                check_key(key, Some(trees.data.longest_key())).and(check_value(value))
            }
            Action::Delete | Action::Expire(_) => Ok(()),
        }
    }

    /// The key's expiry after this action.
    fn expires_at(&self) -> Option<u64> {
        match self {
            Action::Put { expires_at, .. } | Action::Expire(expires_at) => *expires_at,
            Action::Delete => None,
        }
    }

    fn size(&self) -> usize {
        match self {
            Action::Put { value, .. } => value.len(),
            Action::Delete | Action::Expire(_) => 0,
        }
    }

    fn presence(&self) -> Presence {
        match self {
            Action::Delete => Presence::Absent,
            Action::Put { .. } | Action::Expire(_) => Presence::of(self.expires_at()),
        }
    }
}

/// What a batch or a transaction does to a key; what is put with a time to live has the whole of it,
/// whenever that is.
#[derive(Clone, Copy)]
pub(super) enum Plan<'a> {
    Put(&'a [u8], Option<Duration>),
    Delete,
}

impl<'a> Plan<'a> {
    /// Made at `now`.
    fn at(self, now: u64) -> Action<'a> {
        match self {
            Plan::Put(value, None) => Action::Put { value, expires_at: None },
            Plan::Put(value, Some(ttl)) => Action::put_until(value, deadline(now, ttl), now),
            Plan::Delete => Action::Delete,
        }
    }

    /// Fails where the change of `key` is refused, also a put that would be dead at once.
    pub(super) fn check(self, key: &[u8], trees: &Trees) -> Result<()> {
        match self {
            Plan::Put(value, _) => Action::Put { value, expires_at: None }.check(key, trees),
            Plan::Delete => Action::Delete.check(key, trees),
        }
    }
}

/// A change that is not made yet.
#[derive(Clone, Copy)]
pub(super) struct Planned<'a> {
    pub(super) keyspace: &'a Keyspace,
    pub(super) trees: &'a Trees,
    pub(super) key: &'a [u8],
    pub(super) plan: Plan<'a>,
}

impl<'a> Planned<'a> {
    pub(super) fn at(self, now: u64) -> Change<'a> {
        let Planned { keyspace, trees, key, plan } = self;
        Change { keyspace, trees, key, action: plan.at(now) }
    }
}

/// One change of a batch.
pub(super) struct Change<'a> {
    pub(super) keyspace: &'a Keyspace,
    pub(super) trees: &'a Trees,
    pub(super) key: &'a [u8],
    pub(super) action: Action<'a>,
}

impl<'a> Change<'a> {
    /// Whether it is a batch to the engine.
    pub(super) fn is_batch(&self) -> bool {
        self.touches_both_trees() || self.data_step().is_some_and(|step| step.concerns_pieces())
    }

    fn touches_both_trees(&self) -> bool {
        !matches!(self.action, Action::Expire(_)) && self.changes_expiry()
    }

    fn changes_expiry(&self) -> bool {
        self.action.expires_at() != self.keyspace.expiries().get(self.key)
    }

    /// Tells readers what becomes of the expiry, unless the key goes.
    pub(super) fn announce(&self) {
        if !matches!(self.action, Action::Delete) && self.changes_expiry() {
            self.keyspace.expiries().announce(self.key, self.action.expires_at());
        }
    }

    /// It will not be made after all.
    pub(super) fn withdraw(&self) {
        self.keyspace.expiries().withdraw(self.key);
    }

    /// It was made.
    pub(super) fn is_made(&self, before: Presence) {
        self.keyspace.expiries().set(self.key, self.action.expires_at());
        self.keyspace.tally().changed(self.key, before, self.action.presence());
    }

    /// It has failed, and nobody knows what it left.
    pub(super) fn has_failed(&self) {
        self.withdraw();
        self.keyspace.tally().forget();
    }

    /// The bytes that it comes to, with those in pieces that it removes.
    pub(super) fn size(&self) -> usize {
        self.key.len() + self.action.size() + self.trees.data.length_in_pieces(self.key)
    }

    /// The step in the rows.
    pub(super) fn data_step(&self) -> Option<Step<'a>> {
        let value = match self.action {
            Action::Put { value, .. } => Some(value),
            Action::Delete => None,
            Action::Expire(_) => return None,
        };
        Some(Step { tree: &self.trees.data, key: self.key, value })
    }

    /// The step in the sidecar, if the expiry changes. `encoded` is [`Change::encoded_expiry`].
    pub(super) fn sidecar_step<'s>(&'s self, encoded: &'s Option<[u8; 8]>) -> Option<Step<'s>> {
        if !self.changes_expiry() {
            return None;
        }
        let value = encoded.as_ref().map(|bytes| &bytes[..]);
        Some(Step { tree: &self.trees.sidecar, key: self.key, value })
    }

    /// The expiry as the sidecar has it.
    pub(super) fn encoded_expiry(&self) -> Option<[u8; 8]> {
        self.action.expires_at().map(u64::to_le_bytes)
    }
}
