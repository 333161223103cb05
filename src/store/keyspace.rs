//! One keyspace of an open store, and the trees that it lies in.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

use arc_swap::ArcSwapOption;
use oxistore_core::StoreError;

use crate::commit::KeyspaceId;
use crate::engine::{Engine, Failure, Reason, Result, Tree};
use crate::store::inner::Core;
use crate::store::limits::check_name;
use crate::store::locks::{read, write};
use crate::store::merge::{refuse_inside_operator, MergeOperator};
use crate::store::read::key_count::KeyCount;

/// The name of the keyspace that every store has.
pub(crate) const DEFAULT: &[u8] = b"default";

/// The trees that a keyspace lies in.
pub(crate) struct Trees {
    /// The rows.
    pub(crate) data: Tree,
    /// The expiries: key to milliseconds since 1970, 8 bytes, little endian.
    pub(crate) sidecar: Tree,
}

/// One keyspace of an open store. There is one of these however many handles there are.
pub(crate) struct Keyspace {
    /// Unique in the opening of the store; the order in which `state` is locked.
    id: KeyspaceId,
    store_id: u64,
    name: Box<[u8]>,
    state: RwLock<State>,
    /// Whether `state` is another one than open.
    is_retired: AtomicBool,
    pub(crate) count: KeyCount,
    /// Set under a lease, and none once the keyspace is retired.
    pub(crate) merge_operator: ArcSwapOption<MergeOperator>,
}

pub(crate) enum State {
    Open(Arc<Core>),
    Dropped,
    Closed,
}

/// The right to use a keyspace, which stays open until this is given back.
pub(crate) struct Lease<'a>(RwLockReadGuard<'a, State>);

/// A keyspace that no operation is under way in.
pub(crate) struct Exclusive<'a> {
    state: RwLockWriteGuard<'a, State>,
    keyspace: &'a Keyspace,
}

impl Keyspace {
    pub(crate) fn new(core: Arc<Core>, store_id: u64, id: KeyspaceId, name: &[u8]) -> Self {
        let (state, is_retired) = (RwLock::new(State::Open(core)), AtomicBool::new(false));
        let (count, merge_operator) = (KeyCount::default(), ArcSwapOption::empty());
        Self { id, store_id, name: name.into(), state, is_retired, count, merge_operator }
    }

    pub(crate) fn id(&self) -> KeyspaceId {
        self.id
    }

    /// The store that this is a keyspace of.
    pub(crate) fn store_id(&self) -> u64 {
        self.store_id
    }

    pub(crate) fn name(&self) -> &[u8] {
        &self.name
    }

    /// The right to use the keyspace, for one operation in the store at `path`.
    pub(crate) fn lease(&self, path: &Path) -> Result<Lease<'_>> {
        refuse_inside_operator(path)?;
        let state = read(&self.state);
        match &*state {
            State::Open(_) => Ok(Lease(state)),
            State::Dropped => {
                let message = format!("the keyspace \"{}\" was dropped", self.name.escape_ascii());
                Err(Failure::error("use", path, Reason::Dropped, message))
            }
            State::Closed => {
                Err(Failure::error("use", path, Reason::Closed, "the store was closed"))
            }
        }
    }

    /// Fails as [`Keyspace::lease`] does, for an operation that needs nothing of the store.
    pub(crate) fn check_open(&self, path: &Path) -> Result<()> {
        match self.is_retired.load(Ordering::Acquire) {
            false => Ok(()),
            true => self.lease(path).map(drop),
        }
    }

    /// What merges in this keyspace.
    pub(crate) fn merge_operator(&self, path: &Path) -> Result<Arc<MergeOperator>> {
        let _lease = self.lease(path)?;
        self.merge_operator.load_full().ok_or_else(|| {
            let name = self.name.escape_ascii();
            StoreError::Unsupported(format!("the keyspace \"{name}\" has no merge operator"))
        })
    }

    /// Waits for every operation that is under way, and keeps new ones out.
    pub(crate) fn exclusive(&self) -> Exclusive<'_> {
        Exclusive { state: write(&self.state), keyspace: self }
    }
}

impl Exclusive<'_> {
    /// Ends the use of the keyspace. The answer is to be dropped without a lock, because code of the
    /// caller runs then.
    #[must_use]
    pub(crate) fn retire(&mut self, state: State) -> Option<Arc<MergeOperator>> {
        *self.state = state;
        self.keyspace.is_retired.store(true, Ordering::Release);
        self.keyspace.merge_operator.swap(None)
    }
}

impl Lease<'_> {
    pub(crate) fn core(&self) -> &Arc<Core> {
        match &*self.0 {
            State::Open(core) => core,
            State::Dropped | State::Closed => unreachable!("`lease` has looked"),
        }
    }
}

/// Opens or creates the trees of the keyspace `name`; says whether they are new.
pub(crate) fn open_trees(engine: &Engine, name: &[u8]) -> Result<(Trees, bool)> {
    let [sidecar, pieces] = names_beside(name);
    let is_new = is_new(engine, name)?;
    if is_new {
        // A crash in the middle of a drop may have left them; what is in them is nobody's.
        engine.drop_tree(&sidecar)?;
        engine.drop_tree(&pieces)?;
    }
    let data = engine.tree_of_any_values(name, &pieces)?;
    Ok((Trees { data, sidecar: engine.tree(&sidecar)? }, is_new))
}

/// Whether there is no keyspace `name` yet. Refuses it if there is no room for one more; the caller
/// keeps others from creating one meanwhile.
pub(crate) fn is_new(engine: &Engine, name: &[u8]) -> Result<bool> {
    let known = engine.tree_names()?;
    if known.iter().any(|known| known == name) {
        return Ok(false);
    }
    // Each keyspace counts with all its trees: some are made only when they are needed, when it is
    // too late to refuse.
    let mut all: BTreeSet<_> = known.into_iter().collect();
    all.insert(name.to_vec());
    let keyspaces = all.iter().filter(|name| check_name(name).is_ok());
    let beside: Vec<_> = keyspaces.flat_map(|name| names_beside(name)).collect();
    all.extend(beside);
    match engine.has_room_for(all.iter().map(Vec::as_slice)) {
        true => Ok(true),
        false => Err(too_many(name)),
    }
}

/// Removes the trees of the keyspace `name`, which nobody uses. The rows go first: expiries without
/// rows are harmless, rows without their expiries would come back to life.
pub(crate) fn remove_trees(engine: &Engine, name: &[u8]) -> Result<()> {
    engine.drop_tree(name)?;
    names_beside(name).iter().try_for_each(|beside| engine.drop_tree(beside).map(drop))
}

/// The names of the trees that belong to the keyspace `name`: expiries, and pieces of large values.
fn names_beside(name: &[u8]) -> [Vec<u8>; 2] {
    [&b"__ttl__"[..], b"__chunks__"].map(|kind| match name {
        DEFAULT => kind.to_vec(),
        name => [kind, b":", name].concat(),
    })
}

fn too_many(name: &[u8]) -> StoreError {
    let name = name.escape_ascii();
    StoreError::Unsupported(format!(
        "the keyspace \"{name}\" cannot be created: there are too many; fewer, shorter names or \
         larger segments leave room"
    ))
}
