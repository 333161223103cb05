//! The engine: the one module that names sled.
//!
//! sled 0.34.7 is the engine below the store. This module opens it, guards every call into it and
//! closes it, so that the store above sees plain operations that answer with a
//! [`StoreError`](oxistore_core::StoreError) and never panic. Two rules hold here:
//!
//! * Every call into sled runs inside [`catch_sled::catch_sled`], which turns sled's errors and sled's
//!   panics into errors that name the operation and the directory.
//! * Nothing calls out while sled holds one of its locks: no merge operators or subscribers that
//!   belong to somebody else.
//!
//! After the opening one thread writes to sled, the checkpoint of `commit`, and only by single
//! inserts and removals: sled's batches and transactions are slow, and make others wait.

mod catch_sled;
mod event_fd;
mod failure;
mod flush_queue;
mod interpose;
mod log_io;
mod open;
mod repair;
mod report;
mod rows;
mod state;
mod uptime;
mod workspace;

pub use failure::{Failure, Reason};
#[doc(hidden)]
pub use interpose::diverted_syncs;
pub use report::{Finding, SalvageReport};
pub use rows::{Bytes, Row};
/// The engine's own tree, as the raw door `SledStore::open_tree` hands it out.
pub use sled::Tree as RawTree;

pub(crate) use event_fd::EventFd;
pub(crate) use flush_queue::PATIENCE;
pub(crate) use interpose::signals::blocked as signals_blocked;
pub(crate) use log_io::{preallocate, write_all_at, LOG_FILES};
pub use open::SledMode;

pub(crate) use open::directory::existing_segment_size;
pub(crate) use open::read_only::PrivateCopy;
pub(crate) use open::{Engine, Options};
pub(crate) use rows::{is_empty_range, settle, Cursor, Step, Tree};
pub(crate) use uptime::uptime;
pub(crate) use workspace::Workspace;

/// What the engine answers with.
pub(crate) type Result<T> = std::result::Result<T, oxistore_core::StoreError>;
