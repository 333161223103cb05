//! What all trees of an engine share: where it is, and whether it may still write.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use oxistore_core::StoreError;

use crate::engine::catch_sled::catch_sled;
use crate::engine::interpose::log_state::LogState;
use crate::engine::{Failure, Finding, Reason, Result};

/// The state that outlives any one call.
///
/// # Poison
///
/// After a write or a flush has failed, nobody knows which of the changes since the last good flush
/// are on the disk, and sled's own structures may hold half of a change. So from the first failure
/// on no write is acknowledged: each answers with that first error, until the store is opened
/// again. Reads go on: what was being changed, the memtables still have.
#[derive(Debug)]
pub(crate) struct EngineState {
    path: PathBuf,
    patience: Duration,
    poisoned: AtomicBool,
    first_error: Mutex<Option<StoreError>>,
    /// What has happened to the log, also where sled tells nobody of it.
    log: OnceLock<Arc<LogState>>,
    /// What was damaged of the log when it was opened.
    findings: OnceLock<Vec<Finding>>,
    /// All writes since the store was created.
    writes: AtomicU64,
}

impl EngineState {
    pub(crate) fn new(path: PathBuf, patience: Duration) -> Self {
        Self {
            path,
            patience,
            poisoned: AtomicBool::new(false),
            first_error: Mutex::new(None),
            log: OnceLock::new(),
            findings: OnceLock::new(),
            writes: AtomicU64::new(0),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The log of the store is this one.
    pub(crate) fn attach_log(&self, log: &Arc<LogState>) {
        // There is one opening for each state.
        let _ = self.log.set(Arc::clone(log));
    }

    /// These places of the log were damaged.
    pub(crate) fn note_findings(&self, findings: Vec<Finding>) {
        // There is one opening for each state.
        let _ = self.findings.set(findings);
    }

    pub(crate) fn findings(&self) -> &[Finding] {
        self.findings.get().map_or(&[], Vec::as_slice)
    }

    /// The longest that anybody waits for a flush or a close.
    pub(crate) fn patience(&self) -> Duration {
        self.patience
    }

    /// Fails with the first error if there was one.
    pub(crate) fn check_healthy(&self) -> Result<()> {
        if !self.poisoned.load(Ordering::Acquire) {
            return self.failure().map_or(Ok(()), |failure| self.poison_on_error(Err(failure)));
        }
        let first = self.first_error.lock().unwrap_or_else(PoisonError::into_inner);
        match &*first {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }

    /// What has happened to the log, which sled is not told.
    fn failure(&self) -> Option<StoreError> {
        let source = self.log.get()?.failure()?;
        Some(Failure::from_io("flush", &self.path, &source))
    }

    /// Reads. Where that fails after a write has failed, sled may be looking for what has never
    /// come to the disk, and the first error is the answer.
    pub(crate) fn read<T>(&self, call: impl FnOnce() -> sled::Result<T>) -> Result<T> {
        catch_sled("read from", &self.path, call).or_else(|error| match self.failure() {
            Some(failure) => self.poison_on_error(Err(failure)),
            None => Err(error),
        })
    }

    /// The disk does not answer.
    pub(crate) fn too_long(&self) -> StoreError {
        let limit = self.patience;
        let message = format!("the disk did not take what was written within {limit:?}");
        Failure::error("flush", &self.path, Reason::TimedOut, message)
    }

    /// Lets no write through any more, if `result` is an error; answers with the first error then.
    pub(crate) fn poison_on_error<T>(&self, result: Result<T>) -> Result<T> {
        result.map_err(|error| {
            let mut first = self.first_error.lock().unwrap_or_else(PoisonError::into_inner);
            // What sled says after its log has failed may come of that.
            let cause = || self.failure().unwrap_or(error);
            let error = first.get_or_insert_with(cause).clone();
            self.poisoned.store(true, Ordering::Release);
            error
        })
    }

    /// How many writes there have been since the store was created.
    pub(crate) fn writes(&self) -> u64 {
        self.writes.load(Ordering::Acquire)
    }

    /// There were `writes` before this opening.
    pub(crate) fn go_on_from(&self, writes: u64) {
        self.writes.store(writes, Ordering::Release);
    }

    /// Notes a write.
    pub(crate) fn record_write(&self) {
        self.writes.fetch_add(1, Ordering::Release);
    }
}
