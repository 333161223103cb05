//! Transactions in a callback, which are tried again after a conflict.

use std::ffi::c_void;

use crate::capi::boundary::arguments::Call;
use crate::capi::boundary::context::Context;
use crate::capi::boundary::exclusive::Exclusive;
use crate::capi::boundary::fork;
use crate::capi::boundary::guard;
use crate::capi::error::{sledstore_error, Fail};
use crate::capi::handles;
use crate::capi::handles::hazard::ThreadRecord;
use crate::capi::status::sledstore_status;
use crate::capi::store::{sledstore, StoreObject};
use crate::capi::transaction::{self, sledstore_txn, OpenTransaction};

/// The work of a transaction, for sledstore_txn_run(). Start from SLEDSTORE_TXN_CALLBACK_INIT. Since
/// 0.1.0.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct sledstore_txn_callback {
    /// sizeof(sledstore_txn_callback).
    pub struct_size: usize,
    /// Whatever the functions need; the library only passes it on. May be NULL.
    pub ctx: *mut c_void,
    /// Does the work, with the transaction txn, and answers with a status: SLEDSTORE_OK to have it
    /// committed, SLEDSTORE_TXN_CONFLICT to begin again, anything else to have it rolled back. It
    /// may be called several times, so it should change nothing but the transaction. It must
    /// return, and not throw or jump out.
    pub run: Option<unsafe extern "C" fn(ctx: *mut c_void, txn: *mut sledstore_txn) -> i32>,
    /// Called once with ctx before sledstore_txn_run() returns, whatever its status. May be NULL.
    pub destroy: Option<unsafe extern "C" fn(ctx: *mut c_void)>,
}

type Run = unsafe extern "C" fn(ctx: *mut c_void, txn: *mut sledstore_txn) -> i32;

/// The callback of one call: destroyed at its end.
struct Callback(Context);

impl Callback {
    /// One attempt: begins, calls, commits.
    fn attempt(&self, run: Run, call: &Call, store: &StoreObject) -> Result<(), Fail> {
        let begun = OpenTransaction::new(store, true)?;
        let txn = handles::insert::<sledstore_txn>(Exclusive::new(Some(begun)))?;
        let handle = txn.token().to_pointer::<sledstore_txn>();
        // SAFETY: the manual: "a function in a callback struct is a function of that type, which
        // may be called until destroy was". The handle is live, and no lock is held.
        let answer = unsafe { run(self.0.pointer(), handle) };
        if fork::happened() {
            // The callback has forked, and this is the child: the transaction and its locks are the
            // parent's.
            std::mem::forget(txn);
            return Err(Fail::new(sledstore_status::SLEDSTORE_FORKED, "the callback has forked"));
        }
        match answer {
            // The callback cannot have ended it.
            0 => Ok(transaction::take(call, handle, true)?.commit(None)?),
            answer => Err(Fail::answered(answer)),
        }
        // `txn` frees the handle, and with it what was not taken out.
    }
}

/// Runs a callback in a transaction and commits it; if another writer came in between, begins
/// again, with growing pauses: the callback is called 100 times at most, which takes about a
/// second. There is an example under CALLBACKS in the head of this file.
///
/// Inside of the callback, txn is used like any other transaction, but is not committed or rolled
/// back: sledstore_txn_commit() and sledstore_txn_rollback() answer SLEDSTORE_REENTRANT. It is gone
/// when the callback has returned. The callback may use the library in every other way, but cannot
/// close or release the handle that this call was given; what it writes past the transaction stays.
/// If it forks and returns in the child too, the call answers SLEDSTORE_FORKED there, and goes on
/// in the parent.
///
/// @param store     as in sledstore_txn_begin().
/// @param callback  see sledstore_txn_callback. The struct is copied. destroy is called once,
///                  unless the status is SLEDSTORE_FORKED or the struct itself is not valid.
/// @param error     see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK: it was committed; whatever the callback answered, if that is neither
/// SLEDSTORE_OK nor SLEDSTORE_TXN_CONFLICT, and SLEDSTORE_OTHER for a number that is no status:
/// nothing was written; SLEDSTORE_TXN_CONFLICT: every attempt met another writer, and nothing was
/// written; SLEDSTORE_INVALID_ARGUMENT: callback or its function run is NULL, or struct_size is
/// wrong; SLEDSTORE_UNSUPPORTED: a member that this version does not have;
/// SLEDSTORE_REENTRANT also if 12 calls of it are under way on this thread, each in the
/// callback of the one before; otherwise as sledstore_txn_begin() and sledstore_txn_commit().
///
/// Threads: any number at once. The callback is called on the calling thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_txn_run(
    store: *const sledstore,
    callback: *const sledstore_txn_callback,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::enter(error, |call| {
        let given = call.options(callback)?;
        let callback = Callback(Context::new(given.ctx, given.destroy));
        let missing = || Fail::invalid("callback: there is no function to run");
        let run = given.run.ok_or_else(missing)?;
        let store = call.object(store)?;
        if !ThreadRecord::current().has_room_for_a_callback() {
            let text = "transactions are run in callbacks of each other more than 12 deep";
            return Err(Fail::new(sledstore_status::SLEDSTORE_REENTRANT, text));
        }
        let is_conflict = |fail: &Fail| fail.status() == sledstore_status::SLEDSTORE_TXN_CONFLICT;
        crate::store::retry(is_conflict, || callback.attempt(run, call, &store))?;
        Ok(sledstore_status::SLEDSTORE_OK)
    })
}
