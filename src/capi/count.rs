//! Counts that walk over the keys.

use std::ffi::c_void;

use crate::capi::boundary::guard;
use crate::capi::error::sledstore_error;
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
        let (from, to) = (call.bytes("lo", lo, lo_len)?, call.bytes("hi", hi, hi_len)?);
        let (from, to) = ((!lo.is_null()).then_some(from), (!hi.is_null()).then_some(to));
        Ok(call.object(store)?.keyspace.count_range(from, to)?)
    })
}
