//! Who may open a directory.

use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::engine::{Failure, Reason, Result};

pub(crate) const FILE_NAME: &str = "sledstore.lock";
pub(crate) const POLL: Duration = Duration::from_millis(2);

/// sled's lock outlives its owner by some milliseconds; so long is always waited for it.
pub(crate) const LINGER: Duration = Duration::from_millis(500);

/// The lock files that this process holds, by device and file number: the operating system tells
/// that a lock is held, and not by whom.
static HELD: Mutex<BTreeSet<FileId>> = Mutex::new(BTreeSet::new());

type FileId = (u64, u64);

/// The library's own lock on a store's directory: an exclusive lock of the operating system on the
/// file `sledstore.lock` in it, which holds the number of the owning process for people to read.
///
/// sled has a lock too, on its log, but it outlives the last handle by some milliseconds and is
/// taken after sled has already written to the directory. This one is taken first and given back
/// last, so whoever holds it is alone.
#[derive(Debug)]
pub(crate) struct DirectoryLock {
    id: FileId,
    file: File,
}

impl DirectoryLock {
    /// Removes the locked directory, unless another one lies at its place by now.
    pub(crate) fn remove(&self, directory: &Path) {
        let there = std::fs::metadata(directory.join(FILE_NAME));
        if there.is_ok_and(|there| (there.dev(), there.ino()) == self.id) {
            let _ = std::fs::remove_dir_all(directory);
        }
    }

    /// Takes the lock on `directory`, waiting for at most `timeout` while it is held elsewhere.
    /// `None` if the directory was removed meanwhile, as a temporary store's is.
    pub(crate) fn take(directory: &Path, timeout: Duration) -> Result<Option<Self>> {
        let io = |source| Failure::from_io("lock", directory, &source);
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        let path = directory.join(FILE_NAME);
        let mut file = match options.open(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(io)?,
        };
        let found = file.metadata().map_err(io)?;
        let id = (found.dev(), found.ino());
        let deadline = Deadline::after(timeout);
        loop {
            // Locking and entering are one step for everybody in this process.
            let mut locks = held_here();
            match file.try_lock() {
                Ok(()) => {
                    locks.insert(id);
                    break;
                }
                Err(TryLockError::Error(source)) => return Err(io(source)),
                Err(TryLockError::WouldBlock) if deadline.has_passed() => {
                    return Err(held(directory, &mut file, locks.contains(&id)));
                }
                Err(TryLockError::WouldBlock) => {}
            }
            drop(locks);
            sleep(POLL);
        }
        // From here on dropping this gives everything back.
        let lock = Self { id, file };
        let there = std::fs::metadata(&path).map(|found| (found.dev(), found.ino()));
        if !there.is_ok_and(|there| there == id) {
            return Ok(None);
        }
        lock.sign().map_err(io)?;
        Ok(Some(lock))
    }

    fn sign(&self) -> std::io::Result<()> {
        let mut file = &self.file;
        file.set_len(0)?;
        file.seek(SeekFrom::Start(0))?;
        writeln!(file, "{}", std::process::id())
    }
}

impl Drop for DirectoryLock {
    fn drop(&mut self) {
        let mut locks = held_here();
        // Closing the file would not be enough: a child that another thread has just forked has it
        // open too, until it runs its own program.
        let _ = self.file.unlock();
        locks.remove(&self.id);
    }
}

fn held_here() -> MutexGuard<'static, BTreeSet<FileId>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Why a shared lock on `file` cannot be had, which is not held by this call's thread.
pub(crate) fn held_elsewhere(directory: &Path, file: &mut File) -> oxistore_core::StoreError {
    let here = file.metadata().is_ok_and(|found| held_here().contains(&(found.dev(), found.ino())));
    held(directory, file, here)
}

fn held(directory: &Path, file: &mut File, here: bool) -> oxistore_core::StoreError {
    if here {
        let message = "another handle of this process has it open";
        return Failure::error("lock", directory, Reason::LockedByThisProcess, message);
    }
    // Who holds it is only told, so a file that cannot be read just says less.
    let mut owner = String::new();
    let _ = file.read_to_string(&mut owner);
    let message = match owner.trim().parse::<u32>() {
        Ok(owner) => format!("process {owner} has it open"),
        Err(_) => "another process has it open".to_owned(),
    };
    Failure::error("lock", directory, Reason::LockedByAnotherProcess, message)
}

/// A moment to wait for, or none where the wait is so long that no clock can tell its end.
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    pub(crate) fn after(limit: Duration) -> Self {
        Self(Instant::now().checked_add(limit))
    }

    pub(crate) fn has_passed(&self) -> bool {
        self.0.is_some_and(|end| Instant::now() >= end)
    }
}

/// Waits until sled's own lock on its log is free, at most until `deadline`; says whether it is.
///
/// sled's threads hold the log open for some milliseconds after the last handle is dropped. A
/// directory without a log, or one that cannot be read, has no lock to wait for.
pub(crate) fn wait_for_sled(log: &Path, deadline: &Deadline) -> bool {
    let Ok(file) = File::open(log) else {
        return true;
    };
    loop {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) if !deadline.has_passed() => sleep(POLL),
            Err(TryLockError::WouldBlock) => return false,
            Ok(()) | Err(TryLockError::Error(_)) => return true,
        }
    }
}
