//! One moment: snapshots, iterators and transactions.

#[path = "../common/mod.rs"]
mod common;
mod histories;
mod isolation;
mod model;
mod portions;
mod public_trait;
