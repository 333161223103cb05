//! How a store is opened.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::commit::{self, Committer, Durability, Now};
use crate::engine::{
    Engine, Failure, Options, PrivateCopy, Reason, Result, SalvageReport, SledMode, Tree, PATIENCE,
};
use crate::store::clock::{Clock, MonotonicClock};
use crate::store::copies::marker;
use crate::store::inner::StoreInner;
use crate::store::keyspace::DEFAULT;
use crate::store::purger::PurgerOwner;
use crate::store::settled::{check_log, SettledRows};
use crate::store::SledStore;

/// Opens a [`SledStore`] with settings of your own.
///
/// ```
/// use std::time::Duration;
/// use sledstore::SledStoreBuilder;
///
/// # fn main() -> Result<(), sledstore::StoreError> {
/// # let directory = tempfile::tempdir().expect("a temporary directory");
/// # let path = directory.path().join("store");
/// let store = SledStoreBuilder::new()
///     .cache_capacity(64 << 20)
///     .flush_every_ms(100)
///     .lock_timeout(Duration::from_secs(1))
///     .build(&path)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct SledStoreBuilder {
    options: Options,
    clock: Clock,
    snapshot_memory: Option<u64>,
    flush_every_ms: Option<u64>,
    purge_every: Option<Duration>,
    memtable_size: usize,
    keep_log: u64,
    durability: Durability,
}

/// The memtable of a store that does not say otherwise, in bytes.
const MEMTABLE_SIZE: usize = 32 << 20;

/// The smallest that is of use: each becomes a checkpoint.
const SMALLEST_MEMTABLE: usize = 64 << 10;

/// The largest: its log file has about as many bytes.
const LARGEST_MEMTABLE: usize = 1 << 30;

impl Default for SledStoreBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl SledStoreBuilder {
    /// The default settings.
    pub fn new() -> Self {
        let options = Options {
            cache_capacity: None,
            compression: false,
            mode: SledMode::LowSpace,
            segment_size: None,
            temporary: false,
            read_only: false,
            must_exist: false,
            must_create: false,
            lock_timeout: Duration::ZERO,
            salvage: false,
            patience: PATIENCE,
        };
        Self {
            options,
            clock: Clock::system(),
            snapshot_memory: None,
            flush_every_ms: Some(500),
            purge_every: None,
            memtable_size: MEMTABLE_SIZE,
            keep_log: 0,
            durability: Durability::Buffered,
        }
    }

    /// How many bytes of pages the engine keeps in memory; 1 GiB if not set. Less than 1 MiB counts
    /// as 1 MiB. The engine's memory is two to three times that at most.
    #[must_use]
    pub fn cache_capacity(mut self, bytes: u64) -> Self {
        self.options.cache_capacity = Some(bytes);
        self
    }

    /// How often what was committed is synced, in milliseconds, if there is anything; 500 if not set,
    /// and 0 counts as 1. So much of the last commits a power cut can take.
    #[must_use]
    pub fn flush_every_ms(mut self, every: u64) -> Self {
        self.flush_every_ms = Some(every);
        self
    }

    /// What was committed is never synced by itself: only [`SledStore::flush`], [`Durability::Synced`]
    /// and closing do.
    #[must_use]
    pub fn flush_never(mut self) -> Self {
        self.flush_every_ms = None;
        self
    }

    /// What every commit survives when its call returns, where the call does not say so itself;
    /// [`Durability::Buffered`] if not set.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Remove what has expired from all keyspaces, so often, in a thread of the store's own; never if not
    /// set. Zero counts as a millisecond. What has expired is absent all the same; this gives its room
    /// back. Each time costs as much as [`SledStore::purge_expired`] of all keyspaces, and one that takes
    /// longer than the interval delays the next.
    #[must_use]
    pub fn purge_every(mut self, interval: Duration) -> Self {
        self.purge_every = Some(interval.max(Duration::from_millis(1)));
        self
    }

    /// The bytes of recent writes that are kept in memory before they are settled into the engine, all
    /// at once; 32 MiB if not set, from 64 KiB to 1 GiB. A row takes 224 bytes beside its key and its
    /// value. Another one of that size can wait to be settled, so that the store takes twice as much at
    /// most, and less than that on the disk for the log. Fewer are kept where settling them would take
    /// about a second, so that closing takes two. Larger ones let longer bursts of writes go on at full
    /// speed.
    #[must_use]
    pub fn memtable_size(mut self, bytes: usize) -> Self {
        self.memtable_size = bytes.clamp(SMALLEST_MEMTABLE, LARGEST_MEMTABLE);
        self
    }

    /// The bytes of log files that stay when they are settled, for [`SledStore::changes_since`], also
    /// after the store was closed; 0 if not set. They go, the oldest first, when there are more. A file
    /// takes 1 MiB at least, and about as much as a full memtable at most, unless one commit is larger; so
    /// with less than that, it can happen that nothing stays. An opening with less removes what is too much, and one with 0 all.
    #[must_use]
    pub fn keep_log(mut self, bytes: u64) -> Self {
        self.keep_log = bytes;
        self
    }

    /// Compression of pages. This build has none: [`SledStoreBuilder::build`] refuses `true`.
    #[must_use]
    pub fn use_compression(mut self, enabled: bool) -> Self {
        self.options.compression = enabled;
        self
    }

    /// What the engine favours.
    #[must_use]
    pub fn mode(mut self, mode: SledMode) -> Self {
        self.options.mode = mode;
        self
    }

    /// The unit in which a new store takes space on disk, in bytes: a power of two from 64 KiB to
    /// 8 MiB; 8 MiB if not set. A store that exists keeps its own. The reference opens a store with
    /// its default settings if this is 512 KiB; keys are then limited to 403 bytes.
    #[must_use]
    pub fn segment_size(mut self, bytes: usize) -> Self {
        self.options.segment_size = Some(bytes);
        self
    }

    /// A store that is removed when it closes. Its directory is made by this library and nobody
    /// else: [`SledStoreBuilder::build`] answers `AlreadyExists` if the path is there already.
    #[must_use]
    pub fn temporary(mut self, temporary: bool) -> Self {
        self.options.temporary = temporary;
        self
    }

    /// A store that must not change. Not a byte of the directory is written, which may lie on a file
    /// system that is mounted read-only, or belong to another user; every write is refused with
    /// [`StoreError::ReadOnly`](crate::StoreError::ReadOnly).
    ///
    /// What is opened is a private copy, made among the system's temporary files (`TMPDIR`) and removed when
    /// the store closes; a process that is killed leaves it. So opening takes the time and the room of
    /// a copy, and the store shows what it held when it was opened, with expiries going on. Any
    /// number of programs can open a store so at once. Writers are kept out, and keep out, only while the
    /// store is copied. Together with [`SledStoreBuilder::salvage`] it is a look at what a damaged store still
    /// has.
    #[must_use]
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.options.read_only = read_only;
        self
    }

    /// Refuse to create: without a store at the path, `build` answers with the operating system's
    /// "not found".
    #[must_use]
    pub fn must_exist(mut self, must_exist: bool) -> Self {
        self.options.must_exist = must_exist;
        self
    }

    /// Refuse to open: with a store at the path, `build` answers `AlreadyExists`.
    #[must_use]
    pub fn must_create(mut self, must_create: bool) -> Self {
        self.options.must_create = must_create;
        self
    }

    /// How long to wait while the directory is open elsewhere; zero if not set.
    #[must_use]
    pub fn lock_timeout(mut self, timeout: Duration) -> Self {
        self.options.lock_timeout = timeout;
        self
    }

    /// Open a store that is damaged or has lost some of its last writes, which
    /// [`SledStoreBuilder::build`] refuses otherwise. Every commit that is whole in the log is brought
    /// over, and what is there is then taken for all there is; [`SledStore::salvage_report`] tells what
    /// is lost. Damaged log files stay beside the store, as `sledstore.damaged.log.N`. A store that is
    /// whole is opened as always.
    ///
    /// A commit that is lost can have later ones behind it that are not, so what comes of this need not
    /// be what the store once was.
    #[must_use]
    pub fn salvage(mut self, salvage: bool) -> Self {
        self.options.salvage = salvage;
        self
    }

    /// The longest that a flush or a close takes before it answers
    /// [`Reason::TimedOut`](crate::Reason::TimedOut), for tests that cannot wait for a minute.
    #[doc(hidden)]
    #[must_use]
    pub fn patience(mut self, limit: Duration) -> Self {
        self.options.patience = limit;
        self
    }

    /// How many bytes of overwritten and removed rows are kept for snapshots, iterators and
    /// transactions; without a limit if not set. Past it the oldest of them ends: its reads answer
    /// [`StoreError::CapacityExceeded`](crate::StoreError::CapacityExceeded). Writers never wait for
    /// it.
    #[must_use]
    pub fn snapshot_memory(mut self, bytes: u64) -> Self {
        self.snapshot_memory = Some(bytes);
        self
    }

    /// Where expiry has the time from; the system's clock if not set.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Opens the store in the directory `path`.
    ///
    /// # Errors
    ///
    /// As [`SledStore::open`]; [`StoreError::Unsupported`](crate::StoreError::Unsupported) for a
    /// setting that this build or the engine does not have, and
    /// [`StoreError::AlreadyExists`](crate::StoreError::AlreadyExists) as said above.
    pub fn build(self, path: impl AsRef<Path>) -> Result<SledStore> {
        self.finish(Some(path.as_ref()))
    }

    /// Opens a temporary store in a directory of the library's choice.
    ///
    /// # Errors
    ///
    /// As [`SledStoreBuilder::build`].
    pub fn build_temporary(self) -> Result<SledStore> {
        self.temporary(true).finish(None)
    }

    fn finish(self, path: Option<&Path>) -> Result<SledStore> {
        if self.options.read_only && (self.options.temporary || self.options.must_create) {
            let given = path.unwrap_or(Path::new(""));
            let text = "a store that must not change cannot be created";
            return Err(Failure::error("open", given, Reason::InvalidArgument, text));
        }
        let Some(original) = path.filter(|_| self.options.read_only) else {
            return self.open(path, None);
        };
        let copy = PrivateCopy::make(original, self.options.lock_timeout)?;
        self.open(Some(&copy.path), Some(&copy.original)).map_err(|error| copy.refuse(error))
    }

    /// `name` is the directory in the words of the caller, if it is another one than `path`.
    fn open(self, path: Option<&Path>, name: Option<&Path>) -> Result<SledStore> {
        let is_temporary = self.options.is_removed();
        let is_salvage = self.options.salvage;
        let mut log = None;
        let mut check = |directory: &Path, mark: &Tree| {
            log = Some(check_log(directory, mark, is_salvage)?);
            Ok(())
        };
        let engine = Engine::open(path, &self.options, &mut check)?;
        let log = log.expect("no store opens without that check");
        let (directory, portion) = (engine.path().to_path_buf(), engine.portion());
        let io = |source: std::io::Error| Failure::from_io("open", &directory, &source);
        let settled = SettledRows::new(engine)?;
        let store = settled.store_number()?;
        let clock = Arc::new(MonotonicClock::new(self.clock));
        let now = Arc::clone(&clock);
        let options = commit::Options {
            directory: directory.clone(),
            store,
            memtable: self.memtable_size,
            read_only: self.options.read_only,
            view_memory: self.snapshot_memory.unwrap_or(u64::MAX),
            portion,
            patience: self.options.patience,
            keep_log: self.keep_log,
            now: Now(Arc::new(move || now.now_ms())),
        };
        let core = Committer::open(settled, options, log)?;
        let sync_every = self.flush_every_ms.map(|every| Duration::from_millis(every.max(1)));
        core.start(sync_every).map_err(io)?;
        if let Err(error) = marker::check(&core, self.options.salvage) {
            // The threads have the engine open.
            let _ = core.end_threads();
            return Err(error);
        }
        let path = name.map_or(directory, Path::to_path_buf);
        let inner = Arc::new(StoreInner::new(core, path, clock, self.durability, is_temporary));
        if inner.salvage_report()? != SalvageReport::default() {
            // The damaged files go, or the next opening would be refused for them.
            inner.checkpoint()?;
        }
        let keyspace = inner.keyspace(DEFAULT)?;
        let every = self.purge_every.filter(|_| !self.options.read_only);
        let purger = every.map(|every| PurgerOwner::start(&inner, every)).transpose();
        let purger = purger.map_err(|error| Failure::from_io("open", inner.path(), &error))?;
        Ok(SledStore { purger: purger.map(Arc::new), inner, keyspace })
    }
}
