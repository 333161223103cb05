//! What time it is, for expiry.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::engine::uptime;

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
    /// The system's clock. A store reads the wall clock (`CLOCK_REALTIME`) once, when it is opened,
    /// and counts on from there by the time since the system was started (`CLOCK_BOOTTIME`), which
    /// also passes while the system is suspended. So nobody who sets the wall clock while a store is
    /// open changes how long a key of it has to live.
    ///
    /// On disk an expiry is a time of the wall clock, and the next opening compares it with the wall
    /// clock of then. A wall clock that was set forward between two openings ends lives early by as
    /// much, and one that was set back ends them late.
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

    /// Milliseconds since 1970. Of the system's clock this is the wall clock, which a store that is
    /// open does not follow.
    pub fn now_ms(&self) -> u64 {
        match &self.0 {
            Source::Manual(time) => time.load(Ordering::SeqCst),
            Source::System => wall_clock().as_millis() as u64,
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

fn wall_clock() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The clock of one opening. It never goes back, so that what has expired stays expired while the
/// store is open.
pub(crate) struct MonotonicClock {
    clock: Clock,
    /// What the wall clock and the time since the start of the system were at the opening.
    opened: (Duration, Duration),
    latest: AtomicU64,
}

impl MonotonicClock {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, opened: (wall_clock(), uptime()), latest: AtomicU64::new(0) }
    }

    /// Where the time comes from, for another store that is to have the same.
    pub(crate) fn source(&self) -> Clock {
        self.clock.clone()
    }

    pub(crate) fn now_ms(&self) -> u64 {
        let now = match &self.clock.0 {
            Source::Manual(_) => self.clock.now_ms(),
            Source::System => {
                let (wall, start) = self.opened;
                (wall + uptime().saturating_sub(start)).as_millis() as u64
            }
        };
        // Most calls fall into the millisecond of the one before and write nothing.
        let latest = self.latest.load(Ordering::SeqCst);
        if now <= latest {
            return latest;
        }
        self.latest.fetch_max(now, Ordering::SeqCst).max(now)
    }
}
