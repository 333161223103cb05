//! The directory of a store: what is there before sled is asked to open it.

use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use oxistore_core::StoreError;

use crate::engine::repair;
use crate::engine::{Failure, Options, Reason, Result};

/// Makes `path` absolute, so that a later change of the working directory means nothing.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf> {
    if path.as_os_str().is_empty() {
        return Err(Failure::error("open", path, Reason::InvalidArgument, "the path is empty"));
    }
    std::path::absolute(path).map_err(|source| Failure::from_io("open", path, &source))
}

/// Sees that no file of the store gets the number of a standard stream. A program that runs without
/// one, and writes to it, would write into the store.
pub(crate) fn occupy_standard_streams() -> io::Result<()> {
    loop {
        let null = fs::File::options().read(true).write(true).open("/dev/null")?;
        if null.as_raw_fd() > libc::STDERR_FILENO {
            return Ok(());
        }
        // It stays open as long as the process lives.
        std::mem::forget(null);
    }
}

/// The longest names of files in a store's directory are those of snapshots that were set aside.
const LONGEST_FILE_NAME: usize = repair::SET_ASIDE.len() + "snap.0123456789ABCDEF".len();

/// Fails where the system would refuse the paths of some files later, when there is data in others.
fn check_length(path: &Path) -> io::Result<()> {
    let longest = path.as_os_str().len() + 1 + LONGEST_FILE_NAME;
    // With the zero byte at its end.
    match longest < libc::PATH_MAX as usize {
        true => Ok(()),
        false => Err(io::Error::from_raw_os_error(libc::ENAMETOOLONG)),
    }
}

/// Checks what the caller demands of the directory, and creates it and its parents.
pub(crate) fn prepare(path: &Path, options: &Options) -> Result<()> {
    let io = |source: io::Error| Failure::from_io("open", path, &source);
    check_length(path).map_err(io)?;
    if options.temporary && fs::symlink_metadata(path).is_ok() {
        return Err(StoreError::AlreadyExists);
    }
    match fs::metadata(path) {
        Ok(found) if !found.is_dir() => {
            return Err(io(io::Error::from_raw_os_error(libc::ENOTDIR)));
        }
        Ok(_) => {}
        Err(source) if source.kind() == io::ErrorKind::NotFound => {}
        Err(source) => return Err(io(source)),
    }
    check(path, options)?;
    let is_new = create(path).map_err(io)?;
    match options.temporary && !is_new {
        // It will be removed, so it must be of this very call's making.
        true => Err(StoreError::AlreadyExists),
        false => Ok(()),
    }
}

/// Checks whether there is a store where there must or must not be one. To be asked again once the
/// directory is locked.
pub(crate) fn check(path: &Path, options: &Options) -> Result<()> {
    let has_store = log_file(path).exists();
    if options.must_exist && !has_store {
        let source = io::Error::from_raw_os_error(libc::ENOENT);
        return Err(Failure::from_io("open", path, &source));
    }
    if options.must_create && has_store {
        return Err(StoreError::AlreadyExists);
    }
    Ok(())
}

/// Creates a directory with its parents, each of which is durable before anything is put into it;
/// says whether it was not there before.
pub(crate) fn create(path: &Path) -> io::Result<bool> {
    let Some(parent) = path.parent().filter(|_| !path.is_dir()) else {
        // It can be of an opening that was killed before it had synced its name.
        sync_parent(path)?;
        return Ok(false);
    };
    create(parent)?;
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(false),
        other => other.and_then(|()| sync(parent)).map(|()| true),
    }
}

/// Syncs the directory that `path` is in. One that may be passed and not read belongs to somebody
/// else, who has made `path`.
fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent().map_or(Ok(()), sync) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        other => other,
    }
}

/// A name for a temporary store that nobody else has.
pub(crate) fn temporary_path() -> PathBuf {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_nanos());
    std::env::temp_dir().join(format!("sledstore-{}-{nanos}-{count}", std::process::id()))
}

/// sled's log, which holds the data and bears sled's lock.
pub(crate) fn log_file(directory: &Path) -> PathBuf {
    directory.join("db")
}

/// The segment size that the store in `directory` was created with, `None` where there is no store
/// yet. sled refuses to open a store with another size than its own, so it is read first.
pub(crate) fn existing_segment_size(directory: &Path) -> io::Result<Option<usize>> {
    let conf = match fs::read(directory.join("conf")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let text = String::from_utf8_lossy(&conf);
    let size = |line: &str| line.strip_prefix("segment_size: ")?.trim().parse().ok();
    Ok(text.lines().find_map(size))
}

/// Syncs what sled never syncs: its configuration, and the entries of its files and of the directory
/// itself. Whether they were made just now or by an opening that was cut short cannot be told, so
/// this is done each time.
pub(crate) fn make_durable(directory: &Path) -> io::Result<()> {
    sync(&directory.join("conf"))?;
    sync(directory)?;
    sync_parent(directory)
}

pub(crate) fn sync(path: &Path) -> io::Result<()> {
    fs::File::open(path)?.sync_all()
}

/// The bytes that are free for this user on the file system of `directory`; `None` if the system does
/// not tell.
pub(crate) fn free_space(directory: &Path) -> Option<u64> {
    let path = std::ffi::CString::new(directory.as_os_str().as_encoded_bytes()).ok()?;
    let mut found = std::mem::MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: `path` is a string that ends, and `found` is room for one result.
    if unsafe { libc::statvfs(path.as_ptr(), found.as_mut_ptr()) } != 0 {
        return None;
    }
    // SAFETY: `statvfs` has filled it, since it answered 0.
    let found = unsafe { found.assume_init() };
    Some(found.f_bavail * found.f_frsize)
}
