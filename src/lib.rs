//! An embedded, persistent, ordered key-value store with a C ABI, on the engine sled 0.34.
//!
//! [`SledStore`] is the store. `include/sledstore.h` is its face for C and for every language that
//! can call C.

#![warn(missing_docs)]

#[cfg(not(panic = "unwind"))]
compile_error!("sledstore answers panics with statuses and so needs panic = \"unwind\"");

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod capi;
mod commit;
mod engine;
mod store;

pub use commit::{
    Durability, KeyChange, KeyChangeKind, LoggedChange, LoggedKind, WatchEvent, WatchOptions,
};
#[doc(hidden)]
pub use engine::diverted_syncs;
pub use engine::{Bytes, Failure, Finding, RawTree, Reason, Row, SalvageReport, SledMode};
pub use oxistore_core::{KvSnapshot, KvStore, KvTxn, StoreError};
pub use store::{
    BuiltinMerge, Changes, Clock, DumpFormat, Event, Iter, IterOptions, Keys, MergeInteger,
    Progress, RestoreMode, Savepoint, SledBatch, SledSnapshot, SledStore, SledStoreBuilder,
    SledTransaction, SnapshotStats, StoreStats, Subscriber, TransactionKeyspace, Watch,
    MAX_KEYSPACE_NAME_LEN, MAX_KEY_LEN, MAX_VALUE_LEN,
};

#[cfg(feature = "typed")]
pub use store::TypedSledStore;

/// What the store's functions answer with. With a second parameter it is the standard library's, so that
/// `use sledstore::*` takes nothing away.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// A transaction, by the name that oxistore-kv-sled gives it.
pub type SledTxn = SledTransaction;

/// Lets the examples of the README run as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
