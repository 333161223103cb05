//! The rows of a record, as they are read; see `commit/record.rs` for their bytes.

use super::record::{
    Change, KeyspaceId, DELETE, DELETE_RANGE, DROP, NAME, NO_END, PURGE, PUT, PUT_EXPIRING, RENAME,
    SEAL,
};

/// A row as replay reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry<'a> {
    Change(Change<'a>),
    Name(KeyspaceId, &'a [u8]),
    Seal(u64),
}

/// Goes over the rows of a record. A row that makes no sense ends it with an error; the checksum
/// has been compared before, so that is a writer's mistake or a newer format.
#[derive(Debug, Clone)]
pub(super) struct Entries<'a>(pub(super) &'a [u8]);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BadRow;

impl<'a> Entries<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn read(&mut self) -> Option<Entry<'a>> {
        let kind = self.take(1)?[0];
        if kind == SEAL {
            return Some(Entry::Seal(long(self.take(8)?, 0)));
        }
        let keyspace = short(self.take(4)?, 0);
        if kind == DROP {
            return Some(Entry::Change(Change::Drop { keyspace }));
        }
        let key_length = short(self.take(4)?, 0) as usize;
        match kind {
            PUT | PUT_EXPIRING => {
                let value_length = short(self.take(4)?, 0) as usize;
                let expires_at = match kind {
                    PUT_EXPIRING => Some(long(self.take(8)?, 0)),
                    _ => None,
                };
                let (key, value) = (self.take(key_length)?, self.take(value_length)?);
                Some(Entry::Change(Change::Put { keyspace, key, value, expires_at }))
            }
            DELETE => Some(Entry::Change(Change::Delete { keyspace, key: self.take(key_length)? })),
            PURGE => Some(Entry::Change(Change::Purge { keyspace, key: self.take(key_length)? })),
            DELETE_RANGE => {
                let end = short(self.take(4)?, 0);
                let lower = self.take(key_length)?;
                let upper = match end {
                    NO_END => None,
                    length => Some(self.take(length as usize)?),
                };
                Some(Entry::Change(Change::DeleteRange { keyspace, lower, upper }))
            }
            NAME => Some(Entry::Name(keyspace, self.take(key_length)?)),
            RENAME => {
                let name = self.take(key_length)?;
                Some(Entry::Change(Change::Rename { keyspace, name }))
            }
            _ => None,
        }
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>, BadRow>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let entry = self.read().ok_or(BadRow);
        if entry.is_err() {
            self.0 = &[];
        }
        Some(entry)
    }
}

pub(super) fn short(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes"))
}

pub(super) fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"))
}
