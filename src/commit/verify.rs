//! Going over the log of a store that is open, beside its writers.

use std::fs::File;
use std::io;

use super::committer::Committer;
use super::log::file::path_of;
use super::log::verify_files;
use super::Settled;
use crate::engine::{Finding, Result};

/// What of the log has to be whole, at one moment.
struct Extent {
    /// The commits up to this one are settled.
    settled: u64,
    /// The files of the log, the oldest first.
    files: Vec<(u64, File)>,
    /// Those of them that are missing.
    missing: Vec<u64>,
    /// The file that is written to, and where its last record ends.
    last: (u64, u64),
}

impl<S: Settled> Committer<S> {
    /// Reads every record of the log that is not settled, and tells all that are damaged. No commit
    /// waits for it.
    pub(crate) fn verify_log(&self) -> Result<Vec<Finding>> {
        let io = |source: io::Error| self.io("read", &source);
        let extent = self.extent().map_err(io)?;
        let directory = &self.options.directory;
        let absent =
            |number: &u64| Finding::new(path_of(directory, *number), 0, "the file is missing");
        let mut findings: Vec<_> = extent.missing.iter().map(absent).collect();
        let store = self.options.store;
        findings.extend(
            verify_files(directory, store, extent.settled, &extent.files, extent.last)
                .map_err(io)?,
        );
        Ok(findings)
    }

    /// Opens the files, so that they can be read though the checkpoint may remove them meanwhile.
    fn extent(&self) -> io::Result<Extent> {
        loop {
            let (numbers, last) = {
                let writer = self.writer();
                let tables = self.tables();
                let frozen = tables.frozen.iter().map(|table| table.number);
                let numbers: Vec<_> = frozen.chain([tables.active.number]).collect();
                (numbers, (tables.active.number, writer.tail.end()))
            };
            let before = self.checkpoints.lock().settlement;
            let (mut files, mut missing) = (Vec::new(), Vec::new());
            for number in numbers.iter().filter(|number| **number > before.file) {
                match File::open(path_of(&self.options.directory, *number)) {
                    Ok(file) => files.push((*number, file)),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        missing.push(*number);
                    }
                    Err(error) => return Err(error),
                }
            }
            let after = self.checkpoints.lock().settlement.file;
            // A checkpoint has removed them; the next look is at what is there since.
            if missing.iter().any(|number| *number <= after) {
                continue;
            }
            return Ok(Extent { settled: before.sequence, files, missing, last });
        }
    }
}
