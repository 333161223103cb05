//! Deleting all keys of a range, or of a keyspace.

use std::ffi::c_void;

use crate::capi::batch::sledstore_batch;
use crate::capi::boundary::arguments::Call;
use crate::capi::boundary::guard;
use crate::capi::error::{sledstore_error, Fail};
use crate::capi::status::sledstore_status;
use crate::capi::store::sledstore;
use crate::capi::transaction::{self, sledstore_txn};

/// One end of a range of the caller's; None for NULL.
fn end<'call>(
    call: &'call Call,
    what: &str,
    key: *const c_void,
    len: usize,
) -> Result<Option<&'call [u8]>, Fail> {
    let bytes = call.bytes(what, key, len)?;
    Ok((!key.is_null()).then_some(bytes))
}

/// Deletes all keys from one key up to, not including, another one, at one moment: every read that
/// begins afterwards sees none of them, and snapshots that were taken before show all of them. NULL
/// means that there is no such limit; not NULL with length 0 is the empty key.
///
/// It takes the same short time however many keys there are. Their space is given back in the
/// background, which takes as long as deleting each of them; until then sledstore_flush() is not held
/// up, but sledstore_compact(), sledstore_close(), and writes that come faster than the library can
/// bring them into its main file may have to wait for it.
///
/// For transactions it is a write of every key of the range, also of those that are not there.
///
/// @param store   a handle of the keyspace.
/// @param lo      the smallest key to delete; NULL: from the first one on.
/// @param lo_len  its length in bytes.
/// @param hi      the key to stop before; NULL: up to the last one. If it is not above lo, nothing
///                is deleted.
/// @param hi_len  its length in bytes.
/// @param error   see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK, also if there was no key; SLEDSTORE_INVALID_ARGUMENT: lo or hi is NULL and
/// its length is not 0; the handle statuses; the engine statuses.
///
/// Threads: any number at once. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_delete_range(
    store: *const sledstore,
    lo: *const c_void,
    lo_len: usize,
    hi: *const c_void,
    hi_len: usize,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::enter(error, |call| {
        let (lo, hi) = (end(call, "lo", lo, lo_len)?, end(call, "hi", hi, hi_len)?);
        call.object(store)?.keyspace.delete_range(lo, hi)?;
        Ok(sledstore_status::SLEDSTORE_OK)
    })
}

/// Deletes all keys of a keyspace, like sledstore_delete_range() without limits. The keyspace stays,
/// and so do its handles; the default keyspace can be cleared too.
///
/// @param store  a handle of the keyspace.
/// @param error  see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; the handle statuses; the engine statuses.
///
/// Threads: any number at once. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_clear(
    store: *const sledstore,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::enter(error, |call| {
        call.object(store)?.keyspace.clear()?;
        Ok(sledstore_status::SLEDSTORE_OK)
    })
}

/// Adds the deletion of all keys of a range to a batch, like sledstore_delete_range(). Of what the
/// batch does to a key of the range, that counts which was added after this.
///
/// @param batch     the batch.
/// @param keyspace  as in sledstore_batch_put().
/// @param lo        the smallest key to delete; NULL: from the first one on. It is copied.
/// @param lo_len    its length in bytes.
/// @param hi        the key to stop before; NULL: up to the last one. It is copied.
/// @param hi_len    its length in bytes.
/// @param error     see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_INVALID_ARGUMENT: lo or hi is NULL and its length is not 0;
/// SLEDSTORE_BUSY: another thread is using the batch; the handle statuses. After a failure the batch
/// is as before.
///
/// Threads: one at a time for each batch. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_batch_delete_range(
    batch: *mut sledstore_batch,
    keyspace: *const sledstore,
    lo: *const c_void,
    lo_len: usize,
    hi: *const c_void,
    hi_len: usize,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::enter(error, |call| {
        let (batch, keyspace) = (call.object(batch)?, call.object_or_null(keyspace)?);
        let (lo, hi) = (end(call, "lo", lo, lo_len)?, end(call, "hi", hi, hi_len)?);
        batch.change(|batch| match keyspace {
            Some(store) => batch.delete_range_in(&store.keyspace, lo, hi),
            None => batch.delete_range(lo, hi),
        })?;
        Ok(sledstore_status::SLEDSTORE_OK)
    })
}

/// Deletes all keys of a range, like sledstore_delete_range(), once the transaction is committed;
/// keys too that others write to the range until then. Nothing of the range counts as read.
///
/// @param txn       the transaction.
/// @param keyspace  as in sledstore_txn_get().
/// @param lo        the smallest key to delete; NULL: from the first one on. It is copied.
/// @param lo_len    its length in bytes.
/// @param hi        the key to stop before; NULL: up to the last one. It is copied.
/// @param hi_len    its length in bytes.
/// @param error     see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_INVALID_ARGUMENT: lo or hi is NULL and its length is not 0, or
/// keyspace is one of another store; SLEDSTORE_BUSY: another
/// thread is using the transaction; SLEDSTORE_TXN_OVER: it was committed or rolled back; the handle
/// statuses. After a failure the transaction is as before.
///
/// Threads: one at a time for each transaction. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_txn_delete_range(
    txn: *mut sledstore_txn,
    keyspace: *const sledstore,
    lo: *const c_void,
    lo_len: usize,
    hi: *const c_void,
    hi_len: usize,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::enter(error, |call| {
        let (lo, hi) = (end(call, "lo", lo, lo_len)?, end(call, "hi", hi, hi_len)?);
        transaction::with(call, txn, keyspace, |keyspace| keyspace.delete_range(lo, hi))?;
        Ok(sledstore_status::SLEDSTORE_OK)
    })
}
