//! Durable means durable: the sync points of sled, where the checkpoint settles rows, are real ones.

use sledstore::{diverted_syncs, SledStore};

#[test]
fn every_checkpoint_reaches_fsync() {
    let directory = tempfile::tempdir().unwrap();
    let store = SledStore::open(directory.path().join("store")).unwrap();
    for round in 0..20u64 {
        let before = diverted_syncs();
        store.put(&round.to_be_bytes(), b"value").unwrap();
        store.compact().unwrap();
        assert!(diverted_syncs() > before, "checkpoint {round} did not end in fsync");
    }
}
