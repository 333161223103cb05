//! What snapshots, iterators and transactions cost, beside raw sled in the same run: `make bench`.
//!
//! Each figure is the median over rounds in which both sides take turns, on the same rows with the same
//! sequence of keys, so what else the machine does meets both. Times differ between machines; the ratios are
//! what is worth comparing.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::LazyLock;

use common::{key, median, setting, time};
use sledstore::{SledStore, SledStoreBuilder};

static ROWS: LazyLock<u64> = LazyLock::new(|| setting("BENCH_ROWS", 1_000_000));
const FEW_ROWS: u64 = 10_000;
const VALUE: [u8; 100] = [7; 100];
/// These are short, so there are more of them than elsewhere.
static ROUNDS: LazyLock<usize> = LazyLock::new(|| 3 * setting("BENCH_ROUNDS", 3) as usize);
/// Single operations in a round.
static OPERATIONS: LazyLock<u64> = LazyLock::new(|| (*ROWS / 20).max(COMMITS * 100));
const SEGMENT: usize = 8 << 20;

/// The heap in use, to tell what a scan needs.
struct Counting;

static HEAP: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: all work is the system allocator's; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let heap = HEAP.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(heap, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HEAP.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[repr(C)]
#[derive(Clone, Copy)]
struct Pair([*const c_void; 4]);

extern "C" {
    fn sledstore_open_temporary(
        options: *const c_void,
        store: *mut *mut c_void,
        error: *mut *mut c_void,
    ) -> i32;
    fn sledstore_put(
        store: *mut c_void,
        key: *const c_void,
        key_len: usize,
        value: *const c_void,
        value_len: usize,
        error: *mut *mut c_void,
    ) -> i32;
    fn sledstore_iter_new(
        store: *mut c_void,
        options: *const c_void,
        iter: *mut *mut c_void,
        error: *mut *mut c_void,
    ) -> i32;
    fn sledstore_iter_next(iter: *mut c_void, row: *mut Pair, error: *mut *mut c_void) -> i32;
    fn sledstore_iter_next_batch(
        iter: *mut c_void,
        rows: *mut Pair,
        capacity: usize,
        count: *mut usize,
        error: *mut *mut c_void,
    ) -> i32;
    fn sledstore_iter_free(iter: *mut c_void) -> i32;
    fn sledstore_close(store: *mut c_void, error: *mut *mut c_void) -> i32;
}

/// A store that was opened through the C functions.
struct CStore(*mut c_void);

impl CStore {
    fn filled(rows: u64) -> Self {
        let mut store = null_mut();
        // SAFETY: as the header says: NULL options, a place for the handle, no error asked for.
        assert_eq!(unsafe { sledstore_open_temporary(null_mut(), &mut store, null_mut()) }, 0);
        for row in 0..rows {
            let key = key(row);
            let (key, value) = (key.as_ptr().cast(), VALUE.as_ptr().cast());
            // SAFETY: the pointers have as many bytes as is said.
            assert_eq!(unsafe { sledstore_put(store, key, 16, value, 100, null_mut()) }, 0);
        }
        CStore(store)
    }

    /// Walks over all rows, `at_once` in each call.
    fn scan(&self, at_once: usize) -> u64 {
        let (mut iter, mut found) = (null_mut(), 0);
        let mut rows = [Pair([null_mut(); 4]); 256];
        // SAFETY: as the header says; the array has room for `at_once` rows.
        unsafe {
            assert_eq!(sledstore_iter_new(self.0, null_mut(), &mut iter, null_mut()), 0);
            let mut count = 1;
            while match at_once {
                1 => sledstore_iter_next(iter, rows.as_mut_ptr(), null_mut()),
                most => {
                    let rows = rows.as_mut_ptr();
                    sledstore_iter_next_batch(iter, rows, most, &mut count, null_mut())
                }
            } == 0
            {
                found += count as u64;
            }
            assert_eq!(sledstore_iter_free(iter), 0);
        }
        found
    }
}

impl Drop for CStore {
    fn drop(&mut self) {
        // SAFETY: the handle is live and nothing is open on it.
        assert_eq!(unsafe { sledstore_close(self.0, null_mut()) }, 0);
    }
}

/// The keys of one round: both sides get the same.
fn keys(round: usize) -> impl Iterator<Item = [u8; 16]> {
    rows(round).map(key)
}

fn rows(round: usize) -> impl Iterator<Item = u64> {
    let rows = *ROWS;
    let mut state = 88_172_645_463_325_252 + round as u64;
    std::iter::from_fn(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        Some(state % rows)
    })
    .take(*OPERATIONS as usize)
}

/// A value that no row has had yet: writing what is there already costs sled next to nothing.
fn fresh() -> [u8; 100] {
    static MADE: AtomicUsize = AtomicUsize::new(0);
    let mut value = VALUE;
    value[..8].copy_from_slice(&MADE.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    value
}

/// Runs both sides in turns and prints a row.
fn compare(
    what: &str,
    target: &str,
    mut one: impl FnMut(usize) -> f64,
    mut other: impl FnMut(usize) -> f64,
) {
    let rounds: Vec<(f64, f64)> = (0..*ROUNDS).map(|round| (one(round), other(round))).collect();
    let ours = median(rounds.iter().map(|(ours, _)| *ours).collect());
    let theirs = median(rounds.iter().map(|(_, theirs)| *theirs).collect());
    let ratio = median(rounds.iter().map(|(ours, theirs)| ours / theirs).collect());
    println!("| {what} | {ratio:.2} | {target} | {ours:.0} ns | {theirs:.0} ns |");
}

fn filled(rows: u64) -> (tempfile::TempDir, SledStore) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let store = SledStoreBuilder::new().build(directory.path().join("store")).expect("a store");
    (0..rows).for_each(|row| store.put(&key(row), &VALUE).expect("it is written"));
    (directory, store)
}

fn filled_sled(rows: u64) -> (tempfile::TempDir, sled::Db, sled::Tree) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let config = sled::Config::new().path(directory.path()).segment_size(SEGMENT);
    let db = config.open().expect("sled opens");
    let tree = db.open_tree("default").expect("a tree");
    for row in 0..rows {
        tree.insert(key(row), &VALUE[..]).expect("it is written");
    }
    (directory, db, tree)
}

fn put_all(store: &SledStore, round: usize) {
    keys(round).for_each(|key| store.put(&key, &fresh()).expect("it is written"));
}

fn snapshots(few: &SledStore, many: &SledStore) {
    let taken = |store: &SledStore| {
        time(*OPERATIONS, || {
            (0..*OPERATIONS).for_each(|_| drop(store.snapshot().expect("a snapshot")));
        })
    };
    let what = format!("a snapshot, taken and dropped: {} rows beside {FEW_ROWS}", *ROWS);
    compare(&what, "1, below 10 us", |_| taken(many), |_| taken(few));
}

fn puts(store: &SledStore, tree: &sled::Tree) {
    let ours = |round| time(*OPERATIONS, || put_all(store, round));
    let what = "put of 116 bytes, beside sled's insert";
    compare(what, "1.10", ours, |round| {
        time(*OPERATIONS, || {
            keys(round)
                .for_each(|key| drop(tree.insert(key, &fresh()[..]).expect("it is written")));
        })
    });
    let what = "put under a live snapshot, each the first of its key, beside put without";
    let under_a_new_snapshot = |round| {
        let _snapshot = store.snapshot().expect("a snapshot");
        time(*OPERATIONS, || put_all(store, round))
    };
    compare(what, "1.3", under_a_new_snapshot, ours);
    let what = "put under a live snapshot, keys that were overwritten before, beside put without";
    let under_an_old_snapshot = |round| {
        let _snapshot = store.snapshot().expect("a snapshot");
        put_all(store, round);
        time(*OPERATIONS, || put_all(store, round))
    };
    compare(what, "1.3", under_an_old_snapshot, ours);
}

fn gets(store: &SledStore) {
    let ours = |round| {
        time(*OPERATIONS, || {
            keys(round).for_each(|key| drop(store.get_pinned(&key).expect("it is read")));
        })
    };
    for (what, overwritten) in [
        ("get through a snapshot, beside get", false),
        ("get through a snapshot, keys overwritten since, beside get", true),
    ] {
        let through_a_snapshot = |round| {
            let snapshot = store.snapshot().expect("a snapshot");
            if overwritten {
                put_all(store, round);
            }
            time(*OPERATIONS, || {
                keys(round).for_each(|key| drop(snapshot.get_pinned(&key).expect("it is read")));
            })
        };
        compare(what, "1.3", through_a_snapshot, ours);
    }
    gets_among_many(store);
}

/// A snapshot that keeps many rows is asked for others.
fn gets_among_many(store: &SledStore) {
    let odd = |round| rows(round).map(|row| key(row | 1));
    let through_a_snapshot = |round| {
        let snapshot = store.snapshot().expect("a snapshot");
        for row in (0..3).flat_map(|other| rows(round + other * *ROUNDS)) {
            store.put(&key(row & !1), &fresh()).expect("it is written");
        }
        time(*OPERATIONS, || {
            odd(round).for_each(|key| drop(snapshot.get_pinned(&key).expect("it is read")));
        })
    };
    let now = |round| {
        time(*OPERATIONS, || {
            odd(round).for_each(|key| drop(store.get_pinned(&key).expect("it is read")));
        })
    };
    let what =
        "get through a snapshot, three times as many other keys overwritten since, beside get";
    compare(what, "1.3", through_a_snapshot, now);
}

/// The least of several scans: sled's own threads take memory now and then, such as a buffer of 8 MiB
/// for the next segment.
fn memory_of_a_scan(store: &CStore) -> usize {
    let grown = |_| {
        let before = HEAP.load(Ordering::Relaxed);
        PEAK.store(before, Ordering::Relaxed);
        store.scan(1);
        PEAK.load(Ordering::Relaxed).saturating_sub(before)
    };
    (0..*ROUNDS).map(grown).min().unwrap_or_default()
}

fn scans(tree: &sled::Tree) {
    let store = CStore::filled(*ROWS);
    let theirs = |_| {
        time(*ROWS, || {
            let rows = tree.iter().map(|row| row.expect("it is read"));
            assert_eq!(rows.count() as u64, *ROWS);
        })
    };
    for (what, at_once) in [
        ("scan by sledstore_iter_next, beside sled's iterator", 1),
        ("scan by sledstore_iter_next_batch of 256, beside sled's iterator", 256),
    ] {
        let ours = |_| time(*ROWS, || assert_eq!(store.scan(at_once), *ROWS));
        compare(what, "1.10", ours, theirs);
    }
    let few = CStore::filled(FEW_ROWS);
    let (all, some) = (memory_of_a_scan(&store), memory_of_a_scan(&few));
    let rows = *ROWS;
    println!("| memory that a scan of {rows} rows adds, beside {FEW_ROWS} | | constant | {all} bytes | {some} bytes |");
}

const COMMITS: u64 = 200;

/// Transactions that read so many keys and write as many as are left of each chunk of the round's.
fn commit_all(store: &SledStore, round: usize, size: usize, read: usize) -> f64 {
    let keys: Vec<_> = keys(round).take(size * COMMITS as usize).collect();
    let needed = time(COMMITS, || {
        for keys in keys.chunks(size) {
            let transaction = store.transaction().expect("a transaction");
            for key in &keys[..read] {
                transaction.get(key).expect("it is read");
            }
            for key in &keys[read..] {
                transaction.put(key, &fresh()).expect("it is noted");
            }
            transaction.commit().expect("no conflict");
        }
    });
    store.flush().expect("a flush");
    needed
}

/// The same with sled.
fn commit_all_of_sled(tree: &sled::Tree, round: usize, size: usize, read: usize) -> f64 {
    let keys: Vec<_> = keys(round).take(size * COMMITS as usize).collect();
    let needed = time(COMMITS, || {
        for keys in keys.chunks(size) {
            let written: sled::transaction::TransactionResult<(), ()> = tree.transaction(|tree| {
                for key in &keys[..read] {
                    tree.get(key)?;
                }
                for key in &keys[read..] {
                    tree.insert(&key[..], &fresh()[..])?;
                }
                Ok(())
            });
            written.expect("no conflict");
        }
    });
    tree.flush().expect("a flush");
    needed
}

fn commits(store: &SledStore, tree: &sled::Tree) {
    for (what, target, size, read) in [
        ("a transaction of 100 puts, beside sled's", "1.2", 100, 0),
        ("a transaction of 10 gets and 10 puts, beside sled's", "", 20, 10),
    ] {
        let ours = |round| commit_all(store, round, size, read);
        compare(what, target, ours, |round| commit_all_of_sled(tree, round, size, read));
    }
}

fn main() {
    // cargo passes "--bench".
    println!("| what | ratio | target | sledstore | beside |");
    println!("|---|---|---|---|---|");
    let (_few_directory, few) = filled(FEW_ROWS);
    let (_many_directory, many) = filled(*ROWS);
    snapshots(&few, &many);
    let (_sled_directory, _db, tree) = filled_sled(*ROWS);
    puts(&many, &tree);
    gets(&many);
    commits(&many, &tree);
    drop((few, many));
    scans(&tree);
}
