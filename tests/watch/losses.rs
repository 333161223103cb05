//! Watches that do not read.

use sledstore::{SledBatch, SledStore, WatchEvent, WatchOptions};

use crate::{changes, insert, ready, told};

fn small(max_events: usize) -> WatchOptions {
    WatchOptions { max_events, ..WatchOptions::default() }
}

fn lost(events: u64, sequence: u64) -> WatchEvent {
    WatchEvent::Lost { events, sequence }
}

#[test]
fn what_does_not_fit_is_told_as_one_loss_in_its_place_and_the_watch_goes_on() {
    let store = SledStore::open_temporary().unwrap();
    let watch = store.watch_with(b"", small(3)).unwrap();
    let begin = watch.begins_after();
    (0..1_000_u32).for_each(|n| store.put(&n.to_be_bytes(), b"").unwrap());
    let events = ready(&watch);
    assert_eq!(events.len(), 4);
    assert_eq!(events[3], lost(997, begin + 1_000));
    store.put(b"after", b"1").unwrap();
    assert_eq!(told(&changes(&watch)), [insert("after", "1")]);
}

#[test]
fn as_long_as_a_loss_is_not_read_nothing_comes_behind_it() {
    let store = SledStore::open_temporary().unwrap();
    let watch = store.watch_with(b"", small(2)).unwrap();
    for key in [b"a", b"b", b"c"] {
        store.put(key, b"1").unwrap();
    }
    assert_eq!(changes_of(&watch, 2), [insert("a", "1"), insert("b", "1")]);
    store.put(b"d", b"1").unwrap();
    assert_eq!(ready(&watch), [lost(2, watch.begins_after() + 4)]);
    store.put(b"e", b"1").unwrap();
    assert_eq!(told(&changes(&watch)), [insert("e", "1")]);
}

fn changes_of(watch: &sledstore::Watch, count: usize) -> Vec<crate::Told> {
    let next = |_| match watch.try_next().unwrap() {
        Some(WatchEvent::Changed(change)) => change,
        other => panic!("{other:?}"),
    };
    told(&(0..count).map(next).collect::<Vec<_>>())
}

#[test]
fn a_commit_is_kept_or_lost_as_a_whole_and_an_empty_queue_takes_any() {
    let store = SledStore::open_temporary().unwrap();
    let watch = store.watch_with(b"", small(4)).unwrap();
    let batch_of = |keys: std::ops::Range<u8>| {
        let mut batch = SledBatch::new();
        keys.for_each(|key| batch.put(&[key], b"").unwrap());
        store.apply(&batch).unwrap();
    };
    batch_of(0..100);
    assert_eq!(changes(&watch).len(), 100);
    batch_of(0..3);
    batch_of(0..2);
    batch_of(0..1);
    let events = ready(&watch);
    assert_eq!(events.len(), 4);
    assert_eq!(events[3], lost(3, store.sequence().unwrap()));
}

#[test]
fn bytes_are_bounded_too() {
    let store = SledStore::open_temporary().unwrap();
    let options = WatchOptions { max_bytes: 250, ..WatchOptions::default() };
    let watch = store.watch_with(b"", options).unwrap();
    for key in [b"a", b"b", b"c"] {
        store.put(key, &[0; 100]).unwrap();
    }
    let events = ready(&watch);
    assert_eq!((events.len(), &events[2]), (3, &lost(1, store.sequence().unwrap())));
}

#[test]
fn a_watch_that_never_reads_holds_neither_writers_up_nor_other_watches() {
    let store = SledStore::open_temporary().unwrap();
    let (silent, reads) = (store.watch_with(b"", small(1)).unwrap(), store.watch(b"").unwrap());
    std::thread::scope(|scope| {
        for thread in 0..4_u8 {
            let store = &store;
            scope.spawn(move || {
                (0..1_000_u32).for_each(|n| store.put(&n.to_be_bytes(), &[thread]).unwrap());
            });
        }
        for _ in 0..4_000 {
            let event = reads.next_timeout(crate::LONG).unwrap().expect("another event");
            assert!(matches!(event, WatchEvent::Changed(_)), "{event:?}");
        }
    });
    let sequence = store.sequence().unwrap();
    assert_eq!(ready(&silent)[1..], [lost(3_999, sequence)]);
}
