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

use crate::commit::record::FileId;
use crate::engine::{preallocate, write_all_at, LOG_FILES};

/// Where the first record of a file begins.
pub(in crate::commit) const RECORDS: u64 = 48;

/// What a file is made with. It grows as it is written, so that a small store takes little space. It
/// has these bytes durably before it comes into use, and never gets shorter.
pub(in crate::commit) const FIRST_CAPACITY: u64 = 1 << 20;

const MAGIC: &[u8; 8] = b"sledlog1";

/// The second names of log files that were damaged, kept when a store was salvaged.
const ASIDE: &str = "sledstore.damaged.log.";

/// The head of a file that is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::commit) struct FileHead {
    pub(in crate::commit) id: FileId,
    /// The number of the first commit in the file.
    pub(in crate::commit) first: u64,
    /// What [`boot`] was when the file came into use.
    pub(in crate::commit) boot: u64,
}

/// A file of the log, open for writing.
#[derive(Debug)]
pub(in crate::commit) struct LogFile {
    pub(in crate::commit) id: FileId,
    pub(in crate::commit) path: PathBuf,
    pub(in crate::commit) capacity: u64,
    file: File,
}

impl LogFile {
    /// Makes the file, of `capacity` bytes of zeros, and makes its name durable.
    pub(in crate::commit) fn create(
        directory: &Path,
        id: FileId,
        capacity: u64,
    ) -> io::Result<Self> {
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

    /// A file of an earlier opening.
    pub(in crate::commit) fn reopen(directory: &Path, id: FileId) -> io::Result<Self> {
        let path = path_of(directory, id.number);
        let file = File::options().read(true).write(true).open(&path)?;
        let capacity = file.metadata()?.len();
        Ok(Self { id, path, capacity, file })
    }

    /// Gives the file `to` bytes on the disk, where it has `from`.
    pub(in crate::commit) fn grow(&self, from: u64, to: u64) -> io::Result<()> {
        preallocate(&self.file, from, to)
    }

    /// The file comes into use. Its head is on the disk before anything is that makes sense with the
    /// head only: the seal that names the file, its records, and the mark that the file before it is
    /// settled.
    pub(in crate::commit) fn begin(&self, first: u64, boot: u64) -> io::Result<()> {
        self.write(&FileHead { id: self.id, first, boot }.encode(), 0)?;
        self.sync()
    }

    /// Removes the file, of which nothing is needed. Where that fails too, the next opening finds it.
    pub(in crate::commit) fn give_up(&self) {
        let _ = fs::remove_file(&self.path);
    }

    pub(in crate::commit) fn write(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        write_all_at(&self.file, bytes, offset)
    }

    pub(in crate::commit) fn sync(&self) -> io::Result<()> {
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
    pub(in crate::commit) fn decode(bytes: &[u8; RECORDS as usize]) -> Option<Self> {
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

pub(in crate::commit) fn path_of(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{LOG_FILES}{number}"))
}

/// The numbers of the log files in `directory`, in ascending order.
pub(in crate::commit) fn numbers(directory: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(LOG_FILES));
        numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Removes the files up to the number `settled`, the oldest first, but for the newest that have `keep`
/// bytes at most.
pub(in crate::commit) fn remove_settled(
    directory: &Path,
    settled: u64,
    keep: u64,
) -> io::Result<()> {
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
pub(in crate::commit) fn size_of_all(directory: &Path) -> io::Result<u64> {
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

/// All bytes of `file`.
pub(in crate::commit) fn read_all(file: &File) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; file.metadata()?.len() as usize];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

/// Gives the file `number` a second name, under which it stays when it is removed as a log file.
pub(in crate::commit) fn keep_aside(directory: &Path, number: u64) -> io::Result<()> {
    let (file, kept) = (path_of(directory, number), directory.join(format!("{ASIDE}{number}")));
    match fs::hard_link(&file, &kept) {
        // By a salvage that was cut short.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        // Not every file system has second names.
        Err(_) => fs::copy(&file, &kept).and_then(|_| File::open(&kept)?.sync_all()),
        Ok(()) => Ok(()),
    }
}

/// Puts what is in the file `number` on the disk.
pub(in crate::commit) fn sync(directory: &Path, number: u64) -> io::Result<()> {
    File::open(path_of(directory, number))?.sync_data()
}

/// A number for the time since the machine was started: as long as it stays the same, what was
/// handed to the operating system is still there. 0 where the system does not tell; then no two
/// moments count as of the same boot.
pub(in crate::commit) fn boot() -> u64 {
    let id = fs::read("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    if id.is_empty() {
        return 0;
    }
    let (low, high) = (crc32fast::hash(&id), crc32fast::hash(&[&id[..], b"2"].concat()));
    u64::from(low) | u64::from(high | 1) << 32
}
