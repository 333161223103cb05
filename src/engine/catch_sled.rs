//! The one way into sled.

use std::any::Any;
use std::panic::{self, catch_unwind, AssertUnwindSafe};
use std::path::Path;
use std::sync::Once;

use oxistore_core::StoreError;

use crate::engine::interpose::signals;
use crate::engine::{Failure, Reason, Result};

/// Runs one call into sled. Its errors and its panics come back as errors that name `operation`
/// and `path`. Threads that it starts take no signals.
///
/// A panic leaves sled's lock-free structures as the panicking thread left them, which sled's own
/// tests treat as a crash; nothing of ours is half changed, because no call into sled is made
/// while an invariant of ours is broken. That is what `AssertUnwindSafe` asserts.
pub(crate) fn catch_sled<T>(
    operation: &'static str,
    path: &Path,
    call: impl FnOnce() -> sled::Result<T>,
) -> Result<T> {
    match signals::in_sled(|| catch_unwind(AssertUnwindSafe(call))) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(translate(operation, path, error)),
        Err(payload) => Err(panicked(operation, path, payload)),
    }
}

/// How sled names the threads of its pool.
const POOL: &str = "sled-io-";

/// Keeps panics of sled's from being printed: they become errors, and its pool catches its own. Everybody
/// else's go to the hook that the program had. To be called before sled is opened.
pub(crate) fn silence_sled() {
    static ONCE: Once = Once::new();
    // A thread that panics may not exchange the hook.
    if std::thread::panicking() {
        return;
    }
    ONCE.call_once(|| {
        let everybody_elses = panic::take_hook();
        panic::set_hook(Box::new(move |what| {
            let current = std::thread::current();
            let is_sleds = current.name().is_some_and(|name| name.starts_with(POOL));
            if !is_sleds && !signals::is_in_sled() {
                everybody_elses(what);
            }
        }));
    });
}

/// sled's error as ours; I/O, corruption and unsupported errors keep their kind.
pub(crate) fn translate(operation: &'static str, path: &Path, error: sled::Error) -> StoreError {
    match error {
        sled::Error::Io(source) if is_lock_error(&source) => Failure::error(
            operation,
            path,
            Reason::LockedByAnotherProcess,
            "sled's lock on it is held: by a program without this library, or for a store that was closed \
             while the disk did not answer",
        ),
        sled::Error::Io(source) if source.kind() == std::io::ErrorKind::UnexpectedEof => {
            let path = path.display();
            StoreError::Corruption(format!("cannot {operation} {path}: the log ends too early"))
        }
        sled::Error::Io(source) => Failure::from_io(operation, path, &source),
        sled::Error::Corruption { at, .. } => {
            let place = at.map(|at| format!(" at {at}")).unwrap_or_default();
            StoreError::Corruption(format!(
                "cannot {operation} {}: bad data{place}",
                path.display()
            ))
        }
        sled::Error::Unsupported(text) => {
            StoreError::Unsupported(format!("cannot {operation} {}: {text}", path.display()))
        }
        sled::Error::CollectionNotFound(_) => {
            Failure::error(operation, path, Reason::Dropped, "the keyspace was dropped")
        }
        // It says so where the data is not what it has to be.
        sled::Error::ReportableBug(text) => {
            StoreError::Corruption(format!("cannot {operation} {}: {text}", path.display()))
        }
    }
}

/// What a panic of sled becomes: it panics on data that it cannot make sense of.
fn panicked(operation: &'static str, path: &Path, payload: Box<dyn Any + Send>) -> StoreError {
    let text = format!("cannot {operation} {}: sled panicked: {}", path.display(), words(&payload));
    // Dropping a payload may panic in its turn; it is small, so it is given up instead.
    std::mem::forget(payload);
    StoreError::Corruption(text)
}

fn words(payload: &Box<dyn Any + Send>) -> &str {
    if let Some(text) = payload.downcast_ref::<&str>() {
        text
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text
    } else {
        "no message"
    }
}

/// sled has no error of its own for a lock that is held elsewhere, only this text.
pub(crate) fn is_lock_error(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::Other
        && error.to_string().starts_with("could not acquire lock")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_corruption() {
        let path = Path::new("/data");
        let caught = catch_sled::<()>("get from", path, || panic!("lost")).unwrap_err();
        let text = "cannot get from /data: sled panicked: lost";
        assert!(matches!(&caught, StoreError::Corruption(found) if found == text), "{caught}");
    }

    #[test]
    fn kinds_of_sled_errors_are_kept() {
        let path = Path::new("/data");
        let corrupt = sled::Error::Corruption { at: None, bt: () };
        assert!(matches!(translate("open", path, corrupt), StoreError::Corruption(_)));
        let unsupported = sled::Error::Unsupported("no".into());
        assert!(matches!(translate("open", path, unsupported), StoreError::Unsupported(_)));
        let short = sled::Error::Io(std::io::ErrorKind::UnexpectedEof.into());
        assert!(matches!(translate("read from", path, short), StoreError::Corruption(_)));
        let io = sled::Error::Io(std::io::Error::from_raw_os_error(libc::EIO));
        assert!(matches!(translate("open", path, io), StoreError::Io(_)));
    }
}
