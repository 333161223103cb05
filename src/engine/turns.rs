//! Who waits for sled's lock, so that nobody else has to.
//!
//! All of sled's databases in a process share one lock. A batch takes it alone, and everything else
//! takes it together with others; and a flush keeps it until the disk has answered. So a batch that
//! comes during a flush waits for the disk, and as sled lets nobody past who waits to have the lock
//! alone, every read and write of every store waits behind it: for ever, if that disk hangs.
//!
//! Therefore a batch waits here while there is a flush, with a limit, and a flush waits here while
//! there are batches. Whatever else is inside of sled is soon out again, unless a page has to be
//! read from a disk that hangs; there is no cure for that here.
//!
//! Neither starves: no batch begins while a flush wants to, and before a flush wants to, it gives
//! those batches a moment that wait already. No more than that, as they may be waiting for another
//! store's disk.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::lock::Deadline;

static TURNS: Turns = Turns::new();

/// How long a flush waits for batches that wait.
const MOMENT: Duration = Duration::from_millis(5);

struct Turns {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// Flushes that are under way, or want to be.
    flushes: u64,
    batches: u64,
    batches_waiting: u64,
    /// Batches that have begun so far.
    begun: u64,
}

/// The right to flush sled, or to drop what is flushed then.
pub(super) struct Flush(&'static Turns);

/// The right to let sled apply a batch.
pub(super) struct Batch(&'static Turns);

/// Waits until no batch is being applied.
pub(super) fn flush() -> Flush {
    TURNS.flush()
}

/// Waits until there is no flush; `None` if there still is one after so long.
pub(super) fn batch(patience: Duration) -> Option<Batch> {
    TURNS.batch(patience)
}

/// Whether a batch would have to wait.
pub(super) fn is_flushing() -> bool {
    TURNS.state().flushes > 0
}

impl Turns {
    const fn new() -> Self {
        let state = State { flushes: 0, batches: 0, batches_waiting: 0, begun: 0 };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    fn flush(&'static self) -> Flush {
        let mut state = self.state();
        let (begun, moment) = (state.begun, Deadline::after(MOMENT));
        while state.batches_waiting > 0 && state.begun == begun && !moment.has_passed() {
            state = self.wait(state, moment.left());
        }
        state.flushes += 1;
        while state.batches > 0 {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Flush(self)
    }

    fn batch(&'static self, patience: Duration) -> Option<Batch> {
        let mut state = self.state();
        if state.flushes > 0 {
            let deadline = Deadline::after(patience);
            state.batches_waiting += 1;
            while state.flushes > 0 && !deadline.has_passed() {
                state = self.wait(state, deadline.left());
            }
            state.batches_waiting -= 1;
            if state.flushes > 0 {
                return None;
            }
        }
        state.batches += 1;
        state.begun += 1;
        let is_awaited = state.batches_waiting > 0;
        drop(state);
        if is_awaited {
            self.changed.notify_all();
        }
        Some(Batch(self))
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, limit: Duration) -> MutexGuard<'a, State> {
        self.changed.wait_timeout(state, limit).unwrap_or_else(PoisonError::into_inner).0
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Flush {
    fn drop(&mut self) {
        self.0.state().flushes -= 1;
        self.0.changed.notify_all();
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.batches -= 1;
        let is_awaited = state.batches == 0 && state.flushes > 0;
        drop(state);
        if is_awaited {
            self.0.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    fn turns() -> &'static Turns {
        Box::leak(Box::new(Turns::new()))
    }

    #[test]
    fn batches_and_flushes_never_meet_and_nobody_starves() {
        const TIMES: u64 = 2_000;
        let turns = turns();
        let (flushes, batches) = (AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..TIMES {
                        let turn = turns.flush();
                        flushes.fetch_add(1, SeqCst);
                        assert_eq!(batches.load(SeqCst), 0);
                        flushes.fetch_sub(1, SeqCst);
                        drop(turn);
                    }
                });
                scope.spawn(|| {
                    for _ in 0..TIMES {
                        let turn = turns.batch(PATIENCE).expect("it has its turn");
                        batches.fetch_add(1, SeqCst);
                        assert_eq!(flushes.load(SeqCst), 0);
                        batches.fetch_sub(1, SeqCst);
                        drop(turn);
                    }
                });
            }
        });
        let state = turns.state();
        assert_eq!((state.flushes, state.batches, state.batches_waiting), (0, 0, 0));
        assert_eq!(state.begun, 2 * TIMES);
    }

    #[test]
    fn behind_a_flush_that_never_ends_batches_give_up_and_other_flushes_go_on() {
        let turns = turns();
        let hangs = turns.flush();
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| turns.batch(PATIENCE).is_some());
            for _ in 0..3 {
                drop(turns.flush());
            }
            assert!(turns.batch(Duration::from_millis(10)).is_none());
            assert!(!waits.is_finished());
            drop(hangs);
            assert!(waits.join().expect("the thread"));
        });
    }
}
