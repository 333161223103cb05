//! Reading the log when a store is opened.
//!
//! Commits are replayed in the order of their numbers, without a gap. The log ends where a record is
//! not whole, and the question is whether that is an end that a crash explains, or damage.
//!
//! # What a crash explains
//!
//! * A process that is killed: everything that was handed to the operating system is there. The one
//!   record that was being written can have its first part only; it is the last of the last file,
//!   its end byte is missing, and it was never acknowledged.
//! * A machine that loses its power: of what was not synced, any part may be missing. Each record
//!   tells up to which commit everything was synced when it was written. So the log may end before
//!   a commit for which no later record says so, whatever comes behind it; what comes behind it was
//!   never acknowledged as synced either, and goes.
//!
//! Which of them it was is told by the boot in the head of the file: a power cut ends a boot. All
//! else is damage, and told with the file and the place: a record that is not whole in front of whole
//! ones of the same boot, or in front of one that says that it was synced; a file that is missing,
//! of another store, or has no seal though there is a next one.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;

use oxistore_core::StoreError;

use super::log_file::{boot, numbers, path_of, read_all, remove_settled, sync, FileHead, RECORDS};
use super::record::{Change, Entries, Entry, FileId, Head, KeyspaceId, HEAD};
use crate::engine::{Failure, Result};

/// What the store knows of its log from elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Settlement {
    /// The newest log file whose commits are all in the engine.
    pub(crate) file: u64,
    /// The newest of those commits.
    pub(crate) sequence: u64,
    /// Whether the store was closed, so that there need not be a log.
    pub(crate) is_closed: bool,
}

/// What takes the commits.
pub(super) trait Target {
    /// The number of the keyspace `name` in this opening.
    fn keyspace(&mut self, name: &[u8]) -> Result<KeyspaceId>;
    /// A file begins.
    fn begin_file(&mut self, number: u64);
    /// A commit, with numbers of keyspaces that [`Target::keyspace`] gave.
    fn commit(&mut self, sequence: u64, changes: &[Change<'_>]) -> Result<()>;
}

/// Where the log ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    /// The highest number of a file that was ever seen.
    pub(super) file: u64,
    /// The newest commit.
    pub(super) sequence: u64,
    /// The last file, and where its last record ends. It has no seal yet.
    pub(super) open: Option<(u64, u64)>,
}

/// Replays what is not settled, and puts it on the disk. Files that are settled are removed, but for `keep` bytes, and so
/// are those that were made ready and never used; all others stay until a checkpoint has settled them.
pub(super) fn replay(
    directory: &Path,
    store: u64,
    settled: Settlement,
    keep: u64,
    target: &mut impl Target,
) -> Result<End> {
    let io = |source: io::Error| Failure::from_io("open", directory, &source);
    let mut replay = Replay { directory, store, boot: boot(), sequence: settled.sequence };
    let all = numbers(directory).map_err(io)?;
    let mut end =
        End { file: all.last().copied().unwrap_or(0).max(settled.file), sequence: 0, open: None };
    let mut files = Vec::new();
    for number in all.into_iter().filter(|number| *number > settled.file) {
        files.extend(replay.read(number)?);
    }
    remove_settled(directory, settled.file, keep).map_err(io)?;
    if files.is_empty() && !settled.is_closed && settled.file > 0 {
        return Err(replay.damaged(end.file, 0, "the store was not closed, and its log is gone"));
    }
    // After a kill they may be in memory only. A power cut that comes now must not take a commit whose
    // rows the checkpoint has written, or that the next records tell to be synced.
    for file in &files {
        sync(directory, file.head.id.number).map_err(io)?;
    }
    let mut place = 0;
    while let Some(file) = files.get(place) {
        target.begin_file(file.head.id.number);
        let rest = &files[place + 1..];
        match replay.file(file, rest, target)? {
            Outcome::Sealed(next) if rest.first().is_some_and(|it| it.head.id.number == next) => {}
            Outcome::Sealed(next) => {
                return Err(replay.damaged(next, 0, "the file is missing"));
            }
            Outcome::Ended(offset) => {
                end.open = Some((file.head.id.number, offset));
                // What comes behind an end that a power cut explains was never synced.
                for file in rest {
                    fs::remove_file(path_of(directory, file.head.id.number)).map_err(io)?;
                }
                break;
            }
        }
        place += 1;
    }
    end.sequence = replay.sequence;
    Ok(end)
}

struct LogBytes {
    head: FileHead,
    bytes: Vec<u8>,
}

enum Outcome {
    /// The file has a seal, which names the next one.
    Sealed(u64),
    /// It ends at this byte.
    Ended(u64),
}

struct Replay<'a> {
    directory: &'a Path,
    store: u64,
    boot: u64,
    /// The newest commit so far.
    sequence: u64,
}

impl Replay<'_> {
    /// The file `number`; `None` if it was made ready and never used, and so is removed.
    fn read(&self, number: u64) -> Result<Option<LogBytes>> {
        let path = path_of(self.directory, number);
        let io = |source: io::Error| Failure::from_io("read", &path, &source);
        let bytes = read_all(self.directory, number).map_err(io)?;
        let start = bytes.first_chunk::<{ RECORDS as usize }>();
        match start.and_then(FileHead::decode) {
            Some(head) if head.id.store != self.store => {
                Err(self.damaged(number, 0, "it belongs to another store"))
            }
            Some(head) if head.id.number != number => {
                Err(self.damaged(number, 0, "it was another file of the log"))
            }
            Some(head) => Ok(Some(LogBytes { head, bytes })),
            // A file that was never used holds nothing but zeros, and one that was being made may be
            // short.
            None if bytes.iter().all(|byte| *byte == 0) => {
                fs::remove_file(&path).map_err(io).map(|()| None)
            }
            None => Err(self.damaged(number, 0, "its head is damaged")),
        }
    }

    /// Replays one file. `rest` is what comes after it.
    fn file(
        &mut self,
        file: &LogBytes,
        rest: &[LogBytes],
        target: &mut impl Target,
    ) -> Result<Outcome> {
        if file.head.first != self.sequence + 1 {
            let text = format!(
                "it begins with commit {}, and commit {} is missing",
                file.head.first,
                self.sequence + 1
            );
            return Err(self.damaged(file.head.id.number, 0, &text));
        }
        let mut names = HashMap::new();
        let mut offset = RECORDS as usize;
        loop {
            let Some((head, entries)) = file.record(offset) else {
                self.check_end(file, offset, rest)?;
                return Ok(Outcome::Ended(offset as u64));
            };
            if head.sequence != self.sequence + 1 {
                let text = format!("commit {} stands in the place of another", head.sequence);
                return Err(self.damaged(file.head.id.number, offset, &text));
            }
            if let Some(next) = self.record(file, offset, head, entries, &mut names, target)? {
                return Ok(Outcome::Sealed(next));
            }
            offset += HEAD + head.body as usize;
        }
    }

    /// Replays one record; answers with the next file if it is a seal.
    fn record(
        &mut self,
        file: &LogBytes,
        offset: usize,
        head: Head,
        entries: Entries<'_>,
        names: &mut HashMap<KeyspaceId, KeyspaceId>,
        target: &mut impl Target,
    ) -> Result<Option<u64>> {
        let bad = |text: &str| self.damaged(file.head.id.number, offset, text);
        let mut changes = Vec::new();
        for entry in entries {
            match entry.map_err(|_| bad("a row makes no sense"))? {
                Entry::Name(id, name) => drop(names.insert(id, target.keyspace(name)?)),
                Entry::Seal(next) => return Ok(Some(next)),
                Entry::Change(change) => {
                    let renamed = change.renamed(|id| names.get(&id).copied());
                    changes.push(renamed.ok_or_else(|| bad("a keyspace has no name"))?);
                }
            }
        }
        if !changes.is_empty() {
            target.commit(head.sequence, &changes)?;
            self.sequence = head.sequence;
        }
        Ok(None)
    }

    /// Fails unless a crash explains that `file` ends at `offset`, see above. A next file without
    /// commits is explained: it begins before the seal is written that names it.
    fn check_end(&self, file: &LogBytes, offset: usize, rest: &[LogBytes]) -> Result<()> {
        let number = file.head.id.number;
        let same_boot = file.head.boot != 0 && file.head.boot == self.boot;
        if same_boot && file.has_end(offset) {
            return Err(self.damaged(number, offset, "a commit is damaged"));
        }
        // What a power cut can have left behind the end begins in any place.
        let behind = file
            .whole_records_behind(offset)
            .chain(rest.iter().flat_map(|file| file.whole_records_behind(RECORDS as usize)));
        for head in behind {
            if same_boot || head.synced > self.sequence {
                return Err(self.damaged(number, offset, "a commit in front of others is damaged"));
            }
        }
        Ok(())
    }

    fn damaged(&self, number: u64, offset: usize, what: &str) -> StoreError {
        let path = path_of(self.directory, number);
        StoreError::Corruption(format!("cannot open {} at byte {offset}: {what}", path.display()))
    }
}

impl LogBytes {
    fn id(&self) -> FileId {
        self.head.id
    }

    fn head(&self, offset: usize) -> Option<Head> {
        let bytes = self.bytes.get(offset..)?.first_chunk::<HEAD>()?;
        Head::decode(self.id(), bytes)
    }

    fn body(&self, offset: usize, head: Head) -> Option<&[u8]> {
        self.bytes.get(offset + HEAD..)?.get(..head.body as usize)
    }

    /// The record at `offset`, if it is whole.
    fn record(&self, offset: usize) -> Option<(Head, Entries<'_>)> {
        let head = self.head(offset)?;
        Some((head, head.entries(self.body(offset, head)?)?))
    }

    /// Whether there is a record at `offset` that was written to its end, and is not whole.
    fn has_end(&self, offset: usize) -> bool {
        match self.head(offset) {
            Some(head) => self.body(offset, head).is_none_or(Head::has_end),
            // A write that was cut short in its head has left nothing but zeros behind the head, and a
            // record has a byte there that is not zero.
            None => self.bytes.iter().skip(offset + HEAD).any(|byte| *byte != 0),
        }
    }

    /// The whole records that begin behind `offset`, wherever.
    fn whole_records_behind(&self, offset: usize) -> impl Iterator<Item = Head> + '_ {
        // Behind the last byte that is not zero there is none.
        let end = self.bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0);
        // The length alone rules nearly all places out, and is cheap to look at.
        let is_possible = move |at: &usize| {
            let length = self.bytes.get(*at..).and_then(|bytes| bytes.first_chunk::<4>());
            let length = length.map_or(0, |bytes| u32::from_le_bytes(*bytes) as usize);
            length > 0 && *at + HEAD + length <= end + 1
        };
        (offset..end).filter(is_possible).filter_map(|at| self.record(at).map(|(head, _)| head))
    }
}
