//! What comes between a writer's look at a key and its commit: an engine does it while it reads.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::commit::{check, Durability, Key, KeyRange, Now, Options, Record, Settlement};
use crate::engine::Result;

type Hook = Box<dyn FnOnce() + Send>;

#[derive(Clone, Default)]
struct Hooked {
    rows: Arc<Mutex<BTreeMap<Vec<u8>, RowImage>>>,
    /// Runs in the next read.
    hook: Arc<Mutex<Option<Hook>>>,
}

impl Settled for Hooked {
    fn read(&self, _keyspace: KeyspaceId, key: &[u8]) -> Result<Option<RowImage>> {
        let row = self.rows.lock().unwrap().get(key).cloned();
        let hook = self.hook.lock().unwrap().take();
        hook.into_iter().for_each(|hook| hook());
        Ok(row)
    }

    fn keys(&self, _keyspace: KeyspaceId, range: KeyRange<'_>, most: usize) -> Result<Vec<Key>> {
        let rows = self.rows.lock().unwrap();
        let in_range = rows.range::<[u8], _>(range).take(most);
        Ok(in_range.map(|(key, _)| Key::from_slice(key)).collect())
    }

    fn write(&self, _keyspace: KeyspaceId, key: &[u8], row: Option<&RowImage>) -> Result<()> {
        let mut rows = self.rows.lock().unwrap();
        match row {
            Some(row) => drop(rows.insert(key.to_vec(), row.clone())),
            None => drop(rows.remove(key)),
        }
        Ok(())
    }

    fn has_room(&self, _bytes: usize) -> bool {
        true
    }

    fn write_out(&self) -> Result<()> {
        Ok(())
    }

    fn settle(&self, _settlement: Settlement) -> Result<()> {
        Ok(())
    }

    fn name(&self, _keyspace: KeyspaceId) -> Vec<u8> {
        b"one".to_vec()
    }

    fn keyspace(&self, _name: &[u8]) -> Result<KeyspaceId> {
        Ok(0)
    }

    fn drop_keyspace(&self, _keyspace: KeyspaceId) -> Result<()> {
        unreachable!("no test drops a keyspace")
    }

    fn rename_keyspace(&self, _keyspace: KeyspaceId, _name: &[u8]) -> Result<()> {
        unreachable!("no test renames a keyspace")
    }
}

struct Fixture {
    engine: Hooked,
    committer: Arc<Committer<Hooked>>,
    now: Arc<AtomicU64>,
    _directory: tempfile::TempDir,
}

fn open() -> Fixture {
    let directory = tempfile::tempdir().expect("a directory");
    let (engine, now) = (Hooked::default(), Arc::new(AtomicU64::new(4)));
    let clock = Arc::clone(&now);
    let options = Options {
        directory: directory.path().to_path_buf(),
        store: 1,
        memtable: 1 << 20,
        view_memory: u64::MAX,
        portion: 4096,
        patience: Duration::from_secs(60),
        keep_log: 0,
        read_only: false,
        now: Now(Arc::new(move || clock.load(Ordering::SeqCst))),
    };
    let log = check(directory.path(), Some(1), Settlement::default(), false).unwrap();
    let committer = Committer::open(engine.clone(), options, log).unwrap();
    committer.start(None).expect("threads");
    Fixture { engine, committer, now, _directory: directory }
}

fn put(committer: &Committer<Hooked>, value: &[u8], expires_at: Option<u64>, between: impl Fn()) {
    let mut record = Record::new();
    record.push(Change::Put { keyspace: 0, key: b"key", value, expires_at });
    let validate = |_: &Committed| {
        between();
        Ok(())
    };
    committer.commit(record, Durability::Buffered, validate).unwrap();
}

fn watch(committer: &Committer<Hooked>) -> Arc<Queue> {
    let queue = Arc::new(Queue::new(0, b"", WatchOptions::default()));
    committer.watch(&queue);
    queue
}

/// What the queue has: the kinds and the values.
fn told(queue: &Queue) -> Vec<(KeyChangeKind, Vec<u8>)> {
    let next = || match queue.next(Some(Duration::ZERO)) {
        Next::Event(WatchEvent::Changed(it)) => Some((it.kind, it.value.unwrap().to_vec())),
        Next::TimedOut => None,
        other => panic!("{other:?}"),
    };
    std::iter::from_fn(next).collect()
}

/// A put of "mine", with `work` while its writer reads what the key was.
fn put_with(fixture: &Fixture, work: impl FnOnce(&Committer<Hooked>) + Send + 'static) {
    let committer = Arc::clone(&fixture.committer);
    *fixture.engine.hook.lock().unwrap() = Some(Box::new(move || work(&committer)));
    put(&fixture.committer, b"mine", None, || {});
    assert!(fixture.engine.hook.lock().unwrap().is_none(), "the writer has read");
}

const BOTH: [(KeyChangeKind, &[u8]); 2] =
    [(KeyChangeKind::Insert, b"other"), (KeyChangeKind::Update, b"mine")];

fn expect(queue: &Queue, expected: &[(KeyChangeKind, &[u8])]) {
    let expected: Vec<_> = expected.iter().map(|(kind, value)| (*kind, value.to_vec())).collect();
    assert_eq!(told(queue), expected);
}

#[test]
fn a_commit_of_the_key_after_the_look_is_what_was_there() {
    let fixture = open();
    let queue = watch(&fixture.committer);
    put_with(&fixture, |committer| put(committer, b"other", None, || {}));
    expect(&queue, &BOTH);
    fixture.committer.close().unwrap();
}

#[test]
fn a_commit_after_the_look_that_is_settled_already_is_what_was_there() {
    let fixture = open();
    let committer = &*fixture.committer;
    let _queue = watch(committer);
    let mut record = Record::new();
    record.push(Change::Delete { keyspace: 0, key: b"key" });
    let (record, locked) = (record.complete(), Cell::new(0));
    let found = committer.lock_observed(&record, |committer| {
        locked.set(locked.get() + 1);
        // The first time the writer has not looked yet.
        if locked.get() == 2 {
            put(committer, b"other", None, || {});
            committer.settle_all().unwrap();
        }
        Some(committer.writer())
    });
    let (writer, observed) = found.expect("it has the lock");
    drop(writer);
    let (row, _) = observed.unwrap().keys[0].before.take().expect("it has looked");
    assert_eq!(row.map(|row| row.value), Some(Bytes::from(&b"other"[..])));
    committer.close().unwrap();
}

#[test]
fn a_watch_that_is_made_after_the_look_hears_of_the_commit() {
    let fixture = open();
    let queue = watch(&fixture.committer);
    let late = Arc::new(Queue::new(0, b"", WatchOptions::default()));
    let made = Arc::clone(&late);
    put_with(&fixture, move |committer| assert_eq!(committer.watch(&made), 0));
    expect(&queue, &[(KeyChangeKind::Insert, b"mine")]);
    expect(&late, &[(KeyChangeKind::Insert, b"mine")]);
    fixture.committer.close().unwrap();
}

#[test]
fn a_key_that_the_writer_has_found_live_did_not_expire_meanwhile() {
    let fixture = open();
    let queue = watch(&fixture.committer);
    put(&fixture.committer, b"other", Some(5), || {});
    put(&fixture.committer, b"mine", None, || fixture.now.store(6, Ordering::SeqCst));
    expect(&queue, &BOTH);
    fixture.committer.close().unwrap();
}
