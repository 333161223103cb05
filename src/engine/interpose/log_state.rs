//! What becomes of the logs of our stores, as the calls to the system tell it that sled makes.
//!
//! sled does not tell everything that happens to its log: a read that fails while it opens is the
//! end of the log to it. So its calls
//! end at functions of our own, in `interpose/mod.rs`. They look the file up here, and note what has
//! failed.
//!
//! Nor can sled cope with what it is told. A buffer of its log that is not written lets all threads
//! wait for ever that wait for it, unless one more comes by and wakes them; and all of the process
//! with them, because they hold a lock that its databases share. So from the first write or sync on
//! that fails, the log stays as it is, as if the power had been cut at that moment, and sled goes
//! on in memory, and is told that all goes well: see [`LogState::write_fate`]. It is `EngineState` that lets nobody
//! build on it.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::RawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::sleep;

use crate::engine::interpose;
use crate::engine::open::lock::{Deadline, POLL};
use crate::engine::repair::backup::Backup;

/// The logs of the stores that are open, by device and file number.
static LOGS: RwLock<BTreeMap<FileId, Arc<LogState>>> = RwLock::new(BTreeMap::new());

/// Whether there ever was a log that must not be changed. While there was none, writing does not have
/// to ask which file it is.
static ANY_KEPT: AtomicBool = AtomicBool::new(false);

/// How many logs are being opened. While there is none, writing does not have to ask which file it
/// is.
static OPENING: AtomicUsize = AtomicUsize::new(0);

type FileId = (u64, u64);

/// What is known of one log. It counts from the moment that sled locks the log until it does so anew.
#[derive(Debug)]
pub(crate) struct LogState {
    id: FileId,
    /// Whether sled is reading the log to find out what is in it.
    opening: AtomicBool,
    /// The number of the first error of reading it meanwhile; 0 is none.
    unread: AtomicI32,
    /// The number of the first error of writing or syncing it; 0 is none.
    failed: AtomicI32,
    lock: Mutex<SledsLock>,
    undo: Backup,
}

/// What becomes of a change of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WriteFate {
    Forward,
    /// It is not made, and sled is told so, with this number.
    Fail(i32),
    /// It is not made, and sled is told that it was.
    Swallow,
}

#[derive(Debug)]
struct SledsLock {
    /// Whether the next lock on the log is sled's.
    awaited: bool,
    held: Option<Held>,
}

/// The lock that sled has on its log. It belongs to the open file and not to the process, so a forked
/// child that has the file open keeps it, unless somebody gives it back by name.
#[derive(Debug)]
struct Held {
    /// sled's own descriptor.
    sleds: RawFd,
    /// A duplicate of it, with which the lock can be given back once sled has closed its own; `None`
    /// if there was no descriptor to spare.
    ours: Option<File>,
    process: u32,
}

impl LogState {
    fn new(id: FileId) -> Self {
        Self {
            id,
            opening: AtomicBool::new(true),
            unread: AtomicI32::new(0),
            failed: AtomicI32::new(0),
            lock: Mutex::new(SledsLock { awaited: true, held: None }),
            undo: Backup::default(),
        }
    }

    /// The log that `file` is, if it is one of ours.
    pub(crate) fn of(file: RawFd) -> Option<Arc<LogState>> {
        let logs = LOGS.read().unwrap_or_else(PoisonError::into_inner);
        if logs.is_empty() {
            return None;
        }
        logs.get(&file_id(file)?).cloned()
    }

    /// The log at `path`, if it is one of ours.
    pub(crate) fn at(path: &Path) -> Option<Arc<LogState>> {
        if LOGS.read().unwrap_or_else(PoisonError::into_inner).is_empty() {
            return None;
        }
        let found = std::fs::metadata(path).ok()?;
        let logs = LOGS.read().unwrap_or_else(PoisonError::into_inner);
        logs.get(&(found.dev(), found.ino())).cloned()
    }

    /// A read has failed. While sled opens the log, it takes that for the end, so nothing may be
    /// changed from now on. Later sled tells it to its caller.
    pub(crate) fn read_failed(&self, error: i32) {
        if self.opening.load(Ordering::SeqCst) {
            let _ = self.unread.compare_exchange(0, error, Ordering::SeqCst, Ordering::SeqCst);
            ANY_KEPT.store(true, Ordering::SeqCst);
        }
    }

    /// A write or a sync has failed.
    pub(crate) fn write_failed(&self, error: i32) {
        let _ = self.failed.compare_exchange(0, error, Ordering::SeqCst, Ordering::SeqCst);
        ANY_KEPT.store(true, Ordering::SeqCst);
    }

    /// What becomes of a change that sled is about to make. Whatever sled does because it believes
    /// in a write that has failed, it does after the failure was noted, and so it is not done.
    pub(crate) fn write_fate(&self) -> WriteFate {
        match (self.unread.load(Ordering::SeqCst), self.failed.load(Ordering::SeqCst)) {
            (0, 0) => WriteFate::Forward,
            (0, _) => WriteFate::Swallow,
            (error, _) => WriteFate::Fail(error),
        }
    }

    /// Whether sled, in a thread that is not of its pool, can be told that a write has failed: it
    /// gives its opening up then.
    pub(crate) fn can_be_told(&self) -> bool {
        self.opening.load(Ordering::SeqCst)
    }

    /// The first failure of writing or syncing.
    pub(crate) fn failure(&self) -> Option<io::Error> {
        match self.failed.load(Ordering::Acquire) {
            0 => None,
            error => Some(io::Error::from_raw_os_error(error)),
        }
    }

    /// Fails if the log could not be read while it was opened, or could not be changed at any time.
    pub(crate) fn sound(&self) -> io::Result<()> {
        match (self.unread.load(Ordering::SeqCst), self.failed.load(Ordering::SeqCst)) {
            (0, 0) => Ok(()),
            (0, error) | (error, _) => Err(io::Error::from_raw_os_error(error)),
        }
    }

    /// `file` is about to be written to. While sled opens the log, what was there is saved first.
    pub(crate) fn about_to_write(&self, file: &File, offset: u64, size: u64) -> io::Result<()> {
        match self.opening.load(Ordering::SeqCst) {
            true => self.undo.save(file, offset, size),
            false => Ok(()),
        }
    }

    /// Whether what sled has done to it can be taken back: it has locked it, so that nobody else
    /// has it open, and nobody has found yet that it is right.
    pub(crate) fn can_be_taken_back(&self) -> bool {
        self.opening.load(Ordering::SeqCst) && self.lock().held.is_some()
    }

    /// The opening has failed or is refused: sled changes nothing any more.
    pub(crate) fn refuse(&self) {
        // A number that says why, for sled's threads; nobody else hears it.
        self.read_failed(libc::ECANCELED);
    }

    /// What sled has changed of the refused log at `path` is as it was.
    pub(crate) fn take_back(&self, path: &Path) -> io::Result<()> {
        let log = File::options().read(true).write(true).open(path)?;
        interpose::bypass(|| self.undo.restore(&log))
    }

    /// `file` has just been locked.
    pub(crate) fn locked(&self, file: RawFd) {
        let mut lock = self.lock();
        if !lock.awaited {
            return;
        }
        // SAFETY: the descriptor is open, and its duplicate belongs to nobody else yet.
        let ours = unsafe {
            use std::os::fd::FromRawFd;
            let duplicate = libc::fcntl(file, libc::F_DUPFD_CLOEXEC, libc::STDERR_FILENO + 1);
            (duplicate >= 0).then(|| File::from_raw_fd(duplicate))
        };
        lock.held = Some(Held { sleds: file, ours, process: std::process::id() });
        // Who had it open before is done with it.
        self.opening.store(true, Ordering::SeqCst);
        self.unread.store(0, Ordering::SeqCst);
        self.failed.store(0, Ordering::SeqCst);
    }

    fn lock(&self) -> MutexGuard<'_, SledsLock> {
        self.lock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

thread_local! {
    /// Whether this thread is one of sled's pool, once it was asked for its name.
    static OF_POOL: Cell<Option<bool>> = const { Cell::new(None) };
}

/// Whether this thread is one of sled's pool.
pub(crate) fn is_of_pool() -> bool {
    OF_POOL.get().unwrap_or_else(|| {
        let thread = std::thread::current();
        let is = thread.name().is_some_and(|name| name.starts_with("sled-io-"));
        OF_POOL.set(Some(is));
        is
    })
}

/// Whether a log may be one that sled is opening.
pub(crate) fn any_is_opening() -> bool {
    OPENING.load(Ordering::SeqCst) > 0
}

/// Whether a log may have to be kept from changes.
pub(crate) fn any_is_kept() -> bool {
    ANY_KEPT.load(Ordering::SeqCst)
}

fn file_id(file: RawFd) -> Option<FileId> {
    let mut status = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: `status` is room for one result.
    if unsafe { libc::fstat(file, status.as_mut_ptr()) } != 0 {
        return None;
    }
    // SAFETY: `fstat` has filled it, since it answered 0.
    let status = unsafe { status.assume_init() };
    Some((status.st_dev, status.st_ino))
}

impl Held {
    /// Whether sled has closed its file: nobody else closes it, and when its number is given out
    /// again, then for another file.
    fn is_over(&self, id: FileId) -> bool {
        file_id(self.sleds) != Some(id)
    }

    fn give_back(self) {
        // In a forked child the lock is still the parent's.
        if self.process == std::process::id() {
            let _ = self.ours.map(|file| file.unlock());
        }
    }
}

/// While this lives, the stand-ins take care of the log that it was made for.
#[derive(Debug)]
pub(crate) struct DurableLog {
    log: Arc<LogState>,
    /// Whether it counts as being opened.
    opening: AtomicBool,
}

impl DurableLog {
    /// Creates the log if it is not there, and takes care of it from now on.
    pub(crate) fn watch(path: &Path) -> io::Result<Self> {
        let file =
            File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        let found = file.metadata()?;
        let id = (found.dev(), found.ino());
        let mut logs = LOGS.write().unwrap_or_else(PoisonError::into_inner);
        // It is there already if threads of an earlier opening still have it open.
        let log = Arc::clone(logs.entry(id).or_insert_with(|| Arc::new(LogState::new(id))));
        log.lock().awaited = true;
        OPENING.fetch_add(1, Ordering::SeqCst);
        Ok(Self { log, opening: AtomicBool::new(true) })
    }

    pub(crate) fn log(&self) -> &Arc<LogState> {
        &self.log
    }

    /// An opening has failed, and is perhaps tried again: the lock is sled's alone.
    pub(crate) fn leave_lock(&self) {
        if let Some(held) = &mut self.log.lock().held {
            held.ours = None;
        }
    }

    /// The log that sled has opened is right: what it has changed may stay so.
    pub(crate) fn opened(&self) {
        self.log.opening.store(false, Ordering::SeqCst);
        self.log.undo.forget();
        self.count_out();
    }

    fn count_out(&self) {
        if self.opening.swap(false, Ordering::SeqCst) {
            OPENING.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// Waits until sled is done with the log, and gives its lock back. Says whether it was done in
    /// time; if not, sled's threads keep the lock, and are looked after until this process ends.
    pub(crate) fn end(self, deadline: &Deadline) -> bool {
        // Whoever locks it next is not sled.
        self.log.lock().awaited = false;
        while self.log.lock().held.as_ref().is_some_and(|held| !held.is_over(self.log.id)) {
            if deadline.has_passed() {
                self.leave_lock();
                std::mem::forget(self);
                return false;
            }
            sleep(POLL);
        }
        if let Some(held) = self.log.lock().held.take() {
            held.give_back();
        }
        true
    }
}

impl Drop for DurableLog {
    fn drop(&mut self) {
        self.count_out();
        LOGS.write().unwrap_or_else(PoisonError::into_inner).remove(&self.log.id);
    }
}
