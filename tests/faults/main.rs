//! What happens when the operating system, the disk or the directory fails the store.

#[path = "../common/mod.rs"]
mod common;
mod inject;
mod life;
mod poison;
mod sweep;
mod workload;
