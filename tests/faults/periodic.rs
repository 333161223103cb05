//! A read that fails in the thread in which the engine flushes from time to time. It reads there to move
//! what is left of old segments, and when it cannot, only ends.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sledstore::{Failure, SledStore, SledStoreBuilder, StoreError};

use crate::common::{child, ms, rows, scratch};
use crate::inject::{self, Fault, Kind};
use crate::life::is_poisoned;

const ROWS: u64 = 4000;
const LIMIT: Duration = Duration::from_secs(100);

/// More than the cache holds, in small segments: what is not in memory has to be read.
fn builder() -> SledStoreBuilder {
    let builder = SledStoreBuilder::new().segment_size(64 << 10).cache_capacity(1 << 20);
    builder.flush_every_ms(2).lock_timeout(ms(20_000)).patience(Duration::from_secs(20))
}

fn value(version: u64) -> Vec<u8> {
    version.to_be_bytes().repeat(100)
}

/// The newest version of each row that a call was asked to write, and that a flush acknowledged.
#[derive(Default)]
struct Written {
    asked: BTreeMap<u64, u64>,
    durable: BTreeMap<u64, u64>,
}

impl Written {
    /// Writes rows and writes over most of them, so that segments become empty but for a few pages,
    /// until some call fails; says which.
    fn write_until_a_call_fails(&mut self, store: &SledStore) -> (&'static str, StoreError) {
        let start = Instant::now();
        for version in 0.. {
            for row in (0..ROWS).filter(|row| row % 16 != version % 16) {
                self.asked.insert(row, version);
                if let Err(error) = store.put(&row.to_be_bytes(), &value(version)) {
                    return ("write", error);
                }
                if row % 64 == 0 {
                    // The engine has its turn.
                    std::thread::sleep(ms(1));
                    assert!(start.elapsed() < LIMIT, "{:?}", inject::calls_and_hits());
                }
            }
            if let Err(error) = store.flush() {
                return ("flush", error);
            }
            self.durable.clone_from(&self.asked);
        }
        unreachable!("versions do not end");
    }

    /// Whether the store has what was written, once nothing fails any more.
    fn check(&self, store: &SledStore) {
        let mut found = BTreeMap::new();
        for (row, value) in rows(store) {
            let version = u64::from_be_bytes(*value.first_chunk().unwrap());
            assert_eq!(value, self::value(version));
            found.insert(u64::from_be_bytes(row.try_into().unwrap()), version);
        }
        for (row, durable) in &self.durable {
            assert!(found.get(row) >= Some(durable), "row {row}: {:?} < {durable}", found.get(row));
        }
        for (row, version) in found {
            assert!(Some(&version) <= self.asked.get(&row), "row {row}: {version} is from nowhere");
        }
    }
}

#[test]
#[ignore = "runs as a child process of the test below"]
fn child_writes_until_a_call_fails() {
    let Some(directory) = child::directory() else { return };
    let path = directory.join("db");
    let store = builder().build(&path).unwrap();
    let mirror = store.keyspace("mirror").unwrap();
    let mut written = Written::default();
    let (what, error) = written.write_until_a_call_fails(&store);
    let number = |error: &StoreError| Failure::of(error).and_then(Failure::os_code);
    assert_eq!(number(&error), Some(libc::EIO), "{what} answers with {error}");
    let (_, hits) = inject::calls_and_hits();
    assert_eq!(hits, 1, "{what} answers with {error}");
    is_poisoned(&store, &mirror, &error);
    drop(mirror);
    assert_eq!(store.close().as_ref().err().and_then(number), Some(libc::EIO));
    inject::disarm();

    let store = builder().build(&path).unwrap();
    written.check(&store);
    store.put(b"later", b"value").unwrap();
    store.close().unwrap();
    child::say(&format!("passed with {} durable rows", written.durable.len()));
}

#[test]
fn a_read_of_the_engines_own_that_fails_once_is_the_answer_of_every_later_write_and_flush() {
    for first in [1, 10, 200, 1000] {
        let directory = scratch();
        let fault = Fault { first, times: 1, ..Fault::none(Kind::Periodic) };
        let complaints = directory.path().join("complaints");
        let part = "periodic::child_writes_until_a_call_fails";
        let mut process = inject::start(part, directory.path(), fault, &[], &complaints);
        let said = process.next_message();
        let status = process.finish();
        let printed = std::fs::read_to_string(&complaints).unwrap();
        assert!(status.success() && said.is_some(), "read {first}: {status}\n{printed}");
        assert_eq!(inject::foreign_panics(&complaints), [""; 0]);
        println!("read {first}: {said:?}");
    }
}
