//! What concerns a whole store or keyspace: flushing, sizes, counts.

use crate::capi::boundary::guard;
use crate::capi::error::sledstore_error;
use crate::capi::read;
use crate::capi::status::sledstore_status;
use crate::capi::store::sledstore;

/// Writes out what was written to the store until now, in all its keyspaces, and syncs it. After
/// SLEDSTORE_OK it survives the death of this process and a loss of power.
///
/// Without this call the library does the same by itself every 500 milliseconds, or as
/// sledstore_open_options.flush_every_ms says, and when the store is closed.
///
/// @param store  any handle of the store.
/// @param error  see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; the handle statuses; the engine statuses.
///
/// Threads: any number at once. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_flush(
    store: *const sledstore,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::enter(error, |call| {
        call.object(store)?.keyspace.flush()?;
        Ok(sledstore_status::SLEDSTORE_OK)
    })
}

/// Does the same as sledstore_flush(), which returns when the operating system has confirmed the
/// writes anyway. For programs that are ported from other stores.
///
/// @param store  any handle of the store.
/// @param error  see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; the handle statuses; the engine statuses.
///
/// Threads: any number at once. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_flush_sync(
    store: *const sledstore,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::enter(error, |call| {
        call.object(store)?.keyspace.flush_sync()?;
        Ok(sledstore_status::SLEDSTORE_OK)
    })
}

/// Does the same as sledstore_flush() in this version: the engine reuses by itself the space of what
/// was deleted or overwritten. Little of it goes back to the file system.
///
/// @param store  any handle of the store.
/// @param error  see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; the handle statuses; the engine statuses.
///
/// Threads: any number at once. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_compact(
    store: *const sledstore,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::enter(error, |call| {
        call.object(store)?.keyspace.compact()?;
        Ok(sledstore_status::SLEDSTORE_OK)
    })
}

/// Tells how much space the files of the store take up, all keyspaces together.
///
/// @param store  any handle of the store.
/// @param bytes  receives the size in bytes; 0 on failure.
/// @param error  see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_INVALID_ARGUMENT: bytes is NULL; the handle statuses; the
/// engine statuses.
///
/// Threads: any number at once. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_size_on_disk(
    store: *const sledstore,
    bytes: *mut u64,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::give(bytes, "bytes", error, |call| Ok(call.object(store)?.keyspace.size_on_disk()?))
}

/// Counts the keys of a keyspace, exactly; expired keys are not there. The first count after opening
/// walks through all keys, later ones do not.
///
/// @param store  a handle of the keyspace.
/// @param count  receives the number of keys; 0 on failure.
/// @param error  see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_INVALID_ARGUMENT: count is NULL; the handle statuses; the
/// engine statuses.
///
/// Threads: any number at once. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_count(
    store: *const sledstore,
    count: *mut u64,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    read::count(store, count, error)
}
