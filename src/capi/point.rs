//! Single keys: reading, writing, comparing.

use std::ffi::c_void;

use crate::capi::boundary::arguments::sledstore_bytes;
use crate::capi::boundary::guard;
use crate::capi::error::sledstore_error;
use crate::capi::read;
use crate::capi::status::sledstore_status;
use crate::capi::store::sledstore;
use crate::capi::value::sledstore_value;
use crate::{SledStore, StoreError};

/// Reads the value of a key, without copying it.
///
/// @param store    a handle of the keyspace.
/// @param key      the key.
/// @param key_len  its length in bytes; 0 is a key like any other.
/// @param value    receives the value, to be freed with sledstore_value_free(); NULL unless
///                 SLEDSTORE_OK. An empty value is a value: SLEDSTORE_OK, with length 0.
/// @param error    see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_KEY_NOT_FOUND: the key is not there, or has expired;
/// SLEDSTORE_INVALID_ARGUMENT: value is NULL, or key is NULL and key_len is not 0;
/// SLEDSTORE_TOO_MANY_HANDLES: too many live handles; the handle statuses; the engine statuses.
///
/// Threads: any number at once. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_get(
    store: *const sledstore,
    key: *const c_void,
    key_len: usize,
    value: *mut *mut sledstore_value,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    read::get(store, (key, key_len), value, error)
}

/// Reads the value of a key into a buffer of the caller's. Creates nothing that has to be freed.
///
/// To learn the length only, call it with dst NULL and capacity 0.
///
/// @param store     a handle of the keyspace.
/// @param key       the key.
/// @param key_len   its length in bytes.
/// @param dst       the buffer. The whole value is written to it, or nothing; no NUL is added. May
///                  be NULL if capacity is 0.
/// @param capacity  how many bytes the buffer has.
/// @param needed    receives the length of the value, also with SLEDSTORE_BUFFER_TOO_SMALL; 0 on
///                  everything else.
/// @param error     see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_KEY_NOT_FOUND: the key is not there, or has expired;
/// SLEDSTORE_BUFFER_TOO_SMALL: there is a buffer, and it is too small; SLEDSTORE_INVALID_ARGUMENT: needed is
/// NULL, or dst is NULL and capacity is not 0, or key is NULL and key_len is not 0; the handle
/// statuses; the engine statuses.
///
/// Threads: any number at once. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_get_into(
    store: *const sledstore,
    key: *const c_void,
    key_len: usize,
    dst: *mut c_void,
    capacity: usize,
    needed: *mut usize,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    read::get_into(store, (key, key_len), (dst, capacity), needed, error)
}

/// Reads the values of several keys. Each key is read by itself: a write that happens at the same
/// time may be seen for one key and not for another.
///
/// @param store   a handle of the keyspace.
/// @param keys    the keys. May be NULL if count is 0.
/// @param count   how many there are.
/// @param values  an array of count entries. Each receives the value of the key in the same place,
///                to be freed with sledstore_value_free(), or NULL if the key is not there; all are
///                NULL on failure. May be NULL if count is 0.
/// @param error   see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK, also if keys are not there; SLEDSTORE_INVALID_ARGUMENT: keys or values
/// is NULL and count is not 0, or a key has data NULL and a length; SLEDSTORE_TOO_MANY_HANDLES: too
/// many live handles; the handle statuses; the engine statuses.
///
/// Threads: any number at once. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_get_many(
    store: *const sledstore,
    keys: *const sledstore_bytes,
    count: usize,
    values: *mut *mut sledstore_value,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    read::get_many(store, (keys, count), values, error)
}

/// Says whether a key is there, without reading its value.
///
/// @param store    a handle of the keyspace.
/// @param key      the key.
/// @param key_len  its length in bytes.
/// @param error    see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK: it is there; SLEDSTORE_KEY_NOT_FOUND: it is not there, or has expired;
/// SLEDSTORE_INVALID_ARGUMENT: key is NULL and key_len is not 0; the handle statuses; the engine
/// statuses.
///
/// Threads: any number at once. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_contains(
    store: *const sledstore,
    key: *const c_void,
    key_len: usize,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    read::contains(store, (key, key_len), error)
}

/// Writes the value of a key, whether the key was there or not. The key never expires from then on;
/// see sledstore_put_with_ttl() for one that does.
///
/// @param store      a handle of the keyspace.
/// @param key        the key, up to 4096 bytes.
/// @param key_len    its length in bytes; 0 is a key like any other.
/// @param value      the value, up to 1073741824 bytes (1 GiB).
/// @param value_len  its length in bytes; 0 is a value like any other.
/// @param error      see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_UNSUPPORTED: the key or the value is too long;
/// SLEDSTORE_INVALID_ARGUMENT: key or value is NULL and its length is not 0; the handle statuses;
/// the engine statuses.
///
/// Threads: any number at once. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_put(
    store: *const sledstore,
    key: *const c_void,
    key_len: usize,
    value: *const c_void,
    value_len: usize,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::enter(error, |call| {
        let key = call.bytes("key", key, key_len)?;
        let value = call.bytes("value", value, value_len)?;
        call.object(store)?.keyspace.put(key, value)?;
        Ok(sledstore_status::SLEDSTORE_OK)
    })
}

/// Deletes a key. A key that is not there is no failure.
///
/// @param store    a handle of the keyspace.
/// @param key      the key.
/// @param key_len  its length in bytes.
/// @param error    see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK: the key is not there now; SLEDSTORE_INVALID_ARGUMENT: key is NULL and
/// key_len is not 0; the handle statuses; the engine statuses.
///
/// Threads: any number at once. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_delete(
    store: *const sledstore,
    key: *const c_void,
    key_len: usize,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::enter(error, |call| {
        let key = call.bytes("key", key, key_len)?;
        call.object(store)?.keyspace.delete(key)?;
        Ok(sledstore_status::SLEDSTORE_OK)
    })
}

/// Writes or deletes a key if its value is what the caller expects, in one step: no other write can
/// come in between. A key that is written never expires from then on.
///
/// @param store     a handle of the keyspace.
/// @param key       the key.
/// @param key_len   its length in bytes.
/// @param expected  the value that the key must have; NULL: the key must not be there. An expired
///                  key is not there.
/// @param desired   the value to write; NULL: delete the key.
/// @param error     see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK: it was as expected, and is as desired now; SLEDSTORE_CAS_MISMATCH: it
/// was not, and nothing was changed; SLEDSTORE_UNSUPPORTED: the key or the value is too long;
/// SLEDSTORE_INVALID_ARGUMENT: key is NULL and key_len is not 0, or expected or desired points to
/// bytes with data NULL and a length; the handle statuses; the engine statuses.
///
/// Threads: any number at once. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_compare_and_swap(
    store: *const sledstore,
    key: *const c_void,
    key_len: usize,
    expected: *const sledstore_bytes,
    desired: *const sledstore_bytes,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::enter(error, |call| {
        let key = call.bytes("key", key, key_len)?;
        let expected = call.bytes_or_null("expected", expected)?;
        let desired = call.bytes_or_null("desired", desired)?;
        Ok(match swap(&call.object(store)?.keyspace, key, expected, desired)? {
            true => sledstore_status::SLEDSTORE_OK,
            false => sledstore_status::SLEDSTORE_CAS_MISMATCH,
        })
    })
}

fn swap(
    keyspace: &SledStore,
    key: &[u8],
    expected: Option<&[u8]>,
    desired: Option<&[u8]>,
) -> Result<bool, StoreError> {
    match (expected, desired) {
        (expected, Some(desired)) => keyspace.compare_and_swap(key, expected, desired),
        (Some(expected), None) => keyspace.compare_and_delete(key, expected),
        // Deleting a key that must not be there: only the comparison is left to do.
        (None, None) => Ok(!keyspace.contains(key)?),
    }
}
