//! Moving over settled rows with their expiries.

use std::collections::VecDeque;
use std::ops::Bound;

use super::expiry;
use crate::engine::{Bytes, Cursor, Result, Row};

/// Entries of a sidecar that are read at once.
const AT_ONCE: usize = 64;

/// A row with its expiry.
#[derive(Clone)]
pub(crate) struct ExpiringRow {
    pub(crate) row: Row,
    pub(crate) expires_at: Option<u64>,
}

/// Moves over the settled rows of a keyspace.
///
/// A row and its expiry are read one after the other. Where the checkpoint comes in between, the read
/// view knows the row from elsewhere.
pub(crate) struct SettledScan {
    data: Cursor,
    /// `None` where no row has an expiry.
    expiries: Option<Expiries>,
}

struct Expiries {
    cursor: Cursor,
    /// What was read and lies beyond the rows so far.
    ahead: VecDeque<Row>,
    has_more: bool,
}

impl SettledScan {
    pub(crate) fn new(data: Cursor, expiries: Option<Cursor>) -> Self {
        let expiries =
            expiries.map(|cursor| Expiries { cursor, ahead: VecDeque::new(), has_more: true });
        Self { data, expiries }
    }

    /// Goes to where a range begins, see [`Cursor::begin`].
    pub(crate) fn begin(&mut self, edge: &Bound<Bytes>) {
        self.data.begin(edge.clone());
        if let Some(expiries) = &mut self.expiries {
            expiries.cursor.begin(edge.clone());
            expiries.ahead.clear();
            expiries.has_more = true;
        }
    }

    /// Whether there can be rows beyond `edge` in this direction.
    pub(crate) fn has(&self, edge: &Bound<Bytes>, down: bool) -> bool {
        self.data.has(edge, down)
    }

    /// Adds the rows that follow to `rows`: at least one and at most `most`, fewer where they are
    /// large. Says whether there may be more.
    pub(crate) fn read_on(
        &mut self,
        down: bool,
        most: usize,
        rows: &mut VecDeque<ExpiringRow>,
    ) -> Result<bool> {
        let mut read = VecDeque::new();
        let has_more = self.data.read_on(down, most, &mut read)?;
        for row in read {
            let expires_at = match &mut self.expiries {
                Some(expiries) => expiries.of(&row.key, down)?,
                None => None,
            };
            rows.push_back(ExpiringRow { row, expires_at });
        }
        Ok(has_more)
    }
}

impl Expiries {
    /// The expiry of `key`, which lies beyond all keys that were asked for before.
    fn of(&mut self, key: &[u8], down: bool) -> Result<Option<u64>> {
        loop {
            while let Some(entry) = self.ahead.front() {
                let (first, second) =
                    if down { (key, &entry.key[..]) } else { (&entry.key[..], key) };
                match first.cmp(second) {
                    std::cmp::Ordering::Less => drop(self.ahead.pop_front()),
                    std::cmp::Ordering::Equal => return Ok(expiry(&entry.value)),
                    std::cmp::Ordering::Greater => return Ok(None),
                }
            }
            if !self.has_more {
                return Ok(None);
            }
            self.has_more = self.cursor.read_on(down, AT_ONCE, &mut self.ahead)?;
        }
    }
}

/// Moves upwards over the keys of a keyspace whose settled rows have expiries.
pub(crate) struct ExpiryScan {
    cursor: Cursor,
    reached: Bytes,
}

impl ExpiryScan {
    pub(crate) fn new(cursor: Cursor) -> Self {
        Self { cursor, reached: Bytes::default() }
    }

    /// Looks at up to `most` keys from `begin` on, and adds those to `keys` that have expired by
    /// `now`. Says whether there may be more.
    pub(crate) fn read_expired(
        &mut self,
        begin: &Bound<Bytes>,
        most: usize,
        now: u64,
        keys: &mut Vec<Bytes>,
    ) -> Result<bool> {
        self.cursor.begin(begin.clone());
        let mut rows = VecDeque::new();
        let has_more = self.cursor.read_on(false, most, &mut rows)?;
        if let Some(last) = rows.back() {
            self.reached = last.key.clone();
        }
        let has_expired = |row: &Row| expiry(&row.value).is_some_and(|at| at <= now);
        keys.extend(rows.into_iter().filter(has_expired).map(|row| row.key));
        Ok(has_more)
    }

    /// The last key that was looked at.
    pub(crate) fn reached(&self) -> &Bytes {
        &self.reached
    }
}
