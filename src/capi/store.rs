//! Stores: opening, keyspaces, and what concerns all keys.

use std::ffi::{c_char, c_void};
use std::sync::Arc;

use crate::capi::boundary::arguments::{Call, Output, OutputArray};
use crate::capi::boundary::fork;
use crate::capi::boundary::guard;
use crate::capi::error::{sledstore_error, Fail};
use crate::capi::handles::store_handles::{StoreHandles, PATIENCE};
use crate::capi::handles::{self, opaque, Token};
use crate::capi::options::{
    check_flags, sledstore_open_options, SLEDSTORE_KEYSPACE_MUST_EXIST, SLEDSTORE_OPEN_TEMPORARY,
};
use crate::capi::read::Source;
use crate::capi::status::sledstore_status;
use crate::capi::value::{self, sledstore_value};
use crate::{Bytes, SledStore, StoreError};

/// A store, seen through one of its keyspaces.
///
/// sledstore_open() gives a handle to the default keyspace; sledstore_open_keyspace() gives handles to
/// the others. Every function works on every one of them.
///
/// Any number of threads may use one handle at once. The store is open until sledstore_close() is
/// called on any of its handles, or until the last of them was released and the last iterator,
/// snapshot and transaction is gone.
/// A batch that names a keyspace does not keep the store open. Since 0.1.0.
#[allow(non_camel_case_types)]
pub struct sledstore;

/// What a store handle stands for.
pub(crate) struct StoreObject {
    pub(crate) keyspace: SledStore,
    pub(crate) shared: Arc<StoreHandles>,
}

impl StoreObject {
    pub(crate) fn new(keyspace: SledStore, shared: Arc<StoreHandles>) -> Self {
        StoreObject { keyspace, shared }
    }
}

opaque!(sledstore, Store, StoreObject);

impl Source for *const sledstore {
    type Rows = SledStore;

    fn read<R>(
        self,
        call: &Call,
        read: impl FnOnce(&SledStore) -> crate::Result<R>,
    ) -> Result<R, Fail> {
        Ok(read(&call.object(self)?.keyspace)?)
    }
}

/// Opens the store in a directory, and creates it with all its parent directories if it is not
/// there.
///
/// One directory is open once at a time, in one process.
///
/// @param path     the directory: the bytes of a file system path with a NUL at the end, not
///                 necessarily UTF-8. It is copied.
/// @param options  see sledstore_open_options; NULL: all defaults.
/// @param store    receives a handle to the default keyspace, to be given to sledstore_close() or
///                 sledstore_release(); NULL on failure.
/// @param error    see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_LOCKED: the directory is open elsewhere, and stayed so for
/// lock_timeout_ms; SLEDSTORE_ALREADY_EXISTS: there is a store, with SLEDSTORE_OPEN_MUST_CREATE, or
/// anything, with SLEDSTORE_OPEN_TEMPORARY; SLEDSTORE_INVALID_ARGUMENT: path or store is NULL, path
/// is empty, or an option is wrong; SLEDSTORE_UNSUPPORTED: an option that this build does not have,
/// or a segment_size that is not allowed; SLEDSTORE_TOO_MANY_HANDLES: too many live handles;
/// SLEDSTORE_FORKED; SLEDSTORE_PANIC; the engine statuses, among them SLEDSTORE_IO with ENOENT for
/// SLEDSTORE_OPEN_TEMPORARY, with ENOTDIR if path is a file, and with ENAMETOOLONG if the absolute
/// path has more than 4,053 bytes.
///
/// Threads: any number at once. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_open(
    path: *const c_char,
    options: *const sledstore_open_options,
    store: *mut *mut sledstore,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::give(store, "store", error, |call| {
        let path = call.path(path)?;
        let builder = call.options(options)?.builder()?;
        watch_for_forks()?;
        let opened = builder.build(path).map_err(|error| Fail::opening(error, path))?;
        Ok(StoreHandles::new().add_handle(opened)?.publish())
    })
}

/// Opens a new, empty store in a directory of its own below the system's directory for temporary
/// files (the environment variable TMPDIR, or /tmp). Closing the store removes it.
///
/// @param options  see sledstore_open_options; NULL: all defaults. SLEDSTORE_OPEN_MUST_EXIST and
///                 SLEDSTORE_OPEN_READ_ONLY are not allowed.
/// @param store    receives a handle to the default keyspace, to be given to sledstore_close() or
///                 sledstore_release(); NULL on failure.
/// @param error    see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_INVALID_ARGUMENT: store is NULL, or an option makes no sense;
/// SLEDSTORE_UNSUPPORTED: an option that this build does not have, or a segment_size that is not
/// allowed; SLEDSTORE_TOO_MANY_HANDLES: too many live handles; SLEDSTORE_FORKED; SLEDSTORE_PANIC;
/// the engine statuses.
///
/// Threads: any number at once. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_open_temporary(
    options: *const sledstore_open_options,
    store: *mut *mut sledstore,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::give(store, "store", error, |call| {
        let mut options = call.options(options)?;
        options.flags |= SLEDSTORE_OPEN_TEMPORARY;
        let builder = options.builder()?;
        watch_for_forks()?;
        let opened = builder.build_temporary()?;
        Ok(StoreHandles::new().add_handle(opened)?.publish())
    })
}

fn watch_for_forks() -> Result<(), Fail> {
    match fork::watch() {
        true => Ok(()),
        false => Err(Fail::new(
            sledstore_status::SLEDSTORE_OTHER,
            "the system has no memory to watch for forks",
        )),
    }
}

/// Closes a store: whatever was written is flushed, every handle of the store ends, and the
/// directory can be opened again, by anybody, when the call returns.
///
/// The handles of all keyspaces of the store end with it. They must not be released afterwards;
/// any call on them answers SLEDSTORE_CLOSED. Values and batches stay valid, but a batch that names a
/// keyspace of this store can no longer be applied.
///
/// Calls that other threads are in are waited for, 10 seconds at most; calls that begin meanwhile
/// answer SLEDSTORE_CLOSED. After SLEDSTORE_BUSY the store is open and usable as before. After
/// SLEDSTORE_IO or another engine status it is closed all the same if the handle then answers
/// SLEDSTORE_CLOSED; what was not flushed may be lost.
///
/// @param store  any handle of the store; NULL does nothing.
/// @param error  see sledstore_error; may be NULL. After SLEDSTORE_BUSY its message says how many
///               iterators, snapshots and transactions are open, or how many threads are in calls.
///
/// Statuses: SLEDSTORE_OK, also for NULL; SLEDSTORE_BUSY: iterators, snapshots or transactions are open, or calls
/// of other threads did not come back; SLEDSTORE_REENTRANT: this thread is inside a call on the
/// store, that is, in a callback; SLEDSTORE_CLOSED: it was closed before, or another thread is
/// closing it; the handle statuses; the engine statuses.
///
/// Threads: any. If two close the same store at once, one does it and the other is refused. Since
/// 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_close(
    store: *mut sledstore,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::enter(error, |call| {
        if store.is_null() {
            return Ok(sledstore_status::SLEDSTORE_OK);
        }
        // The right to use the handle has to end here: closing waits until nobody has one.
        let (keyspace, shared) = {
            let store = call.object(store)?;
            (store.keyspace.clone(), store.shared.clone())
        };
        shared.close(keyspace, PATIENCE)?;
        Ok(sledstore_status::SLEDSTORE_OK)
    })
}

/// Gives one handle up. The store is closed when its last handle was given up and its last
/// iterator, snapshot and transaction is gone, whichever comes last; that last call then returns
/// when the directory can be opened again.
///
/// This is for hosts that free things in any order, such as garbage collectors. It cannot tell
/// whether the last flush succeeded; sledstore_close() can.
///
/// @param store  the handle; it is gone after SLEDSTORE_OK. NULL does nothing.
/// @param error  see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK, also for NULL; SLEDSTORE_REENTRANT: this thread is inside a call on this handle, that
/// is, in a callback; the handle statuses.
///
/// Threads: any. A call of another thread on the same handle comes to its end undisturbed, and the
/// handle is given up after it. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_release(
    store: *mut sledstore,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::enter(error, |call| {
        if store.is_null() {
            return Ok(sledstore_status::SLEDSTORE_OK);
        }
        let shared = call.object(store)?.shared.clone();
        if let Some(token) = Token::of(store.cast_const()) {
            handles::free(token, handles::Kind::Store)?;
            shared.remove_handle(token);
        }
        Ok(sledstore_status::SLEDSTORE_OK)
    })
}

/// Opens a keyspace of the store, and creates it if it is not there. Keyspaces are separate: the
/// same key can have a value in each of them.
///
/// @param store     any handle of the store.
/// @param name      the name: 1 to 255 bytes that do not start with two underscores. "default" is
///                  the keyspace that sledstore_open() gives.
/// @param name_len  its length in bytes.
/// @param flags     SLEDSTORE_KEYSPACE_MUST_EXIST: do not create it; 0: create it.
/// @param keyspace  receives a handle of its own, to be given to sledstore_release(), or to end
///                  when the store is closed; NULL unless SLEDSTORE_OK.
/// @param error     see sledstore_error; may be NULL.
///
/// A store has room for a bounded number of keyspaces: 29,000 with names of 10 bytes or 2,500 with
/// names of 255, where segments have 8 MiB as they have by default; smaller segments have room for
/// as much less as they are smaller. A keyspace that is there always opens; dropping one makes room.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_NOT_FOUND: it is not there, with
/// SLEDSTORE_KEYSPACE_MUST_EXIST; SLEDSTORE_UNSUPPORTED: a name that is not allowed, one keyspace too
/// many, or a flag that this version does not know; SLEDSTORE_INVALID_ARGUMENT: keyspace is NULL, or name is NULL and name_len is not 0;
/// SLEDSTORE_TOO_MANY_HANDLES: too many live handles; the handle statuses; the engine statuses.
///
/// Threads: any number at once. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_open_keyspace(
    store: *const sledstore,
    name: *const c_void,
    name_len: usize,
    flags: u64,
    keyspace: *mut *mut sledstore,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::give(keyspace, "keyspace", error, |call| {
        let name = call.bytes("name", name, name_len)?;
        check_flags(flags, SLEDSTORE_KEYSPACE_MUST_EXIST)?;
        let store = call.object(store)?;
        let opened = match flags & SLEDSTORE_KEYSPACE_MUST_EXIST {
            0 => store.keyspace.keyspace(name)?,
            _ => store.keyspace.existing_keyspace(name)?.ok_or(StoreError::NotFound)?,
        };
        Ok(store.shared.add_handle(opened)?.publish())
    })
}

/// Removes a keyspace with everything in it. From then on its handles answer
/// SLEDSTORE_KEYSPACE_DROPPED to everything that concerns its keys, also when a keyspace of the same name is created again; what
/// concerns the whole store, such as a flush, they still do, and they still have to be released. Its
/// iterators answer SLEDSTORE_KEYSPACE_DROPPED too, and still have to be freed.
///
/// @param store     any handle of the store.
/// @param name      the name of the keyspace to remove.
/// @param name_len  its length in bytes.
/// @param error     see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_NOT_FOUND: there is no such keyspace; SLEDSTORE_UNSUPPORTED:
/// it is the default keyspace, or a name that is not allowed; SLEDSTORE_INVALID_ARGUMENT: name is
/// NULL and name_len is not 0; the handle statuses; the engine statuses.
///
/// Threads: any number at once. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_drop_keyspace(
    store: *const sledstore,
    name: *const c_void,
    name_len: usize,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::enter(error, |call| {
        let name = call.bytes("name", name, name_len)?;
        Ok(match call.object(store)?.keyspace.drop_keyspace(name)? {
            true => sledstore_status::SLEDSTORE_OK,
            false => sledstore_status::SLEDSTORE_NOT_FOUND,
        })
    })
}

/// Gives the names of all keyspaces, in the order of their bytes, "default" among them.
///
/// To learn how many there are, call it with names NULL and capacity 0: it sets count, and gives no
/// name.
///
/// @param store     any handle of the store.
/// @param names     an array for the names. Each of the first count entries receives a value, to be
///                  freed with sledstore_value_free(); all entries are NULL on failure. May be NULL
///                  if capacity is 0.
/// @param capacity  how many entries the array has.
/// @param count     receives the number of keyspaces, also with SLEDSTORE_BUFFER_TOO_SMALL; 0 on
///                  any other failure.
/// @param error     see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_BUFFER_TOO_SMALL: capacity is less than count, and no name was
/// given; SLEDSTORE_INVALID_ARGUMENT: count is NULL, or names is NULL and capacity is not 0;
/// SLEDSTORE_TOO_MANY_HANDLES: too many live handles; the handle statuses; the engine statuses.
///
/// Threads: any number at once. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_keyspace_names(
    store: *const sledstore,
    names: *mut *mut sledstore_value,
    capacity: usize,
    count: *mut usize,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    let (names, count) = (OutputArray::cleared(names, capacity), Output::cleared(count));
    guard::enter(error, |call| {
        names.required("names")?;
        count.required("count")?;
        let found = call.object(store)?.keyspace.keyspace_names()?;
        let needed = found.len();
        if !names.is_absent() && needed > capacity {
            count.set(needed);
            return Err(value::too_small("names", needed, capacity));
        }
        if !names.is_absent() {
            let found = found.into_iter().map(|name| Some(Bytes::from(name)));
            names.fill(value::publish_all(found)?);
        }
        count.set(needed);
        Ok(sledstore_status::SLEDSTORE_OK)
    })
}
