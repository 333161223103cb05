//! What the integration tests share: scratch directories, a seeded random source, child
//! processes, small file systems, and a guard against tests that hang.

// Every test binary compiles this module for itself and uses its own part of it.
#![allow(dead_code)]

pub mod child;
pub mod own_files;
pub mod random;
pub mod small_disk;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use sledstore::{Clock, Failure, Reason, SledStore, SledStoreBuilder, StoreError};

pub type Result<T> = std::result::Result<T, StoreError>;

/// Where manual clocks start: some day in 2023, so that deadlines look like real ones.
pub const START: u64 = 1_700_000_000_000;

/// A directory for one test, removed with everything in it when the test ends.
pub fn scratch() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("sledstore-test-").tempdir().expect("a scratch directory")
}

/// The same in memory, if there is such a place and nobody asks for another: for tests that make many
/// copies of a store and need no disk for them, since what happens to its files is computed.
pub fn scratch_in_memory() -> tempfile::TempDir {
    let mut builder = tempfile::Builder::new();
    builder.prefix("sledstore-test-");
    match std::env::var_os("TMPDIR") {
        Some(_) => None,
        None => builder.tempdir_in("/dev/shm").ok(),
    }
    .unwrap_or_else(scratch)
}

/// Milliseconds as a `Duration`.
pub fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Opens the store at `path`, created where it is missing, on the given clock.
pub fn open_at(path: &Path, clock: &Clock) -> Result<SledStore> {
    SledStoreBuilder::new().clock(clock.clone()).build(path)
}

/// A builder whose store syncs by itself so often, or never.
pub fn flushing(builder: SledStoreBuilder, every_ms: Option<u64>) -> SledStoreBuilder {
    match every_ms {
        Some(every) => builder.flush_every_ms(every),
        None => builder.flush_never(),
    }
}

/// A store of its own in a scratch directory, on a manual clock that stands at [`START`].
pub struct Fixture {
    pub store: SledStore,
    pub clock: Clock,
    // Declared last: the directory goes after the store in it.
    pub directory: tempfile::TempDir,
}

impl Fixture {
    pub fn new() -> Self {
        let directory = scratch();
        let clock = Clock::manual(START);
        let store = open_at(&directory.path().join("db"), &clock).expect("a fresh store");
        Self { store, clock, directory }
    }

    /// Closes the store and opens the same directory again, on the same clock.
    pub fn reopen(self) -> Self {
        let Self { store, clock, directory } = self;
        store.close().expect("close");
        let store = open_at(&directory.path().join("db"), &clock).expect("reopen");
        Self { store, clock, directory }
    }

    /// Closes the store, lets `work` at its files through sled alone, and opens it again.
    pub fn raw<T>(self, work: impl FnOnce(&sled::Db) -> T) -> (Self, T) {
        let Self { store, clock, directory } = self;
        store.close().expect("close");
        let path = directory.path().join("db");
        let db = sled::Config::new().path(&path).segment_size(8 << 20).open();
        let db = db.expect("sled opens what the store has closed");
        let result = work(&db);
        drop(db);
        // Without the store's care, sled's lock outlives its last handle by some milliseconds.
        let builder = SledStoreBuilder::new().clock(clock.clone()).lock_timeout(ms(60_000));
        let store = builder.build(&path).expect("reopen");
        (Self { store, clock, directory }, result)
    }

    /// The number of entries, expired ones too, that lie in each of these trees on disk.
    pub fn raw_counts<const N: usize>(self, trees: [&str; N]) -> (Self, [usize; N]) {
        self.raw(|db| trees.map(|name| db.open_tree(name).expect("a tree").iter().count()))
    }

    /// A handle to a keyspace of the store.
    pub fn keyspace(&self, name: &str) -> SledStore {
        self.store.keyspace(name).expect("a keyspace")
    }
}

/// The reason inside an I/O error of the store; panics when the error is of another kind.
pub fn reason(error: &StoreError) -> Reason {
    match Failure::of(error) {
        Some(failure) => failure.reason(),
        None => panic!("an error with a reason was expected, but this is {error:?}"),
    }
}

/// Whether the result is a failure with this reason.
pub fn failed_with<T>(result: &Result<T>, wanted: Reason) -> bool {
    match result {
        Ok(_) => false,
        Err(error) => Failure::of(error).is_some_and(|failure| failure.reason() == wanted),
    }
}

/// Panics unless the result is a failure with this reason.
#[track_caller]
pub fn assert_failed<T>(result: Result<T>, wanted: Reason) -> StoreError {
    match result {
        Ok(_) => panic!("{wanted:?} was expected, but the operation succeeded"),
        Err(error) => {
            let found = reason(&error);
            assert_eq!(found, wanted, "{error}");
            error
        }
    }
}

/// Panics unless the result is `Unsupported`; returns its message.
#[track_caller]
pub fn assert_unsupported<T>(result: Result<T>) -> String {
    match result {
        Ok(_) => panic!("`Unsupported` was expected, but the operation succeeded"),
        Err(StoreError::Unsupported(message)) => message,
        Err(error) => panic!("`Unsupported` was expected, found {error:?}"),
    }
}

/// Raises a flag when it goes, also by a panic: threads that work until the flag is up end then,
/// and a failed test fails instead of waiting for them.
pub struct Over<'a>(pub &'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Runs `work` on a thread of its own and gives its result back. A test that hangs fails here
/// with a message instead of blocking the whole run; the limit is far above any honest duration.
#[track_caller]
pub fn without_hanging<T: Send + 'static>(
    what: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    let (done, result) = mpsc::channel();
    let worker = thread::spawn(move || {
        let value = work();
        // The receiver is gone only when the limit below has been passed already.
        let _ = done.send(());
        value
    });
    match result.recv_timeout(Duration::from_secs(600)) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("{what}: still not finished, it hangs"),
        // Finished, or panicked: joining tells which.
        Ok(()) | Err(mpsc::RecvTimeoutError::Disconnected) => match worker.join() {
            Ok(value) => value,
            Err(panic) => std::panic::resume_unwind(panic),
        },
    }
}

/// All rows of a keyspace, through the forward iterator.
#[track_caller]
pub fn rows(store: &SledStore) -> Vec<(Vec<u8>, Vec<u8>)> {
    store.iter().expect("iter").map(|row| row.expect("a row")).collect()
}
