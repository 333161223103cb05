//! Opening and closing a store beside raw sled on the same files: `make bench`.
//!
//! Both sides take turns, each on a copy of its own of one directory. The first opening finds what a store
//! leaves that was filled and closed; sled writes a snapshot then, and the second one begins from that.

mod common;

use std::fs;
use std::path::Path;

use common::{key, median, setting, time};
use sledstore::SledStoreBuilder;

const SEGMENT: usize = 8 << 20;

/// Milliseconds of opening, and of closing what nobody has changed. `row` is read in between.
fn ours(path: &Path, row: u64) -> [f64; 2] {
    let mut store = None;
    let opening = time(1_000_000, || {
        store = Some(SledStoreBuilder::new().build(path).expect("the store opens"));
    });
    let store = store.expect("it was opened");
    assert!(store.get(&key(row)).expect("it is read").is_some());
    [opening, time(1_000_000, || store.close().expect("it closes"))]
}

/// The same with sled.
fn theirs(path: &Path, row: u64) -> [f64; 2] {
    let mut opened = None;
    let opening = time(1_000_000, || {
        let db = sled::Config::new().path(path).segment_size(SEGMENT).open().expect("sled opens");
        let tree = db.open_tree("default").expect("a tree");
        opened = Some((db, tree));
    });
    let (db, tree) = opened.expect("it was opened");
    assert!(tree.get(key(row)).expect("it is read").is_some());
    drop(tree);
    [opening, time(1_000_000, || drop(db))]
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).expect("a directory");
    for entry in fs::read_dir(from).expect("the store's files") {
        let entry = entry.expect("a name");
        match entry.file_type().expect("its type").is_dir() {
            true => copy(&entry.path(), &to.join(entry.file_name())),
            false => drop(fs::copy(entry.path(), to.join(entry.file_name())).expect("a copy")),
        }
    }
}

/// Opens and closes a copy of `template` twice.
fn twice(template: &Path, row: u64, side: fn(&Path, u64) -> [f64; 2]) -> [f64; 4] {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("copy");
    copy(template, &path);
    let ([first, closing], [second, closing_again]) = (side(&path, row), side(&path, row));
    [first, closing, second, closing_again]
}

fn main() {
    let (rows, rounds) = (setting("BENCH_ROWS", 1_000_000), setting("BENCH_ROUNDS", 3));
    let directory = tempfile::tempdir().expect("a temporary directory");
    let template = directory.path().join("store");
    let store = SledStoreBuilder::new().build(&template).expect("a store");
    (0..rows).for_each(|row| store.put(&key(row), &[7; 100]).expect("it is written"));
    store.close().expect("it closes");
    let turn = |round| {
        let row = round * 7919 % rows;
        (twice(&template, row, ours), twice(&template, row, theirs))
    };
    let turns: Vec<_> = (0..rounds).map(turn).collect();
    println!("{rows} rows of 16 + 100 bytes, medians of {rounds} rounds, milliseconds.\n");
    println!("| what | ratio | sledstore | sled |\n|---|---|---|---|");
    let names = ["first opening after a fill", "closing then", "second opening", "closing then"];
    for (place, what) in names.into_iter().enumerate() {
        let (ours, theirs) =
            turns.iter().map(|(ours, theirs)| (ours[place], theirs[place])).unzip();
        let (ours, theirs) = (median(ours), median(theirs));
        println!("| {what} | {:.2} | {ours:.1} | {theirs:.1} |", ours / theirs);
    }
}
