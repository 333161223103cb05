//! What is done to a store while the recorder watches.
//!
//! A workload is a row of operations that follows from its name alone, so that whoever checks a
//! state of the disk later knows what was written without being told. Each operation is one write
//! of one key, or one batch, or one transaction. Where several threads write, each has a row of its
//! own, and keys of its own, which lie among those of the others.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use sledstore::{Clock, SledStore, SledStoreBuilder};

use super::log::Mark;
use super::operations;
use super::progress::MOST_THREADS;
use super::target::{Erase, Target, Way};
use crate::common::random::Random;
use crate::common::{flushing, START};

pub struct Workload {
    pub name: &'static str,
    /// How many threads write at once.
    pub threads: usize,
    /// How many operations each thread has.
    pub length: u64,
    /// A flush follows on every so many operations of a thread.
    flush_every: u64,
    /// Every so many operations, one is made by a transaction.
    transact_every: u64,
    /// Every so many operations, one is durable when it returns, without a flush.
    sync_every: u64,
    /// Every so many operations, one drops the keyspace [`DROPPED`].
    drop_every: u64,
    /// Every so many operations, one clears a keyspace or deletes a range of it.
    erase_every: u64,
    /// The store is closed and opened again after every so many operations.
    reopen_every: u64,
    /// Where the store is, below the recorded directory.
    place: &'static str,
    pub segment_size: Option<usize>,
    memtable_size: usize,
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

/// The one that is dropped, as an index; its next use makes it anew.
pub const DROPPED: usize = 1;

const PLAIN: Workload = Workload {
    name: "",
    threads: 1,
    length: 0,
    flush_every: 1,
    transact_every: u64::MAX,
    sync_every: u64::MAX,
    drop_every: u64::MAX,
    erase_every: u64::MAX / 3,
    reopen_every: u64::MAX,
    place: "store",
    segment_size: None,
    // The least, so that a workload fills some log files, and the checkpoint is often about.
    memtable_size: 64 << 10,
    flush_every_ms: None,
    operation: operations::put,
};

/// Of each thread: so many operations.
pub type Counts = [u64; MOST_THREADS];

pub const ALL: [Workload; 19] = [
    Workload { name: "puts", length: 900, flush_every: 3, operation: operations::put, ..PLAIN },
    Workload {
        name: "batches",
        length: 600,
        flush_every: 7,
        // Its own flushes come in between; nothing is promised of them.
        flush_every_ms: Some(5),
        operation: operations::batch,
        ..PLAIN
    },
    Workload {
        name: "expiries",
        length: 1500,
        flush_every: 2,
        operation: operations::expiring_put,
        ..PLAIN
    },
    Workload {
        name: "keyspaces",
        length: 600,
        flush_every: 4,
        operation: operations::batch_over_keyspaces,
        ..PLAIN
    },
    Workload {
        name: "drops",
        length: 500,
        flush_every: 5,
        drop_every: 13,
        operation: operations::batch_over_keyspaces,
        ..PLAIN
    },
    Workload {
        name: "erasures",
        length: 700,
        flush_every: 11,
        sync_every: 17,
        erase_every: 7,
        reopen_every: 190,
        operation: operations::batch_over_keyspaces,
        ..PLAIN
    },
    Workload { name: "large_values", length: 30, operation: operations::large_put, ..PLAIN },
    Workload {
        name: "creation",
        length: 6,
        place: "new/and/deep/store",
        operation: operations::put,
        ..PLAIN
    },
    Workload {
        name: "overwrites",
        length: 4000,
        flush_every: 40,
        // Small segments are full soon, and used again soon.
        segment_size: Some(64 << 10),
        operation: operations::overwrite,
        ..PLAIN
    },
    Workload {
        name: "bursts",
        length: 3000,
        // So much between two flushes that sled writes several buffers at once, in any order.
        flush_every: 600,
        segment_size: Some(64 << 10),
        operation: operations::overwrite,
        ..PLAIN
    },
    Workload {
        name: "small_segments",
        length: 1500,
        flush_every: 40,
        // A leaf of such values is more than a page of such a store holds.
        segment_size: Some(64 << 10),
        operation: operations::overwrite_larger,
        ..PLAIN
    },
    Workload {
        name: "reopenings",
        length: 240,
        flush_every: 9,
        reopen_every: 24,
        operation: operations::expiring_put,
        ..PLAIN
    },
    Workload {
        name: "pieces",
        length: 400,
        flush_every: 20,
        // So that most values are in pieces.
        segment_size: Some(64 << 10),
        operation: operations::put_in_pieces,
        ..PLAIN
    },
    Workload { name: "large_batches", length: 24, operation: operations::large_batch, ..PLAIN },
    Workload {
        name: "huge_batches",
        length: 8,
        flush_every: 3,
        // A batch goes over several segments.
        segment_size: Some(64 << 10),
        operation: operations::huge_batch,
        ..PLAIN
    },
    Workload {
        name: "synced",
        length: 1500,
        flush_every: u64::MAX,
        transact_every: 5,
        sync_every: 4,
        operation: operations::expiring_put,
        ..PLAIN
    },
    Workload {
        name: "threads",
        threads: 3,
        length: 120,
        flush_every: 6,
        transact_every: 5,
        // Its own flushes come in between the others.
        flush_every_ms: Some(5),
        operation: operations::anything,
        ..PLAIN
    },
    Workload {
        name: "threads_overwriting",
        threads: 3,
        length: 1500,
        flush_every: 40,
        segment_size: Some(64 << 10),
        operation: operations::overwrite,
        ..PLAIN
    },
    Workload {
        name: "threads_synced",
        threads: 3,
        length: 200,
        flush_every: u64::MAX,
        transact_every: 7,
        sync_every: 3,
        operation: operations::batch_over_keyspaces,
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
    /// What the operation `index` of this thread changes. No key is named twice, nor by two threads.
    pub fn operation(&self, thread: usize, index: u64) -> Vec<Change> {
        let own = self.name.bytes().fold(0, |sum: u64, byte| sum.rotate_left(5) ^ u64::from(byte));
        let mut random = Random::new(own ^ (index << 32) ^ thread as u64);
        let mut changes = match self.erases(index) {
            None => (self.operation)(index, &mut random),
            Some(Erase::Drop) => operations::erase(DROPPED, 0..operations::MOST_KEYS),
            Some(Erase::Clear) => {
                operations::erase(random.index(KEYSPACES.len()), 0..operations::MOST_KEYS)
            }
            Some(Erase::Range) => {
                let first = random.below(40);
                operations::erase(random.index(KEYSPACES.len()), first..first + 15)
            }
        };
        changes.iter_mut().for_each(|change| change.key.extend([b' ', b'0' + thread as u8]));
        changes
    }

    fn erases(&self, index: u64) -> Option<Erase> {
        match index + 1 {
            count if count.is_multiple_of(self.drop_every) => Some(Erase::Drop),
            count if count.is_multiple_of(3 * self.erase_every) => Some(Erase::Clear),
            count if count.is_multiple_of(self.erase_every) => Some(Erase::Range),
            _ => None,
        }
    }

    /// Where the store is, below `root`.
    pub fn store_in(&self, root: &Path) -> PathBuf {
        root.join(self.place)
    }

    /// Opens the store in this state of the recorded directory, as the workload does.
    pub fn open(&self, root: &Path) -> sledstore::Result<SledStore> {
        let builder = SledStoreBuilder::new()
            .clock(Clock::manual(START))
            .cache_capacity(64 << 20)
            .memtable_size(self.memtable_size);
        let mut builder = flushing(builder, self.flush_every_ms);
        if let Some(size) = self.segment_size {
            builder = builder.segment_size(size);
        }
        builder.build(self.store_in(root))
    }

    /// Does all of it in the empty directory `root`.
    pub fn run(&self, root: &Path, mark: fn(Mark)) -> sledstore::Result<()> {
        self.go_on(self.open(root)?, root, [0; MOST_THREADS], self.end(), mark)
    }

    /// All operations of each thread.
    pub fn end(&self) -> Counts {
        std::array::from_fn(|thread| if thread < self.threads { self.length } else { 0 })
    }

    /// Does some of it in a store that holds what comes before.
    pub fn go_on(
        &self,
        mut store: SledStore,
        root: &Path,
        mut from: Counts,
        end: Counts,
        mark: fn(Mark),
    ) -> sledstore::Result<()> {
        loop {
            let mut until = from.map(|made| (made / self.reopen_every + 1) * self.reopen_every);
            until.iter_mut().zip(end).for_each(|(until, end)| *until = end.min(*until));
            self.write(&store, from, until, mark)?;
            store.close()?;
            self.are_durable(until, mark);
            if until == end {
                return Ok(());
            }
            store = self.open(root)?;
            from = until;
        }
    }

    /// Has every thread write what it writes between `from` and `until`.
    pub fn write<T: Target>(
        &self,
        target: &T,
        from: Counts,
        until: Counts,
        mark: fn(Mark),
    ) -> Result<(), T::Error> {
        let made = &from.map(AtomicU64::new);
        thread::scope(|scope| {
            let write_as =
                |thread| move || self.write_as(thread, target, made, until[thread], mark);
            let writers: Vec<_> =
                (0..self.threads).map(|thread| scope.spawn(write_as(thread))).collect();
            writers.into_iter().try_for_each(|writer| writer.join().expect("a writer panics"))
        })
    }

    /// Every mark is made when what it says is true.
    fn write_as<T: Target>(
        &self,
        thread: usize,
        target: &T,
        made: &[AtomicU64; MOST_THREADS],
        until: u64,
        mark: fn(Mark),
    ) -> Result<(), T::Error> {
        for index in made[thread].load(Ordering::SeqCst)..until {
            let count = index + 1;
            mark(Mark::Begun { thread, count });
            let way = Way {
                transact: count % self.transact_every == 0,
                sync: count % self.sync_every == 0,
                erase: self.erases(index),
            };
            let acknowledged = || made.each_ref().map(|made| made.load(Ordering::SeqCst));
            let mut before = acknowledged();
            target.perform(self.operation(thread, index), way)?;
            made[thread].store(count, Ordering::SeqCst);
            if way.sync {
                // The commits before it are durable, too, whoever made them.
                before[thread] = count;
                self.are_durable(before, mark);
            }
            if count % self.flush_every == 0 {
                // It promises to keep what was acknowledged before it began, to whomever.
                let acknowledged = acknowledged();
                target.flush()?;
                self.are_durable(acknowledged, mark);
            }
        }
        Ok(())
    }

    fn are_durable(&self, counts: Counts, mark: fn(Mark)) {
        let counts = counts.into_iter().enumerate().take(self.threads);
        counts.for_each(|(thread, count)| mark(Mark::Durable { thread, count }));
    }
}
