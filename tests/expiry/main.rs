//! The promises about expiry. Time comes from a clock that the tests set: nothing here sleeps,
//! but what is about the system's own clock, and about the thread that purges.

mod absence;
mod background;
#[path = "../common/mod.rs"]
mod common;
mod eviction;
mod lives;
mod sidecar;
mod together;
mod wall;
