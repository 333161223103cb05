//! Reading commits from the log while the store is open.
//!
//! A reader takes no lock. It reads no further than the newest commit that was published before: a
//! commit is in the log, whole, before it is published, and what is written behind it does not change
//! it. A file that the checkpoint removes meanwhile stays readable for the reader that has it open.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use oxistore_core::StoreError;

use super::entries::Entry;
use super::log::file::{numbers, path_of, FileHead, RECORDS};
use super::record::{Change, FileId, Head, KeyspaceId, HEAD};
use crate::engine::{Bytes, Failure, Reason, Result};

/// What a commit wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LoggedKind {
    /// A key was set, whether it was there or not.
    Put,
    /// A key was removed, which need not have been there.
    Remove,
    /// A row that had expired was removed, or a key that was absent.
    Expire,
    /// All keys were removed from [`LoggedChange::key`] up to, not including, [`LoggedChange::value`], or
    /// all that follow where that is `None`; also those that the commit has put before.
    RemoveRange,
    /// The keyspace was dropped with everything in it.
    DropKeyspace,
    /// The keyspace has the name [`LoggedChange::value`] from now on, with everything in it.
    RenameKeyspace,
}

/// One write of a commit, as the log has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedChange {
    /// The number of the commit.
    pub sequence: u64,
    /// What was written.
    pub kind: LoggedKind,
    /// The name of the keyspace; for [`LoggedKind::RenameKeyspace`] the one that it had.
    pub keyspace: Bytes,
    /// The key, or the lower end of a range; empty for [`LoggedKind::DropKeyspace`] and
    /// [`LoggedKind::RenameKeyspace`].
    pub key: Bytes,
    /// The value that was put, the upper end of a range if it has one, or a new name.
    pub value: Option<Bytes>,
    /// When that expires, in milliseconds since 1970; `None` if never.
    pub expires_at: Option<u64>,
}

/// A place in the log.
#[derive(Debug)]
pub(crate) struct Feed {
    directory: PathBuf,
    store: u64,
    /// The commit to be read next.
    next: u64,
    file: Option<Reading>,
}

/// A file of the log, open for reading.
#[derive(Debug)]
struct Reading {
    id: FileId,
    file: File,
    offset: u64,
    /// The keyspaces that have a name in the file so far.
    names: HashMap<KeyspaceId, Bytes>,
}

impl Feed {
    /// A place behind the commit `after`.
    pub(super) fn new(directory: PathBuf, store: u64, after: u64) -> Self {
        Self { directory, store, next: after + 1, file: None }
    }

    /// The changes of the next commit; `None` where that is not published yet.
    pub(crate) fn next_commit(&mut self, published: u64) -> Result<Option<Vec<LoggedChange>>> {
        if self.next > published {
            return Ok(None);
        }
        loop {
            let mut reading = match self.file.take() {
                Some(reading) => reading,
                None => self.find()?,
            };
            let read = self.next_of_file(&mut reading);
            if let Ok(Some(changes)) = read {
                self.next += 1;
                self.file = Some(reading);
                return Ok(Some(changes));
            }
            // It goes on in another file, which begins with that commit. So it does where the end of this
            // one was damaged, and the store salvaged.
            match self.find() {
                Ok(found) if found.id != reading.id => self.file = Some(found),
                Ok(_) | Err(_) => return Err(read.err().unwrap_or_else(|| self.too_old())),
            }
        }
    }

    /// The changes of the next commit, if they are in this file.
    fn next_of_file(&self, reading: &mut Reading) -> Result<Option<Vec<LoggedChange>>> {
        while let Some((head, body)) = self.record(reading)? {
            let changes = self.changes(reading, head, &body)?;
            reading.offset += (HEAD + body.len()) as u64;
            // Records of names and seals carry the number of the commit that comes next.
            if !changes.is_empty() && head.sequence == self.next {
                return Ok(Some(changes));
            }
        }
        Ok(None)
    }

    /// Fails if the commit to be read next was published, and is in no file any more.
    pub(crate) fn check(&mut self, published: u64) -> Result<()> {
        if self.next <= published {
            self.file = Some(self.find()?);
        }
        Ok(())
    }

    /// The number of the first commit that the log has.
    pub(crate) fn oldest(&self) -> Result<Option<u64>> {
        Ok(self.heads()?.first().map(|head| head.first))
    }

    /// The file that the next commit is in, if any has it.
    fn find(&self) -> Result<Reading> {
        let heads = self.heads()?;
        let Some(head) = heads.iter().rfind(|head| head.first <= self.next) else {
            return Err(self.too_old());
        };
        match File::open(path_of(&self.directory, head.id.number)) {
            Ok(file) => Ok(Reading { id: head.id, file, offset: RECORDS, names: HashMap::new() }),
            // It was removed since: it was the oldest one.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(self.too_old()),
            Err(error) => Err(self.io(&error)),
        }
    }

    /// The heads of all files that are in use, the oldest first.
    fn heads(&self) -> Result<Vec<FileHead>> {
        let mut heads = Vec::new();
        for number in numbers(&self.directory).map_err(|error| self.io(&error))? {
            let mut bytes = [0; RECORDS as usize];
            let read = File::open(path_of(&self.directory, number))
                .and_then(|file| file.read_exact_at(&mut bytes, 0));
            match read {
                Ok(()) => {}
                // It was removed since, or is being made.
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof
                    ) =>
                {
                    continue;
                }
                Err(error) => return Err(self.io(&error)),
            }
            let head = FileHead::decode(&bytes);
            heads.extend(head.filter(|head| head.id == FileId { store: self.store, number }));
        }
        Ok(heads)
    }

    /// The record at the place, with its body; `None` behind the seal.
    fn record(&self, reading: &Reading) -> Result<Option<(Head, Vec<u8>)>> {
        let mut bytes = [0; HEAD];
        self.read(reading, &mut bytes, reading.offset)?;
        if bytes == [0; HEAD] {
            return Ok(None);
        }
        let head = Head::decode(reading.id, &bytes).ok_or_else(|| self.damaged(reading))?;
        let mut body = vec![0; head.body as usize];
        self.read(reading, &mut body, reading.offset + HEAD as u64)?;
        Ok(Some((head, body)))
    }

    /// Where the file has no such bytes, they are zero: its end can be left out.
    fn read(&self, reading: &Reading, bytes: &mut [u8], offset: u64) -> Result<()> {
        match reading.file.read_exact_at(bytes, offset) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                bytes.fill(0);
                Ok(())
            }
            Err(error) => Err(self.io(&error)),
        }
    }

    fn changes(&self, reading: &mut Reading, head: Head, body: &[u8]) -> Result<Vec<LoggedChange>> {
        let mut changes = Vec::new();
        for entry in head.entries(body).ok_or_else(|| self.damaged(reading))? {
            match entry.map_err(|_| self.damaged(reading))? {
                Entry::Name(id, name) => drop(reading.names.insert(id, Bytes::from(name))),
                Entry::Seal(_) => {}
                Entry::Change(change) => {
                    let name = reading.names.get(&change.keyspace());
                    let name = name.ok_or_else(|| self.damaged(reading))?.clone();
                    changes.push(LoggedChange::new(head.sequence, name, change));
                }
            }
        }
        Ok(changes)
    }

    fn too_old(&self) -> StoreError {
        let text = match self.oldest() {
            Ok(Some(oldest)) if oldest > self.next => format!(
                "commit {} is not in the log any more; the oldest that is there is {oldest}",
                self.next
            ),
            _ => format!("commit {} is not in the log any more", self.next),
        };
        Failure::error("read the log of", &self.directory, Reason::TooOld, text)
    }

    fn damaged(&self, reading: &Reading) -> StoreError {
        let path = path_of(&self.directory, reading.id.number);
        let (path, offset) = (path.display(), reading.offset);
        StoreError::Corruption(format!("cannot read {path}: damaged in front of byte {offset}"))
    }

    fn io(&self, error: &io::Error) -> StoreError {
        Failure::from_io("read the log of", &self.directory, error)
    }
}

impl LoggedChange {
    fn new(sequence: u64, keyspace: Bytes, change: Change<'_>) -> Self {
        let kind = match change {
            Change::Put { .. } => LoggedKind::Put,
            Change::Delete { .. } => LoggedKind::Remove,
            Change::Purge { .. } => LoggedKind::Expire,
            Change::DeleteRange { .. } => LoggedKind::RemoveRange,
            Change::Drop { .. } => LoggedKind::DropKeyspace,
            Change::Rename { .. } => LoggedKind::RenameKeyspace,
        };
        let (key, value, expires_at) = match change {
            Change::Put { key, value, expires_at, .. } => (key, Some(value), expires_at),
            Change::Delete { key, .. } | Change::Purge { key, .. } => (key, None, None),
            Change::DeleteRange { lower, upper, .. } => (lower, upper, None),
            Change::Drop { .. } => (&[][..], None, None),
            Change::Rename { name, .. } => (&[][..], Some(name), None),
        };
        let (key, value) = (Bytes::from(key), value.map(Bytes::from));
        Self { sequence, kind, keyspace, key, value, expires_at }
    }
}
