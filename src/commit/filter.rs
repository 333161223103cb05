//! Which keys a memtable may have, so that a reader of another key needs neither its lock nor a way
//! through its rows.
//!
//! A Bloom filter of two bits a key. A writer sets the bits before it enters the row; whoever sees the
//! commit published also sees them.

use std::hash::{DefaultHasher, Hasher};

use super::record::KeyspaceId;
use super::sync::{AtomicU64, Ordering};

/// Bytes of a memtable for each bit. A row takes a hundred at least.
const BYTES_A_BIT: usize = 16;

/// A key as filters have it.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeyHash(u64);

impl KeyHash {
    pub(super) fn of(keyspace: KeyspaceId, key: &[u8]) -> Self {
        let mut hasher = DefaultHasher::new();
        hasher.write_u32(keyspace);
        hasher.write(key);
        Self(hasher.finish())
    }
}

#[derive(Debug)]
pub(super) struct Filter {
    /// A power of two of them.
    words: Box<[AtomicU64]>,
}

impl Filter {
    /// For a memtable of so many bytes. A larger one fills the filter, which then says yes more often.
    pub(super) fn new(bytes: usize) -> Self {
        let words = (bytes / BYTES_A_BIT / 64).next_power_of_two();
        Self { words: (0..words).map(|_| AtomicU64::new(0)).collect() }
    }

    pub(super) fn insert(&self, hash: KeyHash) {
        for (word, bit) in self.places(hash) {
            if word.load(Ordering::Relaxed) & bit == 0 {
                word.fetch_or(bit, Ordering::Relaxed);
            }
        }
    }

    pub(super) fn may_have(&self, hash: KeyHash) -> bool {
        self.places(hash).iter().all(|(word, bit)| word.load(Ordering::Relaxed) & bit != 0)
    }

    fn places(&self, KeyHash(hash): KeyHash) -> [(&AtomicU64, u64); 2] {
        [hash, hash.rotate_left(32)].map(|hash| {
            let word = (hash >> 6) as usize & (self.words.len() - 1);
            (&self.words[word], 1 << (hash & 63))
        })
    }
}
