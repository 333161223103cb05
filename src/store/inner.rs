//! What all handles of a store share.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, RwLock};

use oxistore_core::StoreError;

use crate::commit::{Committer, Durability, KeyspaceId, Settled, WatchEnd};
use crate::engine::{Failure, Finding, RawTree, Reason, Result, SalvageReport};
use crate::store::clock::MonotonicClock;
use crate::store::keyspace::{is_new, Keyspace, State, DEFAULT};
use crate::store::limits::check_name;
use crate::store::locks::{lock, read, write};
use crate::store::merge::turns::Turns;
use crate::store::merge::{refuse_inside_operator, MergeOperator};
use crate::store::purger::Purger;
use crate::store::read::ReadView;
use crate::store::revivals::Revivals;
use crate::store::settled::SettledRows;
use crate::store::stats::counters::Counters;

/// The write path of a store over its settled rows.
pub(crate) type Core = Committer<SettledRows>;

/// One store. The order in which its locks are taken stands in the module's documentation.
pub(crate) struct StoreInner {
    /// Unique in the process.
    id: u64,
    path: PathBuf,
    pub(crate) clock: Arc<MonotonicClock>,
    pub(crate) longest_key: usize,
    /// How commits last that do not say so themselves.
    pub(crate) durability: Durability,
    is_temporary: bool,
    /// `None` once the store was closed.
    core: RwLock<Option<Arc<Core>>>,
    pub(crate) names: Mutex<Names>,
    /// How many of each kind are open.
    open: [AtomicUsize; KINDS.len()],
    pub(crate) revivals: Revivals,
    pub(crate) merge_turns: Turns,
    pub(crate) counters: Counters,
    /// What ends with the store.
    purger: OnceLock<Arc<Purger>>,
    /// Whether rows of another store are brought into this one.
    pub(crate) is_restoring: AtomicBool,
}

/// What the names of the store's trees are in use for. No name is in use for both: a write through a
/// raw tree would pass the log, the expiries, the count and the pieces of large values of its keyspace.
#[derive(Default)]
pub(crate) struct Names {
    pub(crate) opened: HashMap<Vec<u8>, Arc<Keyspace>>,
    /// Keyspaces that were made, and that the log did not take.
    unannounced: HashSet<KeyspaceId>,
    /// Keyspaces that were dropped or renamed, and whose rows a full disk may have kept from going.
    pub(crate) dropping: HashMap<Vec<u8>, KeyspaceId>,
    /// Handed out as raw trees, which nobody gives back.
    raw: HashSet<Vec<u8>>,
}

impl Names {
    /// Sees that nothing is left of a keyspace `name` that was dropped.
    pub(crate) fn finish_drop(&mut self, core: &Core, name: &[u8]) -> Result<()> {
        if let Some(keyspace) = self.dropping.get(name) {
            core.finish_drop(*keyspace)?;
            self.dropping.remove(name);
        }
        Ok(())
    }

    pub(crate) fn must_not_be_raw(&self, name: &[u8]) -> Result<()> {
        match self.raw.contains(name) {
            false => Ok(()),
            true => Err(taken(name, "keyspace", "a raw tree")),
        }
    }
}

/// Whether there is a keyspace `name`. The caller keeps others from making or dropping it.
fn is_there(core: &Core, name: &[u8]) -> Result<bool> {
    Ok(core.settled().engine().tree_names()?.iter().any(|known| known == name))
}

fn taken(name: &[u8], wanted: &str, is: &str) -> StoreError {
    let name = name.escape_ascii();
    StoreError::Unsupported(format!(
        "\"{name}\" cannot be used as a {wanted}: it is in use as {is} until the store closes"
    ))
}

/// The merge operators of keyspaces that are in use no more.
type Operators = Vec<Arc<MergeOperator>>;

/// What keeps the store open, and closing refused.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Iterator,
    Snapshot,
    Transaction,
}

const KINDS: [(Kind, &str); 3] = [
    (Kind::Iterator, "iterator"),
    (Kind::Snapshot, "snapshot"),
    (Kind::Transaction, "transaction"),
];

impl StoreInner {
    pub(crate) fn new(
        core: Arc<Core>,
        path: PathBuf,
        clock: Arc<MonotonicClock>,
        durability: Durability,
        is_temporary: bool,
    ) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let engine = core.settled().engine();
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            path,
            clock,
            longest_key: engine.longest_key(),
            durability,
            is_temporary,
            core: RwLock::new(Some(core)),
            names: Mutex::default(),
            open: Default::default(),
            revivals: Revivals::default(),
            merge_turns: Turns::default(),
            counters: Counters::default(),
            purger: OnceLock::new(),
            is_restoring: AtomicBool::new(false),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    /// Counts one more as open until the answer is dropped. The caller has a lease, so no close can
    /// be under way.
    pub(crate) fn count_open(self: &Arc<Self>, kind: Kind) -> Open {
        self.open[kind as usize].fetch_add(1, Ordering::SeqCst);
        Open { inner: Arc::clone(self), kind }
    }

    /// Whether there are transactions, which a change of a key can conflict with.
    pub(crate) fn has_transactions(&self) -> bool {
        self.open[Kind::Transaction as usize].load(Ordering::SeqCst) > 0
    }

    pub(crate) fn open_snapshots(&self) -> usize {
        self.open[Kind::Snapshot as usize].load(Ordering::SeqCst)
    }

    /// The keyspace `name`, created if it is not there.
    pub(crate) fn keyspace(&self, name: &[u8]) -> Result<Arc<Keyspace>> {
        let keyspace = self.keyspace_if(name, |_| Ok(true))?;
        Ok(keyspace.expect("it is there or was created"))
    }

    pub(crate) fn existing_keyspace(&self, name: &[u8]) -> Result<Option<Arc<Keyspace>>> {
        self.keyspace_if(name, |core| is_there(core, name))
    }

    /// The keyspace `name`, if `may_open`, which is asked only where nobody has opened it yet.
    fn keyspace_if(
        &self,
        name: &[u8],
        may_open: impl FnOnce(&Core) -> Result<bool>,
    ) -> Result<Option<Arc<Keyspace>>> {
        check_name(name)?;
        self.with_core(|core| {
            let mut names = lock(&self.names);
            if let Some(known) = names.opened.get(name) {
                return Ok(Some(Arc::clone(known)));
            }
            names.must_not_be_raw(name)?;
            names.finish_drop(core, name)?;
            if !may_open(core)? {
                return Ok(None);
            }
            let is_read_only = core.check_writable().is_err();
            if is_read_only && name != DEFAULT && is_new(core.settled().engine(), name)? {
                return Err(StoreError::ReadOnly);
            }
            self.open_keyspace(core, &mut names, name).map(Some)
        })
    }

    /// All keyspaces, by name, and a view of a moment in which they were all there are. A raw tree is one of
    /// them, with what it has when it is read. The caller has a lease, and `core` from it.
    pub(crate) fn keyspaces_at_once(
        self: &Arc<Self>,
        core: &Arc<Core>,
    ) -> Result<(Vec<Arc<Keyspace>>, ReadView)> {
        let mut names = lock(&self.names);
        let mut all = core.settled().engine().tree_names()?;
        all.retain(|name| check_name(name).is_ok() && !names.dropping.contains_key(name));
        all.sort();
        let mut keyspaces = Vec::with_capacity(all.len());
        for name in all {
            let known = names.opened.get(&name).cloned();
            keyspaces.push(known.map_or_else(|| self.open_keyspace(core, &mut names, &name), Ok)?);
        }
        Ok((keyspaces, self.read_view(core)))
    }

    /// All keyspaces but those that are handed out as raw trees.
    pub(crate) fn keyspaces_to_purge(self: &Arc<Self>) -> Result<Vec<Arc<Keyspace>>> {
        let (mut keyspaces, _view) = self.with_core(|core| self.keyspaces_at_once(core))?;
        let names = lock(&self.names);
        keyspaces.retain(|keyspace| !names.raw.contains(keyspace.name()));
        Ok(keyspaces)
    }

    pub(crate) fn set_purger(&self, purger: Arc<Purger>) {
        // There is one for each opening.
        let _ = self.purger.set(purger);
    }

    fn stop_purger(&self) {
        if let Some(purger) = self.purger.get() {
            purger.stop();
        }
    }

    fn open_keyspace(
        &self,
        core: &Arc<Core>,
        names: &mut Names,
        name: &[u8],
    ) -> Result<Arc<Keyspace>> {
        let (id, is_new) = core.settled().open_keyspace(name)?;
        if is_new && core.check_writable().is_ok() {
            names.unannounced.insert(id);
        }
        // Whoever was refused it and tries again is not told that it is there before it is.
        if names.unannounced.contains(&id) {
            core.announce(id)?;
            names.unannounced.remove(&id);
        }
        let keyspace = Arc::new(Keyspace::new(Arc::clone(core), self.id, id, name));
        if !names.raw.contains(name) {
            names.opened.insert(name.to_vec(), Arc::clone(&keyspace));
        }
        Ok(keyspace)
    }

    pub(crate) fn drop_keyspace(&self, name: &[u8]) -> Result<bool> {
        check_name(name)?;
        if name == DEFAULT {
            let text = "the default keyspace cannot be dropped";
            return Err(StoreError::Unsupported(text.into()));
        }
        // Dropped after the locks: code of the caller may run then.
        let mut _operator = None;
        self.with_core(|core| {
            let mut names = lock(&self.names);
            // sled loops for ever in some calls on a tree that was dropped.
            names.must_not_be_raw(name)?;
            names.finish_drop(core, name)?;
            if !is_there(core, name)? {
                return Ok(false);
            }
            let opened = names.opened.get(name).cloned();
            let mut exclusive = opened.as_ref().map(|keyspace| keyspace.exclusive());
            let id = core.settled().keyspace(name)?;
            // If this fails the keyspace is there as before.
            core.drop_keyspace(id)?;
            core.end_watches(Some(id), WatchEnd::KeyspaceDropped);
            if let Some(exclusive) = &mut exclusive {
                _operator = exclusive.retire(State::Dropped);
            }
            names.opened.remove(name);
            names.dropping.insert(name.to_vec(), id);
            names.finish_drop(core, name).map(|()| true)
        })
    }

    pub(crate) fn keyspace_names(&self) -> Result<Vec<Vec<u8>>> {
        let mut names = self.with_core(|core| core.settled().engine().tree_names())?;
        let dropping = lock(&self.names);
        names.retain(|name| check_name(name).is_ok() && !dropping.dropping.contains_key(name));
        drop(dropping);
        names.sort();
        Ok(names)
    }

    pub(crate) fn raw_tree(&self, name: &[u8]) -> Result<RawTree> {
        check_name(name)?;
        self.with_core(|core| {
            // Writes through it would be lost.
            core.check_writable()?;
            let mut names = lock(&self.names);
            if names.opened.contains_key(name) {
                return Err(taken(name, "raw tree", "a keyspace"));
            }
            names.finish_drop(core, name)?;
            // A tree that is made here is a keyspace for later openings, so the same holds for it.
            let engine = core.settled().engine();
            is_new(engine, name)?;
            let tree = engine.raw_tree(name)?;
            names.raw.insert(name.to_vec());
            Ok(tree)
        })
    }

    pub(crate) fn has_raw_trees(&self) -> bool {
        !lock(&self.names).raw.is_empty()
    }

    /// Everything that was committed is on the disk when this returns, and what was written through
    /// raw trees.
    pub(crate) fn flush(&self) -> Result<()> {
        self.with_core(|core| {
            core.flush()?;
            if self.has_raw_trees() {
                core.settled().engine().flush()?;
            }
            Ok(())
        })
    }

    /// Everything that was committed is in the engine's file when this returns.
    pub(crate) fn checkpoint(&self) -> Result<()> {
        self.with_core(|core| core.settle_all())
    }

    /// Every damaged place of what the store has on the disk.
    pub(crate) fn verify(&self) -> Result<Vec<Finding>> {
        self.with_core(|core| {
            let mut findings = core.settled().engine().verify()?;
            findings.extend(core.verify_log()?);
            Ok(self.named(core, findings))
        })
    }

    /// What was damaged and lost, where the store was opened to be salvaged.
    pub(crate) fn salvage_report(&self) -> Result<SalvageReport> {
        self.with_core(|core| {
            let report = core.salvage_report().clone();
            let findings = [core.settled().engine().findings(), &report.findings].concat();
            Ok(SalvageReport { findings: self.named(core, findings), ..report })
        })
    }

    /// The same with the files in the store's directory, where a private copy is open.
    fn named(&self, core: &Core, mut findings: Vec<Finding>) -> Vec<Finding> {
        for finding in &mut findings {
            if let Ok(name) = finding.file.strip_prefix(core.settled().engine().path()) {
                finding.file = self.path.join(name);
            }
        }
        findings
    }

    pub(crate) fn size_on_disk(&self) -> Result<u64> {
        self.with_core(|core| Ok(core.settled().engine().size_on_disk()? + core.log_size()?))
    }

    pub(crate) fn is_closed(&self) -> bool {
        read(&self.core).is_none()
    }

    pub(crate) fn with_core<T>(&self, work: impl FnOnce(&Arc<Core>) -> Result<T>) -> Result<T> {
        refuse_inside_operator(&self.path)?;
        match &*read(&self.core) {
            Some(core) => work(core),
            None => Err(Failure::error("use", &self.path, Reason::Closed, "the store was closed")),
        }
    }

    /// Closes the store for all its handles.
    pub(crate) fn close(&self) -> Result<()> {
        refuse_inside_operator(&self.path)?;
        // Dropped after the locks: code of the caller may run then.
        let _operators;
        let mut core = write(&self.core);
        if core.is_none() {
            let text = "it was closed before";
            return Err(Failure::error("close", &self.path, Reason::Closed, text));
        }
        _operators = self.retire_keyspaces()?;
        let taken = core.take();
        // A purge may wait for it, and may have a view, which needs the write path.
        drop(core);
        self.stop_purger();
        taken.map_or(Ok(()), |core| self.close_core(core))
    }

    fn close_core(&self, core: Arc<Core>) -> Result<()> {
        core.end_watches(None, WatchEnd::StoreClosed);
        let closed = match self.is_temporary {
            // Nobody will look at what it holds.
            true => core.end_threads(),
            false => core.close(),
        };
        match Arc::into_inner(core) {
            Some(core) => closed.and(core.into_settled().close()),
            // A thread that waits for the disk has it, and the directory stays locked.
            None => closed,
        }
    }

    /// Fails while anything is open that keeps the store from being closed.
    pub(crate) fn check_nothing_open(&self) -> Result<()> {
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
        Ok(())
    }

    /// Takes all keyspaces out of use at one moment. What shows a moment needs the write path, so none
    /// may be open; none can be made meanwhile, because that takes a lease.
    fn retire_keyspaces(&self) -> Result<Operators> {
        let mut names = lock(&self.names);
        let mut all: Vec<&Arc<Keyspace>> = names.opened.values().collect();
        all.sort_by_key(|keyspace| keyspace.id());
        let mut exclusive: Vec<_> = all.iter().map(|keyspace| keyspace.exclusive()).collect();
        self.check_nothing_open()?;
        let operators =
            exclusive.iter_mut().filter_map(|keyspace| keyspace.retire(State::Closed)).collect();
        drop(exclusive);
        names.opened.clear();
        Ok(operators)
    }
}

impl Drop for StoreInner {
    fn drop(&mut self) {
        // Nobody is left to hear of an error; `close` is for those who want to. Iterators and handles
        // are gone, or this would not run; batches can hold keyspaces.
        self.stop_purger();
        let core = write(&self.core).take();
        if let Some(core) = core.filter(|_| self.retire_keyspaces().is_ok()) {
            let _ = self.close_core(core);
        }
    }
}

/// Keeps the store open, and closing refused.
pub(crate) struct Open {
    inner: Arc<StoreInner>,
    kind: Kind,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.inner.open[self.kind as usize].fetch_sub(1, Ordering::SeqCst);
    }
}
