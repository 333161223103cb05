//! A commit is refused where what it depends on has changed.

use super::*;

#[test]
fn a_commit_that_depends_on_what_has_changed_is_refused_and_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let fixture = Fixture::open(&Map::default(), options(directory.path(), 70_000)).unwrap();
    fixture.put(0, b"key", b"old").unwrap();
    let view = fixture.committer.view();
    let attempt = |basis: Basis| {
        let mut record = Record::new();
        record.push(Change::Delete { keyspace: 0, key: b"other" });
        fixture.committer.commit(record, Durability::Synced, |committed| {
            match committed.has_changed(basis, 0, b"key") {
                true => Err(StoreError::TxnConflict),
                false => Ok(()),
            }
        })
    };
    attempt(view.basis()).expect("nothing has changed");
    fixture.put(0, b"key", b"new").unwrap();
    assert!(matches!(attempt(view.basis()), Err(StoreError::TxnConflict)));
    // Also once the new row is settled, and its memtable is kept for the view alone.
    fixture.committer.settle_all().unwrap();
    assert!(matches!(attempt(view.basis()), Err(StoreError::TxnConflict)));
    assert_eq!(view.get(0, b"key").unwrap().map(|row| row.value.to_vec()), Some(b"old".to_vec()));
    drop(view);
    // Without a view the memtable is gone, and nobody knows.
    let (_, basis) = fixture.committer.get(0, b"key").unwrap();
    attempt(basis).expect("nothing has changed");
    fixture.put(0, b"key", b"newer").unwrap();
    fixture.committer.settle_all().unwrap();
    assert!(matches!(attempt(basis), Err(StoreError::TxnConflict)));
    fixture.close().unwrap();
}

#[test]
fn a_purge_is_no_change_and_a_put_before_it_is_one() {
    let directory = tempfile::tempdir().unwrap();
    let fixture = Fixture::open(&Map::default(), options(directory.path(), 70_000)).unwrap();
    let purge = || {
        let mut record = Record::new();
        record.push(Change::Purge { keyspace: 0, key: b"key" });
        fixture.committer.commit(record, Durability::Buffered, |_| Ok(())).unwrap();
    };
    let changed =
        |basis: Basis| basis::Committed::of(&fixture.committer).has_changed(basis, 0, b"key");
    let view = fixture.committer.view();
    purge();
    assert!(!changed(view.basis()));
    fixture.put(0, b"key", b"value").unwrap();
    let later = fixture.committer.view();
    purge();
    assert!(changed(view.basis()) && !changed(later.basis()));
    drop((view, later));
    fixture.close().unwrap();
}

#[test]
fn a_range_has_changed_when_a_key_in_it_was_written_or_removed_also_in_a_settled_memtable() {
    let directory = tempfile::tempdir().unwrap();
    let fixture = Fixture::open(&Map::default(), options(directory.path(), 70_000)).unwrap();
    fixture.put(0, b"b", b"old").unwrap();
    let view = fixture.committer.view();
    let changed = |lower: &[u8], upper: &[u8]| {
        let committed = basis::Committed::of(&fixture.committer);
        let range = (Bound::Included(lower), Bound::Excluded(upper));
        committed.range_has_changed(view.basis(), 0, range)
    };
    assert!(!changed(b"a", b"z"));
    fixture.put(0, b"c", b"new").unwrap();
    for _ in 0..2 {
        assert!(changed(b"a", b"z") && changed(b"c", b"d"));
        assert!(!changed(b"a", b"c") && !changed(b"d", b"z") && !changed(b"z", b"a"));
        fixture.committer.settle_all().unwrap();
    }
    drop(view);
    fixture.close().unwrap();
}
