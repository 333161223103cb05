//! One file of the log.
//!
//! A file has its whole length from the beginning and is full of zeros. So a full disk shows when the
//! file is made, not in the middle of a commit, and what a write that was cut short has not reached is
//! zero. A number is given out once, and a file is made with `create_new`: no thread ever cuts the
//! file of another one.
//!
//! The file begins with a head of 48 bytes, written when the file is first used: what it is (8
//! bytes), the store (8), the number (8), the sequence number of the first commit in it (8), the
//! machine's boot (8), 4 bytes of zeros, and the CRC-32 of these (4). All numbers are little endian.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::record::FileId;
use crate::engine::{preallocate, write_all_at};

/// Where the first record of a file begins.
pub(super) const RECORDS: u64 = 48;

const MAGIC: &[u8; 8] = b"sledlog1";

/// Names of log files are this and a number.
const PREFIX: &str = "sledstore.log.";

/// The head of a file that is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileHead {
    pub(super) id: FileId,
    /// The number of the first commit in the file.
    pub(super) first: u64,
    /// What [`boot`] was when the file came into use.
    pub(super) boot: u64,
}

/// A file of the log, open for writing.
#[derive(Debug)]
pub(super) struct LogFile {
    pub(super) id: FileId,
    pub(super) path: PathBuf,
    pub(super) capacity: u64,
    file: File,
}

impl LogFile {
    /// Makes the file, of `capacity` bytes of zeros, and makes its name durable.
    pub(super) fn create(directory: &Path, id: FileId, capacity: u64) -> io::Result<Self> {
        let path = path_of(directory, id.number);
        let file = File::options().read(true).write(true).create_new(true).open(&path)?;
        let made = preallocate(&file, 0, capacity)
            .and_then(|()| file.sync_all())
            .and_then(|()| File::open(directory)?.sync_all());
        if let Err(error) = made {
            // It holds nothing yet, and a file that is in the way would keep the disk full.
            let _ = fs::remove_file(&path);
            return Err(error);
        }
        Ok(Self { id, path, capacity, file })
    }

    /// A file of an earlier opening, of which only the first `length` bytes count.
    pub(super) fn reopen(directory: &Path, id: FileId, length: u64) -> io::Result<Self> {
        let path = path_of(directory, id.number);
        let file = File::options().read(true).write(true).open(&path)?;
        let capacity = file.metadata()?.len();
        // What lies behind them was never acknowledged, and would be taken for damage later.
        file.set_len(length)?;
        file.set_len(capacity)?;
        Ok(Self { id, path, capacity, file })
    }

    /// Gives the file `to` bytes on the disk, where it has `from`.
    pub(super) fn grow(&self, from: u64, to: u64) -> io::Result<()> {
        preallocate(&self.file, from, to)
    }

    /// The file comes into use. Its head is on the disk before anything is that makes sense with the
    /// head only: the seal that names the file, its records, and the mark that the file before it is
    /// settled.
    pub(super) fn begin(&self, first: u64, boot: u64) -> io::Result<()> {
        self.write(&FileHead { id: self.id, first, boot }.encode(), 0)?;
        self.sync()
    }

    /// Removes the file, of which nothing is needed. Where that fails too, the next opening finds it.
    pub(super) fn give_up(&self) {
        let _ = fs::remove_file(&self.path);
    }

    pub(super) fn write(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        write_all_at(&self.file, bytes, offset)
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

impl FileHead {
    fn encode(&self) -> [u8; RECORDS as usize] {
        let mut bytes = [0; RECORDS as usize];
        bytes[..8].copy_from_slice(MAGIC);
        let numbers = [self.id.store, self.id.number, self.first, self.boot];
        for (place, number) in numbers.into_iter().enumerate() {
            bytes[8 + 8 * place..][..8].copy_from_slice(&number.to_le_bytes());
        }
        let sum = crc32fast::hash(&bytes[..44]);
        bytes[44..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// `None` where the bytes are not the head of a log file.
    pub(super) fn decode(bytes: &[u8; RECORDS as usize]) -> Option<Self> {
        if &bytes[..8] != MAGIC || crc32fast::hash(&bytes[..44]).to_le_bytes() != bytes[44..] {
            return None;
        }
        let number = |place: usize| {
            u64::from_le_bytes(bytes[8 + 8 * place..][..8].try_into().expect("8 bytes"))
        };
        let id = FileId { store: number(0), number: number(1) };
        Some(Self { id, first: number(2), boot: number(3) })
    }
}

pub(super) fn path_of(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{PREFIX}{number}"))
}

/// The numbers of the log files in `directory`, in ascending order.
pub(super) fn numbers(directory: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Removes the files up to the number `settled`, the oldest first, but for the newest that have `keep`
/// bytes at most.
pub(super) fn remove_settled(directory: &Path, settled: u64, keep: u64) -> io::Result<()> {
    let mut files = Vec::new();
    let mut size = 0;
    for number in numbers(directory)?.into_iter().rev().filter(|number| *number <= settled) {
        let path = path_of(directory, number);
        size += fs::metadata(&path)?.len();
        files.extend((size > keep).then_some(path));
    }
    files.iter().rev().try_for_each(fs::remove_file)
}

/// The bytes that all log files in `directory` take.
pub(super) fn size_of_all(directory: &Path) -> io::Result<u64> {
    let mut size = 0;
    for number in numbers(directory)? {
        match fs::metadata(path_of(directory, number)) {
            Ok(file) => size += file.len(),
            // The checkpoint was faster.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(size)
}

/// All bytes of the file `number`.
pub(super) fn read_all(directory: &Path, number: u64) -> io::Result<Vec<u8>> {
    let file = File::open(path_of(directory, number))?;
    let mut bytes = vec![0; file.metadata()?.len() as usize];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

/// Puts what is in the file `number` on the disk.
pub(super) fn sync(directory: &Path, number: u64) -> io::Result<()> {
    File::open(path_of(directory, number))?.sync_data()
}

/// A number for the time since the machine was started: as long as it stays the same, what was
/// handed to the operating system is still there. 0 where the system does not tell; then no two
/// moments count as of the same boot.
pub(super) fn boot() -> u64 {
    let id = fs::read("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    if id.is_empty() {
        return 0;
    }
    let (low, high) = (crc32fast::hash(&id), crc32fast::hash(&[&id[..], b"2"].concat()));
    u64::from(low) | u64::from(high | 1) << 32
}
