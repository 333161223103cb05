//! A directory is open once, and free as soon as it is closed.

use std::path::Path;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use sledstore::{Reason, SledStore, SledStoreBuilder};

use crate::common::{assert_failed, child, failed_with, ms, rows, scratch, without_hanging};

#[test]
fn a_second_handle_of_this_process_is_told_so() {
    let directory = scratch();
    let path = directory.path().join("db");
    let store = SledStore::open(&path).unwrap();
    store.put(b"a", b"1").unwrap();
    let error = assert_failed(SledStore::open(&path), Reason::LockedByThisProcess);
    assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    // By other names it is the same directory.
    let link = directory.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert_failed(SledStore::open(&link), Reason::LockedByThisProcess);
    assert_failed(SledStore::open(path.join("../db")), Reason::LockedByThisProcess);
    let must_exist = SledStoreBuilder::new().must_exist(true);
    assert_failed(must_exist.build(&path), Reason::LockedByThisProcess);
    // The open store does not suffer from the attempts.
    store.put(b"b", b"2").unwrap();
    store.close().unwrap();
    assert_eq!(SledStore::open(&link).unwrap().count().unwrap(), 2);
}

#[test]
fn different_directories_are_open_at_the_same_time() {
    let directory = scratch();
    let stores: Vec<_> = (0_u8..8)
        .map(|number| SledStore::open(directory.path().join(number.to_string())).unwrap())
        .collect();
    for (number, store) in (0_u8..).zip(&stores) {
        store.put(b"number", &[number]).unwrap();
    }
    for (number, store) in (0_u8..).zip(&stores) {
        assert_eq!(rows(store), [(b"number".to_vec(), vec![number])]);
    }
}

#[test]
#[ignore = "runs as a child process of the tests below"]
fn child_holds_the_store_open() {
    let Some(directory) = child::directory() else { return };
    let store = SledStore::open(directory).unwrap();
    store.put(b"from", b"the child").unwrap();
    child::say("open");
    assert_eq!(child::listen(), "close");
    store.close().unwrap();
    child::say("closed");
}

fn child_with_open_store(directory: &Path) -> child::Process {
    let mut child = child::start("locks::child_holds_the_store_open", directory);
    child.expect("open");
    child
}

#[test]
fn a_store_that_another_process_has_open_is_told_apart() {
    let directory = scratch();
    // This process has been the owner too, which must not confuse anybody.
    SledStore::open(directory.path()).unwrap().close().unwrap();
    let mut child = child_with_open_store(directory.path());
    let error = assert_failed(SledStore::open(directory.path()), Reason::LockedByAnotherProcess);
    assert!(error.to_string().contains(&directory.path().display().to_string()), "{error}");
    child.tell("close");
    child.expect("closed");
    let store = SledStore::open(directory.path()).expect("free when close has returned there");
    assert_eq!(store.get(b"from").unwrap().as_deref(), Some(&b"the child"[..]));
}

#[test]
fn a_process_that_was_killed_leaves_no_lock_behind() {
    let directory = scratch();
    for _ in 0..5 {
        child_with_open_store(directory.path()).kill();
        let store = SledStore::open(directory.path()).expect("the lock died with its process");
        store.close().unwrap();
    }
}

#[test]
fn lock_timeout_waits_until_this_process_lets_go() {
    let directory = scratch();
    let store = SledStore::open(directory.path()).unwrap();
    store.put(b"a", b"1").unwrap();
    let start = Barrier::new(2);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            start.wait();
            let builder = SledStoreBuilder::new().lock_timeout(Duration::from_secs(120));
            builder.build(directory.path()).map(|store| store.count().unwrap())
        });
        start.wait();
        // Whether the other thread has begun to wait by now or not: it gets the store.
        thread::sleep(ms(50));
        store.close().unwrap();
        assert_eq!(waiting.join().unwrap().expect("waits long enough"), 1);
    });
}

#[test]
fn lock_timeout_waits_until_another_process_lets_go() {
    let directory = scratch();
    let mut child = child_with_open_store(directory.path());
    let start = Barrier::new(2);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            start.wait();
            let builder = SledStoreBuilder::new().lock_timeout(Duration::from_secs(120));
            builder.build(directory.path()).map(|store| store.count().unwrap())
        });
        start.wait();
        thread::sleep(ms(50));
        child.tell("close");
        assert_eq!(waiting.join().unwrap().expect("waits long enough"), 1);
    });
}

#[test]
fn lock_timeout_ends_with_the_same_answer() {
    let directory = scratch();
    let store = SledStore::open(directory.path()).unwrap();
    let builder = SledStoreBuilder::new().lock_timeout(ms(30));
    assert_failed(builder.build(directory.path()), Reason::LockedByThisProcess);
    store.put(b"a", b"1").unwrap();
}

#[test]
fn closing_and_reopening_two_hundred_times_never_meets_a_lock() {
    let directory = scratch();
    for round in 0..200_u64 {
        let store = SledStore::open(directory.path()).expect("the lock is free");
        assert_eq!(store.count().unwrap(), round);
        store.put(&round.to_be_bytes(), &[1; 1000]).unwrap();
        store.close().unwrap();
    }
}

/// The last to go is now a handle, now a keyspace, now an iterator, now a batch, and now and then
/// on another thread.
#[test]
fn dropping_and_reopening_two_hundred_times_never_meets_a_lock() {
    let directory = scratch();
    for round in 0..200_u64 {
        let store = SledStore::open(directory.path()).expect("the lock is free");
        assert_eq!(store.count().unwrap(), round);
        store.put(&round.to_be_bytes(), &[1; 1000]).unwrap();
        match round % 5 {
            0 => drop(store),
            1 => {
                let named = store.keyspace("named").unwrap();
                drop(store);
                named.put(b"a", b"1").unwrap();
            }
            2 => {
                let mut iterator = store.iter().unwrap();
                drop(store);
                assert!(iterator.next().unwrap().is_ok());
            }
            3 => {
                let mut batch = sledstore::SledBatch::new();
                batch.put_in(&store, b"a", b"1").unwrap();
                drop(store);
                drop(batch);
            }
            _ => thread::spawn(move || drop(store)).join().unwrap(),
        }
    }
}

#[test]
fn close_with_an_open_iterator_says_busy_and_leaves_the_store_usable() {
    let directory = scratch();
    let store = SledStore::open(directory.path()).unwrap();
    store.put(b"a", b"1").unwrap();
    let mut iterator = store.iter().unwrap();
    assert_failed(store.clone().close(), Reason::Busy);
    assert!(!store.is_closed());
    store.put(b"b", b"2").unwrap();
    assert!(iterator.next().unwrap().is_ok());
    drop(iterator);
    store.close().unwrap();
    assert_eq!(SledStore::open(directory.path()).unwrap().count().unwrap(), 2);
}

/// What was read lives on, whatever happens to the store.
#[test]
fn pinned_values_outlive_the_store() {
    let directory = scratch();
    let store = SledStore::open(directory.path()).unwrap();
    store.put(b"small", b"1").unwrap();
    store.put(b"large", &vec![2; 100_000]).unwrap();
    let small = store.get_pinned(b"small").unwrap().unwrap();
    let large = store.get_pinned(b"large").unwrap().unwrap();
    store.put(b"large", b"overwritten").unwrap();
    store.close().unwrap();
    let store = SledStore::open(directory.path()).expect("values hold no lock");
    assert_eq!(&small[..], b"1");
    assert_eq!(&large[..], &vec![2; 100_000][..]);
    assert_eq!(store.get(b"large").unwrap().as_deref(), Some(&b"overwritten"[..]));
}

/// Many threads open the same directory at once: one gets it, the others are told why not.
#[test]
fn of_many_that_open_at_once_one_succeeds() {
    without_hanging("opening from many threads", || {
        let directory = scratch();
        for round in 0..20 {
            let start = Barrier::new(6);
            let opened: Vec<_> = thread::scope(|scope| {
                let open = || {
                    start.wait();
                    SledStore::open(directory.path())
                };
                let threads: Vec<_> = (0..6).map(|_| scope.spawn(open)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            let (succeeded, refused): (Vec<_>, Vec<_>) =
                opened.into_iter().partition(Result::is_ok);
            assert_eq!(succeeded.len(), 1, "round {round}");
            for refusal in refused {
                let told = failed_with(&refusal, Reason::LockedByThisProcess);
                assert!(told, "round {round}: {:?}", refusal.map(drop));
            }
        }
    });
}

/// sled knows nothing of the library's own lock.
#[test]
fn a_directory_that_sled_alone_has_open_is_locked_and_not_disturbed() {
    let directory = scratch();
    let path = directory.path().join("db");
    let open = || sled::open(&path).expect("sled opens it");
    // The second opening leaves a snapshot behind.
    drop(open());
    let db = open();
    let tree = db.open_tree("default").unwrap();
    for number in 0..200_u32 {
        tree.insert(number.to_be_bytes(), &[1; 100][..]).unwrap();
        if number % 100 == 50 {
            assert_failed(SledStore::open(&path), Reason::LockedByAnotherProcess);
        }
    }
    db.flush().unwrap();
    assert_failed(SledStore::open(&path), Reason::LockedByAnotherProcess);
    drop((tree, db));
    let store = SledStoreBuilder::new().lock_timeout(ms(60_000)).build(&path).unwrap();
    assert_eq!(store.count().unwrap(), 200);
}
