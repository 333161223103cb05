//! What happens when the operating system, the disk or the directory fails the store.

#[path = "../common/mod.rs"]
mod common;
mod corruption;
mod cycles;
mod disk;
mod docs_consistency;
mod forks;
mod inject;
mod interval;
mod life;
mod limits;
mod log_files;
mod lost_wakeups;
mod paths;
mod poison;
mod pressure;
mod refused;
mod salvage;
mod sandbox;
mod slow;
mod sweep;
mod torn;
mod unread;
mod waits;
mod workload;
