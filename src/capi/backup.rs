//! Copies of whole stores.

use std::ffi::c_char;

use crate::capi::boundary::guard;
use crate::capi::error::{sledstore_error, Fail};
use crate::capi::progress::{observe, sledstore_progress_callback, Reporter};
use crate::capi::status::sledstore_status;
use crate::capi::store::sledstore;
use crate::RestoreMode;

/// Copies the store, as it is at one moment, into a new directory: a store like this one, with all
/// keyspaces and expiries, that sledstore_open() opens. Readers and writers go on meanwhile. While it
/// is copied, rows that are overwritten or deleted are kept in memory, as for a snapshot.
///
/// The copy is made beside the destination, in a directory whose name has ".sledstore-incomplete"
/// behind that of the destination; then it is synced and renamed. So the destination is there when all
/// of it is there and on the disk, and otherwise not at all. What a crash leaves beside it is removed by
/// the next backup to the same destination.
///
/// @param store        any handle of the store.
/// @param destination  the new directory: the bytes of a file system path with a NUL at the end. Its
///                     parents are made if need be.
/// @param callback     is told of the progress, see sledstore_progress_callback; NULL: nobody is. With
///                     a callback all rows are counted first, which adds a walk over them. The struct
///                     is copied.
/// @param error        see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_ALREADY_EXISTS: there is something at the destination;
/// SLEDSTORE_CANCELLED: the callback has asked for the end; SLEDSTORE_LOCKED: another backup to the
/// same destination is going on; SLEDSTORE_KEYSPACE_DROPPED: a keyspace was dropped meanwhile;
/// SLEDSTORE_CAPACITY_EXCEEDED: what was kept for the backup took more than snapshot_memory;
/// SLEDSTORE_INVALID_ARGUMENT: destination is NULL, empty or inside the store's own directory, or
/// something that no backup has left lies in the way beside it, or callback has no function progress
/// or a wrong struct_size; SLEDSTORE_UNSUPPORTED: callback has a member that this version does not
/// have; SLEDSTORE_REENTRANT: 12 calls with callbacks are under way on this thread, each in the
/// callback of the one before; the handle statuses; the engine statuses, of the copy too. After
/// everything but SLEDSTORE_OK there is nothing at the destination that was not there before, unless
/// the last sync has failed.
///
/// Threads: any number at once. The callback is called on the calling thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_backup(
    store: *const sledstore,
    destination: *const c_char,
    callback: *const sledstore_progress_callback,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::enter(error, |call| {
        let reporter = Reporter::of(call, callback)?;
        let destination = call.path(destination).map_err(|_| no_path("destination"))?;
        let keyspace = &call.object(store)?.keyspace;
        observe(reporter, |observer| {
            let copied = keyspace.back_up(destination, observer);
            copied.map_err(|error| Fail::opening(error, destination))
        })?;
        Ok(sledstore_status::SLEDSTORE_OK)
    })
}

/// For sledstore_restore(): keep the rows that the store has, where the source has none of the same key.
pub const SLEDSTORE_RESTORE_MERGE: u64 = 1;

/// Replaces everything in the store, all keyspaces with their expiries, by what is in another store, such
/// as a backup. Keyspaces that the source does not have are dropped. All of it is on the disk after
/// SLEDSTORE_OK.
///
/// The source is opened as with SLEDSTORE_OPEN_READ_ONLY: no byte of it changes, and a private copy of
/// it takes room in the system's directory for temporary files meanwhile. All of it is read once
/// before anything is changed.
///
/// A restore is many steps. Readers meanwhile see rows of before and restored ones, and what other threads
/// write may stay or not. If it does not come to its end, the store has both, and goes on working; another
/// restore that comes to its end mends it. But if it is closed, or its process ends, the next
/// sledstore_open() answers SLEDSTORE_CORRUPTION with a message that says so. SLEDSTORE_OPEN_SALVAGE
/// opens it all the same, to restore again.
///
/// @param store     any handle of the store.
/// @param source    the directory of the other store: the bytes of a file system path with a NUL at the
///                  end.
/// @param flags     0, or SLEDSTORE_RESTORE_MERGE: nothing is removed, and rows of the source take the
///                  place of those with the same key.
/// @param callback  is told of the progress, see sledstore_progress_callback; NULL: nobody is. The
///                  struct is copied.
/// @param error     see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_LOCKED: the source is open elsewhere, or is this store;
/// SLEDSTORE_IO with ENOENT: there is no store at source; SLEDSTORE_CORRUPTION: the source is damaged, or
/// is no store; SLEDSTORE_UNSUPPORTED: the source has a key that is too long for this store, a
/// flag that this version does not know, or callback has a member that it does not know;
/// SLEDSTORE_BUSY: another restore into this store is going on; SLEDSTORE_CANCELLED: the callback has
/// asked for the end; SLEDSTORE_INVALID_ARGUMENT: source is NULL or empty, or callback has no function
/// progress or a wrong struct_size; SLEDSTORE_REENTRANT: as sledstore_backup(); the handle statuses;
/// the engine statuses. Nothing has changed after a failure that came before the callback was told that a
/// row is done, unless that is one of the engine statuses.
///
/// Threads: any number at once. The callback is called on the calling thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_restore(
    store: *const sledstore,
    source: *const c_char,
    flags: u64,
    callback: *const sledstore_progress_callback,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::enter(error, |call| {
        let reporter = Reporter::of(call, callback)?;
        let source = call.path(source).map_err(|_| no_path("source"))?;
        let mode = restore_mode(flags)?;
        let keyspace = &call.object(store)?.keyspace;
        observe(reporter, |observer| Ok(keyspace.restore_from(source, mode, observer)?))?;
        Ok(sledstore_status::SLEDSTORE_OK)
    })
}

fn restore_mode(flags: u64) -> Result<RestoreMode, Fail> {
    match flags {
        0 => Ok(RestoreMode::Replace),
        SLEDSTORE_RESTORE_MERGE => Ok(RestoreMode::Merge),
        flags => {
            let message = format!("flags: this version knows not all bits of {flags:#x}");
            Err(Fail::new(sledstore_status::SLEDSTORE_UNSUPPORTED, message))
        }
    }
}

fn no_path(what: &str) -> Fail {
    Fail::invalid(format!("{what}: the pointer is NULL"))
}
