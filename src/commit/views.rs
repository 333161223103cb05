//! The read views that are registered: of snapshots, iterators and transactions.
//!
//! A view shows all commits up to a number, and reads through the memtables of the moment in which it
//! was registered. What it needs is kept as long as it is registered. A view is registered under the
//! lock here, and so is the list of memtables exchanged: so the list of a view holds every commit up
//! to its number that is not settled.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use super::sync::{AtomicBool, AtomicUsize, Mutex, MutexGuard, Ordering};

/// Whether a view still shows what it showed.
#[derive(Debug, Default)]
pub(super) struct Lease(AtomicBool);

impl Lease {
    /// Whether what the view needs may be gone. A reader asks after it has read, not before.
    pub(super) fn has_ended(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Views {
    registered: Mutex<Registered>,
    /// How many there are, so that writers need no lock where there is none.
    count: AtomicUsize,
}

#[derive(Debug, Default)]
pub(super) struct Registered {
    next: u64,
    /// By sequence number, and by a number of their own.
    live: BTreeMap<(u64, u64), Arc<Lease>>,
}

/// What identifies a registered view.
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) sequence: u64,
    number: u64,
    pub(super) lease: Arc<Lease>,
}

impl Views {
    /// The lock, for those who exchange the list of memtables.
    pub(super) fn lock(&self) -> MutexGuard<'_, Registered> {
        self.registered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers a view. `read` gives its number and its memtables, under the lock.
    pub(super) fn register<T>(&self, read: impl FnOnce() -> (u64, T)) -> (Ticket, T) {
        let mut registered = self.lock();
        // Counted before the number is read: a writer that sees no view has published less than what
        // this view shows, or will see this view.
        self.count.fetch_add(1, Ordering::SeqCst);
        let (sequence, rest) = read();
        let (number, lease) = (registered.next, Arc::new(Lease::default()));
        registered.next += 1;
        registered.live.insert((sequence, number), Arc::clone(&lease));
        (Ticket { sequence, number, lease }, rest)
    }

    pub(super) fn remove(&self, ticket: &Ticket) {
        if self.lock().live.remove(&(ticket.sequence, ticket.number)).is_some() {
            self.count.fetch_sub(1, Ordering::SeqCst);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    /// Whether a view is registered whose number is `from` or more and less than `to`.
    pub(super) fn any_between(&self, from: u64, to: u64) -> bool {
        self.len() > 0 && self.lock().any_between(from, to)
    }

    /// Ends the oldest view; says whether there was one.
    pub(super) fn end_oldest(&self) -> bool {
        let Some((_, lease)) = self.lock().live.pop_first() else { return false };
        self.count.fetch_sub(1, Ordering::SeqCst);
        lease.0.store(true, Ordering::SeqCst);
        true
    }
}

impl Registered {
    pub(super) fn any_between(&self, from: u64, to: u64) -> bool {
        self.live.range((from, 0)..(to, 0)).next().is_some()
    }

    /// What the next view is numbered. A memtable that leaves the list now is needed by views with
    /// a lower number alone.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// The number of the oldest view, or of the next one. Sequence numbers and these grow together,
    /// so the first view is the oldest in both.
    pub(super) fn oldest(&self) -> u64 {
        self.live.first_key_value().map_or(self.next, |((_, number), _)| *number)
    }
}
