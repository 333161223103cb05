//! The bytes of one record of the log.
//!
//! A record is a head, rows, and one byte that ends it. All numbers are little endian.
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 4 | length of the body: rows and end byte |
//! | 4 | 8 | sequence number of the commit |
//! | 12 | 8 | all commits up to this number were synced when the record was written |
//! | 20 | 4 | CRC-32 of the body |
//! | 24 | 4 | CRC-32 of store, file number and the 24 bytes before |
//!
//! A row is one byte for its kind, then the fields of that kind:
//!
//! * `1` put: keyspace (4), key length (4), value length (4), key, value.
//! * `2` put that expires: keyspace (4), key length (4), value length (4), unix milliseconds (8),
//!   key, value.
//! * `3` delete, `4` purge: keyspace (4), key length (4), key. A purge removes a row that has
//!   expired, which no reader can notice.
//! * `5` name: keyspace (4), length (4), name. What the keyspace's number means in this file.
//! * `6` drop: keyspace (4). Everything in the keyspace goes.
//! * `7` seal: number of the next file (8). The last row of a file that has a successor.
//! * `8` delete range: keyspace (4), length of the lower end (4), length of the upper end (4), lower end,
//!   upper end. Deletes all keys from the lower end up to, not including, the upper end; all that follow
//!   where the length of the upper end is `FFFFFFFF`. It concerns the rows before it in its record too.
//! * `9` rename: keyspace (4), length (4), name. The keyspace has this name from now on. No record in front
//!   of it that is not settled has rows of the keyspace.
//!
//! A record with names or a seal has nothing else in it, and takes no sequence number: it carries
//! the number of the commit that comes next.

use smallvec::SmallVec;

use super::entries::{long, short, BadRow, Entries, Entry};
use super::Key;
use crate::engine::Bytes;

pub(super) const HEAD: usize = 28;

/// Ends each record. A write that was cut short leaves the zeros of the new file in its place.
const END: u8 = 0xA5;

/// What comes before the key of a row, at most.
const LONGEST_START: usize = 21;

pub(super) const PUT: u8 = 1;
pub(super) const PUT_EXPIRING: u8 = 2;
pub(super) const DELETE: u8 = 3;
pub(super) const PURGE: u8 = 4;
pub(super) const NAME: u8 = 5;
pub(super) const DROP: u8 = 6;
pub(super) const SEAL: u8 = 7;
pub(super) const DELETE_RANGE: u8 = 8;
pub(super) const RENAME: u8 = 9;

/// In the place of the length of an upper end: there is none.
pub(super) const NO_END: u32 = u32::MAX;

/// The number of a keyspace in an open store; in a log file it means what a name row says.
pub(crate) type KeyspaceId = u32;

/// One change of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change<'a> {
    Put {
        keyspace: KeyspaceId,
        key: &'a [u8],
        value: &'a [u8],
        expires_at: Option<u64>,
    },
    Delete {
        keyspace: KeyspaceId,
        key: &'a [u8],
    },
    /// Removes a row that has expired. It counts as no change for conflicts.
    Purge {
        keyspace: KeyspaceId,
        key: &'a [u8],
    },
    /// Deletes all keys from `lower` up to, not including, `upper`, or all that follow.
    DeleteRange {
        keyspace: KeyspaceId,
        lower: &'a [u8],
        upper: Option<&'a [u8]>,
    },
    /// Removes all rows of a keyspace.
    Drop {
        keyspace: KeyspaceId,
    },
    /// Gives a keyspace, all rows of which are settled, another name.
    Rename {
        keyspace: KeyspaceId,
        name: &'a [u8],
    },
}

impl<'a> Change<'a> {
    /// The same in the keyspace that `number` gives for its own; `None` where that gives none.
    pub(super) fn renamed(
        self,
        number: impl Fn(KeyspaceId) -> Option<KeyspaceId>,
    ) -> Option<Change<'a>> {
        let keyspace = number(self.keyspace())?;
        Some(match self {
            Change::Put { key, value, expires_at, .. } => {
                Change::Put { keyspace, key, value, expires_at }
            }
            Change::Delete { key, .. } => Change::Delete { keyspace, key },
            Change::Purge { key, .. } => Change::Purge { keyspace, key },
            Change::DeleteRange { lower, upper, .. } => {
                Change::DeleteRange { keyspace, lower, upper }
            }
            Change::Drop { .. } => Change::Drop { keyspace },
            Change::Rename { name, .. } => Change::Rename { keyspace, name },
        })
    }

    /// The key that is changed, if it is one.
    pub(super) fn key(&self) -> Option<&'a [u8]> {
        match self {
            Change::Put { key, .. } | Change::Delete { key, .. } | Change::Purge { key, .. } => {
                Some(key)
            }
            Change::DeleteRange { .. } | Change::Drop { .. } | Change::Rename { .. } => None,
        }
    }

    pub(super) fn keyspace(&self) -> KeyspaceId {
        match self {
            Change::Put { keyspace, .. }
            | Change::Delete { keyspace, .. }
            | Change::Purge { keyspace, .. }
            | Change::DeleteRange { keyspace, .. }
            | Change::Drop { keyspace }
            | Change::Rename { keyspace, .. } => *keyspace,
        }
    }
}

/// The fields of a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) body: u32,
    pub(super) sequence: u64,
    pub(super) synced: u64,
    body_sum: u32,
}

/// Which file a record is in; part of the checksum of its head, so that a record of another store,
/// or of another file, is never taken for one of this file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileId {
    pub(super) store: u64,
    pub(super) number: u64,
}

/// A record that is being written.
#[derive(Debug)]
pub(crate) struct Record {
    bytes: Vec<u8>,
    body_sum: u32,
    /// The keyspaces that are named, each once.
    keyspaces: SmallVec<[KeyspaceId; 2]>,
}

impl Record {
    pub(crate) fn new() -> Self {
        Self { bytes: vec![0; HEAD], body_sum: 0, keyspaces: SmallVec::new() }
    }

    /// With room for one row of `size` bytes in key and value.
    pub(crate) fn with_room(size: usize) -> Self {
        Self::with_room_for(1, size)
    }

    /// With room for so many rows, of `size` bytes in all.
    pub(crate) fn with_room_for(rows: usize, size: usize) -> Self {
        let mut bytes = Vec::with_capacity(HEAD + rows * LONGEST_START + size + 1);
        bytes.resize(HEAD, 0);
        Self { bytes, body_sum: 0, keyspaces: SmallVec::new() }
    }

    /// The bytes that the record takes in the log, once it is complete.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether it has no changes, and so is no commit.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.len() == HEAD
    }

    pub(crate) fn push(&mut self, change: Change<'_>) {
        let keyspace = change.keyspace();
        // The last one is the most likely.
        if !self.keyspaces.iter().rev().any(|known| *known == keyspace) {
            self.keyspaces.push(keyspace);
        }
        match change {
            Change::Put { keyspace, key, value, expires_at: None } => {
                self.start(PUT, &[keyspace, length(key), length(value)]);
                self.bytes.extend_from_slice(key);
                self.bytes.extend_from_slice(value);
            }
            Change::Put { keyspace, key, value, expires_at: Some(at) } => {
                self.start(PUT_EXPIRING, &[keyspace, length(key), length(value)]);
                self.bytes.extend_from_slice(&at.to_le_bytes());
                self.bytes.extend_from_slice(key);
                self.bytes.extend_from_slice(value);
            }
            Change::Delete { keyspace, key } => {
                self.start(DELETE, &[keyspace, length(key)]);
                self.bytes.extend_from_slice(key);
            }
            Change::Purge { keyspace, key } => {
                self.start(PURGE, &[keyspace, length(key)]);
                self.bytes.extend_from_slice(key);
            }
            Change::DeleteRange { keyspace, lower, upper } => {
                let end = upper.map_or(NO_END, length);
                self.start(DELETE_RANGE, &[keyspace, length(lower), end]);
                self.bytes.extend_from_slice(lower);
                self.bytes.extend_from_slice(upper.unwrap_or_default());
            }
            Change::Drop { keyspace } => self.start(DROP, &[keyspace]),
            Change::Rename { keyspace, name } => {
                self.start(RENAME, &[keyspace, length(name)]);
                self.bytes.extend_from_slice(name);
            }
        }
    }

    /// Adds a change, if there is one.
    pub(crate) fn extend(&mut self, change: Option<Change<'_>>) {
        if let Some(change) = change {
            self.push(change);
        }
    }

    pub(super) fn push_name(&mut self, keyspace: KeyspaceId, name: &[u8]) {
        self.start(NAME, &[keyspace, length(name)]);
        self.bytes.extend_from_slice(name);
    }

    pub(super) fn push_seal(&mut self, next: u64) {
        self.start(SEAL, &[]);
        self.bytes.extend_from_slice(&next.to_le_bytes());
    }

    fn start(&mut self, kind: u8, fields: &[u32]) {
        self.bytes.push(kind);
        fields.iter().for_each(|field| self.bytes.extend_from_slice(&field.to_le_bytes()));
    }

    /// Ends the body and takes its checksum, which needs no lock.
    pub(crate) fn complete(mut self) -> CompleteRecord {
        self.bytes.push(END);
        self.body_sum = crc32fast::hash(&self.bytes[HEAD..]);
        CompleteRecord(self)
    }
}

/// A record whose body is final; only its head depends on the place where it is appended.
#[derive(Debug)]
pub(crate) struct CompleteRecord(Record);

impl CompleteRecord {
    pub(super) fn len(&self) -> usize {
        self.0.bytes.len()
    }

    /// Writes the head for this place, and answers with the bytes for the file.
    pub(super) fn place(&mut self, file: FileId, sequence: u64, synced: u64) -> &[u8] {
        let body = (self.0.bytes.len() - HEAD) as u32;
        let head = Head { body, sequence, synced, body_sum: self.0.body_sum };
        self.0.bytes[..HEAD].copy_from_slice(&head.encode(file));
        &self.0.bytes
    }

    /// The keyspaces that the rows are of.
    pub(super) fn keyspaces(&self) -> &[KeyspaceId] {
        &self.0.keyspaces
    }

    /// The changes of the record, in their order.
    pub(super) fn changes(&self) -> impl Iterator<Item = Change<'_>> {
        self.entries().filter_map(|entry| match entry {
            Ok(Entry::Change(change)) => Some(change),
            Ok(Entry::Name(..) | Entry::Seal(_)) | Err(BadRow) => None,
        })
    }

    /// The rows of the record, in their order.
    fn entries(&self) -> Entries<'_> {
        Entries(&self.0.bytes[HEAD..self.0.bytes.len() - 1])
    }
}

impl Head {
    fn encode(&self, file: FileId) -> [u8; HEAD] {
        let mut bytes = [0; HEAD];
        bytes[..4].copy_from_slice(&self.body.to_le_bytes());
        bytes[4..12].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[12..20].copy_from_slice(&self.synced.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.body_sum.to_le_bytes());
        let sum = head_sum(file, &bytes[..24]);
        bytes[24..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// `None` where the checksum is wrong.
    pub(super) fn decode(file: FileId, bytes: &[u8; HEAD]) -> Option<Self> {
        let (fields, sum) = bytes.split_last_chunk::<4>()?;
        if head_sum(file, fields).to_le_bytes() != *sum {
            return None;
        }
        Some(Self {
            body: short(fields, 0),
            sequence: long(fields, 4),
            synced: long(fields, 12),
            body_sum: short(fields, 20),
        })
    }

    /// The rows of `body`, if it is whole.
    pub(super) fn entries<'a>(&self, body: &'a [u8]) -> Option<Entries<'a>> {
        let (end, rows) = body.split_last()?;
        (*end == END && crc32fast::hash(body) == self.body_sum).then_some(Entries(rows))
    }

    /// The same of a body that was found whole before.
    pub(super) fn known_entries(body: &[u8]) -> Option<Entries<'_>> {
        body.split_last().map(|(_, rows)| Entries(rows))
    }

    /// Whether all of `body` was handed to the file, whatever became of it afterwards.
    pub(super) fn has_end(body: &[u8]) -> bool {
        body.last().is_some_and(|end| *end != 0)
    }
}

fn head_sum(file: FileId, fields: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&file.store.to_le_bytes());
    sum.update(&file.number.to_le_bytes());
    sum.update(fields);
    sum.finalize()
}

/// A settled row, or what becomes of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RowImage {
    pub(crate) value: Bytes,
    pub(crate) expires_at: Option<u64>,
}

impl RowImage {
    /// Whether it has not expired in the millisecond `now`.
    pub(crate) fn is_live(&self, now: u64) -> bool {
        self.expires_at.is_none_or(|at| at > now)
    }

    pub(super) fn size(key: &Key, row: Option<&RowImage>) -> usize {
        key.len() + row.map_or(0, |row| row.value.len())
    }
}

/// Keys are 4096 bytes at most, values 1 GiB, names 255: see `store/limits.rs`.
fn length(bytes: &[u8]) -> u32 {
    bytes.len() as u32
}
