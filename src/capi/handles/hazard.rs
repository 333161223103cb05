//! Hazard records: how a thread says "I am using this handle" without writing to memory that any
//! other thread writes, or reads while looking up handles of its own.
//!
//! Every thread owns one [`ThreadRecord`] while it needs one. A look-up stores the handle's token
//! in the thread's own record; whoever frees a handle reads the records of all threads. So the
//! cost of freeing grows with the number of threads, and the cost of using stays the same.
//!
//! # Why the two sides cannot miss each other
//!
//! The word of a slot (see `handle.rs`) equals the token exactly while the handle is live.
//!
//! * The user stores the token in its record, runs a `SeqCst` fence, and loads the word.
//! * The freeing side changes the word, runs a `SeqCst` fence, and loads every record.
//!
//! All `SeqCst` fences stand in one order. If the user's fence comes first, the freeing side's
//! loads see the token (or a later value of that entry, which means that this use is over). If the
//! freeing side's fence comes first, the user's load sees the changed word and does not use the
//! object. So an object that is in use is never taken away.
//!
//! That something always takes it away follows from the same argument the other way round. A user
//! that has finished clears its entry, runs a `SeqCst` fence, and loads the word. If its fence
//! comes after the freeing side's, it sees the changed word and tries to reclaim the object itself;
//! if it comes before, the freeing side saw the cleared entry. Two users that finish at the same
//! moment stand in the same relation to each other: the one with the later fence sees that the
//! other has gone.
//!
//! A record is added to the list before its first token is stored, and so before the user's fence:
//! a freeing side whose fence comes later also sees the record itself.

use std::cell::Cell;
use std::sync::atomic::{fence, AtomicBool, AtomicI64, AtomicPtr, AtomicU64, Ordering};

/// How many handles one thread can be using at once. A call uses one or two; the rest is for calls
/// made from inside callbacks.
pub(crate) const ENTRIES: usize = 16;

/// How many of them have to be free when a callback is called: what calls in there use, or freeing.
const OF_A_CALLBACK: usize = 4;

/// How many counters a record carries: one for each kind of handle, by the number of the kind.
pub(crate) const COUNTERS: usize = 16;

/// What one thread is using at the moment.
///
/// Aligned to two cache lines, because processors fetch lines in pairs.
#[repr(align(128))]
pub(crate) struct ThreadRecord {
    /// The tokens in use; 0 is a free entry. Only the owner writes here.
    entries: [AtomicU64; ENTRIES],
    /// Handles created minus handles freed by the owners of this record, by kind. Only the owner
    /// writes; the sum over all records is the number of live handles.
    counters: [AtomicI64; COUNTERS],
    /// Whether some thread owns this record.
    owned: AtomicBool,
    /// The next record of the list. Written once, before the record becomes reachable.
    next: AtomicPtr<ThreadRecord>,
}

/// The list of all records. Records are only ever added, at the front.
static FIRST: AtomicPtr<ThreadRecord> = AtomicPtr::new(std::ptr::null_mut());

thread_local! {
    // No destructor here, so this stays usable while the thread's other values are destroyed.
    static RECORD: Cell<Option<&'static ThreadRecord>> = const { Cell::new(None) };
    static AT_EXIT: GiveBackAtExit = const { GiveBackAtExit };
}

/// Gives the thread's record back when the thread ends.
struct GiveBackAtExit;

impl Drop for GiveBackAtExit {
    fn drop(&mut self) {
        if let Some(record) = RECORD.take() {
            record.give_back();
        }
    }
}

impl ThreadRecord {
    fn new() -> Self {
        ThreadRecord {
            entries: [const { AtomicU64::new(0) }; ENTRIES],
            counters: [const { AtomicI64::new(0) }; COUNTERS],
            owned: AtomicBool::new(true),
            next: AtomicPtr::new(std::ptr::null_mut()),
        }
    }

    /// The calling thread's record.
    pub(crate) fn current() -> &'static ThreadRecord {
        RECORD.get().unwrap_or_else(|| {
            let record = Self::claim();
            RECORD.set(Some(record));
            // Touching the value is what makes its destructor run at the thread's end.
            let _ = AT_EXIT.try_with(|_| ());
            record
        })
    }

    fn claim() -> &'static ThreadRecord {
        let free = all().find(|record| {
            !record.owned.load(Ordering::Relaxed)
                && record
                    .owned
                    .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
                    .is_ok()
        });
        free.unwrap_or_else(Self::append)
    }

    fn append() -> &'static ThreadRecord {
        let record: &'static ThreadRecord = Box::leak(Box::new(Self::new()));
        let mut first = FIRST.load(Ordering::Acquire);
        loop {
            record.next.store(first, Ordering::Relaxed);
            let own = std::ptr::from_ref(record).cast_mut();
            match FIRST.compare_exchange_weak(first, own, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return record,
                Err(newer) => first = newer,
            }
        }
    }

    /// Lets another thread have this record. A record with tokens in it stays where it is: its
    /// thread is ending in the middle of a call (`exit` from inside a callback).
    fn give_back(&self) {
        if self.entries.iter().all(|entry| entry.load(Ordering::Relaxed) == 0) {
            self.owned.store(false, Ordering::Release);
        }
    }

    /// A number that no other running thread has.
    pub(crate) fn identity(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// Whether the calling thread can go on to a callback, and use handles in there.
    pub(crate) fn has_room_for_a_callback(&self) -> bool {
        let free = self.entries.iter().filter(|entry| entry.load(Ordering::Relaxed) == 0);
        free.count() >= OF_A_CALLBACK
    }

    /// Announces that the calling thread is about to use `token`. None: the record is full.
    ///
    /// Entries are taken and given back in any order; a thread that uses one handle uses the first.
    pub(crate) fn publish(&self, token: u64) -> Option<usize> {
        let free = self.entries.iter().position(|entry| entry.load(Ordering::Relaxed) == 0)?;
        // Release, like the store in `retract`: whoever reads this value instead of the token that
        // stood here before also has to see everything that the earlier use did.
        self.entries[free].store(token, Ordering::Release);
        fence(Ordering::SeqCst);
        Some(free)
    }

    /// Ends the use that `publish` announced.
    pub(crate) fn retract(&self, entry: usize) {
        self.entries[entry].store(0, Ordering::Release);
        fence(Ordering::SeqCst);
    }

    /// Whether the owner of this record is using `token`.
    pub(crate) fn holds(&self, token: u64) -> bool {
        self.entries.iter().any(|entry| entry.load(Ordering::Acquire) == token)
    }

    /// Whether the owner is using any token that `belongs`.
    pub(crate) fn holds_any(&self, belongs: impl Fn(u64) -> bool) -> bool {
        self.entries.iter().any(|entry| {
            let token = entry.load(Ordering::Acquire);
            token != 0 && belongs(token)
        })
    }

    /// Adds to one of the owner's counters. A load and a store are enough: nobody else writes.
    pub(crate) fn count(&self, counter: usize, change: i64) {
        let value = self.counters[counter].load(Ordering::Relaxed);
        self.counters[counter].store(value + change, Ordering::Relaxed);
    }
}

/// To be called at the end of every call into the library.
///
/// A destructor of another library may call us when the thread's own values are already gone. Its
/// record was then claimed anew, and nothing runs later that would give it back: it goes now.
pub(crate) fn end_of_call() {
    if AT_EXIT.try_with(|_| ()).is_err() {
        if let Some(record) = RECORD.take() {
            record.give_back();
        }
    }
}

/// The records of all threads, present and past.
fn all() -> impl Iterator<Item = &'static ThreadRecord> {
    let mut next = FIRST.load(Ordering::Acquire);
    std::iter::from_fn(move || {
        // SAFETY: the pointers in the list are null or come from `Box::leak`, so what they point to
        // lives for ever, and it is only reached through shared references.
        let record: &'static ThreadRecord = unsafe { next.as_ref() }?;
        next = record.next.load(Ordering::Relaxed);
        Some(record)
    })
}

/// Whether any thread is using `token`. The fence pairs with those in `publish` and `retract`.
pub(crate) fn in_use(token: u64) -> bool {
    fence(Ordering::SeqCst);
    all().any(|record| record.holds(token))
}

/// How many threads are using a token that `belongs`.
pub(crate) fn threads_using(belongs: impl Fn(u64) -> bool) -> usize {
    fence(Ordering::SeqCst);
    all().filter(|record| record.holds_any(&belongs)).count()
}

/// The sum of one counter over all threads.
pub(crate) fn total(counter: usize) -> i64 {
    all().map(|record| record.counters[counter].load(Ordering::Relaxed)).sum()
}
