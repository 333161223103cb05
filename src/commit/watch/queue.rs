//! The events that one watch has not read yet.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use super::event::{KeyChange, KeyChangeKind, WatchEvent};
use super::wakers;
use crate::commit::record::KeyspaceId;
use crate::engine::EventFd;

/// How much of what it has not read a watch keeps.
///
/// What goes beyond it is lost: the watch gets one [`WatchEvent::Lost`] in its place. A commit is kept
/// or lost as a whole, and one that finds the queue empty is kept however large it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatchOptions {
    /// Events; 4,096 if not set.
    pub max_events: usize,
    /// Bytes of keys and values; 16 MiB if not set.
    pub max_bytes: usize,
}

impl Default for WatchOptions {
    fn default() -> Self {
        Self { max_events: 4096, max_bytes: 16 << 20 }
    }
}

/// Why a watch gets no more events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WatchEnd {
    /// Its user has ended it.
    Ended,
    KeyspaceDropped,
    StoreClosed,
}

/// What one look at a queue comes to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Event(WatchEvent),
    TimedOut,
    End(WatchEnd),
}

/// Writers put events in, under the commit lock; the watch takes them out.
#[derive(Debug)]
pub(crate) struct Queue {
    keyspace: KeyspaceId,
    prefix: Box<[u8]>,
    limits: WatchOptions,
    /// Whether all that comes is lost, so that writers need not find out what it is.
    is_losing: AtomicBool,
    state: Mutex<State>,
    changed: Condvar,
    descriptor: OnceLock<EventFd>,
}

#[derive(Debug, Default)]
struct State {
    events: VecDeque<KeyChange>,
    bytes: usize,
    /// Writes that are lost, and the last commit of them. It comes after `events`, and as long as it is
    /// there, nothing does.
    lost: Option<(u64, u64)>,
    end: Option<WatchEnd>,
    waker: Option<Waker>,
    /// Whether the descriptor is readable.
    is_raised: bool,
}

impl Queue {
    pub(crate) fn new(keyspace: KeyspaceId, prefix: &[u8], limits: WatchOptions) -> Self {
        Self {
            keyspace,
            prefix: prefix.into(),
            limits,
            is_losing: AtomicBool::new(false),
            state: Mutex::default(),
            changed: Condvar::new(),
            descriptor: OnceLock::new(),
        }
    }

    pub(super) fn keyspace(&self) -> KeyspaceId {
        self.keyspace
    }

    pub(super) fn wants(&self, keyspace: KeyspaceId, key: &[u8]) -> bool {
        self.keyspace == keyspace && key.starts_with(&self.prefix)
    }

    /// Whether a key that this wants can lie in the range from `lower` up to, not including, `upper`.
    pub(super) fn wants_of_range(
        &self,
        keyspace: KeyspaceId,
        lower: &[u8],
        upper: Option<&[u8]>,
    ) -> bool {
        let prefix = &self.prefix[..];
        self.keyspace == keyspace
            && upper.is_none_or(|upper| upper > prefix && upper > lower)
            && (lower <= prefix || lower.starts_with(prefix))
    }

    pub(super) fn wants_event(&self, keyspace: KeyspaceId, event: &KeyChange) -> bool {
        match event.kind {
            KeyChangeKind::RemoveRange => {
                self.wants_of_range(keyspace, &event.key, event.value.as_deref())
            }
            _ => self.wants(keyspace, &event.key),
        }
    }

    pub(super) fn is_losing(&self) -> bool {
        self.is_losing.load(Ordering::Acquire)
    }

    /// Puts in what the commit `sequence` has for this watch: `events`, and `unseen` writes of which
    /// the writer does not know what they are. Says whether [`Queue::notify`] has to be called.
    pub(super) fn push(&self, sequence: u64, mut events: Vec<KeyChange>, unseen: usize) -> bool {
        if events.is_empty() && unseen == 0 {
            return false;
        }
        let mut state = self.lock();
        if state.end.is_some() {
            return false;
        }
        let bytes = events.iter().map(KeyChange::size).sum::<usize>();
        let has_room = state.events.is_empty()
            || state.events.len() + events.len() <= self.limits.max_events
                && state.bytes + bytes <= self.limits.max_bytes;
        if unseen > 0 || state.lost.is_some() || !has_room {
            let before = state.lost.map_or(0, |(lost, _)| lost);
            state.lost = Some((before + (unseen + events.len()) as u64, sequence));
            self.is_losing.store(true, Ordering::Release);
            return before == 0;
        }
        if let Some(last) = events.last_mut() {
            last.ends_commit = true;
        }
        state.bytes += bytes;
        state.events.extend(events);
        true
    }

    /// Nothing comes any more. What is there can still be read, unless the user of the watch ends it.
    /// [`Queue::notify`] tells the watch.
    pub(super) fn end(&self, why: WatchEnd) {
        let mut state = self.lock();
        state.end.get_or_insert(why);
        if why == WatchEnd::Ended {
            state.end = Some(why);
            (state.events, state.bytes, state.lost) = (VecDeque::new(), 0, None);
        }
    }

    /// Wakes whatever waits, if there is something for it. Called without the commit lock.
    pub(in crate::commit) fn notify(&self) {
        let mut state = self.lock();
        self.show(&mut state);
        let waker = state.waker.take();
        drop(state);
        self.changed.notify_all();
        waker.into_iter().for_each(wakers::wake);
    }

    /// The next event; waits for one for so long, or without a limit.
    pub(crate) fn next(&self, timeout: Option<Duration>) -> Next {
        // A time that is too far away for the clock is no limit.
        let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut state = self.lock();
        loop {
            if let Some(next) = self.take(&mut state) {
                return next;
            }
            let Some(until) = until else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Next::TimedOut;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The next event or the end; if there is neither, `waker` is woken when there is.
    pub(crate) fn poll(&self, waker: &Waker) -> Poll<Next> {
        let can_wake = wakers::start();
        // To clone a waker and to drop it runs the user's code, which no lock may be held for.
        let mut kept = Some(waker.clone());
        let mut state = self.lock();
        let next = self.take(&mut state);
        if next.is_none() && can_wake {
            std::mem::swap(&mut state.waker, &mut kept);
        }
        drop(state);
        if next.is_none() && !can_wake {
            // The system has no thread to spare: the task has to look again and again.
            waker.wake_by_ref();
        }
        next.map_or(Poll::Pending, Poll::Ready)
    }

    /// A descriptor that is readable while there is something to read: an event, or the end.
    pub(crate) fn descriptor(&self) -> io::Result<BorrowedFd<'_>> {
        if self.descriptor.get().is_none() {
            let made = EventFd::new()?;
            // Where another thread was faster, this one goes.
            let _ = self.descriptor.set(made);
            self.show(&mut self.lock());
        }
        Ok(self.descriptor.get().expect("it was made").as_fd())
    }

    fn take(&self, state: &mut State) -> Option<Next> {
        let next = match state.events.pop_front() {
            Some(event) => {
                state.bytes -= event.size();
                Next::Event(WatchEvent::Changed(event))
            }
            None => match (state.lost.take(), state.end) {
                (Some((events, sequence)), _) => {
                    self.is_losing.store(false, Ordering::Release);
                    Next::Event(WatchEvent::Lost { events, sequence })
                }
                (None, Some(end)) => Next::End(end),
                (None, None) => return None,
            },
        };
        self.show(state);
        Some(next)
    }

    /// Makes the descriptor say what there is.
    fn show(&self, state: &mut State) {
        let Some(descriptor) = self.descriptor.get() else { return };
        let has_some = !state.events.is_empty() || state.lost.is_some() || state.end.is_some();
        if has_some != state.is_raised {
            state.is_raised = has_some;
            match has_some {
                true => descriptor.raise(),
                false => descriptor.lower(),
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is whole before anything under the lock can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
