//! Keys that expire.

use std::ffi::c_void;
use std::time::Duration;

use oxistore_core::StoreError;

use crate::capi::boundary::arguments::Output;
use crate::capi::boundary::guard;
use crate::capi::error::sledstore_error;
use crate::capi::status::sledstore_status;
use crate::capi::store::sledstore;
use crate::capi::value::{self, sledstore_value};

/// Writes the value of a key that expires: from then on it is not there, for every function. Value
/// and time are written in one step.
///
/// While the store is open its time goes on by itself, also while the system is suspended: setting
/// the wall clock of the system changes no remaining life. On disk the end of a life is a time of
/// the wall clock, and the next opening compares it with the wall clock of then. A clock that was
/// set forward between two openings ends lives early by as much, and one that was set back ends
/// them late.
///
/// @param store      a handle of the keyspace.
/// @param key        the key, up to 4096 bytes.
/// @param key_len    its length in bytes.
/// @param value      the value, up to 1073741824 bytes (1 GiB).
/// @param value_len  its length in bytes.
/// @param ttl_ms     after how many milliseconds the key expires. 0: at once. A time too far in the
///                   future to be counted means the last moment that can be.
/// @param error      see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_UNSUPPORTED: the key or the value is too long;
/// SLEDSTORE_INVALID_ARGUMENT: key or value is NULL and its length is not 0; the handle statuses;
/// the engine statuses.
///
/// Threads: any number at once. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_put_with_ttl(
    store: *const sledstore,
    key: *const c_void,
    key_len: usize,
    value: *const c_void,
    value_len: usize,
    ttl_ms: u64,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::enter(error, |call| {
        let key = call.bytes("key", key, key_len)?;
        let value = call.bytes("value", value, value_len)?;
        let ttl = Duration::from_millis(ttl_ms);
        call.object(store)?.keyspace.put_with_ttl(key, value, ttl)?;
        Ok(sledstore_status::SLEDSTORE_OK)
    })
}

/// Sets when a key expires, and leaves its value as it is.
///
/// @param store    a handle of the keyspace.
/// @param key      the key.
/// @param key_len  its length in bytes.
/// @param ttl_ms   after how many milliseconds from now, as in sledstore_put_with_ttl().
/// @param error    see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_KEY_NOT_FOUND: the key is not there, or has expired;
/// SLEDSTORE_INVALID_ARGUMENT: key is NULL and key_len is not 0; the handle statuses; the engine
/// statuses.
///
/// Threads: any number at once. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_expire(
    store: *const sledstore,
    key: *const c_void,
    key_len: usize,
    ttl_ms: u64,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::enter(error, |call| {
        let key = call.bytes("key", key, key_len)?;
        call.object(store)?.keyspace.expire(key, Duration::from_millis(ttl_ms))?;
        Ok(sledstore_status::SLEDSTORE_OK)
    })
}

/// Reads a value and how long the key has still to live, as one write left them.
///
/// @param store    a handle of the keyspace.
/// @param key      the key.
/// @param key_len  its length in bytes.
/// @param value    receives the value, to be freed with sledstore_value_free(); NULL unless
///                 SLEDSTORE_OK or SLEDSTORE_NO_TTL.
/// @param ttl_ms   receives the milliseconds until the key expires, at least 1; 0 unless
///                 SLEDSTORE_OK.
/// @param error    see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK: the key is there and will expire; SLEDSTORE_NO_TTL: it is there and
/// never expires; SLEDSTORE_KEY_NOT_FOUND: it is not there, or has expired;
/// SLEDSTORE_INVALID_ARGUMENT: value or ttl_ms is NULL, or key is NULL and key_len is not 0;
/// SLEDSTORE_TOO_MANY_HANDLES; the handle statuses; the engine statuses.
///
/// Threads: any number at once. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_get_with_ttl(
    store: *const sledstore,
    key: *const c_void,
    key_len: usize,
    value: *mut *mut sledstore_value,
    ttl_ms: *mut u64,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    let (value, ttl_ms) = (Output::cleared(value), Output::cleared(ttl_ms));
    guard::enter(error, |call| {
        value.required("value")?;
        ttl_ms.required("ttl_ms")?;
        let key = call.bytes("key", key, key_len)?;
        let found = call.object(store)?.keyspace.get_with_ttl(key)?;
        let (bytes, ttl) = found.ok_or(StoreError::KeyNotFound)?;
        let status = value::give(&value, Some(bytes))?;
        let Some(ttl) = ttl else { return Ok(sledstore_status::SLEDSTORE_NO_TTL) };
        ttl_ms.set(milliseconds(ttl));
        Ok(status)
    })
}

/// A life that is longer than the number can say is as long as it can say, and a part of a millisecond
/// is a whole one.
pub(crate) fn milliseconds(life: Duration) -> u64 {
    u64::try_from(life.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

/// Tells how long a key has still to live.
///
/// @param store    a handle of the keyspace.
/// @param key      the key.
/// @param key_len  its length in bytes.
/// @param ttl_ms   receives the milliseconds until the key expires, at least 1; 0 unless
///                 SLEDSTORE_OK.
/// @param error    see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK: the key is there and will expire; SLEDSTORE_NO_TTL: it is there and
/// never expires; SLEDSTORE_KEY_NOT_FOUND: it is not there, or has expired;
/// SLEDSTORE_INVALID_ARGUMENT: ttl_ms is NULL, or key is NULL and key_len is not 0; the handle
/// statuses; the engine statuses.
///
/// Threads: any number at once. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_ttl(
    store: *const sledstore,
    key: *const c_void,
    key_len: usize,
    ttl_ms: *mut u64,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    let ttl_ms = Output::cleared(ttl_ms);
    guard::enter(error, |call| {
        ttl_ms.required("ttl_ms")?;
        let key = call.bytes("key", key, key_len)?;
        let Some(ttl) = call.object(store)?.keyspace.ttl(key)? else {
            return Ok(sledstore_status::SLEDSTORE_NO_TTL);
        };
        ttl_ms.set(milliseconds(ttl));
        Ok(sledstore_status::SLEDSTORE_OK)
    })
}

/// Makes a key stay: it never expires from then on.
///
/// @param store    a handle of the keyspace.
/// @param key      the key.
/// @param key_len  its length in bytes.
/// @param error    see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK: it would have expired, and will not now; SLEDSTORE_NO_TTL: it would not
/// have expired anyway; SLEDSTORE_KEY_NOT_FOUND: it is not there, or has expired;
/// SLEDSTORE_INVALID_ARGUMENT: key is NULL and key_len is not 0; the handle statuses; the engine
/// statuses.
///
/// Threads: any number at once. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_persist(
    store: *const sledstore,
    key: *const c_void,
    key_len: usize,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::enter(error, |call| {
        let key = call.bytes("key", key, key_len)?;
        Ok(match call.object(store)?.keyspace.persist(key)? {
            true => sledstore_status::SLEDSTORE_OK,
            false => sledstore_status::SLEDSTORE_NO_TTL,
        })
    })
}

/// Removes the expired keys of a keyspace from the files. They are not there for any function in
/// any case; this gives their space back.
///
/// @param store    a handle of the keyspace.
/// @param removed  receives how many keys were removed; 0 on failure.
/// @param error    see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_INVALID_ARGUMENT: removed is NULL; the handle statuses; the
/// engine statuses.
///
/// Threads: any number at once. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_purge_expired(
    store: *const sledstore,
    removed: *mut u64,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::give(removed, "removed", error, |call| {
        Ok(call.object(store)?.keyspace.purge_expired()?)
    })
}
