//! The atomics of what a test of all interleavings includes, which gives others in their place.

pub(super) use std::sync::atomic::{fence, AtomicU64, Ordering};
