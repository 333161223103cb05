//! The threads of the write path, and the one that syncs.

use std::io;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::checkpoint::State;
use super::committer::{Committer, TOO_LATE};
use super::Settled;
use crate::engine::{signals_blocked, Failure, Reason, Result};

impl<S: Settled> Committer<S> {
    /// Starts the checkpoint thread, and the one that syncs the log: for flushes, and, with an
    /// interval, so often.
    pub(crate) fn start(self: &Arc<Self>, sync_every: Option<Duration>) -> io::Result<()> {
        self.spawn("sledstore-check", Self::run_checkpoints)?;
        self.spawn("sledstore-sync", move |committer| committer.run_syncs(sync_every))
    }

    fn spawn(
        self: &Arc<Self>,
        name: &str,
        work: impl FnOnce(&Self) + Send + 'static,
    ) -> io::Result<()> {
        struct Ends<S: Settled>(Arc<Committer<S>>);
        impl<S: Settled> Drop for Ends<S> {
            fn drop(&mut self) {
                self.0.checkpoints.lock().threads -= 1;
                self.0.checkpoints.changed.notify_all();
            }
        }
        let mut threads = self.threads();
        self.checkpoints.lock().threads += 1;
        let ends = Ends(Arc::clone(self));
        let thread = std::thread::Builder::new().name(name.into());
        let run = move || work(&ends.0);
        threads.push(signals_blocked(|| thread.spawn(run))?);
        Ok(())
    }

    fn threads(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread that syncs. A failure is kept by the log, and told to every later writer.
    fn run_syncs(&self, every: Option<Duration>) {
        // The checkpoint thread may still have to wait for a sync.
        let is_last = |state: &State| state.is_stopping && state.threads == 1;
        let is_idle = |state: &mut State| {
            !is_last(state) && (state.wanted <= self.log().synced() || self.log().has_failed())
        };
        // Without an interval nobody but a flush wakes it; with one, the first commit after a sync.
        let sleeps = |state: &mut State| {
            let has_work = every.is_some() && self.published() > self.log().synced();
            is_idle(state) && (!has_work || self.log().has_failed())
        };
        let changed = &self.checkpoints.changed;
        loop {
            let state = self.checkpoints.lock();
            let mut state =
                changed.wait_while(state, sleeps).unwrap_or_else(PoisonError::into_inner);
            if let Some(every) = every {
                let waited = changed.wait_timeout_while(state, every, is_idle);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
            let ends = is_last(&state);
            drop(state);
            if ends {
                return;
            }
            let _ = self.sync(self.published());
            self.checkpoints.wake();
        }
    }

    /// Waits until everything that is committed is on the disk, but not longer than the patience
    /// that the options have.
    pub(crate) fn flush(&self) -> Result<()> {
        self.wait_for_sync(self.published())?;
        self.checkpoints.check()
    }

    /// Waits until the commit `wanted` is on the disk, as long as a flush does.
    pub(super) fn wait_for_sync(&self, wanted: u64) -> Result<()> {
        let mut state = self.checkpoints.lock();
        state.wanted = state.wanted.max(wanted);
        self.checkpoints.changed.notify_all();
        let waits = |_: &mut State| self.log().synced() < wanted && !self.log().has_failed();
        let changed = &self.checkpoints.changed;
        let waited = changed.wait_timeout_while(state, self.options.patience, waits);
        let (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        drop(state);
        if timeout.timed_out() {
            self.log().fail(TOO_LATE);
        }
        self.log().check().map_err(|source| self.io("flush", &source))
    }

    /// Ends the threads. What waits for a checkpoint stays in the log.
    pub(crate) fn end_threads(&self) -> Result<()> {
        let mut state = self.checkpoints.lock();
        state.is_stopping = true;
        let changed = &self.checkpoints.changed;
        changed.notify_all();
        let waited =
            changed.wait_timeout_while(state, self.options.patience, |state| state.threads > 0);
        let (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        drop(state);
        if timeout.timed_out() {
            return Err(self.io("close", &io::Error::from_raw_os_error(TOO_LATE)));
        }
        let threads = std::mem::take(&mut *self.threads());
        let ended: Vec<_> = threads.into_iter().map(JoinHandle::join).collect();
        match ended.iter().all(std::result::Result::is_ok) {
            true => Ok(()),
            false => {
                let text = "a thread of the store has panicked";
                Err(Failure::error("close", &self.options.directory, Reason::Os, text))
            }
        }
    }
}
