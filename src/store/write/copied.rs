//! Writing rows that come from another store, or from another moment of this one.

use crate::commit::{Change, Durability, Record};
use crate::engine::{Bytes, Result};
use crate::store::limits::{check_key, check_value};
use crate::store::stats::counters::Count;
use crate::store::SledStore;

/// A row as it is to be.
pub(crate) struct CopiedRow {
    pub(crate) key: Bytes,
    /// `None` removes the key.
    pub(crate) value: Option<Bytes>,
    /// In milliseconds since 1970.
    pub(crate) expires_at: Option<u64>,
}

impl CopiedRow {
    pub(crate) fn size(&self) -> usize {
        self.key.len() + self.value.as_ref().map_or(0, |value| value.len())
    }

    /// Fails where a store with such a limit refuses the row.
    pub(crate) fn check(&self, longest_key: usize) -> Result<()> {
        match &self.value {
            Some(value) => check_key(&self.key, Some(longest_key)).and(check_value(value)),
            None => Ok(()),
        }
    }
}

impl SledStore {
    /// Makes `rows` in one commit. What has expired by now is written all the same: the store that it is
    /// for may have another clock.
    pub(crate) fn write_copied(&self, rows: &[CopiedRow]) -> Result<()> {
        let keyspace = self.keyspace.id();
        let lease = self.keyspace.lease(self.inner.path())?;
        let core = lease.core();
        let size = rows.iter().map(CopiedRow::size).sum();
        core.wait_for_room(size)?;
        let mut record = Record::with_room_for(rows.len(), size);
        for CopiedRow { key, value, expires_at } in rows {
            record.push(match value {
                Some(value) => Change::Put { keyspace, key, value, expires_at: *expires_at },
                None => Change::Delete { keyspace, key },
            });
        }
        let _changing = self.keyspace.count.changing();
        core.commit(record, Durability::Buffered, |_| Ok(()))?;
        let puts = rows.iter().filter(|row| row.value.is_some()).count();
        self.inner.counters.add(Count::Puts, puts as u64);
        self.inner.counters.add(Count::Deletes, (rows.len() - puts) as u64);
        Ok(())
    }
}
