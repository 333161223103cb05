//! Which keys a memtable may have, so that a reader of another key needs neither its lock nor a way
//! through its rows.
//!
//! A Bloom filter of two bits a key, both in one word, so that a look meets one line of the cache. The
//! committer sets the bits before it enters the row; whoever sees the commit published also sees them.

use super::record::KeyspaceId;
use super::sync::{AtomicU64, Ordering};

/// Bytes of a memtable for each bit. A row takes a hundred at least.
const BYTES_A_BIT: usize = 16;

/// Odd, with irregular bits: those of the golden ratio.
const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;

/// A key as filters have it. Keys that somebody chose for their hashes cost a look in vain, no more.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeyHash(u64);

impl KeyHash {
    pub(super) fn of(keyspace: KeyspaceId, key: &[u8]) -> Self {
        let mut hash = u64::from(keyspace) ^ (key.len() as u64) << 32;
        let (chunks, rest) = key.as_chunks::<8>();
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        for chunk in chunks.iter().chain([&last]) {
            // Both halves of the product, so that each bit of the chunk reaches all of them.
            let product = u128::from(hash ^ u64::from_le_bytes(*chunk)) * u128::from(FACTOR);
            hash = product as u64 ^ (product >> 64) as u64;
        }
        Self(hash)
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

    /// The caller holds the commit lock, so that nobody else sets bits meanwhile.
    pub(super) fn insert(&self, hash: KeyHash) {
        let (word, bits) = self.place(hash);
        word.store(word.load(Ordering::Relaxed) | bits, Ordering::Relaxed);
    }

    pub(super) fn may_have(&self, hash: KeyHash) -> bool {
        let (word, bits) = self.place(hash);
        word.load(Ordering::Relaxed) & bits == bits
    }

    fn place(&self, KeyHash(hash): KeyHash) -> (&AtomicU64, u64) {
        let word = (hash >> 12) as usize & (self.words.len() - 1);
        (&self.words[word], 1 << (hash & 63) | 1 << (hash >> 6 & 63))
    }
}
