//! How many of sled's buffers are on their way to the disk.
//!
//! sled hands each buffer of its log that is full, or ended by a batch, to a pool of seven threads,
//! or little more, which all its databases share; each is written and synced there. It queues them
//! without bound, which takes memory and is lost in a kill. And it can make all threads wait for
//! each other:
//!
//! * Who begins a new segment holds a lock, and may wait meanwhile until an earlier cut of the file
//!   is done. That cut waits in the queue of the pool.
//! * Each thread of the pool takes that lock when it has written a buffer.
//!
//! If all of them have come to that, nobody is left for the cut, and nobody ever goes on, the
//! writer included. So there has to be a thread to spare at any time, and few buffers may be under
//! way. A batch makes two, and waits here before it begins; its caller has mostly waited already,
//! where it held no lock (`Buffers::wait`). Single writes make one for each segment that they fill;
//! `Limits::portion` sees to it that they are flushed in time. The rest of the seven is for sled's
//! own periodic flush. The bound is for each log, so that no store waits for another's disk: two of
//! them would have to come to that at the same moment.
//!
//! sled syncs each buffer for itself. One sync is enough for all that were written before it began,
//! so a thread that finds one running waits, and the next one is for all who have come meanwhile.

use std::cell::Cell;
use std::io;
use std::os::fd::RawFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::durable::Log;
use super::lock::Deadline;

/// What a batch makes: what was written before it, if anything, and its own beginning. Its rest ends
/// with the next batch, or with a flush.
const OF_A_BATCH: i64 = 2;

/// The most that batches have under way.
const MOST: i64 = 5;

/// How often somebody who waits looks whether anything is being written at all.
const LOOK: Duration = Duration::from_millis(1);

/// The buffers of one log.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    state: Mutex<State>,
    written: Condvar,
    synced: Condvar,
}

#[derive(Debug)]
pub(super) struct State {
    /// Buffers that are made and not written, less one if sled's newest buffer is empty. So a batch
    /// adds two, whether or not a flush has just made the first of them, and each buffer that is
    /// written takes one away. That is not always so: see [`State::heed_what_is_seen`].
    under_way: i64,
    /// How many threads are writing or syncing a buffer at this moment.
    writing: i64,
    /// How many syncs of buffers have begun and ended. Never more than one is running.
    begun: u64,
    ended: u64,
}

impl Default for State {
    fn default() -> Self {
        Self { under_way: -1, writing: 0, begun: 0, ended: 0 }
    }
}

impl State {
    fn are_many(&self) -> bool {
        self.under_way + OF_A_BATCH > MOST
    }

    /// Other writes make buffers that are not counted, and take away one each that was. A batch
    /// that changes nothing makes one and counts as two. But what is being written at this moment
    /// is under way, and hardly more, as there are threads to spare: if nothing is, one batch at
    /// most is waiting for them.
    fn heed_what_is_seen(&mut self) {
        self.under_way = match self.writing {
            0 => self.under_way.clamp(-1, OF_A_BATCH),
            writing => self.under_way.max(writing - 1),
        };
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
                state.under_way = -1;
            } else if deadline.has_passed() {
                return None;
            }
        }
        Some(state)
    }

    /// Has what this thread has written synced, by `sync` or by somebody else's. Says whether it was
    /// somebody else's.
    fn sync(&self, sync: impl FnOnce()) -> bool {
        let mut state = self.state();
        // One that is running may have passed over what this thread has written.
        let mine = state.begun + 1;
        while state.begun > state.ended {
            state = self.synced.wait(state).unwrap_or_else(PoisonError::into_inner);
            if state.ended >= mine {
                return true;
            }
        }
        state.begun += 1;
        drop(state);
        sync();
        let mut state = self.state();
        state.ended = state.begun;
        drop(state);
        self.synced.notify_all();
        false
    }

    /// A thread takes up a buffer.
    fn begin_one(&self) {
        let mut state = self.state();
        state.writing += 1;
        state.heed_what_is_seen();
    }

    /// A buffer is written and synced.
    fn end_one(&self) {
        let mut state = self.state();
        state.writing -= 1;
        state.under_way -= 1;
        state.heed_what_is_seen();
        drop(state);
        self.written.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A thread begins to write to `file`. Answers with the log, if that is the beginning of a buffer:
/// it is if the thread is one of sled's pool.
pub(super) fn write_begins(file: RawFd) -> Option<Arc<Log>> {
    let log = (is_of_pool() && !WRITING.get()).then(|| Log::of(file)).flatten()?;
    WRITING.set(true);
    log.buffers().begin_one();
    Some(log)
}

/// Makes `sync`, which syncs `file`, and answers as it does. Where this thread has written a
/// buffer, it can be that somebody else has made one for both.
pub(super) fn sync(file: RawFd, sync: impl Fn() -> io::Result<()>) -> io::Result<()> {
    let Some(log) = WRITING.get().then(|| Log::of(file)).flatten() else { return sync() };
    let mut own = Err(io::ErrorKind::Interrupted.into());
    let is_shared = log.buffers().sync(|| {
        // One that was interrupted has synced nothing, and would be the others' too.
        while is_interrupted(&own) {
            own = sync();
        }
        if let Some(error) = own.as_ref().err().and_then(io::Error::raw_os_error) {
            // Before the others go on: the system may tell it but once.
            log.write_failed(error);
        }
    });
    match is_shared {
        true => log.failure().map_or(Ok(()), Err),
        false => own,
    }
}

fn is_interrupted(result: &io::Result<()>) -> bool {
    result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::Interrupted)
}

/// A buffer is written and synced, or will never be.
pub(super) fn write_ends(file: RawFd) {
    if !WRITING.take() {
        return;
    }
    if let Some(log) = Log::of(file) {
        log.buffers().end_one();
    }
}

/// Whether this thread is one of sled's pool.
pub(super) fn is_of_pool() -> bool {
    OF_POOL.get().unwrap_or_else(|| {
        let thread = std::thread::current();
        let is = thread.name().is_some_and(|name| name.starts_with("sled-io-"));
        OF_POOL.set(Some(is));
        is
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;
    use std::sync::atomic::Ordering::SeqCst;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_batch_waits_while_as_many_are_under_way_as_may_be() {
        let buffers = Buffers::default();
        let batches = (MOST + 1) / OF_A_BATCH;
        (0..batches).for_each(|_| assert!(buffers.make_room(LONG)));
        buffers.begin_one();
        assert!(!buffers.make_room(Duration::from_millis(20)), "it does not wait");
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| buffers.make_room(LONG));
            std::thread::sleep(Duration::from_millis(10));
            assert!(!waiting.is_finished());
            buffers.begin_one();
            buffers.end_one();
            buffers.end_one();
            assert!(waiting.join().expect("the thread"));
        });
    }

    #[test]
    fn what_is_being_written_counts_though_nobody_has_counted_it() {
        let buffers = Buffers::default();
        (0..MOST).for_each(|_| buffers.begin_one());
        assert!(buffers.are_many());
        (0..MOST).for_each(|_| buffers.end_one());
        assert!(!buffers.are_many());
    }

    #[test]
    fn batches_that_change_nothing_keep_nobody_waiting() {
        let buffers = Buffers::default();
        for _ in 0..100 {
            assert!(!buffers.are_many());
            assert!(buffers.make_room(LONG));
            buffers.begin_one();
            buffers.end_one();
        }
    }

    /// Lets a number of threads come while a sync is running; says how many more syncs there were.
    fn syncs_for(others: u64) -> u64 {
        let (buffers, come, made) =
            (Buffers::default(), AtomicU64::default(), AtomicU64::default());
        let first = || {
            made.fetch_add(1, SeqCst);
            while come.load(SeqCst) < others {
                std::thread::yield_now();
            }
        };
        std::thread::scope(|scope| {
            let first = scope.spawn(|| buffers.sync(first));
            while made.load(SeqCst) == 0 {
                std::thread::yield_now();
            }
            for _ in 0..others {
                scope.spawn(|| {
                    come.fetch_add(1, SeqCst);
                    buffers.sync(|| {
                        made.fetch_add(1, SeqCst);
                    })
                });
            }
            assert!(!first.join().expect("the first"));
        });
        made.load(SeqCst) - 1
    }

    #[test]
    fn a_sync_is_for_all_who_have_come_before_it_began_and_for_nobody_else() {
        let mut fewest = u64::MAX;
        for _ in 0..10_000 {
            let syncs = syncs_for(5);
            assert!((1..=5).contains(&syncs), "{syncs}");
            fewest = fewest.min(syncs);
            if fewest == 1 {
                return;
            }
        }
        panic!("five threads never made less than {fewest} syncs");
    }

    #[test]
    fn what_was_counted_too_much_is_forgotten_when_nothing_is_being_written() {
        let buffers = Buffers::default();
        for _ in 0..20 {
            assert!(buffers.make_room(Duration::from_secs(60)));
        }
    }
}
