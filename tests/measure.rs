//! Measurements, not checks: run them with
//! `cargo test --release --test measure -- --ignored --nocapture --test-threads=1`.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::random::Random;
use common::scratch;
use sledstore::{SledStore, SledStoreBuilder};

static LIVE: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator, and a count of the bytes that are allocated now.
struct Counting;

// SAFETY: every call is handed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the promises that `alloc` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the pointer came from `alloc` above, and so from the system's allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const KEYS: u64 = 1_000_000;
const READS: u64 = 1_000_000;
const LIFE: Duration = Duration::from_secs(1_000_000);

fn key(number: u64) -> [u8; 16] {
    // Spread over the tree, as keys of users are.
    let mut key = [b'k'; 16];
    key[..8].copy_from_slice(&Random::new(number).next().to_be_bytes());
    key
}

fn fill(store: &SledStore, mortal: bool) {
    for number in 0..KEYS {
        let value = number.to_be_bytes();
        if mortal {
            store.put_with_ttl(&key(number), &value, LIFE).unwrap();
        } else {
            store.put(&key(number), &value).unwrap();
        }
    }
}

/// What a piece of work took: the time on the clock, and what this thread computed of it, which
/// tells more on a machine that does other things too.
struct Took {
    clock: Duration,
    computing: Duration,
}

impl std::fmt::Display for Took {
    fn fmt(&self, output: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(output, "{:.2?} (computing {:.2?})", self.clock, self.computing)
    }
}

/// The time that this thread has been computing.
fn computing() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux has it");
    let nanoseconds = text.split(' ').next().and_then(|number| number.parse().ok());
    Duration::from_nanos(nanoseconds.expect("the first number of schedstat"))
}

fn time<T>(work: impl FnOnce() -> T) -> (T, Took) {
    let (clock, computed) = (Instant::now(), computing());
    let result = work();
    (result, Took { clock: clock.elapsed(), computing: computing() - computed })
}

/// How long opening takes, and how much memory an open store has in use.
fn open(path: &std::path::Path) -> (SledStore, Took, usize) {
    let before = LIVE.load(Ordering::SeqCst);
    let (store, took) = time(|| SledStoreBuilder::new().build(path).unwrap());
    (store, took, LIVE.load(Ordering::SeqCst).saturating_sub(before))
}

#[test]
#[ignore = "a measurement, in release builds only"]
fn opening_with_a_million_expiries() {
    let directory = scratch();
    let mut results = Vec::new();
    for mortal in [false, true] {
        let path = directory.path().join(mortal.to_string());
        let store = SledStoreBuilder::new().build(&path).unwrap();
        let ((), took) = time(|| fill(&store, mortal));
        println!("expiries: {mortal}; {KEYS} writes took {took}");
        store.close().unwrap();
        // The first opening replays the log and writes a snapshot, the second one is the rule.
        for opening in ["first", "second"] {
            let (store, took, bytes) = open(&path);
            let per_key = bytes as f64 / KEYS as f64;
            println!("expiries: {mortal}; {opening} opening {took}, {per_key:.1} bytes a key");
            results.push((took.computing, per_key));
            store.close().unwrap();
        }
    }
    let time = results[3].0.saturating_sub(results[1].0);
    let bytes = results[3].1 - results[1].1;
    println!("so {KEYS} expiries cost {time:.2?} of computing at opening and {bytes:.1} bytes a key, with");
    println!("the engine's own pages of the tree that they are in");
}

/// What the expiries alone need: they are loaded when a keyspace is opened, after the engine.
#[test]
#[ignore = "a measurement, in release builds only"]
fn loading_a_million_expiries_into_memory() {
    let directory = scratch();
    let store = SledStoreBuilder::new().build(directory.path()).unwrap();
    fill(&store.keyspace("mortal").unwrap(), true);
    store.close().unwrap();
    let store = SledStoreBuilder::new().build(directory.path()).unwrap();
    for opening in ["first", "again"] {
        let before = LIVE.load(Ordering::SeqCst);
        let (mortal, took) = time(|| store.keyspace("mortal").unwrap());
        let bytes = LIVE.load(Ordering::SeqCst).saturating_sub(before) as f64 / KEYS as f64;
        println!("keyspace with {KEYS} expiries, opened {opening}: {took}, {bytes:.1} bytes a key");
        let (count, took) = time(|| mortal.count().unwrap());
        println!("count: {count} in {took}");
    }
}

fn read_nanoseconds(store: &SledStore, key: impl Fn(u64) -> [u8; 16]) -> f64 {
    let mut random = Random::new(7);
    let keys: Vec<_> = (0..READS).map(|_| key(random.below(KEYS))).collect();
    let ((), took) = time(|| {
        for key in &keys {
            assert!(store.get_pinned(key).unwrap().is_some());
        }
    });
    took.computing.as_nanos() as f64 / READS as f64
}

#[test]
#[ignore = "a measurement, in release builds only"]
fn get_of_a_permanent_key_beside_a_million_expiries() {
    let directory = scratch();
    let store = SledStoreBuilder::new().build(directory.path()).unwrap();
    let permanent = store.keyspace("permanent only").unwrap();
    let mixed = store.keyspace("beside expiries").unwrap();
    fill(&permanent, false);
    fill(&mixed, false);
    let mortal_key = |number| {
        let mut key = key(number);
        key[15] = b'm';
        key
    };
    // Beside each permanent key an expiring one; the permanent tree gets as many rows.
    for number in 0..KEYS {
        mixed.put_with_ttl(&mortal_key(number), b"12345678", LIFE).unwrap();
        permanent.put(&mortal_key(number), b"12345678").unwrap();
    }
    for round in 1..=3 {
        println!("round {round}, nanoseconds of computing a get:");
        println!("  permanent key, no expiries: {:.0}", read_nanoseconds(&permanent, key));
        println!("  permanent key, beside {KEYS} expiries: {:.0}", read_nanoseconds(&mixed, key));
        println!("  key with an expiry: {:.0}", read_nanoseconds(&mixed, mortal_key));
    }
}
