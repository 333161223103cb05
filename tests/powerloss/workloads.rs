//! What is done to a store while the recorder watches.
//!
//! A workload is a row of operations that follows from its name alone, so that whoever checks a
//! state of the disk later knows what was written without being told. Each operation is one write
//! of one key, or one batch.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sledstore::{Clock, SledBatch, SledStore, SledStoreBuilder};

use super::log::Mark;
use crate::common::random::Random;
use crate::common::START;

pub struct Workload {
    pub name: &'static str,
    /// How many operations it has.
    pub length: u64,
    /// A flush follows on every so many operations.
    pub flush_every: u64,
    /// The store is closed and opened again after every so many operations.
    reopen_every: u64,
    /// Where the store is, below the recorded directory.
    place: &'static str,
    pub segment_size: Option<usize>,
    flush_every_ms: Option<u64>,
    operation: fn(u64, &mut Random) -> Vec<Change>,
}

/// One change of one key.
pub struct Change {
    /// An index into [`KEYSPACES`].
    pub keyspace: usize,
    pub key: Vec<u8>,
    pub action: Action,
}

pub enum Action {
    Put { value: Vec<u8>, ttl: Option<Duration> },
    Delete,
}

pub const KEYSPACES: [&str; 4] = ["default", "users", "by mail", "visits"];

const PLAIN: Workload = Workload {
    name: "",
    length: 0,
    flush_every: 1,
    reopen_every: u64::MAX,
    place: "store",
    segment_size: None,
    flush_every_ms: None,
    operation: put,
};

pub const ALL: [Workload; 12] = [
    Workload { name: "puts", length: 300, flush_every: 3, operation: put, ..PLAIN },
    Workload {
        name: "batches",
        length: 200,
        flush_every: 7,
        // Its own flushes come in between; nothing is promised of them.
        flush_every_ms: Some(5),
        operation: batch,
        ..PLAIN
    },
    Workload { name: "expiries", length: 300, flush_every: 2, operation: expiring_put, ..PLAIN },
    Workload {
        name: "keyspaces",
        length: 200,
        flush_every: 4,
        operation: batch_over_keyspaces,
        ..PLAIN
    },
    Workload { name: "large_values", length: 30, operation: large_put, ..PLAIN },
    Workload { name: "creation", length: 6, place: "new/and/deep/store", operation: put, ..PLAIN },
    Workload {
        name: "overwrites",
        length: 4000,
        flush_every: 40,
        // Small segments are full soon, and used again soon.
        segment_size: Some(64 << 10),
        operation: overwrite,
        ..PLAIN
    },
    Workload {
        name: "bursts",
        length: 3000,
        // So much between two flushes that sled writes several buffers at once, in any order.
        flush_every: 600,
        segment_size: Some(64 << 10),
        operation: overwrite,
        ..PLAIN
    },
    Workload {
        name: "small_segments",
        length: 1500,
        flush_every: 40,
        // A leaf of such values is more than a page of such a store holds.
        segment_size: Some(64 << 10),
        operation: overwrite_larger,
        ..PLAIN
    },
    Workload {
        name: "reopenings",
        length: 240,
        flush_every: 9,
        reopen_every: 24,
        operation: expiring_put,
        ..PLAIN
    },
    Workload { name: "large_batches", length: 24, operation: large_batch, ..PLAIN },
    Workload {
        name: "journalled_batches",
        length: 8,
        flush_every: 3,
        // A batch goes over several segments.
        segment_size: Some(64 << 10),
        operation: journalled_batch,
        ..PLAIN
    },
];

/// The workload of this name.
pub fn named(name: &str) -> &'static Workload {
    static WORKLOADS: [Workload; ALL.len()] = ALL;
    let found = WORKLOADS.iter().find(|workload| workload.name == name);
    found.unwrap_or_else(|| panic!("there is no workload {name}"))
}

impl Workload {
    /// What the operation `index` changes. No key is named twice.
    pub fn operation(&self, index: u64) -> Vec<Change> {
        let own = self.name.bytes().fold(0, |sum: u64, byte| sum.rotate_left(5) ^ u64::from(byte));
        let mut random = Random::new(own ^ (index << 32));
        (self.operation)(index, &mut random)
    }

    /// Where the store is, below `root`.
    pub fn store_in(&self, root: &Path) -> PathBuf {
        root.join(self.place)
    }

    /// Opens the store in this state of the recorded directory, as the workload does.
    pub fn open(&self, root: &Path) -> sledstore::Result<SledStore> {
        let mut builder = SledStoreBuilder::new()
            .clock(Clock::manual(START))
            .cache_capacity(64 << 20)
            .flush_every_ms(self.flush_every_ms);
        if let Some(size) = self.segment_size {
            builder = builder.segment_size(size);
        }
        builder.build(self.store_in(root))
    }

    /// Does all of it in the empty directory `root`.
    pub fn run(&self, root: &Path, mark: impl Fn(Mark)) -> sledstore::Result<()> {
        self.go_on(self.open(root)?, root, 0..self.length, mark)
    }

    /// Does some of it in a store that holds what comes before. Every mark is made when what it
    /// says is true.
    pub fn go_on(
        &self,
        mut store: SledStore,
        root: &Path,
        operations: Range<u64>,
        mark: impl Fn(Mark),
    ) -> sledstore::Result<()> {
        let end = operations.end;
        for index in operations {
            mark(Mark::Begun(index + 1));
            perform(&store, self.operation(index))?;
            if (index + 1) % self.flush_every == 0 {
                store.flush()?;
                mark(Mark::Durable(index + 1));
            }
            if (index + 1) % self.reopen_every == 0 {
                store.close()?;
                mark(Mark::Durable(index + 1));
                store = self.open(root)?;
            }
        }
        store.close()?;
        mark(Mark::Durable(end));
        Ok(())
    }
}

fn perform(store: &SledStore, mut changes: Vec<Change>) -> sledstore::Result<()> {
    if changes.len() == 1 {
        let Change { keyspace, key, action } = changes.remove(0);
        let store = store.keyspace(KEYSPACES[keyspace])?;
        return match action {
            Action::Put { value, ttl: None } => store.put(&key, &value),
            Action::Put { value, ttl: Some(ttl) } => store.put_with_ttl(&key, &value, ttl),
            Action::Delete => store.delete(&key),
        };
    }
    let mut batch = SledBatch::new();
    for Change { keyspace, key, action } in changes {
        let keyspace = store.keyspace(KEYSPACES[keyspace])?;
        match action {
            Action::Put { value, ttl: None } => batch.put_in(&keyspace, &key, &value)?,
            Action::Put { value, ttl: Some(ttl) } => {
                batch.put_with_ttl_in(&keyspace, &key, &value, ttl)?;
            }
            Action::Delete => batch.delete_in(&keyspace, &key)?,
        }
    }
    store.apply(&batch)
}

fn put(index: u64, random: &mut Random) -> Vec<Change> {
    let key = random.below(60);
    vec![change(0, key, random.chance(1, 8), || value(index, key, 20 + index % 700))]
}

fn batch(index: u64, random: &mut Random) -> Vec<Change> {
    let first = random.below(80);
    let length = 2 + random.below(30);
    (first..first + length)
        .map(|key| change(0, key, random.chance(1, 6), || value(index, key, 10 + key * 3)))
        .collect()
}

/// A value that expires, one that does not, or no value: each may follow on each.
fn expiring_put(index: u64, random: &mut Random) -> Vec<Change> {
    let key = random.below(40);
    let mut change = change(0, key, random.chance(1, 6), || value(index, key, 30 + index % 300));
    // A duration that no other operation has, so that it tells whose it is.
    expire(&mut change, random.chance(1, 2).then_some(1_000_000 + index));
    vec![change]
}

fn batch_over_keyspaces(index: u64, random: &mut Random) -> Vec<Change> {
    let key = random.below(50);
    let mut changes = Vec::new();
    for keyspace in 0..KEYSPACES.len() {
        for key in key..key + 1 + random.below(4) {
            let removed = random.chance(1, 8);
            let mut change = change(keyspace, key, removed, || value(index, key, 40 + key));
            expire(&mut change, random.chance(1, 3).then_some(1_000_000 + index));
            changes.push(change);
        }
    }
    changes
}

fn large_put(index: u64, random: &mut Random) -> Vec<Change> {
    let key = random.below(5);
    let length = [20 << 10, 200 << 10, 2 << 20, 100][random.index(4)];
    let removed = random.chance(1, 8);
    let mut change = change(0, key, removed, || value(index, key, length + index));
    expire(&mut change, random.chance(1, 3).then_some(1_000_000 + index));
    vec![change]
}

fn large_batch(index: u64, random: &mut Random) -> Vec<Change> {
    let key = random.below(6);
    (0..3)
        .map(|keyspace| {
            let length = [20 << 10, 200 << 10, 500][random.index(3)];
            change(keyspace, key, random.chance(1, 8), || value(index, key, length + index))
        })
        .collect()
}

/// So many changes that the engine makes them in small steps: most of them overwrite what the batch
/// before has written, some go over to another keyspace, some values are in pieces.
fn journalled_batch(index: u64, random: &mut Random) -> Vec<Change> {
    let keys = 1050 + random.below(100);
    (0..keys)
        .map(|key| {
            let removed = random.chance(1, 6);
            let length = if random.chance(1, 100) { 2000 } else { 30 };
            let keyspace = usize::from(key % 7 == 0);
            let mut change = change(keyspace, key, removed, || value(index, key, length));
            expire(&mut change, random.chance(1, 4).then_some(1_000_000 + index));
            change
        })
        .collect()
}

fn overwrite(index: u64, random: &mut Random) -> Vec<Change> {
    let (key, length) = (random.below(200), 50 + random.below(450));
    vec![change(0, key, random.chance(1, 20), || value(index, key, length))]
}

fn overwrite_larger(index: u64, random: &mut Random) -> Vec<Change> {
    let (key, length) = (random.below(48), 500 + random.below(1500));
    vec![change(0, key, random.chance(1, 20), || value(index, key, length))]
}

fn change(keyspace: usize, key: u64, removed: bool, value: impl FnOnce() -> Vec<u8>) -> Change {
    let action = match removed {
        true => Action::Delete,
        false => Action::Put { value: value(), ttl: None },
    };
    Change { keyspace, key: format!("key {key:04}").into_bytes(), action }
}

fn expire(change: &mut Change, after: Option<u64>) {
    if let Action::Put { ttl, .. } = &mut change.action {
        *ttl = after.map(Duration::from_millis);
    }
}

/// Bytes that no other operation writes to this key.
fn value(index: u64, key: u64, length: u64) -> Vec<u8> {
    let mut random = Random::new(index << 20 ^ key);
    let words = std::iter::repeat_with(|| random.next().to_le_bytes());
    words.flatten().take(length as usize).collect()
}
