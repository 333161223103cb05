//! What all trees of an engine share: where it is, and whether it may still write.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use oxistore_core::StoreError;

use super::buffers::Buffers;
use super::durable::{Log, HALTED};
use super::gate::Gate;
use super::limits::Limits;
use super::shield::shield;
use super::{turns, Failure, Reason, Result};

/// Commits of several steps after which sled is made to write out what the last of them has begun.
const COMMITS: u64 = 64;

/// The state that outlives any one call.
///
/// # Poison
///
/// After a write or a flush has failed, nobody knows which of the changes since the last good flush
/// are on the disk, and sled's own structures may hold half of a change. So from the first failure
/// on no write is acknowledged: each answers with that first error, until the store is opened
/// again. Reads go on, but for what may be half changed: see `gate.rs`.
#[derive(Debug)]
pub(super) struct Room {
    path: PathBuf,
    patience: Duration,
    /// Whether sled is being flushed.
    is_flushing: AtomicBool,
    poisoned: AtomicBool,
    first_error: Mutex<Option<StoreError>>,
    /// What has happened to the log, also where sled tells nobody of it.
    log: OnceLock<Arc<Log>>,
    /// All writes since the store was created.
    writes: AtomicU64,
    /// What was written since the last time that somebody took it upon himself to write it out.
    commits: AtomicU64,
    bytes: AtomicU64,
    /// Bytes of keys and values after which sled is made to write out, see [`Limits::portion`].
    portion: AtomicU64,
    gate: Gate,
}

impl Room {
    pub(super) fn new(path: PathBuf, patience: Duration) -> Self {
        Self {
            path,
            patience,
            is_flushing: AtomicBool::new(false),
            poisoned: AtomicBool::new(false),
            first_error: Mutex::new(None),
            log: OnceLock::new(),
            writes: AtomicU64::new(0),
            commits: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            portion: AtomicU64::new(u64::MAX),
            gate: Gate::default(),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The log of the store is this one.
    pub(super) fn heed(&self, log: &Arc<Log>) {
        // There is one opening for each room.
        let _ = self.log.set(Arc::clone(log));
    }

    /// So much may be written between two flushes.
    pub(super) fn set_portion(&self, limits: Limits) {
        self.portion.store(limits.portion as u64, Ordering::Relaxed);
    }

    /// The longest that anybody waits for a flush or a close.
    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    /// Fails with the first error if there was one.
    pub(super) fn may_write(&self) -> Result<()> {
        if !self.poisoned.load(Ordering::Acquire) {
            return self.failure().map_or(Ok(()), |failure| self.judge(Err(failure)));
        }
        let first = self.first_error.lock().unwrap_or_else(PoisonError::into_inner);
        match &*first {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }

    /// What has happened to the log, which sled is not told.
    fn failure(&self) -> Option<StoreError> {
        self.failure_of_disk().or_else(|| {
            self.log.get()?.failure()?;
            let text = "a batch has failed in its middle";
            Some(Failure::error("write to", &self.path, Reason::Os, text))
        })
    }

    /// The same, but for a batch that has failed: its own error says more.
    fn failure_of_disk(&self) -> Option<StoreError> {
        let source = self.log.get()?.failure()?;
        let is_halted = source.raw_os_error() == Some(HALTED);
        (!is_halted).then(|| Failure::from_io("flush", &self.path, &source))
    }

    /// Reads. Where that fails after a write has failed, sled may be looking for what has never
    /// come to the disk, and the first error is the answer.
    pub(super) fn read<T>(&self, call: impl FnOnce() -> sled::Result<T>) -> Result<T> {
        shield("read from", &self.path, call).or_else(|error| match self.failure() {
            Some(failure) => self.judge(Err(failure)),
            None => Err(error),
        })
    }

    /// To be called before a write that sled makes as a batch, which lasts as long as the answer
    /// lives. Waits until it may begin.
    pub(super) fn may_write_batch(&self) -> Result<turns::Batch> {
        self.wait_for_disk(|buffers| buffers.make_room(self.patience))?;
        self.turn()
    }

    /// Whether a batch would have to wait for the disk.
    pub(super) fn is_crowded(&self) -> bool {
        turns::is_flushing() || self.log.get().is_some_and(|log| log.buffers().are_many())
    }

    /// Waits until a batch would not have to.
    pub(super) fn wait_until_not_crowded(&self) -> Result<()> {
        self.wait_for_disk(|buffers| buffers.wait(self.patience).is_some())?;
        self.turn().map(drop)
    }

    fn wait_for_disk(&self, wait: impl FnOnce(&Buffers) -> bool) -> Result<()> {
        // A disk that has not answered before is not waited for again.
        self.may_write()?;
        match self.log.get().is_none_or(|log| wait(log.buffers())) {
            true => self.may_write(),
            false => self.judge(Err(self.too_long())),
        }
    }

    /// Waits until there is no flush. Where it is another store's that does not end, this one has
    /// not failed.
    fn turn(&self) -> Result<turns::Batch> {
        if let Some(turn) = turns::batch(self.patience) {
            return Ok(turn);
        }
        self.may_write()?;
        if self.is_flushing.load(Ordering::SeqCst) {
            return self.judge(Err(self.too_long()));
        }
        let limit = self.patience;
        let message =
            format!("the disk of another store of this process did not answer within {limit:?}");
        Err(Failure::error("write to", &self.path, Reason::TimedOut, message))
    }

    /// Sled is flushed while the answer lives.
    pub(super) fn flushes(&self) -> impl Drop + '_ {
        struct Flushing<'a> {
            is_flushing: &'a AtomicBool,
            /// Given back after that.
            _turn: turns::Flush,
        }
        impl Drop for Flushing<'_> {
            fn drop(&mut self) {
                self.is_flushing.store(false, Ordering::SeqCst);
            }
        }
        let _turn = turns::flush();
        self.is_flushing.store(true, Ordering::SeqCst);
        Flushing { is_flushing: &self.is_flushing, _turn }
    }

    /// The disk does not answer.
    pub(super) fn too_long(&self) -> StoreError {
        let limit = self.patience;
        let message = format!("the disk did not take what was written within {limit:?}");
        Failure::error("flush", &self.path, Reason::TimedOut, message)
    }

    /// Lets a read of `key` in `tree` begin, or of any key. It may have to wait, and fails with the
    /// first error if what it would find may be half of a write.
    pub(super) fn may_read(&self, tree: &sled::Tree, key: Option<&[u8]>) -> Result<()> {
        if self.gate.is_open() || !self.gate.is_doubtful_after_waiting(tree, key) {
            return Ok(());
        }
        self.may_write()
    }

    pub(super) fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Lets no write through any more, if `result` is an error; answers with the first error then.
    pub(super) fn judge<T>(&self, result: Result<T>) -> Result<T> {
        result.map_err(|error| {
            let mut first = self.first_error.lock().unwrap_or_else(PoisonError::into_inner);
            // What sled says after its log has failed may come of that.
            let cause = || self.failure_of_disk().unwrap_or(error);
            let error = first.get_or_insert_with(cause).clone();
            self.poisoned.store(true, Ordering::Release);
            error
        })
    }

    /// How many writes there have been since the store was created.
    pub(super) fn writes(&self) -> u64 {
        self.writes.load(Ordering::Acquire)
    }

    /// There were `writes` before this opening.
    pub(super) fn go_on_from(&self, writes: u64) {
        self.writes.store(writes, Ordering::Release);
    }

    /// Notes a write; `steps` of one are single records of the log.
    pub(super) fn wrote(&self, steps: usize, bytes: usize) {
        self.writes.fetch_add(1, Ordering::Release);
        if steps > 1 {
            self.commits.fetch_add(1, Ordering::Relaxed);
        }
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Whether so much was written that somebody has to see that it gets out.
    pub(super) fn is_under_pressure(&self) -> bool {
        self.commits.load(Ordering::Relaxed) >= COMMITS
            || self.bytes.load(Ordering::Relaxed) >= self.portion.load(Ordering::Relaxed)
    }

    /// Somebody sees to it. Two who do so at once do no harm.
    pub(super) fn relieve(&self) {
        self.commits.store(0, Ordering::Relaxed);
        self.bytes.store(0, Ordering::Relaxed);
    }
}
