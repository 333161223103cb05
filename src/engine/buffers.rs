//! How many of sled's buffers are on their way to the disk.
//!
//! sled hands each buffer of its log that is full, or ended by a batch, to a pool of seven threads, or
//! little more, which all its databases share; each is written and synced there. It queues them without
//! bound, which takes memory and is lost in a kill. And it can make all threads wait for each other:
//!
//! * Who begins a new segment holds a lock, and may wait meanwhile until an earlier cut of the file is
//!   done. That cut waits in the queue of the pool.
//! * Each thread of the pool takes that lock when it has written a buffer.
//!
//! If all of them have come to that, nobody is left for the cut, and nobody ever goes on, the writer
//! included. So there has to be a thread to spare at any time, and few buffers may be under way. A batch
//! makes two, and waits here before it begins; its caller has mostly waited already, where it held no lock
//! (`Buffers::wait`). Single writes make one for each segment that they fill;
//! `Limits::portion` sees to it that they are flushed in time. The rest of the seven is for sled's own
//! periodic flush.

use std::cell::Cell;
use std::os::fd::RawFd;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::durable::Log;
use super::lock::Deadline;

/// What a batch makes: what was written before it, if anything, and its own beginning. Its rest ends
/// with the next batch, or with a flush.
const OF_A_BATCH: u64 = 2;

/// The most that batches have under way.
const MOST: u64 = 5;

/// How often somebody who waits looks whether anything is being written at all.
const LOOK: Duration = Duration::from_millis(1);

/// The buffers of one log.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    state: Mutex<State>,
    written: Condvar,
}

#[derive(Debug, Default)]
pub(super) struct State {
    /// Buffers that batches have made and that are not written, or a few more: a batch can come to
    /// fewer than two.
    under_way: u64,
    /// How many threads are writing or syncing a buffer at this moment.
    writing: u64,
}

impl State {
    fn are_many(&self) -> bool {
        self.under_way + OF_A_BATCH > MOST
    }
}

thread_local! {
    /// Whether this thread is one of the pool's, once it was asked for its name.
    static OF_POOL: Cell<Option<bool>> = const { Cell::new(None) };
    /// Whether this thread is writing a buffer.
    static WRITING: Cell<bool> = const { Cell::new(false) };
}

impl Buffers {
    /// Whether a batch would have to wait.
    pub(super) fn are_many(&self) -> bool {
        self.state().are_many()
    }

    /// Waits until a batch may begin, and counts it. Says whether it may; if not, the disk has taken
    /// nothing for too long.
    pub(super) fn make_room(&self, patience: Duration) -> bool {
        let state = self.wait(patience);
        state.map(|mut state| state.under_way += OF_A_BATCH).is_some()
    }

    /// Waits until a batch may begin; `None` if the disk has taken nothing for too long.
    pub(super) fn wait(&self, patience: Duration) -> Option<MutexGuard<'_, State>> {
        let deadline = Deadline::after(patience);
        let mut state = self.state();
        let mut idle = 0;
        while state.are_many() {
            let (next, waited) =
                self.written.wait_timeout(state, LOOK).unwrap_or_else(PoisonError::into_inner);
            state = next;
            idle = if waited.timed_out() && state.writing == 0 { idle + 1 } else { 0 };
            if idle > 1 {
                // Nothing is being written, so nothing is under way: too many were counted.
                state.under_way = 0;
            } else if deadline.has_passed() {
                return None;
            }
        }
        Some(state)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A thread begins to write to `file`, which is a buffer if the thread is one of sled's pool.
pub(super) fn write_begins(file: RawFd) {
    if !is_of_pool() || WRITING.get() {
        return;
    }
    if let Some(log) = Log::of(file) {
        WRITING.set(true);
        log.buffers().state().writing += 1;
    }
}

/// A buffer is written and synced, or will never be.
pub(super) fn write_ends(file: RawFd) {
    if !WRITING.take() {
        return;
    }
    if let Some(log) = Log::of(file) {
        let buffers = log.buffers();
        let mut state = buffers.state();
        state.writing = state.writing.saturating_sub(1);
        state.under_way = state.under_way.saturating_sub(1);
        drop(state);
        buffers.written.notify_all();
    }
}

fn is_of_pool() -> bool {
    OF_POOL.get().unwrap_or_else(|| {
        let thread = std::thread::current();
        let is = thread.name().is_some_and(|name| name.starts_with("sled-io-"));
        OF_POOL.set(Some(is));
        is
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_waits_while_as_many_are_under_way_as_may_be() {
        let buffers = Buffers::default();
        for _ in 0..MOST / OF_A_BATCH {
            assert!(buffers.make_room(Duration::from_secs(60)));
        }
        buffers.state().writing = 1;
        assert!(!buffers.make_room(Duration::from_millis(20)), "it does not wait");
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| buffers.make_room(Duration::from_secs(60)));
            std::thread::sleep(Duration::from_millis(10));
            assert!(!waiting.is_finished());
            let mut state = buffers.state();
            state.under_way -= 1;
            drop(state);
            buffers.written.notify_all();
            assert!(waiting.join().expect("the thread"));
        });
    }

    #[test]
    fn what_was_counted_too_much_is_forgotten_when_nothing_is_being_written() {
        let buffers = Buffers::default();
        for _ in 0..20 {
            assert!(buffers.make_room(Duration::from_secs(60)));
        }
    }
}
