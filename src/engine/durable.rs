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

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::RawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

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

// The symbol has to be in the same object file as something that is always used, because a linker
// takes only those object files out of a Rust library that it needs: so everything is in this one
// module.
#[cfg(target_arch = "x86_64")]
core::arch::global_asm!(
    ".globl sync_file_range",
    ".hidden sync_file_range",
    ".type sync_file_range,@function",
    "sync_file_range:",
    "jmp {answer}",
    ".size sync_file_range, . - sync_file_range",
    answer = sym answer,
);

#[cfg(target_arch = "aarch64")]
core::arch::global_asm!(
    ".globl sync_file_range",
    ".hidden sync_file_range",
    ".type sync_file_range,@function",
    "sync_file_range:",
    "b {answer}",
    ".size sync_file_range, . - sync_file_range",
    answer = sym answer,
);

/// What our `sync_file_range` does.
extern "C" fn answer(fd: RawFd, offset: i64, length: i64, flags: u32) -> i32 {
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
