//! Runs each step on the store and on the model, and compares what both answer.

use std::ops::Bound;
use std::time::Duration;

use sledstore::{Clock, IterOptions, Reason, SledBatch, SledStore, StoreError};

use crate::common::{assert_failed, open_at, rows, scratch, Result, START};
use crate::operations::{
    Action, BatchItem, Change, CursorPlan, Edge, Expected, Move, Read, Step, Text, KEYSPACES,
};
use crate::oracle::{deadline, merged, CursorModel, Oracle, Rows};

/// A store and its model, which must agree at every step.
pub struct Pair {
    store: Option<SledStore>,
    handles: Vec<SledStore>,
    models: Vec<Oracle>,
    clock: Clock,
    now: u64,
    directory: tempfile::TempDir,
}

impl Pair {
    pub fn new() -> Self {
        let directory = scratch();
        let clock = Clock::manual(START);
        let models = vec![Oracle::default(); KEYSPACES.len()];
        let mut pair =
            Self { store: None, handles: Vec::new(), models, clock, now: START, directory };
        pair.open();
        pair
    }

    fn open(&mut self) {
        let store = open_at(&self.directory.path().join("db"), &self.clock).expect("open");
        self.handles = KEYSPACES.map(|name| open_keyspace(&store, name)).to_vec();
        self.store = Some(store);
    }

    /// Ends the store, by `close` or by dropping every handle, and opens it again.
    fn reopen(&mut self, close: bool) {
        let store = self.store.take().expect("the store is open");
        if close {
            store.close().expect("close");
            assert_failed(self.handles[0].get(b""), Reason::Closed);
            self.handles.clear();
        } else {
            self.handles.clear();
            drop(store);
        }
        self.open();
        self.compare_everything();
    }

    /// Compares the whole content of every keyspace, expiries included.
    pub fn compare_everything(&mut self) {
        for (handle, model) in self.handles.iter().zip(&self.models) {
            let expected = model.rows(self.now);
            assert_eq!(handle.count().expect("count"), expected.len() as u64, "count");
            assert_eq!(rows(handle), expected, "rows of {:?}", handle.keyspace_name());
            for (key, _) in &expected {
                let found = handle.get_with_ttl(key).expect("get_with_ttl");
                let found = found.map(|(value, ttl)| (value.to_vec(), ttl));
                assert_eq!(found, model.get_with_ttl(key, self.now), "key {key:02x?}");
            }
        }
    }

    pub fn step(&mut self, step: &Step) {
        match &step.action {
            Action::Read(read, keys) => self.read(step.keyspace, *read, keys),
            Action::Change(key, change) => self.change(step.keyspace, key, change),
            Action::CompareAndSwap(key, old, new) => self.swap(step.keyspace, key, old, Some(new)),
            Action::CompareAndDelete(key, old) => self.swap(step.keyspace, key, old, None),
            Action::Expire(key, ttl) => self.expire(step.keyspace, key, *ttl),
            Action::Persist(key) => self.persist(step.keyspace, key),
            Action::PurgeExpired => self.purge(step.keyspace),
            Action::BatchWrite(pairs) => self.batch_write(step.keyspace, pairs),
            Action::BatchDelete(keys) => self.batch_delete(step.keyspace, keys),
            Action::Apply(items) => self.apply(step.keyspace, items),
            Action::Range { .. } | Action::PrefixScan(_) | Action::Iter | Action::Keys => {
                self.scan(step.keyspace, &step.action);
            }
            Action::Count => {
                let expected = self.models[step.keyspace].rows(self.now).len() as u64;
                assert_eq!(self.handles[step.keyspace].count().expect("count"), expected);
            }
            Action::Cursor(plan) => self.cursor(step.keyspace, plan),
            Action::DropKeyspace => self.drop_keyspace(step.keyspace),
            Action::Clear => {
                self.handles[step.keyspace].clear().expect("clear");
                self.models[step.keyspace] = Oracle::default();
            }
            Action::Names => {
                let mut expected = KEYSPACES.map(|name| name.as_bytes().to_vec());
                expected.sort();
                assert_eq!(self.handles[0].keyspace_names().expect("names"), expected);
            }
            Action::Advance(by) => {
                self.clock.advance(Duration::from_millis(*by));
                self.now += by;
            }
            Action::Flush => self.handles[step.keyspace].flush().expect("flush"),
            Action::Reopen { close } => self.reopen(*close),
        }
    }

    fn read(&self, keyspace: usize, read: Read, keys: &[Text]) {
        let (store, model) = (&self.handles[keyspace], &self.models[keyspace]);
        let keys: Vec<&[u8]> = keys.iter().map(|key| key.0.as_slice()).collect();
        let expected: Vec<Option<Vec<u8>>> =
            keys.iter().map(|key| model.get(key, self.now).cloned()).collect();
        match read {
            Read::GetMany => assert_eq!(store.get_many(&keys).expect("get_many"), expected),
            Read::GetManyPinned => {
                let found = store.get_many_pinned(&keys).expect("get_many_pinned");
                let found: Vec<_> =
                    found.into_iter().map(|value| value.map(|bytes| bytes.to_vec())).collect();
                assert_eq!(found, expected);
            }
            _ => {
                for (key, expected) in keys.iter().zip(expected) {
                    self.read_one(keyspace, read, key, expected);
                }
            }
        }
    }

    fn read_one(&self, keyspace: usize, read: Read, key: &[u8], expected: Option<Vec<u8>>) {
        let (store, model) = (&self.handles[keyspace], &self.models[keyspace]);
        match read {
            Read::GetPinned => {
                let found = store.get_pinned(key).expect("get_pinned");
                assert_eq!(found.map(|bytes| bytes.to_vec()), expected);
            }
            Read::GetRef => {
                let found = store.get_ref(key).expect("get_ref");
                assert_eq!(found.map(|bytes| bytes.into_owned()), expected);
            }
            Read::GetWithTtl => {
                let found = store.get_with_ttl(key).expect("get_with_ttl");
                let found = found.map(|(value, ttl)| (value.to_vec(), ttl));
                assert_eq!(found, model.get_with_ttl(key, self.now));
            }
            Read::Contains => {
                assert_eq!(store.contains(key).expect("contains"), expected.is_some());
            }
            Read::Ttl => match model.get_with_ttl(key, self.now) {
                Some((_, ttl)) => assert_eq!(store.ttl(key).expect("ttl"), ttl),
                None => assert!(matches!(store.ttl(key), Err(StoreError::KeyNotFound))),
            },
            _ => assert_eq!(store.get(key).expect("get"), expected),
        }
    }

    fn change(&mut self, keyspace: usize, key: &Text, change: &Change) {
        let store = &self.handles[keyspace];
        match change {
            Change::Put(value) => store.put(&key.0, &value.0).expect("put"),
            Change::PutWithTtl(value, ttl) => {
                store.put_with_ttl(&key.0, &value.0, *ttl).expect("put_with_ttl");
            }
            Change::Delete => store.delete(&key.0).expect("delete"),
            Change::DeleteRange(hi) => {
                let hi = hi.as_ref().map(|hi| &hi.0[..]);
                store.delete_range(Some(&key.0), hi).expect("delete_range");
            }
            // Alone it is a call that says whether the key is there.
            Change::Expire(Some(ttl)) => return self.expire(keyspace, key, *ttl),
            Change::Expire(None) => return self.persist(keyspace, key),
            Change::Merge(operand) => store.merge(&key.0, &operand.0).expect("merge"),
        }
        self.change_model(keyspace, key, change);
    }

    fn change_model(&mut self, keyspace: usize, key: &Text, change: &Change) {
        let model = &mut self.models[keyspace];
        match change {
            Change::Put(value) => model.put(&key.0, &value.0, None),
            Change::PutWithTtl(value, ttl) => {
                model.put(&key.0, &value.0, Some(deadline(self.now, *ttl)));
            }
            Change::Delete => model.delete(&key.0),
            Change::DeleteRange(hi) => model.delete_range(&key.0, hi.as_ref().map(|hi| &hi.0[..])),
            Change::Expire(ttl) => {
                let ends = ttl.map(|ttl| deadline(self.now, ttl));
                model.set_deadline(&key.0, ends, self.now);
            }
            Change::Merge(operand) => model.merge(&key.0, &operand.0, self.now),
        }
    }

    /// Compare-and-swap, or compare-and-delete when there is no new value.
    fn swap(&mut self, keyspace: usize, key: &Text, old: &Expected, new: Option<&Text>) {
        let (store, model) = (&self.handles[keyspace], &mut self.models[keyspace]);
        let current = model.get(&key.0, self.now).cloned();
        let expected = match old {
            Expected::Current => current.clone(),
            Expected::Nothing => None,
            Expected::Value(value) => Some(value.0.clone()),
        };
        let succeeds = expected == current;
        match (new, expected) {
            (Some(new), expected) => {
                let swapped = store.compare_and_swap(&key.0, expected.as_deref(), &new.0);
                assert_eq!(swapped.expect("compare_and_swap"), succeeds);
                if succeeds {
                    model.put(&key.0, &new.0, None);
                }
            }
            (None, Some(expected)) => {
                let deleted = store.compare_and_delete(&key.0, &expected);
                assert_eq!(deleted.expect("compare_and_delete"), succeeds);
                if succeeds {
                    model.delete(&key.0);
                }
            }
            // Nothing to compare with: there is no such call.
            (None, None) => {}
        }
    }

    fn expire(&mut self, keyspace: usize, key: &Text, ttl: Duration) {
        let result = self.handles[keyspace].expire(&key.0, ttl);
        let wanted = Some(deadline(self.now, ttl));
        if self.models[keyspace].set_deadline(&key.0, wanted, self.now) {
            result.expect("expire");
        } else {
            assert!(matches!(result, Err(StoreError::KeyNotFound)), "expire: {result:?}");
        }
    }

    fn persist(&mut self, keyspace: usize, key: &Text) {
        let result = self.handles[keyspace].persist(&key.0);
        let before = self.models[keyspace].get_with_ttl(&key.0, self.now);
        match before {
            Some((_, ttl)) => {
                assert_eq!(result.expect("persist"), ttl.is_some());
                self.models[keyspace].set_deadline(&key.0, None, self.now);
            }
            None => assert!(matches!(result, Err(StoreError::KeyNotFound)), "{result:?}"),
        }
    }

    fn purge(&mut self, keyspace: usize) {
        // Reads may have evicted some of the expired keys already, so the model knows a limit.
        let removed = self.handles[keyspace].purge_expired().expect("purge_expired");
        let limit = self.models[keyspace].purge(self.now);
        assert!(removed <= limit, "purged {removed} keys, but only {limit} had expired");
        let again = self.handles[keyspace].purge_expired().expect("purge_expired");
        assert_eq!(again, 0, "a second purge finds nothing");
    }

    fn batch_write(&mut self, keyspace: usize, pairs: &[(Text, Text)]) {
        let borrowed: Vec<(&[u8], &[u8])> =
            pairs.iter().map(|(key, value)| (key.0.as_slice(), value.0.as_slice())).collect();
        self.handles[keyspace].batch_write(&borrowed).expect("batch_write");
        for (key, value) in pairs {
            self.models[keyspace].put(&key.0, &value.0, None);
        }
    }

    fn batch_delete(&mut self, keyspace: usize, keys: &[Text]) {
        let borrowed: Vec<&[u8]> = keys.iter().map(|key| key.0.as_slice()).collect();
        self.handles[keyspace].batch_delete(&borrowed).expect("batch_delete");
        for key in keys {
            self.models[keyspace].delete(&key.0);
        }
    }

    fn apply(&mut self, keyspace: usize, items: &[BatchItem]) {
        let mut batch = SledBatch::new();
        for BatchItem { keyspace: target, key, change } in items {
            let target = target.map(|index| &self.handles[index]);
            add_to_batch(&mut batch, target, &key.0, change);
        }
        self.handles[keyspace].apply(&batch).expect("apply");
        for item in items {
            self.change_model(item.keyspace.unwrap_or(keyspace), &item.key, &item.change);
        }
    }

    fn scan(&self, keyspace: usize, action: &Action) {
        let store = &self.handles[keyspace];
        let mut expected = self.models[keyspace].rows(self.now);
        let found: Rows = match action {
            Action::Range { lower, upper, reverse } => {
                expected.retain(|(key, _)| *key >= lower.0 && *key < upper.0);
                if *reverse {
                    expected.reverse();
                    store.range_rev(&lower.0, &upper.0).expect("range_rev").map(row).collect()
                } else {
                    store.range(&lower.0, &upper.0).expect("range").map(row).collect()
                }
            }
            Action::PrefixScan(prefix) => {
                expected.retain(|(key, _)| key.starts_with(&prefix.0));
                store.prefix_scan(&prefix.0).expect("prefix_scan").map(row).collect()
            }
            Action::Keys => {
                expected.iter_mut().for_each(|(_, value)| value.clear());
                let keys = store.keys().expect("keys");
                keys.map(|key| (key.expect("a key"), Vec::new())).collect()
            }
            _ => rows(store),
        };
        assert_eq!(found, expected);
    }

    fn cursor(&self, keyspace: usize, plan: &CursorPlan) {
        let mut model = CursorModel::new(self.models[keyspace].rows(self.now), plan);
        let options = IterOptions {
            lower: bound(&plan.lower),
            upper: bound(&plan.upper),
            prefix: plan.prefix.0.clone(),
            keys_only: plan.keys_only,
            reverse: plan.reverse,
        };
        let mut cursor = self.handles[keyspace].cursor(options).expect("cursor");
        for (number, step) in plan.moves.iter().enumerate() {
            let moved = match step {
                Move::First => cursor.first_row(),
                Move::Last => cursor.last_row(),
                Move::Seek(key) => cursor.seek(&key.0),
                Move::SeekForPrev(key) => cursor.seek_for_prev(&key.0),
                Move::Next => cursor.next_row(),
                Move::Prev => cursor.prev_row(),
                Move::IteratorNext => {
                    let found = cursor.next().map(row);
                    assert_eq!(found, model.step(step), "move {number}, {step:?}");
                    continue;
                }
            };
            let found = moved.expect("a move").map(|row| (row.key.to_vec(), row.value.to_vec()));
            assert_eq!(found, model.step(step), "move {number}, {step:?}");
        }
    }

    /// Drops a keyspace and makes it anew: it is empty, and the old handle is of no use.
    fn drop_keyspace(&mut self, keyspace: usize) {
        let name = KEYSPACES[keyspace];
        let store = self.store.as_ref().expect("the store is open");
        if keyspace == 0 {
            assert!(matches!(store.drop_keyspace(name), Err(StoreError::Unsupported(_))));
            return;
        }
        assert!(store.drop_keyspace(name).expect("drop_keyspace"));
        assert!(!store.drop_keyspace(name).expect("drop_keyspace of what is not there"));
        assert_failed(self.handles[keyspace].get(b"a"), Reason::Dropped);
        self.handles[keyspace] = open_keyspace(store, name);
        self.models[keyspace] = Oracle::default();
        assert_eq!(rows(&self.handles[keyspace]), Rows::new(), "a recreated keyspace is empty");
    }
}

/// With the merge operator of the model.
fn open_keyspace(store: &SledStore, name: &str) -> SledStore {
    let keyspace = store.keyspace(name).expect("a keyspace");
    keyspace.set_merge_operator(|_, old, operand| merged(old, operand));
    keyspace
}

fn row(row: Result<(Vec<u8>, Vec<u8>)>) -> (Vec<u8>, Vec<u8>) {
    row.expect("a row")
}

fn bound(edge: &Edge) -> Bound<Vec<u8>> {
    match edge {
        Edge::Unbounded => Bound::Unbounded,
        Edge::Included(key) => Bound::Included(key.0.clone()),
        Edge::Excluded(key) => Bound::Excluded(key.0.clone()),
    }
}

fn add_to_batch(batch: &mut SledBatch, target: Option<&SledStore>, key: &[u8], change: &Change) {
    match (target, change) {
        (None, Change::Put(value)) => batch.put(key, &value.0),
        (None, Change::PutWithTtl(value, ttl)) => batch.put_with_ttl(key, &value.0, *ttl),
        (None, Change::Delete) => batch.delete(key),
        (None, Change::Merge(operand)) => batch.merge(key, &operand.0),
        (Some(target), Change::Put(value)) => batch.put_in(target, key, &value.0),
        (Some(target), Change::PutWithTtl(value, ttl)) => {
            batch.put_with_ttl_in(target, key, &value.0, *ttl)
        }
        (Some(target), Change::Delete) => batch.delete_in(target, key),
        (None, Change::DeleteRange(hi)) => {
            batch.delete_range(Some(key), hi.as_ref().map(|hi| &hi.0[..]))
        }
        (Some(target), Change::DeleteRange(hi)) => {
            batch.delete_range_in(target, Some(key), hi.as_ref().map(|hi| &hi.0[..]))
        }
        (None, Change::Expire(Some(ttl))) => batch.expire(key, *ttl),
        (None, Change::Expire(None)) => batch.persist(key),
        (Some(target), Change::Expire(Some(ttl))) => batch.expire_in(target, key, *ttl),
        (Some(target), Change::Expire(None)) => batch.persist_in(target, key),
        (Some(target), Change::Merge(operand)) => batch.merge_in(target, key, &operand.0),
    }
    .expect("a change within the limits");
}
