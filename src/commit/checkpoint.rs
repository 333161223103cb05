//! The checkpoint: settling memtables into the engine, in a thread of its own.

use std::fs;
use std::io;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use oxistore_core::StoreError;

use super::committer::Committer;
use super::log::file::{path_of, remove_settled};
use super::log::replay::Settlement;
use super::memtable::{Memtable, OVERHEAD};
use super::options::{Durability, Options};
use super::record::{Change, KeyspaceId, Record, RowImage};
use super::{Key, Settled};
use crate::engine::Result;

/// How often the checkpoint looks whether a full disk has room again.
const LOOK: Duration = Duration::from_millis(200);

/// Rows of a deleted range that are removed between two looks at the disk.
const REMOVED_AT_ONCE: usize = 1024;

/// How many memtables may wait for the checkpoint where they are small.
const SMALL: usize = 8;

/// What the checkpoint thread and those who wait for it share.
#[derive(Debug)]
pub(crate) struct Checkpoints {
    /// The number of the memtable that is being settled, or was last.
    running: AtomicU64,
    failed: AtomicBool,
    state: Mutex<State>,
    pub(super) changed: Condvar,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) is_stopping: bool,
    /// Why the engine took a row or a flush not.
    pub(super) error: Option<StoreError>,
    pub(super) settlement: Settlement,
    /// The commit that a flush waits for.
    pub(super) wanted: u64,
    /// Threads that have not ended.
    pub(super) threads: usize,
    /// Whether the checkpoint waits for room on the disk.
    pub(super) is_short_of_room: bool,
    /// Whether the checkpoint is to try all the same, because the store closes.
    pub(super) is_closing: bool,
}

impl Checkpoints {
    pub(super) fn new(settlement: Settlement) -> Self {
        let state = State {
            is_stopping: false,
            error: None,
            settlement,
            wanted: 0,
            threads: 0,
            is_short_of_room: false,
            is_closing: false,
        };
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

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
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
    pub(crate) fn wait_for_room(&self, bytes: usize) -> Result<()> {
        let size = self.memtable_size();
        let backlog = || {
            let tables = self.tables.load();
            let frozen: usize = tables.frozen.iter().map(|table| table.bytes()).sum();
            (tables.frozen.len(), frozen, tables.active.bytes())
        };
        let (count, frozen, active) = backlog();
        if count == 0 {
            return Ok(());
        }
        let pause = self.pace.pause(bytes, frozen + active, size, 2 * size);
        if !pause.is_zero() {
            std::thread::sleep(pause);
        }
        let mut state = self.checkpoints.lock();
        loop {
            let (count, frozen, active) = backlog();
            // One may wait, of any size. Commits that overwrite each other fill files and not memtables;
            // few of those are large.
            let is_small = frozen + active < 2 * size && count < SMALL;
            if count == 0 || count == 1 && active < size || is_small {
                return Ok(());
            }
            state = self.wait_for_checkpoint(state)?;
        }
    }

    /// Bytes from which on the active memtable is full.
    pub(super) fn memtable_size(&self) -> usize {
        self.pace.memtable_size(self.options.memtable)
    }

    /// Waits until something has changed, unless the checkpoint does not come on.
    fn wait_for_checkpoint<'a>(
        &'a self,
        state: MutexGuard<'a, State>,
    ) -> Result<MutexGuard<'a, State>> {
        if let Some(error) = &state.error {
            return Err(error.clone());
        }
        if state.is_short_of_room && !state.is_closing {
            return Err(self.io("write to", &io::Error::from_raw_os_error(libc::ENOSPC)));
        }
        Ok(self.checkpoints.changed.wait(state).unwrap_or_else(PoisonError::into_inner))
    }

    /// The checkpoint thread. It ends when it was told to, and nothing is left that is frozen, or
    /// when the engine has failed.
    pub(super) fn run_checkpoints(&self) {
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

    /// Waits until the disk has room for the rows of a memtable: once sled has met a full disk, the store
    /// has to be opened again. A close does not wait.
    fn wait_for_disk(&self, bytes: usize) {
        let changed = &self.checkpoints.changed;
        let mut state = self.checkpoints.lock();
        while !state.is_closing && !state.is_stopping && !self.settled().has_room(bytes) {
            state.is_short_of_room = true;
            changed.notify_all();
            let waited = changed.wait_timeout_while(state, LOOK, |state| !state.is_closing);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.is_short_of_room = false;
    }

    /// Settles one memtable.
    fn checkpoint(&self, table: &Arc<Memtable>) -> Result<()> {
        // A row must not be in the engine while a power cut can still take the commit that it is of:
        // other rows of that commit, and commits before it, would be missing.
        self.wait_for_sync(table.newest())?;
        self.wait_for_disk(table.bytes());
        self.checkpoints.running.store(table.number, Ordering::SeqCst);
        let mut waiting = 0;
        self.remove_deleted(table, &mut waiting)?;
        // Writers are paced by what a byte of the memtable costs, which a deleted range tells nothing of.
        let begun = Instant::now();
        table.for_each_newest(|keyspace, key, first, version| {
            self.settle_row(table, (keyspace, key), first, version.row.as_ref(), &mut waiting)
        })?;
        // No thread uses these, and the log tells of it until the mark does.
        let drops = table.drops().clone();
        for (keyspace, name) in drops {
            match name {
                None => self.settled().drop_keyspace(keyspace)?,
                Some(name) => self.settled().rename_keyspace(keyspace, &name)?,
            }
        }
        self.settle(table, false)?;
        self.pace.settled(table.bytes(), begun.elapsed());
        self.log().work.checkpoints.fetch_add(1, Ordering::Relaxed);
        self.unfreeze(table);
        self.limit_view_memory();
        // Where the file cannot be removed it takes room and does no harm: the mark says that it is
        // settled, and the next opening removes it.
        let Options { directory, keep_log, .. } = &self.options;
        let _ = match keep_log {
            0 => fs::remove_file(path_of(directory, table.number)),
            keep => remove_settled(directory, table.number, *keep),
        };
        Ok(())
    }

    /// Removes the settled rows of the ranges that were deleted.
    fn remove_deleted(&self, table: &Memtable, waiting: &mut usize) -> Result<()> {
        for (keyspace, (lower, upper), first) in table.all_deleted() {
            let upper = upper.as_ref().map_or(Bound::Unbounded, |key| Bound::Excluded(&key[..]));
            let mut from = Bound::Included(lower);
            loop {
                let range = (from.as_ref().map(|key| &key[..]), upper);
                let keys = self.settled().keys(keyspace, range, REMOVED_AT_ONCE)?;
                let Some(last) = keys.last() else { break };
                self.wait_for_disk(keys.iter().map(|key| key.len() + OVERHEAD).sum());
                for key in &keys {
                    self.settle_row(table, (keyspace, key), first, None, waiting)?;
                }
                from = Bound::Excluded(last.clone());
            }
        }
        Ok(())
    }

    /// Writes one row into the engine, or removes it. `first` is the first commit of it in `table`.
    fn settle_row(
        &self,
        table: &Memtable,
        (keyspace, key): (KeyspaceId, &Key),
        first: u64,
        row: Option<&RowImage>,
        waiting: &mut usize,
    ) -> Result<()> {
        // A view older than the key's first commit here has to see the row as it was.
        if self.views.any_between(0, first) {
            table.keep_pre_image(keyspace, key, self.settled().read(keyspace, key)?);
            self.limit_view_memory();
        }
        self.settled().write(keyspace, key, row)?;
        *waiting += RowImage::size(key, row);
        if *waiting >= self.options.portion {
            *waiting = 0;
            self.settled().write_out()?;
        }
        Ok(())
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
            if active.newest() > 0 {
                self.rotate(&mut writer, 0)?;
            }
            active.number
        };
        let mut state = self.checkpoints.lock();
        loop {
            if self.tables().frozen.iter().all(|table| table.number > number) {
                return Ok(());
            }
            state = self.wait_for_checkpoint(state)?;
        }
    }

    /// Removes everything in a keyspace, at one moment for a crash too. No writer of it may be under
    /// way, and none may come once this has returned without an error.
    pub(crate) fn drop_keyspace(&self, keyspace: KeyspaceId) -> Result<()> {
        let mut record = Record::new();
        record.push(Change::Drop { keyspace });
        self.commit(record, Durability::Buffered, |_| Ok(())).map(drop)
    }

    /// Gives a keyspace another name, at one moment for a crash too. All its rows are settled, and no
    /// operation on it may be under way or come once this has returned without an error.
    pub(crate) fn rename_keyspace(&self, keyspace: KeyspaceId, name: &[u8]) -> Result<()> {
        let mut record = Record::new();
        record.push(Change::Rename { keyspace, name });
        self.commit(record, Durability::Buffered, |_| Ok(())).map(drop)
    }

    /// Whether the disk has room for `bytes` of rows.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        self.settled().has_room(bytes)
    }

    /// The settled rows of a keyspace that was dropped are gone when this returns, or those of one that was
    /// renamed are where they belong, and its name can be used for another.
    pub(crate) fn finish_drop(&self, keyspace: KeyspaceId) -> Result<()> {
        self.settle_all()?;
        // Views may still need these memtables, and no thread sees the keyspace any more.
        self.tables().all().for_each(|table| table.remove_keyspace(keyspace));
        Ok(())
    }

    /// Settles everything and removes the log: what is left is the engine's own. No writer may be
    /// under way, and none comes later. The threads have ended when this returns.
    pub(crate) fn close(&self) -> Result<()> {
        self.checkpoints.lock().is_closing = true;
        self.checkpoints.wake();
        let settled = self.log().check().map_err(|source| self.io("close", &source));
        let settled = settled.and_then(|()| self.settle_all());
        let ended = self.end_threads();
        settled.and(ended)?;
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
}
