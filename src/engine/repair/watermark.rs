//! The mark: how far the store has come, so that a log that lost its end is noticed.
//!
//! A byte that flips in the log makes sled drop everything behind it and open as if nothing had
//! happened. So the number of writes is kept twice: in the store itself, in the tree `__mark__`,
//! written just before each flush, and in the small file `sledstore.mark` beside it, written just
//! after that flush. The file is never ahead of what the disk holds, so a store whose own number
//! is below the file's has lost something.
//!
//! The file is not synced for its own sake: that would cost each flush a second sync. After a power
//! cut it may be behind, which only makes it notice less.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::check::LogEnd;

pub(crate) const FILE_NAME: &str = "sledstore.mark";

/// The tree that holds the mark inside the store, and its one key.
pub(crate) const TREE: &[u8] = b"__mark__";
pub(crate) const KEY: &[u8] = b"writes";

/// The two halves of the file are written in turn, so that a write that is torn leaves the other.
const HALF: u64 = 512;
const MAGIC: &[u8; 16] = b"sledstore mark 2";

/// One entry: what the file says of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Watermark {
    /// Grows with each entry, so the newer of two is known.
    turn: u64,
    /// How many writes had been made, and were durable, when the entry was written.
    pub(crate) writes: u64,
    /// The segment size that the store was created with; sled's own note of it is never synced.
    pub(crate) segment_size: u64,
    /// Where sled's log ends, if the store was closed and was not opened since.
    pub(crate) closed: Option<LogEnd>,
}

/// The open file.
pub(crate) struct WatermarkFile {
    file: File,
    last: Watermark,
}

impl WatermarkFile {
    /// Opens the file in `directory`, or creates it.
    pub(crate) fn open(directory: &Path, segment_size: usize) -> io::Result<Self> {
        let mut options = File::options();
        let options = options.read(true).write(true).create(true).truncate(false);
        let file = options.open(directory.join(FILE_NAME))?;
        let segment_size = segment_size as u64;
        let fresh = Watermark { turn: 0, writes: 0, segment_size, closed: None };
        let last = newest(&file)?.unwrap_or(fresh);
        Ok(Self { file, last })
    }

    /// Says that `writes` are durable, and that the store is open.
    pub(crate) fn set(&mut self, writes: u64) -> io::Result<()> {
        self.write(Watermark { writes, closed: None, ..self.last })
    }

    /// Says that the store was closed, and that its log ends there.
    pub(crate) fn close(&mut self, end: LogEnd) -> io::Result<()> {
        self.write(Watermark { closed: Some(end), ..self.last })
    }

    fn write(&mut self, next: Watermark) -> io::Result<()> {
        let next = Watermark { turn: self.last.turn + 1, ..next };
        self.file.write_all_at(&next.encode(), next.turn % 2 * HALF)?;
        self.last = next;
        Ok(())
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

/// What the file in `directory` says; `None` where there is none that can be read.
pub(crate) fn read(directory: &Path) -> io::Result<Option<Watermark>> {
    match File::open(directory.join(FILE_NAME)) {
        Ok(file) => newest(&file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn newest(file: &File) -> io::Result<Option<Watermark>> {
    let mut found: Option<Watermark> = None;
    for half in 0..2 {
        let mut bytes = [0; Watermark::LEN];
        match file.read_exact_at(&mut bytes, half * HALF) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => continue,
            Err(error) => return Err(error),
        }
        let mark = Watermark::decode(&bytes);
        found = found.into_iter().chain(mark).max_by_key(|mark| mark.turn);
    }
    Ok(found)
}

impl Watermark {
    const SUM: usize = 16 + 5 * 8;
    const LEN: usize = Self::SUM + 4;

    fn encode(&self) -> [u8; Watermark::LEN] {
        let mut bytes = [0; Watermark::LEN];
        bytes[..16].copy_from_slice(MAGIC);
        let LogEnd { lsn, length } = self.closed.unwrap_or_default();
        let numbers = [self.turn, self.writes, self.segment_size, lsn, length];
        for (place, number) in numbers.into_iter().enumerate() {
            bytes[16 + 8 * place..][..8].copy_from_slice(&number.to_le_bytes());
        }
        let sum = crc32fast::hash(&bytes[..Self::SUM]);
        bytes[Self::SUM..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8; Watermark::LEN]) -> Option<Self> {
        let sum = crc32fast::hash(&bytes[..Self::SUM]).to_le_bytes();
        if &bytes[..16] != MAGIC || bytes[Self::SUM..] != sum {
            return None;
        }
        let number = |place: usize| {
            let bytes = bytes[16 + 8 * place..][..8].try_into().expect("8 bytes");
            u64::from_le_bytes(bytes)
        };
        let end = LogEnd { lsn: number(3), length: number(4) };
        Some(Watermark {
            turn: number(0),
            writes: number(1),
            segment_size: number(2),
            // A log has a head at least.
            closed: (end.length > 0).then_some(end),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory() -> tempfile::TempDir {
        tempfile::tempdir().expect("a temporary directory")
    }

    #[test]
    fn the_last_mark_is_found_again() {
        let directory = directory();
        assert_eq!(read(directory.path()).unwrap(), None);
        let mut file = WatermarkFile::open(directory.path(), 4096).unwrap();
        for writes in [3, 70, 500] {
            file.set(writes).unwrap();
            let found = read(directory.path()).unwrap().expect("a mark");
            assert_eq!((found.writes, found.segment_size), (writes, 4096));
        }
        let mut file = WatermarkFile::open(directory.path(), 1).unwrap();
        assert_eq!(file.last.segment_size, 4096, "the size is that of the creation");
        file.set(501).unwrap();
        assert_eq!(read(directory.path()).unwrap().expect("a mark").writes, 501);
        let end = LogEnd { lsn: 70_000, length: 65_536 };
        file.close(end).unwrap();
        let found = read(directory.path()).unwrap().expect("a mark");
        assert_eq!((found.writes, found.closed), (501, Some(end)));
        file.set(501).unwrap();
        assert_eq!(read(directory.path()).unwrap().expect("a mark").closed, None, "it is open");
    }

    #[test]
    fn a_torn_mark_leaves_the_one_before() {
        let directory = directory();
        let mut file = WatermarkFile::open(directory.path(), 4096).unwrap();
        file.set(1).unwrap();
        file.set(2).unwrap();
        let torn = file.last.turn % 2 * HALF;
        file.file.write_all_at(b"!!!!!!!!", torn + 20).unwrap();
        assert_eq!(read(directory.path()).unwrap().expect("a mark").writes, 1);
    }
}
