//! The ways to wait: an iterator, a future, a descriptor.

use std::future::Future;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::pin::{pin, Pin};
use std::sync::mpsc::{channel, Sender};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use sledstore::{SledStore, WatchEvent, WatchOptions};

/// Runs a future on this thread, as the smallest executor there is.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park_timeout(crate::LONG),
        }
    }
}

/// Whether the descriptor becomes readable within so many milliseconds.
fn is_readable(descriptor: BorrowedFd<'_>, milliseconds: i32) -> bool {
    let mut poll = libc::pollfd { fd: descriptor.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: the pointer is to one entry, which lives through the call.
    let ready = unsafe { libc::poll(&mut poll, 1, milliseconds) };
    assert!(ready >= 0 && poll.revents & !libc::POLLIN == 0, "{}", poll.revents);
    ready == 1
}

#[test]
fn an_iterator_waits_for_each_event_and_ends_with_the_store() {
    let store = SledStore::open_temporary().unwrap();
    let watch = store.watch(b"").unwrap();
    let events = std::thread::scope(|scope| {
        let reader = scope.spawn(move || watch.collect::<Vec<_>>());
        (0..500_u32).for_each(|n| store.put(&n.to_be_bytes(), b"").unwrap());
        store.clone().close().unwrap();
        reader.join().unwrap()
    });
    let key = |event: &WatchEvent| match event {
        WatchEvent::Changed(change) => u32::from_be_bytes(change.key[..].try_into().unwrap()),
        WatchEvent::Lost { .. } => panic!("{event:?}"),
    };
    assert_eq!(events.iter().map(key).collect::<Vec<_>>(), (0..500).collect::<Vec<_>>());
}

#[test]
fn a_future_is_woken_by_an_event_and_by_the_end() {
    let store = SledStore::open_temporary().unwrap();
    let mut watch = store.watch(b"").unwrap();
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || {
            let mut events = 0;
            while let Some(event) = block_on(&mut watch) {
                assert!(matches!(event, WatchEvent::Changed(_)), "{event:?}");
                events += 1;
            }
            events
        });
        (0..500_u32).for_each(|n| store.put(&n.to_be_bytes(), b"").unwrap());
        store.clone().close().unwrap();
        assert_eq!(reader.join().unwrap(), 500);
    });
}

#[test]
fn a_waker_may_use_the_store_for_no_lock_is_held_while_it_runs() {
    /// Drops the keyspace that was written, which waits for everything that is under way in it.
    struct Drops {
        store: SledStore,
        woken: Sender<bool>,
    }
    impl Wake for Drops {
        fn wake(self: Arc<Self>) {
            self.store.put(b"a", b"1").expect("a write from inside a waker");
            let dropped = self.store.drop_keyspace("watched").expect("a drop from inside a waker");
            self.woken.send(dropped).expect("the test waits");
        }
    }
    let store = SledStore::open_temporary().unwrap();
    let watched = store.keyspace("watched").unwrap();
    let mut watch = watched.watch(b"key").unwrap();
    let (woken, wakes) = channel();
    let waker = Waker::from(Arc::new(Drops { store: store.clone(), woken }));
    let mut poll = || Pin::new(&mut watch).poll(&mut Context::from_waker(&waker));
    assert!(poll().is_pending());
    watched.put(b"other", b"1").unwrap();
    assert!(wakes.try_recv().is_err(), "woken for a key that it does not watch");
    watched.put(b"key", b"1").unwrap();
    assert_eq!(wakes.recv_timeout(crate::LONG), Ok(true));
    assert!(matches!(poll(), Poll::Ready(Some(_))));
    assert!(matches!(poll(), Poll::Ready(None)));
}

#[test]
fn a_waker_that_panics_keeps_no_other_asleep() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("a waker that panics");
        }
    }
    let store = SledStore::open_temporary().unwrap();
    let (mut one, mut other) = (store.watch(b"").unwrap(), store.watch(b"").unwrap());
    let waker = Waker::from(Arc::new(Panics));
    assert!(Pin::new(&mut one).poll(&mut Context::from_waker(&waker)).is_pending());
    std::thread::scope(|scope| {
        let waits = scope.spawn(move || block_on(&mut other));
        store.put(b"a", b"1").unwrap();
        assert!(waits.join().unwrap().is_some());
    });
}

#[test]
fn the_descriptor_is_readable_exactly_while_there_is_something_to_read() {
    let store = SledStore::open_temporary().unwrap();
    let options = WatchOptions { max_events: 2, ..WatchOptions::default() };
    let watch = store.watch_with(b"", options).unwrap();
    let descriptor = watch.descriptor().unwrap();
    assert_eq!(descriptor.as_raw_fd(), watch.descriptor().unwrap().as_raw_fd());
    assert!(!is_readable(descriptor, 0));
    for key in [b"a", b"b", b"c", b"d"] {
        store.put(key, b"1").unwrap();
    }
    for _ in 0..3 {
        assert!(is_readable(descriptor, 0));
        assert!(matches!(watch.try_next(), Ok(Some(_))));
    }
    assert!(!is_readable(descriptor, 0));
    assert_eq!(watch.try_next().unwrap(), None);
    store.clone().close().unwrap();
    for _ in 0..2 {
        assert!(is_readable(descriptor, 0));
        watch.try_next().expect_err("the store was closed");
    }
}

#[test]
fn a_descriptor_that_is_made_late_tells_of_what_is_there() {
    let store = SledStore::open_temporary().unwrap();
    let watch = store.watch(b"").unwrap();
    store.put(b"a", b"1").unwrap();
    assert!(is_readable(watch.descriptor().unwrap(), 0));
}

#[test]
fn a_thread_that_polls_the_descriptor_misses_no_event() {
    let store = SledStore::open_temporary().unwrap();
    let watch = store.watch(b"").unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| (0..3_000_u32).for_each(|n| store.put(b"n", &n.to_be_bytes()).unwrap()));
        let mut events = 0;
        while events < 3_000 {
            assert!(is_readable(watch.descriptor().unwrap(), 60_000), "after {events}");
            events += crate::changes(&watch).len();
        }
    });
}
