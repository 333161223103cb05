//! Transactions: reads of one moment, and writes that are all made at another, as if both were one.

// In the order in which the header has them.
mod read;

mod write;

mod expiry;

mod savepoint;

pub(crate) mod callback;

use crate::capi::boundary::arguments::Call;
use crate::capi::boundary::exclusive::{Exclusive, Hold};
use crate::capi::boundary::guard;
use crate::capi::error::{sledstore_error, Fail};
use crate::capi::handles::{self, opaque, Token};
use crate::capi::options;
use crate::capi::status::sledstore_status;
use crate::capi::store::{sledstore, StoreObject};
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
    /// Whether `sledstore_txn_run` began it, and will end it.
    is_run: bool,
}

opaque!(sledstore_txn, Transaction, TransactionObject);

impl OpenTransaction {
    pub(crate) fn new(store: &StoreObject, is_run: bool) -> Result<Self, Fail> {
        Ok(OpenTransaction { transaction: store.keyspace.transaction()?, is_run })
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

/// Lets `work` see a keyspace in a transaction; NULL is the one on which it was begun.
pub(crate) fn with<R>(
    call: &Call,
    txn: *const sledstore_txn,
    keyspace: *const sledstore,
    work: impl FnOnce(&TransactionKeyspace) -> Result<R, StoreError>,
) -> Result<R, Fail> {
    let object = call.object(txn)?;
    let keyspace = call.object_or_null(keyspace)?;
    let held = hold(&object)?;
    let transaction = &begun(&held)?.transaction;
    Ok(match keyspace {
        None => work(transaction)?,
        Some(store) => work(&transaction.keyspace(&store.keyspace)?)?,
    })
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
    guard::give(txn, "txn", error, |call| {
        let begun = OpenTransaction::new(&*call.object(store)?, false)?;
        Ok(handles::insert::<sledstore_txn>(Exclusive::new(Some(begun)))?.publish())
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
