//! What an earlier ending left in the directory, put right or refused before sled sees it.
//!
//! All of this runs under the directory's lock.

pub(crate) mod backup;
pub(crate) mod check;
pub(crate) mod keeper;
mod segments;
pub(crate) mod watermark;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use oxistore_core::StoreError;

use crate::engine::interpose::log_state::LogState;
use crate::engine::open::directory::{log_file, sync};
use crate::engine::{Failure, Finding, Result, LOG_FILES};

/// Stands in the directory while a store is made there for the first time.
const CREATING: &str = "sledstore.creating";

/// Where snapshots of sled's page table are put that it cannot open the log with.
pub(crate) const SET_ASIDE: &str = "sledstore.set-aside.";

/// Prepares `directory` for sled; says whether a store will be made there for the first time.
pub(crate) fn prepare(directory: &Path) -> Result<bool> {
    let io = |source| Failure::from_io("open", directory, &source);
    let mut mark = watermark::read(directory).map_err(io)?;
    let is_torn = mark.is_none() || !log_file(directory).exists();
    if is_torn && directory.join(CREATING).exists() {
        // An earlier creation was cut short, and nobody was ever told that the store is there.
        remove_files(directory).map_err(io)?;
        mark = None;
    }
    remove_half_written_snapshots(directory).map_err(io)?;
    if log_file(directory).exists() {
        mend_conf(directory, mark.map(|mark| mark.segment_size)).map_err(io)?;
        keep_snapshots(directory).map_err(io)?;
        return Ok(false);
    }
    let is_left = mark.is_some() || has_log_files(directory).map_err(io)?;
    if is_left || !snapshots(directory).map_err(io)?.is_empty() {
        return Err(StoreError::Corruption(format!(
            "cannot open {}: there was a store, but its log, the file `db`, is gone",
            directory.display()
        )));
    }
    fs::write(directory.join(CREATING), b"").map_err(io)?;
    sync(directory).map_err(io)?;
    Ok(true)
}

/// Tells what sled would lose of the log in `directory`; fails if it cannot be read. Changes nothing.
/// `segment_size` is the one of a store without a mark.
pub(crate) fn check_log(directory: &Path, segment_size: u64) -> Result<Vec<Finding>> {
    let io = |source| Failure::from_io("open", directory, &source);
    let mark = watermark::read(directory).map_err(io)?;
    let segment_size = mark.map_or(segment_size, |mark| mark.segment_size);
    check::check(directory, segment_size, mark.as_ref()).map_err(io)
}

/// Notes that the store in `directory` was closed. Where that fails nothing is lost, and the next opening
/// looks at its log as after a crash.
pub(crate) fn note_close(directory: &Path, segment_size: usize) -> io::Result<()> {
    let end = check::end_of_log(directory, segment_size as u64)?;
    let mut mark = watermark::WatermarkFile::open(directory, segment_size)?;
    mark.close(end)?;
    mark.sync()
}

/// The store is there for good: its mark and all its files are durable. The name that said that it
/// was being made must not come back, or a later opening could take the store for a torn one; that
/// it takes none for torn that has a mark is for the power cut between these two lines.
pub(crate) fn finish_creation(directory: &Path) -> io::Result<()> {
    match fs::remove_file(directory.join(CREATING)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(()) => sync(directory),
    }
}

fn remove_files(directory: &Path) -> io::Result<()> {
    for name in ["conf", "db", watermark::FILE_NAME] {
        ignore_absence(fs::remove_file(directory.join(name)))?;
    }
    for snapshot in snapshots(directory)? {
        ignore_absence(fs::remove_file(snapshot))?;
    }
    ignore_absence(fs::remove_dir_all(directory.join("blobs")))
}

fn ignore_absence(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// sled takes every file whose name starts with `snap.` for a snapshot of its page table, and
/// refuses to open when one of them is none: also one that it was writing when the process ended.
fn remove_half_written_snapshots(directory: &Path) -> io::Result<()> {
    for snapshot in snapshots(directory)? {
        if is_half_written(&snapshot) {
            fs::remove_file(snapshot)?;
        }
    }
    Ok(())
}

fn is_half_written(snapshot: &Path) -> bool {
    snapshot.extension().is_some_and(|extension| extension == "generating")
}

/// The snapshots of sled's page table that are in `directory`.
pub(crate) fn snapshots(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let is_snapshot = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"snap."))
    };
    let entries = fs::read_dir(directory)?.map(|entry| entry.map(|entry| entry.path()));
    Ok(entries.collect::<io::Result<Vec<_>>>()?.into_iter().filter(is_snapshot).collect())
}

/// Whether there are files of the store's own log, which is made once the store is there.
fn has_log_files(directory: &Path) -> io::Result<bool> {
    let is_log = |entry: io::Result<fs::DirEntry>| {
        entry.map(|entry| entry.file_name().as_encoded_bytes().starts_with(LOG_FILES.as_bytes()))
    };
    fs::read_dir(directory)?.map(is_log).try_fold(false, |any, is| Ok(any | is?))
}

/// Gives all snapshots a second name, by which they stay when sled replaces them or they are hidden.
fn keep_snapshots(directory: &Path) -> io::Result<()> {
    // Of an opening that was cut short: while snapshots are hidden, these are all there are.
    if snapshots(directory)?.is_empty() {
        each_set_aside(directory, |path, name| fs::rename(path, directory.join(name)))?;
    }
    forget_set_aside(directory)?;
    for snapshot in snapshots(directory)? {
        let kept = aside(directory, &snapshot);
        // Not every file system has second names.
        fs::hard_link(&snapshot, &kept).or_else(|_| fs::copy(&snapshot, &kept).map(drop))?;
    }
    Ok(())
}

/// Takes all snapshots out of sled's sight; it then reads the whole log instead. Says whether there
/// were any.
pub(crate) fn hide_snapshots(directory: &Path) -> io::Result<bool> {
    let mut snapshots = snapshots(directory)?;
    // One that has not got its name yet counts for nothing.
    snapshots.retain(|snapshot| !is_half_written(snapshot));
    snapshots.iter().try_for_each(fs::remove_file)?;
    Ok(!snapshots.is_empty())
}

/// An opening has failed or is refused: the log and its snapshots are again as they were. Since
/// `prepare` the snapshots have second names. A log and a snapshot that do not belong together are
/// worse than either: a log that cannot be changed back keeps what sled has written for it, and
/// once it is changed back, a step that fails keeps none of the others from being made.
pub(crate) fn take_back(directory: &Path, log: &LogState) -> io::Result<()> {
    log.take_back(&log_file(directory))?;
    let hidden = hide_snapshots(directory);
    let shown = each_set_aside(directory, |path, name| fs::rename(path, directory.join(name)));
    hidden.and(shown)
}

/// Removes what was set aside, after sled has opened the log without it and nothing is missing.
pub(crate) fn forget_set_aside(directory: &Path) -> io::Result<()> {
    each_set_aside(directory, |path, _| fs::remove_file(path))
}

fn each_set_aside(directory: &Path, act: impl Fn(&Path, &str) -> io::Result<()>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Some(snapshot) = name.strip_prefix(SET_ASIDE) {
            act(&path, snapshot)?;
        }
    }
    Ok(())
}

fn aside(directory: &Path, snapshot: &Path) -> PathBuf {
    let name = snapshot.file_name().unwrap_or_default().to_string_lossy();
    directory.join(format!("{SET_ASIDE}{name}"))
}

/// Writes sled's note of its settings anew where it is torn and the settings are known: sled warns
/// of a wrong checksum and then fails on what it reads, for ever.
fn mend_conf(directory: &Path, segment_size: Option<u64>) -> io::Result<()> {
    let path = directory.join("conf");
    let found = match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        other => other?,
    };
    if conf_is_whole(&found) {
        return Ok(());
    }
    if fs::metadata(log_file(directory))?.len() == 0 {
        return ignore_absence(fs::remove_file(path));
    }
    match segment_size {
        Some(size) => {
            fs::write(&path, conf(size))?;
            sync(&path)
        }
        None => Ok(()),
    }
}

/// What sled 0.34 notes of a store without compression: lines of text and their checksum.
fn conf(segment_size: u64) -> Vec<u8> {
    let text = format!("segment_size: {segment_size}\nuse_compression: false\nversion: 0.34\n");
    let sum = crc32fast::hash(text.as_bytes()).to_le_bytes();
    [text.as_bytes(), &sum].concat()
}

fn conf_is_whole(bytes: &[u8]) -> bool {
    bytes
        .split_last_chunk::<4>()
        .is_some_and(|(text, sum)| !text.is_empty() && crc32fast::hash(text).to_le_bytes() == *sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_are_written_as_sled_writes_them() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let config = sled::Config::new().path(directory.path()).segment_size(1 << 20);
        drop(config.open().expect("a store of sled's"));
        let written = fs::read(directory.path().join("conf")).expect("its settings");
        assert_eq!(written, conf(1 << 20));
        assert!(conf_is_whole(&written) && !conf_is_whole(&written[1..]));
        assert!(!conf_is_whole(&[0; 62]) && !conf_is_whole(b""));
    }
}
