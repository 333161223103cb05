//! The promised interval: what was committed is on the disk after it, without anybody asking.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use sledstore::{SledStore, SledStoreBuilder};

use crate::common::{child, flushing, ms};
use crate::inject::{self, passes, Fault, Files, Kind};
use crate::life::is_poisoned;

/// Far above the interval, on a machine that has other things to do too.
const LIMIT: Duration = Duration::from_secs(30);

fn open(directory: &Path, every: Option<u64>) -> SledStore {
    let store = flushing(SledStoreBuilder::new(), every).build(directory.join("db")).unwrap();
    drop(store.keyspace("mirror").unwrap());
    store
}

fn syncs() -> i64 {
    inject::calls_and_hits().0
}

#[test]
#[ignore = "runs as a child process of the tests below"]
fn child_waits_for_syncs() {
    let Some(directory) = child::directory() else { return };
    let store = open(&directory, Some(50));
    for number in 0..5_u64 {
        let before = syncs();
        let begun = Instant::now();
        store.put(&number.to_be_bytes(), b"value").unwrap();
        while syncs() == before {
            assert!(begun.elapsed() < LIMIT, "nobody syncs what was committed");
            sleep(ms(5));
        }
    }
    // Where nothing is committed nothing is synced.
    sleep(ms(200));
    let before = syncs();
    sleep(ms(300));
    assert_eq!(syncs(), before, "there is nothing to sync");
    store.close().unwrap();

    let store = SledStoreBuilder::new().flush_never().build(directory.join("db")).unwrap();
    let before = syncs();
    store.put(b"key", b"value").unwrap();
    sleep(ms(700));
    assert_eq!(syncs(), before, "nobody has asked for it");
    store.flush().unwrap();
    assert!(syncs() > before);
    store.close().unwrap();
    child::say("passed");
}

#[test]
fn what_was_committed_is_synced_after_the_interval_without_being_asked() {
    passes("interval::child_waits_for_syncs", Fault::none(Kind::Fdatasync).of(Files::Log));
}

#[test]
#[ignore = "runs as a child process of the test below"]
fn child_fails_to_sync() {
    let Some(directory) = child::directory() else { return };
    let store = open(&directory, Some(20));
    let mirror = store.keyspace("mirror").unwrap();
    store.put(b"a", b"1").unwrap();
    store.flush().unwrap();
    inject::begin();
    store.put(b"a", b"2").unwrap();
    inject::wait_for_a_hit();
    let begun = Instant::now();
    // The call that fails has been made; what it answers is noted in the next moment.
    let error = loop {
        match store.put(b"b", b"1") {
            Ok(()) => assert!(begun.elapsed() < LIMIT, "a sync that has failed is told to nobody"),
            Err(error) => break error,
        }
    };
    is_poisoned(&store, &mirror, &error);
    assert_eq!(store.get(b"a").unwrap().as_deref(), Some(&b"2"[..]), "reads go on");
    drop(mirror);
    store.close().expect_err("what was committed last may be on no disk");
    child::say("passed");
}

#[test]
fn a_sync_after_the_interval_that_fails_is_told_by_every_later_write_and_flush() {
    passes("interval::child_fails_to_sync", Fault::none(Kind::Fdatasync).of(Files::Log));
}
