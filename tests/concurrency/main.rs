//! What holds while many threads, or a process that is killed, work on one store.

mod acknowledged;
mod batches;
#[path = "../common/mod.rs"]
mod common;
mod counting;
mod ending;
mod hammer;
mod kills;
mod large;
mod merges;
mod renames;
mod swaps;
mod transactions;
