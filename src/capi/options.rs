//! The structs with options: for opening a store, and for iterators.

use std::ops::Bound;
use std::time::Duration;

use crate::capi::boundary::arguments::{sledstore_bytes, Call};
use crate::capi::error::Fail;
use crate::capi::status::sledstore_status as Status;
use crate::{Durability, IterOptions, SledMode, SledStoreBuilder, WatchOptions};

/// For sledstore_open_options.flags: there has to be a store in the directory already. If there is
/// none, the call answers SLEDSTORE_IO with the error number ENOENT.
pub const SLEDSTORE_OPEN_MUST_EXIST: u64 = 1;
/// For sledstore_open_options.flags: there must be no store yet. If there is one, the call answers
/// SLEDSTORE_ALREADY_EXISTS.
pub const SLEDSTORE_OPEN_MUST_CREATE: u64 = 2;
/// For sledstore_open_options.flags: compress what is written. Needs the feature "compression";
/// without it the call answers SLEDSTORE_UNSUPPORTED.
pub const SLEDSTORE_OPEN_COMPRESSION: u64 = 4;
/// For sledstore_open_options.flags: create the directory, and remove it with everything in it when
/// the store is closed, unless it was moved away. The path must not exist yet.
pub const SLEDSTORE_OPEN_TEMPORARY: u64 = 8;
/// For sledstore_open_options.flags: open a store that is damaged or has lost some of its last writes too,
/// which is refused with SLEDSTORE_CORRUPTION otherwise. Every commit that is whole in the log is
/// brought over, also behind one that is lost. What is there is then taken for all there is, which can
/// be nothing, and the rest is written over: copy the directory first. sledstore_salvage_report()
/// tells what is lost. Damaged log files stay in the directory, as sledstore.damaged.log.N. A store that is
/// refused is left as it was.
pub const SLEDSTORE_OPEN_SALVAGE: u64 = 16;
/// For sledstore_open_options.flags: open a store that must not change. Not a byte of its directory is
/// written, which may lie on a file system that is mounted read-only, or belong to another user; every
/// write answers SLEDSTORE_READ_ONLY, a transaction's when it is committed. Cannot be combined with
/// SLEDSTORE_OPEN_MUST_CREATE and SLEDSTORE_OPEN_TEMPORARY.
///
/// What is opened is a private copy, made among the system's temporary files (TMPDIR) and removed when the
/// store is closed; a process that is killed leaves it. So opening takes the time and the room of a copy,
/// and the store shows what it held when it was opened, with lives going on. Any number of processes
/// can open a store so at once. Writers are kept out (SLEDSTORE_LOCKED), and keep out, only while the store is
/// copied. With SLEDSTORE_OPEN_SALVAGE it is a look at what a damaged store still has.
pub const SLEDSTORE_OPEN_READ_ONLY: u64 = 32;

const ALL_OPEN_FLAGS: u64 = SLEDSTORE_OPEN_MUST_EXIST
    | SLEDSTORE_OPEN_MUST_CREATE
    | SLEDSTORE_OPEN_COMPRESSION
    | SLEDSTORE_OPEN_TEMPORARY
    | SLEDSTORE_OPEN_SALVAGE
    | SLEDSTORE_OPEN_READ_ONLY;

/// For the flags of sledstore_open_keyspace(): do not create the keyspace. If it is not there, the
/// call answers SLEDSTORE_NOT_FOUND.
pub const SLEDSTORE_KEYSPACE_MUST_EXIST: u64 = 1;

/// For sledstore_open_options.flush_every_ms: never flush by itself.
pub const SLEDSTORE_FLUSH_NEVER: u32 = 0xffff_ffff;

/// For sledstore_open_options.mode: rather use little disk space than be fast. The engine of
/// this version accepts a mode and acts the same in both.
pub const SLEDSTORE_MODE_LOW_SPACE: u32 = 1;
/// For sledstore_open_options.mode: rather be fast than use little disk space. See
/// SLEDSTORE_MODE_LOW_SPACE.
pub const SLEDSTORE_MODE_HIGH_THROUGHPUT: u32 = 2;

/// For sledstore_open_options.durability, sledstore_batch_apply() and sledstore_txn_commit(): a write
/// returns when the operating system has it. It survives the end of the process, however that ends,
/// and a power cut once it was synced: see sledstore_open_options.flush_every_ms.
pub const SLEDSTORE_DURABILITY_BUFFERED: u32 = 1;
/// For sledstore_open_options.durability, sledstore_batch_apply() and sledstore_txn_commit(): a write
/// returns when it is on the disk, and survives a power cut. Threads that write at the same time share
/// one sync.
pub const SLEDSTORE_DURABILITY_SYNCED: u32 = 2;

/// What a caller has chosen; `None` if nothing.
pub(crate) fn durability(chosen: u32) -> Result<Option<Durability>, Fail> {
    match chosen {
        0 => Ok(None),
        SLEDSTORE_DURABILITY_BUFFERED => Ok(Some(Durability::Buffered)),
        SLEDSTORE_DURABILITY_SYNCED => Ok(Some(Durability::Synced)),
        unknown => {
            let message = format!("durability: this version has none with the number {unknown}");
            Err(Fail::new(Status::SLEDSTORE_UNSUPPORTED, message))
        }
    }
}

/// How to open a store. Start from SLEDSTORE_OPEN_OPTIONS_INIT and set what you need; zero always
/// means the default.
///
/// struct_size is the size of the struct that the program was compiled with, which lets the library
/// tell old programs from new ones. Since 0.1.0.
#[repr(C)]
#[derive(Clone, Copy, Default)]
#[allow(non_camel_case_types)]
pub struct sledstore_open_options {
    /// sizeof(sledstore_open_options).
    pub struct_size: usize,
    /// SLEDSTORE_OPEN_ flags, combined with |.
    pub flags: u64,
    /// How many bytes of data to keep in memory; less than 1 MiB counts as 1 MiB. The library may
    /// use two to three times that. 0: 1 GiB.
    pub cache_capacity: u64,
    /// The unit in bytes in which a new store takes space on disk: a power of two from 65536 to
    /// 8388608. A store that exists keeps its own. 0: 8388608. With less than that, keys have to be
    /// shorter: up to a 1300th of it, 403 bytes for 524288.
    pub segment_size: u64,
    /// How many bytes of memory the rows may take that are kept for snapshots, iterators and
    /// transactions because they were overwritten or deleted. Past that the oldest of these ends: its
    /// reads answer SLEDSTORE_CAPACITY_EXCEEDED. Writers never wait for it. 0: no bound.
    pub snapshot_memory: u64,
    /// How many bytes of recent writes to keep in memory before the library writes them into its main
    /// file, all at once: from 65536 to 1073741824; less or more counts as that. A row takes 224 bytes
    /// beside its key and its value.
    /// Another part of that size can wait, so that writes take twice as much memory at most, and less
    /// than that on the disk, for the log. Fewer are kept where writing them would take about a second,
    /// so that closing takes two. Larger ones let longer bursts of writes go on at full speed.
    /// 0: 33554432 (32 MiB).
    pub memtable_size: u64,
    /// How many bytes of the log to keep for sledstore_changes_since() when it is written to the main
    /// file, also after the store was closed. The log is in files of 1 MiB at least, and about
    /// memtable_size at most, unless one write is larger; so with less than that, it can happen that
    /// nothing stays. An opening with less removes what is too much. 0: nothing.
    pub keep_log: u64,
    /// Sync what was written so many milliseconds later at the latest: a power cut takes no more than
    /// that of the last writes. 0: 500. SLEDSTORE_FLUSH_NEVER: only when sledstore_flush() is called,
    /// with a write of SLEDSTORE_DURABILITY_SYNCED, and when the store is closed.
    pub flush_every_ms: u32,
    /// How many milliseconds to wait for a directory that somebody else has open. 0: do not wait.
    pub lock_timeout_ms: u32,
    /// SLEDSTORE_MODE_LOW_SPACE or SLEDSTORE_MODE_HIGH_THROUGHPUT. 0:
    /// SLEDSTORE_MODE_LOW_SPACE.
    pub mode: u32,
    /// What a write survives when its call returns: SLEDSTORE_DURABILITY_BUFFERED or
    /// SLEDSTORE_DURABILITY_SYNCED. 0: SLEDSTORE_DURABILITY_BUFFERED.
    pub durability: u32,
    /// Remove what has expired from all keyspaces every so many milliseconds, in a thread of the library's.
    /// What has expired is not there all the same; this gives its room back. It costs as much as
    /// sledstore_purge_expired() for all keyspaces. 0: never.
    pub purge_every_ms: u64,
}

impl sledstore_open_options {
    pub(crate) fn has(&self, flag: u64) -> bool {
        self.flags & flag != 0
    }

    fn check(&self) -> Result<(), Fail> {
        check_flags(self.flags, ALL_OPEN_FLAGS)?;
        if self.has(SLEDSTORE_OPEN_MUST_EXIST) && self.has(SLEDSTORE_OPEN_MUST_CREATE) {
            return Err(Fail::invalid("flags: MUST_EXIST and MUST_CREATE exclude each other"));
        }
        if self.has(SLEDSTORE_OPEN_MUST_EXIST) && self.has(SLEDSTORE_OPEN_TEMPORARY) {
            return Err(Fail::invalid("flags: a temporary store cannot exist already"));
        }
        if self.has(SLEDSTORE_OPEN_READ_ONLY)
            && self.has(SLEDSTORE_OPEN_MUST_CREATE | SLEDSTORE_OPEN_TEMPORARY)
        {
            return Err(Fail::invalid("flags: a store that must not change cannot be created"));
        }
        if self.mode > SLEDSTORE_MODE_HIGH_THROUGHPUT {
            let message = format!("mode: this version has no mode {}", self.mode);
            return Err(Fail::new(Status::SLEDSTORE_UNSUPPORTED, message));
        }
        Ok(())
    }

    /// The same options in the words of the store.
    pub(crate) fn builder(&self) -> Result<SledStoreBuilder, Fail> {
        self.check()?;
        let mut builder = SledStoreBuilder::new()
            .must_exist(self.has(SLEDSTORE_OPEN_MUST_EXIST))
            .must_create(self.has(SLEDSTORE_OPEN_MUST_CREATE))
            .use_compression(self.has(SLEDSTORE_OPEN_COMPRESSION))
            .temporary(self.has(SLEDSTORE_OPEN_TEMPORARY))
            .read_only(self.has(SLEDSTORE_OPEN_READ_ONLY))
            .salvage(self.has(SLEDSTORE_OPEN_SALVAGE))
            .lock_timeout(Duration::from_millis(self.lock_timeout_ms.into()));
        if self.cache_capacity != 0 {
            builder = builder.cache_capacity(self.cache_capacity);
        }
        if self.snapshot_memory != 0 {
            builder = builder.snapshot_memory(self.snapshot_memory);
        }
        if self.memtable_size != 0 {
            builder = builder.memtable_size(self.memtable_size as usize);
        }
        builder = builder.keep_log(self.keep_log);
        if self.purge_every_ms != 0 {
            builder = builder.purge_every(Duration::from_millis(self.purge_every_ms));
        }
        if let Some(durability) = durability(self.durability)? {
            builder = builder.durability(durability);
        }
        if self.segment_size != 0 {
            // The handle table demands a 64-bit target, so nothing is cut off.
            builder = builder.segment_size(self.segment_size as usize);
        }
        builder = match self.flush_every_ms {
            0 => builder,
            SLEDSTORE_FLUSH_NEVER => builder.flush_never(),
            period => builder.flush_every_ms(u64::from(period)),
        };
        Ok(match self.mode {
            SLEDSTORE_MODE_LOW_SPACE => builder.mode(SledMode::LowSpace),
            SLEDSTORE_MODE_HIGH_THROUGHPUT => builder.mode(SledMode::HighThroughput),
            _ => builder,
        })
    }
}

/// For sledstore_iter_options.flags: do not show the key that equals lower.
pub const SLEDSTORE_ITER_LOWER_EXCLUSIVE: u64 = 1;
/// For sledstore_iter_options.flags: show the key that equals upper.
pub const SLEDSTORE_ITER_UPPER_INCLUSIVE: u64 = 2;
/// For sledstore_iter_options.flags: show keys only; all values have length 0.
pub const SLEDSTORE_ITER_KEYS_ONLY: u64 = 4;

const ALL_ITER_FLAGS: u64 =
    SLEDSTORE_ITER_LOWER_EXCLUSIVE | SLEDSTORE_ITER_UPPER_INCLUSIVE | SLEDSTORE_ITER_KEYS_ONLY;

/// Which rows an iterator shows: those that satisfy all of these. Start from
/// SLEDSTORE_ITER_OPTIONS_INIT and set what you need. The library copies the bytes during the call.
///
/// data NULL means that there is no such limit. data not NULL with len 0 is the empty key. If
/// nothing satisfies all of them, the iterator is empty. Since 0.1.0.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct sledstore_iter_options {
    /// sizeof(sledstore_iter_options).
    pub struct_size: usize,
    /// SLEDSTORE_ITER_ flags, combined with |.
    pub flags: u64,
    /// The smallest key to show.
    pub lower: sledstore_bytes,
    /// The key to stop before.
    pub upper: sledstore_bytes,
    /// What all keys begin with.
    pub prefix: sledstore_bytes,
}

impl sledstore_iter_options {
    /// The same options in the words of the store.
    pub(crate) fn to_store(self, call: &Call) -> Result<IterOptions, Fail> {
        check_flags(self.flags, ALL_ITER_FLAGS)?;
        let has = |flag| self.flags & flag != 0;
        let lower = limit(call, "lower", self.lower, !has(SLEDSTORE_ITER_LOWER_EXCLUSIVE))?;
        let upper = limit(call, "upper", self.upper, has(SLEDSTORE_ITER_UPPER_INCLUSIVE))?;
        let prefix = call.byte_struct("prefix", self.prefix)?.to_vec();
        let keys_only = has(SLEDSTORE_ITER_KEYS_ONLY);
        Ok(IterOptions { lower, upper, prefix, keys_only, reverse: false })
    }
}

/// How much of what it has not read a watch keeps. Start from SLEDSTORE_WATCH_OPTIONS_INIT and set what
/// you need; zero means the default.
///
/// What goes beyond either of these is lost. A commit is kept or lost as a whole, and one that finds
/// nothing unread is kept however large it is. Since 0.1.0.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct sledstore_watch_options {
    /// sizeof(sledstore_watch_options).
    pub struct_size: usize,
    /// How many events. 0: 4096.
    pub max_events: u64,
    /// How many bytes of keys and values. 0: 16777216 (16 MiB).
    pub max_bytes: u64,
}

impl sledstore_watch_options {
    /// The same options in the words of the store.
    pub(crate) fn to_store(self) -> WatchOptions {
        let default = WatchOptions::default();
        let chosen = |value: u64, default| if value == 0 { default } else { value as usize };
        WatchOptions {
            max_events: chosen(self.max_events, default.max_events),
            max_bytes: chosen(self.max_bytes, default.max_bytes),
        }
    }
}

/// Flags that are not among these may be known to a newer version.
pub(crate) fn check_flags(flags: u64, known: u64) -> Result<(), Fail> {
    if flags & !known == 0 {
        return Ok(());
    }
    let message = format!("flags: this version knows not all bits of {flags:#x}");
    Err(Fail::new(Status::SLEDSTORE_UNSUPPORTED, message))
}

fn limit(
    call: &Call,
    what: &str,
    key: sledstore_bytes,
    included: bool,
) -> Result<Bound<Vec<u8>>, Fail> {
    let bytes = call.byte_struct(what, key)?.to_vec();
    Ok(match (key.data.is_null(), included) {
        (true, _) => Bound::Unbounded,
        (false, true) => Bound::Included(bytes),
        (false, false) => Bound::Excluded(bytes),
    })
}
