//! What is whole of a log that is damaged, and a list of what is not.
//!
//! A record counts only if its checksums hold, which the store's and the file's number are part of, if
//! its number is higher than that of the commit before it and lower than that of the first commit
//! in the next file, and if all its rows make sense: so no row is made up, and no commit is there by
//! halves. Behind a damaged record the next one is found again by its length, where its head is whole,
//! and else by looking for a record at each byte.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;

use super::bytes::{content, BadHead, Content, LogBytes, Place};
use super::check::{begins_late, CheckedFile, CheckedLog, Unchecked};
use super::file::{path_of, read_all, RECORDS};
use super::replay::End;
use crate::commit::record::{FileId, Head, HEAD};
use crate::engine::{Finding, SalvageReport};

const DAMAGED: &str = "a record is damaged";

/// Goes over the files of a log in their order, and never stops.
pub(super) struct Walk {
    /// The newest commit that is whole.
    last: u64,
    /// The highest number of a commit that was there.
    highest: u64,
    pub(super) report: SalvageReport,
}

impl Walk {
    /// Begins behind the commit `settled`.
    pub(super) fn new(settled: u64) -> Self {
        Self { last: settled, highest: settled, report: SalvageReport::default() }
    }

    /// Goes over one file; answers with where whole records follow each other, and with the next file,
    /// if a seal names one. Commits from `limit` on are in the next file.
    pub(super) fn file(
        &mut self,
        file: &LogBytes,
        limit: Option<u64>,
    ) -> (Vec<Range<usize>>, Option<u64>) {
        file.cut().into_iter().for_each(|finding| self.find(finding));
        match file.head() {
            Ok(head) => {
                // A gap that nothing before it explains.
                if head.first > self.highest + 1 && self.report.findings.is_empty() {
                    self.find(file.finding(0, begins_late(head.first, self.highest)));
                }
                self.highest = self.highest.max(head.first - 1);
            }
            Err(bad) => {
                self.find(file.finding(0, bad.what()));
                // The records of one whose head is damaged tell themselves whose they are.
                if bad != BadHead::Damaged {
                    return (Vec::new(), None);
                }
            }
        }
        let (mut whole, mut next, mut names) = (Vec::new(), None, HashSet::new());
        for place in file.places() {
            let (offset, head, found) = match place {
                Place::Whole { offset, head, entries } => {
                    (offset, head, content(entries, &mut names))
                }
                Place::Damaged { offset, sequence } => {
                    self.damaged(file.finding(offset, DAMAGED), sequence, limit);
                    continue;
                }
            };
            match found.map_err(str::to_owned).and_then(|content| self.count(content, head, limit))
            {
                Ok(content) => {
                    add(&mut whole, offset..offset + HEAD + head.body as usize);
                    // What lies behind a seal is none of the log.
                    if let Content::Seal(number) = content {
                        next = Some(number);
                        break;
                    }
                }
                Err(what) => self.damaged(file.finding(offset, what), Some(head.sequence), limit),
            }
        }
        (whole, next)
    }

    /// Whether a record fits the order; the commits between the last one and it are lost then.
    fn count(
        &mut self,
        content: Content,
        head: Head,
        limit: Option<u64>,
    ) -> std::result::Result<Content, String> {
        if content != Content::Commit {
            return Ok(content);
        }
        let sequence = head.sequence;
        if sequence <= self.last || limit.is_some_and(|limit| sequence >= limit) {
            return Err(format!("commit {sequence} stands in the place of another"));
        }
        self.lose_up_to(sequence - 1);
        self.last = sequence;
        self.highest = self.highest.max(sequence);
        Ok(content)
    }

    /// `sequence` is the number of the commit that is damaged, where that is known. From `limit` on the
    /// number is that of another commit.
    fn damaged(&mut self, finding: Finding, sequence: Option<u64>, limit: Option<u64>) {
        let known = sequence.filter(|sequence| limit.is_none_or(|limit| *sequence < limit));
        self.highest = self.highest.max(known.unwrap_or(0));
        self.find(finding);
    }

    pub(super) fn find(&mut self, finding: Finding) {
        self.report.findings.push(finding);
    }

    fn lose_up_to(&mut self, sequence: u64) {
        if sequence > self.last {
            self.report.lost_commits.push(self.last + 1..=sequence);
        }
    }
}

/// Adds a range, which may follow the last one without a gap.
fn add(ranges: &mut Vec<Range<usize>>, range: Range<usize>) {
    match ranges.last_mut() {
        Some(last) if last.end == range.start => last.end = range.end,
        _ => ranges.push(range),
    }
}

/// Everything that is damaged in these files of a log that goes on from the commit `settled`. The file
/// `last.0` is still written to, and its last record ends at `last.1`. They are read one after the other,
/// and not changed.
pub(in crate::commit) fn verify_files(
    directory: &Path,
    store: u64,
    settled: u64,
    files: &[(u64, File)],
    last: (u64, u64),
) -> io::Result<Vec<Finding>> {
    let mut walk = Walk::new(settled);
    for (number, file) in files {
        let id = FileId { store, number: *number };
        let mut bytes = LogBytes::of(id, path_of(directory, *number), read_all(file)?);
        let is_open = *number == last.0;
        if is_open {
            bytes = bytes.up_to(last.1 as usize);
        }
        let (whole, next) = walk.file(&bytes, None);
        if !is_open && next.is_none() {
            let end = whole.last().map_or(RECORDS as usize, |range| range.end);
            walk.find(bytes.finding(end, "the file has no seal"));
        }
    }
    Ok(walk.report.findings)
}

/// What is whole of a log that is damaged.
pub(super) fn salvage(log: Unchecked<'_>) -> CheckedLog {
    let mut walk = Walk::new(log.settled.sequence);
    log.gone().into_iter().for_each(|finding| walk.find(finding));
    let firsts: Vec<_> = log.files.iter().map(|file| file.head().ok().map(|it| it.first)).collect();
    let (mut records, mut damaged) = (Vec::new(), Vec::new());
    for (place, file) in log.files.iter().enumerate() {
        let before = walk.report.findings.len();
        let limit = firsts[place + 1..].iter().flatten().min().copied();
        let (whole, next) = walk.file(file, limit);
        let following = log.files.get(place + 1).map(|file| file.id.number);
        if let Some(next) = next.filter(|next| following != Some(*next)) {
            walk.find(log.missing(next));
        }
        records.push(whole);
        if walk.report.findings.len() > before {
            damaged.push(file.id.number);
        }
    }
    let sequence = walk.last;
    walk.lose_up_to(walk.highest);
    // No seal is written behind what is damaged: all of it is settled before the store is open. The next
    // commit follows the last one that is whole, as the checkpoint notes it.
    let end = End { file: log.newest, sequence, open: None };
    let files = log.files.into_iter().zip(records);
    CheckedLog {
        settled: log.settled,
        files: files.map(|(bytes, records)| CheckedFile { bytes, records }).collect(),
        useless: log.useless,
        damaged,
        end,
        report: walk.report,
    }
}
