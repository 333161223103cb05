//! Durable means durable: sled's sync points are real ones, for our logs and nobody else's.

use sledstore::{diverted_syncs, SledStore};

#[test]
fn every_flush_reaches_fsync() {
    let directory = tempfile::tempdir().unwrap();
    let store = SledStore::open(directory.path().join("store")).unwrap();
    for round in 0..20u64 {
        let before = diverted_syncs();
        store.put(&round.to_be_bytes(), b"value").unwrap();
        store.flush().unwrap();
        assert!(diverted_syncs() > before, "flush {round} did not end in fsync");
    }
}
