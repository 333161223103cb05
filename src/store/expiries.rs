//! The expiries of a keyspace, in memory.

use std::collections::hash_map::RandomState;
use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::RwLock;

use super::locks::{read, write};

const SHARDS: usize = 64;

type Shard = RwLock<HashMap<Box<[u8]>, u64>>;

/// When each key that has an expiry expires, in milliseconds since 1970.
///
/// It is loaded when the keyspace is opened and holds what the sidecar tree on disk holds, so that
/// reading a key costs one descent in the engine whether or not the keyspace has expiries. Writers
/// change an entry after the engine has committed, under the lock of the key.
pub(super) struct Expiries {
    hasher: RandomState,
    shards: [Shard; SHARDS],
    len: AtomicUsize,
    /// Counts the entries that were replaced or removed, see [`Expiries::losses`].
    losses: AtomicU64,
}

impl Expiries {
    pub(super) fn new() -> Self {
        Self {
            hasher: RandomState::new(),
            shards: std::array::from_fn(|_| Shard::default()),
            len: AtomicUsize::new(0),
            losses: AtomicU64::new(0),
        }
    }

    /// Whether no key expires.
    pub(super) fn is_empty(&self) -> bool {
        self.len.load(Ordering::SeqCst) == 0
    }

    /// When `key` expires; `None` if never.
    pub(super) fn get(&self, key: &[u8]) -> Option<u64> {
        if self.is_empty() {
            return None;
        }
        read(self.shard(key)).get(key).copied()
    }

    /// Sets or clears the expiry of `key`.
    pub(super) fn set(&self, key: &[u8], expires_at: Option<u64>) {
        match expires_at {
            Some(expires_at) => self.insert(key, expires_at),
            None => self.remove(key),
        }
    }

    fn insert(&self, key: &[u8], expires_at: u64) {
        let mut shard = write(self.shard(key));
        match shard.get_mut(key) {
            Some(entry) => {
                self.losses.fetch_add(1, Ordering::SeqCst);
                *entry = expires_at;
            }
            None => {
                shard.insert(key.into(), expires_at);
                self.len.fetch_add(1, Ordering::SeqCst);
            }
        }
    }

    fn remove(&self, key: &[u8]) {
        if self.is_empty() {
            return;
        }
        let mut shard = write(self.shard(key));
        if shard.contains_key(key) {
            self.losses.fetch_add(1, Ordering::SeqCst);
            shard.remove(key);
            self.len.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// Grows whenever an entry is replaced or removed, before anybody can miss the entry.
    ///
    /// An iterator meets a row first and asks for its expiry after that. If the row was an expired
    /// one that has been written again in between, the expiry that made it dead is gone; a number
    /// that has grown tells so.
    pub(super) fn losses(&self) -> u64 {
        self.losses.load(Ordering::SeqCst)
    }

    /// Up to `limit` keys that have expired at `now` from the shard `shard`; `None` past the last
    /// shard.
    pub(super) fn expired_in(
        &self,
        shard: usize,
        now: u64,
        limit: usize,
    ) -> Option<Vec<Box<[u8]>>> {
        let shard = read(self.shards.get(shard)?);
        let expired = shard.iter().filter(|(_, expires_at)| **expires_at <= now);
        Some(expired.take(limit).map(|(key, _)| key.clone()).collect())
    }

    fn shard(&self, key: &[u8]) -> &Shard {
        &self.shards[self.hasher.hash_one(key) as usize % SHARDS]
    }
}
