//! Counts that walk over the keys, and a size that is estimated.

use std::ffi::c_void;

use crate::capi::boundary::arguments::Call;
use crate::capi::boundary::guard;
use crate::capi::error::{sledstore_error, Fail};
use crate::capi::status::sledstore_status;
use crate::capi::store::sledstore;

/// Counts the keys from one key up to, not including, another one, exactly, as they are at the moment
/// of the call; expired keys are not there. It walks over them, so it takes as long as there are many,
/// while writers go on. NULL means that there is no such limit; not NULL with length 0 is the empty
/// key.
///
/// @param store   a handle of the keyspace.
/// @param lo      the smallest key to count; NULL: from the first one on.
/// @param lo_len  its length in bytes.
/// @param hi      the key to stop before; NULL: up to the last one.
/// @param hi_len  its length in bytes.
/// @param count   receives the number; 0 on failure, and if hi is not above lo.
/// @param error   see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_INVALID_ARGUMENT: count is NULL, or lo or hi is NULL and its
/// length is not 0; SLEDSTORE_CAPACITY_EXCEEDED: what was kept for the count took more than
/// snapshot_memory; the handle statuses; the engine statuses.
///
/// Threads: any number at once. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_count_range(
    store: *const sledstore,
    lo: *const c_void,
    lo_len: usize,
    hi: *const c_void,
    hi_len: usize,
    count: *mut u64,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::give(count, "count", error, |call| {
        let (lo, hi) = (limit(call, "lo", lo, lo_len)?, limit(call, "hi", hi, hi_len)?);
        Ok(call.object(store)?.keyspace.count_range(lo, hi)?)
    })
}

/// Tells roughly how many bytes the keys and values have from one key up to, not including, another
/// one. It is not what they take on the disk. Some ten thousand keys are looked at, hardly more where
/// there are many more, while sledstore_count_range() walks over all.
///
/// Up to 100 keys it is exact if their values have no more than 4096 bytes. Beyond that it is
/// estimated: what is between the first and the last key is halved again and again, and small parts that
/// are chosen by chance are measured. Where keys are spread evenly, as numbers of one length, times and
/// hashes are, that is mostly within a tenth. Where a few small stretches have most of the keys it can
/// be ten times too small or too large. For the same keys and values it is always the same. Keys
/// that have expired and were not purged are not counted, but take time: see
/// sledstore_purge_expired().
///
/// @param store   a handle of the keyspace.
/// @param lo      the smallest key; NULL: from the first one on.
/// @param lo_len  its length in bytes.
/// @param hi      the key to stop before; NULL: up to the last one.
/// @param hi_len  its length in bytes.
/// @param bytes   receives the size in bytes; 0 on failure, and if hi is not above lo.
/// @param error   see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_INVALID_ARGUMENT: bytes is NULL, or lo or hi is NULL and its
/// length is not 0; SLEDSTORE_CAPACITY_EXCEEDED: what was kept for it took more than snapshot_memory;
/// the handle statuses; the engine statuses.
///
/// Threads: any number at once. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_approximate_size(
    store: *const sledstore,
    lo: *const c_void,
    lo_len: usize,
    hi: *const c_void,
    hi_len: usize,
    bytes: *mut u64,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::give(bytes, "bytes", error, |call| {
        let (lo, hi) = (limit(call, "lo", lo, lo_len)?, limit(call, "hi", hi, hi_len)?);
        Ok(call.object(store)?.keyspace.approximate_size(lo, hi)?)
    })
}

/// An end of a range; NULL is no end.
fn limit<'call>(
    call: &'call Call,
    what: &str,
    key: *const c_void,
    len: usize,
) -> Result<Option<&'call [u8]>, Fail> {
    let bytes = call.bytes(what, key, len)?;
    Ok((!key.is_null()).then_some(bytes))
}
