//! Merges: a key becomes what an operator makes of its value and an operand.

// In the order in which the header has them.
pub(crate) mod operator;

mod builtin;

use std::ffi::c_void;

use crate::capi::boundary::guard;
use crate::capi::error::sledstore_error;
use crate::capi::merge::operator::{sledstore_merge_operator, Operator};
use crate::capi::status::sledstore_status;
use crate::capi::store::sledstore;

/// Sets what a merge does in a keyspace: sledstore_merge(), sledstore_batch_merge() and
/// sledstore_txn_merge().
///
/// A keyspace has one operator at a time, for all its handles, until the store is closed or another
/// one is set; merges that are under way then still use the one before. It is not stored: set it
/// after each opening.
///
/// @param store           a handle of the keyspace.
/// @param merge_operator  see sledstore_merge_operator. The struct is copied. Its destroy is called
///                        once, also if this call fails, unless the status is SLEDSTORE_FORKED or the
///                        struct itself is not valid; if it succeeds, later.
/// @param error           see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_INVALID_ARGUMENT: merge_operator or its function merge is NULL, or
/// struct_size is wrong; SLEDSTORE_UNSUPPORTED: a member that this version does not have;
/// SLEDSTORE_REENTRANT: this thread is inside a merge operator; the handle statuses.
///
/// Threads: any number at once; the last one counts. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_set_merge_operator(
    store: *const sledstore,
    merge_operator: *const sledstore_merge_operator,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::enter(error, |call| {
        let operator = Operator::new(call.options(merge_operator)?)?;
        let run = move |key: &[u8], old: Option<&[u8]>, new: &[u8]| operator.run(key, old, new);
        call.object(store)?.keyspace.set_fallible_merge_operator(run)?;
        Ok(sledstore_status::SLEDSTORE_OK)
    })
}

/// Sets what a merge does in a keyspace, as sledstore_set_merge_operator() does, to one of the
/// operators that the library brings.
///
/// On a key that is not there, or has expired, each of them makes the operand the value. With one of
/// the integer types, a merge fails with SLEDSTORE_MERGE_FAILED where the value or the operand has not
/// 8 bytes, and so does SLEDSTORE_MERGE_OR where the two have not the same length; the key stays as it
/// was.
///
/// @param store          a handle of the keyspace.
/// @param operation      SLEDSTORE_MERGE_APPEND, SLEDSTORE_MERGE_ADD_SATURATING,
///                       SLEDSTORE_MERGE_ADD_WRAPPING, SLEDSTORE_MERGE_MIN, SLEDSTORE_MERGE_MAX or
///                       SLEDSTORE_MERGE_OR.
/// @param type           what values and operands are: SLEDSTORE_MERGE_BYTES, SLEDSTORE_MERGE_U64_LE,
///                       SLEDSTORE_MERGE_U64_BE, SLEDSTORE_MERGE_I64_LE or SLEDSTORE_MERGE_I64_BE.
/// @param separator      for SLEDSTORE_MERGE_APPEND, what to put between a value and the operand. It
///                       is copied. May be NULL if separator_len is 0.
/// @param separator_len  its length in bytes; 0 for all other operations.
/// @param error          see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_UNSUPPORTED: this version does not know the operation or the type;
/// SLEDSTORE_INVALID_ARGUMENT: the type is none of that operation, which takes bytes or integers only,
/// or another operation than SLEDSTORE_MERGE_APPEND has a separator, or separator is NULL and
/// separator_len is not 0; SLEDSTORE_REENTRANT: this thread is inside a merge operator; the handle
/// statuses.
///
/// Threads: as sledstore_set_merge_operator(). Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_set_builtin_merge(
    store: *const sledstore,
    operation: u32,
    r#type: u32,
    separator: *const c_void,
    separator_len: usize,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::enter(error, |call| {
        let separator = call.bytes("separator", separator, separator_len)?;
        let operator = builtin::operator(operation, r#type, separator)?;
        call.object(store)?.keyspace.set_builtin_merge(operator)?;
        Ok(sledstore_status::SLEDSTORE_OK)
    })
}

/// Makes a new value of the value of a key and an operand, by the operator of the keyspace, in one
/// step: no other write of the key comes in between.
///
/// The key expires when it would have. One that has expired is not there for the operator, and what it
/// makes of that does not expire.
///
/// @param store        a handle of the keyspace.
/// @param key          the key, up to 4096 bytes.
/// @param key_len      its length in bytes.
/// @param operand      the operand.
/// @param operand_len  its length in bytes; 0 is an operand like any other.
/// @param error        see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_MERGE_FAILED: the operator has failed, or could not be given a
/// sink because there are too many live handles; SLEDSTORE_UNSUPPORTED: the keyspace has no operator,
/// or the key or the new value is too long; SLEDSTORE_INVALID_ARGUMENT: key or operand is NULL and its
/// length is not 0; SLEDSTORE_REENTRANT: this thread is inside a merge operator; the handle statuses;
/// the engine statuses. After a failure the key is as it was, but for the engine statuses as with
/// sledstore_put().
///
/// Threads: any number at once. A merge that was overtaken by others again and again makes other merges
/// of the store wait for it, for 50 milliseconds at most. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_merge(
    store: *const sledstore,
    key: *const c_void,
    key_len: usize,
    operand: *const c_void,
    operand_len: usize,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::enter(error, |call| {
        let key = call.bytes("key", key, key_len)?;
        let operand = call.bytes("operand", operand, operand_len)?;
        call.object(store)?.keyspace.merge(key, operand)?;
        Ok(sledstore_status::SLEDSTORE_OK)
    })
}
