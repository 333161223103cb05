//! Removing expired rows in the background, from time to time.
//!
//! The thread holds the store only while it purges. The last handle of the store ends it, and waits for
//! that: the drop of that handle then closes the store, and not a purge that comes to its end later.

use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::engine::{signals_blocked, Result};
use crate::store::inner::StoreInner;
use crate::store::locks::lock;
use crate::store::SledStore;

/// The thread of one store.
pub(crate) struct Purger {
    is_stopping: Mutex<bool>,
    changed: Condvar,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the handles of a store share; the last of them ends the thread.
pub(crate) struct PurgerOwner(Arc<Purger>);

impl Drop for PurgerOwner {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl PurgerOwner {
    /// Starts a thread that purges all keyspaces of the store, `every` so often.
    pub(crate) fn start(inner: &Arc<StoreInner>, every: Duration) -> io::Result<Self> {
        let purger = Arc::new(Purger {
            is_stopping: Mutex::new(false),
            changed: Condvar::new(),
            thread: Mutex::new(None),
        });
        let (shared, store) = (Arc::clone(&purger), Arc::downgrade(inner));
        let thread = thread::Builder::new().name("sledstore-purge".into());
        let started = signals_blocked(|| thread.spawn(move || shared.run(&store, every)))?;
        *lock(&purger.thread) = Some(started);
        inner.set_purger(Arc::clone(&purger));
        Ok(Self(purger))
    }
}

impl Purger {
    /// Ends the thread, and waits for that, unless this is the thread.
    pub(crate) fn stop(&self) {
        *lock(&self.is_stopping) = true;
        self.changed.notify_all();
        let thread = lock(&self.thread).take();
        if let Some(thread) = thread.filter(|it| it.thread().id() != thread::current().id()) {
            // It has nothing to tell.
            let _ = thread.join();
        }
    }

    fn run(&self, store: &Weak<StoreInner>, every: Duration) {
        loop {
            let stopping = lock(&self.is_stopping);
            let waited = self.changed.wait_timeout_while(stopping, every, |stopping| !*stopping);
            if *waited.unwrap_or_else(PoisonError::into_inner).0 {
                return;
            }
            let Some(inner) = store.upgrade() else { return };
            // What is left is absent all the same, and goes the next time.
            let _ = self.purge_all(inner);
        }
    }

    fn purge_all(&self, inner: Arc<StoreInner>) -> Result<()> {
        for keyspace in inner.keyspaces_to_purge()? {
            if *lock(&self.is_stopping) {
                return Ok(());
            }
            let store = SledStore { inner: Arc::clone(&inner), keyspace, purger: None };
            // It may have been dropped meanwhile.
            let _ = store.purge_expired();
        }
        Ok(())
    }
}
