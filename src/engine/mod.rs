//! The engine room: the one module that names sled.
//!
//! sled 0.34.7 is the engine below the store. This module opens it, guards every call into it and
//! closes it, so that the store above sees plain operations that answer with a
//! [`StoreError`](oxistore_core::StoreError) and never panic. Two rules hold here:
//!
//! * Every call into sled runs inside [`shield::shield`], which turns sled's errors and sled's
//!   panics into errors that name the operation and the directory.
//! * Nothing calls out while sled holds one of its locks: no merge operators, subscribers or
//!   transaction closures that belong to somebody else.

mod buffers;
mod bytes;
mod commit;
mod cursor;
mod directory;
mod durable;
mod failure;
mod flusher;
mod gate;
mod journal;
mod limits;
mod lock;
mod log_io;
mod manifest;
mod mark;
mod mend;
mod open;
mod pieces;
mod room;
mod row;
mod script;
mod shield;
mod signals;
mod stand_ins;
mod start;
mod tree;
mod turns;
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

pub(crate) use commit::{commit, commit_blind, commit_one, settle, Step};
pub(crate) use cursor::Cursor;
pub(crate) use flusher::PATIENCE;
pub(crate) use journal::{commit_large, is_large, Teller};
pub(crate) use log_io::{preallocate, write_all_at};
pub(crate) use open::{Engine, Options};
pub(crate) use signals::blocked as signals_blocked;
pub(crate) use tree::Tree;
pub(crate) use uptime::uptime;

/// What the engine answers with.
pub(crate) type Result<T> = std::result::Result<T, oxistore_core::StoreError>;
