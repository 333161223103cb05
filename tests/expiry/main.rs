//! The promises about expiry. Time comes from a clock that the tests set: nothing here sleeps.

mod absence;
#[path = "../common/mod.rs"]
mod common;
mod eviction;
mod lives;
mod sidecar;
mod together;
