//! How a store commits.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How to commit.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Where the log files are.
    pub(crate) directory: PathBuf,
    /// A number that no other store has.
    pub(crate) store: u64,
    /// Bytes of a memtable, and of its log file, from which on the next one begins.
    pub(crate) memtable: usize,
    /// Refuse every commit.
    pub(crate) read_only: bool,
    /// Bytes that are kept for views, at most.
    pub(crate) view_memory: u64,
    /// Bytes after which the checkpoint has the engine write out.
    pub(crate) portion: usize,
    /// The longest that a flush, or a close, waits for the disk.
    pub(crate) patience: Duration,
    /// Bytes of settled log files that stay, for feeds.
    pub(crate) keep_log: u64,
    /// Tells watches which rows had expired.
    pub(crate) now: Now,
}

/// Answers with the time in milliseconds since 1970.
#[derive(Clone)]
pub(crate) struct Now(pub(crate) Arc<dyn Fn() -> u64 + Send + Sync>);

impl fmt::Debug for Now {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Now({})", self.0())
    }
}

/// When a commit returns, and so what it survives from then on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// When the operating system has it: it survives the end of the process, however that ends, and
    /// the end of the machine once it was synced, which happens from time to time.
    #[default]
    Buffered,
    /// When it is on the disk: it survives the end of the machine. Commits that wait at the same time
    /// share a sync.
    Synced,
}
