//! Watches: being told of what is committed.

pub(crate) mod subscriber;

use std::future::Future;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use oxistore_core::StoreError;

use crate::commit::{Next, Queue, WatchEnd, WatchEvent, WatchOptions, Watches};
use crate::engine::{Failure, Reason, Result};
use crate::store::SledStore;

/// Tells of each change of the keys of one keyspace that start with a prefix.
///
/// It tells of all commits that begin after it was made, in their order, whoever makes them: each
/// write of a key, batch, transaction, removal and expiry. The events of one commit come one after the
/// other; [`KeyChange::ends_commit`](crate::KeyChange::ends_commit) marks the last. When an event
/// comes, readers see the commit already. It need not be synced yet: a power cut can take a commit that
/// a watch has told of, unless it is [`Durability::Synced`](crate::Durability::Synced) and its call
/// has returned.
///
/// Several writes of a key in one commit are one event. A write that changes nothing but the expiry
/// is an update; the removal of an absent key is no event. A key that expires is absent from then on,
/// and the event comes when its row is removed: by a read that finds it, by
/// [`SledStore::purge_expired`], or by the next write of the key, which makes an event of its own after
/// it. To hear of expiries in time, purge from time to time. Writes through [`SledStore::open_tree`]
/// pass watches by.
///
/// Writers never wait for a watch. Events that it has not read are kept up to the limits of
/// [`WatchOptions`]; what goes beyond them is lost, which one [`WatchEvent::Lost`] tells. While a
/// watch keeps up, a writer reads each key that the watch wants before it writes it.
///
/// A range that is deleted, and a keyspace that is cleared, is one event of the kind
/// [`KeyChangeKind::RemoveRange`](crate::KeyChangeKind::RemoveRange), which every watch gets whose prefix
/// can lie in it.
///
/// A watch ends when it is dropped, by [`Watch::end`], when its keyspace is dropped or renamed, and when the
/// store is closed, which it does not prevent. What had come before can still be read then, except
/// after [`Watch::end`].
///
/// There are four ways to read: [`Watch::next_timeout`] and [`Watch::try_next`]; as an `Iterator`,
/// which waits for each event and ends with the watch; as a `Future` of the next event, `None` at the
/// end, for any executor; and [`Watch::descriptor`], for poll and event loops. A watch may be shared by
/// threads: each event goes to one of them.
///
/// ```
/// use std::time::Duration;
/// use sledstore::{KeyChangeKind, SledStore, WatchEvent};
///
/// # fn main() -> Result<(), sledstore::StoreError> {
/// let store = SledStore::open_temporary()?;
/// let watch = store.watch(b"user:")?;
/// store.put(b"user:1", b"Ada")?;
/// let Some(WatchEvent::Changed(change)) = watch.next_timeout(Duration::from_secs(10))? else {
///     panic!("it was written before");
/// };
/// assert_eq!((change.kind, &change.key[..]), (KeyChangeKind::Insert, &b"user:1"[..]));
/// assert_eq!(change.value.as_deref(), Some(&b"Ada"[..]));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Watch {
    queue: Arc<Queue>,
    watches: Arc<Watches>,
    begins_after: u64,
    path: PathBuf,
}

impl SledStore {
    /// Watches the keys of this keyspace that start with `prefix`; an empty one is all of them.
    pub fn watch(&self, prefix: impl AsRef<[u8]>) -> Result<Watch> {
        self.watch_with(prefix, WatchOptions::default())
    }

    /// The same with all its choices. It waits for a commit that is being written to the log, as a
    /// write does.
    pub fn watch_with(&self, prefix: impl AsRef<[u8]>, options: WatchOptions) -> Result<Watch> {
        let lease = self.keyspace.lease(self.inner.path())?;
        let queue = Arc::new(Queue::new(self.keyspace.id(), prefix.as_ref(), options));
        let begins_after = lease.core().watch(&queue);
        let watches = Arc::clone(lease.core().watches());
        Ok(Watch { queue, watches, begins_after, path: self.inner.path().to_path_buf() })
    }
}

impl Watch {
    /// The number of the newest commit when this was made: it tells of all later ones.
    pub fn begins_after(&self) -> u64 {
        self.begins_after
    }

    /// Waits for the next event, but not longer than `timeout`: `None` then.
    ///
    /// # Errors
    ///
    /// When the watch has ended and its last event was read: [`Reason::Dropped`](crate::Reason::Dropped)
    /// if its keyspace was dropped or renamed, [`Reason::Closed`](crate::Reason::Closed) else.
    pub fn next_timeout(&self, timeout: Duration) -> Result<Option<WatchEvent>> {
        self.next_within(Some(timeout))
    }

    /// The same, without a limit if there is no timeout.
    pub(crate) fn next_within(&self, timeout: Option<Duration>) -> Result<Option<WatchEvent>> {
        match self.queue.next(timeout) {
            Next::Event(event) => Ok(Some(event)),
            Next::TimedOut => Ok(None),
            Next::End(why) => Err(self.over(why)),
        }
    }

    /// The next event, if there is one already.
    ///
    /// # Errors
    ///
    /// As [`Watch::next_timeout`].
    pub fn try_next(&self) -> Result<Option<WatchEvent>> {
        self.next_timeout(Duration::ZERO)
    }

    /// Waits for the next event as long as it takes; `None` when the watch has ended.
    pub fn wait(&self) -> Option<WatchEvent> {
        self.next_within(None).ok().flatten()
    }

    /// Ends the watch, and wakes the threads that wait for it. Events that were not read are gone.
    pub fn end(&self) {
        self.watches.remove(&self.queue);
    }

    /// A descriptor that is readable while there is something to read: an event, or the end. It is made
    /// with the first call, and closed with the watch. Wait for it and do nothing else with it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`] if the process or the system has no descriptor to spare.
    pub fn descriptor(&self) -> Result<BorrowedFd<'_>> {
        self.queue.descriptor().map_err(|source| Failure::from_io("watch", &self.path, &source))
    }

    fn poll_event(&self, context: &Context<'_>) -> Poll<Option<WatchEvent>> {
        self.queue.poll(context.waker()).map(|next| match next {
            Next::Event(event) => Some(event),
            Next::TimedOut | Next::End(_) => None,
        })
    }

    fn over(&self, why: WatchEnd) -> StoreError {
        let (reason, text) = match why {
            WatchEnd::Ended => (Reason::Closed, "the watch was ended"),
            WatchEnd::KeyspaceDropped => (Reason::Dropped, "its keyspace was dropped or renamed"),
            WatchEnd::StoreClosed => (Reason::Closed, "the store was closed"),
        };
        Failure::error("watch", &self.path, reason, text)
    }
}

impl Iterator for Watch {
    type Item = WatchEvent;

    fn next(&mut self) -> Option<WatchEvent> {
        self.wait()
    }
}

impl Future for Watch {
    type Output = Option<WatchEvent>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<WatchEvent>> {
        self.poll_event(context)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.end();
    }
}
