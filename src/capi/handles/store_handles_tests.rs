use std::ffi::CString;
use std::ptr::{null, null_mut};
use std::sync::{mpsc, Barrier};
use std::thread;

use super::*;
use crate::capi::error::{sledstore_error_free, sledstore_error_message};
use crate::capi::iterator::{sledstore_iter, sledstore_iter_free, sledstore_iter_new};
use crate::capi::store::{
    sledstore_close, sledstore_open, sledstore_open_keyspace, sledstore_release,
};

/// A handle, and where its store is.
struct Opened {
    store: Token,
    path: CString,
    directory: tempfile::TempDir,
}

// SAFETY of all calls below: the pointers are handles, NULL, or point to variables or strings of
// the test, as the manual asks for.

fn token(handle: *const sledstore) -> Token {
    Token::of(handle).expect("not NULL")
}

fn pointer(token: Token) -> *mut sledstore {
    token.to_pointer()
}

fn open_at(path: &CString) -> (Status, *mut sledstore) {
    let mut store = null_mut();
    // SAFETY: see above.
    let status = unsafe { sledstore_open(path.as_ptr(), null(), &mut store, null_mut()) };
    (status, store)
}

fn open() -> Opened {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("store").into_os_string().into_encoded_bytes();
    let path = CString::new(path).expect("no zero byte in a path");
    let (status, store) = open_at(&path);
    assert_eq!(status, Status::SLEDSTORE_OK);
    Opened { store: token(store), path, directory }
}

impl Opened {
    fn close(&self) -> Status {
        close(self.store)
    }

    fn keyspace(&self, name: &str) -> (Status, *mut sledstore) {
        let mut keyspace = null_mut();
        let (store, name, len) = (pointer(self.store), name.as_ptr().cast(), name.len());
        // SAFETY: see above.
        let status =
            unsafe { sledstore_open_keyspace(store, name, len, 0, &mut keyspace, null_mut()) };
        (status, keyspace)
    }

    fn iterator(&self) -> (Status, *mut sledstore_iter) {
        let mut iterator = null_mut();
        let store = pointer(self.store);
        // SAFETY: see above.
        let status = unsafe { sledstore_iter_new(store, null(), &mut iterator, null_mut()) };
        (status, iterator)
    }

    /// Whether the directory's lock is free.
    fn can_be_opened_again(&self) -> bool {
        assert!(self.directory.path().exists());
        let (status, again) = open_at(&self.path);
        status == Status::SLEDSTORE_OK && close(token(again)) == Status::SLEDSTORE_OK
    }
}

fn close(store: Token) -> Status {
    // SAFETY: see above.
    unsafe { sledstore_close(pointer(store), null_mut()) }
}

fn release(store: *mut sledstore) -> Status {
    // SAFETY: see above.
    unsafe { sledstore_release(store, null_mut()) }
}

#[test]
fn closing_ends_every_handle_of_the_store() {
    let opened = open();
    let (status, keyspace) = opened.keyspace("more");
    assert_eq!(status, Status::SLEDSTORE_OK);
    assert_eq!(close(token(keyspace)), Status::SLEDSTORE_OK);
    assert_eq!(opened.close(), Status::SLEDSTORE_CLOSED);
    assert_eq!(release(keyspace), Status::SLEDSTORE_CLOSED);
    assert_eq!(opened.iterator().0, Status::SLEDSTORE_CLOSED);
    assert!(opened.can_be_opened_again());
}

#[test]
fn an_open_iterator_refuses_a_close_and_is_counted() {
    let opened = open();
    let (_, iterator) = opened.iterator();
    let (_, other) = opened.iterator();
    let mut error = null_mut();
    // SAFETY: see above.
    let status = unsafe { sledstore_close(pointer(opened.store), &mut error) };
    assert_eq!(status, Status::SLEDSTORE_BUSY);
    // SAFETY: the message of a live error is a NUL-terminated string.
    let message = unsafe { std::ffi::CStr::from_ptr(sledstore_error_message(error)) };
    assert!(message.to_string_lossy().contains("2 iterators"), "{message:?}");
    assert_eq!(sledstore_error_free(error), Status::SLEDSTORE_OK);
    assert_eq!(sledstore_iter_free(iterator), Status::SLEDSTORE_OK);
    assert_eq!(opened.close(), Status::SLEDSTORE_BUSY);
    assert_eq!(sledstore_iter_free(other), Status::SLEDSTORE_OK);
    assert_eq!(opened.close(), Status::SLEDSTORE_OK);
}

#[test]
fn a_close_from_inside_a_call_on_the_store_is_refused() {
    let opened = open();
    let (_, keyspace) = opened.keyspace("more");
    let guard = handles::find::<sledstore>(opened.store).expect("it is live");
    assert_eq!(close(token(keyspace)), Status::SLEDSTORE_REENTRANT);
    assert_eq!(release(pointer(opened.store)), Status::SLEDSTORE_REENTRANT);
    drop(guard);
    assert_eq!(close(token(keyspace)), Status::SLEDSTORE_OK);
}

#[test]
fn a_close_waits_for_the_calls_of_other_threads() {
    let opened = open();
    let store = opened.store;
    let (using, is_using) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            let guard = handles::find::<sledstore>(store).expect("it is live");
            using.send(()).expect("the test waits");
            // Until the close has begun, which shows in newcomers being refused.
            while handles::find::<sledstore>(store).is_ok() {
                thread::yield_now();
            }
            assert!(guard.keyspace.put(b"key", b"value").is_ok(), "the store is still open");
        });
        is_using.recv().expect("the other thread sends");
        assert_eq!(opened.close(), Status::SLEDSTORE_OK);
    });
    assert!(opened.can_be_opened_again());
}

#[test]
fn a_close_that_waits_in_vain_leaves_the_store_as_it_was() {
    let opened = open();
    let (store, done) = (opened.store, Barrier::new(2));
    let (using, is_using) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            let _guard = handles::find::<sledstore>(store).expect("it is live");
            using.send(()).expect("the test waits");
            done.wait();
        });
        is_using.recv().expect("the other thread sends");
        let (keyspace, shared) = {
            let guard = handles::find::<sledstore>(store).expect("it is live");
            (guard.keyspace.clone(), guard.shared.clone())
        };
        let refused = shared.close(keyspace, Duration::ZERO).expect_err("a thread is in a call");
        assert_eq!(refused.status(), Status::SLEDSTORE_BUSY);
        assert_eq!(opened.keyspace("still usable").0, Status::SLEDSTORE_OK);
        done.wait();
    });
    assert_eq!(opened.close(), Status::SLEDSTORE_OK);
}

#[test]
fn a_close_that_something_open_refuses_disturbs_no_call() {
    let opened = open();
    let (_, iterator) = opened.iterator();
    let (store, done) = (opened.store, Barrier::new(2));
    let (using, is_using) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            let _guard = handles::find::<sledstore>(store).expect("it is live");
            using.send(()).expect("the test waits");
            done.wait();
        });
        is_using.recv().expect("the other thread sends");
        let (keyspace, shared) = {
            let guard = handles::find::<sledstore>(store).expect("it is live");
            (guard.keyspace.clone(), guard.shared.clone())
        };
        // Without patience it would tell of the thread, had it come as far as to wait for it.
        let refused = shared.close(keyspace, Duration::ZERO);
        done.wait();
        let refused = refused.expect_err("an iterator is open");
        assert!(format!("{refused:?}").contains("still open: 1 iterator"), "{refused:?}");
    });
    assert_eq!(sledstore_iter_free(iterator), Status::SLEDSTORE_OK);
    assert_eq!(opened.close(), Status::SLEDSTORE_OK);
}

#[test]
fn of_two_threads_that_close_one_does_it() {
    for _ in 0..20 {
        let opened = open();
        let (_, keyspace) = opened.keyspace("more");
        let (one, other, barrier) = (opened.store, token(keyspace), Barrier::new(2));
        let race = |handle| {
            barrier.wait();
            close(handle)
        };
        let mut answers = thread::scope(|scope| {
            let other = scope.spawn(|| race(other));
            [race(one), other.join().expect("no panic")]
        });
        answers.sort_by_key(|status| *status as i32);
        assert_eq!(answers, [Status::SLEDSTORE_CLOSED, Status::SLEDSTORE_OK]);
    }
}

#[test]
fn an_iterator_that_is_made_during_a_close_is_refused_or_refuses_it() {
    for _ in 0..20 {
        let (opened, barrier) = (open(), Barrier::new(2));
        let (closed, iterator) = thread::scope(|scope| {
            let closer = scope.spawn(|| {
                barrier.wait();
                opened.close()
            });
            barrier.wait();
            let (status, iterator) = opened.iterator();
            assert_eq!(iterator.is_null(), status != Status::SLEDSTORE_OK);
            (closer.join().expect("no panic"), iterator)
        });
        if iterator.is_null() {
            assert_eq!(closed, Status::SLEDSTORE_OK);
        } else {
            // The call may also have been over before the close began, which then was refused.
            assert_eq!(closed, Status::SLEDSTORE_BUSY);
            assert_eq!(sledstore_iter_free(iterator), Status::SLEDSTORE_OK);
            assert_eq!(opened.close(), Status::SLEDSTORE_OK);
        }
    }
}

#[test]
fn the_last_release_closes_the_store_and_an_iterator_puts_it_off() {
    let opened = open();
    let (_, keyspace) = opened.keyspace("more");
    let (_, iterator) = opened.iterator();
    assert_eq!(release(pointer(opened.store)), Status::SLEDSTORE_OK);
    assert_eq!(release(pointer(opened.store)), Status::SLEDSTORE_CLOSED);
    assert_eq!(release(keyspace), Status::SLEDSTORE_OK);
    assert_eq!(open_at(&opened.path).0, Status::SLEDSTORE_LOCKED);
    assert_eq!(sledstore_iter_free(iterator), Status::SLEDSTORE_OK);
    assert!(opened.can_be_opened_again());
}
