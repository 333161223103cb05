//! The promises about expiry. Time comes from a clock that the tests set: nothing here sleeps,
//! but what is about the system's own clock.

mod absence;
#[path = "../common/mod.rs"]
mod common;
mod eviction;
mod lives;
mod sidecar;
mod together;
mod wall;
