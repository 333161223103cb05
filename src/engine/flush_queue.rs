//! Flushing, by one thread for all who wait, and never for ever.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::engine::catch_sled::catch_sled;
use crate::engine::interpose::signals;
use crate::engine::repair::keeper::WatermarkKeeper;
use crate::engine::state::EngineState;
use crate::engine::{Failure, Result};

/// The longest that anybody waits for a flush or a close, unless the builder says otherwise. sled
/// waits without a limit, and after some failures for something that never comes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Flushes the engine in a thread of its own.
///
/// Whoever wants a flush draws a number and waits until that number is served. The thread serves
/// all numbers that were drawn before a flush began with that one flush, so many waiters cost as
/// much as one. It also closes sled, because that can take for ever too.
#[derive(Clone)]
pub(crate) struct Flusher {
    desk: Arc<FlushQueue>,
}

struct FlushQueue {
    engine_state: Arc<EngineState>,
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
    pub(crate) fn start(
        db: sled::Db,
        watermark: WatermarkKeeper,
        engine_state: Arc<EngineState>,
    ) -> Result<Self> {
        let state = State { drawn: 0, served: 0, last: None, closed: None };
        let desk = Arc::new(FlushQueue {
            engine_state,
            state: Mutex::new(state),
            changed: Condvar::new(),
        });
        let served = Arc::clone(&desk);
        let thread = std::thread::Builder::new().name("sledstore-flush".to_owned());
        signals::blocked(|| thread.spawn(move || served.serve(db, watermark)))
            .map_err(|source| Failure::from_io("open", desk.engine_state.path(), &source))?;
        Ok(Self { desk })
    }

    /// Waits until everything written so far is on the disk.
    pub(crate) fn flush(&self) -> Result<()> {
        self.desk.engine_state.check_healthy()?;
        let number = {
            let mut state = self.desk.state();
            state.drawn += 1;
            self.desk.changed.notify_all();
            state.drawn
        };
        drop(self.desk.wait(|state| state.served >= number)?);
        self.desk.engine_state.check_healthy()
    }

    /// Flushes, and drops the last handle of sled.
    pub(crate) fn close(self, last: sled::Db) -> Result<()> {
        self.desk.state().last = Some(last);
        self.desk.changed.notify_all();
        let mut state = self.desk.wait(|state| state.closed.is_some())?;
        state.closed.take().unwrap_or(Ok(()))
    }
}

impl FlushQueue {
    fn state(&self) -> MutexGuard<'_, State> {
        // Each change of the state is a single step.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self, done: impl Fn(&State) -> bool) -> Result<MutexGuard<'_, State>> {
        let end = Instant::now() + self.engine_state.patience();
        let mut state = self.state();
        while !done(&state) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                drop(state);
                return self.engine_state.poison_on_error(Err(self.engine_state.too_long()));
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(state)
    }

    /// The thread.
    fn serve(&self, db: sled::Db, mut watermark: WatermarkKeeper) {
        let mut state = self.state();
        loop {
            if let Some(last) = state.last.take() {
                drop(state);
                let closed = self.close(db, last, watermark);
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
            let flushed = watermark.flush("flush", &db, &self.engine_state);
            // The threads that wait learn of an error from the engine's state.
            let _ = self.engine_state.poison_on_error(flushed);
            // Each flush leaves a buffer of the size of a segment behind. sled would keep some sixty
            // of them here until this thread has more to throw away, which it never has.
            sled::pin().flush();
            state = self.state();
            state.served = number;
            self.changed.notify_all();
        }
    }

    fn close(&self, db: sled::Db, last: sled::Db, mut watermark: WatermarkKeeper) -> Result<()> {
        let flushed = watermark
            .flush("close", &db, &self.engine_state)
            .and_then(|()| watermark.end(&self.engine_state));
        // Dropping flushes and syncs the log.
        let dropped = catch_sled("close", self.engine_state.path(), || {
            drop((db, last, watermark));
            Ok(())
        });
        // A sync that failed was noted, with its number, and sled was not told.
        let noted = flushed.and_then(|()| self.engine_state.check_healthy());
        self.engine_state.poison_on_error(noted.and(dropped))
    }
}
