//! The reads of transactions.

use std::ffi::c_void;

use crate::capi::boundary::arguments::{sledstore_bytes, Call};
use crate::capi::error::{sledstore_error, Fail};
use crate::capi::iterator::sledstore_iter;
use crate::capi::options::sledstore_iter_options;
use crate::capi::read::{self, Source};
use crate::capi::status::sledstore_status;
use crate::capi::store::sledstore;
use crate::capi::transaction::{self, sledstore_txn};
use crate::capi::value::sledstore_value;
use crate::TransactionKeyspace;

impl Source for (*mut sledstore_txn, *const sledstore) {
    type Rows = TransactionKeyspace;

    fn read<R>(
        self,
        call: &Call,
        read: impl FnOnce(&TransactionKeyspace) -> crate::Result<R>,
    ) -> Result<R, Fail> {
        transaction::with(call, self.0, self.1, read)
    }
}

/// Reads the value of a key, without copying it.
///
/// @param txn       the transaction.
/// @param keyspace  a handle of a keyspace of the same store; NULL: the one on which the
///                  transaction was begun.
/// @param key       the key.
/// @param key_len   its length in bytes; 0 is a key like any other.
/// @param value     receives the value, to be freed with sledstore_value_free(); NULL unless
///                  SLEDSTORE_OK. An empty value is a value: SLEDSTORE_OK, with length 0.
/// @param error     see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_KEY_NOT_FOUND: the key is not there, or had expired when the
/// transaction began; SLEDSTORE_INVALID_ARGUMENT: value is NULL, key is NULL and key_len is not 0,
/// or keyspace is one of another store; SLEDSTORE_CAPACITY_EXCEEDED: the moment that the transaction
/// shows has ended, because what was kept took more than snapshot_memory;
/// SLEDSTORE_TOO_MANY_HANDLES: too many live handles; SLEDSTORE_BUSY: another thread is using the
/// transaction; SLEDSTORE_TXN_OVER: it was committed or rolled back; the handle statuses; the
/// engine statuses.
///
/// Threads: one at a time for each transaction. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_txn_get(
    txn: *mut sledstore_txn,
    keyspace: *const sledstore,
    key: *const c_void,
    key_len: usize,
    value: *mut *mut sledstore_value,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    read::get((txn, keyspace), (key, key_len), value, error)
}

/// Reads the value of a key into a buffer of the caller's. Creates nothing that has to be freed.
///
/// To learn the length only, call it with dst NULL and capacity 0.
///
/// @param txn       the transaction.
/// @param keyspace  as in sledstore_txn_get().
/// @param key       the key.
/// @param key_len   its length in bytes.
/// @param dst       the buffer. The whole value is written to it, or nothing; no NUL is added. May
///                  be NULL if capacity is 0.
/// @param capacity  how many bytes the buffer has.
/// @param needed    receives the length of the value, also with SLEDSTORE_BUFFER_TOO_SMALL; 0 on
///                  everything else.
/// @param error     see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_BUFFER_TOO_SMALL: there is a buffer, and it is too small;
/// SLEDSTORE_INVALID_ARGUMENT: needed is NULL, or dst is NULL and capacity is not 0, or key is NULL and key_len is not 0;
/// otherwise as sledstore_txn_get().
///
/// Threads: one at a time for each transaction. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_txn_get_into(
    txn: *mut sledstore_txn,
    keyspace: *const sledstore,
    key: *const c_void,
    key_len: usize,
    dst: *mut c_void,
    capacity: usize,
    needed: *mut usize,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    read::get_into((txn, keyspace), (key, key_len), (dst, capacity), needed, error)
}

/// Reads the values of several keys.
///
/// @param txn       the transaction.
/// @param keyspace  as in sledstore_txn_get().
/// @param keys      the keys. May be NULL if count is 0.
/// @param count     how many there are.
/// @param values    an array of count entries. Each receives the value of the key in the same place,
///                  to be freed with sledstore_value_free(), or NULL if the key is not there; all are
///                  NULL on failure. May be NULL if count is 0.
/// @param error     see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK, also if keys are not there; SLEDSTORE_INVALID_ARGUMENT: keys or values is
/// NULL and count is not 0, or a key has data NULL and a length; otherwise as sledstore_txn_get().
///
/// Threads: one at a time for each transaction. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_txn_get_many(
    txn: *mut sledstore_txn,
    keyspace: *const sledstore,
    keys: *const sledstore_bytes,
    count: usize,
    values: *mut *mut sledstore_value,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    read::get_many((txn, keyspace), (keys, count), values, error)
}

/// Says whether a key is there. It counts as read.
///
/// @param txn       the transaction.
/// @param keyspace  as in sledstore_txn_get().
/// @param key       the key.
/// @param key_len   its length in bytes.
/// @param error     see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK: it is there; SLEDSTORE_KEY_NOT_FOUND: it is not, or had expired when the
/// transaction began; SLEDSTORE_INVALID_ARGUMENT: key is NULL and key_len is not 0; otherwise as
/// sledstore_txn_get().
///
/// Threads: one at a time for each transaction. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_txn_contains(
    txn: *mut sledstore_txn,
    keyspace: *const sledstore,
    key: *const c_void,
    key_len: usize,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    read::contains((txn, keyspace), (key, key_len), error)
}

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
    read::count((txn, keyspace), count, error)
}

/// Creates an iterator over a keyspace as the transaction sees it, with its own writes, also those
/// that it makes while the iterator is open. What it goes over counts as read, as far as it goes.
/// When the transaction has ended its moves answer SLEDSTORE_TXN_OVER, and it still has to be freed.
///
/// @param txn       the transaction.
/// @param keyspace  as in sledstore_txn_get().
/// @param options   see sledstore_iter_options; NULL: all rows.
/// @param iter      receives the iterator, to be freed with sledstore_iter_free(); NULL on failure.
/// @param error     see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_INVALID_ARGUMENT: also if keyspace is one of another store; SLEDSTORE_BUSY:
/// another thread is using the transaction; otherwise as sledstore_iter_new(). Its moves answer
/// SLEDSTORE_CAPACITY_EXCEEDED where sledstore_txn_get() would.
///
/// Threads: one at a time for each transaction. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_txn_iter_new(
    txn: *mut sledstore_txn,
    keyspace: *const sledstore,
    options: *const sledstore_iter_options,
    iter: *mut *mut sledstore_iter,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    read::iterate((txn, keyspace), options, iter, error)
}
