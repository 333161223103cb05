//! Durable means durable: sled's sync points become real ones.
//!
//! On Linux sled ends each write of its log with `sync_file_range`, which writes pages out but
//! neither the file's size nor the disk's cache, and re-uses parts of the log on the strength of
//! it. After a power cut such a log can lack what was acknowledged, or not open at all. Syncing on
//! top afterwards does not mend that, because by then sled has overwritten what it believed safe.
//! But where the kernel answers `ENOSYS`, sled falls back to `fsync` for that write.
//!
//! So this library has a `sync_file_range` of its own. sled, which is linked into the same
//! library, calls it in the place of libc's; for the logs of our stores it answers `ENOSYS`, and
//! for every other file it makes the system call that libc would have made. The symbol is hidden:
//! a shared library does not show it to the program, and where everything is linked into one
//! program, other callers get what they would have got.
//!
//! There is a `rename` of the same kind. When sled opens a log it writes a snapshot of its page table,
//! gives it its name, and then overwrites with zeros what the snapshot does not speak of. If the power
//! is cut before that name is durable, the next opening goes by the snapshot of before, finds zeros in
//! the middle of the log, and takes them for its end. So the name is made durable first.

use std::collections::BTreeSet;
use std::ffi::{c_char, CStr, OsStr};
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use super::directory::log_file;

/// The logs of the stores that are open, by device and file number.
static LOGS: RwLock<BTreeSet<FileId>> = RwLock::new(BTreeSet::new());

/// How often sled was sent to `fsync`.
static DIVERTED: AtomicU64 = AtomicU64::new(0);

type FileId = (u64, u64);

/// While this lives, sled syncs the log that it was made for with `fsync`.
#[derive(Debug)]
pub(super) struct DurableLog(FileId);

impl DurableLog {
    /// Creates the log if it is not there, makes the directory entry of it durable, and takes care
    /// of it from now on.
    pub(super) fn watch(log: &Path) -> io::Result<Self> {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(log)?;
        let found = file.metadata()?;
        let id = (found.dev(), found.ino());
        LOGS.write().unwrap_or_else(PoisonError::into_inner).insert(id);
        Ok(Self(id))
    }
}

impl Drop for DurableLog {
    fn drop(&mut self) {
        LOGS.write().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}

/// How often sled was sent to `fsync` so far, in this process. For tests and statistics.
pub fn diverted_syncs() -> u64 {
    DIVERTED.load(Ordering::Relaxed)
}

// The symbols have to be in the same object file as something that is always used, because a linker
// takes only those object files out of a Rust library that it needs: so everything is in this one
// module.
macro_rules! stand_in {
    ($name:literal, $jump:literal, $answer:ident) => {
        core::arch::global_asm!(
            concat!(".globl ", $name),
            concat!(".hidden ", $name),
            concat!(".type ", $name, ",@function"),
            concat!($name, ":"),
            concat!($jump, " {answer}"),
            concat!(".size ", $name, ", . - ", $name),
            answer = sym $answer,
        );
    };
}

#[cfg(target_arch = "x86_64")]
stand_in!("sync_file_range", "jmp", sync_file_range);
#[cfg(target_arch = "x86_64")]
stand_in!("rename", "jmp", rename);
#[cfg(target_arch = "aarch64")]
stand_in!("sync_file_range", "b", sync_file_range);
#[cfg(target_arch = "aarch64")]
stand_in!("rename", "b", rename);

/// What our `rename` does: the same as libc's, and where sled has just put a snapshot of its page
/// table in its place, that name is made durable before sled goes on.
extern "C" fn rename(from: *const c_char, to: *const c_char) -> i32 {
    // SAFETY: the arguments are the caller's own, and two current directories make `renameat` do what
    // `rename` does.
    let result = unsafe { libc::renameat(libc::AT_FDCWD, from, libc::AT_FDCWD, to) };
    if result != 0 {
        return result;
    }
    // SAFETY: the kernel has just read it as a path, so it is a string that ends.
    let to = unsafe { CStr::from_ptr(to) };
    let directory = snapshot_directory(Path::new(OsStr::from_bytes(to.to_bytes())));
    match directory.map_or(Ok(()), |directory| File::open(directory)?.sync_all()) {
        Ok(()) => result,
        Err(error) => {
            let code = error.raw_os_error().unwrap_or(libc::EIO);
            // SAFETY: libc promises a valid pointer to this thread's errno.
            unsafe { *libc::__errno_location() = code };
            -1
        }
    }
}

/// The directory of one of our stores, if `path` is a snapshot in it.
fn snapshot_directory(path: &Path) -> Option<&Path> {
    let logs = LOGS.read().unwrap_or_else(PoisonError::into_inner);
    let is_snapshot = path.file_name()?.as_bytes().starts_with(b"snap.");
    if logs.is_empty() || !is_snapshot {
        return None;
    }
    let directory = path.parent()?;
    let log = std::fs::metadata(log_file(directory)).ok()?;
    logs.contains(&(log.dev(), log.ino())).then_some(directory)
}

/// What our `sync_file_range` does.
extern "C" fn sync_file_range(fd: RawFd, offset: i64, length: i64, flags: u32) -> i32 {
    if is_ours(fd) {
        DIVERTED.fetch_add(1, Ordering::Relaxed);
        // SAFETY: libc promises a valid pointer to this thread's errno.
        unsafe { *libc::__errno_location() = libc::ENOSYS };
        return -1;
    }
    // SAFETY: the arguments are the caller's own, passed on as libc would; the kernel checks them.
    // On 64-bit systems each of them takes one register, in this order.
    unsafe { libc::syscall(libc::SYS_sync_file_range, fd, offset, length, flags) as i32 }
}

fn is_ours(fd: RawFd) -> bool {
    let logs = LOGS.read().unwrap_or_else(PoisonError::into_inner);
    if logs.is_empty() {
        return false;
    }
    let mut status = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: `status` is room for one result.
    if unsafe { libc::fstat(fd, status.as_mut_ptr()) } != 0 {
        return false;
    }
    // SAFETY: `fstat` has filled it, since it answered 0.
    let status = unsafe { status.assume_init() };
    logs.contains(&(status.st_dev, status.st_ino))
}
