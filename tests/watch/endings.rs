//! How watches end, and that whatever waits for them is woken.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sledstore::{Failure, Reason, SledStore, StoreError, Watch, WatchEvent};

use crate::{insert, told, LONG};

fn reason(error: &StoreError) -> Option<Reason> {
    Failure::of(error).map(Failure::reason)
}

/// Lets `end` work while another thread waits for the watch, and answers with what that gets.
fn woken_by(watch: &Watch, end: impl FnOnce()) -> Reason {
    let waits = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            waits.store(true, Ordering::SeqCst);
            watch.next_timeout(LONG)
        });
        while !waits.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        // Most often it waits by now. If it does not, it has to find the end all the same.
        std::thread::sleep(Duration::from_millis(20));
        end();
        let error = waiter.join().unwrap().expect_err("the watch has ended");
        reason(&error).expect("a reason")
    })
}

#[test]
fn ending_a_watch_wakes_its_waiter_and_drops_what_was_not_read() {
    let store = SledStore::open_temporary().unwrap();
    let watch = store.watch(b"").unwrap();
    assert_eq!(woken_by(&watch, || watch.end()), Reason::Closed);
    let watch = store.watch(b"").unwrap();
    store.put(b"a", b"1").unwrap();
    watch.end();
    watch.end();
    store.put(b"b", b"1").unwrap();
    assert_eq!(reason(&watch.try_next().unwrap_err()), Some(Reason::Closed));
    assert_eq!(watch.wait(), None);
}

#[test]
fn closing_the_store_is_not_prevented_and_ends_its_watches_after_what_had_come() {
    let store = SledStore::open_temporary().unwrap();
    let (watch, waits) = (store.watch(b"").unwrap(), store.watch(b"never").unwrap());
    store.put(b"a", b"1").unwrap();
    assert_eq!(woken_by(&waits, || store.clone().close().unwrap()), Reason::Closed);
    let Some(WatchEvent::Changed(change)) = watch.try_next().unwrap() else {
        panic!("it had come")
    };
    assert_eq!(told(&[change]), [insert("a", "1")]);
    assert_eq!(reason(&watch.try_next().unwrap_err()), Some(Reason::Closed));
    assert!(watch.collect::<Vec<_>>().is_empty());
    let error = store.watch(b"").expect_err("the store is closed");
    assert_eq!(reason(&error), Some(Reason::Closed));
}

#[test]
fn a_watch_does_not_keep_the_store_open_and_ends_when_the_last_handle_goes() {
    let directory = crate::common::scratch();
    let store = SledStore::open(directory.path().join("db")).unwrap();
    let watch = store.watch(b"").unwrap();
    assert_eq!(woken_by(&watch, || drop(store)), Reason::Closed);
    SledStore::open(directory.path().join("db")).expect("the directory is free").close().unwrap();
}

#[test]
fn a_close_that_is_refused_ends_no_watch() {
    let store = SledStore::open_temporary().unwrap();
    let (watch, snapshot) = (store.watch(b"").unwrap(), store.snapshot().unwrap());
    assert_eq!(reason(&store.clone().close().unwrap_err()), Some(Reason::Busy));
    drop(snapshot);
    store.put(b"a", b"1").unwrap();
    assert!(matches!(watch.try_next(), Ok(Some(_))));
}

#[test]
fn dropping_a_keyspace_ends_its_watches_and_no_others() {
    let store = SledStore::open_temporary().unwrap();
    let (one, other) = (store.keyspace("one").unwrap(), store.keyspace("other").unwrap());
    let (watch, stays) = (one.watch(b"").unwrap(), other.watch(b"").unwrap());
    let dropped = woken_by(&watch, || assert!(store.drop_keyspace("one").unwrap()));
    assert_eq!(dropped, Reason::Dropped);
    assert_eq!(reason(&one.watch(b"").unwrap_err()), Some(Reason::Dropped));
    let again = store.keyspace("one").unwrap();
    let anew = again.watch(b"").unwrap();
    again.put(b"a", b"1").unwrap();
    other.put(b"a", b"1").unwrap();
    assert!(matches!(anew.try_next(), Ok(Some(_))) && matches!(stays.try_next(), Ok(Some(_))));
    assert_eq!(reason(&watch.try_next().unwrap_err()), Some(Reason::Dropped));
}

#[test]
fn watches_that_come_and_go_beside_writers_disturb_nobody() {
    let store = SledStore::open_temporary().unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for thread in 0..2_u8 {
            let (store, done) = (&store, &done);
            scope.spawn(move || {
                (0..3_000_u32).for_each(|n| store.put(&(n % 7).to_be_bytes(), &[thread]).unwrap());
                done.store(true, Ordering::SeqCst);
            });
            scope.spawn(move || {
                while !done.load(Ordering::SeqCst) {
                    let watch = store.watch(b"").unwrap();
                    store.put(b"mine", &[thread]).unwrap();
                    // What it wrote itself after the watch was made is told for certain.
                    while let Some(event) = watch.next_timeout(LONG).unwrap() {
                        let WatchEvent::Changed(change) = event else { continue };
                        if change.key[..] == *b"mine" && change.value.as_deref() == Some(&[thread])
                        {
                            break;
                        }
                    }
                }
            });
        }
    });
}
