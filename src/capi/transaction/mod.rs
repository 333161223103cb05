//! Transactions: reads of one moment, and writes that are all made at another, as if both were one.

pub(crate) mod callback;
pub(crate) mod savepoint;

use std::ffi::c_void;
use std::sync::Arc;
use std::time::Duration;

use crate::capi::boundary::arguments::{sledstore_bytes, Call, Output, OutputArray};
use crate::capi::boundary::exclusive::{Exclusive, Hold};
use crate::capi::boundary::guard;
use crate::capi::error::{sledstore_error, Fail};
use crate::capi::handles::store_handles::{Child, StoreHandles, Ticket};
use crate::capi::handles::{self, opaque, Token};
use crate::capi::iterator::{self, sledstore_iter};
use crate::capi::options::{self, sledstore_iter_options};
use crate::capi::status::{presence, sledstore_status};
use crate::capi::store::{sledstore, StoreObject};
use crate::capi::value::{self, sledstore_value};
use crate::{Durability, SledTransaction, StoreError, TransactionKeyspace};

/// Reads and writes over all keyspaces of a store that happen as if at one moment.
///
/// All reads show the store as it was when the transaction began, with what the transaction itself
/// has written since. Nobody else sees its writes before sledstore_txn_commit() makes them, all or
/// none, in memory, on disk, and across a crash. It is serializable: a commit answers
/// SLEDSTORE_TXN_CONFLICT and changes nothing if a key that was read, also one that was not there,
/// or a key in a stretch that an iterator went over, was changed since the transaction began. So a
/// transaction that commits might have run alone. A transaction that only writes has no conflicts,
/// and one that only reads always commits. Overwriting a key with the value that it has is a
/// change; that a key expires is none.
///
/// Transactions lock nothing: any number may be open at once, and whoever commits first wins.
/// sledstore_txn_run() begins again after a conflict.
///
/// A transaction keeps its store open: sledstore_close() answers SLEDSTORE_BUSY. One thread may use
/// it at a time; a second one is told SLEDSTORE_BUSY. Since 0.1.0.
#[allow(non_camel_case_types)]
pub struct sledstore_txn;

/// What a transaction handle stands for. Empty once it was committed or rolled back.
pub(crate) type TransactionObject = Exclusive<Option<OpenTransaction>>;

/// A transaction that is under way.
pub(crate) struct OpenTransaction {
    transaction: SledTransaction,
    shared: Arc<StoreHandles>,
    /// Whether `sledstore_txn_run` began it, and will end it.
    is_run: bool,
    /// Last, so that the transaction is gone when the store counts it out.
    _ticket: Ticket,
}

opaque!(sledstore_txn, Transaction, TransactionObject);

impl OpenTransaction {
    pub(crate) fn new(store: &StoreObject, is_run: bool) -> Result<Self, Fail> {
        // First the ticket: from here on a close is refused.
        let _ticket = store.shared.add_child(Child::Transaction)?;
        let transaction = store.keyspace.transaction()?;
        Ok(OpenTransaction { transaction, shared: store.shared.clone(), is_run, _ticket })
    }

    /// Lets `work` see a keyspace in the transaction; none is the one on which it was begun.
    fn with<R>(
        &self,
        keyspace: Option<&StoreObject>,
        work: impl FnOnce(&TransactionKeyspace) -> Result<R, StoreError>,
    ) -> Result<R, StoreError> {
        match keyspace {
            None => work(&self.transaction),
            Some(store) => work(&self.transaction.keyspace(&store.keyspace)?),
        }
    }

    pub(crate) fn commit(self, durability: Option<Durability>) -> Result<(), StoreError> {
        match durability {
            Some(durability) => self.transaction.commit_with(durability),
            None => self.transaction.commit(),
        }
    }
}

fn hold(object: &TransactionObject) -> Result<Hold<'_, Option<OpenTransaction>>, Fail> {
    object.hold("transaction")
}

fn begun(held: &Option<OpenTransaction>) -> Result<&OpenTransaction, Fail> {
    held.as_ref().ok_or_else(ended)
}

fn ended() -> Fail {
    Fail::new(sledstore_status::SLEDSTORE_TXN_OVER, "the transaction was committed or rolled back")
}

/// The same for a handle of each; NULL for the keyspace is allowed.
pub(crate) fn with<R>(
    call: &Call,
    txn: *const sledstore_txn,
    keyspace: *const sledstore,
    work: impl FnOnce(&TransactionKeyspace) -> Result<R, StoreError>,
) -> Result<R, Fail> {
    let object = call.object(txn)?;
    let keyspace = call.object_or_null(keyspace)?;
    let held = hold(&object)?;
    Ok(begun(&held)?.with(keyspace.as_deref(), work)?)
}

/// Lets `work` see a transaction as a whole.
pub(crate) fn with_all<R>(
    call: &Call,
    txn: *const sledstore_txn,
    work: impl FnOnce(&SledTransaction) -> Result<R, StoreError>,
) -> Result<R, Fail> {
    let object = call.object(txn)?;
    let held = hold(&object)?;
    Ok(work(&begun(&held)?.transaction)?)
}

/// Takes the transaction out of its handle, which is gone then. `is_run` is what it has to be.
pub(crate) fn take(
    call: &Call,
    txn: *mut sledstore_txn,
    is_run: bool,
) -> Result<OpenTransaction, Fail> {
    let taken = {
        let object = call.object(txn)?;
        let mut held = hold(&object)?;
        if begun(&held)?.is_run != is_run {
            return Err(Fail::new(
                sledstore_status::SLEDSTORE_REENTRANT,
                "sledstore_txn_run() ends this transaction when the callback returns",
            ));
        }
        held.take()
    };
    if let Some(token) = Token::of(txn.cast_const()) {
        // An error means that the handle is gone already, which is what it has to be.
        let _ = handles::free(token, handles::Kind::Transaction);
    }
    taken.ok_or_else(ended)
}

/// Begins a transaction.
///
/// @param store  a handle of the keyspace that NULL shall mean in the functions below. It may be
///               released before the transaction ends.
/// @param txn    receives the transaction, to be given to sledstore_txn_commit() or
///               sledstore_txn_rollback(); NULL on failure.
/// @param error  see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_INVALID_ARGUMENT: txn is NULL; SLEDSTORE_TOO_MANY_HANDLES: too
/// many live handles; SLEDSTORE_CLOSED: also while another thread is closing the store; the handle
/// statuses; the engine statuses.
///
/// Threads: any number at once. It waits for a write that is under way. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_txn_begin(
    store: *const sledstore,
    txn: *mut *mut sledstore_txn,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    let txn = Output::cleared(txn);
    guard::enter(error, |call| {
        txn.required("txn")?;
        let begun = OpenTransaction::new(&*call.object(store)?, false)?;
        txn.set(handles::insert::<sledstore_txn>(Exclusive::new(Some(begun)))?.publish());
        Ok(sledstore_status::SLEDSTORE_OK)
    })
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
/// transaction began; SLEDSTORE_INVALID_ARGUMENT: value is NULL, or key is NULL and key_len is not
/// 0; SLEDSTORE_UNSUPPORTED: keyspace is one of another store; SLEDSTORE_CAPACITY_EXCEEDED: the
/// moment that the transaction shows has ended, because what was kept took more than
/// snapshot_memory, or too many live handles; SLEDSTORE_BUSY: another thread is using the
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
    let value = Output::cleared(value);
    guard::enter(error, |call| {
        value.required("value")?;
        let key = call.bytes("key", key, key_len)?;
        value::give(&value, with(call, txn, keyspace, |keyspace| keyspace.get_pinned(key))?)
    })
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
/// Statuses: SLEDSTORE_BUFFER_TOO_SMALL: capacity is less than needed; SLEDSTORE_INVALID_ARGUMENT:
/// needed is NULL, or dst is NULL and capacity is not 0, or key is NULL and key_len is not 0;
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
    let (dst, needed) = (OutputArray::buffer(dst, capacity), Output::cleared(needed));
    guard::enter(error, |call| {
        dst.required("dst")?;
        needed.required("needed")?;
        let key = call.bytes("key", key, key_len)?;
        value::copy(&dst, &needed, with(call, txn, keyspace, |keyspace| keyspace.get_pinned(key))?)
    })
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
    let values = OutputArray::cleared(values, count);
    guard::enter(error, |call| {
        values.required("values")?;
        let keys = call.keys(keys, count)?;
        let found = with(call, txn, keyspace, |keyspace| keyspace.get_many_pinned(&keys))?;
        values.fill(value::publish_all(found)?);
        Ok(sledstore_status::SLEDSTORE_OK)
    })
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
    guard::enter(error, |call| {
        let key = call.bytes("key", key, key_len)?;
        Ok(presence(with(call, txn, keyspace, |keyspace| keyspace.contains(key))?))
    })
}

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
/// Statuses: SLEDSTORE_OK; SLEDSTORE_UNSUPPORTED: the key or the value is too long, or keyspace is
/// one of another store; SLEDSTORE_INVALID_ARGUMENT: key or value is NULL and its length is not 0;
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
        with(call, txn, keyspace, |keyspace| keyspace.put(key, value))?;
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
        with(call, txn, keyspace, |keyspace| keyspace.put_with_ttl(key, value, ttl))?;
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
/// Statuses: SLEDSTORE_OK; SLEDSTORE_UNSUPPORTED: keyspace is one of another store;
/// SLEDSTORE_INVALID_ARGUMENT: key is NULL and key_len is not 0; SLEDSTORE_BUSY: another thread is
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
        with(call, txn, keyspace, |keyspace| keyspace.delete(key))?;
        Ok(sledstore_status::SLEDSTORE_OK)
    })
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
/// Statuses: SLEDSTORE_UNSUPPORTED: also if keyspace is one of another store; SLEDSTORE_BUSY:
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
    let iter = Output::cleared(iter);
    guard::enter(error, |call| {
        iter.required("iter")?;
        let options = call.options(options)?.to_store(call)?;
        let (object, keyspace) = (call.object(txn)?, call.object_or_null(keyspace)?);
        let held = hold(&object)?;
        let begun = begun(&held)?;
        let walk = || Ok(begun.with(keyspace.as_deref(), |keyspace| keyspace.cursor(options))?);
        iter.set(iterator::create(&begun.shared, walk)?);
        Ok(sledstore_status::SLEDSTORE_OK)
    })
}

/// Makes all writes of a transaction, or none, and ends it. What was written is seen by every read
/// that begins afterwards.
///
/// @param txn         the transaction. It is gone after every status but SLEDSTORE_BUSY,
///                    SLEDSTORE_REENTRANT, SLEDSTORE_FORKED, those that say that it is no live
///                    transaction, and SLEDSTORE_UNSUPPORTED for a durability that this version does
///                    not know.
/// @param durability  as in sledstore_batch_apply().
/// @param error       see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_UNSUPPORTED: this version does not know the durability, or the
/// writes have more than 4 GiB in all, and nothing was written; SLEDSTORE_TXN_CONFLICT: something that it had read was written, and
/// nothing of it was; begin a new one and do all of it again. To write the same value, or the
/// expiry alone, is to write; to delete a key that is not there, or that a key expires, is not; and
/// what it reads of its own writes it has not read. SLEDSTORE_CAPACITY_EXCEEDED: the moment that it
/// had read has ended, see sledstore_txn_get(), and nothing was written; without reads, or without
/// writes, it has no need of that moment. SLEDSTORE_BUSY: another thread is using it;
/// SLEDSTORE_REENTRANT: it is the transaction of a callback, see sledstore_txn_run();
/// SLEDSTORE_TXN_OVER: it was committed or rolled back before; SLEDSTORE_KEYSPACE_DROPPED: it wrote,
/// and a keyspace that it used was dropped, and nothing was written; the handle statuses; the engine statuses.
///
/// Threads: one at a time for each transaction. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_txn_commit(
    txn: *mut sledstore_txn,
    durability: u32,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::enter(error, |call| {
        let durability = options::durability(durability)?;
        take(call, txn, false)?.commit(durability)?;
        Ok(sledstore_status::SLEDSTORE_OK)
    })
}

/// Forgets all writes of a transaction, and ends it.
///
/// @param txn    the transaction; NULL does nothing. It is gone after SLEDSTORE_OK.
/// @param error  see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK, also for NULL; SLEDSTORE_BUSY: another thread is using it;
/// SLEDSTORE_REENTRANT: it is the transaction of a callback, see sledstore_txn_run();
/// SLEDSTORE_TXN_OVER: it was committed or rolled back before; SLEDSTORE_WRONG_HANDLE;
/// SLEDSTORE_FORKED; SLEDSTORE_PANIC.
///
/// Threads: one at a time for each transaction. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_txn_rollback(
    txn: *mut sledstore_txn,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::enter(error, |call| {
        if !txn.is_null() {
            drop(take(call, txn, false)?);
        }
        Ok(sledstore_status::SLEDSTORE_OK)
    })
}
