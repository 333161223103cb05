//! The engine room: the one module that names sled.
//!
//! sled 0.34.7 is the engine below the store. This module opens it, guards every call into it and
//! closes it, so that the store above sees plain operations that answer with a
//! [`StoreError`](oxistore_core::StoreError) and never panic. Two rules hold here:
//!
//! * Every call into sled runs inside [`shield::shield`], which turns sled's errors and sled's
//!   panics into errors that name the operation and the directory.
//! * Nothing calls out while sled holds one of its locks: no merge operators or subscribers that
//!   belong to somebody else.
//!
//! After the opening one thread writes to sled, the checkpoint of `commit`, and only by single
//! inserts and removals: sled's batches and transactions are slow, and make others wait.

mod bytes;
mod cursor;
mod directory;
mod durable;
mod failure;
mod flusher;
mod journal;
mod limits;
mod lock;
mod log_io;
mod mark;
mod mend;
mod open;
mod overflow;

mod room;
mod row;
mod script;
mod settle;
mod shield;
mod signals;
mod stand_ins;
mod start;
mod tree;
mod undo;
mod uptime;
mod witness;

pub use bytes::Bytes;
pub use failure::{Failure, Reason};
pub use row::Row;
/// The engine's own tree, as the raw door `SledStore::open_tree` hands it out.
pub use sled::Tree as RawTree;
#[doc(hidden)]
pub use stand_ins::diverted_syncs;

pub(crate) use cursor::Cursor;
pub(crate) use flusher::PATIENCE;
pub(crate) use log_io::{preallocate, write_all_at};
pub(crate) use open::{Engine, Options};
pub(crate) use settle::{settle, Step};
pub(crate) use signals::blocked as signals_blocked;
pub(crate) use tree::Tree;
pub(crate) use uptime::uptime;

/// What the engine answers with.
pub(crate) type Result<T> = std::result::Result<T, oxistore_core::StoreError>;
