//! Making something beside the place where it is to be, so that it is there as a whole or not at all.

use std::ffi::{CString, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use oxistore_core::StoreError;

use crate::engine::open::directory;
use crate::engine::open::lock::{DirectoryLock, FILE_NAME};
use crate::engine::{Failure, Reason, Result};

/// What the name of a workspace has behind that of its destination.
const SUFFIX: &str = ".sledstore-incomplete";

/// What is made lies here in the workspace. Beside it is the lock file, which tells the next one that
/// the workspace is in use, or that it was left behind.
const CONTENT: &str = "content";

/// A directory beside a destination. It goes when this is dropped, with what is in it.
pub(crate) struct Workspace {
    operation: &'static str,
    path: PathBuf,
    destination: PathBuf,
    lock: DirectoryLock,
}

impl Workspace {
    /// Makes the workspace for `destination`, which must not be there; its parents are made if need
    /// be. One that a crash has left behind is emptied.
    pub(crate) fn begin(operation: &'static str, destination: &Path) -> Result<Self> {
        let destination = directory::absolute(destination)?;
        let io = |source: io::Error| Failure::from_io(operation, &destination, &source);
        let (Some(parent), Some(name)) = (destination.parent(), destination.file_name()) else {
            let text = "the path does not end with a name";
            return Err(Failure::error(operation, &destination, Reason::InvalidArgument, text));
        };
        if fs::symlink_metadata(&destination).is_ok() {
            return Err(StoreError::AlreadyExists);
        }
        let mut beside = OsString::from(name);
        beside.push(SUFFIX);
        let path = parent.join(beside);
        directory::create(parent).map_err(io)?;
        let lock = loop {
            match fs::create_dir(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    check_left_behind(operation, &path)?;
                }
                made => made.map_err(io)?,
            }
            // It goes meanwhile if another one has just come to its end.
            if let Some(lock) = DirectoryLock::take(&path, Duration::ZERO)? {
                break lock;
            }
        };
        let workspace = Self { operation, path, destination, lock };
        match fs::remove_dir_all(workspace.content()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            removed => {
                let io = |source| Failure::from_io(operation, &workspace.path, &source);
                removed.map_err(io)?;
            }
        }
        Ok(workspace)
    }

    /// Where to make what is to be at the destination: nothing is there.
    pub(crate) fn content(&self) -> PathBuf {
        self.path.join(CONTENT)
    }

    /// Syncs what was made, and puts it at the destination, where nothing must be. After an error
    /// nothing is there, unless it is one of the last sync.
    pub(crate) fn publish(self) -> Result<()> {
        let content = self.content();
        let io = |source: io::Error| match source.kind() {
            io::ErrorKind::AlreadyExists => StoreError::AlreadyExists,
            _ => Failure::from_io(self.operation, &self.destination, &source),
        };
        sync_all(&content).map_err(io)?;
        rename_to_free_name(&content, &self.destination).map_err(io)?;
        self.destination.parent().map_or(Ok(()), directory::sync).map_err(io)
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        // What cannot be removed is left for the next one.
        self.lock.remove(&self.path);
    }
}

/// Fails unless the directory is a workspace, in use or left behind: one of somebody else's is left alone.
fn check_left_behind(operation: &'static str, path: &Path) -> Result<()> {
    let names = fs::read_dir(path).and_then(|entries| {
        entries.map(|entry| entry.map(|entry| entry.file_name())).collect::<io::Result<Vec<_>>>()
    });
    let names = match names {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        names => names.map_err(|source| Failure::from_io(operation, path, &source))?,
    };
    match names.iter().all(|name| name == FILE_NAME || name == CONTENT) {
        true => Ok(()),
        false => {
            let text = "it is in the way, and this library has not left it there";
            Err(Failure::error(operation, path, Reason::InvalidArgument, text))
        }
    }
}

/// Syncs a directory and everything in it.
fn sync_all(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => sync_all(&entry.path())?,
            false => directory::sync(&entry.path())?,
        }
    }
    directory::sync(path)
}

/// Renames, and fails with `AlreadyExists` if anything has the new name.
fn rename_to_free_name(from: &Path, to: &Path) -> io::Result<()> {
    let c_string = |path: &Path| CString::new(path.as_os_str().as_encoded_bytes());
    let (old, new) = (c_string(from)?, c_string(to)?);
    let here = libc::AT_FDCWD;
    // SAFETY: both are strings that end.
    let renamed =
        unsafe { libc::renameat2(here, old.as_ptr(), here, new.as_ptr(), libc::RENAME_NOREPLACE) };
    let error = match renamed {
        0 => return Ok(()),
        _ => io::Error::last_os_error(),
    };
    match error.raw_os_error() {
        // The file system cannot do that in one step.
        Some(libc::EINVAL | libc::ENOSYS) if fs::symlink_metadata(to).is_err() => {
            fs::rename(from, to)
        }
        Some(libc::EINVAL | libc::ENOSYS) => Err(io::ErrorKind::AlreadyExists.into()),
        _ => Err(error),
    }
}
