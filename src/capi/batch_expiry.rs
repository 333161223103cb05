//! Changes of expiries in a batch: those that need no answer.

use std::ffi::c_void;
use std::time::Duration;

use crate::capi::batch::sledstore_batch;
use crate::capi::boundary::guard;
use crate::capi::error::sledstore_error;
use crate::capi::status::sledstore_status;
use crate::capi::store::sledstore;

/// Adds to a batch that a key expires, like sledstore_expire(), if it is there when the batch is
/// applied; a batch has no answer for a key that is not. A key counts as there that the same batch
/// has put before.
///
/// @param batch     the batch.
/// @param keyspace  as in sledstore_batch_put().
/// @param key       the key. It is copied.
/// @param key_len   its length in bytes.
/// @param ttl_ms    after how many milliseconds, counted from when the batch is applied, as in
///                  sledstore_put_with_ttl().
/// @param error     see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_INVALID_ARGUMENT: key is NULL and key_len is not 0;
/// SLEDSTORE_BUSY: another thread is using the batch; the handle statuses. After a failure the batch
/// is as before.
///
/// Threads: one at a time for each batch. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_batch_expire(
    batch: *mut sledstore_batch,
    keyspace: *const sledstore,
    key: *const c_void,
    key_len: usize,
    ttl_ms: u64,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::enter(error, |call| {
        let (batch, keyspace) = (call.object(batch)?, call.object_or_null(keyspace)?);
        let (key, ttl) = (call.bytes("key", key, key_len)?, Duration::from_millis(ttl_ms));
        batch.change(|batch| match keyspace {
            Some(store) => batch.expire_in(&store.keyspace, key, ttl),
            None => batch.expire(key, ttl),
        })?;
        Ok(sledstore_status::SLEDSTORE_OK)
    })
}

/// Adds to a batch that a key never expires, like sledstore_persist(), if it is there when the batch
/// is applied, as in sledstore_batch_expire().
///
/// @param batch     the batch.
/// @param keyspace  as in sledstore_batch_put().
/// @param key       the key. It is copied.
/// @param key_len   its length in bytes.
/// @param error     see sledstore_error; may be NULL.
///
/// Statuses: as sledstore_batch_expire().
///
/// Threads: one at a time for each batch. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_batch_persist(
    batch: *mut sledstore_batch,
    keyspace: *const sledstore,
    key: *const c_void,
    key_len: usize,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::enter(error, |call| {
        let (batch, keyspace) = (call.object(batch)?, call.object_or_null(keyspace)?);
        let key = call.bytes("key", key, key_len)?;
        batch.change(|batch| match keyspace {
            Some(store) => batch.persist_in(&store.keyspace, key),
            None => batch.persist(key),
        })?;
        Ok(sledstore_status::SLEDSTORE_OK)
    })
}
