//! Opening and closing sled.

pub(crate) mod directory;
pub(crate) mod journal;
pub(crate) mod limits;
pub(crate) mod lock;
pub(crate) mod read_only;
pub(crate) mod script;
pub(crate) mod start;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use oxistore_core::StoreError;

use crate::engine::catch_sled::{catch_sled, silence_sled};
use crate::engine::flush_queue::Flusher;
use crate::engine::interpose;
use crate::engine::interpose::log_state::DurableLog;
use crate::engine::interpose::signals;
use crate::engine::open::limits::Limits;
use crate::engine::open::lock::{wait_for_sled, Deadline, DirectoryLock, LINGER};
use crate::engine::open::start::{discard, open_or_set_aside, spare_threads};
use crate::engine::repair;
use crate::engine::repair::keeper::WatermarkKeeper;
use crate::engine::repair::watermark;
use crate::engine::rows::overflow::Overflow;
use crate::engine::state::EngineState;
use crate::engine::{Failure, Finding, RawTree, Reason, Result, Tree};

/// Segment sizes that new stores may have. sled allows 256 bytes to 16 MiB, but small segments turn
/// nearly every page into a file of its own, and at 16 MiB an offset in sled's buffer header can
/// overflow.
const SEGMENT_SIZES: std::ops::RangeInclusive<usize> = (64 << 10)..=(8 << 20);

/// The segment size of a new store: see docs/engine.md for what was measured.
const SEGMENT_SIZE: usize = 8 << 20;

/// The segment size that sled takes by itself, and the reference with it.
const SLEDS_SEGMENT_SIZE: usize = 512 << 10;

/// How long a close waits for sled's threads to let go of the log.
const CLOSE_LIMIT: Duration = Duration::from_secs(10);

/// What sled is to favour. sled 0.34 takes the setting and does not act on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SledMode {
    /// Little space on disk.
    #[default]
    LowSpace,
    /// Fast writes.
    HighThroughput,
}

impl From<SledMode> for sled::Mode {
    fn from(mode: SledMode) -> Self {
        match mode {
            SledMode::LowSpace => sled::Mode::LowSpace,
            SledMode::HighThroughput => sled::Mode::HighThroughput,
        }
    }
}

/// How to open the engine.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) cache_capacity: Option<u64>,
    pub(crate) compression: bool,
    pub(crate) mode: SledMode,
    pub(crate) segment_size: Option<usize>,
    pub(crate) temporary: bool,
    /// The directory is a `PrivateCopy`.
    pub(crate) read_only: bool,
    pub(crate) must_exist: bool,
    pub(crate) must_create: bool,
    pub(crate) lock_timeout: Duration,
    /// Open a store that has lost some of its writes, too.
    pub(crate) salvage: bool,
    /// The longest that a flush or a close takes.
    pub(crate) patience: Duration,
}

impl Options {
    /// Whether the directory goes when the engine closes.
    pub(crate) fn is_removed(&self) -> bool {
        self.temporary || self.read_only
    }
}

/// What else can refuse an opening, asked while everything that sled has changed can be taken back.
pub(crate) type Check<'a> = &'a mut dyn FnMut(&Path, &Tree) -> Result<()>;

/// One open sled database and the lock on its directory.
pub(crate) struct Engine {
    /// `None` only once `shut` has run.
    parts: Option<Parts>,
    engine_state: Arc<EngineState>,
    /// Whether the directory goes when this closes.
    is_removed: bool,
}

/// What has to go in this order when the engine closes.
struct Parts {
    db: sled::Db,
    limits: Limits,
    flusher: Flusher,
    log: DurableLog,
    lock: DirectoryLock,
}

impl Engine {
    /// Opens or creates the database in the directory `path`; `None` with `temporary` set means a
    /// directory of the engine's own choice. With `read_only` set the directory is a `PrivateCopy`. `check`
    /// gets the directory and the tree of the mark: where it refuses, the directory is as it was before.
    pub(crate) fn open(path: Option<&Path>, options: &Options, check: Check<'_>) -> Result<Self> {
        let path = match path {
            Some(path) => directory::absolute(path)?,
            None => directory::temporary_path(),
        };
        check_options(&path, options)?;
        let io = |source| Failure::from_io("open", &path, &source);
        directory::occupy_standard_streams().map_err(io)?;
        if !options.read_only {
            directory::prepare(&path, options)?;
        }
        let engine_state = Arc::new(EngineState::new(path, options.patience));
        let lock = lock(engine_state.path(), options)?;
        let parts = Some(Parts::open(&engine_state, options, lock, check)?);
        Ok(Self { parts, engine_state, is_removed: options.is_removed() })
    }

    /// The directory, as an absolute path.
    pub(crate) fn path(&self) -> &Path {
        self.engine_state.path()
    }

    /// The tree `name`, created if it is not there. Its values are small.
    pub(crate) fn tree(&self, name: &[u8]) -> Result<Tree> {
        Ok(Tree {
            inner: self.raw_tree(name)?,
            engine_state: Arc::clone(&self.engine_state),
            pieces: None,
        })
    }

    /// The tree of the mark: what the library notes of the store in the store itself.
    pub(crate) fn mark(&self) -> Result<Tree> {
        self.tree(watermark::TREE)
    }

    /// The tree `name`, created if it is not there, whose values may have any size; the tree
    /// `beside` holds the pieces of those that are large.
    pub(crate) fn tree_of_any_values(&self, name: &[u8], beside: &[u8]) -> Result<Tree> {
        let tree = self.tree(name)?;
        let Parts { db, limits, .. } = self.parts();
        let pieces = catch_sled("open", self.path(), || Overflow::load(db, beside, *limits))?;
        Ok(Tree { pieces: Some(Arc::new(pieces)), ..tree })
    }

    /// The raw door: sled's own tree.
    pub(crate) fn raw_tree(&self, name: &[u8]) -> Result<RawTree> {
        catch_sled("open a tree of", self.path(), || self.parts().db.open_tree(name))
    }

    /// Removes the tree `name` with all that is in it; says whether it was there. No handle of it
    /// may be in use by anybody: sled loops for ever in some calls on a dropped tree.
    pub(crate) fn drop_tree(&self, name: &[u8]) -> Result<bool> {
        self.engine_state.check_healthy()?;
        self.engine_state.poison_on_error(catch_sled("drop a tree of", self.path(), || {
            self.parts().db.drop_tree(name)
        }))
    }

    /// The names of all trees but sled's own.
    pub(crate) fn tree_names(&self) -> Result<Vec<Vec<u8>>> {
        let names =
            catch_sled("list the trees of", self.path(), || Ok(self.parts().db.tree_names()))?;
        let own = b"__sled__default";
        Ok(names.iter().filter(|name| &name[..] != own).map(|name| name.to_vec()).collect())
    }

    /// The longest key that may be written.
    pub(crate) fn longest_key(&self) -> usize {
        self.parts().limits.key
    }

    /// Bytes of keys and values after which what was written has to be flushed.
    pub(crate) fn portion(&self) -> usize {
        self.parts().limits.portion
    }

    /// The unit in which the engine takes space on the disk, in bytes.
    pub(crate) fn segment_size(&self) -> usize {
        self.parts().limits.segment
    }

    /// The bytes that are free on the disk of the store; `None` if the system does not tell.
    pub(crate) fn free_space(&self) -> Option<u64> {
        directory::free_space(self.path())
    }

    /// Whether the page that lists all trees holds trees of these names.
    pub(crate) fn has_room_for<'a>(&self, names: impl Iterator<Item = &'a [u8]>) -> bool {
        self.parts().limits.have_room_for(names)
    }

    /// What was damaged of sled's log when this was opened.
    pub(crate) fn findings(&self) -> &[Finding] {
        self.engine_state.findings()
    }

    /// Reads all of sled's log, and tells what is damaged.
    pub(crate) fn verify(&self) -> Result<Vec<Finding>> {
        repair::check::verify(self.path(), self.segment_size() as u64)
            .map_err(|source| Failure::from_io("read", self.path(), &source))
    }

    /// Waits until everything written so far is on the disk.
    pub(crate) fn flush(&self) -> Result<()> {
        self.parts().flusher.flush()
    }

    /// The bytes that the directory's log and blobs occupy.
    pub(crate) fn size_on_disk(&self) -> Result<u64> {
        catch_sled("measure", self.path(), || self.parts().db.size_on_disk())
    }

    /// Flushes, closes, and returns when the directory can be opened again. Every `Tree` and
    /// `Cursor` of this engine must be gone by now, or the directory stays locked.
    pub(crate) fn close(mut self) -> Result<()> {
        self.shut()
    }

    fn parts(&self) -> &Parts {
        self.parts.as_ref().expect("only `shut` takes them, and that is the last call")
    }

    fn shut(&mut self) -> Result<()> {
        let Some(parts) = self.parts.take() else { return Ok(()) };
        let Parts { db, limits, flusher, log, lock } = parts;
        let closed = flusher.close(db);
        let deadline = Deadline::after(CLOSE_LIMIT.min(self.engine_state.patience()));
        let free =
            log.end(&deadline) && wait_for_sled(&directory::log_file(self.path()), &deadline);
        // sled's threads may have met their last failure only now.
        let mut closed = closed.and_then(|()| self.engine_state.check_healthy());
        if self.is_removed {
            lock.remove(self.path());
        } else if closed.is_ok() && free {
            closed = repair::note_close(self.path(), limits.segment)
                .map_err(|source| Failure::from_io("close", self.path(), &source));
        }
        drop(lock);
        closed.and(if free { Ok(()) } else { Err(still_held(self.path())) })
    }
}

impl Parts {
    fn open(
        engine_state: &Arc<EngineState>,
        options: &Options,
        lock: DirectoryLock,
        check: Check<'_>,
    ) -> Result<Self> {
        let opened = Self::open_locked(engine_state, options, check);
        if opened.is_err() && options.is_removed() {
            // The directory is of this opening's own making, and it alone has it open.
            lock.remove(engine_state.path());
        }
        let (db, limits, flusher, log) = opened?;
        Ok(Self { db, limits, flusher, log, lock })
    }

    fn open_locked(
        engine_state: &Arc<EngineState>,
        options: &Options,
        check: Check<'_>,
    ) -> Result<(sled::Db, Limits, Flusher, DurableLog)> {
        let path = engine_state.path();
        directory::check(path, options)?;
        spare_threads(path)?;
        let io = |source| Failure::from_io("open", path, &source);
        let size = directory::existing_segment_size(path).map_err(io)?;
        let size = size.filter(|size| *size >= 256).unwrap_or(SLEDS_SEGMENT_SIZE);
        let findings = repair::check_log(path, size as u64)?;
        if let Some(first) = findings.first().filter(|_| !options.salvage) {
            return Err(first.refusal());
        }
        engine_state.note_findings(findings);
        let is_new = repair::prepare(path)?;
        interpose::prepare();
        signals::prepare();
        silence_sled();
        let log = DurableLog::watch(&directory::log_file(path)).map_err(io)?;
        engine_state.attach_log(log.log());
        match Self::open_watched(engine_state, options, is_new, &log, check) {
            Ok((db, limits, flusher)) => Ok((db, limits, flusher, log)),
            Err(error) => {
                // While sled's threads are there, what must not be changed has to be kept from them.
                let watched = Arc::clone(log.log());
                // Nobody has found it right.
                let is_suspect = watched.can_be_taken_back();
                watched.refuse();
                log.end(&Deadline::after(LINGER));
                // What is wrong is the error; a disk that does not let us take back says so when it
                // is asked next.
                let _ = match is_suspect {
                    true => repair::take_back(path, &watched),
                    false => repair::forget_set_aside(path),
                };
                Err(error)
            }
        }
    }

    fn open_watched(
        engine_state: &Arc<EngineState>,
        options: &Options,
        is_new: bool,
        log: &DurableLog,
        check: Check<'_>,
    ) -> Result<(sled::Db, Limits, Flusher)> {
        let path = engine_state.path();
        let io = |source| Failure::from_io("open", path, &source);
        let size = match is_new {
            true => options.segment_size.unwrap_or(SEGMENT_SIZE),
            false => {
                let existing = directory::existing_segment_size(path).map_err(io)?;
                existing.unwrap_or(SLEDS_SEGMENT_SIZE)
            }
        };
        let db = open_or_set_aside(path, options, size, log)?;
        match Self::start(engine_state, options, (is_new, size), &db, log, check) {
            Ok(flusher) => Ok((db, Limits::of(size), flusher)),
            Err(error) => {
                log.leave_lock();
                discard(path, db);
                Err(error)
            }
        }
    }

    /// What sled has opened becomes a store.
    fn start(
        engine_state: &Arc<EngineState>,
        options: &Options,
        (is_new, size): (bool, usize),
        db: &sled::Db,
        log: &DurableLog,
        check: Check<'_>,
    ) -> Result<Flusher> {
        let path = engine_state.path();
        let io = |source| Failure::from_io("open", path, &source);
        // A mark says that there is a store, so the store's files come first.
        directory::make_durable(path).map_err(io)?;
        let check = |mark: &sled::Tree| {
            let engine_state = Arc::clone(engine_state);
            check(path, &Tree { inner: mark.clone(), engine_state, pieces: None })
        };
        let watermark = WatermarkKeeper::load(db, engine_state, size, options.salvage, check);
        // What could not be read or written counts for more than what comes of that.
        log.log().sound().map_err(io)?;
        let watermark = watermark?;
        log.opened();
        repair::forget_set_aside(path).map_err(io)?;
        // The rest is durable; the name of the mark is new.
        directory::sync(path).map_err(io)?;
        if is_new {
            repair::finish_creation(path).map_err(io)?;
        }
        let redone = journal::redo(db, engine_state, Limits::of(size), options.salvage);
        log.log().sound().map_err(io).and(redone)?;
        Flusher::start(db.clone(), watermark, Arc::clone(engine_state))
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // Nobody is left to hear of an error; `close` is for those who want to.
        let _ = self.shut();
    }
}

/// Locks the directory, and makes it anew if it is removed meanwhile.
fn lock(path: &Path, options: &Options) -> Result<DirectoryLock> {
    loop {
        if let Some(lock) = DirectoryLock::take(path, options.lock_timeout)? {
            return Ok(lock);
        }
        directory::prepare(path, options)?;
    }
}

/// What can keep sled's lock when all handles of ours are gone.
const STILL_HELD: &str =
    "its log is still open: a raw tree of it is in use, or the disk does not answer";

fn still_held(path: &Path) -> StoreError {
    Failure::error("close", path, Reason::Busy, STILL_HELD)
}

fn check_options(path: &Path, options: &Options) -> Result<()> {
    let unsupported = |text: &str| {
        Err(StoreError::Unsupported(format!("cannot open {}: {text}", path.display())))
    };
    if options.must_exist && options.must_create {
        let text = "a store cannot both have to exist and have to be created";
        return Err(Failure::error("open", path, Reason::InvalidArgument, text));
    }
    if options.compression {
        return unsupported("this build has no compression");
    }
    match options.segment_size {
        Some(size) if !size.is_power_of_two() || !SEGMENT_SIZES.contains(&size) => {
            unsupported("the segment size must be a power of two from 64 KiB to 8 MiB")
        }
        _ => Ok(()),
    }
}
