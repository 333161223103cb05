//! Iterators: the rows of a keyspace in order, both ways.

use std::ffi::c_void;

use crate::capi::boundary::arguments::{sledstore_bytes, sledstore_pair, Output, OutputArray};
use crate::capi::boundary::exclusive::Exclusive;
use crate::capi::boundary::guard;
use crate::capi::error::{sledstore_error, Fail};
use crate::capi::expiry::milliseconds;
use crate::capi::handles::{self, opaque};
use crate::capi::options::sledstore_iter_options;
use crate::capi::read;
use crate::capi::status::sledstore_status;
use crate::capi::store::sledstore;
use crate::capi::value::address;
use crate::store::Move;
use crate::{Iter, Row, StoreError};

/// Moves over the rows of a keyspace, in the order of their keys, compared byte by byte.
///
/// A new iterator stands outside of the rows: sledstore_iter_next() goes to the first one,
/// sledstore_iter_prev() to the last. Past either end a move answers SLEDSTORE_END, and stays
/// there: moving on answers SLEDSTORE_END again, turning round gives the row at that end. The
/// direction may change at any time. A seek that finds no row stands past the end in its direction.
/// However many rows there are, an iterator holds only a few of them in memory: 64, or 64 KiB and
/// one more, and those that sledstore_iter_next_batch() has put into the caller's array, until the
/// next move.
///
/// It shows one moment: the keyspace as it was when the iterator was made, or, made by
/// sledstore_snapshot_iter_new() or sledstore_txn_iter_new(), what the snapshot or the transaction
/// shows. Writers go on meanwhile; see sledstore_snapshot for what that costs.
///
/// After a failure each further move answers with the same failure, whatever else has happened, until
/// sledstore_iter_first(), sledstore_iter_last(), sledstore_iter_seek() or
/// sledstore_iter_seek_for_prev() begins anew.
///
/// An open iterator keeps its store open: sledstore_close() answers SLEDSTORE_BUSY. One thread may
/// use it at a time; a second one is told SLEDSTORE_BUSY. Since 0.1.0.
#[allow(non_camel_case_types)]
pub struct sledstore_iter;

/// What an iterator handle stands for.
pub(crate) type IteratorObject = Exclusive<Walk>;

/// An iterator, and what C has of it at the moment.
pub(crate) struct Walk {
    iterator: Iter,
    /// The rows that the last call showed, if it showed many. C reads them in place until the next
    /// call. A single one stays in the iterator.
    shown: Vec<Row>,
}

opaque!(sledstore_iter, Iterator, IteratorObject);

/// A handle to an iterator.
pub(crate) fn publish(iterator: Iter) -> Result<*mut sledstore_iter, Fail> {
    let walk = Walk { iterator, shown: Vec::new() };
    Ok(handles::insert::<sledstore_iter>(Exclusive::new(walk))?.publish())
}

impl Walk {
    /// Makes one move; the row stays in its place until the next one.
    fn show(&mut self, step: Move<'_>) -> Result<Option<sledstore_pair>, StoreError> {
        self.shown = Vec::new();
        Ok(self.iterator.show_row(step)?.map(pair))
    }

    /// Moves up until there are `most` rows, or no more.
    fn show_many(&mut self, most: usize) -> Result<(), StoreError> {
        self.shown.clear();
        self.iterator.take_rows(most, &mut self.shown)
    }
}

/// A row as C sees it. Short keys and values are stored in the row itself, so it has to be in its
/// place already.
fn pair(row: &Row) -> sledstore_pair {
    let borrowed = |bytes: &[u8]| sledstore_bytes { data: address(bytes), len: bytes.len() };
    sledstore_pair { key: borrowed(&row.key), value: borrowed(&row.value) }
}

fn status(is_at_row: bool) -> sledstore_status {
    match is_at_row {
        true => sledstore_status::SLEDSTORE_OK,
        false => sledstore_status::SLEDSTORE_END,
    }
}

/// One move of an iterator.
fn go(
    iterator: *mut sledstore_iter,
    row: *mut sledstore_pair,
    error: *mut *mut sledstore_error,
    step: Move<'_>,
) -> sledstore_status {
    let row = Output::cleared(row);
    guard::enter(error, |call| {
        row.required("row")?;
        let iterator = call.object(iterator)?;
        let shown = iterator.hold("iterator")?.show(step)?;
        shown.into_iter().for_each(|pair| row.set(pair));
        Ok(status(shown.is_some()))
    })
}

/// A move of an iterator to a key.
fn go_to(
    iterator: *mut sledstore_iter,
    key: (*const c_void, usize),
    row: *mut sledstore_pair,
    error: *mut *mut sledstore_error,
    step: impl FnOnce(&[u8]) -> Move<'_>,
) -> sledstore_status {
    let row = Output::cleared(row);
    guard::enter(error, |call| {
        row.required("row")?;
        // Copied, because it may be the key of a row that this iterator shows now.
        let key = call.bytes("key", key.0, key.1)?.to_vec();
        let iterator = call.object(iterator)?;
        let shown = iterator.hold("iterator")?.show(step(&key))?;
        shown.into_iter().for_each(|pair| row.set(pair));
        Ok(status(shown.is_some()))
    })
}

/// Creates an iterator over a keyspace, as it is now. It stands outside of the rows: move it first.
///
/// @param store    a handle of the keyspace. It may be released before the iterator is freed.
/// @param options  see sledstore_iter_options; NULL: all rows.
/// @param iter     receives the iterator, to be freed with sledstore_iter_free(); NULL on failure.
/// @param error    see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_INVALID_ARGUMENT: iter is NULL, an option is wrong, or a limit
/// has data NULL and a length; SLEDSTORE_UNSUPPORTED: an option that this version does not have;
/// SLEDSTORE_TOO_MANY_HANDLES: too many live handles; SLEDSTORE_CLOSED: also while another thread is
/// closing the store; the handle statuses; the engine statuses.
///
/// Threads: any number at once. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_iter_new(
    store: *const sledstore,
    options: *const sledstore_iter_options,
    iter: *mut *mut sledstore_iter,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    read::iterate(store, options, iter, error)
}

/// Goes to the first row.
///
/// @param iter   the iterator.
/// @param row    receives the key and the value, valid until the next move of this iterator; both
///               {NULL, 0} unless SLEDSTORE_OK.
/// @param error  see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_END: there is no row; SLEDSTORE_INVALID_ARGUMENT: row is NULL;
/// SLEDSTORE_BUSY: another thread is using the iterator; SLEDSTORE_CAPACITY_EXCEEDED: the moment
/// that it shows has ended, because what was kept took more than snapshot_memory; SLEDSTORE_TXN_OVER:
/// its transaction has ended; the handle statuses; the engine statuses.
///
/// Threads: one at a time for each iterator. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_iter_first(
    iter: *mut sledstore_iter,
    row: *mut sledstore_pair,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    go(iter, row, error, Move::First)
}

/// Goes to the last row.
///
/// @param iter   the iterator.
/// @param row    as in sledstore_iter_first().
/// @param error  see sledstore_error; may be NULL.
///
/// Statuses: as sledstore_iter_first().
///
/// Threads: one at a time for each iterator. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_iter_last(
    iter: *mut sledstore_iter,
    row: *mut sledstore_pair,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    go(iter, row, error, Move::Last)
}

/// Goes to the first row whose key is the given one or comes after it.
///
/// @param iter     the iterator.
/// @param key      the key to look for. It may be one that this iterator shows at the moment, and
///                 may lie outside of the iterator's limits.
/// @param key_len  its length in bytes.
/// @param row      as in sledstore_iter_first().
/// @param error    see sledstore_error; may be NULL.
///
/// Statuses: as sledstore_iter_first(), with SLEDSTORE_END: there is no such row; and
/// SLEDSTORE_INVALID_ARGUMENT also if key is NULL and key_len is not 0.
///
/// Threads: one at a time for each iterator. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_iter_seek(
    iter: *mut sledstore_iter,
    key: *const c_void,
    key_len: usize,
    row: *mut sledstore_pair,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    go_to(iter, (key, key_len), row, error, |key| Move::Seek(key))
}

/// Goes to the last row whose key is the given one or comes before it.
///
/// @param iter     the iterator.
/// @param key      as in sledstore_iter_seek().
/// @param key_len  its length in bytes.
/// @param row      as in sledstore_iter_first().
/// @param error    see sledstore_error; may be NULL.
///
/// Statuses: as sledstore_iter_seek().
///
/// Threads: one at a time for each iterator. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_iter_seek_for_prev(
    iter: *mut sledstore_iter,
    key: *const c_void,
    key_len: usize,
    row: *mut sledstore_pair,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    go_to(iter, (key, key_len), row, error, |key| Move::SeekForPrev(key))
}

/// Goes to the next row upwards; a new iterator goes to the first row.
///
/// @param iter   the iterator.
/// @param row    as in sledstore_iter_first().
/// @param error  see sledstore_error; may be NULL.
///
/// Statuses: as sledstore_iter_first(), with SLEDSTORE_END: there is no further row.
///
/// Threads: one at a time for each iterator. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_iter_next(
    iter: *mut sledstore_iter,
    row: *mut sledstore_pair,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    go(iter, row, error, Move::Next)
}

/// Goes to the next row downwards; a new iterator goes to the last row.
///
/// @param iter   the iterator.
/// @param row    as in sledstore_iter_first().
/// @param error  see sledstore_error; may be NULL.
///
/// Statuses: as sledstore_iter_next().
///
/// Threads: one at a time for each iterator. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_iter_prev(
    iter: *mut sledstore_iter,
    row: *mut sledstore_pair,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    go(iter, row, error, Move::Prev)
}

/// Shows the current row again: the one that the last move came to. Makes no move, and what earlier
/// calls have shown since that move stays valid.
///
/// @param iter   the iterator.
/// @param row    as in sledstore_iter_first().
/// @param error  see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_END: there is no current row, because the iterator was not moved
/// yet, stands past an end, or has failed; after sledstore_iter_next_batch() the current row is the last
/// one that it gave, and there is none if that was less than there was room for;
/// SLEDSTORE_INVALID_ARGUMENT: row is NULL; SLEDSTORE_BUSY: another thread is using the iterator; the
/// handle statuses.
///
/// Threads: one at a time for each iterator. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_iter_current(
    iter: *mut sledstore_iter,
    row: *mut sledstore_pair,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    let row = Output::cleared(row);
    guard::enter(error, |call| {
        row.required("row")?;
        let iterator = call.object(iter)?;
        let shown = iterator.hold("iterator")?.iterator.current().map(pair);
        shown.into_iter().for_each(|pair| row.set(pair));
        Ok(status(shown.is_some()))
    })
}

/// Tells how long the current row has still to live, without reading it again. Makes no move, and
/// what earlier calls have shown since the last move stays valid.
///
/// @param iter    the iterator.
/// @param ttl_ms  receives the milliseconds from now until the key expires, 0 if it has expired since
///                the moment that the iterator shows; 0 unless SLEDSTORE_OK. A life that the
///                iterator's own transaction has given begins with the commit, and is told whole.
/// @param error   see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK: the key will expire, or has; SLEDSTORE_NO_TTL: it never expires;
/// SLEDSTORE_END: there is no current row, see sledstore_iter_current(); SLEDSTORE_INVALID_ARGUMENT:
/// ttl_ms is NULL; SLEDSTORE_BUSY: another thread is using the iterator; the handle statuses.
///
/// Threads: one at a time for each iterator. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_iter_ttl(
    iter: *mut sledstore_iter,
    ttl_ms: *mut u64,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    let ttl_ms = Output::cleared(ttl_ms);
    guard::enter(error, |call| {
        ttl_ms.required("ttl_ms")?;
        let iterator = call.object(iter)?;
        let walk = iterator.hold("iterator")?;
        if walk.iterator.current().is_none() {
            return Ok(sledstore_status::SLEDSTORE_END);
        }
        let Some(ttl) = walk.iterator.ttl()? else { return Ok(sledstore_status::SLEDSTORE_NO_TTL) };
        ttl_ms.set(milliseconds(ttl));
        Ok(sledstore_status::SLEDSTORE_OK)
    })
}

/// Makes several moves upwards in one call, as if by sledstore_iter_next().
///
/// @param iter      the iterator.
/// @param rows      an array for the rows. The first count entries receive keys and values, valid
///                  until the next move of this iterator; the others are {NULL, 0}.
/// @param capacity  how many entries the array has; at least 1.
/// @param count     receives how many rows there are; 0 unless SLEDSTORE_OK. Less than capacity
///                  means that the end was reached, or that the next move fails.
/// @param error     see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK: count is at least 1; SLEDSTORE_INVALID_ARGUMENT: rows or count is NULL, or
/// capacity is 0; otherwise as sledstore_iter_next().
///
/// Threads: one at a time for each iterator. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_iter_next_batch(
    iter: *mut sledstore_iter,
    rows: *mut sledstore_pair,
    capacity: usize,
    count: *mut usize,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    let (rows, count) = (OutputArray::cleared(rows, capacity), Output::cleared(count));
    guard::enter(error, |call| {
        rows.required_not_empty("rows")?;
        count.required("count")?;
        let iterator = call.object(iter)?;
        let mut walk = iterator.hold("iterator")?;
        walk.show_many(capacity)?;
        rows.fill(walk.shown.iter().map(pair));
        count.set(walk.shown.len());
        Ok(status(!walk.shown.is_empty()))
    })
}

/// Frees an iterator. The rows that it showed are gone with it.
///
/// @param iter  the iterator; NULL does nothing.
///
/// Statuses: SLEDSTORE_OK, also for NULL; SLEDSTORE_CLOSED: it was freed before;
/// SLEDSTORE_REENTRANT: this thread is inside a call on the iterator, that is, in a callback;
/// SLEDSTORE_WRONG_HANDLE; SLEDSTORE_FORKED; SLEDSTORE_PANIC.
///
/// Threads: any. A call of another thread on the iterator comes to its end undisturbed, and the
/// iterator is gone after it. Since 0.1.0.
#[unsafe(no_mangle)]
pub extern "C" fn sledstore_iter_free(iter: *mut sledstore_iter) -> sledstore_status {
    guard::free(iter)
}
