//! What sled overwrites while it opens a log, so that an opening that is refused leaves the log as
//! it was.
//!
//! sled zeroes whatever it takes for torn: after a byte has flipped, or without the snapshot of its
//! page table, that can be everything. Whether it was right is known only when the mark is
//! compared. Until then the old bytes of each write are kept, in memory.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, PoisonError};

/// The old bytes of a log that is being opened.
#[derive(Debug, Default)]
pub(crate) struct Backup(Mutex<Saved>);

#[derive(Debug, Default)]
struct Saved {
    /// How long the log was before the first write.
    length: Option<u64>,
    /// In the order of the writes.
    parts: Vec<(u64, Vec<u8>)>,
}

impl Backup {
    /// To be called before `size` bytes of `log` are written at `offset`, or everything behind it
    /// is cut off.
    pub(crate) fn save(&self, log: &File, offset: u64, size: u64) -> io::Result<()> {
        let mut saved = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let length = log.metadata()?.len();
        saved.length.get_or_insert(length);
        let mut bytes = vec![0; length.saturating_sub(offset).min(size) as usize];
        let mut read = 0;
        // What another thread is just cutting off it has saved itself.
        while let more @ 1.. = log.read_at(&mut bytes[read..], offset + read as u64)? {
            read += more;
        }
        bytes.truncate(read);
        saved.parts.push((offset, bytes));
        Ok(())
    }

    /// Writes everything back. The caller keeps others from writing. Where it cannot be synced, it
    /// is in the system's memory all the same, and the store is not open.
    pub(crate) fn restore(&self, log: &File) -> io::Result<()> {
        let mut saved = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(length) = saved.length.take() else { return Ok(()) };
        for (offset, bytes) in std::mem::take(&mut saved.parts).into_iter().rev() {
            log.write_all_at(&bytes, offset)?;
        }
        log.set_len(length)?;
        let _ = log.sync_all();
        Ok(())
    }

    /// Nothing will be written back.
    pub(crate) fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Saved::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_overwritten_and_added_is_as_it_was() {
        let log = tempfile::tempfile().expect("a temporary file");
        log.write_all_at(b"0123456789", 0).unwrap();
        let undo = Backup::default();
        for (offset, bytes) in [(2, "xx"), (3, "yyy"), (8, "zzzzzz"), (20, "far")] {
            undo.save(&log, offset, bytes.len() as u64).unwrap();
            log.write_all_at(bytes.as_bytes(), offset).unwrap();
        }
        undo.save(&log, 4, u64::MAX).unwrap();
        log.set_len(4).unwrap();
        undo.restore(&log).unwrap();
        assert_eq!(log.metadata().unwrap().len(), 10);
        let mut found = [0; 10];
        log.read_exact_at(&mut found, 0).unwrap();
        assert_eq!(&found, b"0123456789");
    }
}
