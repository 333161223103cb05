//! Replaying a log that was checked: the first thing that an opening changes.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;

use super::check::{CheckedFile, CheckedLog};
use super::file::{keep_aside, path_of, remove_settled, sync};
use crate::commit::entries::{Entries, Entry};
use crate::commit::record::{Change, KeyspaceId, HEAD};
use crate::engine::{Failure, Result};

/// What the store knows of its log from elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Settlement {
    /// The newest log file whose commits are all in the engine.
    pub(crate) file: u64,
    /// The newest of those commits.
    pub(crate) sequence: u64,
    /// Whether the store was closed, so that there need not be a log.
    pub(crate) is_closed: bool,
}

impl Default for Settlement {
    /// Of a store that never had a log.
    fn default() -> Self {
        Self { file: 0, sequence: 0, is_closed: true }
    }
}

/// What takes the commits.
pub(in crate::commit) trait Target {
    /// The number of the keyspace `name` in this opening.
    fn keyspace(&mut self, name: &[u8]) -> Result<KeyspaceId>;
    /// A file begins.
    fn begin_file(&mut self, number: u64);
    /// A commit, with numbers of keyspaces that [`Target::keyspace`] gave.
    fn commit(&mut self, sequence: u64, changes: &[Change<'_>]) -> Result<()>;
}

/// Where the log ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::commit) struct End {
    /// The highest number of a file that was ever seen.
    pub(in crate::commit) file: u64,
    /// The newest commit.
    pub(in crate::commit) sequence: u64,
    /// The last file, where it has no seal yet.
    pub(in crate::commit) open: Option<OpenEnd>,
}

/// Where the last file ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::commit) struct OpenEnd {
    pub(in crate::commit) number: u64,
    /// Where its last record ends.
    pub(in crate::commit) offset: u64,
    /// Behind its last byte that is not zero.
    pub(in crate::commit) used: u64,
}

/// Replays what is not settled, and puts it on the disk. Files that are settled are removed, but for `keep`
/// bytes, and so are those of no use; all others stay until a checkpoint has settled them.
pub(in crate::commit) fn replay(
    directory: &Path,
    log: &CheckedLog,
    keep: u64,
    target: &mut impl Target,
) -> Result<()> {
    let io = |source: io::Error| Failure::from_io("open", directory, &source);
    log.damaged.iter().try_for_each(|number| keep_aside(directory, *number)).map_err(io)?;
    // After a kill they may be in memory only. A power cut that comes now must not take a commit whose
    // rows the checkpoint has written, or that the next records tell to be synced.
    for file in &log.files {
        sync(directory, file.bytes.id.number).map_err(io)?;
    }
    remove_settled(directory, log.settled.file, keep).map_err(io)?;
    for number in &log.useless {
        fs::remove_file(path_of(directory, *number)).map_err(io)?;
    }
    for file in &log.files {
        target.begin_file(file.bytes.id.number);
        replay_file(file, target)?;
    }
    Ok(())
}

fn replay_file(file: &CheckedFile, target: &mut impl Target) -> Result<()> {
    let mut names = HashMap::new();
    for range in &file.records {
        let mut offset = range.start;
        while offset < range.end {
            let (head, entries) = file.bytes.known_record(offset).expect("it was whole");
            replay_record(head.sequence, entries, &mut names, target)?;
            offset += HEAD + head.body as usize;
        }
    }
    Ok(())
}

fn replay_record(
    sequence: u64,
    entries: Entries<'_>,
    names: &mut HashMap<KeyspaceId, KeyspaceId>,
    target: &mut impl Target,
) -> Result<()> {
    let mut changes = Vec::new();
    for entry in entries {
        match entry.expect("it made sense") {
            Entry::Name(id, name) => drop(names.insert(id, target.keyspace(name)?)),
            Entry::Seal(_) => {}
            Entry::Change(change) => {
                let renamed = change.renamed(|id| names.get(&id).copied());
                changes.push(renamed.expect("its keyspace has a name"));
            }
        }
    }
    match changes.is_empty() {
        true => Ok(()),
        false => target.commit(sequence, &changes),
    }
}
