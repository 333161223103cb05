//! What all handles of a store share.

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use oxistore_core::StoreError;

use super::clock::{Clock, Monotone};
use super::kept::Moment;
use super::keyspace::{Keyspace, State, Trees, DEFAULT};
use super::limits::check_name;
use super::locks::{lock, read, write};
use super::versions::Versions;
use super::write::Past;
use crate::engine::{Engine, Failure, RawTree, Reason, Result};

const STRIPES: usize = 256;

/// One store. The order in which its locks are taken stands in the module's documentation.
pub(super) struct Shared {
    /// Unique in the process.
    id: u64,
    path: PathBuf,
    clock: Monotone,
    engine: RwLock<Option<Engine>>,
    keyspaces: Mutex<Names>,
    pub(super) commit: RwLock<()>,
    stripes: Box<[Stripe]>,
    hasher: RandomState,
    pub(super) versions: Versions<Past>,
    /// How many of each kind are open.
    open: [AtomicUsize; KINDS.len()],
}

/// What the names of the store's trees are in use for. No name is in use for both: a write through a
/// raw tree would pass the expiries, the count and the pieces of large values of its keyspace.
#[derive(Default)]
struct Names {
    opened: HashMap<Vec<u8>, Arc<Keyspace>>,
    /// Handed out as raw trees, which nobody gives back.
    raw: HashSet<Vec<u8>>,
}

impl Names {
    fn must_not_be_raw(&self, name: &[u8]) -> Result<()> {
        match self.raw.contains(name) {
            false => Ok(()),
            true => Err(taken(name, "keyspace", "a raw tree")),
        }
    }
}

fn taken(name: &[u8], wanted: &str, is: &str) -> StoreError {
    let name = name.escape_ascii();
    StoreError::Unsupported(format!(
        "\"{name}\" cannot be used as a {wanted}: it is in use as {is} until the store closes"
    ))
}

/// What keeps the store open, and closing refused.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Iterator,
    Snapshot,
    Transaction,
}

const KINDS: [(Kind, &str); 3] = [
    (Kind::Iterator, "iterator"),
    (Kind::Snapshot, "snapshot"),
    (Kind::Transaction, "transaction"),
];

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
    pub(super) fn new(engine: Engine, clock: Clock, bound: Option<u64>) -> Self {
        Self {
            id: next_id(),
            path: engine.path().to_path_buf(),
            clock: Monotone::new(clock),
            engine: RwLock::new(Some(engine)),
            keyspaces: Mutex::default(),
            commit: RwLock::new(()),
            stripes: (0..STRIPES).map(|_| Stripe::default()).collect(),
            hasher: RandomState::new(),
            versions: Versions::new(bound),
            open: Default::default(),
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

    /// Counts one more as open until the answer is dropped. The caller uses a keyspace, so no close
    /// can be under way.
    pub(super) fn count_open(self: &Arc<Self>, kind: Kind) -> Open {
        self.open[kind as usize].fetch_add(1, Ordering::SeqCst);
        Open { shared: Arc::clone(self), kind }
    }

    /// Keeps this moment until the answer is dropped. The caller uses a keyspace, as above.
    pub(super) fn hold_moment(self: &Arc<Self>) -> Held {
        let _alone = write(&self.commit);
        Held { moment: self.versions.take(), now: self.now_ms(), shared: Arc::clone(self) }
    }

    pub(super) fn keyspace(&self, name: &[u8]) -> Result<Arc<Keyspace>> {
        check_name(name)?;
        self.with_engine(|engine| {
            let mut names = lock(&self.keyspaces);
            if let Some(known) = names.opened.get(name) {
                return Ok(Arc::clone(known));
            }
            names.must_not_be_raw(name)?;
            let keyspace = Arc::new(Keyspace::open(engine, self.id, next_id(), name)?);
            names.opened.insert(name.to_vec(), Arc::clone(&keyspace));
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
            let mut names = lock(&self.keyspaces);
            // sled loops for ever in some calls on a tree that was dropped.
            names.must_not_be_raw(name)?;
            let Some(keyspace) = names.opened.get(name).cloned() else {
                return Keyspace::remove(engine, name);
            };
            let mut alone = keyspace.alone();
            // If this fails the keyspace is there as before.
            let was_there = Keyspace::remove(engine, name)?;
            alone.leave(State::Dropped);
            self.versions.forget(keyspace.id());
            names.opened.remove(name);
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
        self.with_engine(|engine| {
            let mut names = lock(&self.keyspaces);
            if names.opened.contains_key(name) {
                return Err(taken(name, "raw tree", "a keyspace"));
            }
            // A tree that is made here is a keyspace for later openings, so the same holds for it.
            Keyspace::is_new(engine, name)?;
            let tree = engine.raw_tree(name)?;
            names.raw.insert(name.to_vec());
            Ok(tree)
        })
    }

    pub(super) fn flush(&self) -> Result<()> {
        self.with_engine(Engine::flush)
    }

    /// Whether the writer, without its locks, has to call `relieve`.
    pub(super) fn is_under_pressure(&self, trees: &Trees) -> bool {
        trees.data.is_under_pressure() || self.versions.exceeds_bound()
    }

    /// Waits until the engine is ready for more, and ends snapshots that cost too much, if `pressure`
    /// says that there is a need. The caller holds no lock.
    pub(super) fn relieve(&self, pressure: bool) -> Result<()> {
        if !pressure {
            return Ok(());
        }
        self.versions.relieve();
        match &*read(&self.engine) {
            Some(engine) => engine.relieve(),
            // A close that came in between has flushed everything.
            None => Ok(()),
        }
    }

    /// Waits until the disk is ready for a batch. The caller holds no lock.
    pub(super) fn wait_until_not_crowded(&self) -> Result<()> {
        match &*read(&self.engine) {
            Some(engine) => engine.wait_until_not_crowded(),
            // The write itself says so.
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
    /// iterator keeps a tree between its moves, so none may be open, and neither may what shows a
    /// moment; none can be made meanwhile, because that is an operation on a keyspace.
    fn give_up_trees(&self) -> Result<()> {
        let mut names = lock(&self.keyspaces);
        let mut all: Vec<&Arc<Keyspace>> = names.opened.values().collect();
        all.sort_by_key(|keyspace| keyspace.id());
        let mut alone: Vec<_> = all.iter().map(|keyspace| keyspace.alone()).collect();
        let count = |kind: Kind| self.open[kind as usize].load(Ordering::SeqCst);
        let open: Vec<_> = KINDS
            .iter()
            .filter(|(kind, _)| count(*kind) > 0)
            .map(|(kind, name)| match count(*kind) {
                1 => format!("1 {name}"),
                count => format!("{count} {name}s"),
            })
            .collect();
        if !open.is_empty() {
            let message = format!("still open: {}", open.join(", "));
            return Err(Failure::error("close", &self.path, Reason::Busy, message));
        }
        alone.iter_mut().for_each(|keyspace| keyspace.leave(State::Closed));
        drop(alone);
        names.opened.clear();
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

/// Keeps the store open, and closing refused.
pub(super) struct Open {
    shared: Arc<Shared>,
    kind: Kind,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.shared.open[self.kind as usize].fetch_sub(1, Ordering::SeqCst);
    }
}

/// A moment that stays to be looked at.
pub(super) struct Held {
    shared: Arc<Shared>,
    pub(super) moment: Arc<Moment>,
    /// When it was, in milliseconds since 1970.
    pub(super) now: u64,
}

impl Held {
    pub(super) fn versions(&self) -> &Versions<Past> {
        &self.shared.versions
    }

    /// The store's directory.
    pub(super) fn path(&self) -> &Path {
        self.shared.path()
    }

    /// To be called after versions were looked at: whether what was seen holds.
    pub(super) fn check(&self) -> Result<()> {
        match self.moment.has_ended() {
            true => Err(StoreError::CapacityExceeded),
            false => Ok(()),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.shared.versions.end(&self.moment);
    }
}
