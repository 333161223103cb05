//! The commits that the log still has.

use crate::capi::boundary::arguments::{sledstore_bytes, Output};
use crate::capi::boundary::exclusive::Exclusive;
use crate::capi::boundary::guard;
use crate::capi::error::sledstore_error;
use crate::capi::handles::{self, opaque};
use crate::capi::snapshot::sledstore_snapshot;
use crate::capi::status::sledstore_status;
use crate::capi::store::sledstore;
use crate::capi::value::address;
use crate::{Changes, LoggedChange, LoggedKind, StoreError};

/// For sledstore_change.kind: a key was set, whether it was there or not.
pub const SLEDSTORE_CHANGE_PUT: u32 = 1;
/// For sledstore_change.kind: a key was removed, which need not have been there.
pub const SLEDSTORE_CHANGE_REMOVE: u32 = 2;
/// For sledstore_change.kind: a row that had expired was removed, or a key that was absent.
pub const SLEDSTORE_CHANGE_EXPIRE: u32 = 3;
/// For sledstore_change.kind: the keyspace was dropped with everything in it.
pub const SLEDSTORE_CHANGE_DROP_KEYSPACE: u32 = 4;
/// For sledstore_change.kind: all keys were removed from key up to, not including, value, or all that
/// follow where the value's data is NULL; also those that the commit has put before.
pub const SLEDSTORE_CHANGE_REMOVE_RANGE: u32 = 5;
/// For sledstore_change.kind: the keyspace has the name in value from now on, with everything in it.
pub const SLEDSTORE_CHANGE_RENAME_KEYSPACE: u32 = 6;

/// One write of a commit, as the log has it. Since 0.1.0.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct sledstore_change {
    /// One of the SLEDSTORE_CHANGE_ numbers. Later versions add some.
    pub kind: u32,
    /// 1 if this is the last change of its commit, else 0.
    pub ends_commit: u32,
    /// The number of the commit, see sledstore_sequence().
    pub sequence: u64,
    /// The name of the keyspace; for SLEDSTORE_CHANGE_RENAME_KEYSPACE the one that it had.
    pub keyspace: sledstore_bytes,
    /// The key, or the lower end of a range; empty for SLEDSTORE_CHANGE_DROP_KEYSPACE and
    /// SLEDSTORE_CHANGE_RENAME_KEYSPACE.
    pub key: sledstore_bytes,
    /// The value, for SLEDSTORE_CHANGE_PUT; the upper end, for SLEDSTORE_CHANGE_REMOVE_RANGE, if the range
    /// has one; the new name, for SLEDSTORE_CHANGE_RENAME_KEYSPACE; else {NULL, 0}.
    pub value: sledstore_bytes,
    /// When the value expires, in milliseconds since 1970; 0: it does not.
    pub expires_at_ms: u64,
}

/// Tells what was committed, from the log, in the order of the commits and over all keyspaces. So a
/// copy of the store, on another machine or in another form, catches up.
///
/// The log has what the library has not written to its main file yet, and of what it has as much as
/// keep_log in sledstore_open_options says, also from before the store was opened. It tells less than a
/// sledstore_watch: what was written, and not what was there before. Commits that are not synced are
/// told too, and a power cut can take them, with their numbers: call sledstore_flush() before what is
/// read here is relied on elsewhere.
///
/// A feed does not keep sledstore_close() from closing the store: it answers SLEDSTORE_CLOSED then. It
/// does keep a store open that was released. One thread may use it at a time; a second one is told
/// SLEDSTORE_BUSY. Since 0.1.0.
#[allow(non_camel_case_types)]
pub struct sledstore_changes;

/// What a handle of a feed stands for.
pub(crate) type ChangesObject = Exclusive<Reader>;

/// A feed, and what C has of it at the moment.
pub(crate) struct Reader {
    changes: Changes,
    /// The commit that is being shown, and how many of its changes were.
    commit: Vec<LoggedChange>,
    shown: usize,
}

opaque!(sledstore_changes, Changes, ChangesObject);

impl Reader {
    /// The next change, and whether it is the last of its commit. It stays in its place until the next
    /// call.
    fn show(&mut self) -> Result<Option<sledstore_change>, StoreError> {
        if self.shown == self.commit.len() {
            self.shown = 0;
            self.commit.clear();
            self.commit = self.changes.next_commit()?.unwrap_or_default();
        }
        let Some(change) = self.commit.get(self.shown) else { return Ok(None) };
        self.shown += 1;
        Ok(Some(view(change, self.shown == self.commit.len())))
    }
}

fn view(change: &LoggedChange, ends_commit: bool) -> sledstore_change {
    let borrowed = |bytes: &[u8]| sledstore_bytes { data: address(bytes), len: bytes.len() };
    let absent = sledstore_bytes { data: std::ptr::null(), len: 0 };
    sledstore_change {
        kind: match change.kind {
            LoggedKind::Put => SLEDSTORE_CHANGE_PUT,
            LoggedKind::Remove => SLEDSTORE_CHANGE_REMOVE,
            LoggedKind::Expire => SLEDSTORE_CHANGE_EXPIRE,
            LoggedKind::DropKeyspace => SLEDSTORE_CHANGE_DROP_KEYSPACE,
            LoggedKind::RemoveRange => SLEDSTORE_CHANGE_REMOVE_RANGE,
            LoggedKind::RenameKeyspace => SLEDSTORE_CHANGE_RENAME_KEYSPACE,
        },
        ends_commit: ends_commit.into(),
        sequence: change.sequence,
        keyspace: borrowed(&change.keyspace),
        key: borrowed(&change.key),
        value: change.value.as_deref().map_or(absent, borrowed),
        expires_at_ms: change.expires_at.unwrap_or(0),
    }
}

/// Tells the number of the newest commit that a snapshot shows: where a copy that begins with the
/// snapshot goes on with sledstore_changes_since().
///
/// @param snapshot  the snapshot.
/// @param sequence  receives the number; 0 on failure.
/// @param error     see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_INVALID_ARGUMENT: sequence is NULL; the handle statuses.
///
/// Threads: any number at once. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_snapshot_sequence(
    snapshot: *const sledstore_snapshot,
    sequence: *mut u64,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::give(sequence, "sequence", error, |call| Ok(call.object(snapshot)?.sequence()))
}

/// Makes a feed of all commits after a given one.
///
/// @param store     any handle of the store.
/// @param sequence  the number of the last commit that the caller has; 0: from the first one.
/// @param changes   receives the feed, to be freed with sledstore_changes_free(); NULL on failure.
/// @param oldest    receives the smallest number that this call takes at this moment, also with
///                  SLEDSTORE_TOO_OLD; 0 on other failures. May be NULL.
/// @param error     see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_TOO_OLD: the log does not have the next commit any more;
/// SLEDSTORE_INVALID_ARGUMENT: there was no such commit yet, or changes is NULL;
/// SLEDSTORE_TOO_MANY_HANDLES: too many live handles; the handle statuses; the engine statuses.
///
/// Threads: any number at once. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_changes_since(
    store: *const sledstore,
    sequence: u64,
    changes: *mut *mut sledstore_changes,
    oldest: *mut u64,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    let oldest = Output::cleared(oldest);
    guard::give(changes, "changes", error, |call| {
        let store = call.object(store)?;
        if oldest.is_wanted() {
            oldest.set(store.keyspace.oldest_change()?);
        }
        let changes = store.keyspace.changes_since(sequence)?;
        let reader = Reader { changes, commit: Vec::new(), shown: 0 };
        Ok(handles::insert::<sledstore_changes>(Exclusive::new(reader))?.publish())
    })
}

/// Gives the next change.
///
/// @param changes  the feed.
/// @param change   receives the change; all zero unless SLEDSTORE_OK. What it points to is valid until
///                 the next call on this feed.
/// @param error    see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_END: there is none yet; ask again when more was written, for
/// example when a watch tells of it; SLEDSTORE_TOO_OLD: the log does not have the next commit any
/// more; SLEDSTORE_INVALID_ARGUMENT: change is NULL; SLEDSTORE_BUSY: another thread is using the feed;
/// the handle statuses; the engine statuses.
///
/// Threads: one at a time for each feed. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_changes_next(
    changes: *mut sledstore_changes,
    change: *mut sledstore_change,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    let change = Output::cleared(change);
    guard::enter(error, |call| {
        change.required("change")?;
        let shown = call.object(changes)?.hold("feed of changes")?.show()?;
        shown.into_iter().for_each(|shown| change.set(shown));
        Ok(match shown {
            Some(_) => sledstore_status::SLEDSTORE_OK,
            None => sledstore_status::SLEDSTORE_END,
        })
    })
}

/// Frees a feed of changes.
///
/// @param changes  the feed; NULL does nothing.
///
/// Statuses: SLEDSTORE_OK, also for NULL; SLEDSTORE_CLOSED: it was freed before;
/// SLEDSTORE_WRONG_HANDLE; SLEDSTORE_FORKED; SLEDSTORE_PANIC.
///
/// Threads: any. A call of another thread on the feed comes to its end undisturbed. Since 0.1.0.
#[unsafe(no_mangle)]
pub extern "C" fn sledstore_changes_free(changes: *mut sledstore_changes) -> sledstore_status {
    guard::free(changes)
}
