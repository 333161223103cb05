//! Error objects: what went wrong in one call, in words.

use std::borrow::Cow;
use std::ffi::{c_char, CString};
use std::path::Path;

use crate::capi::boundary::arguments::Output;
use crate::capi::boundary::guard;
use crate::capi::handles::{self, opaque, Token};
use crate::capi::status::{self, sledstore_status as Status, sledstore_status};
use crate::{Failure, Reason, StoreError};

/// What went wrong in one call.
///
/// Functions that can fail take a `sledstore_error **error` as their last parameter. Give NULL, or
/// the address of a variable: it is set to NULL at the start of the call, and to an error that you
/// own if the call fails (status below 0). Outcomes above 0 never create an error.
///
/// An error may outlive everything else. Any number of threads may read it at once. Free it with
/// sledstore_error_free(). Since 0.1.0.
#[allow(non_camel_case_types)]
pub struct sledstore_error;

/// An error as the functions inside see it, before it has a handle.
#[derive(Debug)]
pub(crate) struct Fail {
    status: Status,
    message: Cow<'static, str>,
    os_code: i32,
}

impl Fail {
    pub(crate) fn new(status: Status, message: impl Into<Cow<'static, str>>) -> Self {
        Fail { status, message: message.into(), os_code: 0 }
    }

    pub(crate) fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Status::SLEDSTORE_INVALID_ARGUMENT, message)
    }

    /// The failure of opening `path`. Most of them name it themselves.
    pub(crate) fn opening(error: StoreError, path: &Path) -> Self {
        let fail = Fail::from(error);
        match fail.status {
            Status::SLEDSTORE_ALREADY_EXISTS => {
                let message = format!("cannot open {}: it is there already", path.display());
                Fail { message: message.into(), ..fail }
            }
            _ => fail,
        }
    }

    /// What a callback has answered with, which is not SLEDSTORE_OK.
    pub(crate) fn answered(answer: i32) -> Self {
        let known = status::known(answer);
        let message = format!(
            "the callback answered {}",
            known.map_or(answer.to_string(), |it| format!("{it:?}"))
        );
        Self::new(known.unwrap_or(Status::SLEDSTORE_OTHER), message)
    }

    pub(crate) fn status(&self) -> Status {
        self.status
    }
}

impl From<StoreError> for Fail {
    fn from(error: StoreError) -> Self {
        let failure = Failure::of(&error);
        Fail {
            status: failure.map_or_else(|| status::of(&error), |failure| refine(failure.reason())),
            os_code: os_code(&error, failure),
            // Not everything that `StoreError::Io` carries has to do with input or output.
            message: failure.map_or_else(|| error.to_string(), Failure::to_string).into(),
        }
    }
}

/// The status of an I/O error whose reason the store knows.
fn refine(reason: Reason) -> Status {
    match reason {
        Reason::Os => Status::SLEDSTORE_IO,
        Reason::LockedByThisProcess | Reason::LockedByAnotherProcess => Status::SLEDSTORE_LOCKED,
        Reason::DiskFull => Status::SLEDSTORE_DISK_FULL,
        Reason::ReadOnlyFilesystem => Status::SLEDSTORE_READ_ONLY_FILESYSTEM,
        Reason::InvalidArgument => Status::SLEDSTORE_INVALID_ARGUMENT,
        Reason::Closed => Status::SLEDSTORE_CLOSED,
        Reason::Dropped => Status::SLEDSTORE_KEYSPACE_DROPPED,
        Reason::TransactionOver => Status::SLEDSTORE_TXN_OVER,
        Reason::Busy => Status::SLEDSTORE_BUSY,
        Reason::TooOld => Status::SLEDSTORE_TOO_OLD,
        Reason::TimedOut => Status::SLEDSTORE_TIMEOUT,
        Reason::Reentrant => Status::SLEDSTORE_REENTRANT,
        Reason::MergeFailed => Status::SLEDSTORE_MERGE_FAILED,
        Reason::Cancelled => Status::SLEDSTORE_CANCELLED,
    }
}

fn os_code(error: &StoreError, failure: Option<&Failure>) -> i32 {
    let plain = || match error {
        StoreError::Io(error) => error.raw_os_error(),
        _ => None,
    };
    failure.and_then(Failure::os_code).or_else(plain).unwrap_or(0)
}

/// What an error handle stands for.
pub(crate) struct ErrorObject {
    status: Status,
    message: CString,
    os_code: i32,
}

opaque!(sledstore_error, Error, ErrorObject);

/// Gives the caller an error, if the status is a failure and there is a place for it.
pub(crate) fn report(fail: Fail, place: &Output<*mut sledstore_error>) -> Status {
    if fail.status.is_failure() && place.is_wanted() {
        // A path or a key in the message may contain a zero byte, which would end the C string.
        let message = CString::new(fail.message.replace('\0', "\\0")).unwrap_or_default();
        let object = ErrorObject { status: fail.status, message, os_code: fail.os_code };
        // Without room for a handle the status still tells the caller what happened.
        if let Ok(error) = handles::insert::<sledstore_error>(object) {
            place.set(error.publish());
        }
    }
    fail.status
}

/// The same in the child of a fork, where nothing may be made.
pub(crate) fn report_fork(place: &Output<*mut sledstore_error>) -> Status {
    place.set(Token::FORKED.to_pointer());
    Status::SLEDSTORE_FORKED
}

/// Whether it is the error that calls in the child of a fork give.
fn is_of_fork(error: *const sledstore_error) -> bool {
    Token::of(error) == Some(Token::FORKED)
}

fn read<R>(error: *const sledstore_error, read: impl FnOnce(&ErrorObject) -> R) -> Option<R> {
    let token = Token::of(error)?;
    handles::find::<sledstore_error>(token).ok().map(|error| read(&error))
}

/// Gives the status that the failed call returned.
///
/// @param error  the error, or NULL.
/// @return       that status, which is below 0; SLEDSTORE_OK for NULL; SLEDSTORE_CLOSED for an
///               error that was freed; SLEDSTORE_WRONG_HANDLE for anything else that is no error;
///               SLEDSTORE_FORKED in the child of a fork.
///
/// Threads: any number at once. Since 0.1.0.
#[unsafe(no_mangle)]
pub extern "C" fn sledstore_error_status(error: *const sledstore_error) -> sledstore_status {
    guard::status(|| {
        let Some(token) = Token::of(error) else { return Ok(Status::SLEDSTORE_OK) };
        Ok(handles::find::<sledstore_error>(token)?.status)
    })
}

/// Says what went wrong: English text in UTF-8, with the path or the argument that it is about. The
/// wording may change between versions; programs decide by the status.
///
/// @param error  the error, or NULL.
/// @return       a NUL-terminated string that is valid until the error is freed; do not free it.
///               Never NULL: "" for NULL and for anything that is no live error; in the child of a
///               fork for all errors but those of calls that were made there.
///
/// Threads: any number at once. Since 0.1.0.
#[unsafe(no_mangle)]
pub extern "C" fn sledstore_error_message(error: *const sledstore_error) -> *const c_char {
    if is_of_fork(error) {
        return c"this process is the child of a fork, and the store is its parent's".as_ptr();
    }
    guard::answer(c"".as_ptr(), || read(error, |error| error.message.as_ptr()))
}

/// Gives the error number of the operating system (errno) behind a failure.
///
/// @param error  the error, or NULL.
/// @return       that number; 0 if the operating system had no part in the failure, for NULL, for
///               anything that is no live error, and in the child of a fork.
///
/// Threads: any number at once. Since 0.1.0.
#[unsafe(no_mangle)]
pub extern "C" fn sledstore_error_os_code(error: *const sledstore_error) -> i32 {
    guard::answer(0, || read(error, |error| error.os_code))
}

/// Frees an error. Its message is gone with it.
///
/// @param error  the error; NULL does nothing.
///
/// Statuses: SLEDSTORE_OK, also for NULL; SLEDSTORE_CLOSED: it was freed before;
/// SLEDSTORE_WRONG_HANDLE; SLEDSTORE_FORKED: it is one of the parent's; SLEDSTORE_PANIC.
///
/// Threads: any. No other thread may be reading the message any more. Since 0.1.0.
#[unsafe(no_mangle)]
pub extern "C" fn sledstore_error_free(error: *mut sledstore_error) -> sledstore_status {
    if is_of_fork(error) {
        return Status::SLEDSTORE_OK;
    }
    guard::free(error)
}
