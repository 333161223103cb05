//! Checking the log before anything of the store is changed.
//!
//! Commits follow each other in the order of their numbers, without a gap. The log ends where a record
//! is not whole, and the question is whether that is an end that a crash explains, or damage.
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
//! of another store, is cut off, or has no seal though there is a next one; no log at all, though the store was
//! open.

use std::collections::HashSet;
use std::io;
use std::iter::once;
use std::ops::Range;
use std::path::Path;

use super::bytes::{content, BadHead, Content, LogBytes};
use super::file::{boot, numbers, path_of, FileHead, RECORDS};
use super::replay::{End, Settlement};
use super::salvage;
use crate::commit::record::{FileId, HEAD};
use crate::engine::{Failure, Finding, Result, SalvageReport};

/// The log of a store that is being opened, found right. Nothing was changed yet.
pub(crate) struct CheckedLog {
    pub(super) settled: Settlement,
    /// To be replayed, in this order.
    pub(super) files: Vec<CheckedFile>,
    /// The numbers of files to be removed: never used, or behind the end of the log.
    pub(super) useless: Vec<u64>,
    /// The numbers of files to be kept aside, because they are damaged.
    pub(super) damaged: Vec<u64>,
    pub(super) end: End,
    pub(super) report: SalvageReport,
}

impl CheckedLog {
    /// What is left of it once it was replayed.
    pub(in crate::commit) fn into_end(self) -> (End, Settlement, SalvageReport) {
        (self.end, self.settled, self.report)
    }
}

/// A file to be replayed.
pub(super) struct CheckedFile {
    pub(super) bytes: LogBytes,
    /// Where whole records follow each other.
    pub(super) records: Vec<Range<usize>>,
}

/// Reads the log in `directory`, and checks all of it. It has to be that of `store`, and to go on from
/// `settled`. Fails where it is damaged, unless it is to be salvaged: then what is whole is left.
pub(crate) fn check(
    directory: &Path,
    store: Option<u64>,
    settled: Settlement,
    is_salvage: bool,
) -> Result<CheckedLog> {
    let log = Unchecked::read(directory, store, settled)?;
    match log.find_end() {
        Ok(found) => Ok(log.whole(found)),
        Err(_) if is_salvage => Ok(salvage::salvage(log)),
        Err(finding) => Err(finding.refusal()),
    }
}

/// The log as it was read.
pub(super) struct Unchecked<'a> {
    pub(super) directory: &'a Path,
    pub(super) settled: Settlement,
    /// Those that are in use and not settled.
    pub(super) files: Vec<LogBytes>,
    pub(super) useless: Vec<u64>,
    /// The highest number of a file that was ever seen.
    pub(super) newest: u64,
    boot: u64,
}

/// Where the log ends.
struct Found {
    /// Where the records of each file end. Files behind these are none of the log.
    ends: Vec<usize>,
    sequence: u64,
    is_sealed: bool,
}

impl<'a> Unchecked<'a> {
    fn read(directory: &'a Path, store: Option<u64>, settled: Settlement) -> Result<Self> {
        let all = numbers(directory)
            .map_err(|source: io::Error| Failure::from_io("open", directory, &source))?;
        let newest = all.last().copied().unwrap_or(0).max(settled.file);
        let (mut files, mut useless) = (Vec::new(), Vec::new());
        // Of those that are settled nothing is needed.
        for number in all.into_iter().filter(|number| *number > settled.file) {
            // A store that has no number never had a log: what is there is another's.
            let id = FileId { store: store.unwrap_or(0), number };
            let file = LogBytes::read(directory, id)?;
            match file.is_unused() {
                true => useless.push(number),
                false => files.push(file),
            }
        }
        Ok(Self { directory, settled, files, useless, newest, boot: boot() })
    }

    /// What is wrong where there is no log at all, though there has to be one.
    pub(super) fn gone(&self) -> Option<Finding> {
        let is_gone = self.files.is_empty() && !self.settled.is_closed;
        is_gone.then(|| {
            let path = path_of(self.directory, self.newest + 1);
            let text = "the store was not closed, and its log is gone: this file or later ones";
            Finding::new(path, 0, text)
        })
    }

    pub(super) fn missing(&self, number: u64) -> Finding {
        Finding::new(path_of(self.directory, number), 0, "the file is missing")
    }

    fn find_end(&self) -> std::result::Result<Found, Finding> {
        self.gone().map_or(Ok(()), Err)?;
        let head = |file: &LogBytes| match file.cut() {
            Some(finding) => Err(finding),
            None => file.head().map_err(|bad: BadHead| file.finding(0, bad.what())),
        };
        let heads = self.files.iter().map(head).collect::<std::result::Result<Vec<_>, _>>()?;
        let mut found =
            Found { ends: Vec::new(), sequence: self.settled.sequence, is_sealed: true };
        for (place, (file, head)) in self.files.iter().zip(&heads).enumerate() {
            let rest = &self.files[place + 1..];
            match self.file(file, *head, rest, &mut found)? {
                Some(next) if rest.first().is_some_and(|file| file.id.number == next) => {}
                Some(next) => return Err(self.missing(next)),
                None => {
                    found.is_sealed = false;
                    break;
                }
            }
        }
        Ok(found)
    }

    /// Checks one file; answers with the next one that its seal names, and `None` where it ends without
    /// a seal. `rest` is what comes after it.
    fn file(
        &self,
        file: &LogBytes,
        file_head: FileHead,
        rest: &[LogBytes],
        found: &mut Found,
    ) -> std::result::Result<Option<u64>, Finding> {
        if file_head.first != found.sequence + 1 {
            return Err(file.finding(0, begins_late(file_head.first, found.sequence)));
        }
        let mut names = HashSet::new();
        let mut offset = RECORDS as usize;
        while let Some((head, entries)) = file.record(offset) {
            if head.sequence != found.sequence + 1 {
                let text = format!("commit {} stands in the place of another", head.sequence);
                return Err(file.finding(offset, text));
            }
            let content =
                content(entries, &mut names).map_err(|what| file.finding(offset, what))?;
            offset += HEAD + head.body as usize;
            match content {
                Content::Names => {}
                Content::Commit => found.sequence = head.sequence,
                Content::Seal(next) => {
                    found.ends.push(offset);
                    return Ok(Some(next));
                }
            }
        }
        self.check_end(file, file_head, offset, rest, found.sequence)?;
        found.ends.push(offset);
        Ok(None)
    }

    /// Fails unless a crash explains that `file` ends at `offset`, see above. A next file without
    /// commits is explained: it begins before the seal is written that names it.
    fn check_end(
        &self,
        file: &LogBytes,
        head: FileHead,
        offset: usize,
        rest: &[LogBytes],
        sequence: u64,
    ) -> std::result::Result<(), Finding> {
        let same_boot = head.boot != 0 && head.boot == self.boot;
        if same_boot && file.has_end(offset) {
            return Err(file.finding(offset, "a commit is damaged"));
        }
        // What a power cut can have left behind the end begins in any place.
        let in_rest = rest.iter().flat_map(|file| file.whole_records_from(RECORDS as usize));
        for (_, head) in file.whole_records_from(offset).chain(in_rest) {
            if same_boot || head.synced > sequence {
                return Err(file.finding(offset, "a commit in front of others is damaged"));
            }
        }
        Ok(())
    }

    fn whole(self, found: Found) -> CheckedLog {
        let Self { settled, files, mut useless, newest, .. } = self;
        let last = found.ends.iter().zip(&files).next_back().filter(|_| !found.is_sealed);
        let open = last.map(|(end, file)| file.open_end(*end));
        let end = End { file: newest, sequence: found.sequence, open };
        // What comes behind an end that a power cut explains was never synced.
        useless.extend(files.iter().skip(found.ends.len()).map(|file| file.id.number));
        let files = files.into_iter().zip(found.ends);
        let checked =
            |(bytes, end)| CheckedFile { bytes, records: once(RECORDS as usize..end).collect() };
        CheckedLog {
            settled,
            files: files.map(checked).collect(),
            useless,
            damaged: Vec::new(),
            end,
            report: SalvageReport::default(),
        }
    }
}

/// A file begins with the commit `first`, and the newest before it is `sequence`.
pub(super) fn begins_late(first: u64, sequence: u64) -> String {
    format!("it begins with commit {first}, and commit {} is missing", sequence + 1)
}
