//! Status codes: their numbers, names and explanations.

use std::ffi::{c_char, CStr};

use crate::capi::boundary::guard;
use crate::StoreError;

/// What a call answered.
///
/// 0 is success. Positive values are outcomes that are no failure, such as "that key is not there".
/// Negative values are failures, so `if (status < 0)` finds exactly the failures.
///
/// A value never changes its meaning. Later versions add values: treat an unknown negative value as
/// a failure and an unknown positive value as an outcome. Since 0.1.0.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(non_camel_case_types, clippy::enum_variant_names)] // The names are the C names.
pub enum sledstore_status {
    /// Done.
    SLEDSTORE_OK = 0,
    /// The operating system reported an error; sledstore_error_os_code() has its number.
    SLEDSTORE_IO = -1,
    /// The files of the store are damaged, or are no store.
    SLEDSTORE_CORRUPTION = -2,
    /// Something other than a key was not found, such as the keyspace to drop.
    SLEDSTORE_NOT_FOUND = 3,
    /// What was to be created exists already.
    SLEDSTORE_ALREADY_EXISTS = -4,
    /// Another transaction wrote what this one had read; run it again.
    SLEDSTORE_TXN_CONFLICT = -5,
    /// The store is open for reading only.
    SLEDSTORE_READ_ONLY = -6,
    /// The disk did not answer in time. What was to be written may reach it or not.
    SLEDSTORE_TIMEOUT = -7,
    /// What a snapshot, an iterator or a transaction shows has ended: it took more than snapshot_memory.
    SLEDSTORE_CAPACITY_EXCEEDED = -8,
    /// The value was not the expected one; nothing was written.
    SLEDSTORE_CAS_MISMATCH = 9,
    /// That key is not there, or has expired.
    SLEDSTORE_KEY_NOT_FOUND = 10,
    /// This version cannot do that: a key or value over the limit, a flag that it does not know, a
    /// feature that is not built in.
    SLEDSTORE_UNSUPPORTED = -11,
    /// Any other failure; the message says which.
    SLEDSTORE_OTHER = -12,
    /// An iterator has no further row in that direction.
    SLEDSTORE_END = 100,
    /// The key is there and never expires.
    SLEDSTORE_NO_TTL = 101,
    /// Nothing came within the time to wait.
    SLEDSTORE_NO_EVENT = 102,
    /// An argument is not allowed: a NULL that has to be something, a keyspace of another store.
    SLEDSTORE_INVALID_ARGUMENT = -100,
    /// This is no handle, or a handle of another type.
    SLEDSTORE_WRONG_HANDLE = -101,
    /// The handle was freed, or its store was closed.
    SLEDSTORE_CLOSED = -102,
    /// In use: by another thread, or (for a close) by what is still open on the store.
    SLEDSTORE_BUSY = -103,
    /// Not allowed from inside a callback of the same handle, or callbacks are nested too deeply.
    SLEDSTORE_REENTRANT = -104,
    /// The directory is open in another process, or through another store of this one.
    SLEDSTORE_LOCKED = -105,
    /// This process is the child of a fork(); the library cannot be used here.
    SLEDSTORE_FORKED = -106,
    /// A bug in the library was caught; the message names it.
    SLEDSTORE_PANIC = -107,
    /// The result does not fit; the needed size was written, and nothing else.
    SLEDSTORE_BUFFER_TOO_SMALL = -108,
    /// The disk, or the quota of this user, is full.
    SLEDSTORE_DISK_FULL = -109,
    /// The file system is mounted for reading only.
    SLEDSTORE_READ_ONLY_FILESYSTEM = -110,
    /// The keyspace was dropped, or one that the batch or the transaction names.
    SLEDSTORE_KEYSPACE_DROPPED = -111,
    /// The transaction was committed or rolled back; an iterator of it is still there.
    SLEDSTORE_TXN_OVER = -112,
    /// There are as many live handles as there can be: some are never freed.
    SLEDSTORE_TOO_MANY_HANDLES = -113,
    /// The log does not have that commit any more.
    SLEDSTORE_TOO_OLD = -114,
    /// The merge operator failed; the key is as it was.
    SLEDSTORE_MERGE_FAILED = -115,
    /// A callback of the caller's has asked for the end of the call.
    SLEDSTORE_CANCELLED = -116,
}

use sledstore_status as Status;

/// Every status with its name and what it means, in the order of the enum.
const TABLE: [(Status, &CStr, &CStr); 33] = [
    (Status::SLEDSTORE_OK, c"SLEDSTORE_OK", c"done"),
    (Status::SLEDSTORE_IO, c"SLEDSTORE_IO", c"the operating system reported an error"),
    (Status::SLEDSTORE_CORRUPTION, c"SLEDSTORE_CORRUPTION", c"the files of the store are damaged"),
    (Status::SLEDSTORE_NOT_FOUND, c"SLEDSTORE_NOT_FOUND", c"not found"),
    (Status::SLEDSTORE_ALREADY_EXISTS, c"SLEDSTORE_ALREADY_EXISTS", c"it exists already"),
    (
        Status::SLEDSTORE_TXN_CONFLICT,
        c"SLEDSTORE_TXN_CONFLICT",
        c"another transaction wrote what this one had read",
    ),
    (Status::SLEDSTORE_READ_ONLY, c"SLEDSTORE_READ_ONLY", c"the store is open for reading only"),
    (Status::SLEDSTORE_TIMEOUT, c"SLEDSTORE_TIMEOUT", c"the disk did not answer in time"),
    (
        Status::SLEDSTORE_CAPACITY_EXCEEDED,
        c"SLEDSTORE_CAPACITY_EXCEEDED",
        c"what it shows has ended, it took too much memory",
    ),
    (
        Status::SLEDSTORE_CAS_MISMATCH,
        c"SLEDSTORE_CAS_MISMATCH",
        c"the value was not the expected one",
    ),
    (Status::SLEDSTORE_KEY_NOT_FOUND, c"SLEDSTORE_KEY_NOT_FOUND", c"that key is not there"),
    (Status::SLEDSTORE_UNSUPPORTED, c"SLEDSTORE_UNSUPPORTED", c"this version cannot do that"),
    (Status::SLEDSTORE_OTHER, c"SLEDSTORE_OTHER", c"another failure"),
    (Status::SLEDSTORE_END, c"SLEDSTORE_END", c"no further row"),
    (Status::SLEDSTORE_NO_TTL, c"SLEDSTORE_NO_TTL", c"the key never expires"),
    (Status::SLEDSTORE_NO_EVENT, c"SLEDSTORE_NO_EVENT", c"nothing came within the time to wait"),
    (
        Status::SLEDSTORE_INVALID_ARGUMENT,
        c"SLEDSTORE_INVALID_ARGUMENT",
        c"an argument is not allowed",
    ),
    (
        Status::SLEDSTORE_WRONG_HANDLE,
        c"SLEDSTORE_WRONG_HANDLE",
        c"no handle, or a handle of another type",
    ),
    (Status::SLEDSTORE_CLOSED, c"SLEDSTORE_CLOSED", c"the handle was freed or closed before"),
    (Status::SLEDSTORE_BUSY, c"SLEDSTORE_BUSY", c"in use at the moment"),
    (
        Status::SLEDSTORE_REENTRANT,
        c"SLEDSTORE_REENTRANT",
        c"not allowed from inside a callback of the same handle",
    ),
    (
        Status::SLEDSTORE_LOCKED,
        c"SLEDSTORE_LOCKED",
        c"another process, or another store of this one, has the directory open",
    ),
    (
        Status::SLEDSTORE_FORKED,
        c"SLEDSTORE_FORKED",
        c"the library cannot be used in the child of a fork",
    ),
    (Status::SLEDSTORE_PANIC, c"SLEDSTORE_PANIC", c"a bug in the library was caught"),
    (
        Status::SLEDSTORE_BUFFER_TOO_SMALL,
        c"SLEDSTORE_BUFFER_TOO_SMALL",
        c"the result does not fit into the buffer",
    ),
    (Status::SLEDSTORE_DISK_FULL, c"SLEDSTORE_DISK_FULL", c"the disk is full"),
    (
        Status::SLEDSTORE_READ_ONLY_FILESYSTEM,
        c"SLEDSTORE_READ_ONLY_FILESYSTEM",
        c"the file system is mounted for reading only",
    ),
    (
        Status::SLEDSTORE_KEYSPACE_DROPPED,
        c"SLEDSTORE_KEYSPACE_DROPPED",
        c"the keyspace was dropped",
    ),
    (
        Status::SLEDSTORE_TXN_OVER,
        c"SLEDSTORE_TXN_OVER",
        c"the transaction was committed or rolled back",
    ),
    (
        Status::SLEDSTORE_TOO_MANY_HANDLES,
        c"SLEDSTORE_TOO_MANY_HANDLES",
        c"there are too many live handles",
    ),
    (
        Status::SLEDSTORE_TOO_OLD,
        c"SLEDSTORE_TOO_OLD",
        c"the log does not have that commit any more",
    ),
    (Status::SLEDSTORE_MERGE_FAILED, c"SLEDSTORE_MERGE_FAILED", c"the merge operator failed"),
    (Status::SLEDSTORE_CANCELLED, c"SLEDSTORE_CANCELLED", c"a callback has asked for the end"),
];

fn lookup(status: i32) -> Option<&'static (Status, &'static CStr, &'static CStr)> {
    TABLE.iter().find(|(known, _, _)| *known as i32 == status)
}

/// The status with this number, if there is one.
pub(crate) fn known(status: i32) -> Option<Status> {
    lookup(status).map(|(status, _, _)| *status)
}

/// What a question for a key answers.
pub(crate) fn presence(is_there: bool) -> Status {
    match is_there {
        true => Status::SLEDSTORE_OK,
        false => Status::SLEDSTORE_KEY_NOT_FOUND,
    }
}

impl Status {
    pub(crate) fn is_failure(self) -> bool {
        (self as i32) < 0
    }
}

/// The status of the same name. Without a wildcard: a new kind of error has to get a code.
pub(crate) fn of(error: &StoreError) -> Status {
    match error {
        StoreError::Io(_) => Status::SLEDSTORE_IO,
        StoreError::Corruption(_) => Status::SLEDSTORE_CORRUPTION,
        StoreError::NotFound => Status::SLEDSTORE_NOT_FOUND,
        StoreError::AlreadyExists => Status::SLEDSTORE_ALREADY_EXISTS,
        StoreError::TxnConflict => Status::SLEDSTORE_TXN_CONFLICT,
        StoreError::ReadOnly => Status::SLEDSTORE_READ_ONLY,
        StoreError::Timeout => Status::SLEDSTORE_TIMEOUT,
        StoreError::CapacityExceeded => Status::SLEDSTORE_CAPACITY_EXCEEDED,
        StoreError::CasMismatch => Status::SLEDSTORE_CAS_MISMATCH,
        StoreError::KeyNotFound => Status::SLEDSTORE_KEY_NOT_FOUND,
        StoreError::Unsupported(_) => Status::SLEDSTORE_UNSUPPORTED,
        StoreError::Other(_) => Status::SLEDSTORE_OTHER,
    }
}

/// Gives the name of a status, for example "SLEDSTORE_IO".
///
/// @param status  any number.
/// @return        a string that is never NULL and lives as long as the program; do not free it.
///                "SLEDSTORE_UNKNOWN_STATUS" for a number that this version does not know.
///
/// Threads: any number at once; also in the child of a fork. Since 0.1.0.
#[unsafe(no_mangle)]
pub extern "C" fn sledstore_status_name(status: i32) -> *const c_char {
    guard::plain(c"SLEDSTORE_UNKNOWN_STATUS".as_ptr(), || {
        lookup(status).map(|(_, name, _)| name.as_ptr())
    })
}

/// Says in a few words of English what a status means.
///
/// What went wrong in one particular call is told by the error of that call; see
/// sledstore_error_message().
///
/// @param status  any number.
/// @return        a string that is never NULL and lives as long as the program; do not free it.
///                "unknown status" for a number that this version does not know.
///
/// Threads: any number at once; also in the child of a fork. Since 0.1.0.
#[unsafe(no_mangle)]
pub extern "C" fn sledstore_status_message(status: i32) -> *const c_char {
    guard::plain(c"unknown status".as_ptr(), || {
        lookup(status).map(|(_, _, message)| message.as_ptr())
    })
}

/// Says whether the same may succeed when it is done again later, with nothing changed. For
/// SLEDSTORE_TXN_CONFLICT that is the transaction, from its beginning, and for all others the call.
///
/// @param status  any number.
/// @return        true for SLEDSTORE_TXN_CONFLICT, SLEDSTORE_BUSY and SLEDSTORE_LOCKED; false for
///                everything else.
///
/// Threads: any number at once; also in the child of a fork. Since 0.1.0.
#[unsafe(no_mangle)]
pub extern "C" fn sledstore_status_is_retryable(status: i32) -> bool {
    guard::plain(false, || {
        lookup(status).map(|(status, _, _)| {
            matches!(
                status,
                Status::SLEDSTORE_TXN_CONFLICT | Status::SLEDSTORE_BUSY | Status::SLEDSTORE_LOCKED
            )
        })
    })
}

/// Says whether a status tells of a mistake in the calling program, to be mended in its source.
///
/// @param status  any number.
/// @return        true for SLEDSTORE_INVALID_ARGUMENT, SLEDSTORE_WRONG_HANDLE, SLEDSTORE_CLOSED,
///                SLEDSTORE_KEYSPACE_DROPPED, SLEDSTORE_TXN_OVER, SLEDSTORE_REENTRANT and
///                SLEDSTORE_FORKED; false for everything else.
///
/// Threads: any number at once; also in the child of a fork. Since 0.1.0.
#[unsafe(no_mangle)]
pub extern "C" fn sledstore_status_is_misuse(status: i32) -> bool {
    guard::plain(false, || {
        lookup(status).map(|(status, _, _)| {
            matches!(
                status,
                Status::SLEDSTORE_INVALID_ARGUMENT
                    | Status::SLEDSTORE_WRONG_HANDLE
                    | Status::SLEDSTORE_CLOSED
                    | Status::SLEDSTORE_KEYSPACE_DROPPED
                    | Status::SLEDSTORE_TXN_OVER
                    | Status::SLEDSTORE_REENTRANT
                    | Status::SLEDSTORE_FORKED
            )
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_of_the_store_has_the_number_of_its_position() {
        let errors = [
            StoreError::from(std::io::Error::other("")),
            StoreError::Corruption(String::new()),
            StoreError::NotFound,
            StoreError::AlreadyExists,
            StoreError::TxnConflict,
            StoreError::ReadOnly,
            StoreError::Timeout,
            StoreError::CapacityExceeded,
            StoreError::CasMismatch,
            StoreError::KeyNotFound,
            StoreError::Unsupported(String::new()),
            StoreError::Other(String::new()),
        ];
        for (position, error) in (1..).zip(&errors) {
            assert_eq!((of(error) as i32).abs(), position, "{error:?}");
        }
    }

    #[test]
    fn every_status_is_in_the_table_once_under_its_own_name() {
        for (position, (status, name, message)) in TABLE.iter().enumerate() {
            assert_eq!(name.to_str(), Ok(format!("{status:?}").as_str()));
            assert!(!message.is_empty());
            assert!(TABLE[..position].iter().all(|(other, _, _)| other != status));
        }
    }

    #[test]
    fn an_unknown_number_has_the_answers_that_the_manual_says() {
        // SAFETY: both functions give strings that live for ever.
        let text = |pointer| unsafe { CStr::from_ptr(pointer) };
        assert_eq!(text(sledstore_status_name(77)), c"SLEDSTORE_UNKNOWN_STATUS");
        assert_eq!(text(sledstore_status_message(i32::MIN)), c"unknown status");
        assert!(!sledstore_status_is_retryable(77) && !sledstore_status_is_misuse(77));
        assert!(sledstore_status_is_retryable(-103) && sledstore_status_is_misuse(-101));
    }
}
