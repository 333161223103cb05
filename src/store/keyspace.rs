//! One keyspace: its two trees, its expiries, its count.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use oxistore_core::StoreError;

use super::expiries::Expiries;
use super::limits::check_name;
use super::locks::{read, write};
use super::tally::Tally;
use crate::engine::{Cursor, Engine, Failure, Reason, Result, Row, Tree};

/// The name of the keyspace that every store has.
pub(super) const DEFAULT: &[u8] = b"default";

/// The trees that a keyspace lies in.
pub(super) struct Trees {
    /// The rows.
    pub(super) data: Tree,
    /// The expiries: key to milliseconds since 1970, 8 bytes, little endian.
    pub(super) sidecar: Tree,
}

/// One keyspace of an open store. There is one of these however many handles there are.
pub(super) struct Keyspace {
    /// Unique in the process; the order in which `state` is locked.
    id: u64,
    store_id: u64,
    name: Box<[u8]>,
    state: RwLock<State>,
    /// Whether `state` is another one than open.
    gone: AtomicBool,
    expiries: Expiries,
    tally: Tally,
}

pub(super) enum State {
    Open(Trees),
    Dropped,
    Closed,
}

/// The trees of a keyspace, which stay until this is given back.
pub(super) struct InUse<'a>(RwLockReadGuard<'a, State>);

/// A keyspace that no operation is under way in.
pub(super) struct Alone<'a> {
    state: RwLockWriteGuard<'a, State>,
    gone: &'a AtomicBool,
}

impl Keyspace {
    /// Opens or creates the trees of the keyspace `name`.
    pub(super) fn open_trees(engine: &Engine, name: &[u8]) -> Result<Trees> {
        let [sidecar, pieces] = names_beside(name);
        if Self::is_new(engine, name)? {
            // A crash in the middle of a drop may have left them; what is in them is nobody's.
            engine.drop_tree(&sidecar)?;
            engine.drop_tree(&pieces)?;
        }
        let data = engine.tree_of_any_values(name, &pieces)?;
        Ok(Trees { data, sidecar: engine.tree(&sidecar)? })
    }

    /// Opens or creates the keyspace `name` and loads its expiries.
    pub(super) fn open(engine: &Engine, store_id: u64, id: u64, name: &[u8]) -> Result<Self> {
        let trees = Self::open_trees(engine, name)?;
        let expiries = load(&trees.sidecar)?;
        let state = RwLock::new(State::Open(trees));
        let (name, gone, tally) = (name.into(), AtomicBool::new(false), Tally::default());
        Ok(Self { id, store_id, name, state, gone, expiries, tally })
    }

    /// Whether there is no keyspace `name` yet. Refuses it if there is no room for one more; the
    /// caller keeps others from creating one meanwhile.
    pub(super) fn is_new(engine: &Engine, name: &[u8]) -> Result<bool> {
        let known = engine.tree_names()?;
        if known.iter().any(|known| known == name) {
            return Ok(false);
        }
        // Each keyspace counts with all its trees: some are made only when they are needed, when it
        // is too late to refuse.
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

    /// Removes the trees of the keyspace `name`, which nobody uses; says whether they were there.
    /// The rows go first: expiries without rows are harmless, rows without their expiries would
    /// come back to life.
    pub(super) fn remove(engine: &Engine, name: &[u8]) -> Result<bool> {
        let was_there = engine.drop_tree(name)?;
        for beside in names_beside(name) {
            engine.drop_tree(&beside)?;
        }
        Ok(was_there)
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// The store that this is a keyspace of.
    pub(super) fn store_id(&self) -> u64 {
        self.store_id
    }

    pub(super) fn name(&self) -> &[u8] {
        &self.name
    }

    pub(super) fn expiries(&self) -> &Expiries {
        &self.expiries
    }

    pub(super) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The keyspace's trees, for one operation `operation` in the store at `path`.
    pub(super) fn in_use(&self, path: &std::path::Path) -> Result<InUse<'_>> {
        let state = read(&self.state);
        let name = self.name.escape_ascii();
        match &*state {
            State::Open(_) => Ok(InUse(state)),
            State::Dropped => {
                let message = format!("the keyspace \"{name}\" was dropped");
                Err(Failure::error("use", path, Reason::Dropped, message))
            }
            State::Closed => {
                Err(Failure::error("use", path, Reason::Closed, "the store was closed"))
            }
        }
    }

    /// Fails as `in_use` does, for an operation that needs no trees.
    pub(super) fn must_be_there(&self, path: &std::path::Path) -> Result<()> {
        match self.gone.load(Ordering::Acquire) {
            false => Ok(()),
            true => self.in_use(path).map(drop),
        }
    }

    /// Waits for every operation that is under way, and keeps new ones out.
    pub(super) fn alone(&self) -> Alone<'_> {
        Alone { state: write(&self.state), gone: &self.gone }
    }
}

impl Alone<'_> {
    /// Gives the trees up.
    pub(super) fn leave(&mut self, state: State) {
        *self.state = state;
        self.gone.store(true, Ordering::Release);
    }
}

impl InUse<'_> {
    pub(super) fn trees(&self) -> &Trees {
        match &*self.0 {
            State::Open(trees) => trees,
            State::Dropped | State::Closed => unreachable!("`in_use` has looked"),
        }
    }
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

/// Entries that are not 8 bytes long are somebody else's mistake, and count as no expiry.
fn load(sidecar: &Tree) -> Result<Expiries> {
    let expiries = Expiries::new();
    let unbounded = std::ops::Bound::Unbounded;
    let mut rows = Cursor::new(sidecar.clone(), unbounded.clone(), unbounded);
    while let Some(Row { key, value }) = rows.next()? {
        if let Ok(bytes) = <[u8; 8]>::try_from(&value[..]) {
            expiries.set(&key, Some(u64::from_le_bytes(bytes)));
        }
    }
    Ok(expiries)
}
