//! Flushing, by one thread for all who wait, and never for ever.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::room::Room;
use super::shield::shield;
use super::signals;
use super::witness::Witness;
use super::{Failure, Result};

/// The longest that anybody waits for a flush or a close, unless the builder says otherwise. sled
/// waits without a limit, and after some failures for something that never comes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Flushes the engine in a thread of its own.
///
/// Whoever wants a flush draws a number and waits until that number is served. The thread serves
/// all numbers that were drawn before a flush began with that one flush, so many waiters cost as
/// much as one. It also closes sled, because that can take for ever too.
#[derive(Clone)]
pub(super) struct Flusher {
    desk: Arc<Desk>,
}

struct Desk {
    room: Arc<Room>,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    drawn: u64,
    served: u64,
    /// The handle to be dropped last; given to the thread to end it.
    last: Option<sled::Db>,
    closed: Option<Result<()>>,
}

impl Flusher {
    pub(super) fn start(db: sled::Db, witness: Witness, room: Arc<Room>) -> Result<Self> {
        let state = State { drawn: 0, served: 0, last: None, closed: None };
        let desk = Arc::new(Desk { room, state: Mutex::new(state), changed: Condvar::new() });
        let served = Arc::clone(&desk);
        let thread = std::thread::Builder::new().name("sledstore-flush".to_owned());
        signals::blocked(|| thread.spawn(move || served.serve(db, witness)))
            .map_err(|source| Failure::from_io("open", desk.room.path(), &source))?;
        Ok(Self { desk })
    }

    /// Waits until everything written so far is on the disk.
    pub(super) fn flush(&self) -> Result<()> {
        self.desk.room.may_write()?;
        let number = {
            let mut state = self.desk.state();
            state.drawn += 1;
            self.desk.changed.notify_all();
            state.drawn
        };
        drop(self.desk.wait(|state| state.served >= number)?);
        self.desk.room.may_write()
    }

    /// Flushes, and drops the last handle of sled.
    pub(super) fn close(self, last: sled::Db) -> Result<()> {
        self.desk.state().last = Some(last);
        self.desk.changed.notify_all();
        let mut state = self.desk.wait(|state| state.closed.is_some())?;
        state.closed.take().unwrap_or(Ok(()))
    }
}

impl Desk {
    fn state(&self) -> MutexGuard<'_, State> {
        // Each change of the state is a single step.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self, done: impl Fn(&State) -> bool) -> Result<MutexGuard<'_, State>> {
        let end = Instant::now() + self.room.patience();
        let mut state = self.state();
        while !done(&state) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                drop(state);
                return self.room.judge(Err(self.room.too_long()));
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(state)
    }

    /// The thread.
    fn serve(&self, db: sled::Db, mut witness: Witness) {
        let mut state = self.state();
        loop {
            if let Some(last) = state.last.take() {
                drop(state);
                let closed = self.close(db, last, witness);
                self.state().closed = Some(closed);
                self.changed.notify_all();
                return;
            }
            if state.served == state.drawn {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let number = state.drawn;
            drop(state);
            let flushed = witness.flush("flush", &db, &self.room);
            // Who waits learns of an error from the room.
            let _ = self.room.judge(flushed);
            // Each flush leaves a buffer of the size of a segment behind. sled would keep some sixty
            // of them here until this thread has more to throw away, which it never has.
            sled::pin().flush();
            state = self.state();
            state.served = number;
            self.changed.notify_all();
        }
    }

    fn close(&self, db: sled::Db, last: sled::Db, mut witness: Witness) -> Result<()> {
        let flushed =
            witness.flush("close", &db, &self.room).and_then(|()| witness.end(&self.room));
        // Dropping flushes and syncs the log.
        let dropped = shield("close", self.room.path(), || {
            drop((db, last, witness));
            Ok(())
        });
        // A sync that failed was noted, with its number, and sled was not told.
        let noted = flushed.and_then(|()| self.room.may_write());
        self.room.judge(noted.and(dropped))
    }
}
