//! Slowing writers down to what the checkpoint can settle.
//!
//! The backlog is what is in the memtables and not settled. Up to one full memtable writers go at
//! their own speed; from there to the bound each byte costs a growing part of the time that the
//! checkpoint needs for a byte, and at the bound all of it, or a little more. So the rate falls
//! gradually to that of the checkpoint, where it would otherwise be full speed and standstill in turn.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Shorter pauses are saved up: the system's timers are not finer.
const SHORTEST: u64 = 100_000;

/// The longest pause of one commit.
const LONGEST: u64 = 20_000_000;

/// A memtable is full when settling it would take so long: at closing, two of them may be left.
const LONGEST_CHECKPOINT: u64 = 900_000_000;

/// A memtable takes this part of its size in any case, so that slow flushes do not make memtables smaller,
/// and those flushes more frequent.
const SMALLEST_PART: usize = 8;

/// At the bound a byte costs so many percent of the checkpoint's time for it.
const MOST_PERCENT: u64 = 110;

#[derive(Debug)]
pub(super) struct Pace {
    /// Nanoseconds that the checkpoint has lately needed for 1024 bytes.
    cost: AtomicU64,
    /// Nanoseconds of pauses that writers owe.
    debt: AtomicU64,
}

impl Pace {
    pub(super) fn new() -> Self {
        // About what a small row costs; the first checkpoint measures it.
        Self { cost: AtomicU64::new(30_000), debt: AtomicU64::new(0) }
    }

    /// The checkpoint has settled so many bytes in this time.
    pub(super) fn settled(&self, bytes: usize, took: Duration) {
        // Fewer say little.
        if bytes >= 64 << 10 {
            let now = took.as_nanos() as u64 / (bytes as u64 / 1024);
            let cost = (self.cost.load(Ordering::Relaxed) + now) / 2;
            self.cost.store(cost, Ordering::Relaxed);
        }
    }

    /// Bytes from which on a memtable is full, if it is never to have more than `most`.
    pub(super) fn memtable_size(&self, most: usize) -> usize {
        let cost = self.cost.load(Ordering::Relaxed).max(1);
        let in_time = LONGEST_CHECKPOINT.saturating_mul(1024) / cost;
        most.min(usize::try_from(in_time).unwrap_or(usize::MAX).max(most / SMALLEST_PART))
    }

    /// How long a writer of `bytes` has to pause, with so much of a backlog between `low`, where
    /// nobody pauses, and `high`.
    pub(super) fn pause(&self, bytes: usize, backlog: usize, low: usize, high: usize) -> Duration {
        let above = backlog.saturating_sub(low).min(high - low) as u64;
        if above == 0 {
            return Duration::ZERO;
        }
        let percent = MOST_PERCENT * above / (high - low) as u64;
        let price = bytes as u64 * self.cost.load(Ordering::Relaxed) / 1024 * percent / 100;
        let debt = self.debt.fetch_add(price, Ordering::Relaxed) + price;
        if debt < SHORTEST {
            return Duration::ZERO;
        }
        // The one that takes the debt pays it.
        let paid = self.debt.swap(0, Ordering::Relaxed).min(LONGEST);
        Duration::from_nanos(paid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_settles_slowly_makes_memtables_smaller() {
        let pace = Pace::new();
        let most = 32 << 20;
        let size_at = |mib_in_a_second: u32| {
            (0..40).for_each(|_| pace.settled(1 << 20, Duration::from_secs(1) / mib_in_a_second));
            pace.memtable_size(most)
        };
        assert_eq!(size_at(1_000), most);
        let slow = size_at(10);
        assert!((8 << 20..10 << 20).contains(&slow), "{slow}");
        assert_eq!(size_at(1), most / SMALLEST_PART);
        assert_eq!(size_at(1_000), most);
    }

    #[test]
    fn writers_pause_the_longer_the_larger_the_backlog_is() {
        let total = |backlog| {
            let pace = Pace::new();
            (0..1000).map(|_| pace.pause(116, backlog, 1000, 2000)).sum::<Duration>()
        };
        assert_eq!(total(1000), Duration::ZERO);
        let (some, more) = (total(1200), total(2000));
        assert!(Duration::ZERO < some && some < more, "{some:?} {more:?}");
        assert_eq!(total(9000), more);
    }
}
