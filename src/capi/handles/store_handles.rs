//! What all handles of one store share: who uses the store, and how it ends.

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::capi::error::Fail;
use crate::capi::handles::hazard::{self, ThreadRecord};
use crate::capi::handles::{self, Token, Unpublished};
use crate::capi::status::sledstore_status as Status;
use crate::capi::store::{sledstore, StoreObject};
use crate::SledStore;

/// How long a close waits for the calls that other threads are in.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// One per open store, shared by its handles.
pub(crate) struct StoreHandles {
    members: Mutex<Members>,
}

/// Held for moments only, and never while the store works.
struct Members {
    /// The handles, of whichever keyspace.
    handles: HashSet<Token>,
    /// Set while the store is being closed and after it was: nobody may join.
    closing: bool,
}

impl StoreHandles {
    pub(crate) fn new() -> Arc<Self> {
        let members = Members { handles: HashSet::new(), closing: false };
        Arc::new(StoreHandles { members: Mutex::new(members) })
    }

    fn members(&self) -> MutexGuard<'_, Members> {
        // Every change is a single step, so a panic under the lock leaves nothing half done.
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a handle of this store for a keyspace.
    pub(crate) fn add_handle(
        self: &Arc<Self>,
        keyspace: SledStore,
    ) -> Result<Unpublished<sledstore>, Fail> {
        let mut members = self.members();
        members.refuse_if_closing()?;
        let handle = handles::insert(StoreObject::new(keyspace, self.clone()))?;
        members.handles.insert(handle.token());
        Ok(handle)
    }

    /// Forgets a handle that was freed.
    pub(crate) fn remove_handle(&self, token: Token) {
        self.members().handles.remove(&token);
    }

    /// Ends the store and all its handles, or leaves everything as it is.
    pub(crate) fn close(&self, keyspace: SledStore, patience: Duration) -> Result<(), Fail> {
        let handles = self.begin_to_close(&keyspace)?;
        let mut closing = Closing { store: self, handles, resume: false };
        closing.handles.iter().copied().for_each(handles::suspend);
        let waited = wait_for_calls(&closing.handles, patience, keyspace.path());
        waited.inspect_err(|_| closing.resume = true)?;
        let probe = keyspace.clone();
        let closed = keyspace.close();
        // After some errors the store is closed all the same.
        closing.resume = closed.is_err() && !probe.is_closed();
        Ok(closed?)
    }

    /// From here on nobody joins the store. Fails, changing nothing, if that is not possible.
    fn begin_to_close(&self, keyspace: &SledStore) -> Result<HashSet<Token>, Fail> {
        let mut members = self.members();
        members.refuse_if_closing()?;
        let own = ThreadRecord::current();
        if own.holds_any(|token| members.handles.contains(&Token::from_bits(token))) {
            return Err(Fail::new(
                Status::SLEDSTORE_REENTRANT,
                "a store cannot be closed from inside a call that uses it",
            ));
        }
        // Asked before anything is suspended. What a call that is still under way opens after this is
        // found by the store when it closes.
        keyspace.check_nothing_open()?;
        members.closing = true;
        Ok(members.handles.clone())
    }
}

impl Members {
    fn refuse_if_closing(&self) -> Result<(), Fail> {
        match self.closing {
            true => Err(Fail::new(Status::SLEDSTORE_CLOSED, "the store is being closed")),
            false => Ok(()),
        }
    }
}

/// Brings a close to its end, also when a panic breaks it off: the handles are then given up, so that
/// what is left of the store goes, and its directory becomes free.
struct Closing<'store> {
    store: &'store StoreHandles,
    /// Suspended, but for those that other threads freed at that moment; the steps below pass these
    /// by. The calls that still use one are waited for.
    handles: HashSet<Token>,
    /// The store stays open.
    resume: bool,
}

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        let handles = std::mem::take(&mut self.handles).into_iter();
        if self.resume {
            handles.for_each(handles::resume);
            self.store.members().closing = false;
        } else {
            handles.for_each(handles::end_suspended);
            self.store.members().handles.clear();
        }
    }
}

/// Waits until no thread is in a call on one of these handles. Since they are suspended, new calls
/// do not start to use them; a call that only finds that out is seen here for a moment.
fn wait_for_calls(handles: &HashSet<Token>, patience: Duration, path: &Path) -> Result<(), Fail> {
    let start = Instant::now();
    let mut pause = Duration::from_micros(20);
    loop {
        let busy = hazard::threads_using(|token| handles.contains(&Token::from_bits(token)));
        if busy == 0 {
            return Ok(());
        }
        if start.elapsed() >= patience {
            return Err(Fail::new(
                Status::SLEDSTORE_BUSY,
                format!("cannot close {}: {busy} threads are in calls on it", path.display()),
            ));
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(5));
    }
}

#[cfg(test)]
#[path = "store_handles_tests.rs"]
mod tests;
