//! Random operations against a model that copies everything.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use sledstore::{
    Clock, Iter, IterOptions, SledBatch, SledSnapshot, SledStore, SledStoreBuilder,
    SledTransaction, StoreError,
};

use crate::common::random::Random;

const KEYSPACES: usize = 2;
const KEYS: u64 = 14;
const STEPS: u64 = 4_000;

type Key = Vec<u8>;
type Value = Vec<u8>;
/// A keyspace: the value of each key, and when it expires.
type Rows = BTreeMap<Key, (Value, Option<u64>)>;
type Pairs = Vec<(Key, Value)>;

/// All keyspaces at a time.
#[derive(Clone)]
struct Moment {
    keyspaces: Vec<Rows>,
    now: u64,
}

impl Moment {
    fn get(&self, keyspace: usize, key: &[u8]) -> Option<Value> {
        let (value, expires_at) = self.keyspaces[keyspace].get(key)?;
        expires_at.is_none_or(|at| at > self.now).then(|| value.clone())
    }

    fn pairs(&self, keyspace: usize) -> Pairs {
        let keys = self.keyspaces[keyspace].keys();
        keys.filter_map(|key| Some((key.clone(), self.get(keyspace, key)?))).collect()
    }
}

struct OpenTransaction {
    transaction: SledTransaction,
    began: Moment,
    written: Vec<BTreeMap<Key, Option<Value>>>,
    /// Of what it has written: when it expires after the commit.
    ttls: Vec<BTreeMap<Key, u64>>,
    deleted: Vec<(usize, Key, Key)>,
    keys_read: BTreeSet<(usize, Key)>,
    ranges_read: Vec<(usize, Key, Key)>,
    changed: BTreeSet<(usize, Key)>,
}

impl OpenTransaction {
    fn get(&self, keyspace: usize, key: &[u8]) -> Option<Value> {
        let own = self.written[keyspace].get(key).cloned();
        own.unwrap_or_else(|| {
            self.began.get(keyspace, key).filter(|_| !self.deletes(keyspace, key))
        })
    }

    fn deletes(&self, keyspace: usize, key: &[u8]) -> bool {
        let mut ranges = self.deleted.iter().filter(|(of, ..)| *of == keyspace);
        ranges.any(|(_, lo, hi)| &lo[..] <= key && key < &hi[..])
    }

    /// Whether it has made something of the key, and so does not read it.
    fn has_own(&self, keyspace: usize, key: &[u8]) -> bool {
        self.written[keyspace].contains_key(key) || self.deletes(keyspace, key)
    }

    fn ttl(&self, keyspace: usize, key: &[u8]) -> Option<u64> {
        match self.has_own(keyspace, key) {
            true => self.ttls[keyspace].get(key).copied(),
            false => self.began.keyspaces[keyspace][key].1.map(|at| at - self.began.now),
        }
    }

    fn write(&mut self, keyspace: usize, key: Key, value: Option<Value>, ttl: Option<u64>) {
        match ttl {
            Some(ttl) => drop(self.ttls[keyspace].insert(key.clone(), ttl)),
            None => drop(self.ttls[keyspace].remove(&key)),
        }
        self.written[keyspace].insert(key, value.filter(|_| ttl != Some(0)));
    }

    fn pairs(&self, keyspace: usize) -> Pairs {
        let began = self.began.pairs(keyspace).into_iter();
        let mut rows: BTreeMap<_, _> =
            began.filter(|(key, _)| !self.deletes(keyspace, key)).collect();
        for (key, value) in &self.written[keyspace] {
            match value {
                Some(value) => rows.insert(key.clone(), value.clone()),
                None => rows.remove(key),
            };
        }
        rows.into_iter().collect()
    }

    fn must_conflict(&self) -> bool {
        let writes = !self.deleted.is_empty() || self.written.iter().any(|it| !it.is_empty());
        let in_range = |(keyspace, key): &(usize, Key)| {
            self.ranges_read.iter().any(|(of, lo, hi)| of == keyspace && lo <= key && key < hi)
        };
        writes && self.changed.iter().any(|it| self.keys_read.contains(it) || in_range(it))
    }
}

struct World {
    store: SledStore,
    handles: Vec<SledStore>,
    clock: Clock,
    now: Moment,
    /// With the keyspace that each was made from.
    snapshots: Vec<(SledSnapshot, Moment, usize)>,
    iterators: Vec<(Iter, VecDeque<(Key, Value)>)>,
    transactions: Vec<OpenTransaction>,
    numbers: Random,
    written: u64,
}

#[test]
fn snapshots_iterators_and_transactions_agree_with_copies_of_everything() {
    for seed in 1..=6 {
        let mut world = World::new(seed);
        for _ in 0..STEPS {
            world.step();
        }
        let World { store, snapshots, iterators, transactions, .. } = world;
        drop((snapshots, iterators, transactions));
        let stats = store.snapshot_stats();
        assert_eq!((stats.live, stats.versions, stats.bytes), (0, 0, 0), "seed {seed}");
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let clock = Clock::manual(1_000);
        let builder = SledStoreBuilder::new().clock(clock.clone()).cache_capacity(8 << 20);
        let store = builder.build_temporary().unwrap();
        let handles = vec![store.clone(), store.keyspace("second").unwrap()];
        for handle in &handles {
            handle.set_merge_operator(|_, old, operand| Some(merged(old, operand)));
        }
        let now = Moment { keyspaces: vec![Rows::new(); KEYSPACES], now: 1_000 };
        let (snapshots, iterators, transactions) = (Vec::new(), Vec::new(), Vec::new());
        let numbers = Random::new(seed);
        Self { store, handles, clock, now, snapshots, iterators, transactions, numbers, written: 0 }
    }

    fn key(&mut self) -> Key {
        vec![self.numbers.below(KEYS) as u8]
    }

    fn value(&mut self) -> Value {
        self.written += 1;
        self.written.to_string().into_bytes()
    }

    fn step(&mut self) {
        match self.numbers.below(16) {
            0..=5 => self.write(),
            6 => {
                let time = self.numbers.below(4);
                self.clock.advance(Duration::from_millis(time));
                self.now.now += time;
            }
            7 => self.begin(),
            8 => self.end(),
            9..=10 => self.read_snapshot(),
            11 => self.walk_snapshot(),
            12 => self.step_iterator(),
            13..=14 => self.use_transaction(),
            _ => self.finish_transaction(),
        }
    }

    /// Puts or removes in the model; `None` removes. Says to transactions what has changed.
    fn set(&mut self, keyspace: usize, key: &[u8], row: Option<(Value, Option<u64>)>) {
        // A put that is dead at once is a change too.
        let is_change = row.is_some() || self.now.get(keyspace, key).is_some();
        let row = row.filter(|(_, at)| at.is_none_or(|at| at > self.now.now));
        if is_change {
            for open in &mut self.transactions {
                open.changed.insert((keyspace, key.to_vec()));
            }
        }
        match row {
            Some(row) => self.now.keyspaces[keyspace].insert(key.to_vec(), row),
            None => self.now.keyspaces[keyspace].remove(key),
        };
    }

    fn write(&mut self) {
        let keyspace = self.numbers.below(KEYSPACES as u64) as usize;
        let (key, value) = (self.key(), self.value());
        let handle = self.handles[keyspace].clone();
        let ttl = self.numbers.below(6);
        let expires_at = Some(self.now.now + ttl);
        let live = self.now.get(keyspace, &key);
        match self.numbers.below(12) {
            9 => self.delete_range(keyspace, &key),
            10 => self.change_expiries_in_a_batch(keyspace, &key, &value, ttl),
            0..=1 => {
                handle.put(&key, &value).unwrap();
                self.set(keyspace, &key, Some((value, None)));
            }
            2 => {
                handle.put_with_ttl(&key, &value, Duration::from_millis(ttl)).unwrap();
                self.set(keyspace, &key, Some((value, expires_at)));
            }
            3 => {
                handle.delete(&key).unwrap();
                self.set(keyspace, &key, None);
            }
            4 => match (handle.expire(&key, Duration::from_millis(ttl)), live) {
                (Ok(()), Some(value)) => self.set(keyspace, &key, Some((value, expires_at))),
                (Err(StoreError::KeyNotFound), None) => {}
                (answer, live) => panic!("{answer:?} for {live:?}"),
            },
            5 => match (handle.persist(&key), live) {
                (Ok(true), Some(value)) => self.set(keyspace, &key, Some((value, None))),
                (Ok(false), Some(_)) | (Err(StoreError::KeyNotFound), None) => {}
                (answer, live) => panic!("{answer:?} for {live:?}"),
            },
            6 => {
                assert!(handle.compare_and_swap(&key, live.as_deref(), &value).unwrap());
                self.set(keyspace, &key, Some((value, None)));
            }
            7 => {
                let other = self.key();
                let mut batch = SledBatch::new();
                batch.put_in(&self.handles[1], &key, &value).unwrap();
                batch.delete_in(&self.handles[0], &other).unwrap();
                handle.apply(&batch).unwrap();
                self.set(1, &key, Some((value, None)));
                self.set(0, &other, None);
            }
            8 => {
                handle.merge(&key, &value).unwrap();
                let ends = live.as_ref().and_then(|_| self.now.keyspaces[keyspace][&key].1);
                self.set(keyspace, &key, Some((merged(live.as_deref(), &value), ends)));
            }
            // Neither is a change: what has expired is absent already.
            _ => match self.numbers.below(2) {
                0 => drop(handle.purge_expired().unwrap()),
                _ => assert_eq!(handle.get(&key).unwrap(), live),
            },
        }
    }

    /// From `lo` on, alone or in a batch between puts of keys that it deletes and does not.
    fn delete_range(&mut self, keyspace: usize, lo: &[u8]) {
        let hi = self.key();
        let hi = (self.numbers.below(6) > 0).then_some(hi);
        let handle = self.handles[keyspace].clone();
        let (before, after) = (self.key(), self.key());
        match self.numbers.below(3) {
            0 => {
                let mut batch = SledBatch::new();
                batch.put(&before, b"before").unwrap();
                batch.delete_range(Some(lo), hi.as_deref()).unwrap();
                batch.put(&after, b"after").unwrap();
                handle.apply(&batch).unwrap();
                self.set(keyspace, &before, Some((b"before".to_vec(), None)));
                self.delete_model_range(keyspace, lo, hi.as_deref());
                self.set(keyspace, &after, Some((b"after".to_vec(), None)));
            }
            1 if hi.is_none() => {
                handle.clear().unwrap();
                self.delete_model_range(keyspace, b"", None);
            }
            _ => {
                handle.delete_range(Some(lo), hi.as_deref()).unwrap();
                self.delete_model_range(keyspace, lo, hi.as_deref());
            }
        }
        if self.numbers.below(4) == 0 {
            handle.compact().unwrap();
        }
    }

    /// Each key of the range counts as changed.
    fn delete_model_range(&mut self, keyspace: usize, lo: &[u8], hi: Option<&[u8]>) {
        let has = |key: &[u8]| lo <= key && hi.is_none_or(|hi| key < hi);
        self.now.keyspaces[keyspace].retain(|key, _| !has(key));
        for open in &mut self.transactions {
            let keys = (0..KEYS).map(|key| vec![key as u8]).filter(|key| has(key));
            open.changed.extend(keys.map(|key| (keyspace, key)));
        }
    }

    /// Of a key as it is, of one that the batch has put, and of one that it has deleted.
    fn change_expiries_in_a_batch(&mut self, keyspace: usize, key: &[u8], value: &[u8], ttl: u64) {
        let (put, gone) = (self.key(), self.key());
        let handle = self.handles[keyspace].clone();
        let life = Duration::from_millis(ttl);
        let expires_at = (self.numbers.below(2) == 0).then_some(self.now.now + ttl);
        let mut batch = SledBatch::new();
        let change = |batch: &mut SledBatch, key: &[u8]| match expires_at {
            Some(_) => batch.expire(key, life).unwrap(),
            None => batch.persist(key).unwrap(),
        };
        change(&mut batch, key);
        batch.put(&put, value).unwrap();
        change(&mut batch, &put);
        batch.delete(&gone).unwrap();
        change(&mut batch, &gone);
        handle.apply(&batch).unwrap();
        if let Some((value, before)) = self.now.keyspaces[keyspace].get(key).cloned() {
            let is_change = expires_at.is_some() || before.is_some();
            if self.now.get(keyspace, key).is_some() && is_change {
                self.set(keyspace, key, Some((value, expires_at)));
            }
        }
        self.set(keyspace, &put, Some((value.to_vec(), expires_at)));
        self.set(keyspace, &gone, None);
    }

    fn begin(&mut self) {
        let keyspace = self.numbers.below(KEYSPACES as u64) as usize;
        match self.numbers.below(3) {
            0 if self.snapshots.len() < 5 => {
                let snapshot = self.handles[keyspace].snapshot().unwrap();
                self.snapshots.push((snapshot, self.now.clone(), keyspace));
            }
            1 if self.iterators.len() < 3 => {
                let rows = self.now.pairs(keyspace).into();
                self.iterators.push((self.handles[keyspace].iter().unwrap(), rows));
            }
            2 if self.transactions.len() < 4 => self.transactions.push(OpenTransaction {
                transaction: self.store.transaction().unwrap(),
                began: self.now.clone(),
                written: vec![BTreeMap::new(); KEYSPACES],
                ttls: vec![BTreeMap::new(); KEYSPACES],
                deleted: Vec::new(),
                keys_read: BTreeSet::new(),
                ranges_read: Vec::new(),
                changed: BTreeSet::new(),
            }),
            _ => {}
        }
    }

    fn end(&mut self) {
        if !self.snapshots.is_empty() {
            let index = self.numbers.below(self.snapshots.len() as u64) as usize;
            self.snapshots.swap_remove(index);
        }
        if self.numbers.below(4) == 0 {
            self.iterators.pop();
        }
    }

    fn read_snapshot(&mut self) {
        let (key, lo, hi) = (self.key(), self.key(), self.key());
        let Some((snapshot, moment, _)) = self.snapshots.last() else { return };
        for keyspace in 0..KEYSPACES {
            let view = snapshot.keyspace(&self.handles[keyspace]).unwrap();
            assert_eq!(view.get(&key).unwrap(), moment.get(keyspace, &key));
            assert_eq!(view.contains(&lo).unwrap(), moment.get(keyspace, &lo).is_some());
            let many = view.get_many(&[&key, &hi]).unwrap();
            assert_eq!(many, [moment.get(keyspace, &key), moment.get(keyspace, &hi)]);
            let all = moment.pairs(keyspace);
            assert_eq!(view.count().unwrap(), all.len() as u64);
            assert_eq!(view.iter().unwrap().map(Result::unwrap).collect::<Vec<_>>(), all);
            let mut some = between(all, &lo, &hi);
            assert_eq!(view.range(&lo, &hi).unwrap().map(Result::unwrap).collect::<Vec<_>>(), some);
            some.reverse();
            let down = view.range_rev(&lo, &hi).unwrap();
            assert_eq!(down.map(Result::unwrap).collect::<Vec<_>>(), some);
        }
    }

    /// Moves in both directions and jumps, with writes in between.
    fn walk_snapshot(&mut self) {
        let Some((snapshot, moment, keyspace)) = self.snapshots.last() else { return };
        let mut cursor = snapshot.cursor(IterOptions::default()).unwrap();
        let rows = moment.pairs(*keyspace);
        let mut place: Option<i64> = None;
        for _ in 0..12 {
            let key = self.key();
            let end = rows.len() as i64;
            let choice = self.numbers.below(8);
            let (to, found) = match choice {
                0..=2 => (place.map_or(0, |at| (at + 1).min(end)), cursor.next_row()),
                3..=5 => (place.map_or(end - 1, |at| (at - 1).max(-1)), cursor.prev_row()),
                6 => (rows.partition_point(|row| row.0 < key) as i64, cursor.seek(&key)),
                _ => {
                    let above = rows.partition_point(|row| row.0 <= key) as i64;
                    (above - 1, cursor.seek_for_prev(&key))
                }
            };
            let found = found.unwrap().map(|row| (row.key.to_vec(), row.value.to_vec()));
            let expected = usize::try_from(to).ok().and_then(|to| rows.get(to)).cloned();
            assert_eq!(found, expected, "move {choice} to {to}");
            place = Some(to);
            self.write();
        }
    }

    fn step_iterator(&mut self) {
        if let Some((iterator, rows)) = self.iterators.first_mut() {
            assert_eq!(iterator.next().map(Result::unwrap), rows.pop_front());
        }
    }

    fn use_transaction(&mut self) {
        if self.transactions.is_empty() {
            return;
        }
        let index = self.numbers.below(self.transactions.len() as u64) as usize;
        let keyspace = self.numbers.below(KEYSPACES as u64) as usize;
        let (key, value, lo, hi) = (self.key(), self.value(), self.key(), self.key());
        let choice = self.numbers.below(10);
        let ttl = self.numbers.below(6);
        let open = &mut self.transactions[index];
        let view = open.transaction.keyspace(&self.handles[keyspace]).unwrap();
        match choice {
            0..=1 => {
                view.put(&key, &value).unwrap();
                open.write(keyspace, key, Some(value), None);
            }
            2 => {
                view.delete(&key).unwrap();
                open.write(keyspace, key, None, None);
            }
            6 => {
                view.delete_range(Some(&lo), Some(&hi)).unwrap();
                let is_left = |key: &Key| !(lo <= *key && *key < hi);
                open.written[keyspace].retain(|key, _| is_left(key));
                open.ttls[keyspace].retain(|key, _| is_left(key));
                open.deleted.extend((lo < hi).then_some((keyspace, lo, hi)));
            }
            7 => {
                let live = open.get(keyspace, &key);
                let before = live.as_ref().and_then(|_| open.ttl(keyspace, &key));
                if !open.has_own(keyspace, &key) {
                    open.keys_read.insert((keyspace, key.clone()));
                }
                let Some(live) = live else {
                    assert!(matches!(view.ttl(&key), Err(StoreError::KeyNotFound)));
                    let expired = view.expire(&key, Duration::from_millis(ttl));
                    assert!(matches!(expired, Err(StoreError::KeyNotFound)));
                    assert!(matches!(view.persist(&key), Err(StoreError::KeyNotFound)));
                    return;
                };
                assert_eq!(view.ttl(&key).unwrap(), before.map(Duration::from_millis));
                match value.len() % 2 {
                    0 => {
                        view.expire(&key, Duration::from_millis(ttl)).unwrap();
                        open.write(keyspace, key, Some(live), Some(ttl));
                    }
                    _ => {
                        assert_eq!(view.persist(&key).unwrap(), before.is_some());
                        if before.is_some() {
                            open.write(keyspace, key, Some(live), None);
                        }
                    }
                }
            }
            8 => {
                let live = open.get(keyspace, &key);
                if !open.has_own(keyspace, &key) {
                    open.keys_read.insert((keyspace, key.clone()));
                }
                assert!(!view.compare_and_swap(&key, Some(b"no such value"), &value).unwrap());
                assert!(view.compare_and_swap(&key, live.as_deref(), &value).unwrap());
                open.write(keyspace, key, Some(value), None);
            }
            9 => {
                // With the expiry that a merge keeps of a row that was read, `store::merge::tests` deals.
                let own = open.has_own(keyspace, &key);
                let expires =
                    open.began.keyspaces[keyspace].get(&key).is_some_and(|it| it.1.is_some());
                if !own && expires {
                    return;
                }
                view.merge(&key, &value).unwrap();
                let live = open.get(keyspace, &key);
                let ttl = live.as_ref().and_then(|_| open.ttl(keyspace, &key));
                open.write(keyspace, key.clone(), Some(merged(live.as_deref(), &value)), ttl);
                if !own {
                    open.keys_read.insert((keyspace, key));
                }
            }
            3..=4 => {
                assert_eq!(view.get(&key).unwrap(), open.get(keyspace, &key));
                if !open.has_own(keyspace, &key) {
                    open.keys_read.insert((keyspace, key));
                }
            }
            _ => {
                let mut expected = between(open.pairs(keyspace), &lo, &hi);
                let found = match value.len() % 2 {
                    0 => view.range(&lo, &hi).unwrap(),
                    _ => {
                        expected.reverse();
                        view.range_rev(&lo, &hi).unwrap()
                    }
                };
                assert_eq!(found.map(Result::unwrap).collect::<Vec<_>>(), expected);
                open.ranges_read.push((keyspace, lo, hi));
            }
        }
    }

    fn finish_transaction(&mut self) {
        let Some(open) = self.transactions.pop() else { return };
        if self.numbers.below(4) == 0 {
            open.transaction.rollback().unwrap();
            return;
        }
        let must_conflict = open.must_conflict();
        match open.transaction.commit() {
            Ok(()) => assert!(!must_conflict, "a conflict was missed"),
            Err(StoreError::TxnConflict) => {
                assert!(must_conflict, "there was no conflict");
                return;
            }
            Err(error) => panic!("{error}"),
        }
        for (keyspace, lo, hi) in open.deleted {
            self.delete_model_range(keyspace, &lo, Some(&hi));
        }
        for (keyspace, written) in open.written.into_iter().enumerate() {
            for (key, value) in written {
                let ttl = open.ttls[keyspace].get(&key);
                let ends = ttl.map(|ttl| self.now.now + ttl);
                let value = value.or((ttl == Some(&0)).then(Value::new));
                self.set(keyspace, &key, value.map(|value| (value, ends)));
            }
        }
    }
}

/// The merge operator of both keyspaces; what it makes is cut, or it would grow for ever.
fn merged(old: Option<&[u8]>, operand: &[u8]) -> Value {
    let all = [operand, old.unwrap_or_default()].concat();
    all[..all.len().min(20)].to_vec()
}

fn between(mut rows: Pairs, lo: &[u8], hi: &[u8]) -> Pairs {
    rows.retain(|(key, _)| lo <= &key[..] && &key[..] < hi);
    rows
}
