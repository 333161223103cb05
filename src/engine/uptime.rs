//! The time since the system was started.

use std::time::Duration;

/// How long ago the system was started, with the time for which it was suspended. It never goes back,
/// and nobody can set it.
pub(crate) fn uptime() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes one `timespec` through the pointer, and there is room for one.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &mut time) };
    // Linux has this clock since 2.6.39, and what has no clock can have no expiry.
    assert_eq!(result, 0, "the system has no clock of the time since its start");
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
