//! The expiries of a keyspace, in memory.

use std::collections::hash_map::RandomState;
use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::RwLock;

use super::locks::{read, write};

/// How many parts the keys are in, by their hash.
pub(super) const SHARDS: usize = 64;

#[derive(Default)]
struct Shard {
    known: HashMap<Box<[u8]>, u64>,
    /// What a write that is under way makes of a key's expiry.
    announced: HashMap<Box<[u8]>, Option<u64>>,
}

/// Whether a key has expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Live,
    Expired,
    /// Its life ends, or begins anew, with a write that is being made right now.
    NotYetKnown,
}

/// When each key that has an expiry expires, in milliseconds since 1970.
///
/// It is loaded when the keyspace is opened and holds what the sidecar tree on disk holds, so that
/// reading a key costs one descent in the engine whether or not the keyspace has expiries. Writers
/// announce a new entry before the engine commits and make it the known one afterwards, under the
/// lock of the key: see `write.rs`.
pub(super) struct Expiries {
    hasher: RandomState,
    shards: [RwLock<Shard>; SHARDS],
    /// How many are known or announced.
    len: AtomicUsize,
    announcements: AtomicU64,
}

impl Expiries {
    pub(super) fn new() -> Self {
        Self {
            hasher: RandomState::new(),
            shards: std::array::from_fn(|_| RwLock::default()),
            len: AtomicUsize::new(0),
            announcements: AtomicU64::new(0),
        }
    }

    /// Whether no key expires.
    pub(super) fn is_empty(&self) -> bool {
        self.len.load(Ordering::SeqCst) == 0
    }

    /// When `key` expires, as long as a write that is under way does not count; `None` if never.
    pub(super) fn get(&self, key: &[u8]) -> Option<u64> {
        if self.is_empty() {
            return None;
        }
        read(self.shard(key)).known.get(key).copied()
    }

    /// Whether `key` has expired at `now`, be it before a write that is under way or after it.
    pub(super) fn verdict(&self, key: &[u8], now: u64) -> Verdict {
        if self.is_empty() {
            return Verdict::Live;
        }
        let shard = read(self.shard(key));
        let is_over = |at: Option<u64>| at.is_some_and(|at| at <= now);
        let before = is_over(shard.known.get(key).copied());
        let announced = match shard.announced.is_empty() {
            true => None,
            false => shard.announced.get(key),
        };
        match (before, announced.map_or(before, |after| is_over(*after))) {
            (false, false) => Verdict::Live,
            (true, true) => Verdict::Expired,
            _ => Verdict::NotYetKnown,
        }
    }

    /// What the expiry of `key` is about to become. [`Expiries::set`] or [`Expiries::withdraw`]
    /// follows.
    pub(super) fn announce(&self, key: &[u8], expires_at: Option<u64>) {
        let mut shard = write(self.shard(key));
        let before = shard.announced.insert(key.into(), expires_at);
        self.len.fetch_add(usize::from(before.is_none()), Ordering::SeqCst);
        self.announcements.fetch_add(1, Ordering::SeqCst);
    }

    /// Grows when something is announced or set. A reader that finds the same number before it asks
    /// for a verdict and after it has read the row has read no row whose life it does not know.
    pub(super) fn announcements(&self) -> u64 {
        self.announcements.load(Ordering::SeqCst)
    }

    /// The write that was announced has failed, or there was none.
    pub(super) fn withdraw(&self, key: &[u8]) {
        if !self.is_empty() {
            self.forget_announced(&mut write(self.shard(key)), key);
        }
    }

    fn forget_announced(&self, shard: &mut Shard, key: &[u8]) {
        if !shard.announced.is_empty() && shard.announced.remove(key).is_some() {
            self.len.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// Sets or clears the expiry of `key`.
    pub(super) fn set(&self, key: &[u8], expires_at: Option<u64>) {
        if expires_at.is_none() && self.is_empty() {
            return;
        }
        let mut shard = write(self.shard(key));
        match expires_at {
            Some(expires_at) => self.insert(&mut shard.known, key, expires_at),
            None => self.remove(&mut shard.known, key),
        }
        self.forget_announced(&mut shard, key);
    }

    fn insert(&self, known: &mut HashMap<Box<[u8]>, u64>, key: &[u8], expires_at: u64) {
        match known.get_mut(key) {
            Some(entry) => *entry = expires_at,
            None => {
                known.insert(key.into(), expires_at);
                self.len.fetch_add(1, Ordering::SeqCst);
            }
        }
        self.announcements.fetch_add(1, Ordering::SeqCst);
    }

    fn remove(&self, known: &mut HashMap<Box<[u8]>, u64>, key: &[u8]) {
        if known.remove(key).is_some() {
            self.len.fetch_sub(1, Ordering::SeqCst);
            self.announcements.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Up to `limit` keys that have expired at `now` from the shard `shard`.
    pub(super) fn expired_in(&self, shard: usize, now: u64, limit: usize) -> Vec<Box<[u8]>> {
        let shard = read(&self.shards[shard]);
        let expired = shard.known.iter().filter(|(_, expires_at)| **expires_at <= now);
        expired.take(limit).map(|(key, _)| key.clone()).collect()
    }

    fn shard(&self, key: &[u8]) -> &RwLock<Shard> {
        &self.shards[self.hasher.hash_one(key) as usize % SHARDS]
    }
}
