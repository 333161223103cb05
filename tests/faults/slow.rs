//! A disk on which each sync takes long, so that all that sled lets wait does wait, and writers are far ahead
//! of the checkpoint.

use std::path::Path;
use std::thread;
use std::time::Duration;

use sledstore::{SledBatch, SledStore, SledStoreBuilder};

use crate::common::{child, rows, scratch};
use crate::inject::{self, Fault, Kind};
use crate::pressure;

/// Enough for a batch to fill a memtable, and segments.
const ROWS: u64 = 300;
const LIFE: Duration = Duration::from_secs(1_000_000);

/// Small segments are full, and free again, all the time, and the file is cut whenever the last ones are
/// free.
fn open(path: &Path) -> SledStore {
    let builder = SledStoreBuilder::new().segment_size(64 << 10).flush_every_ms(20);
    builder.memtable_size(64 << 10).build(path).unwrap()
}

/// Batches of a few rows, and now and then one that fills segments and leaves them free at the end of the file.
fn write(store: &SledStore, thread: u64) {
    let mirror = store.keyspace("mirror").unwrap();
    for round in 0..48_u64 {
        let mut batch = SledBatch::new();
        let rows = if round % 8 == 7 { 0..ROWS } else { round % 5..round % 5 + 2 };
        for number in rows {
            let key = (thread << 32 | number).to_be_bytes();
            batch.put(&key, &[round as u8; 400]).unwrap();
            batch.put_with_ttl_in(&mirror, &key, &[round as u8; 400], LIFE).unwrap();
        }
        store.apply(&batch).unwrap();
    }
}

#[test]
#[ignore = "runs as a child process of the test below"]
fn child_writes_to_a_slow_disk() {
    let Some(directory) = child::directory() else { return };
    let path = directory.join("db");
    let store = open(&path);
    thread::scope(|scope| {
        for number in 0..2 {
            let store = &store;
            scope.spawn(move || write(store, number));
        }
    });
    let before = rows(&store);
    store.close().unwrap();
    inject::disarm();
    assert_eq!(rows(&open(&path)), before);
    child::say("passed");
}

#[test]
fn on_a_slow_disk_nobody_waits_for_ever() {
    for microseconds in [300, 2_000] {
        let directory = scratch();
        let fault = Fault { first: microseconds, ..Fault::none(Kind::Slow) };
        let complaints = directory.path().join("complaints");
        let part = "slow::child_writes_to_a_slow_disk";
        let mut process = inject::start(part, directory.path(), fault, &[], &complaints);
        let message = process.next_message_within(Duration::from_secs(600));
        let printed = std::fs::read_to_string(&complaints).unwrap();
        assert_eq!(message.expect("it hangs").as_deref(), Some("passed"), "{printed}");
        assert!(process.finish().success());
    }
}

#[test]
fn a_kill_on_a_slow_disk_loses_nothing_that_was_acknowledged() {
    let fault = Fault { first: 20_000, ..Fault::none(Kind::Slow) };
    let notes = scratch();
    let complaints = notes.path().join("stderr");
    let start =
        |part: &str, directory: &Path| inject::start(part, directory, fault, &[], &complaints);
    pressure::kill_loses_nothing(400, start);
}
