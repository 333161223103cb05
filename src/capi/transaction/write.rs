//! The writes of transactions.

use std::ffi::c_void;
use std::time::Duration;

use crate::capi::boundary::guard;
use crate::capi::error::sledstore_error;
use crate::capi::status::sledstore_status;
use crate::capi::store::sledstore;
use crate::capi::transaction::{self, sledstore_txn};

/// Writes the value of a key, like sledstore_put(), once the transaction is committed.
///
/// @param txn        the transaction.
/// @param keyspace   as in sledstore_txn_get().
/// @param key        the key, up to 4096 bytes. It is copied.
/// @param key_len    its length in bytes.
/// @param value      the value, up to 1073741824 bytes (1 GiB). It is copied.
/// @param value_len  its length in bytes.
/// @param error      see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_UNSUPPORTED: the key or the value is too long;
/// SLEDSTORE_INVALID_ARGUMENT: key or value is NULL and its length is not 0, or keyspace is one of
/// another store;
/// SLEDSTORE_BUSY: another thread is using the transaction; SLEDSTORE_TXN_OVER: it was
/// committed or rolled back; the handle statuses. After a failure the transaction is as before.
///
/// Threads: one at a time for each transaction. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_txn_put(
    txn: *mut sledstore_txn,
    keyspace: *const sledstore,
    key: *const c_void,
    key_len: usize,
    value: *const c_void,
    value_len: usize,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::enter(error, |call| {
        let key = call.bytes("key", key, key_len)?;
        let value = call.bytes("value", value, value_len)?;
        transaction::with(call, txn, keyspace, |keyspace| keyspace.put(key, value))?;
        Ok(sledstore_status::SLEDSTORE_OK)
    })
}

/// Writes the value of a key that expires, like sledstore_put_with_ttl(), once the transaction is
/// committed.
///
/// @param txn        the transaction.
/// @param keyspace   as in sledstore_txn_get().
/// @param key        the key, up to 4096 bytes. It is copied.
/// @param key_len    its length in bytes.
/// @param value      the value, up to 1073741824 bytes (1 GiB). It is copied.
/// @param value_len  its length in bytes.
/// @param ttl_ms     after how many milliseconds the key expires, counted from the commit.
/// @param error      see sledstore_error; may be NULL.
///
/// Statuses: as sledstore_txn_put().
///
/// Threads: one at a time for each transaction. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_txn_put_with_ttl(
    txn: *mut sledstore_txn,
    keyspace: *const sledstore,
    key: *const c_void,
    key_len: usize,
    value: *const c_void,
    value_len: usize,
    ttl_ms: u64,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::enter(error, |call| {
        let ttl = Duration::from_millis(ttl_ms);
        let key = call.bytes("key", key, key_len)?;
        let value = call.bytes("value", value, value_len)?;
        transaction::with(call, txn, keyspace, |keyspace| keyspace.put_with_ttl(key, value, ttl))?;
        Ok(sledstore_status::SLEDSTORE_OK)
    })
}

/// Deletes a key, like sledstore_delete(), once the transaction is committed.
///
/// @param txn       the transaction.
/// @param keyspace  as in sledstore_txn_get().
/// @param key       the key. It is copied.
/// @param key_len   its length in bytes.
/// @param error     see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_INVALID_ARGUMENT: key is NULL and key_len is not 0, or keyspace
/// is one of another store; SLEDSTORE_BUSY: another thread is
/// using the transaction; SLEDSTORE_TXN_OVER: it was committed or rolled back; the handle
/// statuses. After a failure the transaction is as before.
///
/// Threads: one at a time for each transaction. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_txn_delete(
    txn: *mut sledstore_txn,
    keyspace: *const sledstore,
    key: *const c_void,
    key_len: usize,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::enter(error, |call| {
        let key = call.bytes("key", key, key_len)?;
        transaction::with(call, txn, keyspace, |keyspace| keyspace.delete(key))?;
        Ok(sledstore_status::SLEDSTORE_OK)
    })
}

/// Merges an operand into a key, like sledstore_merge(), in the transaction: of what the transaction
/// has made of the key, or else of what it reads, and that counts as read. The operator is called
/// during this call.
///
/// @param txn          the transaction.
/// @param keyspace     as in sledstore_txn_get(); it has to have a merge operator.
/// @param key          the key, up to 4096 bytes. It is copied.
/// @param key_len      its length in bytes.
/// @param operand      the operand.
/// @param operand_len  its length in bytes.
/// @param error        see sledstore_error; may be NULL.
///
/// Statuses: as sledstore_txn_put(); SLEDSTORE_UNSUPPORTED: also if the keyspace has no operator, or the
/// new value is too long; SLEDSTORE_MERGE_FAILED: the operator has failed, see sledstore_merge();
/// SLEDSTORE_CAPACITY_EXCEEDED: as sledstore_txn_get(); SLEDSTORE_REENTRANT: this thread is inside a
/// merge operator; the engine statuses. After a failure the transaction is as before.
///
/// Threads: one at a time for each transaction. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_txn_merge(
    txn: *mut sledstore_txn,
    keyspace: *const sledstore,
    key: *const c_void,
    key_len: usize,
    operand: *const c_void,
    operand_len: usize,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::enter(error, |call| {
        let key = call.bytes("key", key, key_len)?;
        let operand = call.bytes("operand", operand, operand_len)?;
        transaction::with(call, txn, keyspace, |keyspace| keyspace.merge(key, operand))?;
        Ok(sledstore_status::SLEDSTORE_OK)
    })
}
