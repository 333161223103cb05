//! The write path over an engine that is a map: against a model, with threads, with damaged logs.

use std::collections::BTreeMap;
use std::fs;
use std::ops::{Bound, RangeBounds};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use oxistore_core::StoreError;

use super::*;
use crate::engine::{Bytes, Failure, Reason};

mod conflicts;
mod damage;
mod records;
mod replay;
mod room;
mod syncs;
mod views;

type Rows = BTreeMap<(KeyspaceId, Vec<u8>), RowImage>;

/// An engine that keeps rows and the settlement in memory, as if on a disk: a new [`Committer`] over
/// a clone goes on from there.
#[derive(Clone, Default)]
struct Map {
    rows: Arc<Mutex<Rows>>,
    settlement: Arc<Mutex<Settlement>>,
    names: Arc<Mutex<Vec<Vec<u8>>>>,
    fails: Arc<AtomicBool>,
    is_full: Arc<AtomicBool>,
}

impl Settled for Map {
    fn read(&self, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<RowImage>> {
        Ok(self.rows.lock().unwrap().get(&(keyspace, key.to_vec())).cloned())
    }

    fn keys(&self, keyspace: KeyspaceId, range: KeyRange<'_>, most: usize) -> Result<Vec<Key>> {
        let rows = self.rows.lock().unwrap();
        let own = rows.keys().filter(|(of, _)| *of == keyspace).map(|(_, key)| key);
        let found = own.filter(|key| RangeBounds::<[u8]>::contains(&range, &key[..]));
        Ok(found.take(most).map(|key| Key::from_slice(key)).collect())
    }

    fn write(&self, keyspace: KeyspaceId, key: &[u8], row: Option<&RowImage>) -> Result<()> {
        if self.fails.load(Ordering::SeqCst) {
            return Err(StoreError::Other("the engine fails".into()));
        }
        let key = (keyspace, key.to_vec());
        let mut rows = self.rows.lock().unwrap();
        match row {
            Some(row) => drop(rows.insert(key, row.clone())),
            None => drop(rows.remove(&key)),
        }
        Ok(())
    }

    fn has_room(&self, _bytes: usize) -> bool {
        !self.is_full.load(Ordering::SeqCst)
    }

    fn write_out(&self) -> Result<()> {
        Ok(())
    }

    fn settle(&self, settlement: Settlement) -> Result<()> {
        *self.settlement.lock().unwrap() = settlement;
        Ok(())
    }

    fn name(&self, keyspace: KeyspaceId) -> Vec<u8> {
        self.names.lock().unwrap()[keyspace as usize].clone()
    }

    fn keyspace(&self, name: &[u8]) -> Result<KeyspaceId> {
        let mut names = self.names.lock().unwrap();
        let known = names.iter().position(|known| known == name);
        Ok(known.unwrap_or_else(|| {
            names.push(name.to_vec());
            names.len() - 1
        }) as KeyspaceId)
    }

    fn rename_keyspace(&self, keyspace: KeyspaceId, name: &[u8]) -> Result<()> {
        let to = self.keyspace(name)?;
        let mut rows = self.rows.lock().unwrap();
        let own: Vec<_> = rows.keys().filter(|(of, _)| *of == keyspace).cloned().collect();
        for key in own {
            if let Some(row) = rows.remove(&key) {
                rows.insert((to, key.1), row);
            }
        }
        Ok(())
    }

    fn drop_keyspace(&self, keyspace: KeyspaceId) -> Result<()> {
        self.rows.lock().unwrap().retain(|(of, _), _| *of != keyspace);
        Ok(())
    }
}

/// A write path in a directory, with its checkpoint thread.
struct Fixture {
    map: Map,
    committer: Arc<Committer<Map>>,
}

const STORE: u64 = 99;
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

fn options(directory: &Path, memtable: usize) -> Options {
    let directory = directory.to_path_buf();
    Options {
        directory,
        store: STORE,
        memtable,
        read_only: false,
        view_memory: u64::MAX,
        portion: 4096,
        patience: PATIENCE,
        keep_log: 0,
        now: Now(Arc::new(|| 1_000)),
    }
}

/// Without threads.
fn open(map: &Map, options: Options, settled: Settlement) -> Result<Arc<Committer<Map>>> {
    let log = check(&options.directory, Some(options.store), settled, false)?;
    Committer::open(map.clone(), options, log)
}

fn options_of(directory: &Path) -> Options {
    options(directory, 70_000)
}

impl Fixture {
    fn open(map: &Map, options: Options) -> Result<Self> {
        for name in [b"one", b"two"] {
            map.keyspace(name)?;
        }
        let settlement = *map.settlement.lock().unwrap();
        let committer = open(map, options, settlement)?;
        committer.start(None).expect("threads");
        Ok(Self { map: map.clone(), committer })
    }

    fn put(&self, keyspace: KeyspaceId, key: &[u8], value: &[u8]) -> Result<u64> {
        let mut record = Record::new();
        record.push(Change::Put { keyspace, key, value, expires_at: None });
        self.committer.wait_for_room(record.len())?;
        self.committer.commit(record, Durability::Buffered, |_| Ok(()))
    }

    fn get(&self, keyspace: KeyspaceId, key: &[u8]) -> Option<Bytes> {
        self.committer.get(keyspace, key).unwrap().0.map(|row| row.value)
    }

    fn close(self) -> Result<()> {
        self.committer.close()
    }

    /// Ends without settling anything more, as a kill does.
    fn kill(self) {
        self.map.fails.store(true, Ordering::SeqCst);
        let _ = self.committer.close();
        self.map.fails.store(false, Ordering::SeqCst);
    }
}

struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

type Model = BTreeMap<(KeyspaceId, Vec<u8>), Vec<u8>>;

/// All rows of a keyspace through a view, as an iterator reads them: the engine's rows first.
fn scan(
    fixture: &Fixture,
    view: &View<Map>,
    keyspace: KeyspaceId,
    down: bool,
) -> Vec<(Vec<u8>, Vec<u8>)> {
    let all = (Bound::Unbounded, Bound::Unbounded);
    let settled = fixture.map.rows.lock().unwrap().clone();
    let mut rows: BTreeMap<Vec<u8>, Vec<u8>> = settled
        .into_iter()
        .filter(|((of, key), _)| *of == keyspace && view.deleted_around(*of, key).is_none())
        .map(|((_, key), row)| (key, row.value.to_vec()))
        .collect();
    let overlay = view.overlay(keyspace, all, down, usize::MAX >> 1).unwrap();
    assert!(overlay.windows(2).all(|two| (two[0].0 < two[1].0) != down), "it is not in order");
    for (key, row) in overlay {
        match row {
            Some(row) => drop(rows.insert(key.to_vec(), row.value.to_vec())),
            None => drop(rows.remove(&key[..])),
        }
    }
    rows.into_iter().collect()
}

fn agrees(fixture: &Fixture, view: &View<Map>, model: &Model) {
    for keyspace in 0..2 {
        let expected: Vec<_> = model
            .iter()
            .filter(|((of, _), _)| *of == keyspace)
            .map(|((_, key), value)| (key.clone(), value.clone()))
            .collect();
        assert_eq!(scan(fixture, view, keyspace, false), expected);
        assert_eq!(scan(fixture, view, keyspace, true), expected);
        for key in 0..40u8 {
            let found = view.get(keyspace, &[key]).unwrap().map(|row| row.value.to_vec());
            assert_eq!(found.as_ref(), model.get(&(keyspace, vec![key])));
        }
    }
}
