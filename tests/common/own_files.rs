//! Files of the program's own, beside a store: each call that sled is stood in for gives what the
//! operating system gives.

use std::ffi::{CStr, CString};
use std::fs::{self, File, TryLockError};
use std::io::{Error, Result};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use libc::{c_int, c_long, c_void};

/// Calls everything in `directory`, which is made and removed.
pub fn check(directory: &Path) {
    fs::create_dir(directory).unwrap();
    fs::create_dir(directory.join("blobs")).unwrap();
    fs::create_dir(directory.join("folder")).unwrap();
    // As if it were the directory of a store.
    fs::write(directory.join("db"), b"not a log").unwrap();
    reading_and_writing(&directory.join("db"));
    locking(&directory.join("db"));
    renaming(directory);
    removing(directory);
    agreeing_with_the_system(directory);
    fs::remove_dir_all(directory).unwrap();
}

/// The number in an error of the operating system.
#[track_caller]
fn number<T>(result: Result<T>) -> c_int {
    let error = result.err().expect("it fails");
    error.raw_os_error().unwrap_or_else(|| panic!("not from the system: {error}"))
}

fn reading_and_writing(path: &Path) {
    let file = File::options().read(true).write(true).open(path).unwrap();
    let (reader, writer) = (File::open(path).unwrap(), File::options().write(true).open(path));
    let writer = writer.unwrap();
    assert_eq!(file.write_at(b"text", 12).unwrap(), 4);
    let mut text = [1; 20];
    assert_eq!(reader.read_at(&mut text, 0).unwrap(), 16);
    assert_eq!(text, *b"not a log\0\0\0text\x01\x01\x01\x01");
    assert_eq!(file.read_at(&mut text, 14).unwrap(), 2, "as much as there is");
    assert_eq!(file.read_at(&mut text, 16).unwrap(), 0, "the end");
    assert_eq!(number(writer.read_at(&mut text, 0)), libc::EBADF);
    assert_eq!(number(reader.write_at(b"text", 0)), libc::EBADF);
    assert_eq!(number(file.read_at(&mut text, u64::MAX)), libc::EINVAL);

    file.set_len(3).unwrap();
    assert_eq!(fs::read(path).unwrap(), b"not");
    writer.set_len(5).unwrap();
    assert_eq!(fs::read(path).unwrap(), b"not\0\0");
    assert_eq!(number(reader.set_len(0)), libc::EINVAL);
    file.sync_all().unwrap();
    reader.sync_all().unwrap();
    File::open(path.parent().unwrap()).unwrap().sync_all().unwrap();
}

fn locking(path: &Path) {
    let (one, other) = (File::open(path).unwrap(), File::open(path).unwrap());
    one.lock().unwrap();
    assert!(matches!(other.try_lock(), Err(TryLockError::WouldBlock)));
    assert!(matches!(other.try_lock_shared(), Err(TryLockError::WouldBlock)));
    drop(one);
    // Nobody else has kept a descriptor of it.
    other.try_lock().unwrap();
    let one = File::open(path).unwrap();
    assert!(matches!(one.try_lock_shared(), Err(TryLockError::WouldBlock)));
    other.unlock().unwrap();
    one.try_lock_shared().unwrap();
    other.try_lock_shared().unwrap();
}

fn renaming(directory: &Path) {
    let at = |name: &str| directory.join(name);
    // Names as the engine gives them to its snapshots, names that are no text, and plain ones.
    let odd = std::ffi::OsString::from_vec(b"snap.\xff".to_vec());
    for (from, to) in [
        (at("a"), at("b")),
        (at("snap.1.generating"), at("snap.1")),
        (at("blobs/snap.1"), at("blobs/17")),
        (at("c"), directory.join(odd)),
    ] {
        fs::write(&from, b"from").unwrap();
        fs::write(&to, b"replaced").unwrap();
        let replaced = File::open(&to).unwrap();
        fs::rename(&from, &to).unwrap();
        assert_eq!(fs::read(&to).unwrap(), b"from");
        assert_eq!(replaced.metadata().unwrap().nlink(), 0);
        assert_eq!(number(fs::rename(&from, &to)), libc::ENOENT);
        assert_eq!(number(fs::rename(&to, at("folder"))), libc::EISDIR);
        assert_eq!(number(fs::rename(at("folder"), &to)), libc::ENOTDIR);
        assert_eq!(number(fs::rename(&to, at("snap.").join("x"))), libc::ENOENT);
        assert_eq!(fs::read(&to).unwrap(), b"from");
    }
}

fn removing(directory: &Path) {
    for name in ["b", "snap.1", "blobs/17", "db"] {
        let path = directory.join(name);
        let open_still = File::open(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert_eq!(open_still.metadata().unwrap().nlink(), 0);
        assert_eq!(number(fs::remove_file(&path)), libc::ENOENT);
    }
    assert_eq!(number(fs::remove_file(directory.join("blobs"))), libc::EISDIR);
}

/// What a call gives: its result, and errno where that is -1.
fn answer(result: impl Into<c_long>) -> (c_long, Option<c_int>) {
    let result = result.into();
    (result, (result == -1).then(|| Error::last_os_error().raw_os_error().unwrap_or(0)))
}

/// Each call by its name in libc, and the same by its number in the kernel.
macro_rules! agree {
    ($name:ident($($argument:expr),*), $number:ident($($same:expr),*)) => {{
        // SAFETY: the arguments of both are descriptors, numbers, strings that end and room that is
        // large enough, and in between nothing else happens to the files.
        let (named, numbered) = unsafe {
            let named = answer(libc::$name($($argument),*) as c_long);
            (named, answer(libc::syscall(libc::$number, $($same),*)))
        };
        let call = stringify!($name($($argument),*));
        assert_eq!(named, numbered, "{call}: {:?}", [$(format!("{:?}", $argument)),*]);
    }};
}

fn agreeing_with_the_system(directory: &Path) {
    let path = directory.join("file");
    fs::write(&path, b"0123456789").unwrap();
    let file = File::options().read(true).write(true).open(&path).unwrap();
    let (reader, folder) = (File::open(&path).unwrap(), File::open(directory).unwrap());
    let (from, to) = std::io::pipe().unwrap();
    let all = [file.as_raw_fd(), reader.as_raw_fd(), folder.as_raw_fd(), from.as_raw_fd()];
    for fd in all.into_iter().chain([to.as_raw_fd(), -1]) {
        on_descriptors(fd);
    }
    for name in ["missing", "blobs", "file/x", "", "missing/x", "snap.1", "blobs/1"] {
        let name = CString::new(directory.join(name).into_os_string().into_vec()).unwrap();
        on_names(&name, &CString::new(path.clone().into_os_string().into_vec()).unwrap());
    }
    assert_eq!(fs::read(&path).unwrap()[..7], *b"0123456");
}

fn on_descriptors(fd: RawFd) {
    let mut room = [0u8; 16];
    let room: *mut c_void = room.as_mut_ptr().cast();
    for at in [0i64, 7, 10, 1 << 40, -1, i64::MIN] {
        agree!(pread64(fd, room, 16, at), SYS_pread64(fd, room, 16usize, at));
    }
    for at in [-1i64, i64::MIN] {
        agree!(pwrite64(fd, room, 16, at), SYS_pwrite64(fd, room, 16usize, at));
        agree!(sync_file_range(fd, at, 0, 2), SYS_sync_file_range(fd, at, 0i64, 2));
    }
    let nowhere = std::ptr::null_mut::<c_void>();
    agree!(pread64(fd, nowhere, 1, 0), SYS_pread64(fd, nowhere, 1usize, 0i64));
    for length in [9i64, 9, -1] {
        agree!(ftruncate64(fd, length), SYS_ftruncate(fd, length));
    }
    for flags in [0, 1, 2, 4, 7, 8, 0x80] {
        agree!(sync_file_range(fd, 0, 0, flags), SYS_sync_file_range(fd, 0i64, 0i64, flags));
    }
    agree!(fsync(fd), SYS_fsync(fd));
    for operation in [0, libc::LOCK_EX, libc::LOCK_SH, 16, libc::LOCK_UN, 15] {
        agree!(flock(fd, operation | libc::LOCK_NB), SYS_flock(fd, operation | libc::LOCK_NB));
    }
}

/// `name` is none of a file, `file` is.
fn on_names(name: &CStr, file: &CStr) {
    let (name, file, nowhere) = (name.as_ptr(), file.as_ptr(), std::ptr::null());
    let here = libc::AT_FDCWD;
    for (from, to) in [(name, file), (file, nowhere), (nowhere, name)] {
        // Some of them are directories, which no file takes the place of.
        agree!(rename(from, to), SYS_renameat(here, from, here, to));
    }
    agree!(unlink(name), SYS_unlinkat(here, name, 0));
    agree!(unlink(nowhere), SYS_unlinkat(here, nowhere, 0));
}
