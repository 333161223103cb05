//! Watches: being told of what is committed.

use std::ffi::c_void;
use std::os::fd::AsRawFd;
use std::time::Duration;

use crate::capi::boundary::arguments::{sledstore_bytes, Output};
use crate::capi::boundary::exclusive::Exclusive;
use crate::capi::boundary::guard;
use crate::capi::error::sledstore_error;
use crate::capi::handles::{self, opaque, Kind, Token};
use crate::capi::options::sledstore_watch_options;
use crate::capi::status::sledstore_status;
use crate::capi::store::sledstore;
use crate::capi::value::address;
use crate::{KeyChange, KeyChangeKind, Watch, WatchEvent};

/// For sledstore_event.kind: the key was absent, and has a value now.
pub const SLEDSTORE_EVENT_INSERT: u32 = 1;
/// For sledstore_event.kind: the key was there. Its value or its expiry was written, which may be the
/// same as before.
pub const SLEDSTORE_EVENT_UPDATE: u32 = 2;
/// For sledstore_event.kind: the key was there, and was removed by a writer.
pub const SLEDSTORE_EVENT_REMOVE: u32 = 3;
/// For sledstore_event.kind: the key had expired, and its row is removed now, or written over.
pub const SLEDSTORE_EVENT_EXPIRE: u32 = 4;
/// For sledstore_event.kind: the watch did not read in time, and lost events. All commits that concern
/// it after the event before this one are lost, up to and including sequence.
pub const SLEDSTORE_EVENT_LOST: u32 = 5;
/// For sledstore_event.kind: all keys were removed from key up to, not including, value, or all that
/// follow where the value's data is NULL. The range may reach beyond the prefix of the watch, and there
/// need not have been any key in it; keys that it removes have no events of their own. The same commit
/// may have put keys there again: their events come after this one.
pub const SLEDSTORE_EVENT_REMOVE_RANGE: u32 = 6;

/// For sledstore_watch_next(): wait as long as it takes.
pub const SLEDSTORE_WAIT_FOREVER: u32 = 0xffff_ffff;

/// What happened to one key, by one commit. Since 0.1.0.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct sledstore_event {
    /// One of the SLEDSTORE_EVENT_ numbers. Later versions add some: skip what you do not know.
    pub kind: u32,
    /// 1 if this is the last event that the watch gets of this commit, else 0.
    pub ends_commit: u32,
    /// The number of the commit, see sledstore_sequence().
    pub sequence: u64,
    /// The key, or the lower end of a range; {NULL, 0} for SLEDSTORE_EVENT_LOST.
    pub key: sledstore_bytes,
    /// The new value, for SLEDSTORE_EVENT_INSERT and SLEDSTORE_EVENT_UPDATE; the upper end, for
    /// SLEDSTORE_EVENT_REMOVE_RANGE, if the range has one; else {NULL, 0}.
    pub value: sledstore_bytes,
    /// When the new value expires, in milliseconds since 1970; 0: it does not.
    pub expires_at_ms: u64,
    /// For SLEDSTORE_EVENT_LOST, how many writes to watched keys are lost; else 0. A write that would
    /// have made no event, the removal of an absent key, may count too.
    pub lost: u64,
}

/// Tells of each change of the keys of one keyspace that start with a prefix.
///
/// It tells of all commits that begin after it was made, in their order, whoever makes them: each write
/// of a key, batch, transaction, removal and expiry. The events of one commit come one after the other.
/// When an event comes, reads see the commit already. It need not be synced yet: a power cut can take
/// a commit that a watch has told of, unless it is SLEDSTORE_DURABILITY_SYNCED and its call has
/// returned.
///
/// Several writes of a key in one commit are one event. A write that changes nothing but the expiry is
/// an update; the removal of an absent key is no event. A key that expires is absent from then on, and
/// the event comes when its row is removed: by a read that finds it, by sledstore_purge_expired(), or
/// by the next write of the key, which makes an event of its own after it.
///
/// sledstore_delete_range() and sledstore_clear(), also in a batch or a transaction, are one event of the
/// kind SLEDSTORE_EVENT_REMOVE_RANGE, which every watch gets whose prefix can lie in the range.
///
/// Writers never wait for a watch. Events that it has not read are kept up to the limits of
/// sledstore_watch_options; what goes beyond them is lost, which one event of the kind
/// SLEDSTORE_EVENT_LOST tells. While a watch keeps up, a writer reads each key that the watch wants
/// before it writes it.
///
/// A watch does not keep its store open. When the store is closed, or its last handle released, and
/// when the keyspace is dropped or renamed, the watch ends: it tells of what had come before, and then answers
/// SLEDSTORE_CLOSED or SLEDSTORE_KEYSPACE_DROPPED. It still has to be freed then. One thread may read it
/// at a time; a second one is told SLEDSTORE_BUSY. Since 0.1.0.
#[allow(non_camel_case_types)]
pub struct sledstore_watch;

/// What a watch handle stands for.
pub(crate) struct WatchObject {
    watch: Watch,
    /// The event that the last call showed. C reads it in place until the next call.
    shown: Exclusive<Option<WatchEvent>>,
}

opaque!(sledstore_watch, Watch, WatchObject);

/// An event as C sees it. Short keys and values are stored in the event itself, so it has to be in its
/// place already.
fn view(event: &WatchEvent) -> sledstore_event {
    let absent = sledstore_bytes { data: std::ptr::null(), len: 0 };
    let borrowed = |bytes: &[u8]| sledstore_bytes { data: address(bytes), len: bytes.len() };
    match event {
        WatchEvent::Changed(change) => sledstore_event {
            kind: kind(change),
            ends_commit: change.ends_commit.into(),
            sequence: change.sequence,
            key: borrowed(&change.key),
            value: change.value.as_deref().map_or(absent, borrowed),
            expires_at_ms: change.expires_at.unwrap_or(0),
            lost: 0,
        },
        WatchEvent::Lost { events, sequence } => sledstore_event {
            kind: SLEDSTORE_EVENT_LOST,
            ends_commit: 1,
            sequence: *sequence,
            key: absent,
            value: absent,
            expires_at_ms: 0,
            lost: *events,
        },
    }
}

fn kind(change: &KeyChange) -> u32 {
    match change.kind {
        KeyChangeKind::Insert => SLEDSTORE_EVENT_INSERT,
        KeyChangeKind::Update => SLEDSTORE_EVENT_UPDATE,
        KeyChangeKind::Remove => SLEDSTORE_EVENT_REMOVE,
        KeyChangeKind::Expire => SLEDSTORE_EVENT_EXPIRE,
        KeyChangeKind::RemoveRange => SLEDSTORE_EVENT_REMOVE_RANGE,
    }
}

/// Tells the number of the newest commit that reads see, of whichever keyspace. Commits are numbered in
/// their order, from 1, without gaps; a power cut that takes commits takes their numbers back.
///
/// @param store     any handle of the store.
/// @param sequence  receives the number; 0 if nothing was ever written, and on failure.
/// @param error     see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_INVALID_ARGUMENT: sequence is NULL; the handle statuses.
///
/// Threads: any number at once. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_sequence(
    store: *const sledstore,
    sequence: *mut u64,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::give(sequence, "sequence", error, |call| Ok(call.object(store)?.keyspace.sequence()?))
}

/// Watches the keys of a keyspace that start with a prefix.
///
/// @param store       a handle of the keyspace. It may be released before the watch is freed.
/// @param prefix      what the keys begin with.
/// @param prefix_len  its length in bytes; 0: all keys.
/// @param options     see sledstore_watch_options; NULL: all defaults.
/// @param watch       receives the watch, to be freed with sledstore_watch_free(); NULL on failure.
/// @param error       see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_INVALID_ARGUMENT: watch is NULL, or prefix is NULL and prefix_len
/// is not 0; SLEDSTORE_UNSUPPORTED: an option that this version does not have;
/// SLEDSTORE_TOO_MANY_HANDLES: too many live handles; SLEDSTORE_CLOSED: also while another thread is
/// closing the store; the handle statuses.
///
/// Threads: any number at once. It waits for a write that is under way. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_watch_new(
    store: *const sledstore,
    prefix: *const c_void,
    prefix_len: usize,
    options: *const sledstore_watch_options,
    watch: *mut *mut sledstore_watch,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::give(watch, "watch", error, |call| {
        let prefix = call.bytes("prefix", prefix, prefix_len)?;
        let options = call.options(options)?.to_store();
        let watch = call.object(store)?.keyspace.watch_with(prefix, options)?;
        let object = WatchObject { watch, shown: Exclusive::new(None) };
        Ok(handles::insert::<sledstore_watch>(object)?.publish())
    })
}

/// Gives the next event, and waits for it if there is none.
///
/// @param watch       the watch.
/// @param timeout_ms  how many milliseconds to wait at most; 0: do not wait; SLEDSTORE_WAIT_FOREVER: as
///                    long as it takes.
/// @param event       receives the event; all zero unless SLEDSTORE_OK. Its key and its value are valid
///                    until the next call on this watch.
/// @param error       see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_NO_EVENT: none came within that time; SLEDSTORE_CLOSED: there is
/// none any more, because the store was closed, or the watch was freed meanwhile;
/// SLEDSTORE_KEYSPACE_DROPPED: there is none any more, because the keyspace was dropped or renamed;
/// SLEDSTORE_INVALID_ARGUMENT: event is NULL; SLEDSTORE_BUSY: another thread is in a call on the
/// watch; the handle statuses.
///
/// Threads: one at a time for each watch. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_watch_next(
    watch: *mut sledstore_watch,
    timeout_ms: u32,
    event: *mut sledstore_event,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    let event = Output::cleared(event);
    guard::enter(error, |call| {
        event.required("event")?;
        let watch = call.object(watch)?;
        let mut shown = watch.shown.hold("watch")?;
        let wait = (timeout_ms != SLEDSTORE_WAIT_FOREVER)
            .then(|| Duration::from_millis(timeout_ms.into()));
        *shown = watch.watch.next_within(wait)?;
        shown.iter().for_each(|shown| event.set(view(shown)));
        Ok(match *shown {
            Some(_) => sledstore_status::SLEDSTORE_OK,
            None => sledstore_status::SLEDSTORE_NO_EVENT,
        })
    })
}

/// Gives a file descriptor that is readable, for poll(), epoll and event loops, while
/// sledstore_watch_next() has something to tell without waiting: an event, or that the watch has ended.
///
/// The descriptor is made by the first call, and is closed when the watch is freed: take it out of all
/// polls and loops before that. Only wait for it; do not read, write or close it.
///
/// @param watch  the watch.
/// @param fd     receives the descriptor; -1 on failure. Each call gives the same one.
/// @param error  see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_INVALID_ARGUMENT: fd is NULL; SLEDSTORE_IO: the process or the
/// system has no descriptor to spare; the handle statuses.
///
/// Threads: any number at once. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_watch_fd(
    watch: *const sledstore_watch,
    fd: *mut i32,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    let fd = Output::cleared(fd);
    fd.set(-1);
    guard::enter(error, |call| {
        fd.required("fd")?;
        fd.set(call.object(watch)?.watch.descriptor()?.as_raw_fd());
        Ok(sledstore_status::SLEDSTORE_OK)
    })
}

/// Ends a watch and frees it. A thread that waits for its next event is woken, and told
/// SLEDSTORE_CLOSED.
///
/// @param watch  the watch; NULL does nothing.
///
/// Statuses: SLEDSTORE_OK, also for NULL; SLEDSTORE_CLOSED: it was freed before;
/// SLEDSTORE_WRONG_HANDLE; SLEDSTORE_FORKED; SLEDSTORE_PANIC.
///
/// Threads: any. No other thread may be waiting for the descriptor, or reading an event. Since 0.1.0.
#[unsafe(no_mangle)]
pub extern "C" fn sledstore_watch_free(watch: *mut sledstore_watch) -> sledstore_status {
    guard::status(|| {
        if let Some(token) = Token::of(watch.cast_const()) {
            // The waiter uses the object, and would keep it.
            handles::find::<sledstore_watch>(token)?.watch.end();
            handles::free(token, Kind::Watch)?;
        }
        Ok(sledstore_status::SLEDSTORE_OK)
    })
}
