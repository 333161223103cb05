//! The thread that runs wakers.
//!
//! A waker is code of the user. A writer has its locks, such as the lease of its keyspace, until its
//! call returns, and must not be slowed down by a watch. So another thread runs the wakers: one a
//! process, from the first future that waits on. It sleeps while there is nothing to wake.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::mpsc::{channel, Sender};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use crate::engine::signals_blocked;

/// Where the thread gets wakers from; `None` until it was started.
static QUEUE: Mutex<Option<Sender<Waker>>> = Mutex::new(None);

fn queue() -> MutexGuard<'static, Option<Sender<Waker>>> {
    QUEUE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sees that the thread is there; says whether it is.
pub(super) fn start() -> bool {
    let mut queue = queue();
    if queue.is_none() {
        let (sender, wakers) = channel::<Waker>();
        let run = move || {
            for waker in wakers {
                // A panic of one must not keep the others asleep.
                if let Err(payload) = catch_unwind(AssertUnwindSafe(|| waker.wake())) {
                    std::mem::forget(payload);
                }
            }
        };
        let thread = std::thread::Builder::new().name("sledstore-wake".into());
        *queue = signals_blocked(|| thread.spawn(run)).ok().map(|_| sender);
    }
    queue.is_some()
}

/// Wakes a task that [`start`] has promised it to.
pub(super) fn wake(waker: Waker) {
    if let Some(queue) = &*queue() {
        // The thread never ends.
        let _ = queue.send(waker);
    }
}
