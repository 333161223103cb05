//! What time it is, for expiry.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Where a store has the time from: the system, or a hand that tests move.
///
/// ```
/// use std::time::Duration;
/// use sledstore::{Clock, SledStoreBuilder};
///
/// # fn main() -> Result<(), sledstore::StoreError> {
/// # let directory = tempfile::tempdir().expect("a temporary directory");
/// # let path = directory.path().join("store");
/// let clock = Clock::manual(1_000);
/// let store = SledStoreBuilder::new().clock(clock.clone()).build(&path)?;
/// store.put_with_ttl(b"session", b"token", Duration::from_millis(5))?;
/// clock.advance(Duration::from_millis(5));
/// assert_eq!(store.get(b"session")?, None);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Clock(Source);

#[derive(Clone, Default)]
enum Source {
    #[default]
    System,
    Manual(Arc<AtomicU64>),
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands at `unix_ms` milliseconds since 1970 until it is moved. Its clones move
    /// with it.
    pub fn manual(unix_ms: u64) -> Self {
        Self(Source::Manual(Arc::new(AtomicU64::new(unix_ms))))
    }

    /// Sets a manual clock. The system's clock stays as it is.
    pub fn set(&self, unix_ms: u64) {
        if let Source::Manual(time) = &self.0 {
            time.store(unix_ms, Ordering::SeqCst);
        }
    }

    /// Moves a manual clock forward by `step`, in whole milliseconds.
    pub fn advance(&self, step: Duration) {
        if let Source::Manual(time) = &self.0 {
            time.fetch_add(step.as_millis() as u64, Ordering::SeqCst);
        }
    }

    /// Milliseconds since 1970.
    pub fn now_ms(&self) -> u64 {
        match &self.0 {
            Source::Manual(time) => time.load(Ordering::SeqCst),
            Source::System => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_millis() as u64),
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::System => formatter.write_str("Clock::system()"),
            Source::Manual(_) => write!(formatter, "Clock::manual({})", self.now_ms()),
        }
    }
}

/// A clock that never goes back, so that what has expired stays expired while the store is open.
pub(super) struct Monotone {
    clock: Clock,
    latest: AtomicU64,
}

impl Monotone {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, latest: AtomicU64::new(0) }
    }

    pub(super) fn now_ms(&self) -> u64 {
        let now = self.clock.now_ms();
        // Most calls fall into the millisecond of the one before and write nothing.
        let latest = self.latest.load(Ordering::SeqCst);
        if now <= latest {
            return latest;
        }
        self.latest.fetch_max(now, Ordering::SeqCst).max(now)
    }
}
