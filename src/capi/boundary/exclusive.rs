//! Objects that one thread may use at a time. That is checked, not assumed.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, TryLockError};

use crate::capi::error::Fail;
use crate::capi::handles::hazard::ThreadRecord;
use crate::capi::status::sledstore_status as Status;

/// A lock that is never waited for.
pub(crate) struct Exclusive<T> {
    inside: Mutex<T>,
    /// The thread that holds the lock; 0 is nobody.
    owner: AtomicUsize,
}

/// The right to use what is inside.
pub(crate) struct Hold<'object, T> {
    inside: MutexGuard<'object, T>,
    owner: &'object AtomicUsize,
}

impl<T> Exclusive<T> {
    pub(crate) fn new(inside: T) -> Self {
        Exclusive { inside: Mutex::new(inside), owner: AtomicUsize::new(0) }
    }

    /// Fails at once if the object is in use. `what` names it in the message.
    pub(crate) fn hold(&self, what: &str) -> Result<Hold<'_, T>, Fail> {
        let me = ThreadRecord::current().identity();
        match self.inside.try_lock() {
            Ok(inside) => {
                self.owner.store(me, Ordering::Relaxed);
                Ok(Hold { inside, owner: &self.owner })
            }
            // Only this thread writes its own identity there, so the answer cannot be out of date.
            Err(TryLockError::WouldBlock) if self.owner.load(Ordering::Relaxed) == me => {
                Err(Fail::new(
                    Status::SLEDSTORE_REENTRANT,
                    format!("the {what} cannot be used from inside a call that uses it"),
                ))
            }
            Err(TryLockError::WouldBlock) => Err(Fail::new(
                Status::SLEDSTORE_BUSY,
                format!("another thread is using the {what}"),
            )),
            Err(TryLockError::Poisoned(_)) => Err(Fail::new(
                Status::SLEDSTORE_PANIC,
                format!("an earlier call on this {what} hit a bug in the library; free it"),
            )),
        }
    }
}

impl<T> Deref for Hold<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inside
    }
}

impl<T> DerefMut for Hold<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inside
    }
}

impl<T> Drop for Hold<'_, T> {
    fn drop(&mut self) {
        // Before the lock is given back, which happens when the fields are dropped.
        self.owner.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{catch_unwind, AssertUnwindSafe};

    fn refusal<T>(object: &Exclusive<T>) -> Option<Status> {
        object.hold("thing").err().map(|fail| fail.status())
    }

    #[test]
    fn the_holder_is_told_apart_from_another_thread() {
        let object = Exclusive::new(1);
        let mut hold = object.hold("thing").expect("nobody holds it");
        *hold += 1;
        assert_eq!(refusal(&object), Some(Status::SLEDSTORE_REENTRANT));
        let other = std::thread::scope(|scope| {
            scope.spawn(|| refusal(&object)).join().expect("the thread does not panic")
        });
        assert_eq!(other, Some(Status::SLEDSTORE_BUSY));
        drop(hold);
        assert_eq!(*object.hold("thing").expect("it was given back"), 2);
    }

    #[test]
    fn an_object_that_saw_a_panic_is_not_used_again() {
        let object = Exclusive::new(1);
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _hold = object.hold("thing").expect("nobody holds it");
            panic!("in the middle of a change");
        }));
        assert!(panicked.is_err());
        assert_eq!(refusal(&object), Some(Status::SLEDSTORE_PANIC));
    }
}
