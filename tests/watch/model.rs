//! What many threads commit, against what watches tell of it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use sledstore::{
    Clock, KeyChange, KeyChangeKind, SledBatch, SledStore, SledStoreBuilder, StoreError, Watch,
    WatchEvent, WatchOptions,
};

use crate::common::random::Random;
use crate::common::{ms, rows, scratch, START};
use crate::LONG;

const THREADS: u64 = 4;
const STEPS: u64 = 1_500;
const KEYS: u64 = 40;

/// Keys that a batch writes together, with one value.
const TOGETHER: u64 = 3;

type Rows = BTreeMap<Vec<u8>, (Vec<u8>, Option<u64>)>;

fn write(store: &SledStore, clock: &Clock, thread: u64) {
    let mut random = Random::new(thread + 1);
    for step in 0..STEPS {
        let key = format!("key {:02}", random.below(KEYS)).into_bytes();
        // Large enough that memtables are settled and their files go all the time.
        let value = [format!("{thread} {step} ").as_bytes(), &vec![b'.'; 300]].concat();
        match random.below(10) {
            0..=2 => store.put(&key, &value).unwrap(),
            3 => store.delete(&key).unwrap(),
            4 => store.put_with_ttl(&key, &value, ms(1 + random.below(20))).unwrap(),
            5 => drop(store.compare_and_swap(&key, None, &value).unwrap()),
            6 => {
                let mut batch = SledBatch::new();
                for number in 0..TOGETHER {
                    batch.put(format!("together {number}").as_bytes(), &value).unwrap();
                }
                store.apply(&batch).unwrap();
            }
            7 => {
                let transaction = store.transaction().unwrap();
                transaction.get(&key).unwrap();
                transaction.put(&key, &value).unwrap();
                match transaction.commit() {
                    Ok(()) | Err(StoreError::TxnConflict) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            8 => drop(store.get(&key).unwrap()),
            _ => {
                clock.advance(ms(1));
                store.purge_expired().unwrap();
            }
        }
    }
}

/// Makes the change, which has to be one of what is there.
fn apply(rows: &mut Rows, change: &KeyChange) {
    let before = rows.get(&change.key[..]);
    match (change.kind, before) {
        (KeyChangeKind::Insert, None)
        | (KeyChangeKind::Update | KeyChangeKind::Remove, Some(_))
        | (KeyChangeKind::Expire, Some((_, Some(_)))) => {}
        _ => panic!("{change:?} of {before:?}"),
    }
    match &change.value {
        Some(value) => drop(rows.insert(change.key.to_vec(), (value.to_vec(), change.expires_at))),
        None => drop(rows.remove(&change.key[..])),
    }
}

/// Applies what a watch tells, up to the end of the store.
fn follow(watch: &Watch, mut rows: Rows, from: u64) -> Rows {
    let mut open: Option<Vec<KeyChange>> = None;
    let mut last = watch.begins_after();
    while let Ok(Some(event)) = watch.next_timeout(LONG) {
        let WatchEvent::Changed(change) = event else { panic!("{event:?}") };
        let commit = open.get_or_insert_default();
        assert!(commit.iter().all(|other| other.sequence == change.sequence), "{change:?}");
        assert!(change.sequence > last, "{change:?} after {last}");
        let ends = change.ends_commit;
        commit.push(change);
        if !ends {
            continue;
        }
        let commit = open.take().expect("it has begun");
        last = commit[0].sequence;
        check_together(&commit);
        // What the rows had from the beginning.
        commit.iter().filter(|it| it.sequence > from).for_each(|it| apply(&mut rows, it));
    }
    assert!(open.is_none(), "half a commit: {open:?}");
    rows
}

/// A batch is there as a whole.
fn check_together(commit: &[KeyChange]) {
    let together = commit.iter().filter(|it| it.key.starts_with(b"together"));
    let values: Vec<_> = together.map(|it| it.value.as_deref()).collect();
    assert!(values.is_empty() || values.len() == TOGETHER as usize, "{commit:?}");
    assert!(values.iter().all(|value| *value == values[0]), "{commit:?}");
}

fn live(rows: &Rows, now: u64) -> Vec<(Vec<u8>, Vec<u8>)> {
    let live = rows.iter().filter(|(_, (_, at))| at.is_none_or(|at| at > now));
    live.map(|(key, (value, _))| (key.clone(), value.clone())).collect()
}

#[test]
fn what_a_watch_tells_makes_a_copy_of_the_store_also_one_that_begins_in_the_middle() {
    let (directory, clock) = (scratch(), Clock::manual(START));
    let builder = SledStoreBuilder::new().memtable_size(64 << 10).clock(clock.clone());
    let store = builder.build(directory.path().join("db")).unwrap();
    let options = WatchOptions { max_events: usize::MAX, max_bytes: usize::MAX };
    let watch = store.watch_with(b"", options).unwrap();
    let writing = AtomicUsize::new(THREADS as usize);
    let (late, expected, copies) = thread::scope(|scope| {
        let first = scope.spawn(|| follow(&watch, Rows::new(), 0));
        for thread in 0..THREADS {
            let (store, clock, writing) = (&store, &clock, &writing);
            scope.spawn(move || {
                write(store, clock, thread);
                writing.fetch_sub(1, Ordering::SeqCst);
            });
        }
        let mut late = Vec::new();
        while writing.load(Ordering::SeqCst) > 0 {
            let watch = store.watch_with(b"together", options).unwrap();
            let snapshot = store.snapshot().unwrap();
            let rows: Rows = snapshot
                .prefix_scan(b"together")
                .unwrap()
                .map(|row| row.map(|(key, value)| (key.to_vec(), (value.to_vec(), None))).unwrap())
                .collect();
            late.push((watch, rows, snapshot.sequence()));
            thread::sleep(ms(50));
        }
        let expected = rows(&store);
        store.clone().close().unwrap();
        (late, expected, first.join().unwrap())
    });
    assert_eq!(live(&copies, clock.now_ms()), expected);
    let together: Vec<_> =
        expected.into_iter().filter(|(key, _)| key.starts_with(b"together")).collect();
    assert!(!together.is_empty() && !late.is_empty());
    for (watch, rows, from) in late {
        assert_eq!(live(&follow(&watch, rows, from), clock.now_ms()), together);
    }
}
