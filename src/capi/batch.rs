//! Batches: several writes that happen together.

use std::ffi::c_void;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::capi::boundary::arguments::{sledstore_bytes, sledstore_pair};
use crate::capi::boundary::exclusive::Exclusive;
use crate::capi::boundary::guard;
use crate::capi::error::{sledstore_error, Fail};
use crate::capi::handles::{self, opaque};
use crate::capi::options;
use crate::capi::status::sledstore_status;
use crate::capi::store::sledstore;
use crate::SledBatch;

/// A list of writes to be applied together: after sledstore_batch_apply() all of them are there, and
/// if it fails, or the process dies, none of them is. They may be in several keyspaces.
///
/// A batch belongs to no store. It can be applied more than once, and be reused with
/// sledstore_batch_clear(). One thread may use it at a time; a second one is told SLEDSTORE_BUSY.
/// Since 0.1.0.
#[allow(non_camel_case_types)]
pub struct sledstore_batch;

/// What a batch handle stands for.
pub(crate) struct BatchObject {
    changes: Exclusive<SledBatch>,
    /// How many changes it has, for threads that only ask.
    len: AtomicUsize,
}

impl BatchObject {
    pub(crate) fn new() -> Self {
        Self { changes: Exclusive::new(SledBatch::new()), len: AtomicUsize::new(0) }
    }

    /// Lets `change` alone use the batch.
    pub(crate) fn change(
        &self,
        change: impl FnOnce(&mut SledBatch) -> crate::Result<()>,
    ) -> Result<(), Fail> {
        let mut changes = self.changes.hold("batch")?;
        let result = change(&mut changes);
        self.len.store(changes.len(), Ordering::Release);
        Ok(result?)
    }
}

opaque!(sledstore_batch, Batch, BatchObject);

/// Creates an empty batch.
///
/// @param batch  receives the batch, to be freed with sledstore_batch_free(); NULL on failure.
/// @param error  see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_INVALID_ARGUMENT: batch is NULL; SLEDSTORE_TOO_MANY_HANDLES:
/// too many live handles; SLEDSTORE_FORKED; SLEDSTORE_PANIC.
///
/// Threads: any number at once. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_batch_new(
    batch: *mut *mut sledstore_batch,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::give(batch, "batch", error, |_| {
        Ok(handles::insert::<sledstore_batch>(BatchObject::new())?.publish())
    })
}

/// Adds a write to a batch, like sledstore_put(). Of several writes to one key the last one counts.
///
/// @param batch      the batch.
/// @param keyspace   a handle of the keyspace to write to; NULL: the one that the batch is applied
///                   to. The batch keeps hold of the keyspace: the handle may be released.
/// @param key        the key, up to 4096 bytes. It is copied.
/// @param key_len    its length in bytes.
/// @param value      the value, up to 1073741824 bytes (1 GiB). It is copied.
/// @param value_len  its length in bytes.
/// @param error      see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_UNSUPPORTED: the key or the value is too long;
/// SLEDSTORE_INVALID_ARGUMENT: key or value is NULL and its length is not 0; SLEDSTORE_BUSY: another
/// thread is using the batch; the handle statuses. After a failure the batch is as before.
///
/// Threads: one at a time for each batch. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_batch_put(
    batch: *mut sledstore_batch,
    keyspace: *const sledstore,
    key: *const c_void,
    key_len: usize,
    value: *const c_void,
    value_len: usize,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::enter(error, |call| {
        let batch = call.object(batch)?;
        let keyspace = call.object_or_null(keyspace)?;
        let key = call.bytes("key", key, key_len)?;
        let value = call.bytes("value", value, value_len)?;
        batch.change(|batch| match keyspace {
            Some(store) => batch.put_in(&store.keyspace, key, value),
            None => batch.put(key, value),
        })?;
        Ok(sledstore_status::SLEDSTORE_OK)
    })
}

/// Adds a write to a batch, like sledstore_put_with_ttl(). Of several writes to one key the last one
/// counts.
///
/// @param batch      the batch.
/// @param keyspace   as in sledstore_batch_put().
/// @param key        the key, up to 4096 bytes. It is copied.
/// @param key_len    its length in bytes.
/// @param value      the value, up to 1073741824 bytes (1 GiB). It is copied.
/// @param value_len  its length in bytes.
/// @param ttl_ms     after how many milliseconds the key expires, counted from when the batch is
///                   applied.
/// @param error      see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_UNSUPPORTED: the key or the value is too long;
/// SLEDSTORE_INVALID_ARGUMENT: key or value is NULL and its length is not 0; SLEDSTORE_BUSY: another
/// thread is using the batch; the handle statuses. After a failure the batch is as before.
///
/// Threads: one at a time for each batch. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_batch_put_with_ttl(
    batch: *mut sledstore_batch,
    keyspace: *const sledstore,
    key: *const c_void,
    key_len: usize,
    value: *const c_void,
    value_len: usize,
    ttl_ms: u64,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::enter(error, |call| {
        let (batch, ttl) = (call.object(batch)?, Duration::from_millis(ttl_ms));
        let keyspace = call.object_or_null(keyspace)?;
        let key = call.bytes("key", key, key_len)?;
        let value = call.bytes("value", value, value_len)?;
        batch.change(|batch| match keyspace {
            Some(store) => batch.put_with_ttl_in(&store.keyspace, key, value, ttl),
            None => batch.put_with_ttl(key, value, ttl),
        })?;
        Ok(sledstore_status::SLEDSTORE_OK)
    })
}

/// Adds the deletion of a key to a batch, like sledstore_delete().
///
/// @param batch     the batch.
/// @param keyspace  as in sledstore_batch_put().
/// @param key       the key. It is copied.
/// @param key_len   its length in bytes.
/// @param error     see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_INVALID_ARGUMENT: key is NULL and key_len is not 0;
/// SLEDSTORE_BUSY: another thread is using the batch; the handle statuses. After a failure the batch
/// is as before.
///
/// Threads: one at a time for each batch. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_batch_delete(
    batch: *mut sledstore_batch,
    keyspace: *const sledstore,
    key: *const c_void,
    key_len: usize,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::enter(error, |call| {
        let batch = call.object(batch)?;
        let keyspace = call.object_or_null(keyspace)?;
        let key = call.bytes("key", key, key_len)?;
        batch.change(|batch| match keyspace {
            Some(store) => batch.delete_in(&store.keyspace, key),
            None => batch.delete(key),
        })?;
        Ok(sledstore_status::SLEDSTORE_OK)
    })
}

/// Adds a merge to a batch, like sledstore_merge(). It is made when the batch is applied, of what the
/// key is then, or of what the writes and merges that come before it in the batch have made of the key.
///
/// @param batch        the batch.
/// @param keyspace     as in sledstore_batch_put(); it has to have a merge operator when the batch is
///                     applied.
/// @param key          the key, up to 4096 bytes. It is copied.
/// @param key_len      its length in bytes.
/// @param operand      the operand, up to 1073741824 bytes (1 GiB). It is copied.
/// @param operand_len  its length in bytes.
/// @param error        see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_UNSUPPORTED: the key or the operand is too long;
/// SLEDSTORE_INVALID_ARGUMENT: key or operand is NULL and its length is not 0; SLEDSTORE_BUSY: another
/// thread is using the batch; SLEDSTORE_REENTRANT: from inside a merge operator that the batch called;
/// the handle statuses. After a failure the batch is as before.
///
/// Threads: one at a time for each batch. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_batch_merge(
    batch: *mut sledstore_batch,
    keyspace: *const sledstore,
    key: *const c_void,
    key_len: usize,
    operand: *const c_void,
    operand_len: usize,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::enter(error, |call| {
        let batch = call.object(batch)?;
        let keyspace = call.object_or_null(keyspace)?;
        let key = call.bytes("key", key, key_len)?;
        let operand = call.bytes("operand", operand, operand_len)?;
        batch.change(|batch| match keyspace {
            Some(store) => batch.merge_in(&store.keyspace, key, operand),
            None => batch.merge(key, operand),
        })?;
        Ok(sledstore_status::SLEDSTORE_OK)
    })
}

/// Tells how many writes, deletions and merges were added to a batch.
///
/// @param batch  the batch.
/// @param len    receives the number; 0 on failure.
/// @param error  see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_INVALID_ARGUMENT: len is NULL; the handle statuses.
///
/// Threads: any number at once, also beside one that changes the batch. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_batch_len(
    batch: *const sledstore_batch,
    len: *mut usize,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::give(len, "len", error, |call| Ok(call.object(batch)?.len.load(Ordering::Acquire)))
}

/// Empties a batch.
///
/// @param batch  the batch.
/// @param error  see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_BUSY: another thread is using the batch; the handle statuses.
///
/// Threads: one at a time for each batch. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_batch_clear(
    batch: *mut sledstore_batch,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::enter(error, |call| {
        call.object(batch)?.change(|batch| {
            batch.clear();
            Ok(())
        })?;
        Ok(sledstore_status::SLEDSTORE_OK)
    })
}

/// Makes all writes of a batch, or none. The batch stays as it is.
///
/// @param store       a handle of the keyspace for those writes that name none, and of the store for
///                    all of them.
/// @param batch       the batch. An empty one changes nothing.
/// @param durability  what the writes survive when this returns: SLEDSTORE_DURABILITY_BUFFERED or
///                    SLEDSTORE_DURABILITY_SYNCED. 0: as the store was opened with.
/// @param error       see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_UNSUPPORTED: the batch has more than 4 GiB in all, or merges in a
/// keyspace without a merge operator, or a merge made a value that is too long, and nothing was written, or
/// this version does not know the durability; SLEDSTORE_INVALID_ARGUMENT: the batch names a keyspace
/// of another store, and nothing was written; SLEDSTORE_MERGE_FAILED: a merge operator failed, and
/// nothing was written; SLEDSTORE_REENTRANT: this thread is inside a merge operator;
/// SLEDSTORE_KEYSPACE_DROPPED: also if a keyspace that the batch names was dropped; SLEDSTORE_CLOSED:
/// also if its store was closed; SLEDSTORE_BUSY: another thread is using the batch; the handle statuses;
/// the engine statuses.
///
/// Threads: any number at once for the store, one at a time for the batch. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_batch_apply(
    store: *const sledstore,
    batch: *mut sledstore_batch,
    durability: u32,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::enter(error, |call| {
        let store = call.object(store)?;
        let batch = call.object(batch)?;
        let durability = options::durability(durability)?;
        let changes = batch.changes.hold("batch")?;
        match durability {
            Some(durability) => store.keyspace.apply_with(&changes, durability)?,
            None => store.keyspace.apply(&changes)?,
        }
        Ok(sledstore_status::SLEDSTORE_OK)
    })
}

/// Frees a batch. What was applied stays; what was not is forgotten.
///
/// @param batch  the batch; NULL does nothing.
///
/// Statuses: SLEDSTORE_OK, also for NULL; SLEDSTORE_CLOSED: it was freed before;
/// SLEDSTORE_REENTRANT: this thread is inside a call on the batch, that is, in a callback;
/// SLEDSTORE_WRONG_HANDLE; SLEDSTORE_FORKED; SLEDSTORE_PANIC.
///
/// Threads: any. A call of another thread on the batch comes to its end undisturbed. Since 0.1.0.
#[unsafe(no_mangle)]
pub extern "C" fn sledstore_batch_free(batch: *mut sledstore_batch) -> sledstore_status {
    guard::free(batch)
}

/// Writes several keys together, like a batch of sledstore_put(): all of them or none. Of several
/// writes to one key the last one counts.
///
/// @param store  a handle of the keyspace.
/// @param pairs  the keys with their values. May be NULL if count is 0.
/// @param count  how many there are.
/// @param error  see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_UNSUPPORTED: a key or a value is too long;
/// SLEDSTORE_INVALID_ARGUMENT: pairs is NULL and count is not 0, or a key or value has data NULL and
/// a length; the handle statuses; the engine statuses.
///
/// Threads: any number at once. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_put_many(
    store: *const sledstore,
    pairs: *const sledstore_pair,
    count: usize,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::enter(error, |call| {
        let pairs = call.pairs(pairs, count)?;
        call.object(store)?.keyspace.batch_write(&pairs)?;
        Ok(sledstore_status::SLEDSTORE_OK)
    })
}

/// Deletes several keys together: all of them or none. Keys that are not there are no failure.
///
/// @param store  a handle of the keyspace.
/// @param keys   the keys. May be NULL if count is 0.
/// @param count  how many there are.
/// @param error  see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_INVALID_ARGUMENT: keys is NULL and count is not 0, or a key has
/// data NULL and a length; the handle statuses; the engine statuses.
///
/// Threads: any number at once. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_delete_many(
    store: *const sledstore,
    keys: *const sledstore_bytes,
    count: usize,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::enter(error, |call| {
        let keys = call.keys(keys, count)?;
        call.object(store)?.keyspace.batch_delete(&keys)?;
        Ok(sledstore_status::SLEDSTORE_OK)
    })
}
