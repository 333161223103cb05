//! Committing, and the state that all readers and writers of a store share.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::JoinHandle;

use arc_swap::ArcSwap;
use oxistore_core::StoreError;

use super::basis::{Basis, Committed};
use super::checkpoint::Checkpoints;
use super::feed::Feed;
use super::log::check::CheckedLog;
use super::log::file::size_of_all;
use super::log::replay::{replay, Target};
use super::log::{Log, Tail};
use super::memtable::{Found, Memtable};
use super::options::{Durability, Options};
use super::pace::Pace;
use super::record::{Change, CompleteRecord, KeyspaceId, Record, RowImage};
use super::tables::Tables;
use super::views::{Registered, Views};
use super::watch::{Observed, Watches};
use super::Settled;
use crate::engine::{Failure, Reason, Result, SalvageReport};

/// Stands for the number of an error where the disk has not answered in time.
pub(super) const TOO_LATE: i32 = libc::ETIMEDOUT;

/// The longest record: its length has four bytes.
const LONGEST_RECORD: usize = u32::MAX as usize;

/// Room for the names of a commit's keyspaces.
const NAMES_ROOM: usize = 64 << 10;

/// The write path of one open store.
pub(crate) struct Committer<S: Settled> {
    pub(super) options: Options,
    settled: S,
    log: Log,
    pub(super) tables: ArcSwap<Tables>,
    /// The newest commit that readers see.
    published: AtomicU64,
    pub(super) views: Views,
    pub(super) watches: Arc<Watches>,
    writer: Mutex<Writer>,
    pub(super) pace: Pace,
    pub(super) checkpoints: Checkpoints,
    /// The checkpoint thread, and the one that syncs from time to time.
    pub(super) threads: Mutex<Vec<JoinHandle<()>>>,
    /// What was found when the store was opened to be salvaged.
    report: SalvageReport,
}

/// What only the holder of the commit lock changes.
pub(super) struct Writer {
    /// The newest commit.
    sequence: u64,
    pub(super) tail: Tail,
}

impl<S: Settled> Committer<S> {
    /// Replays the log, which was checked, and begins a new file of it. [`Committer::start`] starts its
    /// threads.
    pub(crate) fn open(settled: S, options: Options, checked: CheckedLog) -> Result<Arc<Self>> {
        let directory = options.directory.clone();
        let views = Views::default();
        let memtable = options.memtable;
        let mut replayed =
            Replayed { settled: &settled, views: &views, memtable, tables: Vec::new() };
        replay(&directory, &checked, options.keep_log, &mut replayed)?;
        let (end, mut settlement, report) = checked.into_end();
        // Also those without commits: their files have to go.
        let frozen: Vec<_> = replayed.tables.into_iter().map(Arc::new).collect();
        // Every record leaves this room for names, and a file has to take a full memtable beside it.
        let capacity = (options.memtable + NAMES_ROOM) as u64;
        let log = Log::new(directory.clone(), options.store, capacity, end.sequence);
        let number = end.file + 1;
        let io = |source: io::Error| Failure::from_io("open", &directory, &source);
        let mut tail = log.begin(number, end.sequence + 1).map_err(io)?;
        if let Some(earlier) = end.open {
            log.seal(&mut tail, earlier, end.sequence + 1).map_err(io)?;
        }
        if settlement.is_closed {
            // A log that is gone as a whole is missed from now on. The files are there by now, so a crash
            // in between leaves no note of a log that never was.
            settlement.is_closed = false;
            settled.settle(settlement)?;
        }
        let active = Arc::new(Memtable::new(number, options.memtable));
        Ok(Arc::new(Self {
            settled,
            log,
            tables: ArcSwap::from_pointee(Tables { retired: Vec::new(), frozen, active }),
            published: AtomicU64::new(end.sequence),
            views,
            watches: Arc::default(),
            writer: Mutex::new(Writer { sequence: end.sequence, tail }),
            pace: Pace::new(),
            checkpoints: Checkpoints::new(settlement),
            threads: Mutex::default(),
            report,
            options,
        }))
    }

    /// The engine below.
    pub(crate) fn settled(&self) -> &S {
        &self.settled
    }

    /// What was damaged and lost of the log, where the store was opened to be salvaged.
    pub(crate) fn salvage_report(&self) -> &SalvageReport {
        &self.report
    }

    /// The engine below, once nobody commits any more.
    pub(crate) fn into_settled(self) -> S {
        self.settled
    }

    pub(super) fn tables(&self) -> Arc<Tables> {
        self.tables.load_full()
    }

    pub(super) fn log(&self) -> &Log {
        &self.log
    }

    pub(super) fn writer(&self) -> MutexGuard<'_, Writer> {
        // A panic under the lock leaves a record in the log that is not published, and the number it
        // had is used again for another record, over it.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn io(&self, operation: &'static str, source: &io::Error) -> StoreError {
        let directory = &self.options.directory;
        if source.raw_os_error() == Some(TOO_LATE) {
            let limit = self.options.patience;
            let text = format!("the disk did not take what was written within {limit:?}");
            return Failure::error(operation, directory, Reason::TimedOut, text);
        }
        Failure::from_io(operation, directory, source)
    }

    /// The newest commit that readers see.
    pub(crate) fn published(&self) -> u64 {
        self.published.load(Ordering::Acquire)
    }

    /// The row of `key` as it is now, which may have expired, and what that was read from.
    pub(crate) fn get(
        &self,
        keyspace: KeyspaceId,
        key: &[u8],
    ) -> Result<(Option<RowImage>, Basis)> {
        loop {
            // In this order: see the module's documentation.
            let tables = self.tables.load();
            let basis = Basis { sequence: self.published(), active: tables.active.number };
            match tables.get(keyspace, key, basis.sequence) {
                Found::Version(version) => return Ok((version.row, basis)),
                Found::TooLate => continue,
                Found::Nothing => {}
            }
            let row = self.settled.read(keyspace, key);
            if !self.has_written_over(basis.active) {
                return Ok((row?, basis));
            }
        }
    }

    /// Whether the checkpoint may have written over settled rows that a reader with the active
    /// memtable `from` needs.
    pub(super) fn has_written_over(&self, from: u64) -> bool {
        self.checkpoints.running() >= from
    }

    /// Reads the log behind the commit `after`.
    pub(crate) fn feed(&self, after: u64) -> Feed {
        Feed::new(self.options.directory.clone(), self.options.store, after)
    }

    /// Waits until no commit is under way, and keeps others out until the answer is dropped. Its
    /// holder may read.
    pub(crate) fn between_commits(&self) -> impl Drop + '_ {
        self.writer()
    }

    /// Commits `record`, if `validate` allows it while no other commit is under way; answers with
    /// its number. After an error nothing has changed, unless it is one of the sync: then the commit
    /// is made, and nobody knows whether it is on the disk. The caller has waited by
    /// [`Committer::wait_for_room`].
    pub(crate) fn commit(
        &self,
        record: Record,
        durability: Durability,
        validate: impl FnOnce(&Committed) -> Result<()>,
    ) -> Result<u64> {
        self.check_writable()?;
        if record.len() > LONGEST_RECORD {
            let text = "all keys and values of one commit have 4 GiB at most";
            return Err(StoreError::Unsupported(text.into()));
        }
        let record = record.complete();
        let locked = self.lock_observed(&record, |committer| Some(committer.writer()));
        let (writer, observed) = locked.expect("it waits for the lock");
        let sequence = self.commit_as(writer, record, observed, validate)?;
        if durability == Durability::Synced {
            self.sync(sequence)?;
        }
        Ok(sequence)
    }

    /// Fails where the store must not change.
    pub(crate) fn check_writable(&self) -> Result<()> {
        match self.options.read_only {
            true => Err(StoreError::ReadOnly),
            false => Ok(()),
        }
    }

    /// The same, unless another commit is under way, writers have to wait, or the store must not change:
    /// then nothing happens.
    pub(crate) fn try_commit(
        &self,
        record: Record,
        validate: impl FnOnce(&Committed) -> Result<()>,
    ) -> Result<()> {
        if self.options.read_only || !self.tables.load().frozen.is_empty() {
            return Ok(());
        }
        let record = record.complete();
        let locked = self.lock_observed(&record, |committer| match committer.writer.try_lock() {
            Ok(writer) => Some(writer),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        });
        let Some((writer, observed)) = locked else { return Ok(()) };
        self.commit_as(writer, record, observed, validate).map(drop)
    }

    fn commit_as(
        &self,
        mut writer: MutexGuard<'_, Writer>,
        mut record: CompleteRecord,
        observed: Option<Observed>,
        validate: impl FnOnce(&Committed) -> Result<()>,
    ) -> Result<u64> {
        self.checkpoints.check()?;
        // Before `validate`: a writer that finds a key live there lets it live on for watches too.
        let observed = observed.map(|observed| (observed, (self.options.now.0)()));
        validate(&Committed::of(self))?;
        let sequence = writer.sequence + 1;
        self.make_room(&mut writer, record.len())?;
        let name = |keyspace| self.settled.name(keyspace);
        self.log
            .append(&mut writer.tail, &mut record, sequence, name)
            .map_err(|source| self.io("write to", &source))?;
        let tables = self.tables.load();
        tables.active.insert(sequence, record.changes(), self.published(), &self.views);
        let is_first_unsynced = self.log.synced() + 1 == sequence;
        writer.sequence = sequence;
        self.published.store(sequence, Ordering::Release);
        let told = observed.map(|(observed, now)| self.tell(sequence, now, observed));
        drop(writer);
        told.iter().flatten().for_each(|queue| queue.notify());
        if is_first_unsynced {
            self.checkpoints.wake();
        }
        self.limit_view_memory();
        Ok(sequence)
    }

    /// Writes the name of a new keyspace to the log, so that a kill leaves the keyspace.
    pub(crate) fn announce(&self, keyspace: KeyspaceId) -> Result<()> {
        let mut writer = self.writer();
        self.checkpoints.check()?;
        self.make_room(&mut writer, 0)?;
        let next = writer.sequence + 1;
        let name = |keyspace| self.settled.name(keyspace);
        self.log
            .append_names(&mut writer.tail, &[keyspace], next, name)
            .map_err(|source| self.io("write to", &source))
    }

    /// Sees that the active memtable and its file take a record of `length` bytes.
    fn make_room(&self, writer: &mut Writer, length: usize) -> Result<()> {
        let active = &self.tables.load().active;
        let is_full = active.newest() > 0 && active.bytes() >= self.memtable_size();
        let io = |source: io::Error| self.io("write to", &source);
        match !is_full && self.log.make_room(&mut writer.tail, length + NAMES_ROOM).map_err(io)? {
            true => Ok(()),
            false => self.rotate(writer, length),
        }
    }

    /// Freezes the active memtable, and begins the next one with the next file.
    pub(super) fn rotate(&self, writer: &mut Writer, length: usize) -> Result<()> {
        let number = self
            .log
            .rotate(&mut writer.tail, length + NAMES_ROOM, writer.sequence + 1)
            .map_err(|source| self.io("write to", &source))?;
        let next = Arc::new(Memtable::new(number, self.options.memtable));
        self.exchange_tables(|tables, _| {
            tables.frozen.push(std::mem::replace(&mut tables.active, next));
        });
        self.checkpoints.wake();
        Ok(())
    }

    /// The first of the frozen memtables is settled.
    pub(super) fn unfreeze(&self, settled: &Arc<Memtable>) {
        self.exchange_tables(|tables, registered| {
            tables.frozen.retain(|table| !Arc::ptr_eq(table, settled));
            settled.retire(registered.next());
            if !settled.is_unneeded(registered.oldest()) {
                tables.retired.push(Arc::clone(settled));
            }
        });
    }

    /// Lets another list of memtables take the place of the present one, under the lock under which
    /// views are registered.
    pub(super) fn exchange_tables(&self, change: impl FnOnce(&mut Tables, &Registered)) {
        let registered = self.views.lock();
        let mut tables = Tables::clone(&self.tables.load());
        change(&mut tables, &registered);
        let before = self.tables.swap(Arc::new(tables));
        drop(registered);
        // The last reference frees the rows, without a lock.
        drop(before);
    }

    /// The bytes that the log takes on the disk.
    pub(crate) fn log_size(&self) -> Result<u64> {
        size_of_all(&self.options.directory).map_err(|source| self.io("measure", &source))
    }

    /// Waits until the commit `sequence` is on the disk.
    pub(crate) fn sync(&self, sequence: u64) -> Result<()> {
        let last = AtomicU64::new(0);
        let appended = || {
            let writer = self.writer();
            last.store(writer.tail.number(), Ordering::Relaxed);
            (writer.sequence, writer.tail.files())
        };
        self.log.sync(sequence, appended).map_err(|source| self.io("flush", &source))?;
        // Files before the last one of the sync are on the disk as a whole.
        let last = last.into_inner();
        if last > 0 {
            self.writer().tail.forget_synced(last - 1);
        }
        Ok(())
    }
}

/// What the log says at opening, as memtables that wait for the checkpoint.
struct Replayed<'a, S> {
    settled: &'a S,
    views: &'a Views,
    memtable: usize,
    tables: Vec<Memtable>,
}

impl<S: Settled> Target for Replayed<'_, S> {
    fn keyspace(&mut self, name: &[u8]) -> Result<KeyspaceId> {
        self.settled.keyspace(name)
    }

    fn begin_file(&mut self, number: u64) {
        self.tables.push(Memtable::new(number, self.memtable));
    }

    fn commit(&mut self, sequence: u64, changes: &[Change<'_>]) -> Result<()> {
        for change in changes {
            match change {
                Change::Drop { keyspace } => {
                    self.tables.iter().for_each(|table| table.remove_keyspace(*keyspace));
                    self.settled.drop_keyspace(*keyspace)?;
                }
                Change::Rename { keyspace, name } => {
                    self.settled.rename_keyspace(*keyspace, name)?;
                }
                _ => {}
            }
        }
        let table = self.tables.last().expect("a file begins before its commits");
        table.insert(sequence, changes.iter().copied(), sequence - 1, self.views);
        Ok(())
    }
}
