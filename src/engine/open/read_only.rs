//! Opening a store that must not change.
//!
//! sled cannot open a directory without writing to it. So what is opened is a private copy of the store,
//! which lies among the system's temporary files and goes with the opening. The store itself is locked only
//! while it is copied: readers share that lock, writers wait for it.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use oxistore_core::StoreError;

use crate::engine::open::directory::{absolute, log_file, temporary_path};
use crate::engine::open::lock::{held_elsewhere, Deadline, FILE_NAME, LINGER, POLL};
use crate::engine::{Failure, Result};

/// What the files of a store begin with. The directory can have others, which are not ours to read.
const NAMES: [&str; 4] = ["conf", "db", "snap.", "sledstore."];

/// sled's directory for large values, which stores of the reference can have.
const BLOBS: &str = "blobs";

/// A copy of a store, for one opening, which removes it when it closes.
pub(crate) struct PrivateCopy {
    pub(crate) path: PathBuf,
    pub(crate) original: PathBuf,
}

impl PrivateCopy {
    /// Copies the store in the directory `original` into one that only this user may enter.
    pub(crate) fn make(original: &Path, lock_timeout: Duration) -> Result<Self> {
        let original = absolute(original)?;
        let deadline = Deadline::after(lock_timeout);
        // Stores of the reference have no lock file, and their log bears sled's lock.
        let _lock = shared_lock(&original, &original.join(FILE_NAME), &deadline)?;
        let deadline = Deadline::after(lock_timeout.max(LINGER));
        if shared_lock(&original, &log_file(&original), &deadline)?.is_none() {
            let source = io::Error::from_raw_os_error(libc::ENOENT);
            return Err(Failure::from_io("open", &original, &source));
        }
        let copy = Self { path: temporary_path(), original };
        let made = DirBuilder::new().mode(0o700).create(&copy.path);
        made.and_then(|()| copy_files(&copy.original, &copy.path)).map_err(|source| {
            copy.remove();
            Failure::from_io("make a private copy of", &copy.original, &source)
        })?;
        Ok(copy)
    }

    /// The copy could not be opened: it goes, and `error` becomes one of the original.
    pub(crate) fn refuse(self, error: StoreError) -> StoreError {
        self.remove();
        let (copy, original) = (self.path.to_string_lossy(), self.original.to_string_lossy());
        match error {
            StoreError::Corruption(text) => StoreError::Corruption(text.replace(&*copy, &original)),
            other => Failure::rename(other, &self.original),
        }
    }

    /// What cannot be removed is left among the temporary files.
    fn remove(&self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// A lock that readers share, on a file that need not be there. It goes with the answer.
fn shared_lock(directory: &Path, path: &Path, deadline: &Deadline) -> Result<Option<File>> {
    let io = |source| Failure::from_io("lock", directory, &source);
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(io)?,
    };
    loop {
        match file.try_lock_shared() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::Error(source)) => return Err(io(source)),
            Err(TryLockError::WouldBlock) if deadline.has_passed() => {
                return Err(held_elsewhere(directory, &mut file));
            }
            Err(TryLockError::WouldBlock) => sleep(POLL),
        }
    }
}

fn copy_files(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        let begins_with = |start: &&str| name.as_encoded_bytes().starts_with(start.as_bytes());
        if name != FILE_NAME && NAMES.iter().any(begins_with) {
            copy_file(&entry.path(), &to.join(&name))?;
        }
    }
    copy_blobs(&from.join(BLOBS), &to.join(BLOBS))
}

fn copy_blobs(from: &Path, to: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(from) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    fs::create_dir(to)?;
    for entry in entries {
        let entry = entry?;
        copy_file(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

/// The copy can be written even if the original cannot.
fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    io::copy(&mut File::open(from)?, &mut File::create(to)?).map(drop)
}
