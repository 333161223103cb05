//! The checkpoint: settling memtables into the engine, in a thread of its own.

use std::fs;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use oxistore_core::StoreError;

use super::committer::{Committer, Durability};
use super::log_file::path_of;
use super::memtable::Memtable;
use super::record::{Change, KeyspaceId, Record, RowImage};
use super::replay::Settlement;
use super::Settled;
use crate::engine::Result;

/// How many times more memtables may wait for the checkpoint where they are small.
const SMALL: usize = 4;

/// What the checkpoint thread and those who wait for it share.
#[derive(Debug)]
pub(crate) struct Checkpoints {
    /// The number of the memtable that is being settled, or was last.
    running: AtomicU64,
    failed: AtomicBool,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    is_stopping: bool,
    /// Why the engine took a row or a flush not.
    error: Option<StoreError>,
    settlement: Settlement,
}

impl Checkpoints {
    pub(super) fn new(settlement: Settlement) -> Self {
        let state = State { is_stopping: false, error: None, settlement };
        Self {
            running: AtomicU64::new(0),
            failed: AtomicBool::new(false),
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    pub(super) fn running(&self) -> u64 {
        self.running.load(Ordering::SeqCst)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the thread, and those who wait for it, that something has changed.
    pub(super) fn wake(&self) {
        drop(self.lock());
        self.changed.notify_all();
    }

    /// Fails if the checkpoint has failed: then memory would grow without end.
    pub(super) fn check(&self) -> Result<()> {
        if !self.failed.load(Ordering::Acquire) {
            return Ok(());
        }
        self.lock().error.clone().map_or(Ok(()), Err)
    }

    fn fail(&self, error: StoreError) {
        self.lock().error.get_or_insert(error);
        self.failed.store(true, Ordering::Release);
        self.changed.notify_all();
    }
}

impl<S: Settled> Committer<S> {
    /// Pauses a writer of `bytes` while the checkpoint is behind; see `pace.rs`. Called without
    /// locks.
    pub(super) fn wait_for_room(&self, bytes: usize) -> Result<()> {
        let size = self.options.memtable;
        let backlog = || {
            let tables = self.tables();
            let frozen: usize = tables.frozen.iter().map(|table| table.bytes()).sum();
            (tables.frozen.len(), frozen + tables.active.bytes())
        };
        let (frozen, total) = backlog();
        if frozen == 0 {
            return Ok(());
        }
        let pause = self.pace.pause(bytes, total, size, size * (self.options.frozen + 1));
        if !pause.is_zero() {
            std::thread::sleep(pause);
        }
        let mut state = self.checkpoints.lock();
        loop {
            let (frozen, total) = backlog();
            // Commits that overwrite each other fill files and not memtables; few of those are large.
            let is_small = total < size * (self.options.frozen + 1);
            if frozen < self.options.frozen || is_small && frozen < SMALL * self.options.frozen {
                return Ok(());
            }
            if let Some(error) = &state.error {
                return Err(error.clone());
            }
            let changed = &self.checkpoints.changed;
            state = changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Starts the checkpoint thread, and, with an interval, a thread that syncs the log so often.
    pub(crate) fn start(self: &Arc<Self>, sync_every: Option<Duration>) -> io::Result<()> {
        let mut threads = self.threads();
        let (checkpoints, syncs) = (Arc::clone(self), Arc::clone(self));
        let checkpoint = std::thread::Builder::new().name("sledstore-check".into());
        threads.push(checkpoint.spawn(move || checkpoints.run_checkpoints())?);
        if let Some(interval) = sync_every {
            let sync = std::thread::Builder::new().name("sledstore-sync".into());
            threads.push(sync.spawn(move || syncs.run_syncs(interval))?);
        }
        Ok(())
    }

    fn threads(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run_syncs(&self, interval: Duration) {
        while !self.wait_for_stop(interval) {
            // A failure is kept by the log, and told to the next writer.
            let _ = self.sync(self.published());
        }
    }

    /// The checkpoint thread. It ends when it was told to, and nothing is left that is frozen, or
    /// when the engine has failed.
    fn run_checkpoints(&self) {
        while let Some(table) = self.next_frozen() {
            if let Err(error) = self.checkpoint(&table) {
                self.checkpoints.fail(error);
                return;
            }
            self.checkpoints.wake();
            self.make_spare();
        }
    }

    fn next_frozen(&self) -> Option<Arc<Memtable>> {
        let mut state = self.checkpoints.lock();
        loop {
            if let Some(table) = self.tables().frozen.first() {
                return Some(Arc::clone(table));
            }
            if state.is_stopping {
                return None;
            }
            let changed = &self.checkpoints.changed;
            state = changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Settles one memtable.
    fn checkpoint(&self, table: &Arc<Memtable>) -> Result<()> {
        let begun = Instant::now();
        self.checkpoints.running.store(table.number, Ordering::SeqCst);
        let mut waiting = 0;
        table.for_each_newest(|keyspace, key, first, version| {
            // A view older than the key's first commit here has to see the row as it was.
            if self.views().any_between(0, first) {
                table.keep_pre_image(keyspace, key, self.settled().read(keyspace, key)?);
                self.limit_view_memory();
            }
            self.settled().write(keyspace, key, version.row.as_ref())?;
            waiting += RowImage::size(key, version.row.as_ref());
            if waiting >= self.options.portion {
                waiting = 0;
                self.settled().write_out()?;
            }
            Result::Ok(())
        })?;
        self.settle(table, false)?;
        self.pace.settled(table.bytes(), begun.elapsed());
        self.unfreeze(table);
        self.limit_view_memory();
        let removed = fs::remove_file(path_of(&self.options.directory, table.number));
        match removed {
            // The mark says that the file is settled, so that it does no harm where it stays.
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(self.io("remove a log file of", &error))
            }
            _ => Ok(()),
        }
    }

    fn settle(&self, table: &Memtable, is_closed: bool) -> Result<()> {
        let mut state = self.checkpoints.lock();
        let sequence = table.newest().max(state.settlement.sequence);
        let settlement = Settlement { file: table.number, sequence, is_closed };
        drop(state);
        self.settled().settle(settlement)?;
        state = self.checkpoints.lock();
        state.settlement = settlement;
        Ok(())
    }

    /// Makes the next log file ready. Where that fails, the writer that needs it is told.
    fn make_spare(&self) {
        let number = self.log().wants_spare(&mut self.writer().tail);
        let Some(spare) = number.and_then(|number| self.log().make_spare(number).ok()) else {
            return;
        };
        let useless = self.log().put_spare(&mut self.writer().tail, spare);
        if let Some(file) = useless {
            let _ = fs::remove_file(file.path);
        }
    }

    /// Settles everything that is committed, and waits for that.
    pub(crate) fn settle_all(&self) -> Result<()> {
        let number = {
            let mut writer = self.writer();
            let active = Arc::clone(&self.tables().active);
            if !active.is_empty() {
                self.rotate(&mut writer, 0)?;
            }
            active.number
        };
        let mut state = self.checkpoints.lock();
        loop {
            if self.tables().frozen.iter().all(|table| table.number > number) {
                return Ok(());
            }
            if let Some(error) = &state.error {
                return Err(error.clone());
            }
            let changed = &self.checkpoints.changed;
            state = changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Removes everything in a keyspace, at one moment for a crash too. No writer of it may be under
    /// way, and none may come.
    pub(crate) fn drop_keyspace(&self, keyspace: KeyspaceId) -> Result<()> {
        let mut record = Record::new();
        record.push(Change::Drop { keyspace });
        self.commit(record, Durability::Buffered, |_| Ok(()))?;
        self.settle_all()?;
        self.settled().drop_keyspace(keyspace)
    }

    /// Settles everything and removes the log: what is left is the engine's own. No writer may be
    /// under way, and none comes later. The threads have ended when this returns.
    pub(crate) fn close(&self) -> Result<()> {
        let settled = self.settle_all();
        self.checkpoints.lock().is_stopping = true;
        self.checkpoints.wake();
        let threads = std::mem::take(&mut *self.threads());
        let ended: Vec<_> = threads.into_iter().map(JoinHandle::join).collect();
        settled?;
        if ended.iter().any(std::result::Result::is_err) {
            return Err(StoreError::Other("a thread of the store has panicked".into()));
        }
        self.remove_log()
    }

    fn remove_log(&self) -> Result<()> {
        let mut writer = self.writer();
        let active = Arc::clone(&self.tables().active);
        self.settle(&active, true)?;
        let spare = writer.tail.take_spare().map(|spare| spare.id.number);
        for number in [Some(active.number), spare].into_iter().flatten() {
            let removed = fs::remove_file(path_of(&self.options.directory, number));
            removed.map_err(|source| self.io("close", &source))?;
        }
        Ok(())
    }

    /// Waits until the threads are told to end, or for `interval`; says whether it was.
    fn wait_for_stop(&self, interval: Duration) -> bool {
        let state = self.checkpoints.lock();
        let changed = &self.checkpoints.changed;
        let waited = changed.wait_timeout_while(state, interval, |state| !state.is_stopping);
        waited.unwrap_or_else(PoisonError::into_inner).0.is_stopping
    }
}
