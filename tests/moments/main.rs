//! One moment: snapshots, iterators and transactions.

#[path = "../common/mod.rs"]
mod common;
mod erasures;
mod histories;
mod isolation;
mod model;
mod public_trait;
mod read_ahead;
