//! Counting what threads do without having them meet.
//!
//! Each thread counts in a shard of its own, as long as there are not more threads than shards: a line that
//! all of them write would cost a read more than the read itself.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// What is counted.
#[derive(Clone, Copy)]
pub(crate) enum Count {
    Gets,
    Puts,
    Deletes,
    Begun,
    Committed,
    Conflicted,
}

const COUNTS: usize = Count::Conflicted as usize + 1;
const SHARDS: usize = 32;

/// Two cache lines, because processors fetch lines in pairs.
#[derive(Default)]
#[repr(align(128))]
struct Shard([AtomicU64; COUNTS]);

#[derive(Default)]
pub(crate) struct Counters([Shard; SHARDS]);

thread_local! {
    static SHARD: Cell<usize> = const { Cell::new(usize::MAX) };
}

fn shard() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    SHARD.with(|shard| {
        if shard.get() == usize::MAX {
            shard.set(NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS);
        }
        shard.get()
    })
}

impl Counters {
    pub(crate) fn add(&self, count: Count, number: u64) {
        if number > 0 {
            self.0[shard()].0[count as usize].fetch_add(number, Ordering::Relaxed);
        }
    }

    pub(super) fn sum(&self, count: Count) -> u64 {
        let counts = self.0.iter().map(|shard| shard.0[count as usize].load(Ordering::Relaxed));
        counts.fold(0, u64::wrapping_add)
    }
}
