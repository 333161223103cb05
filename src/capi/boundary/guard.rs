//! The one way in: what every exported function does before and after its own work.

use std::any::Any;
use std::panic::{catch_unwind, AssertUnwindSafe};

use crate::capi::boundary::arguments::{Call, Output, Pod};
use crate::capi::boundary::fork;
use crate::capi::error::{self, sledstore_error, Fail};
use crate::capi::handles::hazard;
use crate::capi::handles::{self, Opaque, Token};
use crate::capi::status::sledstore_status as Status;

/// Runs a function that reports failures through `error`.
pub(crate) fn enter(
    error: *mut *mut sledstore_error,
    body: impl for<'call> FnOnce(&'call Call) -> Result<Status, Fail>,
) -> Status {
    let error = Output::cleared(error);
    if fork::happened() {
        // Nothing of this process's library may be touched.
        return error::report_fork(&error);
    }
    let result = contain(|| body(&Call::from_c()));
    if fork::happened() {
        // The call went through a callback that has forked, and this is the child.
        return error::report_fork(&error);
    }
    let status = result.unwrap_or_else(|fail| error::report(fail, &error));
    hazard::end_of_call();
    status
}

/// Runs a function that has one result, for which the caller has to have a place. `what` names it.
pub(crate) fn give<T: Pod>(
    place: *mut T,
    what: &str,
    error: *mut *mut sledstore_error,
    body: impl for<'call> FnOnce(&'call Call) -> Result<T, Fail>,
) -> Status {
    let place = Output::cleared(place);
    enter(error, |call| {
        place.required(what)?;
        place.set(body(call)?);
        Ok(Status::SLEDSTORE_OK)
    })
}

/// Runs a function that has only its status to tell of failures.
pub(crate) fn status(body: impl FnOnce() -> Result<Status, Fail>) -> Status {
    enter(std::ptr::null_mut(), |_| body())
}

/// Runs a function that gives a value, or `otherwise` if there is none.
pub(crate) fn answer<R: Copy>(otherwise: R, body: impl FnOnce() -> Option<R>) -> R {
    if fork::happened() {
        return otherwise;
    }
    let result = plain(otherwise, body);
    hazard::end_of_call();
    result
}

/// Runs a function that looks no handle up, and so is allowed in the child of a fork too.
pub(crate) fn plain<R: Copy>(otherwise: R, body: impl FnOnce() -> Option<R>) -> R {
    contain(|| Ok(body())).ok().flatten().unwrap_or(otherwise)
}

/// Frees a handle; NULL is fine.
pub(crate) fn free<T: Opaque>(handle: *mut T) -> Status {
    status(|| {
        if let Some(token) = Token::of(handle.cast_const()) {
            handles::free(token, T::KIND)?;
        }
        Ok(Status::SLEDSTORE_OK)
    })
}

/// Turns a panic into a failure.
fn contain<R>(body: impl FnOnce() -> Result<R, Fail>) -> Result<R, Fail> {
    // What a panic may have left half done is never used again: the objects that a call can change
    // are behind locks that remember the panic.
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|payload| {
        let message = describe(&*payload);
        // Dropping a payload may panic again, which would end the process.
        std::mem::forget(payload);
        Err(Fail::new(Status::SLEDSTORE_PANIC, message))
    })
}

fn describe(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    format!("a bug in the library was caught: {text}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CStr;

    /// Panics when it is dropped, as a payload may.
    struct Vicious;

    impl Drop for Vicious {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }

    #[test]
    fn a_panic_becomes_a_status_and_an_error() {
        let mut error = std::ptr::null_mut();
        let status = enter(&mut error, |_| panic!("number {}", 7));
        assert_eq!(status, Status::SLEDSTORE_PANIC);
        assert_eq!(error::sledstore_error_status(error), Status::SLEDSTORE_PANIC);
        // SAFETY: the message of a live error is a NUL-terminated string.
        let message = unsafe { CStr::from_ptr(error::sledstore_error_message(error)) };
        assert_eq!(message.to_bytes(), b"a bug in the library was caught: number 7");
        assert_eq!(error::sledstore_error_free(error), Status::SLEDSTORE_OK);
    }

    #[test]
    fn a_payload_that_panics_when_dropped_is_contained() {
        let status = status(|| std::panic::panic_any(Vicious));
        assert_eq!(status, Status::SLEDSTORE_PANIC);
    }

    #[test]
    fn an_outcome_creates_no_error_and_clears_the_old_pointer() {
        let mut error = std::ptr::dangling_mut();
        let status = enter(&mut error, |_| Ok(Status::SLEDSTORE_END));
        assert_eq!(status, Status::SLEDSTORE_END);
        assert!(error.is_null());
        let absent = enter(&mut error, |_| Err(crate::StoreError::KeyNotFound.into()));
        assert_eq!(absent, Status::SLEDSTORE_KEY_NOT_FOUND);
        assert!(error.is_null());
    }
}
