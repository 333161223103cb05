//! Snapshots: all keyspaces as they were at one moment.

use std::ffi::c_void;

use crate::capi::boundary::arguments::{sledstore_bytes, Call, Output};
use crate::capi::boundary::guard;
use crate::capi::error::{sledstore_error, Fail};
use crate::capi::handles::{self, opaque};
use crate::capi::iterator::sledstore_iter;
use crate::capi::options::sledstore_iter_options;
use crate::capi::read::{self, Source};
use crate::capi::status::sledstore_status;
use crate::capi::store::sledstore;
use crate::capi::value::sledstore_value;
use crate::SledSnapshot;

/// All keyspaces of a store as they were at one moment: the one in which it was made.
///
/// Making one copies nothing, and takes the same time for a store of any size. Writers go on, and do
/// not wait for it. While it lives, each key that is overwritten or deleted for the first time keeps
/// what it was in memory, until the last snapshot that needs it is freed; see
/// sledstore_snapshot_stats(), and snapshot_memory in sledstore_open_options, which bounds that.
///
/// Of a batch or a transaction it shows all writes or none. Keys that had expired when it was made
/// are not in it; keys that expire later stay. A keyspace that is made later is empty in it, and
/// one that is dropped is gone from it: reads of it answer SLEDSTORE_KEYSPACE_DROPPED.
///
/// A snapshot keeps its store open: sledstore_close() answers SLEDSTORE_BUSY. Any number of threads
/// may use it at once. Since 0.1.0.
#[allow(non_camel_case_types)]
pub struct sledstore_snapshot;

/// What a snapshot handle stands for.
pub(crate) type SnapshotObject = SledSnapshot;

opaque!(sledstore_snapshot, Snapshot, SnapshotObject);

impl Source for (*const sledstore_snapshot, *const sledstore) {
    type Rows = SledSnapshot;

    /// NULL for the keyspace is the one that the snapshot was made from.
    fn read<R>(
        self,
        call: &Call,
        read: impl FnOnce(&SledSnapshot) -> crate::Result<R>,
    ) -> Result<R, Fail> {
        let snapshot = call.object(self.0)?;
        Ok(match call.object_or_null(self.1)? {
            None => read(&snapshot)?,
            Some(store) => read(&snapshot.keyspace(&store.keyspace)?)?,
        })
    }
}

/// Makes a snapshot of all keyspaces of a store.
///
/// @param store     a handle of the keyspace that NULL shall mean in the functions below. It may be
///                  released before the snapshot is freed.
/// @param snapshot  receives the snapshot, to be freed with sledstore_snapshot_free(); NULL on
///                  failure.
/// @param error     see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_INVALID_ARGUMENT: snapshot is NULL;
/// SLEDSTORE_TOO_MANY_HANDLES: too many live handles; SLEDSTORE_CLOSED: also while another thread
/// is closing the store; the handle statuses; the engine statuses.
///
/// Threads: any number at once. It waits for a write that is under way. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_snapshot_new(
    store: *const sledstore,
    snapshot: *mut *mut sledstore_snapshot,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::give(snapshot, "snapshot", error, |call| {
        let taken = call.object(store)?.keyspace.snapshot()?;
        Ok(handles::insert::<sledstore_snapshot>(taken)?.publish())
    })
}

/// Reads the value that a key had, without copying it.
///
/// @param snapshot  the snapshot.
/// @param keyspace  a handle of a keyspace of the same store; NULL: the one that the snapshot was
///                  made from.
/// @param key       the key.
/// @param key_len   its length in bytes; 0 is a key like any other.
/// @param value     receives the value, to be freed with sledstore_value_free(); NULL unless
///                  SLEDSTORE_OK. An empty value is a value: SLEDSTORE_OK, with length 0.
/// @param error     see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_KEY_NOT_FOUND: the key was not there, or had expired;
/// SLEDSTORE_INVALID_ARGUMENT: value is NULL, key is NULL and key_len is not 0, or keyspace is one of
/// another store; SLEDSTORE_CAPACITY_EXCEEDED: the snapshot has ended, because what was kept took more
/// than snapshot_memory; SLEDSTORE_TOO_MANY_HANDLES: too many live handles; the handle statuses; the
/// engine statuses.
///
/// Threads: any number at once. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_snapshot_get(
    snapshot: *const sledstore_snapshot,
    keyspace: *const sledstore,
    key: *const c_void,
    key_len: usize,
    value: *mut *mut sledstore_value,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    read::get((snapshot, keyspace), (key, key_len), value, error)
}

/// Reads the value that a key had into a buffer of the caller's. Creates nothing that has to be
/// freed.
///
/// To learn the length only, call it with dst NULL and capacity 0.
///
/// @param snapshot  the snapshot.
/// @param keyspace  as in sledstore_snapshot_get().
/// @param key       the key.
/// @param key_len   its length in bytes.
/// @param dst       the buffer. The whole value is written to it, or nothing; no NUL is added. May
///                  be NULL if capacity is 0.
/// @param capacity  how many bytes the buffer has.
/// @param needed    receives the length of the value, also with SLEDSTORE_BUFFER_TOO_SMALL; 0 on
///                  everything else.
/// @param error     see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_BUFFER_TOO_SMALL: there is a buffer, and it is too small;
/// SLEDSTORE_INVALID_ARGUMENT: needed is NULL, or dst is NULL and capacity is not 0, or key is NULL and key_len is not 0;
/// otherwise as sledstore_snapshot_get().
///
/// Threads: any number at once. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_snapshot_get_into(
    snapshot: *const sledstore_snapshot,
    keyspace: *const sledstore,
    key: *const c_void,
    key_len: usize,
    dst: *mut c_void,
    capacity: usize,
    needed: *mut usize,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    read::get_into((snapshot, keyspace), (key, key_len), (dst, capacity), needed, error)
}

/// Reads the values that several keys had, all at the one moment.
///
/// @param snapshot  the snapshot.
/// @param keyspace  as in sledstore_snapshot_get().
/// @param keys      the keys. May be NULL if count is 0.
/// @param count     how many there are.
/// @param values    an array of count entries. Each receives the value of the key in the same
///                  place, to be freed with sledstore_value_free(), or NULL if the key was not
///                  there; all are NULL on failure. May be NULL if count is 0.
/// @param error     see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK, also if keys were not there; SLEDSTORE_INVALID_ARGUMENT: keys or values is
/// NULL and count is not 0, or a key has data NULL and a length; otherwise as
/// sledstore_snapshot_get().
///
/// Threads: any number at once. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_snapshot_get_many(
    snapshot: *const sledstore_snapshot,
    keyspace: *const sledstore,
    keys: *const sledstore_bytes,
    count: usize,
    values: *mut *mut sledstore_value,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    read::get_many((snapshot, keyspace), (keys, count), values, error)
}

/// Says whether a key was there.
///
/// @param snapshot  the snapshot.
/// @param keyspace  as in sledstore_snapshot_get().
/// @param key       the key.
/// @param key_len   its length in bytes.
/// @param error     see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK: it was there; SLEDSTORE_KEY_NOT_FOUND: it was not, or had expired;
/// SLEDSTORE_INVALID_ARGUMENT: key is NULL and key_len is not 0; otherwise as
/// sledstore_snapshot_get().
///
/// Threads: any number at once. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_snapshot_contains(
    snapshot: *const sledstore_snapshot,
    keyspace: *const sledstore,
    key: *const c_void,
    key_len: usize,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    read::contains((snapshot, keyspace), (key, key_len), error)
}

/// Counts the keys that a keyspace had. It walks over them, so it takes as long as there are many.
///
/// @param snapshot  the snapshot.
/// @param keyspace  as in sledstore_snapshot_get().
/// @param count     receives the number; 0 on failure.
/// @param error     see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_INVALID_ARGUMENT: count is NULL; otherwise as
/// sledstore_snapshot_get().
///
/// Threads: any number at once. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_snapshot_count(
    snapshot: *const sledstore_snapshot,
    keyspace: *const sledstore,
    count: *mut u64,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    read::count((snapshot, keyspace), count, error)
}

/// Creates an iterator over a keyspace as the snapshot shows it. It stands outside of the rows: move
/// it first. It goes on when the snapshot is freed, and holds its moment until it is freed itself.
///
/// @param snapshot  the snapshot.
/// @param keyspace  as in sledstore_snapshot_get().
/// @param options   see sledstore_iter_options; NULL: all rows.
/// @param iter      receives the iterator, to be freed with sledstore_iter_free(); NULL on failure.
/// @param error     see sledstore_error; may be NULL.
///
/// Statuses: as sledstore_iter_new(). Its moves answer SLEDSTORE_CAPACITY_EXCEEDED where
/// sledstore_snapshot_get() would.
///
/// Threads: any number at once. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_snapshot_iter_new(
    snapshot: *const sledstore_snapshot,
    keyspace: *const sledstore,
    options: *const sledstore_iter_options,
    iter: *mut *mut sledstore_iter,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    read::iterate((snapshot, keyspace), options, iter, error)
}

/// Frees a snapshot. What was kept for it alone is gone with it.
///
/// @param snapshot  the snapshot; NULL does nothing.
///
/// Statuses: SLEDSTORE_OK, also for NULL; SLEDSTORE_CLOSED: it was freed before;
/// SLEDSTORE_REENTRANT: this thread is inside a call on the snapshot, that is, in a callback;
/// SLEDSTORE_WRONG_HANDLE; SLEDSTORE_FORKED; SLEDSTORE_PANIC.
///
/// Threads: any. A call of another thread on the snapshot comes to its end undisturbed, and the
/// snapshot is gone after it. Since 0.1.0.
#[unsafe(no_mangle)]
pub extern "C" fn sledstore_snapshot_free(snapshot: *mut sledstore_snapshot) -> sledstore_status {
    guard::free(snapshot)
}

/// Tells what snapshots, iterators and transactions hold in memory, all of this store together.
///
/// @param store     any handle of the store.
/// @param moments   receives how many of them hold a moment; a snapshot and its iterators hold one
///                  together. May be NULL; 0 on failure.
/// @param versions  receives how many overwritten or deleted rows are kept for them. May be NULL; 0
///                  on failure.
/// @param bytes     receives how many bytes of memory those rows take, roughly. May be NULL; 0 on
///                  failure.
/// @param error     see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; the handle statuses.
///
/// Threads: any number at once. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_snapshot_stats(
    store: *const sledstore,
    moments: *mut u64,
    versions: *mut u64,
    bytes: *mut u64,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    let moments = Output::cleared(moments);
    let (versions, bytes) = (Output::cleared(versions), Output::cleared(bytes));
    guard::enter(error, |call| {
        let stats = call.object(store)?.keyspace.snapshot_stats();
        moments.set(stats.live as u64);
        versions.set(stats.versions);
        bytes.set(stats.bytes);
        Ok(sledstore_status::SLEDSTORE_OK)
    })
}
