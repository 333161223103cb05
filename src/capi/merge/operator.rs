//! Merge operators of the program: callbacks, and the sinks that they write to.

use std::ffi::c_void;

use crate::capi::boundary::arguments::sledstore_bytes;
use crate::capi::boundary::context::Context;
use crate::capi::boundary::exclusive::Exclusive;
use crate::capi::boundary::fork;
use crate::capi::boundary::guard;
use crate::capi::error::{sledstore_error, Fail};
use crate::capi::handles::{self, opaque};
use crate::capi::status::sledstore_status;
use crate::MAX_VALUE_LEN;

/// For sledstore_merge_operator.merge: the value is what was written to the sink; nothing written is
/// an empty value.
pub const SLEDSTORE_MERGE_KEEP: i32 = 0;
/// For sledstore_merge_operator.merge: delete the key, whatever was written to the sink.
pub const SLEDSTORE_MERGE_DELETE: i32 = 1;
/// For sledstore_merge_operator.merge: the merge fails with SLEDSTORE_MERGE_FAILED, and the key stays
/// as it was.
pub const SLEDSTORE_MERGE_FAIL: i32 = -1;

/// Where a merge operator writes the value. It is there for one call of the operator, and answers
/// SLEDSTORE_CLOSED afterwards. Since 0.1.0.
#[allow(non_camel_case_types)]
pub struct sledstore_sink;

/// What a sink stands for: what was written to it.
pub(crate) type SinkObject = Exclusive<Vec<u8>>;

opaque!(sledstore_sink, Sink, SinkObject);

/// What a merge makes of a value and an operand, for sledstore_set_merge_operator(). Start from
/// SLEDSTORE_MERGE_OPERATOR_INIT. Since 0.1.0.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct sledstore_merge_operator {
    /// sizeof(sledstore_merge_operator).
    pub struct_size: usize,
    /// Whatever the functions need; the library only passes it on. May be NULL.
    pub ctx: *mut c_void,
    /// Writes the new value of key to sink by sledstore_sink_write(), and answers with
    /// SLEDSTORE_MERGE_KEEP, SLEDSTORE_MERGE_DELETE or SLEDSTORE_MERGE_FAIL. Any other number, such as
    /// a status below 0, is like SLEDSTORE_MERGE_FAIL.
    ///
    /// old is the value that the key has, NULL if it is not there or has expired. key, old and operand
    /// are valid until the function returns.
    ///
    /// It is called on the thread that merges, on several threads at once, and several times for one
    /// merge if others write the key meanwhile. So it should do nothing but compute. Calls on a store,
    /// or on what belongs to one, answer SLEDSTORE_REENTRANT inside of it, of whichever store. It must
    /// return, and not throw or jump out: an exception of C++ that leaves it is undefined.
    pub merge: Option<
        unsafe extern "C" fn(
            ctx: *mut c_void,
            key: *const sledstore_bytes,
            old: *const sledstore_bytes,
            operand: *const sledstore_bytes,
            sink: *mut sledstore_sink,
        ) -> i32,
    >,
    /// Called once with ctx when the operator is not used any more: it could not be set, another one
    /// was set, its keyspace was dropped or renamed, or its store was closed. May be NULL. It runs on the thread
    /// that made the call which ended the use.
    pub destroy: Option<unsafe extern "C" fn(ctx: *mut c_void)>,
}

type Merge = unsafe extern "C" fn(
    *mut c_void,
    *const sledstore_bytes,
    *const sledstore_bytes,
    *const sledstore_bytes,
    *mut sledstore_sink,
) -> i32;

/// A merge operator of the caller's. Its context goes with it.
pub(super) struct Operator {
    context: Context,
    merge: Merge,
}

impl Operator {
    /// Destroys the context if there is no function.
    pub(super) fn new(callback: sledstore_merge_operator) -> Result<Self, Fail> {
        let context = Context::new(callback.ctx, callback.destroy);
        let missing = || Fail::invalid("merge_operator: there is no function merge");
        Ok(Self { context, merge: callback.merge.ok_or_else(missing)? })
    }

    /// Lets the caller's function decide; answers with the value, or with words for why there is none.
    pub(super) fn run(
        &self,
        key: &[u8],
        old: Option<&[u8]>,
        operand: &[u8],
    ) -> Result<Option<Vec<u8>>, String> {
        let no_sink = |_| "there are too many live handles for a sink".to_owned();
        let sink =
            handles::insert::<sledstore_sink>(Exclusive::new(Vec::new())).map_err(no_sink)?;
        let answer = self.call(key, old, operand, sink.token().to_pointer());
        if fork::happened() {
            // The callback has forked, and this is the child.
            std::mem::forget(sink);
            return Err("it has forked".into());
        }
        match answer {
            SLEDSTORE_MERGE_KEEP => written(sink.token()).map(Some),
            SLEDSTORE_MERGE_DELETE => Ok(None),
            SLEDSTORE_MERGE_FAIL => Err("it answered SLEDSTORE_MERGE_FAIL".into()),
            answer => Err(format!("it answered {answer}")),
        }
    }

    fn call(
        &self,
        key: &[u8],
        old: Option<&[u8]>,
        operand: &[u8],
        sink: *mut sledstore_sink,
    ) -> i32 {
        let (key, operand) = (borrowed(key), borrowed(operand));
        let old = old.map(borrowed);
        let old = old.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        // SAFETY: the manual: "a function in a callback struct is a function of that type, which may
        // be called until destroy was", which only happens when this is dropped. The bytes and the
        // sink live until it returns, and no lock is held.
        unsafe { (self.merge)(self.context.pointer(), &key, old, &operand, sink) }
    }
}

fn borrowed(bytes: &[u8]) -> sledstore_bytes {
    sledstore_bytes { data: bytes.as_ptr().cast(), len: bytes.len() }
}

/// Takes out what was written to a sink.
fn written(sink: handles::Token) -> Result<Vec<u8>, String> {
    let busy = |_| "another thread is writing to its sink".to_owned();
    let sink = handles::find::<sledstore_sink>(sink).map_err(busy)?;
    let mut bytes = sink.hold("sink").map_err(busy)?;
    Ok(std::mem::take(&mut *bytes))
}

/// Adds bytes to the value that a merge operator makes.
///
/// @param sink   the sink that the operator was given.
/// @param data   the bytes. They are copied. May be NULL if len is 0.
/// @param len    how many there are.
/// @param error  see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_UNSUPPORTED: the value would have more than 1073741824 bytes (1
/// GiB), and nothing was added; SLEDSTORE_INVALID_ARGUMENT: data is NULL and len is not 0;
/// SLEDSTORE_BUSY: another thread is using the sink; SLEDSTORE_CLOSED: the operator has returned; the
/// handle statuses.
///
/// Threads: one at a time for each sink. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_sink_write(
    sink: *mut sledstore_sink,
    data: *const c_void,
    len: usize,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::enter(error, |call| {
        let data = call.bytes("data", data, len)?;
        let sink = call.object(sink)?;
        let mut written = sink.hold("sink")?;
        if data.len() > MAX_VALUE_LEN - written.len() {
            let message = format!("a value has {MAX_VALUE_LEN} bytes at most");
            return Err(Fail::new(sledstore_status::SLEDSTORE_UNSUPPORTED, message));
        }
        written.extend_from_slice(data);
        Ok(sledstore_status::SLEDSTORE_OK)
    })
}
