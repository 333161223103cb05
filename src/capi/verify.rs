//! What is damaged in a store: verifying, and the report of a salvage.

use std::ffi::{c_char, c_void, CString};
use std::os::unix::ffi::OsStrExt;

use crate::capi::boundary::arguments::Output;
use crate::capi::boundary::fork;
use crate::capi::boundary::guard;
use crate::capi::error::{sledstore_error, Fail};
use crate::capi::status::sledstore_status;
use crate::capi::store::sledstore;
use crate::Finding;

/// Who is told of damaged places, for sledstore_verify() and sledstore_salvage_report(). Start from
/// SLEDSTORE_FINDING_CALLBACK_INIT. Since 0.1.0.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct sledstore_finding_callback {
    /// sizeof(sledstore_finding_callback).
    pub struct_size: usize,
    /// Whatever the functions need; the library only passes it on. May be NULL.
    pub ctx: *mut c_void,
    /// Called once for each damaged place, in the order of the files: the absolute path of the file,
    /// the byte in it at which the damaged part begins, and what is wrong there, in words. Both
    /// strings end with a NUL and are gone when the function returns. It answers SLEDSTORE_OK to hear of
    /// more; any other status ends the call, which then answers with it. It must return, and not throw or jump out.
    pub finding: Option<
        unsafe extern "C" fn(
            ctx: *mut c_void,
            file: *const c_char,
            offset: u64,
            what: *const c_char,
        ) -> i32,
    >,
    /// Called once with ctx before the call returns, whatever its status. May be NULL.
    pub destroy: Option<unsafe extern "C" fn(ctx: *mut c_void)>,
}

/// The callback of one call: destroyed at its end.
struct Callback(sledstore_finding_callback);

impl Callback {
    /// Tells all findings, or as many as the program wants to hear.
    fn tell(&self, findings: &[Finding]) -> Result<(), Fail> {
        findings.iter().try_for_each(|finding| self.tell_one(finding))
    }

    fn tell_one(&self, finding: &Finding) -> Result<(), Fail> {
        let Some(function) = self.0.finding else { return Ok(()) };
        let text = |bytes: &[u8]| {
            CString::new(bytes).map_err(|_| Fail::invalid("a path has a NUL byte in it"))
        };
        let (file, what) =
            (text(finding.file.as_os_str().as_bytes())?, text(finding.what.as_bytes())?);
        // SAFETY: the manual: "a function in a callback struct is a function of that type, which may
        // be called until destroy was". Both strings live through the call, and no lock is held.
        let answer = unsafe { function(self.0.ctx, file.as_ptr(), finding.offset, what.as_ptr()) };
        match answer {
            _ if fork::happened() => {
                Err(Fail::new(sledstore_status::SLEDSTORE_FORKED, "the callback has forked"))
            }
            0 => Ok(()),
            answer => Err(Fail::answered(answer)),
        }
    }
}

impl Drop for Callback {
    fn drop(&mut self) {
        // What the callback has is the parent's too.
        if let Some(destroy) = self.0.destroy.filter(|_| !fork::happened()) {
            // SAFETY: as in `tell_one`; this is the only place that calls it, once.
            unsafe { destroy(self.0.ctx) }
        }
    }
}

/// Reads everything that the store has on the disk, compares all checksums, reads every row with its
/// expiry and all parts of its value, and tells each damaged place. It changes nothing, and writers go on.
/// It takes the time to read the files once, and the rows once. Of a row that cannot be read, the
/// finding names no byte: its offset is 0.
///
/// What an opening has to read is checked by it: a store that is damaged there does not open, and
/// sledstore_open() answers SLEDSTORE_CORRUPTION, with the first place in its message. To hear of all
/// places, open it with SLEDSTORE_OPEN_SALVAGE and ask sledstore_salvage_report().
///
/// @param store     any handle of the store.
/// @param callback  see sledstore_finding_callback; the struct is copied. NULL: the status is enough.
///                  destroy is called once, unless the status is SLEDSTORE_FORKED or the struct itself
///                  is not valid.
/// @param error     see sledstore_error; may be NULL. After SLEDSTORE_CORRUPTION its message has the
///                  number of damaged places and the first of them.
///
/// Statuses: SLEDSTORE_OK: all of it is whole; SLEDSTORE_CORRUPTION: something is damaged, and the
/// callback was called; whatever else the callback answered, and SLEDSTORE_OTHER for a number that is no
/// status; SLEDSTORE_INVALID_ARGUMENT: struct_size is wrong; SLEDSTORE_UNSUPPORTED: a member that
/// this version does not have; the handle statuses; the engine statuses.
///
/// Threads: any number at once. The callback is called on the calling thread, which holds nothing of
/// the store meanwhile. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_verify(
    store: *const sledstore,
    callback: *const sledstore_finding_callback,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::enter(error, |call| {
        let callback = Callback(call.options(callback)?);
        // The handle is not in use while the callback is called.
        let findings = call.object(store)?.keyspace.verify()?;
        callback.tell(&findings)?;
        match &findings[..] {
            [] => Ok(sledstore_status::SLEDSTORE_OK),
            [first, ..] => Err(damaged(findings.len(), first)),
        }
    })
}

fn damaged(count: usize, first: &Finding) -> Fail {
    let places = if count == 1 { "place is" } else { "places are" };
    let text = format!("{count} {places} damaged, first {first}");
    Fail::new(sledstore_status::SLEDSTORE_CORRUPTION, text)
}

/// Tells what was damaged, and how many commits were lost, when the store was opened with
/// SLEDSTORE_OPEN_SALVAGE. A store that was whole, or was opened without that flag, has no findings and
/// no losses.
///
/// Each put, delete, batch, transaction and so on is one commit. What is lost behind the end of a log,
/// or of what was settled already, cannot be counted: the findings tell that something was there.
///
/// @param store         any handle of the store.
/// @param callback      see sledstore_finding_callback; the struct is copied. NULL: the number is
///                      enough. destroy is called once, unless the status is SLEDSTORE_FORKED or the struct
///                      itself is not valid.
/// @param lost_commits  receives the number of commits that are known to be missing; 0 on failure. May
///                      be NULL.
/// @param error         see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK, whatever was lost; whatever else the callback answered, and SLEDSTORE_OTHER
/// for a number that is no status; SLEDSTORE_INVALID_ARGUMENT: struct_size is wrong;
/// SLEDSTORE_UNSUPPORTED: a member that this version does not have; the handle statuses.
///
/// Threads: any number at once. The callback is called on the calling thread, which holds nothing of
/// the store meanwhile. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_salvage_report(
    store: *const sledstore,
    callback: *const sledstore_finding_callback,
    lost_commits: *mut u64,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    let lost_commits = Output::cleared(lost_commits);
    guard::enter(error, |call| {
        let callback = Callback(call.options(callback)?);
        let report = call.object(store)?.keyspace.salvage_report()?;
        callback.tell(&report.findings)?;
        lost_commits.set(report.lost_commit_count());
        Ok(sledstore_status::SLEDSTORE_OK)
    })
}
