//! What a store has done, and what it holds.

use crate::capi::boundary::arguments::{Output, OutputStruct};
use crate::capi::boundary::guard;
use crate::capi::error::{sledstore_error, Fail};
use crate::capi::status::sledstore_status;
use crate::capi::store::sledstore;
use crate::capi::value::{self, sledstore_value};
use crate::{Bytes, SledStore, StoreStats};

/// For sledstore_stats() and sledstore_stats_text(): count the keys too.
pub const SLEDSTORE_STATS_KEYS: u64 = 1;

/// What a store has done since it was opened, and what it holds now: of all keyspaces together, but for
/// keys and expiring_keys. Start from SLEDSTORE_STATS_INIT. Since 0.1.0.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct sledstore_stats_info {
    /// sizeof(sledstore_stats_info), set by the caller. Members that the library does not have are 0.
    pub struct_size: usize,
    /// Keys in the keyspace of the handle, with SLEDSTORE_STATS_KEYS; otherwise 0.
    pub keys: u64,
    /// Those of them that expire, with SLEDSTORE_STATS_KEYS; otherwise 0.
    pub expiring_keys: u64,
    /// Keyspaces.
    pub keyspaces: u64,
    /// Bytes of the files, with those of the log that are reserved.
    pub bytes_on_disk: u64,
    /// Moments that are kept, by snapshots, transactions and iterators.
    pub moments: u64,
    /// Overwritten and deleted rows that are kept for them.
    pub versions: u64,
    /// The bytes of memory that those rows take, roughly.
    pub version_bytes: u64,
    /// Snapshots that are open.
    pub snapshots: u64,
    /// Transactions that were begun.
    pub transactions_begun: u64,
    /// Transactions that were committed, without those that only read.
    pub transactions_committed: u64,
    /// Commits of transactions that have met a conflict.
    pub transactions_conflicted: u64,
    /// Keys that were asked for one by one; rows of iterators do not count.
    pub gets: u64,
    /// Keys that were set, also by batches, transactions, swaps, changes of an expiry, and merges. A merge
    /// that deletes its key counts as a deletion; all merges of one key in a batch count once.
    pub puts: u64,
    /// Keys that were deleted, without those that had expired. One that was not there counts too, where
    /// the library did not have to look. A range that was deleted, and a keyspace that was cleared, counts
    /// once, however many keys it had.
    pub deletes: u64,
    /// Syncs of what was written. Writers that wait at the same time share one.
    pub flushes: u64,
    /// How many microseconds those have taken together.
    pub flush_us: u64,
    /// How often recent writes were moved to the main file.
    pub checkpoints: u64,
    /// The sledstore_status of the first failure in the background, with which every write answers from
    /// then on; 0: there was none. sledstore_stats_text() has it in words.
    pub background_error: i64,
}

impl From<StoreStats> for sledstore_stats_info {
    fn from(stats: StoreStats) -> Self {
        let background_error = stats.background_error.map(|error| Fail::from(error).status());
        Self {
            struct_size: size_of::<Self>(),
            keys: stats.keys.unwrap_or(0),
            expiring_keys: stats.expiring_keys.unwrap_or(0),
            keyspaces: stats.keyspaces,
            bytes_on_disk: stats.bytes_on_disk,
            moments: stats.moments,
            versions: stats.versions,
            version_bytes: stats.version_bytes,
            snapshots: stats.snapshots,
            transactions_begun: stats.transactions_begun,
            transactions_committed: stats.transactions_committed,
            transactions_conflicted: stats.transactions_conflicted,
            gets: stats.gets,
            puts: stats.puts,
            deletes: stats.deletes,
            flushes: stats.flushes,
            flush_us: u64::try_from(stats.flush_time.as_micros()).unwrap_or(u64::MAX),
            checkpoints: stats.checkpoints,
            background_error: background_error.map_or(0, |status| status as i64),
        }
    }
}

/// Tells what a store has done since it was opened, and what it holds. It takes no time to speak of, but with
/// SLEDSTORE_STATS_KEYS, which walks over all keys of the keyspace while readers and writers go on.
///
/// @param store  a handle of the keyspace.
/// @param flags  0, or SLEDSTORE_STATS_KEYS.
/// @param stats  receives the numbers; start from SLEDSTORE_STATS_INIT. On failure all are 0 but
///               struct_size.
/// @param error  see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_INVALID_ARGUMENT: stats is NULL, or its struct_size is wrong;
/// SLEDSTORE_UNSUPPORTED: a flag that this version does not know; SLEDSTORE_CAPACITY_EXCEEDED: with
/// SLEDSTORE_STATS_KEYS, what was kept for the count took more than snapshot_memory; the handle
/// statuses; the engine statuses.
///
/// Threads: any number at once. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_stats(
    store: *const sledstore,
    flags: u64,
    stats: *mut sledstore_stats_info,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    let stats = OutputStruct::cleared(stats);
    guard::enter(error, |call| {
        stats.required("stats")?;
        stats.set(take(&call.object(store)?.keyspace, flags)?.into());
        Ok(sledstore_status::SLEDSTORE_OK)
    })
}

/// Gives the same numbers as text for people: a line for each, UTF-8, without a NUL at the end. The
/// form may change in later versions.
///
/// @param store  a handle of the keyspace.
/// @param flags  as in sledstore_stats().
/// @param text   receives the text, to be freed with sledstore_value_free(); NULL on failure.
/// @param error  see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_INVALID_ARGUMENT: text is NULL; SLEDSTORE_TOO_MANY_HANDLES;
/// otherwise as sledstore_stats().
///
/// Threads: any number at once. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_stats_text(
    store: *const sledstore,
    flags: u64,
    text: *mut *mut sledstore_value,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    let text = Output::cleared(text);
    guard::enter(error, |call| {
        text.required("text")?;
        let stats = take(&call.object(store)?.keyspace, flags)?.to_string();
        value::give(&text, Some(Bytes::from(stats.as_bytes())))
    })
}

fn take(store: &SledStore, flags: u64) -> Result<StoreStats, Fail> {
    match flags {
        0 => Ok(store.stats()?),
        SLEDSTORE_STATS_KEYS => Ok(store.stats_with_keys()?),
        flags => {
            let message = format!("flags: this version knows not all bits of {flags:#x}");
            Err(Fail::new(sledstore_status::SLEDSTORE_UNSUPPORTED, message))
        }
    }
}
