//! Functions that stand in for those of libc, where sled calls them for the logs of our stores.
//!
//! They are symbols of this library with the names of libc's. sled, and the Rust library that it goes
//! through, are linked into the same library, and so call these. The symbols are hidden: a shared
//! library does not show them to the program, and where everything is linked into one program, other
//! callers get what they would have got, because each of them acts on our logs only.
//!
//! * `sync_file_range`: durable means durable. On Linux sled ends each write of its log with it,
//!   which writes pages out but neither the file's size nor the disk's cache, and re-uses parts of
//!   the log on the strength of it. After a power cut such a log can lack what was acknowledged, or
//!   not open at all. Syncing on top afterwards does not mend that, because by then sled has
//!   overwritten what it believed safe. But where the kernel answers `ENOSYS`, sled falls back to
//!   `fsync` for that write.
//! * `rename`: when sled opens a log it writes a snapshot of its page table, gives it its name, and
//!   then overwrites with zeros what the snapshot does not speak of. If the power is cut before
//!   that name is durable, the next opening goes by the snapshot of before, finds zeros in the
//!   middle of the log, and takes them for its end. So the name is made durable first.
//! * `pread64`: when a read fails while sled opens a log, sled takes that for the end, and
//!   overwrites everything behind it. So then `pwrite64` and `ftruncate64` change that log no more,
//!   and `rename` and `unlink` change no snapshot and no blob beside it, until it is opened anew.
//! * `pwrite64`, `ftruncate64` and `fsync`: when one of them fails, all changes are only pretended
//!   from then on, until the log is opened anew: see `interpose/log_state.rs`.
//! * `pwrite64` and `ftruncate64` also save what goes while sled opens a log: see `repair/backup.rs`.
//! * `flock`: the lock is remembered, so that it can be given back although a forked child has it
//!   too.
//! * `pthread_create`: sled's threads take no signals: see `interpose/signals.rs`.
//!
//! Each goes on to the function of libc that does the same under another name; for `fsync` and
//! `pthread_create` there is none, and they are looked up.

pub(crate) mod log_state;
pub(crate) mod signals;

use std::cell::Cell;
use std::ffi::{c_char, c_void, CStr, OsStr};
use std::fs::File;
use std::mem::ManuallyDrop;
use std::os::fd::{FromRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use std::sync::Arc;

use crate::engine::interpose::log_state::{
    any_is_kept, any_is_opening, is_of_pool, LogState, WriteFate,
};
use crate::engine::open::directory::log_file;

/// How often sled was sent to `fsync`.
static DIVERTED: AtomicU64 = AtomicU64::new(0);

/// libc's `fsync`, once it has been looked up.
static REAL_FSYNC: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());

/// How often sled was sent to `fsync` so far, in this process. For tests and statistics.
pub fn diverted_syncs() -> u64 {
    DIVERTED.load(Ordering::Relaxed)
}

/// To be called before sled opens a log. A linker takes only those object files out of a Rust
/// library that it needs, and the call is why it needs the one that the symbols are in: so they are
/// in this one module, beside what this refers to, but for the one in `interpose/signals.rs`.
pub(crate) fn prepare() {
    let _ = real_fsync();
}

macro_rules! stand_in {
    ($name:ident) => {
        #[cfg(target_arch = "x86_64")]
        stand_in!($name, "jmp");
        #[cfg(target_arch = "aarch64")]
        stand_in!($name, "b");
    };
    ($name:ident, $jump:literal) => {
        core::arch::global_asm!(
            concat!(".globl ", stringify!($name)),
            concat!(".hidden ", stringify!($name)),
            concat!(".type ", stringify!($name), ",@function"),
            concat!(stringify!($name), ":"),
            concat!($jump, " {answer}"),
            concat!(".size ", stringify!($name), ", . - ", stringify!($name)),
            answer = sym $name,
        );
    };
}

pub(crate) use stand_in;

stand_in!(sync_file_range);
stand_in!(rename);
stand_in!(unlink);
stand_in!(pread64);
stand_in!(pwrite64);
stand_in!(ftruncate64);
stand_in!(fsync);
stand_in!(flock);

/// What our `sync_file_range` does.
extern "C" fn sync_file_range(fd: RawFd, offset: i64, length: i64, flags: u32) -> i32 {
    if LogState::of(fd).is_some() {
        DIVERTED.fetch_add(1, Ordering::Relaxed);
        set_errno(libc::ENOSYS);
        return -1;
    }
    // SAFETY: the arguments are the caller's own, passed on as libc would; the kernel checks them.
    // On 64-bit systems each of them takes one register, in this order.
    unsafe { libc::syscall(libc::SYS_sync_file_range, fd, offset, length, flags) as i32 }
}

/// What our `pread64` does: the same as libc's, and a failure is noted.
extern "C" fn pread64(fd: RawFd, to: *mut c_void, size: usize, offset: i64) -> isize {
    // SAFETY: the arguments are the caller's own, and this is the same function under another name.
    let read = unsafe { libc::pread(fd, to, size, offset) };
    if read < 0 {
        note(fd, LogState::read_failed);
    }
    read
}

/// What our `pwrite64` does: the same as libc's, or nothing, where the log is kept as it is.
extern "C" fn pwrite64(fd: RawFd, from: *const c_void, size: usize, offset: i64) -> isize {
    change(fd, size as isize, || {
        if any_is_opening() && save(fd, size as u64, offset).is_err() {
            return -1;
        }
        // SAFETY: the arguments are the caller's own, and this is the same function under another
        // name.
        unsafe { libc::pwrite(fd, from, size, offset) }
    })
}

/// What our `ftruncate64` does: the same as libc's, or nothing, where the log is kept as it is.
extern "C" fn ftruncate64(fd: RawFd, length: i64) -> i32 {
    change(fd, 0, || {
        if any_is_opening() && save(fd, u64::MAX, length).is_err() {
            return -1;
        }
        // SAFETY: the arguments are the caller's own, and this is the same function under another
        // name.
        unsafe { libc::ftruncate(fd, length) as isize }
    }) as i32
}

/// What our `fsync` does: the same as libc's, or nothing, where the log is kept as it is.
extern "C" fn fsync(fd: RawFd) -> i32 {
    change(fd, 0, || match real_fsync() {
        // SAFETY: it takes no pointers.
        Some(real) => unsafe { real(fd) as isize },
        // SAFETY: as above; it is what libc's function does.
        None => unsafe { libc::syscall(libc::SYS_fsync, fd) as isize },
    }) as i32
}

/// What our `flock` does: the same as libc's, and where sled has just locked a log, that is noted.
extern "C" fn flock(fd: RawFd, operation: i32) -> i32 {
    // SAFETY: it takes no pointers; this is all that libc's function does.
    let result = unsafe { libc::syscall(libc::SYS_flock, fd, operation) as i32 };
    if result == 0 && operation & libc::LOCK_EX != 0 {
        if let Some(log) = LogState::of(fd) {
            log.locked(fd);
        }
    }
    result
}

/// What our `rename` does: the same as libc's, and where sled has just put a snapshot of its page
/// table in its place, that name is made durable before sled goes on. Where the log is kept as it
/// is, the snapshot does not get its name.
extern "C" fn rename(from: *const c_char, to: *const c_char) -> i32 {
    let directory = || {
        let (from, to) = (path(&from)?, path(&to)?);
        // What we have set aside ourselves may be put back.
        snapshot_directory(from)?;
        snapshot_directory(to)
    };
    if let Some(answer) = any_is_kept().then(directory).flatten().and_then(kept) {
        return answer;
    }
    // SAFETY: the arguments are the caller's own, and two current directories make `renameat` do what
    // `rename` does.
    let result = unsafe { libc::renameat(libc::AT_FDCWD, from, libc::AT_FDCWD, to) };
    if result != 0 {
        return result;
    }
    let directory = path(&to).and_then(snapshot_directory);
    let directory = directory.filter(|directory| log_in(directory).is_some());
    match directory.map_or(Ok(()), |directory| File::open(directory)?.sync_all()) {
        Ok(()) => result,
        Err(error) => {
            set_errno(error.raw_os_error().unwrap_or(libc::EIO));
            -1
        }
    }
}

/// What our `unlink` does: the same as libc's, but no blob is removed where the log is kept as it
/// is: sled would remove those that it has not read of, or believes that it has written anew.
extern "C" fn unlink(name: *const c_char) -> i32 {
    let directory = || {
        let blobs = path(&name)?.parent()?;
        blobs.parent().filter(|_| blobs.ends_with("blobs"))
    };
    if let Some(answer) = any_is_kept().then(directory).flatten().and_then(kept) {
        return answer;
    }
    // SAFETY: the argument is the caller's own; without flags `unlinkat` does what `unlink` does.
    unsafe { libc::unlinkat(libc::AT_FDCWD, name, 0) }
}

/// A path that a caller has handed over, as long as the caller's call lasts.
fn path(text: &*const c_char) -> Option<&Path> {
    if text.is_null() {
        return None;
    }
    // SAFETY: the caller has to hand over a string that ends.
    let text = unsafe { CStr::from_ptr(*text) };
    Some(Path::new(OsStr::from_bytes(text.to_bytes())))
}

/// The directory that `path` is in, if it has the name of a snapshot.
fn snapshot_directory(path: &Path) -> Option<&Path> {
    let is_snapshot = path.file_name()?.as_bytes().starts_with(b"snap.");
    path.parent().filter(|_| is_snapshot)
}

/// What a change beside the log in `directory` is answered with, without being made, if the log is
/// kept as it is; errno is set then.
fn kept(directory: &Path) -> Option<i32> {
    suppressed(&*log_in(directory)?)
}

/// What a change is answered with that is not made; errno is set then.
fn suppressed(log: &LogState) -> Option<i32> {
    match log.write_fate() {
        WriteFate::Forward => None,
        WriteFate::Swallow => Some(0),
        WriteFate::Fail(error) => {
            set_errno(error);
            Some(-1)
        }
    }
}

/// The log in `directory`, if it is one of ours. That it was looked for is not seen in errno.
fn log_in(directory: &Path) -> Option<Arc<LogState>> {
    let before = errno();
    let log = LogState::at(&log_file(directory));
    set_errno(before);
    log
}

thread_local! {
    /// Whether this thread writes to a log that nobody else may change.
    static BYPASS: Cell<bool> = const { Cell::new(false) };
}

/// Lets this thread change a log that sled could not read, while `work` lasts.
pub(crate) fn bypass<T>(work: impl FnOnce() -> T) -> T {
    BYPASS.set(true);
    let result = work();
    BYPASS.set(false);
    result
}

/// Lets what is in the way of a write be saved, if sled is opening the log; errno is set if it
/// cannot be.
fn save(fd: RawFd, size: u64, offset: i64) -> Result<(), ()> {
    if BYPASS.get() {
        return Ok(());
    }
    let before = errno();
    let Some(log) = LogState::of(fd) else {
        set_errno(before);
        return Ok(());
    };
    // SAFETY: the caller has the file open for as long as its call lasts, and it is not closed here.
    let file = ManuallyDrop::new(unsafe { File::from_raw_fd(fd) });
    let saved = log.about_to_write(&file, offset.max(0) as u64, size);
    set_errno(saved.as_ref().err().map_or(before, |it| it.raw_os_error().unwrap_or(libc::EIO)));
    saved.map_err(drop)
}

/// Makes a change of `fd`, which answers with `done` if it succeeds, unless `fd` is a log that is
/// kept as it is. A failure is noted, and only told to who can make something of it.
fn change(fd: RawFd, done: isize, make: impl FnOnce() -> isize) -> isize {
    let kept = (any_is_kept() && !BYPASS.get()).then(|| LogState::of(fd)).flatten();
    if let Some(answer) = kept.and_then(|log| suppressed(&log)) {
        return if answer == 0 { done } else { -1 };
    }
    let result = make();
    if result >= 0 {
        return result;
    }
    match note(fd, LogState::write_failed) {
        Some(log) if is_of_pool() || !log.can_be_told() => done,
        _ => result,
    }
}

/// Notes the error that is in errno, and leaves it there, if `fd` is a log of ours, which it
/// answers with then. A call that was interrupted has not failed: the Rust library makes it again.
fn note(fd: RawFd, failed: fn(&LogState, i32)) -> Option<Arc<LogState>> {
    let error = errno();
    let log = LogState::of(fd).filter(|_| error != libc::EINTR);
    set_errno(error);
    log.inspect(|log| failed(log, error))
}

fn errno() -> i32 {
    // SAFETY: libc promises a valid pointer to this thread's errno.
    unsafe { *libc::__errno_location() }
}

fn set_errno(error: i32) {
    // SAFETY: libc promises a valid pointer to this thread's errno.
    unsafe { *libc::__errno_location() = error };
}

/// libc's `fsync`, or that of a library that was loaded before it; `None` in a program without a
/// dynamic linker.
fn real_fsync() -> Option<unsafe extern "C" fn(RawFd) -> i32> {
    let mut found = REAL_FSYNC.load(Ordering::Relaxed);
    if found.is_null() {
        // SAFETY: the name ends with a zero byte. Hidden symbols, as ours, are not found.
        found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"fsync".as_ptr()) };
        REAL_FSYNC.store(found, Ordering::Relaxed);
    }
    // SAFETY: a function with this name is libc's, or can be called as if it were.
    (!found.is_null()).then(|| unsafe { std::mem::transmute::<*mut c_void, _>(found) })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::FileExt;

    use super::*;
    use crate::engine::interpose::log_state::DurableLog;

    /// sled cuts its log only after it has written to it, and so is refused before that. But its
    /// threads go on for some time after an opening has failed.
    #[test]
    fn a_log_that_could_not_be_read_is_neither_cut_nor_written_until_it_is_let_go() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (log, other) = (directory.path().join("db"), directory.path().join("other"));
        let watched = DurableLog::watch(&log).expect("a log");
        fs::write(&log, "content").expect("writing a log");
        fs::write(&other, "content").expect("writing a file");
        watched.log().read_failed(libc::ESTALE);
        let open = |path| File::options().write(true).open(path).expect("opening a file");
        let refused = [open(&log).set_len(1), open(&log).write_at(b"x", 0).map(drop)];
        let numbers = refused.map(|result| result.err().and_then(|error| error.raw_os_error()));
        assert_eq!(numbers, [Some(libc::ESTALE); 2]);
        assert_eq!(fs::read(&log).expect("reading"), b"content");
        open(&other).set_len(1).expect("it is not the log");
        open(&other).write_at(b"x", 0).expect("it is not the log");
        drop(watched);
        open(&log).set_len(1).expect("it is nobody's log");
    }
}
