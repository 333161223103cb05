//! Who may open a directory.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{Failure, Reason, Result};

const FILE_NAME: &str = "sledstore.lock";
const POLL: Duration = Duration::from_millis(2);

/// The library's own lock on a store's directory: an exclusive lock of the operating system on the
/// file `sledstore.lock` in it, which holds the number of the owning process.
///
/// sled has a lock too, on its log, but it outlives the last handle by some milliseconds and is
/// taken after sled has already written to the directory. This one is taken first and given back
/// last, so whoever holds it is alone.
#[derive(Debug)]
pub(super) struct DirectoryLock {
    /// Closing the file gives the lock back.
    _file: File,
}

impl DirectoryLock {
    /// Takes the lock on `directory`, waiting for at most `timeout` while it is held elsewhere.
    pub(super) fn take(directory: &Path, timeout: Duration) -> Result<Self> {
        let io = |source| Failure::from_io("lock", directory, &source);
        let mut options = File::options();
        let mut file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(directory.join(FILE_NAME))
            .map_err(io)?;
        let deadline = Instant::now() + timeout;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(source)) => return Err(io(source)),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => sleep(POLL),
                Err(TryLockError::WouldBlock) => return Err(held(directory, &mut file)),
            }
        }
        sign(&mut file).map_err(io)?;
        Ok(Self { _file: file })
    }
}

fn sign(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    writeln!(file, "{}", std::process::id())
}

fn held(directory: &Path, file: &mut File) -> oxistore_core::StoreError {
    let mut text = String::new();
    // Who holds it is only told, so a file that cannot be read just says less.
    let _ = file.read_to_string(&mut text);
    match text.trim().parse::<u32>() {
        Ok(owner) if owner == std::process::id() => {
            let message = "another handle of this process has it open";
            Failure::error("lock", directory, Reason::LockedByThisProcess, message)
        }
        Ok(owner) => {
            let message = format!("process {owner} has it open");
            Failure::error("lock", directory, Reason::LockedByAnotherProcess, message)
        }
        Err(_) => {
            let message = "another process has it open";
            Failure::error("lock", directory, Reason::LockedByAnotherProcess, message)
        }
    }
}

/// Waits until sled's own lock on its log is free, for at most `limit`; says whether it is.
///
/// sled's threads hold the log open for some milliseconds after the last handle is dropped. A
/// directory without a log, or one that cannot be read, has no lock to wait for.
pub(super) fn wait_for_sled(log: &PathBuf, limit: Duration) -> bool {
    let Ok(file) = File::open(log) else {
        return true;
    };
    let deadline = Instant::now() + limit;
    loop {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => sleep(POLL),
            Err(TryLockError::WouldBlock) => return false,
            Ok(()) | Err(TryLockError::Error(_)) => return true,
        }
    }
}
