//! What an I/O error of the store carries beside its text.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use oxistore_core::StoreError;

/// Why a call failed, for callers that must tell the cases apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The operating system refused; [`Failure::os_code`] has its error number where it is known.
    Os,
    /// The directory is open already, through another handle of this process.
    LockedByThisProcess,
    /// The directory is open already, by another process (or by sled itself, without this library).
    LockedByAnotherProcess,
    /// The disk, or the quota, is full.
    DiskFull,
    /// The file system is mounted read-only.
    ReadOnlyFilesystem,
    /// An argument makes no sense, such as an empty path.
    InvalidArgument,
    /// The store was closed.
    Closed,
    /// The keyspace was dropped.
    Dropped,
    /// The transaction was committed or rolled back.
    TransactionOver,
    /// The disk did not answer within the time that this library waits.
    TimedOut,
    /// The log does not have that commit any more.
    TooOld,
    /// The store cannot be closed yet: something of it is still open.
    Busy,
    /// The call was made from inside of a merge operator.
    Reentrant,
    /// The merge operator failed.
    MergeFailed,
    /// The caller's callback has asked for the end.
    Cancelled,
}

/// The source inside a [`StoreError::Io`]: what was done, where, and why it failed.
///
/// ```
/// use sledstore::{Failure, Reason, SledStore};
///
/// let error = SledStore::open("").err().expect("an empty path is refused");
/// assert_eq!(Failure::of(&error).map(|f| f.reason()), Some(Reason::InvalidArgument));
/// ```
#[derive(Debug, Clone, thiserror::Error)]
#[error("cannot {operation} {}: {message}", path.display())]
pub struct Failure {
    operation: &'static str,
    path: PathBuf,
    reason: Reason,
    os_code: Option<i32>,
    message: String,
}

impl Failure {
    /// The failure inside `error`, if it is one of this library's I/O errors.
    pub fn of(error: &StoreError) -> Option<&Failure> {
        match error {
            StoreError::Io(io) => io.get_ref()?.downcast_ref(),
            _ => None,
        }
    }

    /// Why the call failed.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// The operating system's error number, where it is known.
    pub fn os_code(&self) -> Option<i32> {
        self.os_code
    }

    pub(crate) fn error(
        operation: &'static str,
        path: &Path,
        reason: Reason,
        message: impl Into<String>,
    ) -> StoreError {
        let path = path.to_path_buf();
        let failure = Failure { operation, path, reason, os_code: None, message: message.into() };
        failure.into_store_error(kind_of(reason))
    }

    pub(crate) fn from_io(operation: &'static str, path: &Path, source: &io::Error) -> StoreError {
        let os_code = os_code_of(source);
        // The system's words, rather than those of a copy that names them among other things.
        let words = os_code.map(|code| io::Error::from_raw_os_error(code).to_string());
        let failure = Failure {
            operation,
            path: path.to_path_buf(),
            reason: reason_of(source),
            os_code,
            message: words.unwrap_or_else(|| source.to_string()),
        };
        failure.into_store_error(source.kind())
    }

    /// The same failure, of another path.
    pub(crate) fn rename(error: StoreError, path: &Path) -> StoreError {
        match (&error, Failure::of(&error).cloned()) {
            (StoreError::Io(io), Some(failure)) => {
                Failure { path: path.to_path_buf(), ..failure }.into_store_error(io.kind())
            }
            _ => error,
        }
    }

    fn into_store_error(self, kind: io::ErrorKind) -> StoreError {
        StoreError::Io(Arc::new(io::Error::new(kind, self)))
    }
}

fn kind_of(reason: Reason) -> io::ErrorKind {
    match reason {
        Reason::Os => io::ErrorKind::Other,
        Reason::LockedByThisProcess
        | Reason::LockedByAnotherProcess
        | Reason::Busy
        | Reason::Reentrant => io::ErrorKind::ResourceBusy,
        Reason::MergeFailed => io::ErrorKind::Other,
        Reason::TimedOut => io::ErrorKind::TimedOut,
        Reason::Cancelled => io::ErrorKind::Interrupted,
        Reason::DiskFull => io::ErrorKind::StorageFull,
        Reason::ReadOnlyFilesystem => io::ErrorKind::ReadOnlyFilesystem,
        Reason::InvalidArgument => io::ErrorKind::InvalidInput,
        Reason::TooOld => io::ErrorKind::NotFound,
        Reason::Closed | Reason::Dropped | Reason::TransactionOver => io::ErrorKind::NotConnected,
    }
}

fn reason_of(source: &io::Error) -> Reason {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Reason::DiskFull,
        io::ErrorKind::ReadOnlyFilesystem => Reason::ReadOnlyFilesystem,
        _ => Reason::Os,
    }
}

/// sled copies an `io::Error` that several threads must see as text, `Os { code: 28, .. }`, and
/// loses its number by that; the number is still in the text.
fn os_code_of(source: &io::Error) -> Option<i32> {
    source.raw_os_error().or_else(|| {
        let text = source.to_string();
        let digits = text.split("Os { code: ").nth(1)?;
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        digits[..end].parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_os_error_keeps_its_number_kind_and_place() {
        let source = io::Error::from_raw_os_error(libc::ENOSPC);
        let error = Failure::from_io("write to", Path::new("/data"), &source);
        let failure = Failure::of(&error).expect("a failure is inside");
        assert_eq!(failure.reason(), Reason::DiskFull);
        assert_eq!(failure.os_code(), Some(libc::ENOSPC));
        assert!(error.to_string().contains("cannot write to /data"), "{error}");
    }

    #[test]
    fn the_number_survives_the_copy_that_sled_makes() {
        let original = io::Error::from_raw_os_error(libc::EROFS);
        let copy = io::Error::new(original.kind(), format!("{original:?}"));
        let error = Failure::from_io("write to", Path::new("/data"), &copy);
        let failure = Failure::of(&error).expect("a failure is inside");
        assert_eq!(failure.reason(), Reason::ReadOnlyFilesystem);
        assert_eq!(failure.os_code(), Some(libc::EROFS));
    }
}
