//! What readers wait for, and what they are not shown.
//!
//! # While a large batch is applied
//!
//! sled makes readers wait while it applies a batch of its own; the journal applies a large batch in
//! many small steps, so it has to see to that itself. It closes the gate before the first step and
//! opens it after the last one. A read that begins while the gate is closed waits until it is open.
//!
//! A read that began before the gate was closed may still be under way, and meet a key that has
//! changed or one that has not. That is as good as a batch that changes at one moment: every such
//! read overlaps the whole stretch from the closing to what it has met, so those that met the old
//! value count as made before the batch, and those that met the new one as made after it. For that
//! no read of the second kind may have ended before one of the first kind began; and indeed the
//! former ended after the gate was closed, and a read that begins then waits. Who learns of a new
//! value from another thread has the closed gate before his eyes too: the gate was closed before
//! the value was written.
//!
//! # After a write that failed in its middle
//!
//! sled then holds some of the keys as they were and some as they were to be, and nobody can tell
//! which. So those keys are in doubt: who reads one is answered with the first error, until the store
//! is opened again and the log says what is true. After a large batch that failed in its middle, it
//! is all keys of the store. The keys come into doubt before the failing call answers; a reader that
//! overlaps the failing call may be faster.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{PoisonError, RwLock, RwLockWriteGuard};

const APPLYING: u8 = 1;
const KEYS_IN_DOUBT: u8 = 2;
const ALL_IN_DOUBT: u8 = 4;

/// Keys by the name of their tree.
type Keys = HashMap<Vec<u8>, HashSet<Box<[u8]>>>;

#[derive(Debug, Default)]
pub(super) struct Gate {
    /// Zero nearly always, so that a read costs one load more.
    state: AtomicU8,
    /// Written by whoever has closed the gate.
    way: RwLock<()>,
    doubtful: RwLock<Keys>,
}

/// The gate, closed. Dropped without [`Closed::open`] it leaves all keys in doubt.
pub(super) struct Closed<'a> {
    gate: &'a Gate,
    whole: bool,
    _way: RwLockWriteGuard<'a, ()>,
}

impl Gate {
    /// Keeps readers out. The caller reads nothing through the gate until he opens it.
    pub(super) fn close(&self) -> Closed<'_> {
        let way = self.way.write().unwrap_or_else(PoisonError::into_inner);
        self.state.fetch_or(APPLYING, Ordering::SeqCst);
        Closed { gate: self, whole: false, _way: way }
    }

    /// The keys `keys` of trees are in doubt from now on.
    pub(super) fn doubt<'a>(&self, keys: impl Iterator<Item = (&'a sled::Tree, &'a [u8])>) {
        let mut doubtful = self.doubtful.write().unwrap_or_else(PoisonError::into_inner);
        for (tree, key) in keys {
            doubtful.entry(tree.name().to_vec()).or_default().insert(key.into());
        }
        drop(doubtful);
        self.state.fetch_or(KEYS_IN_DOUBT, Ordering::SeqCst);
    }

    /// Whether a read may begin without a further question.
    pub(super) fn is_open(&self) -> bool {
        // A relaxed load would do on the machines there are: see above, what a reader has learned
        // of was written after the gate was closed.
        self.state.load(Ordering::Acquire) == 0
    }

    /// Waits until nothing is being applied; says whether `key` of `tree` is in doubt then, or, for
    /// no key, whether all are.
    pub(super) fn is_doubtful_after_waiting(&self, tree: &sled::Tree, key: Option<&[u8]>) -> bool {
        if self.state.load(Ordering::Acquire) & APPLYING != 0 {
            drop(self.way.read().unwrap_or_else(PoisonError::into_inner));
        }
        let state = self.state.load(Ordering::Acquire);
        if state & ALL_IN_DOUBT != 0 {
            return true;
        }
        let Some(key) = key.filter(|_| state & KEYS_IN_DOUBT != 0) else { return false };
        let doubtful = self.doubtful.read().unwrap_or_else(PoisonError::into_inner);
        doubtful.get(&tree.name()[..]).is_some_and(|keys| keys.contains(key))
    }
}

impl Closed<'_> {
    /// Everything is applied: lets readers in.
    pub(super) fn open(mut self) {
        self.whole = true;
    }
}

impl Drop for Closed<'_> {
    fn drop(&mut self) {
        if !self.whole {
            self.gate.state.fetch_or(ALL_IN_DOUBT, Ordering::SeqCst);
        }
        // The way itself is given back after this, so whoever waits finds the state as it is now.
        self.gate.state.fetch_and(!APPLYING, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> (tempfile::TempDir, sled::Db) {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let db = sled::Config::new().path(directory.path()).open().expect("a store of sled's");
        (directory, db)
    }

    #[test]
    fn whoever_comes_while_the_gate_is_closed_waits_until_it_is_open() {
        let (_directory, db) = tree();
        let gate = Gate::default();
        let closed = gate.close();
        assert!(!gate.is_open());
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| gate.is_doubtful_after_waiting(&db, Some(b"key")));
            std::thread::sleep(std::time::Duration::from_millis(20));
            assert!(!reader.is_finished(), "it does not wait");
            closed.open();
            assert!(!reader.join().expect("the reader"));
        });
        assert!(gate.is_open());
    }

    #[test]
    fn what_was_applied_in_part_leaves_everything_in_doubt() {
        let (_directory, db) = tree();
        let gate = Gate::default();
        gate.doubt([(&*db, &b"one"[..])].into_iter());
        assert!(!gate.is_open());
        assert!(gate.is_doubtful_after_waiting(&db, Some(b"one")));
        assert!(!gate.is_doubtful_after_waiting(&db, Some(b"two")));
        assert!(!gate.is_doubtful_after_waiting(&db, None));
        drop(gate.close());
        assert!(gate.is_doubtful_after_waiting(&db, Some(b"two")));
        assert!(gate.is_doubtful_after_waiting(&db, None));
    }
}
