//! Expiries in a transaction, and the swap of a value.

use std::ffi::c_void;
use std::time::Duration;

use crate::capi::boundary::arguments::{sledstore_bytes, Output};
use crate::capi::boundary::guard;
use crate::capi::error::sledstore_error;
use crate::capi::expiry::milliseconds;
use crate::capi::status::sledstore_status;
use crate::capi::store::sledstore;
use crate::capi::transaction::{self, sledstore_txn};
use crate::{StoreError, TransactionKeyspace};

/// Tells how long a key had still to live when the transaction began. It counts as read. Of a key
/// that the transaction itself has written it tells all of the time that it gave it.
///
/// @param txn       the transaction.
/// @param keyspace  as in sledstore_txn_get().
/// @param key       the key.
/// @param key_len   its length in bytes.
/// @param ttl_ms    receives the milliseconds until the key expires, at least 1; 0 unless
///                  SLEDSTORE_OK.
/// @param error     see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK: the key is there and will expire; SLEDSTORE_NO_TTL: it is there and never
/// expires; SLEDSTORE_KEY_NOT_FOUND: it is not there, or had expired when the transaction began;
/// SLEDSTORE_INVALID_ARGUMENT: ttl_ms is NULL, or key is NULL and key_len is not 0; otherwise as
/// sledstore_txn_get().
///
/// Threads: one at a time for each transaction. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_txn_ttl(
    txn: *mut sledstore_txn,
    keyspace: *const sledstore,
    key: *const c_void,
    key_len: usize,
    ttl_ms: *mut u64,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    let ttl_ms = Output::cleared(ttl_ms);
    guard::enter(error, |call| {
        ttl_ms.required("ttl_ms")?;
        let key = call.bytes("key", key, key_len)?;
        let ttl = transaction::with(call, txn, keyspace, |keyspace| keyspace.ttl(key))?;
        let Some(ttl) = ttl else { return Ok(sledstore_status::SLEDSTORE_NO_TTL) };
        ttl_ms.set(milliseconds(ttl));
        Ok(sledstore_status::SLEDSTORE_OK)
    })
}

/// Sets when a key expires, like sledstore_expire(), once the transaction is committed. The key
/// counts as read.
///
/// @param txn       the transaction.
/// @param keyspace  as in sledstore_txn_get().
/// @param key       the key.
/// @param key_len   its length in bytes.
/// @param ttl_ms    after how many milliseconds, counted from the commit, as in
///                  sledstore_put_with_ttl().
/// @param error     see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_KEY_NOT_FOUND: the key is not there, or had expired when the
/// transaction began; SLEDSTORE_INVALID_ARGUMENT: key is NULL and key_len is not 0; otherwise as
/// sledstore_txn_get().
///
/// Threads: one at a time for each transaction. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_txn_expire(
    txn: *mut sledstore_txn,
    keyspace: *const sledstore,
    key: *const c_void,
    key_len: usize,
    ttl_ms: u64,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::enter(error, |call| {
        let (key, ttl) = (call.bytes("key", key, key_len)?, Duration::from_millis(ttl_ms));
        transaction::with(call, txn, keyspace, |keyspace| keyspace.expire(key, ttl))?;
        Ok(sledstore_status::SLEDSTORE_OK)
    })
}

/// Makes a key stay, like sledstore_persist(), once the transaction is committed. The key counts as
/// read.
///
/// @param txn       the transaction.
/// @param keyspace  as in sledstore_txn_get().
/// @param key       the key.
/// @param key_len   its length in bytes.
/// @param error     see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK: it would have expired, and will not; SLEDSTORE_NO_TTL: it would not have
/// expired anyway; SLEDSTORE_KEY_NOT_FOUND: it is not there, or had expired when the transaction
/// began; SLEDSTORE_INVALID_ARGUMENT: key is NULL and key_len is not 0; otherwise as
/// sledstore_txn_get().
///
/// Threads: one at a time for each transaction. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_txn_persist(
    txn: *mut sledstore_txn,
    keyspace: *const sledstore,
    key: *const c_void,
    key_len: usize,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::enter(error, |call| {
        let key = call.bytes("key", key, key_len)?;
        Ok(match transaction::with(call, txn, keyspace, |keyspace| keyspace.persist(key))? {
            true => sledstore_status::SLEDSTORE_OK,
            false => sledstore_status::SLEDSTORE_NO_TTL,
        })
    })
}

/// Writes or deletes a key, once the transaction is committed, if its value is what the caller
/// expects. The key counts as read.
///
/// @param txn       the transaction.
/// @param keyspace  as in sledstore_txn_get().
/// @param key       the key. It is copied.
/// @param key_len   its length in bytes.
/// @param expected  the value that the key must have; NULL: the key must not be there.
/// @param desired   the value to write, which never expires; NULL: delete the key. It is copied.
/// @param error     see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK: it is as expected; SLEDSTORE_CAS_MISMATCH: it is not, and the transaction
/// has not written it; SLEDSTORE_UNSUPPORTED: the key or the value is too long;
/// SLEDSTORE_INVALID_ARGUMENT: also if key is NULL and key_len is not 0, or expected or desired
/// points to bytes with data NULL and a length; otherwise as sledstore_txn_get().
///
/// Threads: one at a time for each transaction. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_txn_compare_and_swap(
    txn: *mut sledstore_txn,
    keyspace: *const sledstore,
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
        let swap = |keyspace: &TransactionKeyspace| swap(keyspace, key, expected, desired);
        Ok(match transaction::with(call, txn, keyspace, swap)? {
            true => sledstore_status::SLEDSTORE_OK,
            false => sledstore_status::SLEDSTORE_CAS_MISMATCH,
        })
    })
}

fn swap(
    keyspace: &TransactionKeyspace,
    key: &[u8],
    expected: Option<&[u8]>,
    desired: Option<&[u8]>,
) -> Result<bool, StoreError> {
    match desired {
        Some(desired) => keyspace.compare_and_swap(key, expected, desired),
        None => keyspace.compare_and_delete(key, expected),
    }
}
