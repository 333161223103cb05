//! The write path: the log, the memtables, read views, the checkpoint. No unsafe code.
//!
//! Every change of every kind is a commit:
//!
//! 1. The writer makes its record, and takes what the commit depends on from a read view.
//! 2. Under the commit lock: it looks whether what it depends on has changed since, appends the record
//!    to the log, enters the rows into the memtable, and publishes the commit's number.
//!    It also puts what has changed into the queues of the watches that want it.
//! 3. Without the lock: it wakes these watches, and waits for a sync of the log, if it has to.
//!
//! The checkpoint thread freezes a memtable that is full, writes its rows into the engine, and removes
//! its log file. It is the only thread that writes to the engine.
//!
//! # The order of locks
//!
//! 1. The commit lock (`Committer::writer`).
//! 2. The rows of a memtable, then its pre-images, then its deleted ranges and the list of its pinned
//!    keys.
//! 3. The list of registered views (`Views`), that of watches (`Watches`), the queue of a watch.
//!
//! The state of syncing (`Log::state`) and the checkpoint's state are taken last, and no other lock
//! is taken under them. No lock is held during a sync of the log, or while the engine reads or writes;
//! only when a file comes into use, its head is synced under the commit lock.
//!
//! # Why a reader sees a prefix of the commits
//!
//! * A plain reader takes the list of memtables, and then the published number. The list holds every
//!   commit that was not settled when it was taken, so the reader sees all commits up to the moment
//!   of the list, and of the later ones some up to the number: those that are in the active memtable of
//!   the list, which come before all that are in a later one.
//! * A registered view takes both under the lock under which the list is exchanged.
//! * A key without a version in the list is as the engine has it. The checkpoint writes over a settled
//!   row only for a version in a frozen memtable; those of the list have none, so it must be a
//!   later one: `checkpointing` is then the number of the list's active memtable or a higher one. The
//!   checkpoint sets it before it writes, and the reader looks at it after it has read. A plain
//!   reader then begins again. A view looks among the pre-images: the checkpoint keeps a row before
//!   it writes over it, if a view is older than the first version of the key in that memtable.
//!   The first pre-image in the order of the memtables is the row that the view has to see.

#![forbid(unsafe_code)]

mod basis;
mod checkpoint;
mod committer;
mod deleted_ranges;
mod entries;
mod feed;
mod filter;
mod key;
mod log;
mod memtable;
mod options;
mod pace;
mod record;
mod retained;
mod sync;
mod tables;
mod threads;
mod verify;
mod view;
mod view_memory;
mod views;
mod watch;
mod work;

#[cfg(test)]
mod tests;

use std::ops::Bound;

pub(crate) use basis::{Basis, Committed};
pub(crate) use committer::Committer;
pub(crate) use feed::Feed;
pub use feed::{LoggedChange, LoggedKind};
pub(crate) use key::Key;
pub(crate) use log::check::{check, CheckedLog};
pub(crate) use log::replay::Settlement;
pub use options::Durability;
pub(crate) use options::{Now, Options};
pub(crate) use record::{Change, KeyspaceId, Record, RowImage};
pub(crate) use view::View;
pub use watch::{KeyChange, KeyChangeKind, WatchEvent, WatchOptions};
pub(crate) use watch::{Next, Queue, WatchEnd, Watches};

use crate::engine::Result;

/// A range of keys.
pub(crate) type KeyRange<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);

/// The engine below: the rows of settled commits.
pub(crate) trait Settled: Send + Sync + 'static {
    /// The settled row of `key`. Any thread; it may run while the row is written over, and then
    /// answers with parts of both rows, which no caller uses.
    fn read(&self, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<RowImage>>;

    /// The first `most` keys with settled rows in `range`.
    fn keys(&self, keyspace: KeyspaceId, range: KeyRange<'_>, most: usize) -> Result<Vec<Key>>;

    /// Writes a row over, or removes it. Only the checkpoint thread calls this and the next two.
    fn write(&self, keyspace: KeyspaceId, key: &[u8], row: Option<&RowImage>) -> Result<()>;

    /// Whether the disk has room for `bytes` of rows and what the engine writes around them.
    fn has_room(&self, bytes: usize) -> bool;

    /// Hands what was written to the disk, so that little of it waits in memory.
    fn write_out(&self) -> Result<()>;

    /// Everything that was written is on the disk when this returns, and so is `settlement`, which
    /// the next opening gets back.
    fn settle(&self, settlement: Settlement) -> Result<()>;

    /// The name of the keyspace, which its number stands for in the log.
    fn name(&self, keyspace: KeyspaceId) -> Vec<u8>;

    /// The number of the keyspace `name`, which is created if it is not there.
    fn keyspace(&self, name: &[u8]) -> Result<KeyspaceId>;

    /// Removes all settled rows of a keyspace, also while the log is replayed.
    fn drop_keyspace(&self, keyspace: KeyspaceId) -> Result<()>;

    /// The same after it has brought them to the keyspace `name`, which may have some of them already. It
    /// does nothing where that was done.
    fn rename_keyspace(&self, keyspace: KeyspaceId, name: &[u8]) -> Result<()>;
}
