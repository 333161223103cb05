//! Whole stores as streams of bytes, out and in.

use std::ffi::c_void;
use std::fs::File;
use std::io::{self, Read, Write};
use std::mem::ManuallyDrop;
use std::os::fd::FromRawFd;

use crate::capi::boundary::arguments::{Call, Options, Pod};
use crate::capi::boundary::fork;
use crate::capi::boundary::guard;
use crate::capi::error::{sledstore_error, Fail};
use crate::capi::handles::hazard::ThreadRecord;
use crate::capi::status::sledstore_status;
use crate::capi::store::sledstore;
use crate::store::Observer;
use crate::DumpFormat;

/// For sledstore_dump(): the library's own format, with checksums and expiries. A stream of it that was
/// cut short or altered is refused.
pub const SLEDSTORE_DUMP_BINARY: u32 = 1;
/// For sledstore_dump(): the text of db_dump and mdb_dump, format=bytevalue: keys and values are hexadecimal
/// digits. Each keyspace is a section, database= and its name; its expiries are another, database=__ttl__
/// for the default keyspace and database=__ttl__: and the name for others, with 8 bytes for each key that
/// expires, little endian, milliseconds since 1970. mdb_load takes keys of 1 to 511 bytes. db_load does not
/// know the lines mapsize=, which can be left out.
pub const SLEDSTORE_DUMP_BYTEVALUE: u32 = 2;
/// For sledstore_dump(): the same with format=print, where printable characters stand for themselves.
pub const SLEDSTORE_DUMP_PRINT: u32 = 3;

/// Where a dump goes. Start from SLEDSTORE_WRITE_CALLBACK_INIT. Since 0.1.0.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct sledstore_write_callback {
    /// sizeof(sledstore_write_callback).
    pub struct_size: usize,
    /// Whatever the functions need; the library only passes it on. May be NULL.
    pub ctx: *mut c_void,
    /// Takes len bytes, all of them, which are valid until it returns. Answers 0 to go on, and anything
    /// else to end the call, which then answers SLEDSTORE_CANCELLED. See sledstore_progress_callback for
    /// what it may do.
    pub write:
        Option<unsafe extern "C" fn(ctx: *mut c_void, data: *const c_void, len: usize) -> i32>,
    /// As in sledstore_progress_callback. May be NULL.
    pub destroy: Option<unsafe extern "C" fn(ctx: *mut c_void)>,
}

/// Where a dump comes from. Start from SLEDSTORE_READ_CALLBACK_INIT. Since 0.1.0.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct sledstore_read_callback {
    /// sizeof(sledstore_read_callback).
    pub struct_size: usize,
    /// Whatever the functions need; the library only passes it on. May be NULL.
    pub ctx: *mut c_void,
    /// Writes up to capacity bytes to buffer and answers with how many; 0 at the end. A negative number
    /// ends the call, which then answers SLEDSTORE_CANCELLED. See sledstore_progress_callback for what it
    /// may do.
    pub read:
        Option<unsafe extern "C" fn(ctx: *mut c_void, buffer: *mut c_void, capacity: usize) -> i64>,
    /// As in sledstore_progress_callback. May be NULL.
    pub destroy: Option<unsafe extern "C" fn(ctx: *mut c_void)>,
}

// SAFETY: numbers, pointers and functions that may be NULL have no forbidden patterns.
unsafe impl Pod for sledstore_write_callback {}
// SAFETY: as above.
unsafe impl Pod for sledstore_read_callback {}

// SAFETY: `repr(C)`, the size first; the size is asserted to be the sum of the members.
unsafe impl Options for sledstore_write_callback {
    const FIRST_SIZE: usize = 32;
    const NAME: &'static str = "sledstore_write_callback";
}

// SAFETY: as above.
unsafe impl Options for sledstore_read_callback {
    const FIRST_SIZE: usize = 32;
    const NAME: &'static str = "sledstore_read_callback";
}

const _: () = assert!(size_of::<sledstore_write_callback>() == 4 * 8);
const _: () = assert!(size_of::<sledstore_read_callback>() == 4 * 8);

/// The callbacks of one call: destroyed at its end.
struct Stream<T> {
    callbacks: T,
    ctx: *mut c_void,
    destroy: Option<unsafe extern "C" fn(ctx: *mut c_void)>,
    /// Whether a callback has ended the call.
    is_cancelled: bool,
}

impl<T> Drop for Stream<T> {
    fn drop(&mut self) {
        // What the callbacks have is the parent's too.
        if let Some(destroy) = self.destroy.filter(|_| !fork::happened()) {
            // SAFETY: the manual: "a function in a callback struct is a function of that type, which may
            // be called until destroy was". This is the only place that calls it, once.
            unsafe { destroy(self.ctx) }
        }
    }
}

impl<T> Stream<T> {
    fn cancel<R>(&mut self) -> io::Result<R> {
        self.is_cancelled = true;
        Err(io::Error::other("a callback has asked for the end"))
    }

    /// Does `work`, which calls back.
    fn during<R>(&mut self, work: impl FnOnce(&mut Self) -> crate::Result<R>) -> Result<R, Fail> {
        if !ThreadRecord::current().has_room_for_a_callback() {
            let text = "calls are made in callbacks of each other more than 12 deep";
            return Err(Fail::new(sledstore_status::SLEDSTORE_REENTRANT, text));
        }
        work(self).map_err(|error| match self.is_cancelled {
            true => {
                Fail::new(sledstore_status::SLEDSTORE_CANCELLED, "a callback has asked for the end")
            }
            false => error.into(),
        })
    }
}

impl Write for Stream<sledstore_write_callback> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(write) = self.callbacks.write else { return self.cancel() };
        // SAFETY: as in `drop`; no lock is held.
        match unsafe { write(self.ctx, bytes.as_ptr().cast(), bytes.len()) } {
            // In the child of a fork nothing is written any more.
            0 if !fork::happened() => Ok(bytes.len()),
            _ => self.cancel(),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Stream<sledstore_read_callback> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(read) = self.callbacks.read else { return self.cancel() };
        // SAFETY: as in `drop`; no lock is held.
        let count = unsafe { read(self.ctx, buffer.as_mut_ptr().cast(), buffer.len()) };
        match usize::try_from(count) {
            Ok(count) if count <= buffer.len() && !fork::happened() => Ok(count),
            _ => self.cancel(),
        }
    }
}

fn format_of(format: u32) -> Result<DumpFormat, Fail> {
    match format {
        SLEDSTORE_DUMP_BINARY => Ok(DumpFormat::Binary),
        SLEDSTORE_DUMP_BYTEVALUE => Ok(DumpFormat::ByteValue),
        SLEDSTORE_DUMP_PRINT => Ok(DumpFormat::Print),
        unknown => {
            let message = format!("format: this version has none with the number {unknown}");
            Err(Fail::new(sledstore_status::SLEDSTORE_UNSUPPORTED, message))
        }
    }
}

fn observer<'a>() -> Observer<'a> {
    Observer { report: None, has_forked: fork::happened }
}

/// The caller's file, which is not closed here.
fn borrow_file(fd: i32) -> Result<ManuallyDrop<File>, Fail> {
    if fd < 0 {
        return Err(Fail::invalid("fd: a file descriptor is not negative"));
    }
    // SAFETY: the manual: "an open file descriptor, which nobody closes during the call". It is not
    // closed here, as it is never dropped.
    Ok(ManuallyDrop::new(unsafe { File::from_raw_fd(fd) }))
}

/// Gives everything in the store to a callback, all keyspaces with their expiries, as they are at one
/// moment, for another store or another machine: sledstore_load() reads it. Readers and writers go
/// on meanwhile. While it is read, rows that are overwritten or deleted are kept in memory, as for a
/// snapshot.
///
/// @param store   any handle of the store.
/// @param format  SLEDSTORE_DUMP_BINARY, SLEDSTORE_DUMP_BYTEVALUE or SLEDSTORE_DUMP_PRINT.
/// @param sink    see sledstore_write_callback. The struct is copied.
/// @param error   see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_CANCELLED: the callback has asked for the end;
/// SLEDSTORE_UNSUPPORTED: a format that this version does not have, a text that cannot have the name of
/// a keyspace, because it has a line break or a zero byte, or a member of sink that this version does not
/// have; SLEDSTORE_KEYSPACE_DROPPED: a keyspace was dropped meanwhile; SLEDSTORE_CAPACITY_EXCEEDED: what
/// was kept for the dump took more than snapshot_memory; SLEDSTORE_INVALID_ARGUMENT: sink is NULL or has
/// no function write or a wrong struct_size; SLEDSTORE_REENTRANT: as sledstore_backup(); the handle
/// statuses; the engine statuses. After everything but SLEDSTORE_OK the dump is not whole.
///
/// Threads: any number at once. The callback is called on the calling thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_dump(
    store: *const sledstore,
    format: u32,
    sink: *const sledstore_write_callback,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::enter(error, |call| {
        let mut sink = sink_of(call, sink)?;
        let (format, keyspace) = (format_of(format)?, &call.object(store)?.keyspace);
        sink.during(|sink| keyspace.dump_to(format, sink, &mut observer()))?;
        Ok(sledstore_status::SLEDSTORE_OK)
    })
}

/// Does the same as sledstore_dump(), to a file, a pipe or a socket. It is written from its present
/// position on, and not closed. Where nobody reads from a pipe any more, the thread gets SIGPIPE as from
/// write(), and with that ignored the call answers SLEDSTORE_IO.
///
/// @param store   any handle of the store.
/// @param format  as in sledstore_dump().
/// @param fd      an open file descriptor, which nobody closes during the call.
/// @param error   see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_INVALID_ARGUMENT: fd is negative; SLEDSTORE_IO also for what write() answers,
/// SLEDSTORE_DISK_FULL also for the disk of fd; otherwise as sledstore_dump().
///
/// Threads: any number at once. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_dump_fd(
    store: *const sledstore,
    format: u32,
    fd: i32,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::enter(error, |call| {
        let (format, mut file) = (format_of(format)?, borrow_file(fd)?);
        call.object(store)?.keyspace.dump_to(format, &mut *file, &mut observer())?;
        Ok(sledstore_status::SLEDSTORE_OK)
    })
}

/// Reads a dump, in whichever format, into the store. Rows take the place of those with the same key;
/// keyspaces are created if need be; all else stays. All of it is on the disk after SLEDSTORE_OK.
/// What has expired by now does not come in.
///
/// The stream is gathered first, in a directory inside that of the store, which takes as much room as a
/// store of these rows. So nothing is kept of a stream that cannot be read to its end. Then it is merged
/// into the store, as by sledstore_restore(), with what is said there of a restore that does not come to
/// its end.
///
/// Text may also come from db_dump or mdb_dump: a section without a line database= is the default
/// keyspace. mdb_dump -p of old versions does not mark backslashes, so leave its -p away where there are
/// any. Text has no checksums: one that was cut short between two sections is not noticed.
///
/// @param store   any handle of the store.
/// @param source  see sledstore_read_callback. The struct is copied.
/// @param error   see sledstore_error; may be NULL. Its message says at which byte of the stream
///                something was wrong.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_CANCELLED: the callback has asked for the end;
/// SLEDSTORE_CORRUPTION: the stream was cut short or altered, or is no dump; SLEDSTORE_UNSUPPORTED:
/// the stream has what this store cannot have, such as a key that is too long, a name that is not
/// allowed or several values of one key, or source has a member that this version does not have;
/// SLEDSTORE_BUSY: another restore into this store is going on; SLEDSTORE_INVALID_ARGUMENT: source is NULL
/// or has no function read or a wrong struct_size; SLEDSTORE_REENTRANT: as sledstore_backup(); the
/// handle statuses; the engine statuses. Nothing has changed after a failure, unless it is one of the
/// engine statuses and comes from the store itself.
///
/// Threads: any number at once. The callback is called on the calling thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_load(
    store: *const sledstore,
    source: *const sledstore_read_callback,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::enter(error, |call| {
        let mut source = source_of(call, source)?;
        let keyspace = &call.object(store)?.keyspace;
        source.during(|source| keyspace.load_from(source, &mut observer()))?;
        Ok(sledstore_status::SLEDSTORE_OK)
    })
}

/// Does the same as sledstore_load(), from a file, a pipe or a socket. It is read from its present
/// position up to its end, and not closed.
///
/// @param store  any handle of the store.
/// @param fd     an open file descriptor, which nobody closes during the call.
/// @param error  see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_INVALID_ARGUMENT: fd is negative; SLEDSTORE_IO also for what read() answers;
/// otherwise as sledstore_load().
///
/// Threads: any number at once. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_load_fd(
    store: *const sledstore,
    fd: i32,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::enter(error, |call| {
        let mut file = borrow_file(fd)?;
        call.object(store)?.keyspace.load_from(&mut *file, &mut observer())?;
        Ok(sledstore_status::SLEDSTORE_OK)
    })
}

fn sink_of(
    call: &Call,
    sink: *const sledstore_write_callback,
) -> Result<Stream<sledstore_write_callback>, Fail> {
    let callbacks = call.options(sink)?;
    let sledstore_write_callback { ctx, destroy, .. } = callbacks;
    let stream = Stream { callbacks, ctx, destroy, is_cancelled: false };
    match callbacks.write {
        Some(_) => Ok(stream),
        None => Err(Fail::invalid("sink: there is no function to write")),
    }
}

fn source_of(
    call: &Call,
    source: *const sledstore_read_callback,
) -> Result<Stream<sledstore_read_callback>, Fail> {
    let callbacks = call.options(source)?;
    let sledstore_read_callback { ctx, destroy, .. } = callbacks;
    let stream = Stream { callbacks, ctx, destroy, is_cancelled: false };
    match callbacks.read {
        Some(_) => Ok(stream),
        None => Err(Fail::invalid("source: there is no function to read")),
    }
}
