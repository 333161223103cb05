//! Whether sled's log is whole, before sled sees it.
//!
//! sled takes a message whose checksum is wrong for the end of its segment, and a segment whose head is
//! wrong for one that was never used. It goes on with the next one, so that newer rows vanish, older
//! ones come back, and nobody is told. So everything that sled is going to replay is looked
//! through first: the segments from its snapshot of the page table on. What lies before that sled
//! checks as it reads it.
//!
//! # What has to be whole
//!
//! * After a clean close: everything up to the end that the close has noted.
//! * Else: everything that was on the disk when a later segment was begun, which the head of that says.
//!   What comes behind it may be torn; the library's own log has all of it.
//!
//! A segment that is used again can be overwritten from its middle when the machine or the process
//! ends, before its new head is written. Its old messages were of no use any more. So after an end
//! that was not clean a segment may break off where messages of a later segment follow.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use super::segments::{first_message, message, SledLog};
use super::watermark::Watermark;
use crate::engine::open::directory::log_file;
use crate::engine::repair::snapshots;
use crate::engine::Finding;

/// How often `verify` looks again at what it has found, and after which time.
const LOOKS: usize = 3;
const PAUSE: Duration = Duration::from_millis(100);

/// Where the log is damaged, and how.
type Damage = (u64, &'static str);

/// Where a segment's messages end before the segment does.
struct Stop {
    /// Of the segment, in the file and in the order of the log.
    offset: u64,
    lsn: u64,
    /// In the segment.
    end: usize,
}

impl Stop {
    /// Whether messages of a later segment follow.
    fn is_used_again(&self, log: &SledLog) -> io::Result<bool> {
        let (bytes, number) = (log.segment(self.offset)?, self.lsn / log.segment_size);
        let is_later = |at| message(&bytes, at).is_some_and(|found| found.segment > number);
        Ok((self.end..bytes.len()).any(is_later))
    }
}

/// Where sled's log ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct LogEnd {
    /// Behind the last message, in the order of the log.
    pub(crate) lsn: u64,
    /// Of the file.
    pub(crate) length: u64,
}

/// Reads everything that sled will read when it opens the log, which so finds out a disk that cannot be
/// read: sled would take that for the end of the log. Says where the log is damaged, if `mark` tells what
/// has to be there.
pub(crate) fn check(
    directory: &Path,
    segment_size: u64,
    mark: Option<&Watermark>,
) -> io::Result<Vec<Finding>> {
    let file = match File::open(log_file(directory)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let log = SledLog::open(file, segment_size)?;
    let scan = Scan::of(&log, snapshot_lsn(directory)? / segment_size * segment_size)?;
    let damage = mark.map_or_else(|| Ok(Vec::new()), |mark| scan.judge(&log, mark.closed))?;
    Ok(named(directory, damage))
}

/// Says where the log of a store that is open is damaged, in every segment. sled goes on writing.
pub(crate) fn verify(directory: &Path, segment_size: u64) -> io::Result<Vec<Finding>> {
    let look = || {
        let log = SledLog::open(File::open(log_file(directory))?, segment_size)?;
        Scan::of(&log, 0)?.judge(&log, None)
    };
    let mut damage = look()?;
    for _ in 0..LOOKS {
        if damage.is_empty() {
            break;
        }
        // What is just being written can look damaged.
        sleep(PAUSE);
        let again = look()?;
        damage.retain(|damage| again.contains(damage));
    }
    Ok(named(directory, damage))
}

fn named(directory: &Path, damage: Vec<Damage>) -> Vec<Finding> {
    let log = log_file(directory);
    damage.into_iter().map(|(offset, what)| Finding::new(&log, offset, what)).collect()
}

/// Where the log in `directory` ends, to be noted at a clean close.
pub(crate) fn end_of_log(directory: &Path, segment_size: u64) -> io::Result<LogEnd> {
    let log = SledLog::open(File::open(log_file(directory))?, segment_size)?;
    let mut last = None;
    for offset in log.offsets() {
        last = last.max(log.head(offset)?.map(|head| (head.lsn, offset)));
    }
    let Some((lsn, offset)) = last else { return Ok(LogEnd { lsn: 0, length: log.length }) };
    let end = log.end_of_messages(&log.segment(offset)?, lsn / segment_size);
    Ok(LogEnd { lsn: lsn + end as u64, length: log.length })
}

/// What sled will find.
struct Scan {
    /// Up to where the log was on the disk, as the heads say.
    stable: u64,
    end: u64,
    end_offset: u64,
    stops: Vec<Stop>,
    /// Segments whose head is wrong, and the number that their first message has, if it is whole.
    headless: Vec<(u64, Option<u64>)>,
    /// The LSN of the first segment that is read.
    begin: u64,
}

impl Scan {
    fn of(log: &SledLog, begin: u64) -> io::Result<Self> {
        let mut scan = Self {
            stable: 0,
            // A snapshot can end with a full segment, behind which there is none.
            end: begin,
            end_offset: log.length,
            stops: Vec::new(),
            headless: Vec::new(),
            begin,
        };
        for offset in log.offsets() {
            match log.head(offset)? {
                None => {
                    let first = first_message(&log.segment(offset)?);
                    scan.headless.push((offset, first.map(|first| first.segment)));
                }
                Some(head) => {
                    scan.stable = scan.stable.max(head.stable);
                    if head.lsn >= begin {
                        scan.segment(log, offset, head.lsn)?;
                    }
                }
            }
        }
        Ok(scan)
    }

    fn segment(&mut self, log: &SledLog, offset: u64, lsn: u64) -> io::Result<()> {
        let bytes = log.segment(offset)?;
        let number = lsn / log.segment_size;
        let end = log.end_of_messages(&bytes, number);
        if end < log.segment_size as usize {
            self.stops.push(Stop { offset, lsn, end });
        }
        if lsn + end as u64 >= self.end {
            (self.end, self.end_offset) = (lsn + end as u64, offset + end as u64);
        }
        Ok(())
    }

    fn judge(&self, log: &SledLog, closed: Option<LogEnd>) -> io::Result<Vec<Damage>> {
        // Another program may have used the store since.
        let is_clean = closed.is_some_and(|closed| closed.lsn == self.end);
        let closed = closed.unwrap_or_default();
        let must_be = closed.lsn.max(self.stable);
        let mut damage = Vec::new();
        for stop in &self.stops {
            let is_missed = stop.lsn + (stop.end as u64) < must_be;
            if is_missed && (is_clean || !stop.is_used_again(log)?) {
                let offset = stop.offset + stop.end as u64;
                damage.push((offset, "a message is damaged"));
            }
        }
        for (offset, first) in &self.headless {
            let is_damaged = match first.map(|number| number * log.segment_size) {
                Some(lsn) => (self.begin..must_be).contains(&lsn),
                None => false,
            };
            if is_damaged {
                damage.push((*offset, "the head of a segment is damaged"));
            }
        }
        if self.end < closed.lsn || log.length < closed.length {
            let offset = self.end_offset.min(log.length);
            damage.push((offset, "the end is missing"));
        }
        Ok(damage)
    }
}

/// From where on sled replays the log: the end of its newest snapshot. One that is damaged is not used.
fn snapshot_lsn(directory: &Path) -> io::Result<u64> {
    let newest = match directory.exists() {
        true => snapshots(directory)?.into_iter().max(),
        false => None,
    };
    let Some(path) = newest else { return Ok(0) };
    let bytes = fs::read(&path)?;
    let is_whole = bytes.split_last_chunk::<4>().is_some_and(|(rest, sum)| {
        rest.len() > 8 && crc32fast::hash(&rest[..rest.len() - 8]).to_le_bytes() == *sum
    });
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let lsn = name.strip_prefix("snap.").and_then(|lsn| u64::from_str_radix(lsn, 16).ok());
    Ok(lsn.filter(|_| is_whole).unwrap_or(0))
}
