//! What all handles of a store share.

use std::collections::hash_map::RandomState;
use std::collections::HashMap;
use std::hash::BuildHasher;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use oxistore_core::StoreError;

use super::clock::{Clock, Monotone};
use super::keyspace::{Keyspace, State, DEFAULT};
use super::limits::check_name;
use super::locks::{lock, read, write};
use crate::engine::{Engine, Failure, RawTree, Reason, Result};

const STRIPES: usize = 256;

/// One store. The order in which its locks are taken stands in the module's documentation.
pub(super) struct Shared {
    /// Unique in the process.
    id: u64,
    path: PathBuf,
    clock: Monotone,
    engine: RwLock<Option<Engine>>,
    keyspaces: Mutex<HashMap<Vec<u8>, Arc<Keyspace>>>,
    pub(super) commit: RwLock<()>,
    stripes: Box<[Stripe]>,
    hasher: RandomState,
    open_iterators: AtomicUsize,
}

/// A number for a store or a keyspace that no other one in the process has.
fn next_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// The lock of the keys that hash to it, on a cache line of its own.
#[repr(align(64))]
#[derive(Default)]
struct Stripe(Mutex<()>);

impl Shared {
    pub(super) fn new(engine: Engine, clock: Clock) -> Self {
        Self {
            id: next_id(),
            path: engine.path().to_path_buf(),
            clock: Monotone::new(clock),
            engine: RwLock::new(Some(engine)),
            keyspaces: Mutex::default(),
            commit: RwLock::new(()),
            stripes: (0..STRIPES).map(|_| Stripe::default()).collect(),
            hasher: RandomState::new(),
            open_iterators: AtomicUsize::new(0),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    /// The lock of `key` in `keyspace`.
    pub(super) fn stripe(&self, keyspace: &Keyspace, key: &[u8]) -> &Mutex<()> {
        let hash = self.hasher.hash_one((keyspace.id(), key));
        &self.stripes[hash as usize % STRIPES].0
    }

    /// Counts an iterator as open until the answer is dropped. The caller uses the keyspace, so no
    /// close can be under way.
    pub(super) fn count_iterator(self: &Arc<Self>) -> OpenIterator {
        self.open_iterators.fetch_add(1, Ordering::SeqCst);
        OpenIterator(Arc::clone(self))
    }

    pub(super) fn keyspace(&self, name: &[u8]) -> Result<Arc<Keyspace>> {
        check_name(name)?;
        self.with_engine(|engine| {
            let mut keyspaces = lock(&self.keyspaces);
            if let Some(known) = keyspaces.get(name) {
                return Ok(Arc::clone(known));
            }
            let keyspace = Arc::new(Keyspace::open(engine, self.id, next_id(), name)?);
            keyspaces.insert(name.to_vec(), Arc::clone(&keyspace));
            Ok(keyspace)
        })
    }

    pub(super) fn drop_keyspace(&self, name: &[u8]) -> Result<bool> {
        check_name(name)?;
        if name == DEFAULT {
            let text = "the default keyspace cannot be dropped";
            return Err(StoreError::Unsupported(text.into()));
        }
        self.with_engine(|engine| {
            let mut keyspaces = lock(&self.keyspaces);
            let Some(keyspace) = keyspaces.get(name).cloned() else {
                return Keyspace::remove(engine, name);
            };
            let mut state = keyspace.alone();
            // If this fails the keyspace is there as before.
            let was_there = Keyspace::remove(engine, name)?;
            *state = State::Dropped;
            keyspaces.remove(name);
            Ok(was_there)
        })
    }

    pub(super) fn keyspace_names(&self) -> Result<Vec<Vec<u8>>> {
        let mut names = self.with_engine(Engine::tree_names)?;
        names.retain(|name| check_name(name).is_ok());
        names.sort();
        Ok(names)
    }

    pub(super) fn raw_tree(&self, name: &[u8]) -> Result<RawTree> {
        check_name(name)?;
        self.with_engine(|engine| engine.raw_tree(name))
    }

    pub(super) fn flush(&self) -> Result<()> {
        self.with_engine(Engine::flush)
    }

    /// Waits until the engine is ready for more, if `pressure` says that it is not. The caller holds
    /// no lock.
    pub(super) fn relieve(&self, pressure: bool) -> Result<()> {
        if !pressure {
            return Ok(());
        }
        match &*read(&self.engine) {
            Some(engine) => engine.relieve(),
            // A close that came in between has flushed everything.
            None => Ok(()),
        }
    }

    pub(super) fn size_on_disk(&self) -> Result<u64> {
        self.with_engine(Engine::size_on_disk)
    }

    pub(super) fn is_closed(&self) -> bool {
        read(&self.engine).is_none()
    }

    fn with_engine<T>(&self, work: impl FnOnce(&Engine) -> Result<T>) -> Result<T> {
        match &*read(&self.engine) {
            Some(engine) => work(engine),
            None => Err(Failure::error("use", &self.path, Reason::Closed, "the store was closed")),
        }
    }

    /// Closes the store for all its handles.
    pub(super) fn close(&self) -> Result<()> {
        let mut engine = write(&self.engine);
        if engine.is_none() {
            return Err(Failure::error(
                "close",
                &self.path,
                Reason::Closed,
                "it was closed before",
            ));
        }
        self.give_up_trees()?;
        engine.take().map_or(Ok(()), Engine::close)
    }

    /// Takes all keyspaces out of use at one moment, so that no tree of the engine is left. An
    /// iterator keeps a tree between its moves, so none may be open; none can be made meanwhile,
    /// because that is an operation on its keyspace.
    fn give_up_trees(&self) -> Result<()> {
        let mut keyspaces = lock(&self.keyspaces);
        let mut all: Vec<&Arc<Keyspace>> = keyspaces.values().collect();
        all.sort_by_key(|keyspace| keyspace.id());
        let mut states: Vec<_> = all.iter().map(|keyspace| keyspace.alone()).collect();
        let iterators = self.open_iterators.load(Ordering::SeqCst);
        if iterators > 0 {
            let message = format!("{iterators} iterators are open");
            return Err(Failure::error("close", &self.path, Reason::Busy, message));
        }
        for state in &mut states {
            **state = State::Closed;
        }
        drop(states);
        keyspaces.clear();
        Ok(())
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // The engine closes itself when it is dropped; before that no tree may be left, and batches
        // can hold keyspaces. Iterators and handles are gone, or this would not run.
        let _ = self.give_up_trees();
    }
}

/// Keeps the store open, and closing refused, for an iterator.
pub(super) struct OpenIterator(Arc<Shared>);

impl Drop for OpenIterator {
    fn drop(&mut self) {
        self.0.open_iterators.fetch_sub(1, Ordering::SeqCst);
    }
}
