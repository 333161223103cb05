//! A watch in the shape of sled's subscriber, for programs that come from the reference.

use std::future::Future;
use std::pin::Pin;
use std::sync::mpsc::RecvTimeoutError;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::commit::{KeyChange, KeyChangeKind, WatchEvent, WatchOptions};
use crate::engine::{Bytes, Result};
use crate::store::watch::Watch;
use crate::store::SledStore;

/// Events that a subscriber keeps: it cannot tell of losses.
const KEPT: WatchOptions = WatchOptions { max_events: 1 << 16, max_bytes: 64 << 20 };

/// What a [`Subscriber`] tells of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// A key has a new value.
    Insert {
        /// The key.
        key: Bytes,
        /// Its value.
        value: Bytes,
    },
    /// A key was removed, or has expired.
    Remove {
        /// The key.
        key: Bytes,
    },
}

impl Event {
    /// The key that was changed.
    pub fn key(&self) -> &Bytes {
        match self {
            Event::Insert { key, .. } | Event::Remove { key } => key,
        }
    }
}

/// What [`SledStore::watch_prefix`] answers with: an `Iterator` of events, and a `Future` of the next.
///
/// It is a [`Watch`] in the shape that `sled::Subscriber` has. Nothing in that shape tells of losses or of
/// ranges, so it ends where something is lost, when it has not read 65,536 events or 64 MiB, and where a
/// range is deleted that may have keys with the prefix.
#[derive(Debug)]
pub struct Subscriber(Watch);

impl SledStore {
    /// Watches the keys of this keyspace that start with `prefix`, as the reference does. [`Watch`]
    /// tells more.
    pub fn watch_prefix(&self, prefix: impl AsRef<[u8]>) -> Result<Subscriber> {
        Ok(Subscriber(self.watch_with(prefix, KEPT)?))
    }
}

impl Subscriber {
    /// Waits for the next event, but not longer than `timeout`.
    ///
    /// # Errors
    ///
    /// [`RecvTimeoutError::Timeout`] if none has come, [`RecvTimeoutError::Disconnected`] if none
    /// comes any more.
    pub fn next_timeout(
        &mut self,
        timeout: Duration,
    ) -> std::result::Result<Event, RecvTimeoutError> {
        match self.0.next_timeout(timeout) {
            Ok(None) => Err(RecvTimeoutError::Timeout),
            Ok(Some(event)) => self.translate(event).ok_or(RecvTimeoutError::Disconnected),
            Err(_) => Err(RecvTimeoutError::Disconnected),
        }
    }

    /// The event in the reference's words; `None` if the subscriber ends here.
    fn translate(&self, event: WatchEvent) -> Option<Event> {
        match event {
            WatchEvent::Changed(KeyChange { kind, key, value, .. })
                if kind != KeyChangeKind::RemoveRange =>
            {
                Some(match value {
                    Some(value) => Event::Insert { key, value },
                    None => Event::Remove { key },
                })
            }
            WatchEvent::Changed(_) | WatchEvent::Lost { .. } => {
                self.0.end();
                None
            }
        }
    }
}

impl Iterator for Subscriber {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        self.translate(self.0.wait()?)
    }
}

impl Future for Subscriber {
    type Output = Option<Event>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        let event = self.0.poll_event(context);
        event.map(|event| self.translate(event?))
    }
}
