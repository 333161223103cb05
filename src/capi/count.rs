//! Counts that walk over the keys.

use super::arguments::Output;
use super::error::sledstore_error;
use super::guard;
use super::status::sledstore_status;
use super::store::sledstore;
use super::transaction::{self, sledstore_txn};
use crate::TransactionKeyspace;

/// Counts the keys of a keyspace as a transaction sees them, with its own writes. It walks over
/// them, so it takes as long as there are many, and all of the keyspace counts as read.
///
/// @param txn       the transaction.
/// @param keyspace  as in sledstore_txn_get().
/// @param count     receives the number; 0 on failure.
/// @param error     see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_INVALID_ARGUMENT: count is NULL; otherwise as
/// sledstore_txn_get().
///
/// Threads: one at a time for each transaction. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_txn_count(
    txn: *mut sledstore_txn,
    keyspace: *const sledstore,
    count: *mut u64,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    let count = Output::cleared(count);
    guard::enter(error, |call| {
        count.required("count")?;
        count.set(transaction::with(call, txn, keyspace, TransactionKeyspace::count)?);
        Ok(sledstore_status::SLEDSTORE_OK)
    })
}
