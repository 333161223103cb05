//! What is damaged in the files of a store, as `verify` and a salvage tell it.

use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use oxistore_core::StoreError;

/// One damaged place in a file of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file, as an absolute path. It is not there if it is what is missing.
    pub file: PathBuf,
    /// The byte in the file at which the damaged part begins.
    pub offset: u64,
    /// What is wrong there, for people to read.
    pub what: String,
}

impl Finding {
    pub(crate) fn new(file: impl Into<PathBuf>, offset: u64, what: impl Into<String>) -> Self {
        Self { file: file.into(), offset, what: what.into() }
    }

    /// The error of an opening that is refused for it.
    pub(crate) fn refusal(&self) -> StoreError {
        StoreError::Corruption(format!("cannot open {self}"))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} at byte {}: {}", self.file.display(), self.offset, self.what)
    }
}

/// What was found damaged, and what was lost, when a store was opened to be salvaged. Nothing of
/// both means that the store was whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SalvageReport {
    /// The damaged places, file by file.
    pub findings: Vec<Finding>,
    /// The numbers of the commits that are missing, in ascending order. Every put, batch, transaction
    /// and so on is one commit, and they are numbered in their order. Where the end of the log is
    /// gone, nobody knows how many commits were in it, and they are not in here; nor are rows that
    /// were settled already. The last number may be that of a commit that was never acknowledged.
    pub lost_commits: Vec<RangeInclusive<u64>>,
}

impl SalvageReport {
    /// How many commits are missing.
    pub fn lost_commit_count(&self) -> u64 {
        self.lost_commits.iter().map(|range| range.end() - range.start() + 1).sum()
    }
}
