//! Savepoints of transactions.

use crate::capi::boundary::guard;
use crate::capi::error::sledstore_error;
use crate::capi::status::sledstore_status;
use crate::capi::transaction::{self, sledstore_txn};
use crate::store::Savepoint;

/// Marks what a transaction has written so far, in all keyspaces, so that it can be rolled back to
/// it. A transaction may have any number of savepoints. There is nothing to be freed: they end with
/// the transaction. From the first savepoint on, the transaction keeps in memory what it overwrites
/// of its own writes.
///
/// @param txn        the transaction.
/// @param savepoint  receives a number for sledstore_txn_rollback_to(), which no other savepoint of
///                   the process has, and which is never 0; 0 on failure.
/// @param error      see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_INVALID_ARGUMENT: savepoint is NULL; SLEDSTORE_BUSY: another
/// thread is using the transaction; SLEDSTORE_TXN_OVER: it was committed or rolled back; the
/// handle statuses.
///
/// Threads: one at a time for each transaction. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_txn_savepoint(
    txn: *mut sledstore_txn,
    savepoint: *mut u64,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::give(savepoint, "savepoint", error, |call| {
        Ok(transaction::with_all(call, txn, |txn| txn.savepoint())?.number())
    })
}

/// Undoes what a transaction has written since a savepoint, in all keyspaces; the transaction goes
/// on. The savepoints that were made after this one end. This one stays, and can be rolled back to
/// again. What was read since still counts as read, and open iterators go on from where they are.
///
/// @param txn        the transaction.
/// @param savepoint  the number from sledstore_txn_savepoint().
/// @param error      see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_INVALID_ARGUMENT: the transaction has no such savepoint, or it
/// has ended; SLEDSTORE_BUSY: another thread is using the transaction; SLEDSTORE_TXN_OVER: it
/// was committed or rolled back; the handle statuses. After a failure the transaction is as before.
///
/// Threads: one at a time for each transaction. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_txn_rollback_to(
    txn: *mut sledstore_txn,
    savepoint: u64,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::enter(error, |call| {
        let savepoint = Savepoint::from_number(savepoint);
        transaction::with_all(call, txn, |txn| txn.rollback_to(savepoint))?;
        Ok(sledstore_status::SLEDSTORE_OK)
    })
}
