//! Starting sled in a directory that is ready for it.

use std::path::Path;
use std::sync::Mutex;
use std::thread::sleep;
use std::time::Duration;

use oxistore_core::StoreError;

use crate::engine::catch_sled::{catch_sled, is_lock_error};
use crate::engine::interpose::log_state::DurableLog;
use crate::engine::interpose::signals;
use crate::engine::open::directory::log_file;
use crate::engine::open::lock::{Deadline, LINGER};
use crate::engine::open::Options;
use crate::engine::repair;
use crate::engine::{Failure, Result};

/// sled panics below 256 bytes and is of no use below this.
const SMALLEST_CACHE: u64 = 1 << 20;

/// sled's pool of 7 threads and its flusher, our own, and one to spare.
const THREADS: usize = 10;

/// sled panics or hangs where it cannot start its threads, so as many are tried first.
pub(crate) fn spare_threads(path: &Path) -> Result<()> {
    let gate = Mutex::new(());
    let closed = gate.lock();
    std::thread::scope(|scope| {
        let wait = || drop(gate.lock());
        let start = |_| std::thread::Builder::new().spawn_scoped(scope, wait).map(drop);
        let started = signals::blocked(|| (0..THREADS).try_for_each(start));
        drop(closed);
        started.map_err(|source| Failure::from_io("start the threads of", path, &source))
    })
}

/// Opens sled; where it finds bad data and has a snapshot of its page table, once more without it:
/// the snapshot can be what is bad, and the log alone mostly says the same. Where it does not, the
/// mark tells so, and what this has changed is taken back.
pub(crate) fn open_or_set_aside(
    path: &Path,
    options: &Options,
    segment_size: usize,
    log: &DurableLog,
) -> Result<sled::Db> {
    let io = |source| Failure::from_io("open", path, &source);
    let first = open_sled(path, options, segment_size, log);
    if !matches!(first, Err(StoreError::Corruption(_))) {
        return first;
    }
    // Without sled's lock it was not the snapshot, and somebody else may be using it.
    if !log.log().can_be_taken_back() {
        return first;
    }
    log.log().take_back(&log_file(path)).map_err(io)?;
    if !repair::hide_snapshots(path).map_err(io)? {
        return first;
    }
    let second = open_sled(path, options, segment_size, log);
    if second.is_ok() {
        return second;
    }
    // The first one says what is wrong with the log, unless the disk failed the second.
    log.log().sound().map_err(io)?;
    first
}

/// Opens sled. Where it could not read its log, or not write to it, that is the answer, whatever it
/// made of it.
fn open_sled(
    path: &Path,
    options: &Options,
    segment_size: usize,
    log: &DurableLog,
) -> Result<sled::Db> {
    let io = |source| Failure::from_io("open", path, &source);
    let deadline = Deadline::after(options.lock_timeout.max(LINGER));
    loop {
        // A configuration serves one opening: sled's clones share state and panic when changed.
        let config = configure(path, options, segment_size);
        let mut locked = false;
        let opened = catch_sled("open", path, || {
            config.open().inspect_err(|error| {
                locked = matches!(error, sled::Error::Io(source) if is_lock_error(source));
            })
        });
        if !locked {
            let sound = log.log().sound().map_err(io);
            return match (opened, sound) {
                (Ok(db), Ok(())) => Ok(db),
                (opened, sound) => {
                    log.leave_lock();
                    let opened = opened.map(|db| discard(path, db));
                    Err(sound.and(opened).expect_err("one of them is an error"))
                }
            };
        }
        if deadline.has_passed() {
            return opened;
        }
        sleep(Duration::from_millis(2));
    }
}

/// Drops what sled has opened and nobody may use; syncing it can fail, and then it panics.
pub(crate) fn discard(path: &Path, db: sled::Db) {
    let _ = catch_sled("open", path, || {
        drop(db);
        Ok(())
    });
}

fn configure(path: &Path, options: &Options, segment_size: usize) -> sled::Config {
    let mut config = sled::Config::new()
        .path(path)
        .mode(options.mode.into())
        .segment_size(segment_size)
        // The checkpoint flushes, and nobody else writes.
        .flush_every_ms(None);
    if let Some(capacity) = options.cache_capacity {
        config = config.cache_capacity(capacity.max(SMALLEST_CACHE));
    }
    config
}
