//! The C ABI: what `include/sledstore.h` declares.
//!
//! The doc comments of what is exported become the header, which is the manual of the C library; so
//! they are written for somebody who reads C. The order of the modules here is the order there.
//!
//! An exported function converts its arguments (`boundary::arguments`), calls the store, and writes its
//! outputs, all of it inside the guard (`boundary::guard`). Handles are looked up in a table
//! (`handles`). There is no storage logic here.

// What a caller has to keep to is said in each function's own words, for C.
#![allow(clippy::missing_safety_doc)]

mod backup;
mod batch;
mod batch_expiry;
mod changes;
mod count;
mod delete_range;
mod dump;
mod error;
mod expiry;
mod iterator;
mod library;
mod maintenance;
mod merge;
mod options;
mod point;
mod progress;
mod read;
mod rename;
mod snapshot;
mod stats;
mod status;
mod store;
mod transaction;
mod value;
mod verify;
mod watch;

mod boundary;
mod handles;
