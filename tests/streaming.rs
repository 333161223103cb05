//! Iterators stream: however many rows they go over, they hold a few of them. This binary counts
//! every byte that is allocated, so it has one test only: another one would be counted with it.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{scratch, Result};
use sledstore::{Iter, IterOptions, Row, SledStore, SledStoreBuilder};

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator, and a count of the bytes that are allocated now, and were at most.
struct Counting;

// SAFETY: every call is handed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(live, Ordering::Relaxed);
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

const ROWS: u64 = 200_000;
const VALUE: [u8; 60] = [7; 60];

/// All rows take 13 MB and more in memory; an iterator that held a tenth of them would be noticed.
const ALLOWED: usize = 1 << 20;

/// How far the memory in use rises above where it was while `scan` runs; it must see every row.
fn growth(scan: impl FnOnce() -> u64) -> usize {
    let before = LIVE.load(Ordering::SeqCst);
    PEAK.store(before, Ordering::SeqCst);
    assert_eq!(scan(), ROWS, "the scan sees every row");
    PEAK.load(Ordering::SeqCst).saturating_sub(before)
}

fn seen(iterator: Iter) -> u64 {
    iterator.inspect(|row| assert!(row.is_ok(), "every row can be read")).count() as u64
}

fn walk(mut step: impl FnMut() -> Result<Option<Row>>) -> u64 {
    let mut rows = 0;
    while step().expect("a step").is_some() {
        rows += 1;
    }
    rows
}

fn filled(path: &std::path::Path) -> SledStore {
    let store = SledStoreBuilder::new().flush_never().build(path).unwrap();
    let numbers: Vec<u64> = (0..ROWS).collect();
    for chunk in numbers.chunks(1000) {
        let keys: Vec<_> = chunk.iter().map(|number| number.to_be_bytes()).collect();
        let pairs: Vec<(&[u8], &[u8])> = keys.iter().map(|key| (&key[..], &VALUE[..])).collect();
        store.batch_write(&pairs).unwrap();
    }
    // The checkpoint allocates too, and is not to be counted.
    store.compact().unwrap();
    store
}

#[test]
fn no_way_to_go_over_the_rows_holds_more_than_a_few_of_them() {
    let directory = scratch();
    let store = filled(directory.path());
    // Once, so that the engine has in its cache what it wants to have there.
    assert_eq!(seen(store.iter().unwrap()), ROWS);
    let all = (b"".as_slice(), [255; 9]);
    let cursor = || store.cursor(IterOptions::default()).unwrap();
    let rises = [
        ("iter", growth(|| seen(store.iter().unwrap()))),
        ("keys", growth(|| store.keys().unwrap().map(Result::unwrap).count() as u64)),
        ("range", growth(|| seen(store.range(all.0, &all.1).unwrap()))),
        ("range_rev", growth(|| seen(store.range_rev(all.0, &all.1).unwrap()))),
        ("prefix_scan", growth(|| seen(store.prefix_scan(&[0]).unwrap()))),
        ("next_row", {
            let mut cursor = cursor();
            growth(|| walk(|| cursor.next_row()))
        }),
        ("prev_row", {
            let mut cursor = cursor();
            growth(|| walk(|| cursor.prev_row()))
        }),
        ("count", growth(|| store.count().unwrap())),
        ("count, known", growth(|| store.count().unwrap())),
    ];
    eprintln!("bytes that each held at most: {rises:?}");
    for (what, rise) in rises {
        assert!(rise < ALLOWED, "{what} over {ROWS} rows held {rise} bytes more than before");
    }
    store.close().unwrap();
}
