//! The shape that the reference's watches have.

use std::future::Future;
use std::pin::Pin;
use std::sync::mpsc::RecvTimeoutError;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use sledstore::{Event, SledStore};

use crate::common::{ms, Fixture};
use crate::LONG;

fn inserted(key: &[u8], value: &[u8]) -> Event {
    Event::Insert { key: key.into(), value: value.into() }
}

fn removed(key: &[u8]) -> Event {
    Event::Remove { key: key.into() }
}

#[test]
fn it_tells_of_inserts_and_removals_as_an_iterator_a_future_and_with_a_timeout() {
    let Fixture { store, clock, directory: _directory } = Fixture::new();
    let mut subscriber = store.watch_prefix(b"user:").unwrap();
    assert_eq!(subscriber.next_timeout(Duration::ZERO), Err(RecvTimeoutError::Timeout));
    store.put(b"user:1", b"Ada").unwrap();
    store.put(b"user:1", b"Eve").unwrap();
    store.put(b"other", b"1").unwrap();
    store.delete(b"user:1").unwrap();
    store.put_with_ttl(b"user:2", b"Bob", ms(5)).unwrap();
    clock.advance(ms(5));
    store.purge_expired().unwrap();
    assert_eq!(subscriber.next_timeout(LONG), Ok(inserted(b"user:1", b"Ada")));
    assert_eq!(subscriber.next(), Some(inserted(b"user:1", b"Eve")));
    let mut context = Context::from_waker(Waker::noop());
    let mut poll = || Pin::new(&mut subscriber).poll(&mut context);
    assert_eq!(poll(), Poll::Ready(Some(removed(b"user:1"))));
    assert_eq!(poll(), Poll::Ready(Some(inserted(b"user:2", b"Bob"))));
    assert_eq!(poll(), Poll::Ready(Some(removed(b"user:2"))));
    assert_eq!(poll(), Poll::Pending);
    store.close().unwrap();
    assert_eq!(poll(), Poll::Ready(None));
    assert_eq!(subscriber.next_timeout(LONG), Err(RecvTimeoutError::Disconnected));
    assert_eq!(subscriber.next(), None);
}

#[test]
fn it_ends_rather_than_be_silent_about_a_loss() {
    let store = SledStore::open_temporary().unwrap();
    let subscriber = store.watch_prefix(b"").unwrap();
    // Two more than it keeps.
    let value = vec![0; 1 << 20];
    (0..66_u8).for_each(|key| store.put(&[key], &value).unwrap());
    let keys: Vec<_> = subscriber.map(|event| event.key()[0]).collect();
    assert_eq!(keys, (0..63).collect::<Vec<_>>());
}
