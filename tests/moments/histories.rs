//! Histories: what many concurrent transactions, single puts, swaps and snapshots read and wrote is recorded, while
//! checkpoints run, and a checker that knows nothing of the store decides whether they might have run one after
//! the other, in an order that time allows.
//!
//! Every write has a value of its own, the number of its transaction, and every transaction reads a key before
//! it writes it. A swap and a merge have read what they replaced. A single put is of a key that nobody else writes, so it
//! replaces the first version. So each value tells who wrote it, and which value it replaced: the order of the versions of a
//! key needs no trust in anybody. Absence tells that too, because a key is either absent first and put once, or
//! there first and removed once, or never absent.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Mutex;
use std::thread;

use crate::common::random::Random;
use sledstore::{
    SledBatch, SledSnapshot, SledStore, SledStoreBuilder, SledTransaction, StoreError,
};

/// The version of a key before all transactions.
const FIRST: u64 = 0;
/// What a reader calls the version of a key that was removed.
const GONE: u64 = u64::MAX;

/// What one committed transaction has done.
#[derive(Debug, Clone, Default)]
struct Done {
    /// Also the version of what it wrote; from 1.
    number: u64,
    begin: u64,
    end: u64,
    /// Keys and the versions that were found.
    reads: Vec<(u32, u64)>,
    writes: Vec<u32>,
}

/// Fails with a reason if the transactions cannot have run one after the other.
fn check(history: &[Done]) -> Result<(), String> {
    let mut writers: HashMap<(u32, u64), usize> = HashMap::new();
    let mut removers: HashMap<u32, u64> = HashMap::new();
    for (index, done) in history.iter().enumerate() {
        for key in &done.writes {
            writers.insert((*key, done.number), index);
            removers.insert(*key, done.number);
        }
    }
    let version = |key: u32, found: u64| match found {
        GONE => removers.get(&key).copied().ok_or(format!("{key} is gone, but nobody removed it")),
        found => Ok(found),
    };
    let mut replaced: HashMap<(u32, u64), usize> = HashMap::new();
    for (index, done) in history.iter().enumerate() {
        for key in &done.writes {
            let read = done.reads.iter().find(|(read, _)| read == key);
            let (_, found) = read.ok_or(format!("{key} was written without being read"))?;
            if replaced.insert((*key, version(*key, *found)?), index).is_some() {
                return Err(format!("lost update: {key} was replaced twice"));
            }
        }
    }
    let mut after: Vec<Vec<usize>> = vec![Vec::new(); history.len()];
    for (index, done) in history.iter().enumerate() {
        for (key, found) in &done.reads {
            let version = version(*key, *found)?;
            if version != FIRST {
                let writer = writers.get(&(*key, version));
                let writer = *writer.ok_or(format!("dirty read: {version} of {key}"))?;
                after[writer].push(index);
            }
            if let Some(next) = replaced.get(&(*key, version)).filter(|next| **next != index) {
                after[index].push(*next);
            }
        }
        let later = history.iter().enumerate().filter(|(_, other)| done.end < other.begin);
        after[index].extend(later.map(|(later, _)| later));
    }
    match has_cycle(&after) {
        true => Err("no order of the transactions explains what they read".to_string()),
        false => Ok(()),
    }
}

/// Whether some cannot be put in order.
fn has_cycle(after: &[Vec<usize>]) -> bool {
    let mut waits_for = vec![0; after.len()];
    after.iter().flatten().for_each(|index| waits_for[*index] += 1);
    let mut ready: Vec<usize> = (0..after.len()).filter(|index| waits_for[*index] == 0).collect();
    let mut ordered = 0;
    while let Some(index) = ready.pop() {
        ordered += 1;
        for later in &after[index] {
            waits_for[*later] -= 1;
            if waits_for[*later] == 0 {
                ready.push(*later);
            }
        }
    }
    ordered < after.len()
}

/// Keys of the first keyspace: always there.
const REGISTERS: u32 = 6;
/// Keys of the second keyspace: the even ones are put once, the odd ones removed once.
const ONCE: u32 = 600;
/// Keys behind those, each put once by a call of its own.
const ALONE: u32 = 300;
const THREADS: u64 = 6;
const TRANSACTIONS: u64 = 150;
/// How many keys a scan goes over.
const STRETCH: u32 = 8;

/// Who reads: a transaction, or, for a history that has to be refused, a snapshot whose reader writes afterwards
/// without asking.
enum View {
    Checked(SledTransaction),
    Unchecked(SledSnapshot),
}

impl View {
    fn get(&self, keyspace: &SledStore, key: u32) -> Option<Vec<u8>> {
        let key = key.to_be_bytes();
        match self {
            View::Checked(transaction) => transaction.keyspace(keyspace).unwrap().get(&key),
            View::Unchecked(snapshot) => snapshot.keyspace(keyspace).unwrap().get(&key),
        }
        .unwrap()
    }

    fn scan(&self, keyspace: &SledStore, from: u32) -> HashMap<u32, u64> {
        let (from, to) = (from.to_be_bytes(), (from + STRETCH).to_be_bytes());
        let rows = match self {
            View::Checked(transaction) => transaction.keyspace(keyspace).unwrap().range(&from, &to),
            View::Unchecked(snapshot) => snapshot.keyspace(keyspace).unwrap().range(&from, &to),
        };
        let rows = rows.unwrap().map(|row| row.unwrap());
        rows.map(|(key, value)| (u32::from_be_bytes(key.try_into().unwrap()), number(&value)))
            .collect()
    }

    /// Whether it was committed. None for a value: the key is removed.
    fn commit(self, writes: &[(&SledStore, u32, Option<u64>)]) -> bool {
        let View::Checked(transaction) = self else {
            let mut batch = SledBatch::new();
            for (keyspace, key, value) in writes {
                match value {
                    Some(value) => batch.put_in(keyspace, &key.to_be_bytes(), &value.to_be_bytes()),
                    None => batch.delete_in(keyspace, &key.to_be_bytes()),
                }
                .unwrap();
            }
            writes.iter().take(1).for_each(|(keyspace, ..)| keyspace.apply(&batch).unwrap());
            return true;
        };
        for (keyspace, key, value) in writes {
            let part = transaction.keyspace(keyspace).unwrap();
            match value {
                Some(value) => part.put(&key.to_be_bytes(), &value.to_be_bytes()).unwrap(),
                None => part.delete(&key.to_be_bytes()).unwrap(),
            }
        }
        match transaction.commit() {
            Ok(()) => true,
            Err(StoreError::TxnConflict) => false,
            Err(error) => panic!("{error}"),
        }
    }
}

fn number(value: &[u8]) -> u64 {
    u64::from_be_bytes(value.try_into().expect("8 bytes"))
}

thread_local! {
    /// What a merge of this thread has found.
    static FOUND: Cell<u64> = const { Cell::new(0) };
}

struct World {
    registers: SledStore,
    once: SledStore,
    clock: AtomicU64,
    numbers: AtomicU64,
    /// How many of the keys that are put alone were.
    alone: AtomicU64,
    history: Mutex<Vec<Done>>,
}

impl World {
    fn new() -> Self {
        // So small that checkpoints run all the time.
        let builder = SledStoreBuilder::new().memtable_size(64 << 10);
        let registers = builder.build_temporary().unwrap();
        let once = registers.keyspace(b"once").unwrap();
        let first = FIRST.to_be_bytes();
        registers.set_merge_operator(|_, old, operand| {
            FOUND.set(number(old.expect("a register is always there")));
            Some(operand.to_vec())
        });
        (0..REGISTERS).for_each(|key| registers.put(&key.to_be_bytes(), &first).unwrap());
        (1..ONCE).step_by(2).for_each(|key| once.put(&key.to_be_bytes(), &first).unwrap());
        let (clock, numbers, alone) = (AtomicU64::new(0), AtomicU64::new(1), AtomicU64::new(0));
        World { registers, once, clock, numbers, alone, history: Mutex::default() }
    }

    fn now(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    fn attempt(&self, checked: bool, random: &mut Random) {
        let number_of_this = self.numbers.fetch_add(1, Ordering::SeqCst);
        let mut done = Done { number: number_of_this, begin: self.now(), ..Done::default() };
        let is_done = match random.below(7) {
            0 => self.swap(&mut done, random),
            1 => self.put_alone(&mut done),
            2 => self.look(&mut done, random),
            3 => self.merge(&mut done, random),
            _ => self.transact(&mut done, checked, random),
        };
        if is_done {
            done.end = self.now();
            self.history.lock().unwrap().push(done);
        }
    }

    /// A swap of a register for what a get has found.
    fn swap(&self, done: &mut Done, random: &mut Random) -> bool {
        let key = random.below(REGISTERS.into()) as u32;
        let bytes = key.to_be_bytes();
        let found = self.registers.get(&bytes).unwrap().expect("a register is always there");
        done.reads.push((key, number(&found)));
        done.writes.push(key);
        let new = done.number.to_be_bytes();
        self.registers.compare_and_swap(&bytes, Some(&found), &new).unwrap()
    }

    /// A merge of a register: the operator notes what it found, and what it found last counts.
    fn merge(&self, done: &mut Done, random: &mut Random) -> bool {
        let key = random.below(REGISTERS.into()) as u32;
        self.registers.merge(key.to_be_bytes(), done.number.to_be_bytes()).unwrap();
        done.reads.push((key, FOUND.get()));
        done.writes.push(key);
        true
    }

    fn put_alone(&self, done: &mut Done) -> bool {
        let key = ONCE + self.alone.fetch_add(1, Ordering::SeqCst) as u32;
        if key >= ONCE + ALONE {
            return false;
        }
        self.once.put(&key.to_be_bytes(), &done.number.to_be_bytes()).unwrap();
        done.reads.push((REGISTERS + key, FIRST));
        done.writes.push(REGISTERS + key);
        true
    }

    /// A snapshot, in which everything is read.
    fn look(&self, done: &mut Done, random: &mut Random) -> bool {
        let view = View::Unchecked(self.registers.snapshot().unwrap());
        for key in 0..REGISTERS {
            let found = view.get(&self.registers, key).expect("a register is always there");
            done.reads.push((key, number(&found)));
        }
        self.scan(&view, done, random.below((ONCE + ALONE - STRETCH).into()) as u32);
        true
    }

    /// Reads a stretch of the second keyspace.
    fn scan(&self, view: &View, done: &mut Done, from: u32) -> HashMap<u32, u64> {
        let rows = view.scan(&self.once, from);
        for key in from..from + STRETCH {
            let absent = if key % 2 == 0 || key >= ONCE { FIRST } else { GONE };
            done.reads.push((REGISTERS + key, rows.get(&key).copied().unwrap_or(absent)));
        }
        rows
    }

    /// Says whether it was committed.
    fn transact(&self, done: &mut Done, checked: bool, random: &mut Random) -> bool {
        let number_of_this = done.number;
        let view = match checked {
            true => View::Checked(self.registers.transaction().unwrap()),
            false => View::Unchecked(self.registers.snapshot().unwrap()),
        };
        let mut writes = Vec::new();
        let mut below = |limit: u32| random.below(limit.into()) as u32;
        let (one, other) = (below(REGISTERS), below(REGISTERS));
        for key in [one, other] {
            let found = view.get(&self.registers, key).expect("a register is always there");
            done.reads.push((key, number(&found)));
        }
        let from = below(ONCE + ALONE - STRETCH);
        let rows = self.scan(&view, done, from);
        thread::yield_now();
        if below(3) > 0 {
            writes.push((&self.registers, one, Some(number_of_this)));
            done.writes.push(one);
        }
        let key = from + below(STRETCH);
        let may =
            if key.is_multiple_of(2) { !rows.contains_key(&key) } else { rows.contains_key(&key) };
        if may && key < ONCE && below(3) > 0 {
            writes.push((&self.once, key, key.is_multiple_of(2).then_some(number_of_this)));
            done.writes.push(REGISTERS + key);
        }
        view.commit(&writes)
    }

    fn run(checked: bool, seed: u64) -> Vec<Done> {
        let world = World::new();
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let world = &world;
                scope.spawn(move || {
                    let mut random = Random::new(seed * THREADS + thread);
                    (0..TRANSACTIONS).for_each(|_| world.attempt(checked, &mut random));
                });
            }
        });
        world.history.into_inner().unwrap()
    }
}

#[test]
fn recorded_histories_of_transactions_single_writes_and_snapshots_are_serializable() {
    for seed in 0..8 {
        let history = World::run(true, seed);
        let writing = history.iter().filter(|done| !done.writes.is_empty()).count();
        assert!(writing > 100, "hardly anything was committed: {writing}");
        assert_eq!(check(&history), Ok(()), "seed {seed}");
    }
}

#[test]
fn the_checker_refuses_a_history_that_nobody_kept_serializable() {
    assert!((0..20).any(|seed| check(&World::run(false, seed)).is_err()), "it refuses nothing");
}

fn done(number: u64, time: (u64, u64), reads: &[(u32, u64)], writes: &[u32]) -> Done {
    Done { number, begin: time.0, end: time.1, reads: reads.to_vec(), writes: writes.to_vec() }
}

#[test]
fn the_checker_knows_each_anomaly_by_sight() {
    let refused = |history: &[Done], why: &str| {
        let answer = check(history).expect_err(why);
        assert!(answer.contains(why), "{answer}");
    };
    let together = (0, 9);
    let skew =
        [done(1, together, &[(1, 0), (2, 0)], &[1]), done(2, together, &[(1, 0), (2, 0)], &[2])];
    refused(&skew, "no order");
    let lost = [done(1, together, &[(1, 0)], &[1]), done(2, together, &[(1, 0)], &[1])];
    refused(&lost, "lost update");
    // Each saw a range without the key that the other one put into it.
    let phantom = [
        done(1, together, &[(10, 0), (20, 0)], &[20]),
        done(2, together, &[(10, 0), (20, 0)], &[10]),
    ];
    refused(&phantom, "no order");
    refused(&[done(1, together, &[(1, 7)], &[])], "dirty read");
    refused(&[done(1, together, &[(1, GONE)], &[])], "nobody removed it");
    let torn =
        [done(1, together, &[(1, 0), (2, 0)], &[1, 2]), done(2, together, &[(1, 1), (2, 0)], &[])];
    refused(&torn, "no order");
    let stale = [done(1, (0, 1), &[(1, 0)], &[1]), done(2, (2, 3), &[(1, 0)], &[])];
    refused(&stale, "no order");
    let fine = [done(1, (0, 1), &[(1, 0)], &[1]), done(2, (2, 3), &[(1, 1)], &[1])];
    assert_eq!(check(&fine), Ok(()));
}
