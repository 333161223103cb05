//! Callbacks that are told how far a long call has come.

use std::ffi::c_void;
use std::ops::ControlFlow;

use crate::capi::boundary::arguments::{Call, Options, Pod};
use crate::capi::boundary::fork;
use crate::capi::error::Fail;
use crate::capi::handles::hazard::ThreadRecord;
use crate::capi::status::sledstore_status;
use crate::store::Observer;
use crate::Progress;

/// How far a backup or a restore has come, over all keyspaces. First the rows are counted: the totals
/// grow, and nothing is done. Then they are copied. Since 0.1.0.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct sledstore_progress {
    /// sizeof(sledstore_progress) of the library, which may be newer than the program.
    pub struct_size: usize,
    /// Rows that were copied.
    pub rows_done: u64,
    /// Rows that there are to copy, as far as they were counted.
    pub rows_total: u64,
    /// Bytes of keys and values that were copied.
    pub bytes_done: u64,
    /// Bytes of keys and values that there are to copy, as far as they were counted.
    pub bytes_total: u64,
}

/// Who is told how far a call has come. Start from SLEDSTORE_PROGRESS_CALLBACK_INIT. Since 0.1.0.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct sledstore_progress_callback {
    /// sizeof(sledstore_progress_callback).
    pub struct_size: usize,
    /// Whatever the functions need; the library only passes it on. May be NULL.
    pub ctx: *mut c_void,
    /// Called after every thousand rows or so. Answers 0 to go on, and anything else to end the call,
    /// which then answers SLEDSTORE_CANCELLED. progress is valid until it returns. It must return, and
    /// not throw or jump out. It may use the library, but cannot close or release the handle that the
    /// call was given. If it forks and returns in the child too, the call answers SLEDSTORE_FORKED
    /// there, and goes on in the parent.
    pub progress:
        Option<unsafe extern "C" fn(ctx: *mut c_void, progress: *const sledstore_progress) -> i32>,
    /// Called once with ctx before the call returns, whatever its status, unless that is
    /// SLEDSTORE_FORKED or the struct itself is not valid. May be NULL.
    pub destroy: Option<unsafe extern "C" fn(ctx: *mut c_void)>,
}

// SAFETY: numbers, pointers and functions that may be NULL have no forbidden patterns.
unsafe impl Pod for sledstore_progress_callback {}

// SAFETY: `repr(C)`, the size first; the size is asserted to be the sum of the members.
unsafe impl Options for sledstore_progress_callback {
    const FIRST_SIZE: usize = 32;
    const NAME: &'static str = "sledstore_progress_callback";
}

const _: () = assert!(size_of::<sledstore_progress_callback>() == 4 * 8);

/// The callback of one call: destroyed at its end.
pub(crate) struct Reporter(sledstore_progress_callback);

impl Reporter {
    /// `None` for NULL.
    pub(crate) fn of(
        call: &Call,
        callback: *const sledstore_progress_callback,
    ) -> Result<Option<Self>, Fail> {
        if callback.is_null() {
            return Ok(None);
        }
        let reporter = Reporter(call.options(callback)?);
        if reporter.0.progress.is_none() {
            return Err(Fail::invalid("callback: there is no function to tell of the progress"));
        }
        Ok(Some(reporter))
    }

    fn tell(&self, progress: Progress) -> ControlFlow<()> {
        let progress = sledstore_progress {
            struct_size: size_of::<sledstore_progress>(),
            rows_done: progress.rows_done,
            rows_total: progress.rows_total,
            bytes_done: progress.bytes_done,
            bytes_total: progress.bytes_total,
        };
        // SAFETY: the manual: "a function in a callback struct is a function of that type, which
        // may be called until destroy was". No lock is held.
        let answer = self.0.progress.map(|tell| unsafe { tell(self.0.ctx, &progress) });
        match answer {
            Some(0) => ControlFlow::Continue(()),
            _ => ControlFlow::Break(()),
        }
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        // What the callback has is the parent's too.
        if let Some(destroy) = self.0.destroy.filter(|_| !fork::happened()) {
            // SAFETY: as in `tell`; this is the only place that calls it, once.
            unsafe { destroy(self.0.ctx) }
        }
    }
}

/// Does `work`, which tells `reporter`, if there is one. The handles that the call needs are looked up.
pub(crate) fn observe<T>(
    reporter: Option<Reporter>,
    work: impl FnOnce(&mut Observer<'_>) -> Result<T, Fail>,
) -> Result<T, Fail> {
    let has_forked = fork::happened;
    let Some(reporter) = reporter else {
        return work(&mut Observer { report: None, has_forked });
    };
    if !ThreadRecord::current().has_room_for_a_callback() {
        let text = "calls are made in callbacks of each other more than 12 deep";
        return Err(Fail::new(sledstore_status::SLEDSTORE_REENTRANT, text));
    }
    let mut report = |progress| reporter.tell(progress);
    work(&mut Observer { report: Some(&mut report), has_forked })
}
