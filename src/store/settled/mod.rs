//! The settled rows: the engine as the write path sees it.
//!
//! A keyspace is two trees, the rows and their expiries. The checkpoint thread writes the value first
//! and the expiry after it; a reader that meets the two apart learns from the write path that the
//! checkpoint was there, and does not use what it has read. What the next opening has to know of the
//! log stands in the library's own tree `__mark__`, which the same flush makes durable.

use std::collections::{HashMap, VecDeque};
use std::ops::Bound;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use oxistore_core::StoreError;

use crate::commit::{check, CheckedLog, Key, KeyRange, KeyspaceId, RowImage, Settled, Settlement};
use crate::engine::{settle, Bytes, Cursor, Engine, Result, Step, Tree};
use crate::store::keyspace::{open_trees, remove_trees, Trees};
use crate::store::locks::lock;

mod rename;
mod scan;

pub(crate) use scan::{ExpiringRow, ExpiryScan, SettledScan};

/// The keys of the mark that are the log's.
const LOG: &[u8] = b"log";
const STORE: &[u8] = b"store";

/// The settled rows of one open store.
pub(crate) struct SettledRows {
    mark: Tree,
    /// The keyspaces that are there, by name.
    numbers: Mutex<HashMap<Vec<u8>, KeyspaceId>>,
    /// By number. A number is not used again after its keyspace was dropped. Exchanged under the lock
    /// of `numbers`.
    known: ArcSwap<Vec<Arc<Known>>>,
    /// Dropped last: where a log is refused, the engine would wait for the trees to go.
    engine: Engine,
}

struct Known {
    name: Vec<u8>,
    /// `None` once it was dropped.
    rows: Option<Rows>,
}

/// The trees of a keyspace.
struct Rows {
    trees: Trees,
    /// Whether any row may have an expiry. Where none has, nobody looks for one.
    has_expiries: AtomicBool,
}

impl SettledRows {
    pub(crate) fn new(engine: Engine) -> Result<Self> {
        let mark = engine.mark()?;
        Ok(Self { mark, numbers: Mutex::default(), known: ArcSwap::default(), engine })
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// A number that this store has and, but for chance, no other. It is durable before this answers:
    /// log files carry it.
    pub(crate) fn store_number(&self) -> Result<u64> {
        if let Some(known) = known_number(self.engine.path(), &self.mark)? {
            return Ok(known);
        }
        let random = std::hash::RandomState::new();
        let store = std::hash::BuildHasher::hash_one(&random, std::process::id());
        let value = store.to_le_bytes();
        settle(Step { tree: &self.mark, key: STORE, value: Some(&value) })?;
        self.engine.flush()?;
        Ok(store)
    }

    /// The number of the keyspace `name`, which is created if it is not there, and whether it was
    /// created.
    pub(crate) fn open_keyspace(&self, name: &[u8]) -> Result<(KeyspaceId, bool)> {
        let mut numbers = lock(&self.numbers);
        if let Some(known) = numbers.get(name) {
            return Ok((*known, false));
        }
        let (trees, is_new) = open_trees(&self.engine, name)?;
        let has_expiries = AtomicBool::new(!trees.sidecar.is_empty()?);
        let rows = Some(Rows { trees, has_expiries });
        let mut known = Vec::clone(&self.known.load());
        let id = known.len() as KeyspaceId;
        known.push(Arc::new(Known { name: name.to_vec(), rows }));
        self.known.store(Arc::new(known));
        numbers.insert(name.to_vec(), id);
        Ok((id, is_new))
    }

    /// The settled rows of a keyspace between two bounds; none of one that was dropped.
    pub(crate) fn scan(
        &self,
        keyspace: KeyspaceId,
        lower: Bound<Bytes>,
        upper: Bound<Bytes>,
        keys_only: bool,
    ) -> Option<SettledScan> {
        let known = self.known.load();
        let rows = known.get(keyspace as usize)?.rows.as_ref()?;
        let data = Cursor::new(rows.trees.data.clone(), lower.clone(), upper.clone());
        let expiries = rows
            .has_expiries
            .load(Ordering::Acquire)
            .then(|| Cursor::new(rows.trees.sidecar.clone(), lower, upper));
        Some(SettledScan::new(data.keys_only(keys_only), expiries))
    }

    /// The keys of a keyspace whose settled rows have expiries; `None` if none has.
    pub(crate) fn scan_expiries(&self, keyspace: KeyspaceId) -> Option<ExpiryScan> {
        let known = self.known.load();
        let rows = known.get(keyspace as usize)?.rows.as_ref()?;
        let sidecar = rows.has_expiries.load(Ordering::Acquire).then(|| rows.trees.sidecar.clone());
        let unbounded = || Bound::Unbounded;
        Some(ExpiryScan::new(Cursor::new(sidecar?, unbounded(), unbounded())))
    }

    /// Closes the engine. Nobody uses the rows any more.
    pub(crate) fn close(self) -> Result<()> {
        let Self { engine, mark, numbers, known } = self;
        drop((mark, numbers, known));
        engine.close()
    }
}

impl Settled for SettledRows {
    fn read(&self, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<RowImage>> {
        let known = self.known.load();
        let Some(rows) = known.get(keyspace as usize).and_then(|known| known.rows.as_ref()) else {
            return Ok(None);
        };
        let Some(value) = rows.trees.data.get(key)? else { return Ok(None) };
        let expires_at = match rows.has_expiries.load(Ordering::Acquire) {
            true => rows.trees.sidecar.get(key)?.and_then(|bytes| expiry(&bytes)),
            false => None,
        };
        Ok(Some(RowImage { value, expires_at }))
    }

    fn keys(&self, keyspace: KeyspaceId, range: KeyRange<'_>, most: usize) -> Result<Vec<Key>> {
        let known = self.known.load();
        let Some(rows) = known.get(keyspace as usize).and_then(|known| known.rows.as_ref()) else {
            return Ok(Vec::new());
        };
        let (lower, upper) = (range.0.map(Bytes::from), range.1.map(Bytes::from));
        let mut cursor = Cursor::new(rows.trees.data.clone(), lower, upper).keys_only(true);
        let mut found = VecDeque::new();
        // It answers with fewer where rows are large.
        while found.len() < most && cursor.read_on(false, most - found.len(), &mut found)? {}
        Ok(found.iter().map(|row| Key::from_slice(&row.key)).collect())
    }

    fn write(&self, keyspace: KeyspaceId, key: &[u8], row: Option<&RowImage>) -> Result<()> {
        let known = self.known.load();
        // A row of a keyspace that was dropped since goes nowhere.
        let Some(rows) = known.get(keyspace as usize).and_then(|known| known.rows.as_ref()) else {
            return Ok(());
        };
        let value = row.map(|row| &row.value[..]);
        let expires_at = row.and_then(|row| row.expires_at).map(u64::to_le_bytes);
        if expires_at.is_some() {
            rows.has_expiries.store(true, Ordering::Release);
        }
        settle(Step { tree: &rows.trees.data, key, value })?;
        if rows.has_expiries.load(Ordering::Acquire) {
            let value = expires_at.as_ref().map(|bytes| &bytes[..]);
            settle(Step { tree: &rows.trees.sidecar, key, value })?;
        }
        Ok(())
    }

    fn has_room(&self, bytes: usize) -> bool {
        // sled writes pages, and so several times what it is given, in whole segments.
        self.engine
            .free_space()
            .is_none_or(|free| free >= (3 * bytes + self.engine.segment_size()) as u64)
    }

    fn write_out(&self) -> Result<()> {
        self.engine.flush()
    }

    fn settle(&self, settlement: Settlement) -> Result<()> {
        let numbers = [settlement.file.to_le_bytes(), settlement.sequence.to_le_bytes()].concat();
        let value = [&numbers[..], &[u8::from(settlement.is_closed)]].concat();
        settle(Step { tree: &self.mark, key: LOG, value: Some(&value) })?;
        self.engine.flush()
    }

    fn name(&self, keyspace: KeyspaceId) -> Vec<u8> {
        self.known.load()[keyspace as usize].name.clone()
    }

    fn keyspace(&self, name: &[u8]) -> Result<KeyspaceId> {
        Ok(self.open_keyspace(name)?.0)
    }

    fn rename_keyspace(&self, keyspace: KeyspaceId, name: &[u8]) -> Result<()> {
        let known = self.known.load();
        if known.get(keyspace as usize).is_none_or(|known| known.rows.is_none()) {
            return Ok(());
        }
        drop(known);
        // All of it is on the disk before the first row of the old one goes.
        self.copy(keyspace, name, self.engine.segment_size() / 4)?;
        self.drop_keyspace(keyspace)
    }

    fn drop_keyspace(&self, keyspace: KeyspaceId) -> Result<()> {
        let mut numbers = lock(&self.numbers);
        let mut known = Vec::clone(&self.known.load());
        let Some(place) = known.get_mut(keyspace as usize) else { return Ok(()) };
        if place.rows.is_none() {
            // The replay has dropped it. Its name may be another's by now.
            return Ok(());
        }
        let name = place.name.clone();
        *place = Arc::new(Known { name: name.clone(), rows: None });
        self.known.store(Arc::new(known));
        numbers.remove(&name);
        remove_trees(&self.engine, &name)?;
        // The log does not tell of it any more. sled flushes when the last handle of a tree goes, and an
        // iterator may still have one.
        self.engine.flush()
    }
}

/// Checks the log of the store in `directory`, of which `mark` tells. Changes nothing.
pub(crate) fn check_log(directory: &Path, mark: &Tree, is_salvage: bool) -> Result<CheckedLog> {
    check(directory, known_number(directory, mark)?, settlement(directory, mark)?, is_salvage)
}

/// The number of the store, if it has one.
fn known_number(directory: &Path, mark: &Tree) -> Result<Option<u64>> {
    let Some(known) = mark.get(STORE)? else { return Ok(None) };
    number(&known).map(Some).ok_or_else(|| damaged(directory))
}

/// What was settled when the store was last open.
fn settlement(directory: &Path, mark: &Tree) -> Result<Settlement> {
    let Some(bytes) = mark.get(LOG)? else { return Ok(Settlement::default()) };
    match (bytes.len(), number(&bytes), bytes.get(8..).and_then(number)) {
        (17, Some(file), Some(sequence)) => {
            Ok(Settlement { file, sequence, is_closed: bytes[16] != 0 })
        }
        _ => Err(damaged(directory)),
    }
}

fn damaged(directory: &Path) -> StoreError {
    let path = directory.display();
    StoreError::Corruption(format!("cannot open {path}: what was noted of the log is damaged"))
}

fn number(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.first_chunk()?))
}

/// The expiry that an entry of a sidecar stands for. An entry of another length is somebody else's
/// mistake, and counts as no expiry.
fn expiry(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests;
