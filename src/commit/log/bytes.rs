//! One log file as its bytes are, and the records that are whole in it.

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use super::file::{path_of, read_all, FileHead, FIRST_CAPACITY, RECORDS};
use super::replay::OpenEnd;
use crate::commit::entries::{Entries, Entry};
use crate::commit::record::{FileId, Head, KeyspaceId, HEAD};
use crate::engine::{Failure, Finding, Result};

/// All bytes of a file.
pub(super) struct LogBytes {
    /// What the file has to be: the number in its name, and the store that is being opened.
    pub(super) id: FileId,
    path: PathBuf,
    bytes: Vec<u8>,
    /// How long the file is.
    length: usize,
    /// Behind the last byte that is not zero.
    used: usize,
}

/// What a file begins with, where that is not its head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadHead {
    Damaged,
    AnotherStore,
    AnotherFile,
}

impl BadHead {
    pub(super) fn what(self) -> &'static str {
        match self {
            Self::Damaged => "its head is damaged",
            Self::AnotherStore => "it belongs to another store",
            Self::AnotherFile => "it was another file of the log",
        }
    }
}

/// What one whole record has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    Names,
    Commit,
    /// The number of the next file.
    Seal(u64),
}

/// What stands at a place of a file.
pub(super) enum Place<'a> {
    Whole {
        offset: usize,
        head: Head,
        entries: Entries<'a>,
    },
    /// No whole record, up to the next place.
    Damaged {
        offset: usize,
        /// The number that the record carries, where its head is whole.
        sequence: Option<u64>,
    },
}

impl LogBytes {
    pub(super) fn read(directory: &Path, id: FileId) -> Result<Self> {
        let path = path_of(directory, id.number);
        let bytes = File::open(&path).and_then(|file| read_all(&file));
        let bytes = bytes.map_err(|source| Failure::from_io("read", &path, &source))?;
        Ok(Self::of(id, path, bytes))
    }

    pub(super) fn of(id: FileId, path: PathBuf, bytes: Vec<u8>) -> Self {
        let (length, used) = (bytes.len(), used(&bytes));
        Self { id, path, bytes, length, used }
    }

    /// The same where the last record is known to end at `end`: zeros before it are no end, and behind
    /// it a writer may be at work.
    pub(super) fn up_to(mut self, end: usize) -> Self {
        self.bytes.resize(end, 0);
        Self { used: end, ..self }
    }

    /// Whether it was made ready and never used: then it holds nothing but zeros, and one that was
    /// being made may be short.
    pub(super) fn is_unused(&self) -> bool {
        self.used == 0
    }

    /// What is wrong where the file has lost its end.
    pub(super) fn cut(&self) -> Option<Finding> {
        let is_cut = (self.length as u64) < FIRST_CAPACITY;
        is_cut.then(|| self.finding(self.length, "the file is cut off"))
    }

    /// Where the file ends, if its last record ends at `offset`.
    pub(super) fn open_end(&self, offset: usize) -> OpenEnd {
        let (offset, used) = (offset as u64, self.used.max(offset) as u64);
        OpenEnd { number: self.id.number, offset, used }
    }

    pub(super) fn head(&self) -> std::result::Result<FileHead, BadHead> {
        let start = self.bytes.first_chunk::<{ RECORDS as usize }>();
        match start.and_then(FileHead::decode).ok_or(BadHead::Damaged)? {
            head if head.id.store != self.id.store => Err(BadHead::AnotherStore),
            head if head.id.number != self.id.number => Err(BadHead::AnotherFile),
            head => Ok(head),
        }
    }

    pub(super) fn finding(&self, offset: usize, what: impl Into<String>) -> Finding {
        Finding::new(&self.path, offset as u64, what)
    }

    fn record_head(&self, offset: usize) -> Option<Head> {
        let bytes = self.bytes.get(offset..)?.first_chunk::<HEAD>()?;
        Head::decode(self.id, bytes)
    }

    fn body(&self, offset: usize, head: Head) -> Option<&[u8]> {
        self.bytes.get(offset + HEAD..)?.get(..head.body as usize)
    }

    /// The record at `offset`, if it is whole.
    pub(super) fn record(&self, offset: usize) -> Option<(Head, Entries<'_>)> {
        let head = self.record_head(offset)?;
        Some((head, head.entries(self.body(offset, head)?)?))
    }

    /// The record at `offset`, which was found whole before.
    pub(super) fn known_record(&self, offset: usize) -> Option<(Head, Entries<'_>)> {
        let head = self.record_head(offset)?;
        Some((head, Head::known_entries(self.body(offset, head)?)?))
    }

    /// Whether there is a record at `offset` that was written to its end, and is not whole.
    pub(super) fn has_end(&self, offset: usize) -> bool {
        match self.record_head(offset) {
            Some(head) => self.body(offset, head).is_none_or(Head::has_end),
            // A write that was cut short in its head has left nothing but zeros behind the head, and a
            // record has a byte there that is not zero.
            None => self.used > offset + HEAD,
        }
    }

    /// The whole records that begin at `offset` or behind it, wherever.
    pub(super) fn whole_records_from(
        &self,
        offset: usize,
    ) -> impl Iterator<Item = (usize, Head)> + '_ {
        // The length alone rules nearly all places out, and is cheap to look at.
        let is_possible = move |at: &usize| {
            let length = self.bytes.get(*at..).and_then(|bytes| bytes.first_chunk::<4>());
            let length = length.map_or(0, |bytes| u32::from_le_bytes(*bytes) as usize);
            length > 0 && *at + HEAD + length <= self.used
        };
        let possible = (offset..self.used).filter(is_possible);
        possible.filter_map(|at| self.record(at).map(|(head, _)| (at, head)))
    }

    /// Everything behind the head, in its order. Where a record is not whole, the next place is where
    /// its head says that it ends, or else where the next whole record begins.
    pub(super) fn places(&self) -> impl Iterator<Item = Place<'_>> + '_ {
        let mut offset = RECORDS as usize;
        std::iter::from_fn(move || {
            if offset >= self.used {
                return None;
            }
            let here = offset;
            if let Some((head, entries)) = self.record(here) {
                offset += HEAD + head.body as usize;
                return Some(Place::Whole { offset: here, head, entries });
            }
            let head = self.record_head(here);
            offset = match head {
                // What is inside of it is part of a row, and no record whatever it looks like.
                Some(head) => here + HEAD + head.body as usize,
                None => {
                    self.whole_records_from(here + 1).next().map_or(self.used, |(next, _)| next)
                }
            };
            Some(Place::Damaged { offset: here, sequence: head.map(|head| head.sequence) })
        })
    }
}

/// Behind the last byte that is not zero.
fn used(bytes: &[u8]) -> usize {
    // Most of a file is zeros, of which whole pages are compared at once.
    let zeros = [0; 4096];
    let mut end = bytes.len();
    while bytes[..end].ends_with(&zeros) {
        end -= zeros.len();
    }
    bytes[..end].iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}

/// What the record of these rows has. `names` are the keyspaces that have a name in the file so far.
pub(super) fn content(
    entries: Entries<'_>,
    names: &mut HashSet<KeyspaceId>,
) -> std::result::Result<Content, &'static str> {
    let mut content = Content::Names;
    for entry in entries {
        match entry.map_err(|_| "a row makes no sense")? {
            Entry::Name(keyspace, _) => drop(names.insert(keyspace)),
            Entry::Seal(next) => return Ok(Content::Seal(next)),
            Entry::Change(change) if names.contains(&change.keyspace()) => {
                content = Content::Commit;
            }
            Entry::Change(_) => return Err("a keyspace has no name"),
        }
    }
    Ok(content)
}
