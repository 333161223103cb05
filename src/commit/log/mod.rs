//! The log: where a commit goes before anybody can see it.
//!
//! The caller appends under the commit lock, in the order of the commits. A thread that wants a
//! commit to be on the disk waits for a sync: one waiter syncs for all that was appended, and the
//! others wait for that one (group commit).
//!
//! A record that cannot be written is a refused commit: the next one is written over it. A failed
//! sync is not forgiven, because the kernel does not say what of the file it has given up: from then
//! on nothing is appended or synced, until the store is opened again.

mod bytes;
pub(super) mod check;
pub(super) mod file;
pub(super) mod replay;
mod salvage;

pub(super) use salvage::verify_files;

use std::collections::HashSet;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::record::{CompleteRecord, FileId, KeyspaceId, Record};
use super::work::WorkCounters;
use file::{boot, LogFile, FIRST_CAPACITY, RECORDS};
use replay::OpenEnd;

/// Room that a file keeps for its seal.
const SEAL_ROOM: u64 = 64;

/// The end of the log, under the commit lock.
#[derive(Debug)]
pub(super) struct Tail {
    file: Arc<LogFile>,
    offset: u64,
    /// The bytes that the file has on the disk.
    capacity: u64,
    /// Up to where a write that failed may have left bytes.
    dirty: u64,
    /// Keyspaces whose names the file has.
    named: HashSet<KeyspaceId>,
    /// Earlier files that may have bytes which are not synced.
    unsynced: Vec<Arc<LogFile>>,
    /// The file that comes next, if it is ready.
    spare: Option<LogFile>,
    /// Whether a file was ever filled: then the next one is made ready in advance.
    fills_files: bool,
    next_number: u64,
}

/// What does not change, and the state of syncing.
#[derive(Debug)]
pub(super) struct Log {
    directory: PathBuf,
    store: u64,
    /// The most bytes that a file gets, unless a record needs more.
    capacity: u64,
    boot: u64,
    /// All commits up to this one are on the disk.
    synced: AtomicU64,
    state: Mutex<SyncState>,
    changed: Condvar,
    pub(super) work: WorkCounters,
}

#[derive(Debug, Default)]
struct SyncState {
    is_syncing: bool,
    /// The number of the error of the first sync that failed.
    failed: Option<i32>,
}

impl Log {
    pub(super) fn new(directory: PathBuf, store: u64, capacity: u64, synced: u64) -> Self {
        // A small file would have to be another one with every few commits.
        let capacity = capacity.max(FIRST_CAPACITY);
        Self {
            directory,
            store,
            capacity,
            boot: boot(),
            synced: AtomicU64::new(synced),
            state: Mutex::default(),
            changed: Condvar::new(),
            work: WorkCounters::default(),
        }
    }

    /// Begins the file `number`, whose first commit is `first`.
    pub(super) fn begin(&self, number: u64, first: u64) -> io::Result<Tail> {
        let file = self.create(number, 0)?;
        file.begin(first, self.boot).inspect_err(|_| file.give_up())?;
        Ok(Tail {
            offset: RECORDS,
            capacity: file.capacity,
            file: Arc::new(file),
            dirty: 0,
            named: HashSet::new(),
            unsynced: Vec::new(),
            spare: None,
            fills_files: false,
            next_number: number + 1,
        })
    }

    /// Seals the last file of an earlier opening.
    pub(super) fn seal(&self, tail: &mut Tail, earlier: OpenEnd, first: u64) -> io::Result<()> {
        let id = FileId { store: self.store, number: earlier.number };
        let OpenEnd { offset, used, .. } = earlier;
        let file = LogFile::reopen(&self.directory, id)?;
        // What lies behind the end was never acknowledged. Where a seal that is cut short has anything
        // behind it, it would be taken for damage. A file never gets shorter: that would be one.
        file.write(&vec![0; (used - offset) as usize], offset)?;
        let mut seal = Record::new();
        seal.push_seal(tail.file.id.number);
        let mut seal = seal.complete();
        file.write(seal.place(id, first, self.synced()), offset)?;
        // Without the seal the next file is none of the log: a sync of that one is one of this, too.
        tail.unsynced.push(Arc::new(file));
        Ok(())
    }

    fn create(&self, number: u64, record: u64) -> io::Result<LogFile> {
        let id = FileId { store: self.store, number };
        let needed = RECORDS + record + SEAL_ROOM;
        LogFile::create(&self.directory, id, needed.max(FIRST_CAPACITY))
    }

    /// The number of a file to be made ready, if there is none and writers fill files. The number is
    /// then given out.
    pub(super) fn wants_spare(&self, tail: &mut Tail) -> Option<u64> {
        if tail.spare.is_some() || !tail.fills_files {
            return None;
        }
        tail.next_number += 1;
        Some(tail.next_number - 1)
    }

    /// Makes a file ready, without the commit lock.
    pub(super) fn make_spare(&self, number: u64) -> io::Result<LogFile> {
        let id = FileId { store: self.store, number };
        LogFile::create(&self.directory, id, self.capacity)
    }

    /// The path and the number of what was made ready and is of no use any more.
    pub(super) fn put_spare(&self, tail: &mut Tail, spare: LogFile) -> Option<LogFile> {
        // One that was made in haste meanwhile has a higher number, and the files must ascend.
        match spare.id.number > tail.file.id.number && tail.spare.is_none() {
            true => {
                tail.spare = Some(spare);
                None
            }
            false => Some(spare),
        }
    }

    /// Appends `record` as the commit `sequence`. After an error nothing was appended.
    pub(super) fn append(
        &self,
        tail: &mut Tail,
        record: &mut CompleteRecord,
        sequence: u64,
        name: impl Fn(KeyspaceId) -> Vec<u8>,
    ) -> io::Result<()> {
        self.append_names(tail, record.keyspaces(), sequence, name)?;
        self.write(tail, record, sequence)
    }

    /// Writes the names of those of `keyspaces` that the file does not have, in front of the commit
    /// `sequence`.
    pub(super) fn append_names(
        &self,
        tail: &mut Tail,
        keyspaces: &[KeyspaceId],
        sequence: u64,
        name: impl Fn(KeyspaceId) -> Vec<u8>,
    ) -> io::Result<()> {
        self.check()?;
        if keyspaces.iter().all(|id| tail.named.contains(id)) {
            return Ok(());
        }
        let unnamed: Vec<_> =
            keyspaces.iter().filter(|id| !tail.named.contains(id)).copied().collect();
        let mut names = Record::new();
        unnamed.iter().for_each(|id| names.push_name(*id, &name(*id)));
        self.write(tail, &mut names.complete(), sequence)?;
        tail.named.extend(unnamed);
        Ok(())
    }

    fn write(&self, tail: &mut Tail, record: &mut CompleteRecord, sequence: u64) -> io::Result<()> {
        let length = record.len() as u64;
        if tail.dirty > tail.offset {
            // Replay takes what lies behind the last record for damage.
            let zeros = vec![0; (tail.dirty - tail.offset) as usize];
            tail.file.write(&zeros, tail.offset)?;
            tail.dirty = 0;
        }
        let bytes = record.place(tail.file.id, sequence, self.synced());
        tail.file.write(bytes, tail.offset).inspect_err(|_| tail.dirty = tail.offset + length)?;
        tail.offset += length;
        Ok(())
    }

    /// Sees that the file has room for a record of `length` bytes, with a seal; says whether it has.
    /// One that has its most bytes does not grow.
    pub(super) fn make_room(&self, tail: &mut Tail, length: usize) -> io::Result<bool> {
        let needed = tail.offset + length as u64 + SEAL_ROOM;
        if needed <= tail.capacity {
            return Ok(true);
        }
        if needed > self.capacity {
            tail.fills_files = true;
            return Ok(false);
        }
        self.check()?;
        let roomy = (2 * tail.capacity).clamp(needed, self.capacity);
        let mut grown = tail.file.grow(tail.capacity, roomy).map(|()| roomy);
        if grown.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::StorageFull) {
            grown = tail.file.grow(tail.capacity, needed).map(|()| needed);
        }
        tail.capacity = grown?;
        Ok(true)
    }

    /// Seals the file and begins the next one, with room for `record` bytes, whose first commit is
    /// `first`. Answers with its number. After an error the log is as it was.
    pub(super) fn rotate(&self, tail: &mut Tail, record: usize, first: u64) -> io::Result<u64> {
        self.check()?;
        let needed = RECORDS + record as u64 + SEAL_ROOM;
        let next = match tail.spare.take() {
            Some(spare) if spare.capacity >= needed => spare,
            too_small => {
                // Its number would be lower than that of the file which is made instead.
                too_small.map_or(Ok(()), |spare| std::fs::remove_file(spare.path))?;
                let number = tail.next_number;
                tail.next_number += 1;
                self.create(number, record as u64)?
            }
        };
        let mut seal = Record::new();
        seal.push_seal(next.id.number);
        // A later try makes another file, and this one would be between the two.
        next.begin(first, self.boot)
            .and_then(|()| self.write(tail, &mut seal.complete(), first))
            .inspect_err(|_| next.give_up())?;
        let next = Arc::new(next);
        let number = next.id.number;
        tail.unsynced.push(std::mem::replace(&mut tail.file, next));
        (tail.offset, tail.dirty, tail.capacity) = (RECORDS, 0, tail.file.capacity);
        tail.named.clear();
        Ok(number)
    }

    pub(super) fn synced(&self) -> u64 {
        self.synced.load(Ordering::Acquire)
    }

    /// Whether a sync has failed.
    pub(super) fn has_failed(&self) -> bool {
        self.lock().failed.is_some()
    }

    /// Fails if a sync has failed.
    pub(super) fn check(&self) -> io::Result<()> {
        self.lock().failed.map_or(Ok(()), |code| Err(io::Error::from_raw_os_error(code)))
    }

    /// A sync has failed: it has not come back in time, or a test has no disk that fails.
    pub(super) fn fail(&self, code: i32) {
        self.lock().failed.get_or_insert(code);
    }

    /// Waits until the commit `sequence` is on the disk. `appended` tells, under the commit lock, the
    /// newest commit and the files that may have to be synced.
    pub(super) fn sync(
        &self,
        sequence: u64,
        appended: impl Fn() -> (u64, Vec<Arc<LogFile>>),
    ) -> io::Result<()> {
        let mut state = self.lock();
        while self.synced() < sequence {
            if let Some(code) = state.failed {
                return Err(io::Error::from_raw_os_error(code));
            }
            if state.is_syncing {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.is_syncing = true;
            drop(state);
            let (upto, files) = appended();
            let begun = Instant::now();
            let result = files.iter().try_for_each(|file| file.sync());
            self.work.synced(begun.elapsed());
            state = self.lock();
            state.is_syncing = false;
            match result {
                Ok(()) => drop(self.synced.fetch_max(upto, Ordering::AcqRel)),
                Err(error) => {
                    state.failed.get_or_insert(error.raw_os_error().unwrap_or(libc::EIO));
                }
            }
            self.changed.notify_all();
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, SyncState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tail {
    /// The files with commits that may not be on the disk, the oldest first.
    pub(super) fn files(&self) -> Vec<Arc<LogFile>> {
        self.unsynced.iter().chain([&self.file]).cloned().collect()
    }

    /// Everything up to and including `synced`, which was the last of [`Tail::files`], is on the
    /// disk.
    pub(super) fn forget_synced(&mut self, synced: u64) {
        self.unsynced.retain(|file| file.id.number > synced);
    }

    pub(super) fn number(&self) -> u64 {
        self.file.id.number
    }

    /// Where the last record ends.
    pub(super) fn end(&self) -> u64 {
        self.offset
    }

    /// Takes what was made ready, for its removal.
    pub(super) fn take_spare(&mut self) -> Option<LogFile> {
        self.spare.take()
    }
}
